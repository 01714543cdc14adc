"""Reading form fields and query parameters, with errors that name the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from polycloud.sandbox.nephoscale.errors import InputError, Subcode

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class Form:
    """The fields of a form-encoded body or of a query.

    A blank field counts as absent; of a repeated one the last counts.
    Every method raises InputError for a field that does not hold what it should.
    """

    def __init__(self, encoded: bytes) -> None:
        try:
            self._fields = dict(parse_qsl(encoded.decode(), errors="strict"))
        except UnicodeDecodeError as error:
            raise InputError("body", "is not UTF-8") from error

    def get(self, name: str) -> str | None:
        """The field's text, exactly as sent, or None."""
        return self._fields.get(name)

    def text(self, name: str) -> str:
        """The field's text, exactly as sent, which must not be all white space."""
        value = self._fields.get(name, "")
        if not value.strip():
            raise InputError(name, "is required", Subcode.MISSING)
        return value

    def pick(self, name: str, options: Mapping[int, T]) -> T:
        """What has the id that the field holds."""
        return self._chosen(name, self.text(name), options)

    def pick_any(self, name: str, options: Mapping[int, T]) -> T | None:
        """What has the id that the field holds; None if the field is absent."""
        value = self.get(name)
        return None if value is None else self._chosen(name, value, options)

    def pick_each(self, name: str, options: Mapping[int, T]) -> list[T]:
        """What has the ids that the field holds, separated by commas."""
        return [self._chosen(name, value, options) for value in self.words(name)]

    def words(self, name: str) -> list[str]:
        """The field's parts between commas, without white space around them; none if the field is absent."""
        return [word.strip() for word in (self.get(name) or "").split(",") if word.strip()]

    def truth(self, name: str) -> bool:
        """The field's "true" or "false"."""
        value = self.text(name)
        if value not in {"true", "false"}:
            raise InputError(name, "must be true or false")
        return value == "true"

    @staticmethod
    def _chosen(name: str, value: str, options: Mapping[int, T]) -> T:
        for number, option in options.items():
            if str(number) == value:
                return option
        raise InputError(name, f"there is no {value!r}", Subcode.UNKNOWN)
