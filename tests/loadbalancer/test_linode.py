from __future__ import annotations

import json
import time
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest

from polycloud.compute.providers import get_driver
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    ProviderError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Algorithm, LoadBalancer, Member
from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    BalancerAlreadyExistsError,
    BalancerBusyError,
    BalancerError,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    MemberHealth,
    State,
)
from polycloud.rolling import rolling
from polycloud.testing.faults import FaultList, FaultProxy
from polycloud.tracing.hooks import add_hook
from polycloud.tracing.redaction import is_secret
from support.linodes import CERTIFICATE, KEY, Ground, ground
from support.web import Answer, Seen, serve

TLS: dict[str, Any] = {"ex_certificate": CERTIFICATE, "ex_private_key": KEY}
FIRST, SECOND = Member(None, "192.168.200.1", 8080), Member(None, "192.168.200.2", 8081)


@pytest.fixture(scope="module")
def here() -> Iterator[Ground]:
    with ground() as here:
        yield here


@pytest.fixture
def driver(here: Ground) -> Iterator[LinodeLBDriver]:
    """A driver, after which no balancer is left."""
    with LinodeLBDriver(here.cloud.credentials[0], region="us-east", **here.cloud.options) as driver:
        yield driver
        for one in driver.list_balancers():
            driver.destroy_balancer(one)


@pytest.fixture
def balancer(driver: LinodeLBDriver) -> LoadBalancer:
    return driver.create_balancer("web", 80)


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """The methods and paths of the requests that were sent."""
    seen: list[str] = []
    remove = add_hook(lambda trace: seen.append(f"{trace.method} {trace.path}"))
    yield seen
    remove()


def addresses(balancer: LoadBalancer) -> list[str]:
    return sorted(f"{one.ip}:{one.port}" for one in balancer.list_members())


# Creating


def test_what_a_balancer_is_created_with(driver: LinodeLBDriver) -> None:
    """Everything that is given to a create is listed again, in our words and in the provider's."""
    check = HealthCheck(protocol="http", path="/up", interval=20, timeout=4, unhealthy=2)
    made = driver.create_balancer(
        "all",
        80,
        algorithm=Algorithm.LEAST_CONNECTIONS,
        members=[FIRST],
        ex_listeners=[Listener(port=443, protocol="https")],
        ex_health_check=check,
        ex_sticky=StickySessions(by="source_ip"),
        ex_tags=["lbs"],
        ex_throttle=5,
        **TLS,
    )
    assert (made.state, bool(made.ip), made.port) == (State.RUNNING, True, 80)
    extra = driver.get_balancer(made.id).extra
    http, https = extra["listeners"]
    assert http == Listener(port=80, protocol="http")
    assert (https.port, https.protocol, https.member_protocol, bool(https.certificate)) == (
        443,
        "https",
        "http",
        True,
    )
    assert (extra["algorithm"], extra["health_check"]) == (Algorithm.LEAST_CONNECTIONS, check)
    assert extra["sticky"] == StickySessions(by="source_ip")
    assert (extra["region"], extra["tags"], extra["client_conn_throttle"]) == ("us-east", ["lbs"], 5)
    assert [one["stickiness"] for one in extra["configs"]] == ["table", "table"]


def test_defaults(balancer: LoadBalancer) -> None:
    """Without settings members are checked by a connection, and there is nothing else."""
    check = HealthCheck(protocol="tcp", interval=31, timeout=30, unhealthy=3)
    assert (balancer.extra["health_check"], balancer.extra["sticky"]) == (check, None)
    (config,) = balancer.extra["configs"]
    assert config["proxy_protocol"] == "none"


def test_a_short_interval(driver: LinodeLBDriver) -> None:
    """An interval without a timeout gets the longest one that the provider takes with it."""
    made = driver.create_balancer(
        "web", 25, "tcp", ex_health_check=HealthCheck(interval=10), ex_proxy_protocol=True
    )
    check = made.extra["health_check"]
    assert (check.interval, check.timeout) == (10, 9)
    assert made.extra["configs"][0]["proxy_protocol"] == "v1"


def test_refused_settings(driver: LinodeLBDriver, requests: list[str]) -> None:
    """A setting that the provider does not have, or that is wrong, is refused before anything is sent."""
    unsupported: list[dict[str, Any]] = [
        {"ex_sticky": StickySessions(cookie="srv")},
        {"protocol": "tcp", "ex_sticky": StickySessions()},
        {"ex_proxy_protocol": True},
        {
            "ex_listeners": [Listener(port=443, protocol="https", member_protocol="https")],
            "ex_certificate": CERTIFICATE,
            "ex_private_key": "key",
        },
        {"ex_health_check": HealthCheck(protocol="https")},
        {"ex_health_check": HealthCheck(port=81)},
        {"ex_health_check": HealthCheck(healthy=2)},
        {"ex_listeners": [Listener(port=81, member_port=8081)]},
        {"ex_listeners": [Listener(port=81, member_protocol="tcp")]},
        {"protocol": "udp"},
    ]
    wrong: list[dict[str, Any]] = [
        {"protocol": "https"},
        {"protocol": "https", "ex_certificate": CERTIFICATE},
        {"ex_throttle": 21},
        {"ex_health_check": HealthCheck(interval="10")},  # type: ignore[arg-type]
        {"ex_health_check": HealthCheck(protocol="http", path="up")},
        {"members": [Member(None, "192.168.200.1", 80, extra={"label": 7})]},
        {"members": [Member(None, "192.168.200.1", 80, extra={"condition": []})]},
        {"ex_proxy_protocol": "v2"},
        {"ex_sticky": StickySessions(by="header")},
        {"ex_private_key": "key"},
        {"ex_health_check": HealthCheck(path="/up")},
        {"members": [Member(None, "192.168.200.1", 80, extra={"mode": "away"})]},
        {"name": "ab"},
        {"name": "a" * 33},
        {"name": "web.example"},
        {"members": [Member(None, "8.8.8.8", 80)]},
        {"members": [Member(None, "fd00::1", 80)]},
        {"members": [Member(None, "192.168.200.1", 80, extra={"weight": 0})]},
        {"members": [Member(None, "192.168.200.1", 80, extra={"condition": "up"})]},
    ]
    for error, all_given in ((UnsupportedOperationError, unsupported), (InvalidArgumentError, wrong)):
        for given in all_given:
            with pytest.raises(error):
                driver.create_balancer(**{"name": "web", "port": 80, **given})
    assert requests == []


def test_no_region(here: Ground, requests: list[str]) -> None:
    """A create needs a region, which is said before anything is sent."""
    with LinodeLBDriver(here.cloud.credentials[0], **here.cloud.options) as driver:
        with pytest.raises(InvalidArgumentError, match="ex_location"):
            driver.create_balancer("web", 80)
        assert requests == []


def test_a_refused_config_leaves_nothing(driver: LinodeLBDriver) -> None:
    """A balancer whose config is refused, with members or without, is not left behind."""
    for members in ([], [FIRST]):
        check = HealthCheck(interval=5, timeout=5)
        with pytest.raises(ProviderError, match="check_timeout"):
            driver.create_balancer("web", 80, "http", members=members, ex_health_check=check)
        assert driver.list_balancers() == []


def test_a_taken_name(driver: LinodeLBDriver, balancer: LoadBalancer) -> None:
    """A create with a taken name is refused and leaves the other balancer as it was, as an update does."""
    driver.balancer_attach_member(balancer, FIRST)
    with pytest.raises(BalancerAlreadyExistsError, match="unique"):
        driver.create_balancer("web", 81, members=[SECOND])
    other = driver.create_balancer("other", 80)
    with pytest.raises(BalancerAlreadyExistsError):
        driver.update_balancer(other, "web", port=8000)
    assert driver.get_balancer(other.id).port == 80
    assert addresses(driver.get_balancer(balancer.id)) == ["192.168.200.1:8080"]


def test_a_lost_refusal(driver: LinodeLBDriver, balancer: LoadBalancer) -> None:
    """If the refusal of a taken name is lost, the balancer that has the name is not taken for a new one."""

    class Impatient(LinodeLBDriver):
        settle_time = 0.2

    plan = FaultList("reset after", spare=lambda request: request.method == "GET")
    with (
        FaultProxy("127.0.0.1", driver.connection.port, plan) as proxy,
        Impatient(driver.key, region="us-east", url=f"{proxy.url}/v4") as far,
        pytest.raises(AmbiguousCreateError),
    ):
        far.create_balancer("web", 81)
    assert [one.id for one in driver.list_balancers()] == [balancer.id]


def test_secrets() -> None:
    """The key of a certificate is a secret wherever requests are shown."""
    assert is_secret("ssl_key")


# Lists


def test_costs(driver: LinodeLBDriver, balancer: LoadBalancer, requests: list[str]) -> None:
    """A list of N balancers costs 1 + N requests; a balancer, a create, and changes of members few."""
    driver.create_balancer("other", 80, members=[FIRST, SECOND])
    assert [one.split()[0] for one in requests] == ["GET", "POST", "GET", "GET"]
    requests.clear()
    assert len(driver.list_balancers()) == 2
    assert len(requests) == 3
    requests.clear()
    made = driver.balancer_attach_member(balancer, FIRST)
    driver.balancer_detach_member(balancer, made)
    assert [one.split()[0] for one in requests] == ["GET", "GET", "POST", "GET", "GET", "DELETE"]


def test_a_balancer_that_vanishes() -> None:
    """A balancer that is destroyed during a list is left out; one without a port has no members."""
    items = [{"id": 1, "label": "gone", "ipv4": "192.0.2.1"}, {"id": 2, "label": "bare", "ipv4": "192.0.2.2"}]

    def respond(seen: Seen) -> Answer:
        if seen.path.endswith("/nodebalancers"):
            return Answer(200, json.dumps({"data": items, "pages": 1, "results": 2}).encode())
        if "/1/" in seen.path:
            return Answer(404, b'{"errors": [{"reason": "Not found"}]}')
        return Answer(200, b'{"data": [], "pages": 1, "results": 0}')

    with serve(respond) as server, LinodeLBDriver("token", url=server.url) as driver:
        (found,) = driver.list_balancers()
        assert (found.id, found.port, found.extra["protocol"], found.extra["listeners"]) == (
            "2",
            None,
            None,
            [],
        )
        with pytest.raises(BalancerError, match="has no port"):
            driver.balancer_attach_member(found, FIRST)
        with pytest.raises(MemberDoesNotExistError):
            driver.balancer_detach_member(found, FIRST)


# Changes


def test_an_update_keeps_the_rest(driver: LinodeLBDriver) -> None:
    """An update changes the first port only, and keeps members and settings."""
    made = driver.create_balancer(
        "web",
        80,
        members=[FIRST],
        ex_listeners=[Listener(port=25, protocol="tcp")],
        ex_sticky=StickySessions(by="source_ip"),
    )
    changed = driver.update_balancer(made, "other", 8000, "tcp", Algorithm.PERSISTENT_IP)
    assert (changed.name, changed.port, changed.extra["algorithm"]) == (
        "other",
        8000,
        Algorithm.PERSISTENT_IP,
    )
    assert changed.extra["listeners"] == [
        Listener(port=8000, protocol="tcp"),
        Listener(port=25, protocol="tcp"),
    ]
    assert changed.extra["sticky"] == StickySessions(by="source_ip")
    assert addresses(changed) == ["192.168.200.1:8080"]
    with pytest.raises(ProviderError, match="in use"):
        driver.update_balancer(made, port=25)


def test_https(driver: LinodeLBDriver, balancer: LoadBalancer, requests: list[str]) -> None:
    """HTTPS needs a certificate and its key, which other protocols must not have; both can be replaced."""
    for protocol, given in (
        ("https", dict[str, Any]()),
        ("https", {"ex_certificate": CERTIFICATE}),
        ("tcp", TLS),
    ):
        with pytest.raises(InvalidArgumentError, match="ex_private_key"):
            driver.update_balancer(balancer, protocol=protocol, **given)
    assert requests == []
    secured = driver.update_balancer(balancer, port=443, protocol="https", **TLS)
    renewed = driver.update_balancer(balancer, ex_certificate="a new one", ex_private_key="its key")
    assert secured.extra["protocol"] == renewed.extra["protocol"] == "https"
    assert secured.extra["listeners"][0].certificate != renewed.extra["listeners"][0].certificate


def test_a_busy_balancer() -> None:
    """A refusal because the balancer is busy is waited for, and raises `BalancerBusyError` in the end."""
    busy, done = Answer(400, b'{"errors": [{"reason": "NodeBalancer busy."}]}'), Answer(200, b"{}")
    answers = iter([busy, done, busy, busy, busy, busy])
    with serve(lambda _: next(answers)) as server, LinodeLBDriver("token", url=server.url) as driver:
        balancer = LoadBalancer("1", "web", State.RUNNING, None, 80, driver)
        assert driver.destroy_balancer(balancer)
        vars(driver)["busy_time"] = 0.05
        with pytest.raises(BalancerBusyError, match="busy"):
            driver.destroy_balancer(balancer)


# Members


def test_members_of_several_ports(driver: LinodeLBDriver) -> None:
    """A member is attached to all ports, listed once, and detached from all of them."""
    made = driver.create_balancer(
        "web", 80, members=[FIRST], ex_listeners=[Listener(port=443, protocol="tcp")]
    )
    second = driver.balancer_attach_member(made, SECOND)
    assert addresses(made) == ["192.168.200.1:8080", "192.168.200.2:8081"]
    nodes = [
        driver.connection.request(f"/nodebalancers/{made.id}/configs/{one['id']}/nodes").object
        for one in made.extra["configs"]
    ]
    assert [one["results"] for one in nodes] == [2, 2]
    assert driver.balancer_detach_member(made, second)
    assert addresses(made) == ["192.168.200.1:8080"]


def test_an_attach_that_failed_midway(driver: LinodeLBDriver) -> None:
    """A member that is attached to some ports only is attached to the others by the next call."""
    made = driver.create_balancer("web", 80, ex_listeners=[Listener(port=81)])
    first, second = made.extra["configs"]
    body = {"label": "half", "address": "192.168.200.1:8080"}
    driver.connection.act(f"/nodebalancers/{made.id}/configs/{first['id']}/nodes", **body)
    member = driver.balancer_attach_member(made, FIRST)
    assert member.extra["label"] == "half"
    path = f"/nodebalancers/{made.id}/configs/{second['id']}/nodes"
    assert driver.connection.request(path).object["results"] == 1
    with pytest.raises(MemberAlreadyExistsError):
        driver.balancer_attach_member(made, FIRST)


def test_nodes_that_cannot_be_members(here: Ground, balancer: LoadBalancer) -> None:
    """A node of another provider or region is refused before anything is sent, whatever its address."""
    elsewhere = copy(here.nodes[0])
    elsewhere.extra = {**elsewhere.extra, "region": "eu-west"}
    far = get_driver("dummy")("key").list_nodes()[0]
    for node, words in ((far, "is of Dummy Node Provider"), (elsewhere, "in eu-west, .* in us-east")):
        with pytest.raises(InvalidArgumentError, match=words):
            balancer.attach_compute_node(node)
    assert balancer.list_members() == []


def test_weights_and_conditions(driver: LinodeLBDriver, here: Ground) -> None:
    """Weight, condition and label of a member are those in its `extra`, and can be changed at all ports."""
    ip = here.nodes[0].private_ips[0]
    given = {"weight": 7, "condition": MemberCondition.DISABLED, "label": "blue"}
    made = driver.create_balancer(
        "web", 80, members=[Member(None, ip, 80, extra=given)], ex_listeners=[Listener(port=81)]
    )
    (member,) = made.list_members()
    assert member.extra == {**given, "mode": "reject"}
    member.extra.update(weight=9, condition=MemberCondition.DRAINING)
    changed = driver.ex_update_member(made, member)
    assert (changed.extra["weight"], changed.extra["mode"], changed.health) == (
        9,
        "drain",
        MemberHealth.DRAINING,
    )
    member.extra["condition"] = MemberCondition.ENABLED
    assert driver.ex_update_member(made, member).health == MemberHealth.UP


def test_health(driver: LinodeLBDriver, here: Ground) -> None:
    """A member is up if the provider has found it so at all ports, down if not at one, and else unknown."""
    serving = Member(None, here.nodes[0].private_ips[0], 80)
    made = driver.create_balancer("web", 80, members=[serving, FIRST], ex_listeners=[Listener(port=81)])
    assert {one.ip: one.health for one in made.list_members()} == {
        serving.ip: MemberHealth.UP,
        FIRST.ip: MemberHealth.DOWN,
    }
    path = f"/nodebalancers/{made.id}/configs/{made.extra['configs'][1]['id']}"
    driver.connection.request(path, method="PUT", json={"check": "none"})
    assert {one.ip: one.health for one in made.list_members()} == {
        serving.ip: MemberHealth.UNKNOWN,
        FIRST.ip: MemberHealth.DOWN,
    }


def test_a_rolling_deployment(driver: LinodeLBDriver, here: Ground) -> None:
    """Nodes are taken out and put back one by one, with their weights, once each has drained for a time."""
    nodes, seen = here.nodes[:3], list[list[str]]()
    members = [Member(None, one.private_ips[0], 8080, extra={"weight": 7}) for one in nodes]
    made = driver.create_balancer("web", 80, members=members)
    began = time.monotonic()
    found = rolling(made, nodes, lambda _: seen.append(addresses(made)), wait_drained=0.3)
    assert time.monotonic() - began >= 3 * 0.3
    assert [len(one) for one in seen] == [2, 2, 2]
    assert [(one.extra["weight"], one.health) for one in found] == [(7, MemberHealth.UP)] * 3


def test_settings_of_members_in_a_round(driver: LinodeLBDriver, here: Ground) -> None:
    """A member comes back with its label, and as the backup or the disabled one that it was."""
    kinds = [
        {"label": "blue", "condition": MemberCondition.ENABLED, "mode": "backup"},
        {"label": "green", "condition": MemberCondition.DISABLED, "mode": "reject"},
        {"label": "red", "condition": MemberCondition.ENABLED, "mode": "accept"},
    ]
    addresses = [one.private_ips[0] for one in here.nodes]
    members = [Member(None, ip, 8080, extra=kind) for ip, kind in zip(addresses, kinds, strict=False)]
    made = driver.create_balancer("web", 80, members=members)
    rolling(made, made.list_members(), lambda _: None, wait_drained=None, timeout=20)
    back = {one.ip: {name: one.extra[name] for name in kinds[0]} for one in made.list_members()}
    assert back == {one.ip: kind for one, kind in zip(members, kinds, strict=True)}


def test_addresses_of_others() -> None:
    """Nodes with other addresses than the driver gives are listed too: IPv6, or none that can be read."""
    configs = {"data": [{"id": 1, "port": 80, "protocol": "http"}], "pages": 1}
    nodes = [
        {"id": number, "config_id": 1, "address": one} for number, one in enumerate(("[fd00::1]:80", "odd"))
    ]

    def respond(seen: Seen) -> Answer:
        is_nodes = seen.path.endswith("/nodes")
        return Answer(200, json.dumps({"data": nodes, "pages": 1} if is_nodes else configs).encode())

    with serve(respond) as server, LinodeLBDriver("token", url=server.url) as driver:
        balancer = LoadBalancer("1", "web", State.RUNNING, None, 80, driver)
        assert [(one.ip, one.port) for one in balancer.list_members()] == [("fd00::1", 80), ("odd", None)]
