"""OpenStack over HTTP."""

from __future__ import annotations

import math
import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from polycloud.sandbox.objects.http import serve
from polycloud.sandbox.openstack import (
    cinder,
    compute,
    dialect,
    images,
    keystone,
    networks,
    ports,
    routers,
    security,
    servers,
    services,
)
from polycloud.sandbox.openstack.designate import recordsets, zones
from polycloud.sandbox.openstack.errors import VersionError
from polycloud.sandbox.openstack.identity import Identity
from polycloud.sandbox.openstack.layout import OPENSTACK, Layout
from polycloud.sandbox.openstack.octavia import handlers as octavia
from polycloud.sandbox.openstack.resources import addresses
from polycloud.sandbox.openstack.settings import OpenStackSettings
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.openstack.swift.service import Swift
from polycloud.sandbox.rest.errors import ApiError, InputError, RateLimitError, UnauthorizedError
from polycloud.sandbox.rest.replies import Call, Listing, Reply, Routes
from polycloud.sandbox.rest.service import Admission, Limit, Service, machine_state

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

ROUTES: Routes = {
    **services.ROUTES,
    **keystone.ROUTES,
    **servers.ROUTES,
    **compute.ROUTES,
    **images.ROUTES,
    **networks.ROUTES,
    **ports.ROUTES,
    **security.ROUTES,
    **routers.ROUTES,
    **cinder.ROUTES,
    **zones.ROUTES,
    **recordsets.ROUTES,
    **octavia.ROUTES,
}
"""Every path, with its methods and their handlers; the second region's have a prefix."""

_WITH_PROJECT = re.compile(r"(/(?:compute/v2\.1|volume/v3))/[0-9a-f]{32}(?=/|$)")
_NAMES = {"compute": "X-OpenStack-Nova-API-Version", "volume": "OpenStack-API-Version"}
_USUAL_LIMIT = 1000


class OpenStack(Service):
    """The cloud: two projects, two users, two regions."""

    settings_type = OpenStackSettings
    layout: ClassVar[Layout] = OPENSTACK
    identity_type: ClassVar[type[Identity]] = Identity
    account_prefix: ClassVar[str] = "AUTH_"
    """What precedes a project's id in the name of its account of Swift."""
    body_type = dialect.Body
    routes = ROUTES
    versions = ("",)

    def login(self, settings: OpenStackSettings) -> tuple[Any, ...]:
        """Return the positional arguments of a driver."""
        return (settings.user, settings.password)

    def options(self, host: str, port: int) -> dict[str, Any]:
        """Return a driver's keyword arguments."""
        return {
            "ex_force_auth_url": f"http://{host}:{port}/identity",
            "ex_force_auth_version": "3.x_password",
            "ex_tenant_name": self.settings.user,
            "ex_domain_name": "Default",
            "ex_force_service_region": "RegionOne",
        }

    def new_state(self) -> State:
        """Return the first region; the others are kept beside it."""
        self.identity = self.identity_type(self.settings, self.clock, self.layout)
        arguments = (self.settings, self.clock, self._machines, self.identity)
        self._swift = Swift(self.identity, self.account_prefix, self.settings)
        first: State | None = None
        self._regions: dict[str, State] = {}
        for name, prefix in self.layout.regions.items():
            self._regions[name] = State(*arguments, prefix, first)
            first = first or self._regions[name]
        assert first is not None
        return first

    def set_limits(self) -> None:
        """Make the rate limit of a minute."""
        self._minute = Limit(self.settings.minute_limit, _USUAL_LIMIT, 60.0, self.clock, slides=True)

    # One request

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whose path may begin with a region and name the project."""
        region, path = self.place_of(scope["path"])
        if Swift.has(path):
            raw = scope["raw_path"].decode("latin-1").removeprefix(self.layout.regions[region])
            await serve(partial(self._swift.handle, region), scope, receive, send, raw)
            return
        if path not in services.ROUTES and path.rstrip("/") in services.ROUTES:
            path = path.rstrip("/")
        scope = {**scope, "path": path, "raw_path": path.encode(), "region": region}
        await super().app(scope, receive, send)

    def place_of(self, path: str) -> tuple[str, str]:
        """Return the region of a path, and the path as handlers know it."""
        regions = self.layout.regions
        region = next((name for name in regions if path.startswith(f"/{name}/")), next(iter(regions)))
        return region, _WITH_PROJECT.sub(r"\1", path.removeprefix(f"/{region}"))

    def _token(self, scope: Scope) -> str | None:
        headers = dict(scope["headers"])
        return unquote(headers.get(b"x-auth-token", b"").decode("latin-1"))

    def admit(self, scope: Scope, token: str | None) -> Admission:
        """Check the token and the microversion, and count the request."""
        path, service = scope["path"], _service(scope)
        scope["token"] = self.identity.token(token)
        key = f"req-{uuid.uuid4()}"
        headers = {"X-Openstack-Request-Id": key}
        error: ApiError | None = None
        if service == "identity":
            headers["Vary"] = "X-Auth-Token"
        if service in _NAMES:
            headers["X-Compute-Request-Id"] = key
        is_open = path in services.OPEN and (path in services.ROUTES or scope["method"] == "POST")
        if not scope["token"] and not is_open:
            return Admission(UnauthorizedError(), headers)
        try:
            scope["version"] = _version(service, dict(scope["headers"]))
        except ApiError as refused:
            scope["version"], error = (2, 1), refused
        else:
            headers |= _version_headers(service, scope["version"])
        if service == "compute" and not error:
            if self._minute.is_reached:
                error = RateLimitError(math.ceil(self._minute.left))
            self._minute.count()
        return Admission(error, headers)

    def state_of(self, request: Request) -> State:
        """Return the region of a request, which knows about that request."""
        scope = request.scope
        state = self._regions[scope["region"]]
        if scope["token"]:
            state.caller = scope["token"]
        state.version, state.service = scope["version"], _service(scope)
        state.root = str(request.base_url).rstrip("/")
        state.here = state.base + scope["path"]
        return state

    def page(self, state: State, call: Call, listing: Listing) -> Reply:
        """Return the page of a list that a request asks for."""
        return dialect.page(state, call, listing)

    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"127.0.0.1").decode("latin-1")
        accept = headers.get(b"accept", b"").decode("latin-1")
        return dialect.refusal(error, _service(scope), accept, f"http://{host}/identity/v3")

    def describe(self, state: State) -> list[dict[str, Any]]:
        """Return the servers of all regions as plain dicts."""
        shown = []
        for name, region in self._regions.items():
            region.advance()
            shown += [
                {
                    "id": server.id,
                    "name": server.name,
                    "status": server.status,
                    "locked": server.locked,
                    "password": server.password,
                    "region": name,
                    "addresses": [row["addr"] for rows in addresses(server).values() for row in rows],
                    "tags": list(server.tags),
                    "metadata": dict(server.metadata),
                    "machine": machine_state(server),
                }
                for server in region.servers.values()
            ]
        return shown


def _service(scope: Scope) -> str:
    return str(scope["path"]).split("/")[1]


def _version(service: str, headers: dict[bytes, bytes]) -> tuple[int, int]:
    """Return the microversion that a request names. Raises InputError and VersionError."""
    if service not in _NAMES:
        return (0, 0)
    least, most = services.COMPUTE_VERSIONS if service == "compute" else services.VOLUME_VERSIONS
    text = ""
    for part in headers.get(b"openstack-api-version", b"").decode("latin-1").split(","):
        name, _, value = part.strip().partition(" ")
        if name.lower() == service:
            text = value.strip()
    if service == "compute" and not text:
        text = headers.get(b"x-openstack-nova-api-version", b"").decode("latin-1").strip()
    if not text:
        return least
    if text == "latest":
        return most
    if not re.fullmatch(r"[1-9][0-9]*\.(0|[1-9][0-9]*)", text):
        raise InputError(
            f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
        )
    major, minor = map(int, text.split("."))
    if not least <= (major, minor) <= most:
        raise VersionError(
            f"Version {text} is not supported by the API. Minimum is {least[0]}.{least[1]} and maximum is "
            f"{most[0]}.{most[1]}."
        )
    return (major, minor)


def _version_headers(service: str, version: tuple[int, int]) -> dict[str, str]:
    if service not in _NAMES:
        return {}
    text = f"{version[0]}.{version[1]}"
    headers = {"OpenStack-API-Version": f"{service} {text}", "Vary": _NAMES[service]}
    return headers | ({"X-OpenStack-Nova-API-Version": text} if service == "compute" else {})
