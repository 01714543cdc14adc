"""The error tree. Every failure of a provider or of the network ends as one of these.

PolycloudError (LibcloudError)
├── InvalidArgumentError          refused before anything was sent; also a ValueError
├── InsecureConnectionError       plain HTTP to another host than this machine
├── UnknownProviderError          no such provider; also an AttributeError, as in Libcloud
├── UnsupportedOperationError     the driver does not offer it; also a NotImplementedError
├── ProviderError                 the provider refused
│   ├── InvalidCredsError         wrong or missing credentials
│   └── ProviderHTTPError (BaseHTTPError)
│       ├── NotFoundError
│       ├── ConflictError
│       ├── InvalidNameError
│       ├── QuotaExceededError
│       ├── RateLimitReachedError
│       ├── ServerError
│       └── UnavailableError
│           └── ImageUnavailableError
├── MalformedResponseError        the response is not as the provider documents it
├── TransportError                the connection broke: the request may have been carried out
│   ├── ConnectError              nothing was sent
│   │   └── LoginError            the login before the request failed
│   ├── ReadTimeoutError          no response in time
│   └── TLSError                  the server's certificate or the handshake failed
├── LibcloudConflictError         polycloud as `libcloud` beside Libcloud itself; also an ImportError
├── UnsafePlanError               a plan of changes that needs to be forced; nothing was sent
├── OperationTimeoutError         a wait timed out
└── AmbiguousCreateError          the response to a create was lost, and a search could not settle it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self, TypeVar

__all__ = [
    "AmbiguousCreateError",
    "BaseHTTPError",
    "ConflictError",
    "ConnectError",
    "Exchange",
    "ImageUnavailableError",
    "InsecureConnectionError",
    "InvalidArgumentError",
    "InvalidCredsError",
    "InvalidCredsException",
    "InvalidNameError",
    "LibcloudConflictError",
    "LibcloudError",
    "LoginError",
    "MalformedResponseError",
    "NotFoundError",
    "OperationTimeoutError",
    "PolycloudError",
    "ProviderError",
    "ProviderHTTPError",
    "QuotaExceededError",
    "RateLimitReachedError",
    "ReadTimeoutError",
    "ServerError",
    "TLSError",
    "TransportError",
    "UnavailableError",
    "UnknownProviderError",
    "UnsafePlanError",
    "UnsupportedOperationError",
    "error_from_status",
    "printable",
    "translated",
]

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500


class Exchange(NamedTuple):
    """Where an error happened: the provider's name, the request, and the status of its response."""

    provider: str
    method: str
    path: str
    status: int | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        status = "" if self.status is None else f", HTTP {self.status}"
        request_id = "" if self.request_id is None else f", request {self.request_id}"
        return f"{self.provider}: {self.method} {self.path}{status}{request_id}"


LONGEST_MESSAGE = 20_000
"""Characters of a message that are shown; what leaves a driver has half as many (`tracing.cleaning`)."""


class PolycloudError(Exception):
    """The root of every error that polycloud raises.

    `value` is the text, `driver` the driver concerned if known, `exchange` the request that failed (None if
    none was sent), `changes` whether that request changes something, as it was not declared idempotent,
    `repeated` whether it is about a repetition of the request, which may have been carried out before.
    """

    exchange: Exchange | None = None
    changes: bool = False
    repeated: bool = False

    def __init__(self, value: object = "", driver: object = None) -> None:
        self.value = value
        self.driver = driver

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors travel further than drivers may: a driver holds its credentials
        state = {**self.__dict__, "driver": None}
        args = tuple(arg for arg in self.args if arg is not self.driver)
        return _restored, (type(self), args, state)

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        """Restore an error that Libcloud pickled; see `__reduce__` for those of this tree."""
        self.__dict__.update(state or {})

    def locate(self, exchange: Exchange) -> Self:
        """Record which request failed, unless that is known already."""
        if self.exchange is None:
            self.exchange = exchange
        return self

    def __str__(self) -> str:
        text = str(self.value)
        if len(text) > LONGEST_MESSAGE:
            from polycloud.utils.values import with_rest

            text = with_rest(text[:LONGEST_MESSAGE], len(text) - LONGEST_MESSAGE)
        return printable(f"{text} ({self.exchange})" if self.exchange else text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


def printable(text: str) -> str:
    """Escape the control characters of `text`, so that foreign text cannot control a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)


def _restored(kind: type[PolycloudError], args: tuple[Any, ...], state: dict[str, Any]) -> PolycloudError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


LibcloudError = PolycloudError


class InvalidArgumentError(PolycloudError, ValueError):
    """An argument that cannot be sent as it is; nothing was sent."""


class InsecureConnectionError(PolycloudError):
    """Plain HTTP to a host other than this machine, without permission; nothing was sent."""


class UnknownProviderError(PolycloudError, AttributeError):
    """No provider of that name, or no driver for it."""


class UnsupportedOperationError(PolycloudError, NotImplementedError):
    """The driver does not offer this operation; nothing was sent."""


class LibcloudConflictError(PolycloudError, ImportError):
    """A program cannot have polycloud as `libcloud` and apache-libcloud, too."""


class UnsafePlanError(PolycloudError):
    """A plan would delete or change more than it is allowed to; nothing was done."""


class ProviderError(PolycloudError):
    """The provider refused. `http_code` is the HTTP status of its response, or the equivalent one.

    `definite` says that the provider's own words, not those of an edge before it, led to this error: it did
    nothing, whatever the status.
    """

    definite = False

    def __init__(self, value: object = "", http_code: int = 0, driver: object = None) -> None:
        super().__init__(value, driver)
        self.http_code = http_code


class InvalidCredsError(ProviderError):
    """The credentials are wrong, expired or missing."""

    def __init__(
        self, value: object = "Invalid credentials with the provider", driver: object = None
    ) -> None:
        super().__init__(value, UNAUTHORIZED, driver)


InvalidCredsException = InvalidCredsError


class ProviderHTTPError(ProviderError):
    """A response with an error: `code` is its status, `message` the provider's, `headers` its headers."""

    def __init__(self, code: int = 0, message: object = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, code)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        super().__setstate__(state)
        self.value, self.http_code = self.message, self.code  # Libcloud has the message as first argument


BaseHTTPError = ProviderHTTPError
E = TypeVar("E", bound=ProviderHTTPError)


def translated(error: ProviderHTTPError, ours: E) -> E:
    """Return an error of ours with the request of the provider's error that it stands for."""
    for name in ("exchange", "headers", "changes", "definite", "repeated"):
        setattr(ours, name, getattr(error, name))
    return ours


class NotFoundError(ProviderHTTPError):
    """The resource does not exist (404)."""


class ConflictError(ProviderHTTPError):
    """The resource exists already, or is busy (409)."""


class InvalidNameError(ProviderHTTPError):
    """The provider refuses the name."""


class UnavailableError(ProviderHTTPError):
    """The resource exists but is not available there, such as a size in a region without it."""


class ImageUnavailableError(UnavailableError):
    """The image does not exist or is not in that region."""


class QuotaExceededError(ProviderHTTPError):
    """The account has reached its limit of this resource."""


class RateLimitReachedError(ProviderHTTPError):
    """Too many requests (429); `retry_after` is the pause in seconds that the provider asks for, or 0."""

    def __init__(
        self,
        code: int = TOO_MANY_REQUESTS,
        message: object = "429 Rate limit exceeded",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, headers)

    @property
    def retry_after(self) -> float:
        """Seconds to wait before the next request, 0.0 if the provider does not say."""
        from polycloud.utils.headers import requested_pause  # `polycloud --version` needs no dates

        return requested_pause({name.lower(): text for name, text in self.headers.items()}) or 0.0


class ServerError(ProviderHTTPError):
    """The provider failed (5xx)."""


class MalformedResponseError(PolycloudError):
    """A response that cannot be read; `body` is its beginning."""

    def __init__(self, value: object = "", body: str | None = None, driver: object = None) -> None:
        super().__init__(value, driver)
        self.body = body

    def __str__(self) -> str:
        return f"{super().__str__()}; the body begins: {self.body!r}" if self.body else super().__str__()


class TransportError(PolycloudError):
    """The connection broke; the request may have been carried out."""


class ConnectError(TransportError):
    """No connection was established; nothing was carried out."""


class LoginError(ConnectError):
    """The login that the request needs failed, so it was not sent; `__cause__` is the error of the login."""


class ReadTimeoutError(TransportError):
    """The response did not arrive in time; the request may have been carried out."""


class TLSError(TransportError):
    """The server's certificate is not trusted or the handshake failed; nothing was carried out."""


class OperationTimeoutError(PolycloudError):
    """A wait for `waiting_for` gave up after `timeout` seconds; `cause` is why its last check failed."""

    def __init__(
        self,
        waiting_for: str = "",
        timeout: float = 0.0,
        driver: object = None,
        *,
        cause: BaseException | None = None,
    ) -> None:
        why = "" if cause is None else f"; the last check failed: {cause}"
        super().__init__(f"gave up after {timeout:g} s waiting for {waiting_for}{why}", driver)
        self.waiting_for = waiting_for
        self.timeout = timeout


class AmbiguousCreateError(PolycloudError):
    """A create may or may not have been carried out; `look_for` and the message say what to look for."""

    def __init__(self, value: object = "", driver: object = None, look_for: str = "") -> None:
        super().__init__(value, driver)
        self.look_for = look_for


def error_from_status(code: int, message: object, headers: Mapping[str, str] | None = None) -> ProviderError:
    """Return the error of this tree for an HTTP status, with the provider's message."""
    if code == UNAUTHORIZED:
        return InvalidCredsError(message or "Invalid credentials with the provider")
    by_code = {404: NotFoundError, 409: ConflictError, TOO_MANY_REQUESTS: RateLimitReachedError}
    default = ServerError if code >= SERVER_ERRORS else ProviderHTTPError
    return by_code.get(code, default)(code, message, headers)
