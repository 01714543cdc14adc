"""What Libcloud 3.9.1 has: modules, their names, and members of classes; and which modules are ours.

They are read from `data/libcloud-names.json`, which `bench/libcloudnames.py` wrote; Libcloud is not needed.
Names are dotted and without the leading `libcloud.`; the home of a class is "module:class".
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import polycloud
from polycloud.libcloud.modules import MODULES, NAMES

PACKAGES = ("common", "compute", "dns", "loadbalancer", "storage", "utils")
HOME = "="
"""What begins the home of a class, or of a function of another module, among the names of a module."""


@cache
def _data() -> Mapping[str, Any]:
    from importlib import resources  # takes 8 ms to import, and few programs need it

    text = resources.files("polycloud").joinpath("data", "libcloud-names.json").read_text("ascii")
    data: Mapping[str, Any] = json.loads(text)
    return data


def has_module(module: str) -> bool:
    """Return whether Libcloud has a module, "" being the package itself."""
    return module in _data()["modules"]


def names_of(module: str) -> Mapping[str, str | None]:
    """Return the names in a module; none for one that it lacks, or that is of a provider's driver alone."""
    return _data()["modules"].get(module) or {}


def home_of(module: str, name: str) -> str | None:
    """Return the home of the class that a module has under a name, or of a function of another module."""
    value = names_of(module).get(name)
    return value.removeprefix(HOME) if value and value.startswith(HOME) else None


def split(path: str) -> tuple[str, list[str]]:
    """Split a dotted name into a module of Libcloud or of ours, and the names below it."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if has_module(module) or module in own_modules():
            return module, parts[length:]
    return "", parts


def has(path: str) -> bool:
    """Return whether Libcloud has a module, a name in one, or a member of a class."""
    module, rest = split(path)
    if not has_module(module) or (rest and rest[0] not in names_of(module)):
        return False
    return not rest[1:] or has_member(home_of(module, rest[0]) or "", rest[1])


def driver_home(service: str, provider: str) -> str | None:
    """Return the home of the driver class for a provider's name; None if Libcloud has none."""
    found = _data()["drivers"].get(service, {}).get(provider)
    return ":".join(found) if found else None


def drivers() -> Iterator[tuple[str, str, str]]:
    """Yield the service, the provider's name and the home of the class of each driver."""
    for service, found in _data()["drivers"].items():
        for provider, home in found.items():
            yield service, provider, ":".join(home)


@cache
def members_of(home: str) -> frozenset[str]:
    """Return the members of a class, with those of its bases.

    With those of the classes in its module that are derived from it, if it is a driver: Libcloud's make an
    object of a derived class, depending on `api_version` and other arguments.
    """
    module = home.partition(":")[0]
    near = [one for one in _data()["classes"] if one.startswith(f"{module}:") and ".drivers." in module]
    derived = (one for one in near if home in lineage(one))
    return frozenset(
        member for one in (home, *derived) for base in lineage(one) for member in _data()["classes"][base][1]
    )


@cache
def lineage(home: str) -> tuple[str, ...]:
    """Return the homes of a class of Libcloud and of all its bases."""
    bases = _data()["classes"][home][0]
    return (home, *(one for base in bases for one in lineage(base)))


def has_member(home: str, member: str) -> bool:
    """Return whether a class of Libcloud has a member."""
    return home in _data()["classes"] and member in members_of(home)


def elsewhere(module: str, name: str) -> Any:
    """Return what polycloud has at another path for a name in a module of Libcloud; None if nothing.

    The modules of Libcloud also have the names that they import from each other, and programs use them.
    """
    target = NAMES.get(f"{module}.{name}".lstrip("."))
    if target is None:
        home, _, name = (home_of(module, name) or "").partition(":")
        if home == module or home not in own_modules():
            return None
        target = f"{own_name(home)}:{name}"
    home, _, name = target.partition(":")
    return vars(import_module(home)).get(name)  # getattr would ask an aliased module to search here again


def own_name(module: str) -> str:
    """Return the name of the module of polycloud that is in the place of one of Libcloud."""
    return MODULES.get(module, f"polycloud.{module}")


@cache
def own_modules() -> frozenset[str]:
    """Return the modules of polycloud that a program may import as Libcloud's, without importing them."""
    return frozenset({"pricing", "security", *PACKAGES, *MODULES, *_modules_in(*PACKAGES)})


def _modules_in(*packages: str) -> Iterator[str]:
    for package in packages:
        path = [f"{root}/{package.replace('.', '/')}" for root in polycloud.__path__]
        for one in pkgutil.iter_modules(path):
            yield f"{package}.{one.name}"
            if one.ispkg:
                yield from _modules_in(f"{package}.{one.name}")
