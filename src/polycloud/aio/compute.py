"""The facade of compute drivers."""

from __future__ import annotations

from typing import TypeVar

from polycloud.aio.driver import AsyncDriver, Awaited, Iterated
from polycloud.compute.base import NodeDriver

__all__ = ["AsyncNodeDriver"]

N = TypeVar("N", bound=NodeDriver)


class AsyncNodeDriver(AsyncDriver[N]):
    """A compute driver whose methods are awaited; see `polycloud.compute.base.NodeDriver` for each."""

    list_nodes = Awaited(NodeDriver.list_nodes)
    iterate_nodes = Iterated(NodeDriver.iterate_nodes)
    get_node = Awaited(NodeDriver.get_node)
    create_node = Awaited(NodeDriver.create_node)
    deploy_node = Awaited(NodeDriver.deploy_node)
    wait_until_running = Awaited(NodeDriver.wait_until_running)
    reboot_node = Awaited(NodeDriver.reboot_node)
    start_node = Awaited(NodeDriver.start_node)
    stop_node = Awaited(NodeDriver.stop_node)
    shutdown_node = Awaited(NodeDriver.shutdown_node)
    destroy_node = Awaited(NodeDriver.destroy_node)
    list_sizes = Awaited(NodeDriver.list_sizes)
    list_images = Awaited(NodeDriver.list_images)
    get_image = Awaited(NodeDriver.get_image)
    create_image = Awaited(NodeDriver.create_image)
    copy_image = Awaited(NodeDriver.copy_image)
    delete_image = Awaited(NodeDriver.delete_image)
    list_locations = Awaited(NodeDriver.list_locations)
    list_key_pairs = Awaited(NodeDriver.list_key_pairs)
    get_key_pair = Awaited(NodeDriver.get_key_pair)
    create_key_pair = Awaited(NodeDriver.create_key_pair)
    import_key_pair_from_string = Awaited(NodeDriver.import_key_pair_from_string)
    import_key_pair_from_file = Awaited(NodeDriver.import_key_pair_from_file)
    delete_key_pair = Awaited(NodeDriver.delete_key_pair)
    list_volumes = Awaited(NodeDriver.list_volumes)
    create_volume = Awaited(NodeDriver.create_volume)
    attach_volume = Awaited(NodeDriver.attach_volume)
    detach_volume = Awaited(NodeDriver.detach_volume)
    destroy_volume = Awaited(NodeDriver.destroy_volume)
    list_volume_snapshots = Awaited(NodeDriver.list_volume_snapshots)
    create_volume_snapshot = Awaited(NodeDriver.create_volume_snapshot)
    destroy_volume_snapshot = Awaited(NodeDriver.destroy_volume_snapshot)
