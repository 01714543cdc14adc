"""For driver authors: the rules of every service as tests, and servers that replay recorded exchanges.

    from polycloud.testing import ComputeConformance, DNSConformance, LBConformance, StorageConformance
    from polycloud.testing import FixtureServer, Recorder, SSHServer, replay

The rules need pytest (extra `testing`), the SSH server asyncssh (extra `deploy`); each is imported on first
use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polycloud.testing.conformance.compute import ComputeConformance
    from polycloud.testing.conformance.dns import DNSConformance
    from polycloud.testing.conformance.loadbalancer import LBConformance
    from polycloud.testing.conformance.storage import StorageConformance
    from polycloud.testing.fixtures import FixtureServer, replay
    from polycloud.testing.recorder import Recorder
    from polycloud.testing.sshd import SSHServer

__all__ = [
    "ComputeConformance",
    "DNSConformance",
    "FixtureServer",
    "LBConformance",
    "Recorder",
    "SSHServer",
    "StorageConformance",
    "replay",
]

_MODULES = {
    "ComputeConformance": "conformance.compute",
    "DNSConformance": "conformance.dns",
    "FixtureServer": "fixtures",
    "LBConformance": "conformance.loadbalancer",
    "Recorder": "recorder",
    "SSHServer": "sshd",
    "StorageConformance": "conformance.storage",
    "replay": "fixtures",
}
_EXTRAS = {"pytest": "testing", "asyncssh": "deploy"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as missing:
        extra = _EXTRAS.get(missing.name or "")
        if extra is None:
            raise
        message = f"{name} needs {missing.name}: pip install 'polycloud[{extra}]'"
        raise ImportError(message, name=missing.name) from None
    return getattr(module, name)
