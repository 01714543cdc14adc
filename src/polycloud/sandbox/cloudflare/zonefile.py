"""Records in the format of BIND's zone files, with comments and tags after each record.

A record's comment stands after a semicolon; `cf_tags=` in it begins the tags, of which those that begin with
`cf-` are Cloudflare's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.zonefile

from polycloud.sandbox.cloudflare import content
from polycloud.sandbox.cloudflare.dialect import RefusedError
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.replies import Json

_MARK = "cf_tags="
_TAG = re.compile(r'([A-Za-z0-9_-]+)(?::("(?:[^"\\]|\\.)*"|[^,]*))?')
_NEEDS_QUOTES = re.compile(r'["=,\\]')
_SOA_TIMES = "10000 2400 604800 1800"
_DIRECTIVES = {"$ORIGIN", "$TTL", "$GENERATE"}
_AUTOMATIC = 1


class _Transaction(dns.zonefile.RRsetsReaderTransaction):
    def check_put_rdataset(self, check: object) -> None:
        """Check nothing: at Cloudflare, other records may stand beside a CNAME."""

    def add(self, *args: Any) -> None:
        """Add a record but for SOA, which Cloudflare makes; its own export has one without the dot."""
        *_, rdata = args
        if rdata.rdtype != dns.rdatatype.SOA:
            super().add(*args)


class _Manager(dns.zonefile.RRSetsReaderManager):
    def writer(self, replacement: bool = False) -> _Transaction:
        return _Transaction(self, replacement, False)  # type: ignore[no-untyped-call]


def _parsed(origin: str, text: str) -> list[dns.rrset.RRset]:
    manager = _Manager(dns.name.from_text(origin), relativize=False)
    with manager.writer(replacement=True) as transaction:
        dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(text, "zone file"),
            dns.rdataclass.IN,
            transaction,
            allow_directives=_DIRECTIVES,
            default_ttl=_AUTOMATIC,
        ).read()
    return manager.rrsets


def read(zone: Item, text: str, *, proxied: bool) -> list[Json]:
    """Return the fields of all records but SOA and Cloudflare's NS. Raises RefusedError.

    Args:
        zone: where they will be.
        text: the file.
        proxied: whether records without a tag about it are proxied where they can be.
    """
    try:
        parsed = _parsed(f"{zone.name}.", text)
    except (dns.exception.DNSException, ValueError) as error:
        raise RefusedError(9207, f"Failed to parse the zone file: {error}") from error
    found = []
    for rrset in parsed:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        for rdata in rrset:
            is_ours = kind == "NS" and rdata.to_text().removesuffix(".") in zone.name_servers
            if is_ours or kind not in content.TYPES:
                continue
            said = content.parse(rdata)
            more = _attributes(rdata.rdcomment or "")
            can = kind == "CNAME" or content.is_proxiable(kind, said.get("content", ""))
            more["proxied"] = can and more.get("proxied", proxied)
            found.append({"type": kind, "name": rrset.name.to_text(), "ttl": rrset.ttl, **said, **more})
    return found


def _attributes(comment: str) -> Json:
    text, mark, tags = comment.rpartition(_MARK)
    if not mark:
        return {"comment": tags.strip()}
    fields: Json = {"comment": text.strip(), "tags": []}
    for name, value in _TAG.findall(tags):
        plain = json.loads(value) if value.startswith('"') else value
        if name == "cf-proxied":
            fields["proxied"] = plain == "true"
        elif name == "cf-flatten-cname":
            fields["settings"] = {"flatten_cname": True}
        else:
            fields["tags"].append(f"{name}:{plain}" if plain else name)
    return fields


def written(zone: Item, date: str) -> str:
    """Return the zone file of a zone; `date` is the present."""
    first, *_ = zone.name_servers
    lines = [
        ";;",
        f";; Domain:     {zone.name}.",
        f";; Exported:   {date[:19].replace('T', ' ')}",
        ";;",
        ";; SOA Record",
        f"{zone.name}\t3600\tIN\tSOA\t{first}. dns.cloudflare.com. 2049453583 {_SOA_TIMES}",
    ]
    servers = [f"{zone.name}.\t86400\tIN\tNS\t{server}." for server in zone.name_servers]
    lines += ["", ";; NS Records", *servers]
    ordered = sorted(zone.records.values(), key=lambda record: record.type)
    for kind, records in groupby(ordered, key=lambda record: record.type):
        lines += ["", f";; {kind} Records", *map(_line, records)]
    return "".join(f"{line}\n" for line in lines)


def _line(record: Item) -> str:
    said = content.zone_text(record.type, record.content, record.data, record.priority)
    line = f"{record.name}.\t{record.ttl}\tIN\t{record.type}\t{said}"
    tags = ",".join(_written_tags(record))
    comment = record.comment or ""
    if tags or _MARK in comment:
        comment = f"{comment} {_MARK}{tags}".strip()
    return f"{line} ; {comment}" if comment else line


def _written_tags(record: Item) -> Iterable[str]:
    for tag in record.tags:
        name, colon, value = tag.partition(":")
        yield f"{name}{colon}{json.dumps(value) if _NEEDS_QUOTES.search(value) else value}"
    if record.type in content.PROXIABLE:
        yield f"cf-proxied:{str(record.proxied).lower()}"
    if record.settings.get("flatten_cname"):
        yield "cf-flatten-cname"
