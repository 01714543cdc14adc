"""The official SDK against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.libraries import Library
from support.openstack import IMAGE, KEY

sdk = Library("openstack")

# The SDK warns about itself.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:openstack", "ignore::DeprecationWarning")


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """An OpenStack where nothing takes long."""
    with Sandbox("openstack", ssh="off", build=0.1, power=0.05, copy=0.05, attach=0.05) as sandbox:
        yield sandbox


def connect(cloud: Sandbox, user: str = "demo", region: str = "RegionOne") -> Any:
    """The SDK's connection of a user."""
    return sdk.connect(
        auth_url=f"{cloud.url}/identity",
        username=user,
        password="openstack_sandbox",
        project_name=user,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=region,
    )


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    """The connection of the user demo."""
    with connect(cloud) as made:
        yield made


def built(client: Any, **order: Any) -> Any:
    """A server that is active."""
    given = {"name": "web", "flavor_id": "1", "image_id": IMAGE, "networks": "auto", **order}
    return settled(client, client.compute.create_server(**given))


def settled(client: Any, server: Any, status: str = "ACTIVE") -> Any:
    """The server once it has that status."""
    now = client.compute.get_server(server.id)
    return client.compute.wait_for_server(now, status, interval=0.02, wait=10)


def test_catalogue(client: Any) -> None:
    """The SDK finds the services, and lists flavours, images, networks, zones and quotas."""
    assert [flavor.name for flavor in client.compute.flavors(limit=3)][:2] == ["m1.tiny", "m1.small"]
    assert len(list(client.compute.flavors(limit=3))) == 8
    assert {image.name for image in client.image.images(limit=1)} >= {"debian-12", "ubuntu-24.04"}
    assert [network.name for network in client.network.networks()] == ["public"]
    assert [zone.name for zone in client.compute.availability_zones()] == ["nova"]
    assert client.compute.get_quota_set(client.current_project_id).instances == 25
    assert client.network.get_quota(client.current_project_id).networks == 100
    assert client.block_storage.get_quota_set(client.current_project_id).volumes == 25


def test_server(client: Any) -> None:
    """The SDK creates a server and takes it through its states."""
    server = built(client, tags=["x"], metadata={"a": "b"})
    assert (server.flavor.original_name, server.tags, server.metadata) == ("m1.tiny", ["x"], {"a": "b"})
    for action, status in (
        ("stop", "SHUTOFF"),
        ("start", "ACTIVE"),
        ("pause", "PAUSED"),
        ("unpause", "ACTIVE"),
        ("suspend", "SUSPENDED"),
        ("resume", "ACTIVE"),
        ("rescue", "RESCUE"),
        ("unrescue", "ACTIVE"),
        ("shelve", "SHELVED_OFFLOADED"),
        ("unshelve", "ACTIVE"),
    ):
        getattr(client.compute, f"{action}_server")(server)
        server = settled(client, server, status)
    client.compute.reboot_server(server, "HARD")
    server = settled(client, server)
    client.compute.delete_server(server)
    client.compute.wait_for_delete(server, interval=0.02, wait=10)


def test_resize_rebuild_and_snapshot(client: Any) -> None:
    """The SDK resizes a server, reverts and confirms that, rebuilds it and makes an image of it."""
    server = built(client)
    for finish, flavor in (("revert", "m1.tiny"), ("confirm", "m1.small")):
        client.compute.resize_server(server, "2")
        server = settled(client, server, "VERIFY_RESIZE")
        getattr(client.compute, f"{finish}_server_resize")(server)
        server = settled(client, server)
        assert server.flavor.original_name == flavor
    other = next(client.image.images(name="ubuntu-24.04")).id
    client.compute.rebuild_server(server, image=other, name="new")
    server = settled(client, server)
    assert (server.name, server.image.id) == ("new", other)
    ordered = client.compute.create_server_image(server, "copy")
    image = client.image.wait_for_status(ordered, "active", interval=0.02, wait=10)
    assert (image.name, image.status) == ("copy", "active")
    assert "new login" in client.compute.get_server_console_output(server)["output"]


def test_volumes(client: Any) -> None:
    """The SDK creates, attaches, snapshots, extends and deletes a volume."""
    server, storage = built(client), client.block_storage

    def at(resource: Any, status: str = "available") -> Any:
        return storage.wait_for_status(resource.fetch(storage), status, interval=0.02, wait=10)

    volume = at(storage.create_volume(size=1, name="v"))
    client.compute.create_volume_attachment(server, volume_id=volume.id)
    volume = at(volume, "in-use")
    assert [one.volume_id for one in client.compute.volume_attachments(server)] == [volume.id]
    client.compute.delete_volume_attachment(server, volume.id)
    snapshot = at(storage.create_snapshot(volume_id=at(volume).id, name="s"))
    storage.extend_volume(volume, 3)
    volume = at(volume)
    assert volume.size == 3
    for delete, thing in ((storage.delete_snapshot, snapshot), (storage.delete_volume, volume)):
        delete(thing)
        storage.wait_for_delete(thing, interval=0.02, wait=10)


def test_boot_from_volume(client: Any) -> None:
    """The SDK boots a server from a volume that it made from an image."""
    storage = client.block_storage
    ordered = client.create_volume(size=5, image="debian-12", wait=False)
    volume = storage.wait_for_status(ordered, "available", interval=0.02, wait=10)
    assert volume.is_bootable
    server = settled(
        client,
        client.create_server(
            "web", flavor="2", boot_volume=volume.id, terminate_volume=True, wait=False, auto_ip=False
        ),
    )
    assert [one.id for one in server.attached_volumes] == [volume.id]
    assert client.delete_server("web")
    client.compute.wait_for_delete(server, interval=0.02, wait=10)
    storage.wait_for_delete(volume, interval=0.02, wait=10)
    assert client.get_volume(volume.id) is None


def test_networks(client: Any) -> None:
    """The SDK makes a network with a router, and leads a floating IP to a server in it."""
    network = client.network.create_network(name="mine")
    subnet = client.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
    public = client.network.find_network("public")
    router = client.network.create_router(name="r", external_gateway_info={"network_id": public.id})
    client.network.add_interface_to_router(router, subnet=subnet.id)
    with pytest.raises(sdk.exceptions.ConflictException, match="Multiple possible networks found"):
        built(client)
    server = built(client, networks=[{"uuid": network.id}])
    port = next(client.network.ports(device_id=server.id))
    floating = client.network.create_ip(floating_network_id=public.id)
    floating = client.network.update_ip(floating, port_id=port.id)
    rows = client.compute.get_server(server.id).addresses["mine"]
    assert [row["addr"] for row in rows] == ["10.1.0.2", floating.floating_ip_address]
    group = client.network.create_security_group(name="g", description="")
    rule = client.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22
    )
    client.compute.add_security_group_to_server(server, group.name)
    assert group.id in client.network.get_port(port.id).security_group_ids
    client.compute.delete_server(server)
    client.compute.wait_for_delete(server, interval=0.02, wait=10)
    client.network.delete_security_group_rule(rule)
    client.network.delete_security_group(group)
    client.network.delete_ip(floating)
    client.network.remove_interface_from_router(router, subnet=subnet.id)
    client.network.delete_router(router)
    client.network.delete_network(network)
    assert [one.name for one in client.network.networks()] == ["public"]


def test_keys_groups_and_images(client: Any) -> None:
    """The SDK handles key pairs, server groups and images of the user."""
    client.compute.create_keypair(name="k", public_key=KEY)
    assert [pair.name for pair in client.compute.keypairs()] == ["k"]
    client.compute.delete_keypair("k")
    group = client.compute.create_server_group(name="g", policy="affinity")
    assert [one.policy for one in client.compute.server_groups()] == ["affinity"]
    client.compute.delete_server_group(group)
    image = client.create_image("mine", data=b"abc", disk_format="raw", container_format="bare", wait=True)
    assert (image.status, image.size) == ("active", 3)
    client.image.update_image(image, name="yours")
    assert client.image.get_image(image.id).name == "yours"
    client.image.delete_image(image)


def test_identity(cloud: Sandbox, client: Any) -> None:
    """The SDK logs in to the other region with an application credential, and lists as the administrator."""
    built(client)
    secret = client.identity.create_application_credential(client.current_user_id, "ci")
    proof = {
        "auth_url": f"{cloud.url}/identity",
        "application_credential_id": secret.id,
        "application_credential_secret": secret.secret,
    }
    with sdk.connect(auth_type="v3applicationcredential", auth=proof, region_name="RegionTwo") as other:
        assert list(other.compute.servers()) == []
        assert other.compute.get_endpoint() == f"{cloud.url}/RegionTwo/compute/v2.1"
    with connect(cloud, "admin") as admin:
        assert [server.name for server in admin.compute.servers(all_projects=True)] == ["web"]
        assert [project.name for project in admin.identity.projects()] == ["admin", "demo"]


def test_expired_token(cloud: Sandbox, client: Any) -> None:
    """The SDK logs in again when its token has ended in the meantime."""
    assert list(client.compute.servers()) == []
    state: Any = cloud._cloud
    state.identity.tokens.clear()
    assert list(client.compute.servers()) == []
    logins = [seen for seen in cloud.requests if seen.path == "/identity/v3/auth/tokens"]
    assert len(logins) == 2
