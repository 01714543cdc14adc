"""`Request`, `RawResponse`, and the protocols of what sends them.

There are two transports: `polycloud.http.urllib3` for plain code, `polycloud.http.loop` for code on
an event loop. A transport sends one request once. It knows nothing of providers, retries or credentials, and
raises errors of `polycloud.errors` only.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

import msgspec

from polycloud.errors import Exchange, InvalidArgumentError, MalformedResponseError, ReadTimeoutError
from polycloud.utils.headers import Headers
from polycloud.utils.values import shown

if TYPE_CHECKING:
    import ssl

__all__ = [
    "RawResponse",
    "Request",
    "Sender",
    "Transport",
    "TransportOptions",
    "Transports",
    "is_loopback",
    "origin_of",
    "require_size",
]

Body = bytes | IO[bytes] | Iterable[bytes]
CHUNK = 65536
BODY_LIMIT = 64 * 1024 * 1024
ORIGIN = r"https?://[^/?#]+"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
CONNECTION_HEADERS = frozenset(
    {"connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding"}
)
"""Headers that describe the connection or the encoded bytes on it; records leave them out."""


class Request(msgspec.Struct, frozen=True):
    """A complete request, as a signing hook sees it and a transport sends it.

    Immutable: `msgspec.structs.replace(request, headers=...)` returns a changed copy.

    `url` is absolute. `connect_timeout` and `read_timeout` are seconds; `deadline` is a time of
    `time.monotonic()` at which the request must have ended, or None. `stream` leaves the response's body
    unread. `repeatable` says that carrying it out twice changes nothing; `body_start` is the position in its
    file at which the body begins, or None; `transient` are the provider's further transient statuses.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: Body | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    deadline: float | None = None
    stream: bool = False
    repeatable: bool = False
    body_start: int | None = None
    transient: frozenset[int] = frozenset()

    @property
    def path(self) -> str:
        """The path without its query (which may hold secrets)."""
        origin = re.match(ORIGIN, self.url)
        return re.split("[?#]", self.url[origin.end() if origin else 0 :], maxsplit=1)[0]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("path", self.path)]

    @property
    def rewindable(self) -> bool:
        """Whether the body can be sent a second time."""
        return self.body is None or isinstance(self.body, bytes) or self.body_start is not None

    def rewind(self) -> None:
        """Seek a body that is a file back to its start."""
        if self.body_start is not None:
            self.body.seek(self.body_start)  # type: ignore[union-attr] # a file

    def timeouts(self) -> tuple[float, float]:
        """Return the connect and read timeouts in seconds, limited by the deadline."""
        if self.deadline is None:
            return self.connect_timeout, self.read_timeout
        left = self.remaining()
        return min(self.connect_timeout, left), min(self.read_timeout, left)

    def remaining(self) -> float:
        """Return the seconds until the deadline; infinite without one. Raises `ReadTimeoutError` after it."""
        if self.deadline is None:
            return float("inf")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise ReadTimeoutError("the call's deadline has passed")
        return left


class RawResponse(msgspec.Struct):
    """A response: `body` is complete, unless the request has `stream`: then `chunks` yields it.

    `buffer` is the body too, but of a very long one the memory that it was received into: what can read a
    `memoryview` saves the copy. `refused` says that the provider itself certainly did nothing, whatever the
    status.
    """

    status: int
    reason: str
    headers: Headers
    buffer: bytes | memoryview = b""
    chunks: Iterator[bytes] | None = None
    close: Callable[[], None] = lambda: None
    refused: bool = False

    @property
    def body(self) -> bytes:
        """The body as bytes."""
        if not isinstance(self.buffer, bytes):
            self.buffer = bytes(self.buffer)
        return self.buffer

    def __repr__(self) -> str:
        return f"<RawResponse {self.status}>"  # headers and body may hold secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("status", self.status)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Transport(Protocol):
    """Sends requests. Safe to share between threads."""

    def send(self, request: Request) -> RawResponse:
        """Send once and return the response; raises errors of `polycloud.errors` only."""
        ...

    def close(self) -> None:
        """Close all connections; a later `send` opens new ones."""
        ...


class Sender(Protocol):
    """What sending, tracing and responses need of the connection that a request belongs to.

    A Protocol, so that these floors do not know the connection, which knows them.
    """

    def secrets_of(self, request: Request) -> tuple[str, ...]:
        """Return the texts that no error, log or trace of a request may show."""
        ...

    def sleep(self, seconds: float) -> None:
        """Pause, on a thread or on an event loop."""
        ...

    def exchange(self, request: Request, response: RawResponse | None = None) -> Exchange:
        """Return what errors and traces say about a request and its response."""
        ...


class Transports(Protocol):
    """Returns a transport for a set of options: that of the event loop, in a bridge."""

    def __call__(self, options: TransportOptions) -> Transport:
        """Return the transport with these options."""
        ...


class TransportOptions(msgspec.Struct, frozen=True):
    """How a transport connects.

    `proxy_url` (None: the environment's `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`; never for loopback),
    `ca_cert` a file of trusted authorities (None: the system's), `client_cert` a certificate file or the
    pair (certificate file, key file), `pool_size` the most connections to one host (None: 32, and 100 on an
    event loop), `body_limit` the most bytes of a response that is not streamed.
    """

    proxy_url: str | None = None
    ca_cert: str | None = None
    client_cert: str | tuple[str, str] | None = None
    pool_size: int | None = None
    body_limit: int = BODY_LIMIT

    def __post_init__(self) -> None:
        if self.proxy_url not in (None, ""):
            _proxy(self.proxy_url, "proxy_url=")
        if self.ca_cert is not None and not isinstance(self.ca_cert, str | PathLike):
            raise InvalidArgumentError(f"ca_cert must be the name of a file, got {shown(self.ca_cert)}")
        if self.client_cert is not None and not _is_certificate(self.client_cert):
            raise InvalidArgumentError("client_cert must be the name of a file, or the pair of two names")

    def __repr__(self) -> str:
        return f"TransportOptions({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        names = (name for name in self.__struct_fields__ if name != "proxy_url")  # it may hold a password
        return [(name, getattr(self, name)) for name in names]

    def secrets(self) -> tuple[str, ...]:
        """Return the proxies' credentials, of the environment's too: the password, or a user without one."""
        return _logins(self.proxy_url, *map(os.environ.get, PROXY_VARIABLES))

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy for a request to `url`, or None. Raises `InvalidArgumentError` for an invalid one.

        Reading the environment takes 100 µs: transports ask once per origin.
        """
        from urllib.parse import urlsplit
        from urllib.request import getproxies, proxy_bypass

        if self.proxy_url:
            return _proxy(self.proxy_url, "proxy_url=")
        parts = urlsplit(url)
        host = parts.hostname or ""
        if is_loopback(host) or proxy_bypass(host):
            return None
        found = getproxies().get(parts.scheme)
        return _proxy(found, f"{parts.scheme}_proxy in the environment") if found else None

    def ssl_context(self) -> ssl.SSLContext:
        """Return the TLS settings: at least 1.2; certificates and host names are always verified."""
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca_cert)
            if self.client_cert is not None:
                given = self.client_cert
                certificate, key = given if isinstance(given, tuple) else (given, None)
                # An encrypted key is refused: OpenSSL would ask for its passphrase at the terminal
                context.load_cert_chain(certificate, key, password=bytes)
        except (OSError, TypeError, ValueError) as error:
            files = f"ca_cert={self.ca_cert!r}, client_cert={self.client_cert!r}"
            if "PRIVATE KEY" in files:  # the key itself instead of its file
                files = "ca_cert= and client_cert="
            raise InvalidArgumentError(f"cannot load the TLS files {files}: {error}") from error
        # Some systems' Python leaves this to a file of OpenSSL's
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        return context


def _is_certificate(given: Any) -> bool:
    files = given if isinstance(given, tuple) and len(given) == 2 else (given,)  # noqa: PLR2004 - a pair
    return all(isinstance(file, str | PathLike) for file in files)


def _proxy(url: str, named: str) -> str:
    """Return the URL of a proxy, by default `http://`; the error does not repeat its password."""
    from urllib.parse import urlsplit

    try:
        complete = url if "://" in url else "http://" + url
        parts = urlsplit(complete)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return complete
    except (TypeError, ValueError):
        pass
    raise InvalidArgumentError(f"{named} must be a URL such as http://user:password@proxy:3128")


@lru_cache(maxsize=64)  # errors ask for them
def _logins(*urls: str | None) -> tuple[str, ...]:
    from urllib.parse import unquote

    found: dict[str, None] = {}
    for url in filter(None, urls):
        user_info = url.rpartition("@")[0].rpartition("//")[2]
        user, _, password = user_info.partition(":")
        found |= dict.fromkeys((user_info, unquote(user_info), password or user, unquote(password or user)))
    return tuple(filter(None, found))


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL. Raises `InvalidArgumentError` if it lacks them."""
    found = _origin().match(url)
    if found is None:
        raise InvalidArgumentError("not a usable URL")
    return found[0]


@cache  # compiled by a first request, and not at import
def _origin() -> re.Pattern[str]:
    return re.compile(ORIGIN)


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address, is this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        from ipaddress import ip_address

        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_size(size: int, limit: float) -> None:
    """Raise `MalformedResponseError` for a body of more than `limit` bytes."""
    if size > limit:
        raise MalformedResponseError(f"the response is longer than {limit:,} bytes (body_limit=)")
