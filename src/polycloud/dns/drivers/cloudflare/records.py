"""Cloudflare's records: the payload, what it says, and the bodies of requests.

Most types have their value as text, `content`. The others have an object, `data`, whose fields `SHAPES` names
in the order of zone files. The provider also has text for these, but ignores it in requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import msgspec

from polycloud.common.arguments import require_bool
from polycloud.dns.content import Content
from polycloud.dns.objects import Record
from polycloud.dns.rdata import Value, read_rdata
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError

AUTOMATIC, AUTOMATIC_TTL = 1, 300
"""The TTL that leaves the choice to the provider, and what it then serves, in seconds."""
SHORTEST_TTL, LONGEST_TTL = 30, 86_400
PROXIED = frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME})
"""Types that can be proxied, and of which a CNAME bears none beside it."""
OWN = frozenset({"comment", "private_routing", "proxied", "settings", "tags"})
"""Fields of a record beyond DNS."""

_CERTIFICATE = "usage selector matching_type certificate"
_SERVICE = "priority target value"
SHAPES: Mapping[str, tuple[str, ...]] = {
    type_: tuple(fields.split())
    for type_, fields in {
        RecordType.CAA: 'flags tag "value"',
        RecordType.CERT: "type key_tag algorithm certificate",
        RecordType.DNSKEY: "flags protocol algorithm public_key",
        RecordType.DS: "key_tag algorithm digest_type digest",
        RecordType.HTTPS: _SERVICE,
        RecordType.LOC: "lat_degrees lat_minutes lat_seconds lat_direction long_degrees long_minutes "
        "long_seconds long_direction altitude size precision_horz precision_vert",
        RecordType.NAPTR: 'order preference "flags" "service" "regex" replacement',
        RecordType.SMIMEA: _CERTIFICATE,
        RecordType.SRV: "priority weight port target",
        RecordType.SSHFP: "algorithm type fingerprint",
        RecordType.SVCB: _SERVICE,
        RecordType.TLSA: _CERTIFICATE,
        RecordType.URI: 'priority weight "target"',
    }.items()
}
"""The fields of `data` by type; those in quotes are quoted in zone files."""
QUOTED = frozenset({RecordType.CAA, RecordType.NAPTR, RecordType.URI})
HOSTS = frozenset({"replacement", "target"})
WORDS = frozenset(
    {
        *("certificate", "digest", "fingerprint", "lat_direction", "long_direction", "public_key"),
        *("tag", "value"),
    }
)
LOC_DEFAULTS = ("1.00m", "10000.00m", "10.00m")
"""What zone files may leave out."""
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


class RecordPayload(msgspec.Struct):
    """A record; `name` is in full, without a dot at its end; `ttl` is 1 if the provider chooses it."""

    id: str
    name: str
    type: str
    content: str | None = None
    data: dict[str, Any] | None = None
    priority: int | None = None
    ttl: int | None = None
    proxied: bool | None = None
    private_routing: bool | None = None
    comment: str | None = None
    tags: list[str] | None = None
    settings: dict[str, Any] | None = None

    def value(self) -> Value:
        """Return the value of the record."""
        data = {"priority": self.priority, **(self.data or {})}
        shape = SHAPES.get(self.type)
        content = self.content or ""
        if shape and all(data.get(name.strip('"')) is not None for name in shape):
            return read_rdata(self.type, " ".join(_written(name, data[name.strip('"')]) for name in shape))
        if self.type == RecordType.TXT and not content.startswith('"'):
            return Value(content, {}, content)  # served as one string, although it has no quotes
        if self.type == RecordType.MX:
            content = f"{data['priority'] or 0} {content}"
        return read_rdata(self.type, content)

    def extra(self) -> dict[str, Any]:
        """Return what the record has beyond its value."""
        own = {
            "proxied": bool(self.proxied),
            "comment": self.comment or "",
            "tags": self.tags or [],
            "settings": self.settings or {},
        }
        if self.private_routing is not None:
            own["private_routing"] = self.private_routing
        return own if self.ttl is None else {"ttl": served_ttl(self.ttl), **own}


def served_ttl(ttl: int) -> int:
    """Return the TTL in seconds that the provider serves."""
    return AUTOMATIC_TTL if ttl == AUTOMATIC else ttl


def require_ttl(ttl: int) -> None:
    """Raise `InvalidArgumentError` for a TTL that the provider does not take."""
    if ttl != AUTOMATIC and not SHORTEST_TTL <= ttl <= LONGEST_TTL:
        raise InvalidArgumentError(
            f"ttl must be 1 (automatic) or from {SHORTEST_TTL} to {LONGEST_TTL}, got {ttl}"
        )


def value_fields(content: Content) -> dict[str, Any]:
    """Return the fields of a request that have the value of a record."""
    type_, extra = content.type, content.extra
    if type_ in SHAPES:
        data = dict(_fields(type_, content.rdata))
        return {"priority": data.pop("priority"), "data": data} if type_ == RecordType.URI else {"data": data}
    value = {"content": content.rdata if type_ == RecordType.TXT else content.data}
    return {**value, "priority": extra["priority"]} if type_ == RecordType.MX else value


def own_fields(type_: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request that have what is given beyond the value.

    Raises `InvalidArgumentError` for what the provider does not take.
    """
    fields = {name: extra[name] for name in ("ttl", *sorted(OWN)) if name in extra}
    require_ttl(fields.get("ttl", AUTOMATIC))
    for name in ("private_routing", "proxied"):
        require_bool(name, fields.get(name, False))
    comment, tags, settings = fields.get("comment", ""), fields.get("tags", []), fields.get("settings", {})
    if not isinstance(comment, str) or len(comment.splitlines()) > 1:
        raise InvalidArgumentError(f"comment must be a str of one line, got {comment!r}")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidArgumentError(f"tags must be a list of str, got {tags!r}")
    if not isinstance(settings, dict) or not all(isinstance(value, bool) for value in settings.values()):
        raise InvalidArgumentError(f"settings must be a dict of bool, got {settings!r}")
    if type_ not in PROXIED and fields.pop("proxied", False):
        raise InvalidArgumentError(f"proxied must be False for type {type_}: only A, AAAA and CNAME can be")
    if "ttl" in fields and fields.get("proxied"):
        fields["ttl"] = AUTOMATIC  # it has no other, whatever is asked
    return fields


def lost_fields(record: Record, type_: str) -> dict[str, Any]:
    """Return the fields of a request that take from a record what it cannot have as another type."""
    settings, can = record.extra.get("settings", {}), type_ in PROXIED
    kept = {name: value for name, value in settings.items() if can and name != "flatten_cname"}
    lost: dict[str, Any] = {} if kept == settings else {"settings": kept}
    return {**lost, "proxied": False} if record.extra.get("proxied") and not can else lost


def _written(name: str, value: Any) -> str:
    """Return a field as zone files write it."""
    if name.startswith('"'):
        text = "".join(map(_escaped, str(value).encode(errors="surrogateescape")))
        return f'"{text}"'
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    return f"{text}." if name in HOSTS and not text.endswith(".") else text


def _escaped(code: int) -> str:
    return chr(code) if ord(" ") <= code <= ord("~") and code not in b'"\\' else f"\\{code:03d}"


def _fields(type_: str, rdata: str) -> Iterator[tuple[str, Any]]:
    """Yield the fields of `data`; the last one has all that is left."""
    shape = SHAPES[type_]
    for name, text in zip_longest(shape, _tokens(type_, rdata), fillvalue=""):
        if name.startswith('"'):
            yield name.strip('"'), text
        elif name in HOSTS:
            yield name, text.removesuffix(".") or text
        else:
            yield name, text if name in WORDS else _number(text.removesuffix("m"))


def _tokens(type_: str, rdata: str) -> list[str]:
    """Return the fields of rdata as text, without quotes."""
    if type_ == RecordType.CERT:  # zone files have names for its numbers
        from dns import rdata as texts

        parsed: Any = texts.from_text("IN", "CERT", rdata)
        numbers = (parsed.certificate_type, parsed.key_tag, int(parsed.algorithm))
        return [*map(str, numbers), rdata.split(" ", 3)[3]]
    if type_ in QUOTED:
        return [plain or _unquoted(quoted) for quoted, plain in TOKEN.findall(rdata)]
    found = rdata.split(" ", len(SHAPES[type_]) - 1)
    is_short = type_ == RecordType.LOC and len(found) < len(SHAPES[type_])
    return [*found, *LOC_DEFAULTS] if is_short else found


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _unquoted(text: str) -> str:
    raw = ESCAPE.sub(_character, text.encode(errors="surrogateescape"))
    return raw.decode(errors="surrogateescape")


def _character(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    return bytes([int(escaped)]) if escaped.isdigit() and len(escaped) > 1 else escaped
