"""Connections to the storage services of Azure: who signs in how, and what their errors mean.

A request is signed by the account's key, or carries a SAS token in its query, or the token of an application
that has logged in with Microsoft Entra.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

from msgspec.structs import replace

from polycloud.common.azure.login import ClientLogin, LoginConnection
from polycloud.common.azure.signing import decoded_key, sas_fields, signed
from polycloud.common.connection import ConnectionUserAndKey
from polycloud.common.tokens import Token, TokenConnection
from polycloud.common.xmlresponse import XmlResponse
from polycloud.errors import InvalidArgumentError, InvalidCredsError, MalformedResponseError
from polycloud.http.messages import Request
from polycloud.utils.headers import http_date
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import shown

ACCOUNT = re.compile(r"[A-Za-z0-9-]+")
CODE_HEADER = "x-ms-error-code"
CREDENTIALS_REFUSED = frozenset(
    {
        *("AuthenticationFailed", "AuthorizationFailure", "InvalidAuthenticationInfo"),
        *("NoAuthenticationInformation", "KeyBasedAuthenticationNotPermitted"),
    }
)
LARGEST_SKEW = 900
"""Seconds by which the time of a request may differ from Azure's."""
PLACE = frozenset({"secure", "host", "port", "url"})
FOREIGN = frozenset({"text/html", "application/json"})


class AzureStorageResponse(XmlResponse):
    """A response in XML; errors have a code in the header `x-ms-error-code`, and in the body if there is one.

    The message of an error is "CODE: MESSAGE".
    """

    def success(self) -> bool:
        """Return whether the status is 2xx.

        Raises `MalformedResponseError` for a page, which proxies send in the place of a response.
        """
        if not super().success():
            return False
        kind = self.headers.get("content-type", "").partition(";")[0]
        if kind in FOREIGN and "x-ms-version" not in self.headers and self.raw.chunks is None:
            raise self.malformed(f"the response must be one of Azure, not {kind}")
        return True

    def root(self, name: str) -> ET.Element:
        """Return the root element. Raises `MalformedResponseError` unless it is called `name`."""
        root = self.object
        if not isinstance(root, ET.Element) or root.tag != name:
            raise self.malformed(f"the response must be <{name}>")
        return root

    def parse_error(self) -> Any:
        """Return the code and the message; raise `InvalidCredsError` if the credentials are refused."""
        code, message = self.refusal()
        text = ": ".join(filter(None, (code, message)))
        if code in CREDENTIALS_REFUSED:
            raise InvalidCredsError(f"{text}{self._skew()}")
        return text or super().parse_error()

    def refusal(self) -> tuple[str, str]:
        """Return the error's code and the first line of its message; empty if the response has none."""
        code = self.headers.get(CODE_HEADER, "")
        try:
            root = self.object
        except MalformedResponseError:
            return code, ""
        if not isinstance(root, ET.Element):
            return code, ""
        lines = (root.findtext("Message") or "").strip().splitlines()
        return code or (root.findtext("Code") or "").strip(), lines[0] if lines else ""

    def _skew(self) -> str:
        """Return what to say of the clock of this machine, if it is why a request was refused."""
        clock = http_date(self.headers.get("date", ""))
        off = 0.0 if clock is None else (self.connection.now() - clock).total_seconds()
        if abs(off) <= LARGEST_SKEW:
            return ""
        side = "ahead of" if off > 0 else "behind"
        return f"; the clock of this machine is {abs(off):,.0f} s {side} Azure's"


class AzureStorageConnection(TokenConnection, ConnectionUserAndKey):
    """A connection to a storage service of one account, `user_id`.

    `key` is the account's key in base64, or a SAS token ("sv=...&sig=..."), or with a `login` the secret of
    an application. At other hosts than Azure's, the account is the first part of paths, unless `url=` has a
    path.
    """

    responseCls = AzureStorageResponse
    transient_statuses = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR})
    version: ClassVar[str] = "2023-11-03"
    scope: ClassVar[str] = "https://storage.azure.com/.default"

    def __init__(
        self, user_id: str, key: str, *args: Any, login: ClientLogin | None = None, **options: Any
    ) -> None:
        if not ACCOUNT.fullmatch(user_id):
            message = f"the account must be a name of letters and digits, got {shown(user_id)}"
            raise InvalidArgumentError(message)
        super().__init__(user_id, key, *args, **options)
        if not self.request_path and not self.host.startswith((f"{user_id}.", f"{user_id}-secondary.")):
            self.request_path = f"/{user_id}"
        self._sas = None if login else sas_fields(key)
        self.shared_key = None if login or self._sas else decoded_key(key.strip())
        self._application = login
        self._platform = None if login is None else self._connection_for(login, options)

    def _connection_for(self, login: ClientLogin, options: Mapping[str, Any]) -> LoginConnection:
        own = {name: value for name, value in options.items() if name not in PLACE}
        return LoginConnection(login.secret, url=login.authority, **own)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the API's version, and the token of an application."""
        headers["x-ms-version"] = self.version
        if self._application is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Add the SAS token."""
        return {**params, **(self._sas or {})}

    def sign(self, request: Request) -> Request:
        """Return the request with its signature by the account's key.

        A space of the query is sent as "%20", since "+" can be read in two ways.
        """
        address, mark, query = request.url.partition("?")
        if "+" in query:
            request = replace(request, url=f"{address}{mark}{query.replace('+', '%20')}")
        if self.shared_key is None:
            return request
        return signed(request, self.user_id, self.shared_key, self.now())

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def authenticate(self) -> Token:
        """Log the application in."""
        assert self._application is not None
        assert self._platform is not None
        return self._application.token(self._platform, self.scope)

    def secrets(self) -> tuple[str, ...]:
        """Return the key or the secret, the signature of a SAS token, and the token."""
        return (*super().secrets(), *((self._sas["sig"],) if self._sas else ()))

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        super().close()
        if self._platform is not None:
            self._platform.close()
