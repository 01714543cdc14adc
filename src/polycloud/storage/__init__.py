"""Object storage: containers and their objects, and what goes beyond one of them: `copy` and `sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polycloud.storage.copying import copy
    from polycloud.storage.locations import Location
    from polycloud.storage.syncing import Report, apply, plan, sync

__all__ = ["Location", "Report", "apply", "copy", "plan", "sync"]

_HOMES = {"Location": "locations", "copy": "copying"}
"""Where the names are that are not of `syncing`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'syncing')}"), name)
