"""One measurement of DNS in a process of its own; prints one line of JSON.

    python bench/zones.py polycloud|libcloud|octodns list|plan|apply COUNT HOST PORT

The zone is one of PowerDNS. Each client does it as its documentation shows. CPU is that of the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from measure import timed
from zonevalues import CHANGED, DOMAIN, wanted_values

TTL = 300


def polycloud(host: str, port: str, count: int) -> dict[str, Callable[[], object]]:
    """What is measured of this library."""
    from polycloud.dns.plan import plan_zone
    from polycloud.dns.providers import get_driver
    from polycloud.dns.wanted import WantedZone

    driver = get_driver("powerdns")("key", host=host, port=int(port), secure=False)
    zone = driver.get_zone(f"{DOMAIN}.")
    wanted = WantedZone(DOMAIN, TTL)
    for name, type_, value in wanted_values(count):
        mail = type_ == "MX"
        data = value.split(" ", 1)[1] if mail else value.strip('"')
        wanted.add(name, type_, data, {"priority": 10} if mail else None)
    records = driver.list_records(zone)
    planned = plan_zone(zone, wanted, records=records)
    assert len(planned.changes) == CHANGED
    return {
        "list": lambda: driver.list_records(zone),
        "plan": lambda: plan_zone(zone, wanted),
        "compare": lambda: plan_zone(zone, wanted, records=records),
        "apply": planned.apply,
    }


def libcloud(host: str, port: str, count: int) -> dict[str, Callable[[], object]]:
    """What is measured of apache-libcloud, which has no plans: its user changes one record after another."""
    kind: Any = import_module("libcloud.dns.providers").get_driver("powerdns")
    driver = kind("key", host=host, port=int(port), secure=False, api_version="v1")
    zone = driver.get_zone(f"{DOMAIN}.")
    records = driver.list_records(zone)
    assert len(records) == count
    changed = [one for one in records if one.type == "A"][:CHANGED]

    def apply() -> None:
        for number, record in enumerate(changed, 1):
            driver.update_record(record, record.name, "A", f"203.0.113.{number}", {"ttl": TTL})

    return {"list": lambda: driver.list_records(zone), "apply": apply}


def octodns(host: str, port: str, count: int) -> dict[str, Callable[[], object]]:
    """What is measured of octoDNS, whose plan includes the list."""
    record: Any = import_module("octodns.record").Record
    provider: Any = import_module("octodns_powerdns").PowerDnsProvider(
        "bench", host, "key", port=int(port), scheme="http"
    )

    def zone() -> Any:
        return import_module("octodns.zone").Zone(f"{DOMAIN}.", [])

    wanted = zone()
    for name, type_, value in wanted_values(count):
        preference, _, exchange = value.partition(" ")
        given: Any = (
            {"preference": int(preference), "exchange": exchange} if type_ == "MX" else value.strip('"')
        )
        wanted.add_record(record.new(wanted, name, {"type": type_, "ttl": TTL, "value": given}))
    planned = provider.plan(wanted)
    assert len(planned.changes) == CHANGED
    return {
        "list": lambda: provider.populate(zone(), lenient=True),
        "plan": lambda: provider.plan(wanted),
        "apply": lambda: provider.apply(planned),
    }


if __name__ == "__main__":
    client, do, number, host, port = sys.argv[1:]
    clients = {"polycloud": polycloud, "libcloud": libcloud, "octodns": octodns}
    actions = clients[client](host, port, int(number))
    of = CHANGED if do == "apply" else int(number)
    print(json.dumps(timed(actions[do], of)))  # noqa: T201
