"""Compare one name of Libcloud with what polycloud has in its place.

Only names that Libcloud or polycloud has are looked up, so no name of a program's own is ever imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cache
from importlib import import_module
from typing import Any, Unpack, get_args, get_origin, get_type_hints

import polycloud
from polycloud.common.driver import BaseDriver
from polycloud.common.options import ConnectionOptions
from polycloud.libcloud import names
from polycloud.libcloud.differences import BRIDGE, DRIVERS, IGNORED, SERVICES, difference, instead_of
from polycloud.libcloud.instead import KEYWORDS, NOTHING

NEITHER = "Libcloud 3.9.1 has it neither"
CLOSE = 0.75
"""How alike an argument must be to be named, of 1."""
_ABSENT: Any = object()


class Verdict(StrEnum):
    """What polycloud has in the place of a name of Libcloud."""

    SAME = "same"
    DIFFERS = "differs"
    BRIDGE = "bridge"
    MISSING = "missing"

    @property
    def is_lacking(self) -> bool:
        """Whether the program gets an error where it uses the name."""
        return self in {Verdict.BRIDGE, Verdict.MISSING}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a dotted name; the note says what to use instead, or what is different."""

    name: str
    verdict: Verdict
    note: str = ""
    is_libclouds: bool = True


def judge(path: str) -> Judgement | None:
    """Judge a dotted name; None if nothing is known of it, such as of an attribute of an attribute."""
    module, rest = names.split(path)
    if not rest:
        return Judgement(module, Verdict.SAME) if _module(module) is not None else _lacking(module)
    if not module and rest[0] in polycloud.__all__:
        return Judgement(rest[0], Verdict.SAME)
    if _module(module) is None:
        return _lacking(module)
    name = f"{module}.{rest[0]}".lstrip(".")
    value = _value(module, rest[0])
    if value is _ABSENT:
        return _lacking(name)
    if rest[1:] and isinstance(value, type):
        return _judge_member(module, rest[0], value, rest[1])
    return _present(name)


def _judge_member(module: str, name: str, kind: type, member: str) -> Judgement | None:
    path = f"{module}.{name}.{member}"
    if issubclass(kind, Enum) and name == "Provider" and member in kind.__members__:
        return judge_provider(path, module.split(".", maxsplit=1)[0], str(kind[member].value))
    if _has(kind, member):
        return _present(path)
    home = names.home_of(module, name) or _theirs().get(kind)
    if home is not None and names.has_member(home, member):
        return _lacking(path, is_libclouds=True)
    is_of_driver = ".drivers." in module and member.startswith("ex_")  # not of a base class of drivers
    if is_of_driver or (issubclass(kind, Enum) and not member.startswith("_")):
        return _lacking(path, is_libclouds=False)
    return None


def judge_provider(name: str, service: str, provider: str) -> Judgement:
    """Judge a provider that a program names, by a constant or its string; `name` says how."""
    if _driver_class(service, provider) is not None:
        note = DRIVERS.get((service, provider), "")
        return Judgement(name, Verdict.DIFFERS if note else Verdict.SAME, note)
    if service in SERVICES and names.driver_home(service, provider) is not None:
        return Judgement(name, Verdict.BRIDGE, BRIDGE)
    note = instead_of(name) or NOTHING
    return Judgement(
        name, Verdict.MISSING, f"there is no driver for it; {NEITHER}; {note}", is_libclouds=False
    )


def _present(name: str) -> Judgement:
    note = difference(name)
    return Judgement(name, Verdict.DIFFERS, note) if note else Judgement(name, Verdict.SAME)


def _lacking(name: str, *, is_libclouds: bool | None = None) -> Judgement:
    """Judge a name that polycloud lacks."""
    clause = instead_of(name)
    if clause == BRIDGE:
        return Judgement(name, Verdict.BRIDGE, clause)
    if names.has(name) if is_libclouds is None else is_libclouds:
        return Judgement(name, Verdict.MISSING, clause or NOTHING)
    note = f"{NEITHER}; {clause}" if clause else NEITHER
    return Judgement(name, Verdict.MISSING, note, is_libclouds=False)


@cache
def _module(module: str) -> Any:
    """Import what polycloud has in the place of a module; None if it has nothing."""
    if not module:
        return polycloud
    if module not in names.own_modules():
        return None
    return import_module(names.own_name(module))


def _value(module: str, name: str) -> Any:
    """Return what polycloud has under a name in the place of a module of Libcloud."""
    value = getattr(_module(module), name, _ABSENT)
    if value is not _ABSENT:
        return value
    other = names.elsewhere(module, name)
    return _ABSENT if other is None else other


@cache
def _theirs() -> dict[type, str]:
    """Return the homes of Libcloud's driver classes by ours for the same providers."""
    return {
        found: home
        for service, provider, home in names.drivers()
        if (found := _driver_class(service, provider)) is not None
    }


@cache
def _driver_class(service: str, provider: str) -> type | None:
    """Return polycloud's own driver class for a provider, not one over the bridge."""
    if service not in SERVICES:
        return None
    registry = import_module(f"polycloud.{service}.providers")
    if provider not in {*registry.names(), *getattr(registry, "_OLD_NAMES", ())}:
        return None
    found: type = registry.get_driver(provider)
    return found


def knows_provider(service: str, provider: str) -> bool:
    """Return whether Libcloud or polycloud has a name for a provider, with or without a driver."""
    known: Any = import_module(f"polycloud.{service}.types").Provider
    return provider in set(known) or names.driver_home(service, provider) is not None


def _has(kind: type, member: str) -> bool:
    """Return whether a class, or an object of it, has a member."""
    return hasattr(kind, member) or member in _attributes(kind)


@cache
def _attributes(kind: type) -> frozenset[str]:
    """Return the attributes that the constructors of a class set, and that it declares."""
    import dis

    found: set[str] = set()
    for base in kind.__mro__:
        found.update(inspect.get_annotations(base))
        code = getattr(vars(base).get("__init__"), "__code__", None)
        if code is not None:
            found.update(one.argval for one in dis.get_instructions(code) if one.opname == "STORE_ATTR")
    return frozenset(found)


def is_class(path: str) -> bool:
    """Return whether a dotted name is that of a class of polycloud."""
    return isinstance(_resolved(path), type)


def is_driver(path: str) -> bool:
    """Return whether a dotted name is that of a driver class of polycloud."""
    found = _resolved(path)
    return isinstance(found, type) and issubclass(found, BaseDriver)


def _resolved(path: str) -> Any:
    module, rest = names.split(path)
    if not rest or _module(module) is None:
        return _ABSENT
    value = _value(module, rest[0])
    for member in rest[1:]:
        value = getattr(value, member, _ABSENT)
    return value


def service_of(text: str | None) -> str | None:
    """Return the service that a text or a constant of `DriverType` names; None for others."""
    service = (text or "").rpartition(".")[2].lower()
    return service if service in SERVICES else None


def provider_of(path: str) -> str | None:
    """Return the provider's name that a constant such as `compute.types.Provider.EC2` stands for."""
    value = _resolved(path)
    return str(value.value) if isinstance(value, Enum) else None


def driver_path(service: str, provider: str) -> str | None:
    """Return the dotted name of the driver class for a provider; None if polycloud has none."""
    found = _driver_class(service, provider)
    if found is None:
        return None
    module, _, name = (names.driver_home(service, provider) or "").partition(":")
    if name and _module(module) is not None and _value(module, name) is found:
        return f"{module}.{name}"
    return f"{found.__module__}.{found.__name__}".removeprefix("polycloud.")


def judge_keyword(path: str, keyword: str) -> Judgement:
    """Judge a keyword argument that polycloud's function or class does not take."""
    import difflib

    near = difflib.get_close_matches(keyword, sorted(_accepted(_resolved(path)) or ()), 1, CLOSE)
    hint = KEYWORDS.get(keyword) or (f"the nearest is {near[0]}=" if near else "")
    is_ignored = is_driver(path)
    what = IGNORED if is_ignored else "there is no such argument"
    verdict = Verdict.DIFFERS if is_ignored else Verdict.MISSING
    return Judgement(f"{path}({keyword}=)", verdict, f"{what}; {hint}" if hint else what)


def unknown_keywords(path: str, keywords: Iterable[str]) -> list[str]:
    """Return those of a call's keyword arguments that polycloud's function or class does not take.

    None of them if it is not known what it takes.
    """
    value = _resolved(path)
    accepted = _accepted(value) if callable(value) and value is not _ABSENT else None
    return [] if accepted is None else [name for name in keywords if name not in accepted]


@cache
def _accepted(function: Any) -> frozenset[str] | None:
    """Return the keyword arguments that a function or class takes; None if it takes any."""
    if isinstance(function, type) and issubclass(function, BaseDriver):
        constructors = (vars(one)["__init__"] for one in function.__mro__ if "__init__" in vars(one))
        parameters = (name for one in constructors for name in list(inspect.signature(one).parameters)[1:])
        return frozenset({*ConnectionOptions.__annotations__, *parameters})
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    found: set[str] = set()
    for one in signature.parameters.values():
        if one.kind is one.VAR_KEYWORD:
            hint = _hints(inspect.unwrap(function)).get(one.name)
            if get_origin(hint) is not Unpack:
                return None
            found.update(_hints(get_args(hint)[0]))
        elif one.kind is not one.POSITIONAL_ONLY:
            found.add(one.name)
    return frozenset(found)


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError):  # of a type that only type checkers import
        return {}
