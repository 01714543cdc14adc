"""Rules that hold for the drivers of every service: operations, errors, secrets, threads and faults."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from polycloud.dns.base import DNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.checks import LOST
from polycloud.testing.conformance.dns.suite import ADDRESS, CreateZone, DNSSuite
from polycloud.testing.replies import BROKEN, UNEXPECTED


class DriverRules(DNSSuite):
    """The checks of all services, under the numbers of DNS."""

    @rule()
    def test_d01_registry(self, driver: DNSDriver) -> None:
        """`get_driver` finds the driver's class, which names its provider and its connection."""
        self.check_registry(driver)

    @rule()
    def test_d02_supports(self, driver: DNSDriver) -> None:
        """`supports` is true for every operation that the provider has, and false for all others."""
        self.check_supports(driver)

    @rule()
    def test_d03_unsupported_operations(self, driver: DNSDriver) -> None:
        """An operation that is not offered raises `UnsupportedOperationError` before anything is sent."""
        self.check_unsupported_operations(driver)

    @rule()
    def test_d04_unknown_options(self, driver: DNSDriver) -> None:
        """An option that the driver does not have is refused by its name."""
        self.check_unknown_options(driver)

    @rule("list_zones", "list_records")
    def test_d05_pickle(self, record: Record, zone: Zone) -> None:
        """Objects can be pickled and come back as they were."""
        self.check_pickled_objects([zone, record])

    # Errors and secrets

    @rule("list_zones")
    def test_d06_wrong_credentials(self, driver: DNSDriver) -> None:
        """Wrong credentials raise `InvalidCredsError`."""
        self.check_wrong_credentials(driver, "list_zones")

    @rule()
    def test_d07_secrets_in_repr(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """No repr of a driver, a connection or an object shows a secret."""
        self.check_secrets_in_repr(driver, zone, record)

    @rule("list_zones")
    def test_d08_secrets_in_errors(self, driver: DNSDriver) -> None:
        """No error shows a secret, even if the provider's message does."""
        self.check_secrets_in_errors(driver, "list_zones")

    @rule()
    @pytest.mark.parametrize("broken", BROKEN)
    def test_d09_broken_responses(self, driver: DNSDriver, broken: str) -> None:
        """A broken response raises an error of our tree, whatever the operation."""
        self.check_broken_responses(driver, broken)

    @rule()
    @pytest.mark.parametrize("unexpected", UNEXPECTED)
    def test_d10_unexpected_responses(self, driver: DNSDriver, unexpected: str) -> None:
        """A list in another form than documented raises an error of our tree; it is not empty."""
        self.check_unexpected_responses(driver, unexpected)

    @rule("list_zones")
    def test_d11_place_of_an_error(self, driver: DNSDriver) -> None:
        """An error names the provider, the method, the path and the status of the request."""
        self.check_error_location(driver, "list_zones")

    # One driver for many

    @rule()
    def test_d12_close(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """A closed driver can be used again."""
        self.check_close(driver, self._lasting(driver, zone))

    @rule("create_record", "list_records")
    def test_d13_threads(self, driver: DNSDriver, create_zone: CreateZone) -> None:
        """Threads that share a driver get the responses to their own calls."""
        self.check_threads(*(self._reading(driver, create_zone) for _ in "12"))

    @rule("create_record", "list_records")
    def test_d14_event_loop(self, driver: DNSDriver, create_zone: CreateZone) -> None:
        """Calls side by side on an event loop return what they return without one."""
        self.check_event_loop(driver, *(self._reading(driver, create_zone) for _ in "12"))

    def _reading(self, driver: DNSDriver, create_zone: CreateZone) -> Callable[[], list[Record]]:
        """Return a call that lists the lasting records of a new zone."""
        zone = create_zone()
        self.zone_seen(driver, zone)
        self.listed(driver, driver.create_record(zone.domain.partition(".")[0], zone, RecordType.A, ADDRESS))
        return self._lasting(driver, zone)

    def _lasting(self, driver: DNSDriver, zone: Zone) -> Callable[[], list[Record]]:
        """Return a call that lists the records of a zone without SOA, whose serial may change later."""
        return lambda: [one for one in driver.list_records(zone) if one.type != RecordType.SOA]

    @rule()
    def test_d15_pickled_drivers(self, driver: DNSDriver, zone: Zone) -> None:
        """A driver can be pickled, and the copy works."""
        self.check_pickled_driver(driver, "list_zones")

    # Faults

    @rule()
    @pytest.mark.parametrize("fault", LOST)
    def test_d16_lost_zones(self, driver: DNSDriver, create_zone: CreateZone, fault: str) -> None:
        """A zone's create whose response is lost returns its zone or is ambiguous, and makes no other."""
        domain = self.new_domain()

        def existing(name: str) -> list[Zone]:
            return [zone for zone in driver.list_zones() if zone.domain == f"{name}-{domain}"]

        self.check_lost_create(
            driver, fault, lambda far, name: create_zone(f"{name}-{domain}", by=far), existing
        )

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("fault", LOST)
    def test_d17_lost_records(self, driver: DNSDriver, zone: Zone, fault: str) -> None:
        """A record's create whose response is lost returns its record or is ambiguous, and makes no other."""

        def existing(name: str) -> list[Record]:
            return [record for record in driver.list_records(zone) if record.name == name]

        self.check_lost_create(
            driver, fault, lambda far, name: far.create_record(name, zone, RecordType.A, ADDRESS), existing
        )

    @rule()
    def test_d18_deadlines(self, driver: DNSDriver) -> None:
        """A deadline ends a list whose response does not come, with an error."""
        self.check_deadlines(driver)

    # Details

    @rule()
    def test_d54_quoted_paths(self, driver: DNSDriver) -> None:
        """Ids and names are quoted in the paths of requests, whatever their characters."""
        self.check_quoted_paths(driver)

    @rule("create_record", "delete_record")
    def test_d55_unblocked_loops(self, driver: DNSDriver, create_zone: CreateZone) -> None:
        """On an event loop, creating and deleting a zone and a record never blocks other tasks."""
        zones: list[Zone] = []

        def run() -> None:
            zones.append(create_zone())
            self.zone_seen(driver, zones[0])
            record = driver.create_record("loop", zones[0], RecordType.A, ADDRESS)
            self.listed(driver, record)
            driver.delete_record(record)

        self.check_unblocked(driver, run, driver.list_zones, lambda: driver.delete_zone(zones[0]))
