"""Key pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.creation import marker_for
from polycloud.common.payload import Item, value_of
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.keys import require_public_key
from polycloud.compute.objects import KeyPair, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.types import KeyPairDoesNotExistError
from polycloud.errors import InvalidArgumentError, NotFoundError


class Key(msgspec.Struct):
    """A key pair; it has a private key only in the response to its create."""

    name: str
    public_key: str | None = None
    private_key: str | None = None
    fingerprint: str | None = None
    type: str | None = None


class ListedKey(msgspec.Struct):
    """A key pair as lists have it."""

    keypair: Key


class OpenStackKeys(OpenStackServices):
    """Methods of key pairs, which belong to the user and not to the project."""

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the user's SSH keys, whose names are unique."""
        path, by_name = "/os-keypairs", attrgetter("name")
        return self.connection.list_all(path, "keypairs", ListedKey, self._to_listed_pair, key=by_name)

    def get_key_pair(self, name: str) -> KeyPair:
        """Return the SSH key of that name. Raises `KeyPairDoesNotExistError` if there is none."""
        try:
            return self._to_key_pair(self.connection.fetch(_path(name), "keypair", Key).value)
        except NotFoundError as error:
            raise KeyPairDoesNotExistError(name, self) from error

    def create_key_pair(self, name: str) -> KeyPair:
        """Create a key pair; its `private_key` is returned only here."""
        newest = self.connection.offered_versions()
        if self.connection.cloud.microversion is None and (newest is None or newest[0] < (2, 92)):
            return self._to_key_pair(
                self.connection.create("/os-keypairs", "keypair", Key, {"name": name}).value
            )
        return super().create_key_pair(name)

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key. Raises `ConflictError` if the user has a key of that name."""
        body = {"name": name, "public_key": require_public_key(key_material)}
        return self._to_key_pair(self.connection.create("/os-keypairs", "keypair", Key, body).value)

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key; nodes that have it keep it. May raise `KeyPairDoesNotExistError`."""
        try:
            return self.connection.delete(_path(key_pair.name))
        except NotFoundError as error:
            raise KeyPairDoesNotExistError(key_pair.name, self) from error

    # Libcloud's older names

    def ex_list_keypairs(self) -> list[KeyPair]:
        """Same as `list_key_pairs`."""
        return self.list_key_pairs()

    def ex_create_keypair(self, name: str) -> KeyPair:
        """Same as `create_key_pair`."""
        return self.create_key_pair(name)

    def ex_import_keypair(self, name: str, keyfile: str) -> KeyPair:
        """Same as `import_key_pair_from_file`."""
        return self.import_key_pair_from_file(name, keyfile)

    def ex_import_keypair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Same as `import_key_pair_from_string`."""
        return self.import_key_pair_from_string(name, key_material)

    def ex_delete_keypair(self, keypair: KeyPair) -> bool:
        """Same as `delete_key_pair`."""
        return self.delete_key_pair(keypair)

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[str, bool]:
        """Return the name of the user's key with this public key, and whether it was registered just now."""
        public = require_public_key(self._require_auth(auth) or "")
        words = public.split()[:2]
        for pair in self.list_key_pairs():
            if (pair.public_key or "").split()[:2] == words:
                return pair.name, False
        return self.import_key_pair_from_string(f"polycloud-{marker_for()}", public).name, True

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Return arguments that name a key; delete it afterwards if it was registered for this only."""
        if auth is None:
            yield kwargs
            return
        if kwargs.get("ex_keyname"):
            raise InvalidArgumentError("a node has one key: pass auth= or ex_keyname=, not both")
        name, is_new = self._key_for(auth)
        forget = partial(self.connection.delete, _path(name))
        with self._lent(name, forget) if is_new else nullcontext():
            yield {**kwargs, "ex_keyname": name}

    def _to_listed_pair(self, item: Item[ListedKey]) -> KeyPair:
        return self._to_key_pair(value_of(item).keypair)

    def _to_key_pair(self, key: Key) -> KeyPair:
        return KeyPair(key.name, key.public_key, key.fingerprint, self, key.private_key, {"type": key.type})


def _path(name: str) -> str:
    return f"/os-keypairs/{quote_segment(name)}"
