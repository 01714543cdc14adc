"""Public SSH keys."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec

from polycloud.sandbox.rest.bodies import split_key
from polycloud.sandbox.rest.errors import InputError


def fingerprint(public_key: str) -> str:
    """Return the MD5 of a public key, in pairs of digits; empty if it is no key."""
    _, blob = split_key(public_key)
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest() if blob else ""
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def new_key_pair() -> tuple[str, str]:
    """Return a new public key, and its private key as PEM. Raises InputError if none can be made here."""
    if find_spec("asyncssh") is None:
        raise InputError("This sandbox makes no keys: pip install 'polycloud[deploy]'")
    import asyncssh

    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    public = key.export_public_key("openssh").decode().strip()
    return f"{public} Generated-by-Nova", key.export_private_key("pkcs1-pem").decode()
