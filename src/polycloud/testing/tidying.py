"""What the rules make is removed in the end; what cannot be is named."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState
from polycloud.concurrency import waiting
from polycloud.errors import NotFoundError, OperationTimeoutError, PolycloudError

__all__ = ["LEFT_OVER", "RUN", "Run", "remove"]

LEFT_OVER = "left over, remove by hand: "

Look = Callable[[], dict[str, object]]
"""Tries to remove what is there; what is left, with the reason."""


class Run:
    """The nodes of one run of the rules, which are known by the beginning of their names, `prefix`.

    A provider may refuse to destroy a node while it builds it, and may list one late: so it is tried again
    while patience lasts, and every test removes what those before it have left.
    """

    def __init__(self) -> None:
        self.prefix = f"conformance-{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._destroyed: set[tuple[str, str | None]] = set()
        self._told: set[str] = set()
        self._patient = True

    def name(self) -> str:
        """What the names of a test's nodes begin with."""
        return f"{self.prefix}-{next(self._numbers)}"

    def clear(self, driver: NodeDriver, made: Iterable[Node], patience: float) -> list[str]:
        """Destroy the nodes of a test, and what others have left; what stays and was not told of before.

        Once the patience (seconds) has been in vain nothing is waited for any more.
        """
        ours = {node.id: node for node in made}

        def look() -> dict[str, object]:
            return self._destroy(driver, ours)

        left = _until_nothing(look, patience if self._patient else 0.0)
        self._patient = self._patient and not left
        new = {what: why for what, why in left.items() if what not in self._told}
        self._told.update(new)
        return _texts(new)

    def leftovers(self, driver: NodeDriver, patience: float) -> list[str]:
        """Wait (seconds) until no node of the run is listed any more; those that stay all the same."""

        def look() -> dict[str, object]:
            left = self._destroy(driver, {})
            listed = () if left else self._listed(driver)
            return left or {_told(node): "it was destroyed, and is still listed" for node in listed}

        return _texts(_until_nothing(look, patience if self._patient else 0.0))

    def _destroy(self, driver: NodeDriver, ours: dict[str, Node]) -> dict[str, object]:
        left: dict[str, object] = {}
        try:
            late = [node for node in self._listed(driver) if (node.id, node.name) not in self._destroyed]
        except Exception as error:  # noqa: BLE001 - it is told, and what is known is destroyed all the same
            late = []
            left[f"nodes whose names begin with {self.prefix}, since list_nodes failed"] = error
        for node in [*ours.values(), *(node for node in late if node.id not in ours)]:
            problem = _problem(driver.destroy_node, node)
            if problem is None:
                self._destroyed.add((node.id, node.name))
                ours.pop(node.id, None)
            else:
                left[_told(node)] = problem
        return left

    def _listed(self, driver: NodeDriver) -> list[Node]:
        nodes = driver.list_nodes()
        ours = [node for node in nodes if (node.name or "").startswith(self.prefix)]
        return [node for node in ours if node.state != NodeState.TERMINATED]


RUN = Run()
"""The run of this process."""


def remove(remove_one: Callable[[Any], object], things: Iterable[Any], patience: float) -> list[str]:
    """Remove things that are no nodes, again while patience (seconds) lasts; what stays."""
    there = list(things)

    def look() -> dict[str, object]:
        left = [(thing, problem) for thing in there if (problem := _problem(remove_one, thing)) is not None]
        there[:] = [thing for thing, _ in left]
        return {repr(thing): problem for thing, problem in left}

    return _texts(_until_nothing(look, patience))


def _told(node: Node) -> str:
    return f"{node.name} (id {node.id})"


def _texts(left: dict[str, object]) -> list[str]:
    return [f"{what}: {why if isinstance(why, str) else repr(why)}" for what, why in left.items()]


def _until_nothing(look: Look, patience: float) -> dict[str, object]:
    """What is left when nothing is, when time is over, or when it is the driver that is broken."""
    left: dict[str, object] = {}

    def try_again() -> bool | None:
        nonlocal left
        left = look()
        hopeless = any(
            isinstance(problem, Exception) and not isinstance(problem, PolycloudError)
            for problem in left.values()
        )
        return True if hopeless or not left else None

    with suppress(OperationTimeoutError):
        waiting.poll(try_again, waiting_for="what was made to be removed", timeout=patience)
    return left


def _problem(remove_one: Callable[[Any], object], thing: Any) -> object:
    """What was in the way of removing a thing; None where it is gone, or going."""
    try:
        result = remove_one(thing)
    except (NotFoundError, KeyPairDoesNotExistError):
        return None
    except Exception as error:  # noqa: BLE001 - the others are to be removed all the same
        return error
    return None if result is True else f"{getattr(remove_one, '__name__', 'removing it')} returned {result!r}"
