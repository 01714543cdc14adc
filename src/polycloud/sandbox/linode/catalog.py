"""What Linode sells: regions, types, public images and kernels.

Prices are US dollars as the provider lists them; dates are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

_CORE = ("Linodes", "Backups", "NodeBalancers", "Block Storage", "Cloud Firewall", "Kubernetes")
_FULL = (*_CORE, "Vlans", "VPCs", "Metadata", "Placement Group")
_PREMIUM = (*_FULL, "Premium Plans", "Object Storage")


@dataclass(frozen=True)
class Region:
    """A data centre."""

    id: str
    label: str
    country: str
    capabilities: tuple[str, ...] = _FULL
    status: str = "ok"


@dataclass(frozen=True)
class Price:
    """US dollars an hour, and a month at most."""

    hourly: float
    monthly: float

    def times(self, factor: float) -> Price:
        """The price where everything costs so many times as much."""
        return Price(round(self.hourly * factor, 4), round(self.monthly * factor, 2))


@dataclass(frozen=True)
class Type:
    """A Linode's measure: memory and disk in MB, transfer in GB, network in Mbit/s."""

    id: str
    label: str
    kind: str
    vcpus: int
    memory: int
    disk: int
    transfer: int
    network_out: int
    price: Price
    backups: Price
    gpus: int = 0
    needs: str | None = None
    """The capability that a region must have for it."""

    def is_in(self, region: Region) -> bool:
        """Whether that region has it."""
        return self.needs is None or self.needs in region.capabilities


@dataclass(frozen=True)
class PublicImage:
    """An image that every account has; its size, in MB, is what a disk needs at least."""

    id: str
    label: str
    vendor: str
    size: int
    day: str
    eol: str | None
    deprecated: bool = False
    capabilities: tuple[str, ...] = ("cloud-init",)


@dataclass(frozen=True)
class Kernel:
    """What a configuration can boot."""

    id: str
    label: str
    version: str
    architecture: str = "x86_64"
    deprecated: bool = False
    pvops: bool = True


REGIONS = {
    region.id: region
    for region in (
        Region("us-east", "Newark, NJ", "us", (*_FULL, "GPU Linodes", "Object Storage")),
        Region("us-ord", "Chicago, IL", "us", _PREMIUM),
        Region("us-southeast", "Atlanta, GA", "us", (*_CORE, "Vlans", "GPU Linodes", "Object Storage")),
        Region("us-west", "Fremont, CA", "us", _CORE),
        Region("ca-central", "Toronto, CA", "ca"),
        Region("eu-west", "London, UK", "gb"),
        Region("eu-central", "Frankfurt, DE", "de", (*_FULL, "Object Storage")),
        Region("nl-ams", "Amsterdam, NL", "nl", _PREMIUM),
        Region("ap-south", "Singapore, SG", "sg"),
        Region("br-gru", "Sao Paulo, BR", "br", _PREMIUM),
        Region("id-cgk", "Jakarta, ID", "id", _PREMIUM),
    )
}

DEARER = {"br-gru": 1.4, "id-cgk": 1.2}
"""The regions with prices of their own, as factors."""


def _type(id: str, label: str, kind: str, measures: tuple[int, ...], *prices: float) -> Type:
    vcpus, memory, disk, transfer, network = measures
    needs = {"premium": "Premium Plans", "gpu": "GPU Linodes"}.get(kind)
    gpus = int(kind == "gpu")
    price, backups = Price(*prices[:2]), Price(*prices[2:])
    return Type(id, label, kind, vcpus, memory, disk, transfer, network, price, backups, gpus, needs)


TYPES = {
    plan.id: plan
    for plan in (
        _type("g6-nanode-1", "Nanode 1GB", "nanode", (1, 1024, 25600, 1000, 1000), 0.0075, 5, 0.003, 2),
        _type("g6-standard-1", "Linode 2GB", "standard", (1, 2048, 51200, 2000, 2000), 0.018, 12, 0.004, 2.5),
        _type("g6-standard-2", "Linode 4GB", "standard", (2, 4096, 81920, 4000, 4000), 0.036, 24, 0.008, 5),
        _type("g6-standard-4", "Linode 8GB", "standard", (4, 8192, 163840, 5000, 5000), 0.072, 48, 0.015, 10),
        _type(
            "g6-standard-6", "Linode 16GB", "standard", (6, 16384, 327680, 8000, 6000), 0.144, 96, 0.03, 20
        ),
        _type("g7-highmem-1", "Linode 24GB", "highmem", (2, 24576, 20480, 5000, 5000), 0.09, 60, 0.0075, 5),
        _type("g7-highmem-2", "Linode 48GB", "highmem", (2, 49152, 40960, 6000, 6000), 0.18, 120, 0.015, 10),
        _type(
            "g6-dedicated-2", "Dedicated 4GB", "dedicated", (2, 4096, 81920, 4000, 4000), 0.054, 36, 0.008, 5
        ),
        _type(
            "g6-dedicated-4",
            "Dedicated 8GB",
            "dedicated",
            (4, 8192, 163840, 5000, 5000),
            0.108,
            72,
            0.015,
            10,
        ),
        _type("g7-premium-2", "Premium 4GB", "premium", (2, 4096, 81920, 4000, 4000), 0.0645, 43, 0.008, 5),
        _type("g7-premium-4", "Premium 8GB", "premium", (4, 8192, 163840, 5000, 5000), 0.129, 86, 0.015, 10),
        _type(
            "g1-gpu-rtx6000-1",
            "Dedicated 32GB + RTX6000 GPU x1",
            "gpu",
            (8, 32768, 655360, 16000, 10000),
            *(1.5, 1000, 0.06, 40),
        ),
    )
}

VOLUME_PRICE = Price(0.00015, 0.1)
"""What a GB of a volume costs."""

PUBLIC_IMAGES = (
    PublicImage("linode/almalinux9", "AlmaLinux 9", "AlmaLinux", 2500, "2022-05-20", "2032-05-31"),
    PublicImage(
        "linode/alpine3.20", "Alpine 3.20", "Alpine", 600, "2024-05-29", "2026-04-01", capabilities=()
    ),
    PublicImage("linode/arch", "Arch Linux", "Arch", 3000, "2016-06-13", None),
    PublicImage("linode/centos7", "CentOS 7", "CentOS", 6000, "2014-07-08", "2024-06-30", deprecated=True),
    PublicImage("linode/debian11", "Debian 11", "Debian", 1800, "2021-08-14", "2026-08-31"),
    PublicImage("linode/debian12", "Debian 12", "Debian", 2000, "2023-06-11", "2028-06-30"),
    PublicImage("linode/fedora40", "Fedora 40", "Fedora", 3000, "2024-05-02", "2025-05-13"),
    PublicImage("linode/opensuse15.6", "openSUSE Leap 15.6", "openSUSE", 3000, "2024-06-12", "2025-12-31"),
    PublicImage("linode/rocky9", "Rocky Linux 9", "Rocky", 3500, "2022-07-15", "2032-05-31"),
    PublicImage(
        "linode/slackware15.0", "Slackware 15.0", "Slackware", 10500, "2022-02-21", None, capabilities=()
    ),
    PublicImage("linode/ubuntu20.04", "Ubuntu 20.04 LTS", "Ubuntu", 3000, "2020-04-23", "2025-04-30"),
    PublicImage("linode/ubuntu22.04", "Ubuntu 22.04 LTS", "Ubuntu", 3000, "2022-04-22", "2027-04-30"),
    PublicImage("linode/ubuntu24.04", "Ubuntu 24.04 LTS", "Ubuntu", 3500, "2024-04-25", "2029-04-30"),
)

LATEST_KERNEL = "linode/latest-64bit"

KERNELS = {
    kernel.id: kernel
    for kernel in (
        Kernel(LATEST_KERNEL, "Latest 64 bit (6.9.3-x86_64-linode164)", "6.9.3"),
        Kernel("linode/latest-32bit", "Latest 32 bit (6.9.3-x86-linode191)", "6.9.3", "i386"),
        Kernel("linode/grub2", "GRUB 2", "2.06", pvops=False),
        Kernel("linode/direct-disk", "Direct Disk", "", pvops=False),
        Kernel("linode/5.15.10-x86_64-linode151", "5.15.10-x86_64-linode151", "5.15.10"),
        Kernel("linode/2.6.39-linode33", "2.6.39-linode33", "2.6.39", "i386", deprecated=True),
    )
}
