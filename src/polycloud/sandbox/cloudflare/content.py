"""What a record says, by type.

Records of some types have a `content` that is written by the client. The others have an object `data`, from
whose fields `content` is computed. A table names the fields of each type in the order of `content`, which is
that of a zone file; hosts have no dot at their end in either, except in zone files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import dns.exception
import dns.rdata
import dns.rdatatype

from polycloud.sandbox.cloudflare import names
from polycloud.sandbox.cloudflare.dialect import RefusedError, invalid
from polycloud.sandbox.rest.replies import Json

_DATA = {
    "CAA": "flags:8 tag:word value:quoted",
    "CERT": "type:16 key_tag:16 algorithm:8 certificate:blob",
    "DNSKEY": "flags:16 protocol:8 algorithm:8 public_key:blob",
    "DS": "key_tag:16 algorithm:8 digest_type:8 digest:blob",
    "HTTPS": "priority:16 target:host value:rest",
    "LOC": "lat_degrees:8 lat_minutes:8 lat_seconds:seconds lat_direction:word "
    "long_degrees:8 long_minutes:8 long_seconds:seconds long_direction:word "
    "altitude:meters size:meters precision_horz:meters precision_vert:meters",
    "NAPTR": "order:16 preference:16 flags:quoted service:quoted regex:quoted replacement:host",
    "SMIMEA": "usage:8 selector:8 matching_type:8 certificate:blob",
    "SRV": "priority:16 weight:16 port:16 target:host",
    "SSHFP": "algorithm:8 type:8 fingerprint:blob",
    "SVCB": "priority:16 target:host value:rest",
    "TLSA": "usage:8 selector:8 matching_type:8 certificate:blob",
    "URI": "weight:16 target:quoted",
}
_OPTIONAL: Json = {
    **{f"{side}_{unit}": 0 for side in ("lat", "long") for unit in ("minutes", "seconds")},
    "altitude": 0,
    "size": 0,
    "precision_horz": 0,
    "precision_vert": 0,
}
"""What `data` of a LOC record need not say."""
_LOC_DEFAULTS: Json = {"size": 1.0, "precision_horz": 10000.0, "precision_vert": 10.0}
"""What a LOC record says in a zone file that does not say it."""
_PLAIN = ("A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT")
_HOSTS = ("CNAME", "MX", "NS", "PTR")
TYPES = (*_PLAIN, *_DATA)
PROXIABLE = ("A", "AAAA", "CNAME")
WITH_PRIORITY = ("MX", "URI")

_REFUSED_TARGETS = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "1.0.0.1/32", "1.1.1.1/32", "::1/128", "fc00::/7", "fe80::/10"),
    )
]
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_CHARACTER = re.compile(r"\\[0-9]{3}|\\.|.", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_LONGEST_STRING, _LONGEST_CONTENT = 255, 4096


@dataclass
class Content:
    """What a record says: the fields of the API."""

    content: str
    data: Json | None = None
    priority: int | None = field(default=None)


def read(kind: str, name: str, content: Any, data: Any, priority: Any) -> Content:
    """Return what a record says, in Cloudflare's form. Raises RefusedError.

    Args:
        kind: the type.
        name: the record's complete name.
        content: the field `content`, or None.
        data: the field `data`, or None.
        priority: the field `priority`, or None.
    """
    if kind in WITH_PRIORITY and priority is None:
        raise invalid(9100, "priority is a required field.")
    priority = priority if kind in WITH_PRIORITY else None
    if kind in _DATA:
        if data is None:
            raise invalid(9100, "data is a required field.")
        checked = _data(kind, data)
        _verify(kind, checked, priority)
        return Content(_written(kind, checked), checked, checked.get("priority", priority))
    if not content:
        raise invalid(9100, "content is a required field.")
    checked_content = _READERS[kind](kind, content)
    if kind == "CNAME" and checked_content == name:
        raise RefusedError(9039, "CNAME content cannot reference itself.")
    return Content(checked_content, None, priority)


def zone_text(kind: str, content: str, data: Json | None, priority: int | None) -> str:
    """Return what a record says as a zone file has it, with dots after hosts."""
    if kind in _HOSTS:
        host = f"{content}." if content != "." else content
        return f"{priority} {host}" if kind in WITH_PRIORITY else host
    if kind == "TXT" and not content.startswith('"'):
        return " ".join(_split(content.replace("\\", "\\\\")))
    if data is None:
        return content
    text = _written(kind, data, dots=True)
    return f"{priority} {text}" if kind in WITH_PRIORITY else text


def parse(rdata: dns.rdata.Rdata) -> Json:
    """Return the fields of a record of a zone file, which has complete names."""
    kind, text = dns.rdatatype.to_text(rdata.rdtype), rdata.to_text()
    fields: Json = {}
    if kind == "CERT":
        # Its numbers have names, which the API does not use.
        numbers = [rdata.certificate_type, rdata.key_tag, rdata.algorithm]  # type: ignore[attr-defined]
        text = " ".join([*(str(int(number)) for number in numbers), *text.split()[len(numbers) :]])
    if kind in WITH_PRIORITY:
        priority, _, text = text.partition(" ")
        fields["priority"] = int(priority)
    if kind not in _DATA:
        return {**fields, "content": text}
    pairs = [pair.split(":") for pair in _DATA[kind].split()]
    tokens = _TOKEN.findall(text)
    if pairs[-1][1] in {"rest", "blob"}:
        glue = " " if pairs[-1][1] == "rest" else ""
        tokens = [*tokens[: len(pairs) - 1], glue.join(tokens[len(pairs) - 1 :])]
    read = {name: _KINDS[form][1](token) for (name, form), token in zip(pairs, tokens, strict=False)}
    return {**fields, "data": {**(_LOC_DEFAULTS if kind == "LOC" else {}), **read}}


def is_proxiable(kind: str, content: str) -> bool:
    """Return whether Cloudflare can proxy a record."""
    if kind not in PROXIABLE:
        return False
    if kind == "CNAME":
        return True
    address = ip_address(content)
    return not any(address.version == network.version and address in network for network in _REFUSED_TARGETS)


def wire_length(content: str) -> int:
    """Return how many bytes a text takes in a message."""
    return sum(1 + _bytes(text) for text in _strings(content) or _split_plain(content))


# Content


def _ipv4(_: str, content: str) -> str:
    try:
        return str(IPv4Address(content))
    except AddressValueError:
        raise RefusedError(9005, "Content for A record must be a valid IPv4 address.") from None


def _ipv6(_: str, content: str) -> str:
    try:
        return str(IPv6Address(content))
    except AddressValueError:
        raise RefusedError(9006, "Content for AAAA record must be a valid IPv6 address.") from None


def _host(kind: str, content: str) -> str:
    if kind == "MX" and content == ".":
        return content
    host = names.canonical(content)
    if host is None or _is_address(host):
        code = 9007 if kind == "CNAME" else 9009
        raise RefusedError(code, f"Content for {kind} record is invalid.")
    return host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _text(_: str, content: str) -> str:
    if '"' in content.replace('\\"', ""):
        strings = _strings(content)
        if strings is None:
            raise RefusedError(9029, "Content for TXT record has quotation marks that do not match.")
        content = " ".join(part for text in strings for part in _split(text))
    if wire_length(content) > _LONGEST_CONTENT:
        message = f"Record content exceeds the allowed length of {_LONGEST_CONTENT} wire format bytes."
        raise RefusedError(9015, message)
    return content


def _strings(content: str) -> list[str] | None:
    """Return what is in the quoted strings of a text; None if it is not a row of such."""
    return _STRING.findall(content) if not _STRING.sub("", content).strip() else None


def _split(text: str) -> list[str]:
    """Return a text as quoted strings that are no longer than DNS permits."""
    return [f'"{part}"' for part in _split_plain(text)]


def _split_plain(text: str) -> list[str]:
    parts, length = [""], 0
    for character in _CHARACTER.findall(text):
        size = _bytes(character)
        if length + size > _LONGEST_STRING:
            parts.append("")
            length = 0
        parts[-1] += character
        length += size
    return parts


def _bytes(text: str) -> int:
    return sum(1 if one[0] == "\\" else len(one.encode()) for one in _CHARACTER.findall(text))


def _key(kind: str, content: str) -> str:
    _verify_text(kind, content)
    return content


_READERS: dict[str, Callable[[str, str], str]] = {
    "A": _ipv4,
    "AAAA": _ipv6,
    **dict.fromkeys(_HOSTS, _host),
    "OPENPGPKEY": _key,
    "TXT": _text,
}

# Data


def _data(kind: str, given: Json) -> Json:
    """Return the fields of `data`, all of them and no others. Raises RefusedError."""
    data: Json = {}
    for pair in _DATA[kind].split():
        name, form = pair.split(":")
        value = given.get(name, _OPTIONAL.get(name) if kind == "LOC" else None)
        if value is None and form == "rest":
            value = ""
        if value is None:
            raise invalid(9101, f"{name} is a required data field.")
        data[name] = _KINDS[form][0](kind, name, value)
    return data


def _integer(bits: int) -> Callable[[str, str, Any], int]:
    def read(_: str, name: str, value: Any) -> int:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value != int(value) or not 0 <= value < 1 << bits:
            raise invalid(9102, f"{name} must be a number from 0 to {(1 << bits) - 1}.")
        return int(value)

    return read


def _decimal(_: str, name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(9102, f"{name} must be a number.")
    return value


def _string(_: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(9102, f"{name} must be a string.")
    return value


def _target(kind: str, name: str, value: Any) -> str:
    text = _string(kind, name, value)
    host = "." if text == "." else names.canonical(text)
    if host is None:
        raise invalid(9102, f"{name} must be a valid hostname.")
    return host


def _blob(kind: str, name: str, value: Any) -> str:
    return "".join(_string(kind, name, value).split())


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1] if token.startswith('"') else token)


def _quoted(value: str) -> str:
    return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))


_KINDS: dict[str, tuple[Callable[[str, str, Any], Any], Callable[[str], Any], Callable[[Any], str]]] = {
    "8": (_integer(8), int, str),
    "16": (_integer(16), int, str),
    "seconds": (_decimal, float, "{:.3f}".format),
    "meters": (_decimal, lambda token: float(token.removesuffix("m")), "{:.2f}m".format),
    "word": (_string, str, str),
    "quoted": (_string, _unquoted, _quoted),
    "rest": (_string, str, str),
    "blob": (_blob, str, str),
    "host": (_target, lambda text: text if text == "." else text.removesuffix("."), str),
}
"""How a field of `data` is read from JSON, from a zone file, and how it is written."""


def _written(kind: str, data: Json, *, dots: bool = False) -> str:
    parts = []
    for pair in _DATA[kind].split():
        name, form = pair.split(":")
        text = _KINDS[form][2](data[name])
        parts.append(f"{text}." if dots and form == "host" and text != "." else text)
    return " ".join(parts).rstrip()


def _verify(kind: str, data: Json, priority: int | None) -> None:
    text = _written(kind, data, dots=True)
    _verify_text(kind, f"{priority} {text}" if kind in WITH_PRIORITY else text)


def _verify_text(kind: str, text: str) -> None:
    try:
        dns.rdata.from_text("IN", kind, text)
    except (dns.exception.DNSException, ValueError) as error:
        raise RefusedError(9103, f"Content for {kind} record is invalid: {error}") from error
