"""What is particular to Rackspace's Cloud Load Balancers, on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    ProviderHTTPError,
    QuotaExceededError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.loadbalancer.base import Member
from polycloud.loadbalancer.drivers.rackspace import RackspaceLBDriver
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerBusyError,
    BalancerDoesNotExistError,
    BalancerError,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberHealth,
    State,
)
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import FaultList, FaultProxy, SeenRequest
from polycloud.tracing.hooks import add_hook

ONE, TWO = "192.0.2.1", "192.0.2.2"
CHECK = HealthCheck(protocol="https", path="/up", interval=20, timeout=4, unhealthy=2)


@contextmanager
def cloud(**settings: Any) -> Iterator[RackspaceLBDriver]:
    with (
        Sandbox("rackspace", ssh="off", **{"balancing": 0.0, **settings}) as sandbox,
        RackspaceLBDriver(*sandbox.credentials, **sandbox.options) as driver,
    ):
        yield driver


@pytest.fixture
def driver() -> Iterator[RackspaceLBDriver]:
    with cloud() as driver:
        yield driver


@contextmanager
def creates() -> Iterator[list[str]]:
    """Collect the requests of the block that change something."""
    seen: list[str] = []
    remove = add_hook(lambda trace: seen.append(trace.method) if trace.method != "GET" else None)
    try:
        yield seen
    finally:
        remove()


def test_one_request(driver: RackspaceLBDriver) -> None:
    """A create sends one POST, whatever the balancer shall have, and all of it is there."""
    driver.list_balancers()
    throttle = {"maxConnections": 100, "maxConnectionRate": 50, "rateInterval": 60}
    extra = {"weight": 7, "type": "SECONDARY"}
    with creates() as seen:
        made = driver.create_balancer(
            "web",
            8443,
            "https",
            Algorithm.WEIGHTED_ROUND_ROBIN,
            [Member(None, ONE, 443), Member(None, TWO, 443, extra=extra)],
            ex_health_check=CHECK,
            ex_sticky=StickySessions(by="source_ip"),
            ex_connection_throttle=throttle,
            ex_access_list=[{"address": "198.51.100.0/24", "type": "DENY"}],
            ex_timeout=60,
            ex_metadata={"color": "red"},
        )
    assert seen == ["POST"]
    found = driver.get_balancer(made.id).extra
    assert (found["health_check"], found["sticky"]) == (CHECK, StickySessions(by="source_ip"))
    assert (found["connection_throttle"], found["timeout"]) == (throttle, 60)
    members = {one.ip: (one.extra["weight"], one.extra["type"]) for one in made.list_members()}
    assert members == {ONE: (1, "PRIMARY"), TWO: (7, "SECONDARY")}
    path = f"/loadbalancers/{made.id}"
    metadata = driver.connection.request(f"{path}/metadata").object["metadata"]
    assert [(one["key"], one["value"]) for one in metadata][:1] == [("color", "red")]
    access = driver.connection.request(f"{path}/accesslist").object["accessList"]
    assert [(one["address"], one["type"]) for one in access] == [("198.51.100.0/24", "DENY")]


def test_addresses(driver: RackspaceLBDriver) -> None:
    """An address is public, or within the region, or another balancer's at another port."""
    public = driver.create_balancer("public", 80)
    kinds = {(one["type"], one["ip_version"]) for one in public.extra["virtual_ips"]}
    assert kinds == {("PUBLIC", "IPV4"), ("PUBLIC", "IPV6")}
    assert public.ip == next(
        one["address"] for one in public.extra["virtual_ips"] if one["ip_version"] == "IPV4"
    )
    inner = driver.create_balancer("inner", 80, ex_address_type="SERVICENET")
    assert [one["type"] for one in inner.extra["virtual_ips"]] == ["SERVICENET"]
    shared = next(one["id"] for one in public.extra["virtual_ips"] if one["ip_version"] == "IPV4")
    assert driver.create_balancer("other", 81, ex_virtual_ip_id=shared).ip == public.ip
    with pytest.raises(ProviderHTTPError, match="already in use"):
        driver.create_balancer("other", 80, ex_virtual_ip_id=shared)
    with pytest.raises(InvalidArgumentError, match="ex_address_type"):
        driver.create_balancer("other", 80, ex_address_type="MOON")


def test_conditions(driver: RackspaceLBDriver) -> None:
    """Members are enabled, disabled or draining, as they are given and as they are changed."""
    extra = {"condition": MemberCondition.DRAINING}
    balancer = driver.create_balancer("web", 80, members=[Member(None, ONE, 80, extra=extra)])
    (member,) = balancer.list_members()
    assert (member.extra["condition"], member.health) == (MemberCondition.DRAINING, MemberHealth.DRAINING)
    for condition, health in (
        (MemberCondition.ENABLED, MemberHealth.UP),
        (MemberCondition.DISABLED, MemberHealth.DOWN),
    ):
        member.extra.update(condition=condition, weight=5)
        changed = driver.ex_update_member(balancer, member)
        assert (changed.extra["condition"], changed.extra["weight"]) == (condition, 5)
        assert changed.health == health
    for wrong in ({"weight": 0}, {"weight": 101}, {"type": "MOON"}, {"condition": "ENABLED"}):
        with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
            balancer.attach_member(Member(None, TWO, 80, extra=wrong))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"ex_sticky": StickySessions(cookie="srv")}, UnsupportedOperationError),
        ({"ex_sticky": StickySessions(by="moon")}, InvalidArgumentError),
        ({"ex_sticky": StickySessions(), "protocol": "https"}, UnsupportedOperationError),
        ({"ex_health_check": HealthCheck(protocol="udp")}, UnsupportedOperationError),
        ({"ex_health_check": HealthCheck(port=81)}, UnsupportedOperationError),
        ({"ex_health_check": HealthCheck(healthy=2)}, UnsupportedOperationError),
        ({"ex_health_check": HealthCheck(path="/up")}, InvalidArgumentError),
        ({"name": "x" * 129}, InvalidArgumentError),
    ],
)
def test_wrong_settings(driver: RackspaceLBDriver, given: Any, error: type[Exception]) -> None:
    """A setting that Rackspace does not have is refused before it is sent."""
    with creates() as seen, pytest.raises(error):
        driver.create_balancer(**{"name": "web", "port": 80, **given})
    assert seen == []


def test_pages(driver: RackspaceLBDriver) -> None:
    """A page begins with the last balancer of the page before; each balancer is listed once."""
    made = [driver.create_balancer(f"web-{number}", 80).id for number in range(5)]
    for size in (2, 3, 5, 100):
        vars(driver.connection)["per_page"] = size
        assert [one.id for one in driver.list_balancers(ex_details=False)] == made


def test_list_without_details(driver: RackspaceLBDriver) -> None:
    """The list without details takes one request, and does not say how members are checked."""
    driver.create_balancer("web", 80, ex_health_check=CHECK)
    driver.create_balancer("api", 80, ex_health_check=CHECK)
    seen: list[str] = []
    remove = add_hook(lambda trace: seen.append(trace.path))
    found = driver.list_balancers(ex_details=False)
    remove()
    assert (len(seen), [one.extra["health_check"] for one in found]) == (1, [None, None])
    assert [one.extra["health_check"] for one in driver.list_balancers()] == [CHECK, CHECK]


def test_busy() -> None:
    """Changes wait for those before them at most `busy_time`, then `BalancerBusyError` is raised."""
    with cloud(balancing=0.2) as driver:
        made = driver.create_balancer("web", 80)
        made.attach_member(Member(None, ONE, 80))
        assert driver.update_balancer(made, "api").name == "api"
        vars(driver)["busy_time"] = 0.05
        with pytest.raises(BalancerBusyError, match="PENDING_UPDATE"):
            made.attach_member(Member(None, TWO, 80))
        vars(driver)["busy_time"] = 10.0
        assert made.destroy()
        assert driver.list_balancers() == []
        with pytest.raises(BalancerDoesNotExistError):
            driver.update_balancer(made, "web")


Drivers = tuple[RackspaceLBDriver, RackspaceLBDriver]


@contextmanager
def losing(fault: str, method: str, **settings: Any) -> Iterator[Drivers]:
    """Yield a driver, and one whose first request of that method meets the fault."""

    class Patient(RackspaceLBDriver):
        settle_time = 1.0

    def spare(seen: SeenRequest) -> bool:
        return seen.method != method or "tokens" in seen.path

    with (
        Sandbox("rackspace", ssh="off", **settings) as sandbox,
        RackspaceLBDriver(*sandbox.credentials, **sandbox.options) as driver,
        FaultProxy("127.0.0.1", sandbox.port, FaultList(fault, spare=spare)) as proxy,
    ):
        url = sandbox.options["ex_force_auth_url"].replace(str(sandbox.port), proxy.url.rpartition(":")[2])
        options = {**sandbox.options, "ex_force_auth_url": url, "retry": RetryPolicy(base=0.01, cap=0.02)}
        with Patient(*sandbox.credentials, **options) as far:
            yield driver, far


def test_lost_creates() -> None:
    """A create whose response is lost returns its own balancer, never an equal one, or is ambiguous."""
    with losing("reset after", "POST", balancing=0.0) as (driver, far):
        other = driver.create_balancer("web", 80)
        made = far.create_balancer("web", 80)
        assert {one.id for one in driver.list_balancers()} == {other.id, made.id}
        assert made.id != other.id
    with losing("reset before", "POST", balancing=0.0) as (driver, far):
        other = driver.create_balancer("web", 80)
        with pytest.raises(AmbiguousCreateError, match="the metadata polycloudcreate="):
            far.create_balancer("web", 80)
        assert [one.id for one in driver.list_balancers()] == [other.id]


def test_lost_attaches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member whose attach is lost is attached once and returned, or the attach is ambiguous."""
    with losing("reset after", "POST", balancing=0.1) as (driver, far):
        balancer = driver.wait_until_running(driver.create_balancer("web", 80), wait_period=1)
        made = far.balancer_attach_member(balancer, Member(None, ONE, 80))
        assert [one.id for one in balancer.list_members()] == [made.id]
    monkeypatch.setattr("polycloud.loadbalancer.drivers.rackspace.SEEN", 0.5)
    with losing("reset before", "POST", balancing=0.1) as (driver, far):
        balancer = driver.wait_until_running(driver.create_balancer("web", 80), wait_period=1)
        with pytest.raises(AmbiguousCreateError, match=f"the member {ONE}:80"):
            far.balancer_attach_member(balancer, Member(None, ONE, 80))
        assert balancer.list_members() == []


@pytest.mark.parametrize("balancing", [0.0, 0.5])
@pytest.mark.parametrize("fault", ["reset before", "reset after"])
def test_lost_changes(fault: str, balancing: float) -> None:
    """An update, a detach or a destroy whose response is lost is done, and returns what it returns else."""
    with losing(fault, "PUT", balancing=balancing) as (driver, far):
        balancer = driver.create_balancer("web", 80, members=[Member(None, ONE, 80)])
        changed = far.update_balancer(balancer, "api", algorithm=Algorithm.LEAST_CONNECTIONS)
        assert (changed.name, changed.extra["algorithm"]) == ("api", Algorithm.LEAST_CONNECTIONS)
    for method in ("balancer_detach_member", "destroy_balancer"):
        with losing(fault, "DELETE", balancing=balancing) as (driver, far):
            made = driver.create_balancer("web", 80, members=[Member(None, ONE, 80)])
            balancer = driver.wait_until_running(made, wait_period=0.1)
            detaches = method == "balancer_detach_member"
            assert getattr(far, method)(balancer, *([Member(None, ONE, 80)] if detaches else [])) is True
            assert not (balancer.list_members() if detaches else driver.list_balancers())


def test_failed_balancer() -> None:
    """A balancer that cannot be built is in error, refuses changes at once, and can be destroyed."""
    with cloud(errored="create_balancer") as driver:
        made = driver.create_balancer("web", 80)
        with pytest.raises(BalancerError, match="is error"):
            driver.wait_until_running(made, timeout=5)
        assert driver.get_balancer(made.id).state == State.ERROR
        with pytest.raises(ProviderHTTPError, match="'ERROR'"):
            driver.update_balancer(made, "api")
        assert made.destroy()


def test_limits() -> None:
    """Balancers and nodes beyond the account's limits raise `QuotaExceededError`."""
    with cloud(balancer_limit=1, node_limit=1) as driver:
        made = driver.create_balancer("web", 80, members=[Member(None, ONE, 80)])
        with pytest.raises(QuotaExceededError, match="over the limit"):
            driver.create_balancer("api", 80)
        with pytest.raises(QuotaExceededError, match="over the limit"):
            made.attach_member(Member(None, TWO, 80))
        with pytest.raises(MemberAlreadyExistsError):
            made.attach_member(Member(None, ONE, 80))


def test_faults(driver: RackspaceLBDriver) -> None:
    """An error has the message of the fault, and what it says of the fields."""
    with pytest.raises(ProviderHTTPError) as caught:
        driver.create_balancer("web", 80, ex_timeout=1000)
    assert "Validation Failure" in str(caught.value)
    assert "timeout" in str(caught.value)
