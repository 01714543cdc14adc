"""Connections to providers whose calls return a job that must be polled until it completes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from polycloud.common.connection import Connection
from polycloud.common.response import UNDOCUMENTED
from polycloud.concurrency import waiting
from polycloud.errors import OperationTimeoutError, PolycloudError

__all__ = ["PollingConnection"]

T = TypeVar("T")


class PollingConnection(Connection):
    """A connection for providers whose calls return a job; `async_request` polls it.

    `poll_interval` is the longest pause between two polls, `job_timeout` the time for the job, both in
    seconds; `timeout` is that of every single request, as everywhere.
    """

    poll_interval: float = 0.5
    job_timeout: float = 200.0

    def async_request(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        context: Mapping[str, Any] | None = None,
        *,
        json: Any = None,
        idempotent: bool | None = None,
    ) -> Any:
        """Send a request, poll until `has_completed`, and return the last response.

        The arguments are those of `request`; `context` is passed to `get_poll_request_kwargs`. The response
        that is returned has the first one as `first_response`, since that alone may name the new resource.

        Raises:
            OperationTimeoutError: The job did not complete within `job_timeout` seconds.
            PolycloudError: The error of the first request, of `has_completed`, or of a poll that cannot
                succeed later; that of a poll has a note that names the job.
        """
        kwargs = self.get_request_kwargs(action, params, data, headers, method, context)
        further = {"json": json, "idempotent": idempotent}
        kwargs.update((name, value) for name, value in further.items() if value is not None)
        first = self.request(**kwargs)
        last = first
        if not _read(first, lambda: self.has_completed(first)):
            polled = _read(first, lambda: self.get_poll_request_kwargs(first, context, kwargs))
            try:
                last = self._completed(f"{method} {action}", polled)
            except PolycloudError as error:
                error.repeated = error.repeated or first.repeated
                raise
        last.first_response = first
        return last

    def _completed(self, began: str, polled: dict[str, Any]) -> Any:
        """Return the response that says that the job has completed."""
        job = f"{polled.get('method', 'GET')} {polled.get('action')}"

        def poll() -> tuple[Any, PolycloudError | None] | None:
            response = self.request(**polled)
            try:
                return (response, None) if _read(response, lambda: self.has_completed(response)) else None
            except PolycloudError as error:  # a job that failed: no failure of the poll, which might pass
                return response, error

        try:
            last, failure = waiting.poll(
                poll,
                waiting_for=f"the job {job}, which {began} began",
                timeout=self.job_timeout,
                longest_pause=self.poll_interval,
            )
            if failure is not None:
                raise failure
        except OperationTimeoutError:
            raise
        except PolycloudError as error:
            error.add_note(f"while polling the job {job}, which {began} began")
            raise
        return last

    def get_request_kwargs(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of the first `request`."""
        return {"action": action, "params": params, "data": data, "headers": headers, "method": method}

    def get_poll_request_kwargs(
        self, response: Any, context: Mapping[str, Any] | None, request_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the arguments of the `request` that polls the job; `response` is the first response."""
        raise NotImplementedError(f"{type(self).__name__} must define get_poll_request_kwargs")

    def has_completed(self, response: Any) -> bool:
        """Return whether the response says that the job has completed; raise an error if it has failed."""
        raise NotImplementedError(f"{type(self).__name__} must define has_completed")


def _read(response: Any, hook: Callable[[], T]) -> T:
    """Return what an author's hook reads in `response`; its errors are errors of our tree, and located."""
    try:
        return hook()
    except PolycloudError as error:
        error.locate(response.exchange)
        raise
    except UNDOCUMENTED as error:
        raise response.undocumented(error) from None
