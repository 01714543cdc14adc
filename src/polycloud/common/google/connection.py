"""Requests to Google's JSON APIs, with an access token that all connections of an account share."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from polycloud.common.building import quote_path
from polycloud.common.google.credentials import Account, GrantPayload, Machine
from polycloud.common.options import allows_plain_http, split_url
from polycloud.common.response import JsonResponse
from polycloud.common.tokens import SharedStores, Token, TokenConnection, TokenStore
from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    ProviderHTTPError,
)
from polycloud.http.messages import Request, origin_of
from polycloud.utils.headers import http_date
from polycloud.utils.status import HTTPStatus

__all__ = ["GoogleConnection", "GoogleResponse"]

SKEW = 60.0
"""Seconds by which our clock may differ from Google's before an assertion is signed anew by Google's."""
REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN})
"""Statuses, beside 401, with which Google refuses keys."""
_stores = SharedStores(TokenStore)


class GoogleResponse(JsonResponse):
    """A response of one of Google's APIs."""

    def parse_error(self) -> Any:
        """Return the message; that of a refused login has a code and a description."""
        try:
            body = self.decode(Any)
        except MalformedResponseError:
            return super().parse_error()
        if isinstance(body, dict) and isinstance(body.get("error_description"), str):
            return f"{body.get('error')}: {body['error_description']}"
        return super().parse_error()


class GoogleConnection(TokenConnection):
    """A connection for `google_account`, or without credentials if that is None."""

    responseCls = GoogleResponse
    transient_statuses = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR})

    def __init__(
        self, *args: Any, google_account: Account | None, scopes: Iterable[str] = (), **options: Any
    ) -> None:
        self.google_account = google_account
        self.scopes = tuple(scopes)
        super().__init__(*args, **options)
        self._allows_insecure = bool(options.get("allow_insecure"))

    def token_store(self) -> TokenStore:
        """Return the store that all connections of the account with these scopes share."""
        if self.google_account is None:
            return TokenStore()
        return _stores.of(f"{self.google_account.identity()} {' '.join(self.scopes)}")

    def authenticate(self) -> Token:
        """Request a token. Raises `InvalidCredsError` if Google refuses the account."""
        account = self.google_account
        if isinstance(account, Machine):
            return account.token()
        assert account is not None, "without an account no request asks for a token"
        self._require_safe(account.token_uri)
        try:
            return self._granted(account)
        except ProviderHTTPError as error:
            if error.code not in REFUSED:
                raise
            raise InvalidCredsError(f"Google refuses {account.who()}: {error.message}") from error

    def _granted(self, account: Account) -> Token:
        """Return a token; an assertion that is refused is signed once more if our clock may be the reason."""
        try:
            return self._exchanged(account, time.time())
        except ProviderHTTPError as error:
            dates = (text for name, text in error.headers.items() if name.lower() == "date")
            clock = http_date(next(dates, ""))
            if clock is None or abs(clock.timestamp() - time.time()) <= SKEW:
                raise
        return self._exchanged(account, clock.timestamp())

    def _exchanged(self, account: Account, now: float) -> Token:
        path, form = quote_path(split_url(account.token_uri).path), account.form(self.scopes, now)
        response: GoogleResponse = self.request(path, data=form, method="POST", idempotent=True)
        return response.decode(GrantPayload).token()

    def _require_safe(self, token_uri: str) -> None:
        parts = split_url(token_uri)
        host = parts.hostname or ""
        if parts.scheme != "https" and not allows_plain_http(host, self._allows_insecure):
            raise InsecureConnectionError(
                f"the key says plain HTTP for its token_uri at {host}, which would expose the login on the "
                "network; pass allow_insecure=True to permit that"
            )

    def base_url(self) -> str:
        """Return the root of the API; that of the token's host while logging in."""
        if self._logs_in() and self.google_account is not None:
            return f"{origin_of(self.google_account.token_uri)}/"
        return super().base_url()

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the token."""
        if self.google_account is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def renew(self, request: Request) -> bool:
        """Request another token; without an account there is none."""
        return self.google_account is not None and super().renew(request)

    def secrets(self) -> tuple[str, ...]:
        """Return the keys of the account, and the token."""
        own = () if self.google_account is None else self.google_account.secrets()
        return (*super().secrets(), *own)

    def account(self) -> tuple[Any, ...]:
        """Return what identifies the account."""
        identity = None if self.google_account is None else self.google_account.identity()
        return (self.host, self.port, identity)

    def project(self) -> str:
        """Return the project of the account. Raises `InvalidArgumentError` if it is not known."""
        account = self.google_account
        found = None if account is None else account.project
        if found is None and isinstance(account, Machine):
            found = self.single_flight("project", account.project_id)
        if found is None:
            raise InvalidArgumentError("Google needs the project: pass project=, or set GOOGLE_CLOUD_PROJECT")
        return found
