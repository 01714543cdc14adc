"""Images (AMIs)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any

from polycloud.common.arguments import id_of
from polycloud.common.aws.query import one_or_more
from polycloud.common.aws.xml import Item
from polycloud.common.pagination import unique
from polycloud.common.resource import with_id
from polycloud.compute.base import require_id
from polycloud.compute.drivers.ec2.nodes import EC2Nodes
from polycloud.compute.drivers.ec2.payload import Payload, client_token, disks_of, extra_of, lazy
from polycloud.compute.objects import Node, NodeImage, NodeLocation
from polycloud.errors import ImageUnavailableError, NotFoundError

BASE_IMAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("137112412989", ("al2023-ami-2023.*",)),
    ("136693071363", ("debian-12-*", "debian-13-*")),
    (
        "099720109477",
        ("ubuntu/images/*ubuntu-*-22.04-*-server-*", "ubuntu/images/*ubuntu-*-24.04-*-server-*"),
    ),
)
"""The accounts of Amazon Linux, Debian and Ubuntu, and the names of their images listed by default."""

IMAGE_KEYS = (
    *("architecture", "billing_products", "block_device_mapping", "creation_date", "description"),
    *("hypervisor", "image_location", "image_type", "is_public", "kernel_id", "owner_id"),
    *("root_device_type", "state", "tags", "virtualization_type"),
)


class Image(Payload):
    """An image."""

    image_id: str
    name: str | None = None
    image_location: str | None = None


class EC2Images(EC2Nodes):
    """Methods of images."""

    def list_images(
        self,
        location: NodeLocation | None = None,
        ex_image_ids: Iterable[str] | None = None,
        ex_owner: str | Iterable[str] | None = None,
        ex_executableby: str | Iterable[str] | None = None,
        ex_filters: Mapping[str, Any] | None = None,
    ) -> list[NodeImage]:
        """Return the account's own images, and those of Amazon Linux, Debian and Ubuntu.

        The catalog has 100,000. With any argument, return the images that it selects, whoever owns them.

        Args:
            location: Ignored: an image is available in all of the region.
            ex_image_ids: Ids.
            ex_owner: "self", "amazon", "aws-marketplace", or numbers of accounts.
            ex_executableby: "self", "all", or numbers of accounts that may use the images.
            ex_filters: Those of the provider's DescribeImages: `{"name": "al2023-ami-*"}`.
        """
        ids, owners, users = one_or_more(ex_image_ids), one_or_more(ex_owner), one_or_more(ex_executableby)
        if ids or owners or users or ex_filters:
            return self._images(ex_filters, ImageId=ids, Owner=owners, ExecutableBy=users)
        searches = [
            partial(self._images, {"name": names, "state": "available"}, Owner=[owner])
            for owner, names in BASE_IMAGES
        ]
        found = self.connection.gather([partial(self._images, None, Owner=["self"]), *searches])
        return list(unique(chain.from_iterable(found), attrgetter("id")))

    def get_image(self, image_id: str) -> NodeImage:
        """Return an image by its id, whoever owns it. Raises `NotFoundError`."""
        with _known_image(image_id):
            return with_id(self._images(None, ImageId=[image_id]), image_id, f"{self.name} image")

    def create_image(
        self,
        node: Node,
        name: str,
        description: str | None = None,
        reboot: bool = False,
        block_device_mapping: Iterable[Mapping[str, Any]] | None = None,
    ) -> NodeImage:
        """Begin to create an image of an instance's volumes; its `extra["state"]` is "pending" at first.

        With `reboot` the instance is restarted first, so that its file systems are consistent.
        """
        fields: dict[str, Any] = {
            "InstanceId": require_id(node),
            "Name": name,
            "Description": description,
            "NoReboot": not reboot,
            "BlockDeviceMapping": block_device_mapping,
        }
        send = partial(self.connection.create, "CreateImage", None, Image, **fields)
        created = self._when_settled(send, lambda: self._node_is_passing(node.id))
        return self._new_image(created, name, description)

    def copy_image(
        self,
        source_region: str,
        node_image: NodeImage,
        name: str | None = None,
        description: str | None = None,
        *,
        ex_encrypted: bool | None = None,
        ex_kms_key_id: str | None = None,
    ) -> NodeImage:
        """Begin to copy an image from another region to the driver's; the copy has an id of its own."""
        fields: dict[str, Any] = {
            "SourceRegion": source_region,
            "SourceImageId": id_of(node_image, NodeImage),
            "Name": name or getattr(node_image, "name", node_image),
            "Description": description,
            "Encrypted": ex_encrypted,
            "KmsKeyId": ex_kms_key_id,
            "ClientToken": client_token(),
        }
        created = self.connection.create("CopyImage", None, Image, idempotent=True, **fields)
        return self._new_image(created, fields["Name"], description)

    def delete_image(self, node_image: NodeImage) -> bool:
        """Deregister an image. The snapshots that it consists of stay."""
        image_id = id_of(node_image, NodeImage)
        with _known_image(image_id):
            return self.connection.act("DeregisterImage", ImageId=image_id)

    def _images(self, wanted: Mapping[str, Any] | None, **fields: Any) -> list[NodeImage]:
        return self.connection.list_filtered(
            "DescribeImages", "imagesSet", Image, self._to_image, wanted, **fields
        )

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image = item.value
        name = image.name or image.image_location or image.image_id
        return NodeImage(image.image_id, name, self, lazy(item.fields, image_extra))

    def _new_image(self, created: Item[Image], name: str, description: str | None) -> NodeImage:
        """Return an image that lists will show a little later."""
        return NodeImage(created.value.image_id, name, self, {"state": "pending", "description": description})


def image_extra(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` of an image."""
    extra = extra_of(fields, IMAGE_KEYS)
    extra.update(
        billing_products=[one["billing_product"] for one in extra["billing_products"] or ()],
        block_device_mapping=disks_of(extra),
        owner_id=extra.pop("image_owner_id", None),
        state=extra.pop("image_state", None),
    )
    return extra


@contextmanager
def _known_image(id_: str) -> Iterator[None]:
    """Raise `NotFoundError` for an `ImageUnavailableError`, where the request is about the image."""
    try:
        yield
    except ImageUnavailableError as error:
        message = f"there is no image with the id {id_!r}: {error.message}"
        raise NotFoundError(404, message, error.headers) from None
