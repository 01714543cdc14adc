"""`Connection`, which sends the requests of one driver, and its forms with credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from msgspec.structs import replace

from polycloud.common.arguments import require_bool, require_count, require_text
from polycloud.common.building import (
    build_request,
    fixed_headers,
    named_once,
    quote_path,
    require_arguments,
    returned_dict,
    url_prefix,
)
from polycloud.common.creation import READS, note_done, note_sent
from polycloud.common.options import (
    ConnectionOptions,
    allows_plain_http,
    authorities,
    retry_policy,
    split_url,
    user_agent_words,
    valid_host,
    valid_port,
)
from polycloud.common.response import UNDOCUMENTED, JsonResponse, Response
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import CallOptions, call_options, current_call, seconds, timeouts
from polycloud.errors import (
    Exchange,
    InsecureConnectionError,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    ProviderError,
    TransportError,
)
from polycloud.http.messages import (
    BODY_LIMIT,
    RawResponse,
    Request,
    Transport,
    TransportOptions,
)
from polycloud.http.retry import RetryBudget, RetryPolicy
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from polycloud.http.ratelimits import RateLimiter

__all__ = ["Connection", "ConnectionKey", "ConnectionOptions", "ConnectionUserAndKey"]

T = TypeVar("T")
LARGEST_POOL = 10_000
NO_LIMIT = nullcontext()
REQUEST_ID_HEADERS = (
    *("x-request-id", "request-id", "x-amz-request-id", "x-amzn-requestid"),
    *("x-openstack-request-id", "x-trans-id", "cf-ray"),
)


class Connection:
    """Sends the requests of one driver. Immutable once made, so threads and tasks may share it.

    A driver's connection overrides `host` and `responseCls`, and where the provider needs it
    `request_path` (a prefix of every path), `timeout`, `add_default_params`, `add_default_headers`,
    `encode_data`, `sign`, and `transient_statuses`: those that pass by themselves at this provider, beyond
    408, 429, 502 to 504 and 520 to 530. Requests that may be repeated are sent again after them.

    `body_limit` and `value_limit` bound the memory and time that a response can take (see
    `ConnectionOptions`); override them where the provider has long lists without pages.
    """

    responseCls: ClassVar[type[Response]] = Response
    host: str = "127.0.0.1"
    port: int = 443
    secure: bool = True
    request_path: str = ""
    timeout: float = 60.0
    connect_timeout: float = 10.0
    body_limit: int = BODY_LIMIT
    value_limit: int = 2_000_000
    transient_statuses: ClassVar[frozenset[int]] = frozenset()
    driver: Any = None
    """The driver that made this connection; set by `BaseDriver`."""

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
        body_limit: int | None = None,
        value_limit: int | None = None,
    ) -> None:
        self._locate(secure, host, port, url)
        self._require_secure(require_bool("allow_insecure", allow_insecure))
        self.connect_timeout, self.timeout = self._timeouts() if timeout is None else timeouts(timeout)
        self.deadline = None if deadline is None else seconds("deadline", deadline)
        if not isinstance(retry, RetryPolicy | None):
            raise InvalidArgumentError(f"retry must be a RetryPolicy, got {shown(retry)}")
        self.retry = retry or retry_policy(retry_delay, backoff)
        self.retry_budget = RetryBudget(self.retry.budget)
        if body_limit is not None:
            self.body_limit = require_count("body_limit", body_limit)
        self.transport_options = TransportOptions(
            proxy_url=proxy_url,
            ca_cert=authorities(ca_cert),
            client_cert=client_cert,
            pool_size=None if pool_size is None else require_count("pool_size", pool_size, LARGEST_POOL),
            body_limit=self.body_limit,
        )
        if value_limit is not None:
            self.value_limit = require_count("value_limit", value_limit)
        if transport is not None and not callable(getattr(transport, "send", None)):
            raise InvalidArgumentError(f"transport must have a method send, got {shown(transport)}")
        self.single_flight = waiting.SingleFlight()
        self._rate_limiter: RateLimiter | None = None
        self._own_transport = transport
        self._transport: Transport | None = None
        self._user_agent_words = user_agent_words(user_agent_append)

    def _timeouts(self) -> tuple[float, float]:
        """Return the timeouts that the class declares; `timeout` may be a pair there too."""
        own: Any = self.timeout
        return timeouts(own if isinstance(own, tuple) else (self.connect_timeout, own))

    def _locate(self, secure: bool, host: str | None, port: int | None, url: str | None) -> None:
        self.secure = require_bool("secure", secure)
        self.request_path = require_text("request_path", self.request_path)
        if url:
            parts = split_url(url)
            self.secure, self.host = parts.scheme == "https", parts.hostname or ""
            self.port = parts.port or (443 if self.secure else 80)
            self.request_path = parts.path.rstrip("/") or self.request_path
            return
        self.host = valid_host(host or self.host)
        if port is None and not secure and self.port == Connection.port:
            port = 80
        self.port = valid_port(self.port if port is None else port)

    def _require_secure(self, allowed: bool) -> None:
        if self.secure or allows_plain_http(self.host, allowed):
            return
        raise InsecureConnectionError(
            f"plain HTTP to {self.host} would expose the credentials on the network; use HTTPS, or "
            f"pass allow_insecure=True, or set POLYCLOUD_ALLOW_INSECURE={self.host}"
        )

    # What a driver's connection overrides

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the query of a request; `params` are those that were passed to it."""
        return params

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers of a request; `headers` are those that were passed to it."""
        return headers

    def encode_data(self, data: Any) -> Any:
        """Return the body for the `data` of a request, as bytes or text; by default a dict becomes a form."""
        return data

    def sign(self, request: Request) -> Request:
        """Return the request with its signature, for providers that require one."""
        return request

    def base_url(self) -> str:
        """Return how the URLs of requests begin; override it if the provider says it in a catalogue."""
        return url_prefix(self.secure, self.host, self.port, self.request_path)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that no error, log or repr may show."""
        return ()

    def account(self) -> tuple[Any, ...]:
        """Return what identifies the account: all connections with the same value share one rate limit."""
        return (self.host, self.port, *self.secrets())

    def renew(self, request: Request) -> bool:
        """Return whether there are newer credentials than those with which `request` was refused (401)."""
        return False

    def deletes(self, request: Request) -> bool:
        """Return whether the request deletes something: once it was sent again, a 404 is success."""
        return request.method == "DELETE"

    def _logs_in(self) -> bool:
        """Return whether the request is part of a login, which has no token to send yet."""
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
        """Send a request and return the response, a `responseCls`.

        Args:
            action: The path below the host (and `request_path`); quote outside text with `quote_segment`.
            params: The query; None is left out, a list becomes a repeated key.
            data: The body: bytes, text, a file, an iterable of bytes, or what `encode_data` takes.
            headers: Further headers.
            method: The HTTP method.
            raw: Same as `stream`.
            stream: Leave the body unread for `iter_bytes()` of the response.
            json: A body to encode as JSON (dicts, lists, msgspec Structs) instead of `data`.
            idempotent: Whether the request may be sent again if its response is lost. By default true unless
                the method is POST or PATCH; pass True with a token by which the provider recognises the
                request.

        Raises:
            PolycloudError: One of the tree in `polycloud.errors`, with the request that failed.
        """
        with self._limited():
            call = current_call()
            arguments = (call, action, params, data, headers, method, json, stream or raw, idempotent)
            request = self._request(*arguments)
            if method not in READS:
                note_sent()
            try:
                response, repeated = self._send(call, request)
                if response.status == HTTPStatus.UNAUTHORIZED and request.rewindable and self.renew(request):
                    response.close()
                    request.rewind()
                    request = self._request(*arguments)
                    response, again = self._send(call, request)
                    repeated = repeated or again
                return self._checked(request, response, repeated=repeated)
            except PolycloudError as error:
                raise self._located(error, request)  # noqa: B904 - the same error

    def _limited(self) -> AbstractContextManager[None]:
        """Return a block in which the driver's deadline holds, for logins and second tries too."""
        return NO_LIMIT if self.deadline is None else call_options(deadline=self.deadline)

    def _send(self, call: CallOptions, request: Request) -> tuple[RawResponse, bool]:
        if request.body and call.sent is not None:  # later responses may repeat a node's password
            from polycloud.tracing.redaction import secret_fields

            call.sent.update(secret_fields("", request.headers, request.body))
        from polycloud.common.sending import Sending  # waits for the first request

        return Sending(
            request,
            self,
            call.retry or self.retry,
            self.limiter_for(request),
            self.retry_budget,
            self.transport,
            None if type(self).sign is Connection.sign or self._logs_in() else self.sign,
        ).result()

    def gather(self, calls: Iterable[Callable[[], T]], *, limit: int = waiting.SIDE_BY_SIDE) -> list[T]:
        """Run independent calls concurrently, at most `limit` at once; return their results in order."""
        return waiting.gather(calls, limit=limit)

    def sleep(self, seconds: float) -> None:
        """Pause for `seconds`."""
        waiting.sleep(seconds)

    def redact(self, text: str) -> str:
        """Return `text` without this connection's secrets."""
        from polycloud.tracing.redaction import redaction_of

        return redaction_of(self.secrets_of()).known(text)

    def secrets_of(self, request: Request | None = None) -> tuple[str, ...]:
        """Return what no error, log or trace may show, of `request` or of all.

        These are `secrets()`, the credentials of proxies, the secrets that the current operation sent, and
        what the request itself names as secret.
        """
        from polycloud.tracing.redaction import secret_fields

        sent = secret_fields(request.url, request.headers, request.body) if request else ()
        earlier = current_call().sent or ()
        return tuple(dict.fromkeys((*self.secrets(), *self.transport_options.secrets(), *earlier, *sent)))

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        for transport in (self._own_transport, self._transport):
            if transport is not None:
                transport.close()

    # How a request is built and sent

    @property
    def rate_limiter(self) -> RateLimiter:
        """The rate limiter of the account."""
        if self._rate_limiter is None:
            from polycloud.http.ratelimits import limiter_of

            self._rate_limiter = limiter_of(self.account())
        return self._rate_limiter

    def limiter_for(self, request: Request) -> RateLimiter:
        """Return the limiter of `request`; override if the provider counts requests by kind."""
        return self.rate_limiter

    def transport(self) -> Transport:
        """Return the transport to use here: the event loop's inside a bridge, else the connection's own."""
        if self._own_transport is not None:
            return self._own_transport
        bridge = waiting.bridge()
        if bridge is not None:
            shared: Transport = bridge.transports(self.transport_options)
            return shared
        return self._transport or self.single_flight("transport", self._open_transport)

    def _open_transport(self) -> Transport:
        from polycloud.http.urllib3 import Urllib3Transport

        self._transport = self._transport or Urllib3Transport(self.transport_options)
        return self._transport

    def _request(self, *arguments: Any) -> Request:
        try:
            return self._build(*arguments)
        except UnicodeEncodeError as error:
            text = error.object[error.start : error.end]
            raise InvalidArgumentError(f"{text!r} cannot be encoded as UTF-8") from None
        except (ProviderError, TransportError) as error:  # of a login, which a hook began
            _, action, _, _, _, method, *_, idempotent = arguments
            error.changes = idempotent is False
            error.locate(Exchange(self._name(), method, action))
            raise

    def _build(
        self,
        call: CallOptions,
        action: str,
        params: Mapping[str, Any] | None,
        data: Any,
        headers: Mapping[str, str] | None,
        method: str,
        json: Any,
        stream: bool,
        idempotent: bool | None,
    ) -> Request:
        require_arguments(action, params, headers)
        body = None if data is None or json is not None else self.encode_data(data)
        fixed = fixed_headers(getattr(self.driver, "api_name", None), self._user_agent_words)
        fields = {**fixed, **(headers or {})}
        query = dict(params or {})
        if not self._logs_in():
            fields = returned_dict("add_default_headers", self.add_default_headers(fields))
            query = returned_dict("add_default_params", self.add_default_params(query))
        if headers:
            fields = named_once(fields)
        return build_request(
            method,
            self.base_url() + quote_path(action.lstrip("/")),
            query,
            fields,
            body,
            json,
            json_text=issubclass(self.responseCls, JsonResponse),
            timeouts=call.timeout or (self.connect_timeout, self.timeout),
            deadline=call.ends_at,
            stream=stream,
            idempotent=idempotent,
            transient=self.transient_statuses,
        )

    def _checked(self, request: Request, raw: RawResponse, *, repeated: bool) -> Response:
        response = self.responseCls(raw, self, request)
        try:
            if response.is_redirect():
                target = raw.headers["location"].partition("?")[0]
                raise response.malformed(f"the provider redirects to {target!r}; redirects are not followed")
            if response.success():
                response.repeated = repeated
                if not request.repeatable or request.method in {"PUT", "DELETE"}:  # no read by POST
                    note_done(request.method)
                return response
            raise response.to_error()
        except PolycloudError as error:
            raw.close()
            error.locate(response.exchange)
            error.repeated = repeated
            if not (repeated and self.deletes(request) and isinstance(error, NotFoundError)):
                raise
            # An earlier attempt deleted it, as asked
            gone = replace(raw, status=204, reason="No Content", buffer=b"", chunks=None)
            return self.responseCls(gone, self, request)
        except UNDOCUMENTED as error:
            raw.close()
            raise response.undocumented(error) from None
        except BaseException:
            raw.close()
            raise

    def _located(self, error: PolycloudError, request: Request) -> PolycloudError:
        """Return the error with its request named and every secret of connection and request removed."""
        from polycloud.tracing.cleaning import clean

        error.changes = not request.repeatable
        return clean(error.locate(self.exchange(request)), self.secrets_of(request))

    def exchange(self, request: Request, response: RawResponse | None = None) -> Exchange:
        """Return what errors and traces say about a request and its response."""
        status, request_id = None, None
        if response is not None:
            status, headers = response.status, response.headers
            request_id = next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), None)
        return Exchange(self._name(), request.method, request.path, status, request_id)

    def _name(self) -> str:
        return getattr(self.driver, "name", None) or self.host

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

    def account(self) -> tuple[Any, ...]:
        """Return what identifies the account: two users may have the same key."""
        return (*super().account(), self.user_id)
