"""`connect`: a driver by its provider's name, or by the name of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from polycloud.common.driver import credentials_from_environment, credentials_of
from polycloud.common.providers import DriverType, get_driver
from polycloud.config.accounts import DEFAULT_SERVICE, variables_of
from polycloud.config.errors import ConfigError
from polycloud.config.files import load

if TYPE_CHECKING:
    from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
    from polycloud.compute.drivers.dummy import DummyNodeDriver
    from polycloud.compute.drivers.ec2 import EC2NodeDriver
    from polycloud.compute.drivers.linode import LinodeNodeDriver
    from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
    from polycloud.compute.drivers.openstack import OpenStackNodeDriver, OVHNodeDriver
    from polycloud.compute.drivers.openstack.rackspace import RackspaceNodeDriver
    from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
    from polycloud.compute.types import Provider as ComputeProvider
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

    Compute: TypeAlias = Literal["compute", DriverType.COMPUTE]
    DNS: TypeAlias = Literal["dns", DriverType.DNS]
    LoadBalancing: TypeAlias = Literal["loadbalancer", DriverType.LOADBALANCER]
    Storage: TypeAlias = Literal["storage", DriverType.STORAGE]


@overload
def connect(
    provider: Literal[ComputeProvider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> DigitalOceanNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.DUMMY, "dummy"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> DummyNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.EC2, "ec2"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> EC2NodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.LINODE, "linode"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> LinodeNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.NEPHOSCALE, "nephoscale"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> NephoscaleNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.OPENSTACK, "openstack"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> OpenStackNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.OVH, "ovh"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> OVHNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.RACKSPACE, "rackspace"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> RackspaceNodeDriver: ...
@overload
def connect(
    provider: Literal[ComputeProvider.SOFTLAYER, "softlayer"],
    *credentials: Any,
    service: Compute | None = None,
    **options: Any,
) -> SoftLayerNodeDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.CLOUDFLARE, "cloudflare"], *credentials: Any, service: DNS, **options: Any
) -> CloudflareDNSDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.DESIGNATE, "designate"], *credentials: Any, service: DNS, **options: Any
) -> DesignateDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: DNS,
    **options: Any,
) -> DigitalOceanDNSDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.DUMMY, "dummy"], *credentials: Any, service: DNS, **options: Any
) -> DummyDNSDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.LINODE, "linode"], *credentials: Any, service: DNS, **options: Any
) -> LinodeDNSDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.POWERDNS, "powerdns"], *credentials: Any, service: DNS, **options: Any
) -> PowerDNSDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.RACKSPACE, "rackspace"], *credentials: Any, service: DNS, **options: Any
) -> RackspaceDNSDriver: ...
@overload
def connect(
    provider: Literal[DNSProvider.RFC2136, "rfc2136"], *credentials: Any, service: DNS, **options: Any
) -> RFC2136Driver: ...
@overload
def connect(
    provider: Literal[DNSProvider.ROUTE53, "route53"], *credentials: Any, service: DNS, **options: Any
) -> Route53DNSDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.ALB, "alb"], *credentials: Any, service: LoadBalancing, **options: Any
) -> ApplicationLBDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.DIGITAL_OCEAN, "digitalocean"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> DigitalOceanLBDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.DUMMY, "dummy"], *credentials: Any, service: LoadBalancing, **options: Any
) -> DummyLBDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.ELB, "elb"], *credentials: Any, service: LoadBalancing, **options: Any
) -> ElasticLBDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.HAPROXY, "haproxy"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> HAProxyDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.LINODE, "linode"], *credentials: Any, service: LoadBalancing, **options: Any
) -> LinodeLBDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.OCTAVIA, "octavia", LBProvider.OPENSTACK, "openstack"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> OctaviaLBDriver: ...
@overload
def connect(
    provider: Literal[LBProvider.RACKSPACE, "rackspace"],
    *credentials: Any,
    service: LoadBalancing,
    **options: Any,
) -> RackspaceLBDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.AZURE_BLOBS, "azure_blobs"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> AzureBlobsStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.BACKBLAZE_B2, "backblaze_b2"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> BackblazeB2StorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.CLOUDFILES, "cloudfiles"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> CloudFilesStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.CLOUDFILES_UK, "cloudfiles_uk"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> CloudFilesUKStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.CLOUDFILES_US, "cloudfiles_us"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> CloudFilesUSStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.DIGITALOCEAN_SPACES, "digitalocean_spaces"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> DigitalOceanSpacesStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.DUMMY, "dummy"], *credentials: Any, service: Storage, **options: Any
) -> DummyStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.GOOGLE_STORAGE, "google_storage"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> GoogleStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.GOOGLE_STORAGE_HMAC, "google_storage_hmac"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> GoogleStorageHMACDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.LINODE, "linode"], *credentials: Any, service: Storage, **options: Any
) -> LinodeObjectStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.LOCAL, "local"], *credentials: Any, service: Storage, **options: Any
) -> LocalStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.MINIO, "minio"], *credentials: Any, service: Storage, **options: Any
) -> MinIOStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.OPENSTACK_SWIFT, "openstack_swift"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> OpenStackSwiftStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.OVH, "ovh"], *credentials: Any, service: Storage, **options: Any
) -> OvhStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.R2, "r2"], *credentials: Any, service: Storage, **options: Any
) -> CloudflareR2StorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.RGW, "rgw"], *credentials: Any, service: Storage, **options: Any
) -> CephRGWStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.S3, "s3"], *credentials: Any, service: Storage, **options: Any
) -> S3StorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.SCALEWAY, "scaleway"],
    *credentials: Any,
    service: Storage,
    **options: Any,
) -> ScalewayStorageDriver: ...
@overload
def connect(
    provider: Literal[StorageProvider.WASABI, "wasabi"], *credentials: Any, service: Storage, **options: Any
) -> WasabiStorageDriver: ...
@overload
def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> Any: ...
def connect(
    provider: str | None = None,
    *credentials: Any,
    service: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> Any:
    """Make a driver: `connect("nephoscale", "user", "password")`, or `connect(profile="prod")`.

    Without credentials they are taken from the variables in which the provider's users usually keep them
    (`DIGITALOCEAN_TOKEN`); without a provider the account comes from the configuration.

    Args:
        provider: The provider's name.
        *credentials: The first arguments of its driver: a key, or a user and a password.
        service: The service, such as "dns"; the default is that of the profile, else compute.
        profile: The name of an account of the configuration.
        **options: Options of the driver, such as `host` or `timeout`; see
            `polycloud.common.base.ConnectionOptions`.

    Raises:
        UnknownProviderError: There is no such provider.
        ConfigError: There is no such profile, or credentials are missing.
    """
    if provider is None or profile is not None:
        if provider is not None or credentials:
            raise ConfigError("give a provider with its credentials or a profile=, not both")
        return load().profile(profile).connect(service, **options)
    kind = get_driver(service or DEFAULT_SERVICE, provider)
    if credentials:
        return kind(*credentials, **options)
    found = credentials_from_environment(kind)
    if found is None:
        names = [one.name for one in credentials_of(kind)]
        them = "them" if len(names) > 1 else "it"
        raise ConfigError(
            f"{kind.name} needs {', '.join(names)}: give {them}, set {variables_of(kind)}, or use a profile"
        )
    return kind(*found, **options)
