"""Rules of key pairs."""

from __future__ import annotations

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import KeyPair
from polycloud.compute.types import KeyPairDoesNotExistError
from polycloud.errors import PolycloudError
from polycloud.testing.conformance.assertions import error_of, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import ComputeSuite, ImportKey, public_key

INVALID_PUBLIC_KEYS = (
    "",
    "no key at all",
    "ssh-ed25519 !!!",
    "ssh-ed25519 AAAA\nssh-ed25519 AAAA",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
)


class KeyRules(ComputeSuite):
    """The rules of key pairs."""

    @rule("import_key_pair_from_string", "list_key_pairs")
    def test_c29_import_key_pair(self, driver: NodeDriver, import_key: ImportKey) -> None:
        """An imported key is listed and found by name, and its public key is the given one."""
        given = public_key()
        made = import_key(given)
        listed = next((pair for pair in driver.list_key_pairs() if pair.name == made.name), None)
        assert listed is not None, f"{made.name} is not listed"
        for pair in (made, listed, driver.get_key_pair(made.name)):
            assert isinstance(pair, KeyPair), f"{pair!r} is not a KeyPair"
            message = f"{given!r} came back as {pair.public_key!r}"
            assert (pair.public_key or "").split()[:2] == given.split()[:2], message

    @rule("list_key_pairs")
    def test_c30_unknown_key_pair(self, driver: NodeDriver) -> None:
        """`get_key_pair` raises `KeyPairDoesNotExistError`, which names a key that does not exist."""
        error = error_of(KeyPairDoesNotExistError, "get_key_pair", driver.get_key_pair, "no-such-key")
        assert "no-such-key" in str(error), f"{error!r} does not name the key"

    @rule("delete_key_pair")
    def test_c31_delete_key_pair(self, driver: NodeDriver, import_key: ImportKey) -> None:
        """`delete_key_pair` returns True, and the key leaves the list."""
        pair = import_key(public_key())
        require_true("delete_key_pair", driver.delete_key_pair(pair))
        left = [one.name for one in driver.list_key_pairs()]
        assert pair.name not in left, f"{pair.name} is still listed"

    @rule("import_key_pair_from_string")
    def test_c32_invalid_public_key(self, import_key: ImportKey) -> None:
        """The import of an invalid public key is refused."""
        for text in INVALID_PUBLIC_KEYS:
            error_of(PolycloudError, f"the import of {text!r}", import_key, text)
