"""What Linode's requests are made of."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from polycloud.common.arguments import id_of
from polycloud.common.base import quote_segment
from polycloud.common.linode import number
from polycloud.compute.base import require_id
from polycloud.compute.objects import Node, NodeAuthPassword, NodeAuthSSHKey, NodeImage
from polycloud.errors import InvalidArgumentError


def image_path(image: NodeImage | str) -> str:
    """Where an image is: its id has a slash, which the provider's own clients do not quote."""
    return "/images/" + "/".join(map(quote_segment, id_of(image, NodeImage).split("/")))


def linode_id(node: Node) -> int:
    """The number of a node. Raises `InvalidArgumentError` for what is no node of this provider's."""
    return number(require_id(node))


def attributes_of(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Further fields of a create. Raises `InvalidArgumentError` for what are none."""
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError(f"ex_create_attr={given!r} is no dict")
    if "group" in (given or {}):
        raise InvalidArgumentError("the group of a node marks its create; give tags= instead")
    return dict(given or {})


def metadata(user_data: str | None) -> dict[str, str] | None:
    """What the first boot is given; None for nothing."""
    if not user_data:
        return None
    if not isinstance(user_data, str):
        raise InvalidArgumentError("user_data= is no text")
    return {"user_data": base64.b64encode(user_data.encode(errors="surrogatepass")).decode()}


def password_of(root_pass: str | None, auth: NodeAuthSSHKey | NodeAuthPassword | None) -> str | None:
    """The one password that was given; no error shows it."""
    if not isinstance(auth, NodeAuthSSHKey | NodeAuthPassword | None):
        raise InvalidArgumentError("auth= is neither a NodeAuthSSHKey nor a NodeAuthPassword")
    given = auth.password if isinstance(auth, NodeAuthPassword) else None
    if root_pass is not None and given is not None:
        raise InvalidArgumentError("give root's password once: as auth= or as root_pass=")
    password = given if root_pass is None else root_pass
    if password is not None and not (isinstance(password, str) and password):
        raise InvalidArgumentError("root's password is no text, or empty")
    return password
