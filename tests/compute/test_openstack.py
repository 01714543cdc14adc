"""OpenStack's compute driver, on the sandbox and on servers of the test's own."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.openstack.publicclouds import PUBLIC_CLOUDS
from polycloud.compute.drivers.openstack import OpenStackNodeDriver, OVHNodeDriver
from polycloud.compute.objects import Node, NodeAuthSSHKey, NodeImage, NodeSize
from polycloud.compute.providers import get_driver
from polycloud.compute.types import NodeState, StorageVolumeState
from polycloud.config import connect
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidNameError,
    PolycloudError,
    QuotaExceededError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import Fault, FaultList, FaultProxy, SeenRequest
from polycloud.tracing.hooks import add_hook
from support.keystone import Keystone
from support.openstackwalk import PUBLIC_KEY, Walk, noted_operations, until
from support.web import Answer, Seen, Web, serve

FAST: dict[str, Any] = {"build": 0.05, "power": 0.02, "copy": 0.05, "attach": 0.02, "no_isolation": True}
FOR_ADMINISTRATORS = {"ex_evacuate", "ex_live_migrate", "ex_migrate", "ex_reset_state"}
SERVER: dict[str, Any] = {
    "id": "an-id",
    "name": "web",
    "status": "ACTIVE",
    "created": "2026-11-01T10:00:00Z",
    "flavor": {"id": "1"},
    "image": {"id": "an-image"},
    "addresses": {"net": [{"addr": "10.0.0.5", "version": 4}, {"addr": "203.0.113.5", "version": 4}]},
    "metadata": {"a": "b"},
}


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack", **FAST) as cloud:
        yield cloud


def driver_of(cloud: Sandbox, **options: Any) -> OpenStackNodeDriver:
    return OpenStackNodeDriver(*cloud.credentials, **{**cloud.options, **options})


class Nova(Keystone):
    """A Nova behind Keystone that lists `servers` and notes what is posted."""

    def __init__(self, *servers: dict[str, Any], **answers: Answer) -> None:
        super().__init__()
        self.servers, self.answers = servers, answers
        self.posted: list[Any] = []

    def listed(self, seen: Seen, base: str) -> Answer:
        name = seen.path.rpartition("/")[2].replace("-", "_")
        if seen.method == "POST":
            self.posted.append(json.loads(seen.body))
            return self.answers.get(name) or Answer(202, {"server": {"id": "an-id", "adminPass": "hush"}})
        if name in self.answers:
            return self.answers[name]
        if name == "detail":
            return Answer(200, {"servers": list(self.servers)})
        return Answer(200, {"server": (self.servers or (SERVER,))[0]})


def at(web: Web, **options: Any) -> OpenStackNodeDriver:
    return OpenStackNodeDriver("demo", "secret", ex_force_auth_url=web.url, ex_tenant_name="web", **options)


def size_of(driver: OpenStackNodeDriver) -> NodeSize:
    return NodeSize("1", "m1.tiny", 512, 1, None, None, driver)


def image_of(driver: OpenStackNodeDriver) -> NodeImage:
    return NodeImage("an-image", "debian", driver)


def node_of(payload: dict[str, Any]) -> Node:
    nova = Nova({**SERVER, **payload})
    with serve(nova.respond) as web, at(web) as driver:
        (node,) = driver.list_nodes()
        return node


def test_a_walk() -> None:
    """Every method of the driver is carried out by the sandbox, those for administrators excepted."""
    with Sandbox("openstack", **FAST) as cloud, driver_of(cloud) as driver, noted_operations() as used:
        Walk(driver, stubs=False).all()
    assert set(driver.extensions()) - used == FOR_ADMINISTRATORS


def test_administrators() -> None:
    """Administrators see the servers of all projects, and set states."""
    with Sandbox("openstack", **FAST) as cloud, driver_of(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        user = {"ex_tenant_name": "admin", "ex_force_auth_url": cloud.options["ex_force_auth_url"]}
        with OpenStackNodeDriver("admin", cloud.credentials[1], **user) as admin:
            assert node.id not in [one.id for one in admin.list_nodes()]
            assert node.id in [one.id for one in admin.list_nodes(ex_all_tenants=True)]
            driver.wait_until_running([node])
            assert admin.ex_reset_state(node, "error")
            assert driver.get_node(node.id).state == NodeState.ERROR


STATES = {
    ("ACTIVE", None): NodeState.RUNNING,
    ("ACTIVE", "deleting"): NodeState.TERMINATED,
    ("ACTIVE", "powering-off"): NodeState.STOPPING,
    ("BUILD", "spawning"): NodeState.PENDING,
    ("ERROR", None): NodeState.ERROR,
    ("HARD_REBOOT", None): NodeState.REBOOTING,
    ("MIGRATING", "migrating"): NodeState.MIGRATING,
    ("PAUSED", None): NodeState.PAUSED,
    ("RESIZE", "resize_prep"): NodeState.RECONFIGURING,
    ("SHELVED_OFFLOADED", None): NodeState.STOPPED,
    ("SHUTOFF", "powering-on"): NodeState.STARTING,
    ("SHUTOFF", None): NodeState.STOPPED,
    ("SOFT_DELETED", None): NodeState.TERMINATED,
    ("SOMETHING NEW", None): NodeState.UNKNOWN,
    ("SUSPENDED", None): NodeState.SUSPENDED,
    ("VERIFY_RESIZE", None): NodeState.RUNNING,
}


@pytest.mark.parametrize(("status", "task"), STATES)
def test_states(status: str, task: str | None) -> None:
    """A server's status, or what it is on its way to, gives the state of its node."""
    assert node_of({"status": status, "OS-EXT-STS:task_state": task}).state == STATES[status, task]


def test_a_node() -> None:
    """A node has its addresses by their range, and in `extra` Libcloud's keys, without our markers."""
    metadata = {"a": "b", "polycloud-create": "x", "polycloud-idempotency-key": "y"}
    node = node_of({"accessIPv6": "2001:db8::5", "metadata": metadata, "key_name": "mine", "tenant_id": "t"})
    assert (node.id, node.name, node.size, node.image) == ("an-id", "web", "1", "an-image")
    assert (node.public_ips, node.private_ips) == (["2001:db8::5", "203.0.113.5"], ["10.0.0.5"])
    assert node.created_at is not None
    assert node.created_at.isoformat() == "2026-11-01T10:00:00+00:00"
    keys = ("metadata", "key_name", "tenantId", "flavorId", "imageId", "access_ipv6", "created")
    assert [node.extra[key] for key in keys] == [
        *({"a": "b"}, "mine", "t", "1", "an-image", "2001:db8::5", "2026-11-01T10:00:00Z")
    ]


def test_a_node_of_a_newer_microversion() -> None:
    """A server whose flavor has a name and no id, and no image, has that name as its size, and no image."""
    node = node_of({"flavor": {"original_name": "m1.tiny", "ram": 512}, "image": ""})
    assert (node.size, node.image) == ("m1.tiny", None)
    assert node.extra["flavor_details"] == {"original_name": "m1.tiny", "ram": 512}


def test_the_marker() -> None:
    """The marker of a create is in Nova's metadata until the node is known to run; that of a key stays."""
    with Sandbox("openstack", **{**FAST, "build": 0.5}) as cloud, driver_of(cloud) as driver:
        size, image = driver.list_sizes()[0], driver.list_images()[0]

        def metadata(node: Node) -> Any:
            return driver.connection.request(f"/servers/{node.id}").object["server"]["metadata"]

        plain = driver.create_node("web", size, image, ex_metadata={"a": "b"})
        keyed = driver.create_node("web", size, image, idempotency_key="once")
        assert metadata(plain).keys() == {"a", "polycloud-create"}
        assert plain.extra["metadata"] == driver.ex_get_metadata(plain) == {"a": "b"}
        driver.wait_until_running([plain, keyed])
        assert metadata(plain) == {"a": "b"}
        assert metadata(keyed).keys() == {"polycloud-idempotency-key"}
        assert driver.create_node("other", size, image, idempotency_key="once").id == keyed.id


def test_what_a_create_sends() -> None:
    """A create sends its arguments under Nova's names, and nothing for those that are not given."""
    nova = Nova()
    with serve(nova.respond) as web, at(web) as driver:
        node = driver.create_node("web", size_of(driver), image_of(driver))
        assert node.extra["password"] == "hush"
        driver.create_node(
            "web",
            size_of(driver),
            None,
            "mine",
            "#!/bin/sh",
            True,
            ["default"],
            {"a": "b"},
            {"/etc/motd": "hello"},
            ["62021a3f-7c5e-4ec9-b813-c2393c25698f", {"port": "a-port"}],
            "AUTO",
            "hush",
            "nova",
            [{"uuid": "a-volume", "source_type": "volume", "destination_type": "volume", "boot_index": 0}],
            {"different_host": ["x"]},
            ex_server_group="a-group",
            ex_create_attr={"description": "text"},
        )
    plain, full = (body["server"] for body in nova.posted)
    assert {**plain, "metadata": None} == {
        "name": "web",
        "flavorRef": "1",
        "imageRef": "an-image",
        "metadata": None,
    }
    assert full.pop("metadata").keys() == {"a", "polycloud-create"}
    assert full == {
        "name": "web",
        "flavorRef": "1",
        "key_name": "mine",
        "user_data": base64.b64encode(b"#!/bin/sh").decode(),
        "config_drive": True,
        "security_groups": [{"name": "default"}],
        "personality": [{"path": "/etc/motd", "contents": base64.b64encode(b"hello").decode()}],
        "networks": [{"uuid": "62021a3f-7c5e-4ec9-b813-c2393c25698f"}, {"port": "a-port"}],
        "OS-DCF:diskConfig": "AUTO",
        "adminPass": "hush",
        "availability_zone": "nova",
        "block_device_mapping_v2": [
            {"uuid": "a-volume", "source_type": "volume", "destination_type": "volume", "boot_index": 0}
        ],
        "description": "text",
    }
    assert nova.posted[1]["os:scheduler_hints"] == {"different_host": ["x"], "group": "a-group"}


def test_tags_of_a_create() -> None:
    """Tags ask for microversion 2.52, in which networks must be named; an older cloud is refused before."""
    nova = Nova()
    with serve(nova.respond) as web, at(web) as driver:
        driver.create_node("web", size_of(driver), image_of(driver), tags=["one"])
        order = next(seen for seen in web.seen if seen.method == "POST" and seen.path.endswith("/servers"))
        assert order.headers["OpenStack-API-Version"] == "compute 2.52"
    assert (nova.posted[0]["server"]["tags"], nova.posted[0]["server"]["networks"]) == (["one"], "auto")
    old = Nova()
    old.versions["version"] = "2.40"
    with serve(old.respond) as web, at(web) as driver:
        with pytest.raises(UnsupportedOperationError, match=r"2.52.*this cloud offers 2.40"):
            driver.create_node("web", size_of(driver), image_of(driver), tags=["one"])
    assert old.posted == []


def test_arguments_of_a_create(cloud: Sandbox) -> None:
    """A create that lacks an image, or that has two keys, is refused before anything is sent."""
    with driver_of(cloud) as driver:
        with pytest.raises(InvalidArgumentError, match="pass image=, or ex_blockdevicemappings="):
            driver.create_node("web", size_of(driver))
        with pytest.raises(InvalidArgumentError, match="pass auth= or ex_keyname="):
            driver.create_node(
                "web", size_of(driver), image_of(driver), "mine", auth=NodeAuthSSHKey(PUBLIC_KEY)
            )


def test_quotas() -> None:
    """A quota that is reached is a `QuotaExceededError` of every service, whatever its status."""
    limits: dict[str, Any] = {"server_limit": 1, "volume_limit": 0, "security_group_limit": 1}
    with Sandbox("openstack", **FAST, **limits) as cloud, driver_of(cloud) as driver:
        size, image = driver.list_sizes()[0], driver.list_images()[0]
        driver.create_node("web", size, image)
        with pytest.raises(QuotaExceededError, match="Quota exceeded for instances") as nova:
            driver.create_node("web", size, image)
        with pytest.raises(QuotaExceededError, match="VolumeLimitExceeded") as cinder:
            driver.create_volume(1, "data")
        with pytest.raises(QuotaExceededError, match="security_group") as neutron:
            driver.ex_create_security_group("more")
    assert [error.value.code for error in (nova, cinder, neutron)] == [403, 413, 409]


def test_failed_creates() -> None:
    """A server that fails is known by Nova's words: in the error of a wait, and in `extra["fault"]`."""
    with Sandbox("openstack", **FAST, errored="create") as cloud, driver_of(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        with pytest.raises(PolycloudError, match="is error and will not run: No valid host was found"):
            driver.wait_until_running([node])
        failed = driver.get_node(node.id)
        assert failed.state == NodeState.ERROR
        assert failed.extra["fault"]["message"].startswith("No valid host was found")


def test_refused_creates(cloud: Sandbox) -> None:
    """A create with a bad name, or from an image that is being saved, is refused by an error of its own."""
    with driver_of(cloud) as driver:
        size, image = driver.list_sizes()[0], driver.list_images()[0]
        with pytest.raises(InvalidNameError):
            driver.create_node("", size, image)
        node = driver.create_node("web", size, image)
        driver.wait_until_running([node])
    with Sandbox("openstack", **{**FAST, "copy": 30.0}) as slow, driver_of(slow) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        driver.wait_until_running([node])
        saving = driver.create_image(node, "copy")
        assert saving.id not in [one.id for one in driver.list_images()]
        assert saving.id in [one.id for one in driver.list_images(ex_only_active=False)]
        with pytest.raises(ImageUnavailableError, match="is not active"):
            driver.create_node("web", driver.list_sizes()[0], saving)


def test_several_networks(cloud: Sandbox) -> None:
    """A create that must choose a network says which ones there are; it may be given by its name."""
    with driver_of(cloud) as driver:
        network = driver.ex_create_network("backend")
        driver.ex_create_subnet("backend", network, "10.88.0.0/24")
        size, image = driver.list_sizes()[0], driver.list_images()[0]
        with pytest.raises(
            ConflictError, match=rf"pass networks=; there are: backend \({network.id}\), public"
        ):
            driver.create_node("web", size, image)
        node = driver.create_node("web", size, image, networks=[network])
        ((node, addresses),) = driver.wait_until_running([node], ssh_interface="private_ips")
        assert addresses[0].startswith("10.88.0.")
        named = driver.create_node("web", size, image, networks="backend")
        ((_, addresses),) = driver.wait_until_running([named], ssh_interface="private_ips")
        assert addresses[0].startswith("10.88.0.")
        with pytest.raises(InvalidArgumentError, match="0 networks are called 'bakcend'; there are:"):
            driver.create_node("web", size, image, networks=["bakcend"])


def test_busy_servers() -> None:
    """An action on a server that is busy waits for that; one that does not fit its state is refused."""
    with Sandbox("openstack", **{**FAST, "build": 0.6, "power": 0.4}) as cloud, driver_of(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        assert driver.stop_node(node)  # after it is built
        assert driver.start_node(node)  # after it has stopped
        assert driver.ex_set_metadata(node, {"a": "b"}) == {"a": "b"}  # after it has started
        with pytest.raises(ConflictError):
            driver.ex_unpause_node(node)


def test_long_lists() -> None:
    """Sizes, images, key pairs, volumes and nodes are complete over all pages."""
    settings = {**FAST, "seed_nodes": 7, "seed_keypairs": 7}
    with Sandbox("openstack", **settings, page_size=2) as cloud, driver_of(cloud) as driver:
        volumes = {driver.create_volume(1, f"data-{number}").id for number in range(5)}
        with Sandbox("openstack", **settings) as one_page, driver_of(one_page) as other:
            for name in ("list_nodes", "list_sizes", "list_images"):
                assert len(getattr(driver, name)()) == len(getattr(other, name)()) > 2
        assert len({pair.name for pair in driver.list_key_pairs()}) == 7
        assert {volume.id for volume in driver.list_volumes()} == volumes
        assert [one.id for one in driver.iterate_nodes()] == [one.id for one in driver.list_nodes()]


def test_sizes_and_locations(cloud: Sandbox) -> None:
    """Sizes have CPUs, swap and ephemeral disks; locations have names; prices are unknown."""
    with driver_of(cloud) as driver:
        size = driver.list_sizes()[0]
        assert (size.name, size.ram, size.disk, size.price) == ("m1.tiny", 512, 1, None)
        assert (size.extra["vcpus"], size.extra["ephemeral_disk"], size.extra["disabled"]) == (1, 0, False)
        location = driver.list_locations()[0]
        assert location.id == location.name == "nova"


def test_volumes(cloud: Sandbox) -> None:
    """A volume that is still on its way to a state is waited for; one without a node cannot be detached."""
    with driver_of(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        driver.wait_until_running([node])
        volume = driver.create_volume(1, "data")
        assert driver.attach_volume(node, volume, "auto")
        assert driver.detach_volume(volume)
        assert driver.ex_get_volume(volume.id).state in {
            StorageVolumeState.UPDATING,
            StorageVolumeState.AVAILABLE,
        }
        assert driver.destroy_volume(volume)
        loose = driver.create_volume(1, "loose")
        with pytest.raises(ConflictError, match="is not attached to a node"):
            driver.detach_volume(loose)


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.BAD_GATEWAY_AFTER])
def test_lost_volumes(cloud: Sandbox, fault: Fault) -> None:
    """A volume or a snapshot whose response is lost is found by its marker, and made once."""
    posted: list[str] = []

    def spare(seen: SeenRequest) -> bool:
        created = seen.method == "POST" and seen.path.endswith(("/volumes", "/snapshots"))
        if created:
            posted.append(seen.path)
        return not created

    with FaultProxy("127.0.0.1", cloud.port, FaultList(fault, fault, spare=spare)) as proxy:
        options = {**cloud.options, "ex_force_auth_url": f"{proxy.url}/identity"}
        with OpenStackNodeDriver(*cloud.credentials, **options) as driver:
            driver.list_volumes()  # the token of an earlier cloud at this port ends here
            volume = driver.create_volume(1, "data", ex_metadata={"a": "b"})
            until(lambda: driver.ex_get_volume(volume.id).state == StorageVolumeState.AVAILABLE)
            snapshot = driver.create_volume_snapshot(volume, "copy")
            assert [one.id for one in driver.list_volumes()] == [volume.id]
            assert [one.id for one in driver.ex_list_snapshots()] == [snapshot.id]
            raw = driver.volume_connection.request(f"/volumes/{volume.id}").object["volume"]
            assert volume.extra["metadata"] == raw["metadata"] == {"a": "b"}
    assert len(posted) == 2


def test_api_versions(cloud: Sandbox) -> None:
    """Libcloud's `api_version`s are accepted, and others are refused."""
    for version in ("1.1", "2.0", "2.1", "2.2"):
        assert driver_of(cloud, api_version=version).api_version == version
    with pytest.raises(UnsupportedOperationError, match=r"has no API 3.0; there are 1.1, 2.0, 2.1, 2.2"):
        driver_of(cloud, api_version="3.0")


def test_public_clouds() -> None:
    """A public cloud is OpenStack's driver with the address of its identity service."""
    driver = get_driver("ovh")("user", "password", ex_tenant_name="web", region="GRA11")
    assert isinstance(driver, OVHNodeDriver)
    assert driver.connection.cloud.identity_url == "https://auth.cloud.ovh.net/"
    assert (driver.name, driver.type) == ("OVHcloud", "ovh")


def test_connect(cloud: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """`connect` takes a cloud of clouds.yaml, or the account of the variables."""
    user, password = cloud.credentials
    url = cloud.options["ex_force_auth_url"]
    auth = {"auth_url": url, "username": user, "password": password, "project_name": "demo"}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"prod": {"auth": auth}}}))
    monkeypatch.chdir(tmp_path)
    with connect("openstack", cloud="prod") as driver:
        assert driver.list_sizes()
    config = tmp_path / "config.toml"
    config.write_text('[profiles.prod]\nprovider = "openstack"\ncloud = "prod"\nregion = "RegionTwo"\n')
    config.chmod(0o600)
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(config))
    with connect(profile="prod") as driver:
        assert driver.region == "RegionTwo"
        assert driver.list_sizes()
    (tmp_path / "clouds.yaml").unlink()
    for name, value in (
        ("AUTH_URL", url),
        ("USERNAME", user),
        ("PASSWORD", password),
        ("PROJECT_NAME", "demo"),
    ):
        monkeypatch.setenv(f"OS_{name}", value)
    with connect("openstack") as driver:
        assert driver.list_sizes()


def test_a_service_that_is_missing() -> None:
    """An operation of a service that the catalogue lacks is refused, and the error names the service."""
    nova = Nova()
    with serve(nova.respond) as web, at(web) as driver:
        with pytest.raises(UnsupportedOperationError, match="has no service 'image', only: compute"):
            driver.list_images()
        with pytest.raises(UnsupportedOperationError, match="has no service 'block-storage'"):
            driver.list_volumes()


def test_one_login_for_all_services(cloud: Sandbox) -> None:
    """All services of a driver, and all drivers of an account, use one token."""
    seen: list[str] = []
    remove = add_hook(lambda trace: seen.append(f"{trace.method} {trace.path}"))
    try:
        for _ in range(3):
            with driver_of(cloud) as driver:
                lists: list[Callable[[], Any]] = [driver.list_nodes, driver.list_images, driver.list_volumes]
                driver.connection.gather(lists)
                driver.ex_list_networks()
    finally:
        remove()
    assert len([one for one in seen if "/auth/tokens" in one]) == 1


def test_the_page() -> None:
    """The examples of OpenStack's page run as they are, on the sandbox, and it names every public cloud."""
    page = Path(__file__).parents[2] / "docs" / "providers" / "openstack.md"
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    scope: dict[str, Any] = {}
    try:
        for block in blocks:
            exec(block, scope)  # noqa: S102 - our own page
    finally:
        if "cloud" in scope:
            scope["driver"].close()
            scope["cloud"].stop()
    assert scope["addresses"]
    for name, cloud in PUBLIC_CLOUDS.items():
        assert f"`{name}`" in text, cloud.name
