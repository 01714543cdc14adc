"""A list while it comes: at a terminal the table grows as accounts answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from polycloud.cli import output, tables
from polycloud.cli.listing import Listing, View, cells

__all__ = ["watched"]

MOST_NAMED = 8
FRAME = 7
"""Lines of a screen that a growing table needs beside its rows."""


@contextmanager
def watched(listing: Listing, columns: Sequence[str], view: View) -> Iterator[Callable[[], None]]:
    """Show what has come so far, as long as the block lasts; what it gives shows it at once."""
    growing = _Growing(columns, view)
    with Live(get_renderable=lambda: growing(listing), console=output.console(), transient=True) as live:
        yield live.refresh


class _Growing:
    """The table so far, as much of it as the screen takes, and who is waited for."""

    def __init__(self, columns: Sequence[str], view: View) -> None:
        self.columns, self.view = columns, view
        self.spinner = Spinner("dots")

    def __call__(self, listing: Listing) -> RenderableType:
        console, rows = output.console(), listing.rows(self.view)
        failures = [Text(output.printable(text), "red") for text in listing.told()]
        seen = rows[: max(console.height - FRAME - len(failures), 1)]
        whole = self.view.columns is not None
        table, _ = tables.fitted(self.columns, cells(seen, self.columns), console.width, whole=whole)
        self.spinner.update(text=self._waiting(listing, len(rows)))
        return Group(*([table] if rows else []), *failures, self.spinner)

    def _waiting(self, listing: Listing, found: int) -> str:
        waiting, asked = listing.waiting, len(listing.accounts)
        more = f" and {len(waiting) - MOST_NAMED} others" if len(waiting) > MOST_NAMED else ""
        names = f"waiting for {', '.join(waiting[:MOST_NAMED])}{more}" if waiting else "done"
        return f"{found} from {asked - len(waiting)} of {asked} accounts; {names}"
