"""Connections to providers that speak XML-RPC."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

from polycloud.common.base import Connection
from polycloud.common.response import XMLRPCResponse
from polycloud.errors import InvalidArgumentError

__all__ = ["XMLRPCConnection", "XMLRPCResponse"]


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
        try:
            data = xmlrpc.client.dumps(args, method_name, allow_none=True)
        except (TypeError, OverflowError, RecursionError) as error:
            raise InvalidArgumentError(
                f"{method_name} cannot be called with these values: {error}"
            ) from error
        return self.request(self.endpoint, data=data, method="POST").object
