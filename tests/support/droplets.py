"""What load balancers on the sandbox of DigitalOcean need: droplets of one region."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from polycloud.compute.base import Node
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.loadbalancer.base import Driver, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.sandbox import Sandbox

CERTIFICATE = "892071a0-bb95-49bc-8021-3afd67a210bf"


@dataclass(frozen=True)
class Ground:
    """A running sandbox, and ten droplets of one region."""

    cloud: Sandbox
    nodes: list[Node]


@contextmanager
def ground(**settings: Any) -> Iterator[Ground]:
    """Run the sandbox until the block ends; balancers take no time for changes."""
    fast = {"build": 0.0, "balance": 0.05, "attach": 0.0, "largest_page": 2, **settings}
    with (
        Sandbox("digitalocean", ssh="off", droplet_limit=50, **fast) as cloud,
        DigitalOceanNodeDriver(cloud.credentials[0], region="nyc3", **cloud.options) as compute,
    ):
        size = next(one for one in compute.list_sizes() if one.id == "s-1vcpu-1gb")
        image = next(one for one in compute.list_images() if one.extra["slug"] == "ubuntu-24-04-x64")
        nodes = [compute.create_node(f"member-{number}", size, image) for number in range(10)]
        yield Ground(cloud, nodes)


class DropletMembers:
    """Members of the conformance suite."""

    here: Ground
    by_id = True
    own_ports = False
    member_port = 80
    updates = frozenset({"name", "port", "protocol"})
    sticky = StickySessions(by="cookie", cookie="srv", ttl=600)
    unknown_id = "00000000-0000-4000-8000-000000000000"

    @pytest.fixture(autouse=True)
    def stand(self, here: Ground) -> None:
        """Use the droplets of the module's fixture `here`."""
        self.here = here

    def create_options(self, driver: Driver, protocol: str) -> dict[str, Any]:
        """Return the certificate, or the health check, that a protocol needs."""
        check = HealthCheck(protocol="tcp", port=22) if protocol == "udp" else None
        certificate = CERTIFICATE if protocol in {"https", "http2"} else None
        return {"ex_certificate": certificate, "ex_health_check": check}

    def new_member(self, driver: Driver, number: int) -> Member:
        """Return a droplet."""
        return Member(self.here.nodes[number - 1].id, None, self.member_port)

    def new_node(self, driver: Driver) -> Node:
        """Return a droplet."""
        return self.here.nodes[-1]
