"""Reading JSON bodies and queries, with errors that name the field."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from polycloud.sandbox.digitalocean.errors import InputError, MalformedError

T = TypeVar("T")

_NOUNS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


class Body:
    """A JSON object. A field that is null counts as absent; InputError for one of another type."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, raw: bytes) -> Body:
        """The object that a request sent, an empty one for no body; MalformedError if it is none."""
        try:
            fields = msgspec.json.decode(raw or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedError("The request body is not valid JSON.") from error
        if not isinstance(fields, dict):
            raise MalformedError("The request body must be a JSON object.")
        return cls(fields)

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def get(self, name: str, kind: type[T]) -> T | None:
        """The field's value, or None."""
        value = self._fields.get(name)
        return None if value is None else _checked(name, value, kind)

    def need(self, name: str, kind: type[T]) -> T:
        """The field's value; InputError if it is absent or an empty string."""
        value = self.get(name, kind)
        if value is None or value == "":
            raise InputError(f"{name} is required.")
        return value

    def flag(self, name: str) -> bool:
        """The field's truth; an absent one is false."""
        return bool(self.get(name, bool))

    def each(self, name: str, kind: type[T]) -> list[T]:
        """The items of the field's array; none if it is absent."""
        items: list[Any] = self.get(name, list) or []
        return [_checked(f"{name} item", item, kind) for item in items]

    def objects(self, name: str) -> list[Body]:
        """The objects of the field's array; none if it is absent."""
        return [Body(item) for item in self.each(name, dict)]

    def mixed(self, name: str) -> list[str]:
        """The strings and integers of the field's array, as strings; none if it is absent."""
        return [_identifier(f"{name} item", item) for item in self.get(name, list) or []]

    def identifier(self, name: str) -> str | None:
        """The field's string or integer, as a string, or None."""
        value = self._fields.get(name)
        return None if value is None else _identifier(name, value)


def _checked(name: str, value: Any, kind: type[T]) -> T:
    # True is an int to Python, but not in JSON.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{name} must be {_NOUNS[kind]}.")
    return value


def _identifier(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{name} must be a string or an integer.")
    return str(value)


class Query(dict[str, str]):
    """The parameters of a query; of a repeated one the last counts."""

    @classmethod
    def parse(cls, raw: bytes) -> Query:
        """What stands after the question mark."""
        return cls(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))

    def number(self, name: str, default: int) -> int:
        """The parameter's number, at least 1; InputError if it is none."""
        text = self.get(name) or str(default)
        if not text.isdecimal():
            raise InputError(f"{name} must be a positive integer.")
        return max(int(text), 1)
