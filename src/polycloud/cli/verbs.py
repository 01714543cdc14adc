"""The commands that nouns have in common: `list`, `show`, and those that change several resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from polycloud.cli import accounts, bundles, cells, changing, finding, listing, options, output

if TYPE_CHECKING:
    from polycloud.cli.resources import Column, Noun

__all__ = ["add_change", "add_destruction", "add_list", "full_record", "group", "print_record", "show_one"]

Words = tuple[str, str]
"""What a command does and what it has done, such as "destroy" and "destroyed"."""


def group(noun: Noun) -> typer.Typer:
    """The command of a noun, with `list` and `show`."""
    app = options.group()
    add_list(app, noun)
    _add_show(app, noun)
    return app


def add_list(app: typer.Typer, noun: Noun) -> None:
    """Add the command `list`."""

    @bundles.takes_view
    def list_(
        *,
        profile: options.Profiles = None,
        provider: options.Provider = None,
        every: options.Every = False,
        view: listing.View,
        deadline: options.Deadline = None,
    ) -> None:
        asked = accounts.connect_all(noun.service, profile, provider, every=every)
        listing.show(asked, noun, view, deadline)

    names = ", ".join(column.name for column in noun.columns)
    app.command("list", help=f"List the {noun.many}.\n\nColumns: account, {names}.")(list_)


def _add_show(app: typer.Typer, noun: Noun) -> None:
    argument = options.argument(noun)

    @bundles.takes_form
    def show(
        *,
        name: str = argument,
        profile: options.Profile = None,
        provider: options.Provider = None,
        view: listing.View,
    ) -> None:
        with accounts.connect_one(noun.service, profile, provider) as driver:
            show_one(noun, view, lambda: finding.choose(driver, noun, name))

    app.command("show", help=f"Show one {noun.one}; with --json also the provider's own fields.")(show)


def show_one(noun: Noun, view: listing.View, find: Callable[[], Any]) -> None:
    """Print the resource that `find` returns, unless the view names columns that it does not have."""
    known = [column.name for column in noun.columns]
    chosen = known if view.columns is None else listing.chosen_columns(view.columns, known)
    item = find()
    record = listing.with_tags(noun.record(item), chosen)
    if view.is_table and not view.header:
        for column in chosen:
            output.line(cells.cell(record[column]))
    elif view.is_table:
        _print_table(noun, item, {name: record[name] for name in chosen})
    elif view.format is listing.Format.JSON:
        shown = {name: record[name] for name in chosen}
        output.json(shown if view.columns else full_record(noun, item))
    else:
        listing.print_rows([record], chosen, chosen, view)


def add_change(app: typer.Typer, noun: Noun, operation: str, words: Words, help: str) -> None:
    """Add a command that calls the driver's `operation` for each of several resources.

    Its name is the first word of the operation; `words` are those of `changing.each`.
    """
    argument = options.arguments(noun)

    def change(
        *,
        names: list[str] = argument,
        profile: options.Profile = None,
        provider: options.Provider = None,
        dry_run: options.DryRun = False,
    ) -> None:
        _change(noun, operation, words, names, (profile, provider), dry_run=dry_run)

    app.command(_first_word(operation), help=help)(change)


def add_destruction(app: typer.Typer, noun: Noun, operation: str, words: Words, help: str) -> None:
    """Add a command like that of `add_change` that asks first."""
    argument = options.arguments(noun)

    def destroy(
        *,
        names: list[str] = argument,
        yes: options.Yes = False,
        profile: options.Profile = None,
        provider: options.Provider = None,
        dry_run: options.DryRun = False,
    ) -> None:
        _change(noun, operation, words, names, (profile, provider), dry_run=dry_run, ask=not yes)

    app.command(_first_word(operation), help=f"{help} Asks first.")(destroy)


def _change(
    noun: Noun,
    operation: str,
    words: Words,
    names: list[str],
    account: tuple[str | None, str | None],
    *,
    dry_run: bool,
    ask: bool = False,
) -> None:
    with accounts.connect_one(noun.service, *account) as driver:
        found = finding.find_all(driver, noun, names)
        if ask and not dry_run:
            changing.confirm(noun, found, words[0], accounts.name_of(*account))
        changing.each(noun.title, found, getattr(driver, operation), words, dry_run=dry_run)


def _first_word(operation: str) -> str:
    return operation.partition("_")[0]


def print_record(noun: Noun, item: Any, *, as_json: bool) -> None:
    """Print one resource: a line for each of its columns; in JSON its `extra` too."""
    if as_json:
        output.json(full_record(noun, item))
        return
    _print_table(noun, item, {one.name: one.get(item) for one in noun.columns if not _is_unset(one, item)})


def _is_unset(column: Column, item: Any) -> bool:
    """Whether a column is rare, and this resource has no value for it."""
    return column.rare and column.get(item) in (None, "")


def _print_table(noun: Noun, item: Any, record: Mapping[str, Any]) -> None:
    rows = [(name, cells.cell(value)) for name, value in record.items()]
    output.table([noun.one, noun.id(item)], rows)


def full_record(noun: Noun, item: Any) -> dict[str, Any]:
    """The values of the columns by name, and the provider's own fields."""
    return noun.record(item) | {"extra": cells.plain(item.extra)}
