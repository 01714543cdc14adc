"""How zone files are read: dnspython's `Reader` parses them, and hands each record to `_Entries`.

dnspython stores what it reads in a transaction, of which its reader needs little. The one here notes for each
record the line where it begins, which the tokenizer knows when the first token of an entry is read, and its
comment. To the reader the origin of the zone is the root: it would skip records outside the zone in silence,
and the domain may be known at the end only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from dns.exception import DNSException
from dns.name import IDNA_2008_UTS_46, Name, root
from dns.rdataclass import IN
from dns.rdatatype import to_text
from dns.tokenizer import Token, Tokenizer
from dns.transaction import Transaction, TransactionManager
from dns.zonefile import Reader

from polycloud.dns.lines import LinedZone, ZoneFileError
from polycloud.dns.names import normalize_domain
from polycloud.dns.rdata import ALIASES, Value, dns_name, read_rdata
from polycloud.dns.types import RecordType
from polycloud.utils.values import shown

DIRECTIVES = ("$GENERATE", "$ORIGIN", "$TTL")
"""Without $INCLUDE: the zone file of somebody else could name any file of this machine."""
MOST_GENERATED = 16384
BEYOND = re.compile(
    r" (?P<start>\S+ (?:\d+ )?IN) (?:(?P<alias>ALIAS|ANAME) |(?P<opaque>GEO|REDIRECT|URL) (?=\"))(?P<data>.+)"
)
"""The comments that `to_bind` writes for records of types that DNS lacks."""
ADDRESSES = {"A": "an IPv4 address", "AAAA": "an IPv6 address"}
REASONS = {
    "Missing default TTL value": "there is no TTL: give the record one, or begin the file with $TTL",
    "zone file directive '$INCLUDE' is not allowed": "$INCLUDE is refused: put the records into this file",
}
MALFORMED = "Text input is malformed"
CAUGHT = re.compile(r"caught exception <class '[\w.]+'>: ")


class Entry(NamedTuple):
    """A record of a file; its name is absolute."""

    line: int
    name: str
    type: str
    ttl: int
    value: Value
    is_lenient: bool


def read_zone(text: str, path: str, domain: str | None) -> LinedZone:
    """Return the zone of a file; see `polycloud.dns.zonefile.from_bind`."""
    given = None if domain is None else normalize_domain(domain)
    entries = _Entries(text, path)
    entries.read(root if given is None else dns_name(given))
    zone = LinedZone(given or entries.domain(), path, entries.ttl)
    for line, name, type_, ttl, value, is_lenient in entries.without_repeated_soa():
        zone.add(line, name, type_, value.data, {"ttl": ttl, **value.fields}, lenient=is_lenient)
    return zone


class _Tokens(Tokenizer):
    """Tokens of a zone file, and where the current entry begins."""

    def __init__(self, text: str, comment: Callable[[str], object] = str) -> None:
        super().__init__(text, idna_codec=IDNA_2008_UTS_46)
        self.start = 1
        self.entry: list[str] = []
        self._comment = comment

    def get(self, want_leading: bool = False, want_comment: bool = False) -> Token:
        """Return the next token. The reader wants space and comments where an entry can begin."""
        is_first = want_leading and want_comment
        if is_first:
            self.start, self.entry = self.line_number, []
        token = super().get(want_leading, want_comment)
        self.entry.append(token.value)
        if is_first and token.is_comment():
            self._comment(token.value)
        return token


class _Entries(Transaction):
    """The records of a zone file, in their order."""

    def __init__(self, text: str, path: str) -> None:
        super().__init__(_Root())
        self.found: list[Entry] = []
        self.ttl: int | None = None
        self._path = path
        self._lines = text.split("\n")
        self._origins: list[Name] = []
        self._tokens = _Tokens(text, self._comment)
        self._reader = Reader(self._tokens, IN, self, allow_directives=DIRECTIVES)
        self._beyond: str | None = None

    def read(self, origin: Name) -> None:
        """Read the file. Raises `ZoneFileError` at the first line that is not valid."""
        self._reader.current_origin = self._reader.last_name = origin
        try:
            self._reader.read()
        except ZoneFileError:
            raise
        except (DNSException, ValueError) as error:
            raise self._error(self._reason(str(error))) from error
        if self._reader.default_ttl_known:
            self.ttl = self._reader.default_ttl

    def add(self, *args: Any) -> None:
        """Take the name, the TTL and the value of a record from the reader."""
        name, ttl, rdata = args
        type_, text = self._beyond or to_text(rdata.rdtype), rdata.to_text(chunksize=0)
        value = read_rdata(RecordType.TXT if self._is_opaque() else type_, text)
        is_lenient = (rdata.rdcomment or "").strip() == "lenient"
        self.found.append(Entry(self._tokens.start, name.to_text(), type_, ttl, value, is_lenient))
        if len(self.found) > MOST_GENERATED and self.found[-1 - MOST_GENERATED].line == self._tokens.start:
            raise self._error(f"$GENERATE must make at most {MOST_GENERATED} records")

    def _set_origin(self, origin: Name | None) -> None:
        if origin is not None:
            self._origins.append(origin)

    def _is_opaque(self) -> bool:
        return self._beyond is not None and self._beyond not in ALIASES

    def _comment(self, text: str) -> None:
        """Read a comment that has a record of a type that DNS lacks, as a host name or as text."""
        match = BEYOND.fullmatch(text)
        if not match:
            return
        self._beyond = match["alias"] or match["opaque"]
        line = _Tokens(f"{match['start']} {'TXT' if self._is_opaque() else 'CNAME'} {match['data']}")
        outer, inner = self._reader, Reader(line, IN, self, allow_directives=False)
        inner.current_origin = outer.current_origin
        inner.default_ttl, inner.default_ttl_known = outer.default_ttl, outer.default_ttl_known
        try:
            inner.read()
        finally:
            self._beyond = None

    def without_repeated_soa(self) -> list[Entry]:
        """Return the records without the SOA that ends the output of a transfer, if it is the first again."""
        first, last = (self.found[0], self.found[-1]) if self.found else (None, None)
        is_transfer = first is not last and first and last and first[1:] == last[1:] and last.type == "SOA"
        return self.found[:-1] if is_transfer else self.found

    def domain(self) -> str:
        """Return the domain that the file names: that of its SOA, or else the first $ORIGIN."""
        names = [one.name for one in self.found if one.type == RecordType.SOA]
        names += [origin.to_text() for origin in self._origins]
        if not names or names[0] == ".":
            raise ZoneFileError("domain must be given: the file names none in $ORIGIN or SOA", self._path)
        return normalize_domain(names[0])

    def _reason(self, message: str) -> str:
        """Return what is wrong with the current entry, from dnspython's message, which begins with a line."""
        message = message.removeprefix("{}:{}: ".format(*self._tokens.where()))
        message = CAUGHT.sub("", message).removesuffix(".")
        entry = self._tokens.entry
        for type_ in ADDRESSES.keys() & {*entry[1:-1]} if message == MALFORMED else ():
            return f"data of type {type_} must be {ADDRESSES[type_]}, got {shown(entry[-1])}"
        return REASONS.get(message) or f"{message}: {shown(self._lines[self._tokens.start - 1].strip())}"

    def _error(self, reason: str) -> ZoneFileError:
        return ZoneFileError(reason, self._path, self._tokens.start)


class _Root(TransactionManager):
    """The root of DNS, to which all names are relative."""

    def origin_information(self) -> tuple[Name, bool, Name]:
        return root, False, root
