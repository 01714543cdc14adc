"""Keys: SSH keys and passwords, for servers and consoles, and those that a create or deployment registers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.creation import marker_for
from polycloud.compute.base import NodeDriver
from polycloud.compute.keys import fingerprint, require_public_key
from polycloud.compute.objects import KeyPair, NodeAuthPassword, NodeAuthSSHKey
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

SERVER_KEY, CONSOLE_KEY = 1, 4
"""The `key_group` of keys for servers and for consoles."""


REGISTERED, LENT = "polycloud-", "polycloud-for-deployment-"
"""How the names of keys begin that are registered for nodes, and for one deployment only."""


class Key(msgspec.Struct):
    """An SSH key or a password; the list of both kinds has neither `public_key` nor `password`."""

    id: int | str
    name: str | None = None
    key_group: int | None = None
    public_key: str | None = None
    password: str | None = None


class CreatedKey(msgspec.Struct):
    """A new key."""

    id: int | str


class NodeKey(msgspec.Struct, frozen=True):
    """A key of the account: `key_group` is 1 for servers, 4 for consoles."""

    id: str
    name: str | None
    public_key: str | None
    key_group: int | None
    password: str | None = None

    def __repr__(self) -> str:
        return f"NodeKey(id={self.id!r}, name={self.name!r}, key_group={self.key_group!r})"


class NephoscaleKeys(NodeDriver):
    """Methods of keys."""

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the SSH keys; `extra["id"]` is unique, names need not be."""
        return [
            self._to_key_pair(key.id, key.name or "", key.public_key, key.key_group)
            for key in self.ex_list_keypairs(ssh=True)
        ]

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key for servers. Raises `InvalidArgumentError` unless it is one."""
        key_id = self.ex_create_keypair(name, public_key=key_material)
        return self._to_key_pair(key_id, name, key_material.strip(), SERVER_KEY)

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.ex_delete_keypair(pair.extra["id"], ssh=True)

    def ex_list_keypairs(
        self, ssh: bool = False, password: bool = False, key_group: int | None = None
    ) -> list[NodeKey]:
        """Return the account's keys: all, only SSH keys, or only passwords; or those of one group.

        Public keys and passwords are only in the lists of one kind. `key_group` is 1 for keys of servers, 4
        for keys of consoles. Raises `InvalidArgumentError` for both kinds at once.
        """
        if ssh and password:
            raise InvalidArgumentError("pass ssh=True or password=True, not both; neither lists all keys")
        kind = "sshrsa/" if ssh else "password/" if password else ""
        listed = self.connection.request(f"/key/{kind}").data(list[Key])
        return [
            NodeKey(str(key.id), key.name, key.public_key, key.key_group, key.password)
            for key in listed
            if key_group is None or key.key_group == int(key_group)
        ]

    def ex_create_keypair(
        self,
        name: str,
        public_key: str | None = None,
        password: str | None = None,
        key_group: int | None = None,
    ) -> str:
        """Register an SSH key or a password and return its id.

        `key_group` is 1 for servers, the default for SSH keys, or 4 for consoles, the default for passwords.
        Raises `InvalidArgumentError` unless exactly one of `public_key` and `password` is given.
        """
        if (public_key is None) == (password is None):
            raise InvalidArgumentError(f"the key {name!r} needs either a public_key or a password")
        if public_key is not None:
            kind, secret = "sshrsa", {"public_key": require_public_key(public_key)}
        else:
            kind, secret = "password", {"password": password or ""}
        group = key_group or (SERVER_KEY if kind == "sshrsa" else CONSOLE_KEY)
        form = {"name": name, **secret, "key_group": group}
        created = self.connection.request(f"/key/{kind}/", data=form, method="POST").data(CreatedKey)
        return str(created.id)

    def ex_delete_keypair(self, key_id: str | int, ssh: bool = False) -> bool:
        """Delete a password, or with `ssh` an SSH key, by its id."""
        kind = "sshrsa" if ssh else "password"
        self.connection.request(f"/key/{kind}/{quote_segment(key_id)}/", method="DELETE")
        return True

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword, prefix: str = REGISTERED) -> tuple[str, bool]:
        """Return the id of the account's key with this public key, and whether it was registered just now."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(f"{self.name} creates servers with SSH keys, not passwords", self)
        wanted = fingerprint(require_public_key(auth.pubkey))
        known = self.ex_list_keypairs(ssh=True, key_group=SERVER_KEY)
        # A key that another deployment has registered goes when that one ends
        kept = (key for key in known if not (key.name or "").startswith(LENT))
        found = next((key.id for key in kept if fingerprint(key.public_key) == wanted), None)
        if found is not None:
            return found, False
        return self.ex_create_keypair(f"{prefix}{marker_for()}", auth.pubkey), True

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Return arguments that authorize a key; delete it afterwards if it was registered for this only."""
        if auth is None or kwargs.get("server_key"):
            yield kwargs
            return
        key, is_new = self._key_for(auth, LENT)
        forget = partial(self.ex_delete_keypair, key, ssh=True)
        with self._lent(key, forget) if is_new else nullcontext():
            yield {**kwargs, "server_key": key}

    def _to_key_pair(self, id_: str, name: str, public_key: str | None, key_group: int | None) -> KeyPair:
        extra = {"id": id_, "key_group": key_group}
        return KeyPair(name, public_key, fingerprint(public_key), self, extra=extra)
