"""An S3 that answers from memory, for `bench/servers.py objects`: it keeps nothing that it is sent.

The bucket has 1,000 objects of a kilobyte, 100,000 keys below "keys/", and one object of 256 MB.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

__all__ = ["BUCKET", "KEYS", "KILOBYTE", "LARGE", "SIZE", "Store"]

BUCKET, LARGE = "bucket", "large"
KEYS, PAGE = 100_000, 1000
KILOBYTE = bytes(range(256)) * 4
SIZE = 256 * 1024 * 1024
PIECE = bytes(1 << 20)
XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
HEAD = (
    "HTTP/1.1 {}\r\nx-amz-id-2: s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP\r\n"
    "x-amz-request-id: 656c76696e6727732072657175657374\r\ndate: Sun, 29 Nov 2026 12:00:00 GMT\r\n"
    "server: AmazonS3\r\n"
)
MODIFIED = "last-modified: Sun, 29 Nov 2026 12:00:00 GMT\r\naccept-ranges: bytes\r\n"
NAMES = [f"keys/2026/11/{number:08}.json" for number in range(KEYS)] + [LARGE]
NAMES += [f"small-{number}" for number in range(1000)]
NAMES.sort()
SMALL = hashlib.md5(KILOBYTE, usedforsecurity=False).hexdigest()
PARTS = "9b2cf535f27731c974343645a3985328-52"


class Store(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received, self.left = bytearray(), 0
        self.digest = hashlib.md5(usedforsecurity=False)
        self.request: tuple[str, str, str, dict[str, str]] | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        if self.request is not None and not self.received and len(data) <= self.left:
            self._body(data)
            return
        self.received += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Read a head or a piece of a body; return whether there was one."""
        if self.request is not None:
            piece = bytes(self.received[: self.left])
            del self.received[: len(piece)]
            self._body(piece)
            return bool(piece)
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self.received[:end].decode("latin-1").split("\r\n")
        del self.received[: end + 4]
        fields = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        if "100-continue" in fields.get("expect", "").lower():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.left = int(fields.get("content-length", 0))
        self.digest = hashlib.md5(usedforsecurity=False)
        self.request = (method, path, query, fields)
        if not self.left:
            self._body(b"")
        return True

    def _body(self, piece: bytes) -> None:
        assert self.request is not None
        self.left -= len(piece)
        self.digest.update(piece)
        if not self.left:
            request, self.request = self.request, None
            self._respond(*request)

    def _respond(self, method: str, path: str, query: str, fields: dict[str, str]) -> None:
        given = dict(parse_qsl(query, keep_blank_values=True))
        key = unquote(path).removeprefix(f"/{BUCKET}").removeprefix("/")
        if method == "DELETE":
            self._write("")
        elif method == "PUT":
            self._write("", f'etag: "{self.digest.hexdigest()}"\r\n')
        elif method == "POST":
            name = "InitiateMultipartUploadResult" if "uploads" in given else "CompleteMultipartUploadResult"
            ends = f"<UploadId>1</UploadId><ETag>&quot;{PARTS}&quot;</ETag>"
            self._write(f"<{name} {XMLNS}><Bucket>{BUCKET}</Bucket><Key>{key}</Key>{ends}</{name}>")
        elif not key:
            self._write("" if method == "HEAD" else _page(given.get("prefix", ""), _start(given)))
        elif key == LARGE:
            self._large(method, fields.get("range", ""))
        else:
            self._content(method, KILOBYTE, SMALL)

    def _write(self, body: str, more: str = "") -> None:
        head = f"{HEAD.format('200 OK')}{more}content-type: application/xml\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())

    def _content(self, method: str, content: bytes, etag: str) -> None:
        head = HEAD.format("200 OK") + MODIFIED + f'etag: "{etag}"\r\ncontent-length: {len(content)}\r\n\r\n'
        self.transport.write(head.encode() + (b"" if method == "HEAD" else content))

    def _large(self, method: str, asked: str) -> None:
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first or 0), int(last or SIZE - 1) + 1
        part = f"content-range: bytes {start}-{end - 1}/{SIZE}\r\n" if asked else ""
        status = "206 Partial Content" if asked else "200 OK"
        head = f'{HEAD.format(status)}{MODIFIED}{part}etag: "{PARTS}"\r\n'
        self.transport.write(f"{head}content-length: {end - start}\r\n\r\n".encode())
        if method != "HEAD":
            self.sending = asyncio.get_running_loop().create_task(self._send(end - start))

    async def _send(self, size: int) -> None:
        while size and not self.transport.is_closing():
            await self.writable.wait()
            self.transport.write(PIECE[:size])
            size -= min(size, len(PIECE))


def _start(given: dict[str, str]) -> int:
    if token := given.get("continuation-token"):
        return int(token)
    after = given.get("start-after") or given.get("marker") or ""
    return NAMES.index(after) + 1 if after else 0


@lru_cache(maxsize=256)
def _page(prefix: str, start: int) -> str:
    """A page of the list, in the words of both versions of the call."""
    names = [name for name in NAMES[start:] if name.startswith(prefix)]
    listed, more = names[:PAGE], len(names) > PAGE
    following = NAMES.index(listed[-1]) + 1 if listed else 0
    contents = "".join(
        f"<Contents><Key>{name}</Key><LastModified>2026-11-29T12:00:00.000Z</LastModified>"
        f"<ETag>&quot;{SMALL}&quot;</ETag><Size>{SIZE if name == LARGE else len(KILOBYTE)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for name in listed
    )
    token = f"<NextContinuationToken>{following}</NextContinuationToken>" if more else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult {XMLNS}><Name>{BUCKET}</Name>'
        f"<Prefix>{prefix}</Prefix><KeyCount>{len(listed)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
    )
