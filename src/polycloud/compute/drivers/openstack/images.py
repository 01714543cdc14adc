"""Images, which Glance keeps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none, id_of
from polycloud.common.base import quote_segment
from polycloud.common.payload import Item, LazyExtra
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.objects import Node, NodeImage, NodeLocation
from polycloud.errors import MalformedResponseError, NotFoundError

IMAGE_KEYS = {
    "created": "created_at",
    "minDisk": "min_disk",
    "minRam": "min_ram",
    "os_distro": "os_distro",
    "os_type": "os_type",
    "os_version": "os_version",
    "serverId": "instance_uuid",
    "status": "status",
    "updated": "updated_at",
    "visibility": "visibility",
}
"""Libcloud's keys of `extra`, and Glance's fields."""


OWN_FIELDS = frozenset(
    (
        *(
            "checksum",
            "container_format",
            "created_at",
            "direct_url",
            "disk_format",
            "file",
            "id",
            "locations",
        ),
        *("locations", "min_disk", "min_ram", "name", "os_hash_algo", "os_hash_value", "os_hidden", "owner"),
        *(
            "protected",
            "schema",
            "self",
            "size",
            "status",
            "stores",
            "tags",
            "updated_at",
            "virtual_size",
            "visibility",
        ),
    )
)
"""Glance's own fields of an image; all others are properties."""


class Image(msgspec.Struct):
    """An image."""

    id: str
    name: str | None = None
    status: str | None = None


class OpenStackImages(OpenStackServices):
    """Methods of images."""

    def list_images(
        self, location: NodeLocation | None = None, ex_only_active: bool = True
    ) -> list[NodeImage]:
        """Return the public images and those that the project has or that are shared with it.

        With `ex_only_active=False` also those that are being saved, or that failed.
        """
        params = {"status": "active"} if ex_only_active else None
        return self.image_connection.list_all("/images", "images", Image, self._to_image, params=params)

    def get_image(self, image_id: str) -> NodeImage:
        """Return the image with this id. Raises `NotFoundError` if there is none."""
        response = self.image_connection.request(f"/images/{quote_segment(image_id)}")
        return self._to_image(response.whole(Image))

    def create_image(
        self,
        node: Node,
        name: str,
        description: str | Mapping[str, str] | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> NodeImage:
        """Begin to save an image of a node's disk; it is `queued`, then `saving`, until it is `active`.

        `metadata` are properties of the image, and `description` is one of them; as in Libcloud, they may be
        given in its place.
        """
        own = dict(description) if isinstance(description, Mapping) else {"description": description}
        properties = {**drop_none(own), **(metadata or {})}
        response = self.connection.act(
            require_id(node), "createImage", {"name": name, "metadata": properties}
        )
        image_id = response.headers.get("location", "").rstrip("/").rpartition("/")[2]
        if not image_id:
            raise MalformedResponseError("the response to createImage does not name the image")
        with suppress(NotFoundError):  # Glance may know it a moment later
            return self.get_image(image_id)
        return NodeImage(image_id, name, self, {"status": "queued", "serverId": node.id})

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the project."""
        return self.image_connection.delete(f"/images/{quote_segment(id_of(node_image, NodeImage))}")

    def ex_update_image(self, image_id: str, data: list[Mapping[str, Any]]) -> NodeImage:
        """Change an image by a JSON patch, such as `[{"op": "replace", "path": "/name", "value": "web"}]`."""
        media = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        path = f"/images/{quote_segment(image_id)}"
        response = self.image_connection.request(path, method="PATCH", json=data, headers=media)
        return self._to_image(response.whole(Image))

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, raw = item
        return NodeImage(image.id, image.name or "", self, LazyExtra(raw, _image_extra))


def _image_extra(raw: bytes) -> dict[str, Any]:
    image = msgspec.json.decode(raw)
    properties = {name: value for name, value in image.items() if name not in OWN_FIELDS}
    named = {key: image.get(field) for key, field in IMAGE_KEYS.items()}
    return {
        **image,
        **named,
        "metadata": properties,
        "progress": 100 if image.get("status") == "active" else 0,
    }
