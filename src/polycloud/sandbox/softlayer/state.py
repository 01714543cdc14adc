"""SoftLayer's guests and keys, and how time changes them.

A create only orders a guest. Its billing item exists `approve` seconds later, and until then it cannot be
cancelled; it is provisioned `build` seconds after the create, and has its password from then on. While a
transaction is under way, a guest takes no other one. A cancelled guest stays listed, without a billing item,
until it is reclaimed.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from itertools import cycle, islice

from polycloud.sandbox.clouds import Clock, Settings
from polycloud.sandbox.machines import Access, Machines, Node
from polycloud.sandbox.rest.pool import Pool
from polycloud.sandbox.rest.timeline import Account, Event
from polycloud.sandbox.softlayer.catalog import (
    CATALOG,
    SYSTEMS,
    Datacenter,
    Flavor,
    Image,
    System,
)
from polycloud.sandbox.softlayer.dialect import Fault, not_found, public

_PRIVATE = IPv4Network("10.45.0.0/16")
BUSY = "There is currently an active transaction on this virtual server."


@dataclass(frozen=True, kw_only=True)
class SoftLayerSettings(Settings):
    """The settings of SoftLayer.

    Attributes:
        username: the user of the API.
        api_key: the user's key.
        approve: seconds from a create until the guest has a billing item, and can be cancelled.
        build: seconds from a create until the guest is provisioned and runs.
        power: seconds that a start, a stop or a reboot takes.
        destroy: seconds for which a cancelled guest is still listed, while it is reclaimed.
        seed_nodes: how many guests exist from the start, running and with the tag "seed".
        guest_limit: how many guests there may be beside those.
        request_limit: calls in all, and then every one is refused because of the rate; 0 refuses none.
        total_header: whether lists state how many items there are.
    """

    username: str = "sandbox"
    api_key: str = "softlayer_sandbox_key"
    approve: float = 0.0
    build: float = 2.0
    power: float = 0.5
    destroy: float = 0.0
    seed_nodes: int = 0
    guest_limit: int = 50
    request_limit: int = 0
    total_header: bool = True


@dataclass(eq=False, kw_only=True)
class Key:
    """An SSH key."""

    id: int
    label: str
    key: str
    fingerprint: str
    notes: str
    created: str


@dataclass(eq=False, kw_only=True)
class Order:
    """A guest as it was ordered: RAM in MB, disks in GB by device, the speed in Mbit/s."""

    hostname: str
    domain: str
    cpus: int
    ram: int
    disks: dict[int, int]
    local: bool
    hourly: bool
    place: Datacenter
    system: System
    flavor: Flavor | None = None
    image: Image | None = None
    keys: tuple[Key, ...] = ()
    private: bool = False
    dedicated: bool = False
    user_data: str = ""
    script: str = ""
    speed: int = 10
    vlans: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Guest(Order):
    """A virtual server."""

    id: int
    guid: str
    created: str
    private_ip: str
    public_ip: str = ""
    billable: bool = False
    provisioned: str = ""
    power: str = ""
    transaction: str = "SERVICE_SETUP"
    notes: str = ""
    tags: tuple[str, ...] = ()
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    machine: Node | None = None
    locked: bool = False
    pool: Pool | None = None

    busy = BUSY


class State(Account[Event]):
    """The account."""

    event_type = Event
    date_format = "%Y-%m-%dT%H:%M:%S+00:00"
    first_number = 116100001

    def __init__(self, settings: SoftLayerSettings, clock: Clock, machines: Machines) -> None:
        super().__init__(settings, clock, machines, "")
        self.guests: dict[int, Guest] = {}
        self.keys: dict[int, Key] = {}
        self.calls = 0
        self._private_addresses = Pool([_PRIVATE])
        self._seed(settings.seed_nodes)

    def _seed(self, number: int) -> None:
        systems = [system for system in SYSTEMS.values() if not system.is_windows]
        kinds = zip(cycle(CATALOG.flavors), cycle(systems), cycle(CATALOG.datacenters), strict=False)
        for index, (flavor, system, place) in enumerate(islice(kinds, number), start=1):
            cpus, ram, disk = flavor.numbers
            order = Order(
                hostname=f"seed-{index:05}",
                domain="example.com",
                cpus=cpus,
                ram=ram,
                disks={0: disk},
                local=flavor.is_local,
                hourly=True,
                place=place,
                system=system,
                flavor=flavor,
            )
            guest = self._add(order, self.unreached_addresses)
            guest.billable, guest.tags = True, ("seed",)
            self._provision(guest)

    # Guests

    def guest(self, id_: str | None) -> Guest:
        """Return the guest of that id. Raises Fault."""
        found = self.guests.get(int(id_)) if id_ is not None and id_.isascii() and id_.isdigit() else None
        if found is None:
            raise not_found(id_)
        return found

    def create(self, order: Order) -> Guest:
        """Order a guest. Raises Fault."""
        if len(self.guests) >= self.settings.guest_limit + self.settings.seed_nodes:
            raise public("You have reached the maximum number of virtual servers: the limit is exceeded.")
        guest = self._add(order, self.public_addresses)
        if guest.public_ip and not order.system.is_windows:
            keys = tuple(key.key for key in order.keys)
            access = Access(public_keys=keys, passwords=(guest.password,))
            guest.machine = self.machines.add(guest.hostname, guest.public_ip, access)
        self.begin(
            "approve", self.settings.approve, _Billing(guest), partial(setattr, guest, "billable", True)
        )
        start = partial(guest.machine.start, self.settings.build) if guest.machine else None
        self.begin("provision", self.settings.build, guest, partial(self._provision, guest), start=start)
        return guest

    def _add(self, order: Order, pool: Pool) -> Guest:
        guest = Guest(
            **vars(order),
            id=self.new_number(),
            guid=str(uuid.uuid4()),
            created=self.stamp(),
            private_ip=self._private_addresses.take(),
        )
        if not order.private:
            guest.public_ip, guest.pool = pool.take(), pool
        self.guests[guest.id] = guest
        return guest

    def _provision(self, guest: Guest) -> None:
        guest.provisioned, guest.power, guest.transaction = self.stamp(), "RUNNING", ""

    def switch(self, guest: Guest, verb: str, power: str) -> None:
        """Begin to change the power of a guest. Raises Fault if a transaction is under way."""
        if guest.locked:
            raise public(BUSY)
        self.begin(
            verb,
            self.settings.power,
            guest,
            partial(setattr, guest, "power", power),
            start=partial(self._switch_machine, guest, verb),
        )

    def _switch_machine(self, guest: Guest, verb: str) -> None:
        seconds = self.settings.power
        match guest.machine, verb:
            case None, _:
                pass
            case machine, "start":
                machine.start(seconds)
            case machine, "restart":
                machine.restart(seconds)
            case machine, "stop":
                machine.stop()

    def cancel(self, guest: Guest) -> None:
        """Cancel a guest. Raises Fault if it has no billing item yet, or any longer."""
        if not guest.billable:
            raise Fault(
                "SoftLayer_Exception_NotFound", "A billing item is required to process a cancellation."
            )
        self._abandon(guest)
        guest.billable, guest.transaction = False, "RECLAIM_WAIT"
        self.begin("reclaim", self.settings.destroy, guest, partial(self._reclaim, guest))

    def _abandon(self, guest: Guest) -> None:
        """End what is under way on a guest, without effect."""
        for _, _, event in self._due:
            if guest in event.locks and event.status == "running":
                event.status, guest.locked = "failed", False

    def _reclaim(self, guest: Guest) -> None:
        del self.guests[guest.id]
        if guest.machine:
            guest.machine.remove()
        self._private_addresses.give(guest.private_ip)
        if guest.pool:
            guest.pool.give(guest.public_ip)


class _Billing:
    """The order of a guest, whose approval takes its own time."""

    locked = False
    busy = BUSY

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
