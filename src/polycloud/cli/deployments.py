"""Deployments of several nodes side by side, and what is shown of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from polycloud.cli import changing, output
from polycloud.errors import printable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from polycloud.compute.base import NodeDriver
    from polycloud.compute.deployment import Deployment
    from polycloud.compute.objects import Node

__all__ = ["Deployments"]


class Deployments:
    """Creates nodes and runs a step on each, side by side."""

    created: list[Node]
    """The nodes created so far, also those whose deployment is going on or has failed."""

    def __init__(
        self, driver: NodeDriver, step: Deployment, settings: Mapping[str, Any], *, to_stderr: bool
    ) -> None:
        """`settings` are for `deploy_node`; with `to_stderr` stdout is left to the result."""
        self.created = []
        self._driver = driver
        self._step = step
        self._settings = settings
        self._to_stderr = to_stderr

    def run(self, asked: Sequence[Mapping[str, Any]]) -> tuple[list[Node], list[str]]:
        """Deploy nodes with these arguments of `create_node`; return those that run, and why others failed.

        The error of an only one is raised.
        """
        names = [arguments["name"] for arguments in asked]
        progress = Progress(f"deploying {_nodes(names)}", several=len(names) > 1, to_stderr=self._to_stderr)
        with progress:
            calls = [partial(self._deploy, arguments, progress) for arguments in asked]
            return changing.side_by_side(self._driver, names, calls)

    def _deploy(self, arguments: Mapping[str, Any], progress: Progress) -> Node:
        return self._driver.deploy_node(
            self._step,
            ex_on_output=partial(progress.output, arguments["name"]),
            ex_on_create=self.created.append,
            **self._settings,
            **arguments,
        )


def _nodes(names: Sequence[str]) -> str:
    return f"the node{'s' * (len(names) > 1)} {', '.join(names)}"


class Progress:
    """Shows progress until a node prints something, and from then on what they print.

    Of several nodes whole lines are shown, each with the name of its node before it.
    """

    def __init__(self, what: str, *, several: bool, to_stderr: bool) -> None:
        self._working: AbstractContextManager[None] | None = output.working(what)
        self._several = several
        self._to_stderr = to_stderr
        self._begun: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        if self._working is not None:
            self._working.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stop_working()
            for (name, stream), text in self._begun.items():
                self._write(stream, f"{name}: {text}\n")
            self._begun.clear()

    def output(self, name: str, stream: str, text: str) -> None:
        """Show what the node of that name printed on `stream`, "stdout" or "stderr"."""
        with self._lock:
            self._stop_working()
            if not self._several:
                self._write(stream, text)
                return
            *lines, begun = f"{self._begun.pop((name, stream), '')}{text}".split("\n")
            if begun:
                self._begun[name, stream] = begun
            self._write(stream, "".join(f"{name}: {line}\n" for line in lines))

    def _stop_working(self) -> None:
        working, self._working = self._working, None
        if working is not None:
            working.__exit__(None, None, None)

    def _write(self, stream: str, text: str) -> None:
        where = sys.stderr if self._to_stderr or stream == "stderr" else sys.stdout
        where.write(printable(text))
        where.flush()
