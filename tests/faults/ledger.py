"""What became of every create, held against what the cloud has."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from polycloud.compute.objects import Node
from polycloud.errors import AmbiguousCreateError

Server = dict[str, Any]
QUOTED = re.compile("'([^']+)'")


@dataclass
class Ledger:
    """Nodes by the name that each create gave its node, which no other create gives.

    `live` are those that nobody has begun to destroy, `doomed` those that somebody has, `gone` those of them
    whose destruction was confirmed.
    """

    created: dict[str, Node] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    live: dict[str, Node] = field(default_factory=dict)
    doomed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def add(self, name: str, node: Node) -> None:
        """A create gave back a node."""
        with self.lock:
            self.created[name] = self.live[name] = node

    def snapshot(self) -> dict[str, Node]:
        """The live nodes at present."""
        with self.lock:
            return dict(self.live)

    def pick(self, numbers: random.Random) -> tuple[str, Node] | None:
        """A live node and its name; None without a live node."""
        live = self.snapshot()
        name = numbers.choice(list(live)) if live else None
        return (name, live[name]) if name else None

    def doom(self, numbers: random.Random, spare: int) -> tuple[str, Node] | None:
        """A node for the caller to destroy; None where no more than `spare` are live."""
        with self.lock:
            if len(self.live) <= spare:
                return None
            name = numbers.choice(list(self.live))
            self.doomed.add(name)
            return name, self.live.pop(name)

    def duplicates(self, servers: Iterable[Server]) -> list[str]:
        """A line for each server that is one too many."""
        return [
            f"{name}: create_node gave {getattr(self.created.get(name), 'id', None)}"
            f"{' which destroy_node confirmed' * (name in self.gone)}, "
            f"there are {[server['id'] for server in there]}"
            for name, there in self._by_name(servers).items()
            for _ in range(len(there) - (name not in self.gone))
        ]

    def losses(self, servers: Iterable[Server]) -> list[str]:
        """A line for each node that is not there, or is there unbeknown to the caller."""
        by_name = self._by_name(servers)
        missing = [
            f"the node of {name} is not there"
            for name, node in self.live.items()
            if node.id not in {str(server["id"]) for server in by_name.get(name, [])}
        ]
        unknown = [
            f"{server['name']} is there, and its create raised {self.failed[name]!r}"
            for name, there in by_name.items()
            for server in there
            if name in self.failed and not _tells_of(self.failed[name], name, server)
        ]
        return missing + unknown

    def _by_name(self, servers: Iterable[Server]) -> dict[str, list[Server]]:
        """The servers by the name that their creates gave them; until it is renamed it may be longer."""
        found: dict[str, list[Server]] = {}
        for server in servers:
            name = "-".join(server["name"].split("-")[:2])
            found.setdefault(name, []).append(server)
        return found


def _tells_of(error: Exception, name: str, server: Server) -> bool:
    """Whether an error says how to find the server: by its marker, or by its name."""
    if isinstance(error, AmbiguousCreateError):
        (mark,) = QUOTED.findall(error.look_for)
        # Of a server's metadata, or user data, it is a part
        return any(mark in str(value) for value in server.values())
    return name in " ".join([str(error), *getattr(error, "__notes__", ())])
