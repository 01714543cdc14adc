"""Things by what people call them: an id, a name, or the beginning of one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun
    from polycloud.compute.base import NodeDriver

__all__ = ["choose", "find", "find_all"]

NOT_FOUND = 404
NEAREST = 3
MOST_SHOWN = 10


def find(driver: NodeDriver, noun: Noun, text: str) -> Any:
    """The one with this id or else this name.

    Raises `InvalidArgumentError` where several have the name, and `NotFoundError` with the nearest names.
    """
    return find_all(driver, noun, [text])[0]


def find_all(driver: NodeDriver, noun: Noun, texts: Sequence[str]) -> list[Any]:
    """Each of these once, as `find` does with one list for all of them."""
    things = _asked(driver, noun)
    found = {noun.id(thing): thing for thing in (_exact(noun, things, text, driver.name) for text in texts)}
    return list(found.values())


def choose(driver: NodeDriver, noun: Noun, text: str, *args: Any) -> Any:
    """As `find`, or the only one whose id or name begins so; `args` go to the driver's list."""
    things = _asked(driver, noun, *args)
    begin = _matching(noun, things, lambda name: name.lower().startswith(text.lower()))
    same = _matching(noun, things, lambda name: name.lower() == text.lower())
    if not any(_matches(noun, things, text)) and (near := same or begin):
        return _only(noun, near, f"begins with {text!r}")
    return _exact(noun, things, text, driver.name)


def _asked(driver: NodeDriver, noun: Noun, *args: Any) -> list[Any]:
    with output.asking(f"{driver.name} for its {noun.many}"):
        return noun.fetch(driver, *args)


def _exact(noun: Noun, things: list[Any], text: str, provider: str) -> Any:
    by_id, by_name = _matches(noun, things, text)
    if not (by_id or by_name):
        names = [name for thing in things for name in (*noun.names(thing), noun.id(thing))]
        near = list(dict.fromkeys(difflib.get_close_matches(text, names, NEAREST)))
        has = f"it has {noun.count(things)}" + (f", see `polycloud {noun.many} list`" if things else "")
        hint = f"the nearest are {', '.join(near)}" if near else has
        raise NotFoundError(NOT_FOUND, f"{provider} has no {noun.one} {text!r}; {hint}")
    return _only(noun, by_id or by_name, f"is called {text!r}")


def _matches(noun: Noun, things: list[Any], text: str) -> tuple[list[Any], list[Any]]:
    """Those with the id, and those with the name."""
    return (
        [thing for thing in things if noun.id(thing) == text],
        [thing for thing in things if text in noun.names(thing)],
    )


def _matching(noun: Noun, things: list[Any], fits: Callable[[str], bool]) -> list[Any]:
    return [thing for thing in things if any(map(fits, (*noun.names(thing), noun.id(thing))))]


def _only(noun: Noun, found: list[Any], why: str) -> Any:
    if len(found) > 1:
        shown = [_shown(noun.id(thing), noun.label(thing)) for thing in found[:MOST_SHOWN]]
        more = f" and {len(found) - MOST_SHOWN} others" if len(found) > MOST_SHOWN else ""
        raise InvalidArgumentError(
            f"more than one {noun.one} {why}; give the id of one: {', '.join(shown)}{more}"
        )
    return found[0]


def _shown(id_: str, label: str) -> str:
    return id_ if label == id_ else f"{id_} ({label})"
