"""Rules of images."""

from __future__ import annotations

from contextlib import ExitStack

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node, NodeImage
from polycloud.errors import NotFoundError
from polycloud.testing.conformance.assertions import check_objects, error_of, require_true, with_id
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import ComputeSuite, new_name


class ImageRules(ComputeSuite):
    """The rules of images."""

    @rule("list_images")
    def test_c07_images(self, driver: NodeDriver) -> None:
        """There are images, with ids and names."""
        images = driver.list_images()
        assert images, "list_images() is empty"
        check_objects(images, NodeImage, driver, "name")

    @rule("list_images")
    def test_c14_get_image(self, driver: NodeDriver) -> None:
        """`get_image` returns the image with that id, or raises `NotFoundError`, which names the id."""
        image = driver.list_images()[-1]
        found = driver.get_image(image.id)
        assert (found.id, found.name) == (image.id, image.name), f"get_image({image.id!r}) returns {found!r}"
        error = error_of(NotFoundError, "get_image", driver.get_image, self.unknown_id)
        assert self.unknown_id in str(error), f"{error!r} does not name the id {self.unknown_id}"

    @rule("create_image", "delete_image")
    def test_c37_images_of_nodes(self, driver: NodeDriver, node: Node, cleanup: ExitStack) -> None:
        """An image made of a node is listed until `delete_image` has returned True."""
        made = driver.create_image(node, new_name())
        cleanup.callback(self.remove, driver.delete_image, [made])
        check_objects([made], NodeImage, driver, "name")
        self.until(lambda: with_id(driver.list_images(), made.id), f"image {made.id!r} to be listed")
        require_true("delete_image", driver.delete_image(made))
        self.until(
            lambda: with_id(driver.list_images(), made.id) is None, f"image {made.id!r} to leave the list"
        )
