"""What commands print: tables, JSON and errors, in colour at a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from rich.box import ROUNDED
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

__all__ = ["code", "columns", "console", "fail", "json", "line", "printable", "table"]

console = Console(highlight=False, markup=False, emoji=False)
GAP = 2


def printable(text: object) -> str:
    """`text` without control characters, which a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in str(text))


def line(text: object = "", style: str = "") -> None:
    """Print one line as it is, however long."""
    console.print(Text(printable(text), style), soft_wrap=True)


def json(data: Any) -> None:
    """Print `data` as JSON: laid out at a terminal, one line elsewhere."""
    console.print_json(data=data, indent=2 if console.is_terminal else None)


def code(text: str) -> None:
    """Print Python as it is."""
    shown = Syntax(text, "python", theme="ansi_dark", background_color="default").highlight(text)
    shown.rstrip()
    console.print(shown, soft_wrap=True)


def table(headers: Sequence[str], *sections: Iterable[Sequence[object]]) -> None:
    """Print a table: ruled at a terminal, in columns that `grep` and `awk` understand elsewhere.

    A section is a group of rows; lines part the sections.
    """
    cells = [[[printable(cell) for cell in row] for row in rows] for rows in sections]
    if not console.is_terminal:
        for text in columns([headers, *(row for rows in cells for row in rows)]):
            line(text)
        return
    ruled = Table(box=ROUNDED, header_style="bold", border_style="dim")
    for header in headers:
        ruled.add_column(header)
    for rows in cells:
        for row in rows:
            ruled.add_row(*map(Text, row))
        ruled.add_section()
    console.print(ruled)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """One text a row, its cells padded to columns."""
    widths = [max(map(len, column)) + GAP for column in zip(*rows, strict=True)]
    return ["".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def fail(message: object, notes: Iterable[str] = (), code: int = 1) -> NoReturn:
    """End the command with one line on stderr (and one for each note) and the exit status `code`."""
    for text in (message, *notes):
        print(printable(text), file=sys.stderr)  # noqa: T201 - errors are plain text
    sys.exit(code)
