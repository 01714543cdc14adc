"""Requests to S3: paths, errors by their codes, and buckets of other regions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from operator import methodcaller
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

from polycloud.common.aws.connection import AWSBaseDriver
from polycloud.common.aws.errors import AWSCredsError
from polycloud.common.aws.rest import AWSRestConnection, AWSRestResponse
from polycloud.common.building import quoted
from polycloud.errors import (
    InvalidCredsError,
    NotFoundError,
    ProviderHTTPError,
)
from polycloud.storage.base import StorageDriver
from polycloud.storage.drivers.s3.dialects import AMAZON, Dialect
from polycloud.storage.drivers.s3.encryption import PLAIN_METHODS, Encryption
from polycloud.storage.encryption import require_private
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
)
from polycloud.storage.uploads import require_container_name
from polycloud.utils.headers import http_date
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")
CONTAINER_ERRORS: Mapping[str, type[ContainerError]] = {
    "NoSuchBucket": ContainerDoesNotExistError,
    "BucketAlreadyExists": ContainerAlreadyExistsError,
    "BucketAlreadyOwnedByYou": ContainerAlreadyExistsError,
    "BucketNotEmpty": ContainerIsNotEmptyError,
    "InvalidBucketName": InvalidContainerNameError,
}
OBJECT_ERRORS: Mapping[str, type[ObjectError]] = {
    "NoSuchKey": ObjectDoesNotExistError,
    "NoSuchVersion": ObjectDoesNotExistError,
    "PreconditionFailed": ObjectAlreadyExistsError,
    "ConditionalRequestConflict": ObjectAlreadyExistsError,
    "BadDigest": ObjectHashMismatchError,
    "XAmzContentChecksumMismatch": ObjectHashMismatchError,
}
LARGEST_SKEW = 900
"""Seconds by which a request's time may differ from the time of S3."""
FOREIGN = frozenset({"text/html", "application/json"})
REGION_HEADER = "x-amz-bucket-region"
EXPECTED = re.compile(r"AuthorizationHeaderMalformed: .*expecting '([\w-]+)'", re.DOTALL)


class S3Response(AWSRestResponse):
    """A response of S3."""

    lists: ClassVar[frozenset[str]] = frozenset()

    def is_redirect(self) -> bool:
        """Return whether it sends the request elsewhere; a bucket's region is an error, which names it."""
        return super().is_redirect() and REGION_HEADER not in self.headers

    def parse_error(self) -> Any:
        """Return the code and the message; raise the error that the code stands for.

        A refused HEAD has neither. If it may be because of its time, that is the error: it is sent again.
        """
        clock = http_date(self.headers.get("date", ""))
        if self.request.method == "HEAD" and self.status == HTTPStatus.FORBIDDEN and clock is not None:
            off = abs((clock - self.connection.now()).total_seconds())
            if off > LARGEST_SKEW:
                message = f"the clock of S3 differs by {off:,.0f} s"
                raise AWSCredsError(message, "RequestTimeTooSkewed", clock)
        return super().parse_error()

    def success(self) -> bool:
        """Return whether the status is 2xx.

        Raises `MalformedResponseError` for a page or JSON, which proxies send in the place of a response to
        HEAD: those of S3 have the ETag of an object, or no content.
        """
        if not super().success():
            return False
        kind = self.headers.get("content-type", "").partition(";")[0]
        is_page = kind in FOREIGN and "etag" not in self.headers and self.headers.get("content-length") != "0"
        if self.request.method == "HEAD" and is_page:
            raise self.malformed(f"the response must be one of S3, not {kind}")
        return True


class S3Connection(AWSRestConnection):
    """A connection to S3 in one region."""

    service = "s3"
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    responseCls = S3Response

    def __init__(
        self,
        *args: Any,
        ex_customer_key: bytes | str | None = None,
        ex_encryption: str | None = None,
        ex_encryption_key_id: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.encryption = Encryption(ex_customer_key, ex_encryption, ex_encryption_key_id)
        if self.encryption.use:
            require_private(self.secure, self.host)

    def secrets(self) -> tuple[str, ...]:
        """The secret key, the token, and the customer's key."""
        return (*super().secrets(), *self.encryption.secrets)

    def account(self) -> tuple[Any, ...]:
        """What is encrypted by another customer's key belongs to another account: this one cannot read it."""
        return (*super().account(), *self.encryption.identity)

    def in_region(self, region: str, host: str) -> S3Connection:
        """Return a connection to another region, with the same credentials and options."""
        other = copy(self)
        other.region, other.host = region, host
        return other


class S3BaseDriver(AWSBaseDriver, StorageDriver):
    """What the modules of the driver share.

    Paths name the bucket first, at every store: one pool of connections serves all buckets.
    """

    connectionCls = S3Connection
    connection: S3Connection
    endpoint = "s3"
    region_names = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
    dialect: ClassVar[Dialect] = AMAZON

    def __init__(
        self,
        *args: Any,
        ex_customer_key: bytes | str | None = None,
        ex_encryption: str | None = None,
        ex_encryption_key_id: str | None = None,
        **options: Any,
    ) -> None:
        self._encryption_options = {
            "ex_customer_key": ex_customer_key,
            "ex_encryption": ex_encryption,
            "ex_encryption_key_id": ex_encryption_key_id,
        }
        super().__init__(*args, **options)
        self._elsewhere: dict[str, S3Connection] = {}

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), **self._encryption_options}

    def _hash_is_md5(self, obj: Object) -> bool:
        """Return whether the ETag of an object can be its MD5: not that of an encrypted one."""
        return not self.connection.encryption.hides_md5 and obj.extra.get("encryption") in PLAIN_METHODS

    def close(self) -> None:
        """Close the connections to all regions."""
        for connection in (self.connection, *self._elsewhere.values()):
            connection.close()

    def _send(self, container_name: str, send: Callable[[S3Connection], T]) -> T:
        """Return the result of `send`, given the connection to the region of a container.

        A container in another region than the driver's is refused with the name of its region; then `send`
        is called again. That signs the request anew, and for Amazon's own hosts only the region in the host's
        name is replaced: a response cannot name the host to which a request goes.
        """
        connection = self._elsewhere.get(container_name, self.connection)
        try:
            return send(connection)
        except ProviderHTTPError as error:
            region = _region_of(error)
            if region is None or region == connection.region or not self.region_names.fullmatch(region):
                raise
        elsewhere = self._connection_in(region)
        result = send(elsewhere)
        self._elsewhere[container_name] = elsewhere
        return result

    def _connection_in(self, region: str) -> S3Connection:
        if region == self.connection.region:
            return self.connection
        known = (one for one in self._elsewhere.values() if one.region == region)
        own = self.connection.host == self._region_host(self.connection.region)
        host = self._region_host(region) if own else self.connection.host
        return next(known, None) or self.connection.in_region(region, host)

    def _path(self, container_name: str, object_name: str | None = None) -> str:
        """Return the path of a container or of an object, as S3 signs it: all but "/" is encoded."""
        require_container_name(container_name, self)
        path = f"/{quoted(container_name, '~')}"
        return path if object_name is None else f"{path}/{quoted(object_name, '/~')}"

    def _address(self, container_name: str, object_name: str | None = None) -> str:
        """Return the URL of a container or an object."""
        one = self._elsewhere.get(container_name, self.connection)
        scheme, default = ("https", 443) if one.secure else ("http", 80)
        place = one.host if one.port == default else f"{one.host}:{one.port}"
        return f"{scheme}://{place}{one.request_path}{self._path(container_name, object_name)}"

    def _translated(
        self, error: ProviderHTTPError, container_name: str, object_name: str | None
    ) -> ContainerError | ObjectError | None:
        code = str(error.message).partition(":")[0]
        if code in CONTAINER_ERRORS:
            return CONTAINER_ERRORS[code](error.message, self, container_name)
        if object_name is not None and code in OBJECT_ERRORS:
            return OBJECT_ERRORS[code](error.message, self, object_name)
        status = None if error.exchange is None else error.exchange.status
        if object_name is not None and status == HTTPStatus.PRECONDITION_FAILED:
            return ObjectAlreadyExistsError(driver=self, object_name=object_name)
        if not isinstance(error, NotFoundError):
            return None
        if object_name is None:
            return ContainerDoesNotExistError(driver=self, container_name=container_name)
        if error.exchange is not None and error.exchange.method == "HEAD":  # it says nothing but 404
            self._require_container(container_name)
        return ObjectDoesNotExistError(driver=self, object_name=object_name)

    def _marked_pages(
        self, container: Container, query: Mapping[str, Any], root_name: str, markers: tuple[str, str]
    ) -> Iterator[S3Response]:
        """Yield the pages of a list that goes on behind two markers, such as a key and a version of it."""
        path, marks = self._path(container.name), ("", "")
        names = [re.sub(r"(?<=[a-z])(?=[A-Z])", "-", marker).lower() for marker in markers]
        while True:
            page = {**query, **{name: mark or None for name, mark in zip(names, marks, strict=True)}}
            with self._errors(container.name):
                response: S3Response = self._send(container.name, methodcaller("request", path, page))
            root = response.root(root_name)
            yield response
            if root.findtext("{*}IsTruncated") != "true":
                return
            key, other = (root.findtext(f"{{*}}Next{marker}") or "" for marker in markers)
            following = (decoded(key) if root.findtext("{*}EncodingType") == "url" else key, other)
            if following == marks:
                raise response.malformed("the list returns to the same page and has no end")
            marks = following

    def _require_container(self, name: str) -> S3Response:
        """Return what the store says of a bucket. Raises `ContainerDoesNotExistError` if there is none."""
        path = self._path(name)
        with self._errors(name):
            response: S3Response = self._send(name, lambda one: one.request(path, method="HEAD"))
            return response


def decoded(name: str) -> str:
    """Return a name from a list that was asked for with `encoding-type=url`."""
    return unquote(name.replace("+", " ")) if "%" in name or "+" in name else name


def _region_of(error: ProviderHTTPError) -> str | None:
    """Return the region in which a request should have been sent, if a response says so."""
    if isinstance(error, InvalidCredsError | NotFoundError):
        return None
    found = {name.lower(): text for name, text in error.headers.items()}.get(REGION_HEADER)
    expected = EXPECTED.match(str(error.message))
    return expected[1] if expected else found
