"""How Linode is told to do what takes time, and how its end is waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, TypedDict, TypeVar

from polycloud.common.linode import LinodeBaseDriver, LinodeBusyError
from polycloud.common.payload import Item
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers._linode.fields import linode_id
from polycloud.compute.drivers._linode.payloads import Image, Volume
from polycloud.compute.objects import Node
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import remaining

R = TypeVar("R")
T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0


class Waiting(TypedDict, total=False):
    """How long to wait for an operation: `ex_timeout` seconds (600), not at all with `ex_wait=False`."""

    ex_wait: bool
    ex_timeout: float


class LinodeOperations(LinodeBaseDriver, NodeDriver):
    """What tells a node or a volume to do something, and waits until it is done."""

    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a node that is busy with something else, and refuses meanwhile."""

    def _operate(
        self,
        node: Node,
        verb: str,
        action: str,
        body: Mapping[str, Any] | None = None,
        ex_wait: bool = True,
        ex_timeout: float = 600.0,
    ) -> bool:
        """Tell a node to do something, and wait until the event `action` has ended."""
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/{verb}"
        return self._await(
            id_, action, partial(self.connection.act, path, **(body or {})), ex_wait, ex_timeout
        )

    def _await(
        self, id_: int, action: str, send: Callable[[], R], ex_wait: bool = True, ex_timeout: float = 600.0
    ) -> R:
        """What `send` gives, after the event `action` that it causes has ended."""
        waiting.require_times(ex_timeout)
        if not ex_wait:
            return self._when_free(send)
        result, wait = self.connection.begin(id_, action, partial(self._when_free, send))
        wait(ex_timeout)
        return result

    def _latest(self, path: str, begun: Item[T], ex_wait: bool = True, ex_timeout: float = 0) -> Item[T]:
        """What is at `path` after it was waited for; else as it began."""
        return self.connection.fetch(path, type(begun.value)) if ex_wait else begun

    def _when_free(self, send: Callable[[], R]) -> R:
        """What `send` gives; what is busy with something else refuses it, and is asked again."""
        left, pause = self.busy_time, FIRST_PAUSE
        while True:
            try:
                return send()
            except LinodeBusyError:
                if left <= 0:
                    raise
            pause = max(0.0, min(pause, left, remaining()))  # the call's deadline ends the next request
            self.connection.sleep(pause)
            left, pause = left - pause, min(pause * 2, LONGEST_PAUSE)

    def _until(
        self,
        path: str,
        type_: type[Volume | Image],
        status: str,
        ex_wait: bool = True,
        ex_timeout: float = 600.0,
    ) -> bool:
        """Wait until what is at `path` has this status."""

        def look() -> bool | None:
            told: Volume | Image = self.connection.fetch(path, type_).value
            return True if told.status == status else None

        return not ex_wait or waiting.poll(look, waiting_for=f"{path} to be {status}", timeout=ex_timeout)
