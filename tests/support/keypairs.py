"""Key pairs of tests. Ed25519 takes microseconds, where `keys.generate` (RSA) takes 0.4 s of a processor."""

from __future__ import annotations

import asyncssh


def key_pair() -> tuple[str, str]:
    """Generate a key; return its private and its public half in OpenSSH's format, as `keys.generate` does."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_private_key().decode(), key.export_public_key().decode().strip()
