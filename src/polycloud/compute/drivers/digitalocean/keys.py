"""Key pairs: the account's SSH keys, and those that a create or a deployment registers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import msgspec

from polycloud.common.arguments import as_list
from polycloud.common.building import quote_segment
from polycloud.common.creation import marker_for
from polycloud.common.digitalocean import DigitalOceanBaseDriver, number
from polycloud.common.payload import Item
from polycloud.compute.base import NodeDriver
from polycloud.compute.keys import fingerprint, require_public_key
from polycloud.compute.objects import KeyPair, NodeAuthPassword, NodeAuthSSHKey
from polycloud.errors import ConflictError, NotFoundError, UnsupportedOperationError


class Key(msgspec.Struct):
    """An SSH key; its fingerprint is MD5 in hexadecimal pairs."""

    id: int
    name: str | None = None
    fingerprint: str | None = None
    public_key: str | None = None


class DigitalOceanKeys(DigitalOceanBaseDriver, NodeDriver):
    """Methods of key pairs and logins."""

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the account's SSH keys; `extra["id"]` is unique, names need not be."""
        return self.connection.list_all(
            "/account/keys", "ssh_keys", Key, self._to_key_pair, key=lambda pair: pair.extra["id"]
        )

    def create_key_pair(self, name: str, public_key: str = "") -> KeyPair:
        """Register `public_key`, or a new key generated on this machine without it."""
        if public_key:
            return self.import_key_pair_from_string(name, public_key)
        return super().create_key_pair(name)

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key. Raises `ConflictError` if the account has it already."""
        return self._to_key_pair(self._register(name, require_public_key(key_material)))

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key. Nodes that have it keep it."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.connection.delete(f"/account/keys/{number(pair.extra['id'])}")

    def _register(self, name: str, public_key: str) -> Item[Key]:
        body = {"name": name, "public_key": public_key}
        return self.connection.create("/account/keys", "ssh_key", Key, body)

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[int, bool]:
        """Return the id of the account's key with this public key, and whether it was registered just now."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(
                f"{self.name} creates droplets with SSH keys, not passwords", self
            )
        public_key = require_public_key(auth.pubkey)
        path = f"/account/keys/{quote_segment(fingerprint(public_key))}"
        with suppress(NotFoundError):
            return self.connection.fetch(path, "ssh_key", Key).value.id, False
        try:
            return self._register(f"polycloud-{marker_for()}", public_key).value.id, True
        except ConflictError:  # another program registered it in between
            return self.connection.fetch(path, "ssh_key", Key).value.id, False

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Return arguments that authorize a key; delete it afterwards if it was registered for this only."""
        if auth is None:
            yield kwargs
            return
        key_id, is_new = self._key_for(auth)
        forget = partial(self.connection.delete, f"/account/keys/{key_id}")
        with self._lent(str(key_id), forget) if is_new else nullcontext():
            yield _with_key(kwargs, key_id)

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key = item.value
        return KeyPair(key.name or "", key.public_key, key.fingerprint, self, extra={"id": key.id})


def _with_key(kwargs: dict[str, Any], key_id: int) -> dict[str, Any]:
    """Return the arguments of a `create_node` with one more key, in the argument that has the others."""
    attributes = kwargs.get("ex_create_attr")
    if isinstance(attributes, Mapping) and "ssh_keys" in attributes:
        all_keys = [*as_list(attributes["ssh_keys"]), key_id]
        return {**kwargs, "ex_create_attr": {**attributes, "ssh_keys": all_keys}}
    return {**kwargs, "ex_ssh_key_ids": [*as_list(kwargs.get("ex_ssh_key_ids")), key_id]}
