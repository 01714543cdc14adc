from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud import pricing
from polycloud.errors import InvalidArgumentError
from support.fuzz import json_values, mutated, outcome, scrambled

DATA = {
    "compute": {
        "mine": {
            "source": "s",
            "date": "2026",
            "currency": "USD",
            "unit": "hour",
            "prices": {"1": 0.5, "2": {"eu": 1}},
        },
        "plain": {"1": 0.25},
    }
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("prices") / "pricing.json"
    pricing.clear_pricing_data()


@given(data=mutated(DATA) | scrambled(json.dumps(DATA).encode()))
def test_file(file: Path, data: bytes) -> None:
    """A file of prices gives numbers or None, or is an `InvalidArgumentError`."""
    file.write_bytes(data)
    for provider in ("mine", "plain"):
        pricing.clear_pricing_data()
        outcome(lambda: pricing.get_pricing("compute", provider, str(file)))  # noqa: B023 - called at once
        for size, region in (("1", None), ("2", "eu"), ("2", "us")):
            price = outcome(lambda: pricing.get_size_price("compute", provider, size, region))  # noqa: B023
            assert isinstance(price, InvalidArgumentError | float | None)


@given(price=json_values())
def test_set_price(price: object) -> None:
    """A price that a program sets is a number, None where it is not known, or an `InvalidArgumentError`."""
    pricing.set_pricing("compute", "mine", {"1": price})
    for region in (None, "eu"):
        found = outcome(lambda: pricing.get_size_price("compute", "mine", 1, region))  # noqa: B023 - called at once
        assert isinstance(found, InvalidArgumentError | float | None)
    pricing.clear_pricing_data()


@given(name=st.text(max_size=10))
def test_file_name(name: str) -> None:
    """A name of no file of prices is an `InvalidArgumentError`."""
    error = outcome(lambda: pricing.get_pricing("compute", "mine", f"/no such folder/{name}"))
    assert isinstance(error, InvalidArgumentError)
