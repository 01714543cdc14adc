"""DigitalOcean's compute driver.

One module a noun: its payloads as the API documents them, their conversion to our objects, and its methods,
the provider's own (`ex_`) among them. The class here puts them together.

Source: the provider's OpenAPI document, version 2.0.
"""

from __future__ import annotations

from typing import ClassVar

from polycloud.common.digitalocean import DigitalOceanAction
from polycloud.compute.drivers.digitalocean.actions import Waiting
from polycloud.compute.drivers.digitalocean.creating import DigitalOceanCreating
from polycloud.compute.drivers.digitalocean.networks import (
    DigitalOceanFirewall,
    DigitalOceanFirewallRule,
    DigitalOceanFloatingIp,
    DigitalOceanNetworks,
    DigitalOceanVPC,
)
from polycloud.compute.drivers.digitalocean.volumes import DigitalOceanVolumes
from polycloud.compute.types import Provider

__all__ = [
    "DigitalOceanAction",
    "DigitalOceanFirewall",
    "DigitalOceanFirewallRule",
    "DigitalOceanFloatingIp",
    "DigitalOceanNodeDriver",
    "DigitalOceanVPC",
    "Waiting",
]


class DigitalOceanNodeDriver(DigitalOceanCreating, DigitalOceanVolumes, DigitalOceanNetworks):
    """DigitalOcean's node driver: `DigitalOceanNodeDriver("token")`.

    `region` is the default location of new nodes and volumes, and the region to which `copy_image` copies.
    If a droplet's payload has no complete size or image, the node's `size` or `image` is a slug. An archived
    droplet is `TERMINATED`.
    """

    type = Provider.DIGITAL_OCEAN
    features: ClassVar = {"create_node": ["ssh_key"]}
    create_names: ClassVar = {"key": "ex_ssh_key_ids", "network": "ex_create_attr.vpc_uuid"}
