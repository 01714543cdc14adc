from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import urllib3

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    """An HTTP client that sends everything once."""
    with urllib3.PoolManager(retries=False, timeout=10) as manager:
        yield manager


@pytest.fixture
def now() -> list[float]:
    """The time of `cloud`, as the only item."""
    return [1000.0]


@pytest.fixture
def later(now: list[float]) -> Callable[[float], None]:
    """Advances the time of `cloud` by seconds."""

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    return pass_time


@pytest.fixture
def cloud(now: list[float]) -> Iterator[Sandbox]:
    """A NephoScale without machines, whose time advances only when a test says so."""
    with Sandbox("nephoscale", clock=lambda: now[0], ssh="off") as sandbox:
        yield sandbox


@pytest.fixture
def send(cloud: Sandbox, pool: urllib3.PoolManager) -> Callable[..., urllib3.BaseHTTPResponse]:
    """Sends a request with a form, with the right credentials unless others are given."""

    def request(method: str, path: str, *, login: str | None = None, **form: Any) -> urllib3.BaseHTTPResponse:
        headers = urllib3.make_headers(basic_auth=login or ":".join(cloud.credentials))
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return pool.request(method, cloud.url + path, body=urlencode(form), headers=headers)

    return request


@pytest.fixture
def ask(send: Callable[..., urllib3.BaseHTTPResponse]) -> Callable[..., dict[str, Any]]:
    """Sends like `send`, and returns the envelope."""

    def envelope(method: str, path: str, **form: Any) -> dict[str, Any]:
        response: dict[str, Any] = send(method, path, **form).json()
        return response

    return envelope


@pytest.fixture
def built(
    ask: Callable[..., dict[str, Any]], later: Callable[[float], None]
) -> Callable[..., dict[str, Any]]:
    """Creates a cloud server, waits until it is built, and returns it as the API lists it."""

    def create(name: str = "web", **form: Any) -> dict[str, Any]:
        ask("POST", "/server/cloud/", **{"name": name, "service_type": 3, "image": 49, **form})
        later(2)
        server: dict[str, Any] = ask("GET", "/server/cloud/")["data"][-1]
        return server

    return create
