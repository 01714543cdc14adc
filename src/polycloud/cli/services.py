"""The services that have drivers, and the providers of each."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from polycloud import DriverType

__all__ = ["provider_names"]


def provider_names() -> dict[str, list[str]]:
    """The names of the providers of each service that has drivers."""
    services = [service.value for service in DriverType if find_spec(f"polycloud.{service}")]
    return {service: import_module(f"polycloud.{service}.providers").names() for service in services}
