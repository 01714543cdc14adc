"""Copies inside an account, which Azure makes by itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from polycloud.concurrency.calls import cleanup
from polycloud.errors import PolycloudError, ProviderHTTPError
from polycloud.storage.drivers.azure_blobs.connection import code_of
from polycloud.storage.drivers.azure_blobs.containers import AzureContainers
from polycloud.storage.drivers.azure_blobs.objects import AzureObjects
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ContainerError,
    ObjectDoesNotExistError,
    ObjectError,
)
from polycloud.utils.headers import Headers

PAUSE = 0.5
STATUS = "x-ms-copy-status"


class AzureCopies(AzureContainers, AzureObjects):
    """Copies as Azure makes them."""

    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        """Copy a blob of any type and size; it is waited for if Azure does not copy it at once.

        With a customer's key the content passes here, since Azure copies nothing that has one.
        """
        if self.connection.encryption:
            return super().copy_object(obj, container, object_name)
        name = object_name or obj.name
        path, etag = self._path(container.name, name), obj.extra.get("etag")
        headers = {
            "x-ms-copy-source": self._source(obj),
            **({"x-ms-source-if-match": f'"{etag}"'} if etag else {}),
        }
        try:
            with self._errors(container.name, name):
                begun: Headers = self.connection.request(path, None, None, headers, "PUT").headers
        except ProviderHTTPError as error:
            ours = self._about_source(obj, container, error)
            if ours is None:
                raise
            ours.exchange = error.exchange
            raise ours from error
        self._finish(container, name, begun)
        return self.get_object(container.name, name)

    def _source(self, obj: Object) -> str:
        """Return the URL of the source of a copy; a SAS token must be in it."""
        query = self.connection.add_default_params({"versionid": obj.version_id} if obj.version_id else {})
        address = self._address(obj.container.name, obj.name)
        return f"{address}?{urlencode(query, quote_via=quote)}" if query else address

    def _about_source(
        self, obj: Object, target: Container, error: ProviderHTTPError
    ) -> ContainerError | ObjectError | None:
        """Return the error about the source of a copy; None if it is about something else."""
        if isinstance(error, ContainerDoesNotExistError):
            self._properties(target.name)
            return ContainerDoesNotExistError(error.message, self, obj.container.name)
        if isinstance(error, ObjectDoesNotExistError):
            return ObjectDoesNotExistError(error.message, self, obj.name)
        if code_of(error) == "SourceConditionNotMet":
            return ObjectError(f"the object {obj.name!r} was changed since it was listed", self, obj.name)
        return None

    def _finish(self, container: Container, name: str, begun: Headers) -> None:
        """Return when a copy has ended. Raises `ObjectError` if it failed; an interruption aborts it."""
        state: Any = begun
        id_ = begun.get("x-ms-copy-id", "")
        try:
            while state.get(STATUS) == "pending":
                self.connection.sleep(PAUSE)
                state = self._head(container.name, name)
        except BaseException as error:
            self._abort(container, name, id_, error)
            raise
        if state.get(STATUS) != "success" or state.get("x-ms-copy-id", "") != id_:
            reason = state.get("x-ms-copy-status-description") or state.get(STATUS)
            raise ObjectError(f"the copy to {name!r} did not succeed: {reason}", self, name)

    def _abort(self, container: Container, name: str, id_: str, error: BaseException) -> None:
        params = {"comp": "copy", "copyid": id_}
        try:
            with cleanup():
                headers = {"x-ms-copy-action": "abort"}
                self.connection.request(
                    self._path(container.name, name), params, None, headers, "PUT", idempotent=True
                )
        except PolycloudError as failure:
            error.add_note(f"the copy to {name!r} may go on, since its abort failed: {failure}")
