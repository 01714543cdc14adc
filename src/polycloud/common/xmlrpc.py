"""Connections to providers that speak XML-RPC."""

from __future__ import annotations

import re
import xmlrpc.client
from typing import Any

from polycloud.common.connection import Connection
from polycloud.common.xmlresponse import XMLRPCResponse
from polycloud.errors import InvalidArgumentError

__all__ = ["XMLRPCConnection", "XMLRPCResponse"]

NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class XMLRPCConnection(Connection):
    """Calls methods at `endpoint`; a fault becomes a `ProviderHTTPError` with the fault's string."""

    responseCls = XMLRPCResponse
    value_limit = 500_000
    endpoint: str = "/"

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the content type that XML-RPC requires."""
        headers["Content-Type"] = "text/xml"
        return headers

    def call(self, method_name: str, *args: Any) -> Any:
        """Call a method and return its value."""
        return self.call_at(self.endpoint, method_name, args).object

    def call_at(
        self, path: str, method_name: str, args: tuple[Any, ...], *, idempotent: bool | None = None
    ) -> Any:
        """Call a method at `path` and return the response; `idempotent` as of `request`.

        Raises `InvalidArgumentError` for values that XML-RPC cannot express.
        """
        try:
            data = xmlrpc.client.dumps(args, method_name, allow_none=True)
        except (TypeError, OverflowError, RecursionError) as error:
            raise InvalidArgumentError(
                f"{method_name} cannot be called with these values: {error}"
            ) from error
        if found := NOT_IN_XML.search(data):
            raise InvalidArgumentError(f"{method_name} cannot be called with the character {found[0]!r}")
        # Parsers of XML read a plain carriage return as a line feed
        body = data.replace("\r", "&#13;")
        return self.request(path, data=body, method="POST", idempotent=idempotent)
