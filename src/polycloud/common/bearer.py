"""Connection and driver of providers that need one token, and whose lists have pages of a chosen size."""

from __future__ import annotations

from typing import Any, ClassVar

from polycloud.common.arguments import require_count
from polycloud.common.connection import ConnectionKey
from polycloud.common.driver import BaseDriver
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.utils.values import shown

__all__ = ["BearerConnection", "BearerDriver"]


class BearerConnection(ConnectionKey):
    """A connection with a bearer token. `per_page` is the page size of lists, by default the largest."""

    most_a_page: ClassVar[int] = 100

    def __init__(self, *args: Any, per_page: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        limit = self.most_a_page
        self.per_page = limit if per_page is None else require_count("ex_per_page", per_page, limit)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the token."""
        headers["Authorization"] = f"Bearer {self.key}"
        return headers

    def delete(self, path: str) -> bool:
        """Delete the resource at `path` and return True."""
        self.request(path, method="DELETE")
        return True


class BearerDriver(BaseDriver):
    """A driver that takes one token and uses one version of the provider's API.

    `api_versions` are the names of that version; the first is the current name. `ex_per_page` is the
    connection's `per_page`.
    """

    connectionCls = BearerConnection
    api_versions: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        *,
        ex_per_page: int | None = None,
        **options: Any,
    ) -> None:
        known = self.api_versions
        if api_version not in (None, *known):
            given = api_version if isinstance(api_version, str) else shown(api_version)
            raise UnsupportedOperationError(f"{self.name} has no API {given}, only {known[0]}", self)
        if secret:
            raise InvalidArgumentError(f"{self.name} takes a token and no secret; leave secret= out")
        self._per_page = ex_per_page
        super().__init__(key, None, secure, host, port, known[0], region, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {"per_page": self._per_page}
