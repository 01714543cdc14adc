"""Amazon's classic balancers on moto, with a server before it that responds as Amazon does."""

from __future__ import annotations

from copy import copy
from itertools import count

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.providers import get_driver
from polycloud.errors import (
    InvalidArgumentError,
    OperationTimeoutError,
    QuotaExceededError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Member
from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
from polycloud.loadbalancer.drivers.elb.payload import Instance
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    BalancerAlreadyExistsError,
    BalancerInUseError,
    MemberCondition,
    MemberHealth,
    State,
)
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.awslb import CERTIFICATE, Forward, Ground, front, ground, refusal, result
from support.web import Answer, Web

numbers = count(1)


@pytest.fixture(scope="module")
def aws(aws: Sandbox) -> Ground:
    return ground(aws)


@pytest.fixture
def driver(aws: Ground) -> ElasticLBDriver:
    return ElasticLBDriver(*aws.cloud.credentials, **aws.cloud.options)


def through(aws: Ground, web: Web) -> ElasticLBDriver:
    return ElasticLBDriver(*aws.cloud.credentials, **web.options)


def new_name() -> str:
    return f"classic-{next(numbers)}"


def members_of(aws: Ground, number: int, port: int | None = 8080) -> list[Member]:
    return [Member(one.id, None, port) for one in aws.nodes[:number]]


def names(driver: ElasticLBDriver) -> set[str]:
    return {one.name for one in driver.list_balancers()}


def test_what_a_balancer_is(aws: Ground, driver: ElasticLBDriver) -> None:
    """A balancer's id is its name and its ip the host's name, and it runs; members are instances by ids."""
    name = new_name()
    made = driver.create_balancer(name, 80, members=members_of(aws, 2))
    assert (made.id, made.state, made.ip) == (name, State.RUNNING, f"{name}.us-east-1.elb.amazonaws.com")
    assert made.extra["listeners"] == [Listener(port=80, member_port=8080)]
    found = driver.balancer_list_members(made)
    assert [(one.id, one.ip, one.port, one.health) for one in found] == [
        (one.id, None, 8080, MemberHealth.UP) for one in aws.nodes[:2]
    ]


def test_all_settings_at_once(aws: Ground, driver: ElasticLBDriver) -> None:
    """Listeners, certificates, sticky sessions, checks, zones and the proxy protocol are as asked for."""
    check = HealthCheck(protocol="http", port=9000, path="/up", interval=6, timeout=3, healthy=2, unhealthy=5)
    made = driver.create_balancer(
        new_name(),
        443,
        "https",
        members=members_of(aws, 1, None),
        ex_listeners=[
            Listener(port=443, protocol="https", member_port=8080, member_protocol="https"),
            Listener(port=25, protocol="tcp", member_port=2525),
        ],
        ex_certificate=CERTIFICATE,
        ex_health_check=check,
        ex_sticky=StickySessions(cookie="session"),
        ex_proxy_protocol=True,
        ex_cross_zone=True,
        ex_subnets=aws.subnets,
        ex_scheme="internal",
        ex_tags={"team": "web"},
    )
    extra = made.extra
    assert extra["listeners"] == [
        Listener(port=443, protocol="https", member_port=8080, certificate=CERTIFICATE),
        Listener(port=25, protocol="tcp", member_port=2525),
    ]
    assert extra["health_check"] == check
    assert extra["sticky"] == StickySessions(cookie="session")
    assert [one["InstancePort"] for one in extra["BackendServerDescriptions"]] == ["2525"]
    assert (extra["Scheme"], extra["Subnets"]) == ("internal", aws.subnets)
    assert driver.ex_list_tags(made)["team"] == "web"
    fields = {"LoadBalancerName": made.id}
    attributes = driver.connection.call("DescribeLoadBalancerAttributes", fields, dict)
    assert attributes["LoadBalancerAttributes"]["CrossZoneLoadBalancing"] == {"Enabled": "true"}


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"name": "a--b"}, InvalidArgumentError, "single hyphens"),
        ({"name": "-a"}, InvalidArgumentError, "single hyphens"),
        ({"name": "a" * 33}, InvalidArgumentError, "1 to 32"),
        ({"protocol": "https"}, InvalidArgumentError, "https listener at 80 needs a certificate"),
        ({"members": [Member("web-1", None, None)]}, InvalidArgumentError, "must be an instance of EC2"),
        (
            {"members": [Member("i-1", None, 80), Member("i-2", None, 81)]},
            InvalidArgumentError,
            "all members of the balancer serve at port 80, not at 81",
        ),
        ({"ex_sticky": StickySessions(by="source_ip")}, UnsupportedOperationError, "by a cookie only"),
        ({"ex_sticky": StickySessions(cookie="a", ttl=5)}, UnsupportedOperationError, "give no ttl"),
        (
            {"protocol": "tcp", "ex_sticky": StickySessions()},
            UnsupportedOperationError,
            "only http and https",
        ),
        ({"ex_proxy_protocol": True}, UnsupportedOperationError, "only tcp and ssl"),
        ({"ex_scheme": "public"}, InvalidArgumentError, "internet-facing, internal"),
        ({"ex_health_check": HealthCheck(protocol="udp")}, UnsupportedOperationError, "not by 'udp'"),
        ({"ex_health_check": HealthCheck(path="/")}, InvalidArgumentError, "has no path"),
        ({"ex_health_check": HealthCheck(timeout=0)}, InvalidArgumentError, "timeout of a health check"),
        (
            {"members": [Member("i-1", None, None, extra={"condition": MemberCondition.DISABLED})]},
            UnsupportedOperationError,
            "have no condition; i-1 has disabled",
        ),
        ({"ex_health_check": HealthCheck(port=0)}, InvalidArgumentError, "port of a health check"),
        ({"ex_certificate": CERTIFICATE}, InvalidArgumentError, "no listener takes ex_certificate"),
        ({"ex_listeners": [Listener(port=8)] * 2}, InvalidArgumentError, "comes twice"),
        ({"ex_listeners": [Listener(port=80, protocol="tcp")]}, InvalidArgumentError, "protocol is 'http'"),
    ],
)
def test_wrong_arguments(
    driver: ElasticLBDriver, wrong: dict[str, object], kind: type[Exception], words: str
) -> None:
    """What the provider cannot do is refused before anything is sent, in words that say what it can."""
    sent: list[str] = []
    remove = add_hook(lambda trace: sent.append(trace.path))
    arguments: dict[str, object] = {"name": "web", "port": 80, **wrong}
    try:
        with pytest.raises(kind, match=words):
            driver.create_balancer(**arguments)  # type: ignore[arg-type]
    finally:
        remove()
    assert sent == []


def test_a_balancer_that_amazon_gives_back(aws: Ground, driver: ElasticLBDriver) -> None:
    """One that another program makes meanwhile, and that is returned as if new, is told of and left alone."""
    name = new_name()

    def create(fields: dict[str, str], _: Forward) -> Answer:
        driver.create_balancer(name, 80, members=members_of(aws, 1))
        return result("CreateLoadBalancer", f"<DNSName>{name}.elb.amazonaws.com</DNSName>")

    with front(aws.cloud, CreateLoadBalancer=create) as web:
        with pytest.raises(BalancerAlreadyExistsError):
            through(aws, web).create_balancer(name, 80, members=members_of(aws, 2))
    assert len(driver.balancer_list_members(driver.get_balancer(name))) == 1


def test_a_balancer_of_somebody_who_sets_no_tags(aws: Ground, driver: ElasticLBDriver) -> None:
    """One without our tag is not ours, however long that is waited for."""
    name = new_name()

    def create(fields: dict[str, str], forward: Forward) -> Answer:
        answer = forward()
        tags = [{"Key": fields["Tags.member.1.Key"]}]
        driver.connection.act("RemoveTags", LoadBalancerNames=[name], Tags=tags)
        return answer

    with front(aws.cloud, CreateLoadBalancer=create) as web:
        impatient = through(aws, web)
        vars(impatient)["settle_time"] = 0.5
        with pytest.raises(BalancerAlreadyExistsError):
            impatient.create_balancer(name, 80)
    assert name in names(driver)


def test_members_that_are_refused_at_the_create(aws: Ground, driver: ElasticLBDriver) -> None:
    """A create whose members are refused says so, and leaves nothing behind."""
    name = new_name()
    with front(aws.cloud, RegisterInstancesWithLoadBalancer=lambda *_: refusal("InvalidInstance")) as web:
        with pytest.raises(InvalidArgumentError, match="refuses the members i-"):
            through(aws, web).create_balancer(name, 80, members=members_of(aws, 2))
    assert name not in names(driver)


def test_what_a_failed_clean_up_leaves(aws: Ground, driver: ElasticLBDriver) -> None:
    """If the clean-up of a failed create fails too, a note says what is left behind."""
    name = new_name()
    changes = {
        "RegisterInstancesWithLoadBalancer": lambda *_: refusal("InvalidInstance"),
        "DeleteLoadBalancer": lambda *_: refusal("ValidationError", "not today"),
    }
    with front(aws.cloud, **changes) as web:
        with pytest.raises(InvalidArgumentError) as caught:
            through(aws, web).create_balancer(name, 80, members=members_of(aws, 2))
    (note,) = [one for one in caught.value.__notes__ if "left behind" in one]
    assert name in note
    assert "not today" in note
    assert name in names(driver)


def test_draining(aws: Ground, driver: ElasticLBDriver) -> None:
    """A detach that waits turns draining on for so long, and ends when the instance is not registered."""
    made = driver.create_balancer(new_name(), 80, members=members_of(aws, 2))
    ids = [str(one.id) for one in driver.balancer_list_members(made)]
    states = iter(["in progress", "in progress", "gone"])

    def health(fields: dict[str, str], _: Forward) -> Answer:
        assert fields["Instances.member.1.InstanceId"] == ids[0]
        if next(states) == "gone":
            return refusal("InvalidInstance")
        return result(
            "DescribeInstanceHealth",
            f"<InstanceStates><member><InstanceId>{ids[0]}</InstanceId><State>InService</State><ReasonCode>N/A"
            "</ReasonCode><Description>Instance deregistration currently in progress.</Description></member>"
            "</InstanceStates>",
        )

    with front(aws.cloud, DescribeInstanceHealth=health) as web:
        assert through(aws, web).balancer_detach_member(made, Member(ids[0], None, None), wait_drained=20)
    assert list(states) == []
    fields = {"LoadBalancerName": made.id}
    attributes = driver.connection.call("DescribeLoadBalancerAttributes", fields, dict)
    assert attributes["LoadBalancerAttributes"]["ConnectionDraining"] == {"Enabled": "true", "Timeout": "20"}
    assert [one.id for one in driver.balancer_list_members(made)] == ids[1:]


def test_draining_that_takes_too_long(aws: Ground, driver: ElasticLBDriver) -> None:
    """If connections do not end in time, a note says that the instance is detached."""
    made = driver.create_balancer(new_name(), 80, members=members_of(aws, 1))
    (member,) = driver.balancer_list_members(made)
    state = (
        f"<InstanceStates><member><InstanceId>{member.id}</InstanceId><State>InService</State>"
        "<Description>Instance deregistration currently in progress.</Description></member></InstanceStates>"
    )
    with front(aws.cloud, DescribeInstanceHealth=lambda *_: result("DescribeInstanceHealth", state)) as web:
        with pytest.raises(OperationTimeoutError, match="connections") as caught:
            through(aws, web).balancer_detach_member(made, member, wait_drained=0.5)
    assert caught.value.__notes__ == [f"{member.id} is detached: it gets no new connections"]


@pytest.mark.parametrize(
    ("state", "reason", "description", "health"),
    [
        ("InService", "N/A", "N/A", MemberHealth.UP),
        ("OutOfService", "ELB", "Instance registration is still in progress.", MemberHealth.STARTING),
        ("OutOfService", "Instance", "Instance has failed the health checks.", MemberHealth.DOWN),
        ("InService", "N/A", "Instance deregistration currently in progress.", MemberHealth.DRAINING),
        ("Unknown", "ELB", "N/A", MemberHealth.UNKNOWN),
    ],
)
def test_health(state: str, reason: str, description: str, health: MemberHealth) -> None:
    """A member's health is what the provider's state, reason and description say together."""
    assert Instance("i-1", state, description, reason).health == health


def changed(driver: ElasticLBDriver, made: LoadBalancer, **what: object) -> list[Listener]:
    listeners: list[Listener] = driver.update_balancer(made, **what).extra["listeners"]  # type: ignore[arg-type]
    return listeners


def test_changes_of_a_listener(aws: Ground, driver: ElasticLBDriver) -> None:
    """Another port or protocol keeps the members' port, and sticky sessions where the protocol has them."""
    made = driver.create_balancer(
        new_name(), 80, members=members_of(aws, 1), ex_sticky=StickySessions(ttl=60)
    )
    assert changed(driver, made, port=81) == [Listener(port=81, member_port=8080)]
    made = driver.get_balancer(made.id)
    assert made.extra["sticky"] == StickySessions(ttl=60)
    with pytest.raises(InvalidArgumentError, match="needs ex_certificate"):
        driver.update_balancer(made, protocol="https")
    https = Listener(port=81, protocol="https", member_port=8080, certificate=CERTIFICATE)
    assert changed(driver, made, protocol="https", ex_certificate=CERTIFICATE) == [https]
    assert changed(driver, made, protocol="tcp") == [Listener(port=81, protocol="tcp", member_port=8080)]


def test_changes_beside_other_listeners(aws: Ground, driver: ElasticLBDriver) -> None:
    """The listener at the balancer's port changes and stays the first; without one there it is refused."""
    more = [Listener(port=81), Listener(port=70)]
    made = driver.create_balancer(new_name(), 80, members=members_of(aws, 1), ex_listeners=more)
    assert made.port == 80
    moved = driver.update_balancer(made, port=8000)
    for one in (
        moved,
        driver.get_balancer(made.id),
        {one.id: one for one in driver.list_balancers()}[made.id],
    ):
        assert one.port == 8000
        assert sorted(listener.port for listener in one.extra["listeners"]) == [70, 81, 8000]
        assert one.extra["listeners"][0].port == 8000
    with pytest.raises(InvalidArgumentError, match=r"listeners at .*, none at 80; get_balancer"):
        driver.update_balancer(made, port=8001)
    assert driver.get_balancer(made.id).port == 8000


def test_nodes_that_cannot_be_members(aws: Ground, driver: ElasticLBDriver) -> None:
    """A node of another provider or region is refused before anything is sent, whatever its id."""
    made = driver.create_balancer(new_name(), 80)
    (far,) = [one for one in get_driver("dummy")("key").list_nodes() if one.id == "1"]
    elsewhere = copy(aws.nodes[0])
    elsewhere.driver = EC2NodeDriver(*aws.cloud.credentials, region="eu-west-1")
    for node, words in ((far, "is of Dummy Node Provider"), (elsewhere, "in eu-west-1, .* in us-east-1")):
        with pytest.raises(InvalidArgumentError, match=words):
            made.attach_compute_node(node)
    assert made.list_members() == []


def test_a_port_that_is_taken(aws: Ground, driver: ElasticLBDriver) -> None:
    """A listener does not move to the port of another one, and both stay."""
    made = driver.create_balancer(new_name(), 80, ex_listeners=[Listener(port=81, member_port=82)])
    with pytest.raises(InvalidArgumentError, match="another listener at port 81"):
        driver.update_balancer(made, port=81)
    assert driver.get_balancer(made.id).extra["listeners"] == made.extra["listeners"]


def test_a_new_port_whose_policies_are_refused(aws: Ground, driver: ElasticLBDriver) -> None:
    """If a listener at a new port cannot be sticky as the old one was, the old one alone is left."""
    made = driver.create_balancer(new_name(), 80, ex_sticky=StickySessions())
    with front(aws.cloud, SetLoadBalancerPoliciesOfListener=lambda *_: refusal("PolicyNotFound")) as web:
        with pytest.raises(Exception, match="PolicyNotFound"):
            through(aws, web).update_balancer(made, port=81)
    assert driver.get_balancer(made.id).extra["listeners"] == made.extra["listeners"]


def test_a_change_that_fails_midway(aws: Ground, driver: ElasticLBDriver) -> None:
    """If the new listener is refused at the port of the old one, the old one is made again."""
    made = driver.create_balancer(new_name(), 80, members=members_of(aws, 1))

    def create(fields: dict[str, str], forward: Forward) -> Answer:
        is_new = fields["Listeners.member.1.Protocol"] == "TCP"
        return refusal("InvalidConfigurationRequest") if is_new else forward()

    with front(aws.cloud, CreateLoadBalancerListeners=create) as web:
        with pytest.raises(Exception, match="InvalidConfigurationRequest"):
            through(aws, web).update_balancer(made, protocol="tcp")
    assert driver.get_balancer(made.id).extra["listeners"] == [Listener(port=80, member_port=8080)]


@pytest.mark.parametrize(
    ("action", "code", "kind"),
    [
        ("DeleteLoadBalancer", "OperationNotPermitted", BalancerInUseError),
        ("CreateLoadBalancer", "TooManyLoadBalancers", QuotaExceededError),
        ("CreateLoadBalancer", "DuplicateLoadBalancerName", BalancerAlreadyExistsError),
    ],
)
def test_refusals(
    aws: Ground, driver: ElasticLBDriver, action: str, code: str, kind: type[Exception]
) -> None:
    """The provider's codes are the errors of load balancing and of accounts."""
    made = driver.create_balancer(new_name(), 80)
    with front(aws.cloud, **{action: lambda *_: refusal(code)}) as web:
        far = through(aws, web)
        with pytest.raises(kind):
            far.create_balancer(new_name(), 80) if action.startswith("Create") else far.destroy_balancer(made)
    assert driver.get_balancer(made.id).name == made.name


def test_the_cost_of_a_list(aws: Ground) -> None:
    """A list takes one request for a page of balancers, and one more if some have several listeners."""
    driver = ElasticLBDriver(*aws.cloud.credentials, **aws.cloud.options, ex_per_page=3)
    for _ in range(7):
        driver.create_balancer(new_name(), 80, members=members_of(aws, 2))
    driver.create_balancer(new_name(), 80, ex_listeners=[Listener(port=81)])
    sent: list[str] = []
    remove = add_hook(lambda trace: sent.append(trace.path))
    try:
        found = driver.list_balancers()
    finally:
        remove()
    several = sum(len(one.extra["listeners"]) > 1 for one in found)
    lists = [path for path in sent if "DescribeLoadBalancers" in path]
    assert len(found) >= 8
    assert len(lists) == -(-len(found) // 3)
    assert 1 <= len(sent) - len(lists) <= several
