"""One request and its response without I/O: what the transports of both worlds have in common.

A transport sends what `pieces` yields, has `reader` read what arrives, and takes the body from `decoded`. It
decides how to wait; what is sent, what a response means, whether its connection may be used again, and what
an error of the socket says about the request is decided here.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from math import inf

from polycloud.errors import ConnectError, PolycloudError, ReadTimeoutError, TLSError, TransportError
from polycloud.http.decoding import Decoder
from polycloud.http.messages import RawResponse, Request, require_size
from polycloud.http.protocol import ResponseReader, body_pieces, request_head
from polycloud.http.route import Route

__all__ = [
    "IDLE_LIMIT",
    "UNREPEATABLE",
    "Exchange",
    "handshake_error",
    "late",
    "require_tunnel",
    "tunnel_head",
]

IDLE_LIMIT = 4.0
"""Seconds after which a connection is not trusted with a request that must not be sent twice.

Many servers close a connection that has been idle for 5 s. When the server's time began is not known: its
response may have waited here for long before anybody read it. So the seconds are counted from when the last
byte of the previous request was sent, which was earlier in any case.
"""
UNREPEATABLE = frozenset({"POST", "PATCH"})
SMALL = 65536
"""Bytes of a body that is sent together with its headers."""
CLOCK = 0.01
"""Seconds by which timers are imprecise."""
SUCCESS = range(200, 300)


class Exchange:
    """A request to `target` on its way, and its response.

    The transport makes `reader` once it has a connection, and sets `fully_sent` once the body's last byte was
    handed to the socket.
    """

    reader: ResponseReader
    fully_sent = False
    _decoder: Decoder | None = None

    def __init__(self, request: Request, route: Route, target: str) -> None:
        self.request = request
        headers = {**request.headers, **route.proxy_headers} if route.prefix else request.headers
        self.head = request_head(
            request.method,
            route.prefix + target,
            route.host_header,
            headers,
            request.body,
            route.header_lines,
        )

    def all_at_once(self) -> bytes | None:
        """Return the bytes to send: a small body together with the headers; None if the body is not small."""
        body = self.request.body
        if body is None:
            return self.head
        return self.head + body if isinstance(body, bytes) and len(body) <= SMALL else None

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes to send."""
        all_ = self.all_at_once()
        if all_ is not None:
            yield all_
        else:
            yield self.head
            assert self.request.body is not None
            yield from body_pieces(self.request.body, self.request.headers)

    def response(self) -> RawResponse:
        """Return the response, whose headers have arrived, without its body."""
        reader = self.reader
        assert reader.headers is not None
        coding = reader.headers.get("content-encoding")
        # Who accepts "identity" by name wants the bytes as they are kept
        if coding and "identity" not in self.request.headers.get("Accept-Encoding", ""):
            self._decoder = Decoder(coding)
        return RawResponse(reader.status, reader.reason, reader.headers)

    def decoded(self, undecoded_limit: float = inf) -> Iterable[bytes]:
        """Return what has arrived of the body since the last time, decoded; read all of it."""
        if self.reader.body_size > undecoded_limit:
            require_size(self.reader.body_size, undecoded_limit)
        return self.decode(self.reader.take(), complete=self.reader.complete)

    def rest(self) -> int:
        """Return how many bytes of an unencoded body are still to come; 0 if that is not known."""
        return 0 if self._decoder else self.reader.rest()

    def decode(self, arrived: list[bytes], *, complete: bool) -> Iterable[bytes]:
        """Return what the next bytes of the body decode to, in pieces; `complete` if they are the last.

        Pieces are empty where a step of decoding gave nothing. Each step is within the deadline.
        """
        return arrived if self._decoder is None else self._decoded(self._decoder, arrived, complete=complete)

    def _decoded(self, decoder: Decoder, arrived: list[bytes], *, complete: bool) -> Iterator[bytes]:
        for data in arrived:
            for piece in decoder.decode(data):
                self.request.remaining()
                yield piece
        if complete:
            decoder.finish()

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request."""
        return self.fully_sent and self.reader.complete and self.reader.keep_alive

    def error(self, error: OSError, *, sent: bool) -> PolycloudError:
        """Return what an error of the socket means; `sent` says whether a byte of the request may have left.

        The original is not part of it: its arguments may hold the query, its frames the headers.
        """
        if isinstance(error, TimeoutError):
            return late(self.request) or ReadTimeoutError("no response in time (timeout=)")
        kind = TransportError if sent else ConnectError
        return kind(f"the connection broke: {error}")


def handshake_error(error: Exception) -> ConnectError | TLSError:
    """Return the error of a handshake that failed, broke off, or took longer than the time to connect."""
    if isinstance(error, ssl.SSLEOFError | ConnectionError):  # such as that of a server that restarts
        return ConnectError("the connection was closed during the TLS handshake")
    late = isinstance(error, TimeoutError)
    hint = "; if the server speaks plain HTTP, its URL begins with http:// (secure=False)"
    # What OpenSSL makes of the bytes "HTTP/1.1 400"
    plain = late or "WRONG_VERSION_NUMBER" in str(error) or "spoke first" in str(error)
    return TLSError(f"TLS failed: {'the handshake timed out' if late else error}{hint if plain else ''}")


def late(request: Request) -> ReadTimeoutError | None:
    """Return the error for a request whose deadline has passed, else None.

    Asked after a wait has failed, which clocks may have ended a little too early.
    """
    if request.deadline is None or request.deadline - time.monotonic() > CLOCK:
        return None
    return ReadTimeoutError("the call's deadline has passed")


def tunnel_head(host: str, port: int, headers: Mapping[str, str]) -> bytes:
    """Return the request for a tunnel that a proxy gets."""
    target = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
    return request_head("CONNECT", target, target, headers, None)


def require_tunnel(reader: ResponseReader) -> None:
    """Raise `OSError` unless a proxy's response to CONNECT opens the tunnel."""
    if reader.status not in SUCCESS:
        raise OSError(f"{reader.status} {reader.reason}")
    if reader.surplus:
        raise OSError("it sent more than its response to CONNECT")
