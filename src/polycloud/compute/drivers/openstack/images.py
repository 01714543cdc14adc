"""Images, which Glance keeps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none, id_of
from polycloud.common.building import quote_segment
from polycloud.common.openstack import OpenStackResponse
from polycloud.common.payload import Item, LazyExtra
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.drivers.openstack.resources import OpenStackResource
from polycloud.compute.objects import Node, NodeImage, NodeLocation
from polycloud.errors import InvalidArgumentError, MalformedResponseError, NotFoundError

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


class OpenStackImageMember(OpenStackResource, frozen=True, kw_only=True):
    """A project that an image is shared with: `state` is "pending", "accepted" or "rejected"."""

    id: str = msgspec.field(name="member_id")
    image_id: str
    state: str | None = msgspec.field(name="status", default=None)
    created: datetime | None = msgspec.field(name="created_at", default=None)


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

    def delete_image(self, node_image: NodeImage | None = None, *, image: NodeImage | None = None) -> bool:
        """Delete an image of the project, which may be given by either name."""
        given = image if node_image is None else node_image
        if given is None or (image is not None and node_image is not None):
            raise InvalidArgumentError("pass the image to delete, by one of its names")
        return self.image_connection.delete(f"/images/{quote_segment(id_of(given, NodeImage))}")

    def ex_update_image(self, image_id: str, data: list[Mapping[str, Any]]) -> NodeImage:
        """Change an image by a JSON patch, such as `[{"op": "replace", "path": "/name", "value": "web"}]`."""
        media = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        path = f"/images/{quote_segment(image_id)}"
        response = self.image_connection.request(path, method="PATCH", json=data, headers=media)
        return self._to_image(response.whole(Image))

    # Members: the projects that a shared image is for

    def ex_list_image_members(self, image_id: str) -> list[OpenStackImageMember]:
        """Return the projects that an image is shared with."""
        path, members = f"{_path(image_id)}/members", self._owned
        return self.image_connection.list_all(path, "members", OpenStackImageMember, members)

    def ex_create_image_member(self, image_id: str, member_id: str) -> OpenStackImageMember:
        """Share an image, whose visibility is "shared", with a project; its state is "pending" then."""
        body = {"member": member_id}
        return self._member(f"{_path(image_id)}/members", method="POST", json=body)

    def ex_get_image_member(self, image_id: str, member_user_id: str) -> OpenStackImageMember:
        """Return a member of an image. Raises `NotFoundError` if the project is not one."""
        return self._member(_path(image_id, member_user_id))

    def ex_accept_image_member(self, image_id: str, member_user_id: str) -> OpenStackImageMember:
        """Accept an image, as the project that it is shared with: its lists show it from then on."""
        return self._member(_path(image_id, member_user_id), method="PUT", json={"status": "accepted"})

    def ex_delete_image_member(self, image_id: str, member_user_id: str) -> bool:
        """Share an image with a project no longer."""
        return self.image_connection.delete(_path(image_id, member_user_id))

    def _member(self, path: str, **request: Any) -> OpenStackImageMember:
        response: OpenStackResponse = self.image_connection.request(path, **request)
        return self._owned(response.whole(OpenStackImageMember))

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


def _path(image_id: str, member_id: str | None = None) -> str:
    end = "" if member_id is None else f"/members/{quote_segment(member_id)}"
    return f"/images/{quote_segment(image_id)}{end}"
