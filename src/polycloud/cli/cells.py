"""The cells of lists: values as text, and the filters that compare them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from typing import Any

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError

__all__ = ["Record", "cell", "condition", "order", "parts_of", "plain", "spreadsheet_cell"]

FORMULAS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""How formulas begin in spreadsheets; the last four are the wide forms of the others."""
FILTER = re.compile(r"(.+?)(!=|>=|<=|=|~|>|<)(.*)", re.DOTALL)
COMPARE = {">": gt, ">=": ge, "<": lt, "<=": le}
Record = Mapping[str, Any]


def cell(value: Any) -> str:
    """A value as text of a table."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(cell, value))
    if isinstance(value, bool):
        return str(value).lower()
    return output.printable(f"{value:.10g}" if isinstance(value, float) else value)


def plain(value: Any) -> Any:
    """A value for JSON: names of enumerations instead of their numbers, dataclasses as what they have."""
    if isinstance(value, Enum):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        value = {name: one for name, one in vars(value).items() if one is not None}
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def spreadsheet_cell(value: Any) -> str:
    """A value as text that a spreadsheet does not take for a formula."""
    text = cell(value)
    is_formula = text.lstrip().startswith(FORMULAS) and not isinstance(value, int | float)
    return f"'{text}" if is_formula else text


def parts_of(text: str) -> tuple[str, str, str]:
    """The column, the comparison and the pattern of a filter."""
    found = FILTER.fullmatch(text)
    if found is None:
        raise InvalidArgumentError(f"--filter must be COLUMN=PATTERN, such as name=web*, got {text!r}")
    name, sign, pattern = found.groups()
    return name, sign, pattern


def condition(text: str) -> Callable[[Record], bool]:
    """Whether a record fits a filter: `=`, `!=` with a shell's pattern, `~` a regular expression, `<` ..."""
    name, sign, pattern = parts_of(text)
    if sign in COMPARE:
        return lambda record: _compares(record[name], sign, pattern)
    try:
        expression = re.compile(pattern) if sign == "~" else None
    except re.error as error:
        raise InvalidArgumentError(f"--filter {name}~ must be a regular expression: {error}") from None

    def fits(record: Record) -> bool:
        value = record[name]
        texts = map(cell, value if isinstance(value, list | tuple) else [value])
        if expression is not None:
            return any(map(expression.search, texts))
        return any(fnmatchcase(one, pattern) for one in texts) is (sign == "=")

    return fits


def _compares(value: Any, sign: str, text: str) -> bool:
    """Whether a value is greater or less: as numbers where it is one, as texts otherwise; not without one."""
    if value is None:
        return False
    if not isinstance(value, int | float):
        return bool(COMPARE[sign](cell(value), text))
    try:
        return bool(COMPARE[sign](value, float(text)))
    except ValueError:
        raise InvalidArgumentError(f"--filter must compare with a number, got {text!r}") from None


def order(name: str, record: Record) -> tuple[bool, Any]:
    """Sort numbers by value, and before texts."""
    value = record[name]
    number = isinstance(value, int | float)
    return not number, value if number else cell(value)
