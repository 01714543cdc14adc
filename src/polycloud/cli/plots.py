"""Price over RAM as a picture: by matplotlib into a file, or in characters at the terminal."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError, PolycloudError

__all__ = ["draw", "require"]

HERE = "-"
X_TITLE, Y_TITLE = "GB of RAM", "USD a month"
LINES = 18
MARGIN = 12
MARKS = "ox+*#@%&"
Series = Mapping[str, Sequence[tuple[float, float]]]
"""Points, which are above 0 both ways, by what they are called."""


def require(file: str) -> None:
    """Raise `PolycloudError` where drawing to a file wants a package that is not there."""
    if file != HERE and find_spec("matplotlib") is None:
        raise PolycloudError(
            f"drawing a file needs: pip install 'polycloud[plot]'; --plot {HERE} draws at the terminal"
        )


def draw(series: Series, file: str) -> None:
    """Draw points on two logarithmic axes, one mark a series."""
    if not any(series.values()):
        raise PolycloudError("there is nothing to draw: no size has a price")
    if file == HERE:
        for text in _in_characters(series, shutil.get_terminal_size().columns - MARGIN):
            output.line(text)
        return
    _by_matplotlib(series, file)
    output.note(f"drawn: {file}")


def _by_matplotlib(series: Series, file: str) -> None:
    import_module("matplotlib").use("Agg")
    figure, axes = import_module("matplotlib.pyplot").subplots(layout="constrained")
    for name, points in series.items():
        axes.loglog(*zip(*sorted(points), strict=True), marker="o", linestyle="", label=name)
    axes.set(xlabel=X_TITLE, ylabel=Y_TITLE)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    try:
        figure.savefig(file)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"{file} cannot be drawn: {error}") from None


def _in_characters(series: Series, width: int) -> list[str]:
    """The lines of a picture of that many columns."""
    points = [point for some in series.values() for point in some]
    across, up = _Axis([x for x, _ in points], width), _Axis([y for _, y in points], LINES)
    field = [[" "] * width for _ in range(LINES)]
    for mark, some in zip(MARKS * len(series), series.values(), strict=False):
        for x, y in some:
            field[LINES - 1 - up.at(y)][across.at(x)] = mark
    labels = {0: f"{up.most:,.2f}", LINES - 1: f"{up.least:,.2f}"}
    lines = [f"{labels.get(at, ''):>10} |{''.join(row).rstrip()}" for at, row in enumerate(field)]
    ends = f"{across.least:g}{across.most:>{width - len(f'{across.least:g}')}g}"
    named = "  ".join(f"{mark} {name}" for mark, name in zip(MARKS * len(series), series, strict=False))
    return [Y_TITLE, *lines, f"{'':>10} +{'-' * width}", f"{'':>12}{ends}", f"{X_TITLE:>{width + 12}}", named]


class _Axis:
    """Places of numbers on a logarithmic axis of some characters."""

    def __init__(self, values: Sequence[float], length: int) -> None:
        self.least, self.most, self.length = min(values), max(values), length

    def at(self, value: float) -> int:
        if self.least == self.most:
            return 0
        part = math.log(value / self.least) / math.log(self.most / self.least)
        return round(part * (self.length - 1))
