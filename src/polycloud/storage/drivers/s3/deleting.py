"""Deletes of many objects in one request."""

from __future__ import annotations

import base64
import hashlib

import msgspec

from polycloud.common.aws.errors import error_from_code
from polycloud.common.aws.xml import document
from polycloud.errors import PolycloudError, ProviderHTTPError
from polycloud.storage.deleting import Failures, one_by_one
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Connection, S3Response
from polycloud.storage.objects import Container, Object

GONE = frozenset({"NoSuchKey", "NoSuchVersion"})


class Refusal(msgspec.Struct):
    """An object that was not deleted."""

    key: str = msgspec.field(name="Key")
    code: str = msgspec.field(name="Code")
    message: str = msgspec.field(name="Message", default="")


class S3Deletes(S3BaseDriver):
    """Bulk deletes as S3 has them."""

    delete_batch_size = 1000

    @property
    def _deletes_in_bulk(self) -> bool:
        return self.dialect.bulk_delete

    def _delete_batch(self, container: Container, objects: list[Object]) -> Failures:
        """Delete objects in one request, but those whose names XML may change."""
        if not self._deletes_in_bulk:
            return one_by_one(objects, self.delete_object)
        together = [obj for obj in objects if _is_plain(obj.name)]
        single = [obj for obj in objects if not _is_plain(obj.name)]
        failures = self._delete_together(container, together) if together else []
        return failures + one_by_one(single, self.delete_object)

    def _delete_together(self, container: Container, objects: list[Object]) -> Failures:
        names = [{"Key": obj.name, "VersionId": obj.version_id} for obj in objects]
        body = document("Delete", {"Quiet": True, "Object": names}, S3Connection.namespace)
        digest = hashlib.md5(body, usedforsecurity=False).digest()  # all stores take it, not all a CRC-32
        headers = {"Content-MD5": base64.b64encode(digest).decode(), "Content-Type": "application/xml"}
        path = self._path(container.name)
        with self._errors(container.name):
            response: S3Response = self._send(
                container.name,
                lambda one: one.request(path, {"delete": ""}, body, headers, "POST", idempotent=True),
            )
        refused = (item.value for item in response.items("DeleteResult", "Error", Refusal))
        return [(one.key, self._refusal(one, response, container)) for one in refused if one.code not in GONE]

    def _refusal(self, refused: Refusal, response: S3Response, container: Container) -> PolycloudError:
        text = f"{refused.code}: {refused.message}"
        error = error_from_code(refused.code, refused.message, 0, {}) or ProviderHTTPError(0, text)
        if isinstance(error, ProviderHTTPError):
            error = self._translated(error, container.name, refused.key) or error
        error.driver = self
        self.clean_error(error)
        return error.locate(response.exchange)


def _is_plain(name: str) -> bool:
    """Return whether a name stays as it is in XML, also where a store strips the spaces around it."""
    return name.isprintable() and name == name.strip()
