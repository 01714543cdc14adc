"""Key pairs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from polycloud.common.aws.xml import Item
from polycloud.compute.drivers.ec2.connection import EC2BaseDriver
from polycloud.compute.drivers.ec2.payload import Payload, encoded, extra_of
from polycloud.compute.keys import fingerprint, require_public_key
from polycloud.compute.objects import KeyPair, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.types import KeyPairDoesNotExistError
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedOperationError,
)


class Key(Payload):
    """A key pair; `key_material` is its private key, in the response to its create only."""

    key_name: str
    key_pair_id: str | None = None
    key_fingerprint: str | None = None
    key_material: str | None = None
    key_type: str | None = None
    public_key: str | None = None


class EC2Keys(EC2BaseDriver):
    """Methods of key pairs."""

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the region's key pairs."""
        return self._key_pairs()

    def get_key_pair(self, name: str) -> KeyPair:
        """Return a key pair by its name. Raises `KeyPairDoesNotExistError`."""
        with self._known_key_pair(name):
            found = self._key_pairs(KeyName=[name])
        return next((pair for pair in found if pair.name == name), None) or super().get_key_pair(name)

    def create_key_pair(self, name: str, *, ex_key_type: str | None = None) -> KeyPair:
        """Have the provider generate a key pair, "rsa" or "ed25519".

        Its `private_key` (PEM) is in this response only. Raises `ConflictError` if the name is taken.
        """
        created = self.connection.create("CreateKeyPair", None, Key, KeyName=name, KeyType=ex_key_type)
        return self._to_key_pair(created)

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key, RSA or Ed25519. Raises `ConflictError` if the name is taken."""
        public_key = require_public_key(key_material)
        material = encoded(public_key)
        created = self.connection.create("ImportKeyPair", None, Key, KeyName=name, PublicKeyMaterial=material)
        pair = self._to_key_pair(created)
        pair.public_key = public_key
        return pair

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete a key pair. Nodes that have it keep it."""
        with self._known_key_pair(key_pair.name):
            return self.connection.act("DeleteKeyPair", KeyName=key_pair.name)

    def _key_pairs(self, **fields: Any) -> list[KeyPair]:
        return self.connection.list_all(
            "DescribeKeyPairs", "keySet", Key, self._to_key_pair, IncludePublicKey=True, **fields
        )

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key = item.value
        extra = extra_of({name: part for name, part in item.fields.items() if name != "keyMaterial"})
        return KeyPair(key.key_name, key.public_key, key.key_fingerprint, self, key.key_material, extra)

    @contextmanager
    def _known_key_pair(self, name: str) -> Iterator[None]:
        """Raise `KeyPairDoesNotExistError` for a `NotFoundError`."""
        try:
            yield
        except NotFoundError:
            raise KeyPairDoesNotExistError(name, self) from None

    # Logins

    def _key_name(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> str:
        """Return the name of a key pair with this public key, the same one for the same key."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(f"{self.name} creates nodes with SSH keys, not passwords", self)
        public_key = require_public_key(auth.pubkey)
        name = f"polycloud-{(fingerprint(public_key) or '').replace(':', '')}"
        with suppress(ConflictError):
            self.import_key_pair_from_string(name, public_key)
        return name

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """A deployment has a key pair of its own, which is deleted after it; the node keeps the key."""
        if not isinstance(auth, NodeAuthSSHKey):
            with super()._authorized(auth, kwargs) as same:
                yield same
            return
        require_one_key(kwargs.get("ex_keyname"))
        pair = self.import_key_pair_from_string(f"polycloud-{secrets.token_hex(8)}", auth.pubkey)
        with self._lent(pair.name, partial(self.delete_key_pair, pair)):
            yield {**kwargs, "ex_keyname": pair.name}


def require_one_key(key_name: str | None) -> None:
    """Raise `InvalidArgumentError` for `ex_keyname` beside `auth`."""
    if key_name:
        raise InvalidArgumentError("an instance has one key: give auth= or ex_keyname=, not both")
