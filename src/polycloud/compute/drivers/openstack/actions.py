"""Actions: what happens to a server in its own time.

Nova refuses an action that does not fit the server's state, also while another one is going on: see
`OpenStackNodes._when_idle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none, id_of
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.nodes import OpenStackNodes, own_metadata, server_path
from polycloud.compute.objects import Node, NodeImage, NodeSize
from polycloud.concurrency import waiting
from polycloud.errors import ConflictError, InvalidArgumentError, OperationTimeoutError

WAKING = {
    "PAUSED": "unpause",
    "SHELVED": "unshelve",
    "SHELVED_OFFLOADED": "unshelve",
    "SUSPENDED": "resume",
}
"""The action that makes a server run again, by its status; others are started."""


class Console(msgspec.Struct):
    """A way to a server's console."""

    url: str


class OpenStackActions(OpenStackNodes):
    """Methods that start, stop and change servers; they return as soon as Nova has accepted."""

    # Power

    def reboot_node(self, node: Node) -> bool:
        """Restart a server gracefully."""
        return self._act(node, "reboot", {"type": "SOFT"})

    def ex_soft_reboot_node(self, node: Node) -> bool:
        """Same as `reboot_node`."""
        return self.reboot_node(node)

    def ex_hard_reboot_node(self, node: Node) -> bool:
        """Switch a server off and on."""
        return self._act(node, "reboot", {"type": "HARD"})

    def start_node(self, node: Node) -> bool:
        """Start a stopped server, or wake one that is paused, suspended or shelved."""
        try:
            return self._act(node, "os-start")
        except ConflictError:
            waking = WAKING.get(self._progress(node).status)
            if waking is None:
                raise
        return self._act(node, waking)

    def ex_start_node(self, node: Node) -> bool:
        """Same as `start_node`."""
        return self.start_node(node)

    def stop_node(self, node: Node) -> bool:
        """Stop a server; it keeps its disk, its addresses and its place, and mostly costs the same."""
        return self._act(node, "os-stop")

    def ex_stop_node(self, node: Node) -> bool:
        """Same as `stop_node`."""
        return self.stop_node(node)

    def ex_pause_node(self, node: Node) -> bool:
        """Pause a server; its state stays in memory."""
        return self._act(node, "pause")

    def ex_unpause_node(self, node: Node) -> bool:
        """Continue a paused server."""
        return self._act(node, "unpause")

    def ex_suspend_node(self, node: Node) -> bool:
        """Suspend a server; its state is written to disk."""
        return self._act(node, "suspend")

    def ex_resume_node(self, node: Node) -> bool:
        """Continue a suspended server."""
        return self._act(node, "resume")

    def ex_shelve_node(self, node: Node) -> bool:
        """Shelve a server: stop it and keep it as an image, so that it takes no place."""
        return self._act(node, "shelve")

    def ex_unshelve_node(self, node: Node) -> bool:
        """Bring a shelved server back."""
        return self._act(node, "unshelve")

    def ex_lock_node(self, node: Node) -> bool:
        """Lock a server: only administrators can change it then."""
        return self._act(node, "lock")

    def ex_unlock_node(self, node: Node) -> bool:
        """Unlock a server."""
        return self._act(node, "unlock")

    def ex_reset_state(self, node: Node, state: str = "active") -> bool:
        """Set the state of a server to "active" or "error"; for administrators."""
        return self._act(node, "os-resetState", {"state": state})

    # Changes

    def ex_resize(self, node: Node, size: NodeSize) -> bool:
        """Change the size of a server. It must then be confirmed or reverted: its state is VERIFY_RESIZE."""
        return self._act(node, "resize", {"flavorRef": id_of(size, NodeSize)})

    def ex_confirm_resize(self, node: Node) -> bool:
        """Confirm a resize or a migration; wait up to `busy_time` until Nova has settled it.

        Until then Nova refuses other actions.
        """
        self._act(node, "confirmResize")
        with suppress(OperationTimeoutError):  # Nova has accepted it
            waiting.poll(
                lambda: self._progress(node).status != "VERIFY_RESIZE" or None,
                waiting_for=f"the resize of {node.name} (id {node.id}) to be confirmed",
                timeout=self.busy_time,
            )
        return True

    def ex_revert_resize(self, node: Node) -> bool:
        """Revert a resize or a migration."""
        return self._act(node, "revertResize")

    def ex_rebuild(
        self,
        node: Node,
        image: NodeImage | None = None,
        *,
        ex_admin_pass: str | None = None,
        ex_disk_config: str | None = None,
        ex_metadata: Mapping[str, str] | None = None,
        ex_userdata: str | None = None,
    ) -> bool:
        """Reinstall a server from an image, by default its own. The data on its disk is lost.

        `ex_userdata` needs microversion 2.57.
        """
        source = image or node.image
        if source is None:
            raise InvalidArgumentError(f"pass image=: the image of {node.name} (id {node.id}) is unknown")
        fields = {
            "imageRef": id_of(source, NodeImage),
            "adminPass": ex_admin_pass,
            "OS-DCF:diskConfig": ex_disk_config,
            "metadata": None if ex_metadata is None else own_metadata(ex_metadata),
            "user_data": encode_user_data(ex_userdata),
        }
        headers = None if ex_userdata is None else self.connection.at("2.57", "user data of a rebuild")
        return self._act(node, "rebuild", drop_none(fields), headers=headers)

    def ex_rescue(self, node: Node, password: str | None = None, *, image: NodeImage | None = None) -> Node:
        """Boot a server from a rescue image; `extra["password"]` is root's password there."""
        fields = {
            "adminPass": password,
            "rescue_image_ref": None if image is None else id_of(image, NodeImage),
        }
        response = self._send(node, "rescue", drop_none(fields))
        found = self.get_node(node.id)
        found.extra["password"] = response.object.get("adminPass")
        return found

    def ex_unrescue(self, node: Node) -> bool:
        """Boot a rescued server from its own disk again."""
        return self._act(node, "unrescue")

    def ex_set_password(self, node: Node, password: str) -> bool:
        """Set the administrator's password, if the server's system has an agent for that."""
        return self._act(node, "changePassword", {"adminPass": password})

    def ex_migrate(self, node: Node) -> bool:
        """Move a server to another host, with a stop; it must be confirmed. For administrators."""
        return self._act(node, "migrate")

    def ex_live_migrate(self, node: Node, host: str | None = None, *, block_migration: Any = "auto") -> bool:
        """Move a running server to another host. For administrators."""
        fields = {"host": host, "block_migration": block_migration}
        return self._act(node, "os-migrateLive", fields)

    def ex_evacuate(self, node: Node, host: str | None = None) -> bool:
        """Rebuild a server of a host that has failed on another one. For administrators."""
        return self._act(node, "evacuate", drop_none({"host": host}))

    # Consoles

    def ex_get_console_output(self, node: Node, length: int | None = None) -> dict[str, str]:
        """Return the last lines of a server's console, all of them by default, as {"output": ...}."""
        response = self.connection.act(require_id(node), "os-getConsoleOutput", drop_none({"length": length}))
        output: dict[str, str] = response.decode(dict[str, str])
        return output

    def ex_get_console_url(self, node: Node, type_: str = "novnc") -> str:
        """Return an address of a server's console: "novnc", "spice-html5", "serial" or "rdp-html5"."""
        protocols = {
            "novnc": "vnc",
            "spice-html5": "spice",
            "serial": "serial",
            "rdp-html5": "rdp",
            "webmks": "mks",
        }
        if type_ not in protocols:
            raise InvalidArgumentError(f"type_ must be one of {', '.join(protocols)}, got {type_!r}")
        body = {"protocol": protocols[type_], "type": type_}
        return self.connection.create(
            f"{server_path(node)}/remote-consoles", "remote_console", Console, body
        ).value.url

    # Waiting

    def _act(
        self, node: Node, action: str, fields: Any = None, *, headers: dict[str, str] | None = None
    ) -> bool:
        self._send(node, action, fields, headers=headers)
        return True

    def _send(
        self, node: Node, action: str, fields: Any = None, *, headers: dict[str, str] | None = None
    ) -> Any:
        """Start an action; once more, if the server is busy with another one, when that has ended."""

        def send() -> Any:
            return self.connection.act(require_id(node), action, fields, headers)

        return self._when_idle(node, send)


def encode_user_data(text: str | None) -> str | None:
    """Return user data as Nova takes it, in base64; None for none."""
    if text is None:
        return None
    from base64 import b64encode

    return b64encode(text.encode()).decode()
