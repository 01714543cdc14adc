"""Machines that are a folder: they keep files, and run commands only where nobody minds."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from polycloud.sandbox.machines import addresses, kinds

if TYPE_CHECKING:
    import socket

_PREFIX = "polycloud-sandbox-"
_MARK = "POLYCLOUD_SANDBOX_MACHINE"


def problem() -> str | None:
    """Why this kind does not work here; None if it does."""
    return kinds.loopback_problem()


class Folders(kinds.Isolation):
    """The kind `folder`; with `no_isolation` its commands run as this process's user, in its own folder."""

    def __init__(self, why: str, *, no_isolation: bool) -> None:
        what = "folder, commands run on this computer" if no_isolation else "folder, commands are refused"
        self.title = f"{what} ({why})" if why else what
        self.ssh_port = self._port = addresses.free_port()
        self._networks = addresses.Networks(addresses.loopback(), on_this_host=True)
        self._refusal = None if no_isolation else _refusal(why)

    def networks(self) -> Iterator[IPv4Network]:
        """The networks to choose addresses from."""
        return iter(self._networks)

    def machine(self, name: str, address: str) -> kinds.Machine:
        """A new folder; it has no host name of its own."""
        _sweep()
        return _Folder(address, self._port, self._refusal)


def _refusal(why: str) -> str:
    reason = f" ({why})" if why else ""
    return (
        "This sandbox keeps files but runs no commands: it has no way to keep them away from your own "
        f"computer{reason}. Say --no-isolation (in Python no_isolation=True) to run them on it all the same."
    )


class _Folder(kinds.Machine):
    """One folder."""

    def __init__(self, address: str, port: int, refusal: str | None) -> None:
        self._address, self._port = address, port
        self.refusal = refusal
        self._mark = secrets.token_hex(8)
        self._claim = addresses.Claim(self._mark)
        self.root = str(Path(tempfile.gettempdir(), _PREFIX + self._mark))
        self.workplace = self.root + self.home
        Path(self.root).mkdir(mode=0o700)
        for name in ("root", "tmp", "etc"):
            Path(self.root, name).mkdir()
        path = os.environ.get("PATH", os.defpath)
        self.environment = {"HOME": self.workplace, "PATH": path, _MARK: self._mark}

    def boot(self) -> None:
        """Nothing runs."""

    def halt(self) -> None:
        """Kill the commands and what they have started."""
        if not self.refusal:
            for process in _processes(f"{_MARK}={self._mark}".encode()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def remove(self) -> None:
        """Forget the files."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._claim.release()

    def listen(self) -> socket.socket:
        """Listen for SSH."""
        return kinds.listen(self._address, self._port)

    def command(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """What to start for a command."""
        return ["setsid", "--ctty", *arguments] if terminal else list(arguments)

    def leader(self, process: int) -> int:
        """The process group of a command."""
        return process

    def terminal(self) -> tuple[int, int]:
        """A new terminal."""
        return os.openpty()


def _processes(variable: bytes) -> list[int]:
    """The processes that have this in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


@cache
def _sweep() -> None:
    """Remove the folders of sandboxes that were killed, once a process."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if left.stat().st_uid == os.getuid():
            with contextlib.suppress(OSError):
                claim = addresses.Claim(left.name.removeprefix(_PREFIX))
                shutil.rmtree(left, ignore_errors=True)
                claim.release()
