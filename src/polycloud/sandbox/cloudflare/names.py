"""The names of zones and records: complete, in lower case, in Punycode, without a dot at the end."""

from __future__ import annotations

import re

import idna

_LABEL = re.compile(r"\*|[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST = 253


def canonical(text: str) -> str | None:
    """Return a host name as Cloudflare keeps it, without the dot at its end; None if it is not one."""
    name = text.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = ".".join(map(_punycode, name.split(".")))
        except idna.IDNAError:
            return None
    is_name = len(name) <= _LONGEST and all(_LABEL.fullmatch(label) for label in name.split("."))
    return name if is_name else None


def _punycode(label: str) -> str:
    return label if label.isascii() else idna.encode(label, uts46=True).decode()


def complete(zone: str, text: str) -> str | None:
    """Return the complete name of a record: "@" is the zone, and names outside the zone are below it."""
    if text in {"@", ""}:
        return zone
    name = canonical(text)
    if name is None or name == zone or name.endswith(f".{zone}"):
        return name
    return canonical(f"{name}.{zone}")
