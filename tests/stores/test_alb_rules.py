"""The rules of load balancers on MiniStack's Elastic Load Balancing v2, which others wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
from polycloud.testing import LBConformance
from support import kit
from support.awslb import AWSMembers, Ground


class Server:
    """MiniStack, as the driver's constructor wants it."""

    def __init__(self) -> None:
        found = kit.started("ministack")
        self.credentials = tuple(found["credentials"].split(" / "))
        self.options = {"host": "127.0.0.1", "port": found["port"], "secure": False}


@pytest.fixture(scope="module")
def aws() -> Iterator[Ground]:
    cloud = Server()
    with EC2NodeDriver(*cloud.credentials, **cloud.options) as ec2:
        before = {one.id for one in ec2.list_nodes()}
        image, size = ec2.list_images()[0], ec2.list_sizes()[0]
        ec2.create_node(name="lb-member", image=image, size=size, ex_mincount=10, ex_maxcount=10)
        nodes = [one for one in ec2.list_nodes() if one.id not in before]
        yield Ground(cloud, nodes, [one.id for one in ec2.ex_list_subnets()][:2])
        for one in nodes:
            ec2.destroy_node(one)


class TestALB(AWSMembers, LBConformance):
    unique_names = True
    own_ports = False  # it keeps one port of an address, as moto does
    lists_cheaply = False
    members_serve = False  # it leaves targets at "initial"
    updates = frozenset({"port", "algorithm"})

    @pytest.fixture
    def driver(self, aws: Ground) -> ApplicationLBDriver:
        return ApplicationLBDriver(*aws.cloud.credentials, **aws.cloud.options, ex_per_page=2)
