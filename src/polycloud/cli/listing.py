"""Lists of one account or several: filtered, sorted, and printed as a table, JSON or CSV.

At a terminal the table grows while accounts respond. An account that fails is reported beside the others.
"""

from __future__ import annotations

import csv
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from polycloud.cli.accounts import Accounts
    from polycloud.cli.resources import Noun

__all__ = ["Listing", "Record", "View", "ask", "cell", "cells", "collect", "end", "show", "spreadsheet_cell"]

ACCOUNT = "account"
FORMULAS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""How formulas begin in spreadsheets; the last four are the wide forms of the others."""
MOST_NAMED = 8
FRAME = 7
"""Lines of the screen that a growing table needs beside its rows."""
Record = Mapping[str, Any]
Watched = AbstractContextManager[Callable[[], None]]


@dataclass(frozen=True, slots=True)
class View:
    """How a list is printed: which rows, in which order, and in which format."""

    as_json: bool = False
    as_csv: bool = False
    safe_csv: bool = False
    columns: str | None = None
    filters: Sequence[str] = ()
    sort: str | None = None
    reverse: bool = False
    limit: int | None = None


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
            wanted = [_condition(text) for text in view.filters]
            found = [record for record in found if all(_fits(record, *one) for one in wanted)]
        if view.sort:
            # Records without a value come last, in either order
            known = [record for record in found if record[view.sort] is not None]
            rest = [record for record in found if record[view.sort] is None]
            found = sorted(known, key=partial(_order, view.sort), reverse=view.reverse) + rest
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
    columns = _columns(noun, view)
    _print(listing.rows(view), _shown(columns, asked, view), columns, view)
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

    def records(driver: Any) -> list[Record]:
        return [record for record in map(noun.record, noun.fetch(driver)) if keep(record)]

    return ask(asked, records, deadline, lambda so_far: _watched(so_far, _shown(columns, asked, view), view))


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
        with driver:
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


def _watched(listing: Listing, columns: Sequence[str], view: View) -> Watched:
    """Show a table while it grows, unless the output is not a table or may not move."""
    if view.as_json or view.as_csv or not output.lively():
        return nullcontext(_do_nothing)
    return _growing(listing, columns, view)


def _do_nothing() -> None:
    pass


def end(listing: Listing) -> None:
    """Print the errors of the accounts that failed, and exit with 1 if there are any."""
    if listing.failures:
        first, *others = listing.errors()
        output.fail(first, others)


def cell(value: Any) -> str:
    """A value as text of a table."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(cell, value))
    return output.printable(f"{value:.10g}" if isinstance(value, float) else value)


def spreadsheet_cell(value: Any) -> str:
    """A value as text that a spreadsheet does not take for a formula."""
    text = cell(value)
    is_formula = text.lstrip().startswith(FORMULAS) and not isinstance(value, int | float)
    return f"'{text}" if is_formula else text


# Rows and columns


def _columns(noun: Noun, view: View) -> list[str]:
    """The requested columns, or all. Raises `InvalidArgumentError` for a view that names unknown ones."""
    if view.as_json and view.as_csv:
        raise InvalidArgumentError("give only one of --json and --csv")
    known = [ACCOUNT, *(column.name for column in noun.columns)]
    for name in (*([view.sort] if view.sort else ()), *(_condition(text)[0] for text in view.filters)):
        _require(name, known)
    if view.columns is None:
        return known
    chosen = [name.strip() for name in view.columns.split(",")]
    for name in chosen:
        _require(name, known)
    return chosen


def _shown(columns: list[str], asked: Accounts, view: View) -> list[str]:
    """The columns of a table: the account's name is left out for one account, unless it was requested."""
    return columns[1:] if len(asked) == 1 and view.columns is None else columns


def _require(name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InvalidArgumentError(f"no column is called {name!r}; {hint}there are {', '.join(known)}")


def _condition(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals:
        raise InvalidArgumentError(f"--filter must be COLUMN=PATTERN, such as name=web*, got {text!r}")
    return name, pattern


def _fits(record: Record, name: str, pattern: str) -> bool:
    value = record[name]
    values = value if isinstance(value, list | tuple) else [value]
    return any(fnmatchcase(cell(one), pattern) for one in values)


def _order(name: str, record: Record) -> tuple[bool, Any]:
    """Sort numbers by value, and before texts."""
    value = record[name]
    number = isinstance(value, int | float)
    return not number, value if number else cell(value)


# Printing


def _print(rows: Sequence[Record], shown: Sequence[str], columns: Sequence[str], view: View) -> None:
    if view.as_json:
        output.json([{name: row[name] for name in columns} for row in rows])
    elif view.as_csv:
        text = spreadsheet_cell if view.safe_csv or output.at_terminal() else cell
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([text(row[name]) for name in columns] for row in rows)
    elif output.at_terminal():
        _print_table(rows, shown, full=view.columns is not None)
    else:
        lines = [list(shown), *([cell(row[name]) or "-" for name in shown] for row in rows)]
        sys.stdout.write("".join(f"{line}\n" for line in output.columns(lines)))


def _print_table(rows: Sequence[Record], shown: Sequence[str], *, full: bool) -> None:
    console = output.console()
    table, left_out = output.fitted(shown, cells(rows, shown), console.width, full=full)
    console.print(table)
    if left_out:
        console.print(f"--columns or a wider window shows {', '.join(left_out)}", style="dim")


def cells(rows: Sequence[Record], shown: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """The cells of a table: each text, and whether it is a number."""
    return [[(cell(row[name]), isinstance(row[name], int | float)) for name in shown] for row in rows]


# A growing table


@contextmanager
def _growing(listing: Listing, columns: Sequence[str], view: View) -> Iterator[Callable[[], None]]:
    """Show the rows so far until the block ends; the function that it yields refreshes them."""
    from rich.live import Live

    table = _Growing(listing, columns, view)
    with Live(get_renderable=table.render, console=output.console(), transient=True) as live:
        yield live.refresh


class _Growing:
    """The rows so far, as many as the screen takes, and the accounts that have not responded."""

    def __init__(self, listing: Listing, columns: Sequence[str], view: View) -> None:
        from rich.spinner import Spinner

        self.listing, self.columns, self.view = listing, columns, view
        self.spinner = Spinner("dots")

    def render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        console, rows = output.console(), self.listing.rows(self.view)
        failures = [Text(output.printable(text), "red") for text in self.listing.errors()]
        seen = rows[: max(console.height - FRAME - len(failures), 1)]
        full = self.view.columns is not None
        table, _ = output.fitted(self.columns, cells(seen, self.columns), console.width, full=full)
        self.spinner.update(text=self._waiting(len(rows)))
        return Group(*([table] if rows else []), *failures, self.spinner)

    def _waiting(self, found: int) -> str:
        waiting, asked = self.listing.waiting, len(self.listing.accounts)
        more = f" and {len(waiting) - MOST_NAMED} others" if len(waiting) > MOST_NAMED else ""
        names = f"waiting for {', '.join(waiting[:MOST_NAMED])}{more}" if waiting else "done"
        return f"{found} from {asked - len(waiting)} of {asked} accounts; {names}"
