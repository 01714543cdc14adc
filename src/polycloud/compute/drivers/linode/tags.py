"""Tags."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.payload import value_of
from polycloud.compute.drivers.linode.actions import linode_id
from polycloud.compute.drivers.linode.nodes import Instance, LinodeNodes
from polycloud.compute.objects import Node


class Tag(msgspec.Struct):
    """A tag."""

    label: str


class LinodeTags(LinodeNodes):
    """Methods of tags."""

    def ex_list_tags(self) -> list[str]:
        """Return the names of the account's tags."""
        tags = self.connection.list_all("/tags", Tag, value_of, key=attrgetter("label"))
        return [tag.label for tag in tags]

    def ex_create_tag(self, name: str, nodes: Iterable[Node] = ()) -> bool:
        """Create a tag (3 to 50 characters) and add it to nodes."""
        ids = [linode_id(node) for node in nodes]
        return self.connection.act("/tags", label=name, linodes=ids or None)

    def ex_delete_tag(self, name: str) -> bool:
        """Delete a tag and remove it from all resources, which stay."""
        return self.connection.delete(f"/tags/{quote_segment(name)}")

    def ex_tag_node(self, node: Node, name: str) -> bool:
        """Add a tag to a node, creating it if needed.

        The API replaces all tags of a node: if two programs change them at once, one change may be lost.
        """
        tags = self._tags_of(node)
        return name in tags or bool(self._update(node, tags=[*tags, name]))

    def ex_untag_node(self, node: Node, name: str) -> bool:
        """Remove a tag from a node; see `ex_tag_node`."""
        tags = self._tags_of(node)
        return name not in tags or bool(self._update(node, tags=[tag for tag in tags if tag != name]))

    def _tags_of(self, node: Node) -> list[str]:
        return self.connection.fetch(f"/linode/instances/{linode_id(node)}", Instance).value.tags or []
