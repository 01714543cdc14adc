from __future__ import annotations

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.providers import get_driver
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    ProviderError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Algorithm, LoadBalancer, Member
from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    BalancerBusyError,
    BalancerError,
    MemberAlreadyExistsError,
    MemberDoesNotExistError,
    State,
)
from polycloud.rolling import rolling
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import FaultList, FaultProxy
from polycloud.tracing.hooks import add_hook
from support.droplets import CERTIFICATE, Ground, ground
from support.web import Answer, Seen, serve


@pytest.fixture(scope="module")
def here() -> Iterator[Ground]:
    with ground() as here:
        yield here


@pytest.fixture
def driver(here: Ground) -> Iterator[DigitalOceanLBDriver]:
    """A driver, after which no balancer is left."""
    with DigitalOceanLBDriver(here.cloud.credentials[0], region="nyc3", **here.cloud.options) as driver:
        yield driver
        for one in driver.list_balancers():
            driver.destroy_balancer(one)


@pytest.fixture
def balancer(driver: DigitalOceanLBDriver) -> LoadBalancer:
    return driver.wait_until_running(driver.create_balancer("web", 80), wait_period=0.1)


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """The methods and paths of the requests that were sent."""
    seen: list[str] = []
    remove = add_hook(lambda trace: seen.append(f"{trace.method} {trace.path}"))
    yield seen
    remove()


def droplet(here: Ground, number: int, port: int | None = None) -> Member:
    return Member(here.nodes[number].id, None, port)


# Creating


def test_what_a_balancer_is_created_with(here: Ground, driver: DigitalOceanLBDriver) -> None:
    """Everything that is given to a create is listed again, in our words and in the provider's."""
    check = HealthCheck(
        protocol="http", port=9000, path="/up", interval=20, timeout=4, healthy=2, unhealthy=3
    )
    further = [
        Listener(port=443, protocol="https", member_port=8443, certificate=CERTIFICATE),
        Listener(port=25, protocol="tcp", member_port=2525),
    ]
    made = driver.create_balancer(
        "all",
        80,
        members=[droplet(here, 0, 8080)],
        ex_listeners=further,
        ex_health_check=check,
        ex_sticky=StickySessions(),
        ex_proxy_protocol=True,
        ex_redirect_http_to_https=True,
        ex_size_unit=2,
    )
    extra = driver.get_balancer(made.id).extra
    assert extra["listeners"] == [Listener(port=80, protocol="http", member_port=8080), *further]
    assert (extra["health_check"], extra["algorithm"]) == (check, Algorithm.ROUND_ROBIN)
    assert extra["sticky"] == StickySessions(by="cookie", cookie="DO-LB", ttl=300)
    assert (extra["enable_proxy_protocol"], extra["redirect_http_to_https"], extra["size_unit"]) == (
        True,
        True,
        2,
    )
    assert (extra["region"], extra["droplet_ids"]) == ("nyc3", [int(here.nodes[0].id)])


def test_the_default_health_check(driver: DigitalOceanLBDriver, here: Ground) -> None:
    """Without a health check members are checked by TCP at the port that they serve at."""
    made = driver.create_balancer("checked", 80, members=[droplet(here, 0, 8080)])
    check = HealthCheck(protocol="tcp", interval=10, timeout=5, healthy=3, unhealthy=5)
    assert made.extra["health_check"] == check
    assert made.extra["sticky"] is None


def test_the_region(here: Ground, requests: list[str]) -> None:
    """The region is the one that is given, that of the driver, or that of the first member."""
    with DigitalOceanLBDriver(here.cloud.credentials[0], **here.cloud.options) as driver:
        with pytest.raises(InvalidArgumentError, match="ex_location"):
            driver.create_balancer("web", 80)
        assert requests == []
        made = [
            driver.create_balancer("web", 80, members=[droplet(here, 0)]),
            driver.create_balancer("web", 80, ex_location="ams3"),
        ]
        assert [one.extra["region"] for one in made] == ["nyc3", "ams3"]
        for one in made:
            driver.destroy_balancer(one)


def test_refused_settings(driver: DigitalOceanLBDriver, here: Ground, requests: list[str]) -> None:
    """A setting that the provider does not have, or that is wrong, is refused before anything is sent."""
    unsupported: list[dict[str, Any]] = [
        {"ex_sticky": StickySessions(by="source_ip")},
        {"ex_health_check": HealthCheck(protocol="udp")},
        {"protocol": "tcp", "ex_sticky": StickySessions()},
        {"members": [Member("1", None, None, extra={"weight": 0})]},
        {"ex_listeners": [Listener(port=81, protocol="ftp")]},
        {"algorithm": Algorithm.LEAST_CONNECTIONS},
    ]
    wrong: list[dict[str, Any]] = [
        {"protocol": "https"},
        {"protocol": "udp"},
        {"ex_size_unit": 101},
        {"ex_proxy_protocol": "no"},
        {"ex_health_check": HealthCheck(port=0)},
        {"ex_health_check": HealthCheck(timeout=0)},
        {"ex_health_check": HealthCheck(path="/up")},
        {"ex_sticky": StickySessions(by="source_ip", cookie="srv")},
        {"ex_sticky": StickySessions(ttl=0)},
        {"ex_tag": "web", "members": [droplet(here, 0)]},
        {"members": [droplet(here, 0, 8080), droplet(here, 1, 8081)]},
        {"members": [Member("web-1", None, None)]},
    ]
    for error, all_given in ((UnsupportedOperationError, unsupported), (InvalidArgumentError, wrong)):
        for given in all_given:
            with pytest.raises(error):
                driver.create_balancer("web", 80, **given)
    assert requests == []


def test_a_refused_create(driver: DigitalOceanLBDriver) -> None:
    """A create that the provider refuses raises its message and leaves nothing."""
    with pytest.raises(ProviderError, match="Droplet 1 does not exist"):
        driver.create_balancer("web", 80, members=[Member("1", None, None)])
    assert driver.list_balancers() == []


def test_a_lost_create_beside_an_equal_balancer(driver: DigitalOceanLBDriver, balancer: LoadBalancer) -> None:
    """A create whose response is lost returns the new balancer, not the one that had the name before."""
    plan = FaultList("reset after", spare=lambda request: request.method == "GET")
    with (
        FaultProxy("127.0.0.1", driver.connection.port, plan) as proxy,
        DigitalOceanLBDriver(driver.key, region="nyc3", url=f"{proxy.url}/v2") as far,
    ):
        made = far.create_balancer(balancer.name, 81)
    assert (made.id != balancer.id, made.port) == (True, 81)
    assert len(driver.list_balancers()) == 2


def test_a_create_that_did_not_happen(driver: DigitalOceanLBDriver, balancer: LoadBalancer) -> None:
    """A create that nobody knows of is ambiguous, and takes no balancer of the same name for the new one."""

    class Impatient(DigitalOceanLBDriver):
        settle_time = 0.2

    plan = FaultList("502", spare=lambda request: request.method == "GET")
    with (
        FaultProxy("127.0.0.1", driver.connection.port, plan) as proxy,
        Impatient(driver.key, region="nyc3", url=f"{proxy.url}/v2") as far,
        pytest.raises(AmbiguousCreateError),
    ):
        far.create_balancer(balancer.name, 81)
    assert [one.id for one in driver.list_balancers()] == [balancer.id]


# States


def test_states() -> None:
    """A balancer is pending without an address, then running with one, or failed."""
    with (
        Sandbox("digitalocean", ssh="off", balance=0.1) as cloud,
        DigitalOceanLBDriver(cloud.credentials[0], region="nyc3", **cloud.options) as driver,
    ):
        made = driver.create_balancer("web", 80)
        assert (made.state, made.ip) == (State.PENDING, None)
        made = driver.wait_until_running(made)
        assert (made.state, bool(made.ip)) == (State.RUNNING, True)
    with (
        Sandbox("digitalocean", ssh="off", balance=0, errored="load_balancer") as cloud,
        DigitalOceanLBDriver(cloud.credentials[0], region="nyc3", **cloud.options) as driver,
    ):
        made = driver.create_balancer("web", 80)
        with pytest.raises(BalancerError, match="is error"):
            driver.wait_until_running(made)


def test_unknown_words() -> None:
    """A state or an algorithm that is not documented is unknown; what is missing is None."""
    shown = {"id": "x", "status": "moving", "algorithm": "random", "forwarding_rules": []}
    with (
        serve(lambda _: Answer(200, json.dumps({"load_balancer": shown}).encode())) as server,
        DigitalOceanLBDriver("t", url=server.url) as driver,
    ):
        found = driver.get_balancer("x")
        assert (found.state, found.ip, found.port, found.name) == (State.UNKNOWN, None, None, "")
        names = ("algorithm", "protocol", "region", "health_check", "sticky")
        assert [found.extra[name] for name in names] == [None] * 5
        assert found.extra["listeners"] == []


# Changes


def test_a_balancer_of_another_kind() -> None:
    """An update sends back what it does not know; without a port there is none to change."""
    shown = {
        "id": "x",
        "name": "web",
        "type": "GLOBAL",
        "size": "lb-large",
        "glb_settings": {"a": 1},
        "ip": "",
    }
    sent: list[dict[str, Any]] = []

    def respond(seen: Seen) -> Answer:
        if seen.method == "PUT":
            sent.append(json.loads(seen.body))
        return Answer(200, json.dumps({"load_balancer": shown}).encode())

    with serve(respond) as server, DigitalOceanLBDriver("t", url=server.url) as driver:
        found = driver.get_balancer("x")
        driver.update_balancer(found, "other")
        with pytest.raises(BalancerError, match="has no port"):
            driver.update_balancer(found, port=81)
    assert sent == [{"name": "other", "type": "GLOBAL", "size": "lb-large", "glb_settings": {"a": 1}}]


def test_an_update_keeps_the_rest(driver: DigitalOceanLBDriver, here: Ground) -> None:
    """An update keeps members, settings and further listeners, which the provider would reset."""
    made = driver.create_balancer(
        "web",
        80,
        members=[droplet(here, 0, 8080)],
        ex_listeners=[Listener(port=25, protocol="tcp")],
        ex_sticky=StickySessions(cookie="srv", ttl=60),
        ex_size_unit=3,
    )
    changed = driver.update_balancer(made, "other", 8000)
    assert (changed.name, changed.port) == ("other", 8000)
    assert changed.extra["listeners"] == [
        Listener(port=8000, protocol="http", member_port=8080),
        Listener(port=25, protocol="tcp"),
    ]
    same = ("sticky", "size_unit", "droplet_ids", "health_check", "vpc_uuid", "region")
    assert [changed.extra[name] for name in same] == [made.extra[name] for name in same]


def test_a_change_to_https(driver: DigitalOceanLBDriver, balancer: LoadBalancer, requests: list[str]) -> None:
    """HTTPS needs a certificate, which can be changed, and HTTP must have none; a wrong change is refused."""
    for protocol, certificate in (("https", None), ("tcp", CERTIFICATE)):
        with pytest.raises(InvalidArgumentError, match="ex_certificate"):
            driver.update_balancer(balancer, protocol=protocol, ex_certificate=certificate)
    assert requests == []
    changed = driver.update_balancer(balancer, protocol="https", port=443, ex_certificate=CERTIFICATE)
    listener = Listener(port=443, protocol="https", member_port=80, certificate=CERTIFICATE)
    assert changed.extra["listeners"] == [listener]
    changed = driver.update_balancer(balancer, ex_certificate=CERTIFICATE[::-1])
    assert changed.extra["listeners"] == [replace(listener, certificate=CERTIFICATE[::-1])]
    assert driver.update_balancer(balancer, protocol="http").extra["listeners"][0].certificate is None
    with pytest.raises(InvalidArgumentError, match="ex_certificate"):
        driver.update_balancer(balancer, ex_certificate=CERTIFICATE)


def test_a_busy_balancer() -> None:
    """A change waits for the one before, for `busy_time` seconds; then it raises `BalancerBusyError`."""
    with (
        ground(attach=0.4) as slow,
        DigitalOceanLBDriver(slow.cloud.credentials[0], region="nyc3", **slow.cloud.options) as driver,
    ):
        balancer = driver.create_balancer("web", 80)
        for number in (0, 1):
            driver.balancer_attach_member(balancer, droplet(slow, number))
        vars(driver)["busy_time"] = 0.05
        with pytest.raises(BalancerBusyError, match="previous actions"):
            driver.update_balancer(balancer, "other")
        assert driver.get_balancer(balancer.id).name == "web"
        assert len(driver.balancer_list_members(balancer)) == 2


# Members


def test_members_are_droplets(
    driver: DigitalOceanLBDriver, balancer: LoadBalancer, here: Ground, requests: list[str]
) -> None:
    """A member is a droplet by its id: an address alone, or another port than that of all, is refused."""
    for wrong in (Member(None, "10.0.0.1", 80), Member("web-1", None, None)):
        for change in (driver.balancer_attach_member, driver.balancer_detach_member):
            with pytest.raises(InvalidArgumentError, match=r"droplets by id|must be a number"):
                change(balancer, wrong)
    assert requests == []
    with pytest.raises(InvalidArgumentError, match="serve at port 80, not at 8080"):
        driver.balancer_attach_member(balancer, droplet(here, 0, 8080))
    made = driver.balancer_attach_member(balancer, droplet(here, 0, 80))
    assert (made.id, made.ip, made.port) == (here.nodes[0].id, None, 80)
    addressed = Member(made.id, "10.0.0.1", 80)
    with pytest.raises(MemberAlreadyExistsError):
        driver.balancer_attach_member(balancer, addressed)
    assert driver.balancer_detach_member(balancer, addressed)
    with pytest.raises(MemberDoesNotExistError):
        driver.balancer_detach_member(balancer, addressed)


def test_droplets_that_cannot_be_members(
    here: Ground, driver: DigitalOceanLBDriver, balancer: LoadBalancer
) -> None:
    """A node of another provider or region is refused before anything is sent, whatever its id."""
    elsewhere = copy(here.nodes[0])
    elsewhere.extra = {**elsewhere.extra, "region_slug": "ams3"}
    far = get_driver("dummy")("key").list_nodes()[0]
    for node, words in ((far, "is of Dummy Node Provider"), (elsewhere, "in ams3, .* in nyc3")):
        with pytest.raises(InvalidArgumentError, match=words):
            balancer.attach_compute_node(node)
    assert balancer.list_members() == []


def test_members_by_tag(here: Ground, driver: DigitalOceanLBDriver) -> None:
    """The members of a balancer with a tag are the droplets that have it; single ones are refused."""
    with DigitalOceanNodeDriver(here.cloud.credentials[0], **here.cloud.options) as compute:
        compute.ex_create_tag("behind")
        for node in here.nodes[:2]:
            compute.ex_tag_node(node, "behind")
    made = driver.create_balancer("tagged", 80, ex_tag="behind")
    wanted = {one.id for one in here.nodes[:2]}
    assert {one.id for one in driver.balancer_list_members(made)} == wanted
    made = driver.update_balancer(made, "other")
    assert {one.id for one in driver.balancer_list_members(made)} == wanted
    with pytest.raises(ProviderError, match="by tag"):
        driver.balancer_attach_member(made, droplet(here, 2))


def test_costs(
    driver: DigitalOceanLBDriver, balancer: LoadBalancer, here: Ground, requests: list[str]
) -> None:
    """A create costs two requests, an attach and a detach two, a list of members one, and nothing more."""
    driver.create_balancer("other", 80, members=[droplet(here, 0)])
    assert [one.split()[0] for one in requests] == ["GET", "POST"]
    requests.clear()
    made = driver.balancer_attach_member(balancer, droplet(here, 1))
    driver.balancer_detach_member(balancer, made)
    assert [one.split()[0] for one in requests] == ["GET", "POST", "GET", "DELETE"]
    requests.clear()
    driver.balancer_list_members(balancer)
    assert [one.split()[0] for one in requests] == ["GET"]


def test_draining(driver: DigitalOceanLBDriver, balancer: LoadBalancer, here: Ground) -> None:
    """Waiting for a member's connections is refused, with what to do instead, and the member stays."""
    made = driver.balancer_attach_member(balancer, droplet(here, 0))
    for seconds in (0, 5):
        with pytest.raises(UnsupportedOperationError, match="give wait_drained=None to detach it at once"):
            driver.balancer_detach_member(balancer, made, wait_drained=seconds)
    assert [one.id for one in driver.balancer_list_members(balancer)] == [made.id]


def test_a_rolling_deployment(driver: DigitalOceanLBDriver, here: Ground) -> None:
    """Droplets are taken out and put back one by one, although the provider tells nothing of their health."""
    nodes, seen = here.nodes[:2], list[int]()
    made = driver.create_balancer("web", 80, members=[droplet(here, number, 8080) for number in (0, 1)])
    found = rolling(made, nodes, lambda _: seen.append(len(made.list_members())), wait_drained=None)
    assert (seen, [one.id for one in found]) == ([1, 1], [one.id for one in nodes])
    assert {one.id for one in made.list_members()} == {one.id for one in nodes}
