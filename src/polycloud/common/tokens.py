"""Connections to providers that give a token for the credentials, and take only the token after that."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from polycloud.common.base import Connection
from polycloud.http.messages import Request

__all__ = ["Token", "TokenConnection"]

EARLY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Token:
    """What authentication gives: the token, and when it expires (None: the provider does not say)."""

    value: str = field(repr=False)
    expires_at: datetime | None = None

    def lasts(self) -> bool:
        """Whether it will do for a request that is sent now."""
        return self.expires_at is None or datetime.now(UTC) + EARLY < self.expires_at


class TokenConnection(Connection):
    """A connection whose requests carry `self.token`, which `authenticate` gets.

    The token is got when first needed, kept, and got anew a minute before it expires or when the provider
    refuses it (401): once, however many threads and tasks ask for it at that moment. Combine it with the
    class that holds the credentials: `class MyConnection(TokenConnection, ConnectionUserAndKey)`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._token: Token | None = None

    @abstractmethod
    def authenticate(self) -> Token:
        """Get a token; through another connection, since this one's requests want a token already."""

    @property
    def token(self) -> str:
        """The token to send. Raises what `authenticate` raises."""
        current = self._token
        if current is None or not current.lasts():
            current = self.single_flight("token", lambda: self._renewed(current))
        return current.value

    def renew(self, request: Request) -> bool:
        """Get another token, unless another one than `request` carried is there already."""
        refused = self._token
        sent = (request.url, *request.headers.values())
        if refused is not None and any(refused.value in text for text in sent):
            self.single_flight("token", lambda: self._renewed(refused))
        return True

    def _renewed(self, old: Token | None) -> Token:
        if self._token is old or self._token is None:  # else somebody was quicker
            self._token = self.authenticate()
        return self._token

    def secrets(self) -> tuple[str, ...]:
        """The credentials and the token."""
        return (*super().secrets(), *([self._token.value] if self._token else ()))

    def account(self) -> tuple[Any, ...]:
        """The credentials only: the account stays the same when its token changes."""
        return (self.host, self.port, *super().secrets())

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_token": None}
