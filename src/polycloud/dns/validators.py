"""What is wrong with the records that a zone shall have, beyond what is wrong with each of them alone.

A validator is a function that takes a `ZoneView` and yields a `Problem` for each record that should not be
as it is. A record that is lenient passes, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from polycloud.dns.content import SINGLE
from polycloud.dns.names import full_name
from polycloud.dns.rdata import HOST_NAMES
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedRecord, WantedZone
from polycloud.utils.networking import is_valid_ip_address

__all__ = ["VALIDATORS", "Problem", "Validator", "ZoneView", "aliases_alone"]

Sets = dict[tuple[str, str], list[WantedRecord]]
GLUE = frozenset({RecordType.A, RecordType.AAAA, RecordType.DS, RecordType.NS})
SERVICE = re.compile(r"_[a-z0-9-]+\._[a-z0-9-]+(\..+)?")
TARGETS = frozenset({RecordType.MX, RecordType.NS, RecordType.SRV})
"""Types whose host must have addresses of its own (RFC 2181, 10.3; RFC 2782)."""


class Problem(NamedTuple):
    """What is wrong with a record."""

    record: WantedRecord
    text: str

    def __str__(self) -> str:
        return f"{self.record}: {self.text}"


class ZoneView:
    """The records of a zone: `sets` by name and type, `types` the names that have a type."""

    def __init__(self, zone: WantedZone, records: Iterable[WantedRecord]) -> None:
        self.domain = zone.domain
        self.sets: Sets = {}
        self.types: dict[str, list[str]] = {}
        for record in records:
            name, type_, *_ = record.content
            found = self.sets.get((name, type_))
            if found is None:
                self.sets[name, type_] = [record]
                self.types.setdefault(type_, []).append(name)
            else:
                found.append(record)

    def of_type(self, *types: str) -> Iterator[list[WantedRecord]]:
        """Yield the sets of some types."""
        for type_ in types:
            for name in self.types.get(type_, ()):
                yield self.sets[name, type_]

    def at(self, name: str) -> Iterator[tuple[str, list[WantedRecord]]]:
        """Yield the types that a name has, and their records."""
        for type_ in self.types:
            if (name, type_) in self.sets:
                yield type_, self.sets[name, type_]

    def relative(self, host: str) -> str | None:
        """Return the name of a host relative to this zone; None if it is outside."""
        if host == self.domain:
            return ""
        suffix = f".{self.domain}"
        return host.removesuffix(suffix) if host.endswith(suffix) else None


Validator = Callable[[ZoneView], Iterable[Problem]]


def unique_values(view: ZoneView) -> Iterator[Problem]:
    """Find values that a set has twice."""
    for records in view.sets.values():
        if len(records) > 1:
            seen: dict[str, WantedRecord] = {}
            for record in records:
                first = seen.setdefault(record.content.rdata, record)
                if first is not record:
                    yield Problem(record, f"its value stands there twice{_at(first)}")


def one_ttl(view: ZoneView) -> Iterator[Problem]:
    """Find sets whose records have different TTLs, which resolvers may not tell apart (RFC 2181, 5.2)."""
    for records in view.sets.values():
        if len(records) > 1:
            first, *others = (record.content.extra.get("ttl") for record in records)
            for record, ttl in zip(records[1:], others, strict=True):
                if ttl != first:
                    yield Problem(record, f"its TTL is {ttl}, but that of the same name and type {first}")


def aliases_alone(view: ZoneView) -> Iterator[Problem]:
    """Find aliases beside other records, at the zone itself, or two of a kind that can be one only."""
    for records in view.of_type(*SINGLE):
        first, *others = records
        if any(one.content.rdata != first.content.rdata for one in others):
            yield Problem(others[0], f"a name can have one {first.content.type} record only{_at(first)}")
    for alias, *_ in view.of_type(RecordType.CNAME):
        if not alias.content.name:
            yield Problem(alias, "the zone itself has SOA and NS records: a CNAME must be alone")
        for type_, records in view.at(alias.content.name):
            if type_ != RecordType.CNAME:
                yield Problem(records[0], f"a CNAME must be alone{_at(alias)}")


def hosts(view: ZoneView) -> Iterator[Problem]:
    """Find hosts that are addresses, and hosts of mail, services and zones that are aliases."""
    for records in view.of_type(*HOST_NAMES):
        for record in records:
            _, type_, host, *_ = record.content
            if host[-1].isdigit() and is_valid_ip_address(host):
                yield Problem(record, f"{host} is an address; a {type_} record needs the name of a host")
            elif type_ in TARGETS and (view.relative(host), RecordType.CNAME) in view.sets:
                yield Problem(record, f"{host} is an alias; a {type_} record needs a host with addresses")


def alias_loops(view: ZoneView) -> Iterator[Problem]:
    """Find aliases that lead back to themselves within the zone."""
    aliases = {one.content.name: one for one, *_ in view.of_type(RecordType.CNAME)}
    known: set[str] = set()
    for name, record in aliases.items():
        path: dict[str, None] = {}
        at: str | None = name
        while at in aliases and at not in known and at not in path:
            path[at] = None
            at = view.relative(aliases[at].content.data)
        if at in path:
            way = " -> ".join(f"{one or '@'}" for one in [*path, at])
            yield Problem(record, f"it leads back to itself: {way}")
        known |= path.keys()


def services(view: ZoneView) -> Iterator[Problem]:
    """Find SRV records whose names do not begin with a service and a protocol (RFC 2782)."""
    for record in chain.from_iterable(view.of_type(RecordType.SRV)):
        if not SERVICE.fullmatch(record.content.name.removeprefix("*.")):
            yield Problem(record, "its name must begin with _service._protocol, such as _sip._tcp")


def null_mail(view: ZoneView) -> Iterator[Problem]:
    """Find hosts of mail beside the one that says that there is no mail (RFC 7505)."""
    for records in view.of_type(RecordType.MX):
        if len(records) > 1:
            for record in records:
                if record.content.data == ".":
                    yield Problem(record, '"." says that the name takes no mail, so it must be its only MX')


def one_spf(view: ZoneView) -> Iterator[Problem]:
    """Find names with several SPF policies, which receivers take for none (RFC 7208, 4.5)."""
    for records in view.of_type(RecordType.TXT):
        if len(records) > 1:
            policies = [one for one in records if one.content.data.lower().split(" ", 1)[0] == "v=spf1"]
            for record in policies[1:]:
                yield Problem(record, f"its name has an SPF policy already{_at(policies[0])}")


def delegations(view: ZoneView) -> Iterator[Problem]:
    """Find records that a delegation hides, and DS records without one."""
    cuts = {name for name in view.types.get(RecordType.NS, ()) if name}
    for record, *_ in view.of_type(RecordType.DS):
        if record.content.name not in cuts:
            yield Problem(record, "a DS record stands beside the NS records of a delegation")
    if cuts:
        for (name, type_), records in view.sets.items():
            cut = next((one for one in _upward(name) if one in cuts), None)
            if cut is not None and type_ not in GLUE:
                zone = full_name(cut, view).removesuffix(".")
                yield Problem(records[0], f"{zone} is delegated to other servers, which answer for it")


VALIDATORS: tuple[Validator, ...] = (
    unique_values,
    one_ttl,
    aliases_alone,
    hosts,
    alias_loops,
    services,
    null_mail,
    one_spf,
    delegations,
)
"""The validators that a plan runs."""


def _upward(name: str) -> Iterator[str]:
    """Yield a relative name and those above it, without the zone itself."""
    while name:
        yield name
        name = name.partition(".")[2]


def _at(record: WantedRecord) -> str:
    """Return where the other record of a problem stands."""
    return f" (see {record.where})" if record.where else ""
