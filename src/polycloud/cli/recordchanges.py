"""Changes of records by a command: what they shall be, and how it went."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from polycloud.cli import cells, output, settings, verbs
from polycloud.cli.nouns import APEX, RECORD_FIELDS, RECORDS
from polycloud.cli.records import described, listed, record_type, relative
from polycloud.cli.recordvalues import parsed, written
from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.content import Content, check_extra, require_room
from polycloud.dns.rdata import VALUE_FIELDS
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

if TYPE_CHECKING:
    from polycloud.cli.serving import Wait
    from polycloud.dns.base import DNSDriver
    from polycloud.dns.objects import Record, Zone
    from polycloud.dns.types import RecordType

__all__ = [
    "content_of",
    "creation",
    "deletion",
    "doing",
    "given_fields",
    "make",
    "require_room_for",
    "update",
]

WORDS = {
    (False, True): ("create", "created"),
    (True, True): ("update", "updated"),
    (True, False): ("delete", "deleted"),
}
"""What a change does and what it has done, by whether there is a record before and after it."""


def given_fields(driver: DNSDriver, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `extra` that options stand for; `settings` among them are those of `--set`.

    Raises `InvalidArgumentError` for what the provider does not have.
    """
    what = f"records of {driver.name}"
    own = settings.parsed(chosen.get("settings", ()), driver.own_extra, what)
    return check_extra({**own, **{name: value for name, value in chosen.items() if name != "settings"}})


def creation(zone: Zone, name: str, type_: str, value: str, given: Mapping[str, Any]) -> RecordChange:
    """Return the change that creates a record; see `content_of`."""
    return RecordChange(None, content_of(zone, name, type_, value, given))


def content_of(zone: Zone, name: str, type_: str, value: str, given: Mapping[str, Any]) -> Content:
    """Return the content of a record as it is named at a shell; `given` are fields from options.

    Raises `InvalidArgumentError` for what no record can be, `UnsupportedOperationError` for a type that the
    provider does not have.
    """
    kind = _supported(zone.driver, type_)
    data, fields = parsed(kind, value, _of_type(kind, given))
    return Content.of(relative(zone, name), kind, data, {**given, **fields})


def deletion(record: Record) -> RecordChange:
    """Return the change that deletes a record."""
    return RecordChange(record, None)


def update(
    record: Record, name: str | None, type_: str | None, value: str | None, given: Mapping[str, Any]
) -> RecordChange:
    """Return the change of a record, where an argument is given. Raises the errors of `content_of`."""
    kind = record.type if type_ is None else _supported(record.driver, type_)
    new_name = record.name if name is None else relative(record.zone, name)
    own = VALUE_FIELDS.get(kind, ())
    kept = {key: field for key, field in record.extra.items() if key not in RECORD_FIELDS or key in own}
    new = _of_type(kind, given)
    data, fields = (record.data, {}) if value is None else parsed(kind, value, new, kept)
    after = Content.of(new_name, kind, data, {**kept, **given, **fields})
    return RecordChange(copy(record), after)  # a driver in memory would change what is reported as before


def require_room_for(zone: Zone, changes: Sequence[RecordChange]) -> None:
    """Raise the errors of `create_record` for what cannot stand beside the records of the zone."""
    records = listed(zone)
    for change in changes:
        if change.after is not None:
            require_room(change.after, [one for one in records if one is not change.before])


def make(
    zone: Zone,
    changes: Sequence[RecordChange],
    account: Sequence[str],
    wait: Wait | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Make changes of a zone, and print each that was made; end with 1 if some were not.

    The error of an only one is raised. With `as_json` the records are printed as they are now. `wait` says
    how to wait until they are served.
    """
    what = doing(changes[0]) if len(changes) == 1 else f"changing {len(changes):,} records of {zone.domain}"
    try:
        with output.working(what):
            zone.driver.change_records(zone, changes)
    except RecordsNotChangedError as error:
        if len(changes) == 1 and error.failed:
            raise error.failed[0][1] from None
        _report(zone, error.done, as_json=as_json)
        failures = [f"{doing(change)}: {output.reason(why)}" for change, why in error.failed]
        first, *others = [*failures, *(f"not attempted: {doing(change)}" for change in error.left)]
        output.fail(first, others)
    except KeyboardInterrupt as interruption:
        look = shlex.join([*RECORDS.list_command.split(), zone.domain, *account])
        interruption.add_note(f"{what} may have been carried out; to look: {look}")
        raise
    _report(zone, changes, as_json=as_json)
    if wait is not None:
        wait.changes(zone, changes)


def _report(zone: Zone, changes: Sequence[RecordChange], *, as_json: bool) -> None:
    if not as_json:
        for change in changes:
            output.line(_sentence(change, did=True))
        return
    wanted = [change.after for change in changes if change.after]
    found = [one for one in listed(zone) if any(content.equals(one) for content in wanted)]
    output.json([verbs.full_record(RECORDS, one) for one in found])


def doing(change: RecordChange) -> str:
    """Return what a change does: "create record www A 203.0.113.7"."""
    return _sentence(change, did=False)


def _sentence(change: RecordChange, *, did: bool) -> str:
    before, after = change
    word = WORDS[before is not None, after is not None][did]
    if before and after:
        value = f" {written(before)}" if written(before) == written(after) else ""
        return f"{word} record {before.name or APEX} {before.type}{value}: {_difference(before, after)}"
    one = before or after
    assert one is not None
    return f"{word} record {described(one)}"


def _difference(before: Record, after: Content) -> str:
    """Return what changes: "TTL 3600 to 60"."""
    own = {*before.driver.own_extra} & after.extra.keys()
    pairs = [
        ("name", before.name or APEX, after.name or APEX),
        ("type", before.type, after.type),
        ("value", written(before), written(after)),
        ("TTL", before.ttl, after.extra.get("ttl", before.ttl)),
        *((key, *(cells.cell(one.extra.get(key)) for one in (before, after))) for key in sorted(own)),
    ]
    return ", ".join(f"{what} {old} to {new}" for what, old, new in pairs if old != new) or "nothing"


def _supported(driver: DNSDriver, text: str) -> RecordType:
    """Return the type of that name. Raises `UnsupportedOperationError` if the provider does not have it."""
    kind, known = record_type(text), driver.list_record_types()
    if kind not in known:
        message = f"{driver.name} has no records of type {kind}, only {', '.join(known)}"
        raise UnsupportedOperationError(message, driver)
    return kind


def _of_type(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a value among `given`. Raises `InvalidArgumentError` for those of other types."""
    own = VALUE_FIELDS.get(kind, ())
    if foreign := [f"--{field}" for field in RECORD_FIELDS if field in given and field not in own]:
        raise InvalidArgumentError(f"a record of type {kind} has no {', '.join(foreign)}")
    return {field: given[field] for field in own if field in given}
