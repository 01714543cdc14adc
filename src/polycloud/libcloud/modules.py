"""Where the modules and names of Libcloud are that stand at another path in polycloud."""

from __future__ import annotations

API_LEVEL = "3.9.1"
"""The version of Libcloud whose interface this is."""

STORES = "polycloud.storage.drivers.s3.stores"
MODULES = {
    "base": "polycloud.common.providers",
    "compute.drivers.rackspace": "polycloud.compute.drivers.openstack.rackspace",
    "compute.drivers.ovh": "polycloud.compute.drivers.openstack",
    "storage.drivers.backblaze_b2": STORES,
    "storage.drivers.cloudfiles": "polycloud.storage.drivers.swift.cloudfiles",
    "storage.drivers.digitalocean_spaces": STORES,
    "storage.drivers.minio": STORES,
    "storage.drivers.ovh": STORES,
    "storage.drivers.rgw": STORES,
    "storage.drivers.scaleway": STORES,
}
"""Modules: Libcloud's path to the module of polycloud."""

NAMES: dict[str, str] = {}
"""Names in a module that both have: Libcloud's path to "module:name" of polycloud."""
