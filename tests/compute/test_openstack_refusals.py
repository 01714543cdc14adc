"""What OpenStack's compute driver refuses, and what its services refuse, on the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polycloud.compute.drivers.openstack import (
    OpenStackNodeDriver,
    OpenStackSecurityGroup,
    OpenStackServerGroup,
)
from polycloud.compute.drivers.openstack.rackspace import LACKING, RackspaceNodeDriver
from polycloud.compute.objects import Node, NodeImage, NodeSize
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState, StorageVolumeState
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidCredsError,
    NotFoundError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.keystone import Keystone
from support.openstackwalk import until
from support.web import Answer, Seen, serve

FAST: dict[str, Any] = {"build": 0.05, "power": 0.02, "copy": 0.05, "attach": 0.02, "no_isolation": True}
NOWHERE = "00000000-0000-4000-8000-000000000000"
Create = Callable[..., Node]


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack", **FAST) as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[OpenStackNodeDriver]:
    with OpenStackNodeDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def create(driver: OpenStackNodeDriver) -> Create:
    """Return a function that creates a node, which runs then."""
    size, image = driver.list_sizes()[0], driver.list_images()[0]

    def make(name: str = "web", **more: Any) -> Node:
        node = driver.create_node(name, size, image, **more)
        until(lambda: driver.get_node(node.id).state == NodeState.RUNNING)
        return driver.get_node(node.id)

    return make


def test_detaching_from_the_wrong_node(driver: OpenStackNodeDriver, create: Create) -> None:
    """What is attached to another node, or to none, is not detached: a `ConflictError` says where it is."""
    backend = driver.ex_create_network("backend")
    subnet = driver.ex_create_subnet("backend", backend, "10.88.0.0/24")
    pool = driver.ex_list_floating_ip_pools()[0]
    router = driver.ex_create_router("r", external_gateway_info={"network_id": pool.id})
    driver.ex_add_router_subnet(router, subnet)
    mine, other = create(networks=[backend]), create("other", networks=[backend])
    ip = driver.ex_create_floating_ip(pool)
    with pytest.raises(ConflictError, match=f"{ip.ip_address} leads to no node"):
        driver.ex_detach_floating_ip_from_node(mine, ip)
    driver.ex_attach_floating_ip_to_node(mine, ip)
    for given in (ip, ip.ip_address):
        with pytest.raises(ConflictError, match=rf"which is not one of other \(id {other.id}\)"):
            driver.ex_detach_floating_ip_from_node(other, given)
    assert driver.ex_get_floating_ip(ip.ip_address).node_id == mine.id
    with pytest.raises(NotFoundError, match=r"no floating IP '192\.0\.2\.99'"):
        driver.ex_detach_floating_ip_from_node(mine, "192.0.2.99")
    port, loose = driver.ex_get_node_ports(mine)[0], driver.ex_create_port(backend)
    with pytest.raises(ConflictError, match=f"the port {port.id} is used by {mine.id}"):
        driver.ex_detach_port_interface(other, port)
    with pytest.raises(ConflictError, match="is not in use"):
        driver.ex_detach_port_interface(mine, loose)
    volume = driver.create_volume(1, "data")
    driver.attach_volume(mine, volume)
    until(lambda: driver.ex_get_volume(volume.id).state == StorageVolumeState.INUSE)
    with pytest.raises(ConflictError, match=rf"is not attached to other \(id {other.id}\)"):
        driver.detach_volume(volume, other)
    assert driver.detach_volume(volume, mine)


def test_two_scripts(driver: OpenStackNodeDriver, create: Create) -> None:
    """A node has one script: both names of the argument together are refused, and nothing is created."""
    with pytest.raises(InvalidArgumentError, match="pass user_data= or ex_userdata=, not both"):
        create(user_data="#!/bin/sh", ex_userdata="#!/bin/sh")
    assert driver.list_nodes() == []


def test_security_groups_of_one_name(driver: OpenStackNodeDriver, create: Create) -> None:
    """A security group that is given as an object is sent by its id, so another one's name is no matter."""
    first, second = driver.ex_create_security_group("web"), driver.ex_create_security_group("web")
    node = create(ex_security_groups=[second])
    (port,) = driver.ex_get_node_ports(node)
    assert port.security_groups == [second.id]
    assert driver.ex_get_node_security_groups(node) == [second]
    plain = create("plain")
    assert driver.ex_add_security_group_to_node(first, plain)
    assert first.id in driver.ex_get_node_ports(plain)[0].security_groups
    with pytest.raises(InvalidArgumentError, match="must be one of Neutron's or its name, got None"):
        create(ex_security_groups=[None])
    group = OpenStackSecurityGroup(id=NOWHERE, name="gone")
    with pytest.raises(NotFoundError, match=NOWHERE):
        create(ex_security_groups=[group])


def test_states_that_do_not_fit(driver: OpenStackNodeDriver, create: Create) -> None:
    """An action that does not fit the state of a resource is a `ConflictError`, if its status is 400 too."""
    node = create()
    with pytest.raises(ConflictError):
        driver.ex_confirm_resize(node)
    volume = driver.create_volume(1, "data")
    snapshot = driver.create_volume_snapshot(volume, "copy")
    with pytest.raises(ConflictError, match="have snapshots"):
        driver.destroy_volume(volume)
    until(lambda: driver.ex_list_snapshots()[0].extra["status"] == "available")
    assert driver.destroy_volume_snapshot(snapshot)
    until(lambda: not driver.ex_list_snapshots())
    driver.attach_volume(node, volume)
    until(lambda: driver.ex_get_volume(volume.id).state == StorageVolumeState.INUSE)
    with pytest.raises(ConflictError, match="status must be available"):
        driver.attach_volume(node, volume)
    with pytest.raises(ConflictError, match="status must be available"):
        driver.destroy_volume(volume)
    network, router = driver.ex_create_network("mine"), driver.ex_create_router("r")
    subnet = driver.ex_create_subnet("mine", network, "10.88.0.0/24")
    driver.ex_add_router_subnet(router, subnet)
    with pytest.raises(ConflictError, match="already has a port on subnet"):
        driver.ex_add_router_subnet(router, subnet)


STATES = {
    "Instance has not been resized.": ConflictError,
    "Invalid snapshot: Volume Snapshot status must be available or error, but current status is: deleting.": (
        ConflictError
    ),
    "Invalid volume: Volume 1 status must be available, but current status is: in-use.": ConflictError,
    "Cannot find image for rebuild": ImageUnavailableError,
    "Flavor 9 could not be found.": NotFoundError,
    "The requested availability zone is not available": NotFoundError,
}


@pytest.mark.parametrize("message", STATES)
def test_refusals_with_400(message: str) -> None:
    """A refusal with the status 400 is told apart by the services' words."""

    class Nova(Keystone):
        def listed(self, seen: Seen, base: str) -> Answer:
            return Answer(400, {"badRequest": {"code": 400, "message": message}})

    with serve(Nova().respond) as web:
        options: Any = {"ex_force_auth_url": web.url, "ex_tenant_name": "web"}
        with OpenStackNodeDriver("demo", "secret", **options) as driver:
            with pytest.raises(STATES[message]) as refused:
                driver.ex_get_size("1")
    assert type(refused.value) is STATES[message]


def test_unknown_things_of_a_create(driver: OpenStackNodeDriver, create: Create) -> None:
    """What a create names and the cloud does not know is an error of its kind, which names it."""
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    with pytest.raises(ImageUnavailableError, match=f"find requested image: '{NOWHERE}'"):
        driver.create_node("web", size, NodeImage(NOWHERE, "", driver))
    with pytest.raises(NotFoundError, match="Flavor nope could not be found"):
        driver.create_node("web", NodeSize("nope", "", 1, 1, None, None, driver), image)
    with pytest.raises(KeyPairDoesNotExistError, match="nope"):
        create(ex_keyname="nope")
    with pytest.raises(NotFoundError, match="availability zone is not available: 'nope'"):
        create(ex_availability_zone="nope")
    with pytest.raises(NotFoundError, match=f"Network {NOWHERE} could not be found.*there are: public"):
        create(networks=[NOWHERE])
    node = create()
    with pytest.raises(ImageUnavailableError, match="Cannot find image for rebuild"):
        driver.ex_rebuild(node, NodeImage(NOWHERE, "", driver))


def test_networks_of_a_create(driver: OpenStackNodeDriver, create: Create) -> None:
    """One network need not be in a list; what Nova would not understand is refused before."""
    network = driver.ex_create_network("backend")
    driver.ex_create_subnet("backend", network, "10.88.0.0/24")
    for number, alone in enumerate((network, network.id, "backend", {"uuid": network.id})):
        node = create(f"web-{number}", networks=alone)
        assert node.private_ips[0].startswith("10.88.0.")
    with pytest.raises(InvalidArgumentError, match=r"must have a 'uuid' or a 'port'.*got the keys: 'foo'"):
        create(networks=[{"foo": 1}])
    with pytest.raises(InvalidArgumentError, match="got the keys: none"):
        create(networks=[{}])
    with pytest.raises(InvalidArgumentError, match=r"networks must be .*OpenStackNetwork.*, got None"):
        create(networks=[None])
    with pytest.raises(InvalidArgumentError, match="0 networks are called 'bakcend'; there are: backend"):
        create(networks=["bakcend"])
    with pytest.raises(ProviderHTTPError, match=r"requires a subnet in order to boot instances on\. "):
        create(networks=driver.ex_create_network("empty"))


def test_policies_of_server_groups() -> None:
    """A server group has its policy by both names, whichever the microversion has."""
    old = OpenStackServerGroup(id="1", policies=["affinity"])
    new = OpenStackServerGroup(id="1", policy="affinity")
    assert (old.policy, old.policies) == (new.policy, new.policies) == ("affinity", ["affinity"])
    assert OpenStackServerGroup(id="1").policy is None


def test_metadata_of_our_own(driver: OpenStackNodeDriver, create: Create) -> None:
    """Metadata with a key of our markers is refused, since it would be hidden."""
    node = create()
    mine = {"polycloud-create": "x"}
    calls: list[Callable[[], object]] = [
        lambda: create(ex_metadata=mine),
        lambda: driver.ex_set_metadata(node, mine),
        lambda: driver.ex_update_metadata(node, {"polycloud-idempotency-key": "x"}),
        lambda: driver.ex_rebuild(node, ex_metadata=mine),
        lambda: driver.create_volume(1, "data", ex_metadata=mine),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match=r"'polycloud-[a-z-]+' is polycloud's own"):
            call()


def test_a_confirmed_resize() -> None:
    """`ex_confirm_resize` returns when Nova has settled the resize, so that another action can follow."""
    looks = iter(["VERIFY_RESIZE", "VERIFY_RESIZE", "ACTIVE"])

    class Nova(Keystone):
        def listed(self, seen: Seen, base: str) -> Answer:
            if seen.method == "POST":
                return Answer(204, None)
            server = {"id": "an-id", "name": "web", "status": next(looks)}
            return Answer(200, {"server": server})

    with serve(Nova().respond) as web:
        options: Any = {"ex_force_auth_url": web.url, "ex_tenant_name": "web"}
        with OpenStackNodeDriver("demo", "secret", **options) as driver:
            node = Node("an-id", "web", NodeState.RUNNING, [], [], driver)
            assert driver.ex_confirm_resize(node)
    assert list(looks) == []
    with Sandbox("openstack", **{**FAST, "power": 0.5}) as cloud:
        with OpenStackNodeDriver(*cloud.credentials, **cloud.options) as driver:
            small, large = driver.list_sizes()[:2]
            node = driver.create_node("web", small, driver.list_images()[0])
            driver.wait_until_running([node])
            driver.ex_resize(node, large)
            until(lambda: driver.get_node(node.id).extra["status"] == "VERIFY_RESIZE")
            assert driver.ex_confirm_resize(node)
            assert driver.get_node(node.id).extra["status"] == "ACTIVE"
            assert driver.stop_node(node)


@pytest.mark.parametrize("version", ["3.1", "2.999", "1.0"])
def test_a_microversion_that_is_not_offered(cloud: Sandbox, version: str) -> None:
    """A forced microversion that Nova lacks is refused before a request, with what the cloud offers."""
    seen: list[str] = []
    with OpenStackNodeDriver(*cloud.credentials, **cloud.options, ex_force_microversion=version) as driver:
        remove = add_hook(lambda trace: seen.append(trace.path))
        try:
            with pytest.raises(UnsupportedOperationError, match=rf"{version} of.*this cloud offers 2\.\d+"):
                driver.list_sizes()
        finally:
            remove()
    assert not [path for path in seen if "flavors" in path]


def test_a_version_that_is_not_there() -> None:
    """An address with a version that the service lacks is an error that names the option and the versions."""

    class Nova(Keystone):
        def listed(self, seen: Seen, base: str) -> Answer:
            assert seen.path.startswith("/compute/v9/")
            return Answer(300, {"choices": [{"id": "v2.0"}, {"id": "v2.1"}]})

    with serve(Nova().respond) as web:
        options: Any = {"ex_force_auth_url": web.url, "ex_tenant_name": "web"}
        url = f"{web.url}/compute/v9"
        with OpenStackNodeDriver("demo", "secret", **options, ex_force_base_url=url) as driver:
            with pytest.raises(InvalidArgumentError, match=r"ex_force_base_url=.*there are: v2\.0, v2\.1"):
                driver.list_sizes()


def test_empty_names(cloud: Sandbox) -> None:
    """An empty name is refused by the name of its argument; a login by a token needs one."""
    for name in ("ex_tenant_name", "ex_domain_name", "ex_tenant_domain_id", "ex_force_auth_token"):
        with pytest.raises(InvalidArgumentError, match=f"{name} must not be empty"):
            OpenStackNodeDriver(*cloud.credentials, **{**cloud.options, name: ""})
    options = {**cloud.options, "ex_force_auth_version": "3.x_token"}
    with pytest.raises(
        InvalidCredsError, match=r"'3\.x_token' logs in by a token: pass ex_force_auth_token="
    ):
        OpenStackNodeDriver(*cloud.credentials, **options)


@pytest.mark.parametrize("message", ["Could not find Application Credential: x.", "Not found."])
def test_an_unknown_application_credential(message: str) -> None:
    """A 404 of a Keystone that is there is about the credential; without a Keystone it is about the URL."""
    there = True

    def respond(seen: Seen) -> Answer:
        if seen.method == "GET" and seen.path == "/v3" and there:
            return Answer(200, {"version": {"id": "v3.14"}})
        return Answer(404, {"error": {"code": 404, "message": message if there else "No such page"}})

    with serve(respond) as web:
        options: Any = {"ex_force_auth_url": web.url, "ex_force_auth_version": "3.x_appcred"}
        with OpenStackNodeDriver("an-id", "a-secret", **options) as driver:
            with pytest.raises(InvalidCredsError, match=r"the application credential .* is refused"):
                driver.list_sizes()
            there = False
            with pytest.raises(InvalidArgumentError, match=r"there is no Keystone v3"):
                driver.list_sizes()


def test_what_rackspace_lacks() -> None:
    """Rackspace's driver says that it has no floating IPs and no tags, and refuses them before a request."""
    seen: list[str] = []
    with Sandbox("rackspace", **FAST) as cloud:
        with RackspaceNodeDriver(*cloud.credentials, **cloud.options) as driver:
            remove = add_hook(lambda trace: seen.append(trace.path))
            try:
                for name in LACKING:
                    assert not driver.supports(name)
                    with pytest.raises(UnsupportedOperationError, match="Rackspace has no"):
                        getattr(driver, name)()
            finally:
                remove()
            assert not LACKING & set(driver.extensions())
            assert driver.supports("ex_list_networks")
            assert OpenStackNodeDriver.offers("ex_list_floating_ips")
    assert seen == []
