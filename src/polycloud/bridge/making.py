"""How the class of a bridged driver is made of a class of Libcloud."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from polycloud.bridge import classes
from polycloud.bridge.driver import BridgedDriver
from polycloud.bridge.sessions import install
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

IN_MEMORY = ".drivers.dummy"
"""How the modules of drivers end whose state is in memory."""


def bridged(klass: Any, *, only: bool | None = None) -> type[Any]:
    """See `polycloud.bridge.driver_class`."""
    if not isinstance(klass, type) or classes.base_of(klass) is None:
        raise InvalidArgumentError(f"klass must be a driver class of apache-libcloud, got {shown(klass)}")
    return _made(klass, klass.__module__.endswith(IN_MEMORY) if only is None else only)


@cache
def _made(klass: Any, only: bool) -> type[Any]:
    install()
    found = classes.base_of(klass)
    assert found is not None
    service = found[1]
    module = import_module(f"polycloud.bridge.{service}")
    base: Any = module.Operations.__base__
    needs = {name: module.NEEDS.get(name, (name,)) for name in vars(module.Operations) if name[0] != "_"}
    offered = {
        name: needed for name, needed in needs.items() if any(classes.offered(klass, one) for one in needed)
    }
    for name, other in module.FOLLOW.items():
        if other in offered:
            offered.pop(name, None)
    members = {name: inspect.unwrap(vars(module.Operations)[name]) for name in offered}
    extensions = {name: _extension(name, method) for name, method in classes.extensions(klass)}
    name, constant = klass.__name__, _constant(service, klass)
    attributes = {
        **module.attributes(klass),
        "__doc__": f"`{klass.__module__}.{name}` via apache-libcloud.",
        "__module__": __name__,
        "__qualname__": name,
        "libcloud": klass,
        "only": only,
        "needs": offered,
        "name": klass.name or name,
        "type": _type(service, klass, constant),
        "api_name": constant or name,
        "website": getattr(klass, "website", None) or "",
        "credentials": classes.credentials(klass),
    }
    made: type[Any] = type(name, (base,), {**extensions, **members, **attributes})
    return made


def _constant(service: str, klass: Any) -> str | None:
    """Return the name that Libcloud's table of providers has for a class; else what the class says itself."""
    table: Any = import_module(f"libcloud.{service}.providers").DRIVERS
    target = (klass.__module__, klass.__name__)
    found = next((name for name in table if tuple(table[name]) == target), getattr(klass, "type", None))
    return None if found is None else str(getattr(found, "value", found))


def _type(service: str, klass: Any, constant: str | None) -> Any:
    """Return the provider's constant that is part of uuids, as a member of ours where there is one."""
    own = getattr(klass, "type", None)
    text = constant if own is None else str(getattr(own, "value", own))
    provider: Any = import_module(f"polycloud.{service}.types").Provider
    return provider(text) if text in set(provider) else text


def _extension(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method of a bridged class that calls the `ex_` method of Libcloud's driver."""

    def call(self: BridgedDriver, *args: Any, **kwargs: Any) -> Any:
        return self._call(name, *args, **kwargs)

    call.__name__ = name
    call.__qualname__ = f"BridgedDriver.{name}"
    call.__doc__ = f"See `{method.__module__}.{method.__qualname__}`, whose arguments it takes."
    call.__signature__ = inspect.signature(method)  # type: ignore[attr-defined] # what `inspect` shows
    return call
