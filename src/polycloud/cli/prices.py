"""`polycloud prices`: sizes of several accounts side by side, by CPUs, RAM and price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud import pricing
from polycloud.cli import accounts, listing, options, output
from polycloud.cli.resources import SIZES, Column

if TYPE_CHECKING:
    from polycloud.cli.listing import Record
    from polycloud.cli.resources import Noun
    from polycloud.compute.objects import NodeSize

__all__ = ["app"]

ORDER = ("id", "cpus", "ram_mb", "usd_month", "usd_hour", "name", "disk_gb")
COLUMNS = tuple(column for name in ORDER for column in SIZES.columns if column.name == name)
Least = Annotated[int | None, typer.Option(min=0, metavar="NUMBER", help="So many virtual CPUs at least.")]


def prices(
    *,
    cpu: Least = None,
    ram: Annotated[int | None, typer.Option(min=0, metavar="MB", help="So many MB of RAM at least.")] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Draw price over RAM into a file (.png, .svg); - draws it here."),
    ] = None,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    columns: options.Columns = None,
    filters: options.Filters = None,
    sort: options.Sort = "usd_hour",
    reverse: options.Reverse = False,
    limit: options.Limit = None,
    deadline: options.Deadline = None,
) -> None:
    """Compare sizes of several accounts by price.

    In USD an hour, and a month of 730 hours. Without --profile or --provider all accounts are asked. Of
    prices that a provider does not tell, the date and the source stand below.
    """
    view = listing.View(as_json, as_csv, columns, filters or (), sort, reverse, limit)
    asked = accounts.several(profile, provider, every=not (profile or provider))
    enough = _Enough(cpu, ram)
    if plot is None:
        with _dated(quiet=as_json or as_csv) as sizes:
            listing.show(asked, sizes, view, deadline, enough)
        return
    from polycloud.cli import plots

    plots.require(plot)
    with _dated() as sizes:
        found = listing.collect(asked, sizes, view, deadline, enough)
        plots.draw(_series(found.rows(view)), plot)
        listing.end(found)


@contextmanager
def _dated(*, quiet: bool = False) -> Iterator[Noun]:
    """What lists the sizes; in the end it says whence and of when the prices are that were shipped."""
    shipped: dict[str, str] = {}

    def provider(size: NodeSize) -> str:
        driver = size.driver
        if size.price is not None and pricing.has_prices("compute", driver.api_name):
            shipped[driver.name] = driver.api_name
        return driver.name

    try:
        yield replace(SIZES, columns=(Column("provider", provider), *COLUMNS))
    finally:
        for name, api_name in () if quiet else sorted(shipped.items()):
            source = pricing.get_price_source("compute", api_name)
            output.note(f"{name}'s prices are of {source.date}: {source.source}")


class _Enough:
    """Whether a size has the CPUs and the RAM that are wanted; what is not known is not enough."""

    def __init__(self, cpu: int | None, ram: int | None) -> None:
        self.least = {"cpus": cpu, "ram_mb": ram}

    def __call__(self, record: Record) -> bool:
        return all(
            least is None or (record[name] is not None and record[name] >= least)
            for name, least in self.least.items()
        )


def _series(rows: Sequence[Record]) -> dict[str, list[tuple[float, float]]]:
    """RAM in GB and USD a month of each size with a price, by provider."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["usd_month"] and row["ram_mb"]:
            found.setdefault(row["provider"], []).append((row["ram_mb"] / 1024, row["usd_month"]))
    return found


app = options.single(prices)
