"""Find resources by what a user types: an id, a name, or the beginning of one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from polycloud.cli import output
from polycloud.errors import InvalidArgumentError, NotFoundError, ProviderHTTPError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun

__all__ = ["among", "choose", "find", "find_all"]

NEAREST = 3
MOST_SHOWN = 10
NO_SUCH_ID = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
"""How providers refuse an id that does not exist, or that cannot be one."""


def find(driver: Any, noun: Noun, text: str) -> Any:
    """The resource with this id, or else the living one with this name.

    A driver that can find one without the list is asked for that first. Raises `InvalidArgumentError` if
    several have the name, and `NotFoundError` with the nearest names.
    """
    found = _directly(driver, noun, text)
    return find_all(driver, noun, [text])[0] if found is None else found


def find_all(driver: Any, noun: Noun, texts: Sequence[str]) -> list[Any]:
    """The resources with these ids or names, each once; like `find`, but with one list for all of them."""
    found = among(noun, _fetch(driver, noun), texts, driver.name)
    return [_detailed(driver, noun, item) for item in found]


def among(noun: Noun, items: list[Any], texts: Sequence[str], whose: str) -> list[Any]:
    """The resources with these ids or names among those of `whose`, each once. Raises what `find` raises."""
    found = {noun.id(item): item for item in (_exact(noun, items, text, whose) for text in texts)}
    return list(found.values())


def choose(driver: Any, noun: Noun, text: str, *args: Any) -> Any:
    """Like `find`; else the only one whose id or name begins with the text.

    A driver that can find one without the list is asked for that first: lists are long, or a selection.
    `args` are those of the list.
    """
    if (found := _directly(driver, noun, text)) is not None:
        return found
    return _detailed(driver, noun, _chosen(driver, noun, text, _fetch(driver, noun, *args)))


def _chosen(driver: Any, noun: Noun, text: str, items: list[Any]) -> Any:
    if any(_matches(noun, items, text)):
        return _exact(noun, items, text, driver.name)
    same = _matching(noun, items, lambda name: name.lower() == text.lower())
    if near := same or _matching(noun, items, lambda name: name.lower().startswith(text.lower())):
        return _only(noun, near, f"begins with {text!r}")
    return _exact(noun, items, text, driver.name)


def _directly(driver: Any, noun: Noun, text: str) -> Any | None:
    """The resource of this name or id, if the driver can find it without the list; None if there is none."""
    if noun.by_name:
        with suppress(InvalidArgumentError), output.asking(f"{driver.name} for the {noun.one} {text}"):
            if found := getattr(driver, noun.by_name)(text):
                return _only(noun, found, f"is called {text!r}")
    return _by_id(driver, noun, text)


def _by_id(driver: Any, noun: Noun, text: str) -> Any | None:
    """The resource with this id, if the driver can fetch it without the list; None if there is none."""
    fetch = getattr(driver, noun.by_id, None)
    if fetch is None or hasattr(fetch, "needs"):  # the base's way is to list
        return None
    try:
        with output.asking(f"{driver.name} for the {noun.one} {text}"):
            return fetch(text)
    except InvalidArgumentError:
        return None
    except ProviderHTTPError as error:
        if error.code in NO_SUCH_ID:
            return None
        raise


def _fetch(driver: Any, noun: Noun, *args: Any) -> list[Any]:
    with output.asking(f"{driver.name} for its {noun.many}"):
        return noun.fetch_names(driver, *args)


def _detailed(driver: Any, noun: Noun, item: Any) -> Any:
    """The resource with all details, if the list of names lacks them."""
    return getattr(driver, noun.by_id)(noun.id(item)) if noun.is_bare(driver) else item


def _exact(noun: Noun, items: list[Any], text: str, provider: str) -> Any:
    by_id, by_name = _matches(noun, items, text)
    if not (by_id or by_name):
        hint = _hint(noun, items, text)
        raise NotFoundError(HTTPStatus.NOT_FOUND, f"{provider} has no {noun.one} {text!r}; {hint}")
    return _only(noun, by_id or by_name, f"is called {text!r}")


def _hint(noun: Noun, items: list[Any], text: str) -> str:
    """What there is instead: one that had the name, the nearest names, or how many there are."""
    if gone := [noun.id(item) for item in items if noun.is_gone(item) and text in noun.names(item)]:
        return f"of that name are destroyed: {', '.join(gone)}"
    names = [name for item in _living(noun, items) for name in (*noun.names(item), noun.id(item))]
    if near := list(dict.fromkeys(difflib.get_close_matches(text, names, NEAREST))):
        return f"the nearest are {', '.join(near)}"
    return f"it has {noun.count(items)}" + (f", see `{noun.list_command}`" if items else "")


def _matches(noun: Noun, items: list[Any], text: str) -> tuple[list[Any], list[Any]]:
    """Those with the id, and the living ones with the name."""
    name = noun.spelled(text)
    return (
        [item for item in items if noun.id(item) == text],
        [item for item in _living(noun, items) if name in noun.names(item)],
    )


def _living(noun: Noun, items: list[Any]) -> list[Any]:
    return [item for item in items if not noun.is_gone(item)]


def _matching(noun: Noun, items: list[Any], fits: Callable[[str], bool]) -> list[Any]:
    return [item for item in _living(noun, items) if any(map(fits, (*noun.names(item), noun.id(item))))]


def _only(noun: Noun, found: list[Any], why: str) -> Any:
    if len(found) > 1:
        shown = [_shown(noun.id(item), noun.label(item)) for item in found[:MOST_SHOWN]]
        more = f" and {len(found) - MOST_SHOWN} others" if len(found) > MOST_SHOWN else ""
        raise InvalidArgumentError(
            f"more than one {noun.one} {why}; give the id of one: {', '.join(shown)}{more}"
        )
    return found[0]


def _shown(id_: str, label: str) -> str:
    return id_ if label == id_ else f"{id_} ({label})"
