from __future__ import annotations

import asyncio
import pickle
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from polycloud import aio
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import (
    KeyPairDoesNotExistError,
    NodeState,
    StorageVolumeState,
    VolumeSnapshotState,
)
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    ServerError,
    TransportError,
    UnavailableError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing.loopback import Answer
from support.ec2 import SmallEC2, instance, refusal, response
from support.keypairs import key_pair
from support.moto import Moto

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
ONCE = RetryPolicy(attempts=1)
QUICK = RetryPolicy(base=0.01, cap=0.02)


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Moto:
    return Moto(aws.url, *aws.credentials)


@pytest.fixture
def driver(cloud: Moto) -> Iterator[EC2NodeDriver]:
    with EC2NodeDriver(cloud.key, cloud.secret, url=cloud.url) as driver:
        yield driver


def unique(name: str = "test") -> str:
    return f"{name}-{secrets.token_hex(4)}"


def create(driver: EC2NodeDriver, name: str = "web", **options: Any) -> Node:
    node: Node = driver.create_node(name, size_of(driver), driver.list_images()[0], **options)
    return node


def size_of(driver: EC2NodeDriver) -> NodeSize:
    return NodeSize("t3.micro", "t3.micro", 1024, 0, None, None, driver)


def image_of(driver: EC2NodeDriver, id_: str = "ami-0123456789abcdef0") -> NodeImage:
    return NodeImage(id_, "image", driver)


def small_driver(
    server: SmallEC2, kind: type[EC2NodeDriver] = EC2NodeDriver, **options: Any
) -> EC2NodeDriver:
    return kind("AKIATEST", "very secret", **{"retry": ONCE, **server.options, **options})


class Hasty(EC2NodeDriver):
    settle_time = 0.2


# Nodes


def test_the_fields_of_a_node(driver: EC2NodeDriver) -> None:
    """An instance's fields are where Libcloud's users expect them."""
    created = create(driver, "web", ex_metadata={"env": "prod"}, tags=["team=a=b", "flag"], ex_keyname=None)
    node = driver.get_node(created.id)
    assert (node.name, node.state, node.size) == ("web", NodeState.RUNNING, "t3.micro")
    assert (len(node.public_ips), len(node.private_ips)) == (1, 1)
    assert node.created_at is not None
    assert abs((datetime.now(UTC) - node.created_at).total_seconds()) < 600
    assert node.extra["tags"] == {"Name": "web", "env": "prod", "team": "a=b", "flag": ""}
    assert node.extra["client_token"].startswith("polycloud-")
    known = {name: node.extra[name] for name in ("status", "availability", "ebs_optimized", "launch_index")}
    assert known == {
        "status": "running",
        "availability": "us-east-1a",
        "ebs_optimized": False,
        "launch_index": 0,
    }
    assert node.extra["block_device_mapping"][0]["ebs"]["volume_id"].startswith("vol-")
    assert node.extra["network_interfaces"][0]["private_ip_address"] == node.private_ips[0]


STATES = {
    "pending": "pending",
    "running": "running",
    "shutting-down": "stopping",
    "terminated": "terminated",
    "stopping": "stopping",
    "stopped": "stopped",
    "melting": "unknown",
}


@pytest.mark.parametrize(("provider_state", "state"), STATES.items())
def test_states(provider_state: str, state: str) -> None:
    """Every state of the provider has one of ours; an unknown one is UNKNOWN, not an error."""
    with SmallEC2() as server, small_driver(server) as driver:
        server.instances["x"] = instance("i-1", instanceState=f"<name>{provider_state}</name>")
        (node,) = driver.list_nodes()
    assert node.state == state


def test_a_bare_instance_is_enough() -> None:
    """An instance with only an id is a node with that name and without addresses."""
    with SmallEC2() as server, small_driver(server) as driver:
        server.instances["x"] = "<item><instanceId>i-1</instanceId></item>"
        (node,) = driver.list_nodes()
    assert (node.id, node.name, node.state, node.size) == ("i-1", "i-1", "unknown", None)
    assert (node.public_ips, node.private_ips, node.created_at, node.extra["tags"]) == ([], [], None, {})


def test_ipv6_addresses() -> None:
    """The IPv6 addresses of an instance's interfaces are among its public ones."""
    addresses = "<ipv6AddressesSet><item><ipv6Address>2600:1f18::1</ipv6Address></item></ipv6AddressesSet>"
    with SmallEC2() as server, small_driver(server) as driver:
        fields = {"ipAddress": "198.51.100.7", "privateIpAddress": "10.0.0.1"}
        interfaces = {"networkInterfaceSet": f"<item>{addresses}</item>"}
        server.instances["x"] = instance("i-1", **fields, **interfaces)
        (node,) = driver.list_nodes()
    assert (node.public_ips, node.private_ips) == (["198.51.100.7", "2600:1f18::1"], ["10.0.0.1"])


INTERFACES = """
<item>
  <privateIpAddress>100.64.0.4</privateIpAddress>
  <association><publicIp>198.51.100.7</publicIp></association>
  <privateIpAddressesSet>
    <item>
      <privateIpAddress>100.64.0.4</privateIpAddress><primary>true</primary>
      <association><publicIp>198.51.100.7</publicIp></association>
    </item>
    <item>
      <privateIpAddress>100.64.0.5</privateIpAddress>
      <association><publicIp>198.51.100.8</publicIp></association>
    </item>
  </privateIpAddressesSet>
  <ipv6AddressesSet><item><ipv6Address>fd00:ec2::5</ipv6Address></item></ipv6AddressesSet>
</item>
<item>
  <privateIpAddressesSet><item><privateIpAddress>10.1.0.4</privateIpAddress></item></privateIpAddressesSet>
</item>
"""


def test_addresses_of_interfaces() -> None:
    """A node has each address of its interfaces once, as public or private as the provider says."""
    with SmallEC2() as server, small_driver(server) as driver:
        fields = {"ipAddress": "198.51.100.7", "privateIpAddress": "100.64.0.4"}
        server.instances["x"] = instance("i-1", **fields, networkInterfaceSet=INTERFACES)
        server.instances["y"] = instance("i-2", ipAddress="192.0.2.1", privateIpAddress="no address")
        first, second = driver.list_nodes()
    assert first.public_ips == ["198.51.100.7", "198.51.100.8"]
    assert first.private_ips == ["100.64.0.4", "100.64.0.5", "fd00:ec2::5", "10.1.0.4"]
    assert (second.public_ips, second.private_ips) == (["192.0.2.1"], ["no address"])


DISK = (
    "<item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-1</volumeId><status>attached</status>"
    "<attachTime>2015-12-22T10:44:09.000Z</attachTime><deleteOnTermination>true</deleteOnTermination>"
    "</ebs></item><item><deviceName>/dev/sdb</deviceName><virtualName>ephemeral0</virtualName></item>"
)


def test_the_extra_of_a_node() -> None:
    """The parts of `extra` have the types that Libcloud's users know."""
    with SmallEC2() as server, small_driver(server) as driver:
        server.instances["x"] = instance(
            "i-1",
            blockDeviceMapping=DISK,
            groupSet="<item><groupId>sg-1</groupId><groupName>web</groupName></item>",
            iamInstanceProfile="<arn>arn:aws:iam::1:instance-profile/x</arn><id>ABC</id>",
            placement="<availabilityZone>us-east-1b</availabilityZone><tenancy>default</tenancy>",
            monitoring="<state>disabled</state>",
            amiLaunchIndex="2",
            productCodes="<item><productCode>abc</productCode><type>marketplace</type></item>",
        )
        (node,) = driver.list_nodes()
    disk, ephemeral = node.extra["block_device_mapping"]
    assert disk["ebs"] == {
        "volume_id": "vol-1",
        "status": "attached",
        "attach_time": datetime(2015, 12, 22, 10, 44, 9, tzinfo=UTC),
        "delete": True,
        "delete_on_termination": True,
    }
    assert ephemeral == {"device_name": "/dev/sdb", "virtual_name": "ephemeral0"}
    assert node.extra["groups"] == [{"group_id": "sg-1", "group_name": "web"}]
    assert (node.extra["iam_profile"], node.extra["launch_index"]) == ("ABC", 2)
    assert (node.extra["instance_tenancy"], node.extra["monitoring"]) == ("default", "disabled")
    assert node.extra["product_codes"] == [{"product_code": "abc", "type": "marketplace"}]


PRETTY = """<reservationSet>
  <item>
    <instancesSet>
      <item>
        <!-- the id -->
        <instanceId>
          i-1
        </instanceId>
        <instanceState><name>
          running
        </name></instanceState>
        <tagSet><item><key>Name</key><value><![CDATA[a <b> & c]]></value></item></tagSet>
        <futureSet><item><futureId>f-1</futureId></item></futureSet>
        <kernelId/>
      </item>
    </instancesSet>
  </item>
</reservationSet>
<nextToken/>
"""


def test_equivalent_xml() -> None:
    """Line breaks, comments, CDATA, empty and unknown elements do not change what is read."""
    reply = response("DescribeInstances", PRETTY)
    with SmallEC2(DescribeInstances=lambda _: reply) as server, small_driver(server) as driver:
        (node,) = driver.list_nodes()
    assert (node.id, node.name, node.state) == ("i-1", "a <b> & c", "running")
    assert (node.extra["kernel_id"], node.extra["future_set"]) == (None, [{"future_id": "f-1"}])


def test_nodes_of_ids_and_filters(driver: EC2NodeDriver) -> None:
    """Nodes are listed by ids and by filters; a terminated one stays listed as `TERMINATED`."""
    mark = unique()
    one, two = (create(driver, name, ex_metadata={"mark": mark}) for name in ("one", "two"))
    assert [node.id for node in driver.list_nodes(ex_node_ids=[two.id])] == [two.id]
    by_tag = {node.id for node in driver.list_nodes(ex_filters={"tag:mark": mark})}
    assert by_tag == {one.id, two.id}
    driver.destroy_node(one)
    assert driver.get_node(one.id).state == NodeState.TERMINATED


def test_several_at_once(driver: EC2NodeDriver) -> None:
    """`ex_maxcount` and `ex_create_nodes` return lists of that many nodes, which can be pickled."""
    nodes: Any = driver.create_node(
        "many", size_of(driver), driver.list_images()[0], ex_mincount=3, ex_maxcount=3
    )
    assert len({node.id for node in nodes}) == 3
    assert {node.name for node in nodes} == {"many"}
    assert len(driver.ex_create_nodes("two", size_of(driver), driver.list_images()[0], 2)) == 2
    again = pickle.loads(pickle.dumps(nodes[0]))
    assert again.extra == nodes[0].extra


def test_pages(driver: EC2NodeDriver, cloud: Moto) -> None:
    """A list of several pages is complete, and `iterate_nodes` yields the same nodes."""
    mark = unique()
    for _ in range(7):
        create(driver, ex_metadata={"mark": mark})
    with EC2NodeDriver(cloud.key, cloud.secret, url=cloud.url, ex_per_page=5) as paged:
        assert len(paged.list_nodes(ex_filters={"tag:mark": mark})) == 7
        assert [node.id for node in paged.iterate_nodes()] == [node.id for node in driver.list_nodes()]


def page(fields: dict[str, str]) -> Answer:
    """Return a page of two instances; a reservation is divided between two pages."""
    start = int(fields.get("NextToken", "0"))
    items = "".join(instance(f"i-{number}") for number in range(start, start + 2))
    more = f"<nextToken>{start + 1}</nextToken>" if start < 4 else "<nextToken/>"
    return response(
        "DescribeInstances",
        f"<reservationSet><item><instancesSet>{items}</instancesSet></item></reservationSet>{more}",
    )


def test_pages_that_overlap() -> None:
    """Pages are followed to the end, and an instance that is on two of them is listed once."""
    with SmallEC2(DescribeInstances=page) as server, small_driver(server, ex_per_page=2) as driver:
        assert [node.id for node in driver.list_nodes()] == [f"i-{number}" for number in range(6)]
        assert {call["MaxResults"] for call in server.calls} == {"2"}


# Creation


def test_the_fields_of_a_create() -> None:
    """All arguments of `create_node` are in its one request, tags too."""
    with SmallEC2() as server, small_driver(server) as driver:
        zone = NodeLocation("us-east-1b", "us-east-1b", "US", driver)
        driver.create_node(
            "web", size_of(driver), image_of(driver), zone,
            ex_keyname="key", ex_security_groups=["a", "b"], ex_security_group_ids=["sg-1"],
            ex_subnet="subnet-1", ex_userdata="#!/bin/sh\n", ex_clienttoken="mine", ex_iamprofile="role",
            ex_ebs_optimized=True, ex_terminate_on_shutdown=True, tags={"env": "prod"},
            ex_blockdevicemappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "Encrypted": True}}],
        )  # fmt: skip
        (call,) = server.calls
    assert call == {
        "Action": "RunInstances",
        "Version": "2016-11-15",
        "ImageId": "ami-0123456789abcdef0",
        "InstanceType": "t3.micro",
        "MinCount": "1",
        "MaxCount": "1",
        "ClientToken": "mine",
        "KeyName": "key",
        "SecurityGroup.1": "a",
        "SecurityGroup.2": "b",
        "SecurityGroupId.1": "sg-1",
        "SubnetId": "subnet-1",
        "UserData": "IyEvYmluL3NoCg==",
        "IamInstanceProfile.Name": "role",
        "EbsOptimized": "true",
        "InstanceInitiatedShutdownBehavior": "terminate",
        "Placement.AvailabilityZone": "us-east-1b",
        "BlockDeviceMapping.1.DeviceName": "/dev/xvda",
        "BlockDeviceMapping.1.Ebs.VolumeSize": "9",
        "BlockDeviceMapping.1.Ebs.Encrypted": "true",
        "TagSpecification.1.ResourceType": "instance",
        "TagSpecification.1.Tag.1.Key": "Name",
        "TagSpecification.1.Tag.1.Value": "web",
        "TagSpecification.1.Tag.2.Key": "env",
        "TagSpecification.1.Tag.2.Value": "prod",
    }


def test_the_market_and_the_group_of_a_create() -> None:
    """A spot instance, a placement group and the older `ex_securitygroup` are in the request."""
    with SmallEC2() as server, small_driver(server) as driver:
        options: Any = {"ex_placement_group": "near", "ex_spot": True, "ex_spot_max_price": 0.25}
        create_with(driver, **options, ex_securitygroup="web")
        (call,) = server.calls
    known = {name: call[name] for name in call if name.startswith(("Place", "InstanceMarket", "Security"))}
    assert known == {
        "Placement.GroupName": "near",
        "InstanceMarketOptions.MarketType": "spot",
        "InstanceMarketOptions.SpotOptions.MaxPrice": "0.25",
        "SecurityGroup.1": "web",
    }


def test_a_public_address() -> None:
    """A public address is requested for the interface, with subnet and groups, which names cannot be."""
    with SmallEC2() as server, small_driver(server) as driver:
        options: Any = {
            "ex_subnet": "subnet-1",
            "ex_security_group_ids": ["sg-1"],
            "ex_assign_public_ip": True,
        }
        driver.create_node("web", size_of(driver), image_of(driver), **options)
        (call,) = server.calls
        assert {name: call[name] for name in call if name.startswith("Netw")} == {
            "NetworkInterface.1.DeviceIndex": "0",
            "NetworkInterface.1.AssociatePublicIpAddress": "true",
            "NetworkInterface.1.DeleteOnTermination": "true",
            "NetworkInterface.1.SubnetId": "subnet-1",
            "NetworkInterface.1.SecurityGroupId.1": "sg-1",
        }
        with pytest.raises(InvalidArgumentError, match="by ex_security_group_ids"):
            create_with(driver, ex_assign_public_ip=True, ex_security_groups=["a"])


def create_with(driver: EC2NodeDriver, **options: Any) -> Node:
    node: Node = driver.create_node("web", size_of(driver), image_of(driver), **options)
    return node


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ex_keynam": "x"}, "takes no ex_keynam"),
        ({"auth": NodeAuthSSHKey(PUBLIC_KEY), "ex_keyname": "x"}, "not both"),
        ({"auth": NodeAuthSSHKey("no key")}, "not a public key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"ex_keyname": KeyPair("web", "", "", None)}, "KeyName must be text, .*<KeyPair name=web "),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_cannot_be_sent(options: dict[str, Any], words: str) -> None:
    """Invalid and contradictory arguments are refused before anything is sent."""
    with SmallEC2() as server, small_driver(server) as driver:
        with pytest.raises(InvalidArgumentError, match=words):
            create_with(driver, **options)
        assert server.calls == []


def losing(server: SmallEC2, times: int) -> None:
    """Carry out the next creates, and lose their responses."""
    left = [None] * times

    def run(fields: dict[str, str]) -> Answer | None:
        reply = server.run(fields)
        return left.pop() if left else reply

    server.acts["RunInstances"] = run


def test_a_lost_response_makes_one_node() -> None:
    """A create whose responses are lost is sent again with its token, and makes one instance."""
    with SmallEC2() as server, small_driver(server, retry=QUICK) as driver:
        losing(server, 2)
        node = create_with(driver)
        assert (node.id, len(server.instances), server.count("RunInstances")) == ("i-00000000000000000", 1, 3)
        assert len({call["ClientToken"] for call in server.calls}) == 1
        assert create_with(driver).id != node.id


def test_a_node_whose_responses_were_all_lost() -> None:
    """If every response is lost, the instance is found by its token, without another create."""
    with SmallEC2() as server, small_driver(server) as driver:
        losing(server, 1)
        assert create_with(driver).id == "i-00000000000000000"
        assert server.count("RunInstances") == 1


def test_a_lost_response_before_throttling() -> None:
    """A create that is throttled after its response was lost returns the node."""
    with SmallEC2() as server, small_driver(server, retry=RetryPolicy(attempts=2, base=0.01)) as driver:
        replies: list[Answer | None] = [refusal("RequestLimitExceeded", status=503), None]

        def run(fields: dict[str, str]) -> Answer | None:
            server.run(fields)
            return replies.pop()

        server.acts["RunInstances"] = run
        assert create_with(driver).id == "i-00000000000000000"
        assert server.count("RunInstances") == 2


@pytest.mark.parametrize(
    "code", ["InsufficientInstanceCapacity", "VcpuLimitExceeded", "InvalidParameterValue"]
)
def test_a_refusal_after_a_lost_response(code: str) -> None:
    """A create that is refused after its response was lost returns the first attempt's node, by its token."""
    with SmallEC2() as server, small_driver(server, retry=RetryPolicy(attempts=2, base=0.01)) as driver:
        replies: list[Answer | None] = [refusal(code), None]

        def run(fields: dict[str, str]) -> Answer | None:
            server.run(fields)
            return replies.pop()

        server.acts["RunInstances"] = run
        assert create_with(driver).id == "i-00000000000000000"
        (look,) = [call for call in server.calls if call["Action"] == "DescribeInstances"]
    token = server.calls[0]["ClientToken"]
    assert (look["Filter.1.Name"], look["Filter.1.Value.1"]) == ("client-token", token)


def test_a_refusal_whose_search_fails() -> None:
    """A refused create whose token cannot be searched for raises the refusal, with the token in a note."""
    acts: Any = {"RunInstances": lambda _: refusal("VcpuLimitExceeded"), "DescribeInstances": lambda _: None}
    with SmallEC2(**acts) as server, small_driver(server) as driver:
        with pytest.raises(QuotaExceededError) as caught:
            create_with(driver)
    assert "polycloud-" in caught.value.__notes__[0]


def test_a_server_without_the_filter() -> None:
    """If the server fails with the filter by token, the instance is searched for among all."""
    with SmallEC2() as server, small_driver(server) as driver:
        losing(server, 1)
        described = server.acts["DescribeInstances"]
        server.acts["DescribeInstances"] = lambda fields: (
            refusal("InternalError", status=500) if "Filter.1.Name" in fields else described(fields)
        )
        assert create_with(driver).id == "i-00000000000000000"


def test_a_create_refused_for_too_many_requests() -> None:
    """A create all of whose attempts were throttled is not ambiguous."""
    busy = refusal("RequestLimitExceeded", status=503)
    with SmallEC2(RunInstances=lambda _: busy) as server, small_driver(server) as driver:
        with pytest.raises(RateLimitReachedError):
            create_with(driver)


async def awaited(server: SmallEC2) -> tuple[Any, list[Node]]:
    async with aio.connect("ec2", "AKIATEST", "very secret", **server.options) as driver:
        node = await driver.create_node("web", size_of(driver.driver), image_of(driver.driver))
        return node, await driver.list_nodes()


def test_awaited() -> None:
    """The driver works under asyncio, the correction of the clock included."""
    with SmallEC2(clock=3600) as server:
        node, nodes = asyncio.run(awaited(server))
    assert [one.id for one in nodes] == [node.id]


def test_a_create_that_cannot_be_settled() -> None:
    """If neither a response nor the instance comes, the error names the token to search for."""
    with SmallEC2(RunInstances=lambda _: None) as server, small_driver(server, Hasty) as driver:
        with pytest.raises(AmbiguousCreateError) as caught:
            create_with(driver)
    assert "polycloud-" in caught.value.look_for


def test_a_key_that_was_used_otherwise() -> None:
    """A create with an earlier one's key returns its node, even with other arguments."""
    with SmallEC2() as server, small_driver(server) as driver:
        first = create_with(driver, idempotency_key="order 66")
        assert create_with(driver, idempotency_key="order 66").id == first.id
        hidden = dict(server.instances)
        server.instances.clear()  # not listed yet

        def mismatch(_: dict[str, str]) -> Answer:
            server.instances.update(hidden)
            return refusal("IdempotentParameterMismatch")

        server.acts["RunInstances"] = mismatch
        assert create_with(driver, idempotency_key="order 66", ex_keyname="x").id == first.id


def test_a_token_of_ones_own() -> None:
    """With `ex_clienttoken`, a token that was used with other arguments is a conflict."""
    with SmallEC2(RunInstances=lambda _: refusal("IdempotentParameterMismatch")) as server:
        with small_driver(server) as driver, pytest.raises(ConflictError):
            create_with(driver, ex_clienttoken="mine")


def test_actions(driver: EC2NodeDriver) -> None:
    """A node can be rebooted, stopped, resized, started and terminated."""
    node = create(driver)
    assert driver.reboot_node(node)
    assert driver.stop_node(node)
    assert driver.get_node(node.id).state == NodeState.STOPPED
    assert driver.ex_change_node_size(node, NodeSize("t3.nano", "", 512, 0, None, None, driver))
    assert driver.start_node(node)
    assert driver.get_node(node.id).size == "t3.nano"
    assert driver.ex_stop_node(node)
    assert driver.ex_start_node(node)
    assert driver.destroy_node(node)


@pytest.mark.parametrize(("act", "times"), [("destroy_node", 2), ("reboot_node", 1)])
def test_an_action_whose_response_was_lost(act: str, times: int) -> None:
    """A termination is sent again if its response is lost, a reboot is not."""
    lost: list[Answer | None] = [None]

    def reply(fields: dict[str, str]) -> Answer | None:
        return lost.pop() if lost else response(fields["Action"], "<instancesSet/>")

    with SmallEC2(TerminateInstances=reply, RebootInstances=reply) as server:
        with small_driver(server, retry=QUICK) as driver:
            try:
                getattr(driver, act)(node_of(driver))
            except TransportError:
                assert times == 1
        assert len(server.calls) == times


@pytest.mark.parametrize("count", [None, 1])
def test_counts_that_are_left_open(count: int | None) -> None:
    """Without a number of instances, one is created."""
    with SmallEC2() as server, small_driver(server) as driver:
        node: Any = driver.create_node(
            "web", size_of(driver), image_of(driver), ex_mincount=count, ex_maxcount=count
        )
        assert (node.id, server.calls[0]["MinCount"]) == ("i-00000000000000000", "1")


def test_a_console_that_is_not_base64() -> None:
    """Console output that is not in base64 is a malformed response."""
    reply = response("GetConsoleOutput", "<instanceId>i-1</instanceId><output>a</output>")
    with SmallEC2(GetConsoleOutput=lambda _: reply) as server, small_driver(server) as driver:
        with pytest.raises(MalformedResponseError, match="base64"):
            driver.ex_get_console_output(node_of(driver))


def test_the_console(driver: EC2NodeDriver) -> None:
    """The console's output is text, with its time."""
    node = create(driver)
    console = driver.ex_get_console_output(node)
    assert console["instance_id"] == node.id
    assert isinstance(console["output"], str)
    assert console["timestamp"].tzinfo is not None


# Sizes, images, locations


def test_sizes(driver: EC2NodeDriver) -> None:
    """A size has CPUs, RAM in MB and the disks of its host in GB."""
    sizes = {size.id: size for size in driver.list_sizes()}
    micro, stores = sizes["t3.micro"], sizes["m5d.large"]
    assert (micro.ram, micro.disk, micro.extra["vcpus"]) == (1024, 0, 2)
    assert (stores.ram, stores.disk, stores.extra["vcpus"]) == (8192, 75, 2)
    assert micro.extra["processor_info"]["supported_architectures"] == ["x86_64"]
    (zone, *_) = driver.list_locations()
    assert {size.id for size in driver.list_sizes(zone)} <= set(sizes)


def test_one_size(driver: EC2NodeDriver) -> None:
    """A size is fetched by its exact id; a pattern, or what is no id, is a NotFoundError."""
    micro = driver.ex_get_size("t3.micro")
    assert (micro.id, micro.ram, micro.price) == ("t3.micro", 1024, 0.0104)
    for unknown in ("t3.*", "t3", "none"):
        with pytest.raises(NotFoundError, match="there is no Amazon EC2 size"):
            driver.ex_get_size(unknown)


def test_images(driver: EC2NodeDriver) -> None:
    """By default the account's images and those of known distributions are listed; with arguments, any."""
    listed = {image.id: image for image in driver.list_images()}
    (windows, *_) = driver.list_images(ex_executableby="all", ex_filters={"name": "Windows*"})
    assert listed
    assert windows.id not in listed
    assert driver.get_image(windows.id).extra["state"] == "available"
    assert [image.id for image in driver.list_images(ex_image_ids=[windows.id])] == [windows.id]
    own = driver.list_images(ex_owner="self")
    made = driver.create_image(create(driver), unique("image"), "described")
    (found,) = {image.id for image in driver.list_images()} - listed.keys()
    assert (found, made.extra["state"]) == (made.id, "pending")
    assert [image.id for image in driver.list_images(ex_owner="self")] == [
        *(image.id for image in own),
        made.id,
    ]
    copy = driver.copy_image("us-east-1", made, unique("copy"))
    assert copy.id != made.id
    assert driver.create_image(create(driver), unique("image"), reboot=True).extra["state"] == "pending"
    for image in (made, copy):
        assert driver.delete_image(image)
    with pytest.raises(NotFoundError):
        driver.delete_image(image_of(driver))


def test_images_that_are_not_there(driver: EC2NodeDriver) -> None:
    """A create from an image that does not exist raises `ImageUnavailableError`."""
    with pytest.raises(ImageUnavailableError, match=r"InvalidAMIID.*RunInstances"):
        driver.create_node("web", size_of(driver), image_of(driver))


def test_locations_and_regions(driver: EC2NodeDriver, cloud: Moto) -> None:
    """Zones have a region, a state and a country; regions have hosts, and a driver is for one of them."""
    first = driver.list_locations()[0]
    assert (first.id, first.country) == ("us-east-1a", "US")
    assert (first.extra["region"], first.extra["state"]) == ("us-east-1", "available")
    regions = {region.name: region for region in driver.ex_list_regions()}
    assert regions["eu-central-1"].endpoint == "ec2.eu-central-1.amazonaws.com"
    with EC2NodeDriver(cloud.key, cloud.secret, url=cloud.url, region="eu-central-1") as other:
        assert other.list_locations()[0].country == "DE"
        assert other.list_nodes() == []


ZONES = """<availabilityZoneInfo>
<item><zoneName>us-west-2-lax-1a</zoneName><zoneState>available</zoneState>
<zoneType>local-zone</zoneType></item>
<item><zoneName>us-west-2a</zoneName><zoneState>impaired</zoneState>
<zoneType>availability-zone</zoneType></item>
<item><zoneName>us-west-2b</zoneName><zoneState>available</zoneState>
<zoneType>availability-zone</zoneType></item>
</availabilityZoneInfo>"""


def test_zones() -> None:
    """Zones are listed with their state; a volume is created in an available zone that is not a city's."""
    made = response("CreateVolume", "<volumeId>vol-1</volumeId><size>1</size>")
    acts: Any = {
        "DescribeAvailabilityZones": lambda _: response("DescribeAvailabilityZones", ZONES),
        "CreateVolume": lambda _: made,
    }
    with SmallEC2(**acts) as server, small_driver(server, region="us-west-2") as driver:
        assert [one.name for one in driver.ex_list_availability_zones()] == ["us-west-2-lax-1a", "us-west-2b"]
        assert len(driver.ex_list_availability_zones(only_available=False)) == 3
        locations: Any = driver.list_locations()
        assert [one.availability_zone.zone_state for one in locations] == [
            "available",
            "impaired",
            "available",
        ]
        assert driver.create_volume(1, "data").size == 1
        assert server.calls[-1]["AvailabilityZone"] == "us-west-2b"


IMAGES = """<imagesSet>
<item><imageId>ami-1</imageId><imageLocation>1/named</imageLocation><name>named</name>
<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><snapshotId>snap-1</snapshotId>
<volumeSize>15</volumeSize><iops>3000</iops><deleteOnTermination>false</deleteOnTermination></ebs></item>
</blockDeviceMapping>
<billingProducts><item><billingProduct>bp-1</billingProduct></item></billingProducts></item>
<item><imageId>ami-2</imageId><imageLocation>bucket/image.manifest.xml</imageLocation></item>
<item><imageId>ami-3</imageId></item>
</imagesSet>"""


def test_the_fields_of_images() -> None:
    """An image has the name of its name, else of its location, else of its id; its disks are converted."""
    reply = response("DescribeImages", IMAGES)
    with SmallEC2(DescribeImages=lambda _: reply) as server, small_driver(server) as driver:
        images = driver.list_images(ex_owner="self")
    assert [image.name for image in images] == ["named", "bucket/image.manifest.xml", "ami-3"]
    assert images[0].extra["billing_products"] == ["bp-1"]
    (disk,) = images[0].extra["block_device_mapping"]
    assert disk["ebs"] == {
        "snapshot_id": "snap-1",
        "volume_size": 15,
        "iops": 3000,
        "delete": False,
        "delete_on_termination": False,
    }


# Keys


def test_key_pairs(driver: EC2NodeDriver) -> None:
    """A private key is in its create only; a taken name is a conflict, an unknown one has its own error."""
    name = unique("key")
    made = driver.create_key_pair(name)
    assert (made.private_key or "").startswith("-----BEGIN")
    assert (made.private_key or "x") not in repr(made) + str(made.extra)
    assert driver.get_key_pair(name).private_key is None
    assert driver.get_key_pair(name).extra["tags"] == {}
    for call in (driver.create_key_pair, lambda name: driver.import_key_pair_from_string(name, PUBLIC_KEY)):
        with pytest.raises(ConflictError, match=r"InvalidKeyPair\.Duplicate"):
            call(name)
    assert driver.delete_key_pair(made)
    with pytest.raises(KeyPairDoesNotExistError, match=name):
        driver.get_key_pair(name)


def test_a_key_for_a_node(driver: EC2NodeDriver) -> None:
    """`auth` becomes a key pair, the same one for the same key; a password is refused."""
    names = {create(driver, auth=NodeAuthSSHKey(PUBLIC_KEY)).extra["key_name"] for _ in range(2)}
    (name,) = names
    assert driver.get_key_pair(name).name == name
    with pytest.raises(UnsupportedOperationError, match="not passwords"):
        create(driver, auth=NodeAuthPassword("secret"))


def test_the_key_of_a_deployment(driver: EC2NodeDriver) -> None:
    """A deployment's own key pair is deleted after it, even if it fails."""
    before = {pair.name for pair in driver.list_key_pairs()}
    mark = unique()
    private, public = key_pair()
    with pytest.raises(PolycloudError):
        driver.deploy_node(
            ScriptDeployment("true"), name="web", size=size_of(driver), image=driver.list_images()[0],
            auth=NodeAuthSSHKey(public), ssh_key=private, tags={"mark": mark}, timeout=0.5, ssh_timeout=0.3,
            max_tries=1,
        )  # fmt: skip
    (node,) = driver.list_nodes(ex_filters={"tag:mark": mark})
    assert node.extra["key_name"].startswith("polycloud-")
    assert {pair.name for pair in driver.list_key_pairs()} == before


# Volumes


def test_a_volume_that_is_not_listed() -> None:
    """A volume or a node that the provider does not list raises `NotFoundError`."""
    empty = response("DescribeVolumes", "<volumeSet/>")
    with SmallEC2(DescribeVolumes=lambda _: empty) as server, small_driver(server) as driver:
        with pytest.raises(NotFoundError, match="vol-1"):
            driver.detach_volume(volume_of(driver))
        with pytest.raises(NotFoundError, match="i-1"):
            driver.attach_volume(node_of(driver), volume_of(driver))


def test_volumes(driver: EC2NodeDriver) -> None:
    """A volume is created with its tags, attached, found on its node, detached and deleted."""
    node = create(driver)
    volume = driver.create_volume(8, "data", ex_volume_type="gp3", tags=["env=prod"])
    assert (volume.name, volume.size, volume.extra["zone"]) == ("data", 8, "us-east-1a")
    assert volume.extra["tags"] == {"Name": "data", "env": "prod"}
    assert driver.attach_volume(node, volume)
    (found,) = [one for one in driver.list_volumes(node) if one.id == volume.id]
    assert found.state == StorageVolumeState.INUSE
    known = {
        name: found.extra[name] for name in ("device", "instance_id", "attachment_status", "volume_type")
    }
    assert known == {
        "device": "/dev/sdf", "instance_id": node.id, "attachment_status": "attached", "volume_type": "gp3",
    }  # fmt: skip
    second = driver.create_volume(1, "more")
    driver.attach_volume(node, second)
    assert {one.extra["device"] for one in driver.list_volumes(node)} > {"/dev/sdf", "/dev/sdg"}
    with pytest.raises(ConflictError, match="VolumeInUse"):
        driver.destroy_volume(volume)
    for one in (volume, second):
        assert driver.detach_volume(one)
        with pytest.raises(ConflictError, match="attached to no node"):
            driver.detach_volume(one)
        assert driver.destroy_volume(one)


VOLUMES = """<volumeSet><item>
<volumeId>vol-1</volumeId><size>80</size><snapshotId/><availabilityZone>us-east-1a</availabilityZone>
<status>in-use</status><createTime>2015-12-22T10:44:05.000Z</createTime><iops>300</iops>
<attachmentSet>
<item><volumeId>vol-1</volumeId><instanceId>i-1</instanceId><device>/dev/sdh</device><status>attached</status>
<attachTime>2015-12-22T10:44:09.000Z</attachTime><deleteOnTermination>false</deleteOnTermination></item>
<item><volumeId>vol-1</volumeId><instanceId>i-2</instanceId><status>attaching</status></item>
</attachmentSet></item></volumeSet>"""
SNAPSHOTS = """<snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId>
<status>pending</status><startTime>2015-12-22T10:44:05.000Z</startTime><progress>30%</progress>
<volumeSize>15</volumeSize><description/></item></snapshotSet>"""


def test_the_fields_of_volumes_and_snapshots() -> None:
    """Times are datetimes, counts are numbers; all attachments are listed, the first one in its own keys."""
    acts: Any = {
        "DescribeVolumes": lambda _: response("DescribeVolumes", VOLUMES),
        "DescribeSnapshots": lambda _: response("DescribeSnapshots", SNAPSHOTS),
    }
    with SmallEC2(**acts) as server, small_driver(server) as driver:
        (volume,), (snapshot,) = driver.list_volumes(), driver.list_snapshots()
    assert (volume.name, volume.size, volume.state) == ("vol-1", 80, "inuse")
    began, attached = (datetime(2015, 12, 22, 10, 44, second, tzinfo=UTC) for second in (5, 9))
    known = ("create_time", "attach_time", "iops", "instance_id", "device", "delete", "snapshot_id", "zone")
    assert [volume.extra[name] for name in known] == [
        *(began, attached, 300, "i-1", "/dev/sdh", False, None, "us-east-1a"),
    ]
    assert [one["instance_id"] for one in volume.extra["attachments"]] == ["i-1", "i-2"]
    assert (snapshot.size, snapshot.state, snapshot.created, snapshot.name) == (15, "creating", began, None)
    assert (snapshot.extra["start_time"], snapshot.extra["progress"]) == (began, "30%")
    assert (snapshot.extra["volume_id"], snapshot.extra["state"]) == ("vol-1", "pending")


def test_a_volume_is_created_once() -> None:
    """A volume is created with its tags by one request, repeated unchanged if its response is lost."""
    lost: list[Answer | None] = [None]
    made = response("CreateVolume", "<volumeId>vol-1</volumeId><size>5</size><status>creating</status>")
    with SmallEC2(CreateVolume=lambda _: lost.pop() if lost else made) as server:
        with small_driver(server, retry=QUICK) as driver:
            volume = driver.create_volume(5, "data", NodeLocation("us-east-1a", "", "", driver))
    first, second = server.calls
    assert first == second
    assert first["TagSpecification.1.Tag.1.Value"] == "data"
    assert (volume.id, volume.state) == ("vol-1", "creating")


def test_snapshots(driver: EC2NodeDriver) -> None:
    """A snapshot has name, size, time, state and tags; volumes are made of it."""
    volume = driver.create_volume(4, "data")
    snapshot = driver.create_volume_snapshot(volume, "night", {"env": "prod"}, ex_description="nightly")
    (listed,) = driver.list_volume_snapshots(volume)
    assert (listed.id, listed.name, listed.size) == (snapshot.id, "night", 4)
    assert listed.state == VolumeSnapshotState.AVAILABLE
    assert listed.created is not None
    assert (listed.extra["tags"]["env"], listed.extra["description"]) == ("prod", "nightly")
    assert snapshot.id in [one.id for one in driver.list_snapshots()]
    assert [one.id for one in driver.list_snapshots(snapshot)] == [snapshot.id]
    assert driver.create_volume(4, "copy", snapshot=snapshot).extra["snapshot_id"] == snapshot.id
    assert driver.destroy_volume_snapshot(snapshot)
    with pytest.raises(NotFoundError):
        driver.destroy_volume_snapshot(snapshot)


# Beyond the base


def test_tags(driver: EC2NodeDriver) -> None:
    """Tags of any resource are created, replaced and deleted; a resource without an id is refused."""
    assert driver.ex_get_metadata_for_node(create(driver)) == {"Name": "web"}
    volume = driver.create_volume(1, "data")
    assert driver.ex_create_tags(volume, {"a": "1", "b": "2"})
    assert driver.ex_create_tags(volume.id, {"b": "3"})
    assert driver.ex_describe_tags(volume) == {"Name": "data", "a": "1", "b": "3"}
    assert driver.ex_delete_tags(volume, {"a": "1"})
    assert driver.ex_delete_tags(volume, ["b"])
    assert driver.ex_describe_tags(volume) == {"Name": "data"}
    with pytest.raises(InvalidArgumentError, match="must be an id or an object that has an id"):
        driver.ex_describe_tags(None)


def test_security_groups(driver: EC2NodeDriver) -> None:
    """A security group is created, its rules are added and removed, and it is deleted; a name is unique."""
    name = unique("group")
    id_ = driver.ex_create_security_group(name, "of a test")["group_id"]
    assert name in driver.ex_list_security_groups()
    web: Any = (id_, 443, 443, ["198.51.100.0/24", "2001:db8::/32"])
    inner: Any = (id_, 1, 9, None, [{"group_id": id_}], "udp")
    ranges = ["198.51.100.0/24", "2001:db8::/32"]
    assert driver.ex_authorize_security_group_ingress(id_, 443, 443, ranges, description="web")
    assert driver.ex_authorize_security_group_ingress(*inner)
    assert driver.ex_authorize_security_group_egress(id_, 25, 25, ["198.51.100.1/32"])
    (group,) = driver.ex_get_security_groups([id_])
    assert (group.name, group.extra["description"]) == (name, "of a test")
    first, second = sorted(group.ingress_rules, key=lambda rule: rule["protocol"] or "")
    assert first == {
        "protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ips": ["198.51.100.0/24", "2001:db8::/32"],
        "group_pairs": [],
    }  # fmt: skip
    assert (second["from_port"], second["group_pairs"][0]["group_id"]) == (1, id_)
    with pytest.raises(ConflictError, match="Duplicate"):
        driver.ex_authorize_security_group_ingress(*web)
    assert driver.ex_revoke_security_group_ingress(*web)
    assert driver.ex_revoke_security_group_ingress(*inner)
    assert driver.ex_revoke_security_group_egress(id_, 25, 25, ["198.51.100.1/32"])
    assert driver.ex_get_security_groups(filters={"group-name": name})[0].ingress_rules == []
    with pytest.raises(ConflictError, match=r"InvalidGroup\.Duplicate"):
        driver.ex_create_security_group(name, "again")
    assert driver.ex_delete_security_group_by_id(id_)
    with pytest.raises(NotFoundError):
        driver.ex_delete_security_group(name)


def test_addresses(driver: EC2NodeDriver) -> None:
    """An Elastic IP is allocated, associated with one node only, disassociated and released."""
    node = create(driver)
    address = driver.ex_allocate_address()
    assert address.extra["allocation_id"].startswith("eipalloc-")
    assert driver.ex_describe_addresses_for_node(node) == []
    assert (driver.ex_associate_address_with_node(node, address) or "").startswith("eipassoc-")
    assert driver.ex_describe_addresses([node]) == {node.id: [address.ip]}
    (found,) = [one for one in driver.ex_describe_all_addresses(only_associated=True) if one.ip == address.ip]
    assert found.instance_id == node.id
    with pytest.raises(ConflictError):
        driver.ex_associate_address_with_node(create(driver), address)
    assert driver.ex_disassociate_address(address)
    assert address.ip not in [one.ip for one in driver.ex_describe_all_addresses(only_associated=True)]
    assert driver.ex_release_address(address)
    with pytest.raises(NotFoundError):
        driver.ex_release_address(address)


def test_addresses_of_other_kinds() -> None:
    """Addresses from a carrier's or a customer's pool are listed, although they are not public."""
    items = "".join(
        f"<item><allocationId>eipalloc-{number}</allocationId><{name}>{ip}</{name}></item>"
        for number, (name, ip) in enumerate(
            [("carrierIp", "192.0.2.1"), ("customerOwnedIp", "192.0.2.2"), ("publicIp", "192.0.2.3")]
        )
    )
    reply = response("DescribeAddresses", f"<addressesSet>{items}</addressesSet>")
    with SmallEC2(DescribeAddresses=lambda _: reply) as server, small_driver(server) as driver:
        assert [one.ip for one in driver.ex_describe_all_addresses()] == [
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
        ]


def test_rules_by_the_name_of_a_group(driver: EC2NodeDriver) -> None:
    """A group of the default network gets rules by its name, for one range of ports or for everything."""
    name = unique("group")
    driver.ex_create_security_group(name, "of a test")
    assert driver.ex_authorize_security_group(name, 22, 22, "198.51.100.0/24")
    assert driver.ex_authorize_security_group_permissive(name)
    (group,) = driver.ex_get_security_groups(group_names=[name])
    rules = {(rule["protocol"], rule["from_port"], rule["to_port"]) for rule in group.ingress_rules}
    assert rules == {("tcp", 22, 22), ("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1)}


def test_networks(driver: EC2NodeDriver) -> None:
    """Networks and their subnets are created with names, listed, and deleted from the inside out."""
    network = driver.ex_create_network("10.77.0.0/16", "inner")
    assert (network.name, network.cidr_block) == ("inner", "10.77.0.0/16")
    subnet = driver.ex_create_subnet(network.id, "10.77.1.0/24", "us-east-1b", "web")
    assert (subnet.name, subnet.extra["zone"], subnet.extra["vpc_id"]) == ("web", "us-east-1b", network.id)
    assert [one.id for one in driver.ex_list_networks([network.id])] == [network.id]
    assert [one.id for one in driver.ex_list_subnets(filters={"vpc-id": network.id})] == [subnet.id]
    node = create(driver, ex_subnet=subnet)
    assert (node.extra["subnet_id"], node.private_ips[0][:8]) == (subnet.id, "10.77.1.")
    driver.destroy_node(node)
    assert driver.ex_delete_subnet(subnet)
    assert driver.ex_delete_network(network)
    with pytest.raises(NotFoundError):
        driver.ex_delete_network(network)


# Refusals and malformed responses

REFUSED = {
    "InvalidInstanceID.NotFound": NotFoundError,
    "InvalidVolume.NotFound": NotFoundError,
    "InvalidInstanceID.Malformed": NotFoundError,
    "InvalidKeyPair.Duplicate": ConflictError,
    "IncorrectInstanceState": ConflictError,
    "IncorrectState": ConflictError,
    "VolumeInUse": ConflictError,
    "DependencyViolation": ConflictError,
    "Resource.AlreadyAssociated": ConflictError,
    "InstanceLimitExceeded": QuotaExceededError,
    "VcpuLimitExceeded": QuotaExceededError,
    "MaxSpotInstanceCountExceeded": QuotaExceededError,
    "ReservationCapacityExceeded": UnavailableError,
    "InsufficientCapacityOnHost": UnavailableError,
    "OptInRequired": ProviderHTTPError,
    "PendingVerification": ProviderHTTPError,
    "Blocked": ProviderHTTPError,
    "DryRunOperation": ProviderHTTPError,
    "IdempotentParameterMismatch": ConflictError,
    "InvalidKeyPair.NotFound": NotFoundError,
    "InsufficientFreeAddressesInSubnet": QuotaExceededError,
    "InsufficientInstanceCapacity": UnavailableError,
    "Unsupported": UnavailableError,
    "InvalidAMIID.NotFound": ImageUnavailableError,
    "InvalidAMIID.Unavailable": ImageUnavailableError,
    "RequestLimitExceeded": RateLimitReachedError,
    "Throttling": RateLimitReachedError,
    "AuthFailure": InvalidCredsError,
    "SignatureDoesNotMatch": InvalidCredsError,
    "InvalidClientTokenId": InvalidCredsError,
    "ExpiredToken": InvalidCredsError,
    "InternalError": ServerError,
    "Unavailable": ServerError,
}


@pytest.mark.parametrize(("code", "error"), REFUSED.items())
def test_codes(code: str, error: type[PolycloudError]) -> None:
    """A code becomes the error that it stands for, with the provider's message and the action."""
    status = 500 if error is ServerError else 400
    with SmallEC2(DescribeInstances=lambda _: refusal(code, "these words", status)) as server:
        with small_driver(server) as driver, pytest.raises(PolycloudError) as caught:
            driver.list_nodes()
    assert type(caught.value) is error or (error is InvalidCredsError and isinstance(caught.value, error))
    assert f"{code}: these words" in str(caught.value)
    assert "Action=DescribeInstances" in str(caught.value)


def test_missing_rights() -> None:
    """A missing right is a 403, not wrong credentials; for an image it is `ImageUnavailableError`."""
    with SmallEC2(DescribeInstances=lambda _: refusal("UnauthorizedOperation", status=403)) as server:
        with small_driver(server) as driver, pytest.raises(ProviderHTTPError) as caught:
            driver.list_nodes()
    assert caught.value.code == 403
    words = "Not authorized for images: [ami-1]"
    with SmallEC2(RunInstances=lambda _: refusal("AuthFailure", words, 401)) as server:
        with small_driver(server) as driver, pytest.raises(ImageUnavailableError):
            create_with(driver)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("OptInRequired", "You are not subscribed to this service."),
        ("AuthFailure", "The address '198.51.100.1' does not belong to you."),
        ("AuthFailure", "Not authorized for volumes: [vol-1]"),
    ],
)
def test_a_missing_right_with_401(code: str, words: str) -> None:
    """A resource of another account, or a missing subscription, is not wrong credentials."""
    with SmallEC2(DescribeInstances=lambda _: refusal(code, words, 401)) as server:
        with small_driver(server) as driver, pytest.raises(ProviderHTTPError, match=code) as caught:
            driver.list_nodes()
    assert caught.value.code == 401


@pytest.mark.parametrize("status", [403, 500, 502])
@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html><html><body>Blocked by policy</body></html>", b"no"])
def test_refusals_that_are_not_the_providers(status: int, body: bytes) -> None:
    """A proxy's error has its status, and its text if it has one, in whatever format."""
    with SmallEC2(DescribeInstances=lambda _: Answer(status, [], body)) as server:
        with small_driver(server) as driver, pytest.raises(ProviderHTTPError) as caught:
            driver.list_nodes()
    assert (caught.value.code, "Blocked" in str(caught.value)) == (status, b"Blocked" in body)


def test_several_refusals_at_once() -> None:
    """Of several errors the first one counts; without a message, the code is the message."""
    two = "".join(f"<Error><Code>{code}</Code></Error>" for code in ("InvalidVolume.NotFound", "VolumeInUse"))
    reply = Answer(400, [], f"<Response><Errors>{two}</Errors><RequestID>r</RequestID></Response>".encode())
    with SmallEC2(DeleteVolume=lambda _: reply) as server, small_driver(server) as driver:
        with pytest.raises(NotFoundError) as caught:
            driver.destroy_volume(volume_of(driver))
    assert caught.value.message == "InvalidVolume.NotFound"


def node_of(driver: EC2NodeDriver) -> Node:
    return Node("i-1", "web", NodeState.RUNNING, [], [], driver)


def volume_of(driver: EC2NodeDriver) -> StorageVolume:
    return StorageVolume("vol-1", "data", 1, driver)


CALLS: dict[str, Callable[[EC2NodeDriver], Any]] = {
    "list_nodes": lambda driver: driver.list_nodes(),
    "iterate_nodes": lambda driver: list(driver.iterate_nodes()),
    "list_sizes": lambda driver: driver.list_sizes(),
    "ex_get_size": lambda driver: driver.ex_get_size("t3.micro"),
    "list_images": lambda driver: driver.list_images(),
    "list_locations": lambda driver: driver.list_locations(),
    "list_key_pairs": lambda driver: driver.list_key_pairs(),
    "list_volumes": lambda driver: driver.list_volumes(),
    "list_snapshots": lambda driver: driver.list_snapshots(),
    "ex_list_regions": lambda driver: driver.ex_list_regions(),
    "ex_get_security_groups": lambda driver: driver.ex_get_security_groups(),
    "ex_describe_all_addresses": lambda driver: driver.ex_describe_all_addresses(),
    "ex_list_networks": lambda driver: driver.ex_list_networks(),
    "ex_list_subnets": lambda driver: driver.ex_list_subnets(),
    "ex_describe_tags": lambda driver: driver.ex_describe_tags("i-1"),
    "create_node": create_with,
    "destroy_node": lambda driver: driver.destroy_node(node_of(driver)),
    "create_image": lambda driver: driver.create_image(node_of(driver), "image"),
    "delete_image": lambda driver: driver.delete_image(image_of(driver)),
    "create_key_pair": lambda driver: driver.create_key_pair("key"),
    "create_volume": lambda driver: driver.create_volume(1, "data"),
    "attach_volume": lambda driver: driver.attach_volume(node_of(driver), volume_of(driver), "/dev/sdf"),
    "detach_volume": lambda driver: driver.detach_volume(volume_of(driver)),
    "destroy_volume": lambda driver: driver.destroy_volume(volume_of(driver)),
    "create_volume_snapshot": lambda driver: driver.create_volume_snapshot(volume_of(driver)),
    "destroy_volume_snapshot": lambda driver: driver.destroy_volume_snapshot(
        VolumeSnapshot("snap-1", driver)
    ),
    "ex_create_security_group": lambda driver: driver.ex_create_security_group("a", "b"),
    "ex_allocate_address": lambda driver: driver.ex_allocate_address(),
    "ex_create_network": lambda driver: driver.ex_create_network("10.0.0.0/16"),
    "ex_get_console_output": lambda driver: driver.ex_get_console_output(node_of(driver)),
}


class Odd(SmallEC2):
    """Responds to every action with what `odd` makes of its name."""

    def __init__(self, odd: Callable[[str], bytes]) -> None:
        super().__init__()
        self.odd = odd

    def _refused(self, request: Any) -> Answer:
        return Answer(200, [("Content-Type", "text/xml")], self.odd(self.calls[-1]["Action"]))


ODD: dict[str, Callable[[str], bytes]] = {
    "another root": lambda _: b"<Response><requestId>r</requestId></Response>",
    "another action's": lambda _: b"<DescribeNothingResponse/>",
    "cut": lambda action: f"<{action}Response><reservationSet><item>".encode(),
    "without its parts": lambda action: f"<{action}Response><unknownSet/></{action}Response>".encode(),
    "text": lambda action: f"<{action}Response>text</{action}Response>".encode(),
    "entities": lambda action: f"<!DOCTYPE x><{action}Response/>".encode(),
    "empty": lambda _: b"",
}
WITHOUT_RESULT = {
    "destroy_node",
    "delete_image",
    "attach_volume",
    "destroy_volume",
    "destroy_volume_snapshot",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", CALLS)
def test_odd_responses(name: str, odd: str) -> None:
    """A response that is not as documented is an error, never an empty list or a success."""
    if odd == "without its parts" and name in WITHOUT_RESULT:
        pytest.skip("the response has no result")
    with Odd(ODD[odd]) as server, small_driver(server, Hasty) as driver:
        with pytest.raises((MalformedResponseError, AmbiguousCreateError)):
            CALLS[name](driver)


@pytest.mark.parametrize("namespace", ["urn:another", "http://ec2.amazonaws.com/doc/2099-01-01/"])
def test_namespaces(namespace: str) -> None:
    """A response in an unexpected namespace is read as usual."""
    content = f"<reservationSet><item><instancesSet>{instance('i-1')}</instancesSet></item></reservationSet>"
    reply = response("DescribeInstances", content, namespace=namespace)
    with SmallEC2(DescribeInstances=lambda _: reply) as server, small_driver(server) as driver:
        assert [node.id for node in driver.list_nodes()] == ["i-1"]


def test_an_action_that_was_not_carried_out() -> None:
    """A response that says false is an error."""
    reply = response("DeleteVolume", "<return>false</return>")
    with SmallEC2(DeleteVolume=lambda _: reply) as server, small_driver(server) as driver:
        with pytest.raises(ProviderError, match="DeleteVolume was not carried out"):
            driver.destroy_volume(volume_of(driver))
