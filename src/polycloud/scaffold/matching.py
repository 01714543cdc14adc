"""Which calls of an API match which operations of a driver.

There is nothing to go by but names. A path such as `/servers/{id}/actions/reboot` is matched from its end:
what it acts on (a noun of `NOUNS`), whether on all or on one of them, and by which verb. Several calls may
match; they are ranked by the noun's likelihood, by how many parameters and segments the path has, and by
whether it stands beside the servers' path, since APIs often have the same noun in several places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from polycloud.scaffold.openapi import Call, Operations

__all__ = ["CREATES", "LISTS", "VERSION", "candidates", "singular"]

MOST = 2
"""The number of calls that are named for an operation."""

NOUNS = {
    "node": "server instance droplet node machine virtual_machine vm linode",
    "size": "size flavor flavour plan server_type instance_type machine_type vm_type type package",
    "image": "image template",
    "location": "region location zone datacenter data_center site",
    "key": "ssh_key sshkey key_pair keypair key",
    "volume": "volume block_volume block_storage disk",
    "snapshot": "snapshot volume_snapshot",
}
"""Providers' names of our nouns, the more likely first."""

HINTS = {"key": "ssh"}
"""What the right call mentions if others have the same noun: API keys are keys too."""

GIVEN = frozenset({"size", "location"})
"""Nouns that a customer cannot create: a POST at the same path means another kind of resource."""

TENANTS = "account project tenant organization organisation team user region location zone"
OWNERS = {"snapshot": f"volume {TENANTS}"}
"""Which owners a resource of the account may have in its path: `/projects/{id}/images`, but snapshots of a
volume only."""

COLLECTIONS = {
    "list_nodes": ("GET", "node"),
    "create_node": ("POST", "node"),
    "list_sizes": ("GET", "size"),
    "list_images": ("GET", "image"),
    "list_locations": ("GET", "location"),
    "list_key_pairs": ("GET", "key"),
    "import_key_pair_from_string": ("POST", "key"),
    "list_volumes": ("GET", "volume"),
    "create_volume": ("POST", "volume"),
}
ITEMS = {
    "get_node": ("GET", "node"),
    "destroy_node": ("DELETE", "node"),
    "get_image": ("GET", "image"),
    "delete_image": ("DELETE", "image"),
    "get_key_pair": ("GET", "key"),
    "delete_key_pair": ("DELETE", "key"),
    "destroy_volume": ("DELETE", "volume"),
    "destroy_volume_snapshot": ("DELETE", "snapshot"),
}
ACTIONS = {
    "reboot_node": ("node", "reboot restart reset"),
    "start_node": ("node", "poweron power_on start boot"),
    "stop_node": ("node", "poweroff power_off stop halt shutdown"),
    "shutdown_node": ("node", "shutdown"),
    "create_image": ("node", "create_image image snapshot"),
    "copy_image": ("image", "copy transfer regions"),
    "attach_volume": ("volume", "attach"),
    "detach_volume": ("volume", "detach"),
}
PARTS = {
    "list_volume_snapshots": ("GET", "volume", "snapshot"),
    "create_volume_snapshot": ("POST", "volume", "snapshot"),
}
LISTS = frozenset(name for name, wanted in {**COLLECTIONS, **PARTS}.items() if wanted[0] == "GET")
CREATES = frozenset(name for name, wanted in {**COLLECTIONS, **PARTS}.items() if wanted[0] == "POST")

VERSION = re.compile(r"api|rest|v\d[\w.-]*")
"""Segments at the beginning of a path that do not name a resource."""

Matches = Callable[[list[str]], int | None]


def candidates(operations: Operations) -> dict[str, list[Call]]:
    """The calls that match each operation, the best match first. Operations without a match are left out."""
    found = _Candidates(operations)
    found.stay_beside(found.collection("GET", "node"))
    calls = {
        **{name: found.collection(*wanted) for name, wanted in COLLECTIONS.items()},
        **{name: found.item(*wanted) for name, wanted in ITEMS.items()},
        **{name: found.action(*wanted) for name, wanted in ACTIONS.items()},
        **{name: found.part(*wanted) for name, wanted in PARTS.items()},
    }
    return {name: some for name, some in calls.items() if some}


def singular(segment: str) -> str:
    """A segment of a path in the form of `NOUNS`: `ssh_key` for `SSH-Keys`."""
    text = segment.lower().replace("-", "_")
    return text[:-1] if text.endswith("s") and not text.endswith("ss") else text


class _Candidates:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._beside = "/"

    def stay_beside(self, nodes: Sequence[Call]) -> None:
        """Prefer calls whose path begins like that of the nodes from now on."""
        if nodes:
            self._beside = nodes[0].path.rstrip("/").rpartition("/")[0] + "/"

    def collection(self, method: str, noun: str) -> list[Call]:
        return self._ranked(method, noun, lambda path: _place(path, noun))

    def item(self, method: str, noun: str) -> list[Call]:
        def place(path: list[str]) -> int | None:
            by_name = (method, noun) == ("GET", "key")  # get_key_pair takes a name, not an id
            fits = path and _is_parameter(path[-1]) and (not by_name or "name" in path[-1].lower())
            return _place(path[:-1], noun) if fits else None

        return self._ranked(method, noun, place)

    def part(self, method: str, noun: str, part: str) -> list[Call]:
        def place(path: list[str]) -> int | None:
            of_one = len(path) > 2 and _is_parameter(path[-2]) and _place(path, part) is not None  # noqa: PLR2004
            return _place(path[:-2], noun) if of_one else None

        return self._ranked(method, noun, place)

    def action(self, noun: str, words: str) -> list[Call]:
        """Paths that end in the action's verb; else those that take any action in their body."""
        verbs = words.split()

        def place(path: list[str]) -> int | None:
            named = bool(path) and singular(path[-1]) in map(singular, verbs)
            return verbs.index(_verb(path[-1], verbs)) if named and _of_one(path, noun) else None

        def any_place(path: list[str]) -> int | None:
            return 0 if path and singular(path[-1]) == "action" and _of_one(path, noun) else None

        return self._ranked("POST", noun, place) or self._ranked("POST", noun, any_place)

    def _ranked(self, method: str, noun: str, place: Matches) -> list[Call]:
        places = {
            call: where
            for call in self._operations
            if call.method == method
            and (where := place(_segments(call.path))) is not None
            and (noun == "node" or self._is_of_account(call, noun))
        }
        ranks = {
            call: (self._likeness(call, noun), self._rank(call, noun, where))
            for call, where in places.items()
        }
        found = sorted(ranks, key=lambda call: ranks[call])
        return [call for call in found if ranks[call][0] == ranks[found[0]][0]][:MOST]

    def _is_of_account(self, call: Call, noun: str) -> bool:
        """Whether the resource belongs to the account: its path has no other owner than the nodes' path."""
        own = {*NOUNS[noun].split(), *OWNERS.get(noun, TENANTS).split()}
        return not _owners(call.path) - _owners(self._beside) - own

    def _likeness(self, call: Call, noun: str) -> tuple[int, bool, bool, bool, int]:
        """The likeness of a call, smaller is better: only the best calls are kept."""
        text = " ".join(str(self._operations[call].get(name)) for name in ("operationId", "summary", "tags"))
        hinted = re.search(HINTS.get(noun, ""), f"{call.path} {text}", re.IGNORECASE) is not None
        path = _segments(call.path)
        parameters = sum(map(_is_parameter, path))
        created = noun in GIVEN and Call("POST", call.path) in self._operations
        return parameters, not hinted, created, not call.path.startswith(self._beside), len(path)

    def _rank(self, call: Call, noun: str, place: int) -> tuple[int, int, int, str]:
        """The order of equally likely calls: by the noun, then by how many calls are below its path.

        Nodes have many names, so for them the calls below count first.
        """
        stem = call.path.split("{", maxsplit=1)[0].rstrip("/")
        below = sum(one.path == stem or one.path.startswith(f"{stem}/") for one in self._operations)
        first, second = (-below, place) if noun == "node" else (place, -below)
        return first, second, len(call.path), call.path


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{")


def _owners(path: str) -> set[str]:
    """The nouns that own a path: `volume` for `/volumes/{id}/snapshots`."""
    parts = pairwise(_segments(path))
    return {singular(owner) for owner, part in parts if _is_parameter(part) and not VERSION.fullmatch(owner)}


def _place(path: Sequence[str], noun: str) -> int | None:
    """The rank among the noun's names of the path's last segment (0 is the best); None if it is another."""
    names = NOUNS[noun].split()
    return names.index(singular(path[-1])) if path and singular(path[-1]) in names else None


def _of_one(path: Sequence[str], noun: str) -> bool:
    """Whether the path is an action of one resource: `.../servers/{id}/start`, `.../actions/start`."""
    end = len(path) - (3 if len(path) > 2 and singular(path[-2]) == "action" else 2)  # noqa: PLR2004
    return end > 0 and _is_parameter(path[end]) and _place(path[:end], noun) is not None


def _verb(segment: str, verbs: Iterable[str]) -> str:
    return next(verb for verb in verbs if singular(verb) == singular(segment))
