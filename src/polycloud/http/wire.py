"""A socket whose every wait ends in time: the one place that bounds what plain code waits for.

No single wait may last longer than the request's timeout, nor longer than what is left of its deadline. The
latter is asked anew before each wait, so whatever drips (headers, chunk sizes, trailers, a proxy's response,
a body that decodes to nothing) ends with the deadline. In TLS one wait may take several records; Python
bounds it by the same timeout, however many they are.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from urllib3.util.wait import wait_for_read, wait_for_socket

from polycloud.http.messages import CHUNK, Request
from polycloud.http.protocol import ResponseReader

__all__ = ["Wire", "seconds_left"]

LONGEST = 1e6
"""Seconds; systems refuse much longer timeouts."""
EARLY = 4 * CHUNK
"""Bytes of a response's body that are read before the request's body was sent."""
NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


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

    def send_unless_answered(self, data: bytes | memoryview, reader: ResponseReader) -> bool:
        """Send all of `data`; return False if the response made that pointless by coming first.

        A server that refuses a body may stop reading it, and wait for the client to notice.
        """
        rest = memoryview(data)
        while rest and not reader.complete:
            if self._is_answered(reader):
                self._receive_present(reader)
            else:
                self.send(rest[:CHUNK])
                rest = rest[CHUNK:]
        return not rest

    def receive_into(self, reader: ResponseReader) -> None:
        """Wait for bytes once and let `reader` read them, or the connection's end."""
        self._bound()
        self._receive(reader)

    def receive_past(self, reader: ResponseReader, buffer: memoryview) -> int:
        """Wait once for bytes of the body, write them to `buffer` and return how many there were."""
        self._bound()
        try:
            size: int = self._sock.recv_into(buffer)
        except ssl.SSLEOFError:
            size = 0
        if size:
            reader.skip(size)
        else:
            reader.end()
        return size

    def _receive(self, reader: ResponseReader) -> None:
        try:
            data = self._sock.recv(CHUNK)
        except ssl.SSLEOFError:  # TCP has ended, TLS has not: somebody else may have cut the body
            reader.end(clean=False)
            return
        if data:
            reader.receive(data)
        else:
            reader.end()

    def _receive_present(self, reader: ResponseReader) -> None:
        """Let `reader` read what has arrived, which may be a record of TLS without content."""
        self._sock.settimeout(0.0)
        with suppress(*NOTHING_YET):
            self._receive(reader)

    def _is_answered(self, reader: ResponseReader) -> bool:
        """Wait until the socket can be written to, and return False; or until something arrived."""
        reads = reader.body_size < EARLY
        seconds = seconds_left(self._request, self._most)
        if not wait_for_socket(self._sock, read=reads, write=True, timeout=seconds):
            raise TimeoutError
        return reads and wait_for_read(self._sock, 0.0)

    def _bound(self) -> None:
        timeout = seconds_left(self._request, self._most)
        if self._sock.gettimeout() != timeout:
            self._sock.settimeout(timeout)


def seconds_left(request: Request, most: float) -> float:
    """Return how long the next wait may take. Raises `ReadTimeoutError` after the deadline."""
    left = LONGEST if request.deadline is None else request.remaining()
    return min(most, left, LONGEST)
