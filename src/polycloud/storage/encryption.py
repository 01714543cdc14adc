"""Keys of the customer, by which a provider encrypts objects: requests bring them, and nobody keeps them."""

from __future__ import annotations

import base64
import binascii

from polycloud.errors import InsecureConnectionError, InvalidArgumentError
from polycloud.http.messages import is_loopback

__all__ = ["CUSTOMERS", "customer_key", "require_private"]

CUSTOMERS = "customer"
"""What `extra["encryption"]` says of a customer's key."""
LENGTH = 32


def customer_key(given: object) -> bytes:
    """Return a key of 32 bytes. Raises `InvalidArgumentError`, which never shows what was given."""
    key = given if isinstance(given, bytes) else b""
    if isinstance(given, str):
        try:
            key = base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if len(key) != LENGTH:
        raise InvalidArgumentError(f"ex_customer_key must be {LENGTH} bytes, or these as base64 text")
    return key


def require_private(secure: bool, host: str) -> None:
    """Raise `InsecureConnectionError` if a key would be sent to another machine by plain HTTP."""
    if not secure and not is_loopback(host):
        raise InsecureConnectionError(
            f"plain HTTP would show ex_customer_key to the network; use https:// for {host}"
        )
