"""The header X-Filter: which items of a list are wanted, and in which order.

A filter is a JSON object. Its keys are fields, with a value or an object of operators, or `+and` and `+or`
with arrays of filters; all must hold. `+order_by` and `+order` stand at its top.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Json

Test = Callable[[Json], bool]

_FIELD = "X-Filter"


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_contains(item, part) for item in value)
    return isinstance(value, str) and isinstance(part, str) and part in value


def _equals(value: Any, wanted: Any) -> bool:
    if isinstance(value, list | tuple):
        return wanted in value
    # True is 1 to Python, but not in JSON.
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, bound: Any) -> bool:
        numbers = all(isinstance(side, int | float) for side in (value, bound))
        texts = all(isinstance(side, str) for side in (value, bound))
        return (numbers or texts) and compare(value, bound)

    return test


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "+gt": _ordered(operator.gt),
    "+gte": _ordered(operator.ge),
    "+lt": _ordered(operator.lt),
    "+lte": _ordered(operator.le),
    "+contains": _contains,
    "+neq": lambda value, other: not _equals(value, other),
}


class Filter:
    """The items of a list that a request asks for, and their order.

    Args:
        text: the header; nothing, and everything is wanted as it is.
        fields: those that can be filtered on, with dots for fields of fields.

    Raises:
        InputError: it is not a filter, or filters on another field.
    """

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self._fields = fields
        asked = _parsed(text) if text else {}
        order = asked.pop("+order", "asc")
        by = asked.pop("+order_by", None)
        if order not in {"asc", "desc"}:
            raise InputError("+order must be asc or desc", _FIELD)
        self._by = None if by is None else self._known(by)
        self._descending = order == "desc"
        self._test = self._all(asked) if asked else None
        self.is_empty = self._test is None and self._by is None

    def apply(self, items: list[Json]) -> list[Json]:
        """The wanted ones of these, in the wanted order."""
        if self._test:
            items = [item for item in items if self._test(item)]
        by = self._by
        if by is not None:
            # What has no value comes before everything that has one.
            def key(item: Json) -> tuple[bool, Any]:
                value = _value(item, by)
                return (False, 0) if value is None else (True, value)

            items = sorted(items, key=key, reverse=self._descending)
        return items

    def _all(self, asked: Any) -> Test:
        tests = [self._one(name, wanted) for name, wanted in _object(asked).items()]
        return lambda item: all(test(item) for test in tests)

    def _one(self, name: str, wanted: Any) -> Test:
        if name in {"+and", "+or"}:
            if not isinstance(wanted, list):
                raise InputError(f"{name} must be an array", _FIELD)
            tests = [self._all(part) for part in wanted]
            joint = all if name == "+and" else any
            return lambda item: joint(test(item) for test in tests)
        field = self._known(name)
        if not isinstance(wanted, dict):
            return lambda item: _equals(_value(item, field), wanted)
        compares = [(_operator(sign), bound) for sign, bound in wanted.items()]
        return lambda item: all(compare(_value(item, field), bound) for compare, bound in compares)

    def _known(self, name: Any) -> str:
        if name not in self._fields:
            raise InputError(f"Cannot filter on {name}", _FIELD)
        return str(name)


def _parsed(text: str) -> Json:
    try:
        asked = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InputError("Invalid JSON", _FIELD) from error
    return dict(_object(asked))


def _object(asked: Any) -> Json:
    if not isinstance(asked, dict):
        raise InputError("A filter must be an object", _FIELD)
    return asked


def _operator(sign: str) -> Callable[[Any, Any], bool]:
    if sign not in _OPERATORS:
        raise InputError(f"Unknown operator {sign}", _FIELD)
    return _OPERATORS[sign]


def _value(item: Json, field: str) -> Any:
    value: Any = item
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
