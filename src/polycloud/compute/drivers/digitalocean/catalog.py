"""The catalog: sizes, regions, and the account."""

from __future__ import annotations

from functools import partial
from math import isfinite
from operator import attrgetter
from typing import Any

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.digitalocean import DigitalOceanBaseDriver
from polycloud.common.payload import Item, LazyExtra, identity, with_defaults
from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import NodeLocation, NodeSize, cheapest_first
from polycloud.errors import InvalidArgumentError

COUNTRIES = {
    **dict.fromkeys(("atl", "mia", "nyc", "ric", "sfo"), "US"),
    "ams": "NL",
    "blr": "IN",
    "fra": "DE",
    "lon": "GB",
    "sgp": "SG",
    "syd": "AU",
    "tor": "CA",
}
"""The country of a region, by the letters at the start of its slug."""

GB_PER_TB = 1000
SLUG = attrgetter("value.slug")
DECODE = msgspec.json.decode
SIZE_KEYS = ("price_monthly", "regions", "vcpus")


class Reference(msgspec.Struct, gc=False):
    """An image or a region inside another object; public images and regions have a slug."""

    id: int | None = None
    slug: str | None = None


class Size(msgspec.Struct):
    """A size: `memory` is MB, `disk` GB, `transfer` TB a month, `price_hourly` USD."""

    slug: str
    memory: int
    disk: int
    transfer: float | None = None
    price_hourly: float | None = None
    regions: list[str] | None = None
    available: bool | None = None


class Region(msgspec.Struct):
    """A region. Droplets cannot be created in one that is not available."""

    slug: str
    name: str | None = None
    available: bool | None = None


class DigitalOceanCatalog(DigitalOceanBaseDriver, NodeDriver):
    """Methods of sizes, regions and the account."""

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the available sizes, or those of `location`, with the current prices, cheapest first."""
        items = self.connection.list_all("/sizes", "sizes", Size, identity, key=SLUG)
        sizes = [
            self._to_size(item)
            for item in items
            if item.value.available is not False and is_in(item.value.regions, location)
        ]
        return cheapest_first(sizes)

    def list_locations(self, ex_available: bool = True) -> list[NodeLocation]:
        """Return the regions, without those in which no droplets can be created if `ex_available` is true."""
        items = self.connection.list_all("/regions", "regions", Region, identity, key=SLUG)
        if ex_available:
            items = [item for item in items if item.value.available is not False]
        return list(map(self._to_location, items))

    def ex_account_info(self) -> dict[str, Any]:
        """Return the account as a dict: `email`, `droplet_limit`, `status` and others."""
        return self.connection.fetch("/account", "account", dict[str, Any]).value

    def _region(self, location: NodeLocation | None) -> str | None:
        return self.region if location is None else id_of(location, NodeLocation)

    def _require_region(self, location: NodeLocation | None) -> str:
        region = self._region(location)
        if region is None:
            raise InvalidArgumentError(
                f"{self.name} needs a region: pass a location, or create the driver with region="
            )
        return region

    def _to_size(self, item: Item[Size]) -> NodeSize:
        size, raw = item
        gigabytes = None if size.transfer is None else finite(size.transfer * GB_PER_TB)
        traffic = None if gigabytes is None else round(gigabytes)
        extra = LazyExtra(raw, partial(with_defaults, SIZE_KEYS))
        return NodeSize(size.slug, size.slug, size.memory, size.disk, traffic, size.price_hourly, self, extra)

    def _to_location(self, item: Item[Region]) -> NodeLocation:
        region, raw = item
        slug = region.slug
        country = COUNTRIES.get(slug.rstrip("0123456789"), "")
        return NodeLocation(slug, region.name or slug, country, self, LazyExtra(raw, DECODE))


def is_in(regions: list[str] | None, location: NodeLocation | None) -> bool:
    """Return whether `location`, None for any, is one of the regions."""
    return location is None or id_of(location, NodeLocation) in (regions or ())


def finite(amount: float | None) -> float | None:
    """Return the amount; None if it is infinite."""
    return amount if isinstance(amount, int) or (amount is not None and isfinite(amount)) else None


def reference(name: str | int) -> str | int:
    """Return how requests refer to an image or key: its id as a number, else its slug or fingerprint."""
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InvalidArgumentError(f"expected a number, a slug or a fingerprint, got {name!r}")
    text = str(name)
    return int(text) if text.isascii() and text.isdigit() else name
