"""NephoScale over HTTP: logging in, routes, envelopes around answers and errors."""

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
from polycloud.sandbox.nephoscale.errors import InputError, NoSuchResourceError, Subcode
from polycloud.sandbox.nephoscale.forms import Form
from polycloud.sandbox.nephoscale.state import NephoScaleSettings, State
from polycloud.sandbox.nephoscale.views import Json, Views

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
        # The server's thread and whoever looks at `servers` share the state.
        self._lock = threading.Lock()
        self._state = State(settings, clock, machines)
        self.credentials = (settings.user, settings.password)
        self._api = Starlette(
            routes=[
                Route(path, self._endpoint(verbs), methods=list(verbs)) for path, verbs in ROUTES.items()
            ],
            exception_handlers={HTTPException: self._on_http_error},
        )
        # A path without its last slash is unknown, not a redirect.
        self._api.router.redirect_slashes = False

    def reset(self) -> None:
        """Begin anew, with the same settings."""
        with self._lock:
            self._machines.clear()
            self._state = State(self._settings, self._clock, self._machines)

    def servers(self) -> list[dict[str, Any]]:
        """All servers: id, kind, name, hostname, power, listed, built, addresses, and its machine's state."""
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
        """Ask for user and password, on unknown paths too, then answer."""
        if self._may_enter(dict(scope["headers"]).get(b"authorization", b"")):
            await self._api(scope, receive, send)
        else:
            refusal = self._refusal(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="NephoScale"'})
            await refusal(scope, receive, send)

    def _may_enter(self, given: bytes) -> bool:
        scheme, _, token = given.partition(b" ")
        right = base64.b64encode(":".join(self.credentials).encode())
        return scheme.lower() == b"basic" and secrets.compare_digest(token.strip(), right)

    def _endpoint(self, verbs: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            # Starlette lets HEAD in wherever GET is.
            handler = verbs["GET" if request.method == "HEAD" else request.method]
            return self._answer(handler, request, await request.body())

        return endpoint

    def _answer(self, handler: Handler, request: Request, body: bytes) -> Response:
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
        except InputError as error:
            return self._response(_error(error.response, error.subcode, str(error)))
        except NoSuchResourceError:
            return self._refusal(HTTPStatus.NOT_FOUND)

    def _response(
        self, envelope: Json, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        media_type = "application/json" if self._settings.content_type else None
        return Response(msgspec.json.encode(envelope), status, headers, media_type)

    def _refusal(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
        return self._response(_error(status, Subcode.HTTP, status.phrase), status, headers)

    async def _on_http_error(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self._refusal(HTTPStatus(error.status_code), error.headers)


def _error(response: int, subcode: Subcode, message: str) -> Json:
    return {"success": False, "response": response, "subcode": subcode, "message": message, "data": {}}
