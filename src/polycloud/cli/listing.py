"""Lists of one account or several: filtered, sorted, and printed as a table, JSON or CSV.

At a terminal the table grows while accounts respond. An account that fails is reported beside the others.
"""

from __future__ import annotations

import csv
import difflib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from polycloud.cli import output
from polycloud.cli.cells import Record, cell, condition, order, parts_of, spreadsheet_cell
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from polycloud.cli.accounts import Accounts
    from polycloud.cli.resources import Noun

__all__ = [
    "Format",
    "Listing",
    "Record",
    "View",
    "ask",
    "cells",
    "chosen_columns",
    "collect",
    "end",
    "format_of",
    "print_rows",
    "show",
    "with_tags",
]

ACCOUNT = "account"
MOST_NAMED = 8
FRAME = 7
"""Lines of the screen that a growing table needs beside its rows."""
PUBLIC_KEY, KEY_WIDTH = "public_key", 36
TAGS, TAG = "tags", "tag:"
"""The column of all tags, and how the column of one tag begins."""
Watched = AbstractContextManager[Callable[[], None]]
Shown = Callable[[Sequence[Record]], Sequence[str]]


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    CSV_SAFE = "csv-safe"
    VALUE = "value"


def format_of(asked: Format | None, *, as_json: bool, as_csv: bool, safe_csv: bool) -> Format:
    """The format that was asked for by its name or by a flag. Raises `InvalidArgumentError` for two."""
    flags = {Format.JSON: as_json, Format.CSV_SAFE: safe_csv, Format.CSV: as_csv and not safe_csv}
    found = [*([asked] if asked else ()), *(name for name, given in flags.items() if given)]
    if len(found) > 1:
        raise InvalidArgumentError("give only one of --output, --json and --csv")
    return found[0] if found else Format.TABLE


@dataclass(frozen=True, slots=True)
class View:
    """How a list is printed: which rows, in which order, and in which format."""

    format: Format = Format.TABLE
    header: bool = True
    columns: str | None = None
    filters: Sequence[str] = ()
    sort: str | None = None
    reverse: bool = False
    limit: int | None = None

    @property
    def is_table(self) -> bool:
        """Whether it is for people."""
        return self.format is Format.TABLE


@dataclass(slots=True)
class Listing:
    """The results so far: the records of each account, or its error."""

    accounts: Sequence[str]
    records: dict[str, list[Record]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    @property
    def waiting(self) -> list[str]:
        """The accounts that have not responded."""
        return [name for name in self.accounts if name not in self.records and name not in self.failures]

    def rows(self, view: View) -> list[Record]:
        """The records, in the order of the accounts unless the view has another."""
        found = [record for name in self.accounts for record in self.records.get(name, ())]
        if view.filters:
            wanted = [condition(text) for text in view.filters]
            found = [record for record in found if all(fits(record) for fits in wanted)]
        if view.sort:
            # Records without a value come last, in either order
            known = [record for record in found if record[view.sort] is not None]
            rest = [record for record in found if record[view.sort] is None]
            found = sorted(known, key=partial(order, view.sort), reverse=view.reverse) + rest
        elif view.reverse:
            found.reverse()
        return found[: view.limit]

    def errors(self) -> Iterator[str]:
        """A line for each account that failed."""
        for name in self.accounts:
            if (error := self.failures.get(name)) is None:
                continue
            yield f"{name}: {output.reason(error)}"


def show(
    asked: Accounts,
    noun: Noun,
    view: View,
    deadline: float | None = None,
    keep: Callable[[Record], bool] = lambda _: True,
) -> None:
    """List the resources of the accounts. Exits with 1 if one of several accounts failed."""
    listing = collect(asked, noun, view, deadline, keep)
    columns, rows = _columns(noun, view), listing.rows(view)
    print_rows(rows, _shown(noun, columns, asked, view, rows), columns, view)
    end(listing)


def collect(
    asked: Accounts,
    noun: Noun,
    view: View,
    deadline: float | None = None,
    keep: Callable[[Record], bool] = lambda _: True,
) -> Listing:
    """Fetch the records that `keep` accepts; if the result is a table, show it while it grows."""
    columns = _columns(noun, view)
    named = [*columns, *_filtered(view), *([view.sort] if view.sort else ())]

    def records(driver: Any) -> list[Record]:
        found = (with_tags(noun.record(item), named) for item in noun.fetch(driver))
        return [record for record in found if keep(record)]

    shown = partial(_shown, noun, columns, asked, view)
    return ask(asked, records, deadline, lambda so_far: _watched(so_far, shown, view))


def ask(
    asked: Accounts,
    call: Callable[[Any], Sequence[Record]],
    deadline: float | None,
    watched: Callable[[Listing], Watched] = lambda _: nullcontext(_do_nothing),
) -> Listing:
    """Call `call` with the driver of each account, side by side; `watched` shows the results as they arrive.

    The error of an only account is raised.
    """
    from polycloud.fleet import Fleet

    def closing(driver: Any) -> Sequence[Record]:
        with driver, output.silently():
            return call(driver)

    listing = Listing(list(asked))
    with watched(listing) as refresh:
        for result in Fleet(asked, deadline=deadline).each(closing):
            if result.error is None:
                listing.records[result.account] = [
                    {ACCOUNT: result.account, **record} for record in result.get()
                ]
            elif len(asked) == 1:
                raise result.error
            else:
                listing.failures[result.account] = result.error
            refresh()
    return listing


def _watched(listing: Listing, shown: Shown, view: View) -> Watched:
    """Show a table while it grows, unless the output is not a table or may not move."""
    if not view.is_table or not output.lively():
        return nullcontext(_do_nothing)
    return _growing(listing, shown, view)


def _do_nothing() -> None:
    pass


def end(listing: Listing) -> None:
    """Print the errors of the accounts that failed, and exit with 1 if there are any."""
    if listing.failures:
        first, *others = listing.errors()
        output.fail(first, others)


# Rows and columns


def _columns(noun: Noun, view: View) -> list[str]:
    """The requested columns, or all. Raises `InvalidArgumentError` for a view that names unknown ones."""
    known = [ACCOUNT, *(column.name for column in noun.columns)]
    for name in (*([view.sort] if view.sort else ()), *_filtered(view)):
        _require(name, known)
    for text in view.filters:
        condition(text)
    return known if view.columns is None else chosen_columns(view.columns, known)


def chosen_columns(text: str, known: Sequence[str]) -> list[str]:
    """The names in a list with commas. Raises `InvalidArgumentError` for unknown ones."""
    chosen = [name.strip() for name in text.split(",")]
    for name in chosen:
        _require(name, known)
    return chosen


def with_tags(record: Record, names: Sequence[str]) -> Record:
    """The record with those of these columns that are a tag's value: `tag:env` of `env=prod` is "prod"."""
    wanted = {name: name.removeprefix(TAG) for name in names if name.startswith(TAG)}
    return {**record, **{name: _tag(record[TAGS], tag) for name, tag in wanted.items()}} if wanted else record


def _tag(tags: Sequence[str], wanted: str) -> str | None:
    """The value of a tag `wanted=value` or `wanted:value`; "yes" for one without a value, None without it."""
    for tag in tags:
        name, _, value = tag.partition("=" if "=" in tag else ":")
        if tag == wanted:
            return "yes"
        if name == wanted:
            return value
    return None


def _shown(noun: Noun, columns: list[str], asked: Accounts, view: View, rows: Sequence[Record]) -> list[str]:
    """The columns of a table: unless requested, no hidden or empty ones, and no name of an only account."""
    if view.columns is not None:
        return columns
    left_out = {
        one.name
        for one in noun.columns
        if one.hidden or (one.rare and not (view.is_table and any(row[one.name] for row in rows)))
    }
    left_out |= {ACCOUNT} if len(asked) == 1 else set()
    return [name for name in columns if name not in left_out]


def _require(name: str, known: Sequence[str]) -> None:
    if name not in known and not (TAGS in known and name.startswith(TAG) and name != TAG):
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InvalidArgumentError(f"no column is called {name!r}; {hint}there are {', '.join(known)}")


def _filtered(view: View) -> list[str]:
    """The columns that filters name."""
    return [parts_of(text)[0] for text in view.filters]


# Printing


def print_rows(rows: Sequence[Record], shown: Sequence[str], columns: Sequence[str], view: View) -> None:
    """Print rows; a table has the columns `shown`, which leave out the account where there is one."""
    if view.format is Format.JSON:
        output.json([{name: row[name] for name in columns} for row in rows])
    elif view.format in {Format.CSV, Format.CSV_SAFE}:
        safe = view.format is Format.CSV_SAFE or output.at_terminal()
        text = spreadsheet_cell if safe else cell
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns] if view.header else [])
        writer.writerows([text(row[name]) for name in columns] for row in rows)
    elif view.format is Format.VALUE:
        sys.stdout.write("".join("\t".join(cell(row[name]) for name in shown) + "\n" for row in rows))
    elif output.at_terminal():
        _print_table(rows, shown, view)
    else:
        lines = [[cell(row[name]) or "-" for name in shown] for row in rows]
        lines = [list(shown), *lines] if view.header else lines
        sys.stdout.write("".join(f"{line}\n" for line in output.columns(lines)))


def _print_table(rows: Sequence[Record], shown: Sequence[str], view: View) -> None:
    console = output.console()
    full = view.columns is not None
    shown = shown if full else _without_twins(rows, shown)
    table, left_out = output.fitted(shown, cells(rows, shown), console.width, full=full)
    table.show_header = view.header
    console.print(table)
    if left_out:
        console.print(f"--columns or a wider window shows {', '.join(left_out)}", style="dim")


def cells(rows: Sequence[Record], shown: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """The cells of a table at a terminal: each text, and whether it is a number; public keys are cut."""
    return [
        [(_short(name, cell(row[name])), isinstance(row[name], int | float)) for name in shown]
        for row in rows
    ]


def _short(name: str, text: str) -> str:
    """A text of a column; of a public key its type and its end, which tell keys apart."""
    if name != PUBLIC_KEY or len(text) <= KEY_WIDTH:
        return text
    kind, _, rest = text.partition(" ")
    return f"{kind} …{rest[-(KEY_WIDTH - len(kind)) :]}"


def _without_twins(rows: Sequence[Record], shown: Sequence[str]) -> list[str]:
    """The columns without the names, where each is equal to its id."""
    is_twin = "id" in shown and "name" in shown and all(row["id"] == row["name"] for row in rows)
    return [name for name in shown if not (is_twin and name == "name")]


# A growing table


@contextmanager
def _growing(listing: Listing, shown: Shown, view: View) -> Iterator[Callable[[], None]]:
    """Show the rows so far until the block ends; the function that it yields refreshes them."""
    from rich.live import Live

    table = _Growing(listing, shown, view)
    with Live(get_renderable=table.render, console=output.console(), transient=True) as live:
        yield live.refresh


class _Growing:
    """The rows so far, as many as the screen takes, and the accounts that have not responded."""

    def __init__(self, listing: Listing, shown: Shown, view: View) -> None:
        from rich.spinner import Spinner

        self.listing, self.shown, self.view = listing, shown, view
        self.spinner = Spinner("dots")

    def render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        console, rows = output.console(), self.listing.rows(self.view)
        failures = [Text(output.printable(text), "red") for text in self.listing.errors()]
        seen = rows[: max(console.height - FRAME - len(failures), 1)]
        full = self.view.columns is not None
        columns = self.shown(rows)
        shown = columns if full else _without_twins(rows, columns)
        table, _ = output.fitted(shown, cells(seen, shown), console.width, full=full)
        self.spinner.update(text=self._waiting(len(rows)))
        return Group(*([table] if rows else []), *failures, self.spinner)

    def _waiting(self, found: int) -> str:
        waiting, asked = self.listing.waiting, len(self.listing.accounts)
        more = f" and {len(waiting) - MOST_NAMED} others" if len(waiting) > MOST_NAMED else ""
        names = f"waiting for {', '.join(waiting[:MOST_NAMED])}{more}" if waiting else "done"
        return f"{found} from {asked - len(waiting)} of {asked} accounts; {names}"
