from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from polycloud.sandbox import Answer, Sandbox, Slow

if TYPE_CHECKING:
    from collections.abc import Callable

    Send = Callable[..., urllib3.BaseHTTPResponse]

PATH = "/key/password/"
FORM = {"name": "k", "password": "secret"}


def keys(send: Send) -> int:
    """How many keys there are, asked past all faults for POST."""
    count: int = send("GET", PATH).json()["total_count"]
    return count


def test_a_status(cloud: Sandbox, send: Send) -> None:
    """A fault with a number answers once with that status, without the cloud's doing."""
    cloud.fault(503, method="POST", path=PATH)
    assert send("POST", PATH, **FORM).status == 503
    assert keys(send) == 0
    assert send("POST", PATH, **FORM).json()["success"]


def test_headers_and_body(cloud: Sandbox, send: Send) -> None:
    """An `Answer` carries headers and a body."""
    cloud.fault(Answer(429, {"Retry-After": "7"}, "zu schnell, spät"))
    answer = send("GET", PATH)
    assert (answer.status, answer.headers["Retry-After"], answer.data.decode()) == (
        429,
        "7",
        "zu schnell, spät",
    )


def test_a_lost_answer_of_a_gateway(cloud: Sandbox, send: Send) -> None:
    """An `Answer` with `acted` takes the place of the answer to what was carried out."""
    cloud.fault(Answer(502, acted=True), method="POST")
    assert send("POST", PATH, **FORM).status == 502
    assert keys(send) == 1


@pytest.mark.parametrize(("action", "acted"), [("reset before", 0), ("reset midway", 1), ("reset after", 1)])
def test_resets(cloud: Sandbox, send: Send, action: Any, acted: int) -> None:
    """A reset cuts the connection before or after the cloud acted, as its name says."""
    cloud.fault(action, method="POST")
    with pytest.raises(ProtocolError):
        send("POST", PATH, **FORM)
    assert keys(send) == acted


def test_truncate(cloud: Sandbox, send: Send) -> None:
    """A truncated answer is complete for HTTP and half of the JSON; the cloud acted."""
    cloud.fault("truncate", method="POST")
    answer = send("POST", PATH, **FORM)
    assert answer.status == 200
    assert answer.data.startswith(b'{"success":true')
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert keys(send) == 1


@pytest.mark.parametrize(("action", "content_type"), [("html", "text/html"), ("garbage", "application/json")])
def test_what_is_no_json(cloud: Sandbox, send: Send, action: Any, content_type: str) -> None:
    """A page and garbage come with status 200, and the cloud did not act."""
    cloud.fault(action, method="POST")
    answer = send("POST", PATH, **FORM)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    with pytest.raises(ValueError, match=r"Expecting value|decode"):
        answer.json()
    assert keys(send) == 0


def test_slow(cloud: Sandbox, pool: urllib3.PoolManager, send: Send) -> None:
    """A slow cloud acts before it answers, so a caller who gives up has changed the state."""
    cloud.fault(Slow(600), method="POST")
    headers = urllib3.make_headers(basic_auth="user:correct_password")
    with pytest.raises(ReadTimeoutError):
        pool.request("POST", cloud.url + PATH, body="name=k&password=secret", headers=headers, timeout=0.1)
    assert keys(send) == 1


def test_slow_but_right(cloud: Sandbox, send: Send) -> None:
    """A slow answer is the right one."""
    cloud.fault(Slow(0.05))
    assert send("POST", PATH, **FORM).json()["success"]


def test_stall(pool: urllib3.PoolManager) -> None:
    """A stalled request is never answered nor carried out, and a stop ends it."""
    outcome: list[str] = []

    def call() -> None:
        try:
            pool.request("GET", cloud.url, timeout=60)
        except ProtocolError:
            outcome.append("cut")

    with Sandbox("nephoscale") as cloud:
        cloud.fault("stall")
        caller = threading.Thread(target=call)
        caller.start()
        while not cloud.requests:
            threading.Event().wait(0.01)
    caller.join(timeout=30)
    assert outcome == ["cut"]


def test_latency(pool: urllib3.PoolManager) -> None:
    """With latency a caller of less patience gets no answer; with more, the right one."""
    with Sandbox("nephoscale", latency=0.2) as cloud:
        with pytest.raises(ReadTimeoutError):
            pool.request("GET", cloud.url, timeout=0.02)
        assert pool.request("GET", cloud.url, timeout=30).status == 401


def test_matching(cloud: Sandbox, send: Send) -> None:
    """A fault hits only its method and path, in which a star stands for any text."""
    cloud.fault(500, method="post", path="/server/cloud/*/initiator/*")
    assert send("GET", "/server/cloud/1/initiator/stop/").status == 405
    assert send("POST", PATH).status == 200
    assert send("POST", "/server/cloud/1/initiator/stop/").status == 500


def test_times(cloud: Sandbox, send: Send) -> None:
    """A fault hits as often as told, the oldest first, and for ever if told so."""
    cloud.fault(500, times=2)
    cloud.fault(503, times=None)
    assert [send("GET", PATH).status for _ in range(5)] == [500, 500, 503, 503, 503]


def test_bad_faults(cloud: Sandbox) -> None:
    """A fault that cannot be is a ValueError that says what can be."""
    wrong: Any = "rest before"
    with pytest.raises(ValueError, match="choose from reset before, reset midway"):
        cloud.fault(wrong)
    with pytest.raises(ValueError, match="times must be 1 or more"):
        cloud.fault(500, times=0)
    with pytest.raises(ValueError, match="status must be"):
        cloud.fault(99)
    with pytest.raises(ValueError, match="seconds must be"):
        cloud.fault(Slow(-1))


def test_faults_and_threads(cloud: Sandbox, send: Send) -> None:
    """Of many requests at once a fault hits exactly as many as told."""
    cloud.fault(500, times=3)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(send("GET", PATH).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 5 + [500] * 3
