from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import Algorithm, BalancerAlreadyExistsError, MemberHealth, State


@pytest.fixture
def driver() -> DummyLBDriver:
    return DummyLBDriver("key")


@pytest.fixture
def balancer(driver: DummyLBDriver) -> LoadBalancer:
    return driver.create_balancer("web", 80)


def test_a_balancer(driver: DummyLBDriver, balancer: LoadBalancer) -> None:
    """A balancer runs at once, with the defaults, and its address and id follow its number."""
    assert (balancer.id, balancer.state, balancer.ip) == ("1", State.RUNNING, "192.0.2.1")
    assert balancer.extra == {"protocol": "http", "algorithm": Algorithm.ROUND_ROBIN}
    assert driver.create_balancer("other", 443, "https").ip == "192.0.2.2"


def test_a_refused_create_leaves_nothing(driver: DummyLBDriver) -> None:
    """A create that is refused, whatever is wrong, leaves no balancer, and takes no id."""
    twice = [Member(None, "192.0.2.9", 80)] * 2
    for wrong in ({"members": twice}, {"port": 0}, {"name": ""}, {"members": [None]}):
        with pytest.raises(InvalidArgumentError):
            driver.create_balancer(**{"name": "web", "port": 80, **wrong})  # type: ignore[arg-type]
    assert driver.list_balancers() == []
    assert driver.create_balancer("web", 80).id == "1"


def test_a_refused_update_changes_nothing(driver: DummyLBDriver, balancer: LoadBalancer) -> None:
    """An update of which one part is refused changes nothing; one to the name that it has is none."""
    driver.create_balancer("other", 80)
    with pytest.raises(BalancerAlreadyExistsError):
        driver.update_balancer(balancer, "other", port=81)
    with pytest.raises(InvalidArgumentError):
        driver.update_balancer(balancer, "third", port=70000)
    found = driver.get_balancer(balancer.id)
    assert (found.name, found.port) == ("web", 80)
    assert driver.update_balancer(balancer, "web", port=81).port == 81


def test_an_update_keeps_members(driver: DummyLBDriver, balancer: LoadBalancer) -> None:
    """An update keeps the members, and what the balancer had before is an object of its own."""
    balancer.attach_member(Member(None, "192.0.2.9", 80, extra={"weight": 7}))
    changed = driver.update_balancer(balancer, algorithm=Algorithm.RANDOM)
    (member,) = changed.list_members()
    assert (member.ip, member.health, member.extra) == ("192.0.2.9", MemberHealth.UP, {"weight": 7})
    assert (balancer.extra["algorithm"], changed.extra["algorithm"]) == (
        Algorithm.ROUND_ROBIN,
        Algorithm.RANDOM,
    )


def test_what_callers_do_with_results(driver: DummyLBDriver, balancer: LoadBalancer) -> None:
    """What a caller does to the objects that it got changes nothing in the driver."""
    member = balancer.attach_member(Member(None, "192.0.2.9", 80))
    member.port, member.health = 1, MemberHealth.DOWN
    member.extra["weight"] = 3
    balancer.name = "mine"
    balancer.extra["protocol"] = "udp"
    (listed,) = driver.balancer_list_members(balancer)
    assert (listed.port, listed.health, listed.extra) == (80, MemberHealth.UP, {})
    found = driver.get_balancer("1")
    assert (found.name, found.extra["protocol"]) == ("web", "http")
    driver.list_balancers()[0].name = "other"
    assert driver.get_balancer("1").name == "web"


def test_a_pickled_driver(driver: DummyLBDriver, balancer: LoadBalancer) -> None:
    """A pickled driver takes its balancers and their members with it."""
    balancer.attach_member(Member(None, "192.0.2.9", 80))
    copy: DummyLBDriver = pickle.loads(pickle.dumps(driver))
    (found,) = copy.list_balancers()
    assert found.driver is copy
    assert [one.ip for one in found.list_members()] == ["192.0.2.9"]
    found.destroy()
    assert [one.name for one in driver.list_balancers()] == ["web"]


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Threads take turns far more often than usually."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_switches")
def test_threads(driver: DummyLBDriver, balancer: LoadBalancer) -> None:
    """Of threads that make or detach the same thing one succeeds, and all others get an error of ours."""
    member = driver.balancer_attach_member(balancer, Member(None, "192.0.2.1", 80))

    def create(name: str) -> int:
        try:
            driver.create_balancer(name, 80)
        except ConflictError:
            return 0
        return len(driver.list_balancers()) > 0

    def detach(_: int) -> int:
        try:
            return driver.balancer_detach_member(balancer, member)
        except NotFoundError:
            return 0

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, ["same", *map(str, range(200))] * 4)) == 201
        assert sum(threads.map(detach, range(100))) == 1
    assert len({one.id for one in driver.list_balancers()}) == 202
