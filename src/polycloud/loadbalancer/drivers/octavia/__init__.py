"""OpenStack's load balancers, Octavia, version 2: https://docs.openstack.org/api-ref/load-balancer/v2/.

Octavia carries out a change later: what is changed, and all above it, is PENDING until then, and refuses
other changes. A create takes a balancer with its listeners, pools, members and monitors in one request.

`payload` has the objects and their words, `balancers`, `creating` and `members` the methods.
"""

from __future__ import annotations

from polycloud.loadbalancer.drivers.octavia.balancers import OctaviaConnection
from polycloud.loadbalancer.drivers.octavia.members import OctaviaMembers
from polycloud.loadbalancer.types import Provider

__all__ = ["OctaviaConnection", "OctaviaLBDriver"]


class OctaviaLBDriver(OctaviaMembers):
    """The balancers of a project: `OctaviaLBDriver("user", "password", ex_force_auth_url="https://...")`.

    See `OpenStackBaseDriver` for the other arguments. `ex_vip_subnet_id` is the subnet of the addresses of
    new balancers.
    """

    type = Provider.OCTAVIA
    name = "OpenStack Octavia"
    api_name = "octavia"
