"""The user and the SSH keys."""

from __future__ import annotations

import base64
import binascii

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import check_length
from polycloud.sandbox.linode.resources import Key
from polycloud.sandbox.linode.state import State, found

_KEY_TYPES = ("ssh-dss", "ssh-rsa", "ecdsa-sha2-nistp", "ssh-ed25519", "sk-ecdsa-sha2-nistp256")
_LONGEST_LABEL = 64


def check_key(line: str, field: str) -> None:
    """InputError unless it is a public key as files have it: its type, itself, a comment."""
    words = line.split(maxsplit=2)
    if not words or not words[0].startswith(_KEY_TYPES):
        raise InputError(f"SSH Key key-type must be one of {', '.join(_KEY_TYPES)}.", field)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        blob = b""
    # The key itself begins with its type once more.
    if words[0].encode() not in blob[: len(words[0]) + 4]:
        raise InputError("SSH Key data is invalid.", field)


def _profile(state: State, _: Call) -> Reply:
    profile = {
        "username": state.knobs.username,
        "email": "sandbox@example.com",
        "uid": 1234,
        "timezone": "UTC",
        "restricted": False,
        "two_factor_auth": False,
        "email_notifications": True,
        "ip_whitelist_enabled": False,
        "lish_auth_method": "password_keys",
        "authorized_keys": None,
        "authentication_type": "password",
        "verified_phone_number": None,
        "referrals": {
            "code": "871be32f49c1411b14f29f618aaf0c14637fb8d3",
            "url": "https://www.linode.com/?r=871be32f49c1411b14f29f618aaf0c14637fb8d3",
            "total": 0,
            "completed": 0,
            "pending": 0,
            "credit": 0,
        },
    }
    return Reply(profile)


def _key(state: State, call: Call) -> Key:
    return found(state.keys, call.path["key"])


def _list(state: State, _: Call) -> Listing:
    return Listing(list(state.keys.values()), views.key, frozenset({"id", "label"}))


def _create(state: State, call: Call) -> Reply:
    label = call.body.need("label", str)
    check_length(label, 0, _LONGEST_LABEL, "label")
    line = call.body.need("ssh_key", str).strip()
    check_key(line, "ssh_key")
    key = Key(id=state.new_id(), label=label, ssh_key=line, created=state.stamp())
    state.keys[key.id] = key
    state.note("user_ssh_key_add", key)
    return Reply(views.key(key))


def _get(state: State, call: Call) -> Reply:
    return Reply(views.key(_key(state, call)))


def _update(state: State, call: Call) -> Reply:
    key = _key(state, call)
    label = call.body.get("label", str) or key.label
    check_length(label, 0, _LONGEST_LABEL, "label")
    key.label = label
    state.note("user_ssh_key_update", key)
    return Reply(views.key(key))


def _delete(state: State, call: Call) -> Reply:
    key = _key(state, call)
    del state.keys[key.id]
    state.note("user_ssh_key_delete", key)
    return DONE


ROUTES: Routes = {
    "/profile": {"GET": _profile},
    "/profile/sshkeys": {"GET": _list, "POST": _create},
    "/profile/sshkeys/{key:int}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}
