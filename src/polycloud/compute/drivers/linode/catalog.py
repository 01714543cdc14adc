"""Catalog: sizes (the provider's types) and locations (its regions)."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.building import quote_segment
from polycloud.common.linode import LinodeBaseDriver
from polycloud.common.payload import Item, LazyExtra, value_of, with_defaults
from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import NodeLocation, NodeSize, cheapest_first
from polycloud.errors import InvalidArgumentError, NotFoundError

MB_PER_GB = 1024
SIZE_KEYS = ("addons", "class", "gpus", "price", "transfer", "vcpus")
LOCATION_KEYS = ("capabilities", "resolvers", "status")


class Price(msgspec.Struct):
    """A price in USD; `id` is the region that it applies to, None for the default price."""

    hourly: float | None = None
    monthly: float | None = None
    id: str | None = None


class Size(msgspec.Struct):
    """A size: `memory` and `disk` are in MB, `transfer` in GB a month."""

    id: str
    memory: int
    disk: int
    label: str | None = None
    transfer: int | None = None
    price: Price | None = None
    region_prices: list[Price] | None = None


class Availability(msgspec.Struct):
    """Whether a size is available in a region; the provider reports it for some sizes only."""

    plan: str
    region: str
    available: bool | None = None


class Region(msgspec.Struct):
    """A region."""

    id: str
    label: str | None = None
    country: str | None = None


class LinodeCatalog(LinodeBaseDriver, NodeDriver):
    """Methods of sizes and locations."""

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the sizes, cheapest first, with the prices of `location`, by default of the driver's region.

        Sizes that are unavailable in `location` are left out, which costs a second request.
        """
        region = self.region if location is None else id_of(location, NodeLocation)
        unavailable = self._unavailable_sizes(region) if location is not None and region else frozenset()
        sizes = self.connection.list_all("/linode/types", Size, partial(self._to_size, region=region))
        available = [size for size in sizes if size.id not in unavailable]
        return cheapest_first(available)

    def ex_get_size(self, size_id: str) -> NodeSize:
        """Return a size by its id, with the price of the driver's region. Raises `NotFoundError`."""
        item = self.connection.fetch(f"/linode/types/{quote_segment(size_id)}", Size)
        return self._to_size(item, self.region)

    def list_locations(self) -> list[NodeLocation]:
        """Return the regions."""
        return self.connection.list_all("/regions", Region, self._to_location)

    def _region(self, location: NodeLocation | str | None) -> str:
        region = self.region if location is None else id_of(location, NodeLocation)
        if region is None:
            raise InvalidArgumentError(f"{self.name} needs a region: pass a location, or the driver region=")
        return region

    def _unavailable_sizes(self, region: str) -> frozenset[str]:
        """Return the ids of the sizes that are unavailable in a region; none if the server does not know."""
        query = partial(self.connection.list_all, "/regions/availability", Availability, value_of)
        with suppress(NotFoundError):
            found = query(key=attrgetter("plan", "region"), only={"region": region})
            return frozenset(one.plan for one in found if one.region == region and one.available is False)
        return frozenset()

    def _to_size(self, item: Item[Size], region: str | None) -> NodeSize:
        size, raw = item
        prices = [price for price in size.region_prices or () if region and price.id == region]
        price = (prices or [size.price or Price()])[0]
        name, disk = size.label or size.id, size.disk // MB_PER_GB
        extra = LazyExtra(raw, partial(_size_extra, price.monthly))
        return NodeSize(size.id, name, size.memory, disk, size.transfer, price.hourly, self, extra)

    def _to_location(self, item: Item[Region]) -> NodeLocation:
        region, raw = item
        name, country = region.label or region.id, (region.country or "").upper()
        return NodeLocation(
            region.id, name, country, self, LazyExtra(raw, partial(with_defaults, LOCATION_KEYS))
        )


def _size_extra(monthly_price: float | None, raw: bytes) -> dict[str, Any]:
    return {**with_defaults(SIZE_KEYS, raw), "monthly_price": monthly_price}
