"""DNS drivers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from polycloud.common import providers
from polycloud.dns.types import Provider

if TYPE_CHECKING:
    from polycloud.dns.base import DNSDriver
    from polycloud.dns.drivers.cloudflare import CloudflareDNSDriver
    from polycloud.dns.drivers.designate import DesignateDriver
    from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
    from polycloud.dns.drivers.dummy import DummyDNSDriver
    from polycloud.dns.drivers.linode import LinodeDNSDriver
    from polycloud.dns.drivers.powerdns import PowerDNSDriver
    from polycloud.dns.drivers.rackspace import RackspaceDNSDriver
    from polycloud.dns.drivers.rfc2136 import RFC2136Driver
    from polycloud.dns.drivers.route53 import Route53DNSDriver

__all__ = ["DRIVERS", "Provider", "get_driver", "names", "set_driver"]

DRIVERS: providers.Drivers = {
    Provider.CLOUDFLARE: ("polycloud.dns.drivers.cloudflare", "CloudflareDNSDriver"),
    Provider.DESIGNATE: ("polycloud.dns.drivers.designate", "DesignateDriver"),
    Provider.DIGITAL_OCEAN: ("polycloud.dns.drivers.digitalocean", "DigitalOceanDNSDriver"),
    Provider.DUMMY: ("polycloud.dns.drivers.dummy", "DummyDNSDriver"),
    Provider.LINODE: ("polycloud.dns.drivers.linode", "LinodeDNSDriver"),
    Provider.POWERDNS: ("polycloud.dns.drivers.powerdns", "PowerDNSDriver"),
    Provider.RACKSPACE: ("polycloud.dns.drivers.rackspace", "RackspaceDNSDriver"),
    Provider.RFC2136: ("polycloud.dns.drivers.rfc2136", "RFC2136Driver"),
    Provider.ROUTE53: ("polycloud.dns.drivers.route53", "Route53DNSDriver"),
}
"""The DNS drivers of this package: constant to (module path, class name)."""
_REPLACED: dict[str, str] = {
    Provider.RACKSPACE_UK: "use RACKSPACE with region='uk'",
    Provider.RACKSPACE_US: "use RACKSPACE",
}
"""Constants of Libcloud's that have been removed: what to do instead."""


@overload
def get_driver(provider: Literal[Provider.CLOUDFLARE, "cloudflare"]) -> type[CloudflareDNSDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DESIGNATE, "designate"]) -> type[DesignateDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DIGITAL_OCEAN, "digitalocean"]) -> type[DigitalOceanDNSDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DUMMY, "dummy"]) -> type[DummyDNSDriver]: ...
@overload
def get_driver(provider: Literal[Provider.LINODE, "linode"]) -> type[LinodeDNSDriver]: ...
@overload
def get_driver(provider: Literal[Provider.POWERDNS, "powerdns"]) -> type[PowerDNSDriver]: ...
@overload
def get_driver(provider: Literal[Provider.RACKSPACE, "rackspace"]) -> type[RackspaceDNSDriver]: ...
@overload
def get_driver(provider: Literal[Provider.RFC2136, "rfc2136"]) -> type[RFC2136Driver]: ...
@overload
def get_driver(provider: Literal[Provider.ROUTE53, "route53"]) -> type[Route53DNSDriver]: ...
@overload
def get_driver(provider: str) -> type[DNSDriver]: ...
def get_driver(provider: str) -> type[Any]:
    """Return the driver class for a `Provider` constant, its string, or a name registered by another package.

    Raises `UnknownProviderError` with the nearest names.
    """
    return providers.find_driver("dns", DRIVERS, provider, Provider, _REPLACED)


def set_driver(provider: str, module: str, klass: str) -> type[Any]:
    """Register a driver as `provider`; return its class.

    Raises `InvalidArgumentError` if the name is taken.
    """
    providers.register(DRIVERS, provider, module, klass)
    return get_driver(provider)


def names() -> list[str]:
    """Return the names of all providers that have a DNS driver, including those of other packages."""
    return providers.names("dns", DRIVERS)
