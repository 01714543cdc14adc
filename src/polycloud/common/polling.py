"""Connections to providers whose calls return a job that must be polled until it completes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polycloud.common.connection import Connection
from polycloud.concurrency import waiting

__all__ = ["PollingConnection"]


class PollingConnection(Connection):
    """A connection for providers whose calls return a job; `async_request` polls it.

    `poll_interval` is the longest pause between two polls, `timeout` the time for the job, both in seconds.
    """

    poll_interval: float = 0.5
    timeout = 200.0

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
    ) -> Any:
        """Send a request, poll until `has_completed`, and return the last response.

        The arguments are those of `request`; `context` is passed to `get_poll_request_kwargs`. Raises
        `OperationTimeoutError` after `timeout` seconds.
        """
        kwargs = self.get_request_kwargs(action, params, data, headers, method, context)
        if json is not None:
            kwargs["json"] = json
        first = self.request(**kwargs)
        if self.has_completed(first):
            return first

        def poll() -> Any:
            response = self.request(**self.get_poll_request_kwargs(first, context, kwargs))
            return response if self.has_completed(response) else None

        return waiting.poll(
            poll,
            waiting_for=f"{method} {action} to complete",
            timeout=self.timeout,
            longest_pause=self.poll_interval,
        )

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
        """Return the arguments of the `request` that polls the job."""
        raise NotImplementedError(f"{type(self).__name__} must define get_poll_request_kwargs")

    def has_completed(self, response: Any) -> bool:
        """Return whether the response says that the job has completed."""
        raise NotImplementedError(f"{type(self).__name__} must define has_completed")
