from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.compute.drivers.openstack.rackspace import (
    PUBLIC_NET,
    SERVICE_NET,
    RackspaceNodeDriver,
)
from polycloud.compute.objects import NodeLocation
from polycloud.compute.providers import Provider, get_driver
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    ProviderError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox

QUICK: dict[str, Any] = {"build": 0.05, "power": 0.02, "copy": 0.02, "attach": 0.02}


def connect(cloud: Sandbox, **options: Any) -> RackspaceNodeDriver:
    return RackspaceNodeDriver(*cloud.credentials, **{**cloud.options, **options})


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """A Rackspace where nothing takes long."""
    with Sandbox("rackspace", ssh="off", **QUICK) as sandbox:
        yield sandbox


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[RackspaceNodeDriver]:
    """The driver of the region DFW."""
    with connect(cloud) as made:
        yield made


def size(driver: RackspaceNodeDriver, name: str = "general1-1") -> Any:
    return next(one for one in driver.list_sizes() if one.id == name)


def running(driver: RackspaceNodeDriver, **more: Any) -> Any:
    """A node that runs."""
    image = driver.list_images()[0]
    node = driver.create_node("web", size(driver), image, **more)
    [(node, _)] = driver.wait_until_running([node], wait_period=0.02)
    return node


def test_login(cloud: Sandbox) -> None:
    """The driver logs in by API key, or by password if asked to, and the error names a refused user."""
    with connect(cloud) as driver:
        assert driver.list_nodes() == []
    assert cloud.requests[0].path == "/identity/v2.0/tokens"
    user = cloud.credentials[0]
    options = {**cloud.options, "ex_force_auth_version": "2.0_password"}
    with RackspaceNodeDriver(user, "rackspace_sandbox", **options) as driver:
        assert driver.list_nodes() == []
    with RackspaceNodeDriver(user, "wrong", **cloud.options) as driver:
        with pytest.raises(InvalidCredsError, match=rf"the user '{user}'.*is refused"):
            driver.list_nodes()


def test_given_token(cloud: Sandbox) -> None:
    """A token that was given is used as it is, without a login."""
    with connect(cloud) as driver:
        token = driver.connection.access.value
    before = len(cloud.requests)
    with RackspaceNodeDriver(None, None, ex_force_auth_token=token, **cloud.options) as driver:
        assert driver.list_nodes() == []
    assert [(one.method, one.path) for one in cloud.requests[before:]] == [
        ("GET", f"/identity/v2.0/tokens/{token}"),
        ("GET", "/DFW/compute/v2/1100111/servers/detail"),
    ]


def test_regions(cloud: Sandbox) -> None:
    """Each region has nodes of its own, DFW is the usual one, and one that does not exist is named."""
    with connect(cloud) as here, connect(cloud, region="syd") as there:
        running(here)
        assert there.list_nodes() == []
        assert [(one.id, one.name, one.country) for one in there.list_locations()] == [
            ("SYD", "Sydney", "AU")
        ]
    options = {name: value for name, value in cloud.options.items() if name != "region"}
    with RackspaceNodeDriver(*cloud.credentials, **options) as usual:
        assert [node.name for node in usual.list_nodes()] == ["web"]
    with connect(cloud, region="lax") as nowhere:
        with pytest.raises(InvalidArgumentError, match=r"no region 'lax'.*DFW, HKG, IAD, LON, ORD, SYD"):
            nowhere.list_locations()


def test_constants() -> None:
    """Libcloud's constants lead to the driver, those of a region to that region."""
    regions = {
        Provider.RACKSPACE: "DFW",
        Provider.RACKSPACE_UK: "LON",
        Provider.RACKSPACE_NOVA_BETA: "DFW",
        Provider.RACKSPACE_NOVA_DFW: "DFW",
        Provider.RACKSPACE_NOVA_LON: "LON",
        Provider.RACKSPACE_NOVA_ORD: "ORD",
    }
    for constant, region in regions.items():
        kind: Any = get_driver(constant)
        assert issubclass(kind, RackspaceNodeDriver)
        with kind("user", "key") as driver:
            assert driver.connection.cloud.region == region
            prefix = "lon." if region == "LON" else ""
            assert driver.connection.cloud.identity_url == f"https://{prefix}identity.api.rackspacecloud.com/"


def test_sizes(driver: RackspaceNodeDriver) -> None:
    """Sizes have their class and specs in `extra`."""
    sizes = {one.id: one for one in driver.list_sizes()}
    assert {one.extra["class"] for one in sizes.values()} == {"general1", "compute1", "memory1", "io1"}
    small = sizes["general1-1"]
    assert (small.name, small.ram, small.disk) == ("1 GB General Purpose v1", 1024, 20)
    assert sizes["io1-15"].extra["extra_specs"]["number_of_data_disks"] == "1"


def test_images_fit_classes(driver: RackspaceNodeDriver) -> None:
    """An image says for which classes of sizes it is made."""
    images = {image.name: image for image in driver.list_images()}
    metal = images["OnMetal - Debian 12 (Bookworm)"]
    assert not driver.ex_fits(size(driver), metal)
    assert driver.ex_fits(size(driver), images["Debian 12 (Bookworm) (PVHVM)"])


def test_networks(driver: RackspaceNodeDriver) -> None:
    """A node that names no networks has an address of PublicNet and one of ServiceNet."""
    node = running(driver)
    assert (len(node.public_ips), len(node.private_ips)) == (1, 1)
    assert node.private_ips[0].startswith("10.176.")
    networks = {interface.ip_addresses[0].network_id for interface in driver.ex_list_virtual_interfaces(node)}
    assert networks == {PUBLIC_NET, SERVICE_NET}
    inside = driver.create_node("inside", size(driver), driver.list_images()[0], networks=[SERVICE_NET])
    [(inside, _)] = driver.wait_until_running([inside], 0.02, ssh_interface="private_ips")
    assert (inside.public_ips, len(inside.private_ips)) == ([], 1)


def test_virtual_interfaces(driver: RackspaceNodeDriver) -> None:
    """A node is connected to another network and disconnected from it."""
    node = running(driver)
    network = driver.ex_create_network("mine")
    driver.ex_create_subnet("s", network, "192.168.3.0/24")
    made = driver.ex_create_virtual_interface(node, network)
    assert [one.address for one in made.ip_addresses] == ["192.168.3.2"]
    assert made.id in {one.id for one in driver.ex_list_virtual_interfaces(node)}
    assert driver.ex_delete_virtual_interface(node, made)
    assert made.id not in {one.id for one in driver.ex_list_virtual_interfaces(node)}
    with pytest.raises(InvalidArgumentError, match="network must be a network or its id, got 5"):
        driver.ex_create_virtual_interface(node, 5)


def test_a_size_without_a_disk(cloud: Sandbox, driver: RackspaceNodeDriver) -> None:
    """A size without a disk needs a volume to boot from, which the error says before anything is sent."""
    image, diskless = driver.list_images()[0], size(driver, "compute1-4")
    before = len(cloud.requests)
    with pytest.raises(InvalidArgumentError, match="size compute1-4 has no disk: pass a volume"):
        driver.create_node("web", diskless, image)
    assert len(cloud.requests) == before
    disk = {"boot_index": 0, "uuid": image.id, "source_type": "image", "destination_type": "volume"}
    node = driver.create_node(
        "web", diskless, ex_blockdevicemappings=[{**disk, "volume_size": 80, "delete_on_termination": True}]
    )
    assert node.size == "compute1-4"


def test_locations_are_regions(driver: RackspaceNodeDriver) -> None:
    """A node is created in the region of the driver, and in no other."""
    other = NodeLocation("ORD", "Chicago", "US", driver)
    with pytest.raises(InvalidArgumentError, match="location must be DFW, the region of this driver"):
        driver.create_node("web", size(driver), driver.list_images()[0], location=other)


def test_no_tags(driver: RackspaceNodeDriver) -> None:
    """Tags, which need a microversion, are refused before anything is created."""
    with pytest.raises(UnsupportedOperationError, match=r"microversion 2\.52"):
        driver.create_node("web", size(driver), driver.list_images()[0], tags=["x"])
    assert driver.list_nodes() == []


def test_rackconnect() -> None:
    """RackConnect's status is in `extra`, and the driver waits until it has set a node up."""
    with (
        Sandbox("rackspace", ssh="off", rackconnect=True, rackconnect_seconds=0.5, **QUICK) as cloud,
        connect(cloud) as driver,
    ):
        node = running(driver)
        features = {"configure_network_stack", "manage_software_firewall", "provison_public_ip"}
        assert node.extra["rackconnect"]["status"] == "DEPLOYING"
        assert set(node.extra["rackconnect"]["features"]) == features
        assert driver.ex_wait_for_rackconnect(node).extra["rackconnect"]["status"] == "DEPLOYED"


def test_failed_rackconnect(driver: RackspaceNodeDriver) -> None:
    """A node that RackConnect failed on is an error; without RackConnect there is nothing to wait for."""
    node = running(driver)
    assert node.extra["rackconnect"] is None
    assert driver.ex_wait_for_rackconnect(node).id == node.id
    driver.ex_update_metadata(node, {"rackconnect_automation_status": "FAILED"})
    with pytest.raises(ProviderError, match=r"RackConnect's automation of node .* is FAILED"):
        driver.ex_wait_for_rackconnect(node)


def test_extra(driver: RackspaceNodeDriver) -> None:
    """A node's `extra` has Rackspace's own fields beside OpenStack's, and the password of a new one."""
    node = driver.create_node("web", size(driver), driver.list_images()[0])
    assert node.extra["password"]
    assert node.extra["bandwidth"] == []
    assert node.extra["region"] == driver.list_locations()[0].id
    assert node.extra["disk_config"] == "AUTO"
    assert node.extra["flavorId"] == "general1-1"
    [(node, _)] = driver.wait_until_running([node], wait_period=0.02)
    assert node.extra["public_ip_zone_id"]
    assert node.extra["access_ip"] == node.public_ips[0]


def test_volumes(driver: RackspaceNodeDriver) -> None:
    """Volumes and snapshots keep their names, which Cinder's first version calls otherwise."""
    volume = driver.create_volume(75, "disk")
    assert volume.name == "disk"
    assert [one.name for one in driver.list_volumes()] == ["disk"]
    snapshot = driver.create_volume_snapshot(volume, "copy")
    assert snapshot.name == "copy"
    assert [one.name for one in driver.list_volume_snapshots(volume)] == ["copy"]
    with pytest.raises(ProviderError, match="must be between 75 and 1024"):
        driver.create_volume(10, "small")
