"""What a record says: its content, the checks of it, and how two contents compare.

A value may consist of several parts, such as the priority and the host of MX. The last part is the record's
`data`, the others are fields of its `extra`; `VALUE_FIELDS` names them in the order of zone files.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple, TypeVar

from polycloud.common.arguments import drop_none
from polycloud.dns.objects import Record
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError

__all__ = [
    "FIELDS",
    "HOST_NAMES",
    "VALUE_FIELDS",
    "Content",
    "check_data",
    "check_extra",
    "check_kind",
    "is_host_name",
    "record_type",
    "require_number",
    "require_ttl",
]

T = TypeVar("T")
ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})
HOST_NAMES = frozenset(
    {RecordType.CNAME, RecordType.DNAME, RecordType.MX, RecordType.NS, RecordType.PTR, RecordType.SRV}
)
"""Types whose data is a host name."""
ISSUERS = frozenset({"issue", "issuewild"})
VALUE_FIELDS: Mapping[str, tuple[str, ...]] = {
    RecordType.MX: ("priority",),
    RecordType.SRV: ("priority", "weight", "port"),
    RecordType.CAA: ("flags", "tag"),
}
"""Fields of `extra` that a type needs."""
LIMITS = {"ttl": 2**31 - 1, "priority": 65535, "weight": 65535, "port": 65535, "flags": 255}
"""The greatest values of the numbers in `extra`."""
FIELDS = (*LIMITS, "tag")
"""Fields of `extra` that have the same meaning for every provider."""


class Content(NamedTuple):
    """The content of a record, checked: its relative name, type, data, and `extra` without None."""

    name: str
    type: RecordType | str
    data: str
    extra: dict[str, Any]

    def require_fields(self) -> None:
        """Raise `InvalidArgumentError` if `extra` does not have the fields that the type needs."""
        missing = [name for name in VALUE_FIELDS.get(self.type, ()) if name not in self.extra]
        if missing:
            raise InvalidArgumentError(
                f"a record of type {self.type} needs {', '.join(missing)} in extra, got {self.extra!r}"
            )

    def matches(self, record: Record) -> bool:
        """Return whether a record has this content. Fields that are not given may have any value."""
        given = {name: self.extra[name] for name in FIELDS if name in self.extra}
        return (
            (self.name, self.type) == (record.name, record.type)
            and _comparable(self.type, self.data, self.extra)
            == _comparable(record.type, record.data, record.extra)
            and given == {name: record.extra.get(name) for name in given}
        )


def is_host_name(type_: str, extra: Mapping[str, Any]) -> bool:
    """Return whether the data of a record is a host name, also in CAA, unless that has the tag iodef."""
    return type_ in HOST_NAMES or (type_ == RecordType.CAA and extra.get("tag") in ISSUERS)


def record_type(text: str) -> RecordType | str:
    """Return the `RecordType` of that name; the text itself for a type that `RecordType` does not have."""
    return RecordType(text) if text in RecordType.__members__ else text


def check_kind(value: object, kind: type[T], argument: str) -> T:
    """Return the value of an argument. Raises `InvalidArgumentError` if it is not a `kind`."""
    if isinstance(value, kind):
        return value
    raise InvalidArgumentError(f"{argument} must be a {kind.__name__}, got {value!r}")


def check_data(data: object) -> str:
    """Return the data of a record. Raises `InvalidArgumentError` if it is not a str."""
    return check_kind(data, str, "data")


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


def _comparable(type_: str, data: str, extra: Mapping[str, Any]) -> str:
    """Return data in the one spelling that equal values have."""
    if is_host_name(type_, extra):
        return data.removesuffix(".").lower()
    if type_ not in ADDRESSES:
        return data
    try:
        return str(ip_address(data))
    except ValueError:
        return data
