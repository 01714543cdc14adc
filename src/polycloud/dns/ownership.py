"""Which records of a zone a plan may change: those of an owner, and those that match patterns.

An owner marks each name and type that it has created with a TXT record beside them, as Kubernetes'
external-dns does: "www" of type A is marked by `www.a._polycloud`, and the zone itself by `a._polycloud`. All
markers stand below one name, since a marker below the name itself would be hidden where that is a delegation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase, translate
from typing import NamedTuple

from polycloud.dns.content import Content
from polycloud.dns.names import check_name
from polycloud.dns.objects import Record
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError

__all__ = ["Markers", "Patterns", "is_marker", "is_marker_name"]

LABEL = "_polycloud"
WILDCARD = "_any"
FORM = re.compile(r"heritage=polycloud,owner=([\w.:@/-]+)")
WILD = re.compile(r"[*?\[]")
OWNER = re.compile(r"[\w.:@/-]{1,100}", re.ASCII)
Key = tuple[str, str]


class Patterns:
    """Patterns of names relative to a zone, such as `www`, `@`, `*.dev`, or with a type `*/TXT`.

    `only` selects, if there are any; `ignore` takes away.
    """

    def __init__(self, only: Iterable[str] = (), ignore: Iterable[str] = ()) -> None:
        self._only, self._ignore = _compiled("only", only), _compiled("ignore", ignore)

    def selects(self, name: str, type_: str) -> bool:
        """Return whether the records of a relative name and a type are selected."""
        if not self._only and not self._ignore:
            return True
        texts = (name or "@", f"{name or '@'}/{type_}")
        return (not self._only or _matches(self._only, texts)) and not _matches(self._ignore, texts)


def _compiled(argument: str, patterns: Iterable[str]) -> list[re.Pattern[str]]:
    if isinstance(patterns, str):
        raise InvalidArgumentError(f"{argument} must be a list of patterns, got the str {patterns!r}")
    made = []
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern:
            raise InvalidArgumentError(f"{argument} must be a list of patterns, got {pattern!r} in it")
        name, slash, type_ = pattern.rpartition("/")
        if not slash or not any(fnmatchcase(known, type_.upper()) for known in RecordType):  # such as 0/25
            name, slash, type_ = pattern, "", ""
        if not name or name.endswith("."):
            raise InvalidArgumentError(
                f"{argument} must have names relative to the zone (@ is the zone), got {pattern!r}"
            )
        made.append(re.compile(translate(_ascii_pattern(argument, name) + slash + type_.upper())))
    return made


def _ascii_pattern(argument: str, name: str) -> str:
    """Return a pattern of names in the form of DNS; a label in another script must be whole for that."""
    labels = name.lower().split(".")
    for number, label in enumerate(labels):
        if label.isascii():
            continue
        if WILD.search(label):
            raise InvalidArgumentError(
                f"{argument} must have labels in other scripts without * ? and [, got {name!r} in it"
            )
        labels[number] = check_name(label)
    return ".".join(labels)


def _matches(patterns: Sequence[re.Pattern[str]], texts: tuple[str, str]) -> bool:
    return any(pattern.fullmatch(text) for pattern in patterns for text in texts)


class Marker(NamedTuple):
    """A marker in a zone, and whom it names."""

    owner: str
    record: Record


class Markers:
    """The markers of a zone, for one owner."""

    def __init__(self, owner: str, records: Iterable[Record]) -> None:
        if not isinstance(owner, str) or not OWNER.fullmatch(owner):
            raise InvalidArgumentError(
                f"owner must be a str of up to 100 letters, digits and . : @ / _ -, got {owner!r}"
            )
        self.owner = owner
        self._markers: dict[str, Marker] = {}
        for record in records:
            match = FORM.fullmatch(record.data) if is_marker(record) else None
            if match:
                self._markers[record.name] = Marker(match[1], record)

    def owner_of(self, key: Key) -> str | None:
        """Return whose the records of a name and type are; None for nobody's."""
        found = self._markers.get(marker_name(key))
        return None if found is None else found.owner

    def owns(self, key: Key) -> bool:
        """Return whether the records of a name and type are this owner's."""
        return self.owner_of(key) == self.owner

    def record(self, key: Key) -> Record | None:
        """Return the marker of a name and type."""
        found = self._markers.get(marker_name(key))
        return None if found is None else found.record

    def content(self, key: Key, ttl: int | None) -> Content:
        """Return the marker that a name and type shall have."""
        extra = {} if ttl is None else {"ttl": ttl}
        data = f"heritage=polycloud,owner={self.owner}"
        return Content.of(marker_name(key), RecordType.TXT, data, extra)


def is_marker(record: Record) -> bool:
    """Return whether a record has the name and type of a marker."""
    return record.type == RecordType.TXT and is_marker_name(record.name)


def is_marker_name(name: str) -> bool:
    """Return whether a relative name is that of a marker."""
    return name.endswith(f".{LABEL}")


def marker_name(key: Key) -> str:
    """Return the name of the marker of a name and type."""
    name, type_ = key
    labels = [WILDCARD if label == "*" else label for label in name.split(".") if label]
    return ".".join([*labels, type_.lower(), LABEL])
