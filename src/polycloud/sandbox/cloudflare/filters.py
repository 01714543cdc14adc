"""Which zones and records a list has, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from polycloud.sandbox.rest.bodies import Query
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import InputError

Test = Callable[[Item], bool]

_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_ZONE_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equal": str.__eq__,
    "not_equal": str.__ne__,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
}
_RECORD_ORDERS = ("type", "name", "content", "ttl", "proxied")
_ZONE_ORDERS = ("name", "status", "account.id", "account.name", "plan.id")


def records(query: Query, zone: Item) -> list[Item]:
    """Return the records of a zone that a query asks for. Raises InputError."""
    items = filter(_joint(Query(), "", [*_delegation_tests(query, zone)]), zone.records.values())
    tests = [*_record_tests(query)]
    tags = [*_tag_tests(query)]
    if tags:
        tests.append(_joint(query, "tag_match", tags))
    found = _ordered(query, _RECORD_ORDERS, "type", filter(_joint(query, "match", tests), items))
    text = query.get("search", "").lower()
    return [record for record in found if text in _searched(record)] if text else found


def zones(query: Query, items: Iterable[Item]) -> list[Item]:
    """Return the zones that a query asks for. Raises InputError."""
    tests = [*_zone_tests(query)]
    wanted = filter(_joint(query, "match", tests), items)
    return _ordered(query, _ZONE_ORDERS, "", wanted)


def _joint(query: Query, name: str, tests: list[Test]) -> Test:
    how = _choice(query, name, ("all", "any"), "all")
    if not tests:
        return lambda _: True
    joint = all if how == "all" else any
    return lambda item: joint(test(item) for test in tests)


def _choice(query: Query, name: str, choices: tuple[str, ...], usual: str) -> str:
    value = query.get(name, usual)
    if value not in (*choices, usual):
        raise InputError(f"{name} must be one of {', '.join(choices)}.", name)
    return value


def _ordered(query: Query, orders: tuple[str, ...], usual: str, items: Iterable[Item]) -> list[Item]:
    order = _choice(query, "order", orders, usual)
    descending = _choice(query, "direction", ("asc", "desc"), "asc") == "desc"
    if not order:
        return [*items]
    return sorted(items, key=lambda item: _value(item, order), reverse=descending)


def _value(item: Item, path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value() if callable(value) else value


def _record_tests(query: Query) -> Iterable[Test]:
    kind, proxied = query.get("type"), query.get("proxied")
    if kind:
        yield lambda record: record.type == kind.upper()
    if proxied is not None:
        yield lambda record: record.proxied is (proxied.lower() == "true")
    for name, text in query.pairs:
        field, _, operator = name.partition(".")
        if field not in {"name", "content", "comment"}:
            continue
        if operator in _COMPARE or not operator:
            yield _compared(field, operator or "exact", text.lower())
        elif field == "comment" and operator in {"present", "absent"}:
            yield _having(lambda record: bool(record.comment), operator)


def _delegation_tests(query: Query, zone: Item) -> Iterable[Test]:
    """Return the tests of records that delegations hide, and of delegations that hide a name."""
    below, above = query.get("shadowed_by_name"), query.get("shadowing_name")
    for name in filter(None, (below, above)):
        if not name.endswith(f".{zone.name}"):
            raise InputError(f"{name} must be a subdomain of {zone.name}.")
    if below and query.get("include_shadow_metadata") != "true":
        raise InputError("shadowed_by_name needs include_shadow_metadata.")
    if below:
        yield lambda record: f".{record.name}".endswith(f".{below}")
        yield lambda record: (record.type, record.name) != ("NS", below)
    if above:
        yield lambda record: record.type == "NS" and record.name != zone.name
        yield lambda record: f".{above}".endswith(f".{record.name}")


def _compared(field: str, operator: str, text: str) -> Test:
    compare = _COMPARE[operator]
    return lambda record: compare((getattr(record, field) or "").lower(), text)


def _having(has: Test, operator: str) -> Test:
    return has if operator == "present" else lambda record: not has(record)


def _tag_tests(query: Query) -> Iterable[Test]:
    for name, text in query.pairs:
        field, _, operator = name.partition(".")
        if field != "tag":
            continue
        wanted, _, value = text.lower().partition(":")
        if operator in {"present", "absent"}:
            yield _having(lambda record, wanted=wanted: wanted in _tags(record), operator)  # type: ignore[misc]
        elif operator in _COMPARE or not operator:
            yield _tagged(wanted, operator or "exact", value)


def _tagged(wanted: str, operator: str, value: str) -> Test:
    compare = _COMPARE[operator]

    def test(record: Item) -> bool:
        tags = _tags(record)
        return wanted in tags and compare(tags[wanted], value)

    return test


def _tags(record: Item) -> dict[str, str]:
    pairs = (tag.lower().partition(":") for tag in record.tags)
    return {name: value for name, _, value in pairs}


def _searched(record: Item) -> str:
    return "\n".join((record.name, record.content, record.comment or "", *record.tags)).lower()


def _zone_tests(query: Query) -> Iterable[Test]:
    status, kinds, account = query.get("status"), query.get("type"), query.get("account.id")
    if status:
        yield lambda zone: zone.status() == status
    if kinds:
        yield lambda zone: zone.type in kinds.split(",")
    if account:
        yield lambda zone: zone.account["id"] == account
    if query.get("name"):
        yield _zone_name(query["name"], lambda zone: zone.name)
    if query.get("account.name"):
        yield _zone_name(query["account.name"], lambda zone: zone.account["name"])


def _zone_name(text: str, name: Callable[[Item], str]) -> Test:
    operator, colon, wanted = text.partition(":")
    if not colon:
        operator, wanted = "equal", text
    plain = operator.removesuffix("_case_sensitive")
    if plain not in _ZONE_OPERATORS:
        raise InputError(f"{operator} is not an operator for names.", "name")
    compare = _ZONE_OPERATORS[plain]
    if plain == operator:
        return lambda zone: compare(name(zone).lower(), wanted.lower())
    return lambda zone: compare(name(zone), wanted)
