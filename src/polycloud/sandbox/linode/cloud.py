"""Linode over HTTP: tokens, limits, routes, and what surrounds every answer."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from polycloud.sandbox.clouds import Clock, Cloud, Settings
from polycloud.sandbox.linode import (
    account,
    backups,
    configs,
    disks,
    firewalls,
    images,
    instances,
    ips,
    profile,
    sales,
    scopes,
    stackscripts,
    tags,
    volumes,
)
from polycloud.sandbox.linode.calls import Call, Handler, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import (
    ApiError,
    ForbiddenError,
    MethodError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.linode.inputs import Body, Query
from polycloud.sandbox.linode.knobs import LinodeKnobs
from polycloud.sandbox.linode.limits import RateLimit, kind_of
from polycloud.sandbox.linode.resources import Json
from polycloud.sandbox.linode.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from polycloud.sandbox.machines import Machines

ROUTES: Routes = {
    **account.ROUTES,
    **profile.ROUTES,
    **sales.ROUTES,
    **instances.ROUTES,
    **disks.ROUTES,
    **configs.ROUTES,
    **ips.ROUTES,
    **backups.ROUTES,
    **stackscripts.ROUTES,
    **volumes.ROUTES,
    **images.ROUTES,
    **tags.ROUTES,
    **firewalls.ROUTES,
}
"""Every path below the version, the verbs that it knows, and who answers."""

_VERSIONS = ("v4", "v4beta")
_SPEC_VERSION = "4.189.0"


class Linode(Cloud):
    """The cloud: one account with one user and two tokens, of which one may only look."""

    settings_type: ClassVar[type[Settings]] = LinodeKnobs

    def __init__(self, knobs: LinodeKnobs, clock: Clock, machines: Machines) -> None:
        self._knobs, self._clock, self._machines = knobs, clock, machines
        # The server's thread and whoever looks at `servers` share the state.
        self._lock = threading.Lock()
        self.credentials = (knobs.token,)
        self.reset()
        self._api = Starlette(
            routes=[
                Route(f"/{version}{path}", self._endpoint(verbs), methods=list(verbs))
                for version in _VERSIONS
                for path, verbs in ROUTES.items()
            ],
            exception_handlers={HTTPException: self._on_http_error},
        )
        self._api.router.redirect_slashes = False

    def reset(self) -> None:
        """Begin anew, with the same knobs."""
        with self._lock:
            self._machines.clear()
            self._state = State(self._knobs, self._clock, self._machines)
            self._limit = RateLimit(self._knobs, self._clock)

    def servers(self) -> list[dict[str, Any]]:
        """All Linodes as they are, with the state of the machine."""
        with self._lock:
            self._state.advance()
            return [
                {
                    "id": linode.id,
                    "name": linode.label,
                    "status": linode.status,
                    "locked": linode.locked,
                    "region": linode.region.id,
                    "group": linode.group,
                    "addresses": [address.ip for address in linode.addresses],
                    "tags": list(linode.tags),
                    "machine": linode.machine.state if linode.machine else "none",
                }
                for linode in self._state.linodes.values()
            ]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the token, on unknown paths too, count the request, and answer."""
        method, path = scope["method"], "/" + scope["path"].removeprefix("/").partition("/")[2]
        granted, needed, kind = self._granted(scope), scopes.needed(method, path), kind_of(method, path)
        refusal = self._refusal(scopes.is_public(method, path), granted, needed, kind)
        surroundings = {"x-spec-version": _SPEC_VERSION, "x-accepted-oauth-scopes": needed}
        if granted:
            surroundings["x-oauth-scopes"] = granted

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**surroundings, **self._limit.headers(kind)})
            await send(message)

        answer = _error(refusal) if refusal else self._api
        await answer({**scope, "known": granted is not None}, receive, send_with_headers)

    def _granted(self, scope: Scope) -> str | None:
        """The scopes of the token that a request came with: None without a token, "" if nobody knows it."""
        given = dict(scope["headers"]).get(b"authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(b" ")
        for known, granted in ((self._knobs.token, "*"), (self._knobs.read_only_token, scopes.READ_ONLY)):
            if scheme.lower() == b"bearer" and secrets.compare_digest(token.strip(), known.encode()):
                return granted
        return ""

    def _refusal(self, public: bool, granted: str | None, needed: str, kind: str) -> ApiError | None:
        """Why a request is not even looked at."""
        if not granted and not (granted is None and public):
            return UnauthorizedError()
        try:
            self._limit.count(kind)
        except RateLimitError as error:
            return error
        allowed = granted in {None, "*"} or needed in (granted or "").split()
        return None if allowed else ForbiddenError()

    def _endpoint(self, verbs: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            # Starlette lets HEAD in wherever GET is.
            handler = verbs["GET" if request.method == "HEAD" else request.method]
            try:
                return _response(200, self._answer(handler, request, await request.body()).body)
            except ApiError as error:
                return _error(error)

        return endpoint

    def _answer(self, handler: Handler, request: Request, body: bytes) -> Reply:
        call = Call(
            path=request.path_params,
            query=Query.parse(request.scope["query_string"]),
            body=Body.parse(body),
            filter=request.headers.get("x-filter", ""),
            known=request.scope["known"],
        )
        with self._lock:
            self._state.advance()
            answer = handler(self._state, call)
            return answer.page(self._state, call) if isinstance(answer, Listing) else answer

    async def _on_http_error(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(NotFoundError() if error.status_code == NotFoundError.status else MethodError())


def _response(status: int, body: Json) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _error(error: ApiError) -> Response:
    problems = [
        {"reason": reason, "field": field} if field else {"reason": reason}
        for reason, field in error.problems
    ]
    return _response(error.status, {"errors": problems})
