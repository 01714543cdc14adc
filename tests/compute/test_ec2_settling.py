"""EC2 while it settles: ids that are not known yet, states that pass, nodes that will not run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polycloud.compute.drivers.ec2 import EC2Address, EC2NetworkSubnet, EC2NodeDriver
from polycloud.compute.objects import Node, StorageVolume
from polycloud.compute.types import NodeState
from polycloud.concurrency.calls import call_options
from polycloud.errors import ConflictError, NotFoundError, PolycloudError, UnavailableError
from polycloud.http.retry import RetryPolicy
from polycloud.testing.loopback import Answer
from support.clock import ends_within
from support.ec2 import SmallEC2, instance, refusal, response

UNKNOWN = 2
"""How often a new id is not found."""
NEW_VOLUME = "vol-00000000000000001"
NEW_SNAPSHOT = "snap-00000000000000001"
DONE = "<return>true</return>"


class Hasty(EC2NodeDriver):
    settle_time = busy_time = 0.5


class Settling(SmallEC2):
    """An EC2 that does not find a new id in the first calls by it, and whose volume's states pass."""

    def __init__(self, *states: str, **acts: Any) -> None:
        super().__init__(**acts)
        self.unknown = UNKNOWN
        self.states = list(states)
        volume = f"<volumeId>{NEW_VOLUME}</volumeId><size>8</size>"
        snapshot = f"<snapshotId>{NEW_SNAPSHOT}</snapshotId><status>pending</status>"
        known: dict[str, Callable[[dict[str, str]], Answer]] = {
            "CreateVolume": lambda _: response("CreateVolume", volume),
            "CreateSnapshot": lambda _: response("CreateSnapshot", snapshot),
            "DescribeVolumes": lambda _: response(
                "DescribeVolumes", f"<volumeSet><item>{volume}{self._state()}</item></volumeSet>"
            ),
            "DescribeSnapshots": lambda _: response(
                "DescribeSnapshots", f"<snapshotSet><item>{snapshot}</item></snapshotSet>"
            ),
            "DescribeInstances": lambda _: self.described(),
        }
        for action in ("AttachVolume", "DetachVolume", "DeleteVolume", "DeleteSnapshot", "CreateTags"):
            known[action] = lambda fields: response(fields["Action"], DONE)
        for action in ("RebootInstances", "StopInstances", "ModifyInstanceAttribute", "TerminateInstances"):
            known[action] = lambda fields: response(fields["Action"], DONE)
        self.acts |= {name: self._first_unknown(act) for name, act in {**known, **acts}.items()}

    def _state(self) -> str:
        """The next state of the volume, and of its attachment after a slash."""
        state, _, attachment = (self.states.pop(0) if self.states else "available").partition("/")
        of_it = (
            f"<item><instanceId>i-1</instanceId><status>{attachment}</status></item>" if attachment else ""
        )
        return f"<status>{state}</status><attachmentSet>{of_it}</attachmentSet>"

    def _first_unknown(self, act: Any) -> Any:
        def find(fields: dict[str, str]) -> Answer:
            by_id = next(
                (value for value in fields.values() if value.startswith(("i-", "vol-", "snap-"))), ""
            )
            if by_id and self.unknown > 0:
                self.unknown -= 1
                kind = {"i": "InstanceID", "vol": "Volume", "snap": "Snapshot"}[by_id.split("-")[0]]
                return refusal(f"Invalid{kind}.NotFound", f"The ID '{by_id}' does not exist")
            answer: Answer = act(fields)
            return answer

        return find


def driver_of(server: SmallEC2, kind: type[EC2NodeDriver] = EC2NodeDriver) -> EC2NodeDriver:
    return kind("AKIATEST", "very secret", retry=RetryPolicy(attempts=1), **server.options)


@pytest.fixture
def server() -> Iterator[Settling]:
    with Settling() as server:
        yield server


def create(driver: EC2NodeDriver) -> Node:
    return driver.create_node("web", "t3.micro", "ami-1")  # type: ignore[arg-type] # ids will do


def volume_of(driver: EC2NodeDriver) -> StorageVolume:
    return driver.create_volume(8, "data", "us-east-1a")  # type: ignore[arg-type] # a zone's name will do


# Ids that are not known yet

BY_ID: dict[str, Callable[[EC2NodeDriver], Any]] = {
    "describe": lambda driver: driver.get_node(create(driver).id),
    "tags": lambda driver: driver.ex_create_tags(create(driver), {"a": "b"}),
    "reboot": lambda driver: create(driver).reboot(),
    "stop": lambda driver: create(driver).stop_node(),
    "destroy": lambda driver: create(driver).destroy(),
    "modify": lambda driver: driver.ex_modify_instance_attribute(create(driver), {"EbsOptimized": "true"}),
    "attach": lambda driver: driver.attach_volume(create(driver), volume_of(driver)),
    "snapshot": lambda driver: driver.create_volume_snapshot(volume_of(driver), "daily"),
    "destroy a volume": lambda driver: driver.destroy_volume(volume_of(driver)),
    "list a snapshot": lambda driver: driver.list_snapshots(
        driver.create_volume_snapshot(volume_of(driver), "daily")
    ),
}


@pytest.mark.parametrize("call", BY_ID.values(), ids=BY_ID)
def test_an_id_that_is_not_known_yet(server: Settling, call: Callable[[EC2NodeDriver], Any]) -> None:
    """A call by an id that a create has just returned is repeated until the provider knows the id."""
    with driver_of(server) as driver:
        assert call(driver)
    assert server.unknown == 0


def test_an_id_that_is_not_fresh(server: Settling) -> None:
    """An id that the driver did not create is not found at once, by one request."""
    server.unknown = 100
    with driver_of(server) as driver, ends_within(5), pytest.raises(NotFoundError):
        driver.get_node("i-12345678")
    assert len(server.calls) == 1


def test_an_id_that_was_ended(server: Settling) -> None:
    """An id that the driver created and destroyed is not found at once."""
    server.unknown = 0
    with driver_of(server) as driver:
        node = create(driver)
        assert node.destroy()
        server.unknown = 100
        with ends_within(5), pytest.raises(NotFoundError):
            driver.get_node(node.id)


def test_a_fresh_id_within_a_deadline(server: Settling) -> None:
    """A fresh id that stays unknown ends with the deadline."""
    server.unknown = 10_000
    with driver_of(server) as driver:
        node = create(driver)
        began = time.monotonic()
        with ends_within(10), pytest.raises(PolycloudError), call_options(deadline=0.5):
            node.reboot()
        assert time.monotonic() - began >= 0.4


# States that pass


def busy(code: str, times: int = 1) -> Callable[[dict[str, str]], Answer]:
    """An act that is refused with a code so many times."""
    left = [refusal(code)] * times

    def act(fields: dict[str, str]) -> Answer:
        return left.pop() if left else response(fields["Action"], DONE)

    return act


STATES: dict[str, tuple[str, str, tuple[str, ...], Callable[[EC2NodeDriver, StorageVolume], Any]]] = {
    "attach a new one": (
        *("AttachVolume", "IncorrectState", ("creating", "creating", "available")),
        lambda driver, volume: driver.attach_volume(create(driver), volume, "/dev/sdf"),
    ),
    "attach a detached one": (
        *("AttachVolume", "VolumeInUse", ("in-use/detaching", "available")),
        lambda driver, volume: driver.attach_volume(create(driver), volume, "/dev/sdf"),
    ),
    "destroy a detached one": (
        *("DeleteVolume", "VolumeInUse", ("in-use/detaching", "available")),
        lambda driver, volume: driver.destroy_volume(volume),
    ),
    "detach an attached one": (
        *("DetachVolume", "IncorrectState", ("in-use/attached", "in-use/attaching", "in-use/attached")),
        lambda driver, volume: driver.detach_volume(volume),
    ),
}


@pytest.mark.parametrize(("action", "code", "states", "call"), STATES.values(), ids=STATES)
def test_a_state_that_passes(
    action: str, code: str, states: tuple[str, ...], call: Callable[[EC2NodeDriver, StorageVolume], Any]
) -> None:
    """What is refused while another operation goes on is sent again when that has ended."""
    with Settling(*states, **{action: busy(code)}) as server, driver_of(server) as driver:
        server.unknown = 0
        assert call(driver, volume_of(driver)) is True
        assert (server.count(action), server.states) == (2, [])


def test_a_state_that_stays() -> None:
    """A refusal for a state that does not pass by itself is raised, after one look and one more request."""
    acts: dict[str, Any] = {"DeleteVolume": busy("VolumeInUse", 10)}
    with Settling("in-use/attached", **acts) as server, driver_of(server) as driver, ends_within(10):
        server.unknown = 0
        with pytest.raises(ConflictError, match="VolumeInUse"):
            driver.destroy_volume(volume_of(driver))
        assert server.count("DeleteVolume") == 2


def test_a_state_that_takes_too_long() -> None:
    """A refusal for a state that takes longer than `busy_time` to pass is raised."""
    acts: dict[str, Any] = {"DeleteVolume": busy("VolumeInUse", 10)}
    states = ["in-use/detaching"] * 1000
    with Settling(*states, **acts) as server, driver_of(server, Hasty) as driver, ends_within(20):
        server.unknown = 0
        with pytest.raises(ConflictError, match="VolumeInUse"):
            driver.destroy_volume(volume_of(driver))
        assert server.count("DeleteVolume") == 1


def node_of(driver: EC2NodeDriver) -> Node:
    return Node("i-1", "web", NodeState.PENDING, [], [], driver)


AFTER_A_NODE: dict[str, tuple[str, str, Callable[[EC2NodeDriver], Any]]] = {
    "stop": ("StopInstances", "IncorrectInstanceState", lambda driver: driver.stop_node(node_of(driver))),
    "modify": (
        *("ModifyInstanceAttribute", "IncorrectInstanceState"),
        lambda driver: driver.ex_modify_instance_attribute(
            node_of(driver), {"InstanceType.Value": "t3.nano"}
        ),
    ),
    "address": (
        *("AssociateAddress", "InvalidInstanceID"),
        lambda driver: (
            driver.ex_associate_address_with_node(
                node_of(driver), EC2Address("192.0.2.1", "vpc", None, {"allocation_id": "eipalloc-1"})
            )
            is None
        ),
    ),
    "group": (
        *("DeleteSecurityGroup", "DependencyViolation"),
        lambda driver: driver.ex_delete_security_group_by_id("sg-1"),
    ),
    "group by name": (
        *("DeleteSecurityGroup", "InvalidGroup.InUse"),
        lambda driver: driver.ex_delete_security_group_by_name("web"),
    ),
    "subnet": (
        *("DeleteSubnet", "DependencyViolation"),
        lambda driver: driver.ex_delete_subnet(EC2NetworkSubnet("subnet-1", "web", "available")),
    ),
}


@pytest.mark.parametrize(("action", "code", "call"), AFTER_A_NODE.values(), ids=AFTER_A_NODE)
def test_a_node_that_changes(action: str, code: str, call: Callable[[EC2NodeDriver], Any]) -> None:
    """What a node that starts or stops does not allow is sent again when it has done so."""
    states = ["pending", "shutting-down", "terminated"]

    def described(_: dict[str, str]) -> Answer:
        of_it = f"<code>0</code><name>{states.pop(0)}</name>"
        item = f"<item><instancesSet>{instance('i-1', instanceState=of_it)}</instancesSet></item>"
        return response("DescribeInstances", f"<reservationSet>{item}</reservationSet>")

    acts: dict[str, Any] = {"DescribeInstances": described, action: busy(code)}
    with Settling(**acts) as server, driver_of(server) as driver:
        server.unknown = 0
        assert call(driver)
        assert (server.count(action), states) == (2, [])


# Nodes that will not run


def test_why_a_node_will_not_run() -> None:
    """A node that was terminated while it was waited for says why, in the provider's words."""
    why = "Client.VolumeLimitExceeded: Volume limit exceeded"
    dead = instance(
        "i-1",
        instanceState="<code>48</code><name>terminated</name>",
        stateReason=f"<code>Client.VolumeLimitExceeded</code><message>{why}</message>",
    )
    item = f"<reservationSet><item><instancesSet>{dead}</instancesSet></item></reservationSet>"
    with SmallEC2(DescribeInstances=lambda _: response("DescribeInstances", item)) as server:
        with driver_of(server) as driver, pytest.raises(PolycloudError, match=f"will not run: {why}"):
            driver.wait_until_running([Node("i-1", "web", NodeState.PENDING, [], [], driver)], timeout=30)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("InsufficientInstanceCapacity", 500, UnavailableError), ("Unsupported", 503, UnavailableError)],
)
def test_a_definite_word_with_a_lost_status(code: str, status: int, error: type[PolycloudError]) -> None:
    """A create that is refused by a code of the provider's own is no lost one, whatever the status."""
    acts: dict[str, Any] = {"RunInstances": lambda _: refusal(code, status=status)}
    with SmallEC2(**acts) as server, driver_of(server) as driver, ends_within(10), pytest.raises(error):
        create(driver)
