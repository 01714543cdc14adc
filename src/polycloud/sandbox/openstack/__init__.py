"""A sandbox that speaks OpenStack: Keystone, Nova, Glance, Neutron and Cinder, in two regions on one port."""

from polycloud.sandbox.openstack.cloud import OpenStack
from polycloud.sandbox.openstack.settings import OpenStackSettings

__all__ = ["OpenStack", "OpenStackSettings"]
