"""Temporary URLs of Swift: whoever has one may read or write the object until it expires.

They are signed with a key that the owner sets for the account or for a container.

Source: the documentation of Swift's middleware `tempurl`.
"""

from __future__ import annotations

import hmac
import time
from urllib.parse import unquote

from polycloud.errors import InvalidArgumentError
from polycloud.storage.drivers.swift.containers import SwiftContainers
from polycloud.storage.objects import Container, Object
from polycloud.storage.uploads import require_object_name

METHODS = frozenset({"GET", "PUT", "HEAD", "DELETE"})
KEY = "meta-temp-url-key"


class SwiftPresigning(SwiftContainers):
    """URLs that carry their signature."""

    def ex_presigned_url(
        self, container: Container, object_name: str, *, method: str = "GET", expires: int = 3600
    ) -> str:
        """Return a URL for one method on one object, for `expires` seconds.

        The object need not exist: with "PUT", anybody who has the URL uploads it. No request is sent if the
        driver has the key (`ex_temp_url_key=`) and has logged in; else the key is read, that of the
        container before that of the account.

        Raises:
            InvalidArgumentError: The method is not GET, PUT, HEAD or DELETE, the time less than a second, or
                neither the container nor the account has a key.
        """
        if method not in METHODS:
            raise InvalidArgumentError(f"method must be one of {', '.join(sorted(METHODS))}, got {method!r}")
        if expires < 1:
            raise InvalidArgumentError(f"expires must be at least 1 second, got {expires}")
        if not require_object_name(object_name).strip("/"):
            raise InvalidArgumentError("Swift has no temporary URLs for names that are nothing but slashes")
        url = self._address(container.name, object_name)
        until = int(time.time() + expires)
        path = f"{unquote(self.connection.place().path)}/{container.name}/{object_name}"
        text = f"{method}\n{until}\n{path}".encode()
        key = self.connection.temp_url_key or self._key_of(container.name)
        signature = hmac.new(key.encode(), text, self.temp_url_digest).hexdigest()
        return f"{url}?temp_url_sig={signature}&temp_url_expires={until}"

    def ex_get_object_temp_url(self, obj: Object, method: str = "GET", timeout: int = 60) -> str:
        """Return `ex_presigned_url` for an object, under the name that it has in Libcloud."""
        return self.ex_presigned_url(obj.container, obj.name, method=method, expires=timeout)

    def _key_of(self, container_name: str) -> str:
        key = self._look_up(container_name).headers.get(f"x-container-{KEY}")
        if not key:
            key = self.ex_get_meta_data()["temp_url_key"]
        if not key:
            raise InvalidArgumentError(
                "temporary URLs need a key: set one by ex_set_account_metadata_temp_url_key(), or pass "
                "ex_temp_url_key= to the driver"
            )
        return str(key)
