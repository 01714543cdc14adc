"""A resumable upload: a session at Google that takes part after part, and says how many bytes it has.

If a part breaks, the session is asked and gets the rest. The last part comes with the MD5 of the whole, by
which Google verifies the object before it is one.

Source: Google's document "Resumable uploads".
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

from polycloud.concurrency.calls import current_call
from polycloud.errors import NotFoundError, PolycloudError, ProviderHTTPError, TransportError
from polycloud.http.retry import LOST_STATUSES
from polycloud.storage.contents import Content, bytes_of
from polycloud.storage.drivers.google_storage.connection import (
    INCOMPLETE,
    GoogleStorageConnection,
    GoogleStorageResponse,
)
from polycloud.storage.multipart import Part, PartedUpload
from polycloud.storage.objects import Object
from polycloud.storage.types import ObjectHashMismatchError

QUANTUM = 256 * 1024
"""All parts of a session but the last have a multiple of so many bytes."""
MOST_BREAKS = 4
"""How often in a row a part may break without a byte more in the session."""
RANGE = re.compile(r"bytes=0-([0-9]{1,18})")


class Session(PartedUpload):
    """A resumable upload. `id` is the part of its address by which Google knows it."""

    def __init__(
        self,
        connection: GoogleStorageConnection,
        path: str,
        upload_id: str,
        finish: Callable[[GoogleStorageResponse, str, int], Object],
    ) -> None:
        super().__init__(upload_id)
        self._connection, self._path, self._finish = connection, path, finish
        self._key = connection.customer_key.use
        self._query = {"uploadType": "resumable", "upload_id": upload_id}
        self._position = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        self._last = b""

    def put(self, number: int, offset: int, content: Content) -> str:
        """Send a part, as far as the session does not have it; the last one waits for `complete`."""
        part = bytes_of(content)
        self._digest.update(part)
        if len(part) % QUANTUM:
            self._last = part
        elif offset + len(part) > self._position:
            self._send(offset, part)
        return ""

    def complete(self, tags: list[str], size: int) -> Object:
        """Send the last part, and the MD5 of the whole; return the object."""
        if self._position > size:
            raise ObjectHashMismatchError(f"the session has {self._position:,} bytes, more than {size:,}")
        digest = self._digest.digest()
        headers = {"X-Goog-Hash": f"md5={base64(digest)}"}
        response = self._send(size - len(self._last), self._last, size, headers)
        return self._finish(response, digest.hex(), size)

    def abort(self) -> None:
        """Cancel the session, unless it has ended by itself."""
        with suppress(NotFoundError):
            self._connection.request(self._path, self._query, method="DELETE")

    def parts(self) -> Iterable[Part]:
        """Ask the session where it stands; return no parts, since `put` sees the content of all of them."""
        self._position = self._position_of(self._ask())
        return ()

    def _send(
        self, offset: int, content: bytes, size: int | None = None, headers: Mapping[str, str] | None = None
    ) -> GoogleStorageResponse:
        """Send bytes until the session has all of them, with the `size` of the whole if they are the last."""
        end, breaks = offset + len(content), 0
        while True:
            error: PolycloudError | None = None
            try:
                response = self._put(content[self._position - offset :], size, headers)
            except (ProviderHTTPError, TransportError) as broken:
                if not _may_pass(broken):
                    raise
                self._connection.sleep(self._pause(breaks + 1, broken))
                response, error = self._ask(size), broken
            if response.status != INCOMPLETE:
                if size is None:
                    raise response.malformed("the upload must not be complete before its last part")
                return response
            before, self._position = self._position, self._position_of(response)
            if not before <= self._position <= end:
                raise response.malformed(f"the session must have {before:,} to {end:,} bytes")
            if size is None and self._position == end:
                return response
            breaks = 0 if self._position > before else breaks + 1
            if breaks == MOST_BREAKS:
                raise error or response.malformed(f"the session takes no more than {before:,} bytes")

    def _put(
        self, content: bytes, size: int | None, headers: Mapping[str, str] | None
    ) -> GoogleStorageResponse:
        total = "*" if size is None else str(size)
        last = self._position + len(content) - 1
        span = f"{self._position}-{last}" if content else "*"
        fields = {
            **self._key,
            **(headers or {}),
            "Content-Range": f"bytes {span}/{total}",
            "Content-Length": str(len(content)),
        }
        response: GoogleStorageResponse = self._connection.request(
            self._path, self._query, BytesIO(content), fields, "PUT", idempotent=False
        )
        return response

    def _ask(self, size: int | None = None) -> GoogleStorageResponse:
        """Return the response to the question where the session stands."""
        total = "*" if size is None else str(size)
        fields = {**self._key, "Content-Range": f"bytes */{total}", "Content-Length": "0"}
        response: GoogleStorageResponse = self._connection.request(
            self._path, self._query, b"", fields, "PUT"
        )
        return response

    def _position_of(self, response: GoogleStorageResponse) -> int:
        """Return how many bytes a session has; it does not say so if it has none."""
        found = RANGE.fullmatch(response.headers.get("range", ""))
        return int(found[1]) + 1 if found else 0

    def _pause(self, breaks: int, error: PolycloudError) -> float:
        return (current_call().retry or self._connection.retry).pause(breaks, error)


def session_of(response: GoogleStorageResponse) -> str:
    """Return the id of the session that a response has begun.

    Its address is not used otherwise: a token never follows a link to another host.
    """
    ids = parse_qs(urlsplit(response.headers.get("location", "")).query).get("upload_id")
    if not ids:
        raise response.malformed("the response must have the address of an upload")
    return str(ids[0])


def base64(digest: bytes) -> str:
    """Return a digest as Google writes it."""
    return b64encode(digest).decode()


def _may_pass(error: PolycloudError) -> bool:
    """Return whether a part may be sent again after this error, if the session does not have it."""
    return isinstance(error, TransportError) or (
        isinstance(error, ProviderHTTPError) and error.code in LOST_STATUSES
    )
