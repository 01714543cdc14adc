"""Everything that one region has."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_network
from itertools import cycle, islice
from typing import Any

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.machines import Access, Machines
from polycloud.sandbox.openstack.addresses import Range
from polycloud.sandbox.openstack.identity import Identity, Token
from polycloud.sandbox.openstack.keys import fingerprint
from polycloud.sandbox.openstack.layout import Layout
from polycloud.sandbox.openstack.networking import Networking
from polycloud.sandbox.openstack.resources import Server
from polycloud.sandbox.openstack.settings import OpenStackSettings
from polycloud.sandbox.rest.collection import Item, load_catalog
from polycloud.sandbox.rest.pool import UNREACHED, Pool
from polycloud.sandbox.rest.replies import Json

MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%f"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZ0eHQgZm9yIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyEh seed"


class State(Networking):
    """A region. What belongs to a project has a `project_id`.

    Args:
        settings: the cloud's settings.
        clock: seconds that never run backwards.
        machines: what runs behind the servers.
        identity: the users and tokens, which all regions share.
        prefix: what precedes this region's paths.
        first: the region whose public addresses this one shares, None for the first one.

    Attributes:
        caller: the token of the present request.
        version: the microversion of the present request.
        service: the first segment of its path.
        here: its address without the query.
    """

    caller: Token
    version: tuple[int, int]
    service: str
    here: str

    def __init__(
        self,
        settings: OpenStackSettings,
        clock: Clock,
        machines: Machines,
        identity: Identity,
        prefix: str,
        first: State | None,
    ) -> None:
        super().__init__(settings, clock, machines)
        self.identity = identity
        self._prefix, self._first = prefix, first
        items, _ = load_catalog(self.layout.package)
        self.flavors = {key: self._item(row) for key, row in items["flavors"].items()}
        self.images: dict[str, Item] = {}
        self.servers: dict[str, Server] = {}
        self.keypairs: dict[tuple[str, str], Item] = {}
        self.server_groups: dict[str, Item] = {}
        self.volumes: dict[str, Item] = {}
        self.snapshots: dict[str, Item] = {}
        self.volume_types: dict[str, Item] = {}
        self.cdn: dict[tuple[str, str], Any] = {}
        self.zones: dict[str, Any] = {}
        self.balancers: dict[str, Any] = {}
        self.made_balancers = 0
        self._seed_images(items["images"].values())
        self._seed_networks()
        self._seed_volume_types()
        user = next(user for user in identity.users.values() if user.name == settings.user)
        # The first region has them.
        self._seed_servers(0 if first else settings.seed_nodes, user)
        for number in range(settings.seed_keypairs):
            self.add_keypair(user.id, f"seed-{number + 1:04}", KEY)

    # The present request

    @property
    def layout(self) -> Layout:
        """What is particular to this cloud."""
        return self.identity.layout

    @property
    def nova(self) -> str:
        """The address of Nova in links."""
        return self.base + self.layout.compute.format(self.project_id)

    @property
    def base(self) -> str:
        """Scheme, host and prefix of this region."""
        return self.root + self._prefix

    @property
    def project_id(self) -> str:
        """The project of the present request."""
        return self.caller.project_id

    def sees(self, item: Any) -> bool:
        """Return whether the present request may see an item: its project's, or one for all."""
        owner = getattr(item, "project_id", None)
        return (
            owner in {None, self.project_id} or self.caller.is_admin or bool(getattr(item, "shared", False))
        )

    def precise(self) -> str:
        """Return the present time as Nova and Cinder write it in some fields."""
        return self.date(MICROSECONDS)

    def date(self, form: str) -> str:
        """Return the present time in a format."""
        return datetime.fromtimestamp(self.wall_time, UTC).strftime(form)

    def stamp_of(self, seconds: float) -> str:
        """Return seconds since 1970 as a date."""
        return self.stamp(seconds - self._epoch)

    def identified(self) -> Json:
        """Return what every new item of a project has."""
        return {"state": self, "id": str(uuid.uuid4()), "project_id": self.project_id}

    @property
    def addresses(self) -> Pool:
        """The public addresses at which servers can have machines; all regions share them."""
        return self._first.addresses if self._first else self.public_addresses

    # The initial state

    def _item(self, row: Item, **more: Any) -> Item:
        return Item(state=self, **vars(row), **more)

    def _seed_images(self, rows: Iterable[Item]) -> None:
        owner = self.identity.owner.id
        for row in rows:
            fields = {**vars(row), "visibility": "public", "status": "active", "project_id": owner}
            self.add_image(shared=True, **fields)

    def add_image(self, *, name: str | None, project_id: str, **more: Any) -> Item:
        """Add an image; `more` are its other fields."""
        fields: Json = {
            "state": self,
            "id": str(uuid.uuid4()),
            "container_format": "bare",
            "disk_format": "qcow2",
            "size": None,
            "min_disk": 0,
            "min_ram": 0,
            "protected": False,
            "os_hidden": False,
            "tags": (),
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
            "properties": {},
            "data": b"",
            "locked": False,
            "busy": "the image is being saved",
            "members": (),
            "shared": False,
        }
        image = Item(**{**fields, "name": name, "project_id": project_id, **more})
        self.images[image.id] = image
        return image

    def _seed_networks(self) -> None:
        owner = self.identity.owner.id
        for fields in self.layout.networks:
            given = {key: value for key, value in fields.items() if key != "cidr"}
            network = self.new_network(project_id=owner, shared=True, **given)
            pool = Range(ip_network(fields["cidr"])) if fields["cidr"] else None
            self.add_subnet(
                network,
                fields["cidr"],
                (lambda pool=pool: pool) if pool else self.addresses_lazily,
                project_id=owner,
                name=f"{network.name}-subnet",
            )

    def addresses_lazily(self) -> Pool:
        """Return the public addresses, which are claimed when the first is needed."""
        return self.addresses

    def _seed_volume_types(self) -> None:
        for name, description in (("fast", None), ("__DEFAULT__", "Default Volume Type")):
            kind = Item(state=self, id=str(uuid.uuid4()), name=name, description=description, extra_specs={})
            self.volume_types[kind.id] = kind

    def _seed_servers(self, number: int, user: Item) -> None:
        project = self.identity.home(user)
        fitting = [
            (flavor, image)
            for flavor in list(self.flavors.values())[:5]
            for image in self.images.values()
            if image.min_ram <= flavor.ram and image.min_disk <= flavor.disk
            if not self.layout.misfit(image, flavor, True)
        ]
        network, subnet = next(iter(self.networks.values())), next(iter(self.subnets.values()))
        pool = Pool([UNREACHED])
        for index, (flavor, image) in enumerate(islice(cycle(fitting), number), start=1):
            server = self.add_server(
                name=f"seed-{index:05}",
                project_id=project.id,
                user_id=user.id,
                flavor=flavor,
                image_id=image.id,
                metadata={"seed": "true"},
                vm_state="active",
                task_state=None,
                launched_at=self.precise(),
            )
            ip = pool.take()
            fixed = [{"subnet_id": subnet.id, "ip_address": ip}]
            self.add_port(
                network, project.id, server, fixed_ips=fixed, borrowed=[(pool, ip)], made_by_nova=True
            )

    def cancel(self, subject: Any) -> None:
        """Give up what is under way on a resource."""
        for event in self.events.values():
            if event.subject is subject and event.status == "running":
                event.status = "cancelled"
                for locked in event.locks:
                    locked.locked = False

    # Servers and their parts

    def add_server(self, **fields: Any) -> Server:
        """Add a server; `fields` are those of `Server`."""
        now = self.stamp()
        server = Server(
            state=self, id=str(uuid.uuid4()), number=self.new_number(), created=now, updated=now, **fields
        )
        self.servers[server.id] = server
        return server

    def add_keypair(self, user_id: str, name: str, public_key: str, *, type: str = "ssh") -> Item:
        """Add a key pair of a user."""
        pair = Item(
            state=self,
            id=self.new_number(),
            user_id=user_id,
            name=name,
            public_key=public_key,
            type=type,
            fingerprint=fingerprint(public_key),
            created_at=self.precise(),
        )
        self.keypairs[user_id, name] = pair
        return pair

    def machine_address(self, server: Server) -> str | None:
        """Return the address at which a server has its machine: that of a public or floating address."""
        external = {network.id for network in self.networks.values() if network.external}
        for port in server.ports:
            if port.network_id in external:
                return next((str(fixed["ip_address"]) for fixed in port.fixed_ips), None)
            for floating in self.floating_ips.values():
                if floating.port_id == port.id:
                    return str(floating.floating_ip_address)
        return None

    def add_machine(self, server: Server) -> None:
        """Give a server with a public address a machine with empty files, which does not run yet."""
        address = self.machine_address(server)
        if address and not server.machine:
            access = Access(public_keys=server.public_keys, passwords=(server.password,))
            server.machine = self.machines.add(server.name, address, access)

    def remove_machine(self, server: Server) -> None:
        """Remove a server's machine."""
        machine, server.machine = server.machine, None
        if machine:
            machine.remove()

    def replace_machine(self, server: Server, *, running: bool) -> None:
        """Give a server another machine, at its present address and with empty files."""
        self.remove_machine(server)
        self.add_machine(server)
        machine = server.machine
        if machine and running:
            machine.start()
