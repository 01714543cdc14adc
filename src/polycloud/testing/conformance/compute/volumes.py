"""Rules of volumes and their snapshots."""

from __future__ import annotations

from contextlib import ExitStack

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node, StorageVolume, VolumeSnapshot
from polycloud.compute.types import StorageVolumeState
from polycloud.testing.conformance.assertions import check_objects, require_true, with_id
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import ComputeSuite


class VolumeRules(ComputeSuite):
    """The rules of volumes and snapshots."""

    @rule()
    def test_c33_create_volume(self, driver: NodeDriver, volume: StorageVolume) -> None:
        """`create_volume` returns the volume of that size with the id that is then listed."""
        listed = with_id(driver.list_volumes(), volume.id)
        assert listed is not None, f"the volume {volume.id!r} is not listed"
        for one in (volume, listed):
            check_objects([one], StorageVolume, driver, "name")
        assert volume.size == listed.size == self.volume_size, f"{volume.size} and {listed.size} GB"

    @rule()
    def test_c34_destroy_volume(self, driver: NodeDriver, volume: StorageVolume) -> None:
        """`destroy_volume` returns True, and the volume leaves the list."""
        require_true("destroy_volume", driver.destroy_volume(volume))
        self.until(
            lambda: with_id(driver.list_volumes(), volume.id) is None, f"volume {volume.id} to leave the list"
        )

    @rule("attach_volume", "detach_volume")
    def test_c35_attach_volume(self, driver: NodeDriver, node: Node, volume: StorageVolume) -> None:
        """`attach_volume` and `detach_volume` return True, and the volume is in use in between."""
        require_true("attach_volume", driver.attach_volume(node, volume))
        self.volume_seen(driver, volume, StorageVolumeState.INUSE)
        require_true("detach_volume", driver.detach_volume(volume))
        self.volume_seen(driver, volume, StorageVolumeState.AVAILABLE)

    @rule("create_volume_snapshot", "list_volume_snapshots", "destroy_volume_snapshot")
    def test_c36_snapshots(self, driver: NodeDriver, volume: StorageVolume, cleanup: ExitStack) -> None:
        """A snapshot is listed under its volume until `destroy_volume_snapshot` has returned True."""
        made = driver.create_volume_snapshot(volume, "conformance")
        cleanup.callback(self.remove, driver.destroy_volume_snapshot, [made])
        assert isinstance(made, VolumeSnapshot), f"create_volume_snapshot() returned {made!r}"

        def listed() -> VolumeSnapshot | None:
            return with_id(driver.list_volume_snapshots(volume), made.id)

        self.until(listed, f"snapshot {made.id!r} to be listed")
        require_true("destroy_volume_snapshot", driver.destroy_volume_snapshot(made))
        self.until(lambda: listed() is None, f"snapshot {made.id!r} to leave the list")
