"""moto's process: started, asked, and surely ended."""

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

_PROGRAM = Path(__file__).with_name("program.py")
_DROPPED = ("AWS_", "BOTO", "MOTO_")
_STRICT = {
    "INITIAL_NO_AUTH_ACTION_COUNT": "0",  # signatures are checked from the first request on
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "true",
}
_NO_ACCOUNT = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


class Moto:
    """moto's EC2 on a port of 127.0.0.1, until `end()`.

    It ends with this process too, however that ends: it reads a pipe whose other end closes then. Ctrl-C at
    a terminal does not reach it, so that what is done about it still finds the cloud.

    Args:
        access_key: the id of the only key that it takes.
        secret_key: its secret.
        types: as `EC2Knobs` has them.

    Raises:
        RuntimeError: it does not start; the message has its last words.

    Attributes:
        port: the TCP port.
        end: ends it, at once; a second time does nothing.
    """

    def __init__(self, access_key: str, secret_key: str, types: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
        self._lock = threading.Lock()
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(  # noqa: S603 - our program
                [sys.executable, "-P", "-W", "ignore", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment | _STRICT | _NO_ACCOUNT,
                start_new_session=True,
            )
            self.end = weakref.finalize(self, _end, self._process, os.getpid())
            try:
                self.port: int = self.ask([access_key, secret_key, types])
            except EOFError:
                self.end()
                log.seek(0)
                words = log.read().decode(errors="replace").strip() or "it says nothing"
                raise RuntimeError(f"moto does not start: {words.splitlines()[-1]}") from None
            except BaseException:
                self.end()
                raise

    def ask(self, question: Any) -> Any:
        """What the program answers; EOFError where it has ended."""
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        with self._lock:
            try:
                writer.write(json.dumps(question).encode() + b"\n")
                writer.flush()
                answer = reader.readline()
            except BrokenPipeError:
                answer = b""
        if not answer:
            raise EOFError("moto has ended")
        return json.loads(answer)


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the process and wait until it is gone; a fork of the process that started it leaves it alone."""
    if os.getpid() == owner:
        process.kill()
        process.communicate()
