"""HTTP headers, looked up in any case, and those that say when to come back: dates, Retry-After, rate limits.

Rate limits are read in any of the usual forms: `Retry-After`; `RateLimit-Limit`, `-Remaining` and `-Reset`,
with or without `X-`; the single `RateLimit` header of the IETF's draft.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

__all__ = [
    "Headers",
    "RateLimits",
    "http_date",
    "parse_number",
    "rate_limits",
    "requested_pause",
    "retry_after_seconds",
]

EPOCH = 1e9
"""A reset above this is a time (seconds since 1970); one below it is a duration in seconds."""
DRAFT = r"(?i)(?:^|[;,\s])(limit|remaining|reset|r|t)\s*=\s*(\d{1,15})\b"
DRAFT_NAMES = {"r": "remaining", "t": "reset"}
LONGEST = 15
"""The most digits that a number may have."""


_get = dict.get
"""Takes half the time of `super().get`."""


class Headers(dict[str, str]):
    """Headers by lower-case name; looked up in any case. Repeated ones are joined by a comma."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._fill([(name.lower(), value) for name, value in items])

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> Headers:
        """Return the headers of valid lines such as `Name: value`."""
        pairs = []
        for line in lines:
            name, _, value = line.partition(":")
            pairs.append((name.lower(), value.strip(" \t")))
        headers = cls.__new__(cls)
        headers._fill(pairs)  # noqa: SLF001 - its own
        return headers

    def _fill(self, pairs: list[tuple[str, str]]) -> None:
        self.update(pairs)
        if len(self) < len(pairs):
            for name in self:
                self[name] = ", ".join(value for other, value in pairs if other == name)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        """The header's value, or `default`."""
        return _get(self, name.lower(), default)


class RateLimits(msgspec.Struct, frozen=True):
    """The limits in the headers of a response.

    `limit` is the requests allowed in a window, `remaining` those left in it, `reset` the seconds until the
    next window; None where the headers do not say.
    """

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None


def rate_limits(headers: Mapping[str, str]) -> RateLimits:
    """Read the rate limits from headers with lower-case names. What is absent or not a number is None."""
    draft = _draft(text) if (text := headers.get("ratelimit")) else {}
    found: dict[str, float] = {}
    for part in RateLimits.__struct_fields__:
        number = parse_number(_field(part, headers))
        if (value := draft.get(part) if number is None else number) is not None:
            found[part] = value
    if found.get("reset", 0.0) > EPOCH:
        found["reset"] = max(0.0, found["reset"] - _provider_time(headers))
    return RateLimits(**found)


def _field(part: str, headers: Mapping[str, str]) -> str:
    text = headers.get(f"ratelimit-{part}") or headers.get(f"x-ratelimit-{part}") or ""
    return text.partition(",")[0]  # further limits follow: "100, 100;w=60"


def _draft(text: str) -> dict[str, float]:
    """Parse the single `RateLimit` header; of several limits, return the one with the least remaining."""
    limits = [
        {DRAFT_NAMES.get(name.lower(), name.lower()): float(value) for name, value in re.findall(DRAFT, part)}
        for part in (text.split(",") if '"' in text else [text])
    ]
    return min(limits, key=lambda limit: limit.get("remaining", float("inf")))


def parse_number(text: str | None) -> float | None:
    """Parse a whole number without a sign; None if it is malformed or absurdly long."""
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST else None


def _provider_time(headers: Mapping[str, str]) -> float:
    """Return the provider's clock from its `Date` header, since ours may be wrong."""
    date = http_date(_any_case("date", headers))
    return time.time() if date is None else date.timestamp()


@lru_cache(maxsize=32)  # the responses of one second share a date
def http_date(text: str) -> datetime | None:
    """Parse a date header such as `Date` (UTC unless it names a zone); None if it is malformed."""
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _iso_date(text: str) -> datetime | None:
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _any_case(wanted: str, headers: Mapping[str, str]) -> str:
    return next((text for name, text in headers.items() if name.lower() == wanted), "").strip()


def requested_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a refused caller should wait: `Retry-After`, else until the next rate limit window."""
    pause = retry_after_seconds(headers)
    return rate_limits(headers).reset if pause is None else pause


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Parse `Retry-After`, a number of seconds or an HTTP date (RFC 9110, 10.2.3), to seconds.

    Rackspace writes a date of ISO 8601, and calls the header `Reply-After` too.
    """
    value = _any_case("retry-after", headers) or _any_case("reply-after", headers)
    if not value or (number := parse_number(value)) is not None:
        return number if value else None
    date = http_date(value) or _iso_date(value)
    return None if date is None else max(0.0, date.timestamp() - _provider_time(headers))
