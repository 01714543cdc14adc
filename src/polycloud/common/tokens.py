"""Connections to providers that exchange the credentials for a token, which later requests carry.

A login happens inside another call: when a request is built that needs the token, or after one was refused.
If it fails, that request was certainly not sent, whatever the login's own error looks like, so callers get an
error that is located at their request: `InvalidCredsError` or another refusal as the provider's status says,
`LoginError` for everything that may pass. Otherwise a create would take a lost response to the login for its
own, and search for a resource that cannot exist.

A token belongs to an account. A connection keeps it in a `TokenStore` of its own, or in one that it shares
with all connections of the account in this process.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from polycloud.common.connection import Connection
from polycloud.concurrency import waiting
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

__all__ = ["SharedStores", "Token", "TokenConnection", "TokenStore", "login_failure"]

S = TypeVar("S", bound="TokenStore")
KEPT_ACCOUNTS = 128
EARLY = 60.0
"""Seconds before its end at which a token is renewed."""
_authenticating: ContextVar[tuple[TokenConnection, ...]] = ContextVar("polycloud_authenticating", default=())


class Token(msgspec.Struct, frozen=True):
    """The result of authentication: a token, and when it expires (None if the provider does not say).

    It is renewed `early` seconds before that.
    """

    value: str
    expires_at: datetime | None = None
    early: float = EARLY

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
        if self.expires_at is None:
            return True
        return datetime.now(UTC) + timedelta(seconds=self.early) < self.expires_at


class TokenStore:
    """The current token of an account, and the flight in which one caller renews it for all."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self.single_flight = waiting.SingleFlight()


class SharedStores(Generic[S]):
    """The stores of the accounts that this process uses: all connections of an account share a token.

    `make` makes the store of an account that has none; those of the latest 128 accounts are kept.
    """

    def __init__(self, make: Callable[[], S]) -> None:
        self._make = make
        self._stores: OrderedDict[str, S] = OrderedDict()
        self._opening = waiting.SingleFlight()

    def of(self, identity: str) -> S:
        """Return the store of the account that has this identity, such as a digest of its login."""

        def find() -> S:
            found = self._stores.get(identity)
            if found is None:
                found = self._stores[identity] = self._make()
                while len(self._stores) > KEPT_ACCOUNTS:
                    self._stores.popitem(last=False)
            return found

        store: S = self._opening("store", find)
        return store


class TokenConnection(Connection):
    """A connection whose requests carry `self.token`, which `authenticate` requests.

    The token is requested when first needed, kept, and renewed a minute before it expires or when the
    provider refuses it (401): once, however many threads and tasks need it at that time. Combine it with the
    class that holds the credentials: `class MyConnection(TokenConnection, ConnectionUserAndKey)`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tokens = self.token_store()

    def token_store(self) -> TokenStore:
        """Return where the token is kept; by default a store of this connection alone."""
        return TokenStore()

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
        return self.current_token().value

    def current_token(self) -> Token:
        """Return the token as an object, like `token`."""
        current = self._tokens.token
        if current is None or not current.lasts():
            current = self._login(current)
        return current

    def renew(self, request: Request) -> bool:
        """Request another token, unless there is a newer one than `request` carried."""
        refused = self._tokens.token
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
            token: Token = self._tokens.single_flight("token", lambda: self._renewed(old))
        except PolycloudError as error:
            raise login_failure(error) from error
        return token

    def _renewed(self, old: Token | None) -> Token:
        current = self._tokens.token
        if current is old or current is None:  # else another caller renewed it
            current = self._tokens.token = self._authenticated()
        return current

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
        token = self._tokens.token
        return (*super().secrets(), *([token.value] if token else ()))

    def account(self) -> tuple[Any, ...]:
        """Return the credentials only: the account stays the same when its token changes."""
        return (self.host, self.port, getattr(self, "user_id", None), *super().secrets())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_tokens"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._tokens = self.token_store()


def login_failure(error: PolycloudError, what: str = "the login failed") -> PolycloudError:
    """Return the error for a request that was not sent, since what it needs failed with `error`."""
    message = f"{what}: {error}"
    if isinstance(error, InvalidCredsError):
        return InvalidCredsError(message)
    if isinstance(error, ProviderHTTPError) and error.code not in LOST_STATUSES:
        return error_from_status(error.code, message, error.headers)
    if isinstance(error, InvalidArgumentError):
        return InvalidArgumentError(message)
    if isinstance(error, UnsupportedOperationError):
        return UnsupportedOperationError(message, error.driver)
    return LoginError(message)
