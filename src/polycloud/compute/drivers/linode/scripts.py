"""StackScripts: scripts that nodes run at their first boot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.linode import Filter, LinodeBaseDriver
from polycloud.common.payload import value_of
from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import NodeImage


class LinodeStackScript(msgspec.Struct, frozen=True, kw_only=True):
    """A script for the first boot of nodes from its `images` (ids, or "any/all")."""

    id: int
    label: str | None = None
    description: str | None = None
    images: list[str | None] | None = None
    script: str | None = None
    is_public: bool | None = None
    mine: bool | None = None
    user_defined_fields: Any = None


class LinodeScripts(LinodeBaseDriver, NodeDriver):
    """Methods of StackScripts."""

    def ex_list_stackscripts(self, *, ex_filter: Filter | None = None) -> list[LinodeStackScript]:
        """Return the StackScripts that the user may use. `{"mine": True}` leaves out the many public ones."""
        return self.connection.list_all("/linode/stackscripts", LinodeStackScript, value_of, only=ex_filter)

    def ex_create_stackscript(
        self, name: str, script: str, images: Iterable[NodeImage | str], *, description: str | None = None
    ) -> LinodeStackScript:
        """Create a StackScript for nodes from these images; creates refer to it as `stackscript_id`."""
        ids = [id_of(image, NodeImage) for image in as_list(images)]
        body = drop_none({"label": name, "script": script, "images": ids, "description": description})
        return self.connection.post("/linode/stackscripts", LinodeStackScript, body).value

    def ex_destroy_stackscript(self, script: LinodeStackScript) -> bool:
        """Delete a StackScript. Nodes that ran it are not affected."""
        return self.connection.delete(f"/linode/stackscripts/{script.id}")
