from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.http import Headers, RawResponse, Request
from polycloud.common.retry import RetryPolicy, may_have_acted
from polycloud.common.types import ConnectError, ReadTimeoutError, TLSError, TransportError

POST = Request("POST", "http://localhost/")
GET = Request("GET", "http://localhost/", repeatable=True)


@given(st.integers(1, 200), st.floats(0, 5), st.floats(1, 4), st.floats(0, 100))
def test_pauses_are_bounded(attempt: int, base: float, factor: float, cap: float) -> None:
    """A pause is never negative and never beyond the cap."""
    policy = RetryPolicy(base=base, factor=factor, cap=cap)
    assert 0 <= policy.pause(attempt, ConnectError("x")) <= cap


def test_pauses_vary() -> None:
    """Pauses have full jitter, so that many callers do not come back together."""
    pauses = {RetryPolicy().pause(3, ConnectError("x")) for _ in range(50)}
    assert len(pauses) > 40


def test_retry_after_is_a_lower_bound() -> None:
    """A pause is never shorter than the provider asks for."""
    answer = RawResponse(429, "", Headers([("Retry-After", "30")]))
    assert RetryPolicy().pause(1, answer) >= 30


@pytest.mark.parametrize(
    "error", [ConnectError("x"), TransportError("x"), ReadTimeoutError("x"), TLSError("x")]
)
def test_what_may_be_sent_again(error: TransportError) -> None:
    """A POST is repeated where nothing was sent, a GET unless the certificate is bad."""
    refused, untrusted = isinstance(error, ConnectError), isinstance(error, TLSError)
    assert RetryPolicy().allows(POST, 1, error) is refused
    assert RetryPolicy().allows(GET, 1, error) is not untrusted
    assert not RetryPolicy(attempts=1).allows(GET, 1, error)
    assert may_have_acted(error) is not (refused or untrusted)
