"""Deletes of many objects: a hundred in one request, each with a response of its own in that of all.

Source: Google's document "Sending batch requests".
"""

from __future__ import annotations

import re
import secrets
from email import message_from_bytes
from email.message import Message
from typing import Any

from polycloud.common.google import GoogleResponse
from polycloud.errors import InvalidArgumentError
from polycloud.storage.deleting import Failures, one_by_one
from polycloud.storage.drivers.google_storage.connection import (
    NO_OBJECT,
    GoogleStorageBase,
    GoogleStorageResponse,
    require_name,
)
from polycloud.storage.objects import Container, Object
from polycloud.utils.status import HTTPStatus

BATCH = "/batch/storage/v1"
STATUS = re.compile(rb"\s*HTTP/[\d.]+ (\d{3})")
ID = re.compile(r"<?response-([0-9]{1,9})>?")


class GoogleDeletes(GoogleStorageBase):
    """Deletes as Google has them."""

    delete_batch_size = 100  # Google takes no more

    def _delete_batch(self, container: Container, objects: list[Object]) -> Failures:
        """Delete objects in one request; those that this refused are deleted one by one, for their errors."""
        failed: Failures = []
        named: list[Object] = []
        for obj in objects:
            try:
                require_name(obj.name)
            except InvalidArgumentError as error:
                failed.append((obj.name, error))
            else:
                named.append(obj)
        if not named:
            return failed
        done = self._deleted(container, named)
        return failed + one_by_one(
            [obj for at, obj in enumerate(named) if at not in done], self.delete_object
        )

    def _deleted(self, container: Container, objects: list[Object]) -> set[int]:
        """Send a batch; return the positions of the objects that do not exist any more."""
        mark = secrets.token_hex(16)
        lines = []
        for at, obj in enumerate(objects):
            version = "" if obj.version_id is None else f"?generation={obj.version_id}"
            head = f"--{mark}\r\nContent-Type: application/http\r\nContent-ID: <{at}>\r\n\r\n"
            lines.append(f"{head}DELETE {self._path(container.name, obj.name)}{version} HTTP/1.1\r\n\r\n")
        body = f"{''.join(lines)}--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/mixed; boundary={mark}"}
        response: GoogleStorageResponse = self.connection.request(
            BATCH, None, body, headers, "POST", idempotent=True
        )
        return _gone(response)


def _gone(response: GoogleResponse) -> set[int]:
    """Return the numbers of the parts of a batch whose object was deleted, or did not exist."""
    kind = response.headers.get("content-type", "")
    whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode("latin-1") + response.content)
    if not whole.is_multipart():
        raise response.malformed("the response to a batch must have parts")
    parts: Any = whole.get_payload()
    ids = (ID.fullmatch(part.get("content-id", "")) for part in parts)
    return {int(id_[1]) for id_, part in zip(ids, parts, strict=True) if id_ and _is_gone(part)}


def _is_gone(part: Message) -> bool:
    content = part.get_payload(decode=True)
    found = STATUS.match(content) if isinstance(content, bytes) else None
    status = int(found[1]) if found else 0
    missing = status == HTTPStatus.NOT_FOUND and NO_OBJECT.encode() in content
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or missing
