"""Zones in the YAML of octoDNS: each name has one set of records below it, or a list of sets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polycloud.dns.content import require_ttl
from polycloud.dns.lines import LinedZone, read_source
from polycloud.dns.objects import Record, Zone
from polycloud.dns.octovalues import TYPES, read_number, read_value, write_value
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedRecord, WantedZone, wanted_records
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from yaml import Node

    from polycloud.dns.yamlnodes import Document

__all__ = ["from_octodns", "to_octodns"]

DEFAULT_TTL = 3600
FIELDS = ("type", "ttl", "value", "values", "octodns")
FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
DIGITS = re.compile(r"([0-9]+)")
WIDTH = 2**31 - 1
"""Long texts stay on one line."""


def from_octodns(
    source: str | os.PathLike[str],
    domain: str | None = None,
    *,
    ttl: int | None = DEFAULT_TTL,
    target: str | None = None,
    escaped_semicolons: bool = True,
) -> WantedZone:
    """Return the zone that a file of octoDNS's `YamlProvider` describes.

    Raises `ZoneFileError`, which names the line, for what is not valid, and for what polycloud does not have:
    `geo`, `dynamic`, and types such as URLFWD. `!include` is refused, for it could name any file.

    Args:
        source: The text, or the `Path` of a file in UTF-8.
        domain: The domain of the zone; without it, the one in the name of the file, as `example.org.yaml`.
        ttl: The seconds of sets that have no `ttl`; None leaves these to the provider.
        target: The name of the provider in octoDNS's configuration, for `included` and `excluded`. Sets that
            are not for it are left out, and so are `ignored` ones.
        escaped_semicolons: The option of octoDNS: whether semicolons in texts have a backslash.
    """
    text, path = read_source(source)
    domain = re.sub(r"\.ya?ml$", "", Path(path).name) if domain is None else domain
    if not domain:
        raise InvalidArgumentError("domain must be given: octoDNS has it in the name of the file only")
    zone = LinedZone(domain, path, require_ttl(ttl))
    _require_yaml()
    from polycloud.dns.yamlnodes import Document

    document = Document(text, path)
    if document.root is not None:
        _Reader(document, zone, target, escaped_semicolons).read(document.root)
    return zone.wanted


def to_octodns(
    zone: Zone | WantedZone, records: Iterable[Record] | None = None, *, escaped_semicolons: bool = True
) -> str:
    """Return a zone as a file of octoDNS's `YamlProvider`.

    `records` are those of a `Zone`, which are read if they are not given. SOA is left out, since octoDNS does
    not have it. A set whose records differ in their TTL gets the lowest. What a provider has beyond DNS is
    not in the file, nor are disabled records, which are not served. `escaped_semicolons` is the option of
    octoDNS.

    Raises `InvalidArgumentError` for what octoDNS cannot have: other types, and texts that are not UTF-8 or
    contain `" "`.
    """
    _require_yaml()
    import yaml

    sets: dict[str, dict[str, list[WantedRecord]]] = {}
    if isinstance(zone, Zone):  # the data of SOA need not be valid: DigitalOcean has only its TTL there
        listed = zone.list_records() if records is None else records
        records = [one for one in listed if one.type != RecordType.SOA]
    for wanted in wanted_records(zone, records):
        if wanted.content.type != RecordType.SOA and not wanted.is_disabled:
            sets.setdefault(wanted.content.name, {}).setdefault(wanted.content.type, []).append(wanted)
    found: dict[str, Any] = {}
    for name in sorted(sets, key=_natural):
        own = [_to_set(zone, group, escaped_semicolons) for _, group in sorted(sets[name].items())]
        found[name] = own if len(own) > 1 else own[0]
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(found, None, dumper, explicit_start=True, sort_keys=False, width=WIDTH))


class _Reader:
    """Reads the sets of a file into a zone."""

    def __init__(self, document: Document, zone: LinedZone, target: str | None, escaped: bool) -> None:
        self._document = document
        self._zone = zone
        self._target = target
        self._escaped = escaped

    def read(self, root: Node) -> None:
        """Read the whole file."""
        document = self._document
        for name, node in document.mapping(root, "the file").items():
            types = set()
            for one in document.items(node):
                fields = document.mapping(one, f"each set of {name!r}")
                type_ = self._type(one, fields)
                if type_ in types:
                    raise document.error(one, f"{name!r} has a set of {type_} records already: join them")
                types.add(type_)
                is_lenient = self._is_lenient(fields.get("octodns"))
                if is_lenient is not None:
                    self._read_set(name, type_, one, is_lenient=is_lenient)

    def _type(self, node: Node, fields: dict[str, Node]) -> str:
        """Return the type of a set."""
        document = self._document
        for field in fields.keys() - {*FIELDS}:
            known = ", ".join(FIELDS)
            raise document.error(fields[field], f"there is no field {field!r} here, only {known}")
        if "type" not in fields:
            raise document.error(node, "the set has no type")
        type_ = document.plain(fields["type"])
        if type_ not in TYPES:
            known = ", ".join(sorted(TYPES))
            raise document.error(fields["type"], f"type must be one of {known}, got {shown(type_)}")
        return str(type_)

    def _read_set(self, name: str, type_: str, node: Node, *, is_lenient: bool) -> None:
        document = self._document
        fields = document.mapping(node, "a set")
        values = fields.get("values", fields.get("value"))
        if values is None or document.plain(values) is None:
            raise document.error(node, f"the {type_} records of {name!r} have neither value nor values")
        for one in document.items(values):
            try:
                data, extra = read_value(type_, document.plain(one), escaped=self._escaped)
                if "ttl" in fields:
                    extra["ttl"] = read_number("ttl", document.plain(fields["ttl"]))
            except InvalidArgumentError as error:
                raise document.error(one, error) from error
            self._zone.add(document.line_of(one), name, type_, data, extra, lenient=is_lenient)

    def _is_lenient(self, node: Node | None) -> bool | None:
        """Return whether a set is lenient; None for a set that is not for the target."""
        options = {} if node is None else self._document.mapping(node, "octodns")
        if self._flag(options, "ignored"):
            return None
        for option in options.keys() & {"included", "excluded"}:
            names = [self._document.plain(one) for one in self._document.items(options[option])]
            if self._target is None:
                reason = f"target must be given: the set is {option} for {', '.join(map(shown, names))} only"
                raise self._document.error(options[option], reason)
            if names and (self._target in names) == (option == "excluded"):
                return None
        return self._flag(options, "lenient")

    def _flag(self, options: dict[str, Node], name: str) -> bool:
        if name not in options:
            return False
        value = self._document.plain(options[name])
        if str(value).lower() not in FLAGS:
            raise self._document.error(options[name], f"{name} must be true or false, got {shown(value)}")
        return FLAGS[value.lower()]


def _to_set(zone: Zone | WantedZone, group: list[WantedRecord], escaped: bool) -> dict[str, Any]:
    """Return a set of records, with its fields in the order that octoDNS enforces."""
    content, values = group[0].content, []
    for wanted in group:
        try:
            values.append(write_value(wanted.content, escaped=escaped))
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{content.described(zone)} cannot be written: {error}") from error
    ttls = [one.content.extra["ttl"] for one in group if one.content.extra.get("ttl") is not None]
    return {
        **({"octodns": {"lenient": True}} if any(one.lenient for one in group) else {}),
        **({"ttl": min(ttls)} if ttls else {}),
        "type": str(content.type),
        **({"values": values} if len(values) > 1 else {"value": values[0]}),
    }


def _natural(name: str) -> list[str | int]:
    """Return the key of octoDNS's order, in which `web10` comes after `web2`."""
    return [int(part) if number % 2 else part for number, part in enumerate(DIGITS.split(name))]


def _require_yaml() -> None:
    try:
        import yaml  # noqa: F401
    except ModuleNotFoundError:
        raise ImportError("octoDNS's YAML needs PyYAML: pip install 'polycloud[dns]'") from None
