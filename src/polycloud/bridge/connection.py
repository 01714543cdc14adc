"""`BridgedConnection`: what Libcloud's drivers send goes through our HTTP client, with all that it promises.

A driver of Libcloud sends its requests with a session of `requests`. `polycloud.bridge.sessions` gives it one
whose requests end here: they have our timeouts, deadlines, proxies, TLS settings, rate limits, traces and
errors, and share the connections of all threads. Requests of operations that only read are sent again after
failures that pass. All others are sent once: several providers create by GET, so the method says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec import structs

from polycloud.common.arguments import drop_none
from polycloud.common.connection import Connection
from polycloud.common.creation import READS, note_done, note_sent
from polycloud.common.options import allows_plain_http
from polycloud.common.sending import Sending
from polycloud.concurrency.calls import current_call
from polycloud.errors import InsecureConnectionError, InvalidArgumentError, PolycloudError
from polycloud.http.messages import RawResponse, Request, Transport, TransportOptions
from polycloud.http.urllib3 import Urllib3Transport
from polycloud.utils.status import HTTPStatus

READING = re.compile(r"(ex_)?(list|iterate|get|find|download|describe|search|wait|export)_\w+")
"""Names of operations that change nothing."""
LONGEST = 1 << 16
"""Bytes of a body that is searched for secrets, which later responses may repeat; longer ones are content."""
ORIGIN = re.compile(r"(https?)://(\[[^\]]+\]|[^/?#:]+)")


class BridgedConnection(Connection):
    """Sends the requests of a Libcloud driver.

    `host`, `port` and `secure` are those that the driver of Libcloud has chosen; `hidden` the texts that no
    error, log or trace may show.
    """

    def __init__(self, *args: Any, hidden: tuple[str, ...] = (), **options: Any) -> None:
        allow_insecure = options.get("allow_insecure", False)
        super().__init__(*args, **options)
        self._allow_insecure = allow_insecure
        self._hidden = hidden
        self._transports: dict[TransportOptions, Transport] = {}

    def secrets(self) -> tuple[str, ...]:
        """Return the texts among the arguments of the driver's constructor that may be secret."""
        return self._hidden

    @property
    def user_agent_words(self) -> tuple[str, ...]:
        """The words of `user_agent_append`, which Libcloud appends to its own user agent."""
        return tuple(filter(None, self._user_agent_words))

    def point_to(self, host: Any, port: Any, secure: Any) -> None:
        """Take over where the driver of Libcloud connects.

        Raises `InsecureConnectionError` for plain HTTP that is not permitted.
        """
        if isinstance(host, str) and host:
            self.host = host
            self.port = int(port) if port else self.port
            self.secure = bool(secure) or self.port == 443  # noqa: PLR2004 - as Libcloud decides it
            self._require_secure(self._allow_insecure)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse a request that is not one of the driver of Libcloud, which alone can sign it."""
        raise InvalidArgumentError(
            f"{self._name()} comes via apache-libcloud, whose connection is not open to requests of your own"
        )

    def carry(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,
        *,
        stream: bool,
        ca_cert: str | None,
        client_cert: Any,
    ) -> tuple[Request, RawResponse]:
        """Send a request of the driver of Libcloud; return it and its response, whatever the status.

        Raises errors of our tree, with the request named and without secrets.
        """
        call = current_call()
        connect, read = call.timeout or (self.connect_timeout, self.timeout)
        reads = READING.fullmatch(call.operation or "") is not None
        request = Request(
            method,
            url,
            headers,
            body,
            connect,
            read,
            call.ends_at,
            stream,
            repeatable=reads and method in READS,
            transient=self.transient_statuses,
        )
        try:
            self._require_permitted(url)
            if not reads:
                note_sent()
            if isinstance(body, bytes) and len(body) <= LONGEST and call.sent is not None:
                from polycloud.tracing.redaction import secret_fields

                call.sent.update(secret_fields("", headers, body))
            own = drop_none({"ca_cert": ca_cert or None, "client_cert": client_cert or None})
            options = structs.replace(self.transport_options, **own) if own else self.transport_options
            sending = Sending(
                request,
                self,
                call.retry or self.retry,
                self.limiter_for(request),
                self.retry_budget,
                partial(self._transport_with, options),
                None,
            )
            response, _ = sending.result()
        except PolycloudError as error:
            raise self._located(error, request)  # noqa: B904 - the same error
        if not reads and response.status < HTTPStatus.BAD_REQUEST:
            note_done(method)
        return request, response

    def _require_permitted(self, url: str) -> None:
        found = ORIGIN.match(url)
        if found is None or (found[1] == "http" and not allows_plain_http(found[2], self._allow_insecure)):
            host = found[2] if found else "that address"
            raise InsecureConnectionError(
                f"plain HTTP to {host} would expose the credentials on the network; use HTTPS, or pass "
                f"allow_insecure=True"
            )

    def _transport_with(self, options: TransportOptions) -> Transport:
        if self._own_transport is not None:
            return self._own_transport
        known = self._transports.get(options)
        return known or self._transports.setdefault(options, Urllib3Transport(options))

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        super().close()
        for transport in list(self._transports.values()):
            transport.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_transports": {}}
