"""What a program gets that asks a module for a name which polycloud has elsewhere, or lacks.

`libcloud.compute.base.Foo` raises AttributeError, whose message is shown. With `from libcloud.compute.base
import Foo`, Python asks the module for the attribute, drops the AttributeError with what it says, and raises
an ImportError in words of its own. An ImportError from `__getattr__` passes, but would break `hasattr()` and
`getattr(module, name, default)`. So it is raised only if the current instruction of the caller is
IMPORT_FROM, which `from ... import` compiles to. `co_code` has the instructions as compiled, whatever the
interpreter has specialised them to, and `f_lasti` is the index of the current one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from opcode import opmap
from types import FrameType, ModuleType
from typing import Any

import polycloud
from polycloud.libcloud.differences import instead_of
from polycloud.libcloud.modules import API_LEVEL, MODULES
from polycloud.libcloud.names import elsewhere, has_module, own_modules, own_name

IMPORT_FROM = opmap["IMPORT_FROM"]


class AliasedModule(ModuleType):
    """A module of polycloud that was imported by its name in Libcloud."""

    def __getattr__(self, name: str) -> Any:
        return _other(self, name, sys._getframe(1))  # noqa: SLF001 - who asks: see above


class Root(ModuleType):
    """The package `libcloud`: its modules are imported when they are asked for, as is polycloud's face."""

    __version__ = API_LEVEL

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__all__ = ["__version__", "enable_debug"]

    def __getattr__(self, name: str) -> Any:
        if name in polycloud.__all__:
            return getattr(polycloud, name)
        return _other(self, name, sys._getframe(1))  # noqa: SLF001 - who asks: see above


def adopted(module: ModuleType) -> ModuleType:
    """Give a module of polycloud the names that Libcloud has in its place, too; return it."""
    if type(module) is ModuleType:
        module.__class__ = AliasedModule
    return module


def _other(module: ModuleType, name: str, asking: FrameType) -> Any:
    """Return what a module of Libcloud has under a name and the module of polycloud has not.

    Raises:
        AttributeError: Polycloud lacks it. The message says what to use instead, if that is known.
        ImportError: The same, for `from module import name`.
    """
    missing = AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)
    if name.startswith("__"):
        raise missing
    paths = _paths(module)
    for path in paths:
        found = _found(f"{path}.{name}".lstrip("."))
        if found is not None:
            return found
    clause = next(filter(None, (instead_of(f"{path}.{name}".lstrip(".")) for path in paths)), None)
    if clause is None:
        raise missing
    full = f"libcloud.{paths[0]}".rstrip(".")
    if asking.f_code.co_code[asking.f_lasti] == IMPORT_FROM:
        raise ImportError(
            f"cannot import name {name!r} from {full!r}: {clause}", name=full, path=module.__file__
        )
    missing.args = (f"module {full!r} has no attribute {name!r}: {clause}",)
    raise missing


def _found(path: str) -> Any:
    """Return the module or name that polycloud has for a path of Libcloud; None if it has none."""
    if path in own_modules():
        return adopted(import_module(own_name(path)))
    module, _, name = path.rpartition(".")
    return elsewhere(module, name)


def _paths(module: ModuleType) -> list[str]:
    """Return the paths of a module in Libcloud, "" for the package itself."""
    name = module.__name__
    if name == "libcloud":
        return [""]
    own = name.partition(".")[2]
    others = [path for path, home in MODULES.items() if home == name]
    return [own, *others] if has_module(own) else [*others, own]
