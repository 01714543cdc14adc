"""Tables at a terminal: as wide as it is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import ROUNDED
from rich.table import Table
from rich.text import Text

from polycloud.cli import output

__all__ = ["Cell", "fitted", "ruled"]

BORDER = 3
"""What a column takes beside its cells: two spaces and a line."""
WIDEST = 40
"""A column wider than this is folded rather than others left out."""
Cell = tuple[str, bool]
"""A text, and whether it is a number."""


def ruled(headers: Sequence[str]) -> Table:
    """A table with rules around it."""
    table = Table(box=ROUNDED, header_style="bold", border_style="dim")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def fitted(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], width: int, *, whole: bool
) -> tuple[Table, list[str]]:
    """A table of as many of the first columns as the width takes, or with `whole` of all; those left out."""
    room = len(headers) if whole else _room(headers, rows, width)
    table = ruled(headers[:room])
    for row in rows:
        table.add_row(*(Text(text, justify="right" if number else "left") for text, number in row[:room]))
    return table, list(headers[room:])


def _room(headers: Sequence[str], rows: Sequence[Sequence[Cell]], width: int) -> int:
    """How many columns there is room for; two at least."""
    used = 1
    for at, header in enumerate(headers):
        widest = max(map(output.width, (header, *(row[at][0] for row in rows))))
        used += min(widest, WIDEST) + BORDER
        if used > width:
            return max(at, 2)
    return len(headers)
