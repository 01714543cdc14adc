"""SoftLayer (IBM Cloud classic infrastructure): virtual servers, over XML-RPC.

A package of one file per noun; `creating` has the create, and `polycloud.common.softlayer` how the API works.
"""

from __future__ import annotations

from typing import ClassVar

from polycloud.common.softlayer import SoftLayerBusyError
from polycloud.compute.drivers.softlayer.creating import SoftLayerCreating
from polycloud.compute.types import Provider

__all__ = ["SoftLayerBusyError", "SoftLayerNodeDriver"]


class SoftLayerNodeDriver(SoftLayerCreating):
    """SoftLayer's node driver: `SoftLayerNodeDriver("user", "API key")`.

    A node's name is its host name, its `size` and `image` are ids. Sizes are made by hand (`custom_size`), or
    chosen from `list_sizes`.
    """

    type = Provider.SOFTLAYER
    features: ClassVar = {"create_node": ["ssh_key", "generates_password"]}
    create_names: ClassVar = {
        "key": "ex_keyname",
        "security-group": "ex_security_groups",
        "network": "ex_private_vlan",
    }
