"""A provider's API over HTTP: tokens, limits, routes, and the responses around what handlers return."""

from __future__ import annotations

import secrets
import threading
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from polycloud.sandbox.clouds import Clock, Cloud
from polycloud.sandbox.rest.bodies import Body, Query
from polycloud.sandbox.rest.errors import ApiError, MethodError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Handler, Listing, Reply, Routes
from polycloud.sandbox.rest.timeline import Account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from polycloud.sandbox.machines import Machines


class Limit:
    """At most so many requests in so many seconds.

    Args:
        limit: how many; 0 refuses none.
        usual: the number in headers where none is refused.
        seconds: the length of the window.
        clock: seconds that never run backwards.
        slides: whether requests leave the window one by one; else it begins with one and ends for all.
    """

    def __init__(self, limit: int, usual: int, seconds: float, clock: Clock, *, slides: bool) -> None:
        self.refuses, self.limit = bool(limit), limit or usual
        self._seconds, self._clock, self._slides = seconds, clock, slides
        self._times: deque[float] = deque()

    @property
    def used(self) -> int:
        """How many requests are in the window."""
        until = self._clock() - self._seconds
        while self._times and self._times[0] <= until:
            if self._slides:
                self._times.popleft()
            else:
                self._times.clear()
        return len(self._times)

    @property
    def is_reached(self) -> bool:
        """Whether the next request is one too many."""
        return self.refuses and self.used >= self.limit

    @property
    def left(self) -> float:
        """The seconds until the oldest request leaves the window."""
        now = self._clock()
        return (self._times[0] if self.used else now) + self._seconds - now

    def count(self) -> None:
        """Count a request."""
        self._times.append(self._clock())


@dataclass(frozen=True)
class Admission:
    """The decision about a request before its path is read.

    Attributes:
        error: why it is refused, or None.
        headers: those of its response.
        known: whether it came with a token.
    """

    error: ApiError | None
    headers: Mapping[str, str]
    known: bool = field(default=True)


class Service(Cloud):
    """A cloud with one account and two tokens, one of which permits reading only."""

    account_type: ClassVar[type[Any]]
    """Makes the account from settings, a clock and machines."""

    body_type: ClassVar[type[Body]]
    routes: ClassVar[Routes]
    """Every path below the version, with its methods and their handlers."""

    media_type: ClassVar[str] = "application/json"

    versions: ClassVar[tuple[str, ...]]
    """What may precede the paths."""

    def __init__(self, settings: Any, clock: Clock, machines: Machines) -> None:
        self.settings, self.clock = settings, clock
        self._machines = machines
        # The server's thread and whoever reads `servers` share the state.
        self._lock = threading.Lock()
        self.credentials = self.login(settings)
        self.reset()
        self._api = Starlette(
            routes=[
                Route(f"{version}{path}", self._endpoint(verbs), methods=list(verbs))
                for version in self.versions
                for path, verbs in self.routes.items()
            ],
            exception_handlers={HTTPException: self._on_http_error},
        )
        self._api.router.redirect_slashes = False

    # What a provider defines

    def login(self, settings: Any) -> tuple[Any, ...]:
        """Return the positional arguments of a driver for this provider."""
        return (settings.token,)

    def new_state(self) -> Any:
        """Return the initial state: an account of `account_type`."""
        return self.account_type(self.settings, self.clock, self._machines)

    def state_of(self, request: Request) -> Any:
        """Return the account that a request is about."""
        return self._state

    def set_limits(self) -> None:
        """Make the rate limits, with nothing counted."""

    @abstractmethod
    def admit(self, scope: Scope, token: str | None) -> Admission:
        """Check the token, on unknown paths too, and count the request.

        Args:
            scope: the request.
            token: "full" or "read-only", "" for an unknown token, None without one.
        """

    @abstractmethod
    def page(self, state: Any, call: Call, listing: Listing) -> Reply:
        """Return the page of a list that a request asks for."""

    @abstractmethod
    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""

    @abstractmethod
    def describe(self, state: Any) -> list[dict[str, Any]]:
        """Return all servers as plain dicts."""

    # Cloud

    def reset(self) -> None:
        """Go back to the initial state."""
        with self._lock:
            self._machines.clear()
            self._state: Account[Any] = self.new_state()
            self.set_limits()

    def servers(self) -> list[dict[str, Any]]:
        """All servers, with the state of their machines."""
        with self._lock:
            self._state.advance()
            return self.describe(self._state)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        admission = self.admit(scope, self._token(scope))
        scope = {**scope, "admission": admission}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(admission.headers)
            await send(message)

        error = admission.error
        answer = self._response(self.refusal(error, scope)) if error else self._api
        await answer(scope, receive, send_with_headers)

    def _token(self, scope: Scope) -> str | None:
        given = dict(scope["headers"]).get(b"authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(b" ")
        for known, name in ((self.settings.token, "full"), (self.settings.read_only_token, "read-only")):
            if scheme.lower() == b"bearer" and secrets.compare_digest(token.strip(), known.encode()):
                return name
        return ""

    def _endpoint(self, verbs: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            # Starlette admits HEAD wherever it admits GET.
            handler = verbs["GET" if request.method == "HEAD" else request.method]
            try:
                return self._response(self._reply(handler, request, await request.body()))
            except ApiError as error:
                return self._response(self.refusal(error, request.scope))

        return endpoint

    def _reply(self, handler: Handler, request: Request, body: bytes) -> Reply:
        root = str(request.base_url).rstrip("/")
        call = Call(
            path=request.path_params,
            query=Query.parse(request.scope["query_string"]),
            body=self.body_type.parse(body),
            headers=request.headers,
            url=root + request.url.path,
            known=request.scope["admission"].known,
        )
        with self._lock:
            state = self.state_of(request)
            state.root = root
            state.advance()
            reply = handler(state, call)
            return self.page(state, call, reply) if isinstance(reply, Listing) else reply

    def _response(self, reply: Reply) -> Response:
        body = reply.body or b"" if isinstance(reply.body, bytes | None) else msgspec.json.encode(reply.body)
        return Response(body, reply.status, reply.headers, self.media_type)

    async def _on_http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = NotFoundError if error.status_code == NotFoundError.status else MethodError
        return self._response(self.refusal(kind(), request.scope))


def machine_state(server: Any) -> str:
    """Return the state of a server's machine, "none" without one."""
    return server.machine.state if server.machine else "none"
