"""The drivers of Apache Libcloud as ours: every provider that it has and polycloud has not.

    driver = polycloud.get_driver("compute", "vultr")("API key")     # where apache-libcloud is installed
    Driver = bridge.driver_class(MyDriverForLibcloud)                # or any class, such as one of yours

`polycloud.get_driver` comes here by itself for providers without a driver of ours. docs/bridge.md says what a
bridged driver keeps of our promises, and what it cannot.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from polycloud.bridge.registry import installed, names, require_libcloud, target_of, why_missing
from polycloud.errors import UnsupportedOperationError

__all__ = ["driver_class", "find", "installed", "names", "why_missing"]


def driver_class(klass: type[Any], *, only: bool | None = None) -> type[Any]:
    """Return a driver class of ours for a driver class written for Libcloud, of its package or of yours.

    Its arguments are those of `klass`, and the options of our drivers, such as `timeout` and `proxy_url`.

    Args:
        klass: A subclass of Libcloud's `NodeDriver`, `StorageDriver`, `DNSDriver` or balancer `Driver`.
        only: Whether all calls use one instance of it, one after another, because its state is in memory;
            by default only for Libcloud's dummy drivers. Otherwise each call has an instance for itself.

    Raises:
        InvalidArgumentError: `klass` is no such class.
        UnknownProviderError: apache-libcloud is not installed, or replaced by `install_as_libcloud`.
    """
    require_libcloud()
    from polycloud.bridge.making import bridged  # with it comes Libcloud itself

    return bridged(klass, only=only)


def find(service: str, provider: str) -> type[Any] | None:
    """Return the driver class of a provider that only Libcloud has; None if it has none.

    Raises `UnsupportedOperationError` if its driver needs a package that is not installed.
    """
    target = target_of(service, provider)
    if target is None:
        return None
    module, name = target
    try:
        klass = getattr(import_module(module), name)
    except ImportError as error:
        text = f"Libcloud's driver for {provider!r} cannot be imported: {error}"
        raise UnsupportedOperationError(text) from error
    return driver_class(klass)
