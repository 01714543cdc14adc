"""The commands that every noun has: `list` and `show`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from polycloud.cli import accounts, finding, listing, options, output

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["add_list", "add_show", "record"]


def add_list(app: typer.Typer, noun: Noun) -> None:
    """The command `list`."""

    def list_(
        *,
        profile: options.Profiles = None,
        provider: options.Provider = None,
        every: options.Every = False,
        as_json: options.Json = False,
        as_csv: options.Csv = False,
        columns: options.Columns = None,
        filters: options.Filters = None,
        sort: options.Sort = None,
        reverse: options.Reverse = False,
        limit: options.Limit = None,
        deadline: options.Deadline = None,
    ) -> None:
        view = listing.View(as_json, as_csv, columns, filters or (), sort, reverse, limit)
        listing.show(accounts.several(profile, provider, every=every), noun, view, deadline)

    names = ", ".join(column.name for column in noun.columns)
    app.command("list", help=f"List the {noun.many}.\n\nColumns: account, {names}.")(list_)


def add_show(app: typer.Typer, noun: Noun, offered: Callable[..., Any]) -> None:
    """The command `show`; `offered` completes what it is given."""
    called = typer.Argument(metavar=noun.one.upper(), help="Its id or name.", autocompletion=offered)

    def show_(
        *,
        name: str = called,
        profile: options.Profile = None,
        provider: options.Provider = None,
        as_json: options.Json = False,
    ) -> None:
        with accounts.one(profile, provider) as driver:
            record(noun, finding.choose(driver, noun, name), as_json=as_json)

    app.command("show", help=f"Show one {noun.one}; with --json all that the provider tells.")(show_)


def record(noun: Noun, thing: Any, *, as_json: bool) -> None:
    """Print one thing: a line for each of its columns; in JSON its `extra` too."""
    told = noun.record(thing)
    if as_json:
        output.json(told | {"extra": thing.extra})
        return
    output.table([noun.one, noun.id(thing)], [(name, listing.cell(value)) for name, value in told.items()])
