"""Reading JSON bodies and queries, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from polycloud.sandbox.linode.errors import InputError, Problem

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

    def __init__(self, fields: dict[str, Any], path: str = "") -> None:
        self._fields, self._path = fields, path

    @classmethod
    def parse(cls, raw: bytes) -> Body:
        """The object that a request sent, an empty one for no body; InputError if it is none."""
        try:
            fields = msgspec.json.decode(raw or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError("Invalid JSON") from error
        if not isinstance(fields, dict):
            raise InputError("Invalid JSON")
        return cls(fields)

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def names(self, name: str) -> bool:
        """Whether the field is there, be it null."""
        return name in self._fields

    def get(self, name: str, kind: type[T]) -> T | None:
        """The field's value, or None."""
        value = self._fields.get(name)
        return None if value is None else self._checked(name, value, kind)

    def need(self, name: str, kind: type[T]) -> T:
        """The field's value; InputError if it is absent or an empty string."""
        value = self.get(name, kind)
        if value is None or value == "":
            raise InputError(f"{name} is required", self._path + name)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """The field's truth."""
        value = self.get(name, bool)
        return default if value is None else value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """The field's value; InputError if it is none of the choices."""
        value = self.get(name, str) or default
        if value not in choices:
            raise InputError(f"{name} is not valid", self._path + name)
        return value

    def number(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """The field's number; InputError if it is out of bounds, or absent where there is no default."""
        value = self.need(name, int) if default is None else self.get(name, int)
        if value is None:
            assert default is not None
            return default
        if not least <= value <= most:
            raise InputError(f"Must be {least}-{most}", self._path + name)
        return value

    def each(self, name: str, kind: type[T]) -> list[T]:
        """The items of the field's array; none if it is absent."""
        items: list[Any] = self.get(name, list) or []
        return [self._checked(name, item, kind) for item in items]

    def part(self, name: str) -> Body:
        """The field's object, an empty one if it is absent."""
        return Body(self.get(name, dict) or {}, f"{self._path}{name}.")

    def _checked(self, name: str, value: Any, kind: type[T]) -> T:
        # True is an int to Python, but not in JSON.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError(f"{name} must be {_NOUNS[kind]}", self._path + name)
        return value


class Query(dict[str, str]):
    """The parameters of a query; of a repeated one the last counts."""

    @classmethod
    def parse(cls, raw: bytes) -> Query:
        """What stands after the question mark."""
        return cls(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))

    def number(self, name: str, default: int, least: int, most: int | None = None) -> int:
        """The parameter's number; InputError if it is none or out of bounds."""
        text = self.get(name, str(default))
        if not re.fullmatch("[0-9]{1,18}", text):
            raise InputError(f"{name} must be an integer", name)
        number = int(text)
        if number < least or (most is not None and number > most):
            bounds = f"{least} or more" if most is None else f"{least}-{most}"
            raise InputError(f"Must be {bounds}", name)
        return number


def together(*readers: Callable[[], object]) -> None:
    """Call all of these; InputError with everything that they complain about."""
    problems: list[Problem] = []
    for read in readers:
        try:
            read()
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError.of(dict.fromkeys(problems))


# Words for things


_PLAIN = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_DOUBLED = re.compile(r"--|__|\.\.")


def check_label(label: str, least: int, most: int, *, dots: bool = True) -> None:
    """InputError unless something can have that label."""
    check_length(label, least, most, "label")
    if not _PLAIN.fullmatch(label) or _DOUBLED.search(label) or ("." in label and not dots):
        allowed = "letters, numbers, periods, dashes, and underscores" if dots else "letters, numbers, dashes"
        raise InputError(
            f"Label must begin and end with a letter or number, and only have {allowed}", "label"
        )


def check_length(text: str, least: int, most: int, field: str) -> None:
    """InputError unless the text is so long."""
    if not least <= len(text) <= most:
        raise InputError(f"Length must be {least}-{most} characters", field)


_SHORTEST_PASSWORD, _LONGEST_PASSWORD, _FEWEST_KINDS, _FEWEST_CHARACTERS = 11, 128, 2, 6
_KINDS = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]")))


def check_password(password: str, field: str) -> None:
    """InputError for a weak password: a short one, or one with few kinds of characters, or few of them."""
    check_length(password, _SHORTEST_PASSWORD, _LONGEST_PASSWORD, field)
    kinds = sum(bool(kind.search(password)) for kind in _KINDS)
    if kinds < _FEWEST_KINDS or len(set(password)) < _FEWEST_CHARACTERS:
        raise InputError("Password does not meet strength requirement", field)
