"""The rules of DNS, as tests that a driver's author inherits.

    class TestMyDNS(DNSConformance):
        not_offered = frozenset({"update_zone"})

        @pytest.fixture
        def driver(self) -> Iterator[MyDNSDriver]:
            with MyDNSDriver("user", "password", url="http://127.0.0.1:8080") as driver:
                yield driver

docs/rules/dns.md lists them. `drivers` has the rules that hold for the drivers of every service, `zones` and
`records` those of the two nouns, `values` those of what records have, `plans` those of many changes at once,
`suite` what all of them use.
"""

from polycloud.testing.conformance.dns.drivers import DriverRules
from polycloud.testing.conformance.dns.plans import PlanRules
from polycloud.testing.conformance.dns.records import RecordRules
from polycloud.testing.conformance.dns.values import ValueRules
from polycloud.testing.conformance.dns.zones import ZoneRules

__all__ = ["DNSConformance"]


class DNSConformance(DriverRules, ZoneRules, RecordRules, ValueRules, PlanRules):
    """The rules of DNS; a driver's test class gives a fixture `driver` and sets `not_offered`."""
