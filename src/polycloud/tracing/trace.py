"""`Trace`: one attempt of a request and what came of it, without secrets."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from polycloud.concurrency.calls import current_call
from polycloud.concurrency.forks import cached_property
from polycloud.errors import PolycloudError
from polycloud.http.messages import RawResponse, Request, Sender
from polycloud.tracing.redaction import redaction_of

__all__ = ["Trace"]

PORTS = {"https": 443, "http": 80}
Outcome = RawResponse | PolycloudError


class Trace:
    """One attempt of a request, without secrets.

    Attributes:
        provider: The name of the provider, or of the host.
        operation: The driver's method that made the request ("list_nodes"), or None for a bare request.
        method: "GET", "POST" ...
        host: The host name or address.
        port: The port.
        path: The path without the query.
        status: The status of the response, or None if none came.
        ms: Milliseconds until the response was read, or the failure.
        attempt: The number of the attempt, from 1.
        request_id: The provider's id of the request, or None.
        error: The name of the error if no response came, else None.
        began_at: When it was sent, in seconds since 1970.
    """

    def __init__(self, sender: Sender, request: Request, outcome: Outcome, attempt: int, ms: float) -> None:
        self.began_at = time.time() - ms / 1e3
        self._request, self._outcome = request, outcome
        self._redaction = redaction_of(sender.secrets_of(request))
        known = self._redaction.known
        response = outcome if isinstance(outcome, RawResponse) else None
        exchange = sender.exchange(request, response)
        address = urlsplit(request.url)
        self.provider, self.method, self.status = exchange.provider, exchange.method, exchange.status
        self.host, self.port = known(address.hostname or ""), address.port or PORTS[address.scheme]
        self.path = known(exchange.path)
        self.request_id = exchange.request_id and known(exchange.request_id)
        self.operation = current_call().operation
        self.ms, self.attempt = ms, attempt
        self.error = None if response else type(outcome).__name__

    def fields(self) -> dict[str, Any]:
        """Return the structured fields of a log record, by name."""
        names = ("provider", "operation", "method", "path", "status", "ms", "attempt", "request_id", "error")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def url(self) -> str:
        """The URL that was requested."""
        return self._redaction.url(self._request.url)

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers that were sent."""
        return self._redaction.headers(self._request.headers)

    @cached_property
    def body(self) -> bytes | None:
        """The body that was sent, b"" for none; None for a stream, which is not recorded."""
        body = self._sent
        return None if body is None else self._redaction.body(body, form=self._is_form)

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request as `polycloud.testing.exchange` describes it, without headers and without a stream."""
        address = urlsplit(self._request.url)
        target = f"{address.path}?{address.query}"
        return self._redaction.request(self.method, target, self._sent or b"", form=self._is_form)

    @cached_property
    def response(self) -> dict[str, Any] | None:
        """The response as `polycloud.testing.exchange` describes it; None if none came, and for a stream."""
        response = self._outcome
        if not isinstance(response, RawResponse) or self._request.stream:
            return None
        headers = response.headers.items()
        return self._redaction.response(response.status, headers, response.body, head=self.method == "HEAD")

    @cached_property
    def failure(self) -> str | None:
        """The text of the error if no response came."""
        return self._redaction.text(str(self._outcome)) if self.error else None

    @property
    def _sent(self) -> bytes | None:
        body = self._request.body
        return body if isinstance(body, bytes) else b"" if body is None else None

    @property
    def _is_form(self) -> bool:
        headers = self._request.headers
        return any("form-urlencoded" in headers[name] for name in headers if name.lower() == "content-type")

    def __repr__(self) -> str:
        return f"<Trace {self.method} {self.path} {self.status or self.error}>"
