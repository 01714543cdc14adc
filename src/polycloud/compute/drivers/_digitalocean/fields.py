"""What DigitalOcean's requests are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polycloud.common.arguments import as_list
from polycloud.common.digitalocean import number
from polycloud.compute.base import require_id
from polycloud.compute.objects import Node
from polycloud.errors import InvalidArgumentError


def with_key(kwargs: dict[str, Any], key_id: int) -> dict[str, Any]:
    """The arguments of `create_node` with one more key, wherever they name keys."""
    attributes = kwargs.get("ex_create_attr")
    if isinstance(attributes, Mapping) and "ssh_keys" in attributes:
        all_keys = [*as_list(attributes["ssh_keys"]), key_id]
        return {**kwargs, "ex_create_attr": {**attributes, "ssh_keys": all_keys}}
    return {**kwargs, "ex_ssh_key_ids": [*as_list(kwargs.get("ex_ssh_key_ids")), key_id]}


def droplet_id(node: Node) -> int:
    """The number of a node. Raises `InvalidArgumentError` for what is no node of this provider's."""
    return number(require_id(node))


def reference(name: str | int) -> str | int:
    """What requests name a thing by: its number, else its slug or fingerprint."""
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InvalidArgumentError(f"{name!r} is neither a number nor a slug or fingerprint")
    text = str(name)
    return int(text) if text.isascii() and text.isdigit() else name


def attributes_of(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Further fields of a create, to be changed at will. Raises `InvalidArgumentError` for what are none."""
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError(f"ex_create_attr={given!r} is no dict")
    if "names" in (given or {}):
        raise InvalidArgumentError("one create_node makes one droplet: give name=, not names")
    return dict(given or {})
