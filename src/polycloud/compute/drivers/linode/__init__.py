"""Linode's compute driver.

One module a noun: its payloads as the API documents them, their conversion to our objects, and its methods,
the provider's own (`ex_`) among them. The class here puts them together.

Source: the provider's OpenAPI document, version 4.189.0.
"""

from __future__ import annotations

from typing import ClassVar

from polycloud.common.linode import LabelTakenError, LinodeBusyError, LinodeEvent
from polycloud.compute.drivers.linode.actions import Waiting
from polycloud.compute.drivers.linode.backups import LinodeBackup, LinodeBackups
from polycloud.compute.drivers.linode.creating import LinodeCreating
from polycloud.compute.drivers.linode.disks import LinodeConfig, LinodeDisk
from polycloud.compute.drivers.linode.images import LinodeImages
from polycloud.compute.drivers.linode.networks import LinodeFirewall, LinodeIPAddress, LinodeNetworks
from polycloud.compute.drivers.linode.scripts import LinodeScripts, LinodeStackScript
from polycloud.compute.drivers.linode.tags import LinodeTags
from polycloud.compute.drivers.linode.volumes import LinodeVolumes
from polycloud.compute.types import Provider

__all__ = [
    "LabelTakenError",
    "LinodeBackup",
    "LinodeBusyError",
    "LinodeConfig",
    "LinodeDisk",
    "LinodeEvent",
    "LinodeFirewall",
    "LinodeIPAddress",
    "LinodeNodeDriver",
    "LinodeStackScript",
    "Waiting",
]


class LinodeNodeDriver(
    LinodeCreating,
    LinodeTags,
    LinodeImages,
    LinodeVolumes,
    LinodeNetworks,
    LinodeBackups,
    LinodeScripts,
):
    """Linode's node driver: `LinodeNodeDriver("token")`.

    `region` is the default location of new nodes and volumes, and of the sizes' prices. A node's `size` and
    `image` are ids. A node that is being deleted is `TERMINATED`.
    """

    type = Provider.LINODE
    features: ClassVar = {"create_node": ["ssh_key", "password"]}
    password_arguments: ClassVar = ("root_pass",)
    create_names: ClassVar = {"security-group": "ex_create_attr.firewall_id"}
