"""Prices that providers do not offer through their APIs, from `data/pricing.json`.

Each provider's table names its source and the date on which it was true. Prices are USD an hour.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from polycloud.common.payload import decoder
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

__all__ = [
    "PRICING_DATA",
    "PriceSource",
    "clear_pricing_data",
    "get_price_source",
    "get_pricing",
    "get_pricing_file_path",
    "get_size_price",
    "has_prices",
    "set_pricing",
]

PRICING_DATA: dict[str, dict[str, Any]] = {"compute": {}, "storage": {}}
"""Prices that `set_pricing` or `get_pricing` put here, by service and provider, as in Libcloud."""


class PriceSource(NamedTuple):
    """The source of a provider's prices, and when they were valid (a day, or a span of years)."""

    source: str
    date: str
    currency: str
    unit: str


def get_pricing_file_path(file_path: str | None = None) -> str:
    """Return the path of the pricing data: the caller's, or the file that polycloud ships."""
    from pathlib import Path

    return file_path or str(Path(__file__).parent / "data" / "pricing.json")


Tables = dict[str, dict[str, dict[str, Any]]]


@cache
def _tables(path: str) -> Tables:
    from pathlib import Path

    try:
        tables: Tables = decoder(Tables).decode(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the pricing file {path} cannot be read: {error}") from error
    return tables


def _require_names(**names: str) -> None:
    for argument, name in names.items():
        if not isinstance(name, str):
            raise InvalidArgumentError(f"{argument} must be a str, got {shown(name)}")


def _table(driver_type: str, driver_name: str, path: str | None = None) -> dict[str, Any]:
    _require_names(driver_type=driver_type, driver_name=driver_name)
    tables = _tables(get_pricing_file_path(path)).get(driver_type, {})
    if driver_name not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise InvalidArgumentError(f"no {driver_type} prices for {driver_name!r}; there are: {known}")
    return tables[driver_name]


def has_prices(driver_type: str, driver_name: str) -> bool:
    """Return whether there are prices for a provider, shipped or set."""
    _require_names(driver_type=driver_type, driver_name=driver_name)
    shipped = _tables(get_pricing_file_path()).get(driver_type, {})
    return driver_name in PRICING_DATA.get(driver_type, {}) or driver_name in shipped


def get_pricing(
    driver_type: str,
    driver_name: str,
    pricing_file_path: str | None = None,
    cache_all: bool = False,  # noqa: ARG001
) -> dict[str, Any]:
    """Return the prices of a provider by size id, in USD per hour.

    Raises `InvalidArgumentError` if there are none. `cache_all` is accepted as in Libcloud; the file
    is read once in any case.
    """
    _require_names(driver_type=driver_type, driver_name=driver_name)
    cached: dict[str, dict[str, Any]] = PRICING_DATA.get(driver_type, {})
    if driver_name not in cached:
        table = _table(driver_type, driver_name, pricing_file_path)
        prices = table.get("prices", table)
        if not isinstance(prices, dict):
            raise InvalidArgumentError(f"the {driver_type} prices for {driver_name!r} must be a table")
        cached = PRICING_DATA.setdefault(driver_type, {})  # now that there are such prices
        cached[driver_name] = dict(prices)
    return cached[driver_name]


def get_price_source(driver_type: str, driver_name: str) -> PriceSource:
    """Source and date of the prices that polycloud ships for a provider."""
    table = _table(driver_type, driver_name)
    return PriceSource(table["source"], table["date"], table["currency"], table["unit"])


def get_size_price(
    driver_type: str, driver_name: str, size_id: str | int, region: str | None = None
) -> float | None:
    """Return the price of a size in USD per hour, in `region` if prices differ by region; None if unknown.

    Raises `InvalidArgumentError` if the known price is not a number.
    """
    price = get_pricing(driver_type, driver_name).get(str(size_id))
    if isinstance(price, dict):
        price = price.get(region)
    try:
        return None if price is None else float(price)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgumentError(f"the price of the size {size_id!r} is {price!r}, no number") from None


def set_pricing(driver_type: str, driver_name: str, pricing: dict[str, Any]) -> None:
    """Put prices (by size id, USD an hour) in the place of the shipped ones, for this process.

    Raises `InvalidArgumentError` for a name that is not a str, and for prices that are not a dict.
    """
    _require_names(driver_type=driver_type, driver_name=driver_name)
    if not isinstance(pricing, dict):
        raise InvalidArgumentError(f"pricing must be a dict, got {shown(pricing)}")
    PRICING_DATA.setdefault(driver_type, {})[driver_name] = pricing


def clear_pricing_data() -> None:
    """Forget what `set_pricing` set and what was read."""
    PRICING_DATA.clear()
    PRICING_DATA.update(compute={}, storage={})
    _tables.cache_clear()
