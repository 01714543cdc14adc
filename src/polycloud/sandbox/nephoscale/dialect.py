"""How NephoScale's API speaks: envelopes around responses, errors, and fields of forms."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, TypeVar
from urllib.parse import parse_qsl

T = TypeVar("T")
Json = dict[str, Any]


class Subcode(IntEnum):
    """The detailed reason in an error's envelope."""

    MISSING = 1001
    UNKNOWN = 1002
    INVALID = 1003
    CONFLICT = 1004
    HTTP = 1005


class InputError(Exception):
    """A field of the request is wrong. The response has HTTP status 200 and `success` false."""

    def __init__(self, field: str, problem: str, subcode: Subcode = Subcode.INVALID) -> None:
        super().__init__(f"{field}: {problem}")
        self.envelope = error(409 if subcode is Subcode.CONFLICT else 400, subcode, str(self))


class NoSuchResourceError(Exception):
    """The path names a resource that does not exist. The response has HTTP status 404."""


def success(data: Any, *, response: int = 200, **more: Any) -> Json:
    """Return the envelope of a response that is not an error."""
    message = "Request processed."
    return {"success": True, "response": response, "subcode": 0, "message": message, **more, "data": data}


def listing(items: list[Json]) -> Json:
    """Return the envelope of a list."""
    return success(items, total_count=len(items))


def error(response: int, subcode: Subcode, message: str) -> Json:
    """Return the envelope of an error."""
    return {"success": False, "response": response, "subcode": subcode, "message": message, "data": {}}


class Form:
    """The fields of a form-encoded body or of a query.

    A blank field counts as absent; if a name is repeated, the last field counts.
    Every method raises InputError for a field with an invalid value.
    """

    def __init__(self, encoded: bytes) -> None:
        try:
            self._fields = dict(parse_qsl(encoded.decode(), errors="strict"))
        except UnicodeDecodeError as problem:
            raise InputError("body", "is not UTF-8") from problem

    def get(self, name: str) -> str | None:
        """Return the field's text, unchanged, or None."""
        return self._fields.get(name)

    def text(self, name: str) -> str:
        """Return the field's text, unchanged; it must not be blank."""
        value = self._fields.get(name, "")
        if not value.strip():
            raise InputError(name, "is required", Subcode.MISSING)
        return value

    def words(self, name: str) -> list[str]:
        """Return the parts between commas, without white space around them; empty if the field is absent."""
        return [word.strip() for word in self._fields.get(name, "").split(",") if word.strip()]

    def truth(self, name: str) -> bool:
        """Return the boolean, which must be "true" or "false"."""
        value = self.text(name)
        if value not in {"true", "false"}:
            raise InputError(name, "must be true or false")
        return value == "true"

    def pick(self, name: str, options: Mapping[int, T]) -> T:
        """Return the option whose id the field holds."""
        return _choose(name, self.text(name), options)

    def pick_any(self, name: str, options: Mapping[int, T]) -> T | None:
        """Return the option whose id the field holds; None if the field is absent."""
        value = self.get(name)
        return None if value is None else _choose(name, value, options)

    def pick_each(self, name: str, options: Mapping[int, T]) -> list[T]:
        """Return the options whose ids the field holds, separated by commas."""
        return [_choose(name, value, options) for value in self.words(name)]


def _choose(name: str, value: str, options: Mapping[int, T]) -> T:
    for number, option in options.items():
        if str(number) == value:  # "03" is not the id 3
            return option
    raise InputError(name, f"there is no {value!r}", Subcode.UNKNOWN)
