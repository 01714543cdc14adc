"""Drivers of load balancers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from polycloud.common import providers
from polycloud.loadbalancer.types import Provider

if TYPE_CHECKING:
    from polycloud.loadbalancer.base import Driver
    from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
    from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
    from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
    from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
    from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
    from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
    from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
    from polycloud.loadbalancer.drivers.rackspace import RackspaceLBDriver

__all__ = ["DRIVERS", "Provider", "get_driver", "names", "set_driver"]

DRIVERS: providers.Drivers = {
    Provider.ALB: ("polycloud.loadbalancer.drivers.alb", "ApplicationLBDriver"),
    Provider.DIGITAL_OCEAN: ("polycloud.loadbalancer.drivers.digitalocean", "DigitalOceanLBDriver"),
    Provider.DUMMY: ("polycloud.loadbalancer.drivers.dummy", "DummyLBDriver"),
    Provider.ELB: ("polycloud.loadbalancer.drivers.elb", "ElasticLBDriver"),
    Provider.HAPROXY: ("polycloud.loadbalancer.drivers.haproxy", "HAProxyDriver"),
    Provider.LINODE: ("polycloud.loadbalancer.drivers.linode", "LinodeLBDriver"),
    Provider.OCTAVIA: ("polycloud.loadbalancer.drivers.octavia", "OctaviaLBDriver"),
    Provider.OPENSTACK: ("polycloud.loadbalancer.drivers.octavia", "OctaviaLBDriver"),
    Provider.RACKSPACE: ("polycloud.loadbalancer.drivers.rackspace", "RackspaceLBDriver"),
}
"""The drivers of load balancers of this package: constant to (module path, class name)."""
_REPLACED: dict[str, str] = {
    Provider.RACKSPACE_UK: "use RACKSPACE with region='lon'",
    Provider.RACKSPACE_US: "use RACKSPACE with region='ord' or another one",
}
"""Constants of Libcloud's that have been removed: what to do instead."""


@overload
def get_driver(provider: Literal[Provider.ALB, "alb"]) -> type[ApplicationLBDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DIGITAL_OCEAN, "digitalocean"]) -> type[DigitalOceanLBDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DUMMY, "dummy"]) -> type[DummyLBDriver]: ...
@overload
def get_driver(provider: Literal[Provider.ELB, "elb"]) -> type[ElasticLBDriver]: ...
@overload
def get_driver(provider: Literal[Provider.HAPROXY, "haproxy"]) -> type[HAProxyDriver]: ...
@overload
def get_driver(provider: Literal[Provider.LINODE, "linode"]) -> type[LinodeLBDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.OCTAVIA, Provider.OPENSTACK, "octavia", "openstack"],
) -> type[OctaviaLBDriver]: ...
@overload
def get_driver(provider: Literal[Provider.RACKSPACE, "rackspace"]) -> type[RackspaceLBDriver]: ...
@overload
def get_driver(provider: str) -> type[Driver]: ...
def get_driver(provider: str) -> type[Any]:
    """Return the driver class for a `Provider` constant, its string, or a name registered by another package.

    Raises `UnknownProviderError` with the nearest names.
    """
    return providers.find_driver("loadbalancer", DRIVERS, provider, Provider, _REPLACED)


def set_driver(provider: str, module: str, klass: str) -> type[Any]:
    """Register a driver as `provider`; return its class.

    Raises `InvalidArgumentError` if the name is taken.
    """
    providers.register(DRIVERS, provider, module, klass)
    return get_driver(provider)


def names() -> list[str]:
    """Return the names of all providers that have such a driver, including those of other packages."""
    return providers.names("loadbalancer", DRIVERS)
