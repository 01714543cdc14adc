"""The account, its SSH keys, what it can buy, and the actions on everything it has."""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import partial
from typing import TypeVar

from polycloud.sandbox.digitalocean import catalog, views
from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import InputError, NotFoundError
from polycloud.sandbox.digitalocean.resources import Key, Subject
from polycloud.sandbox.digitalocean.state import State, found

_KEY_TYPES = {
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}

T = TypeVar("T")


def droplet_limit(state: State) -> int:
    """How many droplets the account may have, the seeded ones included."""
    return state.knobs.droplet_limit + state.knobs.seed_droplets


def _account(state: State, _: Call) -> Reply:
    account = {
        "droplet_limit": droplet_limit(state),
        "floating_ip_limit": state.knobs.reserved_ip_limit,
        "email": "sammy@example.com",
        "name": "Sammy the Shark",
        "uuid": "b6f2c3dbf6d9156cace5f3c78dc9851d957381ef",
        "email_verified": True,
        "status": "active",
        "status_message": "",
        "team": {"uuid": "5df3e3004a17e242b7c20ca6c9fc25b701a47ece", "name": "My Team"},
    }
    return Reply(200, {"account": account})


def _list_regions(_: State, __: Call) -> Listing:
    return Listing("regions", list(catalog.REGIONS.values()), views.region)


def _list_sizes(_: State, __: Call) -> Listing:
    return Listing("sizes", list(catalog.SIZES.values()), views.size)


# SSH keys


def find_key(state: State, identifier: str) -> Key | None:
    """The key of that id, in digits, or of that fingerprint."""
    for key in state.keys.values():
        if identifier in {str(key.id), key.fingerprint}:
            return key
    return None


def _key(state: State, call: Call) -> Key:
    key = find_key(state, call.path["key"])
    if key is None:
        raise NotFoundError
    return key


def _list_keys(state: State, _: Call) -> Listing:
    return Listing("ssh_keys", list(state.keys.values()), views.key)


def _create_key(state: State, call: Call) -> Reply:
    name = call.body.need("name", str)
    public_key = call.body.need("public_key", str)
    fingerprint = _fingerprint(public_key)
    if find_key(state, fingerprint):
        raise InputError("SSH Key is already in use on your account")
    key = Key(id=state.new_number(), name=name, public_key=public_key, fingerprint=fingerprint)
    state.keys[key.id] = key
    return Reply(201, {"ssh_key": views.key(key)})


def _fingerprint(public_key: str) -> str:
    """The MD5 of a key, in pairs of digits."""
    words = public_key.split(maxsplit=2)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        blob = b""
    # The key itself begins with its type once more.
    if words[0:1] == [] or words[0] not in _KEY_TYPES or words[0].encode() not in blob[: len(words[0]) + 4]:
        raise InputError("Key invalid, key should be an SSH public key in the OpenSSH format.")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _get_key(state: State, call: Call) -> Reply:
    return Reply(200, {"ssh_key": views.key(_key(state, call))})


def _rename_key(state: State, call: Call) -> Reply:
    key = _key(state, call)
    key.name = call.body.get("name", str) or key.name
    return Reply(200, {"ssh_key": views.key(key)})


def _delete_key(state: State, call: Call) -> Reply:
    del state.keys[_key(state, call).id]
    return DONE


# Actions


def list_actions(state: State, subject: Subject | None = None) -> Listing:
    """The actions on a resource, or all, the latest first."""
    actions = [action for action in reversed(state.actions.values()) if subject in {None, action.subject}]
    return Listing("actions", actions, partial(views.action, state))


def get_action(state: State, id: int, subject: Subject | None = None) -> Reply:
    """One action; NotFoundError if there is none of that id, on that resource if it is given."""
    action = found(state.actions, id)
    if subject not in {None, action.subject}:
        raise NotFoundError
    return Reply(200, {"action": views.action(state, action)})


ROUTES: Routes = {
    "/account": {"GET": _account},
    "/account/keys": {"GET": _list_keys, "POST": _create_key},
    "/account/keys/{key}": {"GET": _get_key, "PUT": _rename_key, "DELETE": _delete_key},
    "/regions": {"GET": _list_regions},
    "/sizes": {"GET": _list_sizes},
    "/actions": {"GET": lambda state, _: list_actions(state)},
    "/actions/{action:int}": {"GET": lambda state, call: get_action(state, call.path["action"])},
}
