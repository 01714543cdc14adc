"""The records of a zone.

Cloudflare's own SOA and NS records are not among them: name servers are a field of the zone.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial
from typing import Any

from polycloud.sandbox.cloudflare import content, filters, names, zonefile
from polycloud.sandbox.cloudflare.dialect import RefusedError, Table, envelope, invalid
from polycloud.sandbox.cloudflare.zones import ZONES
from polycloud.sandbox.rest.bodies import Body, matches
from polycloud.sandbox.rest.collection import Change, Field, Item
from polycloud.sandbox.rest.errors import ApiError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_AUTOMATIC, _LONGEST_TTL = 1, 86400
_LONGEST_TEXTS = 8192
_ADDRESSES = ("A", "AAAA", "CNAME")
_SETTINGS = {
    "CNAME": ("flatten_cname", "ipv4_only", "ipv6_only"),
    **dict.fromkeys(("A", "AAAA"), ("ipv4_only", "ipv6_only")),
}


def _show(record: Item) -> Json:
    shown: Json = {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "content": record.content,
        "proxiable": content.is_proxiable(record.type, record.content),
        "proxied": record.proxied,
        "ttl": record.ttl,
        "settings": record.settings,
        "meta": {},
        "comment": record.comment or None,
        "tags": list(record.tags),
        "created_on": record.created_on,
        "modified_on": record.modified_on,
    }
    optional = {
        "priority": record.priority,
        "data": record.data,
        "comment_modified_on": record.comment_modified_on if record.comment else None,
        "tags_modified_on": record.tags_modified_on if record.tags else None,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


# Checks


def _check(change: Change) -> None:
    zone, values, kind = change.owner, change.values, change.get("type")
    if kind not in content.TYPES:
        raise invalid(9020, f"DNS record type {kind} is invalid.")
    name = names.complete(zone.name, change.get("name"))
    if name is None:
        raise RefusedError(9000, "DNS name is invalid.")
    values["name"] = name
    _check_content(change, kind, name)
    _check_proxy(change, kind)
    _check_attributes(change, kind)
    others = [other for other in zone.records.values() if other is not change.item]
    _check_others(change, kind, name, others)


def _check_content(change: Change, kind: str, name: str) -> None:
    item, values = change.item, change.values
    is_new = item is None or item.type != kind
    fields = {
        field: values.get(field, None if is_new else getattr(item, field))
        for field in ("content", "data", "priority")
    }
    values.update(vars(content.read(kind, name, **fields)))


def _check_proxy(change: Change, kind: str) -> None:
    values, target = change.values, change.get("content")
    if change.get("proxied"):
        if kind not in content.PROXIABLE:
            raise RefusedError(9004, "This record type cannot be proxied.")
        if not content.is_proxiable(kind, target):
            raise RefusedError(9003, f"Target {target} is not allowed for a proxied record.")
        values["ttl"] = _AUTOMATIC
    ttl, shortest = change.get("ttl"), change.state.settings.shortest_ttl
    if ttl != _AUTOMATIC and not shortest <= ttl <= _LONGEST_TTL:
        limits = f"{shortest} and {_LONGEST_TTL} seconds, or 1 for Automatic."
        raise invalid(9021, f"TTL must be between {limits}")


def _check_attributes(change: Change, kind: str) -> None:
    state, item, values = change.state, change.item, change.values
    limit = state.settings.tag_limit
    tags = values.get("tags", ())
    if len(tags) > limit:
        raise invalid(9300, f"DNS record has {len(tags)} tags, exceeding the quota of {limit}.")
    for tag in tags:
        matches(r"[A-Za-z0-9_-]+(?::[^\r\n]*)?", "Tag names have only letters, numbers, - and _.")(
            "tags", tag
        )
    if "tags" in values:
        values["tags"] = tuple(_tag(tag) for tag in tags)
    for name in ("comment", "tags"):
        if item is None or (name in values and values[name] != getattr(item, name)):
            values[f"{name}_modified_on"] = state.stamp()
    known = _SETTINGS.get(kind, ())
    settings = values.get("settings") or {}
    for name, value in settings.items():
        if name not in known or not isinstance(value, bool):
            raise invalid(9400, f"Setting {name} is not available for {kind} records.")
    if "settings" not in values and item is not None:
        # A new type has only those settings that it knows.
        settings = {name: value for name, value in item.settings.items() if name in known}
    values["settings"] = ({"flatten_cname": False} if kind == "CNAME" else {}) | settings


def _tag(text: str) -> str:
    name, colon, value = text.partition(":")
    return f"{name.lower()}{colon}{value}"


def _check_others(change: Change, kind: str, name: str, others: list[Item]) -> None:
    """Refuse what cannot stand beside the other records."""
    here = [other for other in others if other.name == name]
    kinds = {other.type for other in here}
    said = (kind, change.get("content"), change.get("priority"))
    if any((other.type, other.content, other.priority) == said for other in here):
        raise RefusedError(81058, "An identical record already exists.")
    if kind == "CNAME" and kinds & set(_ADDRESSES):
        raise RefusedError(81053, "An A, AAAA, or CNAME record with that host already exists.")
    if kind in _ADDRESSES and "CNAME" in kinds:
        raise RefusedError(81054, "A CNAME record with that host already exists.")
    is_delegated = name != change.owner.name and "NS" in kinds
    if kind in _ADDRESSES and is_delegated:
        raise RefusedError(81056, "NS records with that host already exist.")
    if kind == "NS" and name != change.owner.name and kinds & set(_ADDRESSES):
        raise RefusedError(81053, "An A, AAAA, or CNAME record with that host already exists.")
    texts = [other.content for other in here if other.type == kind == "TXT"]
    if kind == "TXT" and sum(map(len, [*texts, change.get("content")])) > _LONGEST_TEXTS:
        limit = f"must not exceed {_LONGEST_TEXTS} characters."
        raise RefusedError(83011, f"Combined content length of records with this name and type {limit}")


RECORDS = Table(
    owner=ZONES,
    path="/dns_records",
    many="records",
    view=_show,
    missing=(81044, "Record does not exist."),
    verbs="GET POST/GET PUT PATCH DELETE",
    put="replaces",
    fields={
        "type": Field(needed=True, convert=str.upper),
        "name": Field(needed=True),
        "content": Field(),
        "data": Field(kind=dict),
        "priority": Field(kind=int),
        "ttl": Field(kind=int, default=_AUTOMATIC),
        "proxied": Field(kind=bool, default=False),
        "comment": Field(check=matches("[^\r\n]{0,500}", "Comments have one line of up to 500 characters.")),
        "tags": Field(each=str),
        "settings": Field(kind=dict),
    },
    identity=lambda state: {"id": uuid.uuid4().hex, "created_on": state.stamp()},
    check=_check,
    wanted=lambda _, zone, call: filters.records(call.query, zone),
)


# Many at once

_ORDER = (("deletes", "DELETE"), ("patches", "PATCH"), ("puts", "PUT"), ("posts", "POST"))


def _batch(state: Any, call: Call) -> Reply:
    """Carry out all operations, or none if one of them fails."""
    zone = ZONES.at(state, call)
    operations = {name: call.body.objects(name) for name, _ in _ORDER}
    limit = state.settings.batch_limit
    if sum(map(len, operations.values())) > limit:
        raise RefusedError(9500, f"A batch must not have more than {limit} operations.")
    before = [dict(vars(record)) for record in zone.records.values()]
    try:
        result = {
            name: [_operate(state, call, verb, operation) for operation in operations[name]]
            for name, verb in _ORDER
        }
    except ApiError:
        zone.records = {fields["id"]: Item(**fields) for fields in before}
        raise
    return Reply(200, envelope(result))


def _operate(state: Any, call: Call, verb: str, operation: Body) -> Json:
    record_id = "" if verb == "POST" else operation.need("id", str)
    one = replace(call, path={**call.path, "record": record_id}, body=operation)
    if verb == "DELETE":
        shown = _show(RECORDS.at(state, one))
        RECORDS.carry_out(verb, state, one)
        return shown
    return RECORDS.carry_out(verb, state, one)


def _import(state: Any, call: Call) -> Reply:
    """Add the records of a zone file but for those that exist, and Cloudflare's own."""
    zone = ZONES.at(state, call)
    proxied = call.body.get("proxied", str) == "true"
    parsed = zonefile.read(zone, call.body.need("file", str), proxied=proxied)
    before, added = dict(zone.records), 0
    try:
        for fields in parsed:
            added += _add(state, zone, type(call.body)(fields))
    except ApiError:
        zone.records = before
        raise
    return Reply(200, envelope({"recs_added": added, "total_records_parsed": len(parsed)}))


def _add(state: Any, zone: Item, body: Body) -> bool:
    identical = 81058
    try:
        RECORDS.add(state, zone, body)
    except RefusedError as error:
        if error.code != identical:
            raise
        return False
    return True


def _export(state: Any, call: Call) -> Reply:
    text = zonefile.written(ZONES.at(state, call), state.stamp())
    return Reply(200, text.encode(), {"content-type": "text/plain; charset=utf-8"})


def _scan(state: Any, call: Call, *, result: Any) -> Reply:
    """Find nothing: the sandbox does not look at the Internet."""
    ZONES.at(state, call)
    return Reply(200, envelope(result))


_PATH = RECORDS.all_path
ROUTES: Routes = {
    f"{_PATH}/batch": {"POST": _batch},
    f"{_PATH}/import": {"POST": _import},
    f"{_PATH}/export": {"GET": _export},
    f"{_PATH}/scan": {"POST": partial(_scan, result={"recs_added": 0, "total_records_parsed": 0})},
    f"{_PATH}/scan/trigger": {"POST": partial(_scan, result=None)},
    f"{_PATH}/scan/review": {"GET": partial(_scan, result=[])},
    **RECORDS.routes(),
}
