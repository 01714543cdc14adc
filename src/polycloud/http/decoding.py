"""Decode response bodies: `gzip`, `deflate`, and several of them one upon the other.

A few bytes can decode to gigabytes, and those, in a second coding, to nothing. So decoders are generators of
pieces of at most `CHUNK` bytes, one for each step, which are empty where a step decodes to nothing: who reads
them can stop at a limit, checks the deadline, and gives others their turn.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from polycloud.errors import MalformedResponseError
from polycloud.http.messages import CHUNK

__all__ = ["Decoder"]

GZIP = 16 + zlib.MAX_WBITS
RAW = -zlib.MAX_WBITS
CODINGS_LIMIT = 2
"""Each one can make a thousand bytes of one."""
EMPTY_MEMBERS = 100
"""The most gzip members without content, one after another."""


class Decoder:
    """Decodes a body by the response's `Content-Encoding`. A coding that it does not know stays as it is."""

    def __init__(self, content_encoding: str) -> None:
        names = [name.strip().lower() for name in content_encoding.split(",")]
        if len(names) > CODINGS_LIMIT:
            raise MalformedResponseError(f"the response has more than {CODINGS_LIMIT} content codings")
        self._stages = [CODINGS[name]() for name in reversed(names) if name in CODINGS]

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes decode to, in pieces that may be empty."""
        pieces: Iterable[bytes] = (data,)
        for stage in self._stages:
            pieces = _through(stage, pieces)
        return iter(pieces)

    def finish(self) -> None:
        """Raise `MalformedResponseError` unless the body was complete."""
        for stage in self._stages:
            stage.finish()


class _Inflate:
    """One zlib stream."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._begin()

    def _begin(self) -> None:
        self._stream = zlib.decompressobj(self._wbits)
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        while data or len(piece) == CHUNK:  # zlib may hold more output than one piece
            piece = self._inflate(data)
            yield piece
            data = (
                self._after_end(self._stream.unused_data)
                if self._stream.eof
                else self._stream.unconsumed_tail
            )

    def _inflate(self, data: bytes) -> bytes:
        self._begun = True
        try:
            return self._stream.decompress(data, CHUNK)
        except zlib.error as error:
            message = str(error)
        raise _undecodable(message)  # out here, so that it does not hold zlib's error as its context

    def _after_end(self, rest: bytes) -> bytes:
        if rest:
            raise _undecodable("bytes follow its end")
        return b""

    def finish(self) -> None:
        if self._begun and not self._stream.eof:
            raise _undecodable("it ends too early")


class _Gzip(_Inflate):
    """Gzip members, one after another; zero bytes may follow the last."""

    def __init__(self) -> None:
        super().__init__(GZIP)
        self._empty = 0
        self._members = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        for piece in super().decode(self._without_padding(data)):
            if piece:
                self._empty = 0
            yield piece

    def _after_end(self, rest: bytes) -> bytes:
        self._members += 1
        self._empty += 1
        if self._empty > EMPTY_MEMBERS:
            raise _undecodable(f"it has more than {EMPTY_MEMBERS} empty members")
        self._begin()
        return self._without_padding(rest)

    def _without_padding(self, data: bytes) -> bytes:
        return data.lstrip(b"\0") if self._members and not self._begun else data


class _Deflate(_Inflate):
    """A zlib stream, as specified, or a raw one, as some servers send; its first two bytes decide which."""

    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._first = b""

    def decode(self, data: bytes) -> Iterator[bytes]:
        if not self._begun:
            data = self._first = self._first + data
            if len(data) < 2:  # noqa: PLR2004 - the header's length
                return
            self._wbits = zlib.MAX_WBITS if _is_zlib_header(data) else RAW
            self._begin()
        yield from super().decode(data)

    def finish(self) -> None:
        if self._first and not self._begun:
            raise _undecodable("it ends too early")
        super().finish()


CODINGS: dict[str, type[_Gzip | _Deflate]] = {"gzip": _Gzip, "x-gzip": _Gzip, "deflate": _Deflate}


def _through(stage: _Inflate, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from stage.decode(piece) if piece else (piece,)


def _is_zlib_header(data: bytes) -> bool:
    """Return whether the first two bytes are a zlib header (RFC 1950, 2.2)."""
    return data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0


def _undecodable(reason: str) -> MalformedResponseError:
    return MalformedResponseError(f"the response cannot be decompressed: {reason}")
