"""Check and show the values that callers pass."""

from __future__ import annotations

from math import inf
from typing import Any

__all__ = ["LONGEST", "is_number", "shown", "whole_number", "with_rest"]

LONGEST = 1e9
"""The most seconds that a caller may ask for, 30 years; clocks and sockets overflow at some more."""
SHOWN = 100
MOST_DIGITS = 18
"""Of numbers in texts of others: more are absurd, and Python refuses to read 4,300 of them."""


def is_number(value: Any) -> bool:
    """Return whether `value` is an int or a finite float; a bool is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -inf < value < inf


def whole_number(text: str | None) -> int | None:
    """Return the number that `text` is, in at most 18 ASCII digits without a sign; None for other text."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if is_number and text else None


def shown(value: object) -> str:
    """Return the `repr` of a value for a message, shortened; it never fails."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value's own code; an int of 5,000 digits has none either
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def with_rest(beginning: str, length: int) -> str:
    """Return the beginning of a text, and that `length` more characters follow in the whole."""
    return f"{beginning}\u2026 {length:,} more characters"
