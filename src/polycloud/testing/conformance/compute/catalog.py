"""Rules of what the provider offers: sizes and locations."""

from __future__ import annotations

import re

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import NodeLocation, NodeSize
from polycloud.testing.conformance.assertions import check_objects
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import ComputeSuite

RAM, DISK = range(128, 2**18), range(10_000)
"""MB of RAM and GB of disk that a provider's smallest size may have."""


class CatalogRules(ComputeSuite):
    """The rules of sizes and locations."""

    @rule("list_sizes")
    def test_c06_sizes(self, driver: NodeDriver) -> None:
        """There are sizes, cheapest first, with RAM in MB, disk in GB, and prices in USD an hour or None."""
        sizes = driver.list_sizes()
        assert sizes, "list_sizes() is empty"
        check_objects(sizes, NodeSize, driver, "name")
        for size in sizes:
            assert type(size.ram) is int, f"the ram {size.ram!r} of {size!r} is not an int"
            assert type(size.disk) is int, f"the disk {size.disk!r} of {size!r} is not an int"
            message = f"the price {size.price!r} of {size!r} is neither a number nor None"
            assert type(size.price) in {float, int, type(None)}, message
        prices = [float("inf") if size.price is None else size.price for size in sizes]
        assert prices == sorted(prices), f"the prices are {prices}"
        self._check_units(sizes)

    def _check_units(self, sizes: list[NodeSize]) -> None:
        """Assert that the smallest size is one of a cloud, in the right units."""
        ram, disk = min(size.ram for size in sizes), min(size.disk for size in sizes)
        assert ram in RAM, f"the least ram is {ram:,}: that is GB, or bytes; ram is in MB"
        assert disk in DISK, f"the least disk is {disk:,}: that is MB, or bytes; disk is in GB"
        prices = [size.price for size in sizes if size.price]
        if self.over_http and prices:  # a cloud in memory has prices of its own
            message = (
                f"the cheapest size costs {min(prices)} USD an hour: is that a month's price? "
                "(if it is not, set `cheap` to more)"
            )
            assert min(prices) < self.cheap, message

    @rule("list_locations")
    def test_c08_locations(self, driver: NodeDriver) -> None:
        """There are locations, with ids, names and ISO 3166 codes of their countries."""
        locations = driver.list_locations()
        assert locations, "list_locations() is empty"
        check_objects(locations, NodeLocation, driver, "name")
        for place in locations:
            message = f"the country {place.country!r} of {place!r} is not a code of two letters"
            assert re.fullmatch("([A-Z]{2})?", place.country), message
