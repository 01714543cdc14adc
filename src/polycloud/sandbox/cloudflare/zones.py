"""Zones, the account that has them, and the token."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from polycloud.sandbox.cloudflare import filters, names
from polycloud.sandbox.cloudflare.dialect import DeniedError, RefusedError, Table, envelope
from polycloud.sandbox.cloudflare.state import TOKEN
from polycloud.sandbox.rest.bodies import one_of
from polycloud.sandbox.rest.collection import Change, Field, routes_of, show
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_NAME_SERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
_TYPES = ("full", "partial", "secondary", "internal")
_FEWEST_LABELS = 2
_CONSTANT: Json = {
    "development_mode": 0,
    "original_name_servers": None,
    "original_registrar": None,
    "original_dnshost": None,
    "meta": {
        "step": 2,
        "custom_certificate_quota": 0,
        "page_rule_quota": 3,
        "phishing_detected": False,
        "multiple_railguns_allowed": False,
    },
    "owner": {"id": None, "type": "user", "email": None},
    "tenant": {"id": None, "name": None},
    "tenant_unit": {"id": None},
    "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:edit", "#zone:read"],
    "plan": {
        "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
        "name": "Free Website",
        "price": 0,
        "currency": "USD",
        "frequency": "",
        "is_subscribed": False,
        "can_subscribe": False,
        "legacy_id": "free",
        "legacy_discount": False,
        "externally_managed": False,
    },
}


def _status(is_past: Any) -> str:
    return "active" if is_past() else "pending"


def _identity(state: Any) -> Json:
    now = state.now
    at = now + state.settings.activation
    is_active = partial(state.is_past, at)
    return {
        **_CONSTANT,
        "id": uuid.uuid4().hex,
        "status": partial(_status, is_active),
        "activated": state.stamp(at),
        "created_on": state.stamp(now),
        "name_servers": list(_NAME_SERVERS),
        "records": {},
    }


def _check(change: Change) -> None:
    if change.item is None:
        change.values["account"] = _account(change)
        change.values["name"] = _name(change)
    elif len(change.body.fields) != 1:
        raise InputError("Only one zone property can be changed at a time.")


def _account(change: Change) -> Json:
    first, *_ = change.state.accounts
    account = change.state.accounts.get(change.body.part("account").get("id", str) or first)
    if account is None:
        raise DeniedError(9109, "Unauthorized to access requested resource")
    return {"id": account.id, "name": account.name}


def _name(change: Change) -> str:
    name = names.canonical(change.values["name"])
    if name is None or "*" in name or len(name.split(".")) < _FEWEST_LABELS:
        raise RefusedError(1049, f"{change.values['name']} is not a registered domain")
    if any(zone.name == name for zone in change.state.zones.values()):
        raise RefusedError(1061, f"{name} already exists")
    return name


ZONES = Table(
    path="/zones",
    view=show(
        f"id name type paused name_servers vanity_name_servers created_on modified_on account "
        f"{' '.join(_CONSTANT)}",
        status=lambda zone: zone.status(),
        activated_on=lambda zone: zone.activated if zone.status() == "active" else None,
    ),
    missing=(1001, "Invalid zone identifier"),
    verbs="GET POST/GET PATCH DELETE",
    fields={
        "name": Field(needed=True, fixed=True),
        "type": Field(default="full", check=one_of(*_TYPES)),
        "jump_start": Field(kind=bool, fixed=True),
        "paused": Field(kind=bool, default=False),
        "vanity_name_servers": Field(each=str),
    },
    identity=_identity,
    check=_check,
    wanted=lambda state, _, call: filters.zones(call.query, state.zones.values()),
    parts={"activation_check": {"PUT": lambda _, zone, __: Reply(200, envelope({"id": zone.id}))}},
)
_ACCOUNTS = Table(
    path="/accounts",
    view=show("id name created_on", type="standard", settings={"enforce_twofactor": False}),
    missing=(1003, "Invalid account identifier"),
    verbs="GET/GET",
)


def _verify(_: Any, __: Call) -> Reply:
    result = {"id": TOKEN, "status": "active"}
    message = {"code": 10000, "message": "This API Token is valid and active", "type": None}
    return Reply(200, {**envelope(result), "messages": [message]})


def _user(state: Any, _: Call) -> Reply:
    shown = {"id": "7c5dae5552338874e5053f2534d2767a", "email": state.settings.email, "suspended": False}
    return Reply(200, envelope(shown))


ROUTES: Routes = {
    "/user": {"GET": _user},
    "/user/tokens/verify": {"GET": _verify},
    **routes_of(ZONES, _ACCOUNTS),
}
