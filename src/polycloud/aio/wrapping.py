"""`wrap`: the facade of an existing driver."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from polycloud.aio.compute import AsyncNodeDriver
from polycloud.aio.dns import AsyncDNSDriver
from polycloud.aio.driver import AsyncDriver
from polycloud.aio.loadbalancer import AsyncLBDriver
from polycloud.aio.storage import AsyncStorageDriver
from polycloud.compute.base import NodeDriver
from polycloud.dns.base import DNSDriver
from polycloud.errors import InvalidArgumentError
from polycloud.http.messages import Transports
from polycloud.loadbalancer.base import Driver as LBDriver
from polycloud.storage.base import StorageDriver

D = TypeVar("D", bound=DNSDriver)
L = TypeVar("L", bound=LBDriver)
N = TypeVar("N", bound=NodeDriver)
S = TypeVar("S", bound=StorageDriver)
FACADES: tuple[tuple[type[Any], type[AsyncDriver[Any]]], ...] = (
    (NodeDriver, AsyncNodeDriver),
    (DNSDriver, AsyncDNSDriver),
    (LBDriver, AsyncLBDriver),
    (StorageDriver, AsyncStorageDriver),
)
"""The base of each service's drivers, and their facade."""


@overload
def wrap(driver: N, shared: Transports | None = None) -> AsyncNodeDriver[N]: ...
@overload
def wrap(driver: D, shared: Transports | None = None) -> AsyncDNSDriver[D]: ...
@overload
def wrap(driver: L, shared: Transports | None = None) -> AsyncLBDriver[L]: ...
@overload
def wrap(driver: S, shared: Transports | None = None) -> AsyncStorageDriver[S]: ...
def wrap(driver: Any, shared: Transports | None = None) -> AsyncDriver[Any]:
    """Make a facade for an existing driver; type checkers keep its class.

    `shared` are transports whose connections it shares with other facades; see `AsyncDriver`.
    """
    for base, facade in FACADES:
        if isinstance(driver, base):
            return facade(driver, shared)
    raise InvalidArgumentError(f"expected a driver of a service, got {driver!r}")
