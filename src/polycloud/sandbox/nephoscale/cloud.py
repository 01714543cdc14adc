"""NephoScale over HTTP: authentication, routes, and responses."""

from __future__ import annotations

import base64
import secrets
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from polycloud.sandbox.clouds import Clock, Cloud, Settings
from polycloud.sandbox.nephoscale.api import ROUTES, Call, Handler
from polycloud.sandbox.nephoscale.catalog import Kind
from polycloud.sandbox.nephoscale.dialect import (
    Form,
    InputError,
    Json,
    NoSuchResourceError,
    Subcode,
    error,
)
from polycloud.sandbox.nephoscale.state import NephoScaleSettings, State
from polycloud.sandbox.nephoscale.views import Views
from polycloud.sandbox.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from polycloud.sandbox.machines import Machines


class NephoScale(Cloud):
    """The cloud: one account, whose user and password are settings."""

    settings_type: ClassVar[type[Settings]] = NephoScaleSettings

    def __init__(self, settings: NephoScaleSettings, clock: Clock, machines: Machines) -> None:
        self._settings = settings
        self._clock = clock
        self._machines = machines
        # The server's thread and callers of `servers` share the state.
        self._lock = threading.Lock()
        self._state = State(settings, clock, machines)
        self.credentials = (settings.user, settings.password)
        self._api = Starlette(
            routes=[
                Route(path, self._endpoint(verbs), methods=list(verbs)) for path, verbs in ROUTES.items()
            ],
            exception_handlers={HTTPException: self._on_http_error},
        )
        # A path without its last slash is unknown; Starlette would redirect.
        self._api.router.redirect_slashes = False

    def reset(self) -> None:
        """Return to the initial state, with the same settings."""
        with self._lock:
            self._machines.clear()
            self._state = State(self._settings, self._clock, self._machines)

    def servers(self) -> list[dict[str, Any]]:
        """Return all servers: id, kind, name, hostname, power, listed, built, addresses, machine's state."""
        with self._lock:
            self._state.advance()
            listed = self._state.listed(*Kind)
            return [
                {
                    "id": server.id,
                    "kind": server.kind.path,
                    "name": server.name,
                    "hostname": server.hostname,
                    "power": server.power,
                    "listed": server in listed,
                    "built": server.built,
                    "addresses": [address.ip for address in server.addresses],
                    "machine": server.machine.state if server.machine else "none",
                }
                for server in self._state.servers.values()
            ]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check user and password, on unknown paths too, then serve the request."""
        if self._is_authorized(dict(scope["headers"]).get(b"authorization", b"")):
            await self._api(scope, receive, send)
        else:
            challenge = {"WWW-Authenticate": 'Basic realm="NephoScale"'}
            await self._http_error(HTTPStatus.UNAUTHORIZED, challenge)(scope, receive, send)

    def _is_authorized(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        right = base64.b64encode(":".join(self.credentials).encode())
        return scheme.lower() == b"basic" and secrets.compare_digest(token.strip(), right)

    def _endpoint(self, verbs: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            # Starlette adds HEAD to every route with GET.
            handler = verbs["GET" if request.method == "HEAD" else request.method]
            return self._serve(handler, request, await request.body())

        return endpoint

    def _serve(self, handler: Handler, request: Request, body: bytes) -> Response:
        try:
            call = Call(
                id=request.path_params.get("id", 0),
                query=Form(request.scope["query_string"]),
                form=Form(body),
                views=Views(str(request.base_url).rstrip("/")),
            )
            with self._lock:
                self._state.advance()
                return self._response(handler(self._state, call))
        except InputError as problem:
            return self._response(problem.envelope)
        except NoSuchResourceError:
            return self._http_error(HTTPStatus.NOT_FOUND)

    def _response(
        self, envelope: Json, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        media_type = "application/json" if self._settings.content_type else None
        return Response(msgspec.json.encode(envelope), status, headers, media_type)

    def _http_error(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
        return self._response(error(status, Subcode.HTTP, reason(status)), status, headers)

    async def _on_http_error(self, _: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        return self._http_error(HTTPStatus(problem.status_code), problem.headers)
