"""A sandbox that speaks Rackspace's public cloud, which is the sandbox's OpenStack in Rackspace's dialect."""

from polycloud.sandbox.rackspace.cloud import Rackspace, RackspaceSettings

__all__ = ["Rackspace", "RackspaceSettings"]
