"""What an account can have, with its views. Dates are texts as responses show them.

What has no behaviour is an `Item` of its table. Regions, types and kernels are items of the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any, ClassVar

from polycloud.sandbox.linode.dialect import BUSY
from polycloud.sandbox.machines import Access, Node
from polycloud.sandbox.rest.collection import Item, load_catalog, show
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.pool import gateway
from polycloud.sandbox.rest.replies import Json
from polycloud.sandbox.rest.timeline import Event as Change

CATALOG, DOCUMENTS = load_catalog(__package__)
REGIONS, TYPES, KERNELS = CATALOG["regions"], CATALOG["types"], CATALOG["kernels"]
LATEST_KERNEL = "linode/latest-64bit"

_NEEDS = {"premium": "Premium Plans", "gpu": "GPU Linodes"}


def has_type(region: Item, plan: Item) -> bool:
    """Return whether a region has a type."""
    need = _NEEDS.get(getattr(plan, "class"))
    return need is None or need in region.capabilities


@dataclass(eq=False, kw_only=True)
class Resource:
    """What events are about, one at a time."""

    noun: ClassVar[str]
    path: ClassVar[str]
    busy: ClassVar[str]
    """Why it takes no request while it is locked."""

    id: Any
    label: str
    created: str
    updated: str
    tags: tuple[str, ...] = ()
    locked: bool = False

    @property
    def url(self) -> str:
        """Its path."""
        return f"{self.path}/{self.id}"


@dataclass(eq=False, kw_only=True)
class Image(Resource):
    """A public image, or one of a disk; its size, in MB, is what a disk needs at least."""

    noun = "image"
    path = "/v4/images"
    busy = "Image is not available."

    vendor: str | None = None
    is_public: bool = False
    size: int
    created_by: str
    eol: str | None = None
    deprecated: bool = False
    description: str | None = None
    capabilities: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    status: str = "available"


@dataclass(eq=False, kw_only=True)
class Disk:
    """A part of a Linode's storage; sizes in MB."""

    linode: Linode
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
        """Return the first slot without a device. Raises InputError if there is none."""
        for slot in SLOTS:
            if slot not in self.devices:
                return slot
        raise InputError("There are no free device slots in this configuration profile.")

    def place(self, kind: str, id: int) -> None:
        """Put a disk or a volume into the first free slot. Raises InputError if there is none."""
        self.devices = {**self.devices, self.free_slot(): {kind: id}}


@dataclass(eq=False, kw_only=True)
class Linode(Resource):
    """A server."""

    noun = "linode"
    path = "/v4/linode/instances"
    busy = BUSY

    type: Item
    region: Item
    host_uuid: str
    group: str = ""
    image: Image | None = None
    status: str = "provisioning"
    addresses: list[Item] = field(default_factory=list)
    has_user_data: bool = False
    watchdog_enabled: bool = True
    alerts: dict[str, int] = field(default_factory=dict)
    backups_enabled: bool = False
    schedule: tuple[str | None, str | None] = (None, None)
    disks: dict[int, Disk] = field(default_factory=dict)
    configs: dict[int, Config] = field(default_factory=dict)
    backups: dict[int, Item] = field(default_factory=dict)
    last_config: int | None = None
    machine: Node | None = None
    machine_disk: Disk | None = None

    @property
    def used_disk(self) -> int:
        """How many MB its disks have."""
        return sum(disk.size for disk in self.disks.values())

    @property
    def public_ip(self) -> str | None:
        """The first public address."""
        return next((address.ip for address in self.addresses if address.public), None)


@dataclass(eq=False, kw_only=True)
class Volume(Resource):
    """A disk that one Linode of its region can have at a time; size in GiB."""

    noun = "volume"
    path = "/v4/volumes"
    busy = "Volume is busy."

    region: Item
    size: int
    status: str = "creating"
    linode: Linode | None = None
    encryption: str = "disabled"


@dataclass(eq=False, kw_only=True)
class Event(Change):
    """A change of a resource.

    Attributes:
        secondary: what else it is about.
        noun: what it calls the subject, where that is not the subject's noun.
        username: who began it.
        seen: whether the user has seen it.
        read: whether the user has read it.
    """

    secondary: Any = None
    noun: str = ""
    username: str
    seen: bool = False
    read: bool = False


# Views

show_image = show(
    "id label description vendor is_public size created created_by updated deprecated eol status "
    "capabilities tags",
    type="manual",
    total_size=lambda image: image.size * max(len(image.regions), 1),
    expiry=None,
    regions=lambda image: [{"region": region, "status": image.status} for region in image.regions],
)


def _backups(linode: Linode) -> Json:
    day, window = linode.schedule
    done = [backup.finished for backup in linode.backups.values() if backup.status == "successful"]
    return {
        "enabled": linode.backups_enabled,
        "available": bool(done),
        "schedule": {"day": day, "window": window},
        "last_successful": max(filter(None, done), default=None),
    }


_specs = show("disk memory vcpus gpus transfer")
show_linode = show(
    "id label group status created updated alerts watchdog_enabled tags host_uuid has_user_data",
    type=lambda linode: linode.type.id,
    region=lambda linode: linode.region.id,
    image=lambda linode: linode.image.id if linode.image else None,
    ipv4=lambda linode: [address.ip for address in linode.addresses],
    ipv6=lambda linode: f"{slaac(linode)}/128",
    specs=lambda linode: _specs(linode.type),
    backups=_backups,
    hypervisor="kvm",
    placement_group=None,
    lke_cluster_id=None,
    capabilities=[],
)


show_disk = show("id label status size filesystem created updated")
_NO_DEVICE: Json = {"disk_id": None, "volume_id": None}
HELPERS = ("updatedb_disabled", "distro", "modules_dep", "network", "devtmpfs_automount")
show_config = show(
    "id label comments kernel interfaces memory_limit root_device run_level virt_mode",
    devices=lambda config: {
        slot: {**_NO_DEVICE, **config.devices[slot]} if slot in config.devices else None for slot in SLOTS
    },
    helpers=lambda config: {**dict.fromkeys(HELPERS, True), **config.helpers},
)
show_backup = show(
    "id label type status created updated finished",
    available=lambda backup: backup.status == "successful",
    configs=lambda backup: [config.label for config in backup.configs],
    disks=lambda backup: list(map(show("label size filesystem"), backup.disks)),
)
show_volume = show(
    "id label status size encryption created updated tags",
    region=lambda volume: volume.region.id,
    linode_id=lambda volume: volume.linode.id if volume.linode else None,
    linode_label=lambda volume: volume.linode.label if volume.linode else None,
    filesystem_path=lambda volume: f"/dev/disk/by-id/scsi-0Linode_Volume_{volume.label}",
    hardware_type="nvme",
)


def slaac(linode: Linode) -> str:
    """Return a Linode's IPv6 address, in the networks for documentation."""
    high, low = divmod(linode.id, 0x10000)
    return str(IPv6Address(f"2001:db8::f03c:91ff:{high:x}:{low:x}"))


def _address(linode: Linode, version: int, ip: str, prefix: int, mask: str, **more: Any) -> Json:
    shown = {"address": ip, "subnet_mask": mask, "prefix": prefix, "type": f"ipv{version}"}
    return {**shown, "linode_id": linode.id, "region": linode.region.id, **more}


def show_ipv4(linode: Linode, address: Item) -> Json:
    """Render an IPv4 address of a Linode; a private one has no gateway."""
    more = {"public": address.public, "rdns": address.rdns}
    if address.public:
        more |= {"gateway": gateway(address.ip), "vpc_nat_1_1": None}
        return _address(linode, 4, address.ip, 24, "255.255.255.0", **more)
    return _address(linode, 4, address.ip, 17, "255.255.128.0", gateway=None, **more)


def show_ipv6(linode: Linode, *, public: bool) -> Json:
    """Render the IPv6 address of a Linode, or its link-local one."""
    ip = slaac(linode) if public else f"fe80::{slaac(linode).removeprefix('2001:db8::')}"
    more = {"public": public, "rdns": None, "gateway": "fe80::1"}
    return _address(linode, 6, ip, 64, "ffff:ffff:ffff:ffff::", **more)


_STATUSES = {"running": "started", "done": "finished", "failed": "failed", "note": "notification"}
_PERCENT = {"running": 0, "done": 100, "failed": 100, "note": None}
show_event = show(
    "id username read seen",
    action=lambda event: event.type,
    created=lambda event: event.started_at,
    duration=lambda event: round(event.seconds, 3) if event.status in {"done", "failed"} else None,
    # The id of an image is a text that ends in a number. The ids of secondary entities are texts.
    entity=lambda event: _entity(event.subject, int(str(event.subject.id).rpartition("/")[2]), event.noun),
    secondary_entity=lambda event: (
        _entity(event.secondary, str(event.secondary.id)) if event.secondary else None
    ),
    message=None,
    percent_complete=lambda event: _PERCENT[event.status],
    rate=None,
    status=lambda event: _STATUSES[event.status],
    time_remaining=None,
)


def _entity(subject: Any, id: int | str, noun: str = "") -> Json:
    return {"id": id, "label": subject.label, "type": noun or subject.noun, "url": subject.url}
