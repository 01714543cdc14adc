"""Reading JSON bodies and queries, with errors that name the field."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl

import msgspec

from polycloud.sandbox.rest.errors import InputError, MalformedError, Problem

T = TypeVar("T")

Check = Callable[[str, Any], object]
"""Takes a field's name and value; raises `ApiError` if the value is invalid."""

_NOUNS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


class Body:
    """A JSON object. A field that is null counts as absent; one of another type is an InputError.

    Attributes:
        path: what precedes the names of its fields in errors.
    """

    stop: ClassVar[str] = ""
    """What ends a sentence about a field."""

    def __init__(self, fields: dict[str, Any], path: str = "") -> None:
        self._fields, self.path = fields, path

    @classmethod
    def parse(cls, raw: bytes) -> Body:
        """Return the object in a request, empty without a body. Raises MalformedError for anything else."""
        try:
            fields = msgspec.json.decode(raw or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedError from error
        if not isinstance(fields, dict):
            raise MalformedError
        return cls(fields)

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def is_empty(self, name: str) -> bool:
        """Return whether the field is an empty string."""
        return bool(self._fields.get(name) == "")

    def names(self, name: str) -> bool:
        """Return whether the field is present, even if null."""
        return name in self._fields

    @property
    def fields(self) -> set[str]:
        """The names of all fields."""
        return set(self._fields)

    def value(self, name: str) -> Any:
        """Return the field's value, whatever its type; None if it is absent."""
        return self._fields.get(name)

    def get(self, name: str, kind: type[T]) -> T | None:
        """Return the field's value, or None."""
        value = self._fields.get(name)
        return None if value is None else self._checked(name, value, name, kind)

    def need(self, name: str, kind: type[T]) -> T:
        """Return the field's value. Raises InputError if it is absent or an empty string."""
        value = self.get(name, kind)
        if value is None or value == "":
            raise self.error(name, "{} is required")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean field."""
        value = self.get(name, bool)
        return default if value is None else value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return a string field. Raises InputError if it is not one of the choices."""
        value = self.get(name, str) or default
        one_of(*choices)(self.path + name, value)
        return value

    def number(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """Return an integer field within bounds, needed without a default. Raises InputError otherwise."""
        value = self.need(name, int) if default is None else self.get(name, int)
        if value is None:
            assert default is not None
            return default
        between(least, most)(self.path + name, value)
        return value

    def each(self, name: str, kind: type[T]) -> list[T]:
        """Return the items of an array field, none if it is absent."""
        items: list[Any] = self.get(name, list) or []
        return [self._checked(name, item, f"{name} item", kind) for item in items]

    def objects(self, name: str) -> list[Body]:
        """Return the objects of an array field, none if it is absent."""
        return [
            type(self)(item, f"{self.path}{name}[{index}].")
            for index, item in enumerate(self.each(name, dict))
        ]

    def part(self, name: str) -> Body:
        """Return an object field, empty if it is absent."""
        return type(self)(self.get(name, dict) or {}, f"{self.path}{name}.")

    def identifier(self, name: str) -> str | None:
        """Return a string or integer field as a string, or None."""
        value = self._fields.get(name)
        return None if value is None else self._identifier(name, value, name)

    def identifiers(self, name: str) -> list[str]:
        """Return the strings and integers of an array field as strings, none if it is absent."""
        return [self._identifier(name, item, f"{name} item") for item in self.get(name, list) or []]

    def error(self, name: str, reason: str, subject: str = "") -> InputError:
        """Return an error about a field, whose name replaces the braces in the reason."""
        return InputError(reason.format(subject or name) + self.stop, self.path + name)

    def _checked(self, name: str, value: Any, subject: str, kind: type[T]) -> T:
        # True is an int in Python, but not in JSON.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(name, f"{{}} must be {_NOUNS[kind]}", subject)
        return value

    def _identifier(self, name: str, value: Any, subject: str) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.error(name, "{} must be a string or an integer", subject)
        return str(value)


class Query(dict[str, str]):
    """The parameters of a query; of a repeated one the last counts.

    Attributes:
        pairs: all names and values, in order.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, raw: bytes) -> Query:
        """Return the parameters after the question mark."""
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
        query = cls(pairs)
        query.pairs = tuple(pairs)
        return query

    def every(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.pairs if key == name]

    def number(self, name: str, default: int) -> int | None:
        """Return a parameter as an integer, None if it is not decimal digits."""
        text = self.get(name) or str(default)
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def split_key(line: str) -> tuple[str, bytes]:
    """Return type and encoded key of a public SSH key as files have it; no bytes where it is invalid."""
    kind, encoded, *_ = *line.split(maxsplit=2), "", ""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    # The encoded key begins with its type once more.
    return kind, blob if kind and kind.encode() in blob[: len(kind) + 4] else b""


def together(*readers: Callable[[], object]) -> None:
    """Call all of these, then raise one InputError with the problems of all of them."""
    problems: list[Problem] = []
    for read in readers:
        try:
            read()
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError.of(dict.fromkeys(problems))


# Checks of values


def length(least: int, most: int) -> Check:
    """Return a check that a text has so many characters."""

    def check(name: str, text: str) -> None:
        if not least <= len(text) <= most:
            raise InputError(f"Length must be {least}-{most} characters", name)

    return check


def between(least: int, most: int) -> Check:
    """Return a check that a number is within bounds."""

    def check(name: str, number: int) -> None:
        if not least <= number <= most:
            raise InputError(f"Must be {least}-{most}", name)

    return check


def one_of(*choices: str) -> Check:
    """Return a check that a text is one of these."""

    def check(name: str, text: str) -> None:
        if text not in choices:
            raise InputError(f"{name.rpartition('.')[2]} is not valid", name)

    return check


def matches(pattern: str, reason: str) -> Check:
    """Return a check that a text matches a pattern; `reason` is the message if it does not."""
    compiled = re.compile(pattern)

    def check(name: str, text: str) -> None:
        if not compiled.fullmatch(text):
            raise InputError(reason, name)

    return check
