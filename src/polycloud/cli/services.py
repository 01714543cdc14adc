"""The services that have drivers, and the providers of each."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from polycloud import DriverType
from polycloud.common import providers

__all__ = ["all_names", "provider_names"]


def provider_names() -> dict[str, list[str]]:
    """The names of the providers of each service that has drivers, without those via apache-libcloud."""
    services = [service.value for service in DriverType if find_spec(f"polycloud.{service}")]
    return {service: import_module(f"polycloud.{service}.providers").names() for service in services}


def all_names() -> dict[str, list[str]]:
    """The same with those that are reached via apache-libcloud, where that is installed."""
    return {
        service: sorted({*names, *providers.bridged_names(service)})
        for service, names in provider_names().items()
    }
