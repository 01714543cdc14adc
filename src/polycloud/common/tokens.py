"""Connections to providers that exchange the credentials for a token, which later requests carry.

A login happens inside another call: when a request is built that needs the token, or after one was refused.
If it fails, that request was certainly not sent, whatever the login's own error looks like, so callers get an
error that is located at their request: `InvalidCredsError` or another refusal as the provider's status says,
`LoginError` for everything that may pass. Otherwise a create would take a lost response to the login for its
own, and search for a resource that cannot exist.
"""

from __future__ import annotations

from abc import abstractmethod
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from polycloud.common.base import Connection
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    LoginError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
    error_from_status,
)
from polycloud.http.messages import Request
from polycloud.http.retry import LOST_STATUSES
from polycloud.utils.values import shown

__all__ = ["Token", "TokenConnection"]

EARLY = timedelta(seconds=60)
"""How long before its end a token is renewed."""
_authenticating: ContextVar[tuple[TokenConnection, ...]] = ContextVar("polycloud_authenticating", default=())


class Token(msgspec.Struct, frozen=True):
    """The result of authentication: a token, and when it expires (None if the provider does not say)."""

    value: str
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.value, str) or not self.value:
            raise InvalidArgumentError("the value of a Token must be a non-empty str")
        aware = isinstance(self.expires_at, datetime) and self.expires_at.tzinfo is not None
        if self.expires_at is not None and not aware:
            message = f"expires_at must be a datetime with a time zone, got {shown(self.expires_at)}"
            raise InvalidArgumentError(message)

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("expires_at", self.expires_at)]

    def lasts(self) -> bool:
        """Return whether it is valid for a request that is sent now."""
        return self.expires_at is None or datetime.now(UTC) + EARLY < self.expires_at


class TokenConnection(Connection):
    """A connection whose requests carry `self.token`, which `authenticate` requests.

    The token is requested when first needed, kept, and renewed a minute before it expires or when the
    provider refuses it (401): once, however many threads and tasks need it at that time. Combine it with the
    class that holds the credentials: `class MyConnection(TokenConnection, ConnectionUserAndKey)`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._token: Token | None = None

    @abstractmethod
    def authenticate(self) -> Token:
        """Request a token. Raises the errors of `request`.

        Requests of this connection in here are sent without `add_default_headers`, `add_default_params` and
        `sign`, since these need the token.
        """

    @property
    def token(self) -> str:
        """The token to send.

        Raises `InvalidCredsError` or another `ProviderHTTPError` if the provider refuses the login, and
        `LoginError` if the login fails otherwise. `__cause__` is the error of `authenticate`.
        """
        current = self._token
        if current is None or not current.lasts():
            current = self._login(current)
        return current.value

    def renew(self, request: Request) -> bool:
        """Request another token, unless there is a newer one than `request` carried."""
        refused = self._token
        sent = (request.url, *request.headers.values())
        if self._logs_in():  # the provider refused the credentials themselves
            return False
        if refused is not None and any(refused.value in text for text in sent):
            self._login(refused)
        return True

    def _login(self, old: Token | None) -> Token:
        """Return a newer token than `old`, requested by this caller or by another one at the same time."""
        if self._logs_in():
            raise PolycloudError("authenticate must not use the token that it requests")
        try:
            token: Token = self.single_flight("token", lambda: self._renewed(old))
        except PolycloudError as error:
            raise _failure(error) from error
        return token

    def _renewed(self, old: Token | None) -> Token:
        if self._token is old or self._token is None:  # else another caller renewed it
            self._token = self._authenticated()
        return self._token

    def _authenticated(self) -> Token:
        entered = _authenticating.set((*_authenticating.get(), self))
        try:
            token = self.authenticate()
        finally:
            _authenticating.reset(entered)
        if not isinstance(token, Token):
            raise InvalidArgumentError(f"authenticate must return a Token, got {type(token).__name__}")
        return token

    def _logs_in(self) -> bool:
        return self in _authenticating.get()

    def secrets(self) -> tuple[str, ...]:
        """Return the credentials and the token."""
        return (*super().secrets(), *([self._token.value] if self._token else ()))

    def account(self) -> tuple[Any, ...]:
        """Return the credentials only: the account stays the same when its token changes."""
        return (self.host, self.port, getattr(self, "user_id", None), *super().secrets())

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_token": None}


def _failure(error: PolycloudError) -> PolycloudError:
    """Return what the caller of a request is told about a login that failed with `error`; see the module."""
    message = f"the login failed: {error}"
    if isinstance(error, InvalidCredsError):
        return InvalidCredsError(message)
    if isinstance(error, ProviderHTTPError) and error.code not in LOST_STATUSES:
        return error_from_status(error.code, message, error.headers)
    if isinstance(error, InvalidArgumentError | UnsupportedOperationError):
        return error
    return LoginError(message)
