"""A socket whose every wait ends in time: the one place that bounds what plain code waits for.

No single wait may last longer than the request's timeout, nor longer than what is left of its deadline. The
latter is asked anew before each wait, so whatever drips (headers, chunk sizes, trailers, a proxy's response,
a body that decodes to nothing) ends with the deadline. In TLS one wait may take several records; Python
bounds it by the same timeout, however many they are.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from polycloud.http.messages import CHUNK, Request
from polycloud.http.protocol import ResponseReader

__all__ = ["Wire", "seconds_left"]

LONGEST = 1e6
"""Seconds; systems refuse much longer timeouts."""


class Wire:
    """The socket of a connection while it serves one request; no wait on it takes more than `most` seconds.

    `sent` says whether a byte of the request may have left this machine. Inside TLS it may have as soon as
    OpenSSL was asked to send, even if that failed. `sent_at` is when the last bytes left, or a
    little earlier.
    """

    sent_at = 0.0

    def __init__(self, sock: Any, request: Request, most: float) -> None:
        self._sock = sock
        self._request = request
        self._most = most
        self._encrypted = type(sock) is not socket.socket
        self.sent = False

    def send(self, data: bytes | memoryview) -> None:
        """Send all of `data`."""
        rest = memoryview(data)
        while rest:
            self._bound()
            self.sent = self.sent or self._encrypted
            self.sent_at = time.monotonic()
            count = self._sock.send(rest[:CHUNK])
            self.sent = True
            rest = rest[count:]

    def receive_into(self, reader: ResponseReader) -> None:
        """Wait for bytes once and let `reader` read them, or the connection's end."""
        self._bound()
        if data := self._sock.recv(CHUNK):
            reader.receive(data)
        else:
            reader.end()

    def receive_past(self, reader: ResponseReader, buffer: memoryview) -> int:
        """Wait once for bytes of the body, write them to `buffer` and return how many there were."""
        self._bound()
        size: int = self._sock.recv_into(buffer)
        if size:
            reader.skip(size)
        else:
            reader.end()
        return size

    def _bound(self) -> None:
        timeout = seconds_left(self._request, self._most)
        if self._sock.gettimeout() != timeout:
            self._sock.settimeout(timeout)


def seconds_left(request: Request, most: float) -> float:
    """Return how long the next wait may take. Raises `ReadTimeoutError` after the deadline."""
    left = LONGEST if request.deadline is None else request.remaining()
    return min(most, left, LONGEST)
