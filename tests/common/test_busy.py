"""Actions that are refused while a resource is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from polycloud.common.base import ConnectionKey, JsonResponse
from polycloud.common.busy import when_free
from polycloud.concurrency.bridge import bridged
from polycloud.concurrency.calls import call_options
from polycloud.errors import ConflictError, NotFoundError, PolycloudError
from polycloud.http.loop import LoopTransports
from support.clock import ends_within
from support.web import Answer, Web, serve

BUSY = Answer(409, {"message": "it is busy"})
TAKEN = Answer(409, {"message": "the name is taken"})


class Response(JsonResponse):
    """Has errors with a message."""


class Connection(ConnectionKey):
    """A connection to the server of a test."""

    responseCls = Response


def answering(*answers: Answer | None) -> Callable[[object], Answer | None]:
    """Respond with each of the answers, and with 200 from then on."""
    left = iter(answers)
    return lambda _: next(left, Answer(200, {"rebooted": True}))


def reboot(web: Web, **options: Any) -> Any:
    connection = Connection("key", **web.options)
    return when_free(lambda: connection.request("/reboot", method="POST"), **options).object


def test_a_busy_resource_is_waited_for() -> None:
    """An action that is refused as busy is sent again until it is accepted."""
    with serve(answering(BUSY, BUSY)) as web:
        assert reboot(web) == {"rebooted": True}
    assert len(web.seen) == 3


@pytest.mark.parametrize(
    "answer", [None, Answer(503), Answer(500), Answer(408), Answer(429), Answer(404), Answer(400)], ids=str
)
def test_nothing_else_is_repeated(answer: Answer | None) -> None:
    """After a lost response, or another refusal, an action is not sent again."""
    with serve(answering(answer)) as web, pytest.raises(PolycloudError):
        reboot(web)
    assert len(web.seen) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_lost_response_is_never_busy(status: int) -> None:
    """A response that may come after the action is not taken for busy, whatever the driver says."""
    with serve(answering(Answer(status))) as web, pytest.raises(PolycloudError):
        reboot(web, is_busy=lambda _: True)
    assert len(web.seen) == 1


def test_a_lost_response_after_a_refusal() -> None:
    """An action that was refused as busy is not sent a third time if the response to the second is lost."""
    with serve(answering(BUSY, None)) as web, pytest.raises(PolycloudError):
        reboot(web)
    assert len(web.seen) == 2


def test_what_says_busy() -> None:
    """The driver's predicate tells which refusals are repeated: not every conflict, and others too."""

    def is_busy(refusal: object) -> bool:
        return "busy" in str(refusal)

    with serve(answering(Answer(423, {"message": "busy"}), BUSY, TAKEN)) as web:
        with pytest.raises(ConflictError, match="the name is taken"):
            reboot(web, is_busy=is_busy)
    assert len(web.seen) == 3


def test_a_resource_that_stays_busy() -> None:
    """After `timeout` seconds the refusal is raised, with the provider's message."""
    with serve(lambda _: BUSY) as web, ends_within(10), pytest.raises(ConflictError, match="it is busy"):
        reboot(web, timeout=0.3)
    assert len(web.seen) >= 2


def test_in_an_event_loop() -> None:
    """On an event loop other tasks run while an action waits."""

    async def both(web: Web) -> list[Any]:
        async with LoopTransports() as transports:
            waiting = asyncio.create_task(bridged(lambda: reboot(web), transports))
            turns = 0
            while not waiting.done():
                await asyncio.sleep(0.01)
                turns += 1
            return [await waiting, turns]

    with serve(answering(BUSY)) as web:
        result, turns = asyncio.run(both(web))
    assert (result, turns >= 5) == ({"rebooted": True}, True)


def test_a_deadline() -> None:
    """The wait ends with the deadline of the call."""
    with serve(lambda _: BUSY) as web, ends_within(10), call_options(deadline=0.3):
        with pytest.raises(PolycloudError, match="deadline"):
            reboot(web, timeout=60)


def test_a_look_before_the_second_request() -> None:
    """With `is_free` the action is sent once more, when the resource is free; a second refusal is final."""
    looks = iter([False, False, True])
    with serve(answering(BUSY, BUSY)) as web, pytest.raises(ConflictError, match="it is busy"):
        reboot(web, is_free=lambda: next(looks))
    assert (len(web.seen), next(looks, None)) == (2, None)


def test_a_look_that_does_not_help() -> None:
    """A resource that stays busy, or cannot be read, is the refusal, and the action is not sent again."""

    def fails() -> bool:
        raise NotFoundError(404, "no such server")

    for is_free in (lambda: False, fails):
        with serve(answering(BUSY)) as web, pytest.raises(ConflictError, match="it is busy"):
            reboot(web, is_free=is_free, timeout=0.2)
        assert len(web.seen) == 1
