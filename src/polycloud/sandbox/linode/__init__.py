"""Linode's API, version 4, for servers and what belongs to them."""

from polycloud.sandbox.linode.cloud import Linode
from polycloud.sandbox.linode.settings import LinodeSettings

__all__ = ["Linode", "LinodeSettings"]
