"""Check the arguments of every operation, in one place and before anything is sent.

A driver's method says by its annotations what it takes, so nothing else has to. From those of a method (and,
for parameters without one, of the method that it overrides) `ArgumentChecks` reads which classes a parameter
accepts. `OperationsDriver` runs the checks before each operation: a missing node, a text for a number, NaN,
and a resource of another provider are refused by the name of the parameter. What annotations do not say
(a range, a pattern) is left to the method, and so are parameters whose annotation is more than classes, lists
and mappings, such as functions.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from math import isfinite
from os import PathLike
from types import NoneType, UnionType
from typing import Any, Union, Unpack, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from polycloud.common.driver import BaseDriver
from polycloud.common.resource import Resource
from polycloud.concurrency.calls import seconds
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

__all__ = ["ArgumentChecks"]

REQUIRED = object()
"""The default of a parameter that has none."""
NAMES: dict[Any, str] = {
    bool: "True or False",
    int: "an int",
    float: "a number",
    str: "a str",
    NoneType: "None",
    Mapping: "a dict",
}
LISTS = (list, tuple, set, frozenset)
NO_LISTS = (str, bytes, bytearray, Mapping)
LIST_HINTS = {list, Iterable, Sequence}
CAPITAL = r"[A-Z]"
TIMES = ("timeout", "period", "wait_drained")
"""How the names of parameters end that are seconds."""
NO_PATHS = ("name", "prefix")
"""How the names of parameters end that take a text, and no path."""
Kinds = tuple[type, ...]


class ArgumentChecks:
    """Checks the arguments of the method `fn`; `overridden` are those that it overrides, nearest first."""

    def __init__(self, fn: Callable[..., Any], overridden: Iterable[Callable[..., Any]]) -> None:
        self._by_position, self._by_name = _checks_of(fn, overridden)

    def require(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Check a call; the first of `args` is the driver. Raises `InvalidArgumentError`."""
        for check, value in zip(self._by_position, args[1:], strict=False):  # too many are a TypeError later
            if check is not None:
                check.require(args[0], value)
        for name, value in kwargs.items():
            if name in self._by_name:
                self._by_name[name].require(args[0], value)


class _Check(msgspec.Struct, frozen=True):
    """What one parameter accepts: objects of `kinds`, lists of `items` (None: no lists), or its `default`.

    Of what is in a list nothing is known where `items` is empty.
    """

    name: str
    kinds: Kinds
    items: Kinds | None
    default: Any

    def require(self, driver: Any, value: Any) -> None:
        if value is self.default:
            return
        if self.items is None or self._accepts(value, self.kinds):
            self._require_one(driver, value, self.kinds)
        elif isinstance(value, str) and str in self.items:  # one text is a list of one
            return
        elif isinstance(value, NO_LISTS) or not isinstance(value, Iterable):
            raise self._refusal(driver, value)
        elif self.items and isinstance(value, LISTS):  # an iterator can be read once only
            for one in value:
                self._require_one(driver, one, self.items)

    def _require_one(self, driver: Any, value: Any, kinds: Kinds) -> None:
        if not self._accepts(value, kinds):
            raise self._refusal(driver, value)
        if float in kinds and value is not None and value != 0 and self.name.endswith(TIMES):
            seconds(self.name, value)
        owner = getattr(value, "driver", None)
        if isinstance(owner, BaseDriver) and not (
            any(map(_is_shape, kinds)) or _of_one_provider(owner, driver)
        ):
            kind = type(value).__name__
            raise InvalidArgumentError(f"{self.name} is a {kind} of {owner.name}, not of {driver.name}")

    def _accepts(self, value: Any, kinds: Kinds) -> bool:
        if isinstance(value, bool):
            return bool in kinds
        if isinstance(value, int):
            is_flag = bool in kinds and value in (0, 1)
            is_id = (str in kinds and self.name.endswith(("id", "ids"))) or any(map(_by_id, kinds))
            return is_flag or is_id or int in kinds or float in kinds
        if isinstance(value, float):
            return float in kinds and isfinite(value)
        if isinstance(value, PathLike) and self.name.endswith(NO_PATHS):
            return False
        if isinstance(value, str | PathLike):
            return str in kinds or any(map(_by_id, kinds))
        return isinstance(value, kinds)

    def _refusal(self, driver: Any, value: Any) -> InvalidArgumentError:
        wanted = list(dict.fromkeys(map(_named, self.kinds)))
        if self.items is not None:
            wanted.insert(0, f"a list of {self.items[0].__name__}" if self.items else "a list")
        kinds = self.items or self.kinds
        getter = "get" + re.sub(CAPITAL, r"_\g<0>", kinds[0].__name__).lower() if kinds else ""
        hint = f"; {getter}() returns one" if hasattr(driver, getter) else ""
        message = f"{self.name} must be {' or '.join(wanted)}, got {self._shown(value)}{hint}"
        return InvalidArgumentError(message)

    def _shown(self, value: Any) -> str:
        """Return the value for a message, or its type alone where it may be a secret."""
        from polycloud.tracing.redaction import is_secret

        kinds = {*self.kinds, *(self.items or ()), NoneType}
        of_resources = all(issubclass(kind, Resource) or kind is NoneType for kind in kinds)
        open_ = of_resources or (value is None or isinstance(value, int | float))
        return shown(value) if open_ and not is_secret(self.name) else type(value).__name__


def _named(kind: type) -> str:
    if kind in NAMES:
        return NAMES[kind]
    return f"a {kind.__name__}" + (" or its id" if _by_id(kind) else "")


def _by_id(kind: type) -> bool:
    return issubclass(kind, Resource) and kind._by_id  # noqa: SLF001 - for drivers, not for users


def _is_shape(kind: type) -> bool:
    """Return whether a class is a protocol: what it describes may be of any provider, such as a node."""
    return getattr(kind, "_is_protocol", False)


def _of_one_provider(owner: BaseDriver, driver: Any) -> bool:
    """Return whether a resource of `owner` may be one of `driver`: they are of related classes."""
    related = isinstance(driver, type(owner)) or isinstance(owner, type(driver))
    return related or (owner.type is not None and owner.type == getattr(driver, "type", None))


def _checks_of(
    fn: Callable[..., Any], overridden: Iterable[Callable[..., Any]]
) -> tuple[list[_Check | None], dict[str, _Check]]:
    """Return the checks by position, without the driver, and by name."""
    plain = _unwrapped(fn)
    hints: dict[str, Any] = {}
    for one in overridden:  # the nearest class comes first
        hints = _hints_of(_unwrapped(one)) | hints
    hints |= _hints_of(plain)
    code, count = plain.__code__, plain.__code__.co_argcount
    named = code.co_varnames[: count + code.co_kwonlyargcount]
    values = plain.__defaults__ or ()
    defaults = dict(zip(named[count - len(values) : count], values, strict=True))
    defaults |= plain.__kwdefaults__ or {}
    checks = {name: _check_of(name, hints.get(name), defaults.get(name, REQUIRED)) for name in named[1:]}
    by_position = [checks[name] for name in named[1:count]]
    for hint in hints.values():
        if get_origin(hint) is Unpack:  # **options: Unpack[Options]
            options = _hints_of(get_args(hint)[0])
            checks |= {name: _check_of(name, one, REQUIRED) for name, one in options.items()}
    return by_position, {name: check for name, check in checks.items() if check is not None}


def _unwrapped(fn: Any) -> Any:
    while hasattr(fn, "__wrapped__"):
        fn = fn.__wrapped__
    return fn


def _check_of(name: str, hint: Any, default: Any) -> _Check | None:
    """Return the check of a parameter, or None if its annotation has a part that is no class."""
    parts = _parts(hint)
    lists = [get_args(part)[0] for part in parts if get_origin(part) in LIST_HINTS]
    kinds = _classes_of(part for part in parts if get_origin(part) not in LIST_HINTS)
    if kinds is None or len(lists) > 1:
        return None
    items = (_classes_of(_parts(lists[0])) or ()) if lists else None
    return _Check(name, kinds, items, default)


def _classes_of(parts: Iterable[Any]) -> Kinds | None:
    """Return the classes that objects of an annotation have; None if they are not all known."""
    kinds = [Mapping if get_origin(part) in {Mapping, dict} or is_typeddict(part) else part for part in parts]
    return tuple(kinds) if all(map(_is_class, kinds)) else None


def _is_class(kind: Any) -> bool:
    if kind in NAMES:
        return True
    is_class = isinstance(kind, type) and get_origin(kind) is None
    return is_class and kind.__module__ not in {"builtins", "typing"} and not issubclass(kind, Enum)


def _parts(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in {Union, UnionType} else [hint]


class _Names(dict[str, Any]):
    """The names of a module, as annotations use them; those that only type checkers import are `Any`."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _hints_of(fn: Any) -> dict[str, Any]:
    names = _Names(getattr(fn, "__globals__", {}))
    try:
        return get_type_hints(fn, localns=names)
    except Exception:  # noqa: BLE001 - an author's annotation may be any expression, and fail in any way
        return {}
