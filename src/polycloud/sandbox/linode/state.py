"""Everything that one account has, and how time changes it.

Nothing runs in the background: an event has an end on the clock, and `State.advance` carries out the effects
of those whose end has come. An event locks what it is about, and a locked resource takes no other request.
"""

from __future__ import annotations

import heapq
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import count, cycle, islice
from typing import Any, TypeVar

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.linode import catalog
from polycloud.sandbox.linode.addresses import NOBODY, PRIVATE, Pool, default_rdns
from polycloud.sandbox.linode.errors import NotFoundError
from polycloud.sandbox.linode.inputs import check_length
from polycloud.sandbox.linode.knobs import LinodeKnobs
from polycloud.sandbox.linode.resources import (
    Address,
    Config,
    Disk,
    Event,
    Firewall,
    Image,
    Key,
    Linode,
    Lockable,
    StackScript,
    Subject,
    Volume,
)
from polycloud.sandbox.machines import Access, Machines

K = TypeVar("K")
T = TypeVar("T")

SWAP = 512
"""The MB of swap that a Linode gets unless told."""


class State:
    """The account. Its dictionaries hold what exists, oldest first; public images among the images."""

    def __init__(self, knobs: LinodeKnobs, clock: Clock, machines: Machines) -> None:
        self.knobs = knobs
        self._machines = machines
        self._clock = clock
        # What the wall's clock showed when this one showed 0: answers tell dates.
        self._epoch = time.time() - clock()
        self._numbers = count(7590910)
        self._due: list[tuple[float, int, Event]] = []
        self._failing = set(knobs.failing.replace(" ", "").split(","))
        self.linodes: dict[int, Linode] = {}
        self.images: dict[str, Image] = {image.id: _public(image) for image in catalog.PUBLIC_IMAGES}
        self.keys: dict[int, Key] = {}
        self.volumes: dict[int, Volume] = {}
        self.stackscripts: dict[int, StackScript] = {}
        self.firewalls: dict[int, Firewall] = {}
        self.tags: dict[str, None] = {}
        self.events: dict[int, Event] = {}
        self.unreached_addresses = Pool([NOBODY])
        self._private_addresses = {region: Pool([PRIVATE]) for region in catalog.REGIONS}
        self._seed(knobs.seed_instances)

    def _seed(self, number: int) -> None:
        images = [image for image in self.images.values() if not image.deprecated]
        places = [
            (plan, region, image)
            for image, plan in zip(images, cycle(catalog.TYPES.values()), strict=False)
            for region in catalog.REGIONS.values()
            if plan.is_in(region)
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

    @cached_property
    def public_addresses(self) -> Pool:
        """The public addresses at which Linodes can have machines."""
        return Pool(self._machines.isolation.networks())

    # Time

    def stamp(self, at: float | None = None) -> str:
        """The date of a moment on the clock, which is now unless told."""
        seconds = self._epoch + (self._clock() if at is None else at)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def advance(self) -> None:
        """Carry out what is due, but for Linodes whose machine is not so far yet."""
        waiting: list[tuple[float, int, Event]] = []
        while self._due and self._due[0][0] <= self._clock():
            due = heapq.heappop(self._due)
            if due[2].is_held_up():
                waiting.append(due)
            elif due[2].status == "started":
                self._finish(due[2])
        for due in waiting:
            heapq.heappush(self._due, due)

    def _finish(self, event: Event) -> None:
        for locked in event.locks:
            locked.locked = False
        event.status = "failed" if event.fails else "finished"
        if event.fails:
            event.undo()
        else:
            event.effect()

    def begin(
        self,
        action: str,
        seconds: float,
        subject: Subject,
        effect: Callable[[], object],
        *,
        locks: Iterable[Lockable] = (),
        undo: Callable[[], object] = lambda: None,
        secondary: Subject | None = None,
        noun: str = "",
        start: Callable[[], object] | None = None,
        fails: bool = False,
    ) -> Event:
        """Let something happen in so many seconds; an InputError if what it locks is locked.

        Args:
            action: what the API calls it.
            seconds: how long it takes.
            subject: what it is about.
            effect: what is done at the end.
            locks: what takes nothing else meanwhile.
            undo: what is done at the end in place of the effect, if it fails.
            secondary: what else it is about.
            noun: what the API calls the subject, where it is not its own noun.
            start: what is begun now behind the scenes, unless it will fail.
            fails: whether it will.
        """
        fails = fails or action in self._failing
        locks = tuple(locks)
        check_free(*locks)
        now = self._clock()
        event = self._add_event(
            action,
            subject,
            now + seconds,
            effect=effect,
            undo=undo,
            locks=locks,
            secondary=secondary,
            noun=noun,
        )
        event.fails = fails
        for locked in locks:
            locked.locked = True
        if start and not fails:
            start()
        heapq.heappush(self._due, (event.ends, event.id, event))
        self.advance()
        return event

    def note(
        self, action: str, subject: Subject, *, secondary: Subject | None = None, noun: str = ""
    ) -> None:
        """Tell of something that happened at once."""
        self._add_event(action, subject, self._clock(), secondary=secondary, noun=noun, status="notification")

    def _add_event(self, action: str, subject: Subject, ends: float, **more: Any) -> Event:
        fields = {"effect": lambda: None, "undo": lambda: None, "started": self._clock(), **more}
        event = Event(id=self.new_id(), action=action, subject=subject, ends=ends, **fields)
        self.events[event.id] = event
        return event

    def abandon(self, linode: Linode) -> None:
        """End what is under way on a Linode, without effect."""
        for _, _, event in self._due:
            if linode in event.locks and event.status == "started":
                event.status = "failed"
                for locked in event.locks:
                    locked.locked = False

    # Names

    def new_id(self) -> int:
        """The id of anything new."""
        return next(self._numbers)

    def use_tags(self, labels: Iterable[str]) -> tuple[str, ...]:
        """These tags, without doubles; those that do not exist are made. InputError for an unsuitable one."""
        labels = tuple(dict.fromkeys(labels))
        for label in labels:
            check_length(label, 3, 50, "tags")
        self.tags.update(dict.fromkeys(labels))
        return labels

    # Linodes

    def add_linode(
        self, label: str | None, plan: catalog.Type, region: catalog.Region, pool: Pool, **more: Any
    ) -> Linode:
        """A new Linode with an address of that pool; `more` are fields of `Linode`."""
        number, now = self.new_id(), self.stamp()
        linode = Linode(
            id=number,
            label=label or f"linode{number}",
            type=plan,
            region=region,
            created=now,
            updated=now,
            host=uuid.uuid4().hex,
            alerts=default_alerts(plan),
            **more,
        )
        self.linodes[number] = linode
        self.add_public(linode, pool)
        return linode

    @staticmethod
    def add_public(linode: Linode, pool: Pool) -> Address:
        """Give a Linode a public address."""
        ip = pool.take()
        address = Address(ip=ip, public=True, rdns=default_rdns(ip), pool=pool)
        linode.addresses.append(address)
        return address

    def add_private(self, linode: Linode) -> Address:
        """Give a Linode a private address."""
        pool = self._private_addresses[linode.region.id]
        address = Address(ip=pool.take(), public=False, rdns=None, pool=pool)
        linode.addresses.append(address)
        return address

    def linode(self, id: int) -> Linode:
        """The Linode of that id; NotFoundError if there is none, or only what is left of one."""
        linode = self.linodes.get(id)
        if linode is None or linode.status == "deleting":
            raise NotFoundError
        return linode

    def install(self, linode: Linode, image: Image, access: Access | None, swap: int) -> None:
        """Give a Linode a disk with an image, swap, and a configuration; `settle` makes them ready."""
        main = self.add_disk(
            linode, f"{image.label} Disk", linode.type.disk - swap, "ext4", image=image, access=access
        )
        disks = [main]
        if swap:
            disks.append(self.add_disk(linode, f"{swap} MB Swap Image", swap, "swap"))
        config = Config(id=self.new_id(), label=f"My {image.label} Disk Profile", kernel="linode/grub2")
        for disk in disks:
            config.place("disk_id", disk.id)
        linode.configs[config.id] = config

    def add_disk(self, linode: Linode, label: str, size: int, filesystem: str, **more: Any) -> Disk:
        """A new disk, which is not ready; `more` are fields of `Disk`."""
        now = self.stamp()
        disk = Disk(
            id=self.new_id(), label=label, size=size, filesystem=filesystem, created=now, updated=now, **more
        )
        linode.disks[disk.id] = disk
        return disk

    def copy(self, linode: Linode, disks: Iterable[Disk], configs: Iterable[Config]) -> None:
        """Give a Linode copies of disks and configurations, which use the copies."""
        now = self.stamp()
        new = {
            disk.id: replace(disk, id=self.new_id(), created=now, updated=now, status="ready")
            for disk in disks
        }
        linode.disks.update({disk.id: disk for disk in new.values()})
        for config in configs:
            devices = {
                slot: {"disk_id": new[device["disk_id"]].id}
                for slot, device in config.devices.items()
                if device.get("disk_id") in new
            }
            copied = replace(config, id=self.new_id(), devices=devices)
            linode.configs[copied.id] = copied

    def prepare_machine(self, linode: Linode, disk: Disk | None) -> None:
        """Give a Linode the machine that boots that disk: the one that it has, or one with empty files."""
        if linode.machine and linode.machine_disk is disk:
            return
        self.remove_machine(linode)
        reached = next(address for address in linode.addresses if address.public)
        if disk and disk.access and reached.pool is not self.unreached_addresses:
            linode.machine = self._machines.add(linode.label, reached.ip, disk.access)
            linode.machine_disk = disk

    @staticmethod
    def remove_machine(linode: Linode) -> None:
        """Take a Linode's machine away with all its files."""
        if linode.machine:
            # Nobody waits for it: its address is handed out again last.
            linode.machine.remove()
            linode.machine = linode.machine_disk = None

    def remove_linode(self, linode: Linode) -> None:
        """Forget a Linode and free its addresses."""
        del self.linodes[linode.id]
        for address in linode.addresses:
            address.pool.give(address.ip)


def settle(linode: Linode) -> None:
    """Let the disks of a Linode be ready."""
    for disk in linode.disks.values():
        disk.status = "ready"


def default_alerts(plan: catalog.Type) -> dict[str, int]:
    """When a Linode of that type complains."""
    return {
        "cpu": 90 * plan.vcpus,
        "io": 10000,
        "network_in": 10,
        "network_out": 10,
        "transfer_quota": 80,
    }


def check_free(*resources: Lockable) -> None:
    """An InputError if something is under way on any of these."""
    for resource in resources:
        if resource.locked:
            raise resource.busy()


def _public(image: catalog.PublicImage) -> Image:
    stamp = f"{image.day}T12:00:00"
    return Image(
        id=image.id,
        label=image.label,
        vendor=image.vendor,
        public=True,
        size=image.size,
        created=stamp,
        updated=stamp,
        created_by="linode",
        eol=image.eol and f"{image.eol}T04:00:00",
        deprecated=image.deprecated,
        capabilities=image.capabilities,
    )


def found(items: Mapping[K, T], id: K) -> T:
    """What has that id; NotFoundError if nothing has."""
    if id not in items:
        raise NotFoundError
    return items[id]
