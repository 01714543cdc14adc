"""`OpenStackBaseConnection`, the base of the connections to all services of an OpenStack cloud.

A subclass names its service: the types under which catalogues list it, the version of its API, and the
microversion that it speaks. The address comes from the catalogue, which comes with the token, so nothing is
known before the first request: `base_url` and `_build` put requests where the catalogue says.

All connections with the same `Account` in a process share one token, whatever service they are for: see
`account.store_of`.

Microversions: a service says in its version document which ones it offers. That is read once. Requests then
carry the lower one of what both sides can; what a request needs beyond that, it asks for by `at`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.building import url_prefix
from polycloud.common.openstack import version1
from polycloud.common.openstack.account import Account, AccountStore, Range, numbers_of, store_of
from polycloud.common.openstack.catalog import EndpointQuery, find_endpoint
from polycloud.common.openstack.identity import Access, log_in
from polycloud.common.openstack.response import OpenStackResponse
from polycloud.common.options import allows_plain_http, split_url
from polycloud.common.pagination import unique
from polycloud.common.payload import Item
from polycloud.common.tokens import Token, TokenConnection, login_failure
from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.http.messages import Transport

T = TypeVar("T")
R = TypeVar("R")
VERSION = re.compile(r"v\d+(\.\d+)?")
READINGS = 4


class VersionPayload(msgspec.Struct):
    """A version of an API: `version` and `min_version` are the bounds of its microversions."""

    id: str | None = None
    version: str | None = None
    min_version: str | None = None


class VersionDocument(msgspec.Struct):
    """The version document of a service."""

    version: VersionPayload | None = None
    versions: list[VersionPayload] | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a service is: `root` (an address), and the path of the API's version below it ("/v3/PROJECT")."""

    root: str
    path: str


class OpenStackBaseConnection(TokenConnection):
    """A connection to one service of a cloud; its subclasses declare which.

    Of the connections of a driver, the others use the transport of their `leader`.

    An action that begins with `//` is a path below the service's root, such as its version document
    `//v2.1/`; others are below the path of the API's version.
    """

    responseCls = OpenStackResponse
    transient_statuses = frozenset({413})  # a rate limit in old services; that of a quota is no read
    service_types: ClassVar[tuple[str, ...]] = ("identity",)
    """The types that catalogues give to the service, the preferred one first."""
    version: ClassVar[str] = "v3"
    """The version of the API, for catalogues that name the root of the service."""
    is_regional: ClassVar[bool] = True
    """Whether each region has the service; one for all regions has none in the catalogue."""
    with_project: ClassVar[bool] = False
    """Whether the project's id follows the version in paths."""
    microversion: ClassVar[str | None] = None
    """The microversion whose payloads this connection reads; None if the service has none."""
    per_page: ClassVar[int] = 1000
    """The number of items to ask for; services may return fewer."""

    def __init__(
        self, *args: Any, account: Account, leader: OpenStackBaseConnection | None = None, **options: Any
    ) -> None:
        self.cloud = account
        self._leader = leader
        self._place: tuple[Access, Place] | None = None
        super().__init__(*args, **options)
        self._allows_insecure = bool(options.get("allow_insecure"))

    def token_store(self) -> AccountStore:
        """Return the store that all connections of the account share."""
        return store_of(self.cloud)

    def authenticate(self) -> Token:
        """Log in, or take the token that was given; see `identity.log_in`."""
        login = self.cloud.login
        if self.cloud.identity_url is None:
            if self._tokens.token is not None or login.token is None:
                raise InvalidCredsError(
                    "the token has expired or was refused; pass ex_force_auth_url= and credentials, "
                    "by which it is renewed"
                )
            return Access(login.token)
        if login.method == "1.0":
            if login.token is not None and self.cloud.urls and self._tokens.token is None:
                return Access(login.token)  # version 1 cannot be asked what a token is for
            return version1.log_in(self, login)
        return log_in(self, login, self._tokens.token)

    def transport(self) -> Transport:
        """Return the transport, which all connections of a driver share: `pool_size` bounds all of them."""
        return super().transport() if self._leader is None else self._leader.transport()

    def secrets(self) -> tuple[str, ...]:
        """Return the password, or what is in its place, and the token."""
        return (*super().secrets(), *self.cloud.login.secrets())

    def account(self) -> tuple[Any, ...]:
        """Return what identifies the account; each service has limits of its own."""
        return (self.host, self.port, self.service_types[0], self.cloud.identity())

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_place": None}  # it has the token

    # Where the service is

    @property
    def access(self) -> Access:
        """The token with its catalogue and project; requested if there is none yet, as by `token`."""
        access = self.current_token()
        assert isinstance(access, Access)
        return access

    def place(self) -> Place:
        """Return where the service is. Raises the errors of `find_endpoint` and `InsecureConnectionError`."""
        access = self.access
        if self._place is None or self._place[0] is not access:
            self._place = access, self._placed(access)
        return self._place[1]

    def _placed(self, access: Access) -> Place:
        types = self.service_types
        if self._leader is None and self.cloud.service_type is not None:
            types = (self.cloud.service_type,)
        url = next((self.cloud.urls[type_] for type_ in types if type_ in self.cloud.urls), None)
        if url is None:
            if access.endpoints is None:
                raise InvalidArgumentError(
                    f"the address of the service {types[0]!r} is unknown: pass ex_force_auth_url="
                )
            name = self.cloud.service_name if self._leader is None else None
            region = self.cloud.region if self.is_regional else None
            query = EndpointQuery(types=types, region=region, interface=self.cloud.interface, name=name)
            url = find_endpoint(access.endpoints, query, self.driver).url
            try:
                return self._split(url, access.project_id)
            except InvalidArgumentError:
                raise MalformedResponseError(
                    f"the catalogue has no usable address of the service {types[0]!r}", url
                ) from None
        return self._split(url, access.project_id)

    def _split(self, url: str, project_id: str | None) -> Place:
        """Return the place of an endpoint; its version and its project are completed."""
        parts = split_url(url)
        secure, host = parts.scheme == "https", parts.hostname or ""
        if (host, parts.port) == (self.host, self.port):  # behind a proxy that Keystone does not know of
            secure = self.secure
        trusted = host == self.host and not self.secure
        if not (secure or trusted or allows_plain_http(host, self._allows_insecure)):
            raise InsecureConnectionError(
                f"the catalogue says plain HTTP for the service {self.service_types[0]!r} at {host}, "
                "which would expose the token on the network; pass allow_insecure=True to permit that"
            )
        segments = [segment for segment in parts.path.split("/") if segment]
        cut = next((n for n, segment in enumerate(segments) if VERSION.fullmatch(segment)), len(segments))
        rest = segments[cut:] or [self.version]
        if self.with_project and len(rest) == 1 and project_id:
            rest.append(project_id)
        root = url_prefix(
            secure, host, parts.port or (443 if secure else 80), "/".join(["", *segments[:cut]])
        )
        return Place(root.rstrip("/"), "/" + "/".join(rest))

    def base_url(self) -> str:
        """Return the root of the service; that of Keystone while logging in."""
        if not self._logs_in():
            return f"{self.place().root}/"
        root = super().base_url()
        return root.rstrip("/") if self.cloud.login.method == "1.0" else root  # a complete address

    def _build(self, call: Any, action: str, params: Any, data: Any, headers: Any, *rest: Any) -> Any:
        if not self._logs_in():
            if action.startswith("//"):
                action = action[1:]
            else:
                action = f"{self.place().path}/{action.lstrip('/')}"
                headers = {**self._usual_version(headers), **(headers or {})}
        return super()._build(call, action, params, data, headers, *rest)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the token."""
        headers.setdefault("Accept", "application/json")
        headers["X-Auth-Token"] = self.token
        return headers

    # Microversions

    def _usual_version(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        forced = self.cloud.microversion if self._leader is None else None
        wanted = forced or self.microversion
        if wanted is None or "OpenStack-API-Version" in (headers or {}):
            return {}
        offered = self.offered_versions()
        if offered is None:
            return {}
        if forced is not None:
            return self.at(forced, "ex_force_microversion=")
        least, most = offered
        version = min(max(numbers_of(wanted), least), most)
        return self._version_headers("{}.{}".format(*version))

    def at(self, microversion: str, what: str) -> dict[str, str]:
        """Return the headers of a request that needs a microversion.

        Raises `UnsupportedOperationError`, which calls the request `what`, if the service does not offer it.
        """
        offered = self.offered_versions()
        if offered is None or not offered[0] <= numbers_of(microversion) <= offered[1]:
            most = "none" if offered is None else "{}.{}".format(*offered[1])
            if offered is not None and numbers_of(microversion) < offered[0]:
                most = "{}.{} to {}".format(*offered[0], most)
            raise UnsupportedOperationError(
                f"{what} needs microversion {microversion} of the service {self.service_types[0]!r}; "
                f"this cloud offers {most}",
                self.driver,
            )
        return self._version_headers(microversion)

    def speaks(self, microversion: str) -> bool:
        """Return whether the service offers a microversion."""
        offered = self.offered_versions()
        return offered is not None and offered[0] <= numbers_of(microversion) <= offered[1]

    def offered_versions(self) -> Range | None:
        """Return the lowest and the highest microversion of the service; None if it has none."""
        store = self.token_store()
        place = self.place()
        version = place.path.split("/")[1]
        key = f"{place.root}/{version}/"
        if key not in store.versions:
            store.single_flight(key, lambda: store.versions.setdefault(key, self._read_versions(version)))
        return store.versions[key]

    def _read_versions(self, version: str) -> Range | None:
        try:
            document = self.request(f"//{version}/").decode(VersionDocument)
        except ProviderHTTPError as error:
            if error.code in range(400, 500):
                return None  # the service does not say, so it has none
            raise login_failure(error, "the versions of the service cannot be read") from error
        except PolycloudError as error:
            raise login_failure(error, "the versions of the service cannot be read") from error
        for one in (document.version, *(document.versions or ())):
            same = one is not None and (one.id or "").partition(".")[0] == version.partition(".")[0]
            if one is not None and same and one.version and one.min_version:
                try:
                    return numbers_of(one.min_version), numbers_of(one.version)
                except InvalidArgumentError:
                    break
        return None

    def _version_headers(self, version: str) -> dict[str, str]:
        service = {"block-storage": "volume"}.get(self.service_types[0], self.service_types[0])
        headers = {"OpenStack-API-Version": f"{service} {version}"}
        if service == "compute":  # before 2.27
            headers["X-OpenStack-Nova-API-Version"] = version
        return headers

    # What drivers call

    def fetch(self, path: str, name: str, type_: type[T], **options: Any) -> Item[T]:
        """Return the object under `name` in the response to a GET."""
        return self._member("GET", path, name, type_, None, options)

    def create(self, path: str, name: str, type_: type[T], body: Any, **options: Any) -> Item[T]:
        """POST `body` under `name`; return the object under `name` in the response."""
        return self._member("POST", path, name, type_, {name: body}, options)

    def put(self, path: str, name: str, type_: type[T], body: Any, **options: Any) -> Item[T]:
        """PUT `body` under `name`; return the object under `name` in the response."""
        return self._member("PUT", path, name, type_, {name: body}, options)

    def _member(self, method: str, path: str, name: str, type_: type[T], body: Any, options: Any) -> Item[T]:
        response: OpenStackResponse = self.request(path, method=method, json=body, **options)
        return response.member(name, type_)

    def delete(self, path: str) -> bool:
        """Delete the resource at `path` and return True."""
        self.request(path, method="DELETE")
        return True

    def list_all(
        self,
        path: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[R]:
        """Return what `build` makes of each item of a list, over all pages, each item once.

        The marker of a page is its last item. If that is deleted before the next page is read, the list is
        read again, up to four times.
        """
        for _ in range(READINGS - 1):
            try:
                return list(self.iterate(path, name, type_, build, key=key, params=params, headers=headers))
            except _MarkerGoneError:
                continue
        return list(self.iterate(path, name, type_, build, key=key, params=params, headers=headers))

    def iterate(
        self,
        path: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[R]:
        """Like `list_all`, but yield the objects one by one, a page at a time.

        Raises `NotFoundError` if the last item of a page is deleted before the next page is read.
        """
        query: dict[str, Any] = {"limit": self.per_page, **(params or {})}

        def items() -> Iterator[R]:
            marker: str | None = None
            seen: set[str] = set()
            while True:
                try:
                    response = self.request(path, params={**query, "marker": marker}, headers=headers)
                except (NotFoundError, ProviderHTTPError) as error:
                    if marker is None or not isinstance(error, NotFoundError):
                        raise
                    raise _MarkerGoneError(error.code, error.message, error.headers) from error
                page, marker = response.page(name, type_)
                yield from map(build, page)
                if marker is None:
                    return
                if marker in seen:
                    raise MalformedResponseError(f"the list returns to its page {marker!r} and has no end")
                seen.add(marker)

        return unique(items(), key)


class _MarkerGoneError(NotFoundError):
    """The item after which a page begins does not exist any more."""
