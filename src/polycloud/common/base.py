"""Connections and the base of all drivers: the classes that a driver author extends."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self, TypedDict, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from polycloud import __version__, security
from polycloud.common import waiting
from polycloud.common.calls import current_call, seconds, timeouts
from polycloud.common.credentials import Credential
from polycloud.common.http import (
    BODY_LIMIT,
    Headers,
    RawResponse,
    Request,
    Transport,
    TransportOptions,
    is_loopback,
)
from polycloud.common.ratelimits import RateLimiter, limiter_of
from polycloud.common.redaction import redact, secret_fields
from polycloud.common.response import UNDOCUMENTED, JsonResponse, Response, XmlResponse, XMLRPCResponse
from polycloud.common.retry import RetryBudget, RetryPolicy
from polycloud.common.sending import send
from polycloud.common.types import (
    Exchange,
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
)

__all__ = [
    "BaseDriver",
    "Connection",
    "ConnectionKey",
    "ConnectionOptions",
    "ConnectionUserAndKey",
    "JsonResponse",
    "PollingConnection",
    "Response",
    "XMLRPCResponse",
    "XmlResponse",
    "segment",
]

T = TypeVar("T")
REDIRECTS = range(300, 400)
UNAUTHORIZED = 401
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
METHOD = re.compile(r"[A-Za-z]+")
HOST = re.compile(r"[A-Za-z0-9._:%-]+")
PORTS = range(1, 65536)
REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amz-request-id", "x-amzn-requestid")
PATH_SAFE = "/%:=&?~+!$,;'@()*-._"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class ConnectionOptions(TypedDict, total=False):
    """What every driver accepts by keyword, beyond `secure`, `host` and `port`.

    `url` (in the place of `secure`, `host` and `port`; its path, `/` too, in the place of `request_path`),
    `timeout` (seconds without a byte of an answer, or the pair of seconds to connect and to read),
    `deadline` (seconds for a whole call, retries included), `retry` (a `RetryPolicy`), `proxy_url`,
    `ca_cert` (a file), `client_cert` (a file, or the pair of certificate and key file),
    `allow_insecure` (plain HTTP to other hosts than this one), `transport` (in the place of urllib3),
    `user_agent_append` (words for the end of the user agent), `pool_size` (the most connections),
    `body_limit` (the most bytes of an answer that is not streamed); `retry_delay` and `backoff` as in
    Libcloud (seconds before the first retry, and the factor by which each pause grows).
    """

    url: str | None
    timeout: float | tuple[float, float] | None
    deadline: float | None
    retry: RetryPolicy | None
    proxy_url: str | None
    ca_cert: str | None
    client_cert: str | tuple[str, str] | None
    allow_insecure: bool
    transport: Transport | None
    user_agent_append: str | Iterable[str]
    pool_size: int | None
    body_limit: int
    retry_delay: float | None
    backoff: float | None


class Connection:
    """Sends the requests of one driver. Immutable once made, so threads and tasks may share it.

    A driver's connection overrides `host` and `responseCls`, and where the provider needs it
    `request_path` (a prefix of every path), `timeout`, `add_default_params`, `add_default_headers`,
    `encode_data` and `sign`.
    """

    responseCls: ClassVar[type[Response]] = Response
    host: str = "127.0.0.1"
    port: int = 443
    secure: bool = True
    request_path: str = ""
    timeout: float = 60.0
    connect_timeout: float = 10.0
    driver: BaseDriver

    def __init__(
        self,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        url: str | None = None,
        timeout: float | tuple[float, float] | None = None,
        proxy_url: str | None = None,
        retry_delay: float | None = None,
        backoff: float | None = None,
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None,
        allow_insecure: bool = False,
        transport: Transport | None = None,
        user_agent_append: str | Iterable[str] = (),
        pool_size: int | None = None,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        self._locate(secure, host, port, url)
        self._require_secure(allow_insecure)
        if timeout is not None:
            self.connect_timeout, self.timeout = timeouts(timeout)
        self.deadline = None if deadline is None else seconds("deadline", deadline)
        if not isinstance(retry, RetryPolicy | None):
            raise InvalidArgumentError(f"retry={retry!r} is no RetryPolicy")
        self.retry = retry or _retry_policy(retry_delay, backoff)
        self.retry_budget = RetryBudget(self.retry.budget)
        self.transport_options = TransportOptions(
            proxy_url=proxy_url,
            ca_cert=ca_cert or security.CA_CERTS_PATH,
            client_cert=client_cert,
            pool_size=None if pool_size is None else _count("pool_size", pool_size),
            body_limit=_count("body_limit", body_limit),
        )
        self.single_flight = waiting.SingleFlight()
        self._rate_limiter: RateLimiter | None = None
        self._own_transport = transport
        self._transport: Transport | None = None
        self._user_agent_words = (
            (user_agent_append,) if isinstance(user_agent_append, str) else tuple(user_agent_append)
        )

    def _locate(self, secure: bool, host: str | None, port: int | None, url: str | None) -> None:
        if url:
            parts = _split_url(url)
            self.secure, self.host = parts.scheme == "https", parts.hostname or ""
            self.port = parts.port or (443 if self.secure else 80)
            if parts.path:
                self.request_path = parts.path.rstrip("/")
            return
        self.secure = secure
        self.host = _host(host) if host else self.host
        if port is not None:
            self.port = _port(port)
        elif not secure and self.port == Connection.port:
            self.port = 80

    def _require_secure(self, allowed: bool) -> None:
        exempt = os.environ.get("POLYCLOUD_ALLOW_INSECURE", "").replace(" ", "").split(",")
        if self.secure or allowed or is_loopback(self.host) or self.host in exempt:
            return
        raise InsecureConnectionError(
            f"plain HTTP to {self.host} would show the credentials to everyone on the way; use HTTPS, or "
            f"say allow_insecure=True, or set POLYCLOUD_ALLOW_INSECURE={self.host}"
        )

    # What a driver's connection overrides

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """The query of every request; `params` are this request's."""
        return params

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The headers of every request; `headers` are this request's."""
        return headers

    def encode_data(self, data: Any) -> Any:
        """The body for the `data` of a request, as bytes or text; a dict becomes a form by default."""
        return data

    def sign(self, request: Request) -> Request:
        """The request with its signature, where the provider signs requests."""
        return request

    def secrets(self) -> tuple[str, ...]:
        """The texts that no error, log line or repr may show."""
        return ()

    def account(self) -> tuple[Any, ...]:
        """What tells this account from others: all connections to it share the provider's rate limit."""
        return (self.host, self.port, *self.secrets())

    def renew(self, request: Request) -> bool:
        """Whether there are other credentials than those with which the provider refused `request` (401)."""
        return False

    # What drivers call

    def request(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        raw: bool = False,
        stream: bool = False,
        json: Any = None,
        idempotent: bool | None = None,
    ) -> Any:
        """Send a request and give back its answer, a `responseCls`.

        Args:
            action: The path below the host (and `request_path`); build it from outside text with `segment`.
            params: The query; a None is left out, a list becomes a repeated key.
            data: The body: bytes, text, a file, an iterable of bytes, or what `encode_data` takes.
            headers: Further headers.
            method: The HTTP method.
            raw: As `stream`.
            stream: Leave the body unread for `iter_bytes()` of the answer.
            json: A body to encode as JSON (dicts, lists, msgspec Structs) in the place of `data`.
            idempotent: Whether it may be sent again where its answer is lost; by default unless the method is
                POST or PATCH. True for a request with a token by which the provider knows it again.

        Raises:
            PolycloudError: One of the tree in `polycloud.common.types`, with the request that failed.
        """
        asked = (action, params, data, headers, method, json, stream or raw, idempotent)
        request = self._request(*asked)
        try:
            answer, repeated = send(self, request)
            if answer.status == UNAUTHORIZED and request.rewindable and self.renew(request):
                answer.close()
                request.rewind()
                request = replace(self._request(*asked), deadline=request.deadline)
                answer, again = send(self, request)
                repeated = repeated or again
            return self._checked(request, answer, repeated=repeated)
        except PolycloudError as error:
            raise self._told(error, request)  # noqa: B904 - the same error

    def gather(self, calls: Iterable[Callable[[], T]], *, limit: int = waiting.SIDE_BY_SIDE) -> list[T]:
        """Run independent calls side by side, `limit` at most; their results in order."""
        return waiting.gather(calls, limit=limit)

    def sleep(self, seconds: float) -> None:
        """Pause for `seconds`."""
        waiting.sleep(seconds)

    def redact(self, text: str) -> str:
        """`text` without this connection's secrets."""
        return redact(text, self.secrets())

    def close(self) -> None:
        """Close every connection; a later request opens new ones."""
        for transport in (self._own_transport, self._transport):
            if transport is not None:
                transport.close()

    # How a request is made and sent

    @property
    def rate_limiter(self) -> RateLimiter:
        """What holds requests back that the provider would refuse, one for the whole account."""
        if self._rate_limiter is None:
            self._rate_limiter = limiter_of(self.account())
        return self._rate_limiter

    def limiter_for(self, request: Request) -> RateLimiter:
        """What holds `request` back: one of its own where the provider counts such requests apart."""
        return self.rate_limiter

    def transport(self) -> Transport:
        """What sends requests here: the event loop's inside a bridge, else the connection's own."""
        if self._own_transport is not None:
            return self._own_transport
        bridge = waiting.bridge()
        if bridge is not None:
            return bridge.transports(self.transport_options)
        return self._transport or self.single_flight("transport", self._open_transport)

    def _open_transport(self) -> Transport:
        from polycloud.common.urllib3 import Urllib3Transport

        self._transport = self._transport or Urllib3Transport(self.transport_options)
        return self._transport

    def _request(self, *args: Any) -> Request:
        try:
            return self._build(*args)
        except UnicodeEncodeError as error:
            text = error.object[error.start : error.end]
            raise InvalidArgumentError(f"{text!r} is no text that can be sent") from None

    def _build(
        self,
        action: str,
        params: Mapping[str, Any] | None,
        data: Any,
        headers: Mapping[str, str] | None,
        method: str,
        json: Any,
        stream: bool,
        idempotent: bool | None,
    ) -> Request:
        if not METHOD.fullmatch(method):
            raise InvalidArgumentError(f"{method!r} is no HTTP method")
        body, content_type = self._body(data, json)
        fields = {"User-Agent": self._user_agent(), "Accept-Encoding": "gzip, deflate", **(headers or {})}
        fields = self.add_default_headers(fields)
        if headers:
            fields = _named_once(fields)
        if content_type and "content-type" not in map(str.lower, fields):
            fields["Content-Type"] = content_type
        _require_clean(fields)
        query = self.add_default_params(dict(params or {}))
        method = method.upper()
        connect, read = current_call().timeout or (self.connect_timeout, self.timeout)
        repeatable = method in REPEATABLE if idempotent is None else idempotent
        url = self._url(action, query)
        return Request(
            method, url, fields, body, connect, read, self._ends_at(), stream, repeatable, _start(body)
        )

    def _ends_at(self) -> float | None:
        """The moment after which a request that begins now may not go on."""
        own = None if self.deadline is None else time.monotonic() + self.deadline
        moments = [moment for moment in (own, current_call().ends_at) if moment is not None]
        return min(moments, default=None)

    def _body(self, data: Any, json: Any) -> tuple[Any, str | None]:
        if json is not None:
            try:
                return msgspec.json.encode(json), JSON
            except (TypeError, ValueError, RecursionError) as error:
                raise InvalidArgumentError(f"json= cannot be encoded: {error}") from error
        data = None if data is None else self.encode_data(data)
        if isinstance(data, Mapping):
            return urlencode(_present(data), doseq=True).encode(), FORM
        if isinstance(data, str):
            looks_json = issubclass(self.responseCls, JsonResponse) and data[:1] in {"{", "["}
            return data.encode(), JSON if looks_json else None
        if data is not None and not isinstance(data, bytes) and not isinstance(data, Iterable):
            raise InvalidArgumentError(f"data={data!r} is no body: give text, bytes, a dict or a file")
        return data, None

    def _url(self, action: str, query: dict[str, Any]) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.secure else 80
        authority = host if self.port == default else f"{host}:{self.port}"
        path = quote(self.request_path + "/" + action.lstrip("/"), safe=PATH_SAFE)
        text = urlencode(_present(query), doseq=True)
        joint = "&" if "?" in path else "?"
        return f"{'https' if self.secure else 'http'}://{authority}{path}{joint + text if text else ''}"

    def _checked(self, request: Request, answer: RawResponse, *, repeated: bool) -> Response:
        response = self.responseCls(answer, self, self.exchange(request, answer))
        try:
            if answer.status in REDIRECTS and "location" in answer.headers:
                where = answer.headers["location"].partition("?")[0]
                raise response.malformed(f"the provider redirects to {where!r}, which is not followed")
            if response.success():
                return response
            raise response.to_error()
        except UNDOCUMENTED as error:
            answer.close()
            raise response.undocumented(error) from None
        except PolycloudError as error:
            answer.close()
            error.locate(response.exchange)
            if not (repeated and request.method == "DELETE" and isinstance(error, NotFoundError)):
                raise
            # What an earlier attempt deleted is gone, as asked
            gone = replace(answer, status=204, reason="No Content", body=b"", chunks=None)
            return self.responseCls(gone, self, response.exchange)
        except BaseException:
            answer.close()
            raise

    def _told(self, error: PolycloudError, request: Request) -> PolycloudError:
        """The error with its request named and every secret of driver and request taken out."""
        secrets = [*self.secrets(), *secret_fields(request.url, request.headers, request.body)]

        def clean(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: clean(part) for name, part in value.items()}
            return redact(value, secrets) if isinstance(value, str) else value

        error.locate(self.exchange(request))
        error.exchange = Exchange(*map(clean, error.exchange or ()))
        for name in ("value", "message", "body"):
            if hasattr(error, name):
                setattr(error, name, clean(getattr(error, name)))
        if isinstance(error, ProviderHTTPError):
            error.headers = clean(error.headers)
        error.args = tuple(map(clean, error.args))
        return error

    def exchange(self, request: Request, answer: RawResponse | None = None) -> Exchange:
        """What errors and traces tell of a request and its answer."""
        headers = answer.headers if answer else Headers()
        request_id = next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), None)
        driver = getattr(self, "driver", None)
        name = getattr(driver, "name", None) or self.host
        return Exchange(name, request.method, request.path, answer.status if answer else None, request_id)

    def _user_agent(self) -> str:
        name = getattr(getattr(self, "driver", None), "api_name", None)
        return " ".join(
            [f"polycloud/{__version__}", *([f"({name})"] if name else []), *self._user_agent_words]
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transport": None, "_rate_limiter": None}

    def __repr__(self) -> str:
        scheme = "https" if self.secure else "http"
        return f"<{type(self).__name__} {scheme}://{self.host}:{self.port}{self.request_path}>"


class ConnectionKey(Connection):
    """A connection with one secret: `key`."""

    def __init__(self, key: str, secure: bool = True, *args: Any, **options: Any) -> None:
        super().__init__(secure, *args, **options)
        self.key = key

    def secrets(self) -> tuple[str, ...]:
        """The key."""
        return (self.key,)


class ConnectionUserAndKey(ConnectionKey):
    """A connection with a user name, `user_id`, and a secret, `key`."""

    def __init__(self, user_id: str, key: str, secure: bool = True, *args: Any, **options: Any) -> None:
        super().__init__(key, secure, *args, **options)
        self.user_id = user_id


class PollingConnection(Connection):
    """A connection for providers whose calls answer with a job that is to be asked for its end."""

    poll_interval: float = 0.5
    timeout = 200.0

    def async_request(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        context: Mapping[str, Any] | None = None,
        *,
        json: Any = None,
    ) -> Any:
        """Send a request, then ask until `has_completed`; the last answer.

        The arguments are those of `request`, and `context` is for `get_poll_request_kwargs`. Raises
        `OperationTimeoutError` after `timeout` seconds.
        """
        kwargs = self.get_request_kwargs(action, params, data, headers, method, context)
        if json is not None:
            kwargs["json"] = json
        first = self.request(**kwargs)
        if self.has_completed(first):
            return first

        def look() -> Any:
            answer = self.request(**self.get_poll_request_kwargs(first, context, kwargs))
            return answer if self.has_completed(answer) else None

        return waiting.poll(
            look,
            waiting_for=f"{method} {action} to be carried out",
            timeout=self.timeout,
            longest_pause=self.poll_interval,
        )

    def get_request_kwargs(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The arguments of the first `request`."""
        return {"action": action, "params": params, "data": data, "headers": headers, "method": method}

    def get_poll_request_kwargs(
        self, response: Any, context: Mapping[str, Any] | None, request_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """The arguments of the `request` that asks how far the job is."""
        raise NotImplementedError

    def has_completed(self, response: Any) -> bool:
        """Whether the answer says that the job has ended."""
        raise NotImplementedError


class BaseDriver:
    """The base of every service's drivers: credentials in, `connection` out.

    `name` is the provider's name for people, `type` its constant, `api_name` its name in the user agent
    and the pricing data, `website` its address, `credentials` what profiles call its first arguments and
    which variables hold them, `finds_credentials` whether it looks for them itself (variables, files,
    metadata) where it is given none. Immutable once made; safe to share between threads.
    """

    connectionCls: ClassVar[type[Connection]] = ConnectionKey
    name: ClassVar[str] = ""
    type: ClassVar[Any] = None
    api_name: ClassVar[str] = ""
    website: ClassVar[str] = ""
    credentials: ClassVar[tuple[Credential, ...]] = ()
    finds_credentials: ClassVar[bool] = False

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        **options: Any,
    ) -> None:
        credentials = self._credentials(key, secret)
        self._require_known(options)
        self.key = key
        self.secret = secret
        self.region = region
        self.api_version = api_version
        options = {
            "secure": secure,
            "host": host,
            "port": port,
            **self._ex_connection_class_kwargs(),
            **options,
        }
        self.connection = self.connectionCls(*credentials, **options)
        self.connection.driver = self

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        """Further keyword arguments for `connectionCls`, where a driver has some."""
        return {}

    def _credentials(self, key: str, secret: str | None) -> tuple[Any, ...]:
        if not issubclass(self.connectionCls, ConnectionKey):
            return ()
        both = issubclass(self.connectionCls, ConnectionUserAndKey)
        if secret is not None and not both:
            raise InvalidArgumentError(f"{self.name or type(self).__name__} takes a key and no secret")
        given = (key, secret) if both else (key,)
        if not all(isinstance(part, str) and part for part in given):
            wanted = "a user name and a secret" if both else "a key"
            raise InvalidCredsError(
                f"{self.name or type(self).__name__} needs {wanted}, as text", driver=self
            )
        return given

    def _require_known(self, options: Mapping[str, Any]) -> None:
        known = ConnectionOptions.__annotations__.keys() | self._ex_connection_class_kwargs().keys()
        for name in options.keys() - known:
            import difflib

            near = difflib.get_close_matches(name, [*known, "host", "port", "secure", "region"], 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it knows {', '.join(sorted(known))}"
            raise InvalidArgumentError(f"{type(self).__name__} has no option {name!r}{hint}")

    def close(self) -> None:
        """Close the driver's connections; a later call opens new ones."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connection!r}>"


def segment(text: object) -> str:
    """`text` as one segment of a path: everything that could end or leave the segment is quoted."""
    quoted = quote(str(text), safe="")
    if quoted in {"", ".", ".."}:
        raise InvalidArgumentError(f"{text!r} cannot stand in a path")
    return quoted


def _retry_policy(retry_delay: float | None, backoff: float | None) -> RetryPolicy:
    policy = RetryPolicy()
    return RetryPolicy(
        base=policy.base if retry_delay is None else retry_delay,
        factor=policy.factor if backoff is None else backoff,
    )


def _split_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if usable and not (parts.query or parts.fragment or "@" in parts.netloc):
            return parts
    except (ValueError, AttributeError, TypeError):
        pass
    # The text itself may hold a password
    raise InvalidArgumentError(
        "url= is not an address such as https://api.example.com:8443/v2 (without user, password and query)"
    )


def _host(host: str) -> str:
    bare = host.strip("[]") if isinstance(host, str) else ""
    if not bare or not HOST.fullmatch(bare):
        # What stands before an @ may be a password
        raise InvalidArgumentError(f"host={str(host).rpartition('@')[2]!r} is no host name or address")
    return bare


def _port(port: int | str) -> int:
    try:
        number = int(port)
    except (TypeError, ValueError):
        number = 0
    if number not in PORTS:
        raise InvalidArgumentError(f"port={port!r} is no port (1 to 65535)")
    return number


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name}={value!r} is no number above 0")
    return value


def _start(body: Any) -> int | None:
    """Where in its file a body begins; None for what cannot be rewound, or needs not."""
    if isinstance(body, bytes | None) or not hasattr(body, "seek"):
        return None
    try:
        return int(body.tell()) if body.seekable() else None
    except (OSError, ValueError):  # a pipe
        return None


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _named_once(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without those that a later one of the same name, in whatever case, replaces."""
    last = {name.lower(): name for name in headers}
    return {name: headers[name] for name in last.values()}


def _require_clean(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not isinstance(value, str):
            raise InvalidArgumentError(f"the header {name!r} is {type(value).__name__}, no text")
        if any(sign in f"{name}{value}" for sign in "\r\n\0"):
            raise InvalidArgumentError(f"the header {name!r} cannot hold a line break or a NUL")
        if not f"{name}{value}".isascii():
            raise InvalidArgumentError(f"the header {name!r} can hold ASCII signs only; quote the others")
