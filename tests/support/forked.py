"""The command `polycloud` as a process that need not start: one that has imported the command forks it.

The start of Python, imports, and the destruction of all modules at the end take 0.4 s of a processor, most of
what a short command takes, and the tests run hundreds. The process forked has its own arguments, environment,
folder, files and terminal, and ends as every process of Python does, except that its modules are not
destroyed. Tests of the start itself, of closed pipes and of signals start the command as a user does.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
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
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NoReturn

READ_AT_START = ("LANG", "LC_", "PYTHON")
"""How the names of variables begin that Python reads when it starts."""
FOLDERS = "PYTHONPATH"
"""The one of them that a process forked reads, too."""

IMPORTED = ("cli", "common", "compute", "dns", "fleet", "loadbalancer", "scaffold", "storage", "testing")
"""Packages of polycloud that are imported with all that they contain."""

ALSO_IMPORTED = (
    *("asyncssh", "dns.rdtypes.ANY.TXT", "dns.rdtypes.IN.A", "dns.zone", "encodings.idna", "idna"),
    *("polycloud.http.urllib3", "polycloud.sandbox", "polycloud.tracing.hooks"),
    *("pydantic.plugin._loader", "rich.console", "rich.live", "rich.table", "typer._adapters"),
)
ANEW = """import sys
for name in [name for name in sys.modules if name.partition(".")[0] == "polycloud"]:
    del sys.modules[name]
del name, sys
"""
"""How a program begins that imports of polycloud what it needs, as a program of a user does."""
LONGEST = 200_000
"""Bytes of a request: arguments, environment, folder and program."""


class Forked:
    """A process that was forked: what tests use of `subprocess.Popen`."""

    def __init__(self, line: socket.socket, command: Sequence[str]) -> None:
        self._line = line.makefile("r")
        self._command = [*command]
        self.pid = int(self._line.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended; raise `subprocess.TimeoutExpired` after `timeout` seconds."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._command, timeout or 0)
            self.returncode = int(self._line.readline())
            self._line.close()
        return self.returncode

    def kill(self) -> None:
        """Kill it, if it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


class Piped(Forked):
    """A process that was forked, whose output comes through pipes."""

    def __init__(self, line: socket.socket, command: Sequence[str], out: IO[str], err: IO[str]) -> None:
        super().__init__(line, command)
        self.stdout, self.stderr = out, err

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, which must still run."""
        os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end; return what it has printed since. It must be less than a pipe holds."""
        self.wait(timeout)
        return self.stdout.read(), self.stderr.read()


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

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        files: Sequence[int],
        program: str | None = None,
        *,
        at_terminal: bool = False,
    ) -> Forked:
        """Start the command, or a Python program instead of it, with these as its standard files."""
        with self._ask(arguments, environment, files, program, at_terminal=at_terminal) as line:
            return Forked(line, arguments)

    @contextlib.contextmanager
    def piped(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Piped]:
        """Start the command with pipes; it is killed at the end of the block if it still runs."""
        with contextlib.ExitStack() as stack:
            theirs: list[IO[bytes]] = [stack.enter_context(open(os.devnull, "rb"))]  # noqa: PTH123
            ours = []
            for _ in range(2):
                reads, writes = os.pipe()
                ours.append(stack.enter_context(open(reads, encoding="utf-8")))  # noqa: PTH123
                theirs.append(open(writes, "wb"))  # noqa: PTH123, SIM115
            line = stack.enter_context(self._ask(arguments, environment, [file.fileno() for file in theirs]))
            for file in theirs:
                file.close()
            process = Piped(line, arguments, *ours)
            stack.callback(process.kill)
            yield process

    def _ask(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        files: Sequence[int],
        program: str | None = None,
        *,
        at_terminal: bool = False,
    ) -> socket.socket:
        """Ask for a process; return the line on which its id and its exit status are reported."""
        process = [[*arguments], {**environment}, str(Path.cwd()), program, at_terminal]
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._line, [json.dumps(process).encode()], [*files, theirs.fileno()])
        return ours

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        input: str,
        timeout: float,
        program: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, without a terminal; after `timeout` seconds kill the process and raise."""
        with contextlib.ExitStack() as stack:
            given, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(input.encode())
            given.seek(0)
            files = [file.fileno() for file in (given, out, err)]
            process = self.start(arguments, environment, files, program)
            try:
                status = process.wait(timeout)
            finally:
                process.kill()
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess([*arguments], status, *texts)

    def close(self) -> None:
        """End the process."""
        self._line.close()
        self._process.wait(60)


# The process that forks


class End:
    """The end of a process without the destruction of its modules, which takes longer than most commands.

    Only the program itself is destroyed, with what it leaves open.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.program = ModuleType("__main__")
        atexit.register(self._leave)  # runs last: nothing has been registered before

    def _leave(self) -> None:
        """Leave at once with the exit status, if it is known."""
        if self.status is not None:
            vars(self.program).clear()
            gc.collect()  # warns of what was not closed
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)


def serve(line: socket.socket) -> Any:
    """Fork a process for each request; return in it, with its environment, folder and files in place."""
    gc.disable()  # what is imported is no garbage
    for name in IMPORTED:
        package = importlib.import_module(f"polycloud.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ALSO_IMPORTED:
        importlib.import_module(name)
    _build_commands()
    gc.freeze()  # what is shared stays shared
    request, files = _fork_each(line)
    gc.enable()
    *streams, report = files
    os.close(report)
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    arguments, environment, folder, program, at_terminal = json.loads(request)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.path[:0] = [folder, *filter(None, environment.get(FOLDERS, "").split(os.pathsep))]
    if at_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            old = getattr(sys, name)
            options = {"encoding": old.encoding, "errors": old.errors, "closefd": False}
            setattr(sys, name, open(number, old.mode, **options))  # noqa: SIM115, PTH123
    return arguments, program


def _build_commands() -> None:
    """Have Typer build the commands once for all processes: each would spend half of its time on it."""
    app: Any = importlib.import_module("polycloud.cli.app")
    app.load = functools.cache(app.load)
    for name in app.COMMANDS:
        app.load(name)


def _fork_each(line: socket.socket) -> tuple[bytes, list[int]]:
    """Return in each process forked, with its request and files; report ids and exit statuses."""
    reports: dict[int, int] = {}
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None), signal.set_wakeup_fd(wake)
    while True:
        if line.fileno() not in select.select([line.fileno(), ended], [], [])[0]:
            os.read(ended, 1000)
            _report_ends(reports)
            continue
        request, files, *_ = socket.recv_fds(line, LONGEST, 4)
        if not request:
            os._exit(0)
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, before[0])
            signal.set_wakeup_fd(before[1])
            for file in (ended, wake, *reports.values()):
                os.close(file)
            line.close()
            return request, files
        *streams, reports[pid] = files
        os.write(reports[pid], f"{pid}\n".encode())
        for file in streams:
            os.close(file)


def _report_ends(reports: dict[int, int]) -> None:
    """Report the exit statuses of the processes that have ended."""
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        report = reports.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(report)


def main() -> NoReturn:
    """Serve; in each process forked, run what it was forked for."""
    end = End()
    sys.argv[1:], program = serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        if program is None:
            importlib.import_module("polycloud.cli.main").run()
        else:
            sys.argv[0] = "-c"
            sys.modules["__main__"] = end.program
            exec(program, vars(end.program))  # noqa: S102 - what `python -c` does
        end.status = 0
    except SystemExit as ended:
        end.status = 0 if ended.code is None else ended.code if isinstance(ended.code, int) else 1
        raise
    sys.exit()


if __name__ == "__main__":
    main()
