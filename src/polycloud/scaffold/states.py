"""The states of a node that a document names, as ours."""

from __future__ import annotations

from collections.abc import Mapping

from polycloud.compute.types import NodeState
from polycloud.scaffold.openapi import Document
from polycloud.scaffold.schemas import Schema

__all__ = ["state_field", "states"]

FIELDS = ("status", "state", "power_state", "power_status")
WORDS = {
    NodeState.RUNNING: "running active on online started poweredon ready up",
    NodeState.STOPPED: "stopped off offline poweredoff shutoff halted inactive down",
    NodeState.STARTING: "starting booting poweringon",
    NodeState.STOPPING: "stopping shuttingdown poweringoff",
    NodeState.REBOOTING: "rebooting restarting",
    NodeState.PENDING: "new pending creating building build provisioning initializing queued installing busy",
    NodeState.TERMINATED: "deleted terminated destroyed archive archived",
    NodeState.SUSPENDED: "suspended locked",
    NodeState.PAUSED: "paused",
    NodeState.ERROR: "error failed crashed",
    NodeState.MIGRATING: "migrating",
    NodeState.RECONFIGURING: "rebuilding resizing cloning restoring reconfiguring",
}
KNOWN = {word: state for state, words in WORDS.items() for word in words.split()}


def state_field(node: Schema) -> str | None:
    """Return the field of a node that has its state; None if there is none."""
    return next((name for name in FIELDS if name in (node.get("properties") or {})), None)


def states(node: Schema, document: Document) -> Mapping[str, NodeState]:
    """Return what each documented state of a node means, by its name; `UNKNOWN` for others than usual."""
    field = state_field(node)
    values = document.merged(node["properties"][field]).get("enum") or () if field else ()
    names = [value for value in values if isinstance(value, str)]
    return {name: KNOWN.get(_plain(name), NodeState.UNKNOWN) for name in names}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
