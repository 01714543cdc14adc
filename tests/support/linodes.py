"""What load balancers on the sandbox of Linode need: Linodes of one region, with private addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from polycloud.compute.base import Node
from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.loadbalancer.base import Driver, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.sandbox import Sandbox

CERTIFICATE, KEY = "the text of a certificate", "the text of its key"


@dataclass(frozen=True)
class Ground:
    """A running sandbox, and ten Linodes of one region."""

    cloud: Sandbox
    nodes: list[Node]


@contextmanager
def ground(**settings: Any) -> Iterator[Ground]:
    """Run the sandbox until the block ends; nodes of balancers are checked at once."""
    fast = {"build": 0.0, "boot": 0.0, "attach": 0.0, **settings}
    with (
        Sandbox("linode", ssh="off", **fast) as cloud,
        LinodeNodeDriver(cloud.credentials[0], region="us-east", **cloud.options) as compute,
    ):
        size = next(one for one in compute.list_sizes() if one.id == "g6-nanode-1")
        image = next(one for one in compute.list_images() if one.id == "linode/debian12")
        names = [f"member-{number}" for number in range(10)]
        nodes = [compute.create_node(name, size, image, ex_private_ip=True) for name in names]
        yield Ground(cloud, nodes)


class LinodeMembers:
    """Members of the conformance suite."""

    here: Ground
    unique_names = True
    several = 26
    lists_cheaply = False
    addresses = "192.168.200.{}"
    health_check = HealthCheck(protocol="http", path="/health", interval=15, timeout=5, unhealthy=4)
    sticky = StickySessions(by="cookie")

    @pytest.fixture(autouse=True)
    def stand(self, here: Ground) -> None:
        """Use the Linodes of the module's fixture `here`."""
        self.here = here

    def create_options(self, driver: Driver, protocol: str) -> dict[str, Any]:
        """Return the certificate that HTTPS needs."""
        return {"ex_certificate": CERTIFICATE, "ex_private_key": KEY} if protocol == "https" else {}

    def new_member(self, driver: Driver, number: int) -> Member:
        """Return the private address of a Linode."""
        return Member(None, self.here.nodes[number - 1].private_ips[0], 8080)

    def new_node(self, driver: Driver) -> Node:
        """Return a Linode."""
        return self.here.nodes[-1]
