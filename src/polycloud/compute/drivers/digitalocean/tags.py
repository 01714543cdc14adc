"""Tags."""

from __future__ import annotations

from operator import attrgetter

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.digitalocean import DigitalOceanBaseDriver
from polycloud.common.payload import value_of
from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node


class Tag(msgspec.Struct):
    """A tag."""

    name: str


class DigitalOceanTags(DigitalOceanBaseDriver, NodeDriver):
    """Methods of tags."""

    def ex_list_tags(self) -> list[str]:
        """Return the names of the account's tags."""
        tags = self.connection.list_all("/tags", "tags", Tag, value_of, key=attrgetter("name"))
        return [tag.name for tag in tags]

    def ex_create_tag(self, name: str) -> bool:
        """Create a tag (letters, digits, `:`, `-` and `_`) unless it exists."""
        self.connection.create("/tags", "tag", Tag, {"name": name})
        return True

    def ex_delete_tag(self, name: str) -> bool:
        """Delete a tag and remove it from all resources, which stay."""
        return self.connection.delete(f"/tags/{quote_segment(name)}")

    def ex_tag_node(self, node: Node, name: str) -> bool:
        """Add an existing tag to a node."""
        return self._change_tag("POST", node, name)

    def ex_untag_node(self, node: Node, name: str) -> bool:
        """Remove a tag from a node."""
        return self._change_tag("DELETE", node, name)

    def _change_tag(self, method: str, node: Node, name: str) -> bool:
        resources = [{"resource_id": str(node.id), "resource_type": "droplet"}]
        path = f"/tags/{quote_segment(name)}/resources"
        self.connection.request(path, method=method, json={"resources": resources})
        return True
