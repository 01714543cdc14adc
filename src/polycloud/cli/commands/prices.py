"""`polycloud prices`: compare sizes of several accounts by CPUs, RAM and price."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud import pricing
from polycloud.cli import accounts, listing, options, output
from polycloud.cli.nouns import SIZES
from polycloud.cli.resources import Column

if TYPE_CHECKING:
    from polycloud.cli.listing import Record
    from polycloud.cli.resources import Noun
    from polycloud.compute.objects import NodeSize

__all__ = ["app"]

ORDER = ("id", "cpus", "ram_mb", "usd_month", "usd_hour", "name", "disk_gb")
COLUMNS = tuple(column for name in ORDER for column in SIZES.columns if column.name == name)
Least = Annotated[int | None, typer.Option(min=0, metavar="NUMBER", help="At least so many virtual CPUs.")]


def prices(
    *,
    cpu: Least = None,
    ram: Annotated[int | None, typer.Option(min=0, metavar="MB", help="At least so much RAM.")] = None,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    safe_csv: options.SafeCsv = False,
    output_format: options.Output = None,
    no_header: options.NoHeader = False,
    columns: options.Columns = None,
    filters: options.Filters = None,
    sort: options.Sort = "usd_hour",
    reverse: options.Reverse = False,
    limit: options.Limit = None,
    deadline: options.Deadline = None,
) -> None:
    """Compare sizes of several accounts by price.

    Prices are USD per hour, and per month: the provider's own, else that of 730 hours. Without --profile or
    --provider all accounts are listed. If a provider's API has no prices, those of polycloud are shown, with
    their date and source below.
    """
    form = listing.format_of(output_format, as_json=as_json, as_csv=as_csv, safe_csv=safe_csv)
    view = listing.View(form, not no_header, columns, filters or (), sort, reverse, limit)
    asked = accounts.connect_all(SIZES.service, profile, provider, every=not (profile or provider))
    enough = _Minimum(cpu, ram)
    with _dated(quiet=not view.is_table) as sizes:
        listing.show(asked, sizes, view, deadline, enough)


@contextmanager
def _dated(*, quiet: bool) -> Iterator[Noun]:
    """The noun that lists the sizes; at the end, print date and source of polycloud's own prices."""
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


class _Minimum:
    """Whether a size has enough CPUs and RAM; unknown is not enough."""

    def __init__(self, cpu: int | None, ram: int | None) -> None:
        self.least = {"cpus": cpu, "ram_mb": ram}

    def __call__(self, record: Record) -> bool:
        return all(
            least is None or (record[name] is not None and record[name] >= least)
            for name, least in self.least.items()
        )


app = options.single(prices)
