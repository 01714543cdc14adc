"""SoftLayer's API (IBM Cloud classic infrastructure) as all its services use it: calls, masks, pages, faults.

A call names a service, which is the path (`SoftLayer_Account`), and a method. Its first parameter holds the
headers: credentials, the id of the object that the method is called on, the object mask (which fields the
response has), the object filter, and the part of a list that is wanted. Without a mask the response has an
object's own fields but not those of related ones, so each list names all that it needs and is one request.

Lists are ordered by id: by the provider's account of it, pages without an order may overlap. The header
`SoftLayer-Total-Items` says how many items there are.

Faults have a code (`SoftLayer_Exception_...`), but most share one, so `REFUSALS` reads the words too.

Source: the provider's reference at sldn.softlayer.com, and its Python SDK, version 6.2.9.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from polycloud.common import arguments
from polycloud.common.arguments import require_count
from polycloud.common.connection import ConnectionUserAndKey
from polycloud.common.credentials import Credential
from polycloud.common.driver import BaseDriver
from polycloud.common.pagination import Page, each_of_pages, number_pages
from polycloud.common.payload import decoder
from polycloud.common.xmlrpc import XMLRPCConnection, XMLRPCResponse
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidCredsError,
    InvalidNameError,
    MalformedResponseError,
    NotFoundError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    ServerError,
    UnavailableError,
    error_from_status,
)
from polycloud.http.messages import Request
from polycloud.utils.values import whole_number

__all__ = [
    "API_HOST",
    "Filter",
    "Record",
    "SoftLayerBaseDriver",
    "SoftLayerBusyError",
    "SoftLayerConnection",
    "SoftLayerResponse",
    "Structure",
    "number",
]

T = TypeVar("T")
R = TypeVar("R")
API_HOST = "api.softlayer.com"
API_VERSION = "v3.1"
MOST_A_PAGE = 1000
MOST_PAGES = 10_000
LARGEST_INT = 2**31 - 1
"""The largest int of XML-RPC; longer ids are sent as text."""
IAM_USER = "apikey"
"""The user name for an API key of IBM Cloud's IAM, which is sent by HTTP's Basic authentication."""
DELETION = b"<methodName>deleteObject</methodName>"
TOTAL = "softlayer-total-items"
HTTP_STATUSES = range(400, 600)
FAILURES = frozenset({"-32603", "-32500", "-32400", "-32300"})
"""The codes of XML-RPC's specification for faults of the server."""
IN_ORDER = {"operation": "orderBy", "options": [{"name": "sort", "value": ["ASC"]}]}

Filter = Mapping[str, Any]
"""The operations on an object's fields that select it: `{"hostname": {"operation": "web"}}`."""


class SoftLayerBusyError(ConflictError):
    """The server is busy with another operation, or not ordered completely yet; retry later."""


MATCHED_CHARACTERS = 1000
"""How much of a fault's string is matched against `REFUSALS`."""

REFUSALS: tuple[tuple[str, str, type[ProviderHTTPError], int], ...] = (
    ("RateLimit", "", RateLimitReachedError, 429),
    ("", r"\brate limit", RateLimitReachedError, 429),
    (
        "",
        (
            r"billing item is required to process a cancellation"
            r"|\btransactions?\b.*\b(active|pending|progress)|\bactive transaction"
        ),
        SoftLayerBusyError,
        409,
    ),
    ("_NotImplemented$", "", SoftLayerBusyError, 409),
    (
        "",
        (
            r"\b(can ?not|unable to)\b.*\b(power(ed)? (on|off)|reboot(ed)?|paused?|resumed?)\b"
            r"|\b(already|must be|is not|not) (powered )?(on|off|running|halted|paused|stopped)\b"
        ),
        ConflictError,
        409,
    ),
    ("NotFound$", "", NotFoundError, 404),
    ("AccessDenied|Permission", "", ProviderHTTPError, 403),
    (
        "",
        r"\b(exceed|reached|over)\w*\b.*\b(limit|maximum|quota)\b|\b(limit|maximum|quota)\b.*\b(exceed|reached)",
        QuotaExceededError,
        403,
    ),
    ("", r"\binsufficient (resources|capacity)|\bout of (stock|capacity)", UnavailableError, 400),
    (
        "",
        r"\b(host ?name|domain)\b.*\b(invalid|must|valid)|\binvalid\b.*\b(host ?name|domain)\b",
        InvalidNameError,
        400,
    ),
    ("", r"operatingSystemReferenceCode|blockDeviceTemplateGroup|image template", ImageUnavailableError, 400),
    (
        "InvalidValue$",
        r"\b(datacenter|startCpus|maxMemory|capacity|maxSpeed|flavorKeyName)\b",
        UnavailableError,
        400,
    ),
    (
        "",
        r"^the price for\b.*\bis not valid\b|\binvalid cpu/memory combination",
        UnavailableError,
        400,
    ),
    ("", r"\b(networkVlan|sshKeys)\b|^could not obtain network vlan\b", NotFoundError, 404),
    ("", r"\balready (exists?|in use|been)|\bduplicate\b|\bmust be unique\b", ConflictError, 409),
    ("", r"^internal error|^an error has occurred while processing", ServerError, 500),
)
"""Patterns of a fault's code and string, the error, its status; the first row that matches is used."""
NO_CREDENTIALS = re.compile(
    r"[^:]*: (invalid api (token|key)|no valid authentication)"
    r"|SoftLayer_Exception_Public: access denied\.?\s*$",
    re.IGNORECASE,
)
"""The code and the string of the faults for wrong credentials; an object of others has a code of its own."""


class Structure(msgspec.Struct, rename="camel"):
    """A part of a response, by the provider's names; all fields but the id may be missing."""


class Record(NamedTuple):
    """An object of a response: as its `Structure`, and all its fields as they came."""

    value: Any
    fields: dict[str, Any]


class SoftLayerResponse(XMLRPCResponse):
    """The value that a method returned, or a fault."""

    def parse_error(self) -> Any:
        """Raise the error for the fault, with its string and code."""
        try:
            fault = self.fault
        except MalformedResponseError:
            return super().parse_error()
        if fault is None:
            return super().parse_error()
        raise _error_for(str(fault[0]), str(fault[1]).strip(), self.headers)

    def record(self, type_: type[Any]) -> Record:
        """Return the object. Raises `MalformedResponseError` unless it is as documented."""
        return self._record(type_, self.object)

    def records(self, type_: type[Any]) -> Iterator[Record]:
        """Yield the objects of a list, each as `record` does."""
        if not isinstance(self.object, list):
            raise self.malformed(f"the response must be a list, got {type(self.object).__name__}")
        return (self._record(type_, value) for value in self.object)

    def page(self, type_: type[Any], build: Callable[[Record], Any], number: int, size: int) -> Page:
        """Return the page `number`, of `size` objects: what `build` makes of them, and the list's size.

        A server that does not state the total has another page after each one that is full.
        """
        items = list(map(build, self.records(type_)))
        stated = whole_number(self.headers.get(TOTAL))
        if stated is None:
            return Page(items, number + (len(items) == size))
        pages = max(1, -(-stated // size))
        if pages > MOST_PAGES:
            raise self.malformed(f"the list claims {stated:,} items; at most {MOST_PAGES:,} pages are read")
        return Page(items, pages, stated)

    def _record(self, type_: type[Any], value: Any) -> Record:
        fields = _without_blanks(value)
        decoder(cast("Any", type_))  # two threads that read a type for the first time would crash
        try:
            return Record(msgspec.convert(fields, type_, strict=False), fields)
        except msgspec.ValidationError as error:
            raise self.malformed(f"the response is not as documented: {error}") from None


def _without_blanks(value: Any) -> Any:
    """Return a value whose dicts have no empty members: the provider writes an empty text for nothing."""
    if isinstance(value, dict):
        members = ((name, _without_blanks(member)) for name, member in value.items())
        return {name: member for name, member in members if member not in (None, "", [], {})}
    return [_without_blanks(member) for member in value] if isinstance(value, list) else value


def _error_for(code: str, text: str, headers: Mapping[str, str]) -> ProviderError:
    """Return the error for a fault; `definite`, where its status would leave open what was done."""
    message = f"{text or 'no message'} ({code})"
    if NO_CREDENTIALS.match(f"{code}: {text[:MATCHED_CHARACTERS]}"):
        return InvalidCredsError(message)
    for coded, said, kind, status in REFUSALS:
        if re.search(coded, code) and re.search(said, text[:MATCHED_CHARACTERS], re.IGNORECASE):
            error: ProviderError = kind(status, message, headers)
            error.definite = kind is not ServerError
            return error
    status = whole_number(code) or 0
    if status in HTTP_STATUSES:
        return error_from_status(status, message, headers)
    return error_from_status(500 if code in FAILURES else 400, message, headers)


class SoftLayerConnection(XMLRPCConnection, ConnectionUserAndKey):
    """A connection with a user name and an API key.

    `per_page` is the page size of lists. `only` of a list is a `Filter` of its objects.
    """

    host = API_HOST
    request_path = f"/xmlrpc/{API_VERSION}"
    responseCls = SoftLayerResponse

    def __init__(self, *args: Any, per_page: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.per_page = 100 if per_page is None else require_count("ex_per_page", per_page, MOST_A_PAGE)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the content type, and the credentials of IBM Cloud's IAM."""
        if self.user_id == IAM_USER:
            headers["Authorization"] = f"Basic {self._basic()}"
        return super().add_default_headers(headers)

    def secrets(self) -> tuple[str, ...]:
        """Return the API key, as it is and as it may be sent."""
        return (*super().secrets(), self._basic())

    def deletes(self, request: Request) -> bool:
        """Return whether the call deletes its object."""
        return isinstance(request.body, bytes) and DELETION in request.body

    def _basic(self) -> str:
        return base64.b64encode(f"{self.user_id}:{self.key}".encode(errors="replace")).decode()

    def invoke(
        self,
        service: str,
        method: str,
        *args: Any,
        id: int | None = None,
        mask: str = "",
        only: Filter | None = None,
        part: tuple[int, int] | None = None,
        idempotent: bool | None = None,
    ) -> SoftLayerResponse:
        """Call a method and return the response.

        Args:
            service: Such as "SoftLayer_Account".
            method: Such as "getVirtualGuests"; a call of one that begins with "get" may be repeated.
            args: The method's own parameters.
            id: The id of the object that the method is called on.
            mask: The fields that the response has, such as "id,datacenter[name]".
            only: An object filter, which begins at the service's own object.
            part: The most items of a list, and how many to skip.
            idempotent: Whether the call may be sent again if its response is lost.
        """
        headers: dict[str, Any] = {}
        if self.user_id != IAM_USER:
            headers["authenticate"] = {"username": self.user_id, "apiKey": self.key}
        if id is not None:
            headers[f"{service}InitParameters"] = {"id": id if id <= LARGEST_INT else str(id)}
        if mask:
            headers["SoftLayer_ObjectMask"] = {"mask": f"mask[{mask}]"}
        if only:
            headers[f"{service}ObjectFilter"] = only
        if part:
            headers["resultLimit"] = {"limit": part[0], "offset": part[1]}
        repeatable = method.startswith("get") if idempotent is None else idempotent
        response: SoftLayerResponse = self.call_at(
            f"/{service}", method, ({"headers": headers}, *args), idempotent=repeatable
        )
        return response

    def act(self, service: str, method: str, *args: Any, id: int, idempotent: bool = False) -> bool:
        """Call a method that does something and return True. Raises `ProviderError` if it returns false."""
        if self.invoke(service, method, *args, id=id, idempotent=idempotent).object is False:
            raise ProviderError(
                f"{service}::{method} of {id} returned false: nothing was done", 0, self.driver
            )
        return True

    def list_all(
        self,
        relation: str,
        type_: type[Any],
        build: Callable[[Record], R],
        mask: str,
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        only: Filter | None = None,
    ) -> list[R]:
        """Return what `build` makes of each object that the account has under `relation`, such as "sshKeys".

        Objects of the same `key` are one. Pages are read in parallel.
        """
        return number_pages(partial(self._page, relation, type_, build, mask, only), key)

    def iterate(
        self, relation: str, type_: type[Any], build: Callable[[Record], R], mask: str
    ) -> Iterator[R]:
        """As `list_all`, but read a page at a time, as the iterator is used."""
        return each_of_pages(partial(self._page, relation, type_, build, mask, None), attrgetter("id"))

    def _page(
        self,
        relation: str,
        type_: type[Any],
        build: Callable[[Record], Any],
        mask: str,
        only: Filter | None,
        page: int,
    ) -> Page:
        method = f"get{relation[0].upper()}{relation[1:]}"
        selected = {relation: {"id": IN_ORDER, **(only or {})}}
        part = (self.per_page, (page - 1) * self.per_page)
        response = self.invoke("SoftLayer_Account", method, mask=mask, only=selected, part=part)
        return response.page(type_, build, page, self.per_page)


class SoftLayerBaseDriver(BaseDriver):
    """The base of SoftLayer's drivers: `Driver("user", "API key")`.

    The user is "apikey" with an API key of IBM Cloud. `region` is the default data center of what is created.
    `ex_per_page` is the page size of lists, 1 to 1000.
    """

    connectionCls = SoftLayerConnection
    connection: SoftLayerConnection
    api_name = "softlayer"
    name = "SoftLayer"
    website = "https://www.ibm.com/cloud"
    credentials = (Credential("username", ("SL_USERNAME",)), Credential("api_key", ("SL_API_KEY",)))

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        *,
        ex_per_page: int | None = None,
        **options: Any,
    ) -> None:
        self._per_page = ex_per_page
        super().__init__(key, secret, secure, host, port, api_version, region, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {"per_page": self._per_page}


def number(id_: object) -> int:
    """Return an id as a number. Raises `InvalidArgumentError` unless it is one."""
    return arguments.number(id_, SoftLayerBaseDriver.name)
