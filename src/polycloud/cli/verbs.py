"""The commands that nouns have in common: `list`, `show`, and those that change several things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from polycloud.cli import accounts, changing, completion, finding, listing, options, output

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["add_change", "add_destruction", "add_list", "add_show", "record"]

Words = tuple[str, str]


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


def add_show(app: typer.Typer, noun: Noun) -> None:
    """The command `show`."""
    offered = getattr(completion, noun.many)
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


def add_change(app: typer.Typer, noun: Noun, operation: str, words: Words, help: str) -> None:
    """A command, called as the driver's `operation` begins, that does it to things; `words` as in `each`."""
    called = _several(noun)

    def change(
        *,
        names: list[str] = called,
        profile: options.Profile = None,
        provider: options.Provider = None,
        dry_run: options.DryRun = False,
    ) -> None:
        _do(noun, operation, words, names, (profile, provider), dry_run=dry_run)

    app.command(_first_word(operation), help=help)(change)


def add_destruction(app: typer.Typer, noun: Noun, operation: str, words: Words, help: str) -> None:
    """The same, asking before."""
    called = _several(noun)

    def destroy(
        *,
        names: list[str] = called,
        yes: options.Yes = False,
        profile: options.Profile = None,
        provider: options.Provider = None,
        dry_run: options.DryRun = False,
    ) -> None:
        _do(noun, operation, words, names, (profile, provider), dry_run=dry_run, ask=not yes)

    app.command(_first_word(operation), help=f"{help} Asks before.")(destroy)


def _do(
    noun: Noun,
    operation: str,
    words: Words,
    names: list[str],
    account: tuple[str | None, str | None],
    *,
    dry_run: bool,
    ask: bool = False,
) -> None:
    with accounts.one(*account) as driver:
        found = finding.find_all(driver, noun, names)
        if ask and not dry_run:
            changing.confirm(noun, found, words[0], accounts.name_of(*account))
        changing.each(noun, found, getattr(driver, operation), words, dry_run=dry_run)


def _several(noun: Noun) -> Any:
    offered = getattr(completion, noun.many)
    return typer.Argument(metavar=f"{noun.one.upper()}...", help="Ids or names.", autocompletion=offered)


def _first_word(operation: str) -> str:
    return operation.partition("_")[0]


def record(noun: Noun, thing: Any, *, as_json: bool) -> None:
    """Print one thing: a line for each of its columns; in JSON its `extra` too."""
    told = noun.record(thing)
    if as_json:
        output.json(told | {"extra": thing.extra})
        return
    output.table([noun.one, noun.id(thing)], [(name, listing.cell(value)) for name, value in told.items()])
