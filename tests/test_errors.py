from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud import errors
from polycloud.common import exceptions
from polycloud.common.types import (
    Exchange,
    InvalidCredsError,
    LazyList,
    LibcloudError,
    MalformedResponseError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    RateLimitReachedError,
    ServerError,
    UnsupportedOperationError,
    error_from_status,
)
from polycloud.utils.headers import retry_after_seconds

ERRORS = list(
    dict.fromkeys(
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)
    )
)


def test_public_names() -> None:
    """Every error of the module is public, drawn in the module's docstring, and in one tree."""
    for error in ERRORS:
        assert error.__name__ in errors.__all__
        assert issubclass(error, PolycloudError)
        assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_errors_pickle(error: type[PolycloudError]) -> None:
    """An error survives pickling with its text, its arguments and the request that failed."""
    made = error().locate(Exchange("Cloud", "GET", "/x", 500, "r-1"))
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is error
    assert str(again) == str(made)
    assert "Cloud: GET /x, HTTP 500, request r-1" in str(again)


def test_libclouds_arguments() -> None:
    """Errors take and keep Libcloud's arguments under Libcloud's names."""
    driver = object()
    assert LibcloudError is PolycloudError
    assert (error := LibcloudError("text", driver)).value == "text"
    assert error.driver is driver
    assert ProviderError("text", 404, driver).http_code == 404
    assert InvalidCredsError().http_code == 401
    assert (http := ProviderHTTPError(404, "gone", {"a": "b"})).code == http.http_code == 404
    assert (http.message, http.headers, exceptions.BaseHTTPError) == ("gone", {"a": "b"}, ProviderHTTPError)
    assert MalformedResponseError("text", body="<html>").body == "<html>"
    assert OperationTimeoutError("a node to run", 2.5).waiting_for == "a node to run"
    assert issubclass(UnsupportedOperationError, NotImplementedError)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderHTTPError),
        (401, InvalidCredsError),
        (404, NotFoundError),
        (500, ServerError),
        (599, ServerError),
    ],
)
def test_error_from_status(status: int, error: type[ProviderError]) -> None:
    """A status maps to one class of the tree, which keeps the provider's message."""
    made = error_from_status(status, "the words")
    assert type(made) is error
    assert made.http_code == status
    assert "the words" in str(made)


def test_a_message_without_end() -> None:
    """Of a message of megabytes the beginning is shown, its length and the request; `value` has all of it."""
    error = PolycloudError("x" * 5_000_000).locate(Exchange("A", "GET", "/path"))
    assert str(error) == f"{'x' * 20_000}\u2026 4,980,000 more characters (A: GET /path)"
    assert error.value == "x" * 5_000_000


def test_first_location_stays() -> None:
    """An error that passes several requests on its way names the one that failed."""
    error = PolycloudError("x").locate(Exchange("A", "GET", "/first")).locate(Exchange("A", "GET", "/second"))
    assert "/first" in str(error)
    assert "/second" not in str(error)


def test_retry_after() -> None:
    """`Retry-After` is read as seconds and as a date, in any case of its name; the past means now."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    earlier = format_datetime(datetime.now(UTC) - timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds({"Retry-After": "17"}) == 17
    assert 80 < (retry_after_seconds({"retry-after": later}) or 0) <= 90
    assert retry_after_seconds({"retry-after": earlier}) == 0
    now = {"Date": "Wed, 10 Oct 2012 21:21:05 GMT"}
    for name in ("Retry-After", "Reply-After"):  # both are Rackspace's
        assert retry_after_seconds({name: "2012-10-10T21:21:15Z", **now}) == 10
    assert retry_after_seconds({"Retry-After": "0001-01-01T00:00:00+14:00"}) is None
    assert RateLimitReachedError(429, "slow down", {"Retry-After": "3"}).retry_after == 3
    assert RateLimitReachedError(429, "slow down").retry_after == 0


@given(st.text(max_size=40))
def test_any_retry_after_is_read_or_ignored(text: str) -> None:
    """No text in `Retry-After` makes an error: it is a number of seconds or it is nothing."""
    seconds = retry_after_seconds({"retry-after": text})
    assert seconds is None or seconds >= 0


def test_lazy_list() -> None:
    """A lazy list fetches a page only when its items are read, and ends."""
    asked: list[int | None] = []

    def get_more(last: int | None, exhausted: bool, values: dict[str, int]) -> tuple[list[int], int, bool]:
        asked.append(last)
        start = last or 0
        return list(range(start, start + 2)), start + 2, start + 2 >= values["size"]

    numbers: LazyList[int] = LazyList(get_more, {"size": 6})
    assert asked == []
    assert next(iter(numbers)) == 0
    assert asked == [None]
    assert list(numbers) == [0, 1, 2, 3, 4, 5]
    assert (len(numbers), numbers[5], numbers[1:3], repr(numbers)) == (6, 5, [1, 2], "[0, 1, 2, 3, 4, 5]")
    assert asked == [None, 2, 4]
