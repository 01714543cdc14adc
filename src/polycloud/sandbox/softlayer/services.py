"""SoftLayer's methods: each handler takes the state and a call, and returns a value or raises Fault."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from polycloud.sandbox.softlayer import views
from polycloud.sandbox.softlayer.catalog import CATALOG
from polycloud.sandbox.softlayer.dialect import Call, Fault, Json, invalid, not_found, public
from polycloud.sandbox.softlayer.orders import check_names, read_order
from polycloud.sandbox.softlayer.state import Guest, Key, State

Handler = Callable[[State, Call], Any]
_GUEST = "SoftLayer_Virtual_Guest"
_KEY = "SoftLayer_Security_Ssh_Key"
_ACCOUNT = "SoftLayer_Account"
_IMAGES = "SoftLayer_Virtual_Guest_Block_Device_Template_Group"
_KEY_TYPES = ("ssh-rsa", "ssh-ed25519", "ssh-dss", "ecdsa-sha2-")
_LONGEST_TAG = 255


# The account


def _account(_: State, _call: Call) -> Json:
    return {"id": 307608, "companyName": "Sandbox", "email": "nobody@example.com"}


def _guests(state: State, _call: Call) -> list[Json]:
    return [views.guest(guest) for guest in state.guests.values()]


def _guests_billed(hourly: bool, state: State, _call: Call) -> list[Json]:
    return [views.guest(guest) for guest in state.guests.values() if guest.hourly is hourly]


def _keys(state: State, _call: Call) -> list[Json]:
    return [views.key(key) for key in state.keys.values()]


def _own_images(_: State, _call: Call) -> list[Json]:
    return [views.image(image, public=False) for image in CATALOG.images]


def _vlans(_: State, _call: Call) -> list[Json]:
    return list(map(views.vlan, CATALOG.vlans))


# The catalog


def _datacenters(_: State, _call: Call) -> list[Json]:
    return list(map(views.datacenter, CATALOG.datacenters))


def _options(_: State, _call: Call) -> Json:
    return views.create_options()


def _public_images(_: State, _call: Call) -> list[Json]:
    return [views.image(image, public=True) for image in CATALOG.public_images]


# Guests


def _guest(state: State, call: Call) -> Json:
    return views.guest(state.guest(call.id))


def _create_guest(state: State, call: Call) -> Json:
    return views.guest(state.create(read_order(state, call.parameter(dict))))


def _check_order(state: State, call: Call) -> Json:
    """Return the order that a create would place, without placing it."""
    order = read_order(state, call.parameter(dict))
    return {
        "complexType": "SoftLayer_Container_Product_Order_Virtual_Guest",
        "location": str(order.place.id),
        "quantity": 1,
        "useHourlyPricing": order.hourly,
        "virtualGuests": [{"hostname": order.hostname, "domain": order.domain}],
    }


def _edit_guest(state: State, call: Call) -> bool:
    guest, changes = state.guest(call.id), call.parameter(dict)
    texts = {name: value for name, value in changes.items() if name in {"hostname", "domain", "notes"}}
    if len(texts) != len(changes) or not all(isinstance(value, str) for value in texts.values()):
        raise invalid("Invalid value provided for a property that can be edited.")
    check_names(texts.get("hostname", guest.hostname), texts.get("domain", guest.domain))
    for name, value in texts.items():
        setattr(guest, name, value)
    return True


def _delete_guest(state: State, call: Call) -> bool:
    state.cancel(state.guest(call.id))
    return True


def _set_tags(state: State, call: Call) -> bool:
    guest, names = state.guest(call.id), call.parameter(str).split(",")
    tags = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if any(len(tag) > _LONGEST_TAG or not re.fullmatch(r"[\w .:@/-]+", tag) for tag in tags):
        raise invalid("Tags may only contain alphanumeric characters, spaces, and . : @ / _ -")
    guest.tags = tags
    return True


def _set_user_metadata(state: State, call: Call) -> bool:
    values = call.parameter(list)
    if not all(isinstance(value, str) for value in values):
        raise invalid("Invalid value provided for 'metadata'.")
    state.guest(call.id).user_data = "".join(values)
    return True


def _start(state: State, call: Call) -> bool:
    guest = state.guest(call.id)
    _check_power(guest, "HALTED", on="powered on")
    state.switch(guest, "start", "RUNNING")
    return True


def _stop(state: State, call: Call) -> bool:
    guest = state.guest(call.id)
    if guest.power != "HALTED":
        state.switch(guest, "stop", "HALTED")
    return True


def _reboot(state: State, call: Call) -> bool:
    guest = state.guest(call.id)
    _check_power(guest, "RUNNING", on="rebooted")
    state.switch(guest, "restart", "RUNNING")
    return True


def _pause(before: str, after: str, state: State, call: Call) -> bool:
    guest = state.guest(call.id)
    _check_power(guest, before, on="paused or resumed")
    state.switch(guest, "pause", after)
    return True


def _check_power(guest: Guest, needed: str, on: str) -> None:
    """Raise Fault unless a guest that is not busy has that power state."""
    if not guest.locked and guest.power != needed:
        raise public(f"The virtual server is {guest.power}; it cannot be {on}.")


def _power_state(state: State, call: Call) -> Json:
    return views.power_state(state.guest(call.id))


def _user_data(state: State, call: Call) -> list[Json]:
    return views.user_data(state.guest(call.id))


# Keys


def _key(state: State, call: Call) -> Json:
    return views.key(_find_key(state, call.id))


def _find_key(state: State, id_: str | None) -> Key:
    found = next((key for key in state.keys.values() if str(key.id) == id_), None)
    if found is None:
        raise not_found(id_)
    return found


def _create_key(state: State, call: Call) -> Json:
    template = call.parameter(dict)
    text, label = template.get("key"), template.get("label")
    if not isinstance(text, str) or not isinstance(label, str) or not label.strip():
        message = (
            "Properties key and label must be set to create an instance of type 'SoftLayer_Security_Ssh_Key'."
        )
        raise Fault("SoftLayer_Exception_MissingCreationProperty", message)
    blob = _blob(text)
    if any(key.fingerprint == blob for key in state.keys.values()):
        raise public("The SSH key already exists on the account.")
    key = Key(
        id=state.new_number(),
        label=label,
        key=text.strip(),
        fingerprint=blob,
        notes=str(template.get("notes") or ""),
        created=state.stamp(),
    )
    state.keys[key.id] = key
    return views.key(key)


def _blob(text: str) -> str:
    """Return the fingerprint of a public key. Raises Fault."""
    words = text.split()
    try:
        if len(words) < 2 or "\n" in text.strip() or not words[0].startswith(_KEY_TYPES):  # noqa: PLR2004
            raise ValueError(text)
        blob = base64.b64decode(words[1], validate=True)
        if not blob.startswith(len(words[0]).to_bytes(4) + words[0].encode()):
            raise ValueError(text)
    except (binascii.Error, ValueError) as error:
        raise invalid("The SSH key is not in a valid format.") from error
    return hashlib.md5(blob, usedforsecurity=False).hexdigest()


def _edit_key(state: State, call: Call) -> bool:
    key, changes = _find_key(state, call.id), call.parameter(dict)
    key.label, key.notes = str(changes.get("label") or key.label), str(changes.get("notes") or key.notes)
    return True


def _delete_key(state: State, call: Call) -> bool:
    del state.keys[_find_key(state, call.id).id]
    return True


METHODS: Mapping[str, Mapping[str, Handler]] = {
    _ACCOUNT: {
        "getObject": _account,
        "getVirtualGuests": _guests,
        "getHourlyVirtualGuests": partial(_guests_billed, True),
        "getMonthlyVirtualGuests": partial(_guests_billed, False),
        "getSshKeys": _keys,
        "getPrivateBlockDeviceTemplateGroups": _own_images,
        "getNetworkVlans": _vlans,
    },
    "SoftLayer_Location": {"getDatacenters": _datacenters},
    "SoftLayer_Location_Datacenter": {"getDatacenters": _datacenters},
    _IMAGES: {"getPublicImages": _public_images},
    _GUEST: {
        "getObject": _guest,
        "getCreateObjectOptions": _options,
        "createObject": _create_guest,
        "generateOrderTemplate": _check_order,
        "editObject": _edit_guest,
        "deleteObject": _delete_guest,
        "setTags": _set_tags,
        "setUserMetadata": _set_user_metadata,
        "getUserData": _user_data,
        "getPowerState": _power_state,
        "powerOn": _start,
        "powerOff": _stop,
        "powerOffSoft": _stop,
        "powerCycle": _reboot,
        "rebootDefault": _reboot,
        "rebootSoft": _reboot,
        "rebootHard": _reboot,
        "pause": partial(_pause, "RUNNING", "PAUSED"),
        "resume": partial(_pause, "PAUSED", "RUNNING"),
    },
    _KEY: {
        "getObject": _key,
        "createObject": _create_key,
        "editObject": _edit_key,
        "deleteObject": _delete_key,
    },
}
"""The handlers of every service, by method."""

RELATIONS = {
    "getVirtualGuests": "virtualGuests",
    "getHourlyVirtualGuests": "hourlyVirtualGuests",
    "getMonthlyVirtualGuests": "monthlyVirtualGuests",
    "getSshKeys": "sshKeys",
    "getPrivateBlockDeviceTemplateGroups": "privateBlockDeviceTemplateGroups",
    "getNetworkVlans": "networkVlans",
}
"""Where the filter of an account's list begins."""

CONTAINERS = frozenset({"getCreateObjectOptions", "generateOrderTemplate"})
"""Methods that return everything without a mask: their values are no objects of the account."""
