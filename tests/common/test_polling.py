from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from polycloud.common.base import JsonResponse, PollingConnection
from polycloud.errors import (
    ConflictError,
    MalformedResponseError,
    NotFoundError,
    OperationTimeoutError,
    ServerError,
    error_from_status,
)
from polycloud.http.retry import RetryPolicy
from support.web import Answer, Seen, serve

ONCE = RetryPolicy(attempts=1)


class Polling(PollingConnection):
    responseCls = JsonResponse
    poll_interval = 0.01

    def get_poll_request_kwargs(self, response: Any, context: Any, request_kwargs: Any) -> dict[str, Any]:
        return {"action": f"/job/{response.object['job']}"}

    def has_completed(self, response: Any) -> bool:
        if "failed" in response.object:
            raise error_from_status(response.object["failed"], "the job failed")
        return bool(response.object.get("done"))


class Hasty(Polling):
    job_timeout = 0.1


def job(*states: Any) -> Callable[[Seen], Answer | None]:
    """Return answers that begin a job and tell its states; the last one again and again."""
    left = list(states)

    def respond(seen: Seen) -> Answer | None:
        if seen.method == "POST":
            return Answer(202, {"job": 7, "server": "web-1"})
        state = left.pop(0) if len(left) > 1 else left[0]
        return state if isinstance(state, Answer | None) else Answer(body=state)

    return respond


def test_polling() -> None:
    """A job is polled until it has completed, and the last response is returned, with the first one."""
    with serve(job({"done": False}, {"done": True, "id": 5})) as web:
        last = Polling(**web.options).async_request("/make", method="POST")
    assert last.object == {"done": True, "id": 5}
    assert last.first_response.object == {"job": 7, "server": "web-1"}
    assert [seen.path for seen in web.seen] == ["/make", "/job/7", "/job/7"]


def test_jobs_that_are_done_at_once() -> None:
    """A first response that says that the job has completed is the last one too, and nothing is polled."""
    with serve(lambda _: Answer(body={"done": True})) as web:
        last = Polling(**web.options).async_request("/make")
    assert last.first_response is last
    assert len(web.seen) == 1


def test_polling_gives_up() -> None:
    """A job that does not complete within `job_timeout` is given up, and the error names it."""
    with serve(job({"done": False})) as web:
        with pytest.raises(OperationTimeoutError, match="the job GET /job/7, which POST /make began"):
            Hasty(**web.options).async_request("/make", method="POST")


def test_the_time_of_a_job() -> None:
    """`timeout` is the time of each request, and leaves the job its own."""
    states = [{"done": False}] * 30
    with serve(job(*states, {"done": True})) as web:
        connection = Polling(**web.options, timeout=0.5)
        assert connection.async_request("/make", method="POST").object == {"done": True}
    assert connection.job_timeout == 200


def test_polls_that_fail() -> None:
    """A poll that fails for a while is no end of the job."""
    with serve(job(Answer(503), None, Answer(200, b"<html>"), {"done": True})) as web:
        connection = Polling(**web.options, retry=ONCE)
        assert connection.async_request("/make", method="POST").object == {"done": True}


@pytest.mark.parametrize(("status", "kind"), [(409, ConflictError), (500, ServerError)])
def test_jobs_that_fail(status: int, kind: type[Exception]) -> None:
    """What `has_completed` raises ends the wait at once, though it would pass as a failure of the poll."""
    with serve(job({"done": False}, {"failed": status})) as web:
        with pytest.raises(kind, match=r"the job failed .*GET /job/7") as caught:
            Polling(**web.options).async_request("/make", method="POST")
    assert caught.value.__notes__ == ["while polling the job GET /job/7, which POST /make began"]
    assert len(web.seen) == 3


def test_jobs_that_are_gone() -> None:
    """A poll that cannot succeed later ends the wait, and a note names the job."""
    with serve(job(Answer(404, {"message": "no such job"}))) as web:
        with pytest.raises(NotFoundError, match="no such job") as caught:
            Polling(**web.options).async_request("/make", method="POST")
    assert "the job GET /job/7, which POST /make began" in caught.value.__notes__[0]


@pytest.mark.parametrize("body", [{}, []])
def test_jobs_without_an_id(body: Any) -> None:
    """A first response that lacks what a hook reads is a `MalformedResponseError`."""
    with serve(lambda _: Answer(body=body)) as web:
        with pytest.raises(MalformedResponseError, match="not as documented"):
            Polling(**web.options).async_request("/make")


def test_idempotent_jobs() -> None:
    """`idempotent=True` lets a first request be sent again whose response was lost."""
    lost = iter([None])
    answer = job({"done": True})
    with serve(
        lambda seen: next(lost) if seen.method == "POST" and len(web.seen) == 1 else answer(seen)
    ) as web:
        connection = Polling(**web.options, retry=RetryPolicy(base=0))
        connection.async_request("/make", method="POST", json={"name": "web"}, idempotent=True)
    assert [seen.method for seen in web.seen] == ["POST", "POST", "GET"]
    assert web.seen[1].body == b'{"name":"web"}'


def test_jobs_without_hooks() -> None:
    """A polling connection that lacks a hook names it."""
    with serve() as web:
        connection = PollingConnection(**web.options)
        with pytest.raises(NotImplementedError, match="PollingConnection must define has_completed"):
            connection.async_request("/")
        connection.close()
