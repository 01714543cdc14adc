"""What DigitalOcean offers beyond the base of compute.

Source: the provider's OpenAPI document, version 2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from math import ceil, isfinite
from operator import attrgetter
from sys import intern
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.base import quote_segment
from polycloud.common.creation import Creation, marker_for
from polycloud.common.digitalocean import whole
from polycloud.common.payload import Item, LazyExtra, decode, parse_datetime, value_of, with_defaults
from polycloud.compute import keys
from polycloud.compute.drivers._digitalocean.fields import with_key
from polycloud.compute.drivers._digitalocean.networks import DigitalOceanNetworks
from polycloud.compute.drivers._digitalocean.payloads import (
    Droplet,
    Image,
    Key,
    Networks,
    Reference,
    Region,
    Size,
    Snapshot,
    Tag,
    Volume,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.utils.networking import is_ip

NODE_STATES = {
    "new": NodeState.PENDING,
    "active": NodeState.RUNNING,
    "off": NodeState.STOPPED,
    "archive": NodeState.TERMINATED,
}
COUNTRIES = {
    **dict.fromkeys(("atl", "mia", "nyc", "ric", "sfo"), "US"),
    "ams": "NL",
    "blr": "IN",
    "fra": "DE",
    "lon": "GB",
    "sgp": "SG",
    "syd": "AU",
    "tor": "CA",
}
"""The country of a region, by the letters at the beginning of its slug."""

CREATE_TAG = "polycloud-create-"
GB_A_TB = 1000
NODE_KEYS = (
    *("backup_ids", "created_at", "disk", "features", "image", "locked", "memory", "networks"),
    *("region", "region_slug", "size", "size_slug", "snapshot_ids", "tags", "vcpus"),
)
IMAGE_KEYS = ("created_at", "distribution", "min_disk_size", "public", "regions", "slug")
SIZE_KEYS = ("price_monthly", "regions", "vcpus")
VOLUME_KEYS = ("created_at", "droplet_ids", "region")
SNAPSHOT_KEYS = ("created_at", "min_disk_size", "regions", "resource_id")


class DropletCreation(Creation[Node]):
    """A create of a droplet, which has a tag of its own; a tag that stands for a key stays."""

    def __init__(
        self, driver: DigitalOceanExtensions, body: dict[str, Any], tag: str, *, keyed: bool
    ) -> None:
        super().__init__(f"the droplet {body['name']!r}", f"the tag {tag!r}", keyed=keyed)
        self.driver, self.body, self.tag = driver, body, tag

    def send(self) -> Node:
        """The droplet."""
        return self.driver._to_node(self.driver.connection.create("/droplets", "droplet", Droplet, self.body))

    def find(self) -> Node | None:
        """The droplet with the tag; a server that does not know `tag_name` lists others too."""
        key, params = attrgetter("value.id"), {"tag_name": self.tag}
        listed = self.driver.connection.list_all(
            "/droplets", "droplets", Droplet, whole, key=key, params=params
        )
        found = next((item for item in listed if self.tag in (item.value.tags or ())), None)
        return found and self.driver._to_node(found)

    def begun(self) -> bool:
        """Whether the tag exists; it does from now on."""
        with suppress(NotFoundError):
            self.driver.connection.fetch(f"/tags/{self.tag}", "tag", Tag)
            return True
        self.driver.ex_create_tag(self.tag)
        return False

    def settle(self, node: Node) -> None:
        """Delete the tag; one that stays does no harm."""
        if not self.keyed:
            hasty = call_options(deadline=self.driver.tidy_time, retry=RetryPolicy(attempts=1))
            with suppress(PolycloudError), hasty:
                self.driver.connection.delete(f"/tags/{self.tag}")


class DigitalOceanExtensions(DigitalOceanNetworks):
    """The methods beyond the base.

    Those that change a node wait until the provider has done it; `ex_wait=False` returns as soon as it is
    accepted. They raise `OperationTimeoutError` after `ex_timeout` seconds, `ProviderError` where the
    action fails, and `ConflictError` where the node stays busy with another one for `busy_time` seconds.
    """

    settle_time: ClassVar[float] = 30.0
    tidy_time: ClassVar[float] = 5.0
    """Seconds that deleting the tag of a create may take; then the tag stays."""

    def _region(self, location: NodeLocation | None) -> str | None:
        return self.region if location is None else id_of(location, NodeLocation)

    def _require_region(self, location: NodeLocation | None) -> str:
        region = self._region(location)
        if region is None:
            raise InvalidArgumentError(f"{self.name} wants a region: give a location, or the driver region=")
        return region

    # The account, nodes and snapshots under Libcloud's names

    def ex_account_info(self) -> dict[str, Any]:
        """The account as the provider tells it: `email`, `droplet_limit`, `status` and others."""
        return self.connection.fetch("/account", "account", dict[str, Any]).value

    def ex_get_node_details(self, node_id: str) -> Node:
        """As `get_node`."""
        return self.get_node(node_id)

    def delete_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """As `destroy_volume_snapshot`."""
        return self.destroy_volume_snapshot(snapshot)

    # Tags

    def ex_list_tags(self) -> list[str]:
        """The names of the account's tags."""
        tags = self.connection.list_all("/tags", "tags", Tag, value_of, key=attrgetter("name"))
        return [tag.name for tag in tags]

    def ex_create_tag(self, name: str) -> bool:
        """Create a tag (letters, digits, `:`, `-` and `_`); one that exists already is left as it is."""
        self.connection.create("/tags", "tag", Tag, {"name": name})
        return True

    def ex_delete_tag(self, name: str) -> bool:
        """Delete a tag and take it off everything; what had it stays."""
        return self.connection.delete(f"/tags/{quote_segment(name)}")

    def ex_tag_node(self, node: Node, name: str) -> bool:
        """Give a node a tag that exists."""
        return self._put_tag("POST", node, name)

    def ex_untag_node(self, node: Node, name: str) -> bool:
        """Take a tag off a node."""
        return self._put_tag("DELETE", node, name)

    def _put_tag(self, method: str, node: Node, name: str) -> bool:
        resources = [{"resource_id": str(node.id), "resource_type": "droplet"}]
        path = f"/tags/{quote_segment(name)}/resources"
        self.connection.request(path, method=method, json={"resources": resources})
        return True

    # Keys that let somebody in

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[int, bool]:
        """The id of the account's key with this public key, and whether it was registered for this."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(
                f"{self.name} creates droplets with SSH keys, not passwords", self
            )
        public_key = keys.require_public_key(auth.pubkey)
        path = f"/account/keys/{quote_segment(keys.fingerprint(public_key))}"
        with suppress(NotFoundError):
            return self.connection.fetch(path, "ssh_key", Key).value.id, False
        body = {"name": f"polycloud-{marker_for()}", "public_key": public_key}
        try:
            return self.connection.create("/account/keys", "ssh_key", Key, body).value.id, True
        except ConflictError:  # somebody else registered it in between
            return self.connection.fetch(path, "ssh_key", Key).value.id, False

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """A key that was registered for a deployment only is deleted after it."""
        if auth is None:
            yield kwargs
            return
        key_id, is_new = self._key_for(auth)
        forget = partial(self.connection.delete, f"/account/keys/{key_id}")
        with self._lent(str(key_id), forget) if is_new else nullcontext():
            yield with_key(kwargs, key_id)

    # Objects from payloads

    def _build_nodes(self) -> Callable[[Item[Droplet]], Node]:
        """What makes the nodes of one list, which share their sizes and images."""
        return partial(self._to_node, shared={})

    def _to_node(self, item: Item[Droplet], shared: dict[bytes, Any] | None = None) -> Node:
        droplet, raw = item
        shared = {} if shared is None else shared
        public, private = _addresses(droplet)
        return Node(
            str(droplet.id),
            droplet.name,
            NODE_STATES.get(droplet.status or "", NodeState.UNKNOWN),
            public,
            private,
            self,
            _once(shared, droplet.size, self._inner_size)
            or (droplet.size_slug and intern(droplet.size_slug)),  # thousands of nodes share a few
            _once(shared, droplet.image, self._inner_image),
            LazyExtra(raw, _node_extra),
            parse_datetime(droplet.created_at),
        )

    def _inner_size(self, raw: msgspec.Raw) -> NodeSize | str | None:
        """The size inside of a droplet; its slug where that is all that is told."""
        try:
            return self._to_size(Item(decode(raw, Size), raw))
        except MalformedResponseError:
            return _slug(raw)

    def _inner_image(self, raw: msgspec.Raw) -> NodeImage | str | None:
        """The image inside of a droplet; its slug where that is all that is told."""
        try:
            return self._to_image(Item(decode(raw, Image), raw))
        except MalformedResponseError:
            return _slug(raw)

    def _to_size(self, item: Item[Size]) -> NodeSize:
        size, raw = item
        gigabytes = None if size.transfer is None else _finite(size.transfer * GB_A_TB)
        traffic = None if gigabytes is None else round(gigabytes)
        extra = LazyExtra(raw, partial(with_defaults, SIZE_KEYS))
        return NodeSize(size.slug, size.slug, size.memory, size.disk, traffic, size.price_hourly, self, extra)

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, raw = item
        return NodeImage(
            str(image.id), image.name or "", self, LazyExtra(raw, partial(with_defaults, IMAGE_KEYS))
        )

    def _to_location(self, item: Item[Region]) -> NodeLocation:
        region, raw = item
        country = COUNTRIES.get(region.slug.rstrip("0123456789"), "")
        extra = LazyExtra(raw, msgspec.json.decode)
        return NodeLocation(region.slug, region.name or region.slug, country, self, extra)

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key = item.value
        return KeyPair(key.name or "", key.public_key, key.fingerprint, self, extra={"id": key.id})

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, raw = item
        state = StorageVolumeState.INUSE if volume.droplet_ids else StorageVolumeState.AVAILABLE
        extra = LazyExtra(raw, _volume_extra)
        gigabytes = _finite(volume.size_gigabytes)
        if gigabytes is None:
            raise MalformedResponseError(f"the size of the volume {volume.id} is {volume.size_gigabytes} GB")
        return StorageVolume(volume.id, volume.name, ceil(gigabytes), self, state, extra)

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot, raw = item
        return VolumeSnapshot(
            str(snapshot.id),
            self,
            _finite(snapshot.size_gigabytes),
            LazyExtra(raw, partial(with_defaults, SNAPSHOT_KEYS)),
            parse_datetime(snapshot.created_at),
            VolumeSnapshotState.AVAILABLE,
            snapshot.name,
        )


def is_in(regions: list[str] | None, location: NodeLocation | None) -> bool:
    """Whether something that these regions have is in `location`, which None leaves open."""
    return location is None or id_of(location, NodeLocation) in (regions or ())


def _finite(amount: float | None) -> float | None:
    return amount if isinstance(amount, int) or (amount is not None and isfinite(amount)) else None


def _slug(raw: msgspec.Raw) -> str | None:
    reference: Reference = decode(raw, Reference)
    return reference.slug


def _once(shared: dict[bytes, Any], raw: msgspec.Raw, build: Callable[[msgspec.Raw], Any]) -> Any:
    """What `build` makes of these bytes, made once; None of what is absent."""
    told = bytes(raw)
    if told in {b"", b"null"}:
        return None
    if told not in shared:
        shared[told] = build(msgspec.Raw(told))
    return shared[told]


def _addresses(droplet: Droplet) -> tuple[list[str], list[str]]:
    """The public and the private addresses."""
    networks = droplet.networks if isinstance(droplet.networks, Networks) else Networks()
    public: list[str] = []
    private: list[str] = []
    for version, addresses in ((4, networks.v4), (6, networks.v6)):
        for address in addresses or ():
            text = address.ip_address
            if not text:  # not given one yet
                continue
            if not is_ip(text, version):
                raise MalformedResponseError(f"droplet {droplet.id} has the address {text!r}")
            (private if address.type == "private" else public).append(text)
    return public, private


def _node_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(NODE_KEYS, raw)
    if isinstance(region := extra["region"], dict):
        extra["region_slug"] = region.get("slug")
        extra["region"] = region.get("name") or region.get("slug")
    return {**extra, "tags": [tag for tag in extra["tags"] or () if not tag.startswith(CREATE_TAG)]}


def _volume_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(VOLUME_KEYS, raw)
    return {**extra, "region_slug": (extra["region"] or {}).get("slug")}
