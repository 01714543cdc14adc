"""What load balancers on moto need: instances, subnets, and a certificate that it does not look for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from polycloud.compute.base import Node
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.loadbalancer.base import Driver, Member
from polycloud.sandbox import Sandbox

CERTIFICATE = "arn:aws:iam::123456789012:server-certificate/web"


@dataclass(frozen=True)
class Ground:
    """A running sandbox, with ten instances and two subnets of different zones."""

    cloud: Sandbox
    nodes: list[Node]
    subnets: list[str]


@contextmanager
def ground() -> Iterator[Ground]:
    """Run moto until the block ends."""
    with (
        Sandbox("elb", types="t3") as cloud,
        EC2NodeDriver(*cloud.credentials, region="us-east-1", **cloud.options) as ec2,
    ):
        size = next(one for one in ec2.list_sizes() if one.id == "t3.micro")
        image = ec2.list_images()[0]
        ec2.create_node(name="member", image=image, size=size, ex_mincount=10, ex_maxcount=10)
        yield Ground(cloud, ec2.list_nodes(), [one.id for one in ec2.ex_list_subnets()][:2])


class AWSMembers:
    """Members of the conformance suite: instances where they are attached by ids, else addresses."""

    ground: Ground
    by_id: ClassVar[bool]
    member_port: ClassVar[int]

    @pytest.fixture(autouse=True)
    def stand(self, aws: Ground) -> None:
        """Use the servers of the module's fixture `aws`."""
        self.ground = aws

    def create_options(self, driver: Driver, protocol: str) -> dict[str, Any]:
        """Return the subnets, and the certificate that a protocol needs."""
        certificate = CERTIFICATE if protocol in {"https", "ssl", "tls"} else None
        return {"ex_subnets": self.ground.subnets, "ex_certificate": certificate}

    def new_member(self, driver: Driver, number: int) -> Member:
        """Return an instance, or its private address."""
        node = self.ground.nodes[number - 1]
        if self.by_id:
            return Member(node.id, None, self.member_port)
        return Member(None, node.private_ips[0], self.member_port)

    def new_node(self, driver: Driver) -> Node:
        """Return an instance."""
        return self.ground.nodes[-1]
