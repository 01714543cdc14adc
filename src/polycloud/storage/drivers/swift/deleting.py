"""Deletes of Swift's objects: one with its segments, or many in one request."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec

from polycloud.common.creation import is_refusal
from polycloud.errors import PolycloudError, ProviderHTTPError, error_from_status
from polycloud.storage.deleting import Failures, one_by_one
from polycloud.storage.drivers.swift.connection import SwiftResponse
from polycloud.storage.drivers.swift.objects import is_large
from polycloud.storage.drivers.swift.segments import SwiftSegments
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import whole_number

LONGEST_PATH = 1024
"""The most characters of an encoded path in a bulk delete; one that is too long has Swift refuse all."""
NO_MANIFEST = "Not an SLO manifest"


class Deleted(msgspec.Struct):
    """The response to a delete of several objects; `errors` are paths and statuses."""

    deleted: int = msgspec.field(name="Number Deleted")
    missing: int = msgspec.field(name="Number Not Found")
    status: str = msgspec.field(name="Response Status")
    errors: list[tuple[str, str]] = msgspec.field(name="Errors")
    body: str = msgspec.field(name="Response Body", default="")


class BulkLimits(msgspec.Struct):
    """What a cloud says of its bulk deletes."""

    most: int = msgspec.field(name="max_deletes_per_request", default=0)


class Capabilities(msgspec.Struct):
    """What a cloud offers; without `bulk_delete` it has none."""

    bulk_delete: BulkLimits | None = None


class SwiftDeletes(SwiftSegments):
    """Deletes as Swift has them."""

    delete_batch_size = 1000

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._most_deletes: int | None = None

    def delete_object(self, obj: Object) -> bool:
        """Delete an object, with its segments if it is a static large object.

        In a container that keeps versions, the segments go with the version that is deleted.
        """
        if self._loses_segments(obj) and self._delete_large(obj):
            return True
        path, query = self._path(obj.container.name, obj.name), {"version-id": obj.version_id}
        with self._errors(obj.container.name, obj.name):
            response: SwiftResponse = self.connection.request(path, query, method="DELETE")
            response.require(HTTPStatus.NO_CONTENT)
        return True

    def _loses_segments(self, obj: Object) -> bool:
        """Return whether an object has segments, and does not live on as a version."""
        name = obj.container.name
        if not is_large(obj.hash):
            if not self._has_segments(name) or obj.extra.get("is_delete_marker"):
                return False
            if not is_large(self._found(obj).hash):
                return False
        return obj.version_id is not None or not self._keeps_versions(name)

    def _delete_large(self, obj: Object) -> bool:
        """Delete a static large object with its segments; return False if it is no such one."""
        path = self._path(obj.container.name, obj.name)
        query = {"version-id": obj.version_id, "multipart-manifest": "delete"}
        with self._errors(obj.container.name, obj.name):
            lost = False
            try:
                response: SwiftResponse = self.connection.request(
                    path, query, method="DELETE", idempotent=False
                )
            except PolycloudError as error:
                if is_refusal(error):
                    raise
                lost, response = True, self.connection.request(path, query, method="DELETE")
            result = response.decode(Deleted)
            if any(why == NO_MANIFEST for _, why in result.errors):
                return False
            if result.errors or not result.status.startswith("200"):
                failed = "; ".join(f"{name}: {why}" for name, why in result.errors) or result.body
                message = f"the large object was not deleted completely: {failed or result.status}"
                raise ProviderHTTPError(_number(result.status), message, response.headers)
            if not result.deleted and not lost:  # else the first request has deleted it
                self._look_up(obj.container.name)
                raise ObjectDoesNotExistError(driver=self, object_name=obj.name)
        return True

    def _delete_batch(self, container: Container, objects: list[Object]) -> Failures:
        """Delete objects, in one request if the cloud can and they have no segments."""
        most = 0 if self._has_segments(container.name) else self._bulk_limit()
        together = [obj for obj in objects if most and self._is_plain(obj)]
        single = [obj for obj in objects if not (most and self._is_plain(obj))]
        failures: Failures = []
        for start in range(0, len(together), most or 1):
            failures += self._delete_together(container, together[start : start + most])
        return failures + one_by_one(single, self.delete_object)

    def _is_plain(self, obj: Object) -> bool:
        """Return whether an object may be deleted together with others."""
        path = self._path(obj.container.name, obj.name)
        return len(path) <= LONGEST_PATH and obj.version_id is None and not is_large(obj.hash)

    def _delete_together(self, container: Container, objects: list[Object]) -> Failures:
        paths = {self._path(container.name, obj.name): obj.name for obj in objects}
        with self._errors(container.name):
            response: SwiftResponse = self.connection.request(
                "/",
                {"bulk-delete": "true"},
                "\n".join(paths),
                {"Content-Type": "text/plain", "Accept": "application/json"},
                "POST",
                idempotent=True,
            )
        result = response.decode(Deleted)
        if result.missing == len(objects):
            self._look_up(container.name)
        if not result.errors and not result.status.startswith("200"):
            raise error_from_status(_number(result.status), result.body or result.status, response.headers)
        names = {unquote(path): name for path, name in paths.items()}
        failed = ((unquote(path), self._failure(why, response)) for path, why in result.errors)
        return [(names.get(path, path), error) for path, error in failed]

    def _failure(self, why: str, response: SwiftResponse) -> PolycloudError:
        error = error_from_status(_number(why), why, {})
        error.driver = self
        return error.locate(response.exchange)

    def _bulk_limit(self) -> int:
        """Return how many objects one request may delete; 0 if the cloud has no bulk deletes."""
        if self._most_deletes is None:
            try:
                limits = self.connection.request("//info").decode(Capabilities).bulk_delete
            except ProviderHTTPError:  # it does not tell what it has
                limits = None
            self._most_deletes = 0 if limits is None else limits.most
        return self._most_deletes


def _number(status: str) -> int:
    return whole_number(status.partition(" ")[0]) or 0
