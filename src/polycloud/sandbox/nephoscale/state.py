"""NephoScale's servers, keys and jobs, and how time changes them.

Nothing runs in the background: a server's jobs start and end at times of the clock, and `State.advance`
carries out those that are due. The jobs of one server run one after another, in the order in which they were
submitted. While a server is built or restarted its power status is "unknown"; starting, stopping and
destroying leave the status unchanged until they end.

Behind a server there may be a machine. A job's work on it starts with the job, in the background, and the job
does not end before that is done. Servers that exist from the start have no machine, nor have those with
Windows, and those without a public address, which cannot be reached from outside.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import cached_property
from itertools import count, cycle
from typing import Any

from polycloud.sandbox.clouds import Clock, Settings
from polycloud.sandbox.machines import Access, Machines, Node
from polycloud.sandbox.nephoscale import catalog
from polycloud.sandbox.nephoscale.dialect import InputError, NoSuchResourceError, Subcode
from polycloud.sandbox.nephoscale.networks import PUBLIC, Address, Networks

SERVER_GROUP, CONSOLE_GROUP = 1, 4


@dataclass(frozen=True, kw_only=True)
class NephoScaleSettings(Settings):
    """The settings of NephoScale.

    Attributes:
        user: the user of the API.
        password: the user's password.
        appear: seconds from a create until the server is listed.
        build: seconds from a create until the server is on and has its addresses.
        power: seconds that a start, stop or restart takes.
        destroy: seconds from a delete until the server is no longer listed.
        seed_nodes: the number of cloud servers that exist from the start, built and on.
        content_type: whether responses have the header Content-Type, with the type of JSON.
        ssh_username: the user who may log in to servers over SSH, with the server key.
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
        """The type's name in paths."""
        return "sshrsa" if self is KeyType.SSH else "password"

    @property
    def secret_name(self) -> str:
        """The field that holds the secret."""
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
    """An operation on a server; its times are those of the clock."""

    id: int
    verb: str
    starts: float
    ends: float


@dataclass(eq=False, kw_only=True)
class Order:
    """A server as it was ordered."""

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
    """A server; `jobs` are those that have not ended, and `started` is the last one that has started."""

    id: int
    create_time: str
    appears: float
    built: bool = False
    power: str = "unknown"
    jobs: deque[Job] = field(default_factory=deque)
    started: Job | None = None
    machine: Node | None = None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


class State:
    """The resources of one account."""

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
        """The networks; the public ones have addresses that machines can have."""
        return Networks(self._machines.isolation.networks())

    def _seed(self, number: int) -> None:
        sizes, zones = (
            cycle(catalog.SIZES[catalog.Kind.CLOUD].values()),
            cycle((catalog.SJC_1, catalog.RIC_1)),
        )
        for index, size, zone in zip(range(number), sizes, zones, strict=False):
            order = Order(
                kind=catalog.Kind.CLOUD,
                name=f"seed-{index + 1}",
                hostname=f"seed-{index + 1}",
                size=size,
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
        """Carry out the jobs that are due."""
        now = self._clock()
        for server in list(self.servers.values()):
            while server.jobs and server.jobs[0].starts <= now:
                self._start(server, server.jobs[0])
                if server.jobs[0].ends > now or (server.machine and server.machine.busy):
                    break
                self._finish(server, server.jobs.popleft())

    def _start(self, server: Server, job: Job) -> None:
        if server.started is job:
            return
        server.started = job
        if job.verb == "restart":
            server.power = "unknown"
        seconds = job.ends - job.starts
        match server.machine, job.verb:
            case None, _:
                pass
            case machine, "build" | "start":
                machine.start(seconds)
            case machine, "restart":
                machine.restart(seconds)
            case machine, "stop":
                machine.stop()
            case machine, _:
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
            self._start(server, job)
        return job.id

    # Servers

    def listed(self, *kinds: catalog.Kind) -> list[Server]:
        """Return the servers of these kinds that the API lists, oldest first."""
        now = self._clock()
        return [server for server in self.servers.values() if server.kind in kinds and server.appears <= now]

    def server(self, kind: catalog.Kind, id: int) -> Server:
        """Return a listed server; NoSuchResourceError if there is none of that kind and id."""
        server = self.servers.get(id)
        if server is None or server.kind is not kind or server.appears > self._clock():
            raise NoSuchResourceError
        return server

    def create(self, order: Order) -> int:
        """Start to build a server; return the job's id."""
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
        """Submit a job, "start", "stop" or "restart"; return its id."""
        return self._submit(self.server(kind, id), verb, self._settings.power)

    def destroy(self, kind: catalog.Kind, id: int) -> int:
        """Submit a job to destroy a server, unless that has been done; return a job's id."""
        if id in self.gone or any(job.verb == "destroy" for job in self.server(kind, id).jobs):
            return next(self._job_ids)
        return self._submit(self.server(kind, id), "destroy", self._settings.destroy)

    # Keys

    def add_key(self, type: KeyType, name: str, secret: str, group: int) -> Key:
        """Add a key; InputError if the name of another key of that type is the same."""
        if any(key.type is type and key.name == name for key in self.keys.values()):
            raise InputError("name", f"there is a key named {name!r} already", Subcode.CONFLICT)
        key = Key(next(self._key_ids), type, name, secret, group, _now())
        self.keys[key.id] = key
        return key

    def delete_key(self, type: KeyType, id: int) -> None:
        """Delete a key; NoSuchResourceError if there is none of that type and id."""
        if id not in self.keys or self.keys[id].type is not type:
            raise NoSuchResourceError
        del self.keys[id]

    # Addresses

    def set_address(self, address: Address, *, reserved: bool, server: Server | None) -> None:
        """Reserve an address, assign it to a server, or release it.

        A reserved address stays on the server that has it, a released one is removed from it. InputError if
        it is on another server than the given one.
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
