"""What a record says: its content, the checks of it, and what may stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from polycloud.common.arguments import drop_none
from polycloud.dns.names import LONGEST_NAME, HasDomain, check_name, full_name, relative_name
from polycloud.dns.objects import Record
from polycloud.dns.rdata import TEXTS, VALUE_FIELDS, write_rdata
from polycloud.dns.types import RecordAlreadyExistsError, RecordConflictError, RecordType
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

__all__ = [
    "FIELDS",
    "Content",
    "check_data",
    "check_extra",
    "check_kind",
    "record_type",
    "relative_to",
    "require_number",
    "require_room",
    "require_room_for_update",
    "require_ttl",
]

T = TypeVar("T")
SINGLE = frozenset({RecordType.CNAME, RecordType.DNAME, RecordType.SOA})
"""Types of which a name has one record at most."""
DIRECT = frozenset({RecordType.A, *TEXTS})
"""Types whose values are equal if their data is: most records, of which a name may have hundreds."""
DNSSEC = frozenset({RecordType.NSEC, RecordType.RRSIG, "NSEC3"})
"""Types that stand beside CNAME."""
LIMITS = {"ttl": 2**31 - 1, "priority": 65535, "weight": 65535, "port": 65535, "flags": 255}
"""The greatest values of the numbers in `extra`."""
MEMBERS = RecordType.__members__
FIELDS = (*LIMITS, "tag")
"""Fields of `extra` that have the same meaning for every provider."""


class Content(NamedTuple):
    """The content of a record, checked: its relative name, type, data, and `extra` without None.

    `rdata` is the value in the form of zone files, which equal values have equal; "" in an update that keeps
    the value.
    """

    name: str
    type: RecordType | str
    data: str
    extra: dict[str, Any]
    rdata: str

    @classmethod
    def of(cls, name: str, type_: RecordType | str, data: str, extra: dict[str, Any]) -> Content:
        """Return the content with data in the spelling that all drivers return.

        Raises `InvalidArgumentError` if the data is not valid for the type, or `extra` lacks fields of it.
        """
        missing = [field for field in VALUE_FIELDS.get(type_, ()) if field not in extra]
        if missing:
            raise InvalidArgumentError(
                f"a record of type {type_} needs {', '.join(missing)} in extra, got {extra!r}"
            )
        value = write_rdata(type_, data, extra)
        return cls(name, type_, value.data, {**extra, **value.fields}, value.rdata)

    def described(self, zone: HasDomain) -> str:
        """Return how messages name the record."""
        return f"the {self.type} record {self.name or '@'!r} of {zone.domain}"

    def equals(self, record: Record) -> bool:
        """Return whether a record has this name, type and value, whatever its TTL."""
        if (self.name, self.type) != (record.name, record.type):
            return False
        if self.type in DIRECT:
            return self.data == record.data
        try:
            return self.rdata == Content.of(record.name, record.type, record.data, record.extra).rdata
        except InvalidArgumentError:  # the provider has more than DNS allows
            return False


def require_room(content: Content, others: Iterable[Record]) -> None:
    """Raise an error unless a record with this content can stand beside `others`, which may have other names.

    Raises `RecordAlreadyExistsError` for an equal value, and `RecordConflictError` for CNAME beside other
    data, or a second CNAME, DNAME or SOA.
    """
    where = content.name or "@"
    for other in others:
        if other.name != content.name or {content.type, other.type} & DNSSEC:
            continue
        if content.equals(other):
            raise RecordAlreadyExistsError(
                f"{where!r} has this {content.type} record already; its id is {other.id!r}",
                driver=other.driver,
                record_id=other.id,
            )
        if other.type == content.type and content.type in SINGLE:
            raise RecordConflictError(
                f"{where!r} has a record of type {other.type}, and can have one only; update that",
                driver=other.driver,
                record_id=other.id,
            )
        if RecordType.CNAME in {content.type, other.type} and content.type != other.type:
            raise RecordConflictError(
                f"{where!r} has a record of type {other.type}, beside which no {content.type} record can "
                "stand: a CNAME must be alone",
                driver=other.driver,
                record_id=other.id,
            )


def relative_to(zone: HasDomain, name: object) -> str:
    """Check the argument `name` of a record; return the name as it is relative to the zone.

    Raises `InvalidArgumentError` if it is invalid, outside the zone, or too long with it.
    """
    relative = relative_name(check_name(name), zone)
    if len(full_name(relative, zone)) > LONGEST_NAME + 1:
        raise InvalidArgumentError(
            f"name must have at most {LONGEST_NAME} characters with its zone, got {name!r}"
        )
    return relative


def require_room_for_update(
    record: Record, content: Content, candidates: Callable[[], Iterable[Record]]
) -> None:
    """Raise the errors of `require_room` unless a record can be changed to `content`.

    `candidates` lists the records of the new name, if the provider can select them, or all. It costs a
    request, and is not called if only the TTL and what the provider has beyond DNS change.
    """
    if content.name == record.name and not content.rdata:
        return
    wanted = content
    with suppress(InvalidArgumentError):  # the value that stays may be one that only the provider finds valid
        wanted = Content.of(*content[:4])
    require_room(wanted, [one for one in candidates() if one.id != record.id])


def record_type(text: str) -> RecordType | str:
    """Return the `RecordType` of that name; the text itself for a type that `RecordType` does not have."""
    return MEMBERS.get(text, text)


def check_kind(value: object, kind: type[T], argument: str) -> T:
    """Return the value of an argument. Raises `InvalidArgumentError` if it is not a `kind`."""
    if isinstance(value, kind):
        return value
    raise InvalidArgumentError(f"{argument} must be a {kind.__name__}, got {value!r}")


def check_data(data: object, *, keeps_bytes: bool = True) -> str:
    """Return the data of a record.

    Raises `InvalidArgumentError` if it is not a str, or has bytes that are not UTF-8, as surrogates, unless
    the provider keeps them.
    """
    text = check_kind(data, str, "data")
    try:
        text.encode(errors="surrogateescape" if keeps_bytes else "strict")
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"data must be UTF-8, got {shown(text)}: {error}") from error
    return text


def check_extra(extra: object) -> dict[str, Any]:
    """Return a copy of `extra` without None.

    Raises `InvalidArgumentError` for a field of a wrong type or range.
    """
    fields = drop_none(check_kind({} if extra is None else extra, dict, "extra"))
    for name, greatest in LIMITS.items():
        require_number(name, fields.get(name), greatest)
    tag = fields.get("tag")
    if tag is not None and not (isinstance(tag, str) and tag.isascii() and tag.isalnum()):
        raise InvalidArgumentError(f"tag must be a str of ASCII letters and digits, got {tag!r}")
    return fields


def require_ttl(ttl: object) -> int | None:
    """Return a TTL in seconds, or None. Raises `InvalidArgumentError` for anything but 0 to 2147483647."""
    return require_number("ttl", ttl, LIMITS["ttl"])


def require_number(name: str, value: object, greatest: int) -> int | None:
    """Return a number from 0 to `greatest`, or None. Raises `InvalidArgumentError` for other values."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= greatest):
        return value
    raise InvalidArgumentError(f"{name} must be an int from 0 to {greatest}, got {value!r}")
