"""Logins of an application with Microsoft Entra, formerly Azure Active Directory: client credentials.

Source: Microsoft's "OAuth 2.0 client credentials flow on the Microsoft identity platform".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.connection import Connection, ConnectionKey
from polycloud.common.response import JsonResponse
from polycloud.common.tokens import Token
from polycloud.errors import InvalidCredsError, MalformedResponseError
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import LONGEST

REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED})
"""The statuses of a wrong tenant, application or secret."""


class Granted(msgspec.Struct):
    """The response to a login; `expires_in` is in seconds."""

    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: Annotated[float, msgspec.Meta(ge=0, le=LONGEST)]


class LoginResponse(JsonResponse):
    """A response of the identity platform."""

    def parse_error(self) -> Any:
        """Return what went wrong, as text; raise `InvalidCredsError` if it is the credentials."""
        try:
            fields = self.decode(dict[str, Any])
        except MalformedResponseError:
            fields = {}
        text = str(fields.get("error_description") or fields.get("error") or super().parse_error())
        if self.status in REFUSED:
            raise InvalidCredsError(text)
        return text


class LoginConnection(ConnectionKey):
    """A connection to the identity platform; its key is the secret that it sends."""

    responseCls = LoginResponse


class ClientLogin(msgspec.Struct, frozen=True):
    """An application that logs in by its secret: its tenant, its id, and the address of the platform."""

    tenant: str
    client: str
    secret: str
    authority: str

    def __repr__(self) -> str:
        return f"<ClientLogin of {self.client!r} in {self.tenant!r}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("tenant", self.tenant), ("client", self.client)]

    def token(self, connection: Connection, scope: str) -> Token:
        """Return a token for `scope`. Raises `InvalidCredsError` if the platform refuses the login."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client,
            "client_secret": self.secret,
            "scope": scope,
        }
        path = f"/{quote_segment(self.tenant)}/oauth2/v2.0/token"
        response: LoginResponse = connection.request(path, data=form, method="POST", idempotent=True)
        granted = response.decode(Granted)
        lasts = timedelta(seconds=granted.expires_in)
        return Token(granted.access_token, datetime.now(UTC) + lasts)
