"""moto's process: starts it, talks to it, and makes sure that it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import ExitStack
from multiprocessing import Pipe
from pathlib import Path
from queue import LifoQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_PROGRAM = Path(__file__).with_name("start.py")
_DROPPED_PREFIXES = ("AWS_", "BOTO", "MOTO_", "INITIAL_NO_AUTH_")
_ENVIRONMENT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "true",
}
Answer = tuple[int, list[tuple[str, str]], bytes]
CONNECTIONS = 32
"""How many requests moto serves at the same time; the others wait."""


class Moto:
    """moto in a process of its own, until `end()`.

    Nothing but this process can talk to it: requests and responses go through pairs of connected sockets.

    It ends with this process too, however that ends: it reads a pipe whose other end closes then. Ctrl-C at
    a terminal does not reach it, so that a program's handler of KeyboardInterrupt can still use the cloud.

    Args:
        access_key: the id of the only access key that it accepts.
        secret_key: its secret.
        types: see `AWSSettings`.
        largest_page: likewise.

    Raises:
        RuntimeError: it does not start; the message ends with the last line that it printed.

    Attributes:
        end: kills the process; calling it again does nothing.
    """

    def __init__(self, access_key: str, secret_key: str, types: str, largest_page: int) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED_PREFIXES)}
        environment |= _ENVIRONMENT | {"MOTO_S3_DEFAULT_MAX_KEYS": str(largest_page)}
        self._lock = threading.Lock()
        self._idle: LifoQueue[Connection] = LifoQueue()
        with tempfile.TemporaryFile() as log, ExitStack() as stack:
            descriptors = []
            for _ in range(CONNECTIONS):
                ours, theirs = Pipe()
                self._idle.put(ours)
                descriptors.append(stack.enter_context(theirs).fileno())
            self._process = subprocess.Popen(  # noqa: S603 - our program
                [sys.executable, "-P", "-W", "ignore", str(_PROGRAM), *map(str, descriptors)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
                pass_fds=descriptors,
            )
            self.end = weakref.finalize(self, _end, self._process, os.getpid())
            try:
                self.query([access_key, secret_key, types])
            except EOFError:
                self.end()
                log.seek(0)
                output = log.read().decode(errors="replace").strip() or "no output"
                raise RuntimeError(f"moto does not start: {output.splitlines()[-1]}") from None
            except BaseException:
                self.end()
                raise

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return status, headers and body of the response to a request; EOFError if the process has ended."""
        connection = self._idle.get()
        try:
            connection.send((method, target, headers, body))
            response: Answer = connection.recv()
        except OSError:
            raise EOFError("moto has ended") from None
        finally:
            self._idle.put(connection)
        return response

    def query(self, query: Any) -> Any:
        """Send one query to the program and return the result; EOFError if the process has ended."""
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        with self._lock:
            try:
                writer.write(json.dumps(query).encode() + b"\n")
                writer.flush()
                line = reader.readline()
            except BrokenPipeError:
                line = b""
        if not line:
            raise EOFError("moto has ended")
        return json.loads(line)


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """Kill the process and wait for its end, but not in a fork of the process that started it."""
    if os.getpid() == owner:
        process.kill()
        process.communicate()
