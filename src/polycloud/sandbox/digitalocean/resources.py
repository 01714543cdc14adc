"""What an account can have, with its views. Dates are texts as responses show them.

What has no behaviour is an `Item` of its table in `tables`. Regions and sizes are items of the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, ClassVar

import msgspec

from polycloud.sandbox.machines import Node
from polycloud.sandbox.rest.collection import Item, load_catalog, rendered, show
from polycloud.sandbox.rest.pool import Pool, gateway
from polycloud.sandbox.rest.replies import Json
from polycloud.sandbox.rest.timeline import Event

CATALOG, DOCUMENTS = load_catalog(__package__)
REGIONS, SIZES, PUBLIC_IMAGES = CATALOG["regions"], CATALOG["sizes"], CATALOG["images"]

PROJECT = "746c6152-2fa2-41ed-92d3-27aaa54e4988"
"""The one project of the account."""


@dataclass(eq=False, kw_only=True)
class Resource:
    """What actions change, one at a time."""

    busy: ClassVar[str]
    """Why it takes no action while it is locked."""

    id: Any
    locked: bool = False

    @property
    def resource_id(self) -> int | None:
        """Its id in actions."""
        number: int = self.id
        return number


@dataclass(eq=False, kw_only=True)
class Image(Resource):
    """A public image, or a snapshot or backup of the droplet `origin`; then `kind` is empty."""

    resource_type = "image"
    busy = "Image already has a pending event."

    name: str
    distribution: str
    slug: str | None = None
    public: bool = False
    regions: tuple[str, ...]
    created_at: str
    type: str
    kind: str = ""
    min_disk_size: int
    size_gigabytes: float
    status: str = "available"
    tags: tuple[str, ...] = ()
    origin: int | None = None


@dataclass(eq=False, kw_only=True)
class Droplet(Resource):
    """A server. What it holds never changes in place, so that every change is an assignment."""

    resource_type = "droplet"
    busy = "Droplet already has a pending event."

    name: str
    region: Item
    size: Item
    disk: int
    image: Image
    vpc: Item
    public_ip: str | None
    public_pool: Pool
    private_ip: str
    features: tuple[str, ...]
    created_at: str
    tags: tuple[str, ...] = ()
    status: str = "new"
    volume_ids: tuple[str, ...] = ()
    snapshot_ids: tuple[int, ...] = ()
    backup_ids: tuple[int, ...] = ()
    next_backup: Json | None = None
    public_keys: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    machine: Node | None = None
    rendered: msgspec.Raw | None = field(default=None, repr=False)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name != "rendered":
            super().__setattr__("rendered", None)


@dataclass(eq=False, kw_only=True)
class Volume(Resource):
    """A disk that one droplet of its region can have at a time; size in GiB."""

    resource_type = "volume"
    busy = "Volume already has a pending event."

    name: str
    region: Item
    size_gigabytes: int
    description: str
    created_at: str
    filesystem_type: str
    filesystem_label: str
    tags: tuple[str, ...] = ()
    droplet: Droplet | None = None

    @property
    def resource_id(self) -> None:
        """None, because an id in actions is a number and a volume's is not."""


@dataclass(eq=False, kw_only=True)
class ReservedIp(Resource):
    """A public address, its id, that can be moved between the droplets of its region.

    It has two names in the API; `resource_type` is the one by which it was reserved.
    """

    busy = "The reserved IP already has a pending event."

    region: Item
    resource_type: str
    droplet: Droplet | None = None

    @property
    def resource_id(self) -> int:
        """Its id in actions."""
        return int(IPv4Address(self.id))


@dataclass(eq=False, kw_only=True)
class Action(Event):
    """A change of a resource; `region` is where it takes place, if that is not the resource's own."""

    region: Item | None = None


# Views


def disk_info(gigabytes: int) -> list[Json]:
    """Render a local disk."""
    return [{"type": "local", "size": {"amount": gigabytes, "unit": "gib"}}]


show_image = show(
    "id name distribution slug public regions created_at type min_disk_size size_gigabytes tags status",
    description="",
    error_message="",
)


def show_droplet(droplet: Droplet) -> msgspec.Raw:
    """Render a droplet, once for each of its changes, because lists of droplets are long."""
    # The account's own images change too.
    if droplet.rendered is None or not droplet.image.public:
        droplet.rendered = msgspec.Raw(msgspec.json.encode(_droplet(droplet)))
    return droplet.rendered


_droplet = show(
    "id name disk locked status created_at features backup_ids snapshot_ids volume_ids tags",
    memory=lambda droplet: droplet.size.memory,
    vcpus=lambda droplet: droplet.size.vcpus,
    disk_info=lambda droplet: disk_info(droplet.disk),
    kernel=None,
    next_backup_window=lambda droplet: droplet.next_backup,
    image=lambda droplet: show_image(droplet.image),
    size=lambda droplet: rendered(droplet.size),
    size_slug=lambda droplet: droplet.size.slug,
    networks=lambda droplet: {"v4": _v4(droplet), "v6": _v6(droplet)},
    region=lambda droplet: rendered(droplet.region),
    vpc_uuid=lambda droplet: droplet.vpc.id,
)


def _v4(droplet: Droplet) -> list[Json]:
    """Render the addresses, which exist once the droplet was built; a private one has no gateway."""
    private = {"ip_address": droplet.private_ip, "netmask": droplet.vpc.netmask, "type": "private"}
    public = {"ip_address": droplet.public_ip, "netmask": "255.255.255.0", "type": "public"}
    shown = [{**private, "gateway": "nil"}]
    if droplet.public_ip:
        shown.append({**public, "gateway": gateway(droplet.public_ip)})
    return [] if droplet.status == "new" else shown


def _v6(droplet: Droplet) -> list[Json]:
    """Render the IPv6 address, in the networks for documentation."""
    if droplet.status == "new" or "ipv6" not in droplet.features:
        return []
    high, low = divmod(droplet.id, 0x10000)
    address = f"2001:db8:0:1010::{high:x}:{low:x}"
    return [{"ip_address": address, "netmask": 64, "gateway": "2001:db8:0:1010::1", "type": "public"}]


_SNAPSHOT = "name created_at regions min_disk_size size_gigabytes"
show_droplet_snapshot = show(f"{_SNAPSHOT} id type")
_image_snapshot = show(
    f"{_SNAPSHOT} tags",
    id=lambda image: str(image.id),
    resource_id=lambda image: str(image.origin),
    resource_type="droplet",
)
_volume_snapshot = show(
    "id name created_at tags",
    regions=lambda snapshot: [snapshot.region.slug],
    min_disk_size=lambda snapshot: snapshot.size,
    size_gigabytes=0.1,
    resource_id=lambda snapshot: snapshot.volume,
    resource_type="volume",
)


def show_snapshot(snapshot: Image | Item) -> Json:
    """Render a snapshot of a droplet or of a volume, where both are listed."""
    shown: Json = (_image_snapshot if isinstance(snapshot, Image) else _volume_snapshot)(snapshot)
    return shown


show_volume = show(
    "id name size_gigabytes description created_at filesystem_type filesystem_label tags",
    region=lambda volume: rendered(volume.region),
    droplet_ids=lambda volume: [volume.droplet.id] if volume.droplet else [],
)
show_reserved_ip = show(
    "locked",
    ip=lambda ip: ip.id,
    region=lambda ip: rendered(ip.region),
    droplet=lambda ip: show_droplet(ip.droplet) if ip.droplet else None,
    project_id=PROJECT,
)

_STATUSES = {"running": "in-progress", "done": "completed", "failed": "errored"}


def show_action(action: Action) -> Json:
    """Render an action as far as it has come."""
    region = action.region or action.subject.region
    return {
        "id": action.id,
        "status": _STATUSES[action.status],
        "type": action.type,
        "started_at": action.started_at,
        "completed_at": None if action.status == "running" else action.ends_at,
        "resource_id": action.subject.resource_id,
        "resource_type": action.subject.resource_type,
        "region": rendered(region),
        "region_slug": region.slug,
    }
