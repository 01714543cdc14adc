"""Amazon EC2's compute driver.

One module a noun: its payloads as the API documents them, their conversion to our objects, and its methods,
the provider's own (`ex_`) among them. The class here puts them together.

Source: Amazon's reference of the EC2 Query API, version 2016-11-15.
"""

from __future__ import annotations

from typing import ClassVar

from polycloud.common.aws import AWSCredentials, AWSCredsError
from polycloud.compute.drivers.ec2.catalog import EC2AvailabilityZone, EC2NodeLocation, EC2Region
from polycloud.compute.drivers.ec2.creating import EC2Creating, InstanceOptions
from polycloud.compute.drivers.ec2.firewalls import EC2Firewalls, EC2GroupPair, EC2Rule, EC2SecurityGroup
from polycloud.compute.drivers.ec2.images import EC2Images
from polycloud.compute.drivers.ec2.networks import EC2Address, EC2Network, EC2Networks, EC2NetworkSubnet
from polycloud.compute.drivers.ec2.tags import EC2Tags
from polycloud.compute.drivers.ec2.volumes import EC2Volumes
from polycloud.compute.types import Provider

__all__ = [
    "AWSCredentials",
    "AWSCredsError",
    "EC2Address",
    "EC2AvailabilityZone",
    "EC2GroupPair",
    "EC2Network",
    "EC2NetworkSubnet",
    "EC2NodeDriver",
    "EC2NodeLocation",
    "EC2Region",
    "EC2Rule",
    "EC2SecurityGroup",
    "InstanceOptions",
]


class EC2NodeDriver(EC2Creating, EC2Images, EC2Volumes, EC2Networks, EC2Firewalls, EC2Tags):
    """Amazon EC2's node driver: `EC2NodeDriver("access key", "secret", token=None, region="us-east-1")`.

    Without a key, credentials and the region are found where Amazon's tools find them; see `AWSBaseDriver`. A
    driver is for one region. A node's `size` and `image` are ids. A terminated node stays listed for about an
    hour, as `TERMINATED`.
    """

    type = Provider.EC2
    features: ClassVar = {"create_node": ["ssh_key"]}
    create_names: ClassVar = {
        "key": "ex_keyname",
        "security-group": "ex_security_groups",
        "network": "ex_subnet",
    }
