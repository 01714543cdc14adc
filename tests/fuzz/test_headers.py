from __future__ import annotations

import encodings
import math
import pkgutil
import time
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import astuple

from polycloud.common.digitalocean import DigitalOceanConnection, DigitalOceanResponse
from polycloud.common.response import Response
from polycloud.errors import RateLimitReachedError, error_from_status
from polycloud.utils.headers import Headers, rate_limits, requested_pause
from support.fuzz import answer, peak, scrambled

LIMITS = (
    "retry-after",
    "ratelimit-reset",
    "x-ratelimit-reset",
    "ratelimit-remaining",
    "ratelimit-limit",
    "ratelimit",
)
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
ODD_PAUSES = [
    *(
        "",
        " ",
        "-1",
        "+5",
        "1.5",
        "1e5",
        "9" * 400,
        "9" * 5000,
        "\u00b2",
        "\u0665",
        "\uff15",
        "0x10",
        "1_0",
        "nan",
    ),
    *(
        "Wed, 21 Oct 99999999999 07:28:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "31 Dec 9999 23:59:59 -2359",
    ),
    *("limit=1, remaining=0, reset=\u0665", "limit=1;t=5", "r=9;t=" + "9" * 20, ", ,", "Wed,", "1 2 3 4 5"),
]


def texts() -> st.SearchStrategy[str]:
    """What can stand in a header, as text."""
    near = scrambled(DATE.encode(), formatdate().encode(), b"120", b"limit=10, remaining=5, reset=30")
    return st.sampled_from(ODD_PAUSES) | near.map(lambda data: data.decode("latin-1")) | st.text(max_size=30)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5))))
def test_headers(items: list[tuple[str, str]]) -> None:
    """Every header is found by its name in any case, with all of its values."""
    headers = Headers(items)
    for name, value in items:
        assert value in headers[name]
        assert value in headers.get(name.lower())
        assert name in headers


@given(texts())
@example("Wed, 21 Oct 2015 07:28:00 GMT")
def test_retry_after(text: str) -> None:
    """A pause is a finite number of seconds from 0 on, whatever `Retry-After` says."""
    error = RateLimitReachedError(429, "slow down", {"Retry-After": text})
    assert 0 <= error.retry_after < math.inf


@given(st.dictionaries(st.sampled_from(LIMITS), texts()))
def test_limits(headers: dict[str, str]) -> None:
    """Limits in headers are read as numbers from 0 on, or as None."""
    for number in (*astuple(rate_limits(headers)), requested_pause(headers)):
        assert number is None or 0 <= number < math.inf


@given(st.dictionaries(st.sampled_from(LIMITS), texts()))
def test_rate_limit_of_digitalocean(headers: dict[str, str]) -> None:
    """A refusal keeps the provider's message, whatever its headers are."""
    refusal = answer(
        DigitalOceanResponse, b'{"message": "slow"}', headers, 429, DigitalOceanConnection("key")
    )
    error = refusal.to_error()
    assert isinstance(error, RateLimitReachedError)
    assert error.message == "slow"
    assert error.retry_after >= 0


@given(st.integers(100, 999), st.dictionaries(st.text(), st.text()))
def test_every_status_is_an_error(status: int, headers: dict[str, str]) -> None:
    """Every status has an error, whose text has the provider's message."""
    assert "words" in str(error_from_status(status, "words", headers))


CHARSETS = [module.name for module in pkgutil.iter_modules(encodings.__path__)]


@given(
    st.sampled_from(CHARSETS) | st.text(max_size=10),
    st.binary(max_size=40) | scrambled(b"xn--caf-dma \\u00e9 +AOk-"),
)
def test_charset(charset: str, body: bytes) -> None:
    """A body is text, whatever charset it declares."""
    for form in ("text/plain; charset={}", 'text/plain; charset="{}"; x=y', "CHARSET={}"):
        assert isinstance(answer(Response, body, {"Content-Type": form.format(charset)}).body, str)


@pytest.mark.parametrize("charset", CHARSETS)
def test_charset_of_a_long_body(charset: str) -> None:
    """No charset takes memory or time that is out of proportion to the body."""
    body = b"caf-" * 15_000 + b"-" + b"ab9" * 15_000
    response = answer(Response, body, {"Content-Type": f"text/plain; charset={charset}"})
    start = time.process_time()
    assert peak(lambda: response.body) < 50 * len(body)
    assert time.process_time() - start < 2
