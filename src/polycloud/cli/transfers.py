"""The progress of transfers and changes: how many, rate and time left at a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polycloud.cli import output

__all__ = ["Bar", "human", "progress"]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024


class Bar:
    """A bar that grows by bytes; one without a display does nothing."""

    def __init__(self, display: Any = None, task: Any = None) -> None:
        self._display, self._task = display, task

    def add(self, size: int) -> None:
        """Grow."""
        if self._display is not None:
            self._display.advance(self._task, size)


@contextmanager
def progress(what: str, total: int | None, *, counted: bool = False) -> Iterator[Bar]:
    """Show a bar for so many bytes (None: it is not known how many), or with `counted` for other units."""
    if not output.lively(sys.stderr):
        yield Bar()
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amounts = (
        (MofNCompleteColumn(),) if counted else (DownloadColumn(binary_units=True), TransferSpeedColumn())
    )
    parts = (TextColumn("{task.description}", markup=False), BarColumn(), *amounts, TimeRemainingColumn())
    with Progress(*parts, console=output.errors(), transient=True) as display:
        yield Bar(display, display.add_task(output.printable(what), total=total))


def human(size: int) -> str:
    """A number of bytes in the unit that fits."""
    amount = float(size)
    for unit in UNITS[:-1]:
        if amount < STEP:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= STEP
    return f"{amount:.1f} {UNITS[-1]}"
