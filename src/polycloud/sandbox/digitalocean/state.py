"""Everything that one account has."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from ipaddress import IPv4Network
from itertools import cycle, islice
from typing import Any

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.digitalocean.resources import (
    PUBLIC_IMAGES,
    REGIONS,
    SIZES,
    Action,
    Droplet,
    Image,
    ReservedIp,
    Volume,
)
from polycloud.sandbox.digitalocean.settings import DigitalOceanSettings
from polycloud.sandbox.machines import Access, Machines
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import NotFoundError
from polycloud.sandbox.rest.pool import Pool
from polycloud.sandbox.rest.replies import Json
from polycloud.sandbox.rest.timeline import Account


class State(Account[Action]):
    """The account; public images are among its images."""

    event_type = Action
    first_number = 3164444
    first_event = 36804636

    def __init__(self, settings: DigitalOceanSettings, clock: Clock, machines: Machines) -> None:
        super().__init__(settings, clock, machines, settings.errored)
        self.regions, self.sizes = REGIONS, SIZES
        self.droplets: dict[int, Droplet] = {}
        self.images = {image.id: Image(**vars(image)) for image in PUBLIC_IMAGES.values()}
        self.keys: dict[int, Item] = {}
        self.volumes: dict[str, Volume] = {}
        self.volume_snapshots: dict[str, Item] = {}
        self.reserved_ips: dict[str, ReservedIp] = {}
        self.vpcs: dict[str, Item] = {}
        self.firewalls: dict[str, Item] = {}
        self.tags: dict[str, Item] = {}
        self.domains: dict[str, Item] = {}
        self.balancers: dict[str, Item] = {}
        for number, slug in enumerate(REGIONS):
            vpc = Item(**self.identity(), name=f"default-{slug}", region=slug, description="", default=True)
            vars(vpc).update(in_network(IPv4Network(f"10.{100 + number}.0.0/16")))
            self.vpcs[vpc.id] = vpc
        self._seed(settings.seed_nodes)

    def _seed(self, number: int) -> None:
        images = [image for image in self.images.values() if image.slug]
        places = [
            (size, region, image)
            for image, size in zip(images, cycle(SIZES.values()), strict=False)
            for region in REGIONS.values()
            if region.available and region.slug in size.regions and region.slug in image.regions
            if size.disk >= image.min_disk_size
        ]
        tags = self.canonical_tags(["seed"]) if number else ()
        for index, (size, region, image) in enumerate(islice(cycle(places), number), start=1):
            self.add_droplet(
                name=f"seed-{index:05}",
                size=size,
                region=region,
                image=image,
                tags=tags,
                status="active",
                pool=self.unreached_addresses,
            )

    def identity(self) -> Json:
        """Return what every new item has whose id is a UUID."""
        return {"id": str(uuid.uuid4()), "created_at": self.stamp()}

    def link(self, path: str) -> str:
        """Return the address of a path below /v2."""
        return f"{self.root}/v2{path}"

    # Tags and networks

    def tag(self, name: str) -> Item:
        """Return the tag of that name, however it is capitalised; a new one if there is none."""
        key = name.lower()
        return self.tags.setdefault(key, Item(key=key, name=name, account=self))

    def canonical_tags(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the tags of these names as they were first spelled; those that do not exist are made."""
        return tuple(dict.fromkeys(self.tag(name).name for name in names))

    def default_vpc(self, region: str) -> Item:
        """Return the private network of a region's droplets that name none."""
        return next(vpc for vpc in self.vpcs.values() if vpc.region == region and vpc.default)

    # Droplets

    def add_droplet(
        self,
        *,
        name: str,
        size: Item,
        region: Item,
        image: Image,
        pool: Pool | None = None,
        vpc: Item | None = None,
        public: bool = True,
        features: tuple[str, ...] = ("droplet_agent", "private_networking"),
        **more: Any,
    ) -> Droplet:
        """Add a droplet; its public address comes from `pool`, and `more` are fields of `Droplet`."""
        vpc = vpc or self.default_vpc(region.slug)
        pool = pool or self.public_addresses
        droplet = Droplet(
            id=self.new_number(),
            name=name,
            size=size,
            disk=size.disk,
            region=region,
            image=image,
            vpc=vpc,
            public_ip=pool.take() if public else None,
            public_pool=pool,
            private_ip=vpc.addresses.take(),
            features=features,
            created_at=self.stamp(),
            **more,
        )
        self.droplets[droplet.id] = droplet
        return droplet

    def add_machine(self, droplet: Droplet) -> None:
        """Give a droplet with a public address a machine with empty files, which does not run yet."""
        if droplet.public_ip:
            passwords = (droplet.password,) if droplet.password else ()
            access = Access(public_keys=droplet.public_keys, passwords=passwords)
            droplet.machine = self.machines.add(droplet.name, droplet.public_ip, access)

    def droplet(self, id: int) -> Droplet:
        """Return the droplet of that id. Raises NotFoundError if there is none or it was deleted."""
        droplet = self.droplets.get(id)
        if droplet is None or droplet.status == "archive":
            raise NotFoundError
        return droplet

    def remove_droplet(self, droplet: Droplet) -> None:
        """Forget a droplet and free its addresses."""
        del self.droplets[droplet.id]
        droplet.vpc.addresses.give(droplet.private_ip)
        if droplet.public_ip:
            droplet.public_pool.give(droplet.public_ip)


def in_network(network: IPv4Network) -> Json:
    """Return the fields of a VPC that its network determines."""
    return {"ip_range": str(network), "netmask": str(network.netmask), "addresses": Pool([network])}
