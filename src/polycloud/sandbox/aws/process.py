"""moto's process: starts it, talks to it, and makes sure that it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).with_name("start.py")
_DROPPED_PREFIXES = ("AWS_", "BOTO", "MOTO_", "INITIAL_NO_AUTH_")
_ENVIRONMENT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "true",
}


class Moto:
    """moto on a port of 127.0.0.1, until `end()`.

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
        port: the TCP port.
        end: kills the process; calling it again does nothing.
    """

    def __init__(self, access_key: str, secret_key: str, types: str, largest_page: int) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED_PREFIXES)}
        environment |= _ENVIRONMENT | {"MOTO_S3_DEFAULT_MAX_KEYS": str(largest_page)}
        self._lock = threading.Lock()
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(  # noqa: S603 - our program
                [sys.executable, "-P", "-W", "ignore", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
            self.end = weakref.finalize(self, _end, self._process, os.getpid())
            try:
                self.port: int = self.query([access_key, secret_key, types])
            except EOFError:
                self.end()
                log.seek(0)
                output = log.read().decode(errors="replace").strip() or "no output"
                raise RuntimeError(f"moto does not start: {output.splitlines()[-1]}") from None
            except BaseException:
                self.end()
                raise

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
