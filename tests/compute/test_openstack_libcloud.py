"""What programs for Libcloud's OpenStack driver call and read: signatures and attributes."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from inspect import signature
from typing import Any

import pytest

from polycloud.compute.drivers.openstack import (
    OpenStackFloatingIpPool,
    OpenStackNetwork,
    OpenStackNodeDriver,
    OpenStackNodeSize,
    OpenStackQuotaSet,
)
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidArgumentError, NotFoundError
from polycloud.sandbox import Sandbox
from support.openstackwalk import until

FAST: dict[str, Any] = {"build": 0.05, "power": 0.02, "copy": 0.05, "attach": 0.02, "no_isolation": True}


@pytest.fixture
def driver() -> Iterator[OpenStackNodeDriver]:
    with Sandbox("openstack", **FAST) as cloud:
        with OpenStackNodeDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver


@pytest.fixture
def node(driver: OpenStackNodeDriver) -> Node:
    """Return a node in a network of its own, which floating IPs can reach."""
    network = driver.ex_create_network("backend")
    subnet = driver.ex_create_subnet("backend", network, "10.88.0.0/24")
    pool = driver.ex_list_floating_ip_pools()[0]
    router = driver.ex_create_router("r", external_gateway_info={"network_id": pool.id})
    driver.ex_add_router_subnet(router, subnet)
    node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0], networks=network)
    until(lambda: driver.get_node(node.id).state == NodeState.RUNNING)
    return node


SIGNATURES = {
    "delete_image": ["node_image", "image"],
    "ex_accept_image_member": ["image_id", "member_user_id"],
    "ex_attach_floating_ip_to_node": ["node", "ip", "port_id"],
    "ex_create_image_member": ["image_id", "member_id"],
    "ex_create_snapshot": ["volume", "name", "description", "force"],
    "ex_delete_snapshot": ["snapshot"],
    "ex_get_image_member": ["image_id", "member_user_id"],
    "ex_get_metadata_for_node": ["node"],
    "ex_get_port": ["port_interface_id"],
    "ex_get_quota_set": ["tenant_id", "detail"],
    "ex_get_size_extra_specs": ["size_id"],
    "ex_get_snapshot": ["snapshotId"],
    "ex_get_volume": ["volumeId"],
    "ex_import_keypair": ["name", "keyfile"],
    "ex_list_image_members": ["image_id"],
    "ex_update_port": [
        *("port", "description", "admin_state_up", "name", "port_security_enabled", "qos_policy_id"),
        *("security_groups", "allowed_address_pairs"),
    ],
    "ex_update_subnet": ["subnet", "name", "description", "dns_nameservers", "host_routes"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    """A method has Libcloud's arguments, in its order."""
    parameters = signature(getattr(OpenStackNodeDriver, name)).parameters
    assert [one for one in parameters if one not in {"self", "kwargs"}] == SIGNATURES[name]


def test_private_addresses(driver: OpenStackNodeDriver, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait whose caller names no interface ends for a node that has private addresses only."""
    monkeypatch.setattr(OpenStackNodeDriver, "public_address_time", 0.2)
    [(found, addresses)] = driver.wait_until_running([node], wait_period=0.1, timeout=30)
    assert (found.id, found.public_ips) == (node.id, [])
    assert addresses == found.private_ips != []


def test_resources(driver: OpenStackNodeDriver, node: Node) -> None:
    """Objects of networks know their driver, and have the complete payload, by the service's names."""
    group = driver.ex_create_security_group("web")
    rule = driver.ex_create_security_group_rule(group, "tcp", 80, 80)
    server_group = driver.ex_add_server_group("apart", "anti-affinity")
    found: list[tuple[Any, str]] = [
        (driver.ex_list_networks()[0], "admin_state_up"),
        (driver.ex_get_network(driver.ex_list_networks()[0].id), "admin_state_up"),
        (driver.ex_list_subnets()[0], "allocation_pools"),
        (driver.ex_list_ports()[0], "admin_state_up"),
        (driver.ex_list_routers()[0], "admin_state_up"),
        (driver.ex_create_floating_ip(), "router_id"),
        (driver.ex_list_floating_ips()[0], "router_id"),
        (driver.ex_list_security_groups()[0], "security_group_rules"),
        (driver.ex_list_security_groups()[0].rules[0], "ethertype"),
        (rule, "remote_ip_prefix"),
        (server_group, "members"),
    ]
    for resource, key in found:
        assert resource.driver is driver, resource
        assert resource.extra["id"] == resource.id
        assert key in resource.extra
        assert "driver" not in repr(resource)
        assert pickle.loads(pickle.dumps(resource)) == resource
    assert driver.ex_list_networks()[0].cidr is None
    own = OpenStackNetwork(id="1", is_external=True)
    assert (own.driver, own.extra["router:external"]) == (None, True)


def test_floating_ip_pools(driver: OpenStackNodeDriver, node: Node) -> None:
    """A pool makes, lists, finds and releases floating IPs; a floating IP releases itself."""
    (pool,) = driver.ex_list_floating_ip_pools()
    first, second = pool.create_floating_ip(), pool.create_floating_ip()
    assert {one.id for one in pool.list_floating_ips()} == {first.id, second.id}
    assert pool.get_floating_ip(first.ip_address) == first
    assert first.delete() is pool.delete_floating_ip(second) is True
    assert pool.list_floating_ips() == []
    with pytest.raises(NotFoundError, match=f"no floating IP '{first.ip_address}'"):
        pool.get_floating_ip(first.ip_address)
    with pytest.raises(InvalidArgumentError, match="this OpenStackFloatingIpPool has no driver"):
        OpenStackFloatingIpPool(id="1").create_floating_ip()


def test_the_port_of_a_floating_ip(driver: OpenStackNodeDriver, node: Node) -> None:
    """A floating IP leads to the port of the node that is named, and not to one of another node."""
    (port,) = driver.ex_get_node_ports(node)
    ip = driver.ex_create_floating_ip()
    loose = driver.ex_create_port(port.network_id or "")
    with pytest.raises(InvalidArgumentError, match=f"has no port {loose.id}"):
        driver.ex_attach_floating_ip_to_node(node, ip, loose.id)
    assert driver.ex_attach_floating_ip_to_node(node, ip, port.id)
    found = driver.ex_get_floating_ip(ip.ip_address)
    assert (found.port_id, found.node_id) == (port.id, node.id)


def test_updates_by_position(driver: OpenStackNodeDriver, node: Node) -> None:
    """Subnets and ports are changed by positional arguments; what is not given stays."""
    (subnet,) = [one for one in driver.ex_list_subnets() if one.cidr == "10.88.0.0/24"]
    changed = driver.ex_update_subnet(subnet, "other", "a text", ["192.0.2.53"])
    assert (changed.name, changed.extra["description"], changed.dns_nameservers, changed.cidr) == (
        *("other", "a text"),
        *(["192.0.2.53"], subnet.cidr),
    )
    (port,) = driver.ex_get_node_ports(node)
    updated = driver.ex_update_port(port, "a text", False)
    assert (updated.extra["description"], updated.extra["admin_state_up"]) == ("a text", False)
    assert updated.security_groups == port.security_groups


def test_sizes(driver: OpenStackNodeDriver) -> None:
    """A size has its CPUs, its ephemeral disk and its swap as attributes, also after a pickle."""
    size = driver.list_sizes()[0]
    assert isinstance(size, OpenStackNodeSize)
    assert (size.vcpus, size.ephemeral_disk, size.swap) == (1, 0, 0)
    again = pickle.loads(pickle.dumps(size))
    assert (again.id, again.vcpus) == (size.id, 1)


def test_quotas(driver: OpenStackNodeDriver) -> None:
    """A quota is read by attributes and by keys, and its detail is checked before a request."""
    quota = driver.ex_get_quota_set()
    assert quota.cores.limit == quota["cores"]["limit"] >= quota.cores.in_use == 0
    assert driver.ex_get_quota_set(detail=None).cores == quota.cores.limit
    for detail in ("/nonsense", "../../servers"):
        with pytest.raises(InvalidArgumentError, match="detail must be '/detail' or None, got '"):
            driver.ex_get_quota_set(None, detail)
    with pytest.raises(AttributeError, match=r"the quota has no 'corse', only: .*cores"):
        _ = quota.corse
    assert pickle.loads(pickle.dumps(quota)) == OpenStackQuotaSet(quota)


def test_names_of_an_image(driver: OpenStackNodeDriver) -> None:
    """The image to delete is given by one of its two names."""
    image = driver.list_images()[0]
    for wrong in ({}, {"node_image": image, "image": image}):
        with pytest.raises(InvalidArgumentError, match="pass the image to delete, by one of its names"):
            driver.delete_image(**wrong)
