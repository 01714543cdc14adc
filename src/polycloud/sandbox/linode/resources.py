"""What an account can have. Times are texts as answers show them, unless said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from polycloud.sandbox.linode.addresses import Pool
from polycloud.sandbox.linode.catalog import Region, Type
from polycloud.sandbox.linode.errors import BusyError, InputError
from polycloud.sandbox.machines import Access, Node

Json = dict[str, Any]


@dataclass(eq=False, kw_only=True)
class Key:
    """A public SSH key of the user."""

    noun: ClassVar[str] = "user_ssh_key"

    id: int
    label: str
    ssh_key: str
    created: str

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/v4/profile/sshkeys/{self.id}"


@dataclass(eq=False, kw_only=True)
class Image:
    """A public image, or one of a disk; its size, in MB, is what a disk needs at least."""

    noun: ClassVar[str] = "image"

    id: str
    label: str
    vendor: str | None
    public: bool
    size: int
    created: str
    updated: str
    created_by: str
    eol: str | None = None
    deprecated: bool = False
    description: str | None = None
    capabilities: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    status: str = "available"
    locked: bool = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/v4/images/{self.id}"

    @staticmethod
    def busy() -> InputError:
        """Why it can take nothing else while it is locked."""
        return InputError("Image is not available.")


@dataclass(eq=False, kw_only=True)
class Disk:
    """A part of a Linode's storage; sizes in MB."""

    id: int
    label: str
    size: int
    filesystem: str
    created: str
    updated: str
    image: Image | None = None
    access: Access | None = field(default=None, repr=False)
    status: str = "not ready"

    @property
    def least(self) -> int:
        """How small it can become."""
        return self.image.size if self.image else 1


SLOTS = tuple(f"sd{letter}" for letter in "abcdefgh")
"""The devices that a configuration has."""


@dataclass(eq=False, kw_only=True)
class Config:
    """How a Linode boots: `devices` are disks and volumes by slot, as the API writes them."""

    id: int
    label: str
    kernel: str
    comments: str = ""
    devices: dict[str, Json] = field(default_factory=dict)
    helpers: Json = field(default_factory=dict)
    interfaces: tuple[Json, ...] = ()
    memory_limit: int = 0
    root_device: str = "/dev/sda"
    run_level: str = "default"
    virt_mode: str = "paravirt"

    @property
    def root_disk(self) -> int | None:
        """The id of the disk that it boots."""
        device = self.devices.get(self.root_device.removeprefix("/dev/"), {})
        return device.get("disk_id")

    def forget(self, kind: str, id: int) -> None:
        """Empty the slots that hold the disk or the volume, by "disk_id" or "volume_id"."""
        self.devices = {slot: device for slot, device in self.devices.items() if device.get(kind) != id}

    def free_slot(self) -> str:
        """The first slot without a device; InputError if there is none."""
        for slot in SLOTS:
            if slot not in self.devices:
                return slot
        raise InputError("There are no free device slots in this configuration profile.")

    def place(self, kind: str, id: int) -> None:
        """Put a disk or a volume into the first free slot; InputError if there is none."""
        self.devices = {**self.devices, self.free_slot(): {kind: id}}


@dataclass(eq=False, kw_only=True)
class Address:
    """An IPv4 address of a Linode."""

    ip: str
    public: bool
    rdns: str | None
    pool: Pool


@dataclass(eq=False, kw_only=True)
class Backup:
    """Copies of a Linode's disks and configurations."""

    id: int
    label: str | None
    type: str
    region: Region
    created: str
    updated: str
    finished: str | None
    disks: tuple[Disk, ...]
    configs: tuple[Config, ...]
    status: str = "pending"


@dataclass(eq=False, kw_only=True)
class Linode:
    """A server."""

    noun: ClassVar[str] = "linode"

    id: int
    label: str
    type: Type
    region: Region
    created: str
    updated: str
    host: str
    group: str = ""
    image: Image | None = None
    tags: tuple[str, ...] = ()
    status: str = "provisioning"
    addresses: list[Address] = field(default_factory=list)
    has_user_data: bool = False
    watchdog: bool = True
    alerts: dict[str, int] = field(default_factory=dict)
    backups_enabled: bool = False
    schedule: tuple[str | None, str | None] = (None, None)
    disks: dict[int, Disk] = field(default_factory=dict)
    configs: dict[int, Config] = field(default_factory=dict)
    backups: list[Backup] = field(default_factory=list)
    last_config: int | None = None
    locked: bool = False
    machine: Node | None = None
    machine_disk: Disk | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/v4/linode/instances/{self.id}"

    @staticmethod
    def busy() -> InputError:
        """Why it can take nothing else while it is locked."""
        return BusyError()

    @property
    def used_disk(self) -> int:
        """How many MB its disks have."""
        return sum(disk.size for disk in self.disks.values())

    @property
    def public_ip(self) -> str | None:
        """The first public address."""
        return next((address.ip for address in self.addresses if address.public), None)


@dataclass(eq=False, kw_only=True)
class Volume:
    """A disk that one Linode of its region can have at a time; size in GiB."""

    noun: ClassVar[str] = "volume"

    id: int
    label: str
    region: Region
    size: int
    created: str
    updated: str
    tags: tuple[str, ...] = ()
    status: str = "creating"
    linode: Linode | None = None
    encryption: str = "disabled"
    locked: bool = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/v4/volumes/{self.id}"

    @staticmethod
    def busy() -> InputError:
        """Why it can take nothing else while it is locked."""
        return InputError("Volume is busy.")


@dataclass(eq=False, kw_only=True)
class StackScript:
    """A script that a Linode can be deployed with; it is kept, and never run."""

    noun: ClassVar[str] = "stackscript"

    id: int
    label: str
    images: tuple[str, ...]
    script: str
    created: str
    updated: str
    description: str = ""
    rev_note: str = ""
    public: bool = False
    deployments: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/v4/linode/stackscripts/{self.id}"


@dataclass(eq=False, kw_only=True)
class Device:
    """A Linode that a firewall guards."""

    id: int
    linode: Linode
    created: str


@dataclass(eq=False, kw_only=True)
class Firewall:
    """Rules for Linodes."""

    noun: ClassVar[str] = "firewall"

    id: int
    label: str
    rules: Json
    created: str
    updated: str
    tags: tuple[str, ...] = ()
    status: str = "enabled"
    version: int = 1
    devices: dict[int, Device] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"/v4/networking/firewalls/{self.id}"


Lockable = Linode | Volume | Image
Subject = Lockable | Key | StackScript | Firewall


@dataclass(eq=False, kw_only=True)
class Event:
    """Something that a resource is going through or went through; `started` and `ends` are the clock's.

    What only tells of something has the status "notification" and takes no time.
    """

    id: int
    action: str
    subject: Subject
    started: float
    ends: float
    effect: Callable[[], object]
    undo: Callable[[], object]
    locks: tuple[Lockable, ...] = ()
    secondary: Subject | None = None
    noun: str = ""
    fails: bool = False
    status: str = "started"
    seen: bool = False
    read: bool = False

    def is_held_up(self) -> bool:
        """Whether a machine has not done its part yet."""
        machines = [locked.machine for locked in self.locks if isinstance(locked, Linode)]
        return any(machine and machine.busy for machine in machines)
