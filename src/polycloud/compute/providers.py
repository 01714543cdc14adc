"""Compute drivers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from polycloud.common import providers
from polycloud.compute.types import Provider

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver
    from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
    from polycloud.compute.drivers.dummy import DummyNodeDriver
    from polycloud.compute.drivers.ec2 import EC2NodeDriver
    from polycloud.compute.drivers.linode import LinodeNodeDriver
    from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
    from polycloud.compute.drivers.openstack import OpenStackNodeDriver, OVHNodeDriver
    from polycloud.compute.drivers.openstack.rackspace import RackspaceNodeDriver
    from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver

__all__ = ["DRIVERS", "Provider", "get_driver", "names", "set_driver"]

_RACKSPACE = "polycloud.compute.drivers.openstack.rackspace"
DRIVERS: providers.Drivers = {
    Provider.DIGITAL_OCEAN: ("polycloud.compute.drivers.digitalocean", "DigitalOceanNodeDriver"),
    Provider.DUMMY: ("polycloud.compute.drivers.dummy", "DummyNodeDriver"),
    Provider.LINODE: ("polycloud.compute.drivers.linode", "LinodeNodeDriver"),
    Provider.EC2: ("polycloud.compute.drivers.ec2", "EC2NodeDriver"),
    Provider.NEPHOSCALE: ("polycloud.compute.drivers.nephoscale", "NephoscaleNodeDriver"),
    Provider.OPENSTACK: ("polycloud.compute.drivers.openstack", "OpenStackNodeDriver"),
    Provider.OVH: ("polycloud.compute.drivers.openstack", "OVHNodeDriver"),
    Provider.RACKSPACE: (_RACKSPACE, "RackspaceNodeDriver"),
    Provider.SOFTLAYER: ("polycloud.compute.drivers.softlayer", "SoftLayerNodeDriver"),
}
"""The compute drivers of this package: constant to (module path, class name)."""
_OLD_NAMES: providers.Drivers = {
    Provider.RACKSPACE_NOVA_BETA: (_RACKSPACE, "RackspaceNodeDriver"),
    Provider.RACKSPACE_NOVA_DFW: (_RACKSPACE, "RackspaceNodeDriver"),
    Provider.RACKSPACE_NOVA_LON: (_RACKSPACE, "RackspaceLONNodeDriver"),
    Provider.RACKSPACE_NOVA_ORD: (_RACKSPACE, "RackspaceORDNodeDriver"),
    Provider.RACKSPACE_UK: (_RACKSPACE, "RackspaceLONNodeDriver"),
}
"""Constants that `get_driver` knows, and that no list of providers has: one account has all regions."""
_REPLACED: dict[str, str] = {
    Provider.CLOUDFRAMES: "the provider does not exist any more",
    **{
        constant: f"use {Provider.EC2.name} with region={region!r}"
        for constant, region in {
            Provider.EC2_AP_NORTHEAST: "ap-northeast-1",
            Provider.EC2_AP_NORTHEAST1: "ap-northeast-1",
            Provider.EC2_AP_NORTHEAST2: "ap-northeast-2",
            Provider.EC2_AP_SOUTHEAST: "ap-southeast-1",
            Provider.EC2_AP_SOUTHEAST2: "ap-southeast-2",
            Provider.EC2_CA_CENTRAL1: "ca-central-1",
            Provider.EC2_EU_WEST: "eu-west-1",
            Provider.EC2_EU_WEST2: "eu-west-2",
            Provider.EC2_SA_EAST: "sa-east-1",
            Provider.EC2_US_EAST: "us-east-1",
            Provider.EC2_US_EAST_OHIO: "us-east-2",
            Provider.EC2_US_WEST: "us-west-1",
            Provider.EC2_US_WEST_OREGON: "us-west-2",
        }.items()
    },
    Provider.HPCLOUD: "the provider does not exist any more",
    Provider.IBM: f"use {Provider.SOFTLAYER.name}, its successor",
    Provider.NINEFOLD: "the provider does not exist any more",
    Provider.OPSOURCE: f"use {Provider.DIMENSIONDATA.name}, its successor",
    Provider.RACKSPACE_FIRST_GEN: f"use {Provider.RACKSPACE.name}: servers of the first generation are gone",
    Provider.RUNABOVE: f"use {Provider.OVH.name}, its successor",
}
"""Constants of Libcloud's whose provider or name has been removed: what to do instead."""


@overload
def get_driver(provider: Literal[Provider.DIGITAL_OCEAN, "digitalocean"]) -> type[DigitalOceanNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DUMMY, "dummy"]) -> type[DummyNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.LINODE, "linode"]) -> type[LinodeNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.EC2, "ec2"]) -> type[EC2NodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.NEPHOSCALE, "nephoscale"]) -> type[NephoscaleNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.OPENSTACK, "openstack"]) -> type[OpenStackNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.OVH, "ovh"]) -> type[OVHNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.RACKSPACE, "rackspace"]) -> type[RackspaceNodeDriver]: ...
@overload
def get_driver(provider: Literal[Provider.SOFTLAYER, "softlayer"]) -> type[SoftLayerNodeDriver]: ...
@overload
def get_driver(provider: str) -> type[NodeDriver]: ...
def get_driver(provider: str) -> type[Any]:
    """The driver class for a `Provider` constant, its string, or a name that another package registers.

    Raises `UnknownProviderError` with the nearest names.
    """
    drivers = _OLD_NAMES if str(provider).lower() in _OLD_NAMES else DRIVERS
    return providers.find_driver("compute", drivers, provider, Provider, _REPLACED)


def set_driver(provider: str, module: str, klass: str) -> type[Any]:
    """Add a driver under the name `provider`; its class, imported.

    Raises `InvalidArgumentError` where the name is taken.
    """
    providers.register(DRIVERS, provider, module, klass)
    return get_driver(provider)


def names() -> list[str]:
    """The names of all providers that have a compute driver, those of other packages included."""
    return providers.names("compute", DRIVERS)
