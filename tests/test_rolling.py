"""Rounds over the members of a balancer in memory; `tests/loadbalancer/test_traffic.py` has real traffic."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from polycloud import aio
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidArgumentError, OperationTimeoutError, UnsupportedOperationError
from polycloud.loadbalancer.base import LoadBalancer, Member
from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.loadbalancer.types import MemberCondition, MemberHealth
from polycloud.rolling import RollingError, Step, rolling
from polycloud.sandbox import Sandbox
from support.droplets import ground
from support.octavia import SUBNET

COMPUTE = DummyNodeDriver("key")


class Members(DummyLBDriver):
    """Members of which those at the addresses of `sick` are not healthy."""

    def __init__(self) -> None:
        super().__init__()
        self.sick: set[str | None] = set()

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        found = super().balancer_list_members(balancer)
        for one in found:
            one.health = MemberHealth.DOWN if one.ip in self.sick else MemberHealth.UP
        return found


@pytest.fixture
def driver() -> Members:
    return Members()


@pytest.fixture
def balancer(driver: Members) -> LoadBalancer:
    members = [Member(None, f"10.0.0.{number}", 8080, extra={"weight": number}) for number in (1, 2, 3)]
    return driver.create_balancer("web", 80, members=members)


def nodes(*numbers: int) -> list[Node]:
    return [
        Node(str(one), f"web{one}", NodeState.RUNNING, ["192.0.2.1"], [f"10.0.0.{one}"], COMPUTE)
        for one in numbers
    ]


def ports(balancer: LoadBalancer) -> list[str]:
    return sorted(f"{one.ip}:{one.port}" for one in balancer.list_members())


def test_each_node_in_turn(balancer: LoadBalancer) -> None:
    """Each node is out of the balancer while it is changed, and comes back with its port and weight."""
    seen: list[tuple[str | None, list[str]]] = []
    steps: list[tuple[str | None, Step]] = []
    found = rolling(
        balancer,
        nodes(1, 2, 3),
        lambda node: seen.append((node.name, ports(balancer))),
        on_step=lambda node, step: steps.append((node.name, step)),
    )
    everybody = [f"10.0.0.{number}:8080" for number in (1, 2, 3)]
    assert seen == [
        (f"web{number}", [one for one in everybody if one != f"10.0.0.{number}:8080"]) for number in (1, 2, 3)
    ]
    assert steps == [(f"web{number}", step) for number in (1, 2, 3) for step in Step]
    assert [(one.ip, one.port, one.extra["weight"]) for one in found] == [
        (f"10.0.0.{number}", 8080, number) for number in (1, 2, 3)
    ]
    assert ports(balancer) == everybody


def fails_at(name: str) -> Callable[[Node], None]:
    def do(node: Node) -> None:
        if node.name == name:
            raise RuntimeError("the disk is full")

    return do


def test_the_first_failure_ends_it(balancer: LoadBalancer) -> None:
    """The error names what is done, failed and left, survives a pickle, and the failed node stays out."""
    with pytest.raises(RollingError, match="web2 failed: the disk is full") as caught:
        rolling(balancer, nodes(1, 2, 3), fails_at("web2"))
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        names = [[one.name for one in some] for some in (error.done, error.failed, error.left)]
        assert names == [["web1"], ["web2"], ["web3"]]
        assert "done: web1; left as they were: web3" in str(error)
        assert [str(one) for one in error.errors] == ["the disk is full"]
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert ports(balancer) == ["10.0.0.1:8080", "10.0.0.3:8080"]


def test_members_that_are_not_healthy_again(driver: Members, balancer: LoadBalancer) -> None:
    """A member that is not healthy in time after it was put back is taken out again."""
    with pytest.raises(RollingError, match=r"web1 failed: gave up .* healthy") as caught:
        rolling(balancer, nodes(1, 2), lambda _: driver.sick.add("10.0.0.1"), timeout=0.3)
    assert isinstance(caught.value.errors[0], OperationTimeoutError)
    assert ports(balancer) == ["10.0.0.2:8080", "10.0.0.3:8080"]


def test_several_at_once(balancer: LoadBalancer) -> None:
    """With `at_once`, so many nodes are out at the same time, and never all that take connections."""
    both = threading.Barrier(2, timeout=10)
    fewest: list[int] = []

    def do(_: Node) -> None:
        both.wait()
        fewest.append(len(balancer.list_members()))
        both.wait()

    rolling(balancer, nodes(1, 2), do, at_once=2)
    assert fewest == [1, 1]
    for number in (3, 4):
        with pytest.raises(InvalidArgumentError, match=r"take out web1, web2, web3, .* at most 2"):
            rolling(balancer, nodes(1, 2, 3), lambda _: pytest.fail("it was begun"), at_once=number)
    assert len(ports(balancer)) == 3


def test_the_last_member_stays(driver: Members, balancer: LoadBalancer) -> None:
    """The only member that takes connections is not taken out; one that takes none may be."""
    driver.sick = {"10.0.0.2", "10.0.0.3"}
    with pytest.raises(RollingError, match="stays in the balancer: no other member takes connections"):
        rolling(balancer, nodes(1), lambda _: None)
    assert len(balancer.list_members()) == 3
    rolling(balancer, nodes(2), lambda _: driver.sick.discard("10.0.0.2"))
    assert len(balancer.list_members()) == 3


def test_ports_of_one_node(driver: Members, balancer: LoadBalancer) -> None:
    """A node that is a member at several ports leaves all of them, and comes back to all."""
    driver.balancer_attach_member(balancer, Member(None, "10.0.0.1", 8443))
    seen: list[list[str]] = []
    rolling(balancer, nodes(1), lambda _: seen.append(ports(balancer)))
    assert seen == [["10.0.0.2:8080", "10.0.0.3:8080"]]
    assert ports(balancer) == [
        "10.0.0.1:8080",
        "10.0.0.1:8443",
        "10.0.0.2:8080",
        "10.0.0.3:8080",
    ]


def test_weights_of_nothing(driver: Members) -> None:
    """Members of weight 0 get no connections: the last one with a weight stays, they are not waited for."""
    idle = [Member(None, f"10.0.1.{number}", 80, extra={"weight": 0}) for number in (1, 2)]
    other = driver.create_balancer("other", 80, members=[Member(None, "10.0.0.1", 8080), *idle])
    with pytest.raises(RollingError, match="no other member takes connections"):
        rolling(other, nodes(1), lambda _: None)
    assert len(ports(other)) == 3
    driver.sick.add("10.0.1.1")
    (back,) = rolling(other, idle[:1], lambda _: None, timeout=0.3)
    assert back.extra["weight"] == 0


def test_a_node_that_is_half_out() -> None:
    """If a port of a node cannot be taken out, a note says at which ports the node is out."""

    class Stuck(Members):
        def balancer_suspend_member(
            self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
        ) -> Member:
            if member.port == 8443:
                raise OperationTimeoutError("the connections do not end")
            return super().balancer_suspend_member(balancer, member, wait_drained)

    stuck = Stuck()
    members = [Member(None, ip, port) for ip in ("10.0.0.1", "10.0.0.2") for port in (8080, 8443)]
    made = stuck.create_balancer("web", 80, members=members)
    with pytest.raises(RollingError) as caught:
        rolling(made, nodes(1), lambda _: None)
    assert caught.value.errors[0].__notes__ == ["out of the balancer 'web': 10.0.0.1:8080"]
    assert ports(made) == ["10.0.0.1:8443", "10.0.0.2:8080", "10.0.0.2:8443"]


def test_settings_of_members() -> None:
    """A member comes back with all its settings, and one that was disabled stays so and is not waited for."""
    given: list[dict[str, Any]] = [
        {"backup": True, "monitor_port": 9000, "name": "first", "weight": 7},
        {"condition": MemberCondition.DISABLED},
        {},
    ]
    with Sandbox("openstack", ssh="off", balancing=0.01) as cloud:
        driver = OctaviaLBDriver(*cloud.credentials, **cloud.options)
        members = [Member(None, f"192.0.2.{number}", 80, extra=extra) for number, extra in enumerate(given)]
        options: dict[str, Any] = {"ex_vip_subnet_id": SUBNET, "ex_health_check": HealthCheck(protocol="tcp")}
        made = driver.create_balancer("web", 80, members=members, **options)
        driver.wait_until_running(made)
        driver.wait_until_healthy(made, [members[0], members[2]])
        before = [(one.ip, one.extra) for one in made.list_members()]
        rolling(made, made.list_members(), lambda _: None, wait_drained=None, timeout=20)
        settings = ("backup", "monitor_port", "name", "weight", "condition")
        assert [[extra[name] for name in settings] for _, extra in before] == [
            [one.extra[name] for name in settings] for one in made.list_members()
        ]
        assert before[0][1]["monitor_port"] == 9000


def test_wrong_arguments(balancer: LoadBalancer) -> None:
    """Nodes that are not members, members that are given twice and other wrong arguments change nothing."""

    def do(_: Any) -> None:
        pytest.fail("nothing may be done")

    twice = [*nodes(1), balancer.list_members()[0]]
    wrong: list[tuple[Any, Any, Any, dict[str, Any]]] = [
        (balancer, nodes(1, 7, 8), do, {}),
        (balancer, twice, do, {}),
        (balancer, ["web1"], do, {}),
        (balancer, nodes(1), None, {}),
        (balancer, nodes(1)[0], do, {}),
        (balancer, "web1", do, {}),
        (balancer, nodes(1), do, {"on_step": "print"}),
        ("web", nodes(1), do, {}),
        *((balancer, nodes(1), do, {"at_once": one}) for one in (0, True, "2")),
        *((balancer, nodes(1), do, {name: -1}) for name in ("wait_drained", "timeout")),
    ]
    for first, second, third, options in wrong:
        with pytest.raises(InvalidArgumentError):
            rolling(first, second, third, **options)
    with pytest.raises(InvalidArgumentError, match="wait_drained must be"):
        rolling(balancer, nodes(1), do, wait_drained=True)
    with pytest.raises(InvalidArgumentError, match="web7, web8"):
        rolling(balancer, nodes(1, 7, 8), do)
    assert len(balancer.list_members()) == 3


def test_interruptions(balancer: LoadBalancer) -> None:
    """An interruption says which node is out of the balancer, and nothing further is done."""

    def do(_: Node) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        rolling(balancer, nodes(1, 2), do)
    assert caught.value.__notes__ == ["web1 is out of the balancer 'web'"]
    assert ports(balancer) == ["10.0.0.2:8080", "10.0.0.3:8080"]


@pytest.mark.parametrize(
    ("method", "note"),
    [
        ("balancer_attach_member", "web1 may be out of the balancer 'web'"),
        ("wait_until_healthy", "web1 is not known to be healthy, but back in the balancer 'web'"),
    ],
)
def test_interruptions_on_the_way_back(method: str, note: str) -> None:
    """An interruption while a node is put back says whether the balancer has it."""

    class Interrupted(DummyLBDriver):
        def __getattribute__(self, name: str) -> Any:
            if name == method and self.__dict__.get("is_armed"):
                raise KeyboardInterrupt
            return super().__getattribute__(name)

    driver = Interrupted()
    balancer = driver.create_balancer(
        "web", 80, members=[Member(None, f"10.0.0.{one}", 80) for one in (1, 2)]
    )

    def do(_: Node) -> None:
        vars(driver)["is_armed"] = True

    with pytest.raises(KeyboardInterrupt) as caught:
        rolling(balancer, nodes(1), do)
    assert caught.value.__notes__ == [note]
    assert (len(ports(balancer)) == 2) is ("back in" in note)


def test_a_member_that_somebody_else_puts_back(driver: Members, balancer: LoadBalancer) -> None:
    """A member that is attached again before its turn ends is left attached, and the round goes on."""

    def do(node: Node) -> None:
        if node.name == "web1":
            driver.balancer_attach_member(balancer, Member(None, "10.0.0.1", 8080))

    back = rolling(balancer, nodes(1, 2), do)
    assert [(one.ip, one.health) for one in back] == [(f"10.0.0.{one}", MemberHealth.UP) for one in (1, 2)]
    assert len(ports(balancer)) == 3


def test_spellings_of_addresses(driver: Members) -> None:
    """Nodes and members are found by an IPv6 address in any spelling."""
    given = [Member(None, f"2001:db8::{one}", 80) for one in "ab"]
    balancer = driver.create_balancer("six", 80, members=given)
    node = Node("1", "web1", NodeState.RUNNING, ["2001:0DB8:0::A"], [], COMPUTE)
    assert rolling(balancer, [node], lambda _: None)[0].ip == "2001:db8::a"
    assert rolling(balancer, [Member(None, "2001:0DB8:0::B", 80)], lambda _: None)[0].ip == "2001:db8::b"


def test_an_interruption_of_several(balancer: LoadBalancer) -> None:
    """If several nodes are out at once, an interruption names all that may be out."""
    both = threading.Barrier(3, timeout=10)
    over = threading.Event()

    def do(_: Node) -> None:
        both.wait()
        over.wait(10)

    def interrupt() -> None:
        both.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        rolling(balancer, nodes(1, 2, 3), do, at_once=2)
    over.set()
    (note,) = caught.value.__notes__
    assert note.startswith("may be out of the balancer 'web', or drain: ")
    assert sorted(note.rpartition(": ")[2].split(", ")) == ["10.0.0.1:8080", "10.0.0.2:8080"]


def test_event_loops(driver: Members, balancer: LoadBalancer) -> None:
    """On an event loop, `do` may be a coroutine function, and nodes that are out at once run side by side."""
    running = most = 0

    async def do(_: Node) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1

    async def main() -> list[Member]:
        async with aio.wrap(driver) as cloud:
            return await cloud.run(rolling, balancer, nodes(1, 2), do, at_once=2)

    assert len(asyncio.run(main())) == 2
    assert most == 2
    assert len(rolling(balancer, nodes(1, 2), do)) == 2


def test_providers_own_nodes() -> None:
    """Members with ids instead of addresses are found; where draining is not offered, nothing changes."""
    with (
        ground() as here,
        DigitalOceanLBDriver(here.cloud.credentials[0], region="nyc3", **here.cloud.options) as driver,
    ):
        some = here.nodes[:3]
        members = [Member(one.id, None, 80) for one in some]
        web = driver.wait_until_running(driver.create_balancer("web", 80, members=members))
        with pytest.raises(UnsupportedOperationError, match="give wait_drained=None"):
            rolling(web, some, lambda _: pytest.fail("nothing may be done"))
        assert len(web.list_members()) == 3
        out: list[set[str | None]] = []
        rolling(web, some, lambda _: out.append({one.id for one in web.list_members()}), wait_drained=None)
        everybody = {one.id for one in some}
        assert out == [everybody - {one.id} for one in some]
        assert {one.id for one in web.list_members()} == everybody
