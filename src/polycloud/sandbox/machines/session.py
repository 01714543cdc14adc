"""A command or a shell that a client runs over SSH.

A command may have left processes in the background, with or without its pipes. Its session ends when the
command has ended *and* all writers of its pipes are closed, as with OpenSSH; or when the client disconnects,
which kills the command. A process that has detached itself lives on until its machine stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import struct
import termios
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncssh

if TYPE_CHECKING:
    from polycloud.sandbox.machines.isolation import Machine

_CHUNK = 65536
_CANNOT_EXECUTE = 126
_TERM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")


async def run(process: asyncssh.SSHServerProcess[bytes], machine: Machine, user: str) -> None:
    """Run a client's command until it ends; kill it if the client disconnects."""
    if machine.refusal:
        process.stderr.write(machine.refusal.encode() + b"\n")
        process.exit(_CANNOT_EXECUTE)
        return
    with contextlib.ExitStack() as stack:
        try:
            terminal = stack.enter_context(_Terminal(machine, process)) if process.term_type else None
            child = await _start(process, machine, user, terminal)
        except OSError as error:
            process.stderr.write(f"{error}\n".encode())
            process.exit(_CANNOT_EXECUTE)
            return
        await _Exchange(process, machine, child, terminal).run()


async def _start(
    process: asyncssh.SSHServerProcess[bytes], machine: Machine, user: str, terminal: _Terminal | None
) -> asyncio.subprocess.Process:
    shell = _shell(machine)
    command = [shell, "-l"] if process.command is None else [shell, "-c", process.command]
    ends = terminal.theirs if terminal else asyncio.subprocess.PIPE
    arguments = ["/bin/sh", "-c", 'cd && exec "$0" "$@"', *command]
    child = await asyncio.create_subprocess_exec(
        *machine.command(arguments, terminal=terminal is not None),
        stdin=ends,
        stdout=ends,
        stderr=ends,
        # Nothing that the client sends: it would change programs of this computer, by LD_PRELOAD for one
        env={**_environment(process, user, shell), **machine.environment},
        cwd=machine.workplace,
        # With a terminal, the machine's command line starts the session to which the terminal belongs.
        start_new_session=terminal is None,
        limit=_CHUNK,
    )
    if terminal:
        terminal.hand_over()
    return child


def _shell(machine: Machine) -> str:
    # A machine that is a folder runs this computer's programs.
    root = machine.root if machine.workplace is None else "/"
    return "/bin/bash" if Path(root, "bin/bash").exists() else "/bin/sh"


def _environment(process: asyncssh.SSHServerProcess[bytes], user: str, shell: str) -> dict[str, str]:
    client, server = (process.get_extra_info(name) for name in ("peername", "sockname"))
    connection = f"{client[0]} {client[1]} {server[0]} {server[1]}"
    variables = {"USER": user, "LOGNAME": user, "SHELL": shell, "SSH_CONNECTION": connection}
    term = process.term_type
    return variables | ({"TERM": term} if term and _TERM.fullmatch(term) else {})


class _Terminal:
    """Both ends of a terminal; this process closes the command's end once the command has it."""

    def __init__(self, machine: Machine, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self._ours, self.theirs = machine.terminal()
        self._handed_over = False
        os.set_blocking(self._ours, False)
        self.resize(*process.term_size)

    def resize(self, width: int, height: int, pixel_width: int, pixel_height: int) -> None:
        size = struct.pack("HHHH", height, width, pixel_width, pixel_height)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def hand_over(self) -> None:
        self._handed_over = True
        os.close(self.theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ours)
        if not self._handed_over:
            os.close(self.theirs)

    async def read(self, most: int) -> bytes:
        """Return what was written to the terminal; nothing once no process has it open."""
        loop = asyncio.get_running_loop()
        await self._wait(loop.add_reader, loop.remove_reader)
        try:
            return os.read(self._ours, most)
        except OSError:  # EIO means the end of a terminal
            return b""

    async def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        while data:
            await self._wait(loop.add_writer, loop.remove_writer)
            data = data[os.write(self._ours, data) :]

    async def _wait(self, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        """Wait until the terminal is ready for what `add` watches."""
        ready = asyncio.Event()
        add(self._ours, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._ours)


class _Exchange:
    """Copies bytes between a client and a command; each side waits for the other."""

    def __init__(
        self,
        process: asyncssh.SSHServerProcess[bytes],
        machine: Machine,
        child: asyncio.subprocess.Process,
        terminal: _Terminal | None,
    ) -> None:
        self._process, self._machine, self._child, self._terminal = process, machine, child, terminal

    async def run(self) -> None:
        """Copy until the command ends, or the client disconnects."""
        disconnect = asyncio.create_task(self._process.channel.wait_closed())
        end = asyncio.create_task(self._copy_output())
        tasks = [disconnect, end, asyncio.create_task(self._copy_input())]
        try:
            await asyncio.wait([disconnect, end], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end()

    async def _copy_output(self) -> None:
        """Copy until the command has ended and all writers of its output are closed."""
        if self._terminal:
            await _copy(self._terminal, self._process.stdout)
        else:
            assert self._child.stdout
            assert self._child.stderr
            await asyncio.gather(
                _copy(self._child.stdout, self._process.stdout),
                _copy(self._child.stderr, self._process.stderr),
            )
        await self._child.wait()

    async def _end(self) -> None:
        """Send the command's exit status; kill its process group if it has not ended."""
        if self._child.returncode is None:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)  # Process.kill() would take the status from asyncio
        status = await self._child.wait()
        # Close pipes that other processes still have open.
        transport: asyncio.SubprocessTransport = self._child._transport  # type: ignore[attr-defined]  # noqa: SLF001
        transport.close()
        with contextlib.suppress(OSError):  # the client has disconnected
            if status < 0:
                self._process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
            else:
                self._process.exit(status)

    async def _copy_input(self) -> None:
        """Forward what the client sends: bytes, signals, window sizes."""
        while True:
            try:
                data = await self._process.stdin.read(_CHUNK)
            except asyncssh.TerminalSizeChanged as size:
                if self._terminal:
                    self._terminal.resize(size.width, size.height, size.pixwidth, size.pixheight)
            except asyncssh.SignalReceived as sent:
                self._signal(getattr(signal, f"SIG{sent.signal}", signal.SIGTERM))
            except asyncssh.BreakReceived:
                self._signal(signal.SIGINT)
            else:
                if not data:
                    break
                with contextlib.suppress(OSError):  # the command does not read its input
                    await self._write(data)
        if self._child.stdin:
            self._child.stdin.close()

    async def _write(self, data: bytes) -> None:
        if self._terminal:
            await self._terminal.write(data)
        elif self._child.stdin:
            self._child.stdin.write(data)
            await self._child.stdin.drain()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it has ended, and /proc too
            os.killpg(self._machine.leader(self._child.pid), number)


async def _copy(source: asyncio.StreamReader | _Terminal, sink: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
