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
"""Where providers tell a node's location."""


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
        id_ = self.id(thing)
        return f"{self.one} {thing.name or ''} (id {id_})".replace("  ", " ")

    def record(self, thing: Any) -> dict[str, Any]:
        """What is told of it, by column."""
        return {column.name: column.get(thing) for column in self.columns}


def location_of(node: Any) -> str | None:
    """Where a node is, as its provider tells it."""
    return _told(node, LOCATION_KEYS)


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
        return getattr(other, "name", other) or _told(node, keys)

    return Column(attribute, get)


def _told(node: Any, keys: Sequence[str]) -> str | None:
    """The first text that stands under one of the provider's keys."""
    texts = (node.extra.get(key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text), None)


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
    (Column.of("id"), Column.of("name"), Column("slug", lambda image: image.extra.get("slug"))),
    also_called=lambda image: image.extra.get("slug"),
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
    ),
)
