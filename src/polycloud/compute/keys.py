"""SSH keys: checking and fingerprints of public keys, loading of private keys, and new pairs.

Drivers import this module, so it imports what only SSH needs when that is used.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from polycloud.compute.types import SSHKeyError
from polycloud.errors import InvalidArgumentError, PolycloudError

if TYPE_CHECKING:
    import asyncssh

__all__ = ["fingerprint", "generate", "load_private_key", "require_public_key"]

RSA_BITS = 3072
FIELDS = 2
KEY_TYPES = ("ssh-", "ecdsa-", "sk-")
LONGEST_NAME = 255
AGENT_TIMEOUT = 5.0


def _text(public_key: object) -> str:
    text = public_key.strip() if isinstance(public_key, str) else ""
    text.encode()  # raises ValueError for half a surrogate pair, which cannot be sent
    return text


def _blob(public_key: object) -> bytes:
    fields = _text(public_key).split(None, FIELDS)
    if len(fields) < FIELDS or not fields[0].startswith(KEY_TYPES):
        raise ValueError("it must start with a key type such as ssh-ed25519")
    from base64 import b64decode

    try:
        return b64decode(fields[1], validate=True)
    except ValueError:
        raise ValueError("its second field must be base64") from None


def fingerprint(public_key: str | None) -> str | None:
    """Return the MD5 fingerprint (aa:bb:...) of a public key in OpenSSH's format; None for anything else."""
    import hashlib

    try:
        digest = hashlib.md5(_blob(public_key or ""), usedforsecurity=False).digest()
    except ValueError:
        return None
    return digest.hex(":")


def require_public_key(public_key: str) -> str:
    """Return the key without white space around it.

    Raises `InvalidArgumentError` unless it is one public key in OpenSSH's format.
    """
    try:
        text = _text(public_key)
        if "PRIVATE KEY" in text:
            raise ValueError("it is a private key, and private keys are never sent")
        if "\n" in text or "\r" in text or "\0" in text:
            raise ValueError("it has more than one line")
        _blob(text)
    except ValueError as problem:
        raise InvalidArgumentError(f"not a public key in OpenSSH's format: {problem}") from None
    return text


def generate() -> tuple[str, str]:
    """Generate an RSA key of 3072 bits; return its private key (PEM, unencrypted) and public key (OpenSSH).

    Raises `PolycloudError` if the extra `deploy` is not installed.
    """
    try:
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError:
        raise PolycloudError("generating keys needs: pip install 'polycloud[deploy]'") from None
    key = rsa.generate_private_key(65537, RSA_BITS)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def load_private_key(
    key: str | PathLike[str] | bytes | asyncssh.SSHKey, passphrase: str | None = None
) -> asyncssh.SSHKey:
    """Load a private key (RSA, Ed25519 or ECDSA; OpenSSH's format or PEM) from a file, or from its text.

    A key that is loaded is returned: to load one checks it, which takes a tenth of a second for RSA.

    Raises `SSHKeyError`, with different messages for a missing file, a missing passphrase, a wrong one, and
    an unknown format.
    """
    import os
    from pathlib import Path

    lib = import_asyncssh()
    if not isinstance(key, str | bytes | os.PathLike):
        is_loaded = isinstance(key, lib.SSHKey)
        if not is_loaded:
            raise SSHKeyError(f"a key must be a file name or the key's text, got {type(key).__name__}")
        return key
    source = os.fsdecode(key)
    in_memory = _is_key_text(source)
    # Text that is not a file name may be a key, which messages must not repeat
    shown = not in_memory and len(source) <= LONGEST_NAME
    name = f"the key {source}" if shown else "the key in memory"
    try:
        text = source.encode() if in_memory else Path(source).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise SSHKeyError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        loaded: asyncssh.SSHKey = lib.import_private_key(text, passphrase)
    except (lib.KeyEncryptionError, lib.KeyImportError, ValueError, TypeError) as error:
        # Whether asyncssh distinguishes a wrong passphrase depends on the format; for PEM it says "decrypt"
        if passphrase is None and "passphrase" in str(error).lower():
            raise SSHKeyError(f"{name} is encrypted; pass its passphrase (ssh_key_password=)") from error
        if isinstance(error, lib.KeyEncryptionError) or "decrypt" in str(error):
            raise SSHKeyError(f"{name} cannot be decrypted with this passphrase") from error
        raise SSHKeyError(f"{name} must be in OpenSSH's format or PEM: {error}") from error
    return loaded


def has_usual_keys() -> bool:
    """Return whether the agent or `~/.ssh` has a key that `ssh` would log in with."""
    from polycloud.concurrency import waiting

    return waiting.run(_find_usual_keys)


async def _find_usual_keys() -> bool:
    import asyncio
    from contextlib import suppress

    lib = import_asyncssh()
    # What asyncssh itself does where no keys are given; it has no public function for the keys of ~/.ssh
    options = lib.SSHClientConnectionOptions(config=None, username="nobody", known_hosts=None)
    if options.client_keys:
        return True
    with suppress(OSError, TimeoutError, lib.Error, ValueError):
        async with asyncio.timeout(AGENT_TIMEOUT), lib.connect_agent() as agent:
            return bool(await agent.get_keys())
    return False


def _is_key_text(source: str) -> bool:
    """Return whether this is a private key (or other text of several lines) instead of a file name."""
    return "PRIVATE KEY-----" in source or "\n" in source.strip()


def import_asyncssh() -> Any:
    """Import asyncssh. Raises `PolycloudError` if the extra `deploy` is not installed."""
    try:
        import asyncssh
    except ImportError:
        raise PolycloudError("SSH needs: pip install 'polycloud[deploy]'") from None
    return asyncssh
