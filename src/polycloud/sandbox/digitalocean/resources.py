"""What an account can have. Times are texts as answers show them, unless said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar

import msgspec

from polycloud.sandbox.digitalocean.catalog import Region, Size
from polycloud.sandbox.digitalocean.networks import Pool
from polycloud.sandbox.machines import Node

Json = dict[str, Any]


@dataclass(eq=False, kw_only=True)
class Key:
    """A public SSH key."""

    id: int
    name: str
    public_key: str
    fingerprint: str


@dataclass(eq=False, kw_only=True)
class Image:
    """A public image, or a snapshot or backup of the droplet `origin`; then `kind` is empty."""

    noun: ClassVar[str] = "Image"
    resource_type: ClassVar[str] = "image"

    id: int
    name: str
    distribution: str
    slug: str | None
    public: bool
    regions: tuple[str, ...]
    created_at: str
    type: str
    kind: str
    min_disk_size: int
    size_gigabytes: float
    status: str = "available"
    tags: tuple[str, ...] = ()
    origin: int | None = None
    locked: bool = False

    @property
    def resource_id(self) -> int:
        """What actions call it."""
        return self.id


@dataclass(eq=False, kw_only=True)
class Vpc:
    """A private network of a region."""

    id: str
    name: str
    description: str
    region: Region
    ip_range: IPv4Network
    default: bool
    created_at: str

    def __post_init__(self) -> None:
        self.addresses = Pool([self.ip_range])
        self.netmask = str(self.ip_range.netmask)


@dataclass(eq=False, kw_only=True)
class Droplet:
    """A server. What it holds never changes in place, so that every change is an assignment."""

    noun: ClassVar[str] = "Droplet"
    resource_type: ClassVar[str] = "droplet"

    id: int
    name: str
    region: Region
    size: Size
    disk: int
    image: Image
    vpc: Vpc
    public_ip: str | None
    public_pool: Pool
    private_ip: str
    features: tuple[str, ...]
    created_at: str
    tags: tuple[str, ...] = ()
    status: str = "new"
    locked: bool = False
    volume_ids: tuple[str, ...] = ()
    snapshot_ids: tuple[int, ...] = ()
    backup_ids: tuple[int, ...] = ()
    next_backup: tuple[str, str] | None = None
    public_keys: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    machine: Node | None = None
    rendered: msgspec.Raw | None = field(default=None, repr=False)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name != "rendered":
            super().__setattr__("rendered", None)

    @property
    def resource_id(self) -> int:
        """What actions call it."""
        return self.id


@dataclass(eq=False, kw_only=True)
class Volume:
    """A disk that one droplet of its region can have at a time; size in GiB."""

    noun: ClassVar[str] = "Volume"
    resource_type: ClassVar[str] = "volume"
    # Actions have numbers for ids, and a volume has none.
    resource_id: ClassVar[None] = None

    id: str
    name: str
    region: Region
    size_gigabytes: int
    description: str
    created_at: str
    filesystem_type: str
    filesystem_label: str
    tags: tuple[str, ...] = ()
    droplet: Droplet | None = None
    locked: bool = False


@dataclass(eq=False, kw_only=True)
class VolumeSnapshot:
    """A copy of a volume."""

    id: str
    name: str
    volume: str
    region: Region
    size_gigabytes: int
    created_at: str
    tags: tuple[str, ...] = ()


@dataclass(eq=False, kw_only=True)
class ReservedIp:
    """A public address that can be moved between the droplets of its region."""

    noun: ClassVar[str] = "The reserved IP"

    ip: str
    region: Region
    resource_type: str
    droplet: Droplet | None = None
    locked: bool = False

    @property
    def resource_id(self) -> int:
        """What actions call it."""
        return int(IPv4Address(self.ip))


@dataclass(eq=False, kw_only=True)
class Firewall:
    """Rules for droplets; until `settles`, on the clock, its changes are under way."""

    id: str
    name: str
    created_at: str
    inbound: tuple[Json, ...] = ()
    outbound: tuple[Json, ...] = ()
    droplet_ids: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    settles: float = 0.0


Subject = Droplet | Image | Volume | ReservedIp


@dataclass(eq=False, kw_only=True)
class Action:
    """Something that a resource is going through; `started` and `ends` are the clock's."""

    id: int
    type: str
    subject: Subject
    region: Region
    started: float
    ends: float
    effect: Callable[[], object]
    locks: tuple[Subject, ...]
    status: str = "in-progress"

    def is_held_up(self) -> bool:
        """Whether a machine has not done its part yet."""
        machine = self.subject.machine if isinstance(self.subject, Droplet) else None
        return machine is not None and machine.busy
