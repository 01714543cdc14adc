"""Requests to Google's JSON API of storage: paths, and errors by their status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from polycloud.common.building import quoted
from polycloud.common.google import GoogleConnection, GoogleResponse
from polycloud.errors import InsecureConnectionError, InvalidArgumentError, NotFoundError, ProviderHTTPError
from polycloud.http.messages import is_loopback
from polycloud.storage.base import StorageDriver
from polycloud.storage.drivers.google_storage.encryption import CustomerKey
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ContainerError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
)
from polycloud.storage.uploads import require_container_name, require_object_name
from polycloud.utils.status import HTTPStatus

API, UPLOADS = "/storage/v1/b", "/upload/storage/v1/b"
INCOMPLETE, CANCELLED = 308, HTTPStatus.CLIENT_CLOSED_REQUEST
"""Statuses of a resumable upload: it needs more bytes, and it was cancelled as asked."""
GONE = 410
NO_OBJECT = "No such object"
"""How Google's message begins if the bucket of a missing object exists."""
WRONG_HASH = re.compile(r"(?i)\b(md5|crc32c|hash)\b.*match")
"""What Google's message has if a checksum differs."""
RESERVED = ".well-known/acme-challenge/"


class PagePayload(msgspec.Struct):
    """A page of a list, and the token of the next one."""

    kind: str
    items: list[msgspec.Raw] = []
    token: str | None = msgspec.field(name="nextPageToken", default=None)


class GoogleStorageResponse(GoogleResponse):
    """A response of Google's storage."""

    def parse_error(self) -> Any:
        """Return the message; raise `NotFoundError` for a resumable upload that has expired."""
        message = super().parse_error()
        if self.status == GONE:
            raise NotFoundError(self.status, message, self.headers)
        return message

    def success(self) -> bool:
        """Return whether the request was carried out; a resumable upload has statuses of its own."""
        if self.status == INCOMPLETE:
            return "upload_id=" in self.request.url
        if self.status == CANCELLED:
            return self.request.method == "DELETE" and "upload_id=" in self.request.url
        return super().success()


class GoogleStorageConnection(GoogleConnection):
    """A connection to Google's storage."""

    host = "storage.googleapis.com"
    responseCls = GoogleStorageResponse

    def __init__(self, *args: Any, customer_key: CustomerKey, **options: Any) -> None:
        super().__init__(*args, **options)
        self.customer_key = customer_key
        if customer_key.use and not self.secure and not is_loopback(self.host):
            raise InsecureConnectionError(
                f"plain HTTP would show ex_customer_key to the network; use https:// for {self.host}"
            )

    def secrets(self) -> tuple[str, ...]:
        """Return the keys of the account, the token, and the customer's key."""
        return (*super().secrets(), *self.customer_key.secrets)

    def account(self) -> tuple[Any, ...]:
        """What is encrypted by another customer's key belongs to another account: this one cannot read it."""
        return (*super().account(), *self.customer_key.identity)


class GoogleStorageBase(StorageDriver):
    """What the modules of the driver share."""

    connectionCls = GoogleStorageConnection
    connection: GoogleStorageConnection
    per_page: ClassVar[int] = 1000
    """The items of a page to ask for; Google returns no more."""

    @property
    def _key(self) -> CustomerKey:
        return self.connection.customer_key

    def _path(self, container_name: str, object_name: str | None = None, *, api: str = API) -> str:
        """Return the path of a container or of an object; every "/" of a name is encoded."""
        require_container_name(container_name, self)
        path = f"{api}/{quoted(container_name, '')}"
        return path if object_name is None else f"{path}/o/{quoted(object_name, '')}"

    def _public_url(self, container_name: str, object_name: str | None = None) -> str:
        """Return the address below which the public reads, and for which URLs are signed."""
        self._path(container_name)
        name = "" if object_name is None else f"/{quoted(require_name(object_name), '/~')}"
        return f"{self.connection.base_url()}{quoted(container_name, '~')}{name}"

    def _pages(
        self, path: str, query: dict[str, Any], kind: str
    ) -> Iterator[tuple[GoogleStorageResponse, list[msgspec.Raw]]]:
        """Yield the items of a list, a page at a time, with the response."""
        token: str | None = None
        while True:
            page = {**query, "maxResults": self.per_page, "pageToken": token}
            response: GoogleStorageResponse = self.connection.request(path, page)
            found = response.decode(PagePayload)
            if found.kind != kind:
                raise response.malformed(f"the response must be a {kind!r}, not {found.kind!r}")
            yield response, found.items
            if found.token and found.token == token:
                raise response.malformed("the list returns to the same page and has no end")
            token = found.token
            if not token:
                return

    def _translated(
        self, error: ProviderHTTPError, container_name: str, object_name: str | None
    ) -> ContainerError | ObjectError | None:
        if object_name is not None and error.code == HTTPStatus.PRECONDITION_FAILED:
            return ObjectAlreadyExistsError(driver=self, object_name=object_name)
        wrong = error.code == HTTPStatus.BAD_REQUEST and WRONG_HASH.search(str(error.message))
        if object_name is not None and wrong:
            return ObjectHashMismatchError(error.message, self, object_name)
        if not isinstance(error, NotFoundError):
            return None
        if object_name is not None and error.exchange is not None and error.exchange.method == "PUT":
            self._require_container(container_name)
            message = f"the upload of {object_name!r} has expired, or was cancelled"
            return ObjectError(message, self, object_name)
        if object_name is None:
            return ContainerDoesNotExistError(driver=self, container_name=container_name)
        if not str(error.message).startswith(NO_OBJECT):
            self._require_container(container_name)
        return ObjectDoesNotExistError(driver=self, object_name=object_name)

    def _require_container(self, name: str) -> None:
        """Raise `ContainerDoesNotExistError` if there is none."""
        with self._errors(name):
            self.connection.request(self._path(name), {"fields": "name"})


def require_name(name: object) -> str:
    """Return the name of an object. Raises `InvalidArgumentError` for names that Google does not allow."""
    found = require_object_name(name)
    if "\n" in found or "\r" in found or found in {".", ".."} or found.startswith(RESERVED):
        raise InvalidArgumentError(
            f"Google allows no object_name with a line feed or a carriage return, none that begins with "
            f"{RESERVED!r}, and neither '.' nor '..'; got {found!r}"
        )
    return found
