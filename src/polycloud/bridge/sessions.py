"""The sessions of `requests` with which Libcloud's drivers send: the requests go through our HTTP client.

Libcloud makes a session for each connection, in one place (`LibcloudBaseConnection`). Each that is made there
while a bridged call runs is ours; a program that uses Libcloud beside the bridge keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPMessage
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from polycloud.bridge.calling import ABANDONED, Call, current
from polycloud.errors import MalformedResponseError, PolycloudError
from polycloud.http.messages import RawResponse

requests: Any = import_module("requests")
structures: Any = import_module("requests.structures")
CHUNK = 65536
KEPT_ACROSS_HOSTS = frozenset({"accept", "accept-encoding", "range", "user-agent"})
"""The headers that follow a redirect to another host: no credentials are among them."""


class BridgedSession(requests.Session):  # type: ignore[misc] # Any
    """A session whose requests are sent by the connection of the bridged driver."""

    def get_adapter(self, url: str) -> Any:
        """Return the adapter for every URL; with the client certificate of the one that Libcloud mounted."""
        mounted = super().get_adapter(url)
        files = (getattr(mounted, "cert_file", None), getattr(mounted, "key_file", None))
        return BridgedAdapter(files if files[1] else files[0])

    def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
        """Let no credentials and no body follow a redirect to another host."""
        if _origin(prepared_request.url) == _origin(response.request.url):
            return
        if prepared_request.body is not None:
            host = urlsplit(prepared_request.url).hostname
            raise MalformedResponseError(
                f"the provider redirects a request with a body to {host}; not followed"
            )
        for name in list(prepared_request.headers):
            if name.lower() not in KEPT_ACROSS_HOSTS:
                del prepared_request.headers[name]


class BridgedAdapter(requests.adapters.BaseAdapter):  # type: ignore[misc] # Any
    """Sends a request of a session by the connection of the bridged driver."""

    def __init__(self, client_cert: Any) -> None:
        super().__init__()
        self._client_cert = client_cert

    def send(
        self,
        request: Any,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        """Send a prepared request; return its response. Timeouts and proxies are the driver's own options.

        Certificates are verified, whatever `verify` says, which may name the authorities.
        """
        call = current()
        if call is None or call.abandoned:
            raise PolycloudError(ABANDONED)
        headers = {_text(name): _text(value) for name, value in request.headers.items()}
        body = request.body.encode() if isinstance(request.body, str) else request.body
        with call.noting_failure():
            sent, raw = call.connection.carry(
                request.method,
                request.url,
                headers,
                body or None,
                stream=stream,
                ca_cert=verify if isinstance(verify, str) else None,
                client_cert=cert or self._client_cert,
            )
        call.note(call.connection.exchange(sent, raw), sent, raw)
        return _response(request, raw, self)

    def close(self) -> None:
        """Keep the connections: they are the driver's."""


class _Body:
    """The body of a response as `requests` reads it."""

    def __init__(self, raw: RawResponse) -> None:
        self._raw = raw
        self._pieces = iter((raw.body,)) if raw.chunks is None else raw.chunks
        self._rest = b""
        message = HTTPMessage()
        for name, value in raw.headers.items():
            message[name] = value
        self._original_response = SimpleNamespace(msg=message, isclosed=lambda: True, close=raw.close)

    def stream(self, amount: int | None = CHUNK, decode_content: bool | None = None) -> Iterator[bytes]:
        """Yield the content, decoded already, in pieces of at most `amount` bytes."""
        while piece := self.read(amount or CHUNK):
            yield piece

    def read(self, amount: int | None = None, decode_content: bool | None = None) -> bytes:
        """Return the next bytes, at most `amount`; b"" at the end."""
        if amount is None:
            rest, self._rest = self._rest, b""
            return rest + b"".join(self._pieces)
        if not self._rest:
            self._rest = next((piece for piece in self._pieces if piece), b"")
        piece, self._rest = self._rest[:amount], self._rest[amount:]
        return piece

    def close(self) -> None:
        """Give the connection back."""
        self._raw.close()

    release_conn = close


def _response(request: Any, raw: RawResponse, adapter: Any) -> Any:
    response = requests.Response()
    response.status_code, response.reason = raw.status, raw.reason
    response.headers = structures.CaseInsensitiveDict(raw.headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = _Body(raw)
    response.url, response.request, response.connection = request.url, request, adapter
    return response


def _origin(url: str) -> tuple[Any, ...]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def install() -> None:
    """Give Libcloud's connections our session while a bridged call makes them."""
    base = import_module("libcloud.http").LibcloudBaseConnection
    plain = base.__init__
    if getattr(plain, "bridged", False):
        return

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        call: Call | None = current()
        if call is not None:
            self.session = BridgedSession()

    init.bridged = True  # type: ignore[attr-defined] # a mark of our own
    base.__init__ = init
