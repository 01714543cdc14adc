from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from polycloud import pricing
from polycloud.errors import InvalidArgumentError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    pricing.clear_pricing_data()  # tests of other files have read prices, too
    yield
    pricing.clear_pricing_data()


def test_a_size_has_a_price() -> None:
    """A size's price is a float in USD an hour; None where it is not known."""
    assert pricing.get_size_price("compute", "nephoscale", 3) == 0.063
    assert pricing.get_size_price("compute", "nephoscale", "27") == 0.0
    assert pricing.get_size_price("compute", "nephoscale", "no such size") is None


def test_every_table_names_its_source() -> None:
    """Every table of prices says where its figures come from and when they were true."""
    for service, tables in pricing._tables(pricing.get_pricing_file_path()).items():
        for provider in tables:
            source = pricing.get_price_source(service, provider)
            assert all(source)
            assert source[2:] == ("USD", "hour")


def test_prices_of_ec2() -> None:
    """Every price of EC2 is a positive number in a region, by a type of instances, and all are of one day."""
    source = pricing.get_price_source("compute", "ec2")
    assert date.fromisoformat(source.date) < date.today()  # noqa: DTZ011 - the day is enough
    prices = pricing.get_pricing("compute", "ec2")
    assert len(prices) > 1000
    for size, regions in prices.items():
        assert re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", size)
        assert set(regions) == {"us-east-1"}
        assert all(type(price) is float and price > 0 for price in regions.values())


@pytest.mark.parametrize("family", ["c5", "c7g", "m6i", "m7g", "r5", "r8i"])
def test_prices_grow_with_the_size(family: str) -> None:
    """Within a family of EC2 a size costs what its part of the largest one does."""
    prices = pricing.get_pricing("compute", "ec2")
    xlarge = pricing.get_size_price("compute", "ec2", f"{family}.xlarge", "us-east-1")
    assert xlarge is not None
    for times in (2, 4, 12):
        assert prices[f"{family}.{times}xlarge"]["us-east-1"] == pytest.approx(times * xlarge)


def test_prices_of_a_region() -> None:
    """A price that differs by region is asked for with the region; it is None in another one and in none."""
    assert pricing.get_size_price("compute", "ec2", "t3.micro", "us-east-1") == 0.0104
    assert pricing.get_size_price("compute", "ec2", "t3.micro", "mars-east-1") is None
    assert pricing.get_size_price("compute", "ec2", "t3.micro") is None


def test_prices_can_be_set() -> None:
    """`set_pricing` puts a program's own prices in the place of the shipped ones, by region too."""
    pricing.set_pricing("compute", "nephoscale", {"3": 1, "5": {"east": 2}})
    assert pricing.get_size_price("compute", "nephoscale", "3") == 1
    assert pricing.get_size_price("compute", "nephoscale", "5", region="east") == 2
    assert pricing.get_size_price("compute", "nephoscale", "5", region="west") is None


def test_unknown_prices() -> None:
    """A provider without a table is an error that names those that have one."""
    with pytest.raises(InvalidArgumentError, match="nephoscale"):
        pricing.get_pricing("compute", "nobody")


@pytest.mark.parametrize("content", [None, "not json", '{"compute": 1}'])
def test_unreadable_file(tmp_path: Path, content: str | None) -> None:
    """A pricing file that cannot be read is named."""
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidArgumentError, match=r"prices\.json"):
        pricing.get_pricing("compute", "mine", str(path))


ODD_NAMES: list[Any] = [None, 7, [], {}, object()]


@pytest.mark.parametrize("odd", ODD_NAMES)
def test_names_that_are_no_text(odd: Any) -> None:
    """A service or a provider that is not a str is refused by the name of the argument."""
    for call in (pricing.has_prices, pricing.get_pricing, pricing.get_price_source):
        with pytest.raises(InvalidArgumentError, match="driver_type must be a str"):
            call(odd, "nephoscale")
        with pytest.raises(InvalidArgumentError, match="driver_name must be a str"):
            call("compute", odd)
    with pytest.raises(InvalidArgumentError, match="driver_type must be a str"):
        pricing.set_pricing(odd, "mine", {})
    with pytest.raises(InvalidArgumentError, match="pricing must be a dict"):
        pricing.set_pricing("compute", "mine", 5)  # type: ignore[arg-type] # refused


def test_what_has_no_prices_leaves_nothing() -> None:
    """A lookup that fails adds nothing to `PRICING_DATA`."""
    for service, provider in (("x", "nephoscale"), ("compute", "x")):
        with pytest.raises(InvalidArgumentError, match="there are"):
            pricing.get_size_price(service, provider, "1")
    assert pricing.PRICING_DATA == {"compute": {}, "storage": {}}
