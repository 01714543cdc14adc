"""The handlers of record sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polycloud.sandbox.openstack.designate.items import (
    RecordSet,
    Zone,
    add_set,
    changing_zone,
    find_zone,
    is_below,
    show_set,
    zones_of,
)
from polycloud.sandbox.openstack.designate.rdata import NAME, TYPES, fits, name_problem
from polycloud.sandbox.openstack.designate.requests import (
    check_fields,
    check_id,
    check_name,
    invalid,
    page,
    ttl_of,
)
from polycloud.sandbox.openstack.errors import (
    DesignateConflictError,
    DesignateForbiddenError,
    DesignateInputError,
    DesignateNotFoundError,
    DesignateQuotaError,
)
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.replies import Call, Reply, Routes

_FIELDS = frozenset({"data", "description", "name", "status", "ttl", "type"})


def _set(zone: Zone, call: Call) -> RecordSet:
    check_id(call.path["set"], "invalid_uuid", "recordset_id")
    if call.path["set"] not in zone.sets:
        raise DesignateNotFoundError("recordset_not_found", "Could not find RecordSet")
    return zone.sets[call.path["set"]]


def _check_records(type_: Any, body: Body) -> list[str]:
    """Return the records in a body, each once."""
    records = body.value("records") or []
    if type_ not in TYPES:
        message = f"'{type_}' is not a valid record type"
        raise invalid(["recordset", "type"], message, "value", [type_])
    if not isinstance(records, list):
        message = f"'{records}' is not a valid list of records"
        raise invalid(["records"], message, "type", ["list"])
    problems = [
        {
            "path": ["records", number],
            "message": f"'{text}' is not a '{type_}' Record",
            "validator": "format",
            "validator_value": [type_],
        }
        for number, text in enumerate(records)
        if not fits(type_, str(text))
    ]
    if problems:
        raise DesignateInputError("invalid_object", problems=tuple(problems))
    if type_ == "CNAME" and len(records) > 1:
        raise DesignateInputError("bad_request", "CNAME recordsets may not have more than 1 record")
    return list(dict.fromkeys(map(str, records)))


def _locations(zone: Zone, type_: str, name: str) -> Iterator[str]:
    """Yield why a set cannot be where it shall be."""
    state = zone.state
    if name != zone.name and not is_below(name, zone.name):
        yield "RecordSet is not contained within it's parent zone"
    if type_ == "CNAME" and name == zone.name:
        yield "CNAME recordsets may not be created at the zone apex"
    there = [one for one in zone.sets.values() if one.name == name and one.type != type_]
    if any("CNAME" in {type_, one.type} for one in there):
        yield "CNAME recordsets may not share a name with any other records"
    for other in zones_of(state).values():
        if is_below(other.name, zone.name) and (name == other.name or is_below(name, other.name)):
            yield f"RecordSet belongs in a child zone: {other.name}"


def _check_quotas(zone: Zone, records: list[str], replaced: int = 0) -> None:
    settings = zone.state.settings
    kept = sum(len(one.records) for one in zone.sets.values() if not one.managed) - replaced
    for name, used, most in (
        ("zone_records", kept + len(records), settings.dns_set_limit),
        ("recordset_records", len(records), settings.dns_record_limit),
    ):
        if used > most:
            raise DesignateQuotaError("over_quota", f"Quota exceeded for {name}.")


def _list_sets(state: State, call: Call) -> Reply:
    zone = find_zone(state, call)
    return page(call, "recordsets", list(zone.sets.values()), show_set(zone), _FIELDS)


def _get_set(state: State, call: Call) -> Reply:
    zone = find_zone(state, call)
    return Reply(200, show_set(zone)(_set(zone, call)))


def _create_set(state: State, call: Call) -> Reply:
    body, type_ = call.body, call.body.value("type")
    check_fields(body, "recordset", "description", "name", "records", "ttl", "type")
    name = check_name(body.value("name"), "Host name", NAME) if "name" in body else ""
    records = _check_records(type_, body)
    if not name:
        raise DesignateInputError("invalid_object")
    if type_ == "SOA":
        raise DesignateInputError("bad_request", "Creating a SOA recordset is not allowed")
    problem = name_problem(type_, name)
    if problem:
        raise DesignateInputError("bad_request", problem)
    zone = changing_zone(state, call)
    if zone.type == "SECONDARY":
        raise DesignateForbiddenError("forbidden")
    if len(zone.sets) >= state.settings.dns_set_limit:
        raise DesignateQuotaError("over_quota", "Quota exceeded for zone_recordsets.")
    for reason in _locations(zone, type_, name):
        raise DesignateInputError("invalid_recordset_location", reason)
    _check_quotas(zone, records)
    if any((one.name, one.type) == (name, type_) for one in zone.sets.values()):
        raise DesignateConflictError("duplicate_recordset", "Duplicate RecordSet")
    description = body.value("description")
    one = add_set(
        zone, name=name, type=type_, records=records, ttl=ttl_of(body, None), description=description
    )
    return _changed(zone, one)


def _update_set(state: State, call: Call) -> Reply:
    body, zone = call.body, changing_zone(state, call)
    one = _set(zone, call)
    if one.managed:
        raise DesignateInputError("bad_request", "Managed records may not be updated")
    check_fields(body, "recordset", "description", "records", "ttl")
    if body.names("records"):
        records = _check_records(one.type, body)
        _check_quotas(zone, records, len(one.records))
        one.records = records
    one.ttl = ttl_of(body, one.ttl)
    if body.names("description"):
        one.description = body.value("description")
    one.change("UPDATE")
    return _changed(zone, one)


def _changed(zone: Zone, one: RecordSet) -> Reply:
    """Return the response to a change of a set; one without records needs no name server."""
    if not one.records:
        one.ends = 0.0
    else:
        zone.touch("UPDATE")
    shown = show_set(zone)(one)
    is_new = one.last == "CREATE"
    status = 202 if one.records else 201 if is_new else 200
    return Reply(status, shown, {"Location": shown["links"]["self"]} if is_new else {})


def _delete_set(state: State, call: Call) -> Reply:
    zone = changing_zone(state, call)
    one = _set(zone, call)
    if one.type == "SOA":
        raise DesignateInputError("bad_request", "Deleting a SOA recordset is not allowed")
    if one.managed:
        raise DesignateInputError("bad_request", "Managed records may not be deleted")
    one.change("DELETE")
    del zone.sets[one.id]
    zone.touch("UPDATE")
    return Reply(202, show_set(zone)(one))


_PATH = "/dns/v2/zones/{zone}/recordsets"
ROUTES: Routes = {
    _PATH: {"GET": _list_sets, "POST": _create_set},
    f"{_PATH}/{{set}}": {"GET": _get_set, "PUT": _update_set, "DELETE": _delete_set},
}
"""The paths of record sets."""
