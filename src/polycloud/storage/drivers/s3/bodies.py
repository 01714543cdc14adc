"""Bodies that are sent to S3, each with the checksum by which the store verifies it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from polycloud.storage.contents import Content, body_of, crc32_of, md5_of
from polycloud.storage.drivers.s3.connection import S3Connection, S3Response
from polycloud.storage.drivers.s3.encryption import PLAIN_METHODS, encryption_of
from polycloud.storage.objects import MD5
from polycloud.storage.types import ObjectHashMismatchError

MD5_HEADER, CRC_HEADER = "Content-MD5", "x-amz-checksum-crc32"


class Stored(NamedTuple):
    """What the store says of a body: its ETag, and what `extra` has of its encryption."""

    etag: str
    extra: dict[str, str]


def put_bytes(
    connection: S3Connection,
    path: str,
    content: Content,
    *,
    md5: bool,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    idempotent: bool = True,
) -> Stored:
    """Send a body. With `md5` the store verifies its MD5, else its CRC-32.

    It goes as a file: then the signature leaves it out, since its checksum is sent beside it, and nobody
    searches for secrets in it. Raises `ObjectHashMismatchError` if the store says that it has
    another content.
    """
    checksum = _checksum(content, md5=md5)
    fields = {**connection.encryption.use, **(headers or {}), **checksum, "Content-Length": str(len(content))}
    response: S3Response = connection.request(
        path, query, body_of(content), fields, "PUT", idempotent=idempotent
    )
    etag = bare(response.headers.get("etag", ""))
    if not etag:
        raise response.malformed("the response must have an ETag")
    encryption = encryption_of(response.headers)
    said = response.headers.get(CRC_HEADER, checksum.get(CRC_HEADER))
    if md5 and MD5.fullmatch(etag) and encryption.get("encryption") in PLAIN_METHODS:
        said = _base64(bytes.fromhex(etag))
    if said not in checksum.values():
        message = f"the store has another content: its checksum is {said}"
        raise ObjectHashMismatchError(message, connection.driver)
    return Stored(etag, encryption)


def bare(etag: str) -> str:
    """Return an ETag without its quotes."""
    return etag.strip('"')


def _checksum(content: Content, *, md5: bool) -> dict[str, str]:
    if md5:
        return {MD5_HEADER: _base64(md5_of(content).digest())}
    return {CRC_HEADER: _base64(crc32_of(content).to_bytes(4, "big"))}


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
