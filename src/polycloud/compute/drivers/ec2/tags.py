"""Tags of any resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

from polycloud.common.aws.query import filters, one_or_more
from polycloud.compute.drivers.ec2.connection import EC2BaseDriver
from polycloud.compute.drivers.ec2.payload import Payload
from polycloud.compute.objects import Node
from polycloud.errors import InvalidArgumentError


class Tag(Payload):
    """A tag."""

    key: str
    value: str | None = None


class EC2Tags(EC2BaseDriver):
    """Methods of tags."""

    def ex_get_metadata_for_node(self, node: Node) -> dict[str, str]:
        """Return the node's tags."""
        return self.ex_describe_tags(node)

    def ex_create_tags(self, resource: Any, tags: Mapping[str, str]) -> bool:
        """Add tags to a resource, given as an object or by its id; an existing tag gets the new value."""
        if not tags:
            return True
        return self.connection.act("CreateTags", ResourceId=[_id_of(resource)], Tag=tag_list(tags))

    def ex_delete_tags(self, resource: Any, tags: Mapping[str, str] | Iterable[str]) -> bool:
        """Remove tags from a resource; with values, only tags that have these values."""
        named = tag_list(tags) if isinstance(tags, Mapping) else [{"Key": key} for key in tags]
        if not named:
            return True
        return self.connection.act("DeleteTags", ResourceId=[_id_of(resource)], Tag=named)

    def ex_describe_tags(self, resource: Any) -> dict[str, str]:
        """Return the tags of a resource."""
        wanted = filters({"resource-id": _id_of(resource)})
        found = self.connection.list_all("DescribeTags", "tagSet", Tag, attrgetter("value"), Filter=wanted)
        return {tag.key: tag.value or "" for tag in found}


def name_of(tags: list[Tag] | None) -> str | None:
    """Return the value of the tag Name."""
    return next((tag.value for tag in tags or () if tag.key == "Name"), None)


def tags_of(name: str, *given: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Return tags with the name among them; the text "key=value" is a tag, and "key" one without a value."""
    tags: dict[str, str] = {"Name": name} if name else {}
    for some in given:
        if isinstance(some, Mapping):
            tags.update(some)
        else:
            tags.update(text.partition("=")[::2] for text in one_or_more(some))
    return tags


def tagging(kind: str, tags: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """Return the field TagSpecification, by which a resource of this kind is created with its tags."""
    return [{"ResourceType": kind, "Tag": tag_list(tags)}] if tags else []


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as requests have them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _id_of(resource: Any) -> str:
    id_ = getattr(resource, "id", resource)
    if isinstance(id_, str) and id_:
        return id_
    raise InvalidArgumentError(f"resource must be an id or an object that has an id, got {resource!r}")
