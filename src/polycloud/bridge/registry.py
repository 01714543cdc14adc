"""Which providers Libcloud has that we have not, read from its tables without importing its drivers."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from polycloud.errors import UnknownProviderError

INSTALL = 'pip install "polycloud[libcloud]"'
OURS_ELSEWHERE = re.compile(r"s3_\w+|rackspace_(us|uk)")
"""Libcloud's names of regions and variants of what our own drivers have."""


def installed() -> bool:
    """Return whether apache-libcloud is installed, and not replaced by `install_as_libcloud`."""
    if _is_replaced():
        return False
    if sys.modules.get("libcloud") is not None:
        return True
    try:
        found = find_spec("libcloud")
    except (ImportError, ValueError):
        return False
    folder = Path(found.origin).parent if found is not None and found.origin else Path()
    return folder.name == "libcloud" and folder.parent.name != "polycloud"


def _is_replaced() -> bool:
    """Return whether `install_as_libcloud` has put polycloud in the place of apache-libcloud."""
    finder = sys.modules.get("polycloud.libcloud.finder")
    return finder is not None and bool(finder.installed())


def why_missing() -> str:
    """Return why apache-libcloud cannot be used; an empty text if it can."""
    if installed():
        return ""
    if _is_replaced():
        return (
            "install_as_libcloud() has put polycloud in the place of apache-libcloud, so its drivers cannot "
            "be used in this process"
        )
    return f"apache-libcloud is not installed: {INSTALL}"


def require_libcloud() -> None:
    """Raise `UnknownProviderError` unless apache-libcloud can be used."""
    if reason := why_missing():
        raise UnknownProviderError(reason)


@cache
def _targets(service: str) -> dict[str, tuple[str, str]]:
    """Return the providers that only Libcloud has: name to (module path, class name)."""
    own = import_module(f"polycloud.{service}.providers")
    known = {str(name) for name in (*own.DRIVERS, *getattr(own, "_OLD_NAMES", ()), *own._REPLACED)}  # noqa: SLF001
    tables = import_module(f"libcloud.{service}.providers")
    found = {str(getattr(name, "value", name)): target for name, target in tables.DRIVERS.items()}
    return {
        name: target
        for name, target in found.items()
        if name not in known and not OURS_ELSEWHERE.fullmatch(name)
    }


def names(service: str) -> list[str]:
    """Return the names of the providers of a service that only Libcloud has, sorted; [] without it."""
    return sorted(_targets(service)) if installed() else []


def target_of(service: str, provider: str) -> tuple[str, str] | None:
    """Return the module and the class of the driver of a provider that only Libcloud has; None for others."""
    return _targets(service).get(provider) if installed() else None
