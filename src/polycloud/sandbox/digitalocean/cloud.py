"""DigitalOcean over HTTP: tokens, limits, routes, and what surrounds every answer."""

from __future__ import annotations

import secrets
import threading
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from polycloud.sandbox.clouds import Clock, Cloud, Settings
from polycloud.sandbox.digitalocean import (
    account,
    droplets,
    firewalls,
    images,
    reserved_ips,
    tags,
    volumes,
    vpcs,
)
from polycloud.sandbox.digitalocean.calls import Call, Handler, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import (
    IDS,
    ApiError,
    ForbiddenError,
    MalformedError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.digitalocean.inputs import Body, Query
from polycloud.sandbox.digitalocean.knobs import DigitalOceanKnobs
from polycloud.sandbox.digitalocean.limits import RateLimit
from polycloud.sandbox.digitalocean.resources import Json
from polycloud.sandbox.digitalocean.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from polycloud.sandbox.machines import Machines

ROUTES: Routes = {
    **account.ROUTES,
    **droplets.ROUTES,
    **images.ROUTES,
    **volumes.ROUTES,
    **tags.ROUTES,
    **reserved_ips.ROUTES,
    **vpcs.ROUTES,
    **firewalls.ROUTES,
}
"""Every path below /v2, the verbs that it knows, and who answers."""


class DigitalOcean(Cloud):
    """The cloud: one account with two tokens, of which one may only look."""

    settings_type: ClassVar[type[Settings]] = DigitalOceanKnobs

    def __init__(self, knobs: DigitalOceanKnobs, clock: Clock, machines: Machines) -> None:
        self._knobs, self._clock, self._machines = knobs, clock, machines
        # The server's thread and whoever looks at `servers` share the state.
        self._lock = threading.Lock()
        self.credentials = (knobs.token,)
        self.reset()
        self._api = Starlette(
            routes=[
                Route(f"/v2{path}", self._endpoint(verbs), methods=list(verbs))
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
            self._limit = RateLimit(self._knobs.hourly_limit, self._knobs.burst_limit, self._clock)

    def servers(self) -> list[dict[str, Any]]:
        """All droplets as they are, with the password that was mailed and the state of the machine."""
        with self._lock:
            self._state.advance()
            return [
                {
                    "id": droplet.id,
                    "name": droplet.name,
                    "status": droplet.status,
                    "locked": droplet.locked,
                    "region": droplet.region.slug,
                    "addresses": [ip for ip in (droplet.public_ip, droplet.private_ip) if ip],
                    "tags": list(droplet.tags),
                    "password": droplet.password,
                    "machine": droplet.machine.state if droplet.machine else "none",
                }
                for droplet in self._state.droplets.values()
            ]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the token, on unknown paths too, count the request, and answer."""
        request_id = str(uuid.uuid4())
        refusal = self._refusal(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                exceeded = isinstance(refusal, RateLimitError)
                headers.update(self._limit.headers(exceeded=exceeded))
            await send(message)

        scope = {**scope, "request_id": request_id}
        answer = _error(refusal, scope) if refusal else self._api
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> ApiError | None:
        """Why a request is not even looked at."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = given.partition(b" ")
        may_act, may_look = (
            scheme.lower() == b"bearer" and secrets.compare_digest(token.strip(), known.encode())
            for known in (self._knobs.token, self._knobs.read_only_token)
        )
        if not may_act and not may_look:
            return UnauthorizedError()
        try:
            self._limit.count()
        except RateLimitError as error:
            return error
        return None if may_act or scope["method"] in {"GET", "HEAD"} else ForbiddenError()

    def _endpoint(self, verbs: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            # Starlette lets HEAD in wherever GET is.
            handler = verbs["GET" if request.method == "HEAD" else request.method]
            try:
                return _response(self._answer(handler, request, await request.body()))
            except ApiError as error:
                return _error(error, request.scope)

        return endpoint

    def _answer(self, handler: Handler, request: Request, body: bytes) -> Reply:
        root = str(request.base_url).rstrip("/")
        call = Call(
            path=request.path_params,
            query=Query.parse(request.scope["query_string"]),
            body=Body.parse(body),
            root=root,
            url=root + request.url.path,
        )
        with self._lock:
            self._state.advance()
            answer = handler(self._state, call)
            return answer.page(self._state, call) if isinstance(answer, Listing) else answer

    async def _on_http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == NotFoundError.status:
            return _error(NotFoundError(), request.scope)
        return _error(_MethodError(error.detail), request.scope)


class _MethodError(ApiError):
    """The path is known, but not with that method."""

    status = 405


def _response(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    body = b"" if reply.body is None else msgspec.json.encode(reply.body)
    return Response(body, reply.status, headers, "application/json; charset=utf-8")


def _error(error: ApiError, scope: Scope) -> Response:
    body: Json = {"id": IDS[error.status], "message": str(error), "request_id": scope["request_id"]}
    if isinstance(error, MalformedError) and scope["path"].startswith("/v2/tags"):
        # This part of the API words it in its own way.
        body = {"error": str(error), "root_causes": []}
    wait = error.retry_after if isinstance(error, RateLimitError) else None
    return _response(Reply(error.status, body), {} if wait is None else {"retry-after": str(wait)})
