"""Block blobs: content that is sent with its MD5, and blocks that a list of them makes a blob.

A block has an id that the client chooses. Here it names the upload, the number and the MD5 of the block, so
another process can tell which ones arrived. Blocks of no list are not seen by anybody, and Azure forgets them
after a week, or when a blob of this name is made.

Source: "Put Blob", "Put Block", "Put Block List" and "Get Block List".
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from polycloud.common.azure import AzureStorageResponse
from polycloud.storage.contents import Content, body_of, md5_of
from polycloud.storage.drivers.azure_blobs.connection import BlobConnection
from polycloud.storage.multipart import Part, PartedUpload
from polycloud.storage.objects import Object
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.utils.headers import Headers
from polycloud.utils.status import HTTPStatus

BLOCK_ID = re.compile(r"(?P<upload>[0-9a-f]{12})-(?P<number>[0-9]{5})-(?P<md5>[0-9a-f]{32})")
Commit = Callable[[int, str, Callable[..., Headers]], Object]


def put_bytes(
    connection: BlobConnection,
    path: str,
    content: Content,
    digest: bytes,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    idempotent: bool = True,
) -> Headers:
    """Send a body with its MD5, which Azure verifies; return the headers of the response.

    It goes as a file: nobody searches for secrets in it. Raises `ObjectHashMismatchError` if Azure says that
    it has another content.
    """
    md5 = base64.b64encode(digest).decode()
    fields = {
        **connection.encryption,
        **(headers or {}),
        "Content-MD5": md5,
        "Content-Length": str(len(content)),
    }
    response: AzureStorageResponse = connection.request(
        path, params, body_of(content), fields, "PUT", idempotent=idempotent
    )
    found: Headers = response.headers
    if found.get("content-md5", md5) != md5:
        message = f"Azure has another content: its MD5 is {found['content-md5']}"
        raise ObjectHashMismatchError(message, connection.driver)
    if response.status != HTTPStatus.CREATED:
        raise response.malformed(f"the response must have the status {HTTPStatus.CREATED}")
    return found


class AzurePartedUpload(PartedUpload):
    """A blob that is sent in blocks; `commit` makes the object of its size, its MD5 and the last request."""

    in_order = True

    def __init__(
        self,
        connection: BlobConnection,
        path: str,
        upload_id: str,
        fields: dict[str, str],
        commit: Commit,
    ) -> None:
        super().__init__(upload_id)
        self._connection, self._path, self._fields, self._commit = connection, path, fields, commit
        self._digest = hashlib.md5(usedforsecurity=False)

    def read(self, content: bytes) -> None:
        """Add a block to the MD5 of the blob."""
        self._digest.update(content)

    def put(self, number: int, offset: int, content: Content) -> str:
        """Send a block; return its id."""
        digest = md5_of(content).digest()
        block = base64.b64encode(f"{self.id}-{number:05}-{digest.hex()}".encode()).decode()
        put_bytes(self._connection, self._path, content, digest, {"comp": "block", "blockid": block})
        return block

    def complete(self, tags: list[str], size: int) -> Object:
        """Make the blob of its blocks."""
        blocks = "".join(f"<Latest>{tag}</Latest>" for tag in tags)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'.encode()
        md5 = base64.b64encode(self._digest.digest()).decode()
        kept = {**self._fields, "x-ms-blob-content-md5": md5}

        def send(conditions: dict[str, str], *, idempotent: bool) -> Headers:
            params, headers = {"comp": "blocklist"}, {**kept, **conditions}
            return put_bytes(
                self._connection,
                self._path,
                body,
                md5_of(body).digest(),
                params,
                headers,
                idempotent=idempotent,
            )

        return self._commit(size, self._digest.hexdigest(), send)

    def abort(self) -> None:
        """Leave the blocks: Azure cannot be told to forget them, and does so after a week."""

    def parts(self) -> Iterator[Part]:
        """Yield the blocks of this upload that Azure has."""
        params = {"comp": "blocklist", "blocklisttype": "uncommitted"}
        response: AzureStorageResponse = self._connection.request(self._path, params)
        for element in response.root("BlockList").iterfind("UncommittedBlocks/Block"):
            tag = element.findtext("Name") or ""
            found = _block(tag)
            if found is None or found["upload"] != self.id:
                continue
            try:
                size = int(element.findtext("Size") or "")
            except ValueError as error:
                raise response.undocumented(error) from None
            yield Part(int(found["number"]), size, tag, found["md5"])


def _block(tag: str) -> re.Match[str] | None:
    """Return the parts of a block's id; None if another program has chosen it."""
    try:
        return BLOCK_ID.fullmatch(base64.b64decode(tag, validate=True).decode())
    except ValueError:
        return None
