"""The rules of load balancers, as tests that a driver's author inherits.

    class TestMyBalancers(LBConformance):
        not_offered = frozenset({"update_balancer"})

        @pytest.fixture
        def driver(self) -> Iterator[MyLBDriver]:
            with MyLBDriver("user", "password", url="http://127.0.0.1:8080") as driver:
                yield driver

docs/rules/loadbalancer.md lists them. `drivers` has the rules that hold for the drivers of every service,
`balancers` and `members` those of the two nouns, `changes` those of updates, `draining` those of draining,
`settings` those of what else balancers and members have, `suite` what all of them use.
"""

from polycloud.testing.conformance.loadbalancer.balancers import BalancerRules
from polycloud.testing.conformance.loadbalancer.changes import ChangeRules
from polycloud.testing.conformance.loadbalancer.draining import DrainingRules
from polycloud.testing.conformance.loadbalancer.drivers import DriverRules
from polycloud.testing.conformance.loadbalancer.members import MemberRules
from polycloud.testing.conformance.loadbalancer.settings import SettingRules

__all__ = ["LBConformance"]


class LBConformance(DriverRules, BalancerRules, ChangeRules, MemberRules, DrainingRules, SettingRules):
    """The rules of load balancers; a driver's test class gives a fixture `driver` and sets `not_offered`."""
