"""A walk through everything that OpenStack's driver can do, on the sandbox or on the real services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from tempfile import NamedTemporaryFile

from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.compute.objects import Node, StorageVolume, VolumeSnapshot
from polycloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState
from polycloud.concurrency import waiting
from polycloud.tracing.hooks import add_hook
from polycloud.tracing.trace import Trace

PATIENCE = 60.0
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"


@contextmanager
def noted_operations() -> Iterator[set[str]]:
    """Return a set that has the name of every operation that has sent a request."""
    found: set[str] = set()

    def note(trace: Trace) -> None:
        if trace.operation:
            found.add(trace.operation)

    remove = add_hook(note)
    try:
        yield found
    finally:
        remove()


def until(check: Callable[[], bool]) -> None:
    """Wait until `check` is true."""
    waiting.poll(lambda: check() or None, waiting_for="it to come true", timeout=PATIENCE, longest_pause=0.2)


class Walk:
    """The steps; `stubs` says that Nova has stubs of networks, volumes and images, as the kit's has."""

    def __init__(self, driver: OpenStackNodeDriver, *, stubs: bool) -> None:
        self.driver, self.stubs = driver, stubs
        self.name = f"walk-{token_hex(4)}"
        self.sizes, self.image = driver.list_sizes(), driver.list_images()[0]

    def status(self, node: Node) -> str:
        status = self.driver.get_node(node.id).extra["status"]
        assert isinstance(status, str)
        return status

    def reach(self, node: Node, status: str, state: NodeState) -> None:
        until(lambda: self.status(node) == status)
        assert self.driver.get_node(node.id).state == state

    def node(self) -> Node:
        node = self.driver.create_node(
            self.name,
            self.sizes[0],
            self.image,
            ex_userdata="#!/bin/sh\n",
            ex_metadata={"role": "web"},
            location=self.driver.list_locations()[0],
        )
        self.reach(node, "ACTIVE", NodeState.RUNNING)
        return self.driver.ex_get_node_details(node)

    def power(self, node: Node) -> None:
        driver = self.driver
        steps: list[tuple[Callable[[Node], bool], str, NodeState]] = [
            (driver.reboot_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_soft_reboot_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_hard_reboot_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_stop_node, "SHUTOFF", NodeState.STOPPED),
            (driver.ex_start_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_pause_node, "PAUSED", NodeState.PAUSED),
            (driver.ex_unpause_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_suspend_node, "SUSPENDED", NodeState.SUSPENDED),
            (driver.ex_resume_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_pause_node, "PAUSED", NodeState.PAUSED),
            (driver.start_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_lock_node, "ACTIVE", NodeState.RUNNING),
            (driver.ex_unlock_node, "ACTIVE", NodeState.RUNNING),
        ]
        for step, status, state in steps:
            assert step(node) is True
            self.reach(node, status, state)
        assert driver.ex_shelve_node(node)
        until(lambda: self.status(node) in {"SHELVED", "SHELVED_OFFLOADED"})
        assert driver.get_node(node.id).state == NodeState.STOPPED
        assert driver.ex_unshelve_node(node)
        self.reach(node, "ACTIVE", NodeState.RUNNING)

    def changes(self, node: Node) -> None:
        driver, larger = self.driver, self.sizes[1]
        for end, size in ((driver.ex_revert_resize, self.sizes[0].id), (driver.ex_confirm_resize, larger.id)):
            assert driver.ex_resize(node, larger)
            self.reach(node, "VERIFY_RESIZE", NodeState.RUNNING)
            assert end(node)
            self.reach(node, "ACTIVE", NodeState.RUNNING)
            assert driver.get_node(node.id).size == size
        assert driver.ex_rebuild(node, ex_metadata={"role": "db"}, ex_userdata="#!/bin/sh\n")
        self.reach(node, "ACTIVE", NodeState.RUNNING)
        assert driver.ex_rescue(node, "Rescue-1234").extra["password"]
        self.reach(node, "RESCUE", NodeState.PENDING)
        assert driver.ex_unrescue(node)
        self.reach(node, "ACTIVE", NodeState.RUNNING)
        assert driver.ex_set_password(node, "Password-1234")
        assert "output" in driver.ex_get_console_output(node, 10)
        assert driver.ex_get_console_url(node).startswith("http")

    def labels(self, node: Node) -> None:
        driver = self.driver
        assert driver.ex_set_server_name(node, f"{self.name}-b").name == f"{self.name}-b"
        assert driver.ex_update_node(node, name=self.name).name == self.name
        assert driver.ex_set_metadata(node, {"a": "1"}) == {"a": "1"}
        assert driver.ex_update_metadata(node, {"b": "2"}) == {"a": "1", "b": "2"}
        assert driver.ex_delete_metadata(node, "a")
        assert driver.ex_get_metadata(node) == driver.get_node(node.id).extra["metadata"] == {"b": "2"}
        assert driver.ex_get_metadata_for_node(node) == {"b": "2"}
        assert driver.ex_set_tags(node, ["one", "two"]) == ["one", "two"]
        assert driver.ex_tag_node(node, "three") is driver.ex_untag_node(node, "two") is True
        assert sorted(driver.ex_get_tags(node)) == ["one", "three"]
        group = driver.ex_add_server_group(self.name, "anti-affinity")
        ruled = driver.ex_add_server_group(self.name, "anti-affinity", {"max_server_per_host": 2})
        assert {group.id, ruled.id} <= {one.id for one in driver.ex_list_server_groups()}
        assert driver.ex_get_server_group(group.id).name == self.name
        assert driver.ex_del_server_group(group) is driver.ex_del_server_group(ruled) is True

    def catalog(self) -> None:
        driver = self.driver
        assert driver.ex_get_size(self.sizes[0].id).name == self.sizes[0].name
        assert isinstance(driver.ex_get_size_extra_specs(self.sizes[0].id), dict)
        assert driver.ex_limits()["maxTotalInstances"] >= 1
        assert driver.ex_get_quota_set()["instances"]["limit"] >= 1
        assert min(driver.ex_get_network_quotas().network, driver.ex_get_volume_quotas().volumes) >= 1
        assert driver.ex_get_network_quota()["network"] >= 1
        assert driver.ex_get_volume_quota()["volumes"] >= 1

    def keys(self) -> None:
        driver = self.driver
        made = driver.create_key_pair(self.name)
        assert "PRIVATE KEY" in (made.private_key or "")
        imported = driver.import_key_pair_from_string(f"{self.name}-b", PUBLIC_KEY)
        assert driver.get_key_pair(imported.name).public_key == PUBLIC_KEY
        assert {made.name, imported.name} <= {pair.name for pair in driver.list_key_pairs()}
        assert driver.delete_key_pair(made) is driver.delete_key_pair(imported) is True
        named = driver.ex_create_keypair(f"{self.name}-c")
        with NamedTemporaryFile("w") as file:
            print(PUBLIC_KEY, file=file, flush=True)
            read = driver.ex_import_keypair(f"{self.name}-d", file.name)
        text = driver.ex_import_keypair_from_string(f"{self.name}-e", PUBLIC_KEY)
        assert {named.name, read.name, text.name} <= {pair.name for pair in driver.ex_list_keypairs()}
        assert all(driver.ex_delete_keypair(pair) for pair in (named, read, text))

    def images(self, node: Node) -> None:
        driver = self.driver
        made = driver.create_image(node, self.name, "a description", metadata={"os_distro": "debian"})
        if self.stubs:
            return
        until(lambda: driver.get_image(made.id).extra["status"] == "active")
        found = driver.get_image(made.id)
        assert (found.extra["os_distro"], found.extra["serverId"]) == ("debian", node.id)
        renamed = driver.ex_update_image(made.id, [{"op": "replace", "path": "/name", "value": "renamed"}])
        assert renamed.name == "renamed"
        self.members(made.id)
        assert driver.delete_image(image=made)

    def members(self, image_id: str) -> None:
        driver = self.driver
        driver.ex_update_image(image_id, [{"op": "replace", "path": "/visibility", "value": "shared"}])
        other = "0123456789abcdef0123456789abcdef"
        assert driver.ex_create_image_member(image_id, other).state == "pending"
        assert [one.id for one in driver.ex_list_image_members(image_id)] == [other]
        assert driver.ex_get_image_member(image_id, other).image_id == image_id
        assert driver.ex_accept_image_member(image_id, other).state == "accepted"
        assert driver.ex_delete_image_member(image_id, other)
        assert driver.ex_list_image_members(image_id) == []

    def volumes(self, node: Node) -> None:
        driver = self.driver
        volume = driver.create_volume(1, self.name, ex_metadata={"a": "b"})
        snapshot = driver.create_volume_snapshot(volume, self.name, "a description")
        assert snapshot.id in {one.id for one in driver.list_volume_snapshots(volume)}
        assert snapshot.id in {one.id for one in driver.ex_list_snapshots()}

        def state(one: VolumeSnapshot) -> object:
            return next(found.state for found in driver.list_volume_snapshots(volume) if found.id == one.id)

        until(lambda: state(snapshot) == VolumeSnapshotState.AVAILABLE)
        second = driver.create_volume(1, self.name, snapshot=snapshot)
        self.available(second)
        assert driver.ex_extend_volume(second, 2)
        until(lambda: driver.ex_get_volume(second.id).size == 2)
        assert driver.destroy_volume_snapshot(snapshot)
        third = driver.ex_create_snapshot(volume, self.name)
        assert driver.ex_get_snapshot(third.id).name == self.name
        assert driver.ex_delete_snapshot(third)
        until(lambda: not driver.list_volume_snapshots(volume))
        assert driver.attach_volume(node, volume)
        if not self.stubs:
            until(lambda: driver.ex_get_volume(volume.id).state == StorageVolumeState.INUSE)
        assert driver.detach_volume(volume, node)
        self.available(volume)
        assert driver.destroy_volume(volume) is driver.destroy_volume(second) is True

    def available(self, volume: StorageVolume) -> None:
        until(lambda: self.driver.ex_get_volume(volume.id).state == StorageVolumeState.AVAILABLE)

    def networks(self, node: Node) -> None:
        driver = self.driver
        network = driver.ex_create_network(self.name)
        subnet = driver.ex_create_subnet(self.name, network, "10.99.0.0/24", dns_nameservers=["192.0.2.53"])
        assert driver.ex_update_subnet(subnet, name="other").name == "other"
        assert driver.ex_get_network(network.id).subnets == [subnet.id]
        assert network.id in {one.id for one in driver.ex_list_networks()}
        assert subnet.id in {one.id for one in driver.ex_list_subnets()}
        port, spare = driver.ex_create_port(network, name=self.name), driver.ex_create_port(network)
        assert driver.ex_update_port(port, name="other").name == "other"
        assert driver.ex_get_port(port.id).fixed_ips[0].ip_address.startswith("10.99.0.")
        assert port.id in {one.id for one in driver.ex_list_ports()}
        pool = driver.ex_list_floating_ip_pools()[0]
        router = driver.ex_create_router(self.name, external_gateway_info={"network_id": pool.id})
        assert router.id in {one.id for one in driver.ex_list_routers()}
        assert driver.ex_add_router_port(router, spare) is driver.ex_del_router_port(router, spare) is True
        if spare.id in {one.id for one in driver.ex_list_ports()}:  # Neutron deletes it with the interface
            assert driver.ex_delete_port(spare)
        assert driver.ex_add_router_subnet(router, subnet)
        ip = driver.ex_create_floating_ip(pool)
        assert driver.ex_get_floating_ip(ip.ip_address).node_id is None
        assert ip.id in {one.id for one in driver.ex_list_floating_ips()}
        if not self.stubs:
            assert driver.ex_attach_port_interface(node, port)
            assert port.id in {one.id for one in driver.ex_get_node_ports(node)}
            assert driver.ex_attach_floating_ip_to_node(node, ip)
            assert driver.ex_get_floating_ip(ip.ip_address).node_id == node.id
            assert driver.ex_detach_floating_ip_from_node(node, ip.ip_address)
            assert driver.ex_detach_port_interface(node, port)
        assert driver.ex_delete_floating_ip(ip) is driver.ex_del_router_subnet(router, subnet) is True
        assert driver.ex_delete_router(router)
        assert driver.ex_delete_port(port) is driver.ex_delete_subnet(subnet) is True
        assert driver.ex_delete_network(network)

    def firewalls(self, node: Node) -> None:
        driver = self.driver
        group = driver.ex_create_security_group(self.name, "a description")
        rule = driver.ex_create_security_group_rule(group, "tcp", 22, 22, "192.0.2.0/24")
        both = driver.ex_create_security_group_rule(group, "icmp", -1, -1, source_security_group=group)
        found = next(one for one in driver.ex_list_security_groups() if one.id == group.id)
        assert {rule.id, both.id} <= {one.id for one in found.rules}
        if not self.stubs:
            assert driver.ex_add_security_group_to_node(group, node)
            assert group.id in {one.id for one in driver.ex_get_node_security_groups(node)}
            assert driver.ex_remove_security_group_from_node(group, node)
        assert driver.ex_delete_security_group_rule(rule) is driver.ex_delete_security_group(group) is True

    def all(self) -> None:
        node = self.node()
        try:
            self.catalog()
            self.keys()
            self.labels(node)
            self.power(node)
            self.changes(node)
            self.images(node)
            self.volumes(node)
            self.networks(node)
            self.firewalls(node)
        finally:
            assert self.driver.destroy_node(node)
