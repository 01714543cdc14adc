"""AWS over HTTP: forwards every request to moto, and returns its response."""

from __future__ import annotations

import asyncio
import time
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from polycloud.sandbox.aws.process import Moto
from polycloud.sandbox.clouds import Clock, Cloud, Settings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from polycloud.sandbox.machines import Machines

_REQUIRED_MODULES = ("moto", "flask", "flask_cors")
_REQUEST_HOP_HEADERS = {"connection", "expect", "transfer-encoding"}
_RESPONSE_HOP_HEADERS = {"connection", "date", "keep-alive", "transfer-encoding"}
_ERROR = "<Error><Code>InternalError</Code><Message>{}</Message></Error>"


@dataclass(frozen=True, kw_only=True)
class AWSSettings(Settings):
    """The settings of AWS.

    Attributes:
        access_key: the id of the account's only access key, which may do everything.
        secret_key: its secret.
        types: the families of instance types to list, separated by commas, such as "t3,m5d"; empty for all
            1,400, which moto needs 2 seconds for.
        largest_page: the most objects and buckets in one list of S3.
    """

    access_key: str = "AKIASANDBOXSANDBOX00"
    secret_key: str = "ec2_sandbox"  # noqa: S105 - opens nothing but a sandbox
    types: str = ""
    largest_page: int = 1000


class AWS(Cloud):
    """The cloud: one account with one access key, in all regions."""

    settings_type: ClassVar[type[Settings]] = AWSSettings
    no_machines: ClassVar[str | None] = "moto, which plays EC2, has no machines"

    def __init__(self, settings: AWSSettings, clock: Clock, machines: Machines) -> None:
        if any(find_spec(module) is None for module in _REQUIRED_MODULES):
            raise ImportError("the sandbox's AWS needs moto: pip install 'polycloud[moto]'", name="moto")
        if clock is not time.monotonic:
            raise ValueError("clock cannot be set: moto has its own")
        self.credentials = (settings.access_key, settings.secret_key)
        self._settings = settings
        self._moto: Moto | None = None

    def open(self) -> None:
        """Start moto."""
        self._moto = Moto(*astuple(self._settings))

    def close(self) -> None:
        """End moto, and with it everything that was created."""
        if self._moto:
            self._moto.end()
            self._moto = None

    def reset(self) -> None:
        """Delete everything that was created."""
        if self._moto:
            self._moto.query("reset")

    def servers(self) -> list[dict[str, Any]]:
        """Return the instances of all regions, terminated ones too; none while the sandbox is stopped."""
        return self._moto.query("servers") if self._moto else []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        request = Request(scope, receive)
        body = await request.body()
        try:
            response = await asyncio.to_thread(self._forward, request, body)
        except asyncio.CancelledError:
            # The server is stopping and would log the exception; nobody reads this response.
            response = _no_response("the sandbox is stopping")
        await response(scope, receive, send)

    def _forward(self, request: Request, body: bytes) -> Response:
        target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
        # The Host header, which is signed, stays as it was received.
        headers = {k: v for k, v in request.headers.items() if k not in _REQUEST_HOP_HEADERS}
        moto = self._moto
        try:
            if not moto:
                raise EOFError("it was stopped")
            status, found, content = moto.request(request.method, target.decode("latin-1"), headers, body)
        except EOFError as error:
            return _no_response(error)
        return Response(content, status, {k: v for k, v in found if k.lower() not in _RESPONSE_HOP_HEADERS})


def _no_response(reason: object) -> Response:
    # Clients of EC2 look for the error inside <Errors>, those of the other services do not.
    error = _ERROR.format(escape(f"moto does not respond: {reason}"))
    body = f"<ErrorResponse>{error}<Errors>{error}</Errors></ErrorResponse>"
    return Response(body, 500, media_type="text/xml")
