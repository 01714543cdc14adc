"""Actions: operations that take time, how their end is awaited, and the account's events.

`LinodeActions` is what the package's other classes for a noun share. Two waits are combined here. Before an
operation, `_when_free` repeats a request that is refused because the resource is busy with another one. After
it, `_await` waits for the event by which the provider reports the end (see `LinodeConnection.begin`). Volumes
and images have no such events: `_wait_for_status` polls their status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Protocol, TypedDict, TypeVar

from polycloud.common.busy import when_free
from polycloud.common.linode import Filter, LinodeBaseDriver, LinodeBusyError, LinodeEvent, number
from polycloud.common.payload import Item
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.objects import Node
from polycloud.concurrency import waiting

R = TypeVar("R")
T = TypeVar("T")


class Waiting(TypedDict, total=False):
    """How to wait for an operation: up to `ex_timeout` seconds (600), or not at all with `ex_wait=False`."""

    ex_wait: bool
    ex_timeout: float


class WithStatus(Protocol):
    """A payload with a status."""

    status: str | None


class LinodeActions(LinodeBaseDriver, NodeDriver):
    """Methods of actions and events.

    Methods that take time wait until the operation has ended; `ex_wait=False` returns as soon as it is
    accepted. They raise `OperationTimeoutError` after `ex_timeout` seconds, `ProviderError` if the operation
    fails, and `ConflictError` if the resource stays busy with another one for `busy_time` seconds. The end of
    a node's operation is read from the account's events: with a token that may not read them, methods return
    as soon as it is accepted.
    """

    busy_time: ClassVar[float] = 60.0
    """Seconds for which a request is repeated that is refused because the resource is busy."""

    def ex_list_events(
        self, node: Node | None = None, *, ex_filter: Filter | None = None
    ) -> list[LinodeEvent]:
        """Return the events of the account, or of a node, in the last 90 days."""
        concerning = {"entity.id": linode_id(node)} if node else {}
        return self.connection.list_events({**concerning, **(ex_filter or {})})

    def _operate(
        self,
        node: Node,
        verb: str,
        action: str,
        body: Mapping[str, Any] | None = None,
        ex_wait: bool = True,
        ex_timeout: float = 600.0,
    ) -> bool:
        """POST `body` to a node's `verb`, and wait until the event `action` has ended."""
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/{verb}"
        return self._await(
            id_, action, partial(self.connection.act, path, **(body or {})), ex_wait, ex_timeout
        )

    def _await(
        self, id_: int, action: str, send: Callable[[], R], ex_wait: bool = True, ex_timeout: float = 600.0
    ) -> R:
        """Call `send`, wait until the event `action` that it causes has ended, and return its result."""
        waiting.require_times(ex_timeout)
        if not ex_wait:
            return self._when_free(send)
        result, wait = self.connection.begin(id_, action, partial(self._when_free, send))
        wait(ex_timeout)
        return result

    def _latest(self, path: str, begun: Item[T], ex_wait: bool = True, ex_timeout: float = 0) -> Item[T]:
        """Fetch an object again if its operation was waited for; else return it as it `begun`."""
        return self.connection.fetch(path, type(begun.value)) if ex_wait else begun

    def _when_free(self, send: Callable[[], R]) -> R:
        """Call `send`, repeating it while the resource is busy, and return its result."""
        return when_free(
            send, timeout=self.busy_time, is_busy=lambda refusal: isinstance(refusal, LinodeBusyError)
        )

    def _wait_for_status(
        self,
        path: str,
        type_: type[WithStatus],
        status: str,
        ex_wait: bool = True,
        ex_timeout: float = 600.0,
    ) -> bool:
        """Wait until the object at `path` has this status."""

        def poll() -> bool | None:
            return self.connection.fetch(path, type_).value.status == status or None

        return not ex_wait or waiting.poll(poll, waiting_for=f"{path} to be {status}", timeout=ex_timeout)


def linode_id(node: Node) -> int:
    """Return a node's id as a number. Raises `InvalidArgumentError` unless it is a node of Linode."""
    return number(require_id(node))
