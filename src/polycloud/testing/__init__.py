"""For driver authors: the rules of every service as tests, and servers that replay what was recorded.

    from polycloud.testing import ComputeConformance, FixtureServer, Recorder, replay

The rules need pytest (extra `testing`); nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polycloud.testing.compute import ComputeConformance
    from polycloud.testing.fixtures import FixtureServer, replay
    from polycloud.testing.recorder import Recorder

__all__ = ["ComputeConformance", "FixtureServer", "Recorder", "replay"]

_MODULES = {
    "ComputeConformance": "compute",
    "FixtureServer": "fixtures",
    "Recorder": "recorder",
    "replay": "fixtures",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as missing:
        if missing.name != "pytest":
            raise
        raise ImportError(f"{name} needs pytest: pip install 'polycloud[testing]'", name="pytest") from None
    return getattr(module, name)
