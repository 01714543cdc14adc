"""The data of records: what a `Record` says, and the same as rdata in the form of zone files (RFC 1035, 5.1).

dnspython (extra `dns`) parses, checks and writes rdata of every type. Providers that keep rdata as text send
most of it in one plain spelling, such as `10 mail.example.org.`: this is taken apart by `READERS`, since a
list of 10,000 records would otherwise take seconds; all other spellings are dnspython's.

A value may consist of several parts, such as the priority and the host of MX. The last part is the record's
`data`, the others are fields of its `extra`; `VALUE_FIELDS` names them in the order of zone files.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from polycloud.dns.names import ascii_name
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from dns.name import Name
    from dns.rdata import Rdata

__all__ = [
    "ALIASES",
    "HOST_NAMES",
    "OPAQUE",
    "TEXTS",
    "VALUE_FIELDS",
    "Value",
    "dns_name",
    "read_parts",
    "read_rdata",
    "write_rdata",
]

HOST_NAMES = frozenset(
    {
        *(RecordType.ALIAS, RecordType.ANAME, RecordType.CNAME, RecordType.DNAME),
        *(RecordType.MX, RecordType.NS, RecordType.PTR, RecordType.SRV),
    }
)
"""Types whose data is a host name."""
TEXTS = frozenset({RecordType.SPF, RecordType.TXT})
"""Types whose data is text."""
VALUE_FIELDS: Mapping[str, tuple[str, ...]] = {
    RecordType.MX: ("priority",),
    RecordType.SRV: ("priority", "weight", "port"),
    RecordType.CAA: ("flags", "tag"),
    RecordType.HTTPS: ("priority",),
    RecordType.SVCB: ("priority",),
    RecordType.URI: ("priority", "weight"),
}
"""Fields of `extra` that a type needs."""

ALIASES = frozenset({RecordType.ALIAS, RecordType.ANAME})
"""Types that providers have and DNS has not, with data like that of CNAME."""
OPAQUE = frozenset({RecordType.GEO, RecordType.REDIRECT, RecordType.URL})
"""Types that providers have and DNS has not, with data of their own."""
AS_IS = frozenset({RecordType.A, *OPAQUE})
"""Types whose data and rdata are the text that a provider sends."""
_SERVICES = frozenset({RecordType.HTTPS, RecordType.SVCB})
_QUOTED = re.compile(r'="([\w,.:+/=-]+)"')
"""Parameters that need no quotes, which dnspython writes and PowerDNS 4.7 does not read."""
_PIECE = 255
_FORMS: Mapping[str, str] = {
    RecordType.A: "an IPv4 address",
    RecordType.AAAA: "an IPv6 address",
    **dict.fromkeys(HOST_NAMES, "a host name in full"),
    RecordType.URI: "a URI in ASCII, with other characters percent-encoded",
}


NO_FIELDS: Mapping[str, Any] = {}


class Value(NamedTuple):
    """The value of a record: `data`, the `fields` of its type, and `rdata`, which equal values have equal."""

    data: str
    fields: Mapping[str, Any]
    rdata: str


Parts = tuple[str, Mapping[str, Any], str]
"""What a `Value` consists of: lists of 10,000 records do without the objects."""
_URI = r"[!#-\[\]-~]+"
_HOST = r'[^\s\\"();@]+'
_is_host = re.compile(_HOST).fullmatch
_mx = re.compile(rf"(\d+) ({_HOST})").fullmatch
_srv = re.compile(rf"(\d+) (\d+) (\d+) ({_HOST})").fullmatch
_uri = re.compile(rf'(\d+) (\d+) "({_URI})"').fullmatch
_caa = re.compile(r'(\d+) ([a-z0-9]+) ("[ !#-\[\]-~]*")').fullmatch


def _as_sent(text: str) -> Parts:
    return text, NO_FIELDS, text


def _address(text: str) -> Parts:
    try:
        data = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):
        data = text
    return data, NO_FIELDS, data


def _quoted(text: str) -> Parts | None:
    inner = text[1:-1]
    is_plain = text == f'"{inner}"' and inner.isascii() and inner.isprintable()
    return (inner, NO_FIELDS, text) if is_plain and '"' not in inner and "\\" not in inner else None


def _host(text: str) -> Parts | None:
    if not _is_host(text):
        return None
    name = text.lower()
    return _without_dot(name), NO_FIELDS, name


def _without_dot(name: str) -> str:
    return name[:-1] if name[-1] == "." and name != "." else name


def _mx_value(text: str) -> Parts | None:
    match = _mx(text)
    if not match:
        return None
    return _without_dot(match[2].lower()), {"priority": int(match[1])}, text.lower()


def _srv_value(text: str) -> Parts | None:
    match = _srv(text)
    if not match:
        return None
    *numbers, host = match.groups()
    fields = dict(zip(VALUE_FIELDS[RecordType.SRV], map(int, numbers), strict=True))
    return _without_dot(host.lower()), fields, text.lower()


def _caa_value(text: str) -> Parts | None:
    match = _caa(text)
    return match and (match[3][1:-1], {"flags": int(match[1]), "tag": match[2]}, text)


def _uri_value(text: str) -> Parts | None:
    match = _uri(text)
    return match and (match[3], {"priority": int(match[1]), "weight": int(match[2])}, text)


READERS: Mapping[str, Callable[[str], Parts | None]] = {
    **dict.fromkeys(AS_IS, _as_sent),
    RecordType.AAAA: _address,
    **dict.fromkeys(HOST_NAMES, _host),
    RecordType.MX: _mx_value,
    RecordType.SRV: _srv_value,
    **dict.fromkeys(TEXTS, _quoted),
    RecordType.CAA: _caa_value,
    RecordType.URI: _uri_value,
}
"""Readers of the plain spellings, which return None for others."""


def read_rdata(type_: str, text: str) -> Value:
    """Return the value that a provider sends as rdata; what is not valid becomes `data` as it is."""
    return Value(*read_parts(type_, text))


def read_parts(type_: str, text: str) -> Parts:
    """Return the data, the fields and the rdata of `read_rdata`."""
    reader = READERS.get(type_)
    if reader is not None and (parts := reader(text)) is not None:
        return parts
    try:
        return _value(type_, _parsed(type_, text))
    except InvalidArgumentError:
        return text, NO_FIELDS, text


def write_rdata(type_: str, data: str, extra: Mapping[str, Any]) -> Value:
    """Return the value that a caller gives, with `data` in the spelling that all providers return.

    Host names may end with a dot, and are in full without it too. Raises `InvalidArgumentError` if the data
    is not valid for its type.
    """
    if type_ in OPAQUE:
        return Value(_printable(type_, data), {}, data)
    return _value(type_, _built(type_, data, [extra[name] for name in VALUE_FIELDS.get(type_, ())]))


def dns_name(text: str) -> Name:
    """Return an absolute name, given with or without a trailing dot.

    Raises `InvalidArgumentError` if DNS cannot have it.
    """
    _require_dnspython()
    from dns import exception, name

    try:
        return name.from_text(ascii_name(text), name.root)
    except (exception.DNSException, UnicodeError) as error:
        raise InvalidArgumentError(f"the name {shown(text)} cannot be in DNS: {error}") from error


def _require_dnspython() -> None:
    try:
        import dns  # noqa: F401
    except ModuleNotFoundError:
        raise ImportError("the data of DNS records needs dnspython: pip install 'polycloud[dns]'") from None


def _dns_type(type_: str) -> str:
    return "CNAME" if type_ in ALIASES else str(type_)


def _parsed(type_: str, text: str) -> Rdata:
    """Return rdata in the form of zone files."""
    _require_dnspython()
    from dns import exception, name, rdata

    try:
        return rdata.from_text(
            "IN",
            _dns_type(type_),
            _printable(type_, text),
            name.root,
            relativize=False,
            idna_codec=name.IDNA_2008_UTS_46,
        )
    except (exception.DNSException, ValueError) as error:
        form = _FORMS.get(type_, "as in zone files")
        raise InvalidArgumentError(
            f"data of type {type_} must be {form}, got {shown(text)}: {error}"
        ) from error


def _printable(type_: str, text: str) -> str:
    if text.isprintable():
        return text
    raise InvalidArgumentError(f"data of type {type_} must not contain control characters, got {shown(text)}")


def _built(type_: str, data: str, fields: list[Any]) -> Rdata:
    """Return rdata of what a caller gives; texts may have any characters."""
    _require_dnspython()
    from dns import exception, rdata, rdataclass, rdatatype

    classes: Any = rdata.get_rdata_class
    if type_ in TEXTS:
        raw = data.encode(errors="surrogateescape")
        parts: list[Any] = [[raw[at : at + _PIECE] for at in range(0, len(raw), _PIECE)] or [b""]]
    elif type_ == RecordType.CAA:
        flags, tag = fields
        parts = [flags, tag.lower().encode(), data.encode(errors="surrogateescape")]
    elif type_ in HOST_NAMES:
        if data in {"", "@"}:
            raise InvalidArgumentError(f"data of type {type_} must be {_FORMS[type_]}, got {data!r}")
        parts = [*fields, dns_name(data)]
    elif type_ == RecordType.URI:
        if not re.fullmatch(_URI, data):
            raise InvalidArgumentError(f"data of type {type_} must be {_FORMS[type_]}, got {shown(data)}")
        parts = [*fields, data.encode()]
    else:
        return _parsed(type_, " ".join([*map(str, fields), data]))
    kind = rdatatype.from_text(_dns_type(type_))
    try:
        made: Rdata = classes(rdataclass.IN, kind)(rdataclass.IN, kind, *parts)
    except (exception.DNSException, TypeError, ValueError) as error:
        given = dict(zip(VALUE_FIELDS.get(type_, ()), fields, strict=True))
        raise InvalidArgumentError(
            f"data of type {type_} is not valid with {given}, got {shown(data)}: {error}"
        ) from error
    return made


def _value(type_: str, parsed: Any) -> Value:
    names = VALUE_FIELDS.get(type_, ())
    text = parsed.to_text(chunksize=0)
    if type_ in TEXTS:
        return Value(_text(b"".join(parsed.strings)), {}, text)
    if type_ == RecordType.CAA:
        flags, tag, quoted = text.split(" ", 2)
        fields = {"flags": int(flags), "tag": tag.lower()}
        return Value(_text(parsed.value), fields, f"{flags} {tag.lower()} {quoted}")
    if type_ in _SERVICES:
        text = _QUOTED.sub(r"=\1", text)
    *fields_, data = text.split(" ", len(names))
    if type_ == RecordType.URI:
        data = _text(parsed.target)
    if type_ in HOST_NAMES:
        data, text = data.lower(), text.lower()
        data = data if data == "." else data.removesuffix(".")
    return Value(data, dict(zip(names, map(int, fields_), strict=True)), text)


def _text(raw: bytes) -> str:
    """Return text of bytes, which are UTF-8 or not: what is not is kept, as surrogates."""
    return raw.decode(errors="surrogateescape")
