"""Everything that one account has, and how time changes it.

Nothing runs in the background: an action has an end on the clock, and `State.advance` carries out the effects
of those whose end has come. An action locks what it is about, and a locked resource takes no other action.
"""

from __future__ import annotations

import heapq
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import IPv4Network
from itertools import count, cycle, islice
from typing import Any, TypeVar

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.digitalocean import catalog
from polycloud.sandbox.digitalocean.errors import InputError, NotFoundError
from polycloud.sandbox.digitalocean.knobs import DigitalOceanKnobs
from polycloud.sandbox.digitalocean.networks import NOBODY, Pool
from polycloud.sandbox.digitalocean.resources import (
    Action,
    Droplet,
    Firewall,
    Image,
    Key,
    ReservedIp,
    Subject,
    Volume,
    VolumeSnapshot,
    Vpc,
)
from polycloud.sandbox.machines import Access, Machines

K = TypeVar("K")
T = TypeVar("T")


class State:
    """The account. Its dictionaries hold what exists, oldest first; public images among the images."""

    def __init__(self, knobs: DigitalOceanKnobs, clock: Clock, machines: Machines) -> None:
        self.knobs = knobs
        self._machines = machines
        self._clock = clock
        # What the wall's clock showed when this one showed 0: answers tell dates.
        self._epoch = time.time() - clock()
        self._numbers = count(3164444)
        self._action_numbers = count(36804636)
        self._due: list[tuple[float, int, Action]] = []
        self._errored = set(knobs.errored.replace(" ", "").split(","))
        self.droplets: dict[int, Droplet] = {}
        self.images: dict[int, Image] = {image.id: _public(image) for image in catalog.PUBLIC_IMAGES}
        self.keys: dict[int, Key] = {}
        self.volumes: dict[str, Volume] = {}
        self.volume_snapshots: dict[str, VolumeSnapshot] = {}
        self.reserved_ips: dict[str, ReservedIp] = {}
        self.vpcs: dict[str, Vpc] = {}
        self.firewalls: dict[str, Firewall] = {}
        self.tags: dict[str, str] = {}
        self.actions: dict[int, Action] = {}
        self.unreached_addresses = Pool([NOBODY])
        for number, region in enumerate(catalog.REGIONS.values()):
            self._add_default_vpc(number, region)
        self._seed(knobs.seed_droplets)

    def _add_default_vpc(self, number: int, region: catalog.Region) -> None:
        vpc = Vpc(
            id=self.new_uuid(),
            name=f"default-{region.slug}",
            description="",
            region=region,
            ip_range=IPv4Network(f"10.{100 + number}.0.0/16"),
            default=True,
            created_at=self.stamp(),
        )
        self.vpcs[vpc.id] = vpc

    def _seed(self, number: int) -> None:
        images = [image for image in self.images.values() if image.slug]
        places = [
            (size, region, image)
            for image, size in zip(images, cycle(catalog.SIZES.values()), strict=False)
            for region in catalog.REGIONS.values()
            if region.available and region.slug in size.regions and region.slug in image.regions
            if size.disk >= image.min_disk_size
        ]
        tags = self.canonical_tags(["seed"]) if number else ()
        for index, (size, region, image) in enumerate(islice(cycle(places), number), start=1):
            name = f"seed-{index:05}"
            self.add_droplet(
                name=name,
                size=size,
                region=region,
                image=image,
                tags=tags,
                status="active",
                pool=self.unreached_addresses,
            )

    @cached_property
    def public_addresses(self) -> Pool:
        """The public addresses at which droplets can have machines."""
        return Pool(self._machines.isolation.networks())

    # Time

    @property
    def now(self) -> float:
        """What the clock shows."""
        return self._clock()

    def stamp(self, at: float | None = None) -> str:
        """The date of a moment on the clock, which is now unless told."""
        seconds = self._epoch + (self._clock() if at is None else at)
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def advance(self) -> None:
        """Carry out what is due, but for droplets whose machine is not so far yet."""
        waiting: list[tuple[float, int, Action]] = []
        while self._due and self._due[0][0] <= self._clock():
            due = heapq.heappop(self._due)
            if due[2].is_held_up():
                waiting.append(due)
            else:
                self._finish(due[2])
        for due in waiting:
            heapq.heappush(self._due, due)

    def _finish(self, action: Action) -> None:
        for subject in action.locks:
            subject.locked = False
        if action.type in self._errored:
            action.status = "errored"
        else:
            action.status = "completed"
            action.effect()

    def begin(
        self,
        type: str,
        seconds: float,
        subject: Subject,
        region: catalog.Region,
        effect: Callable[[], object],
        *,
        also_locks: Iterable[Subject] = (),
        start: Callable[[], object] | None = None,
    ) -> Action:
        """Let something happen to a resource in so many seconds; InputError if it is locked.

        Args:
            type: what the API calls it.
            seconds: how long it takes.
            subject: what it is about, locked meanwhile.
            region: where.
            effect: what is done at the end.
            also_locks: what else is locked.
            start: what is begun now behind the scenes, unless the action will fail.
        """
        locks = (subject, *also_locks)
        check_unlocked(locks)
        now = self._clock()
        action = Action(
            id=next(self._action_numbers),
            type=type,
            subject=subject,
            region=region,
            started=now,
            ends=now + seconds,
            effect=effect,
            locks=locks,
        )
        for held in locks:
            held.locked = True
        self.actions[action.id] = action
        if start and type not in self._errored:
            start()
        heapq.heappush(self._due, (action.ends, action.id, action))
        self.advance()
        return action

    # Names

    def new_number(self) -> int:
        """The id of a new droplet, image or key."""
        return next(self._numbers)

    @staticmethod
    def new_uuid() -> str:
        """The id of anything else that is new."""
        return str(uuid.uuid4())

    def canonical_tags(self, names: Iterable[str]) -> tuple[str, ...]:
        """The tags of these names as they were first spelled; those that do not exist are made."""
        return tuple(dict.fromkeys(self.tags.setdefault(name.lower(), name) for name in names))

    # Droplets

    def default_vpc(self, region: catalog.Region) -> Vpc:
        """The private network of a region's droplets that name none."""
        return next(vpc for vpc in self.vpcs.values() if vpc.region is region and vpc.default)

    def add_droplet(
        self,
        *,
        name: str,
        size: catalog.Size,
        region: catalog.Region,
        image: Image,
        pool: Pool | None = None,
        vpc: Vpc | None = None,
        public: bool = True,
        features: tuple[str, ...] = ("droplet_agent", "private_networking"),
        **more: Any,
    ) -> Droplet:
        """A new droplet; its public address comes from `pool`, and `more` are fields of `Droplet`."""
        vpc = vpc or self.default_vpc(region)
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
        """Give a droplet a machine with empty files, which does not run yet, if it can be reached."""
        if droplet.public_ip:
            passwords = (droplet.password,) if droplet.password else ()
            access = Access(public_keys=droplet.public_keys, passwords=passwords)
            droplet.machine = self._machines.add(droplet.name, droplet.public_ip, access)

    def droplet(self, id: int) -> Droplet:
        """The droplet of that id; NotFoundError if there is none, or only what is left of one."""
        droplet = self.droplets.get(id)
        if droplet is None or droplet.status == "archive":
            raise NotFoundError
        return droplet

    def remove_droplet(self, droplet: Droplet) -> None:
        """Forget a droplet and free what it held."""
        del self.droplets[droplet.id]
        droplet.vpc.addresses.give(droplet.private_ip)
        if droplet.public_ip:
            droplet.public_pool.give(droplet.public_ip)


def without(items: tuple[T, ...], unwanted: T) -> tuple[T, ...]:
    """The items but that one."""
    return tuple(item for item in items if item != unwanted)


def check_unlocked(subjects: Iterable[Subject]) -> None:
    """InputError if an action is under way on any of these."""
    for subject in subjects:
        if subject.locked:
            raise InputError(f"{subject.noun} already has a pending event.")


def _public(image: catalog.PublicImage) -> Image:
    return Image(
        id=image.id,
        name=image.name,
        distribution=image.distribution,
        slug=image.slug,
        public=True,
        regions=image.regions,
        created_at=f"{image.day}T12:00:00Z",
        type="base" if image.kind == "distribution" else "snapshot",
        kind=image.kind,
        min_disk_size=image.min_disk_size,
        size_gigabytes=image.size_gigabytes,
        status=image.status,
    )


def found(items: Mapping[K, T], id: K) -> T:
    """What has that id; NotFoundError if nothing has."""
    if id not in items:
        raise NotFoundError
    return items[id]
