"""Where the modules and names of Libcloud are that stand at another path in polycloud."""

from __future__ import annotations

API_LEVEL = "3.9.1"
"""The version of Libcloud whose interface this is."""

UTILS = "polycloud.libcloud.utils"
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
    "utils.files": f"{UTILS}.files",
    "utils.iso8601": f"{UTILS}.iso8601",
    "utils.misc": f"{UTILS}.misc",
    "utils.publickey": f"{UTILS}.publickey",
    "utils.xml": f"{UTILS}.xml",
}
"""Modules: Libcloud's path to the module of polycloud."""

_DIGITALOCEAN = "polycloud.common.digitalocean"
_LINODE = "polycloud.common.linode"
_CONSTANTS = "polycloud.libcloud.constants"
_REGIONS = "polycloud.storage.drivers.s3.regions"
NAMES: dict[str, str] = {
    "base.DriverTypeNotFoundError": "polycloud.errors:InvalidArgumentError",
    "common.digitalocean.DigitalOcean_v2_BaseDriver": f"{_DIGITALOCEAN}:DigitalOceanBaseDriver",
    "common.digitalocean.DigitalOcean_v2_Connection": f"{_DIGITALOCEAN}:DigitalOceanConnection",
    "common.digitalocean.DigitalOcean_v2_Response": f"{_DIGITALOCEAN}:DigitalOceanResponse",
    "common.google.GoogleAuthError": "polycloud.errors:InvalidCredsError",
    "common.google.GoogleBaseError": "polycloud.errors:ProviderError",
    "common.google.QuotaExceededError": "polycloud.errors:QuotaExceededError",
    "common.google.ResourceExistsError": "polycloud.errors:ConflictError",
    "common.google.ResourceInUseError": "polycloud.errors:ConflictError",
    "common.google.ResourceNotFoundError": "polycloud.errors:NotFoundError",
    "common.linode.LinodeConnectionV4": f"{_LINODE}:LinodeConnection",
    "common.linode.LinodeResponseV4": f"{_LINODE}:LinodeResponse",
    "common.linode.LinodeException": "polycloud.errors:ProviderError",
    "common.linode.LinodeExceptionV4": "polycloud.errors:ProviderError",
    "common.openstack.OpenStackException": "polycloud.errors:ProviderError",
    "common.types.ServiceUnavailableError": "polycloud.errors:ServerError",
    "compute.base.SSHClient": "polycloud.compute.ssh:SSHClient",
    "compute.base.T_Auth": f"{_CONSTANTS}:T_AUTH",
    "compute.base.have_paramiko": f"{_CONSTANTS}:HAVE_PARAMIKO",
    "compute.drivers.digitalocean.DigitalOcean_v2_NodeDriver": (
        "polycloud.compute.drivers.digitalocean:DigitalOceanNodeDriver"
    ),
    "compute.drivers.dummy.DummyConnection": "polycloud.common.base:ConnectionKey",
    "compute.drivers.ec2.BaseEC2NodeDriver": "polycloud.compute.drivers.ec2:EC2NodeDriver",
    "compute.drivers.linode.LinodeNodeDriverV4": "polycloud.compute.drivers.linode:LinodeNodeDriver",
    **{
        f"compute.drivers.openstack.{name}": f"polycloud.compute.drivers.openstack:{own}"
        for own, names in {
            "OpenStackFloatingIpAddress": (
                "OpenStack_1_1_FloatingIpAddress",
                "OpenStack_2_FloatingIpAddress",
            ),
            "OpenStackFloatingIpPool": ("OpenStack_1_1_FloatingIpPool", "OpenStack_2_FloatingIpPool"),
            "OpenStackNodeDriver": ("OpenStack_1_1_NodeDriver", "OpenStack_2_NodeDriver"),
            "OpenStackPort": ("OpenStack_2_PortInterface",),
            "OpenStackQuotaSet": ("OpenStack_2_QuotaSet",),
            "OpenStackRouter": ("OpenStack_2_Router",),
            "OpenStackServerGroup": ("OpenStack_2_ServerGroup",),
            "OpenStackSubnet": ("OpenStack_2_SubNet",),
        }.items()
        for name in names
    },
    "compute.drivers.ovh.OvhNodeDriver": "polycloud.compute.drivers.openstack:OVHNodeDriver",
    "compute.ssh.ParamikoSSHClient": "polycloud.compute.ssh:SSHClient",
    "compute.ssh.have_paramiko": f"{_CONSTANTS}:HAVE_PARAMIKO",
    "dns.drivers.cloudflare.CloudFlareDNSDriver": "polycloud.dns.drivers.cloudflare:CloudflareDNSDriver",
    "dns.drivers.linode.LinodeDNSDriverV4": "polycloud.dns.drivers.linode:LinodeDNSDriver",
    "enable_debug": "polycloud.libcloud.debug:enable_debug",
    "reset_debug": "polycloud.libcloud.debug:reset_debug",
    "storage.base.CHUNK_SIZE": f"{_CONSTANTS}:CHUNK_SIZE",
    "storage.base.DEFAULT_CONTENT_TYPE": f"{_CONSTANTS}:DEFAULT_CONTENT_TYPE",
    "storage.drivers.cloudfiles.OpenStackSwiftStorageDriver": (
        "polycloud.storage.drivers.swift:OpenStackSwiftStorageDriver"
    ),
    "storage.drivers.rgw.S3RGWOutscaleStorageDriver": f"{STORES}:CephRGWStorageDriver",
    "storage.drivers.rgw.S3RGWStorageDriver": f"{STORES}:CephRGWStorageDriver",
    "storage.drivers.s3.BaseS3StorageDriver": "polycloud.storage.drivers.s3:S3StorageDriver",
    **{
        f"storage.drivers.s3.S3{region}StorageDriver": f"{_REGIONS}:S3{region}StorageDriver"
        for region in (
            *("APNE", "APNE1", "APNE2", "APSE", "APSE2", "APSouth", "CACentral", "CNNorth", "CNNorthWest"),
            *("EUCentral", "EUNorth1", "EUWest", "EUWest2", "EUWest3", "SAEast", "USEast2", "USGovEast"),
            *("USGovWest", "USWest", "USWestOregon"),
        )
    },
    "utils.py3.PY27": f"{_CONSTANTS}:PY27",
}
"""Names in a module that both have: Libcloud's path to "module:name" of polycloud."""
