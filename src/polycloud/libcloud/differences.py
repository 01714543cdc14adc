"""What Libcloud has and polycloud lacks, and what to use instead.

Names are Libcloud's without their first part: `compute.base.Node` is `libcloud.compute.base.Node`.
"""

from __future__ import annotations

__all__ = ["BRIDGE", "INSTEAD", "instead_of"]

BRIDGE = (
    "the bridge reaches this provider: pip install 'polycloud[libcloud]', and call polycloud.get_driver "
    "in a program that imports polycloud"
)
SERVICES = ("compute", "dns", "loadbalancer", "storage")
"""The services whose other providers the bridge reaches."""
INSTEAD = {
    "backup": "there is nothing in its place: keep apache-libcloud for the backups of providers",
    "container": "there is nothing in its place: use the client of Docker, Kubernetes, LXD or the provider",
    "base": "use polycloud.get_driver and polycloud.DriverType instead",
    "enable_debug": "use the environment variable POLYCLOUD_DEBUG or polycloud.add_hook instead",
    "common.base.CertificateConnection": "pass client_cert= to the driver instead",
    "common.base.KeyCertificateConnection": "pass client_cert= to the driver instead",
    "common.base.LibcloudConnection": "pass transport= to the driver instead",
    "common.base.HTTPResponse": "use http.client.HTTPResponse instead",
    "common.base.HttpLibResponseProxy": "there is nothing in its place: a Response has status and headers",
    "common.base.LazyObject": "there is nothing in its place: a driver connects with its first request",
    "common.base.RawResponse": "pass raw=True or stream=True to Connection.request instead",
    "common.base.Retry": "use polycloud.RetryPolicy instead",
    "common.types.ServiceUnavailableError": "use polycloud.ServerError instead",
    "common.aws": "use polycloud.compute.drivers.ec2 or polycloud.storage.drivers.s3 instead",
    "common.azure": "use polycloud.storage.drivers.azure_blobs instead",
    "common.google": "use polycloud.storage.drivers.google_storage instead",
    "common.openstack": "use polycloud.compute.drivers.openstack instead",
    "common.openstack_identity": (
        "use polycloud.compute.drivers.openstack instead: it logs in by itself, with all ways of "
        "Keystone that openstacksdk has in clouds.yaml"
    ),
    "common.rackspace": "use polycloud.compute.drivers.openstack.rackspace instead",
    "compute.base.NodeImageMember": "there is nothing in its place",
    "compute.base.NodeImageMemberState": "there is nothing in its place",
    "compute.types.NodeImageMemberState": "there is nothing in its place",
    "compute.types.Architecture": 'use the strings "i386" and "x86_64" instead',
    "compute.deprecated": "there is nothing in its place: no provider is deprecated",
    "compute.ssh.ParamikoSSHClient": "use polycloud.compute.ssh.SSHClient instead, which needs no paramiko",
    "compute.ssh.ShellOutSSHClient": "use polycloud.compute.ssh.SSHClient instead",
    "compute.ssh.MockSSHClient": "use polycloud.sandbox.Sandbox instead, whose nodes have real SSH servers",
    "compute.ssh.have_paramiko": "use polycloud.compute.ssh.SSHClient without asking: paramiko is not used",
    "http": "use polycloud.common.base.Connection, or transport= of a driver, instead",
    "pricing.download_pricing_file": "use polycloud.pricing.set_pricing with prices of your own instead",
    "pricing.get_image_price": "there is nothing in its place: no image of our providers has a price",
    "pricing.invalidate_module_pricing_cache": "use polycloud.pricing.clear_pricing_data instead",
    "pricing.invalidate_pricing_cache": "use polycloud.pricing.clear_pricing_data instead",
    "utils.connection": "use polycloud.common.base.Connection instead",
    "utils.decorators": "there is nothing in its place: no error of another package leaves a driver",
    "utils.escape": "there is nothing in its place",
    "utils.files": "use open(path, 'rb') and polycloud.storage.base.StorageDriver.upload_object_via_stream",
    "utils.iso8601": "use datetime.datetime.fromisoformat instead",
    "utils.logging": "use a logging.Formatter of your own instead",
    "utils.loggingconnection": "use the environment variable POLYCLOUD_DEBUG or polycloud.add_hook instead",
    "utils.misc": "there is nothing in its place",
    "utils.publickey": "use polycloud.compute.base.KeyPair, whose fingerprint the provider states, instead",
    "utils.retry": "use polycloud.RetryPolicy instead",
    "utils.xml": "use xml.etree.ElementTree instead",
}
"""What to use instead of a name, and of all names below it."""


def instead_of(name: str) -> str | None:
    """Return what to use instead of a name of Libcloud, as a clause; None if nothing is known of it.

    `name` (str) is dotted, without the leading `libcloud.`: `container`, `compute.drivers.gce`,
    `compute.types.Provider.GCE`.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        clause = INSTEAD.get(".".join(parts[:length]))
        if clause is not None:
            return clause
    return BRIDGE if parts[0] in SERVICES and parts[1:2] == ["drivers"] and parts[2:] else None
