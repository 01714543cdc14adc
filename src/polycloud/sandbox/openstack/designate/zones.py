"""The handlers of zones."""

from __future__ import annotations

import uuid

from polycloud.sandbox.openstack.designate.items import (
    NAME_SERVER,
    Zone,
    add_set,
    changing_zone,
    find_zone,
    is_below,
    show_zone,
    zones_of,
)
from polycloud.sandbox.openstack.designate.rdata import DOMAIN
from polycloud.sandbox.openstack.designate.requests import (
    check_email,
    check_fields,
    check_name,
    invalid,
    page,
    refuse,
    ttl_of,
)
from polycloud.sandbox.openstack.errors import (
    DesignateConflictError,
    DesignateForbiddenError,
    DesignateInputError,
    DesignateQuotaError,
)
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.replies import Call, Reply, Routes

_FIELDS = frozenset({"description", "email", "name", "status", "ttl", "type"})


def _list_zones(state: State, call: Call) -> Reply:
    zones = [zone for zone in zones_of(state).values() if zone.project_id == state.project_id]
    return page(call, "zones", zones, show_zone, _FIELDS)


def _create_zone(state: State, call: Call) -> Reply:
    body, zones = call.body, zones_of(state)
    check_fields(body, "zone", "attributes", "description", "email", "masters", "name", "ttl", "type")
    type_ = body.value("type") or "PRIMARY"
    email = _check_kind(body, type_)
    if "name" not in body:
        message = "'name' is a required property"
        raise invalid(["records", 0, "name"], message, "required", ["name"])
    name = check_name(body.value("name"), "Domain", DOMAIN)
    if name.count(".") == 1:
        raise DesignateInputError("invalid_zone_name", "More than one label is required")
    _check_place(state, name)
    used = sum(zone.project_id == state.project_id for zone in zones.values())
    if used >= state.settings.dns_zone_limit:
        raise DesignateQuotaError("over_quota", "Quota exceeded for zones.")
    zone = Zone(
        state=state,
        id=str(uuid.uuid4()),
        project_id=state.project_id,
        name=name,
        ttl=ttl_of(body, 3600),
        description=body.value("description"),
        email=email,
        type=type_,
        attributes=body.value("attributes") or {},
        masters=body.value("masters") or [],
    )
    managed = {"SOA": [""], **({"NS": [NAME_SERVER]} if type_ == "PRIMARY" else {})}
    for kind, records in managed.items():
        add_set(zone, name=name, type=kind, records=records, ttl=None, managed=True)
    zone.touch("CREATE", "create_zone")
    zones[zone.id] = zone
    return Reply(202, show_zone(zone), {"Location": show_zone(zone)["links"]["self"]})


def _check_kind(body: Body, type_: str) -> str:
    """Return the e-mail of a zone of a type. Raises an error for fields that such a zone cannot have."""
    if type_ == "SECONDARY":
        if not body.value("masters"):
            message = "'masters' is a required property"
            raise invalid(["type", "masters"], message, "required", ["masters"])
        for name in ("email", "ttl"):
            if name in body:
                message = f"'{name}' can't be specified when type is SECONDARY"
                raise invalid(["type"], message, "not_allowed", name)
        return "hostmaster@example.com"
    if type_ != "PRIMARY":
        raise refuse(f"Field value {type_} is invalid")
    if body.value("masters"):
        raise invalid(["type"], "'masters' has more items than allowed", "maxItems", ["masters"])
    if "email" not in body:
        raise invalid(["type", "email"], "'email' is a required property", "required", "email")
    return check_email(body.value("email"))


def _check_place(state: State, name: str) -> None:
    """Raise an error for a zone that there is, or that is above or below one of another project."""
    for zone in zones_of(state).values():
        mine = zone.project_id == state.project_id
        if zone.name == name:
            message = "Duplicate Zone" if mine else "Zone already exists, owned by a different tenant"
            raise DesignateConflictError("duplicate_zone", message)
        if not mine and is_below(name, zone.name):
            message = "Unable to create subzone in another tenants zone"
            raise DesignateForbiddenError("illegal_child", message)
        if not mine and is_below(zone.name, name):
            message = "Unable to create zone because another tenant owns a subzone of the zone"
            raise DesignateForbiddenError("illegal_parent", message)


def _get_zone(state: State, call: Call) -> Reply:
    return Reply(200, show_zone(find_zone(state, call)))


def _update_zone(state: State, call: Call) -> Reply:
    zone, body = changing_zone(state, call), call.body
    check_fields(body, "zone", "attributes", "description", "email", "masters", "ttl")
    if body.value("masters") and zone.type == "PRIMARY":
        raise invalid(["type"], "'masters' has more items than allowed", "maxItems", ["masters"])
    if body.names("email"):
        zone.email = check_email(body.value("email"))
    zone.ttl = ttl_of(body, zone.ttl)
    for name in ("attributes", "description", "masters"):
        if body.names(name):
            setattr(zone, name, body.value(name))
    zone.touch("UPDATE")
    return Reply(202, show_zone(zone))


def _delete_zone(state: State, call: Call) -> Reply:
    zone = find_zone(state, call)
    if any(is_below(one.name, zone.name) for one in zones_of(state).values()):
        message = "Please delete any subzones before deleting this zone"
        raise DesignateInputError("zone_has_sub_zone", message)
    zone.change("DELETE", "delete_zone")
    return Reply(202, show_zone(zone))


ROUTES: Routes = {
    "/dns/v2/zones": {"GET": _list_zones, "POST": _create_zone},
    "/dns/v2/zones/{zone}": {"GET": _get_zone, "PATCH": _update_zone, "DELETE": _delete_zone},
}
"""The paths of zones."""
