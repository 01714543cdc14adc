from __future__ import annotations

import re
from pathlib import Path

import asyncssh
from hypothesis import given
from hypothesis import strategies as st

from polycloud.compute.deployment import ScriptDeployment, SSHKeyDeployment
from polycloud.compute.keys import fingerprint, require_public_key
from polycloud.compute.ssh import load_private_key
from polycloud.compute.types import SSHKeyError
from polycloud.errors import InvalidArgumentError
from support.fuzz import outcome, scrambled

KEYS = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")]
PUBLIC = [key.export_public_key() for key in KEYS]
PRIVATE = [key.export_private_key(form) for key in KEYS for form in ("openssh", "pkcs8-pem")]
ENCRYPTED = KEYS[0].export_private_key("pkcs8-pem", passphrase="secret")
FINGERPRINT = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){15}")


def public_keys() -> st.SearchStrategy[str | bytes]:
    data = scrambled(*PUBLIC, *PRIVATE) | st.binary(max_size=40)
    return data | data.map(lambda key: key.decode("utf-8", "surrogateescape")) | st.text(max_size=40)


@given(public_keys())
def test_public_key(key: str | bytes) -> None:
    """A text is a public key with a fingerprint, or an `InvalidArgumentError`; so are bytes."""
    accepted = outcome(lambda: require_public_key(key))  # type: ignore[arg-type] # bytes are outside of the type
    assert isinstance(accepted, InvalidArgumentError | str)
    if isinstance(accepted, str):
        assert FINGERPRINT.fullmatch(fingerprint(accepted) or "")
        assert accepted.encode().split(b"\n") == [accepted.encode()]


@given(public_keys() | st.none() | st.integers())
def test_fingerprint(key: str | bytes | None) -> None:
    """A fingerprint is sixteen pairs of digits, or None."""
    printed = fingerprint(key)  # type: ignore[arg-type] # other types are outside of the type
    assert printed is None or FINGERPRINT.fullmatch(printed)


@given(scrambled(*PRIVATE, ENCRYPTED, *PUBLIC), st.sampled_from([None, "secret", "wrong", "\ud800"]))
def test_private_key(key: bytes, passphrase: str | None) -> None:
    """An invalid private key, or one that does not open, is an `SSHKeyError`."""
    loaded = outcome(lambda: load_private_key(key, passphrase))
    assert isinstance(loaded, SSHKeyError | asyncssh.SSHKey)


@given(st.text(max_size=20).filter(lambda name: not Path(name or ".").is_file()) | st.binary(max_size=20))
def test_no_key_file(name: str | bytes) -> None:
    """What names no file that holds a private key is an `SSHKeyError`."""
    assert isinstance(outcome(lambda: load_private_key(name)), SSHKeyError)


@given(public_keys())
def test_steps(text: str | bytes) -> None:
    """A step takes a key or a script, or is an `InvalidArgumentError`."""
    key = outcome(lambda: SSHKeyDeployment(text))  # type: ignore[arg-type] # bytes are outside of the type
    assert isinstance(key, SSHKeyDeployment | InvalidArgumentError)
    assert isinstance(outcome(lambda: ScriptDeployment(text)), ScriptDeployment | InvalidArgumentError)
