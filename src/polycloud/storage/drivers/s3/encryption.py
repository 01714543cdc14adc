"""Server-side encryption: by a key of the customer, which every request brings, or by keys of the provider.

Sources: Amazon's user guide of S3, "Using server-side encryption with customer-provided keys (SSE-C)" and
"Specifying server-side encryption with AWS KMS (SSE-KMS)".
"""

from __future__ import annotations

import base64
import hashlib

from polycloud.errors import InvalidArgumentError
from polycloud.storage.encryption import CUSTOMERS, customer_key
from polycloud.utils.headers import Headers
from polycloud.utils.values import shown

METHOD = "x-amz-server-side-encryption"
KEY_ID = "x-amz-server-side-encryption-aws-kms-key-id"
CUSTOMER = "x-amz-server-side-encryption-customer-"
SOURCE = "x-amz-copy-source-server-side-encryption-customer-"
METHODS = ("AES256", "aws:kms", "aws:kms:dsse")
PLAIN_METHODS = frozenset({None, "AES256"})
"""Those that leave the MD5 of the content in the ETag."""


class Encryption:
    """The headers of requests: `create` for those that make an object, `use` for all others.

    `copy` is for copies, beside `create`: it reads the source. `secrets` are the texts of the customer's key.
    """

    def __init__(
        self, key_given: object = None, method: str | None = None, key_id: str | None = None
    ) -> None:
        if key_given is not None and (method or key_id):
            raise InvalidArgumentError("give ex_customer_key or ex_encryption, not both")
        if method not in (None, *METHODS):
            raise InvalidArgumentError(
                f"ex_encryption must be one of {', '.join(METHODS)}, got {shown(method)}"
            )
        if key_id is not None and not (isinstance(key_id, str) and method in METHODS[1:]):
            raise InvalidArgumentError(
                'ex_encryption_key_id must be a key\'s id, with ex_encryption="aws:kms"'
            )
        key = None if key_given is None else customer_key(key_given)
        self.use = {} if key is None else _headers(CUSTOMER, key)
        self.copy = {} if key is None else _headers(SOURCE, key)
        provider = {METHOD: method, KEY_ID: key_id}
        self.create = self.use or {name: text for name, text in provider.items() if text is not None}
        self.secrets = () if key is None else (base64.b64encode(key).decode(), key.hex())
        self.identity = () if key is None else (hashlib.sha256(key).hexdigest()[:16],)
        self.hides_md5 = key is not None or method not in PLAIN_METHODS


def encryption_of(headers: Headers) -> dict[str, str]:
    """Return what `extra` says of the encryption of an object, by the headers of a response."""
    found = CUSTOMERS if f"{CUSTOMER}algorithm" in headers else headers.get(METHOD)
    return {} if found is None else {"encryption": found}


def _headers(prefix: str, key: bytes) -> dict[str, str]:
    digest = hashlib.md5(key, usedforsecurity=False).digest()
    return {
        f"{prefix}algorithm": "AES256",
        f"{prefix}key": base64.b64encode(key).decode(),
        f"{prefix}key-MD5": base64.b64encode(digest).decode(),
    }
