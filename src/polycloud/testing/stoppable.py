"""Servers of `socketserver` that stop at once, on a thread of their own."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from socketserver import TCPServer
from typing import Any


class StoppableServer(TCPServer):
    """A server that `start` runs until `stop`, which wakes it by a connection.

    `serve_forever` looks at intervals whether it should end: each `shutdown` waits for one of them.
    """

    _stopped = False

    def start(self) -> None:
        """Accept connections on a thread."""
        self._accepts = threading.Thread(target=self._run, daemon=True)
        self._accepts.start()

    def stop(self) -> None:
        """Accept no further connection."""
        self._stopped = True
        with socket.socket(self.address_family) as wake, suppress(OSError):
            wake.settimeout(5)
            wake.connect(self.socket.getsockname())
        self._accepts.join()

    def _run(self) -> None:
        while not self._stopped:
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether a connection is served; the one of `stop` is not."""
        return not self._stopped
