"""Connections to the metadata service of the machine on which the program runs, which several clouds have."""

from __future__ import annotations

from polycloud.common.connection import Connection
from polycloud.common.response import JsonResponse
from polycloud.http.messages import TransportOptions
from polycloud.http.retry import RetryPolicy

__all__ = ["MetadataConnection", "MetadataResponse"]

TIMEOUT = (1.0, 2.0)


class _Direct(TransportOptions, frozen=True):
    """Never uses a proxy: the credentials are for this machine alone."""

    def proxy_for(self, url: str) -> str | None:
        return None


class MetadataResponse(JsonResponse):
    """A response of a metadata service; errors do not quote it."""

    def _beginning(self) -> str:
        return ""  # it may hold a secret


class MetadataConnection(Connection):
    """A connection to the metadata service at `url`, which responds at once or does not exist."""

    responseCls = MetadataResponse
    body_limit = 2**20

    def __init__(self, url: str) -> None:
        retry = RetryPolicy(attempts=2, base=0.1)
        super().__init__(url=url, timeout=TIMEOUT, retry=retry, allow_insecure=True)
        self.transport_options = _Direct(body_limit=self.body_limit)
