"""What commands print: tables, records, JSON and errors, in colour at a terminal, plain elsewhere.

Results go to stdout; what is under way, warnings and errors go to stderr.
"""

from __future__ import annotations

import json as json_format
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "NOT_FOUND",
    "WRONG_CALL",
    "code",
    "columns",
    "console",
    "errors",
    "fail",
    "json",
    "line",
    "lively",
    "note",
    "printable",
    "table",
    "working",
]

FAILED, WRONG_CALL, NOT_FOUND, INTERRUPTED = 1, 2, 3, 130
"""Exit statuses."""
GAP = 2


@cache
def console() -> Console:
    """Where results go."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


@cache
def errors() -> Console:
    """Where everything else goes."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, stderr=True)


def lively(where: Console) -> bool:
    """Whether something may move there: at a terminal that can, unless NO_COLOR asks for calm."""
    return where.is_terminal and not where.is_dumb_terminal and not os.environ.get("NO_COLOR")


def printable(text: object) -> str:
    """`text` without control characters, which a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in str(text))


def line(text: object = "", style: str = "") -> None:
    """Print one line as it is, however long."""
    from rich.text import Text

    console().print(Text(printable(text), style), soft_wrap=True)


def note(text: object) -> None:
    """Print one line on stderr."""
    print(printable(text), file=sys.stderr)  # noqa: T201 - notes and errors are plain text


def json(data: Any) -> None:
    """Print `data` as JSON: laid out at a terminal, one line elsewhere."""
    if console().is_terminal:
        console().print_json(data=data, indent=2, default=str)
    else:
        # Flushed, since a program may be waiting for it while the command goes on
        print(json_format.dumps(data, ensure_ascii=False, default=str), flush=True)  # noqa: T201


def code(text: str) -> None:
    """Print Python as it is."""
    from rich.syntax import Syntax

    shown = Syntax(text, "python", theme="ansi_dark", background_color="default").highlight(text)
    shown.rstrip()
    console().print(shown, soft_wrap=True)


def table(headers: Sequence[str], *sections: Iterable[Sequence[object]]) -> None:
    """Print a table: ruled at a terminal, in columns that `grep` and `awk` understand elsewhere.

    A section is a group of rows; lines part the sections.
    """
    from rich.text import Text

    from polycloud.cli import tables

    cells = [[[printable(cell) for cell in row] for row in rows] for rows in sections]
    if not console().is_terminal:
        for text in columns([headers, *(row for rows in cells for row in rows)]):
            line(text)
        return
    ruled = tables.ruled(headers)
    for rows in cells:
        for row in rows:
            ruled.add_row(*map(Text, row))
        ruled.add_section()
    console().print(ruled)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """One text a row, its cells padded to columns."""
    widths = [max(map(len, column)) + GAP for column in zip(*rows, strict=True)]
    return ["".join(map(str.ljust, row, widths)).rstrip() for row in rows]


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what is under way: with a spinner and the time it takes at a terminal, in a line elsewhere."""
    if not lively(errors()):
        note(f"{what} ...")
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    parts = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*parts, console=errors(), transient=True) as progress:
        progress.add_task(printable(what), total=None)
        yield


def fail(message: object, notes: Iterable[str] = (), code: int = FAILED) -> NoReturn:
    """End the command with one line on stderr (and one for each note) and the exit status `code`."""
    for text in (message, *notes):
        note(text)
    sys.exit(code)
