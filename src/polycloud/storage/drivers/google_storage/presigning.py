"""Signed URLs of Google, version 4: whoever has one may read or write the object until it expires.

Source: Google's documents "Signatures" and "Canonical requests".
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from polycloud.common.google import ServiceAccount
from polycloud.errors import InvalidArgumentError, InvalidCredsError
from polycloud.storage.drivers.google_storage.connection import GoogleStorageBase
from polycloud.storage.objects import Container

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST = 7 * 24 * 3600
METHODS = frozenset({"GET", "PUT", "HEAD", "DELETE"})


class GooglePresigning(GoogleStorageBase):
    """URLs that carry their signature."""

    def ex_presigned_url(
        self, container: Container, object_name: str, *, method: str = "GET", expires: int = 3600
    ) -> str:
        """Return a URL for one method on one object, for `expires` seconds; no request is sent.

        The object need not exist: with "PUT", anybody who has the URL uploads it.

        Raises:
            InvalidArgumentError: The method is not GET, PUT, HEAD or DELETE, or the time not 1 s to 7 days.
            InvalidCredsError: The driver has no key of a service account, which signs.
        """
        if method not in METHODS:
            raise InvalidArgumentError(f"method must be one of {', '.join(sorted(METHODS))}, got {method!r}")
        if not 1 <= expires <= LONGEST:
            raise InvalidArgumentError(f"expires must be 1 to {LONGEST} seconds, got {expires}")
        account = self.connection.google_account
        if not isinstance(account, ServiceAccount):
            raise InvalidCredsError("signed URLs need the key of a service account", self)
        url = self._public_url(container.name, object_name)
        now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        scope = f"{now[:8]}/auto/storage/goog4_request"
        fields = {
            "X-Goog-Algorithm": ALGORITHM,
            "X-Goog-Credential": f"{account.email}/{scope}",
            "X-Goog-Date": now,
            "X-Goog-Expires": str(expires),
            "X-Goog-SignedHeaders": "host",
        }
        query = urlencode(fields, quote_via=quote, safe="~")  # the names are in order
        parts = urlsplit(url)
        canonical = "\n".join(
            (method, parts.path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD")
        )
        text = "\n".join((ALGORITHM, now, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        return f"{url}?{query}&X-Goog-Signature={account.sign(text.encode()).hex()}"
