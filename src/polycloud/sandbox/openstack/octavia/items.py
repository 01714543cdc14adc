"""Balancers, listeners, pools, members and monitors, and how they are shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.errors import ConflictError, NotFoundError
from polycloud.sandbox.rest.replies import Json

_CREATED = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass(eq=False, kw_only=True)
class Part:
    """An object: its fields, and the change that is under way until `ends`."""

    state: State = field(repr=False)
    project_id: str
    fields: Json
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    last: str = "CREATE"
    ends: float = 0.0
    fails: bool = False
    created_at: str = ""
    updated_at: str | None = None

    @property
    def status(self) -> str:
        """The provisioning status."""
        if not self.state.is_past(self.ends):
            return f"PENDING_{self.last}"
        return "ERROR" if self.fails else "ACTIVE"

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted, and is not shown any more."""
        return self.last == "DELETE" and self.state.is_past(self.ends)

    def begin(self, action: str) -> None:
        """Begin a change."""
        self.last, self.ends = action, self.state.now + self.state.settings.balancing
        if action == "CREATE":
            self.created_at = self.state.date(_CREATED)
        else:
            self.updated_at = self.state.date(_CREATED)

    def operating(self) -> str:
        """Return the operating status."""
        return "OFFLINE" if self.status == "PENDING_CREATE" or not self.fields["admin_state_up"] else "ONLINE"

    def shown(self, **more: Any) -> Json:
        """Render it."""
        return {
            "id": self.id,
            **self.fields,
            "provisioning_status": self.status,
            "operating_status": self.operating(),
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            **more,
        }


@dataclass(eq=False, kw_only=True)
class Member(Part):
    """A member of a pool."""

    pool: Pool = field(repr=False)

    def operating(self) -> str:
        """Return its health: nothing is known without a monitor."""
        usual = super().operating()
        if usual != "ONLINE":
            return usual
        if self.pool.monitor is None:
            return "NO_MONITOR"
        return "ONLINE" if self.fields["weight"] else "DRAINING"


@dataclass(eq=False, kw_only=True)
class Pool(Part):
    """A pool."""

    balancer: Balancer = field(repr=False)
    members: dict[str, Member] = field(default_factory=dict)
    monitor: Part | None = None

    def present(self) -> list[Member]:
        """Return the members that are not gone."""
        for one in list(self.members.values()):
            if one.is_gone:
                del self.members[one.id]
        return list(self.members.values())


@dataclass(eq=False, kw_only=True)
class Listener(Part):
    """A listener."""

    balancer: Balancer = field(repr=False)
    pool: Pool | None = None


@dataclass(eq=False, kw_only=True)
class Balancer(Part):
    """A load balancer."""

    listeners: dict[str, Listener] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)

    def require_free(self, what: str = "") -> None:
        """Raise ConflictError while a change is under way, which calls a part `what`, or after an error."""
        if self.status == "ACTIVE":
            return
        if what:
            raise ConflictError(f"{what} is immutable and cannot be updated.")
        if self.status != "ERROR":
            raise ConflictError(f"Invalid state {self.status} of loadbalancer resource {self.id}")

    def parts(self) -> Iterator[Part]:
        """Yield it and all that belongs to it."""
        yield self
        yield from self.listeners.values()
        for pool in self.pools.values():
            yield pool
            yield from pool.members.values()
            if pool.monitor is not None:
                yield pool.monitor


def balancers_of(state: State) -> list[Balancer]:
    """Return the balancers of the project of a request, without those that are gone."""
    for one in list(state.balancers.values()):
        if one.is_gone:
            del state.balancers[one.id]
    return [one for one in state.balancers.values() if one.project_id == state.project_id]


def balancer_of(state: State, id_: str) -> Balancer:
    """Return a balancer. Raises NotFoundError."""
    found = next((one for one in balancers_of(state) if one.id == id_), None)
    if found is None:
        raise NotFoundError(f"Load Balancer {id_} not found.")
    return found


def pool_of(state: State, id_: str) -> Pool:
    """Return a pool. Raises NotFoundError."""
    found = next((one.pools[id_] for one in balancers_of(state) if id_ in one.pools), None)
    if found is None:
        raise NotFoundError(f"Pool {id_} not found.")
    return found


def _ids(parts: Any) -> list[Json]:
    return [{"id": one.id} for one in parts]


def show_balancer(one: Balancer) -> Json:
    """Render a balancer as it is listed."""
    return one.shown(listeners=_ids(one.listeners.values()), pools=_ids(one.pools.values()))


def show_created(one: Balancer) -> Json:
    """Render a balancer as its create does: with all that it has."""
    listeners, pools = map(show_listener, one.listeners.values()), map(show_full_pool, one.pools.values())
    return one.shown(listeners=list(listeners), pools=list(pools))


def show_listener(one: Listener) -> Json:
    """Render a listener."""
    pool = one.pool.id if one.pool else None
    return one.shown(default_pool_id=pool, loadbalancers=[{"id": one.balancer.id}], l7policies=[])


def show_pool(one: Pool) -> Json:
    """Render a pool as it is listed."""
    listeners = [listener for listener in one.balancer.listeners.values() if listener.pool is one]
    return one.shown(
        loadbalancers=[{"id": one.balancer.id}],
        listeners=_ids(listeners),
        members=_ids(one.present()),
        healthmonitor_id=one.monitor.id if one.monitor else None,
    )


def show_full_pool(one: Pool) -> Json:
    """Render a pool with its members and its monitor."""
    monitor = one.monitor.shown() if one.monitor else None
    return {**show_pool(one), "members": [each.shown() for each in one.present()], "healthmonitor": monitor}
