"""OpenStack's compute driver: Nova, with images from Glance, networks from Neutron and volumes from Cinder.

One module a noun: its payloads as the API documents them, their conversion to our objects, and its methods,
OpenStack's own (`ex_`) among them. The class here puts them together.

Source: OpenStack's API references: Compute v2.1, Image v2, Networking v2.0, Block Storage v3.
"""

from __future__ import annotations

from typing import ClassVar

from polycloud.common.openstack.publicclouds import PUBLIC_CLOUDS
from polycloud.compute.drivers.openstack.addresses import (
    OpenStackAddresses,
    OpenStackFloatingIpAddress,
    OpenStackFloatingIpPool,
)
from polycloud.compute.drivers.openstack.catalog import OpenStackCatalog, OpenStackNodeSize, OpenStackQuotaSet
from polycloud.compute.drivers.openstack.creating import OpenStackCreating
from polycloud.compute.drivers.openstack.firewalls import (
    OpenStackFirewalls,
    OpenStackSecurityGroup,
    OpenStackSecurityGroupRule,
)
from polycloud.compute.drivers.openstack.images import OpenStackImageMember, OpenStackImages
from polycloud.compute.drivers.openstack.networks import (
    OpenStackNetwork,
    OpenStackPort,
    OpenStackRouter,
    OpenStackSubnet,
)
from polycloud.compute.drivers.openstack.tags import OpenStackServerGroup, OpenStackTags
from polycloud.compute.drivers.openstack.volumes import OpenStackVolumes
from polycloud.compute.types import Provider

__all__ = [
    "OVHNodeDriver",
    "OpenStackFloatingIpAddress",
    "OpenStackFloatingIpPool",
    "OpenStackImageMember",
    "OpenStackNetwork",
    "OpenStackNodeDriver",
    "OpenStackNodeSize",
    "OpenStackPort",
    "OpenStackQuotaSet",
    "OpenStackRouter",
    "OpenStackSecurityGroup",
    "OpenStackSecurityGroupRule",
    "OpenStackServerGroup",
    "OpenStackSubnet",
]


class OpenStackNodeDriver(
    OpenStackCreating,
    OpenStackAddresses,
    OpenStackCatalog,
    OpenStackImages,
    OpenStackFirewalls,
    OpenStackVolumes,
    OpenStackTags,
):
    """OpenStack's node driver; see `OpenStackBaseDriver` for its arguments.

    A node's `size` and `image` are ids. A shelved server is `STOPPED`; `start_node` wakes servers that are
    paused, suspended or shelved too.
    """

    type = Provider.OPENSTACK
    api_versions = ("1.1", "2.0", "2.1", "2.2")
    features: ClassVar = {"create_node": ["ssh_key", "generates_password"]}
    password_arguments: ClassVar = ("ex_admin_pass",)
    create_names: ClassVar = {
        "key": "ex_keyname",
        "security-group": "ex_security_groups",
        "network": "networks",
    }


class OVHNodeDriver(OpenStackNodeDriver):
    """OpenStack's node driver for OVHcloud: `OVHNodeDriver("user", "password", ex_tenant_name=...)`."""

    type = Provider.OVH
    name = PUBLIC_CLOUDS["ovh"].name
    website = PUBLIC_CLOUDS["ovh"].website
    public_cloud = PUBLIC_CLOUDS["ovh"]
