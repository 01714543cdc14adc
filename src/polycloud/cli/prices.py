"""`polycloud prices`: sizes of several accounts side by side, by CPUs, RAM and price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, listing, options
from polycloud.cli.resources import SIZES, Column

if TYPE_CHECKING:
    from polycloud.cli.listing import Record

__all__ = ["app"]

ORDER = ("id", "cpus", "ram_mb", "usd_month", "usd_hour", "name", "disk_gb")
PRICES = replace(
    SIZES,
    columns=(
        Column("provider", attrgetter("driver.name")),
        *(next(column for column in SIZES.columns if column.name == name) for name in ORDER),
    ),
)
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

    In USD an hour, and a month of 730 hours. Without --profile or --provider all accounts are asked.
    """
    view = listing.View(as_json, as_csv, columns, filters or (), sort, reverse, limit)
    asked = accounts.several(profile, provider, every=not (profile or provider))
    enough = _Enough(cpu, ram)
    if plot is None:
        listing.show(asked, PRICES, view, deadline, enough)
        return
    from polycloud.cli import plots

    plots.require(plot)
    found = listing.collect(asked, PRICES, view, deadline, enough)
    plots.draw(_series(found.rows(view)), plot)
    listing.end(found)


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
