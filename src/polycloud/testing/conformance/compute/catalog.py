"""Rules of what the provider offers: sizes and locations."""

from __future__ import annotations

import re

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import NodeLocation, NodeSize
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.checks import check_objects
from polycloud.testing.conformance.compute.suite import ComputeSuite


class CatalogRules(ComputeSuite):
    """The rules of sizes and locations."""

    @rule("list_sizes")
    def test_c06_sizes(self, driver: NodeDriver) -> None:
        """There are sizes, cheapest first; RAM and disk are whole numbers, prices numbers or None."""
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

    @rule("list_locations")
    def test_c08_locations(self, driver: NodeDriver) -> None:
        """There are locations, with ids, names and ISO 3166 codes of their countries."""
        locations = driver.list_locations()
        assert locations, "list_locations() is empty"
        check_objects(locations, NodeLocation, driver, "name")
        for place in locations:
            message = f"the country {place.country!r} of {place!r} is not a code of two letters"
            assert re.fullmatch("([A-Z]{2})?", place.country), message
