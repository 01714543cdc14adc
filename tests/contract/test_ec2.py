from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import msgspec
import pytest
from botocore.model import Shape  # type: ignore[import-untyped]

from polycloud.compute.drivers.ec2 import (
    EC2Address,
    EC2Network,
    EC2NetworkSubnet,
    EC2NodeDriver,
    catalog,
    firewalls,
    images,
    keys,
    networks,
    nodes,
    tags,
    volumes,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import NodeState
from polycloud.http.retry import RetryPolicy
from support.ec2model import MODEL, FullServer

Driver = EC2NodeDriver
Call = Callable[[Driver], Any]
COMMON = {"Action", "Version"}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"


@pytest.fixture(scope="module")
def server() -> Iterator[FullServer]:
    with FullServer() as server:
        yield server


@pytest.fixture
def driver(server: FullServer) -> Iterator[Driver]:
    server.calls.clear()
    with Driver("AKIATEST", "secret", retry=RetryPolicy(attempts=1), **server.options) as driver:
        yield driver


def node(driver: Driver) -> Node:
    return Node("i-1", "web", NodeState.RUNNING, [], [], driver)


def volume(driver: Driver) -> StorageVolume:
    return StorageVolume("vol-1", "data", 1, driver)


def create(driver: Driver, **options: Any) -> Any:
    size = NodeSize("t3.micro", "t3.micro", 1024, 0, None, None, driver)
    place = NodeLocation("us-east-1a", "us-east-1a", "US", driver)
    return driver.create_node("web", size, NodeImage("ami-1", "image", driver), place, **options)


DISK = {
    "DeviceName": "/dev/xvda",
    "Ebs": {"VolumeSize": 9, "VolumeType": "gp3", "DeleteOnTermination": True},
}
OPTIONS: dict[str, Any] = {
    "ex_blockdevicemappings": [DISK, {"DeviceName": "/dev/sdb", "NoDevice": ""}],
    "ex_clienttoken": "mine",
    "ex_ebs_optimized": True,
    "ex_iamprofile": "role",
    "ex_maxcount": 2,
    "ex_mincount": 2,
    "ex_placement_group": "near",
    "ex_security_group_ids": ["sg-1"],
    "ex_spot": True,
    "ex_spot_max_price": 0.25,
    "ex_subnet": "subnet-1",
    "ex_terminate_on_shutdown": True,
    "tags": {"env": "prod"},
    "user_data": "#!/bin/sh",
}
ADDRESS = EC2Address("192.0.2.1", "vpc", None, {"allocation_id": "eipalloc-1", "association_id": None})
RULE: dict[str, Any] = {
    "id": "sg-1",
    "from_port": 1,
    "to_port": 9,
    "cidr_ips": ["192.0.2.0/24", "2001:db8::/32"],
    "group_pairs": [{"group_id": "sg-2", "user_id": "1"}],
}
FILTER = {"tag:env": ["prod", "test"]}
CALLS: dict[str, Call] = {
    "list_nodes": lambda driver: driver.list_nodes(ex_filters=FILTER),
    "get_node": lambda driver: driver.list_nodes(["i-1"]),
    "create_node": lambda driver: create(driver, **OPTIONS),
    "create_node, public": lambda driver: create(
        driver, ex_assign_public_ip=True, ex_subnet="subnet-1", ex_security_group_ids=["sg-1"]
    ),
    "create_node, names": lambda driver: create(
        driver, auth=NodeAuthSSHKey(PUBLIC_KEY), ex_security_groups=["a"], ex_iamprofile="arn:aws:iam::1:x"
    ),
    "reboot_node": lambda driver: driver.reboot_node(node(driver)),
    "start_node": lambda driver: driver.start_node(node(driver)),
    "stop_node": lambda driver: driver.stop_node(node(driver)),
    "destroy_node": lambda driver: driver.destroy_node(node(driver)),
    "list_sizes": lambda driver: driver.list_sizes(NodeLocation("us-east-1a", "", "", driver)),
    "list_images": lambda driver: driver.list_images(),
    "list_images, selected": lambda driver: driver.list_images(
        ex_image_ids=["ami-1"], ex_owner="self", ex_executableby="all", ex_filters=FILTER
    ),
    "create_image": lambda driver: driver.create_image(
        node(driver), "image", "words", block_device_mapping=[DISK]
    ),
    "copy_image": lambda driver: driver.copy_image(
        "eu-west-1", NodeImage("ami-1", "x", driver), "copy", "words", ex_encrypted=True, ex_kms_key_id="k"
    ),
    "delete_image": lambda driver: driver.delete_image(NodeImage("ami-1", "x", driver)),
    "list_locations": lambda driver: driver.list_locations(),
    "list_key_pairs": lambda driver: driver.list_key_pairs(),
    "get_key_pair": lambda driver: driver._key_pairs(KeyName=["me"]),
    "create_key_pair": lambda driver: driver.create_key_pair("me", ex_key_type="ed25519"),
    "import_key_pair": lambda driver: driver.import_key_pair_from_string("me", PUBLIC_KEY),
    "delete_key_pair": lambda driver: driver.delete_key_pair(KeyPair("me", None, None, driver)),
    "list_volumes": lambda driver: driver.list_volumes(node(driver), FILTER),
    "create_volume": lambda driver: driver.create_volume(
        8, "data", NodeLocation("us-east-1a", "", "", driver), VolumeSnapshot("snap-1", driver),
        ex_volume_type="io2", ex_iops=300, ex_throughput=125, ex_encrypted=True, ex_kms_key_id="k",
        tags=["a=b"],
    ),
    "attach_volume": lambda driver: driver.attach_volume(node(driver), volume(driver)),
    "detach_volume": lambda driver: driver.detach_volume(volume(driver), ex_force=True),
    "destroy_volume": lambda driver: driver.destroy_volume(volume(driver)),
    "list_volume_snapshots": lambda driver: driver.list_volume_snapshots(volume(driver)),
    "create_volume_snapshot": lambda driver: driver.create_volume_snapshot(
        volume(driver), "night", {"env": "prod"}, ex_description="words"
    ),
    "destroy_volume_snapshot": lambda driver: driver.destroy_volume_snapshot(
        VolumeSnapshot("snap-1", driver)
    ),
    "list_snapshots": lambda driver: driver.list_snapshots(),
    "list_snapshots, one": lambda driver: driver.list_snapshots(VolumeSnapshot("snap-1", driver)),
    "ex_list_regions": lambda driver: driver.ex_list_regions(),
    "ex_get_console_output": lambda driver: driver.ex_get_console_output(node(driver)),
    "ex_modify_instance_attribute": lambda driver: driver.ex_modify_instance_attribute(
        node(driver), {"InstanceType.Value": "t3.small", "SourceDestCheck.Value": False, "GroupId": ["sg-1"]}
    ),
    "ex_create_tags": lambda driver: driver.ex_create_tags("i-1", {"a": "b"}),
    "ex_delete_tags": lambda driver: driver.ex_delete_tags("i-1", ["a"]),
    "ex_describe_tags": lambda driver: driver.ex_describe_tags("i-1"),
    "ex_get_security_groups": lambda driver: driver.ex_get_security_groups(["sg-1"], ["web"], FILTER),
    "ex_create_security_group": lambda driver: driver.ex_create_security_group(
        "web", "words", "vpc-1", tags={"a": "b"}
    ),
    "ex_delete_security_group": lambda driver: driver.ex_delete_security_group("web"),
    "ex_delete_security_group_by_id": lambda driver: driver.ex_delete_security_group_by_id("sg-1"),
    "ex_authorize_security_group": lambda driver: driver.ex_authorize_security_group_permissive("web"),
    "ex_authorize_ingress": lambda driver: driver.ex_authorize_security_group_ingress(
        **RULE, description="words"
    ),
    "ex_authorize_egress": lambda driver: driver.ex_authorize_security_group_egress(**RULE),
    "ex_revoke_ingress": lambda driver: driver.ex_revoke_security_group_ingress(**RULE),
    "ex_revoke_egress": lambda driver: driver.ex_revoke_security_group_egress(**RULE),
    "ex_describe_all_addresses": lambda driver: driver.ex_describe_all_addresses(),
    "ex_allocate_address": lambda driver: driver.ex_allocate_address(),
    "ex_release_address": lambda driver: driver.ex_release_address(ADDRESS),
    "ex_associate_address": lambda driver: driver.ex_associate_address_with_node(node(driver), ADDRESS),
    "ex_disassociate_address": lambda driver: driver.ex_disassociate_address(ADDRESS),
    "ex_list_networks": lambda driver: driver.ex_list_networks(["vpc-1"]),
    "ex_create_network": lambda driver: driver.ex_create_network("10.0.0.0/16", "inner"),
    "ex_delete_network": lambda driver: driver.ex_delete_network(EC2Network("vpc-1", "", "")),
    "ex_list_subnets": lambda driver: driver.ex_list_subnets(filters=FILTER),
    "ex_create_subnet": lambda driver: driver.ex_create_subnet("vpc-1", "10.0.0.0/24", "us-east-1a", "web"),
    "ex_delete_subnet": lambda driver: driver.ex_delete_subnet(EC2NetworkSubnet("subnet-1", "", "")),
}  # fmt: skip


def names(member: Shape, name: str) -> str:
    """Return the name of a member in requests."""
    called: str = member.serialization.get("queryName", "")
    other: str = member.serialization.get("name", name)
    return called or other[:1].upper() + other[1:]


def problem(shape: Shape, path: list[str], value: str) -> str | None:
    """Return why a field of a request is not as documented; None if it is."""
    if shape.type_name == "structure":
        inside = {names(one, name): one for name, one in shape.members.items()}
        return problem(inside[path[0]], path[1:], value) if path and path[0] in inside else f"no {path[:1]}"
    if shape.type_name == "list":
        return problem(shape.member, path[1:], value) if path and path[0].isdigit() else "not a number"
    if path:
        return f"{shape.name} has no fields"
    if shape.type_name == "string" and shape.enum and value not in shape.enum:
        return f"{value} is not in {shape.name}"
    fits = {"boolean": value in {"true", "false"}, "integer": value.lstrip("-").isdigit()}
    return None if fits.get(shape.type_name, True) else f"{value} is not of type {shape.type_name}"


@pytest.mark.parametrize("name", CALLS)
def test_requests_and_responses(server: FullServer, driver: Driver, name: str) -> None:
    """A request has the required and only documented fields; a response with every field is read."""
    result = CALLS[name](driver)
    for one in result if isinstance(result, list) else [result]:
        assert getattr(one, "extra", {}) is not None
    assert server.calls
    for call in server.calls:
        shape = MODEL.operation_model(call["Action"]).input_shape
        wrong = {
            field: problem(shape, field.split("."), value)
            for field, value in call.items()
            if field not in COMMON
        }
        assert not {field: why for field, why in wrong.items() if why}, call["Action"]
        needed = {names(shape.members[one], one) for one in shape.required_members}
        assert needed <= {field.partition(".")[0] for field in call}


SHAPES: dict[type[msgspec.Struct], tuple[str, ...]] = {
    networks.Address: ("Address",),
    nodes.Association: ("InstanceNetworkInterfaceAssociation",),
    volumes.Attachment: ("VolumeAttachment",),
    nodes.Console: ("GetConsoleOutputResult",),
    catalog.Cpus: ("VCpuInfo",),
    nodes.Device: ("InstanceBlockDeviceMapping",),
    catalog.Disks: ("InstanceStorageInfo",),
    catalog.EC2AvailabilityZone: ("AvailabilityZone",),
    catalog.EC2Region: ("Region",),
    firewalls.Group: ("SecurityGroup",),
    images.Image: ("Image",),
    nodes.Instance: ("Instance",),
    catalog.InstanceType: ("InstanceTypeInfo",),
    nodes.Interface: ("InstanceNetworkInterface",),
    nodes.Ipv6: ("InstanceIpv6Address",),
    keys.Key: ("KeyPairInfo", "KeyPair"),
    catalog.Memory: ("MemoryInfo",),
    nodes.State: ("InstanceState",),
    catalog.Offering: ("InstanceTypeOffering",),
    firewalls.Pair: ("UserIdGroupPair",),
    firewalls.Permission: ("IpPermission",),
    nodes.Private: ("InstancePrivateIpAddress",),
    firewalls.Range: ("IpRange", "Ipv6Range"),
    nodes.Reservation: ("Reservation",),
    volumes.Snapshot: ("Snapshot",),
    networks.Subnet: ("Subnet",),
    tags.Tag: ("Tag",),
    volumes.Volume: ("Volume",),
    networks.Vpc: ("Vpc",),
}


@pytest.mark.parametrize("payload", SHAPES, ids=lambda payload: payload.__name__)
def test_fields_that_are_read(payload: type[msgspec.Struct]) -> None:
    """Every field that the driver reads is documented by the same name."""
    members = chain.from_iterable(MODEL.shape_for(shape).members.values() for shape in SHAPES[payload])
    documented = {member.serialization["name"] for member in members if "name" in member.serialization}
    read = {field.encode_name for field in msgspec.structs.fields(payload)}
    assert read <= documented


STATES: dict[str, dict[str, Any]] = {
    "InstanceStateName": nodes.NODE_STATES,
    "SnapshotState": volumes.SNAPSHOT_STATES,
    "VolumeState": volumes.VOLUME_STATES,
}


@pytest.mark.parametrize("name", STATES)
def test_states(name: str) -> None:
    """Every documented state has one of ours."""
    assert set(MODEL.shape_for(name).enum) <= set(STATES[name])
