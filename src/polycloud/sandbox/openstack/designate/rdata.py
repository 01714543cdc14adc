"""What Designate accepts as the records of a set, type by type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
DOMAIN = re.compile(rf"({_LABEL}\.)+")
"""A domain, with a dot at its end."""
NAME = re.compile(rf"(\*\.)?({_LABEL}\.)+")
"""The name of a set, which may be a wildcard."""
_SERVICE = re.compile(rf"_{_LABEL}\._{_LABEL}\.({_LABEL}\.)+")
_TLSA = re.compile(r"_\d{1,5}\._[A-Za-z]+\..+")
_HEX = re.compile("[0-9A-Fa-f]+")
_PAIR = re.compile(r" ?[\w-]+=[\w./:-]+")
_URL = re.compile(rf"mailto:[^@\s]+@({_LABEL}\.?)+|https?://({_LABEL}\.?)+(/\S*)?")
_FLAGS = re.compile(r'"?[SAUP0-9]?"?', re.IGNORECASE)
_STRING = 255
_LENGTHS = {"1": 64, "2": 128}
"""Hex digits of TLSA, by how the certificate is matched."""
_SERVICE_PARAMETERS = frozenset(
    {"alpn", "port", "ipv4hint", "ipv6hint", "ech", "no-default-alpn", "mandatory", "dohpath"}
)


def fits(type_: str, text: str) -> bool:
    """Return whether a text is a record of a type."""
    try:
        return _CHECKS[type_](text)
    except ValueError:
        return False


def name_problem(type_: str, name: str) -> str:
    """Return why a set of a type cannot have a name; empty if it can."""
    if type_ == "SRV" and not _SERVICE.fullmatch(name):
        return "name is invalid"
    if type_ == "TLSA" and not _TLSA.fullmatch(name):
        return (
            "TLSA recordset name must follow the format _port._protocol.domain (e.g. _443._tcp.example.com.)"
        )
    return ""


def _number(text: str, most: int) -> bool:
    return text.isdecimal() and str(int(text)) == text and int(text) <= most


def _host(text: str) -> bool:
    return DOMAIN.fullmatch(text) is not None and len(text) <= _STRING


def _mail(text: str) -> bool:
    priority, host = text.split(" ")
    return _number(priority, 65535) and (host == "." or _host(host))


def _service(text: str) -> bool:
    priority, weight, port, host = text.split(" ")
    numbers = all(_number(one, 65535) for one in (priority, weight, port))
    return numbers and _host(host)


def _texts(text: str) -> bool:
    if len(text) <= _STRING:
        return _string(text)
    inner = text.removeprefix('"').removesuffix('"')
    return len(inner) == len(text) - 2 and all(_string(f'"{one}"') for one in inner.split('" "'))


def _string(text: str) -> bool:
    """Return whether one string of TXT is short, and quoted if it has spaces, its quotes escaped."""
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if len(text) > _STRING or "\n" in text or (not quoted and re.search(r'\s|^"|"$', text)):
        return False
    return not quoted or re.search(r'(?<!\\)"', text[1:-1].replace("\\\\", "..")) is None


def _authority(text: str) -> bool:
    flags, tag, value = text.split(" ", 2)
    if not _number(flags, 1):
        return False
    if tag == "iodef":
        return _URL.fullmatch(value) is not None
    domain, *pairs = value.split(";")
    return tag in {"issue", "issuewild"} and _host(f"{domain}.") and all(map(_PAIR.fullmatch, pairs))


def _fingerprint(text: str) -> bool:
    algorithm, kind, digits = text.split(" ")
    return _number(algorithm, 4) and _number(kind, 2) and _HEX.fullmatch(digits) is not None


def _certificate_of(text: str) -> bool:
    usage, selector, matching, *parts = text.split()
    digits = "".join(parts)
    wanted = _LENGTHS.get(matching, len(digits))
    numbers = all(_number(one, 255) for one in (usage, selector, matching))
    return numbers and len(digits) == wanted and _HEX.fullmatch(digits) is not None


def _certificate(text: str) -> bool:
    kind, tag, algorithm, data = text.split(" ", 3)
    return bool(kind and algorithm and data) and _number(tag, 65535)


def _pointer(text: str) -> bool:
    order, preference, flags, _, _, target = text.split(" ")
    return all(_number(one, 65535) for one in (order, preference)) and (
        _FLAGS.fullmatch(flags) is not None and _host(target)
    )


def _binding(text: str) -> bool:
    """Return whether it is an HTTPS or SVCB record: the target has a name, and parameters have no quotes."""
    priority, target, *parameters = text.split(" ")
    pairs = [one.partition("=") for one in parameters]
    known = all(name in _SERVICE_PARAMETERS and '"' not in value for name, _, value in pairs)
    return _number(priority, 65535) and _host(target) and known


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "A": lambda text: bool(IPv4Address(text)),
    "AAAA": lambda text: bool(IPv6Address(text)),
    **dict.fromkeys(("CNAME", "NS", "PTR"), _host),
    **dict.fromkeys(("SPF", "TXT"), _texts),
    **dict.fromkeys(("HTTPS", "SVCB"), _binding),
    "CAA": _authority,
    "CERT": _certificate,
    "MX": _mail,
    "NAPTR": _pointer,
    "SOA": lambda text: len(text.split()) == 7,  # noqa: PLR2004 - its fields
    "SRV": _service,
    "SSHFP": _fingerprint,
    "TLSA": _certificate_of,
}
TYPES = frozenset(_CHECKS)
"""The types of sets."""
