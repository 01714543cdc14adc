"""A sandbox that speaks OpenStack: Keystone, Nova, Glance, Neutron and Cinder, in two regions on one port.

It is held against the real services (`make openstack`): the same requests have the same statuses, fields and
error envelopes. It differs in what it is for:

- There is one network for all projects, `public`, with addresses at which servers have their machines. So a
  server that names no network can be reached. Once the project has a network too, one must be named.
- A server on a network of the project has its machine where a floating IP leads to it. That machine has empty
  files, and so has one that a floating IP is moved to.
- A machine is stopped while its server is paused, suspended or shelved; it is started again afterwards.
- Nova has no proxies of other services, such as /images and /os-security-groups, and of the administrator's
  operations migrations and the reset of a state only.

`RegionTwo` has the same flavours and images, and servers, networks and volumes of its own.
"""

from polycloud.sandbox.openstack.cloud import OpenStack
from polycloud.sandbox.openstack.settings import OpenStackSettings

__all__ = ["OpenStack", "OpenStackSettings"]
