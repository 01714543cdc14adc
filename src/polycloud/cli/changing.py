"""What changes something: it is said before, asked about where it destroys, and told after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from polycloud.cli import listing, output
from polycloud.common.types import PolycloudError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["confirm", "each", "would"]


def would(what: str) -> None:
    """Tell a dry run's one line."""
    output.line(f"would {what}")


def confirm(noun: Noun, things: Sequence[Any], act: str, account: str, *, yes: bool) -> None:
    """Show what will be destroyed and ask; ends the command unless the answer is yes.

    Where nobody can be asked, the command is refused with 2.
    """
    if yes:
        return
    them = f"{len(things)} {noun.one if len(things) == 1 else noun.many} of {account}"
    if not (sys.stdin.isatty() and output.errors().is_terminal):
        output.fail(f"{act} {them}? There is no terminal to ask at; --yes does it", code=output.WRONG_CALL)
    output.note(f"{act} {them}:")
    for thing in things:
        told = (f"{name} {listing.cell(value)}" for name, value in noun.record(thing).items() if value)
        output.note(f"  {', '.join(told)}")
    print("Are you sure? [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - stdout is for results
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        output.fail(f"nothing was done, {them} stay")


def each(
    noun: Noun, things: Sequence[Any], act: Callable[[Any], object], words: tuple[str, str], *, dry_run: bool
) -> None:
    """Do it to each; `words` say what is done and what was done, such as "destroy" and "destroyed".

    One that fails stops none of the others, and the exit status is 1.
    """
    doing, did = words
    failed = []
    for at, thing in enumerate(things):
        if dry_run:
            would(f"{doing} {noun.title(thing)}")
            continue
        try:
            with output.working(f"{doing} {noun.title(thing)}"):
                act(thing)
        except PolycloudError as error:
            if len(things) == 1:
                raise
            failed.append(f"{noun.title(thing)}: {type(error).__name__}: {error}")
        except KeyboardInterrupt as interruption:
            rest = ", ".join(map(noun.title, things[at + 1 :])) or "no other"
            interruption.add_note(f"{noun.title(thing)} may be {did} or not; not begun: {rest}")
            raise
        else:
            output.line(f"{did} {noun.title(thing)}")
    if failed:
        output.fail(failed[0], failed[1:])
