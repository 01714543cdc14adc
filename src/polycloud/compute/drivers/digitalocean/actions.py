"""Actions: operations that take time, and how their end is awaited.

`DigitalOceanActions` is what the package's other classes for a noun share. A droplet carries out one action
at a time and refuses any other one meanwhile: `_when_free` waits once for the droplet to be free and sends
the request again. `_when_idle` does so for a volume or a reserved address, whose actions are listed at their
own path. `_operate` waits for the end of an action that was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, ClassVar, TypedDict, TypeVar

import msgspec

from polycloud.common.busy import when_free
from polycloud.common.digitalocean import (
    DigitalOceanAction,
    DigitalOceanBaseDriver,
    StartedAction,
    number,
)
from polycloud.common.payload import Item, decode, value_of
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.objects import Node
from polycloud.utils.status import HTTPStatus

R = TypeVar("R")
BUSY_STATUSES = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


# Not a class: typing would compile its annotations one by one, which takes time at import
Waiting = TypedDict("Waiting", {"ex_wait": bool, "ex_timeout": float}, total=False)  # noqa: UP013
"""How to wait for an action: up to `ex_timeout` seconds (600), or not at all with `ex_wait=False`."""


class Lock(msgspec.Struct):
    """The field of a droplet that says whether it is busy with an action."""

    locked: bool | None = None


class DigitalOceanActions(DigitalOceanBaseDriver, NodeDriver):
    """Methods of actions.

    Methods that change a node wait until the action has ended; `ex_wait=False` returns as soon as it is
    accepted. They raise `OperationTimeoutError` after `ex_timeout` seconds, `ProviderError` if the action
    fails, and `ConflictError` if the node stays busy with another one for `busy_time` seconds.
    """

    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a node that refuses an action because it is busy with another one."""

    def ex_get_action(self, action_id: int | str) -> DigitalOceanAction:
        """Return an action as it is now."""
        return self.connection.get_action(action_id)

    def ex_list_actions(self, node: Node | None = None) -> list[DigitalOceanAction]:
        """Return the actions of the account, or of a node, newest first."""
        return self.connection.list_all(_actions_path(node), "actions", DigitalOceanAction, value_of)

    def ex_get_event(self, event_id: int | str) -> dict[str, Any]:
        """Like `ex_get_action`, but return the provider's payload as a dict."""
        return as_dict(self.connection.fetch(f"/actions/{number(event_id)}", "action", DigitalOceanAction))

    def ex_list_events(self, node: Node | None = None) -> list[dict[str, Any]]:
        """Like `ex_list_actions`, but return the provider's payloads as dicts."""
        return self.connection.list_all(
            _actions_path(node), "actions", DigitalOceanAction, as_dict, key=itemgetter("id")
        )

    def _act(self, node: Node, type_: str, **fields: Any) -> StartedAction:
        """Start an action of a node as soon as the node is free."""
        id_ = droplet_id(node)
        path = f"/droplets/{id_}/actions"
        return self._when_free(id_, lambda: self.connection.act(path, type=type_, **fields))

    def _when_free(self, node_id: int, send: Callable[[], R]) -> R:
        """Call `send` and return its result; once more if the node is busy, when it is free."""

        def is_free() -> bool:
            return not self.connection.fetch(f"/droplets/{node_id}", "droplet", Lock).value.locked

        return when_free(send, timeout=self.busy_time, is_free=is_free)

    def _when_idle(self, path: str, send: Callable[[], R]) -> R:
        """Call `send` and return its result; once more if it is refused, when what is at `path` is idle.

        The message does not say which refusals pass: "Attachment not found" is one while a volume is being
        attached.
        """

        def is_idle() -> bool:
            actions = self.connection.list_all(f"{path}/actions", "actions", DigitalOceanAction, value_of)
            return not any(action.status == "in-progress" for action in actions)

        return when_free(
            send,
            timeout=self.busy_time,
            is_busy=lambda refusal: refusal.http_code in BUSY_STATUSES,
            is_free=is_idle,
        )

    def _operate(self, started: StartedAction, ex_wait: bool = True, ex_timeout: float = 600.0) -> bool:
        """Wait for an action that was started, unless `ex_wait` is false; return True."""
        if ex_wait:
            self.connection.wait_for(started, ex_timeout)
        return True


def droplet_id(node: Node) -> int:
    """Return a node's id as a number. Raises `InvalidArgumentError` unless it is a node of DigitalOcean."""
    return number(require_id(node))


def as_dict(item: Item[Any]) -> dict[str, Any]:
    """Return the complete payload of an item."""
    payload: dict[str, Any] = decode(item.raw)
    return payload


def _actions_path(node: Node | None) -> str:
    return f"/droplets/{droplet_id(node)}/actions" if node else "/actions"
