"""The facade of DNS drivers."""

from __future__ import annotations

from typing import TypeVar

from polycloud.aio.driver import AsyncDriver, Awaited, Iterated
from polycloud.dns.base import DNSDriver

__all__ = ["AsyncDNSDriver"]

D = TypeVar("D", bound=DNSDriver)


class AsyncDNSDriver(AsyncDriver[D]):
    """A DNS driver whose methods are awaited; see `polycloud.dns.base.DNSDriver` for each."""

    list_record_types = Awaited(DNSDriver.list_record_types)
    list_zones = Awaited(DNSDriver.list_zones)
    iterate_zones = Iterated(DNSDriver.iterate_zones)
    get_zone = Awaited(DNSDriver.get_zone)
    find_zones = Awaited(DNSDriver.find_zones)
    create_zone = Awaited(DNSDriver.create_zone)
    update_zone = Awaited(DNSDriver.update_zone)
    delete_zone = Awaited(DNSDriver.delete_zone)
    list_records = Awaited(DNSDriver.list_records)
    iterate_records = Iterated(DNSDriver.iterate_records)
    get_record = Awaited(DNSDriver.get_record)
    create_record = Awaited(DNSDriver.create_record)
    update_record = Awaited(DNSDriver.update_record)
    delete_record = Awaited(DNSDriver.delete_record)
    change_records = Awaited(DNSDriver.change_records)
    export_zone_to_bind_format = Awaited(DNSDriver.export_zone_to_bind_format)
    export_zone_to_bind_zone_file = Awaited(DNSDriver.export_zone_to_bind_zone_file)
