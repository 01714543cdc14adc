"""The base of drivers of load balancers, on a small driver whose cloud builds balancers."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from polycloud import aio, call_options
from polycloud.compute.base import Node, NodeState
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer import base, types
from polycloud.loadbalancer.checks import (
    check_member,
    check_members,
    check_name,
    check_port,
    require_check,
    require_sticky,
    weight_of,
)
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.listeners import complete
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.providers import get_driver, names
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerAlreadyExistsError,
    BalancerBusyError,
    BalancerDoesNotExistError,
    BalancerError,
    BalancerInUseError,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    MemberError,
    Provider,
    State,
)
from support.balancers import KEY, SmallCloud, SmallLBDriver
from support.clock import ends_within


@pytest.fixture
def cloud() -> Iterator[SmallCloud]:
    with SmallCloud(building=0) as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: SmallCloud) -> Iterator[SmallLBDriver]:
    with SmallLBDriver(KEY, **cloud.options) as driver:
        yield driver


@pytest.fixture
def balancer(driver: SmallLBDriver) -> LoadBalancer:
    return driver.wait_until_running(driver.create_balancer("web", 80))


def address(number: int) -> Member:
    return Member(None, f"192.0.2.{number}", 8080)


# Waits


def test_wait_until_running(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """The wait for a pending balancer ends when it runs, and returns it with its address."""
    cloud.building = 3
    made = driver.create_balancer("web", 80)
    assert (made.state, made.ip) == (State.PENDING, None)
    running = driver.wait_until_running(made, wait_period=0.05, timeout=20)
    assert (running.id, running.state, running.port) == (made.id, State.RUNNING, 80)
    assert running.ip is not None
    assert cloud.requests.count(f"GET /balancers/{made.id}") == 3


def test_running_without_an_address(cloud: SmallCloud, driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """A balancer that runs and has no address yet is waited for."""
    cloud.balancers[balancer.id]["ip"] = None
    timer = threading.Timer(0.2, cloud.balancers[balancer.id].update, [{"ip": "198.51.100.77"}])
    timer.start()
    assert driver.wait_until_running(balancer, 0.05, 20).ip == "198.51.100.77"


def test_a_balancer_that_fails(cloud: SmallCloud, driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """The wait for a balancer that has failed ends at once with an error that names it and its state."""
    cloud.balancers[balancer.id]["state"] = "failed"
    with ends_within(10), pytest.raises(BalancerError, match=r"'web' \(b-1\) is error") as caught:
        driver.wait_until_running(balancer, timeout=60)
    assert (caught.value.balancer_id, caught.value.driver) == (balancer.id, driver)


def test_a_balancer_that_goes(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """The wait for a balancer that is destroyed meanwhile ends at once."""
    driver.destroy_balancer(balancer)
    with ends_within(10), pytest.raises(BalancerDoesNotExistError):
        driver.wait_until_running(balancer, timeout=60)


def test_a_balancer_that_never_runs(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """The wait for a balancer ends after its timeout, and its error names the balancer."""
    cloud.building = 10**6
    made = driver.create_balancer("web", 80)
    with ends_within(10), pytest.raises(OperationTimeoutError, match="the balancer 'web'") as caught:
        driver.wait_until_running(made, wait_period=0.05, timeout=0.3)
    assert caught.value.driver is driver


def test_wait_until_healthy(cloud: SmallCloud, driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """The wait for members ends when all that were asked for are up, and returns them as they are then."""
    made = [driver.balancer_attach_member(balancer, address(number)) for number in (1, 2, 3)]
    first, second, third = cloud.members[balancer.id]
    second["health"] = third["health"] = "down"
    assert driver.wait_until_healthy(balancer, [made[0]])[0].health == "up"
    timer = threading.Timer(0.2, second.update, [{"health": "up"}])
    timer.start()
    found = driver.wait_until_healthy(balancer, [address(2), address(1)], wait_period=0.05, timeout=20)
    assert [(one.id, one.health) for one in found] == [(second["id"], "up"), (first["id"], "up")]


def test_unhealthy_members_are_named(
    cloud: SmallCloud, driver: SmallLBDriver, balancer: LoadBalancer
) -> None:
    """Members that stay unhealthy are named when the time is over, and so are those that are not attached."""
    for number in (1, 2):
        driver.balancer_attach_member(balancer, address(number))
    cloud.members[balancer.id][1]["health"] = "down"
    asked: dict[str, Any] = {"wait_period": 0.05, "timeout": 0.2}
    for members, expected in (
        (None, "192.0.2.2:8080"),
        ([address(1), address(2), address(3)], "192.0.2.2:8080, 192.0.2.3:8080"),
    ):
        with pytest.raises(OperationTimeoutError) as caught:
            driver.wait_until_healthy(balancer, members, **asked)
        assert caught.value.__notes__ == [f"not healthy: {expected}"]
        assert caught.value.driver is driver


def test_no_members_are_not_healthy(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """A balancer without members does not count as healthy, and an empty list of members is refused."""
    with pytest.raises(InvalidArgumentError, match="members must name at least one, or be None for all"):
        driver.wait_until_healthy(balancer, [])
    with pytest.raises(OperationTimeoutError) as caught:
        driver.wait_until_healthy(balancer, timeout=0.1)
    assert caught.value.__notes__ == ["not healthy: there are no members"]


def test_health_that_is_not_told(
    driver: SmallLBDriver, balancer: LoadBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a provider that does not tell of health the wait is refused before anything is sent."""
    monkeypatch.setattr(SmallLBDriver, "reports_health", False)
    driver.connection.port = 1
    with pytest.raises(UnsupportedOperationError, match="does not say whether members are healthy"):
        driver.wait_until_healthy(balancer)


@pytest.mark.parametrize("wrong", [{"timeout": -1}, {"timeout": float("nan")}, {"wait_period": "soon"}])
def test_times_of_waits(driver: SmallLBDriver, balancer: LoadBalancer, wrong: dict[str, Any]) -> None:
    """Invalid times of a wait are refused by their names."""
    (name,) = wrong
    for wait in (driver.wait_until_running, driver.wait_until_healthy):
        with pytest.raises(InvalidArgumentError, match=name):
            wait(balancer, **wrong)


def test_times_of_draining(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """An invalid time for connections to end is refused by its name, and nothing changes."""
    member = driver.balancer_attach_member(balancer, address(1))
    for wrong in (-1, float("nan"), "soon"):
        with pytest.raises(InvalidArgumentError, match="wait_drained"):
            driver.balancer_detach_member(balancer, member, wait_drained=wrong)  # type: ignore[arg-type]
    assert [one.id for one in balancer.list_members()] == [member.id]


# Changes


def test_a_busy_balancer_is_waited_for(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """A change that the provider refuses while it builds the balancer is repeated until it is accepted."""
    cloud.building = 6
    made = driver.create_balancer("web", 80)
    member = driver.balancer_attach_member(made, address(1))
    assert member.ip == "192.0.2.1"
    assert cloud.requests.count(f"POST /balancers/{made.id}/members") > 1


def test_a_balancer_that_stays_busy(
    cloud: SmallCloud, driver: SmallLBDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of a balancer that stays busy ends after `busy_time` with `BalancerBusyError`."""
    monkeypatch.setattr(SmallLBDriver, "busy_time", 0.4)
    cloud.building = 10**6
    made = driver.create_balancer("web", 80)
    for change in (
        lambda: driver.balancer_attach_member(made, address(1)),
        lambda: driver.update_balancer(made, port=81),
        lambda: driver.destroy_balancer(made),
    ):
        with ends_within(10), pytest.raises(BalancerBusyError, match="is building") as caught:
            change()
        assert caught.value.balancer_id == made.id
        assert caught.value.exchange is not None
        assert caught.value.exchange.status == 409


def test_a_deadline_ends_a_busy_wait(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """The deadline of a call ends a change that waits for a busy balancer."""
    cloud.building = 10**6
    made = driver.create_balancer("web", 80)
    with ends_within(10), call_options(deadline=0.4), pytest.raises(PolycloudError, match="deadline"):
        driver.balancer_attach_member(made, address(1))


def test_changes_of_one_balancer_take_turns(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """Changes of one balancer are made one after another, by threads and by drivers of one cloud."""
    running: list[int] = []
    most: list[int] = []

    def change() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)  # noqa: TID251 - threads only
        running.pop()

    with SmallLBDriver(KEY, host="127.0.0.1", port=driver.connection.port, secure=False) as other:
        drivers = [driver, other] * 4
        threads = [threading.Thread(target=one._changing, args=(balancer, change)) for one in drivers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == [1] * len(drivers)


def test_changes_of_two_balancers_do_not(driver: SmallLBDriver) -> None:
    """Changes of different balancers are made at the same time."""
    both = threading.Barrier(2, timeout=20)
    pair = [driver.create_balancer(name, 80) for name in ("a", "b")]
    threads = [threading.Thread(target=driver._changing, args=(one, both.wait)) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not both.broken


def test_a_change_that_fails_lets_the_next_one_run(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """A change that fails raises its own error, and does not keep the balancer."""
    with pytest.raises(ZeroDivisionError):
        driver._changing(balancer, lambda: 1 / 0)
    assert driver._changing(balancer, lambda: 7) == 7


def test_changes_on_an_event_loop(cloud: SmallCloud) -> None:
    """Tasks of an event loop attach members to one balancer; of two that attach the same, one is refused."""

    async def main() -> tuple[list[Any], list[Member]]:
        async with aio.wrap(SmallLBDriver(KEY, **cloud.options)) as balancers:
            made = await balancers.wait_until_running(await balancers.create_balancer("web", 80))
            wanted = [address(number) for number in (1, 2, 3, 3)]
            done = await asyncio.gather(
                *(balancers.balancer_attach_member(made, one) for one in wanted), return_exceptions=True
            )
            return done, await balancers.balancer_list_members(made)

    done, members = asyncio.run(main())
    assert [type(one) for one in done].count(MemberAlreadyExistsError) == 1
    assert sorted(str(one.ip) for one in members) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


# Creates


def test_a_failed_create_leaves_nothing(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """A balancer whose members cannot be attached is destroyed, and the error is that of the member."""
    reply = cloud.reply

    def refuse(request: Any) -> tuple[int, Any]:
        wrong = request.method == "POST" and b"192.0.2.2" in request.body
        return (422, {"message": "no such server"}) if wrong else reply(request)

    cloud.reply = refuse  # type: ignore[method-assign]
    with pytest.raises(ProviderHTTPError, match="no such server"):
        driver.create_balancer("web", 80, members=[address(1), address(2)])
    assert driver.list_balancers() == []


def test_what_cannot_be_destroyed_is_named(
    cloud: SmallCloud, driver: SmallLBDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a balancer whose create has failed cannot be destroyed either, a note names it."""
    monkeypatch.setattr(SmallLBDriver, "busy_time", 0.1)
    cloud.building = 10**6
    with pytest.raises(BalancerBusyError) as caught:
        driver.create_balancer("web", 80, members=[address(1)])
    (note,) = caught.value.__notes__
    assert note.startswith("the balancer 'web' (b-1) could not be destroyed: ")


def test_what_is_gone_is_not_named(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """If a balancer whose create fails is gone already, the error has no note about it."""
    reply = cloud.reply

    def lose(request: Any) -> tuple[int, Any]:
        if request.method == "POST" and request.path.endswith("/members"):
            cloud.balancers.clear()
        return reply(request)

    cloud.reply = lose  # type: ignore[method-assign]
    with pytest.raises(BalancerDoesNotExistError) as caught:
        driver.create_balancer("web", 80, members=[address(1)])
    assert getattr(caught.value, "__notes__", []) == []


def test_a_create_in_doubt(cloud: SmallCloud, driver: SmallLBDriver) -> None:
    """A create that may have happened, and whose balancer is not found, is ambiguous and names its driver."""
    reply = cloud.reply

    def fail(request: Any) -> tuple[int, Any]:
        return (500, {}) if request.method == "POST" else reply(request)

    cloud.reply = fail  # type: ignore[method-assign]
    driver.settle_time = 0.2  # type: ignore[misc] # of this driver only
    with pytest.raises(AmbiguousCreateError, match="'web'") as caught:
        driver.create_balancer("web", 80)
    assert caught.value.driver is driver


# Arguments


@pytest.mark.parametrize("port", [0, -1, 65536, True, "80", 80.0, None])
def test_ports(port: Any) -> None:
    """A port is an int from 1 to 65535; the message says what was given."""
    assert [check_port(one) for one in (1, 65535)] == [1, 65535]
    with pytest.raises(InvalidArgumentError, match=r"port must be an int from 1 to 65535, got "):
        check_port(port)


@pytest.mark.parametrize("name", ["", "  ", None, 7])
def test_names(name: Any) -> None:
    """A name is a non-empty str."""
    assert [check_name(one) for one in ("web", "Büro 2", "🎈", "$(x);-")] == ["web", "Büro 2", "🎈", "$(x);-"]
    with pytest.raises(InvalidArgumentError, match="name must be a non-empty str, got "):
        check_name(name)


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\x1b[2J", "a\ud800"])
def test_names_with_control_characters(name: str) -> None:
    """A name has neither control characters nor halves of surrogate pairs."""
    with pytest.raises(InvalidArgumentError, match="name must not have control characters, got ") as caught:
        check_name(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("192.0.2.1", "member must be a Member, got '192.0.2.1'"),
        (Member("i-1", "192.0.2.1", None), "the member's port must not be None"),
        (Member("i-1", "192.0.2.1", 0), "the member's port must be an int from 1 to 65535, got 0"),
        (Member("i-1", None, 80), "the member's ip must be an address, got None"),
        (Member(None, "192.0.2.1", 80, extra=cast("Any", 5)), "the member's extra must be a dict, got 5"),
        (Member("i-1", "host.example", 80), "the member's ip must be an address, got 'host.example'"),
        *(
            (Member(None, ip, 80), f"the member's ip must be the address of one server, got {ip}")
            for ip in ("0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255")
        ),
    ],
)
def test_members(member: Any, message: str) -> None:
    """A member has an address and a port; the message says what was given instead."""
    assert check_member(address(1)).port == 8080
    assert check_member(Member(None, "2001:db8::1", 80)).ip == "2001:db8::1"
    with pytest.raises(InvalidArgumentError) as caught:
        check_member(member)
    assert str(caught.value).startswith(message)


def test_spellings_of_addresses(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """An IPv6 address in another spelling is the same member."""
    first = driver.balancer_attach_member(balancer, Member(None, "2001:db8::a", 80))
    other = Member(None, "2001:0DB8:0::A", 80)
    with pytest.raises(MemberAlreadyExistsError) as caught:
        driver.balancer_attach_member(balancer, other)
    assert caught.value.member_id == first.id
    assert driver.balancer_detach_member(balancer, other)


@pytest.mark.parametrize("weight", [-1, 257, True, "5", 1.5, float("nan"), []])
def test_weights(weight: Any) -> None:
    """A weight is an int of the provider's range; the message says what was given."""
    given = [weight_of(Member(None, None, None, extra={"weight": one}), 0, 256) for one in (None, 0, 256)]
    assert given == [None, 0, 256]
    with pytest.raises(InvalidArgumentError, match=r"weight must be an int from 0 to 256, got "):
        weight_of(Member(None, None, None, extra={"weight": weight}), 0, 256)


def test_members_by_id() -> None:
    """Where the provider has ids, a member may have one instead of an address, and of a port."""
    assert check_member(Member("i-1", None, None), by_id=True).id == "i-1"
    assert check_member(address(1), by_id=True).port == 8080
    for wrong in (Member(None, None, 80), Member("", None, None), Member("i-1", None, 70000)):
        with pytest.raises(InvalidArgumentError):
            check_member(wrong, by_id=True)


def test_members_of_a_new_balancer() -> None:
    """A member that is given twice, by its address or its id, is refused; None is an empty list."""
    assert check_members([address(1), address(2)])[1].ip == "192.0.2.2"
    assert check_members(None) == []  # type: ignore[arg-type] # as Libcloud's callers give it
    with pytest.raises(InvalidArgumentError, match=r"the member 192\.0\.2\.1:8080 is given twice"):
        check_members([address(1), address(2), address(1)])
    with pytest.raises(InvalidArgumentError, match=r"the member \[2001:db8::1\]:80 is given twice"):
        check_members([Member(None, "2001:db8::1", 80)] * 2)
    with pytest.raises(InvalidArgumentError, match="the member i-1 is given twice"):
        check_members([Member("i-1", None, None), Member("i-1", None, None)], by_id=True)


def test_protocols_and_algorithms(driver: SmallLBDriver) -> None:
    """Protocols are found in any case; what the provider does not have is refused with what it has."""
    assert driver._protocol("HTTP") == "HTTP"
    assert driver._algorithm(1) == driver._algorithm(Algorithm.ROUND_ROBIN) == "rr"
    assert driver.list_protocols() == ["http", "tcp"]
    assert driver.list_supported_algorithms() == [Algorithm.ROUND_ROBIN, Algorithm.LEAST_CONNECTIONS]
    with pytest.raises(UnsupportedOperationError, match="Small has no algorithm True"):
        driver._algorithm(True)
    with pytest.raises(UnsupportedOperationError, match="Small has no protocol 'udp', only http, tcp"):
        driver._protocol("udp")
    message = "Small has no algorithm random, only round_robin, least_connections"
    with pytest.raises(UnsupportedOperationError, match=message):
        driver._algorithm(Algorithm.RANDOM)


@pytest.mark.parametrize(
    "listener",
    [
        Listener(port=81, member_port=0),
        Listener(port=80, member_port=0),
        Listener(port=81, member_port=True),
        Listener(port=81, protocol=cast("Any", None)),
        Listener(port=80, protocol=cast("Any", None)),
        Listener(port=81, member_protocol=cast("Any", 5)),
        cast("Any", "81:http"),
    ],
)
def test_wrong_listeners(driver: SmallLBDriver, listener: Listener) -> None:
    """A further listener has ports and protocols, none of which is replaced by a default if it is wrong."""
    with pytest.raises(InvalidArgumentError):
        complete(80, "http", None, [], [listener], driver._protocol, ())


@pytest.mark.parametrize("path", ["", "up", "/a b", "/a\r\nb", "/ä"])
def test_paths_of_checks(path: str) -> None:
    """The path of a health check is what a request of HTTP can have."""
    assert require_check(HealthCheck(protocol="http", path="/a%20b?c=d")).path == "/a%20b?c=d"
    with pytest.raises(InvalidArgumentError, match="path of a health check must "):
        require_check(HealthCheck(protocol="http", path=path))


@pytest.mark.parametrize("cookie", ["", "a b", "a;b", "a=b", "ä", "a\nb"])
def test_names_of_cookies(cookie: str) -> None:
    """The cookie of sticky sessions has a name that a cookie can have."""
    assert require_sticky(StickySessions(cookie="__Host-srv.1")).cookie == "__Host-srv.1"
    with pytest.raises(InvalidArgumentError, match="the cookie of sticky sessions must be "):
        require_sticky(StickySessions(cookie=cookie))


# Nodes


def test_a_node_as_a_member(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """A node of compute is attached by its private address, at the balancer's port."""
    node = Node("7", "web", NodeState.RUNNING, ["203.0.113.7"], ["10.0.0.7"], DummyNodeDriver("key"))
    member = balancer.attach_compute_node(node)
    assert (member.ip, member.port, member.balancer) == ("10.0.0.7", 80, balancer)
    assert [(one.ip, one.port) for one in driver.balancer_list_members(balancer)] == [("10.0.0.7", 80)]


@pytest.mark.parametrize(
    ("private", "public", "prefers_private", "expected"),
    [
        (["10.0.0.7"], ["203.0.113.7"], True, "10.0.0.7"),
        (["10.0.0.7"], ["203.0.113.7"], False, "203.0.113.7"),
        ([], ["203.0.113.7"], True, "203.0.113.7"),
        (["10.0.0.7"], [], False, "10.0.0.7"),
        (None, ["203.0.113.7"], True, "203.0.113.7"),
    ],
)
def test_which_address(
    balancer: LoadBalancer,
    monkeypatch: pytest.MonkeyPatch,
    private: list[str] | None,
    public: list[str],
    prefers_private: bool,
    expected: str,
) -> None:
    """The preferred kind of address is taken where the node has one, else the other one."""
    monkeypatch.setattr(SmallLBDriver, "prefers_private", prefers_private)
    node: Any = SimpleNamespace(id="7", name="web", private_ips=private, public_ips=public)
    member = balancer.driver._member_of(balancer, node)
    assert (member.id, member.ip, member.port) == ("7", expected, 80)


def test_a_node_without_an_address(balancer: LoadBalancer) -> None:
    """A node without an address is refused by its name."""
    node: Any = SimpleNamespace(id="7", name="web", private_ips=[], public_ips=[])
    with pytest.raises(InvalidArgumentError, match="the node 'web' has no address; wait until it runs"):
        balancer.attach_compute_node(node)


# Objects and errors


def test_nothing_found(driver: SmallLBDriver, balancer: LoadBalancer) -> None:
    """What is not found is the balancer or the member, whichever was asked for, with its id."""
    gone = LoadBalancer("b-9", "gone", State.RUNNING, None, 80, driver)
    for call in (driver.destroy_balancer, driver.balancer_list_members, driver.update_balancer):
        with pytest.raises(BalancerDoesNotExistError, match="there is no /balancers/b-9") as caught:
            call(gone)
        assert (caught.value.balancer_id, caught.value.driver) == ("b-9", driver)
        assert caught.value.exchange is not None
    with pytest.raises(MemberDoesNotExistError) as missing:
        driver.balancer_detach_member(balancer, address(9))
    assert "no member 192.0.2.9:8080" in str(missing.value)
    with pytest.raises(MemberDoesNotExistError):
        driver._require_member([address(1)], Member(None, None, None))


def test_translated_errors(driver: SmallLBDriver) -> None:
    """A refusal becomes the error of a member or a balancer, once, with the request that failed."""
    refusals = ((404, MemberDoesNotExistError), (409, MemberAlreadyExistsError))
    for status, kind in refusals:
        with pytest.raises(kind, match="why") as caught, driver._member_errors("m-1"):
            raise {404: NotFoundError, 409: ConflictError}[status](status, "why")
        assert (caught.value.member_id, caught.value.driver) == ("m-1", driver)
    busy = (BalancerBusyError(driver=driver, balancer_id="b-1"), ConflictError(409, "b-1 is building"))
    for error in busy:
        with pytest.raises(type(error)) as same, driver._balancer_errors("b-1"), driver._member_errors("m"):
            raise error
        assert same.value is error


@pytest.mark.parametrize(
    ("error", "parents", "code"),
    [
        (BalancerDoesNotExistError, (BalancerError, NotFoundError), 404),
        (BalancerAlreadyExistsError, (BalancerError, ConflictError), 409),
        (BalancerBusyError, (BalancerError, ConflictError), 409),
        (BalancerInUseError, (BalancerError, ConflictError), 409),
        (MemberDoesNotExistError, (MemberError, NotFoundError), 404),
        (MemberAlreadyExistsError, (MemberError, ConflictError), 409),
    ],
)
def test_errors(error: Any, parents: tuple[type[Any], ...], code: int) -> None:
    """Each error has the parents that programs catch, its status and a message that names the id."""
    of_balancer = issubclass(error, BalancerError)
    made = error(driver=None, **{"balancer_id" if of_balancer else "member_id": "x-1"})
    assert isinstance(made, parents)
    assert made.http_code == code
    assert "'x-1'" in str(made)
    copy = pickle.loads(pickle.dumps(made))
    assert (type(copy), str(copy)) == (error, str(made))


def test_names_of_libcloud() -> None:
    """The names that Libcloud's users import are there, at its paths and with its values."""
    assert (types.LibcloudLBError, types.LibcloudLBImmutableError) == (BalancerError, BalancerBusyError)
    assert [int(one) for one in State] == [0, 1, 2, 3, 4]
    assert State.tostring(0) == "RUNNING"
    assert State.fromstring("pending") is State.PENDING
    assert State.fromstring("nothing") is None
    assert [int(one) for one in (MemberCondition.ENABLED, Algorithm.PERSISTENT_IP)] == [0, 6]
    assert base.DEFAULT_ALGORITHM == Algorithm.ROUND_ROBIN
    assert get_driver(Provider.DUMMY) is get_driver("dummy") is DummyLBDriver
    assert "dummy" in names()


def test_representations(balancer: LoadBalancer) -> None:
    """A balancer and a member show what they are, with and without a driver."""
    assert repr(balancer).startswith(
        "<LoadBalancer: id=b-1, name=web, state=running, ip=198.51.100.1, port=80, provider=Small"
    )
    assert repr(address(1)) == "<Member: id=None, address=192.0.2.1:8080, health=unknown, balancer=None>"
    member = balancer.attach_member(address(1))
    assert "health=up, balancer=b-1" in repr(member)
