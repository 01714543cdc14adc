"""Key pairs: the SSH keys of the token's user, and the fields of a create that let someone log in."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec

from polycloud.common.arguments import as_list
from polycloud.common.linode import LinodeBaseDriver, number
from polycloud.common.payload import Item
from polycloud.compute.base import NodeDriver
from polycloud.compute.keys import fingerprint, require_public_key
from polycloud.compute.objects import KeyPair, NodeAuthPassword, NodeAuthSSHKey
from polycloud.errors import InvalidArgumentError


class Key(msgspec.Struct):
    """An SSH key of the token's user."""

    id: int
    label: str | None = None
    ssh_key: str | None = None
    created: str | None = None


class LinodeKeys(LinodeBaseDriver, NodeDriver):
    """Methods of key pairs and logins."""

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the SSH keys of the token's user; `extra["id"]` is unique, names need not be."""
        return self.connection.list_all(
            "/profile/sshkeys", Key, self._to_key_pair, key=lambda pair: pair.extra["id"]
        )

    def create_key_pair(self, name: str, public_key: str = "") -> KeyPair:
        """Register `public_key`, or a new key generated on this machine without it."""
        if public_key:
            return self.import_key_pair_from_string(name, public_key)
        return super().create_key_pair(name)

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key."""
        body = {"label": name, "ssh_key": require_public_key(key_material)}
        return self._to_key_pair(self.connection.post("/profile/sshkeys", Key, body))

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key. Nodes that have it keep it."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.connection.delete(f"/profile/sshkeys/{number(pair.extra['id'])}")

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key = item.value
        extra = {"id": key.id, "created": key.created}
        return KeyPair(key.label or "", key.ssh_key, fingerprint(key.ssh_key), self, extra=extra)

    def _login_fields(
        self,
        has_disk: bool,
        root_pass: str | None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None,
        authorized_keys: Iterable[str] | None,
        authorized_users: Iterable[str] | None,
    ) -> dict[str, Any]:
        """Return the fields that let someone log in. The provider requires a password with every image."""
        public_keys = [
            *as_list(authorized_keys),
            *([auth.pubkey] if isinstance(auth, NodeAuthSSHKey) else ()),
        ]
        password, users = password_of(root_pass, auth), as_list(authorized_users)
        if not has_disk:
            if public_keys or users or password is not None:
                raise InvalidArgumentError("keys, users and passwords need an image; pass one")
            return {}
        return {
            "root_pass": password or f"Aa1-{secrets.token_urlsafe(32)}",
            "authorized_keys": [require_public_key(key) for key in public_keys] or None,
            "authorized_users": users or None,
        }


def password_of(root_pass: str | None, auth: NodeAuthSSHKey | NodeAuthPassword | None) -> str | None:
    """Return the password, passed one way or the other. No error shows it."""
    if not isinstance(auth, NodeAuthSSHKey | NodeAuthPassword | None):
        raise InvalidArgumentError(
            f"auth must be a NodeAuthSSHKey or a NodeAuthPassword, got {type(auth).__name__}"
        )
    given = auth.password if isinstance(auth, NodeAuthPassword) else None
    if root_pass is not None and given is not None:
        raise InvalidArgumentError("pass root's password as auth= or as root_pass=, not as both")
    password = given if root_pass is None else root_pass
    if password is not None and not (isinstance(password, str) and password):
        raise InvalidArgumentError("root's password must be a str that is not empty")
    return password
