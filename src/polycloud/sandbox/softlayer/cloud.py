"""SoftLayer over HTTP: authentication, calls, responses."""

from __future__ import annotations

import base64
import secrets
import threading
import xmlrpc.client
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from polycloud.sandbox.clouds import Clock, Cloud, Settings
from polycloud.sandbox.rest.collection import show
from polycloud.sandbox.rest.errors import ApiError
from polycloud.sandbox.rest.service import machine_state
from polycloud.sandbox.softlayer.dialect import (
    BAD_CREDENTIALS,
    NO_CREDENTIALS,
    Call,
    Fault,
    masked,
    public,
    selected,
)
from polycloud.sandbox.softlayer.services import CONTAINERS, METHODS, RELATIONS
from polycloud.sandbox.softlayer.state import SoftLayerSettings, State

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from polycloud.sandbox.machines import Machines

_RATE = Fault("SoftLayer_Exception_WebService_RateLimitExceeded", "Rate limit exceeded.")
_IAM_USER = "apikey"
_describe = show(
    "id hostname domain power provisioned billable transaction user_data",
    name=lambda guest: guest.hostname,
    tags=lambda guest: list(guest.tags),
    addresses=lambda guest: [address for address in (guest.public_ip, guest.private_ip) if address],
    machine=machine_state,
)


class SoftLayer(Cloud):
    """The cloud: one account, whose user and API key are settings."""

    settings_type: ClassVar[type[Settings]] = SoftLayerSettings

    def __init__(self, settings: SoftLayerSettings, clock: Clock, machines: Machines) -> None:
        self._settings, self._clock, self._machines = settings, clock, machines
        # The server's thread and callers of `servers` share the state
        self._lock = threading.Lock()
        self.credentials = (settings.username, settings.api_key)
        self.reset()
        self._api = Starlette(
            routes=[
                Route(f"/xmlrpc/{version}/{{service}}", self._endpoint, methods=["POST"])
                for version in ("v3.1", "v3")
            ],
            # What is no call has no place for credentials but HTTP's own
            exception_handlers={HTTPException: lambda *_: Response("Access Denied.", 401)},
        )

    def reset(self) -> None:
        """Return to the initial state."""
        with self._lock:
            self._machines.clear()
            self._state = State(self._settings, self._clock, self._machines)

    def servers(self) -> list[dict[str, Any]]:
        """Return all guests, with the state of their machines."""
        with self._lock:
            self._state.advance()
            return [_describe(guest) for guest in self._state.guests.values()]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._api(scope, receive, send)

    async def _endpoint(self, request: Request) -> Response:
        service, body = request.path_params["service"], await request.body()
        try:
            call = Call.read(service, body)
            self._check_user(call, request.headers.get("authorization", ""))
            value, total = self._answer(call)
        except Fault as fault:
            return _response(xmlrpc.client.Fault(fault.code, fault.text))  # type: ignore[arg-type] # as SoftLayer
        except ApiError as error:
            return _response(xmlrpc.client.Fault("SoftLayer_Exception_Public", str(error)))  # type: ignore[arg-type]
        return _response(value, total if self._settings.total_header else None)

    def _check_user(self, call: Call, authorization: str) -> None:
        """Raise Fault unless the call has the user's key in its headers, or in HTTP's for the user of IAM."""
        name, key = self.credentials
        if call.user is not None:
            given, right = ":".join(call.user), f"{name}:{key}"
        elif authorization:
            basic = base64.b64encode(f"{_IAM_USER}:{key}".encode()).decode()
            given, right = authorization, f"Basic {basic}"
        else:
            raise NO_CREDENTIALS
        if not secrets.compare_digest(given.encode(), right.encode()):
            raise BAD_CREDENTIALS

    def _answer(self, call: Call) -> tuple[Any, int | None]:
        """Return the value of a call, and of a list the number of all its items."""
        handler = METHODS.get(call.service, {}).get(call.method)
        if handler is None:
            text = f'Function ("{call.method}") is not a valid method for this service.'
            raise public(text)
        with self._lock:
            state = self._state
            state.calls += 1
            if 0 < state.settings.request_limit < state.calls:
                raise _RATE
            state.advance()
            value = handler(state, call)
        if call.method in CONTAINERS:
            return value, None
        if not isinstance(value, list):
            return masked(value, call.mask), None
        relation = RELATIONS.get(call.method)
        items = selected(value, call.filter.get(relation, {}) if relation else call.filter)
        end = None if call.limit is None else call.offset + call.limit
        return masked(items[call.offset : end], call.mask), len(items)


def _response(value: Any, total: int | None = None) -> Response:
    values = value if isinstance(value, xmlrpc.client.Fault) else (value,)
    body = xmlrpc.client.dumps(values, methodresponse=True, allow_none=True)
    headers = {} if total is None else {"SoftLayer-Total-Items": str(total)}
    return Response(body.encode(), 200, headers, "text/xml")
