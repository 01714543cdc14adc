"""Tags of servers, and server groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from polycloud.common.arguments import as_list
from polycloud.common.building import quote_segment
from polycloud.compute.drivers.openstack.nodes import OpenStackNodes, server_path
from polycloud.compute.drivers.openstack.resources import OpenStackResource
from polycloud.compute.objects import Node

TAGS = "2.26"
RULES = "2.64"


class Tags(msgspec.Struct):
    """The tags of a server."""

    tags: list[str]


class OpenStackServerGroup(OpenStackResource, frozen=True, kw_only=True):
    """A group of servers that are kept together or apart, as its `policy` says; `members` are ids.

    `policies` has the policy too. Nova has the one or the other, by its microversion.
    """

    id: str
    name: str | None = None
    policies: list[str] = msgspec.field(default_factory=list)
    policy: str | None = None
    members: list[str] = msgspec.field(default_factory=list)
    rules: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.policy is None and self.policies:
            force_setattr(self, "policy", self.policies[0])
        elif self.policy is not None and not self.policies:
            force_setattr(self, "policies", [self.policy])


class OpenStackTags(OpenStackNodes):
    """Methods of tags and of server groups."""

    def ex_get_tags(self, node: Node) -> list[str]:
        """Return the tags of a server."""
        response = self.connection.request(f"{server_path(node)}/tags", headers=self._tagging())
        found: Tags = response.decode(Tags)
        return found.tags

    def ex_set_tags(self, node: Node, tags: Iterable[str]) -> list[str]:
        """Replace the tags of a server, and return them."""
        path, body = f"{server_path(node)}/tags", {"tags": as_list(tags)}
        response = self._tag(node, path, method="PUT", json=body)
        found: Tags = response.decode(Tags)
        return found.tags

    def ex_tag_node(self, node: Node, tag: str) -> bool:
        """Add a tag to a server."""
        path = f"{server_path(node)}/tags/{quote_segment(tag)}"
        self._tag(node, path, method="PUT")
        return True

    def ex_untag_node(self, node: Node, tag: str) -> bool:
        """Remove a tag from a server."""
        path = f"{server_path(node)}/tags/{quote_segment(tag)}"
        self._tag(node, path, method="DELETE")
        return True

    def _tag(self, node: Node, path: str, **request: Any) -> Any:
        headers = self._tagging()
        return self._when_idle(node, partial(self.connection.request, path, headers=headers, **request))

    def _tagging(self) -> dict[str, str]:
        return self.connection.at(TAGS, "a tag")

    # Server groups

    def ex_list_server_groups(self) -> list[OpenStackServerGroup]:
        """Return the project's server groups."""
        return self.connection.list_all(
            "/os-server-groups", "server_groups", OpenStackServerGroup, self._owned
        )

    def ex_get_server_group(self, server_group_id: str) -> OpenStackServerGroup:
        """Return the server group with this id. Raises `NotFoundError` if there is none."""
        path = f"/os-server-groups/{quote_segment(server_group_id)}"
        return self._owned(self.connection.fetch(path, "server_group", OpenStackServerGroup))

    def ex_add_server_group(
        self, name: str, policy: str, rules: Mapping[str, Any] | None = None
    ) -> OpenStackServerGroup:
        """Create a server group.

        `policy` is "affinity", "anti-affinity", "soft-affinity" or "soft-anti-affinity"; `rules` (such as
        `{"max_server_per_host": 2}`) need microversion 2.64.
        """
        body: dict[str, Any] = {"name": name, "policies": [policy]}
        headers = None
        if rules is not None:
            headers = self.connection.at(RULES, "rules of a server group")
            body = {"name": name, "policy": policy, "rules": dict(rules)}
        path, kind = "/os-server-groups", OpenStackServerGroup
        return self._owned(self.connection.create(path, "server_group", kind, body, headers=headers))

    def ex_del_server_group(self, server_group: OpenStackServerGroup) -> bool:
        """Delete a server group; its servers stay."""
        return self.connection.delete(f"/os-server-groups/{quote_segment(server_group.id)}")
