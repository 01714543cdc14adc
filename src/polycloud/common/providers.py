"""The registry of drivers: names to classes, imported on demand.

The `DRIVERS` of a service map a provider's constant to (module path, class name). Drivers of other packages
are found by entry points of the group `polycloud.<service>`: `myprovider = "my_package.driver:MyNodeDriver"`.
Where apache-libcloud is installed, its drivers follow (`polycloud.bridge`), for what has no other driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from typing import Any, cast

from polycloud.common.types import Type
from polycloud.errors import InvalidArgumentError, UnknownProviderError
from polycloud.utils.values import shown

__all__ = ["DriverType", "Drivers", "bridged_names", "find_driver", "get_driver", "names", "register"]

Drivers = MutableMapping[str, tuple[str, str]]
NEAREST = 3
BRIDGE = "polycloud.bridge"
"""By name: it stands above the services."""


class DriverType(Type):
    """The services that have drivers; each has the providers' constants: `DriverType.DNS.ROUTE53`."""

    COMPUTE = "compute"
    STORAGE = "storage"
    LOADBALANCER = "loadbalancer"
    DNS = "dns"

    def __getattr__(self, name: str) -> Any:
        if not name.isupper():  # what Python asks an enumeration for
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(import_module(f"polycloud.{self}.types").Provider, name)


def get_driver(type: str, provider: str) -> Any:
    """Return the driver class of a provider for one service: `get_driver(DriverType.COMPUTE, "nephoscale")`.

    Raises `UnknownProviderError` if there is none, and `InvalidArgumentError` for an unknown service.
    """
    if type not in list(DriverType):
        raise InvalidArgumentError(f"no service is called {type!r}; there are: {', '.join(DriverType)}")
    try:
        service = import_module(f"polycloud.{type}.providers")
    except ModuleNotFoundError as error:
        if error.name is None or not f"polycloud.{type}.providers".startswith(error.name):
            raise
        raise UnknownProviderError(f"there are no {type} drivers yet") from None
    return service.get_driver(provider)


def find_driver(
    service: str,
    drivers: Mapping[str, tuple[str, str]],
    provider: str,
    known: Iterable[str] = (),
    replaced: Mapping[str, str] | None = None,
) -> type[Any]:
    """Return the driver class for a provider's constant or name (str, in any case).

    `known` are the names of existing providers, with or without a driver, `replaced` those of Libcloud's that
    are removed, with what to do instead. Raises `UnknownProviderError` with that or the nearest names, and
    the import's own error if a driver's module cannot be imported.
    """
    name = str(provider).lower()
    own = {str(constant).lower(): target for constant, target in drivers.items()}
    target = own.get(name) or _entry_points()[service].get(name)
    if target is None and replaced is not None and name in replaced:
        raise UnknownProviderError(f"the {service} provider {name!r} has been removed; {replaced[name]}")
    if target is None:
        if (bridged := import_module(BRIDGE).find(service, name)) is not None:
            return cast("type[Any]", bridged)
        raise UnknownProviderError(_unknown(service, name, names(service, drivers), known))
    module, class_name = target
    found: type[Any] = getattr(import_module(module), class_name)
    return found


def names(service: str, drivers: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the names of all providers that have a driver for `service`, sorted."""
    return sorted({str(name) for name in drivers} | _entry_points()[service].keys())


def bridged_names(service: str) -> list[str]:
    """Return the names of the providers that are reached via apache-libcloud, sorted; [] without it."""
    found: list[str] = import_module(BRIDGE).names(service)
    return found


def register(drivers: Drivers, provider: str, module: str, klass: str) -> None:
    """Add a driver to a registry.

    Raises `InvalidArgumentError` if the provider has one already, or if it is not a class that can be
    imported.
    """
    for argument, text in (("provider", provider), ("module", module), ("klass", klass)):
        if not isinstance(text, str) or not text:
            raise InvalidArgumentError(f"{argument} must be a non-empty str, got {shown(text)}")
    name = provider.lower()
    if name in drivers:
        raise InvalidArgumentError(f"provider {name!r} has a driver already: {'.'.join(drivers[name])}")
    try:
        found = getattr(import_module(module), klass)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # such as of a relative module
        raise InvalidArgumentError(f"there is no driver {module}.{klass}: {error}") from error
    if not isinstance(found, type):
        raise InvalidArgumentError(f"{module}.{klass} must be a class, got {shown(found)}")
    drivers[name] = (module, klass)


@cache
def _entry_points() -> dict[str, dict[str, tuple[str, str]]]:
    """Return the drivers of other packages by service; each search is of every installed package."""
    from importlib.metadata import entry_points

    found = entry_points()
    return {
        service.value: {
            point.name.lower(): (point.module, point.attr)
            for point in found.select(group=f"polycloud.{service}")
        }
        for service in DriverType
    }


def _unknown(service: str, name: str, available: list[str], known: Iterable[str]) -> str:
    if name in map(str, known):
        reason = import_module(BRIDGE).why_missing()
        hint = f"; Libcloud may have one, but {reason}" if reason else ""
        return f"there is no {service} driver for {name!r} yet{hint}; there are: {', '.join(available)}"
    import difflib

    near = difflib.get_close_matches(name, [*available, *map(str, known)], NEAREST)
    hint = f"; the nearest names: {', '.join(dict.fromkeys(near))}" if near else ""
    return f"no provider is called {name!r}{hint}; drivers for {service}: {', '.join(available)}"
