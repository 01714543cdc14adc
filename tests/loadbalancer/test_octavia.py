"""What is particular to Octavia, on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError, QuotaExceededError, UnsupportedOperationError
from polycloud.loadbalancer.base import Member
from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.providers import get_driver
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerBusyError,
    BalancerError,
    MemberCondition,
    MemberHealth,
    State,
)
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.octavia import CHECK, SUBNET

CERTIFICATE = "http://127.0.0.1/key-manager/v1/containers/2d2e2b0e"
ONE, TWO = "192.0.2.1", "192.0.2.2"


@contextmanager
def cloud(**settings: Any) -> Iterator[OctaviaLBDriver]:
    with (
        Sandbox("openstack", ssh="off", **{"balancing": 0.0, **settings}) as sandbox,
        OctaviaLBDriver(*sandbox.credentials, **sandbox.options, ex_vip_subnet_id=SUBNET) as driver,
    ):
        yield driver


@pytest.fixture
def driver() -> Iterator[OctaviaLBDriver]:
    with cloud() as driver:
        yield driver


@contextmanager
def requests() -> Iterator[list[str]]:
    """Collect the requests of the block."""
    seen: list[str] = []
    remove = add_hook(lambda trace: seen.append(f"{trace.method} {trace.path.partition('/lbaas/')[2]}"))
    try:
        yield seen
    finally:
        remove()


def places(driver: OctaviaLBDriver, balancer: LoadBalancer) -> list[list[tuple[str, int]]]:
    """Return the members of each pool, as Octavia has them."""
    pools = driver.connection.request("/lbaas/pools", {"loadbalancer_id": balancer.id}).object["pools"]
    found = []
    for pool in sorted(pools, key=lambda one: str(one["name"])):
        members = driver.connection.request(f"/lbaas/pools/{pool['id']}/members").object["members"]
        found.append(sorted((one["address"], one["protocol_port"]) for one in members))
    return found


def test_names() -> None:
    """Octavia and OpenStack name one driver."""
    assert get_driver("octavia") is get_driver("openstack") is OctaviaLBDriver


def test_one_request(driver: OctaviaLBDriver) -> None:
    """A create sends one request, whatever the balancer shall have."""
    driver.list_balancers()
    members = [Member(None, ONE, 8080), Member(None, TWO, 8080, extra={"weight": 5})]
    more = [Listener(port=8081, protocol="tcp")]
    with requests() as seen:
        driver.create_balancer(
            "web", 80, members=members, ex_health_check=CHECK, ex_sticky=StickySessions(), ex_listeners=more
        )
    assert seen == ["POST loadbalancers"]


def test_cost_of_the_list() -> None:
    """The list takes one request, and one for each kind of what balancers have, over all pages."""
    with cloud(page_size=3) as driver:
        assert driver.list_balancers() == []
        for number in range(3):
            driver.create_balancer(f"web-{number}", 80, ex_health_check=CHECK)
        with requests() as seen:
            found = driver.list_balancers()
        assert [one.extra["health_check"] for one in found] == [CHECK] * 3
        kinds = ["healthmonitors", "listeners", "loadbalancers", "pools"]
        assert sorted(seen) == [f"GET {kind}" for kind in kinds]
        driver.create_balancer("web-3", 80)
        assert len(driver.list_balancers()) == 4


def test_place_of_the_address() -> None:
    """A create without subnet, network or port of the address is refused; the driver may have the subnet."""
    with Sandbox("openstack", ssh="off") as sandbox:
        plain = OctaviaLBDriver(*sandbox.credentials, **sandbox.options)
        with pytest.raises(InvalidArgumentError, match="ex_vip_subnet_id"):
            plain.create_balancer("web", 80)
        made = plain.create_balancer("web", 80, ex_vip_network_id=SUBNET)
        assert (made.extra["vip_network_id"], made.extra["vip_subnet_id"]) == (SUBNET, None)
        options = {**sandbox.options, "ex_vip_subnet_id": SUBNET}
        made = OctaviaLBDriver(*sandbox.credentials, **options).create_balancer("web", 80)
        assert made.extra["vip_subnet_id"] == SUBNET


def test_further_listeners(driver: OctaviaLBDriver) -> None:
    """Members follow to the pools of further listeners, at their ports, and leave them with the address."""
    more = [Listener(port=8443, protocol="tcp", member_port=9443), Listener(port=81, member_port=8080)]
    balancer = driver.create_balancer("web", 80, members=[Member(None, ONE, 8080)], ex_listeners=more)
    first, *others = balancer.extra["listeners"]
    assert first == Listener(port=80, member_port=8080)
    assert set(others) == {more[0], more[1]}
    assert places(driver, balancer) == [[(ONE, 8080)], [(ONE, 9443)]]
    second = driver.balancer_attach_member(balancer, Member(None, TWO, 8080))
    third = driver.balancer_attach_member(balancer, Member(None, TWO, 8081))
    assert places(driver, balancer)[1] == [(ONE, 9443), (TWO, 9443)]
    driver.balancer_detach_member(balancer, second)
    assert places(driver, balancer)[1] == [(ONE, 9443), (TWO, 9443)]
    driver.balancer_detach_member(balancer, third)
    assert places(driver, balancer) == [[(ONE, 8080)], [(ONE, 9443)]]


def test_an_attach_that_fails_midway() -> None:
    """A member that one of several pools refuses leaves those that it was attached to."""

    class Refusing(OctaviaLBDriver):
        def _attach(self, balancer: LoadBalancer, pool: Any, member: Member, port: int | None) -> Member:
            if port == 9444:
                raise InvalidArgumentError("not this one")
            return super()._attach(balancer, pool, member, port)

    more = [Listener(port=8443, member_port=9443), Listener(port=8444, member_port=9444)]
    with Sandbox("openstack", ssh="off", balancing=0.0) as sandbox:
        driver = Refusing(*sandbox.credentials, **sandbox.options, ex_vip_subnet_id=SUBNET)
        members = [Member(None, ONE, 8080)]
        balancer = driver.create_balancer("web", 80, members=members, ex_listeners=more)
        before = places(driver, balancer)
        with pytest.raises(InvalidArgumentError, match="not this one"):
            driver.balancer_attach_member(balancer, Member(None, TWO, 8080))
        assert places(driver, balancer) == before
        assert len(before) == 3


@pytest.mark.parametrize(
    ("given", "listener", "pool"),
    [
        ({}, "HTTPS", ("HTTPS", False)),
        ({"ex_certificate": CERTIFICATE}, "TERMINATED_HTTPS", ("HTTP", True)),
        (
            {
                "ex_certificate": CERTIFICATE,
                "ex_listeners": [Listener(port=443, protocol="https", member_protocol="http")],
            },
            "TERMINATED_HTTPS",
            ("HTTP", False),
        ),
    ],
)
def test_https(driver: OctaviaLBDriver, given: Any, listener: str, pool: tuple[str, bool]) -> None:
    """HTTPS passes through without a certificate; with one it ends here, and is encrypted anew if asked."""
    made = driver.create_balancer("web", 443, "https", **given)
    (there,) = driver.connection.request("/lbaas/listeners").object["listeners"]
    assert there["protocol"] == listener
    (found,) = driver.connection.request("/lbaas/pools").object["pools"]
    assert (found["protocol"], found["tls_enabled"]) == pool
    for one in (made, driver.get_balancer(made.id)):
        (ours,) = one.extra["listeners"]
        assert (one.extra["protocol"], ours.certificate) == ("https", given.get("ex_certificate"))
        assert ours.member_protocol == ("http" if "ex_listeners" in given else None)


def test_proxy_protocol(driver: OctaviaLBDriver) -> None:
    """Members get the header of the proxy protocol if asked for; udp has none."""
    made = driver.create_balancer("web", 80, "tcp", ex_proxy_protocol=True)
    (pool,) = driver.connection.request("/lbaas/pools").object["pools"]
    assert (pool["protocol"], driver.get_balancer(made.id).extra["proxy_protocol"]) == ("PROXY", True)
    with pytest.raises(UnsupportedOperationError, match="proxy protocol"):
        driver.create_balancer("web", 53, "udp", ex_proxy_protocol=True)


def test_weights(driver: OctaviaLBDriver) -> None:
    """A member with weight 0 drains, one that is disabled is down, and both can be changed back."""
    extra = {"weight": 0}
    balancer = driver.create_balancer(
        "web", 80, members=[Member(None, ONE, 80, extra=extra)], ex_health_check=CHECK
    )
    (member,) = balancer.list_members()
    assert (member.extra["condition"], member.health) == (MemberCondition.DRAINING, MemberHealth.DRAINING)
    for condition, weight, health in (
        (MemberCondition.ENABLED, 7, MemberHealth.UP),
        (MemberCondition.DISABLED, 7, MemberHealth.DOWN),
        (MemberCondition.DRAINING, 0, MemberHealth.DRAINING),
    ):
        member.extra.update(weight=7, condition=condition)
        changed = driver.ex_update_member(balancer, member)
        assert (changed.extra["condition"], changed.extra["weight"]) == (condition, weight)
        assert balancer.list_members()[0].health == health
    for wrong in (-1, 257, "1", True):
        with pytest.raises(InvalidArgumentError, match="weight"):
            balancer.attach_member(Member(None, TWO, 80, extra={"weight": wrong}))


def test_unchecked_members(driver: OctaviaLBDriver) -> None:
    """Without a health monitor nothing is known of a member's health."""
    balancer = driver.create_balancer("web", 80, members=[Member(None, ONE, 80)])
    assert [one.health for one in balancer.list_members()] == [MemberHealth.UNKNOWN]


def test_port_of_checks(driver: OctaviaLBDriver) -> None:
    """The port of a health check holds for the first members and for those that are attached later."""
    check = HealthCheck(protocol="http", port=9000, path="/up", interval=5, timeout=3, healthy=1, unhealthy=2)
    made = driver.create_balancer("web", 80, members=[Member(None, ONE, 80)], ex_health_check=check)
    made.attach_member(Member(None, TWO, 80))
    assert [one.extra["monitor_port"] for one in made.list_members()] == [9000, 9000]
    assert driver.get_balancer(made.id).extra["health_check"] == check


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"ex_sticky": StickySessions(ttl=60)}, UnsupportedOperationError),
        ({"ex_sticky": StickySessions(by="moon")}, InvalidArgumentError),
        ({"ex_sticky": StickySessions(by="source_ip", cookie="srv")}, InvalidArgumentError),
        ({"ex_health_check": HealthCheck(protocol="smtp")}, UnsupportedOperationError),
        ({"ex_health_check": HealthCheck(protocol="tcp", path="/up")}, InvalidArgumentError),
        ({"ex_listeners": [Listener(port=81, member_protocol="udp")]}, UnsupportedOperationError),
        (
            {
                "ex_certificate": CERTIFICATE,
                "protocol": "tcp",
                "ex_listeners": [Listener(port=82, certificate="x")],
            },
            InvalidArgumentError,
        ),
    ],
)
def test_wrong_settings(driver: OctaviaLBDriver, given: Any, error: type[Exception]) -> None:
    """A setting that Octavia does not have, or that contradicts another one, is refused before a request."""
    with requests() as seen, pytest.raises(error):
        driver.create_balancer("web", 80, **given)
    assert seen == []


def test_ovn(driver: OctaviaLBDriver) -> None:
    """With OVN, connections are assigned by address and port of the client, its only algorithm."""
    made = driver.create_balancer("web", 80, "tcp", Algorithm.PERSISTENT_IP, ex_provider="ovn")
    (pool,) = driver.connection.request("/lbaas/pools").object["pools"]
    assert pool["lb_algorithm"] == "SOURCE_IP_PORT"
    assert driver.get_balancer(made.id).extra["algorithm"] == Algorithm.PERSISTENT_IP


def test_busy() -> None:
    """Changes wait for those before them, of the balancer and of its members, at most `busy_time`."""
    with cloud(balancing=0.2) as driver:
        made = driver.create_balancer("web", 80)
        made.attach_member(Member(None, ONE, 80))
        changed = driver.update_balancer(made, "api", algorithm=Algorithm.LEAST_CONNECTIONS)
        assert (changed.name, changed.extra["algorithm"]) == ("api", Algorithm.LEAST_CONNECTIONS)
        made.destroy()
        assert driver.list_balancers() == []
    with cloud(balancing=60) as driver:
        made = driver.create_balancer("web", 80)
        vars(driver)["busy_time"] = 0.05
        for change in (
            lambda: driver.update_balancer(made, "web"),
            lambda: made.attach_member(Member(None, TWO, 80)),
            made.destroy,
        ):
            with pytest.raises(BalancerBusyError):
                change()


def test_failed_balancer() -> None:
    """A balancer that cannot be built is in error, ends a wait, and can be destroyed."""
    with cloud(errored="create_balancer") as driver:
        made = driver.create_balancer("web", 80)
        with pytest.raises(BalancerError, match="is error"):
            driver.wait_until_running(made, timeout=5)
        assert driver.get_balancer(made.id).state == State.ERROR
        assert made.destroy()


def test_quota() -> None:
    """A create beyond the quota raises `QuotaExceededError`, and creates nothing."""
    with cloud(balancer_limit=1) as driver:
        first = driver.create_balancer("web", 80)
        with pytest.raises(QuotaExceededError, match="load_balancer"):
            driver.create_balancer("api", 80)
        assert [one.id for one in driver.list_balancers()] == [first.id]


def test_bare_balancer(driver: OctaviaLBDriver) -> None:
    """A balancer of another program without listener and pool has no port and no members, and gets none."""
    body = {"loadbalancer": {"name": "bare", "vip_subnet_id": SUBNET}}
    driver.connection.request("/lbaas/loadbalancers", json=body, method="POST")
    (found,) = driver.list_balancers()
    assert (found.port, found.extra["protocol"], found.list_members()) == (None, None, [])
    with pytest.raises(InvalidArgumentError, match="no pool"):
        found.attach_member(Member(None, ONE, 80))
    assert found.destroy()
