"""Libcloud's `utils.iso8601`: times as providers write them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


class ParseError(Exception):
    """The text is not a time."""


def parse_date(
    datestring: str | None, default_timezone: tzinfo = UTC, allow_empty: bool = False
) -> datetime | None:
    """Return the time that a text in the format of ISO 8601 says; None for an empty one with `allow_empty`.

    Raises:
        ParseError: It is no such text.
    """
    if allow_empty and not datestring:
        return None
    try:
        found = datetime.fromisoformat(str(datestring))
    except ValueError:
        raise ParseError(f"{datestring!r} must be a time such as '2026-01-31T12:00:00Z'") from None
    return found if found.tzinfo else found.replace(tzinfo=default_timezone)


def parse_date_allow_empty(datestring: str | None, default_timezone: tzinfo = UTC) -> datetime | None:
    """Return `parse_date` of a text, None for an empty one."""
    return parse_date(datestring, default_timezone, allow_empty=True)
