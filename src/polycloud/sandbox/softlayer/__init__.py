"""A sandbox that speaks the XML-RPC API of SoftLayer (IBM Cloud classic infrastructure)."""

from polycloud.sandbox.softlayer.cloud import SoftLayer
from polycloud.sandbox.softlayer.state import SoftLayerSettings

__all__ = ["SoftLayer", "SoftLayerSettings"]
