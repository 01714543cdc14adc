"""Reading zone files in BIND's format; this needs dnspython."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.zonefile

_DIRECTIVES = {"$ORIGIN", "$TTL", "$GENERATE"}


@dataclass(frozen=True)
class Line:
    """A record of a zone file.

    Attributes:
        name: its complete name, with a dot at the end.
        ttl: its TTL in seconds.
        type: its type, such as "MX".
        rdata: what it says; `rdata.rdcomment` is the comment after it.
    """

    name: str
    ttl: int
    type: str
    rdata: dns.rdata.Rdata


@dataclass
class ZoneFile:
    """What a zone file has.

    Attributes:
        soa: the SOA record, or None.
        records: the other records.
    """

    soa: Line | None = None
    records: list[Line] = field(default_factory=list)


class _Transaction(dns.zonefile.RRsetsReaderTransaction):
    soa: Line | None = None

    def check_put_rdataset(self, check: object) -> None:
        """Check nothing: which records may stand beside each other is for the provider to say."""

    def add(self, *args: Any) -> None:
        """Add a record; an SOA record may have any name."""
        name, ttl, rdata = args
        if rdata.rdtype == dns.rdatatype.SOA:
            self.soa = Line(name.to_text(), ttl, "SOA", rdata)
        else:
            super().add(*args)


class _Manager(dns.zonefile.RRSetsReaderManager):
    def writer(self, replacement: bool = False) -> _Transaction:
        return _Transaction(self, replacement, False)  # type: ignore[no-untyped-call]


def parse(text: str, *, origin: str = ".", ttl: int) -> ZoneFile:
    """Read a zone file without $INCLUDE. Raises ValueError with the reason if it is not one.

    Args:
        text: the file.
        origin: what names without a dot at their end are relative to.
        ttl: that of records for which the file has none.
    """
    manager = _Manager(dns.name.from_text(origin), relativize=False)
    tokens = dns.tokenizer.Tokenizer(text, "zone file")
    try:
        with manager.writer(replacement=True) as transaction:
            dns.zonefile.Reader(
                tokens,
                dns.rdataclass.IN,
                transaction,
                allow_directives=_DIRECTIVES,
                default_ttl=ttl,
            ).read()
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from error
    return ZoneFile(transaction.soa, [*_lines(manager.rrsets)])


def _lines(rrsets: Iterable[Any]) -> Iterable[Line]:
    for rrset in rrsets:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        for rdata in rrset:
            yield Line(rrset.name.to_text(), rrset.ttl, kind, rdata)
