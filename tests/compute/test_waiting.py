"""Waits for nodes, and for lost creates, at a provider that fails for a while, for ever, or hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from polycloud.common.creation import Creation
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidCredsError,
    OperationTimeoutError,
    PolycloudError,
    ProviderHTTPError,
    ServerError,
    TransportError,
)
from polycloud.http.retry import RetryPolicy
from support.clock import ends_within
from support.web import Answer, Respond, Seen, serve

TOKEN = "t" * 64
RUNNING: dict[str, Any] = {
    "id": 7,
    "name": "web",
    "status": "active",
    "networks": {"v4": [{"ip_address": "203.0.113.7", "type": "public"}], "v6": []},
}


def listed(*droplets: dict[str, Any]) -> Answer:
    return Answer(body={"droplets": droplets, "links": {}, "meta": {"total": len(droplets)}})


@contextmanager
def at(respond: Respond, **options: Any) -> Iterator[tuple[DigitalOceanNodeDriver, Node]]:
    with serve(respond) as web, DigitalOceanNodeDriver(TOKEN, **web.options, **options) as driver:
        yield driver, Node("7", "web", NodeState.PENDING, [], [], driver)


def after(seconds: float, before: Callable[[], Answer | None], then: Answer) -> Respond:
    """Answer `then` once `seconds` have passed since the first request."""
    first: list[float] = []

    def respond(_: Seen) -> Answer | None:
        first.append(time.monotonic())
        return then if first[-1] - first[0] >= seconds else before()

    return respond


@pytest.mark.parametrize(
    "before",
    [
        lambda: Answer(500, {"id": "server_error", "message": "down"}),
        lambda: Answer(502, b"<html>Bad Gateway</html>"),
        lambda: Answer(429, {"id": "too_many_requests", "message": "slow down"}),
        lambda: Answer(body=b"<html>maintenance</html>"),
        lambda: None,
        listed,
    ],
    ids=["500", "502", "429", "not JSON", "aborted", "not listed"],
)
def test_a_provider_that_fails_for_a_while(before: Callable[[], Answer | None]) -> None:
    """Whatever fails for a while and may pass, a wait for a node goes on until it runs."""
    once = RetryPolicy(attempts=1)
    with at(after(0.3, before, listed(RUNNING)), retry=once) as (driver, node):
        [(running, addresses)] = driver.wait_until_running([node], timeout=60)
    assert (running.state, addresses) == (NodeState.RUNNING, ["203.0.113.7"])


def test_a_node_that_lists_omit_for_a_while() -> None:
    """A node that was listed, and is omitted for a second, has not vanished."""
    new = {**RUNNING, "status": "new"}
    first = [listed(new)]
    respond = after(1.5, lambda: first.pop() if first else listed(), listed(RUNNING))
    with at(respond) as (driver, node):
        [(running, _)] = driver.wait_until_running([node], timeout=60)
    assert running.state == NodeState.RUNNING


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401, {"id": "unauthorized", "message": "no"}), InvalidCredsError),
        (Answer(403, {"id": "forbidden", "message": "no"}), ProviderHTTPError),
        (listed({**RUNNING, "status": "archive"}), PolycloudError),
    ],
    ids=["401", "403", "a state that cannot run"],
)
def test_what_will_not_pass_ends_a_wait(answer: Answer, kind: type[PolycloudError]) -> None:
    """Refused credentials, a refused list and a node that cannot run end a wait at once."""
    with at(lambda _: answer) as (driver, node), ends_within(15), pytest.raises(kind) as caught:
        driver.wait_until_running([node], timeout=60)
    assert not isinstance(caught.value, OperationTimeoutError)


def test_lists_that_hang() -> None:
    """Where lists hang, a wait ends at its timeout, long before the driver's own timeout."""
    over = threading.Event()

    def hang(_: Seen) -> None:
        over.wait(60)

    try:
        with at(hang) as (driver, node), ends_within(15):
            with pytest.raises(
                OperationTimeoutError, match="to run: web is not listed; the last check failed"
            ):
                driver.wait_until_running([node], timeout=1)
            over.set()
    finally:
        over.set()


def test_a_timeout_names_the_last_failure() -> None:
    """A wait that times out while lists fail has the provider's message in its error."""
    down = Answer(500, {"id": "server_error", "message": "the database is down"})
    with at(lambda _: down) as (driver, node), ends_within(15):
        with pytest.raises(OperationTimeoutError, match="the database is down"):
            driver.wait_until_running([node], timeout=0.5)


class LostCreate(Creation[Node]):
    """A create whose response is lost, of a node that lists show after `seconds` of failures."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the node 'web'", "the tag 'x'", keyed=False)
        self.listed_at = time.monotonic() + seconds

    def send(self) -> Node | None:
        raise TransportError("cut")

    def find(self) -> Node | None:
        if time.monotonic() < self.listed_at:
            raise ServerError(500, "down")
        return Node("7", "web", NodeState.PENDING, [], [], DummyNodeDriver())


def test_a_lost_create_is_searched_for_the_settle_time() -> None:
    """A lost create is found though lists fail for a while; it is ambiguous after the settle time only."""
    assert LostCreate(0.2).run(settle_time=60, timeout=60).id == "7"
    began = time.monotonic()
    with ends_within(15), pytest.raises(AmbiguousCreateError, match="down"):
        LostCreate(60).run(settle_time=0.3, timeout=60)
    assert time.monotonic() - began > 0.25
