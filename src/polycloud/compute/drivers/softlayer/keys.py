"""Key pairs: the SSH keys of the account, and those that a deployment registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from polycloud.common.creation import marker_for
from polycloud.common.softlayer import Record, SoftLayerBaseDriver, Structure, number
from polycloud.compute.base import NodeDriver
from polycloud.compute.keys import fingerprint, require_public_key
from polycloud.compute.objects import KeyPair, NodeAuthPassword, NodeAuthSSHKey
from polycloud.errors import InvalidArgumentError

KEY = "SoftLayer_Security_Ssh_Key"
KEY_MASK = "id,label,key,fingerprint,notes,createDate"


class SshKey(Structure):
    """An SSH key of the account."""

    id: int
    label: str | None = None
    key: str | None = None
    fingerprint: str | None = None
    notes: str | None = None


class SoftLayerKeys(SoftLayerBaseDriver, NodeDriver):
    """Methods of key pairs."""

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the SSH keys of the account; `extra["id"]` is unique, names need not be."""
        return self.connection.list_all(
            "sshKeys", SshKey, self._to_key_pair, KEY_MASK, key=lambda pair: pair.extra["id"]
        )

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key."""
        if not isinstance(name, str) or not name.strip():
            raise InvalidArgumentError(f"name must be a text that is not empty, got {name!r}")
        key = {"label": name, "key": require_public_key(key_material)}
        return self._to_key_pair(
            self.connection.invoke(KEY, "createObject", key, mask=KEY_MASK).record(SshKey)
        )

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key. Nodes that have it keep it."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.connection.act(KEY, "deleteObject", id=number(pair.extra["id"]), idempotent=True)

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[str, bool]:
        """Return the id of the account's key with this public key, and whether it is new."""
        public = require_public_key(self._require_auth(auth) or "")
        wanted = fingerprint(public)
        for pair in self.list_key_pairs():
            if fingerprint(pair.public_key) == wanted:
                return pair.extra["id"], False
        made = self.import_key_pair_from_string(f"polycloud-{marker_for()}", public)
        return made.extra["id"], True

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Return arguments that authorize a key; delete it afterwards if it was registered for this only."""
        if auth is None:
            yield kwargs
            return
        key, is_new = self._key_for(auth)
        pair = KeyPair("", None, None, self, extra={"id": key})
        with self._lent(key, partial(self.delete_key_pair, pair)) if is_new else nullcontext():
            yield {**kwargs, "auth": auth}

    def _to_key_pair(self, record: Record) -> KeyPair:
        key: SshKey = record.value
        extra = {"id": str(key.id), "notes": key.notes, "created": record.fields.get("createDate")}
        own = fingerprint(key.key) or key.fingerprint
        return KeyPair(key.label or "", key.key, own, self, extra=extra)
