"""What the login shell of a node does for `SSHClient`: files without SFTP, root by sudo, and kills.

Files go through `cat`, with their path as an argument of `sh`. Its script prints a mark before it reads or
writes: what came before is not the file's (a `.bashrc` may print), and without the mark something else than
the script was run (a forced command), so that no content is sent to it, nor to a sudo that asks for another
password.

Root is the user itself, or sudo, with the user's password if it asks for one. It is asked once per connection
which of them it is. `-k` makes sudo read the password each time, so it never gets into a command's input.

A command that is killed from outside must die even if it is root's, which the user's signals and the server's
do not reach. So it tells its process group when it starts (`sshsession.tracked`), and root ends the group:
first by SIGTERM, which sudo passes on to what it runs on a terminal of its own.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, NamedTuple

from polycloud.compute.sshlogin import quoted
from polycloud.compute.sshsession import CHUNK, OUTPUT_LIMIT, Command, CommandResult
from polycloud.compute.types import (
    SSHAuthenticationError,
    SSHCommandTimeoutError,
    SSHConnectionLostError,
    SSHError,
    SSHFileError,
    SSHOutputLimitError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting

if TYPE_CHECKING:
    import asyncssh

HOUSEKEEPING_TIMEOUT = 10.0
"""Seconds for a command of our own that does not read or write a file."""
OTHER_USER = re.compile(r"please log ?in as the user", re.IGNORECASE)
"""What cloud-init's forced command prints before it sleeps for 10 s."""
WHO = 'if [ "$(id -u)" = 0 ]; then echo $0 root; elif sudo -n true; then echo $0 free; else echo $0 asked; fi'
PREPARE = 'mkdir -p -- "$(dirname -- "$1")" && exec 3{op} "$1" && {{ [ -z "$2" ] || chmod -- "$2" "$1"; }}'
WRITE = PREPARE + ' && echo "$3" && cat >&3 && {{ readlink -f -- "$1" || echo "$1"; }}'
READ = '[ -r "$1" ] && echo "$2"; exec cat -- "$1"'
KILL = "kill -s TERM -- -$1 2>/dev/null || exit 0; sleep 1; kill -s KILL -- -$1 2>/dev/null"


class Elevation(NamedTuple):
    """How a command becomes root's: what stands before it, and what it reads first."""

    prefix: str
    stdin: bytes


NONE = Elevation("", b"")
FREE = Elevation("sudo -n -- ", b"")


def new_mark() -> str:
    """Return a text that no output has by chance."""
    return f"polycloud-{secrets.token_hex(8)}"


def script(text: str, *arguments: str) -> str:
    """Return the command that runs `text` in `sh`, with `$0`, `$1` and so on, whatever the login shell is."""
    return shlex.join(["sh", "-c", text, *arguments])


class Shell:
    """The login shell behind a connection. `client` is its name in messages."""

    def __init__(
        self, client: str, connection: Callable[[], asyncssh.SSHClientConnection], password: str | None
    ) -> None:
        self.client = client
        self.connection = connection
        self.password = password
        self._elevation: Elevation | None = None

    # Who may do what

    def probe(self, limit: float) -> tuple[bool, str]:
        """Return whether the shell runs commands, and what it printed instead if it does not."""
        mark = new_mark()
        text = ""
        try:
            with self._running(Command(self.client, f"echo {mark}", limit)) as command:
                while pieces := waiting.run(command.pieces):
                    text += "".join(piece for _, piece in pieces)
                    if mark in text.split():
                        return True, ""
                    if OTHER_USER.search(text):
                        break
        except (SSHConnectionLostError, SSHTimeoutError):
            raise
        except SSHCommandTimeoutError:
            text = text or f"nothing within {limit:g} s"
        except SSHError as error:
            text = text or str(error)
        return False, quoted(text)

    def elevation(self) -> Elevation:
        """Return how to become root. Raises `SSHAuthenticationError` where that is impossible."""
        if self._elevation is None:
            self._elevation = self._find_elevation()
        return self._elevation

    def _find_elevation(self) -> Elevation:
        mark = new_mark()
        result = self._result(script(WHO, mark))
        match re.findall(rf"^{mark} (\w+)\r?$", result.stdout, re.MULTILINE):
            case ["root"]:
                return NONE
            case ["free"]:
                return FREE
            case ["asked"] if self.password:
                asked = Elevation("sudo -k -S -p '' -- ", f"{self.password}\n".encode())
                result = self._result(f"{asked.prefix}true", asked.stdin)
                if result.exit_status == 0:
                    return asked
        words = quoted(result.stderr or result.stdout)
        if self.password:
            words = words.replace(self.password, "***")
        raise SSHAuthenticationError(f"{self.client} cannot run commands as root: {words}")

    def _result(self, cmd: str, stdin: bytes = b"") -> CommandResult:
        with self._running(Command(self.client, cmd, HOUSEKEEPING_TIMEOUT, stdin=stdin)) as command:
            while waiting.run(command.pieces):
                pass
            return waiting.run(command.result)

    @contextmanager
    def _running(self, command: Command) -> Iterator[Command]:
        try:
            waiting.run(lambda: command.start(self.connection))
            yield command
        finally:
            waiting.run(command.end)

    def kill(self, group: int, elevation: Elevation) -> None:
        """End a process group, root's processes included if the user may do that."""
        if group > 1:
            may = elevation if elevation.prefix else self._free_elevation()
            self._result(f"{may.prefix}{script(KILL, 'sh', str(group))}", may.stdin)

    def _free_elevation(self) -> Elevation:
        return FREE if self._result("sudo -n true").exit_status == 0 else NONE

    # Files

    def write(
        self, path: str, source: IO[bytes] | IO[str], chmod: int | None, *, append: bool, sudo: bool
    ) -> str:
        """Write a file from an open one, with its permissions before its content; return its path."""
        mark, path = new_mark(), _argument(path)
        mode = "" if chmod is None else f"{chmod:o}"
        text = script(WRITE.format(op=">>" if append else ">"), "sh", path, mode, mark)
        with self._file_command(text, path, sudo=sudo) as command:
            self._until_mark(command, mark, path)
            while chunk := source.read(CHUNK):
                data = chunk.encode() if isinstance(chunk, str) else chunk
                waiting.run(partial(command.write, data))
            waiting.run(command.write_eof)
            output = self._rest(command, b"", path)
        return output.decode(errors="replace").splitlines()[-1]

    def read(self, path: str, *, sudo: bool) -> bytes:
        """Return the content of a file."""
        mark, path = new_mark(), _argument(path)
        with self._file_command(script(READ, "sh", path, mark), path, sudo=sudo) as command:
            waiting.run(command.write_eof)
            return self._rest(command, self._until_mark(command, mark, path), path)

    def delete(self, path: str, *, sudo: bool) -> None:
        """Delete a file."""
        may = self.elevation() if sudo else NONE
        result = self._result(f"{may.prefix}{shlex.join(['rm', '--', path])}", may.stdin)
        if result.exit_status != 0:
            raise self._failure(path, result.stderr)

    @contextmanager
    def _file_command(self, text: str, path: str, *, sudo: bool) -> Iterator[Command]:
        may = self.elevation() if sudo else NONE
        command = Command(
            self.client,
            may.prefix + text,
            stdin=may.stdin,
            more_input=True,
            shown=f"the file {path}",
        )
        with self._running(command):
            yield command

    def _until_mark(self, command: Command, mark: str, path: str) -> bytes:
        """Wait for the mark; return what followed it."""
        seen: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        line = f"{mark}\n".encode()
        while received := waiting.run(command.data):
            for stream, data in received:
                seen[stream] += data
            _, found, after = seen["stdout"].partition(line)
            if found:
                return after
        waiting.run(command.result)  # raises if the connection is lost
        raise self._failure(path, (seen["stderr"] or seen["stdout"]).decode(errors="replace"))

    def _rest(self, command: Command, begun: bytes, path: str) -> bytes:
        output, errors = bytearray(begun), bytearray()
        while received := waiting.run(command.data):
            for stream, data in received:
                (errors if stream == "stderr" else output).extend(data)
            if len(output) > OUTPUT_LIMIT:
                raise SSHOutputLimitError(f"the file {path!r} has more than {OUTPUT_LIMIT:,} bytes")
        if waiting.run(command.result).exit_status != 0:
            raise self._failure(path, errors.decode(errors="replace"))
        return bytes(output)

    def _failure(self, path: str, words: str) -> SSHFileError:
        return SSHFileError(f"the file {path!r} on {self.client}: {quoted(words) or 'it says nothing'}")


def _argument(path: str) -> str:
    """Return a path that no command takes for an option."""
    return f"./{path}" if path.startswith("-") else path
