"""Machines that are a folder: they keep files, and run commands only with `no_isolation`.

Nothing ties what a command has started to its folder, so every process of a machine is found by a variable
in its environment, which child processes inherit.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from polycloud.sandbox.machines import addresses
from polycloud.sandbox.machines.isolation import Isolation, Machine

_PREFIX = "polycloud-sandbox-"
_MARKER = "POLYCLOUD_SANDBOX_MACHINE"


class Folders(Isolation):
    """The isolation `folder`; with `no_isolation` commands run as this process's user, in a folder."""

    def __init__(self, why: str, *, no_isolation: bool) -> None:
        title = "folder, commands run on this computer" if no_isolation else "folder, commands are refused"
        self._port = addresses.free_port()
        networks = addresses.Networks(addresses.loopback(), on_this_host=True)
        super().__init__(f"{title} ({why})" if why else title, self._port, networks)
        self._refusal = None if no_isolation else _refusal(why)

    def machine(self, name: str, address: str) -> Machine:
        """Create a folder; it has no host name of its own."""
        _sweep()
        return _Folder(address, self._port, self._refusal)


def _refusal(why: str) -> str:
    reason = f" ({why})" if why else ""
    return (
        "This sandbox keeps files but runs no commands, because it cannot isolate them from your "
        f"computer{reason}. Use --no-isolation (in Python no_isolation=True) to run them on it nevertheless."
    )


class _Folder(Machine):
    """One folder."""

    def __init__(self, address: str, port: int, refusal: str | None) -> None:
        super().__init__(address, port)
        self.refusal = refusal
        self._marker = secrets.token_hex(8)
        self._claim = addresses.Claim(self._marker)
        self.root = str(Path(tempfile.gettempdir(), _PREFIX + self._marker))
        self.workplace = self.root + self.home
        Path(self.root).mkdir(mode=0o700)
        for name in ("root", "tmp", "etc"):
            Path(self.root, name).mkdir()
        path = os.environ.get("PATH", os.defpath)
        self.environment = {"HOME": self.workplace, "PATH": path, _MARKER: self._marker}

    def boot(self) -> None:
        """Do nothing: there is no first process."""

    def halt(self) -> None:
        """Kill the commands and the processes that they have started."""
        variable = f"{_MARKER}={self._marker}".encode()
        # Again until none is left: a process may have forked meanwhile, and takes a moment to end.
        while not self.refusal and (processes := _processes(variable)):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._claim.release()

    def command(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """Return what to start for a command."""
        return ["setsid", "--ctty", *arguments] if terminal else list(arguments)

    def leader(self, process: int) -> int:
        """Return the process group of a command."""
        return process

    def terminal(self) -> tuple[int, int]:
        """Return both ends of a new terminal."""
        return os.openpty()


def _processes(variable: bytes) -> list[int]:
    """Return the ids of the processes that have this variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


@cache
def _sweep() -> None:
    """Remove the folders of sandboxes that were killed, once per process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another sandbox may remove its folder meanwhile, and the claim of one that still runs is refused
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                claim = addresses.Claim(folder.name.removeprefix(_PREFIX))
                shutil.rmtree(folder, ignore_errors=True)
                claim.release()
