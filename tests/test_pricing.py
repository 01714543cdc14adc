from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polycloud import pricing
from polycloud.common.types import InvalidArgumentError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
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
