"""What the tests of Octavia on the sandbox and on the real one share."""

from __future__ import annotations

from typing import Any

from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.loadbalancer.types import MemberHealth
from polycloud.testing.conformance.loadbalancer.suite import LBSuite

SUBNET = "11111111-1111-4111-8111-111111111111"
"""The subnet of the balancers' addresses; the real one's kit does not look subnets up."""
CHECK = HealthCheck(protocol="tcp", interval=5, timeout=3, healthy=2, unhealthy=2)


class OctaviaRules(LBSuite):
    """The settings of a test class of conformance: members are checked, as their health is unknown else."""

    unknown_id = "00000000-0000-4000-8000-000000000000"
    several = 6
    updates = frozenset({"name", "algorithm"})
    sticky = StickySessions(by="cookie", cookie="srv")

    def create_options(self, driver: Driver, protocol: str) -> dict[str, Any]:
        """Return the arguments of a create beyond the five of the base."""
        return {"ex_vip_subnet_id": SUBNET, "ex_health_check": CHECK if protocol != "udp" else None}

    def listed(self, driver: Driver, balancer: LoadBalancer, wanted: Member) -> Member:
        """Return the member from the list of its balancer, once it has begun to serve."""

        def serving() -> Member | None:
            found = super(OctaviaRules, self).listed(driver, balancer, wanted)
            return None if found.health == MemberHealth.STARTING else found

        return self.until(serving, f"the member {wanted!r} to serve")
