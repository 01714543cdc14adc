from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.forked import FOLDERS, READ_AT_START, Forked, Forker

POLYCLOUD = [sys.executable, "-W", "error", "-m", "polycloud.cli.main"]
DECIDES_ABOUT_COLOUR = {"CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"}
CREDENTIALS = ("POLYCLOUD_", "DIGITALOCEAN_", "DO_")

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]
AtTerminal = Callable[..., str]


def environment(**more: str) -> dict[str, str]:
    """The environment of a user without settings of colour, accounts, and a cache."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in DECIDES_ABOUT_COLOUR and not name.startswith(CREDENTIALS)
    }
    nowhere = {"XDG_CONFIG_HOME": "/nowhere", "XDG_CACHE_HOME": "/dev/null"}
    return {**kept, "TERM": "xterm-256color", **nowhere, **more}


def read_at_start(variables: Iterable[str]) -> bool:
    """Whether Python reads one of these variables only when it starts, so that it must start."""
    return any(name.startswith(READ_AT_START) and name != FOLDERS for name in variables)


class Terminal:
    """The command at a terminal: its output, and typed keys.

    A `program` runs instead of it: the text of one in Python, or the command line of another one.
    """

    def __init__(
        self,
        forker: Forker,
        *arguments: str,
        columns: int = 80,
        program: str | Sequence[str] | None = None,
        **variables: str,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process: Forked | subprocess.Popen[bytes]
        if (program is None or isinstance(program, str)) and not read_at_start(variables):
            self.process = forker.start(
                arguments, environment(**variables), [theirs] * 3, program, at_terminal=True
            )
        else:
            self.process = subprocess.Popen(
                [*(program or POLYCLOUD), *arguments],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=environment(**variables),
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,  # noqa: PLW1509 - no threads
            )
        os.close(theirs)
        self.sent = ""
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def until(self, text: str) -> str:
        """The output, once it contains `text`."""
        while text not in self.sent:
            assert self._read(), self.sent
        return self.sent

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Read to the end; return the exit status."""
        while self._read():
            pass
        return self.process.wait(30)

    def close(self) -> None:
        """Stop the command if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        readable, _, _ = select.select([self._ours], [], [], 60)
        assert readable, self.sent
        # When the last writer has gone, Linux reports an error and others the end of the file.
        with contextlib.suppress(OSError):
            part = os.read(self._ours, 65536)
            self.sent += self._decoder.decode(part)  # a character may arrive in two pieces
            return bool(part)
        return False


@pytest.fixture
def run(forker: Forker) -> Run:
    """Runs the command to its end, or another Python program, without a terminal.

    A `program=` finds all of polycloud imported, a `fresh=` one nothing.
    """

    def run_it(
        *arguments: str,
        program: str | None = None,
        fresh: str | None = None,
        input: str = "",
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        if fresh is None and not read_at_start(variables):
            return forker.run(arguments, environment(**variables), input, 60, program)
        script = fresh or program
        command = POLYCLOUD if script is None else [sys.executable, "-W", "error", "-c", script]
        return subprocess.run(
            [*command, *arguments],
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=environment(**variables),
        )

    return run_it


@pytest.fixture
def start(forker: Forker) -> Start:
    """Starts the command; it is killed at the end of the block if it still runs.

    With `fresh=True` Python itself is started.
    """

    @contextlib.contextmanager
    def start_it(*arguments: str, fresh: bool = False, **variables: str) -> Iterator[Any]:
        if not fresh:
            with forker.piped(arguments, environment(**variables)) as piped:
                yield piped
            return
        with subprocess.Popen(
            [*POLYCLOUD, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**variables),
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start_it


@pytest.fixture
def terminal(forker: Forker) -> Iterator[Callable[..., Terminal]]:
    """Starts the command at a terminal."""
    with contextlib.ExitStack() as stack:

        def start_it(*arguments: str, **settings: Any) -> Terminal:
            started = Terminal(forker, *arguments, **settings)
            stack.callback(started.close)
            return started

        yield start_it


@pytest.fixture
def at_terminal(terminal: Callable[..., Terminal]) -> AtTerminal:
    """Runs the command at a terminal of 80 columns; returns its output."""

    def run_it(*arguments: str, status: int = 0, **settings: Any) -> str:
        started = terminal(*arguments, **settings)
        assert started.end() == status, started.sent
        return started.sent

    return run_it


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration that only its owner can read."""

    def write(text: str) -> Path:
        file = tmp_path / "config.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    return write


@pytest.fixture
def dummies(configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with two accounts in memory, two nodes each; the first is the default."""
    file = configured(
        'default = "home"\n'
        '[profiles.home]\nprovider = "dummy"\nkey = "x"\n'
        '[profiles.work]\nprovider = "dummy"\nkey = "x"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


@pytest.fixture
def office() -> Iterator[Sandbox]:
    """A fast NephoScale with two servers."""
    knobs: Any = {"appear": 0.05, "build": 0.3, "power": 0.05, "destroy": 0.05}
    with Sandbox("nephoscale", seed_nodes=2, no_isolation=True, **knobs) as cloud:
        yield cloud


@pytest.fixture
def prod() -> Iterator[Sandbox]:
    """A fast DigitalOcean with two droplets."""
    with Sandbox("digitalocean", ssh="off", seed_nodes=2, build=0.3, power=0.05, attach=0.05) as cloud:
        yield cloud


@pytest.fixture
def both(office: Sandbox, prod: Sandbox, configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with an account at each."""
    user, password = office.credentials
    file = configured(
        f'[profiles.office]\nprovider = "nephoscale"\nurl = "{office.url}"\n'
        f'user = "{user}"\npassword = "{password}"\n'
        f'[profiles.prod]\nprovider = "digitalocean"\nurl = "{prod.url}/v2"\n'
        f'token = "{prod.credentials[0]}"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


@pytest.fixture
def wait_for() -> Callable[[Callable[[], object]], None]:
    """Returns when the given function returns a true value."""

    def wait(condition: Callable[[], object]) -> None:
        ends_at = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < ends_at
            time.sleep(0.02)  # noqa: TID251 - a test waits for a process

    return wait
