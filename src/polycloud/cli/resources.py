"""The kinds of things that an account has: what they are called, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver

__all__ = [
    "IMAGES",
    "KEYS",
    "LOCATIONS",
    "NODES",
    "SIZES",
    "VOLUMES",
    "Column",
    "Noun",
    "location_of",
    "month",
    "tags_of",
]

HOURS_A_MONTH = 730
LOCATION_KEYS = ("region_slug", "zone", "location", "region")
"""Where providers tell the location of a node or a volume."""
ATTACHED_KEYS = ("droplet_ids", "linode_id", "instance_id")
"""Where providers tell what a volume is attached to."""


@dataclass(frozen=True, slots=True)
class Column:
    """Something that is told of each thing: its name, and how it is had."""

    name: str
    get: Callable[[Any], Any]

    @classmethod
    def of(cls, attribute: str) -> Column:
        """The attribute of that name."""
        return cls(attribute, attrgetter(attribute))


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of thing; its `columns` in the order of their importance."""

    one: str
    many: str
    operation: str
    columns: Sequence[Column]
    id: Callable[[Any], str] = attrgetter("id")
    also_called: Callable[[Any], str | None] = lambda _: None

    def fetch(self, driver: NodeDriver, *args: Any) -> list[Any]:
        """All of the account's."""
        found: list[Any] = getattr(driver, self.operation)(*args)
        return found

    def names(self, thing: Any) -> list[str]:
        """What one may call it."""
        return [name for name in (thing.name, self.also_called(thing)) if name]

    def title(self, thing: Any) -> str:
        """How messages call it: "node web (id 5)"."""
        id_, label = self.id(thing), self.label(thing)
        return f"{self.one} {id_}" if label == id_ else f"{self.one} {label} (id {id_})".replace("  ", " ")

    def label(self, thing: Any) -> str:
        """The name that tells it best from others."""
        return self.also_called(thing) or thing.name or ""

    def count(self, things: Sequence[Any]) -> str:
        """How many: "no node", "1 node", "2 nodes"."""
        return f"{len(things) or 'no'} {self.many if len(things) > 1 else self.one}"

    def record(self, thing: Any) -> dict[str, Any]:
        """What is told of it, by column."""
        return {column.name: column.get(thing) for column in self.columns}


def location_of(thing: Any) -> str | None:
    """Where a node or a volume is, as its provider tells it."""
    return _told(thing, LOCATION_KEYS)


def tags_of(node: Any) -> list[str]:
    """A node's tags, as its provider tells them."""
    return list(node.extra.get("tags") or ())


def month(price: float | None) -> float | None:
    """What USD an hour are in a month of 730 hours."""
    return None if price is None else round(price * HOURS_A_MONTH, 2)


def _named(attribute: str, *keys: str) -> Column:
    """The name of another thing; it may be told as that alone, or by the provider's own `keys` only."""

    def get(node: Any) -> Any:
        other = getattr(node, attribute)
        return _slug(other) or getattr(other, "name", other) or _told(node, keys)

    return Column(attribute, get)


def _told(node: Any, keys: Sequence[str]) -> str | None:
    """The first text that stands under one of the provider's keys."""
    texts = (node.extra.get(key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _slug(thing: Any) -> str | None:
    """The name that a provider has for programs; those for people may leave out what everybody sees."""
    slug: str | None = getattr(thing, "extra", {}).get("slug")
    return slug


def _attached_to(volume: Any) -> list[str]:
    """The ids of the nodes that have it, as its provider tells them."""
    told = [volume.extra.get(key) for key in ATTACHED_KEYS]
    return [str(id_) for ids in told if ids for id_ in (ids if isinstance(ids, list) else [ids])]


def _moment(attribute: str) -> Column:
    def get(thing: Any) -> str | None:
        moment = getattr(thing, attribute)
        return None if moment is None else moment.isoformat()

    return Column(attribute, get)


def _key_id(pair: Any) -> str:
    return str(pair.extra.get("id") or pair.name)


NODES = Noun(
    "node",
    "nodes",
    "list_nodes",
    (
        Column.of("name"),
        Column.of("id"),
        Column.of("state"),
        Column.of("public_ips"),
        Column("location", location_of),
        _named("size", "service_type"),
        _named("image", "image"),
        Column.of("private_ips"),
        Column("tags", tags_of),
        _moment("created_at"),
    ),
)
SIZES = Noun(
    "size",
    "sizes",
    "list_sizes",
    (
        Column.of("id"),
        Column.of("name"),
        Column("cpus", lambda size: size.extra.get("vcpus")),
        Column("ram_mb", attrgetter("ram")),
        Column("disk_gb", attrgetter("disk")),
        Column("usd_month", lambda size: month(size.price)),
        Column("usd_hour", attrgetter("price")),
        Column("traffic_gb", attrgetter("bandwidth")),
    ),
)
IMAGES = Noun(
    "image",
    "images",
    "list_images",
    (Column.of("id"), Column.of("name"), Column("slug", _slug)),
    also_called=_slug,
)
LOCATIONS = Noun(
    "location",
    "locations",
    "list_locations",
    (Column.of("id"), Column.of("name"), Column.of("country")),
)
KEYS = Noun(
    "key",
    "keys",
    "list_key_pairs",
    (Column.of("name"), Column("id", _key_id), Column.of("fingerprint"), Column.of("public_key")),
    id=_key_id,
)
VOLUMES = Noun(
    "volume",
    "volumes",
    "list_volumes",
    (
        Column.of("name"),
        Column.of("id"),
        Column("size_gb", attrgetter("size")),
        Column.of("state"),
        Column("attached_to", _attached_to),
        Column("location", location_of),
    ),
)
