"""Images: the provider's and the account's own."""

from __future__ import annotations

from functools import partial

import msgspec

from polycloud.common.arguments import drop_none, id_of
from polycloud.common.building import quote_segment
from polycloud.common.creation import NewCreation
from polycloud.common.linode import Filter, number
from polycloud.common.payload import Item, LazyExtra, with_defaults
from polycloud.compute.drivers.linode.disks import LinodeDisk, LinodeDisks
from polycloud.compute.objects import Node, NodeImage, NodeLocation

IMAGE_KEYS = ("created", "created_by", "description", "eol", "is_public", "size", "type", "vendor")


class Image(msgspec.Struct):
    """An image; its `id` starts with "linode/" or "private/"."""

    id: str
    label: str | None = None
    status: str | None = None


class LinodeImages(LinodeDisks):
    """Methods of images."""

    def list_images(
        self, location: NodeLocation | None = None, *, ex_filter: Filter | None = None
    ) -> list[NodeImage]:
        """Return the images of the provider and of the account, optionally filtered.

        Images are available in every location. `{"is_public": False}` selects the account's.
        """
        return self.connection.list_all("/images", Image, self._to_image, only=ex_filter)

    def get_image(self, image_id: str) -> NodeImage:
        """Return an image by its id, such as "linode/debian12". Raises `NotFoundError`."""
        return self._to_image(self.connection.fetch(image_path(image_id), Image))

    def create_image(
        self,
        node: Node | LinodeDisk,
        name: str | None = None,
        description: str | None = None,
        *,
        ex_wait: bool = True,
        ex_timeout: float = 3600,
    ) -> NodeImage:
        """Create an image from a disk, or a node's biggest one, exactly once, and wait until it is available.

        `ex_wait=False` returns it at once. Raises `OperationTimeoutError` after `ex_timeout` seconds, and
        `AmbiguousCreateError` if the response was lost and no new image has the name.
        """
        disk = node if isinstance(node, LinodeDisk) else self._root_disk(node)
        body = drop_none({"disk_id": number(disk.id), "label": name, "description": description})

        def send() -> NodeImage:
            return self._to_image(self.connection.post("/images", Image, body))

        def listed() -> list[NodeImage]:
            own = self.list_images(ex_filter={"is_public": False})
            return [one for one in own if name in {None, one.name}]

        what = f"the image {name!r}" if name else f"an image of the disk {disk.id}"
        creation = NewCreation(what, send, listed)
        image = self._when_free(lambda: self._run_create(creation))
        self._wait_for_status(image_path(image), Image, "available", ex_wait, ex_timeout)
        return self.get_image(image.id) if ex_wait else image

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the account."""
        return self.connection.delete(image_path(node_image))

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, raw = item
        return NodeImage(
            image.id, image.label or image.id, self, LazyExtra(raw, partial(with_defaults, IMAGE_KEYS))
        )


def image_path(image: NodeImage | str) -> str:
    """Return the path of an image. The slash in its id is not quoted, as in the provider's own clients."""
    return "/images/" + "/".join(map(quote_segment, id_of(image, NodeImage).split("/")))
