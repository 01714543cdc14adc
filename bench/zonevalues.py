"""The zone that is measured: what the server has, and what the clients shall make of it."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["CHANGED", "DOMAIN", "wanted_values", "zone_values"]

DOMAIN = "example.com"
CHANGED = 100
Value = tuple[str, str, str]


def zone_values(count: int) -> Iterator[Value]:
    """Yield the names, types and values of `count` records: eight of ten are addresses."""
    for number in range(count):
        name = f"h{number:05}"
        if number % 10 == 8:
            yield name, "MX", f"10 mail{number}.{DOMAIN}."
        elif number % 10 == 9:
            yield name, "TXT", f'"v=spf1 ip4:198.51.100.{number % 256} -all"'
        else:
            yield name, "A", f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"


def wanted_values(count: int) -> Iterator[Value]:
    """Yield the same zone with other addresses at `CHANGED` names."""
    changed = 0
    for name, type_, value in zone_values(count):
        if type_ == "A" and changed < CHANGED:
            changed += 1
            yield name, type_, f"203.0.113.{changed}"
        else:
            yield name, type_, value
