"""The values of records at a shell: a text that `create`, `update` and `delete` take as lists show it.

It is the text of zone files, `10 mail.example.com.` for MX, but for TXT: that is the text itself unless it
begins with a quote or cannot be shown, and is in quotes with escapes then.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from polycloud.dns.content import Content
from polycloud.dns.rdata import HOST_NAMES, TEXTS, VALUE_FIELDS, read_rdata, write_rdata
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.dns.objects import Record

__all__ = ["is_value", "parsed", "written"]

NOTHING: Mapping[str, Any] = MappingProxyType({})
QUOTE = '"'
ROOT = "."
EXAMPLES = {
    "MX": "'10 mail.example.com.'",
    "SRV": "'10 60 5060 sip.example.com.'",
    "CAA": "'0 issue \"letsencrypt.org\"'",
    "HTTPS": "'1 . alpn=h2'",
    "SVCB": "'1 . alpn=h2'",
}


def written(record: Record | Content) -> str:
    """Return the value of a record; what DNS does not allow as the provider has it."""
    type_, data = record.type, record.data
    if type_ in TEXTS:
        return data if _is_plain(data) else _rdata(record)
    parts = [str(record.extra.get(field, "")) for field in VALUE_FIELDS.get(type_, ())]
    if type_ == "CAA":
        return _rdata(record)
    if type_ in HOST_NAMES:
        data = data if data.endswith(ROOT) else f"{data}{ROOT}"
    return " ".join([*parts, data])


def _is_plain(text: str) -> bool:
    """Whether a text is shown as it is."""
    return bool(text) and text.isprintable() and text == text.strip() and not text.startswith(QUOTE)


def _rdata(record: Record | Content) -> str:
    try:
        return write_rdata(record.type, record.data, record.extra).rdata
    except (InvalidArgumentError, KeyError):
        return record.data


def parsed(
    type_: str, text: str, given: Mapping[str, Any] = NOTHING, kept: Mapping[str, Any] = NOTHING
) -> tuple[str, dict[str, Any]]:
    """Return the data that a text stands for, and the fields of its type.

    `given` are fields from options, `kept` those of the record that has another value so far. Raises
    `InvalidArgumentError` for a text that is not a value of the type, and for fields that are missing or
    given twice.
    """
    if type_ in TEXTS:
        return _text(type_, text), {}
    own = VALUE_FIELDS.get(type_, ())
    value = read_rdata(type_, text)
    if value.fields and given:
        words = ", ".join(f"--{field}" for field in given)
        raise InvalidArgumentError(f"the value {text!r} has a {words} already; give it once")
    if value.fields:
        return _full(type_, value.data, text), {**value.fields}
    fields = {field: {**kept, **given}[field] for field in own if field in {**kept, **given}}
    missing = [field for field in own if field not in fields]
    if not missing:
        return _full(type_, text, text), fields
    example = EXAMPLES.get(type_, "")
    raise InvalidArgumentError(
        f"the value of {type_} must be like {example}, or with {' '.join(f'--{one}' for one in missing)}; "
        f"got {text!r}"
    )


def _text(type_: str, text: str) -> str:
    """Return the text of TXT: what is in quotes is as in zone files."""
    if not text.startswith(QUOTE):
        return text
    value = read_rdata(type_, text)
    if value.data == text:
        raise InvalidArgumentError(
            f'a text that begins with a quote must be as in zone files, \'"first" "second"\', got {text!r}'
        )
    return value.data


def _full(type_: str, data: str, text: str) -> str:
    """Return a host name. Raises `InvalidArgumentError` for one of a single label without a dot."""
    if type_ in HOST_NAMES and ROOT not in text and data:
        raise InvalidArgumentError(
            f"{data!r} must be the whole name, such as {data}.example.com; with a dot, '{data}.', it is a "
            "top-level domain"
        )
    return data


def is_value(record: Record, text: str) -> bool:
    """Return whether a text is the value of a record, in any spelling, or its data."""
    if text in {record.data, written(record)}:
        return True
    try:
        data, fields = parsed(record.type, text)
        return Content.of(record.name, record.type, data, {**record.extra, **fields}).equals(record)
    except InvalidArgumentError:
        return False
