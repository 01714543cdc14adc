"""Print tables, records, JSON and errors: in colour at a terminal, plain elsewhere.

Results go to stdout; progress, warnings and errors go to stderr. Rich is imported only for a terminal.
"""

from __future__ import annotations

import json as json_format
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import IO, TYPE_CHECKING, Any, NoReturn

from polycloud.cli.statuses import FAILED, INTERRUPTED, NOT_FOUND, WRONG_CALL

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "NOT_FOUND",
    "WRONG_CALL",
    "Cell",
    "asking",
    "at_terminal",
    "code",
    "columns",
    "console",
    "errors",
    "fail",
    "fitted",
    "json",
    "line",
    "lively",
    "note",
    "printable",
    "reason",
    "silently",
    "table",
    "width",
    "working",
]

GAP = 2
BORDER = 3
"""The width of a column beside its cells: two spaces and a line."""
WIDEST = 40
"""A wider column is folded before others are left out."""
SHELL_WORDS = {
    r"ask supports\(.*?\) first": "`polycloud providers` shows what it offers",
    "ex_destroy_on_failure=True": "--destroy-on-failure",
    "pass overwrite_existing=True": "give --force",
    r"pass (ex_\w+)=": r"give --set \1=",
    "domain must be given": "--zone must be given",
    "give wait_drained=None to": "use `lb detach` without --drain (for `lb rolling` give --cut) to",
    "target must be given": "--octodns-target must be given",
    "most_deleted=": "--most-deleted ",
    "most_updated=": "--most-updated ",
}
"""Advice of errors to programs, and what it is at a shell."""
FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables that request output as for a terminal."""
ALWAYS, VITAL = 2, ("health", "state", "usd_month", "value")
"""How many of the first columns, and which others, a table has however narrow it is."""
STATE = ("health", "state")
STATES = {
    "up": "green",
    "down": "red",
    "running": "green",
    "available": "green",
    "inuse": "green",
    "stopped": "dim",
    "terminated": "red",
    "error": "red",
    "deleted": "red",
    "unknown": "red",
}
"""The colours of states and of the health of members; others, which pass, are yellow."""
TYPE = "type"
TYPES = {
    **dict.fromkeys(("A", "AAAA"), "green"),
    **dict.fromkeys(("ALIAS", "ANAME", "CNAME", "DNAME"), "cyan"),
    **dict.fromkeys(("MX", "SRV"), "magenta"),
    **dict.fromkeys(("SPF", "TXT"), "yellow"),
    **dict.fromkeys(("NS", "SOA"), "blue"),
}
"""The colours of types of records; others have none."""
_silent: ContextVar[bool] = ContextVar("silent", default=False)
Cell = tuple[str, bool]
"""A text, and whether it is a number."""


@cache
def console() -> Console:
    """The console for results."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


@cache
def errors() -> Console:
    """The console for everything else."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, stderr=True)


def at_terminal(stream: IO[str] | None = None) -> bool:
    """Whether `stream` (default stdout) is a terminal. Does not import Rich if it is not."""
    stream = stream or sys.stdout
    forced = any(map(os.environ.get, FORCED))
    return (forced or stream.isatty()) and _console(stream).is_terminal


def lively(stream: IO[str] | None = None) -> bool:
    """Whether output may move there: at a capable terminal, unless NO_COLOR is set."""
    return at_terminal(stream) and not (_console(stream).is_dumb_terminal or os.environ.get("NO_COLOR"))


def _console(stream: IO[str] | None) -> Console:
    return errors() if stream is sys.stderr else console()


def printable(text: object) -> str:
    """`text` without control characters, which a terminal would execute."""
    return "".join(character if character.isprintable() else " " for character in str(text))


def line(text: object = "", style: str = "") -> None:
    """Print one line without wrapping it."""
    if not at_terminal():
        print(printable(text), flush=True)  # noqa: T201 - flushed, as below
        return
    from rich.text import Text

    console().print(Text(printable(text), style), soft_wrap=True)


def note(text: object) -> None:
    """Print one line on stderr."""
    # With its line end in one piece: several threads write notes
    print(f"{printable(text)}\n", end="", file=sys.stderr)  # noqa: T201 - notes and errors are plain text


def json(data: Any) -> None:
    """Print `data` as JSON: indented at a terminal, one line elsewhere.

    Characters that a terminal would execute, or not show, are escaped.
    """
    if at_terminal():
        from rich.highlighter import JSONHighlighter

        text = json_format.dumps(data, ensure_ascii=False, default=str, indent=2)
        console().print(JSONHighlighter()(visible(text)), soft_wrap=True)
    else:
        # Flushed, since a program may wait for it while the command continues
        is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        text = json_format.dumps(data, ensure_ascii=not is_unicode, default=str)
        print(visible(text), flush=True)  # noqa: T201


def visible(text: str) -> str:
    """JSON with escapes for control, format and other invisible characters; its own line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else json_format.dumps(char)[1:-1] for char in text
    )


def code(text: str) -> None:
    """Print Python code, highlighted."""
    from rich.syntax import Syntax

    shown = Syntax(text, "python", theme="ansi_dark", background_color="default").highlight(text)
    shown.rstrip()
    console().print(shown, soft_wrap=True)


def table(headers: Sequence[str], *sections: Iterable[Sequence[object]]) -> None:
    """Print a table: ruled at a terminal, in columns for `grep` and `awk` elsewhere.

    A section is a group of rows; at a terminal, lines separate the sections.
    """
    cells = [[[printable(cell) for cell in row] for row in rows] for rows in sections]
    if not at_terminal():
        for text in columns([headers, *(row for rows in cells for row in rows)]):
            line(text)
        return
    from rich.text import Text

    ruled = _ruled(headers)
    for rows in cells:
        for name, *rest in rows:
            ruled.add_row(Text(name), *(Text(text, _colour(name, text)) for text in rest))
        ruled.add_section()
    console().print(ruled)


def _ruled(headers: Sequence[str]) -> Table:
    """A table with rules around it."""
    from rich.box import ROUNDED
    from rich.table import Table

    table = Table(box=ROUNDED, header_style="bold", border_style="dim")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def fitted(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], width: int, *, full: bool
) -> tuple[Table, list[str]]:
    """A table of the columns that fit, or with `full` of all; and the names of the others."""
    from rich.text import Text

    kept = range(len(headers)) if full else _fitting(headers, rows, width)
    table = _ruled([headers[at] for at in kept])
    for row in rows:
        texts = ((headers[at], *row[at]) for at in kept)
        table.add_row(
            *(
                Text(text, _colour(name, text), justify="right" if number else "left")
                for name, text, number in texts
            )
        )
    return table, [name for at, name in enumerate(headers) if at not in kept]


def _colour(name: str, text: str) -> str:
    """The style of a value of the column or line `name`: that of a state, or of a type of records."""
    if name == TYPE:
        return TYPES.get(text, "")
    return STATES.get(text, "yellow") if name in STATE and text else ""


def _fitting(headers: Sequence[str], rows: Sequence[Sequence[Cell]], available: int) -> list[int]:
    """The numbers of the columns that fit: the first two and the vital ones, and of the others the first."""
    widths = [
        min(max(map(width, (header, *(row[at][0] for row in rows)))), WIDEST) + BORDER
        for at, header in enumerate(headers)
    ]
    kept = {at for at, header in enumerate(headers) if at < ALWAYS or header in VITAL}
    for at in range(len(headers)):
        if 1 + sum(widths[one] for one in kept | {at}) > available and at not in kept:
            break
        kept.add(at)
    return sorted(kept)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each row as one text, its cells padded to columns."""
    widths = [max(map(width, column)) + GAP for column in zip(*rows, strict=True)]
    return ["".join(map(_padded, row, widths)).rstrip() for row in rows]


def width(text: str) -> int:
    """The width of a text at a terminal: characters of some scripts take two columns."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show what is in progress: with a spinner and the time at a terminal, in a line elsewhere."""
    if not lively(sys.stderr):
        note(f"{what} ...")
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    parts = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*parts, console=errors(), transient=True) as progress:
        progress.add_task(printable(what), total=None)
        yield


def reason(error: BaseException) -> str:
    """The type and the message of an error."""
    return f"{type(error).__name__}: {error}"


@contextmanager
def asking(whom: str) -> Iterator[None]:
    """Show at a terminal whose response is awaited, unless it is `silently`."""
    with nullcontext() if _silent.get() or not lively(sys.stderr) else working(f"asking {whom}"):
        yield


@contextmanager
def silently() -> Iterator[None]:
    """Let `asking` show nothing: another display shows the progress, or a shell waits for completions."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def fail(message: object, notes: Iterable[str] = (), code: int = FAILED) -> NoReturn:
    """End the command with one line on stderr, one for each note, and the exit status `code`."""
    for text in (message, *notes):
        _error(_advice(str(text)))
    sys.exit(code)


def _error(text: str) -> None:
    """Print a line on stderr; at a terminal what comes before its first colon, the kind of error, is red."""
    if not at_terminal(sys.stderr):
        note(text)
        return
    from rich.text import Text

    kind, colon, rest = printable(text).partition(": ")
    parts = [(kind, "bold red"), f"{colon}{rest}"] if colon else [kind]
    errors().print(Text.assemble(*parts), soft_wrap=True)


def _advice(text: str) -> str:
    for program, shell in SHELL_WORDS.items():
        text = re.sub(program, shell, text)
    return text
