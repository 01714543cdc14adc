"""NephoScale's servers, keys and jobs, and how time changes them.

Nothing runs in the background: a server's jobs have a beginning and an end on the clock, and `State.advance`
carries out those whose end has come. The jobs of one server run one after another, in the order in which they
were given. While a server is built or restarted its power status is "unknown"; starting, stopping and
destroying leave the status as it was until they end.

Behind a server there may be a machine. What a job means for it begins with the job, in the background, and
the job does not end before that is done. Servers that exist from the beginning have no machine, nor have
those of Windows and those without a public address, which nobody outside could reach.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import cached_property
from itertools import count
from typing import Any

from polycloud.sandbox.clouds import Clock, Settings
from polycloud.sandbox.machines import Access, Machines, Node
from polycloud.sandbox.nephoscale import catalog
from polycloud.sandbox.nephoscale.errors import InputError, NoSuchResourceError, Subcode
from polycloud.sandbox.nephoscale.networks import PUBLIC, Address, Networks

SERVER_GROUP, CONSOLE_GROUP = 1, 4


@dataclass(frozen=True, kw_only=True)
class NephoScaleSettings(Settings):
    """The settings of NephoScale.

    Attributes:
        user: who may log in.
        password: with what.
        appear: seconds from a create until the server is listed.
        build: seconds from a create until the server is on and has its addresses.
        power: seconds that a start, stop or restart takes.
        destroy: seconds from a delete until the server is no longer listed.
        seed_nodes: how many cloud servers exist from the beginning, built and on.
        content_type: whether answers say that they are JSON.
        ssh_username: who may log in to servers over SSH, with the server key.
    """

    user: str = "user"
    password: str = "correct_password"  # noqa: S105 - opens nothing but a sandbox
    appear: float = 0.5
    build: float = 2.0
    power: float = 0.5
    destroy: float = 0.5
    seed_nodes: int = 0
    content_type: bool = True
    ssh_username: str = "root"


class KeyType(IntEnum):
    """The API's `key_type`."""

    PASSWORD = 1
    SSH = 2

    @property
    def path(self) -> str:
        """The type's word in a path."""
        return "sshrsa" if self is KeyType.SSH else "password"

    @property
    def secret_name(self) -> str:
        """The field that holds the key itself."""
        return "public_key" if self is KeyType.SSH else "password"


@dataclass(frozen=True)
class Key:
    """An SSH key or a password for servers or for their consoles."""

    id: int
    type: KeyType
    name: str
    secret: str = field(repr=False)
    group: int
    create_time: str


@dataclass(frozen=True)
class Job:
    """Something that a server is going through; times are the clock's."""

    id: int
    verb: str
    starts: float
    ends: float


@dataclass(eq=False, kw_only=True)
class Order:
    """What somebody wants to have built."""

    kind: catalog.Kind
    name: str
    hostname: str
    size: catalog.Size
    image: catalog.Image
    zone: catalog.Zone
    server_key: Key | None = None
    console_key: Key | None = None
    addresses: list[Address]


@dataclass(eq=False, kw_only=True)
class Server(Order):
    """A server; `jobs` are those that have not ended, of which the first may have begun."""

    id: int
    create_time: str
    appears: float
    built: bool = False
    power: str = "unknown"
    jobs: deque[Job] = field(default_factory=deque)
    begun: Job | None = None
    machine: Node | None = None

    def is_being_destroyed(self) -> bool:
        """Whether its end is decided."""
        return any(job.verb == "destroy" for job in self.jobs)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


class State:
    """Everything that one account has."""

    def __init__(self, settings: NephoScaleSettings, clock: Clock, machines: Machines) -> None:
        self._settings = settings
        self._clock = clock
        self._machines = machines
        self._server_ids, self._job_ids, self._key_ids = count(88001), count(141001), count(71001)
        self.servers: dict[int, Server] = {}
        self.gone: set[int] = set()
        self.keys: dict[int, Key] = {}
        self._seed(settings.seed_nodes)

    @cached_property
    def networks(self) -> Networks:
        """The networks; which public addresses there are depends on where machines can have them."""
        return Networks(self._machines.isolation.networks())

    def _seed(self, number: int) -> None:
        sizes = [size for size in catalog.SIZES.values() if size.kind is catalog.Kind.CLOUD]
        zones = (catalog.SJC_1, catalog.RIC_1)
        for index in range(number):
            zone = zones[index % len(zones)]
            order = Order(
                kind=catalog.Kind.CLOUD,
                name=f"seed-{index + 1}",
                hostname=f"seed-{index + 1}",
                size=sizes[index % len(sizes)],
                image=catalog.DEFAULT_IMAGE,
                zone=zone,
                addresses=self.networks.choose(zone),
            )
            self._add(order, appears=self._clock(), built=True, power="on")

    def _add(self, order: Order, **more: Any) -> Server:
        server = Server(**vars(order), id=next(self._server_ids), create_time=_now(), **more)
        self.servers[server.id] = server
        for address in server.addresses:
            address.subnet.set(address, reserved=address.reserved, server=server.id)
        return server

    def advance(self) -> None:
        """Carry out what is due."""
        now = self._clock()
        for server in list(self.servers.values()):
            while server.jobs and server.jobs[0].starts <= now:
                self._begin(server, server.jobs[0])
                if server.jobs[0].ends > now or (server.machine and server.machine.busy):
                    break
                self._finish(server, server.jobs.popleft())

    def _begin(self, server: Server, job: Job) -> None:
        if server.begun is job:
            return
        server.begun = job
        if job.verb == "restart":
            server.power = "unknown"
        machine, seconds = server.machine, job.ends - job.starts
        if machine is None:
            return
        match job.verb:
            case "build" | "start":
                machine.start(seconds)
            case "restart":
                machine.restart(seconds)
            case "stop":
                machine.stop()
            case _:
                machine.remove()

    def _finish(self, server: Server, job: Job) -> None:
        if job.verb == "destroy":
            server.jobs.clear()
            del self.servers[server.id]
            self.gone.add(server.id)
            for address in server.addresses:
                address.subnet.set(address, reserved=address.reserved, server=None)
        else:
            server.built = True
            server.power = "off" if job.verb == "stop" else "on"

    def _submit(self, server: Server, verb: str, seconds: float) -> int:
        now = self._clock()
        starts = server.jobs[-1].ends if server.jobs else now
        job = Job(next(self._job_ids), verb, starts, starts + seconds)
        server.jobs.append(job)
        if job is server.jobs[0]:
            self._begin(server, job)
        return job.id

    # Servers

    def listed(self, *kinds: catalog.Kind) -> list[Server]:
        """The servers of these kinds that the API shows by now, oldest first."""
        now = self._clock()
        return [server for server in self.servers.values() if server.kind in kinds and server.appears <= now]

    def server(self, kind: catalog.Kind, id: int) -> Server:
        """A listed server; NoSuchResourceError if there is none of that kind and id."""
        server = self.servers.get(id)
        if server is None or server.kind is not kind or server.appears > self._clock():
            raise NoSuchResourceError
        return server

    def create(self, order: Order) -> int:
        """Begin to build a server; returns the job's id."""
        server = self._add(order, appears=self._clock() + self._settings.appear)
        server.machine = self._machine(order)
        return self._submit(server, "build", self._settings.build)

    def _machine(self, order: Order) -> Node | None:
        public = [address for address in order.addresses if address.subnet.network.domain_type == PUBLIC]
        if not public or order.image.base_type != "linux":
            return None
        key = order.server_key
        access = Access(
            username=self._settings.ssh_username,
            public_keys=(key.secret,) if key and key.type is KeyType.SSH else (),
            passwords=(key.secret,) if key and key.type is KeyType.PASSWORD else (),
        )
        return self._machines.add(order.hostname, public[0].ip, access)

    def switch(self, kind: catalog.Kind, id: int, verb: str) -> int:
        """Give a server the job to "start", "stop" or "restart"; returns the job's id."""
        return self._submit(self.server(kind, id), verb, self._settings.power)

    def destroy(self, kind: catalog.Kind, id: int) -> int:
        """Begin to destroy a server, if that has not been done yet; returns the job's id."""
        if id in self.gone:
            return next(self._job_ids)
        server = self.server(kind, id)
        if server.is_being_destroyed():
            return next(self._job_ids)
        return self._submit(server, "destroy", self._settings.destroy)

    # Keys

    def add_key(self, type: KeyType, name: str, secret: str, group: int) -> Key:
        """Keep a key; InputError if one of that type has the name already."""
        if any(key.type is type and key.name == name for key in self.keys.values()):
            raise InputError("name", f"there is a key named {name!r} already", Subcode.CONFLICT)
        key = Key(next(self._key_ids), type, name, secret, group, _now())
        self.keys[key.id] = key
        return key

    def delete_key(self, type: KeyType, id: int) -> None:
        """Forget a key; NoSuchResourceError if there is none of that type and id."""
        if id not in self.keys or self.keys[id].type is not type:
            raise NoSuchResourceError
        del self.keys[id]

    # Addresses

    def set_address(self, address: Address, *, reserved: bool, server: Server | None) -> None:
        """Reserve an address, put it on a server, or release it.

        Reserving keeps it on the server that has it, releasing takes it away; InputError if it is on another
        server than the given one.
        """
        holder = self.servers.get(address.server) if address.server is not None else None
        if server and holder and server is not holder:
            raise InputError("ipaddress", f"{address.ip} is on another server", Subcode.CONFLICT)
        if holder and not reserved and not server:
            holder.addresses.remove(address)
        if server and not holder:
            server.addresses.append(address)
        keeper = server or (holder if reserved else None)
        address.subnet.set(address, reserved=reserved, server=keeper.id if keeper else None)
