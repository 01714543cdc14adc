"""A command or a shell that somebody runs over SSH."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncssh

if TYPE_CHECKING:
    from polycloud.sandbox.machines.kinds import Machine

_CHUNK = 65536
_CANNOT_EXECUTE = 126


async def run(process: asyncssh.SSHServerProcess[bytes], machine: Machine, user: str) -> None:
    """Run what a client asked for, until it ends or the client is gone, with which it is killed."""
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
    what = [shell, "-l"] if process.command is None else [shell, "-c", process.command]
    ends = terminal.theirs if terminal else asyncio.subprocess.PIPE
    arguments = ["/bin/sh", "-c", 'cd && exec "$0" "$@"', *what]
    child = await asyncio.create_subprocess_exec(
        *machine.command(arguments, terminal=terminal is not None),
        stdin=ends,
        stdout=ends,
        stderr=ends,
        env={**_environment(process, user, shell), **machine.environment, **process.env},
        cwd=machine.workplace,
        # With a terminal the command begins a session of its own, to which the terminal belongs.
        start_new_session=terminal is None,
        limit=_CHUNK,
    )
    if terminal:
        terminal.hand_over()
    return child


def _shell(machine: Machine) -> str:
    # A folder without files of its own runs the programs of this computer.
    root = machine.root if machine.workplace is None else "/"
    return "/bin/bash" if Path(root, "bin/bash").exists() else "/bin/sh"


def _environment(process: asyncssh.SSHServerProcess[bytes], user: str, shell: str) -> dict[str, str]:
    client, server = (process.get_extra_info(name) for name in ("peername", "sockname"))
    found = {"USER": user, "LOGNAME": user, "SHELL": shell}
    found["SSH_CONNECTION"] = f"{client[0]} {client[1]} {server[0]} {server[1]}"
    if process.term_type:
        found["TERM"] = process.term_type
    return found


class _Terminal:
    """Both ends of a terminal; the command's is closed here once the command has it."""

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
        """What was written to the terminal; nothing when no process has it any more."""
        loop = asyncio.get_running_loop()
        await self._turn(loop.add_reader, loop.remove_reader)
        try:
            return os.read(self._ours, most)
        except OSError:  # the kernel's way to tell the end of a terminal
            return b""

    async def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        while data:
            await self._turn(loop.add_writer, loop.remove_writer)
            data = data[os.write(self._ours, data) :]

    async def _turn(self, watch: Callable[..., object], forget: Callable[[int], object]) -> None:
        ready = asyncio.Event()
        watch(self._ours, ready.set)
        try:
            await ready.wait()
        finally:
            forget(self._ours)


class _Exchange:
    """The bytes between a client and a command, each side at the pace of the other."""

    def __init__(
        self,
        process: asyncssh.SSHServerProcess[bytes],
        machine: Machine,
        child: asyncio.subprocess.Process,
        terminal: _Terminal | None,
    ) -> None:
        self._process, self._machine, self._child, self._terminal = process, machine, child, terminal

    async def run(self) -> None:
        """Until the command ends, or the client is gone."""
        gone = asyncio.create_task(self._process.channel.wait_closed())
        end = asyncio.create_task(self._until_the_end())
        tasks = [gone, end, asyncio.create_task(self._feed())]
        try:
            await asyncio.wait([gone, end], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end()

    async def _until_the_end(self) -> None:
        """Until the command has ended and nobody can write to its output any more."""
        if self._terminal:
            await _pour(self._terminal, self._process.stdout)
        else:
            assert self._child.stdout
            assert self._child.stderr
            await asyncio.gather(
                _pour(self._child.stdout, self._process.stdout),
                _pour(self._child.stderr, self._process.stderr),
            )
        await self._child.wait()

    async def _end(self) -> None:
        """Tell how the command ended; one that has not is killed with its process group."""
        if self._child.returncode is None:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)  # not kill(): it would take the status from asyncio
        status = await self._child.wait()
        # Pipes that somebody else still writes to are cut.
        transport: asyncio.SubprocessTransport = self._child._transport  # type: ignore[attr-defined]  # noqa: SLF001
        transport.close()
        if status < 0:
            self._process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            self._process.exit(status)

    async def _feed(self) -> None:
        """Pass on what the client sends: bytes, signals, new sizes of its window."""
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
                with contextlib.suppress(OSError):  # a command need not read its input
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
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._machine.leader(self._child.pid), number)


async def _pour(source: asyncio.StreamReader | _Terminal, sink: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
