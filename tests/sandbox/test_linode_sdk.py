"""The provider's SDK against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.libraries import Library
from support.linode import PASSWORD

sdk = Library("linode_api4")
errors = Library("linode_api4.errors")

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """A Linode whose events take no time."""
    with Sandbox("linode", ssh="off", build=0, boot=0, power=0, copy=0, attach=0, seed_nodes=60) as sandbox:
        yield sandbox


def connect(cloud: Sandbox, token: str) -> Any:
    """The SDK's client, without retries."""
    return sdk.LinodeClient(token, base_url=f"{cloud.url}/v4", page_size=25, retry=False)


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    """The SDK's client with the right token."""
    made = connect(cloud, cloud.credentials[0])
    yield made
    made.session.close()


def instance(client: Any, plan: str = "g6-standard-1", **more: Any) -> Any:
    """A new Linode in its present state."""
    order = {"image": "linode/debian12", "root_pass": PASSWORD, **more}
    return client.load(sdk.Instance, client.linode.instance_create(plan, "us-east", **order).id)


def test_instances(client: Any) -> None:
    """The SDK creates a Linode, reads all of it, updates, reboots and deletes it."""
    linode = instance(client, label="web", tags=["abc"], private_ip=True, authorized_keys=KEY)
    assert (linode.status, linode.label, linode.tags) == ("running", "web", ["abc"])
    assert (linode.type.id, linode.region.id, linode.image.id) == (
        "g6-standard-1",
        "us-east",
        "linode/debian12",
    )
    assert (linode.specs.memory, linode.specs.vcpus, len(linode.ipv4)) == (2048, 1, 2)
    linode.label = "new"
    assert linode.save()
    for act, status in ((linode.reboot, "running"), (linode.shutdown, "offline"), (linode.boot, "running")):
        assert act()
        linode.invalidate()
        assert (linode.status, linode.label) == (status, "new")
    linode.delete()
    with pytest.raises(errors.ApiError, match="Not found"):
        client.load(sdk.Instance, linode.id)


def test_paging(client: Any) -> None:
    """The SDK pages through all Linodes to the last page."""
    linodes = client.linode.instances()
    assert len({linode.id for linode in linodes}) == len(linodes) == 60
    assert linodes.max_pages == 3


def test_filters(client: Any) -> None:
    """The SDK's filters and orders return the items that they describe."""
    instance(client, label="web-1", tags=["prod"])
    instance(client, label="web-2", tags=["test"])
    Instance, Type = sdk.Instance, sdk.Type  # noqa: N806 - the SDK's classes
    found = client.linode.instances(Instance.label == "web-1")
    assert [linode.label for linode in found] == ["web-1"]
    found = client.linode.instances(Instance.label.contains("web-"), Instance.region == "us-east")
    assert [linode.label for linode in found] == ["web-1", "web-2"]
    either = sdk.or_(Instance.label == "web-2", Instance.label == "seed-00001")
    assert len(client.linode.instances(either)) == 2
    assert [kind.id for kind in client.linode.types(Type.memory >= 16384, Type.gpus == 0)] == [
        "g6-standard-6",
        "g7-highmem-1",
        "g7-highmem-2",
    ]
    ordered = client.linode.types((Type.gpus >= 0).order_by(Type.memory, desc=True))
    assert ordered[0].id == "g7-highmem-2"


def test_disks_and_configs(client: Any) -> None:
    """The SDK adds a disk and a configuration with it, boots it, and removes both."""
    linode = instance(client, plan="g6-standard-2", booted=False)
    assert [disk.filesystem for disk in linode.disks] == ["ext4", "swap"]
    linode.disks[0].resize(5000)
    linode.invalidate()
    disk = linode.disk_create(2500, label="second", image="linode/debian12", root_pass=PASSWORD)
    config = linode.config_create(label="other", kernel="linode/grub2", devices={"sda": disk})
    linode.boot(config)
    linode.shutdown()
    disk.reset_root_password("another-Complex!Passw0rd")
    copy = disk.duplicate()
    assert copy.size == 2500
    config.delete()
    disk.delete()
    linode.invalidate()
    assert (len(linode.configs), len(linode.disks)) == (1, 3)


def test_changes(client: Any) -> None:
    """The SDK resizes, rebuilds, clones and migrates a Linode."""
    linode = instance(client)
    assert linode.resize("g6-standard-2")
    assert linode.rebuild("linode/ubuntu24.04", root_pass=PASSWORD)
    configs = list(linode.configs)
    clone = linode.clone(region="us-east", instance_type="g6-standard-2", configs=configs, label="clone")
    assert (len(clone.disks), len(clone.configs), clone.label) == (2, 1, "clone")
    linode.initiate_migration(region="eu-west")
    linode.invalidate()
    assert (linode.type.id, linode.image.id) == ("g6-standard-2", "linode/ubuntu24.04")
    assert (linode.region.id, linode.status) == ("eu-west", "running")


def test_addresses(client: Any) -> None:
    """The SDK adds addresses, names one, and removes it."""
    linode = instance(client)
    address = linode.ip_allocate(public=True)
    linode.ip_allocate(public=False)
    address.rdns = "www.example.org"
    assert address.save()
    linode.invalidate()
    ips = linode.ips
    assert (len(ips.ipv4.public), len(ips.ipv4.private)) == (2, 1)
    assert ips.ipv6.slaac.address == linode.ipv6.partition("/")[0]
    assert client.load(sdk.IPAddress, address.address).rdns == "www.example.org"
    linode_address = next(ip for ip in ips.ipv4.public if ip.address == address.address)
    linode_address.delete()
    linode.invalidate()
    assert len(linode.ips.ipv4.public) == 1


def test_backups(client: Any) -> None:
    """The SDK enables backups, takes a snapshot, restores it here and to a new Linode, and cancels."""
    linode = instance(client)
    linode.enable_backups()
    snapshot = linode.snapshot("now")
    linode.invalidate()
    assert linode.available_backups.snapshot.current.id == snapshot.id
    snapshot = client.load(sdk.Backup, snapshot.id, linode.id)
    assert (snapshot.status, len(snapshot.disks)) == ("successful", 2)
    snapshot.restore_to(linode, overwrite=True)
    other = client.linode.instance_create("g6-standard-1", "us-east", backup=snapshot)
    assert len(other.disks) == 2
    linode.cancel_backups()
    linode.invalidate()
    assert not linode.backups.enabled


def test_volumes(client: Any) -> None:
    """The SDK creates a volume, attaches, resizes, clones, detaches and deletes it."""
    linode = instance(client)
    volume = client.volume_create("data", region="us-east", size=20, tags=["abc"])
    assert volume.attach(linode)
    assert volume.resize(30)
    volume.invalidate()
    assert (volume.status, volume.size, volume.linode_id) == ("active", 30, linode.id)
    assert [attached.label for attached in linode.volumes()] == ["data"]
    assert volume.clone("copy").size == 30
    assert volume.detach()
    volume.delete()
    assert [left.label for left in client.volumes()] == ["copy"]
    attached = client.volume_create("second", linode=linode, size=20)
    assert attached.linode_id == linode.id


def test_keys(client: Any) -> None:
    """The SDK uploads, renames and deletes an SSH key, which authorized_users adds to a Linode."""
    key = client.profile.ssh_key_upload(KEY, "k")
    key.label = "n"
    assert key.save()
    user = client.profile().username
    instance(client, authorized_users=[user])
    assert [kept.label for kept in client.profile.ssh_keys()] == ["n"]
    key.delete()
    with pytest.raises(errors.ApiError, match="authorized_users"):
        instance(client, authorized_users=[user])


def test_images(client: Any) -> None:
    """The SDK creates an image of a disk, deploys, renames and deletes it."""
    linode = instance(client)
    image = client.images.create(linode.disks[0], label="mine", description="d")
    assert client.load(sdk.Image, image.id).status == "available"
    assert instance(client, image=image).image.id == image.id
    image.label = "renamed"
    assert image.save()
    image.delete()
    assert all(kept.is_public for kept in client.images())


def test_tags(client: Any) -> None:
    """The SDK tags Linodes and volumes, lists a tag's resources, and deletes it."""
    linode = instance(client)
    volume = client.volume_create("data", region="us-east")
    tag = client.tag_create("abc", instances=[linode], volumes=[volume])
    assert {type(tagged).__name__ for tagged in tag.objects} == {"Instance", "Volume"}
    tag.delete()
    assert [kept.label for kept in client.tags()] == ["seed"]


def test_events(client: Any) -> None:
    """The SDK's poller follows an event of a Linode to its end."""
    linode = instance(client)
    poller = client.polling.event_poller_create("linode", "linode_reboot", entity_id=linode.id)
    linode.reboot()
    event = poller.wait_for_next_event_finished(timeout=5, interval=0)
    assert (event.status, event.entity.id) == ("finished", linode.id)
    client.account.events_mark_seen(event)
    assert client.load(sdk.Event, event.id).seen


def test_firewalls(client: Any) -> None:
    """The SDK creates a firewall, changes its rules, and adds a Linode to it."""
    linode = instance(client)
    rules = {"inbound": [], "inbound_policy": "DROP", "outbound": [], "outbound_policy": "ACCEPT"}
    wall = client.networking.firewall_create("wall", rules)
    wall.update_rules({**rules, "outbound_policy": "DROP"})
    device = wall.device_create(linode.id)
    assert [guarding.id for guarding in linode.firewalls()] == [wall.id]
    device.delete()
    wall.delete()
    assert len(client.networking.firewalls()) == 0


def test_domains(client: Any) -> None:
    """The SDK creates a domain, finds it by its name, changes, clones and deletes it."""
    domain = client.domain_create("example.org", soa_email="admin@example.org", tags=["dns"])
    assert [found.id for found in client.domains(sdk.Domain.domain == "example.org")] == [domain.id]
    domain.ttl_sec = 299
    assert domain.save()
    domain.invalidate()
    assert (domain.ttl_sec, domain.type, domain.soa_email) == (300, "master", "admin@example.org")
    assert domain.zone_file_view()[1] == "$TTL 300"
    domain.clone("example.net")
    domain.delete()
    assert [left.domain for left in client.domains()] == ["example.net"]


def test_records(client: Any) -> None:
    """The SDK creates records of a domain, lists, changes and deletes them."""
    domain = client.domain_create("example.org", soa_email="admin@example.org")
    record = domain.record_create("A", name="www", target="192.0.2.1")
    srv = {"service": "sip", "protocol": "tcp", "target": "sip", "port": 1, "weight": 2, "priority": 3}
    service = domain.record_create("SRV", **srv)
    assert (service.name, service.target) == ("_sip._tcp", "sip.example.org")
    for one in (record, service):
        one.ttl_sec = 3600
        assert one.save()
    domain.invalidate()
    assert [(one.name, one.target, one.ttl_sec) for one in domain.records] == [
        ("www", "192.0.2.1", 3600),
        ("_sip._tcp", "sip.example.org", 3600),
    ]
    with pytest.raises(errors.ApiError, match="CNAMES must be unique"):
        domain.record_create("CNAME", name="www", target="host.example.net")
    record.delete()
    domain.invalidate()
    assert [one.type for one in domain.records] == ["SRV"]


def test_nodebalancers(client: Any) -> None:
    """The SDK creates a NodeBalancer with configs and nodes, changes, lists and deletes them."""
    balancer = client.nodebalancer_create("us-east", label="web", tags=["lbs"])
    config = balancer.config_create(port=80, protocol="tcp", check="connection")
    linode = instance(client, private_ip=True)
    private = linode.ips.ipv4.private[0].address
    for label, address in (("here", private), ("nowhere", "192.168.255.1")):
        config.node_create(label, f"{address}:80", weight=50)
    assert [(node.label, node.status) for node in config.nodes] == [("here", "UP"), ("nowhere", "DOWN")]
    node = config.nodes[0]
    node.mode = "drain"
    assert node.save()
    config.algorithm = "leastconn"
    assert config.save()
    balancer.label = "other"
    assert balancer.save()
    balancer.invalidate()
    assert (balancer.label, balancer.configs[0].algorithm) == ("other", "leastconn")
    assert (balancer.configs[0].nodes[0].mode, balancer.configs[0].nodes_status.up) == ("drain", 1)
    assert [found.id for found in client.nodebalancers(sdk.NodeBalancer.label == "other")] == [balancer.id]
    node.delete()
    config.delete()
    balancer.delete()
    assert len(client.nodebalancers()) == 0


def test_catalogs(client: Any) -> None:
    """The SDK lists images, types, regions and kernels, and gets the account."""
    assert client.load(sdk.Image, "linode/debian12").vendor == "Debian"
    nanode = client.load(sdk.Type, "g6-nanode-1")
    assert (nanode.price.monthly, nanode.memory) == (5, 1024)
    assert {price.id for price in nanode.region_prices} == {"br-gru", "id-cgk"}
    assert client.load(sdk.Region, "us-east").country == "us"
    assert client.load(sdk.Kernel, "linode/latest-64bit").kvm
    assert client.account().country == "US"


def test_errors(client: Any, cloud: Sandbox) -> None:
    """The SDK raises its errors with the sandbox's status and all reasons."""
    with pytest.raises(errors.ApiError) as refused:
        client.linode.instance_create("g6-fake-plan", "us-fakeregion")
    assert refused.value.status == 400
    assert refused.value.errors == ["A valid plan type by that ID was not found", "region is not valid"]
    other = connect(cloud, "expired")
    with pytest.raises(errors.ApiError, match="Invalid Token") as unknown:
        other.account()
    other.session.close()
    assert unknown.value.status == 401
