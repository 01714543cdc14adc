"""What DigitalOcean sells: regions, sizes and public images.

Prices are US dollars as the provider lists them; the ids and dates of images are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FEATURES = ("backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer")


@dataclass(frozen=True)
class Region:
    """A data centre; without `available` it takes no new droplets."""

    slug: str
    name: str
    available: bool = True
    features: tuple[str, ...] = _FEATURES

    @property
    def sizes(self) -> tuple[str, ...]:
        """The slugs of the sizes that it has."""
        return tuple(size.slug for size in SIZES.values() if self.slug in size.regions)


@dataclass(frozen=True)
class Size:
    """A droplet's measure: memory in MB, disk in GB, transfer in TB, prices in USD."""

    slug: str
    description: str
    memory: int
    vcpus: int
    disk: int
    transfer: float
    price_monthly: float
    price_hourly: float
    regions: tuple[str, ...]
    available: bool = True


@dataclass(frozen=True)
class PublicImage:
    """An image that every account has: `kind` is what the query parameter `type` asks for."""

    id: int
    kind: str
    distribution: str
    name: str
    slug: str | None
    min_disk_size: int
    size_gigabytes: float
    day: str
    regions: tuple[str, ...]
    status: str = "available"


REGIONS = {
    region.slug: region
    for region in (
        Region("nyc1", "New York 1"),
        Region("nyc3", "New York 3"),
        Region("ams3", "Amsterdam 3"),
        Region("sfo3", "San Francisco 3"),
        Region("sgp1", "Singapore 1"),
        Region("lon1", "London 1"),
        Region("fra1", "Frankfurt 1"),
        Region("tor1", "Toronto 1"),
        # An old one that has no block storage and is closed to new droplets.
        Region("sfo1", "San Francisco 1", available=False, features=("backups", "ipv6", "metadata")),
    )
}

_ALL = tuple(slug for slug, region in REGIONS.items() if region.available)
_EVERYWHERE = (*_ALL, "sfo1")
_SMALLEST = ("nyc1", "ams3", "sfo3", "sgp1", "fra1")
_SPECIAL = ("nyc1", "nyc3", "ams3", "sfo3", "fra1")
_STORAGE = ("nyc1", "ams3", "sfo3")

SIZES = {
    size.slug: size
    for size in (
        Size("s-1vcpu-512mb-10gb", "Basic", 512, 1, 10, 0.5, 4, 0.00595, _SMALLEST),
        Size("s-1vcpu-1gb", "Basic", 1024, 1, 25, 1, 6, 0.00893, _EVERYWHERE),
        Size("s-1vcpu-1gb-amd", "Basic AMD", 1024, 1, 25, 1, 7, 0.01042, _ALL),
        Size("s-1vcpu-1gb-intel", "Basic Intel", 1024, 1, 25, 1, 7, 0.01042, _ALL),
        Size("s-1vcpu-2gb", "Basic", 2048, 1, 50, 2, 12, 0.01786, _EVERYWHERE),
        Size("s-3vcpu-1gb", "Basic", 1024, 3, 60, 3, 15, 0.02232, _ALL, available=False),
        Size("s-2vcpu-2gb", "Basic", 2048, 2, 60, 3, 18, 0.02679, _EVERYWHERE),
        Size("s-2vcpu-4gb", "Basic", 4096, 2, 80, 4, 24, 0.03571, _EVERYWHERE),
        Size("s-4vcpu-8gb", "Basic", 8192, 4, 160, 5, 48, 0.07143, _EVERYWHERE),
        Size("s-8vcpu-16gb", "Basic", 16384, 8, 320, 6, 96, 0.14286, _ALL),
        Size("c-2", "CPU-Optimized", 4096, 2, 25, 4, 42, 0.0625, _ALL),
        Size("c-4", "CPU-Optimized", 8192, 4, 50, 5, 84, 0.125, _ALL),
        Size("c2-2vcpu-4gb", "CPU-Optimized 2x SSD", 4096, 2, 50, 4, 47, 0.06994, _SPECIAL),
        Size("g-2vcpu-8gb", "General Purpose", 8192, 2, 25, 4, 63, 0.09375, _ALL),
        Size("g-4vcpu-16gb", "General Purpose", 16384, 4, 50, 5, 126, 0.1875, _ALL),
        Size("gd-2vcpu-8gb", "General Purpose 2x SSD", 8192, 2, 50, 4, 68, 0.10119, _SPECIAL),
        Size("m-2vcpu-16gb", "Memory-Optimized", 16384, 2, 50, 4, 84, 0.125, _ALL),
        Size("m-4vcpu-32gb", "Memory-Optimized", 32768, 4, 100, 6, 168, 0.25, _ALL),
        Size("m3-2vcpu-16gb", "Memory-Optimized 3x SSD", 16384, 2, 150, 4, 104, 0.15476, _SPECIAL),
        Size("so-2vcpu-16gb", "Storage-Optimized", 16384, 2, 300, 4, 131, 0.19494, _STORAGE),
        Size("so1_5-2vcpu-16gb", "Storage-Optimized 1.5x SSD", 16384, 2, 450, 4, 163, 0.24256, _STORAGE),
    )
}


def _distribution(
    id: int, distribution: str, name: str, slug: str | None, *more: Any, **options: Any
) -> PublicImage:
    return PublicImage(id, "distribution", distribution, name, slug, *more, **options)


def _application(id: int, distribution: str, name: str, slug: str, *more: Any) -> PublicImage:
    return PublicImage(id, "application", distribution, name, slug, *more)


PUBLIC_IMAGES = (
    _distribution(155133621, "Ubuntu", "24.04 (LTS) x64", "ubuntu-24-04-x64", 7, 2.32, "2024-05-01", _ALL),
    _distribution(129211873, "Ubuntu", "22.04 (LTS) x64", "ubuntu-22-04-x64", 7, 2.02, "2023-03-28", _ALL),
    _distribution(
        112929454, "Ubuntu", "20.04 (LTS) x64", "ubuntu-20-04-x64", 7, 1.88, "2022-07-18", _EVERYWHERE
    ),
    _distribution(133843309, "Debian", "12 x64", "debian-12-x64", 7, 1.36, "2023-06-15", _ALL),
    _distribution(128494951, "Debian", "11 x64", "debian-11-x64", 7, 1.31, "2023-03-09", _EVERYWHERE),
    _distribution(154858403, "Fedora", "40 x64", "fedora-40-x64", 15, 1.77, "2024-04-26", _ALL),
    _distribution(
        96956028, "CentOS", "9 Stream x64", "centos-stream-9-x64", 10, 1.62, "2021-12-03", _SPECIAL
    ),
    _distribution(112766117, "Rocky Linux", "9 x64", "rockylinux-9-x64", 10, 1.55, "2022-07-14", _ALL),
    _distribution(106390352, "Rocky Linux", "8 x64", "rockylinux-8-x64", 10, 1.68, "2022-04-28", _ALL),
    _distribution(78547182, "RancherOS", "1.5.8 x64", "rancheros", 4, 0.5, "2021-02-06", _SPECIAL),
    _distribution(
        53893572, "Ubuntu", "18.04.3 (LTS) x64", None, 20, 2.36, "2019-10-22", _ALL, status="retired"
    ),
    _application(
        151331034, "Ubuntu", "Docker 25.0.3 on Ubuntu 22.04", "docker-20-04", 25, 4.58, "2024-03-18", _ALL
    ),
    _application(
        154784322,
        "Ubuntu",
        "WordPress 6.5.2 on Ubuntu 22.04",
        "wordpress-20-04",
        25,
        5.12,
        "2024-04-24",
        _ALL,
    ),
    _application(139843129, "Ubuntu", "LEMP on Ubuntu 22.04", "lemp-20-04", 25, 3.94, "2023-09-08", _ALL),
    _application(
        147890311, "Ubuntu", "NodeJS 20.10 on Ubuntu 22.04", "nodejs-20-04", 25, 3.71, "2024-01-11", _SPECIAL
    ),
    _application(
        147889456,
        "Debian",
        "GitLab Enterprise 16.7 on Debian 12",
        "gitlabenterprise-20-04",
        60,
        8.06,
        "2024-01-11",
        _ALL,
    ),
)
