"""URLs with a signature, a service SAS: whoever has one may read or write the object until it expires.

Source: Microsoft's "Create a service SAS", version 2020-12-06 and later.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlencode

from polycloud.common.azure import signature
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.storage.drivers.azure_blobs.connection import AzureBaseDriver
from polycloud.storage.objects import Container, Object

LONGEST = 10 * 365 * 24 * 3600
RIGHTS = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}
"""Methods and the rights that they need: read, create and write, delete."""


class AzurePresigning(AzureBaseDriver):
    """URLs that carry their signature."""

    def get_object_cdn_url(self, obj: Object, *, ex_expiry: float = 24) -> str:
        """Return a URL at which anybody reads the object; `ex_expiry` is in hours.

        Without the account's key it is the address of the object, which must be public then.
        """
        if self.connection.shared_key is None:
            return self._address(obj.container.name, obj.name)
        return self.ex_presigned_url(obj.container, obj.name, expires=int(ex_expiry * 3600))

    def ex_presigned_url(
        self, container: Container, object_name: str, *, method: str = "GET", expires: int = 3600
    ) -> str:
        """Return a URL for one method on one object, for `expires` seconds; no request is sent.

        The object need not exist: with "PUT", anybody who has the URL uploads it, in a request that has the
        header `x-ms-blob-type: BlockBlob`.

        Raises:
            InvalidArgumentError: The method is not GET, PUT, HEAD or DELETE, or the time not 1 s to 10 years.
            UnsupportedOperationError: The driver has no key of the account to sign with.
        """
        if method not in RIGHTS:
            raise InvalidArgumentError(f"method must be one of {', '.join(sorted(RIGHTS))}, got {method!r}")
        if not 1 <= expires <= LONGEST:
            raise InvalidArgumentError(f"expires must be 1 to {LONGEST} seconds, got {expires}")
        url = self._address(container.name, object_name)
        fields = {
            "sp": RIGHTS[method],
            "se": f"{self.connection.now() + timedelta(seconds=expires):%Y-%m-%dT%H:%M:%SZ}",
            "spr": "https" if self.connection.secure else "https,http",
            "sv": self.connection.version,
            "sr": "b",
        }
        resource = f"/blob/{self.connection.user_id}/{container.name}/{object_name}"
        return f"{url}?{urlencode({**fields, 'sig': self._signature(resource, fields)}, quote_via=quote)}"

    def _signature(self, resource: str, fields: dict[str, str]) -> str:
        key = self.connection.shared_key
        if key is None:
            message = "a URL can be signed with the key of the account only, not with a SAS token or a login"
            raise UnsupportedOperationError(message, driver=self)
        start = identifier = address = snapshot = encryption = ""
        lines = [fields["sp"], start, fields["se"], resource, identifier, address, fields["spr"]]
        lines += [fields["sv"], fields["sr"], snapshot, encryption]
        headers = [""] * 5  # what the response would have for other headers than the object's
        return signature(key, "\n".join([*lines, *headers]))
