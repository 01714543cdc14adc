"""Images: the provider's, and the account's snapshots, backups and custom images."""

from __future__ import annotations

from functools import partial
from operator import attrgetter

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.building import quote_segment
from polycloud.common.digitalocean import number
from polycloud.common.payload import Item, LazyExtra, identity, value_of, with_defaults
from polycloud.compute.drivers.digitalocean.actions import DigitalOceanActions, droplet_id
from polycloud.compute.drivers.digitalocean.catalog import DigitalOceanCatalog, is_in
from polycloud.compute.objects import Node, NodeImage, NodeLocation
from polycloud.concurrency import waiting

IMAGE_KEYS = ("created_at", "distribution", "min_disk_size", "public", "regions", "slug")


class Image(msgspec.Struct):
    """An image, or a snapshot of a droplet."""

    id: int
    name: str | None = None
    regions: list[str] | None = None


class DigitalOceanImages(DigitalOceanActions, DigitalOceanCatalog):
    """Methods of images."""

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """Return the provider's and the account's images, backups and snapshots; or those in `location`."""
        items = self.connection.list_all("/images", "images", Image, identity, key=attrgetter("value.id"))
        return [self._to_image(item) for item in items if is_in(item.value.regions, location)]

    def get_image(self, image_id: str | int) -> NodeImage:
        """Return the image with this id or slug. Raises `NotFoundError` if it does not exist."""
        return self._to_image(
            self.connection.fetch(f"/images/{quote_segment(str(image_id))}", "image", Image)
        )

    def create_image(
        self,
        node: Node,
        name: str,
        description: str | None = None,
        *,
        ex_wait: bool = True,
        ex_timeout: float = 3600,
    ) -> NodeImage:
        """Take a snapshot of a droplet and wait for it. The provider takes no description.

        With `ex_wait=False` the image has no id yet; pass `extra["action_id"]` to `ex_get_action`. Raises
        `OperationTimeoutError` after `ex_timeout` seconds, and `ProviderError` if the snapshot fails.
        """
        path = f"/droplets/{droplet_id(node)}/snapshots"
        list_snapshots = partial(self.connection.list_all, path, "snapshots", Image, value_of)
        before = {snapshot.id for snapshot in list_snapshots()} if ex_wait else set()
        started = self._act(node, "snapshot", name=name)
        if not ex_wait:
            return NodeImage("", name, self, {"action_id": started.action.id})
        self._operate(started, ex_timeout=ex_timeout)

        def poll() -> int | None:
            named = {snapshot.id for snapshot in list_snapshots() if snapshot.name == name}
            return max(named - before, default=None)

        listing = f"the snapshot {name!r} of {node.name} (id {node.id}) to be listed"
        return self.get_image(str(waiting.poll(poll, waiting_for=listing, timeout=self.settle_time)))

    def copy_image(
        self,
        source_region: str,
        node_image: NodeImage,
        name: str,
        description: str | None = None,
        *,
        ex_wait: bool = True,
        ex_timeout: float = 3600,
    ) -> NodeImage:
        """Make an image of the account available in this driver's region too, and wait for it.

        It stays the same image: `source_region`, `name` and `description` have no effect. Raises
        `InvalidArgumentError` if the driver has no region, `OperationTimeoutError` after `ex_timeout`
        seconds, and `ProviderError` if the transfer fails.
        """
        image_id = number(id_of(node_image, NodeImage))
        path = f"/images/{image_id}/actions"
        started = self.connection.act(path, type="transfer", region=self._require_region(None))
        self._operate(started, ex_wait, ex_timeout)
        return self.get_image(str(image_id))

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete a snapshot, a backup or a custom image."""
        return self.connection.delete(f"/images/{number(id_of(node_image, NodeImage))}")

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, raw = item
        return NodeImage(
            str(image.id), image.name or "", self, LazyExtra(raw, partial(with_defaults, IMAGE_KEYS))
        )
