"""Backups of nodes."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import msgspec

from polycloud.compute.drivers.linode.actions import LinodeActions, Waiting, linode_id
from polycloud.compute.objects import Node


class LinodeBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup of a node; `type` is "auto" or "snapshot", `status` "successful" once it can be restored."""

    id: int
    label: str | None = None
    status: str | None = None
    type: str | None = None
    created: str | None = None
    finished: str | None = None
    available: bool | None = None


class Snapshots(msgspec.Struct):
    """The one snapshot that a node may have, and its successor while that is taken."""

    current: LinodeBackup | None = None
    in_progress: LinodeBackup | None = None


class Backups(msgspec.Struct):
    """The backups of a node."""

    automatic: list[LinodeBackup]
    snapshot: Snapshots | None = None


class LinodeBackups(LinodeActions):
    """Methods of backups."""

    def ex_list_backups(self, node: Node) -> list[LinodeBackup]:
        """Return the backups of a node: the automatic ones and its snapshot."""
        backups = self.connection.fetch(f"/linode/instances/{linode_id(node)}/backups", Backups).value
        snapshots = backups.snapshot or Snapshots()
        return [*backups.automatic, *filter(None, (snapshots.current, snapshots.in_progress))]

    def ex_enable_backups(self, node: Node) -> bool:
        """Enable backups of a node, which costs extra."""
        return self._when_free(
            partial(self.connection.act, f"/linode/instances/{linode_id(node)}/backups/enable")
        )

    def ex_disable_backups(self, node: Node) -> bool:
        """Disable backups of a node. Its backups are deleted for good."""
        return self._when_free(
            partial(self.connection.act, f"/linode/instances/{linode_id(node)}/backups/cancel")
        )

    def ex_create_backup(self, node: Node, name: str, **wait: Unpack[Waiting]) -> LinodeBackup:
        """Take a snapshot of a node with backups enabled. It replaces the node's previous snapshot."""
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/backups"
        send = partial(self.connection.post, path, LinodeBackup, {"label": name})
        begun = self._await(id_, "linode_snapshot", send, **wait)
        return self._latest(f"{path}/{begun.value.id}", begun, **wait).value

    def ex_restore_backup(
        self,
        node: Node,
        backup: LinodeBackup,
        target: Node | None = None,
        *,
        overwrite: bool = False,
        **wait: Unpack[Waiting],
    ) -> bool:
        """Restore a backup of `node` to it, or to another node of its region.

        `overwrite` deletes the target's disks first; without it there must be room for the backup's.
        """
        id_ = linode_id(target or node)
        path = f"/linode/instances/{linode_id(node)}/backups/{backup.id}/restore"
        send = partial(self.connection.act, path, linode_id=id_, overwrite=overwrite)
        return self._await(id_, "backups_restore", send, **wait)
