"""Zones and record sets, and how they are shown."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from polycloud.sandbox.openstack.designate.requests import check_id
from polycloud.sandbox.openstack.errors import DesignateInputError, DesignateNotFoundError
from polycloud.sandbox.openstack.layout import stable_id
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.replies import Call, Json

NAME_SERVER = "ns1.example.org."
_POOL = str(uuid.UUID(stable_id("designate", "pool")))
_DATE = "%Y-%m-%dT%H:%M:%S.000000"


@dataclass(eq=False, kw_only=True)
class Pending:
    """What changes reach the name servers for: `action` is the last one, which ends at `ends`."""

    state: State = field(repr=False)
    id: str
    project_id: str
    name: str
    ttl: int | None
    description: str | None = None
    version: int = 0
    created_at: str = ""
    updated_at: str | None = None
    last: str = "CREATE"
    ends: float = 0.0
    fails: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether the last change has reached the name servers, or failed."""
        return self.state.is_past(self.ends)

    @property
    def status(self) -> str:
        """PENDING, ACTIVE or ERROR."""
        if not self.is_settled:
            return "PENDING"
        return "ERROR" if self.fails else "ACTIVE"

    @property
    def action(self) -> str:
        """What is under way or has failed."""
        return self.last if not self.is_settled or self.fails else "NONE"

    def change(self, action: str, kind: str = "") -> None:
        """Begin a change; it fails if `kind` is one of those that fail."""
        self.last, self.ends = action, self.state.now + self.state.settings.dns
        self.fails = bool(kind) and kind in self.state.settings.errored.replace(" ", "").split(",")
        self.version += 1
        if action == "CREATE":
            self.created_at = self.state.date(_DATE)
        else:
            self.updated_at = self.state.date(_DATE)


@dataclass(eq=False, kw_only=True)
class RecordSet(Pending):
    """A record set; that of a zone itself is `managed`."""

    type: str
    records: list[str]
    managed: bool = False


@dataclass(eq=False, kw_only=True)
class Zone(Pending):
    """A zone."""

    email: str
    type: str
    attributes: Json = field(default_factory=dict)
    masters: list[str] = field(default_factory=list)
    serial: int = 1
    sets: dict[str, RecordSet] = field(default_factory=dict)

    def touch(self, action: str, kind: str = "") -> None:
        """Begin a change of the zone, which has a new serial then."""
        self.change(action, kind)
        self.serial = max(self.serial + 1, int(self.state.wall_time))
        for one in self.sets.values():
            if one.type == "SOA":
                contact = self.email.replace("@", ".")
                one.records = [f"{NAME_SERVER} {contact} {self.serial} 3571 600 86400 3600"]


def show_zone(zone: Zone) -> Json:
    """Render a zone."""
    names = "id project_id name email description ttl serial status action version attributes type masters"
    return {
        **{name: getattr(zone, name) for name in names.split()},
        "pool_id": _POOL,
        "shared": False,
        "created_at": zone.created_at,
        "updated_at": zone.updated_at,
        "transferred_at": None,
        "links": {"self": f"{zone.state.base}/dns/v2/zones/{zone.id}"},
    }


def show_set(zone: Zone) -> Callable[[RecordSet], Json]:
    """Return what renders the sets of a zone."""
    names = "id project_id name type records description ttl status action version created_at updated_at"

    def show(one: RecordSet) -> Json:
        link = f"{zone.state.base}/dns/v2/zones/{zone.id}/recordsets/{one.id}"
        shown = {name: getattr(one, name) for name in names.split()}
        return {**shown, "zone_id": zone.id, "zone_name": zone.name, "links": {"self": link}}

    return show


def zones_of(state: State) -> dict[str, Zone]:
    """Return the zones of all projects, without those that are gone."""
    for zone in list(state.zones.values()):
        if zone.last == "DELETE" and zone.is_settled and not zone.fails:
            del state.zones[zone.id]
    return state.zones


def find_zone(state: State, call: Call) -> Zone:
    """Return the zone that a path names. Raises DesignateNotFoundError."""
    check_id(call.path["zone"], "invalid_uuid", "zone_id")
    zone = zones_of(state).get(call.path["zone"])
    if zone is None or not state.sees(zone):
        raise DesignateNotFoundError("zone_not_found", "Could not find Zone")
    return zone


def changing_zone(state: State, call: Call) -> Zone:
    """Return the zone that a path names, to be changed. Raises an error if it is being deleted."""
    zone = find_zone(state, call)
    if zone.action == "DELETE" and zone.status == "PENDING":
        raise DesignateInputError("bad_request", "Can not update a deleting zone")
    return zone


def is_below(name: str, parent: str) -> bool:
    """Return whether a name is below another one."""
    return name.endswith(f".{parent}")


def add_set(zone: Zone, **fields: Any) -> RecordSet:
    """Add a set to a zone; `fields` are those of `RecordSet`."""
    one = RecordSet(state=zone.state, id=str(uuid.uuid4()), project_id=zone.project_id, **fields)
    one.change("CREATE")
    zone.sets[one.id] = one
    return one
