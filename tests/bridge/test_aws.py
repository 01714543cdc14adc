"""Libcloud's own drivers of EC2, Route 53 and ELB against moto."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from libcloud.compute.drivers.ec2 import EC2NodeDriver
from libcloud.dns.drivers.route53 import Route53DNSDriver
from libcloud.loadbalancer.drivers.elb import ElasticLBDriver

from polycloud import bridge
from polycloud.compute.types import NodeState
from polycloud.dns.types import (
    RecordDoesNotExistError,
    RecordType,
    ZoneDoesNotExistError,
)
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.base import Algorithm
from support.motorelay import relayed

CREDENTIALS = ("AKIA0123456789", "moto-secret-1")


@pytest.fixture
def ec2(moto: dict[str, Any]) -> Iterator[Any]:
    kind = bridge.driver_class(EC2NodeDriver)
    with relayed(moto["port"], "ec2") as web, kind(*CREDENTIALS, region="us-east-1", **web.options) as driver:
        yield driver


def created(ec2: Any, name: str) -> Any:
    size = next(one for one in ec2.list_sizes() if one.id == "t3.micro")
    image = ec2.list_images(ex_image_ids=["ami-03cf127a"])[0]
    return ec2.create_node(name, size, image)


def test_ec2(ec2: Any) -> None:
    """A node is created, found by a wait, stopped and destroyed, and `ex_` methods return objects of ours."""
    node = created(ec2, "web")
    ((found, addresses),) = ec2.wait_until_running([node], timeout=30)
    assert (found.id, found.state, addresses) == (node.id, NodeState.RUNNING, found.public_ips)
    assert [one.id for one in ec2.list_nodes(ex_node_ids=[node.id])] == [node.id]
    assert "default" in ec2.ex_list_security_groups()
    assert ec2.ex_start_node is not None
    assert node.stop_node() is True
    assert node.destroy() is True


def test_ec2_on_sixteen_threads(ec2: Any) -> None:
    """One driver on 16 threads returns to each thread the node that it asks for."""
    nodes = [created(ec2, f"n{number}") for number in range(8)]

    def ask(number: int) -> bool:
        node = nodes[number % 8]
        return all(ec2.list_nodes(ex_node_ids=[node.id])[0].name == node.name for _ in range(4))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(16)))


def test_route53(moto: dict[str, Any]) -> None:
    """Zones and records are created, changed and deleted, with names relative to the zone."""
    kind = bridge.driver_class(Route53DNSDriver)
    with relayed(moto["port"], "route53") as web, kind(*CREDENTIALS, **web.options) as driver:
        zone = driver.create_zone(f"bridge-{uuid.uuid4().hex[:8]}.example")
        assert zone.id in {one.id for one in driver.list_zones()}
        made = zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 300})
        assert (made.name, made.type, made.data, made.ttl) == ("www", RecordType.A, "192.0.2.1", 300)
        mail = zone.create_record("", RecordType.MX, "mail.example.", {"ttl": 300, "priority": 10})
        listed = {(one.name, str(one.type)): one for one in zone.list_records()}
        assert listed["", "MX"].extra["priority"] == 10
        assert listed["", "MX"].data == mail.data == "mail.example."
        changed = listed["www", "A"].update(data="192.0.2.2")
        assert (changed.name, changed.data, changed.ttl) == ("www", "192.0.2.2", 300)
        with pytest.raises(ZoneDoesNotExistError) as no_zone:
            driver.get_zone("NONE")
        assert no_zone.value.zone_id == "NONE"
        with pytest.raises(RecordDoesNotExistError):
            driver.get_record(zone.id, "A:none")
        with pytest.raises(InvalidArgumentError, match="IPv4"):
            zone.create_record("x", RecordType.A, "nowhere")
        with pytest.raises(UnsupportedOperationError, match="GEO"):
            zone.create_record("x", RecordType.GEO, "DE")
        for record in zone.list_records():
            if record.type in {RecordType.A, RecordType.MX}:
                assert record.delete() is True
        assert zone.delete() is True


def test_elb(moto: dict[str, Any], ec2: Any) -> None:
    """A balancer is created, gets a node of another bridged driver as its member, and is destroyed."""
    kind = bridge.driver_class(ElasticLBDriver)
    assert [one.name for one in kind.credentials] == ["access_id", "secret", "region"]
    with relayed(moto["port"], "elasticloadbalancing") as web:
        driver = kind(*CREDENTIALS, "us-east-1", **web.options)
        assert "https" in driver.list_protocols()
        name = f"b{uuid.uuid4().hex[:8]}"
        balancer = driver.create_balancer(
            name, 80, "http", Algorithm.ROUND_ROBIN, [], ex_members_availability_zones=["a"]
        )
        assert [one.id for one in driver.list_balancers() if one.name == name] == [balancer.id]
        node = created(ec2, "member")
        member = balancer.attach_compute_node(node)
        assert (member.id, member.balancer) == (node.id, balancer)
        assert [one.id for one in balancer.list_members()] == [node.id]
        with pytest.raises(UnsupportedOperationError, match="wait_drained"):
            balancer.detach_member(member, wait_drained=5)
        assert balancer.detach_member(member) is True
        assert balancer.destroy() is True
        driver.close()
