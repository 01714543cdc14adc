"""Amazon's application and network balancers on moto, and a server before it that responds as Amazon does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidArgumentError, OperationTimeoutError, UnsupportedOperationError
from polycloud.loadbalancer.base import Algorithm, Member
from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
from polycloud.loadbalancer.drivers.alb.payload import Target, TargetDescription, TargetHealth
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import (
    BalancerAlreadyExistsError,
    BalancerDoesNotExistError,
    BalancerInUseError,
    MemberHealth,
    State,
)
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.awslb import CERTIFICATE, Forward, Ground, front, ground, refusal, result
from support.web import Answer

numbers = count(1)
CHECK = HealthCheck(protocol="http", path="/up", interval=6, timeout=3, healthy=2, unhealthy=5)


@pytest.fixture(scope="module")
def aws(aws: Sandbox) -> Ground:
    return ground(aws)


@pytest.fixture
def driver(aws: Ground) -> ApplicationLBDriver:
    return through(aws, aws.cloud)


def through(aws: Ground, server: Any) -> ApplicationLBDriver:
    return ApplicationLBDriver(*aws.cloud.credentials, **server.options, ex_subnets=aws.subnets)


def new_name() -> str:
    return f"balancer-{next(numbers)}"


def instances(aws: Ground, number: int) -> list[Member]:
    return [Member(one.id, None, 8080) for one in aws.nodes[:number]]


def addresses(aws: Ground, number: int) -> list[Member]:
    return [Member(None, one.private_ips[0], 8080) for one in aws.nodes[:number]]


def groups(driver: ApplicationLBDriver) -> dict[str, str]:
    found = driver.connection.call("DescribeTargetGroups", {}, dict).get("TargetGroups") or ()
    return {one["TargetGroupName"]: one["TargetGroupArn"] for one in found}


def left(driver: ApplicationLBDriver, name: str) -> list[str]:
    """Return the names of what there is of a balancer."""
    balancers = [one.name for one in driver.list_balancers(ex_details=False) if one.name == name]
    return balancers + [one for one in groups(driver) if one.startswith(f"{name}-")]


@contextmanager
def requests() -> Iterator[Counter[str]]:
    """Count the requests of a block by their actions."""
    sent: Counter[str] = Counter()
    remove = add_hook(lambda trace: sent.update([trace.path.partition("=")[2]]))
    try:
        yield sent
    finally:
        remove()


def test_what_a_balancer_is(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A balancer's id is its ARN and its ip the host's name; it runs when it is active, with its members."""
    made = driver.create_balancer(new_name(), 80, members=instances(aws, 2), ex_health_check=CHECK)
    assert made.id.startswith("arn:aws:elasticloadbalancing:us-east-1:")
    assert (made.state, made.ip) == (State.RUNNING, f"{made.name}-1.us-east-1.elb.amazonaws.com")
    assert made.extra["listeners"] == [Listener(port=80, member_port=8080)]
    assert made.extra["health_check"] == CHECK
    found = driver.balancer_list_members(made)
    assert [(one.id, one.ip, one.port, one.health) for one in found] == [
        (one.id, None, 8080, MemberHealth.UP) for one in aws.nodes[:2]
    ]


def test_what_members_are(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A balancer takes instances or addresses, as its first members are, and a node of anybody as either."""
    node = aws.nodes[5]
    by_id = driver.create_balancer(new_name(), 80, members=instances(aws, 1))
    by_address = driver.create_balancer(new_name(), 80, members=addresses(aws, 1))
    assert driver.balancer_attach_compute_node(by_id, node).id == node.id
    found = driver.balancer_attach_compute_node(by_address, node)
    assert (found.id, found.ip, found.port) == (f"{found.ip}:8080", node.private_ips[0], 8080)
    with pytest.raises(InvalidArgumentError, match="instances of EC2"):
        driver.balancer_attach_member(by_id, addresses(aws, 2)[1])
    with pytest.raises(InvalidArgumentError, match="ex_target_type='instance'"):
        driver.balancer_attach_member(by_address, instances(aws, 2)[1])
    other = Node("9", "far", NodeState.RUNNING, [], ["10.9.8.7"], DummyNodeDriver("key"))
    far = driver.balancer_attach_compute_node(by_address, other)
    assert (far.id, far.ip, far.port) == ("10.9.8.7:8080", "10.9.8.7", 8080)
    assert driver.balancer_detach_member(by_address, far)
    with pytest.raises(InvalidArgumentError, match="instances of EC2"):
        driver.balancer_attach_compute_node(by_id, other)
    for one in (by_id, by_address):
        assert driver.balancer_detach_member(one, driver.balancer_list_members(one)[0])
        assert len(driver.balancer_list_members(one)) == 1


def test_several_listeners(aws: Ground, driver: ApplicationLBDriver) -> None:
    """Listeners with another member port have a target group of their own, with the same members."""
    name = new_name()
    listeners = [
        Listener(port=443, protocol="https", member_port=8080, member_protocol="http"),
        Listener(port=8443, protocol="https", member_protocol="http"),
        Listener(port=80, member_port=8080),
    ]
    made = driver.create_balancer(
        name, 443, "https", members=instances(aws, 1), ex_listeners=listeners, ex_certificate=CERTIFICATE
    )
    first, second, third = made.extra["listeners"]
    assert first == Listener(
        port=443, protocol="https", member_port=8080, member_protocol="http", certificate=CERTIFICATE
    )
    assert [second, third] == [
        Listener(port=80, member_port=8080),
        Listener(port=8443, protocol="https", member_protocol="http", certificate=CERTIFICATE),
    ]
    assert (made.port, made.extra["protocol"]) == (443, "https")
    assert driver.update_balancer(made, port=444).port == 444
    assert driver.get_balancer(made.id).port == 444
    driver.balancer_attach_member(made, instances(aws, 2)[1])
    ports = {
        suffix[-2:]: [one.target.port for one in driver._health(arn)]
        for suffix, arn in groups(driver).items()
        if suffix.startswith(name)
    }
    assert ports == {"01": [8080, 8080], "02": [8443, 8443]}
    driver.balancer_detach_member(made, instances(aws, 1)[0], wait_drained=5)
    assert [len(driver._health(arn)) for one, arn in groups(driver).items() if one.startswith(name)] == [1, 1]
    assert made.destroy()
    assert left(driver, name) == []


def test_network_balancers(aws: Ground, driver: ApplicationLBDriver) -> None:
    """TCP, TLS and UDP make a network balancer, with the proxy protocol, zones and sessions by source_ip."""
    made = driver.create_balancer(
        new_name(),
        25,
        "tcp",
        members=addresses(aws, 1),
        ex_proxy_protocol=True,
        ex_cross_zone=True,
        ex_sticky=StickySessions(by="source_ip"),
        ex_scheme="internal",
        ex_tags={"team": "mail"},
    )
    extra = made.extra
    assert (extra["Type"], extra["Scheme"], extra["protocol"]) == ("network", "internal", "tcp")
    assert extra["sticky"] == StickySessions(by="source_ip")
    assert driver._attributes(extra["target_group"])["proxy_protocol_v2.enabled"] == "true"
    assert driver._tags([made.id])[made.id]["team"] == "mail"
    found = driver.connection.call("DescribeLoadBalancerAttributes", {"LoadBalancerArn": made.id}, dict)
    assert {"Key": "load_balancing.cross_zone.enabled", "Value": "true"} in found["Attributes"]
    with pytest.raises(UnsupportedOperationError, match="network balancers have no protocol HTTP"):
        driver.update_balancer(made, protocol="http")


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"name": "internal-web"}, InvalidArgumentError, "must not begin with 'internal-'"),
        ({"ex_subnets": []}, InvalidArgumentError, "needs ex_subnets"),
        ({"protocol": "tls"}, InvalidArgumentError, "tls listener at 80 needs a certificate"),
        ({"ex_target_type": "lambda"}, InvalidArgumentError, "'instance' or 'ip'"),
        ({"ex_certificate": CERTIFICATE}, InvalidArgumentError, "no listener takes ex_certificate"),
        ({"ex_health_check": HealthCheck(protocol="http", port=0)}, InvalidArgumentError, "a health check"),
        ({"ex_listeners": [Listener(port=9, protocol="tcp")]}, UnsupportedOperationError, "http, tcp"),
        ({"ex_sticky": StickySessions(by="source_ip")}, UnsupportedOperationError, "by cookie only"),
        ({"ex_health_check": HealthCheck()}, UnsupportedOperationError, "check by http, https"),
        ({"ex_proxy_protocol": True}, UnsupportedOperationError, "only network balancers"),
        ({"ex_cross_zone": True}, UnsupportedOperationError, "only network balancers"),
        (
            {"protocol": "udp", "algorithm": Algorithm.RANDOM},
            UnsupportedOperationError,
            "only application balancers",
        ),
        (
            {"members": [Member("i-1", None, 80), Member(None, "10.0.0.1", 80)]},
            InvalidArgumentError,
            "members are addresses, got i-1;",
        ),
        (
            {"protocol": "tcp", "ex_sticky": StickySessions(by="source_ip", ttl=60)},
            UnsupportedOperationError,
            "have no ttl",
        ),
        ({"ex_health_check": HealthCheck(protocol="http", interval=0)}, InvalidArgumentError, "interval"),
        (
            {"members": [Member(None, "10.0.0.1", 80, extra={"weight": 5})]},
            UnsupportedOperationError,
            "have no weight; 10.0.0.1:80 has 5",
        ),
    ],
)
def test_wrong_arguments(
    driver: ApplicationLBDriver, wrong: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """What the provider cannot do is refused before anything is sent, in words that say what it can."""
    with requests() as sent, pytest.raises(kind, match=words):
        driver.create_balancer(**{"name": "web", "port": 80, **wrong})
    assert not sent


@pytest.mark.parametrize(
    "wrong", ["web", "arn:aws:s3:::web", "arn:aws:elasticloadbalancing:eu-west-1:1:rule/1"]
)
def test_ids_that_no_balancer_has(driver: ApplicationLBDriver, wrong: str) -> None:
    """An id that is not the ARN of a balancer is that of none, which needs no request."""
    with requests() as sent, pytest.raises(BalancerDoesNotExistError) as caught:
        driver.get_balancer(wrong)
    assert caught.value.balancer_id == wrong
    assert not sent


def test_a_listener_that_is_refused(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A create whose last part is refused leaves neither the balancer nor its target groups behind."""
    name = new_name()
    unknown = "arn:aws:acm:us-east-1:123456789012:certificate/unknown"
    with pytest.raises(Exception, match="ertificate"):
        driver.create_balancer(
            name,
            443,
            "https",
            members=instances(aws, 1),
            ex_certificate=unknown,
            ex_listeners=[Listener(port=8)],
        )
    assert left(driver, name) == []


def test_a_balancer_that_amazon_gives_back(aws: Ground, driver: ApplicationLBDriver) -> None:
    """One that another program makes meanwhile, and that is returned as if new, is told of and left alone."""
    name = new_name()

    def create(fields: dict[str, str], _: Forward) -> Answer:
        found = driver.create_balancer(name, 80, members=instances(aws, 1))
        said = (
            f"<LoadBalancerArn>{found.id}</LoadBalancerArn><LoadBalancerName>{name}</LoadBalancerName>"
            f"<VpcId>{found.extra['VpcId']}</VpcId><State><Code>active</Code></State>"
        )
        return result("CreateLoadBalancer", f"<LoadBalancers><member>{said}</member></LoadBalancers>")

    with front(aws.cloud, CreateLoadBalancer=create) as web:
        with pytest.raises(BalancerAlreadyExistsError):
            through(aws, web).create_balancer(name, 80, members=instances(aws, 2))
    (kept,) = [one for one in driver.list_balancers() if one.name == name]
    assert len(driver.balancer_list_members(kept)) == 1
    assert len(left(driver, name)) == 2


@pytest.mark.parametrize("action", ["CreateLoadBalancer", "CreateTargetGroup", "CreateListener"])
def test_lost_responses(aws: Ground, driver: ApplicationLBDriver, action: str) -> None:
    """A part whose response is lost is found or made once, and the create returns a complete balancer."""
    name, lost = new_name(), iter([True])

    def lose(fields: dict[str, str], forward: Forward) -> Answer | None:
        answer = forward()
        return None if next(lost, False) else answer

    with front(aws.cloud, **{action: lose}) as web:
        made = through(aws, web).create_balancer(name, 80, members=instances(aws, 2))
    assert len(driver.balancer_list_members(made)) == 2
    assert len(made.extra["listeners"]) == 1
    assert len(left(driver, name)) == 2


def test_what_a_destroyed_balancer_takes_along(aws: Ground, driver: ApplicationLBDriver) -> None:
    """The target groups that were made for a balancer go with it, and those that somebody else made stay."""
    name = new_name()
    made = driver.create_balancer(name, 80, members=instances(aws, 1))
    fields = {"Name": f"{name}-foreign", "Protocol": "HTTP", "Port": 80, "VpcId": made.extra["VpcId"]}
    foreign = driver.connection.call("CreateTargetGroup", fields, dict)["TargetGroups"][0]["TargetGroupArn"]
    action = [{"Type": "forward", "TargetGroupArn": foreign}]
    listener = {"LoadBalancerArn": made.id, "Protocol": "HTTP", "Port": 81, "DefaultActions": action}
    driver.connection.call("CreateListener", listener, dict)
    driver.balancer_attach_member(made, instances(aws, 2)[1])
    assert driver._health(foreign) == []
    assert driver.destroy_balancer(made)
    assert left(driver, name) == [f"{name}-foreign"]


def test_target_groups_that_stay_in_use_for_a_moment(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A target group that is in use until its balancer is gone everywhere is deleted then."""
    name, busy = new_name(), iter([True, True])
    made = driver.create_balancer(name, 80, members=instances(aws, 1))

    def delete(fields: dict[str, str], forward: Forward) -> Answer:
        return refusal("ResourceInUse") if next(busy, False) else forward()

    with front(aws.cloud, DeleteTargetGroup=delete) as web:
        assert through(aws, web).destroy_balancer(made)
    assert left(driver, name) == []


def test_target_groups_that_cannot_be_deleted(aws: Ground, driver: ApplicationLBDriver) -> None:
    """If a target group cannot be deleted, a note says that the balancer is gone and which group is left."""
    made = driver.create_balancer(new_name(), 80, members=instances(aws, 1))
    with front(aws.cloud, DeleteTargetGroup=lambda *_: refusal("AccessDenied")) as web:
        with pytest.raises(Exception, match="AccessDenied") as caught:
            through(aws, web).destroy_balancer(made)
    (note,) = caught.value.__notes__
    assert note.startswith("the balancer is destroyed; these of its target groups are left: arn:")


def test_deletion_protection(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A balancer that is protected is in use, and keeps its target groups."""
    name = new_name()
    made = driver.create_balancer(name, 80, members=instances(aws, 1))
    with front(aws.cloud, DeleteLoadBalancer=lambda *_: refusal("OperationNotPermitted")) as web:
        with pytest.raises(BalancerInUseError, match="OperationNotPermitted"):
            through(aws, web).destroy_balancer(made)
    assert len(left(driver, name)) == 2


def described(target: Member, state: str) -> Answer:
    said = (
        f"<member><Target><Id>{target.id}</Id><Port>8080</Port></Target><TargetHealth><State>{state}</State>"
        "<Reason>Target.DeregistrationInProgress</Reason></TargetHealth></member>"
    )
    return result("DescribeTargetHealth", f"<TargetHealthDescriptions>{said}</TargetHealthDescriptions>")


def test_draining(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A detach that waits ends when the target is unused."""
    made = driver.create_balancer(new_name(), 80, members=instances(aws, 2))
    member = driver.balancer_list_members(made)[0]
    states = iter(["draining", "draining", "unused"])

    def health(fields: dict[str, str], forward: Forward) -> Answer:
        return described(member, next(states)) if "Targets.member.1.Id" in fields else forward()

    with front(aws.cloud, DescribeTargetHealth=health) as web:
        assert through(aws, web).balancer_detach_member(made, member, wait_drained=20)
    assert list(states) == []
    assert member.id not in {one.id for one in driver.balancer_list_members(made)}


def test_members_that_are_draining(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A detached member is listed as draining while it has connections, and may be attached again."""
    made = driver.create_balancer(new_name(), 80, members=instances(aws, 1))
    (member,) = driver.balancer_list_members(made)
    with front(aws.cloud, DescribeTargetHealth=lambda *_: described(member, "draining")) as web:
        far = through(aws, web)
        assert [one.health for one in far.balancer_list_members(made)] == [MemberHealth.DRAINING]
        with pytest.raises(OperationTimeoutError, match="connections") as caught:
            far.balancer_detach_member(made, member, wait_drained=0.5)
        assert caught.value.__notes__ == [f"{member.id} is detached: it gets no new connections"]
        assert far.balancer_attach_member(made, member).id == member.id
    assert [one.id for one in driver.balancer_list_members(made)] == [member.id]


@pytest.mark.parametrize(
    ("state", "reason", "health"),
    [
        ("initial", "Elb.RegistrationInProgress", MemberHealth.STARTING),
        ("healthy", None, MemberHealth.UP),
        ("unhealthy", "Target.Timeout", MemberHealth.DOWN),
        ("unused", "Target.InvalidState", MemberHealth.DOWN),
        ("unused", "Target.NotInUse", MemberHealth.UNKNOWN),
        ("draining", "Target.DeregistrationInProgress", MemberHealth.DRAINING),
        ("unhealthy.draining", None, MemberHealth.DRAINING),
        ("unavailable", "Target.HealthCheckDisabled", MemberHealth.UNKNOWN),
    ],
)
def test_health(state: str, reason: str | None, health: MemberHealth) -> None:
    """A member's health is what the provider's state and reason say together."""
    assert TargetDescription(Target("i-1", 80), TargetHealth(state, reason)).found == health


def test_the_cost_of_lists(aws: Ground, driver: ApplicationLBDriver) -> None:
    """The list asks for each balancer's listeners and algorithm once; without details it is one request."""
    for one in driver.list_balancers():
        driver.destroy_balancer(one)
    for number in range(5):
        driver.create_balancer(f"web-{number}", 80, members=instances(aws, 1))
    with requests() as sent:
        found = driver.list_balancers()
    with requests() as few:
        bare = driver.list_balancers(ex_details=False)
    assert sent == {
        "DescribeLoadBalancers": 1,
        "DescribeTargetGroups": 1,
        "DescribeListeners": 5,
        "DescribeTargetGroupAttributes": 5,
    }
    assert few == {"DescribeLoadBalancers": 1}
    assert [(one.id, one.state, one.ip) for one in bare] == [(one.id, one.state, one.ip) for one in found]
    assert {(one.port, one.extra["protocol"]) for one in bare} == {(None, None)}


def test_a_balancer_that_goes_while_balancers_are_listed(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A balancer that is destroyed while its listeners are asked for is not in the list."""
    there = driver.create_balancer(new_name(), 80)
    gone = driver.create_balancer(new_name(), 80)

    def listeners(fields: dict[str, str], forward: Forward) -> Answer:
        return refusal("LoadBalancerNotFound") if fields["LoadBalancerArn"] == gone.id else forward()

    with front(aws.cloud, DescribeListeners=listeners) as web:
        found = {one.id for one in through(aws, web).list_balancers()}
    assert there.id in found
    assert gone.id not in found


def test_certificates_of_changes(aws: Ground, driver: ApplicationLBDriver) -> None:
    """A change to HTTPS needs a certificate, which HTTP must not have, and keeps the members' protocol."""
    made = driver.create_balancer(new_name(), 80, members=instances(aws, 1))
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("needs", {"protocol": "https"}),
        ("must not have", {"ex_certificate": CERTIFICATE}),
    ]
    for words, given in wrong:
        with pytest.raises(InvalidArgumentError, match=f"{words} ex_certificate"):
            driver.update_balancer(made, **given)
    changes: list[dict[str, str]] = []

    def modify(fields: dict[str, str], _: Forward) -> Answer:
        changes.append(fields)
        return result("ModifyListener")

    with front(aws.cloud, ModifyListener=modify) as web:
        through(aws, web).update_balancer(made, port=443, protocol="https", ex_certificate=CERTIFICATE)
    (sent,) = changes
    assert (sent["Port"], sent["Protocol"]) == ("443", "HTTPS")
    assert sent["Certificates.member.1.CertificateArn"] == CERTIFICATE
