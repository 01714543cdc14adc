"""Libcloud's `utils.publickey`: fingerprints of public keys in OpenSSH's format."""

from __future__ import annotations

from polycloud.compute import keys


def get_pubkey_openssh_fingerprint(pubkey: str) -> str:
    """Return the MD5 fingerprint of a public key, as OpenSSH writes it: "aa:bb:...".

    Raises:
        InvalidArgumentError: It is not a public key in OpenSSH's format.
    """
    return str(keys.fingerprint(keys.require_public_key(pubkey)))


def get_pubkey_comment(pubkey: str, default: str | None = None) -> str:
    """Return the comment of a public key, `default` if it has none.

    Raises:
        ValueError: It has no comment, and no default was given.
    """
    comment = next(iter(pubkey.split()[2:]), default)
    if comment is not None:
        return comment
    raise ValueError("the public key has no comment")
