"""SSH keys: fingerprints, and pairs made on this machine for providers that only take public keys."""

from __future__ import annotations

from polycloud.errors import InvalidArgumentError, PolycloudError

__all__ = ["fingerprint", "generate", "require_public_key"]

RSA_BITS = 3072
FIELDS = 2
KINDS = ("ssh-", "ecdsa-", "sk-")


def _text(public_key: object) -> str:
    text = public_key.strip() if isinstance(public_key, str) else ""
    text.encode()  # half a surrogate pair cannot be sent: a ValueError
    return text


def _blob(public_key: object) -> bytes:
    fields = _text(public_key).split(None, FIELDS)
    if len(fields) < FIELDS or not fields[0].startswith(KINDS):
        raise ValueError("it does not begin with a key type such as ssh-ed25519")
    from base64 import b64decode

    try:
        return b64decode(fields[1], validate=True)
    except ValueError:
        raise ValueError("its second field is not base64") from None


def fingerprint(public_key: str | None) -> str | None:
    """The MD5 fingerprint (aa:bb:...) of a public key in OpenSSH's format; None for anything else."""
    import hashlib

    try:
        digest = hashlib.md5(_blob(public_key or ""), usedforsecurity=False).digest()
    except ValueError:
        return None
    return digest.hex(":")


def require_public_key(public_key: str) -> str:
    """The key, stripped of white space around it.

    Raises `InvalidArgumentError` unless it is one public key in OpenSSH's format.
    """
    try:
        text = _text(public_key)
        if "PRIVATE KEY" in text:
            raise ValueError("it is a private key, which is never sent")
        if "\n" in text or "\r" in text or "\0" in text:
            raise ValueError("it has more than one line")
        _blob(text)
    except ValueError as problem:
        raise InvalidArgumentError(f"not a public key in OpenSSH's format: {problem}") from None
    return text


def generate() -> tuple[str, str]:
    """A new RSA key of 3072 bits: its private key (PEM, unencrypted) and its public key (OpenSSH).

    Raises `PolycloudError` where the extra `deploy` is not installed.
    """
    try:
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError:
        raise PolycloudError("making a key needs: pip install 'polycloud[deploy]'") from None
    key = rsa.generate_private_key(65537, RSA_BITS)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return private.decode(), public.decode()
