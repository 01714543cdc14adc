"""Presigned URLs of S3: whoever has one may read or write the object until it expires."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, urlencode, urlsplit

from polycloud.common.aws.signing import ALGORITHM, UNSIGNED_PAYLOAD, signing_key
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.storage.drivers.s3.connection import S3BaseDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.uploads import require_object_name

LONGEST = 7 * 24 * 3600
METHODS = frozenset({"GET", "PUT", "HEAD", "DELETE"})


class S3Presigning(S3BaseDriver):
    """URLs that carry their signature."""

    def get_object_cdn_url(self, obj: Object, *, ex_expiry: float = 24) -> str:
        """Return a URL at which anybody reads the object; `ex_expiry` is in hours."""
        return self.ex_presigned_url(obj.container, obj.name, expires=int(ex_expiry * 3600))

    def ex_presigned_url(
        self, container: Container, object_name: str, *, method: str = "GET", expires: int = 3600
    ) -> str:
        """Return a URL for one method on one object, for `expires` seconds; no request is sent.

        The object need not exist: with "PUT", anybody who has the URL uploads it.

        Raises:
            UnsupportedOperationError: The driver has a customer's key, which a URL cannot bring.
            InvalidArgumentError: The method is not GET, PUT, HEAD or DELETE, or the time not 1 s to 7 days.
        """
        if method not in METHODS:
            raise InvalidArgumentError(f"method must be one of {', '.join(sorted(METHODS))}, got {method!r}")
        if not 1 <= expires <= LONGEST:
            raise InvalidArgumentError(f"expires must be 1 to {LONGEST} seconds, got {expires}")
        if self.connection.encryption.use:
            raise UnsupportedOperationError("a URL cannot bring the customer's key (ex_customer_key)", self)
        connection = self._elsewhere.get(container.name, self.connection)
        url = self._address(container.name, require_object_name(object_name))
        now = f"{connection.now():%Y%m%dT%H%M%SZ}"
        scope = f"{now[:8]}/{connection.region}/s3/aws4_request"
        credentials = connection.credentials
        fields = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{scope}",
            "X-Amz-Date": now,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            fields["X-Amz-Security-Token"] = credentials.token
        query = urlencode(sorted(fields.items()), quote_via=quote, safe="~")
        parts = urlsplit(url)
        canonical = "\n".join(
            (method, parts.path, query, f"host:{parts.netloc}", "", "host", UNSIGNED_PAYLOAD)
        )
        text = "\n".join((ALGORITHM, now, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        key = signing_key(credentials.secret_key, now[:8], connection.region, "s3")
        return f"{url}?{query}&X-Amz-Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"
