"""Requests to Swift: paths, and errors by their statuses.

Swift's errors have a status and a sentence, no code. A 404 does not say whether the container or the object
is missing, so the container is asked for then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.building import quoted
from polycloud.common.openstack import OpenStackBaseConnection, OpenStackBaseDriver, OpenStackResponse
from polycloud.common.openstack.connection import Place
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    NotFoundError,
    ProviderHTTPError,
    RateLimitReachedError,
)
from polycloud.storage.base import StorageDriver
from polycloud.storage.contents import Content, body_of, md5_of
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ContainerError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
)
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import shown, whole_number

RATE_LIMITED = 498
"""The status by which Swift refuses requests that come too fast."""
WRITTEN = frozenset({HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
AS_LIST = {"format": "json"}

T = TypeVar("T", bound="Named")


class Named(msgspec.Struct):
    """An item of a list."""

    name: str

    def marks(self) -> dict[str, str]:
        """Return the query of the page that follows this item."""
        return {"marker": self.name}


class SwiftResponse(OpenStackResponse):
    """A response of Swift: JSON in lists, a page with one sentence in errors and after some writes."""

    def success(self) -> bool:
        """Return whether the status is 2xx; of these, 201 and 202 may come with a page."""
        return self.status in WRITTEN or super().success()

    def parse_error(self) -> Any:
        """Return the sentence. Raises `RateLimitReachedError` for Swift's own status of that."""
        message = super().parse_error()
        if self.status == RATE_LIMITED:
            raise RateLimitReachedError(self.status, message, self.headers)
        return message

    def number(self, name: str) -> int:
        """Return a header that is a number. Raises `MalformedResponseError` if there is none."""
        text = self.headers.get(name, "")
        number = whole_number(text)
        if number is None:
            raise self.malformed(f"the response must have a number in {name}, got {shown(text)}")
        return number

    def require(self, *statuses: int) -> None:
        """Raise `MalformedResponseError` for another status of success than these."""
        if self.status not in statuses:
            raise self.malformed(f"the response must have the status {' or '.join(map(str, statuses))}")


class SwiftConnection(OpenStackBaseConnection):
    """A connection to an account of Swift."""

    responseCls = SwiftResponse
    service_types = ("object-store",)
    version = "v1"
    transient_statuses = frozenset({RATE_LIMITED})

    def __init__(self, *args: Any, temp_url_key: str | None = None, **options: Any) -> None:
        self.temp_url_key = temp_url_key
        super().__init__(*args, **options)

    def secrets(self) -> tuple[str, ...]:
        """Return those of the login, and the key of temporary URLs."""
        return (*super().secrets(), *([self.temp_url_key] if self.temp_url_key else ()))

    def account(self) -> tuple[Any, ...]:
        """Return what identifies the account: each region has containers of its own."""
        return (*super().account(), self.cloud.region, self.cloud.service_type, str(self.cloud.urls))

    def put_bytes(
        self, path: str, content: Content, headers: Mapping[str, str], *, idempotent: bool = True
    ) -> str:
        """PUT an object; return its ETag. Swift verifies the MD5 of what arrives, and tells its own.

        The body goes as a file: then nobody searches for secrets in it. Raises `ObjectHashMismatchError` if
        Swift says that it has another content.
        """
        digest: str = md5_of(content).hexdigest()
        fields = {**headers, "ETag": digest, "Content-Length": str(len(content))}
        response: SwiftResponse = self.request(
            path, None, body_of(content), fields, "PUT", idempotent=idempotent
        )
        etag = response.headers.get("etag", "").strip('"')
        if not etag:
            raise response.malformed("the response must have an ETag")
        if etag != digest:
            raise ObjectHashMismatchError(f"Swift has another content: its MD5 is {etag}", self.driver)
        return digest

    def copy(self, source: str, target: str, version_id: str | None = None) -> str:
        """Copy an object, or a version of it, from path to path; return the ETag of the copy."""
        headers, query = {"X-Copy-From": source, "Content-Length": "0"}, {"version-id": version_id}
        response: SwiftResponse = self.request(target, query, b"", headers, "PUT")
        response.require(HTTPStatus.CREATED)
        return str(response.headers.get("etag", "")).strip('"')

    def path_of(self, container_name: str, object_name: str | None = None) -> str:
        """Return the path of a container or of an object below that of the account.

        Raises `InvalidContainerNameError` for what no container can be called.
        """
        if not isinstance(container_name, str):
            raise InvalidArgumentError(f"container_name must be a str, got {shown(container_name)}")
        if not container_name or "/" in container_name:
            message = f"container_name must be a name without '/', got {container_name!r}"
            raise InvalidContainerNameError(message, self.driver, container_name)
        path = f"/{quoted(container_name, '~')}"
        return path if object_name is None else f"{path}/{quoted(object_name, '/~')}"

    def pages(self, path: str, type_: type[T], query: Mapping[str, Any]) -> Iterator[list[T]]:
        """Yield the pages of a list.

        It ends with an empty page: a server may return fewer items than are asked for, and have more.
        """
        marks: dict[str, str] = {}
        while True:
            page = {**AS_LIST, "limit": self.per_page, **query, **marks}
            response: SwiftResponse = self.request(path, page)
            items: list[T] = []
            if response.status != HTTPStatus.NO_CONTENT:
                items = response.decode(list[type_])  # type: ignore[valid-type]
            if not items:
                return
            yield items
            following = items[-1].marks()
            if following == marks or following["marker"] < marks.get("marker", ""):
                raise response.malformed("the list returns to an earlier page and has no end")
            marks = following

    def place(self) -> Place:
        """Return where the account is; without a login if its address was given."""
        type_ = self.cloud.service_type if self._leader is None else None
        given = self.cloud.urls.get(type_ or self.service_types[0])
        return super().place() if given is None else self._split(given, self.cloud.login.project_id)


class SwiftBaseDriver(OpenStackBaseDriver, StorageDriver):
    """What the modules of the driver share."""

    connectionCls = SwiftConnection
    connection: SwiftConnection
    temp_url_digest: ClassVar[str] = "sha256"
    """The hash function of the signatures of temporary URLs."""

    def __init__(self, *args: Any, ex_temp_url_key: str | None = None, **options: Any) -> None:
        if ex_temp_url_key is not None and (not isinstance(ex_temp_url_key, str) or not ex_temp_url_key):
            raise InvalidArgumentError("ex_temp_url_key must be a non-empty str")
        self._temp_url_key = ex_temp_url_key
        super().__init__(*args, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "temp_url_key": self._temp_url_key}

    def _path(self, container_name: str, object_name: str | None = None) -> str:
        return self.connection.path_of(container_name, object_name)

    def _address(self, container_name: str, object_name: str | None = None) -> str:
        """Return the URL of a container or an object."""
        place = self.connection.place()
        return f"{place.root}{quoted(place.path, '/~%')}{self._path(container_name, object_name)}"

    def _pages(self, container_name: str, type_: type[T], query: Mapping[str, Any]) -> Iterator[list[T]]:
        """Yield the pages of a list of a container."""
        pages = self.connection.pages(self._path(container_name), type_, query)
        while True:
            with self._errors(container_name):
                page = next(pages, None)
            if page is None:
                return
            yield page

    def _place(self) -> str:
        place = self.connection.place()
        return f"{place.root}{place.path}"  # the account: accounts of one cluster have containers of one name

    def _translated(
        self, error: ProviderHTTPError, container_name: str, object_name: str | None
    ) -> ContainerError | ObjectError | None:
        status = None if error.exchange is None else error.exchange.status
        method = None if error.exchange is None else error.exchange.method
        if object_name is None:
            return _of_container(self, status, method, error, container_name)
        if method == "PUT" and status == HTTPStatus.PRECONDITION_FAILED:
            return ObjectAlreadyExistsError(driver=self, object_name=object_name)
        if method == "PUT" and status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return ObjectHashMismatchError(driver=self, object_name=object_name)
        if not isinstance(error, NotFoundError):
            return None
        if method == "PUT":  # an object need not exist for that
            return ContainerDoesNotExistError(driver=self, container_name=container_name)
        self._may_look_up(container_name)
        return ObjectDoesNotExistError(driver=self, object_name=object_name)

    def _may_look_up(self, container_name: str) -> SwiftResponse | None:
        """Return what Swift says about a container; None if it may not be looked up.

        Rights may be for the objects only. Raises `ContainerDoesNotExistError` if there is none.
        """
        try:
            return self._look_up(container_name)
        except ProviderHTTPError as error:
            if isinstance(error, InvalidCredsError) or error.code == HTTPStatus.FORBIDDEN:
                return None
            raise

    def _look_up(self, container_name: str) -> SwiftResponse:
        """Return what Swift says about a container. Raises `ContainerDoesNotExistError` if there is none."""
        with self._errors(container_name):
            response: SwiftResponse = self.connection.request(self._path(container_name), method="HEAD")
        response.number("x-container-object-count")  # a page of a proxy has none
        return response

    def _update(self, path: str, kind: str, headers: Mapping[str, str]) -> None:
        """POST headers to the account or to a container; those that it does not name stay."""
        named = {f"X-{kind}-{name}": text for name, text in headers.items()}
        self.connection.request(path, method="POST", headers=named, idempotent=True)


def _of_container(
    driver: SwiftBaseDriver, status: int | None, method: str | None, error: ProviderHTTPError, name: str
) -> ContainerError | None:
    if isinstance(error, NotFoundError):
        return ContainerDoesNotExistError(driver=driver, container_name=name)
    if status == HTTPStatus.CONFLICT and method == "DELETE":
        return ContainerIsNotEmptyError(driver=driver, container_name=name)
    if status == HTTPStatus.BAD_REQUEST and method == "PUT":
        return InvalidContainerNameError(error.message, driver, name)
    return None
