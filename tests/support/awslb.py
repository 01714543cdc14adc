"""What load balancers on moto need: instances, subnets, and a certificate that it does not look for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl

import pytest
import urllib3

from polycloud.compute.base import Node
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.loadbalancer.base import Driver, Member
from support.web import Answer, Seen, Web, serve

CERTIFICATE = "arn:aws:iam::123456789012:server-certificate/web"


class Server(Protocol):
    """A server of AWS, and the arguments of drivers that use it."""

    @property
    def credentials(self) -> tuple[str, ...]: ...

    @property
    def options(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Ground:
    """A running server, with ten instances and two subnets of different zones."""

    cloud: Server
    nodes: list[Node]
    subnets: list[str]


def ground(cloud: Server) -> Ground:
    """Create the instances in an account; the subnets are those that every account has."""
    with EC2NodeDriver(*cloud.credentials, region="us-east-1", **cloud.options) as ec2:
        size = next(one for one in ec2.list_sizes() if one.id == "t3.micro")
        image = ec2.list_images()[0]
        ec2.create_node(name="member", image=image, size=size, ex_mincount=10, ex_maxcount=10)
        return Ground(cloud, ec2.list_nodes(), [one.id for one in ec2.ex_list_subnets()][:2])


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


Forward = Callable[[], Answer]
Change = Callable[[dict[str, str], Forward], Answer | None]


@contextmanager
def front(cloud: Server, **changes: Change) -> Iterator[Web]:
    """Run a server before moto that changes the responses to some actions, to those that Amazon gives."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", cloud.options["port"], retries=False)

    def respond(seen: Seen) -> Answer | None:
        def forward() -> Answer:
            found = pool.urlopen(seen.method, seen.target, seen.body, seen.headers)
            return Answer(found.status, found.data, {"Content-Type": "text/xml"})

        fields = dict(parse_qsl(seen.body.decode()))
        change = changes.get(fields["Action"])
        return forward() if change is None else change(fields, forward)

    with serve(respond) as web, pool:
        yield web


def result(action: str, inner: str = "") -> Answer:
    """Return the response to an action with this result."""
    return Answer(
        body=f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>".encode()
    )


def refusal(code: str, message: str = "no") -> Answer:
    """Return a refusal."""
    error = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Answer(400, error.encode())
