r"""The values of records in octoDNS's YAML: a text, or fields in the order of zone files.

Texts are plain, but for `\;`, which is a semicolon, and for quotes: octoDNS drops those around a text, and
takes `" "` for the border of two strings of a TXT record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from polycloud.dns.content import Content
from polycloud.dns.rdata import HOST_NAMES, TEXTS, VALUE_FIELDS
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

PLACE = ("degrees", "minutes", "seconds", "direction")
FIELDS: Mapping[str, tuple[str, ...]] = {
    RecordType.CAA: ("flags", "tag", "value"),
    RecordType.DS: ("key_tag", "algorithm", "digest_type", "digest"),
    RecordType.HTTPS: ("svcpriority", "targetname", "svcparams"),
    RecordType.LOC: (
        *(f"{axis}_{part}" for axis in ("lat", "long") for part in PLACE),
        *("altitude", "size", "precision_horz", "precision_vert"),
    ),
    RecordType.MX: ("preference", "exchange"),
    RecordType.NAPTR: ("order", "preference", "flags", "service", "regexp", "replacement"),
    RecordType.SRV: ("priority", "weight", "port", "target"),
    RecordType.SSHFP: ("algorithm", "fingerprint_type", "fingerprint"),
    RecordType.SVCB: ("svcpriority", "targetname", "svcparams"),
    RecordType.TLSA: ("certificate_usage", "selector", "matching_type", "certificate_association_data"),
}
"""The fields of the values that are mappings."""
TYPES = frozenset(
    {
        *FIELDS,
        *(RecordType.A, RecordType.AAAA, RecordType.ALIAS, RecordType.CNAME, RecordType.DNAME, RecordType.NS),
        *(RecordType.OPENPGPKEY, RecordType.PTR, RecordType.SPF, RecordType.TXT),
    }
)
"""The types that octoDNS and polycloud have."""
OLD_NAMES = {"preference": "priority", "exchange": "value"}
"""What octoDNS reads too as fields of MX."""
ABSENT: Mapping[str, Mapping[str, Any]] = {
    RecordType.CAA: {"flags": "0"},
    RecordType.HTTPS: {"svcparams": {}},
    RecordType.SVCB: {"svcparams": {}},
}
"""What stands for fields that are not there."""
HOSTS = frozenset({"exchange", "replacement", "target", "targetname"})
NOT_NUMBERS = HOSTS | {
    *("certificate_association_data", "digest", "fingerprint", "lat_direction", "long_direction"),
    *("tag", "value"),
}
STRINGS = frozenset({"flags", "service", "regexp"})
"""The fields of NAPTR that zone files have in quotes."""
LISTS = frozenset({"alpn", "ipv4hint", "ipv6hint", "mandatory"})
"""The parameters of HTTPS and SVCB that are lists."""
PARTS = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+')
BORDER = '" "'


def read_value(type_: str, value: Any, *, escaped: bool) -> tuple[str, dict[str, Any]]:
    """Return the data and the `extra` of a record; `escaped` is whether semicolons in texts are.

    Raises `InvalidArgumentError` if the value lacks what its type needs.
    """
    if type_ not in FIELDS:
        return _read_text(type_, _text("the value", value), escaped), {}
    fields = _fields(type_, value)
    own = VALUE_FIELDS.get(type_, ())
    first, rest = fields[: len(own)], fields[len(own) :]
    extra = {
        name: text if name == "tag" else read_number(name, text)
        for name, text in zip(own, first, strict=True)
    }
    return " ".join(rest), extra


def write_value(content: Content, *, escaped: bool) -> str | dict[str, Any]:
    """Return the value of a record, as octoDNS has it.

    Fields are in the order of their names, which octoDNS enforces. Raises `InvalidArgumentError` if octoDNS
    cannot have it.
    """
    type_ = content.type
    if type_ not in TYPES:
        raise InvalidArgumentError(f"octoDNS has no records of type {type_}")
    if type_ in TEXTS:
        return _write_text(content.data, escaped)
    if type_ not in FIELDS:
        return content.rdata
    if type_ == RecordType.CAA:
        parts = [str(content.extra["flags"]), content.extra["tag"], content.data]
    else:
        parts = PARTS.findall(content.rdata)
    names = FIELDS[type_]
    if "svcparams" in names:
        return {"svcparams": _parameters(parts[2:]), "svcpriority": int(parts[0]), "targetname": parts[1]}
    return dict(sorted((name, _typed(name, part)) for name, part in zip(names, parts, strict=True)))


def read_number(name: str, text: Any) -> int:
    """Return a number. Raises `InvalidArgumentError` for anything else."""
    try:
        return int(text)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} must be a number, got {shown(text)}") from None


def _read_text(type_: str, text: str, escaped: bool) -> str:
    if type_ in HOST_NAMES:
        return _host("the value", text)
    if type_ not in TEXTS:
        return text
    if text.startswith('"'):
        text = text[1:-1]
    text = text.replace(BORDER, "")
    return text.replace(r"\;", ";") if escaped else text


def _write_text(text: str, escaped: bool) -> str:
    if BORDER in text:
        raise InvalidArgumentError(f"octoDNS would drop {BORDER!r} from the text {shown(text)}")
    try:
        text.encode()
    except UnicodeError as error:
        raise InvalidArgumentError(f"YAML can have UTF-8 only, got {shown(text)}") from error
    text = text.replace(";", r"\;") if escaped else text
    return f'"{text}"' if text.startswith('"') else text


def _fields(type_: str, value: Any) -> list[str]:
    """Return the fields of a value, in the form of zone files."""
    names = FIELDS[type_]
    if not isinstance(value, dict):
        raise InvalidArgumentError(
            f"the value of type {type_} must be a mapping of {', '.join(names)}, got {shown(value)}"
        )
    found = {**ABSENT.get(type_, {}), **value}
    if type_ == RecordType.MX:
        found = {**{new: found[old] for new, old in OLD_NAMES.items() if old in found}, **found}
    missing = [name for name in names if name not in found]
    if missing:
        raise InvalidArgumentError(
            f"the value of type {type_} lacks {', '.join(missing)}, got {shown(value)}"
        )
    texts = []
    for name in names:
        if name == "svcparams":
            texts += _zone_parameters(found[name])
        elif name in STRINGS and type_ == RecordType.NAPTR:
            texts.append(f'"{_text(name, found[name])}"')
        else:
            texts.append((_host if name in HOSTS else _text)(name, found[name]))
    return texts


def _zone_parameters(value: Any) -> list[str]:
    """Return the parameters of HTTPS and SVCB in the form of zone files."""
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"svcparams must be a mapping, got {shown(value)}")
    found = []
    for name, given in value.items():
        texts = [
            _text(name, one) for one in (given if isinstance(given, list) else [given]) if one is not None
        ]
        found.append(f'{name}="{",".join(texts)}"' if texts else name)
    return found


def _parameters(texts: list[str]) -> dict[str, Any]:
    """Return the parameters of HTTPS and SVCB, as octoDNS has them."""
    found: dict[str, Any] = {}
    for text in texts:
        name, is_value, value = text.partition("=")
        value = value.removeprefix('"').removesuffix('"')
        found[name] = None if not is_value else value.split(",") if name in LISTS else value
    return dict(sorted(found.items()))


def _typed(name: str, text: str) -> str | int | float:
    """Return a field of a value: a number, unless it is a name, a digest, or text."""
    if name in STRINGS and text.startswith('"'):
        return text[1:-1]
    try:
        return text if name in NOT_NUMBERS else int(text)
    except ValueError:
        return float(text.removesuffix("m"))


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise InvalidArgumentError(f"{name} must be a text, got {shown(value)}")


def _host(name: str, value: Any) -> str:
    text = _text(name, value)
    if text.endswith("."):
        return text
    raise InvalidArgumentError(
        f"{name} must be a host name in full, with a dot at its end, got {shown(text)}"
    )
