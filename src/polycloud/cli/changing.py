"""What changes something: it is said before, asked about where it destroys, and told after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from polycloud.cli import listing, output
from polycloud.errors import PolycloudError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["confirm", "each", "would"]


def would(what: str) -> None:
    """Tell a dry run's one line."""
    output.line(f"would {what}")


def confirm(noun: Noun, things: Sequence[Any], act: str, account: str) -> None:
    """Show what will be destroyed and ask; ends the command unless the answer is yes.

    Where nobody can be asked, the command is refused with 2.
    """
    them = f"{noun.count(things)} of {account}"
    if sys.stdin is None or not (sys.stdin.isatty() and output.at_terminal(sys.stderr)):
        output.fail(f"{act} {them}? There is no terminal to ask at; --yes does it", code=output.WRONG_CALL)
    output.note(f"{act} {them}:")
    _show(noun, things)
    answer = ""
    try:
        print("Are you sure? [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - stdout is for results
        answer = sys.stdin.readline()
    finally:
        if not answer:  # Ctrl-C and Ctrl-D leave the cursor behind the question
            output.note("")
    if answer.strip().lower() not in {"y", "yes"}:
        output.fail(f"nothing was done, {them} stay")


def _show(noun: Noun, things: Sequence[Any]) -> None:
    """Who they are, as much as the width takes, on stderr."""
    from polycloud.cli import tables

    names, console = [column.name for column in noun.columns], output.errors()
    rows = listing.cells(list(map(noun.record, things)), names)
    console.print(tables.fitted(names, rows, console.width, whole=False)[0])


def each(
    noun: Noun,
    things: Sequence[Any],
    act: Callable[[Any], object],
    words: tuple[str, str],
    *,
    dry_run: bool,
    where: str = "",
) -> None:
    """Do it to each; `words` say what is done and what was done, such as "destroy" and "destroyed".

    `where` follows the thing in what is said, such as " to node web". One that fails stops none of the
    others, and the exit status is 1.
    """
    doing, did = words
    failed = []
    for at, thing in enumerate(things):
        if dry_run:
            would(f"{doing} {noun.title(thing)}{where}")
            continue
        try:
            with output.working(f"{doing} {noun.title(thing)}{where}"):
                act(thing)
        except PolycloudError as error:
            if len(things) == 1:
                raise
            failed.append(f"{noun.title(thing)}: {output.reason(error)}")
        except KeyboardInterrupt as interruption:
            rest = ", ".join(map(noun.title, things[at + 1 :])) or "no other"
            interruption.add_note(f"{noun.title(thing)} may be {did} or not; not begun: {rest}")
            raise
        else:
            output.line(f"{did} {noun.title(thing)}{where}")
    if failed:
        output.fail(failed[0], failed[1:])
