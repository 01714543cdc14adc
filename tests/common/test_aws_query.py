from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, ClassVar

import msgspec
import pytest

from polycloud.common.aws import AWSCredsError, AWSResponse
from polycloud.common.aws.errors import REFUSALS
from polycloud.common.aws.query import AWSQueryConnection, flatten
from polycloud.errors import NotFoundError, PolycloudError
from polycloud.sandbox import Sandbox
from support.moto import Moto


class LoadBalancer(msgspec.Struct, rename="pascal"):
    load_balancer_name: str
    availability_zones: list[str] | None = None


class Created(msgspec.Struct):
    host: str = msgspec.field(name="DNSName")


class ELBResponse(AWSResponse):
    refusals = ((re.compile("LoadBalancerNotFound"), NotFoundError), *REFUSALS)


class ELBConnection(AWSQueryConnection):
    service = "elasticloadbalancing"
    version = "2012-06-01"
    page_limits: ClassVar = {"DescribeLoadBalancers": 2}
    responseCls = ELBResponse


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Moto:
    return Moto(aws.url, *aws.credentials)


@pytest.fixture
def elb(cloud: Moto) -> Iterator[ELBConnection]:
    connection = ELBConnection(cloud.key, cloud.secret, url=cloud.url)
    yield connection
    connection.close()


LISTENER = {"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 8080}


def create(elb: ELBConnection, name: str) -> Created:
    fields: dict[str, Any] = {"LoadBalancerName": name, "Listeners": [LISTENER]}
    zones = ["us-east-1a", "us-east-1b"]
    return elb.create("CreateLoadBalancer", None, Created, **fields, AvailabilityZones=zones).value


def test_the_query_api_of_another_service(elb: ELBConnection) -> None:
    """A service of the common dialect has numbered members in requests, results, pages and actions."""
    hosts = {create(elb, f"balancer-{number}").host for number in range(3)}
    assert len(hosts) == 3

    def listed() -> list[LoadBalancer]:
        name = "LoadBalancerDescriptions"
        return elb.list_all("DescribeLoadBalancers", name, LoadBalancer, attrgetter("value"))

    found = listed()
    assert {one.load_balancer_name for one in found} == {f"balancer-{number}" for number in range(3)}
    assert {tuple(one.availability_zones or ()) for one in found} == {("us-east-1a", "us-east-1b")}
    assert elb.act("DeleteLoadBalancer", LoadBalancerName="balancer-0")
    assert {one.load_balancer_name for one in listed()} == {"balancer-1", "balancer-2"}


def test_errors_of_another_service(elb: ELBConnection, cloud: Moto) -> None:
    """A service's own codes become the errors that its response names; the common ones stay."""
    with pytest.raises(NotFoundError, match=r"LoadBalancerNotFound: .*Action=DescribeLoadBalancers"):
        elb.call("DescribeLoadBalancers", {"LoadBalancerNames": ["none"]}, dict)
    stranger = ELBConnection(cloud.key, "wrong", url=cloud.url)
    with pytest.raises(AWSCredsError) as caught:
        stranger.call("DescribeLoadBalancers", {}, dict)
    stranger.close()
    assert caught.value.error_code == "SignatureDoesNotMatch"


def test_a_result_of_another_action(elb: ELBConnection) -> None:
    """A result without the list that was expected is malformed, never an empty list."""
    with pytest.raises(PolycloudError, match="not as documented"):
        list(elb.iterate("DescribeLoadBalancers", "Others", LoadBalancer))


def test_members() -> None:
    """The items of a list are numbered after `member`, at every depth."""
    fields = {"A": [{"B": ["x", "y"]}], "C": "z"}
    assert flatten(fields, "member") == {"A.member.1.B.member.1": "x", "A.member.1.B.member.2": "y", "C": "z"}
