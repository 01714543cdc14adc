"""`connect`: a driver to await, by its provider's name, or by the name of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from polycloud import config
from polycloud.aio.driver import AsyncDriver
from polycloud.aio.wrapping import wrap

if TYPE_CHECKING:
    from polycloud.aio.compute import AsyncNodeDriver
    from polycloud.aio.dns import AsyncDNSDriver
    from polycloud.aio.loadbalancer import AsyncLBDriver
    from polycloud.aio.storage import AsyncStorageDriver
    from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
    from polycloud.compute.drivers.dummy import DummyNodeDriver
    from polycloud.compute.drivers.ec2 import EC2NodeDriver
    from polycloud.compute.drivers.linode import LinodeNodeDriver
    from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
    from polycloud.compute.drivers.openstack import OpenStackNodeDriver, OVHNodeDriver
    from polycloud.compute.drivers.openstack.rackspace import RackspaceNodeDriver
    from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
    from polycloud.compute.types import Provider as ComputeProvider
    from polycloud.config.connecting import DNS, Compute, LoadBalancing, Storage
    from polycloud.dns.drivers.cloudflare import CloudflareDNSDriver
    from polycloud.dns.drivers.designate import DesignateDriver
    from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
    from polycloud.dns.drivers.dummy import DummyDNSDriver
    from polycloud.dns.drivers.linode import LinodeDNSDriver
    from polycloud.dns.drivers.powerdns import PowerDNSDriver
    from polycloud.dns.drivers.rackspace import RackspaceDNSDriver
    from polycloud.dns.drivers.rfc2136 import RFC2136Driver
    from polycloud.dns.drivers.route53 import Route53DNSDriver
    from polycloud.dns.types import Provider as DNSProvider
    from polycloud.loadbalancer.drivers.alb import ApplicationLBDriver
    from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
    from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
    from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
    from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
    from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
    from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
    from polycloud.loadbalancer.drivers.rackspace import RackspaceLBDriver
    from polycloud.loadbalancer.types import Provider as LBProvider
    from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
    from polycloud.storage.drivers.dummy import DummyStorageDriver
    from polycloud.storage.drivers.google_storage import GoogleStorageDriver
    from polycloud.storage.drivers.local import LocalStorageDriver
    from polycloud.storage.drivers.s3 import S3StorageDriver
    from polycloud.storage.drivers.s3.stores import (
        BackblazeB2StorageDriver,
        CephRGWStorageDriver,
        CloudflareR2StorageDriver,
        DigitalOceanSpacesStorageDriver,
        GoogleStorageHMACDriver,
        LinodeObjectStorageDriver,
        MinIOStorageDriver,
        OvhStorageDriver,
        ScalewayStorageDriver,
        WasabiStorageDriver,
    )
    from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver
    from polycloud.storage.drivers.swift.cloudfiles import (
        CloudFilesStorageDriver,
        CloudFilesUKStorageDriver,
        CloudFilesUSStorageDriver,
    )
    from polycloud.storage.types import Provider as StorageProvider


@overload
def connect(
    provider: Literal[ComputeProvider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[DigitalOceanNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.DUMMY, "dummy"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[DummyNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.EC2, "ec2"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[EC2NodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.LINODE, "linode"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[LinodeNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.NEPHOSCALE, "nephoscale"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[NephoscaleNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.OPENSTACK, "openstack"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[OpenStackNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.OVH, "ovh"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[OVHNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.RACKSPACE, "rackspace"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[RackspaceNodeDriver]: ...
@overload
def connect(
    provider: Literal[ComputeProvider.SOFTLAYER, "softlayer"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> AsyncNodeDriver[SoftLayerNodeDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.CLOUDFLARE, "cloudflare"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[CloudflareDNSDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.DESIGNATE, "designate"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[DesignateDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: DNS,
    **options: Any,
) -> AsyncDNSDriver[DigitalOceanDNSDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.DUMMY, "dummy"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[DummyDNSDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.LINODE, "linode"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[LinodeDNSDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.POWERDNS, "powerdns"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[PowerDNSDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.RACKSPACE, "rackspace"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[RackspaceDNSDriver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.RFC2136, "rfc2136"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[RFC2136Driver]: ...
@overload
def connect(
    provider: Literal[DNSProvider.ROUTE53, "route53"], *credentials: Any, service: DNS, **options: Any
) -> AsyncDNSDriver[Route53DNSDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.ALB, "alb"], *credentials: Any, service: LoadBalancing, **options: Any
) -> AsyncLBDriver[ApplicationLBDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> AsyncLBDriver[DigitalOceanLBDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.DUMMY, "dummy"], *credentials: Any, service: LoadBalancing, **options: Any
) -> AsyncLBDriver[DummyLBDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.ELB, "elb"], *credentials: Any, service: LoadBalancing, **options: Any
) -> AsyncLBDriver[ElasticLBDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.HAPROXY, "haproxy"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> AsyncLBDriver[HAProxyDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.LINODE, "linode"], *credentials: Any, service: LoadBalancing, **options: Any
) -> AsyncLBDriver[LinodeLBDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.OCTAVIA, "octavia", LBProvider.OPENSTACK, "openstack"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> AsyncLBDriver[OctaviaLBDriver]: ...
@overload
def connect(
    provider: Literal[LBProvider.RACKSPACE, "rackspace"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> AsyncLBDriver[RackspaceLBDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.AZURE_BLOBS, "azure_blobs"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[AzureBlobsStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.BACKBLAZE_B2, "backblaze_b2"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[BackblazeB2StorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.CLOUDFILES, "cloudfiles"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[CloudFilesStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.CLOUDFILES_UK, "cloudfiles_uk"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[CloudFilesUKStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.CLOUDFILES_US, "cloudfiles_us"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[CloudFilesUSStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.DIGITALOCEAN_SPACES, "digitalocean_spaces"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[DigitalOceanSpacesStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.DUMMY, "dummy"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[DummyStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.GOOGLE_STORAGE, "google_storage"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[GoogleStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.GOOGLE_STORAGE_HMAC, "google_storage_hmac"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[GoogleStorageHMACDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.LINODE, "linode"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[LinodeObjectStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.LOCAL, "local"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[LocalStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.MINIO, "minio"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[MinIOStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.OPENSTACK_SWIFT, "openstack_swift"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[OpenStackSwiftStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.OVH, "ovh"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[OvhStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.R2, "r2"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[CloudflareR2StorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.RGW, "rgw"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[CephRGWStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.S3, "s3"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[S3StorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.SCALEWAY, "scaleway"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AsyncStorageDriver[ScalewayStorageDriver]: ...
@overload
def connect(
    provider: Literal[StorageProvider.WASABI, "wasabi"], *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[WasabiStorageDriver]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: Compute | None = None, **options: Any
) -> AsyncNodeDriver[Any]: ...
@overload
def connect(provider: str, *credentials: Any, service: DNS, **options: Any) -> AsyncDNSDriver[Any]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: LoadBalancing, **options: Any
) -> AsyncLBDriver[Any]: ...
@overload
def connect(
    provider: str, *credentials: Any, service: Storage, **options: Any
) -> AsyncStorageDriver[Any]: ...
@overload
def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> AsyncDriver[Any]: ...
def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> AsyncDriver[Any]:
    """Make a driver to await: `async with aio.connect(...) as cloud:`.

    The arguments, and where credentials come from, are those of `polycloud.connect`. A command that prints a
    secret is waited for.

    Raises:
        UnknownProviderError: There is no such provider.
        ConfigError: There is no such profile, or credentials are missing.
    """
    driver = config.connect(provider, *credentials, service=service, profile=profile, **options)
    facade: AsyncDriver[Any] = wrap(driver)
    return facade
