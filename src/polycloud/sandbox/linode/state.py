"""Everything that one account has."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import cycle, islice
from typing import Any

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.linode.resources import (
    CATALOG,
    REGIONS,
    TYPES,
    Config,
    Disk,
    Event,
    Image,
    Linode,
    Volume,
    has_type,
)
from polycloud.sandbox.linode.settings import LinodeSettings
from polycloud.sandbox.machines import Access, Machines
from polycloud.sandbox.rest.bodies import length
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import NotFoundError
from polycloud.sandbox.rest.pool import Pool
from polycloud.sandbox.rest.timeline import Account

PRIVATE = IPv4Network("192.168.128.0/17")

SWAP = 512
"""The default MB of swap of a Linode."""


class State(Account[Event]):
    """The account; public images are among its images."""

    event_type = Event
    date_format = "%Y-%m-%dT%H:%M:%S"
    first_number = 7590910

    def __init__(self, settings: LinodeSettings, clock: Clock, machines: Machines) -> None:
        super().__init__(settings, clock, machines, settings.failing)
        self.catalog = Item(**CATALOG)
        self.linodes: dict[int, Linode] = {}
        self.images = {image.id: _public(image) for image in CATALOG["images"].values()}
        self.keys: dict[int, Item] = {}
        self.volumes: dict[int, Volume] = {}
        self.stackscripts: dict[int, Item] = {}
        self.firewalls: dict[int, Item] = {}
        self.domains: dict[int, Item] = {}
        self.nodebalancers: dict[int, Item] = {}
        self.tags: dict[str, Item] = {}
        self._private_addresses = {region: Pool([PRIVATE]) for region in REGIONS}
        self._seed(settings.seed_nodes)

    def _seed(self, number: int) -> None:
        images = [image for image in self.images.values() if not image.deprecated]
        places = [
            (plan, region, image)
            for image, plan in zip(images, cycle(TYPES.values()), strict=False)
            for region in REGIONS.values()
            if has_type(region, plan)
        ]
        if number:
            self.use_tags(["seed"])
        for index, (plan, region, image) in enumerate(islice(cycle(places), number), start=1):
            linode = self.add_linode(
                f"seed-{index:05}", plan, region, self.unreached_addresses, tags=("seed",), status="running"
            )
            linode.image = image
            self.install(linode, image, None, SWAP)
            settle(linode)
            linode.last_config = next(iter(linode.configs))

    # Events

    def add_event(self, type: str, subject: Any, seconds: float = 0.0, **more: Any) -> Event:
        """Record an event of the account's user."""
        return super().add_event(type, subject, seconds, username=self.settings.username, **more)

    def note(self, type: str, subject: Any, **more: Any) -> None:
        """Record a change that took no time."""
        self.add_event(type, subject, status="note", **more)

    def abandon(self, linode: Linode) -> None:
        """End the events that lock a Linode, without effect."""
        for _, _, event in self._due:
            if linode in event.locks and event.status == "running":
                event.status = "failed"
                for locked in event.locks:
                    locked.locked = False

    def use_tags(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return these tags, without doubles; those that do not exist are made."""
        labels = tuple(dict.fromkeys(labels))
        for label in labels:
            length(3, 50)("tags", label)
        for label in labels:
            self.tags.setdefault(label, Item(label=label))
        return labels

    # Linodes

    def add_linode(self, label: str | None, plan: Item, region: Item, pool: Pool, **more: Any) -> Linode:
        """Add a Linode with an address of that pool; `more` are fields of `Linode`."""
        number, now = self.new_number(), self.stamp()
        linode = Linode(
            id=number,
            label=label or f"linode{number}",
            type=plan,
            region=region,
            created=now,
            updated=now,
            host_uuid=uuid.uuid4().hex,
            alerts={
                "cpu": 90 * plan.vcpus,
                "io": 10000,
                "network_in": 10,
                "network_out": 10,
                "transfer_quota": 80,
            },
            **more,
        )
        self.linodes[number] = linode
        self.add_public(linode, pool)
        return linode

    @staticmethod
    def add_public(linode: Linode, pool: Pool) -> Item:
        """Add a public address to a Linode."""
        ip = pool.take()
        address = Item(ip=ip, public=True, rdns=default_rdns(ip), pool=pool)
        linode.addresses.append(address)
        return address

    def add_private(self, linode: Linode) -> Item:
        """Add a private address to a Linode."""
        pool = self._private_addresses[linode.region.id]
        address = Item(ip=pool.take(), public=False, rdns=None, pool=pool)
        linode.addresses.append(address)
        return address

    def linode(self, id: int) -> Linode:
        """Return the Linode of that id. Raises NotFoundError if there is none or it is being deleted."""
        linode = self.linodes.get(id)
        if linode is None or linode.status == "deleting":
            raise NotFoundError
        return linode

    def install(self, linode: Linode, image: Image, access: Access | None, swap: int) -> None:
        """Add a disk with an image, swap, and a configuration to a Linode; `settle` makes them ready."""
        disks = [
            self.add_disk(
                linode, f"{image.label} Disk", linode.type.disk - swap, "ext4", image=image, access=access
            )
        ]
        if swap:
            disks.append(self.add_disk(linode, f"{swap} MB Swap Image", swap, "swap"))
        label = f"My {image.label} Disk Profile"
        config = Config(id=self.new_number(), label=label, kernel="linode/grub2")
        for disk in disks:
            config.place("disk_id", disk.id)
        linode.configs[config.id] = config

    def add_disk(self, linode: Linode, label: str, size: int, filesystem: str, **more: Any) -> Disk:
        """Add a disk, which is not ready; `more` are fields of `Disk`."""
        number, now = self.new_number(), self.stamp()
        fields = {"label": label, "size": size, "filesystem": filesystem, **more}
        disk = Disk(linode=linode, id=number, created=now, updated=now, **fields)
        linode.disks[number] = disk
        return disk

    def copy(self, linode: Linode, disks: Iterable[Disk], configs: Iterable[Config]) -> None:
        """Add copies of disks to a Linode, and of configurations, which use the copies."""
        now = self.stamp()
        new = {
            disk.id: replace(
                disk, linode=linode, id=self.new_number(), created=now, updated=now, status="ready"
            )
            for disk in disks
        }
        linode.disks.update({disk.id: disk for disk in new.values()})
        for config in configs:
            devices = {
                slot: {"disk_id": new[device["disk_id"]].id}
                for slot, device in config.devices.items()
                if device.get("disk_id") in new
            }
            copied = replace(config, id=self.new_number(), devices=devices)
            linode.configs[copied.id] = copied

    def prepare_machine(self, linode: Linode, disk: Disk | None) -> None:
        """Keep the machine of a Linode if it boots that disk; else replace it by one with empty files."""
        if linode.machine and linode.machine_disk is disk:
            return
        self.remove_machine(linode)
        reached = next(address for address in linode.addresses if address.public)
        if disk and disk.access and reached.pool is not self.unreached_addresses:
            linode.machine = self.machines.add(linode.label, reached.ip, disk.access)
            linode.machine_disk = disk

    @staticmethod
    def remove_machine(linode: Linode) -> None:
        """Remove a Linode's machine with all its files."""
        if linode.machine:
            # There is no need to wait for it: its address is handed out again last.
            linode.machine.remove()
            linode.machine = linode.machine_disk = None

    def remove_linode(self, linode: Linode) -> None:
        """Forget a Linode and free its addresses."""
        del self.linodes[linode.id]
        for address in linode.addresses:
            address.pool.give(address.ip)


def settle(linode: Linode) -> None:
    """Make the disks of a Linode ready."""
    for disk in linode.disks.values():
        disk.status = "ready"


def default_rdns(ip: str) -> str:
    """Return the default name of an address."""
    return f"{ip.replace('.', '-')}.ip.linodeusercontent.com"


def _public(image: Item) -> Image:
    return Image(**vars(image), updated=image.created, is_public=True, created_by="linode")
