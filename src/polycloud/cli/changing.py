"""Commands that change resources: announced before, confirmed if they destroy, and reported after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from polycloud.cli import listing, output
from polycloud.errors import PolycloudError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun
    from polycloud.common.driver import BaseDriver

__all__ = ["ask", "confirm", "each", "side_by_side", "would"]

T = TypeVar("T")


def would(what: str) -> None:
    """Print the line of a dry run."""
    output.line(f"would {what}")


def confirm(noun: Noun, items: Sequence[Any], act: str, account: str) -> None:
    """List what will be destroyed and ask; end the command unless the user confirms.

    Without a terminal the command ends with 2.
    """
    them = f"{noun.count(items)} of {account}"
    ask(f"{act} {them}", f"nothing was done to {them}", lambda: _show(noun, items))


def ask(what: str, otherwise: str, show: Callable[[], object] = lambda: None) -> None:
    """Ask whether to do `what`, below what `show` prints; unless confirmed, the command ends with a message.

    Without a terminal the command ends with 2.
    """
    if sys.stdin is None or not (sys.stdin.isatty() and output.at_terminal(sys.stderr)):
        output.fail(
            f"{what}? There is no terminal to ask at; --yes skips the question", code=output.WRONG_CALL
        )
    output.note(f"{what}:")
    show()
    answer = ""
    try:
        print("Are you sure? [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - stdout is for results
        answer = sys.stdin.readline()
    finally:
        if not answer:  # Ctrl-C and Ctrl-D leave the cursor after the question
            output.note("")
    if answer.strip().lower() not in {"y", "yes"}:
        output.fail(otherwise)


def _show(noun: Noun, items: Sequence[Any]) -> None:
    """Print a table of them on stderr, with as many columns as fit."""
    names = [column.name for column in noun.columns if not column.hidden]
    console = output.errors()
    rows = listing.cells(list(map(noun.record, items)), names)
    console.print(output.fitted(names, rows, console.width, full=False)[0])


def side_by_side(
    driver: BaseDriver, names: Sequence[str], calls: Sequence[Callable[[], T]]
) -> tuple[list[T], list[str]]:
    """Make a call for each name, side by side; return their results, and why others failed.

    The error of an only one is raised.
    """

    def attempt(call: Callable[[], T]) -> T | PolycloudError:
        try:
            return call()
        except PolycloudError as error:
            if len(calls) == 1:
                raise
            return error

    made = driver.connection.gather([partial(attempt, call) for call in calls])
    failures = [
        text
        for name, error in zip(names, made, strict=True)
        if isinstance(error, PolycloudError)
        for text in (f"{name}: {output.reason(error)}", *getattr(error, "__notes__", ()))
    ]
    return [one for one in made if not isinstance(one, PolycloudError)], failures


def each(
    title: Callable[[Any], str],
    items: Sequence[Any],
    act: Callable[[Any], object],
    words: tuple[str, str],
    *,
    dry_run: bool,
    where: str = "",
) -> None:
    """Call `act` for each item; `words` say what it does and has done: "destroy" and "destroyed".

    Messages have the `title` of an item, and `where` after it, such as " to node web". If one fails, the
    others are still changed, and the exit status is 1.
    """
    doing, did = words
    failed = []
    for at, item in enumerate(items):
        if dry_run:
            would(f"{doing} {title(item)}{where}")
            continue
        try:
            with output.working(f"{doing} {title(item)}{where}"):
                act(item)
        except PolycloudError as error:
            if len(items) == 1:
                raise
            failed.append(f"{title(item)}: {output.reason(error)}")
        except KeyboardInterrupt as interruption:
            rest = ", ".join(map(title, items[at + 1 :])) or "none"
            interruption.add_note(f"{title(item)}: {doing} may have been carried out; not attempted: {rest}")
            raise
        else:
            output.line(f"{did} {title(item)}{where}")
    if failed:
        output.fail(failed[0], failed[1:])
