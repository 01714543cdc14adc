"""Lists: of one account or several, filtered, ordered, and printed as a table, JSON or CSV.

At a terminal the table grows while accounts answer. An account that fails is told beside the others.
"""

from __future__ import annotations

import csv
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from polycloud.cli import accounts, output
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun
    from polycloud.compute.base import NodeDriver

__all__ = ["Listing", "Record", "View", "ask", "cell", "cells", "collect", "end", "show"]

ACCOUNT = "account"
Record = Mapping[str, Any]
Watched = AbstractContextManager[Callable[[], None]]


@dataclass(frozen=True, slots=True)
class View:
    """How a list is wanted: which rows, in which order, and in which form."""

    as_json: bool = False
    as_csv: bool = False
    columns: str | None = None
    filters: Sequence[str] = ()
    sort: str | None = None
    reverse: bool = False
    limit: int | None = None


@dataclass(slots=True)
class Listing:
    """What has come so far: the records of each account, and its failure where it failed."""

    accounts: Sequence[str]
    records: dict[str, list[Record]] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    @property
    def waiting(self) -> list[str]:
        """The accounts that have not answered."""
        return [name for name in self.accounts if name not in self.records and name not in self.failures]

    def rows(self, view: View) -> list[Record]:
        """The records, in the order of the accounts unless the view has another."""
        found = [record for name in self.accounts for record in self.records.get(name, ())]
        if view.filters:
            wanted = [_condition(text) for text in view.filters]
            found = [record for record in found if all(_fits(record, *one) for one in wanted)]
        if view.sort:
            # What has no value comes last, whichever way round
            known = [record for record in found if record[view.sort] is not None]
            rest = [record for record in found if record[view.sort] is None]
            found = sorted(known, key=partial(_order, view.sort), reverse=view.reverse) + rest
        elif view.reverse:
            found.reverse()
        return found[: view.limit]

    def told(self) -> Iterator[str]:
        """A line for each account that failed."""
        for name in self.accounts:
            if (error := self.failures.get(name)) is None:
                continue
            yield f"{name}: {output.reason(error)}"


def show(
    asked: accounts.Accounts,
    noun: Noun,
    view: View,
    deadline: float | None = None,
    keep: Callable[[Record], bool] = lambda _: True,
) -> None:
    """Ask the accounts, and print what they have. Exits with 1 where one of several failed."""
    listing = collect(asked, noun, view, deadline, keep)
    columns = _columns(noun, view)
    _print(listing.rows(view), _shown(columns, asked, view), columns, view)
    end(listing)


def collect(
    asked: accounts.Accounts,
    noun: Noun,
    view: View,
    deadline: float | None = None,
    keep: Callable[[Record], bool] = lambda _: True,
) -> Listing:
    """What the accounts have that `keep` wants; shown while it comes, where a table is wanted."""
    columns = _columns(noun, view)

    def records(driver: NodeDriver) -> list[Record]:
        return [told for told in map(noun.record, noun.fetch(driver)) if keep(told)]

    return ask(asked, records, deadline, lambda so_far: _watched(so_far, _shown(columns, asked, view), view))


def ask(
    asked: accounts.Accounts,
    call: Callable[[Any], Sequence[Record]],
    deadline: float | None,
    watched: Callable[[Listing], Watched] = lambda _: nullcontext(_at_rest),
) -> Listing:
    """What `call` gives for each account, `watched` while it comes.

    A failure is raised where there is one account only.
    """
    from polycloud.fleet import Fleet

    def closing(driver: NodeDriver) -> Sequence[Record]:
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
    """What shows a table while it comes; nothing where none is wanted, or nothing may move."""
    if view.as_json or view.as_csv or not output.lively():
        return nullcontext(_at_rest)
    from polycloud.cli import growing

    return growing.watched(listing, columns, view)


def _at_rest() -> None:
    pass


def end(listing: Listing) -> None:
    """Tell of the accounts that failed, and exit with 1 where there are some."""
    if listing.failures:
        first, *others = listing.told()
        output.fail(first, others)


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(cell, value))
    return output.printable(f"{value:.10g}" if isinstance(value, float) else value)


# Which rows and columns


def _columns(noun: Noun, view: View) -> list[str]:
    """The columns asked for, or all; what else the view names is looked at too."""
    if view.as_json and view.as_csv:
        raise InvalidArgumentError("give --json or --csv, not both")
    known = [ACCOUNT, *(column.name for column in noun.columns)]
    for name in (*([view.sort] if view.sort else ()), *(_condition(text)[0] for text in view.filters)):
        _require(name, known)
    if view.columns is None:
        return known
    chosen = [name.strip() for name in view.columns.split(",")]
    for name in chosen:
        _require(name, known)
    return chosen


def _shown(columns: list[str], asked: accounts.Accounts, view: View) -> list[str]:
    """The columns of a table: those of one account go without its name, unless it is asked for."""
    return columns[1:] if len(asked) == 1 and view.columns is None else columns


def _require(name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InvalidArgumentError(f"no column is called {name!r}; {hint}there are {', '.join(known)}")


def _condition(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals:
        raise InvalidArgumentError(f"--filter {text!r} is not COLUMN=PATTERN, such as name=web*")
    return name, pattern


def _fits(record: Record, name: str, pattern: str) -> bool:
    value = record[name]
    values = value if isinstance(value, list | tuple) else [value]
    return any(fnmatchcase(cell(one), pattern) for one in values)


def _order(name: str, record: Record) -> tuple[bool, Any]:
    """Numbers by their value, and before texts."""
    value = record[name]
    number = isinstance(value, int | float)
    return not number, value if number else cell(value)


# How they are printed


def _print(rows: Sequence[Record], shown: Sequence[str], columns: Sequence[str], view: View) -> None:
    if view.as_json:
        output.json([{name: row[name] for name in columns} for row in rows])
    elif view.as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row[name]) for name in columns] for row in rows)
    elif output.at_terminal():
        _print_table(rows, shown, whole=view.columns is not None)
    else:
        lines = [list(shown), *([cell(row[name]) or "-" for name in shown] for row in rows)]
        sys.stdout.write("".join(f"{line}\n" for line in output.columns(lines)))


def _print_table(rows: Sequence[Record], shown: Sequence[str], *, whole: bool) -> None:
    from polycloud.cli import tables

    console = output.console()
    table, left_out = tables.fitted(shown, cells(rows, shown), console.width, whole=whole)
    console.print(table)
    if left_out:
        console.print(f"--columns or a wider window shows {', '.join(left_out)}", style="dim")


def cells(rows: Sequence[Record], shown: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """The texts of a table, each with whether it is a number."""
    return [[(cell(row[name]), isinstance(row[name], int | float)) for name in shown] for row in rows]
