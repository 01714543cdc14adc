"""Drivers on an event loop: the same classes, awaited.

    async with aio.connect("nephoscale", "user", "password") as cloud:
        nodes = await cloud.list_nodes()

A driver's code runs as it is, in a greenlet whose waits are awaited on the running loop; its requests go out
on asyncio's connections, its SSH through asyncssh on the same loop. Cancelling the awaiting task ends the
driver's request at once. For methods that the facade does not name, use `run`: `await
aio.run(cloud.driver.ex_list_tags)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from polycloud.aio.compute import AsyncNodeDriver
from polycloud.aio.dns import AsyncDNSDriver
from polycloud.aio.driver import AsyncDriver, EventLoopError, run
from polycloud.aio.loadbalancer import AsyncLBDriver
from polycloud.aio.storage import AsyncStorageDriver
from polycloud.common.providers import get_driver
from polycloud.compute.base import NodeDriver
from polycloud.dns.base import DNSDriver
from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.base import Driver as LBDriver
from polycloud.storage.base import StorageDriver

if TYPE_CHECKING:
    from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
    from polycloud.compute.drivers.dummy import DummyNodeDriver
    from polycloud.compute.drivers.ec2 import EC2NodeDriver
    from polycloud.compute.drivers.linode import LinodeNodeDriver
    from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
    from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
    from polycloud.compute.types import Provider
    from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
    from polycloud.dns.drivers.dummy import DummyDNSDriver
    from polycloud.dns.drivers.linode import LinodeDNSDriver
    from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
    from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
    from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
    from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
    from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
    from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
    from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
    from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
    from polycloud.storage.drivers.dummy import DummyStorageDriver
    from polycloud.storage.drivers.google_storage import GoogleStorageDriver
    from polycloud.storage.drivers.local import LocalStorageDriver
    from polycloud.storage.drivers.s3 import S3StorageDriver

__all__ = [
    "AsyncDNSDriver",
    "AsyncDriver",
    "AsyncLBDriver",
    "AsyncNodeDriver",
    "AsyncStorageDriver",
    "EventLoopError",
    "connect",
    "run",
    "wrap",
]

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
def connect(
    provider: Literal[Provider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: Literal["compute"] = "compute",
    **options: Any,
) -> AsyncNodeDriver[DigitalOceanNodeDriver]: ...
@overload
def connect(
    provider: Literal[Provider.DUMMY, "dummy"],
    *credentials: Any,
    service: Literal["compute"] = "compute",
    **options: Any,
) -> AsyncNodeDriver[DummyNodeDriver]: ...
@overload
def connect(
    provider: Literal[Provider.LINODE, "linode"],
    *credentials: Any,
    service: Literal["compute"] = "compute",
    **options: Any,
) -> AsyncNodeDriver[LinodeNodeDriver]: ...
@overload
def connect(
    provider: Literal[Provider.EC2, "ec2"],
    *credentials: Any,
    service: Literal["compute"] = "compute",
    **options: Any,
) -> AsyncNodeDriver[EC2NodeDriver]: ...
@overload
def connect(
    provider: Literal[Provider.NEPHOSCALE, "nephoscale"],
    *credentials: Any,
    service: Literal["compute"] = "compute",
    **options: Any,
) -> AsyncNodeDriver[NephoscaleNodeDriver]: ...
@overload
def connect(
    provider: Literal[Provider.SOFTLAYER, "softlayer"],
    *credentials: Any,
    service: Literal["compute"] = "compute",
    **options: Any,
) -> AsyncNodeDriver[SoftLayerNodeDriver]: ...
@overload
def connect(
    provider: Literal["digitalocean"], *credentials: Any, service: Literal["dns"], **options: Any
) -> AsyncDNSDriver[DigitalOceanDNSDriver]: ...
@overload
def connect(
    provider: Literal["dummy"], *credentials: Any, service: Literal["dns"], **options: Any
) -> AsyncDNSDriver[DummyDNSDriver]: ...
@overload
def connect(
    provider: Literal["linode"], *credentials: Any, service: Literal["dns"], **options: Any
) -> AsyncDNSDriver[LinodeDNSDriver]: ...
@overload
def connect(
    provider: Literal["alb"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[ApplicationLBDriver]: ...
@overload
def connect(
    provider: Literal["digitalocean"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[DigitalOceanLBDriver]: ...
@overload
def connect(
    provider: Literal["dummy"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[DummyLBDriver]: ...
@overload
def connect(
    provider: Literal["elb"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[ElasticLBDriver]: ...
@overload
def connect(
    provider: Literal["haproxy"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[HAProxyDriver]: ...
@overload
def connect(
    provider: Literal["linode"], *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[LinodeLBDriver]: ...
@overload
def connect(
    provider: Literal["octavia", "openstack"],
    *credentials: Any,
    service: Literal["loadbalancer"],
    **options: Any,
) -> AsyncLBDriver[OctaviaLBDriver]: ...
@overload
def connect(
    provider: Literal["azure_blobs"], *credentials: Any, service: Literal["storage"], **options: Any
) -> AsyncStorageDriver[AzureBlobsStorageDriver]: ...
@overload
def connect(
    provider: Literal["google_storage"], *credentials: Any, service: Literal["storage"], **options: Any
) -> AsyncStorageDriver[GoogleStorageDriver]: ...
@overload
def connect(
    provider: Literal["dummy"], *credentials: Any, service: Literal["storage"], **options: Any
) -> AsyncStorageDriver[DummyStorageDriver]: ...
@overload
def connect(
    provider: Literal["local"], *credentials: Any, service: Literal["storage"], **options: Any
) -> AsyncStorageDriver[LocalStorageDriver]: ...
@overload
def connect(
    provider: Literal["s3"], *credentials: Any, service: Literal["storage"], **options: Any
) -> AsyncStorageDriver[S3StorageDriver]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: Literal["compute"] = "compute", **options: Any
) -> AsyncNodeDriver[Any]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: Literal["dns"], **options: Any
) -> AsyncDNSDriver[Any]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: Literal["storage"], **options: Any
) -> AsyncStorageDriver[Any]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: Literal["loadbalancer"], **options: Any
) -> AsyncLBDriver[Any]: ...
@overload
def connect(provider: str, *credentials: Any, service: str, **options: Any) -> AsyncDriver[Any]: ...
def connect(provider: str, *credentials: Any, service: str = "compute", **options: Any) -> AsyncDriver[Any]:
    """Make a driver to await: `async with aio.connect(...) as cloud:`. The arguments are those of the driver.

    Raises `UnknownProviderError` if the service has no such provider.
    """
    facade: AsyncDriver[Any] = wrap(get_driver(service, provider)(*credentials, **options))
    return facade


@overload
def wrap(driver: N) -> AsyncNodeDriver[N]: ...
@overload
def wrap(driver: D) -> AsyncDNSDriver[D]: ...
@overload
def wrap(driver: L) -> AsyncLBDriver[L]: ...
@overload
def wrap(driver: S) -> AsyncStorageDriver[S]: ...
def wrap(driver: Any) -> AsyncDriver[Any]:
    """Make a facade for an existing driver; type checkers keep its class."""
    for base, facade in FACADES:
        if isinstance(driver, base):
            return facade(driver)
    raise InvalidArgumentError(f"expected a driver of a service, got {driver!r}")
