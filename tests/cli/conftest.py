from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator

import pytest

POLYCLOUD = [sys.executable, "-W", "error", "-m", "polycloud.cli.main"]
DECIDES_ABOUT_COLOUR = {"CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"}

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]
AtTerminal = Callable[..., str]


def environment(**more: str) -> dict[str, str]:
    """The environment of a user who has set nothing that decides about colour."""
    kept = {name: value for name, value in os.environ.items() if name not in DECIDES_ABOUT_COLOUR}
    return {**kept, "TERM": "xterm-256color", **more}


@pytest.fixture
def run() -> Run:
    """Runs the command to its end, or another Python program by `program=`, without a terminal."""

    def run_it(
        *arguments: str, program: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        command = POLYCLOUD if program is None else [sys.executable, "-W", "error", "-c", program]
        return subprocess.run(
            [*command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=environment(**variables),
        )

    return run_it


@pytest.fixture
def start() -> Start:
    """Starts the command; it is killed at the end of the block if it still runs."""

    @contextlib.contextmanager
    def start_it(*arguments: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [*POLYCLOUD, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start_it


@pytest.fixture
def at_terminal() -> AtTerminal:
    """Runs the command at a terminal of 80 columns; what the terminal was sent."""

    def run_it(*arguments: str, **variables: str) -> str:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        with subprocess.Popen(
            [*POLYCLOUD, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(**variables),
        ) as process:
            os.close(theirs)
            sent = bytearray()
            # Where the last writer has gone, Linux reports an error and others the end of the file.
            with contextlib.suppress(OSError):
                while part := os.read(ours, 65536):
                    sent += part
            os.close(ours)
            assert process.wait(30) == 0, sent.decode()
        return sent.decode()

    return run_it
