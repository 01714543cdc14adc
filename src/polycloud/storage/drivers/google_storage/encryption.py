"""Keys of the customer, by which Google encrypts objects, and which every request for them brings.

Source: Google's document "Customer-supplied encryption keys".
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping

from polycloud.errors import InvalidArgumentError

OBJECT, SOURCE = "x-goog-encryption-", "x-goog-copy-source-encryption-"
LENGTH = 32


class CustomerKey:
    """The headers of requests: `use` for those that read or make an object, `source` for the one copied."""

    def __init__(self, given: object) -> None:
        key = None if given is None else _key_of(given)
        self.use = {} if key is None else _headers(OBJECT, key)
        self.source = {} if key is None else _headers(SOURCE, key)
        self.secrets = () if key is None else (b64encode(key).decode(), key.hex())
        self.identity = () if key is None else (hashlib.sha256(key).hexdigest(),)


def _key_of(given: object) -> bytes:
    """Return a key of 32 bytes. Raises `InvalidArgumentError`, which never shows what was given."""
    try:
        key = b64decode(given, validate=True) if isinstance(given, str) else given
    except ValueError:
        key = None
    if not isinstance(key, bytes) or len(key) != LENGTH:
        raise InvalidArgumentError(f"ex_customer_key must be {LENGTH} bytes, or these as base64 text")
    return key


def _headers(prefix: str, key: bytes) -> Mapping[str, str]:
    return {
        f"{prefix}algorithm": "AES256",
        f"{prefix}key": b64encode(key).decode(),
        f"{prefix}key-sha256": b64encode(hashlib.sha256(key).digest()).decode(),
    }
