"""Which calls of an API look like which operations of compute."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from polycloud.scaffold.api import Call

__all__ = ["CREATES", "LISTS", "VERSION", "Operations", "candidates", "singular"]

MOST = 2
"""How many calls are told for an operation."""

NOUNS = {
    "node": "server instance droplet node machine virtual_machine vm linode",
    "size": "size flavor flavour plan server_type instance_type machine_type vm_type type package",
    "image": "image template",
    "location": "region location zone datacenter data_center site",
    "key": "ssh_key sshkey key_pair keypair key",
    "volume": "volume block_volume block_storage disk",
    "snapshot": "snapshot volume_snapshot",
}
"""What providers call our things, the likelier name first."""

HINTS = {"key": "ssh"}
"""What the description of the right one says, where others have the same name."""

GIVEN = frozenset({"size", "location"})
"""What the provider has and nobody creates."""

TENANTS = "account project tenant organization organisation team user region location zone"
OWNERS = {"snapshot": f"volume {TENANTS}"}
"""In whose path a thing of the account's may stand: `/projects/{id}/images`, but no other's snapshots."""

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
"""What a path begins with that names no thing."""

Operations = Mapping[Call, Mapping[str, Any]]
Matches = Callable[[list[str]], int | None]


def candidates(operations: Operations) -> dict[str, list[Call]]:
    """For each of our operations the calls that look like it, the likeliest first; none for some."""
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
    """A segment of a path in the form of `NOUNS`: `SSH-Keys` is `ssh_key`."""
    text = segment.lower().replace("-", "_")
    return text[:-1] if text.endswith("s") and not text.endswith("ss") else text


class _Candidates:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._beside = "/"

    def stay_beside(self, nodes: Sequence[Call]) -> None:
        """From now on what has its place beside the nodes is likelier than what has not."""
        if nodes:
            self._beside = nodes[0].path.rstrip("/").rpartition("/")[0] + "/"

    def collection(self, method: str, thing: str) -> list[Call]:
        return self._ranked(method, thing, lambda path: _place(path, thing))

    def item(self, method: str, thing: str) -> list[Call]:
        def place(path: list[str]) -> int | None:
            by_name = (method, thing) == ("GET", "key")  # as get_key_pair looks it up, and not by an id
            fits = path and _is_parameter(path[-1]) and (not by_name or "name" in path[-1].lower())
            return _place(path[:-1], thing) if fits else None

        return self._ranked(method, thing, place)

    def part(self, method: str, thing: str, part: str) -> list[Call]:
        def place(path: list[str]) -> int | None:
            of_one = len(path) > 2 and _is_parameter(path[-2]) and _place(path, part) is not None  # noqa: PLR2004
            return _place(path[:-2], thing) if of_one else None

        return self._ranked(method, thing, place)

    def action(self, thing: str, words: str) -> list[Call]:
        """A path that ends in the action's name; else one that takes the name of any."""
        verbs = words.split()

        def place(path: list[str]) -> int | None:
            named = bool(path) and singular(path[-1]) in map(singular, verbs)
            return verbs.index(_verb(path[-1], verbs)) if named and _of_one(path, thing) else None

        def any_place(path: list[str]) -> int | None:
            return 0 if path and singular(path[-1]) == "action" and _of_one(path, thing) else None

        return self._ranked("POST", thing, place) or self._ranked("POST", thing, any_place)

    def _ranked(self, method: str, thing: str, place: Matches) -> list[Call]:
        places = {
            call: where
            for call in self._operations
            if call.method == method
            and (where := place(_segments(call.path))) is not None
            and (thing == "node" or self._is_of_account(call, thing))
        }
        ranks = {
            call: (self._likeness(call, thing), self._rank(call, thing, where))
            for call, where in places.items()
        }
        found = sorted(ranks, key=lambda call: ranks[call])
        return [call for call in found if ranks[call][0] == ranks[found[0]][0]][:MOST]

    def _is_of_account(self, call: Call, thing: str) -> bool:
        """Whether the thing is in nobody else's path, unless the nodes are as well."""
        own = {*NOUNS[thing].split(), *OWNERS.get(thing, TENANTS).split()}
        return not _owners(call.path) - _owners(self._beside) - own

    def _likeness(self, call: Call, thing: str) -> tuple[int, bool, bool, bool, int]:
        """Few parameters, the right words, beside the nodes, short: what is worse in this is not told."""
        told = " ".join(str(self._operations[call].get(name)) for name in ("operationId", "summary", "tags"))
        hinted = re.search(HINTS.get(thing, ""), f"{call.path} {told}", re.IGNORECASE) is not None
        path = _segments(call.path)
        parameters = sum(map(_is_parameter, path))
        created = thing in GIVEN and Call("POST", call.path) in self._operations
        return parameters, not hinted, created, not call.path.startswith(self._beside), len(path)

    def _rank(self, call: Call, thing: str, place: int) -> tuple[int, int, int, str]:
        """A likely name, and much below it; nodes have many names, and the most below them."""
        stem = call.path.split("{", maxsplit=1)[0].rstrip("/")
        below = sum(one.path == stem or one.path.startswith(f"{stem}/") for one in self._operations)
        first, second = (-below, place) if thing == "node" else (place, -below)
        return first, second, len(call.path), call.path


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{")


def _owners(path: str) -> set[str]:
    """Whose path it is: `volume` for `/volumes/{id}/snapshots`."""
    parts = pairwise(_segments(path))
    return {singular(owner) for owner, part in parts if _is_parameter(part) and not VERSION.fullmatch(owner)}


def _place(path: Sequence[str], thing: str) -> int | None:
    """How likely a name the path ends with for such a thing (0 the likeliest); None where it does not."""
    names = NOUNS[thing].split()
    return names.index(singular(path[-1])) if path and singular(path[-1]) in names else None


def _of_one(path: Sequence[str], thing: str) -> bool:
    """Whether the path is an action of one such thing: `.../servers/{id}/start`, `.../actions/start`."""
    end = len(path) - (3 if len(path) > 2 and singular(path[-2]) == "action" else 2)  # noqa: PLR2004
    return end > 0 and _is_parameter(path[end]) and _place(path[:end], thing) is not None


def _verb(segment: str, verbs: Iterable[str]) -> str:
    return next(verb for verb in verbs if singular(verb) == singular(segment))
