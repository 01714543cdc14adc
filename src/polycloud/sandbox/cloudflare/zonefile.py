"""Records in the format of BIND's zone files, with comments and tags after each record.

A record's comment stands after a semicolon; `cf_tags=` in it begins the tags, of which those that begin with
`cf-` are Cloudflare's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby

from polycloud.sandbox.cloudflare import content
from polycloud.sandbox.cloudflare.dialect import RefusedError
from polycloud.sandbox.rest import zonefile
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.replies import Json

_MARK = "cf_tags="
_TAG = re.compile(r'([A-Za-z0-9_-]+)(?::("(?:[^"\\]|\\.)*"|[^,]*))?')
_NEEDS_QUOTES = re.compile(r'["=,\\]')
_SOA_TIMES = "10000 2400 604800 1800"
_AUTOMATIC = 1


def read(zone: Item, text: str, *, proxied: bool) -> list[Json]:
    """Return the fields of all records but SOA and Cloudflare's NS. Raises RefusedError.

    Args:
        zone: where they will be.
        text: the file.
        proxied: whether records without a tag about it are proxied where they can be.
    """
    try:
        parsed = zonefile.parse(text, origin=f"{zone.name}.", ttl=_AUTOMATIC)
    except ValueError as error:
        raise RefusedError(9207, f"Failed to parse the zone file: {error}") from error
    found = []
    for line in parsed.records:
        is_ours = line.type == "NS" and line.rdata.to_text().removesuffix(".") in zone.name_servers
        if is_ours or line.type not in content.TYPES:
            continue
        said = content.parse(line.rdata)
        more = _attributes(line.rdata.rdcomment or "")
        can = line.type == "CNAME" or content.is_proxiable(line.type, said.get("content", ""))
        more["proxied"] = can and more.get("proxied", proxied)
        found.append({"type": line.type, "name": line.name, "ttl": line.ttl, **said, **more})
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
