"""EC2 over HTTP: every request goes on to moto, and its answer comes back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar
from xml.sax.saxutils import escape

import urllib3
from starlette.requests import Request
from starlette.responses import Response

from polycloud.sandbox.clouds import Clock, Cloud, Knobs
from polycloud.sandbox.ec2.process import Moto

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from polycloud.sandbox.machines import Machines

_NEEDED = ("moto", "flask", "flask_cors")
_OF_ONE_HOP = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}
_ERROR = (
    "<Response><Errors><Error><Code>InternalError</Code><Message>{}</Message></Error></Errors></Response>"
)
_ANSWERS_WITHIN = 60.0
_SIDE_BY_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class EC2Knobs(Knobs):
    """The settings of EC2.

    Attributes:
        access_key: the id of the account's only access key, which may do everything.
        secret_key: its secret.
        types: the families of instance types that are listed, with commas between them, such as "t3,m5d";
            empty for all 1,400, which moto needs 2 seconds for.
    """

    access_key: str = "AKIASANDBOXSANDBOX00"
    secret_key: str = "ec2_sandbox"  # noqa: S105 - opens nothing but a sandbox
    types: str = ""


class EC2(Cloud):
    """The cloud: one account with one user, in all regions."""

    knobs_type: ClassVar[type[Knobs]] = EC2Knobs
    no_machines: ClassVar[str | None] = "moto, which plays EC2, has no machines"

    def __init__(self, knobs: EC2Knobs, clock: Clock, machines: Machines) -> None:
        if any(find_spec(module) is None for module in _NEEDED):
            raise ImportError("the sandbox's EC2 needs moto: pip install 'polycloud[moto]'", name="moto")
        if clock is not time.monotonic:
            raise ValueError("ec2 takes no clock: moto has its own")
        self.credentials = (knobs.access_key, knobs.secret_key)
        self._knobs = knobs
        self._moto: Moto | None = None

    def open(self) -> None:
        """Start moto."""
        self._moto = Moto(*astuple(self._knobs))
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", self._moto.port, timeout=_ANSWERS_WITHIN, maxsize=_SIDE_BY_SIDE, retries=False
        )

    def close(self) -> None:
        """End moto, and with it everything that was made."""
        if self._moto:
            self._pool.close()
            self._moto.end()
            self._moto = None

    def reset(self) -> None:
        """Begin anew, with the same knobs."""
        if self._moto:
            self._moto.ask("reset")

    def servers(self) -> list[dict[str, Any]]:
        """All instances of all regions, terminated ones too; none while the sandbox is stopped."""
        return self._moto.ask("servers") if self._moto else []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have moto answer."""
        request = Request(scope, receive)
        body = await request.body()
        try:
            answer = await asyncio.to_thread(self._asked, request, body)
        except asyncio.CancelledError:
            # The server ends, and would log what is raised; nobody hears the answer.
            answer = _no_answer("the sandbox ends")
        await answer(scope, receive, send)

    def _asked(self, request: Request, body: bytes) -> Response:
        target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
        # The host's name, which is signed, stays as it came.
        headers = {name: value for name, value in request.headers.items() if name != "connection"}
        try:
            told = self._pool.urlopen(
                request.method, target.decode("latin-1"), body, headers, redirect=False, decode_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            return _no_answer(error)
        return Response(told.data, told.status, _onward(told.headers))


def _no_answer(reason: object) -> Response:
    words = escape(f"moto does not answer: {reason}")
    return Response(_ERROR.format(words), 500, media_type="text/xml")


def _onward(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_HOP}
