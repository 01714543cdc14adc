"""The command `polycloud` as a process that need not start: one that has imported the command forks it.

The start of Python and the command's imports take 0.4 s of a processor, which is most of what a short command
takes, and the tests run hundreds. The process forked has its own arguments, environment, folder and files,
and ends as every process of Python does. Tests of the start itself, and of signals and terminals, start the
command as a user does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

READ_AT_START = ("LANG", "LC_", "PYTHON")
"""How the names of variables begin that Python reads when it starts."""

IMPORTED = (
    "asyncssh",
    "encodings.idna",
    "polycloud.cli.app",
    "polycloud.cli.verbs",
    "polycloud.compute.deployment",
    *(
        f"polycloud.compute.drivers.{name}"
        for name in ("digitalocean", "dummy", "ec2", "linode", "nephoscale")
    ),
    "polycloud.http.urllib3",
    "polycloud.sandbox",
    *("rich.console", "rich.live", "rich.table", "typer._adapters"),
)
COMMANDS = "polycloud.cli.commands"
LONGEST = 200_000
"""Bytes of a request: arguments, environment and folder."""


class Forker:
    """Runs the command in processes forked from one that has imported it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], input: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, without a terminal; after `timeout` seconds kill it and raise."""
        request = json.dumps([[*arguments], {**environment}, str(Path.cwd())]).encode()
        ours, theirs = socket.socketpair()
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(input.encode())
            given.seek(0)
            with ours, theirs:
                files = [given.fileno(), out.fileno(), err.fileno(), theirs.fileno()]
                socket.send_fds(self._line, [request], files)
                theirs.close()
                status = _status(ours, [*arguments], timeout)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess([*arguments], status, *texts)

    def close(self) -> None:
        """End the process."""
        self._line.close()
        self._process.wait(60)


def _status(line: socket.socket, command: list[str], timeout: float) -> int:
    """Return the exit status of the process whose id comes first on the line."""
    ends_at, pid = time.monotonic() + timeout, 0
    with line.makefile("r") as lines:
        pid = int(lines.readline())
        if not select.select([line], [], [], ends_at - time.monotonic())[0]:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, timeout)
        return int(lines.readline())


def serve(line: socket.socket) -> Any:
    """Fork a process for each request; return in it, with its arguments, files and environment in place."""
    commands = pkgutil.iter_modules(importlib.import_module(COMMANDS).__path__, f"{COMMANDS}.")
    for name in [*IMPORTED, *(command.name for command in commands)]:
        importlib.import_module(name)
    gc.freeze()  # what is shared stays shared
    while True:
        request, files, *_ = socket.recv_fds(line, LONGEST, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            break
        for file in files:
            os.close(file)
        while _one_has_ended():
            pass
    *streams, report = files
    pid = os.fork()
    if pid:  # reports the status, since only a parent is told it
        os.write(report, f"{pid}\n".encode())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(report, f"{status}\n".encode())
        os._exit(0)
    os.close(report)
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    arguments, environment, folder = json.loads(request)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.path.insert(0, folder)
    return arguments


def _one_has_ended() -> bool:
    """Whether a child has ended, which is then forgotten."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    main: Any = importlib.import_module("polycloud.cli.main")
    main.run()
