from __future__ import annotations

import json
import socket
import threading
import time
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
    """Return the number of keys, by a request that faults for POST do not hit."""
    count: int = send("GET", PATH).json()["total_count"]
    return count


def test_a_status(cloud: Sandbox, send: Send) -> None:
    """A fault with a number responds once with that status, and the request is not carried out."""
    cloud.fault(503, method="POST", path=PATH)
    assert send("POST", PATH, **FORM).status == 503
    assert keys(send) == 0
    assert send("POST", PATH, **FORM).json()["success"]


def test_headers_and_body(cloud: Sandbox, send: Send) -> None:
    """An `Answer` has the given status, headers and body."""
    cloud.fault(Answer(429, {"Retry-After": "7"}, "zu schnell, spät"))
    response = send("GET", PATH)
    assert (response.status, response.data.decode()) == (429, "zu schnell, spät")
    assert (response.headers["Retry-After"], response.headers["Content-Length"]) == ("7", "17")


def test_a_response_lost_by_a_gateway(cloud: Sandbox, send: Send) -> None:
    """An `Answer` with `acted` replaces the response to a request that was carried out."""
    cloud.fault(Answer(502, acted=True), method="POST")
    assert send("POST", PATH, **FORM).status == 502
    assert keys(send) == 1


@pytest.mark.parametrize(("action", "acted"), [("reset before", 0), ("reset midway", 1), ("reset after", 1)])
def test_resets(cloud: Sandbox, send: Send, action: Any, acted: int) -> None:
    """A connection is reset before or after the request is carried out, or midway through the response."""
    cloud.fault(action, method="POST")
    token = urllib3.make_headers(basic_auth=":".join(cloud.credentials))["authorization"]
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 22\r\n\r\n"
    received = bytearray()
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=10) as connection:
        connection.sendall(f"{head}name=k&password=secret".encode())
        with pytest.raises(ConnectionResetError):
            read_all(connection, received)
    assert keys(send) == acted
    if action == "reset midway":
        head, _, body = received.decode().partition("\r\n\r\n")
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length: "))
        assert len(body) == int(length.partition(": ")[2]) // 2 > 0
    else:
        assert received == b""


def read_all(connection: socket.socket, received: bytearray) -> None:
    """Append what is received until the connection ends."""
    while data := connection.recv(65536):
        received += data


def test_truncate(cloud: Sandbox, send: Send) -> None:
    """A truncated response is complete for HTTP and has half of the body; the request is carried out."""
    complete = send("POST", PATH, **FORM)
    cloud.fault("truncate", method="POST")
    response = send("POST", PATH, **{**FORM, "name": "l"})
    assert response.status == 200
    assert len(response.data) == len(complete.data) // 2
    assert complete.data.startswith(response.data[:60])
    with pytest.raises(json.JSONDecodeError):
        response.json()
    assert keys(send) == 2


@pytest.mark.parametrize(("action", "content_type"), [("html", "text/html"), ("garbage", "application/json")])
def test_bodies_that_are_not_json(cloud: Sandbox, send: Send, action: Any, content_type: str) -> None:
    """A page and garbage come with status 200, and the request is not carried out."""
    cloud.fault(action, method="POST")
    response = send("POST", PATH, **FORM)
    assert response.status == 200
    assert response.headers["Content-Type"].startswith(content_type)
    with pytest.raises(ValueError, match=r"Expecting value|decode"):
        response.json()
    assert keys(send) == 0


def test_slow(cloud: Sandbox, pool: urllib3.PoolManager, send: Send) -> None:
    """A slow request is carried out before the response, so a client that gives up has changed the state."""
    cloud.fault(Slow(600), method="POST")
    headers = urllib3.make_headers(basic_auth="user:correct_password")
    with pytest.raises(ReadTimeoutError):
        pool.request("POST", cloud.url + PATH, body="name=k&password=secret", headers=headers, timeout=0.1)
    assert keys(send) == 1


def test_slow_but_right(cloud: Sandbox, send: Send) -> None:
    """A slow response is the right one, after the given time."""
    quick = send("GET", PATH)
    cloud.fault(Slow(0.05))
    began = time.monotonic()
    slow = send("GET", PATH)
    assert time.monotonic() - began >= 0.05
    assert (slow.status, slow.data) == (quick.status, quick.data)


def test_stall(pool: urllib3.PoolManager) -> None:
    """A stalled request gets no response and is not carried out, and a stop ends it."""
    outcome: list[str] = []
    headers = urllib3.make_headers(basic_auth="user:correct_password")

    def call() -> None:
        try:
            pool.request("POST", cloud.url + PATH, body="name=k&password=secret", headers=headers, timeout=60)
        except ProtocolError:
            outcome.append("closed")

    with Sandbox("nephoscale") as cloud:
        cloud.fault("stall", method="POST")
        caller = threading.Thread(target=call)
        caller.start()
        while not cloud.requests:
            threading.Event().wait(0.01)
    caller.join(timeout=60)
    assert outcome == ["closed"]
    with cloud:
        assert pool.request("GET", cloud.url + PATH, headers=headers).json()["total_count"] == 0


def test_latency(pool: urllib3.PoolManager) -> None:
    """Latency delays every response: a client with a shorter timeout gets none, others the right one."""
    with Sandbox("nephoscale", latency=0.2) as cloud:
        for _ in range(2):
            with pytest.raises(ReadTimeoutError):
                pool.request("GET", cloud.url, timeout=0.02)
            assert pool.request("GET", cloud.url, timeout=30).status == 401


def test_head(cloud: Sandbox, send: Send) -> None:
    """The response to a HEAD has the length of the body that a GET would get."""
    assert send("HEAD", PATH).headers["Content-Length"] == str(len(send("GET", PATH).data))


def test_matching(cloud: Sandbox, send: Send) -> None:
    """A fault hits only requests with its method and path, in which a star matches any text."""
    cloud.fault(500, method="post", path="/server/cloud/*/initiator/*")
    assert send("GET", "/server/cloud/1/initiator/stop/").status == 405
    assert send("POST", PATH).status == 200
    assert send("POST", "/server/cloud/1/initiator/stop/").status == 500


def test_times(cloud: Sandbox, send: Send) -> None:
    """A fault hits as many requests as `times` says, all if that is None, and the oldest fault applies."""
    cloud.fault(500, times=2)
    cloud.fault(503, times=None)
    assert [send("GET", PATH).status for _ in range(5)] == [500, 500, 503, 503, 503]


def test_bad_faults(cloud: Sandbox) -> None:
    """An invalid fault is a ValueError that says what is valid."""
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
    """Of concurrent requests a fault hits exactly as many as `times` says."""
    cloud.fault(500, times=3)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(send("GET", PATH).status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 5 + [500] * 3
