"""What NephoScale sells: zones, images and sizes.

The sizes of cloud servers are NephoScale's own; the other ids, and all dates, are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """The API's `billable_type`: two kinds of servers, and of the sizes they have."""

    CLOUD = 1
    DEDICATED = 2

    @property
    def path(self) -> str:
        """The kind's word in a path."""
        return self.name.lower()


@dataclass(frozen=True)
class Datacenter:
    """A building."""

    id: int
    name: str
    airport_code: str


@dataclass(frozen=True)
class Zone:
    """A part of a data centre; `activated` None leaves the field out of answers, which means true."""

    id: int
    name: str
    datacenter: Datacenter
    activated: bool | None = None


@dataclass(frozen=True)
class Image:
    """An operating system to install: `max_memory` in GB, `zones` the ids of the zones that have it."""

    id: int
    friendly_name: str
    architecture: str
    create_time: str
    zones: tuple[int, ...]
    base_type: str = "linux"
    is_active: bool = True
    is_default: bool = False
    has_agent: bool | None = None
    max_cpu: int = 16
    max_memory: int = 128


@dataclass(frozen=True)
class Size:
    """A server's measure: RAM in MB, storage in GB."""

    id: int
    sku: str
    ram: int
    storage: int
    vcpus: int
    kind: Kind = Kind.CLOUD

    @property
    def memory(self) -> str:
        """The RAM in words, such as "512MB" or "4GB"."""
        return f"{self.ram // 1024}GB" if self.ram >= 1024 else f"{self.ram}MB"  # noqa: PLR2004 - MB in a GB

    @property
    def friendly_name(self) -> str:
        """Such as "CS1 - 1GB, 1Core, 50GB"."""
        return f"{self.sku} - {self.memory}, {self.vcpus}Core, {self.storage}GB"


_SAN_JOSE = Datacenter(11, "San Jose, CA", "SJC")
_RICHMOND = Datacenter(12, "Richmond, VA", "RIC")

SJC_1 = Zone(3021, "SJC-1", _SAN_JOSE)
RIC_1 = Zone(3022, "RIC-1", _RICHMOND, activated=True)
SJC_2 = Zone(3023, "SJC-2", _SAN_JOSE, activated=False)
ZONES = {zone.id: zone for zone in (SJC_1, RIC_1, SJC_2)}

_ALL = (SJC_1.id, RIC_1.id)
_SJC = (SJC_1.id,)
_RIC = (RIC_1.id,)

IMAGES = {
    image.id: image
    for image in (
        Image(49, "Ubuntu Server 12.04 LTS 64-bit", "x86_64", "2012-09-26 02:34:35", _ALL, is_default=True),
        Image(50, "Ubuntu Server 12.04 LTS 32-bit", "x86", "2012-09-26 02:40:11", _ALL, max_memory=4),
        Image(21, "Ubuntu Server 10.04 LTS 64-bit", "x86_64", "2011-05-02 18:20:44", _ALL),
        Image(57, "Ubuntu Server 13.04 64-bit", "x86_64", "2013-05-14 21:08:02", _ALL, has_agent=True),
        Image(55, "CentOS 6.4 64-bit", "x86_64", "2013-04-02 16:51:30", _ALL, has_agent=True),
        Image(29, "CentOS 5.9 64-bit", "x86_64", "2013-02-11 09:12:00", _ALL),
        Image(60, "Debian 7.0 64-bit", "x86_64", "2013-06-20 11:45:19", _ALL, has_agent=True),
        Image(33, "Debian 6.0.7 64-bit", "x86_64", "2013-03-05 10:02:51", _RIC),
        Image(58, "Fedora 18 64-bit", "x86_64", "2013-05-21 14:33:07", _SJC),
        Image(59, "openSUSE 12.3 64-bit", "x86_64", "2013-05-28 08:17:46", _SJC),
        Image(
            62,
            "Windows Server 2008 R2 Standard 64-bit",
            "x86_64",
            "2013-07-09 23:01:15",
            _SJC,
            base_type="windows",
            has_agent=True,
        ),
        Image(30, "Ubuntu Server 11.10 64-bit", "x86_64", "2011-11-01 07:55:23", _ALL, is_active=False),
        Image(24, "Fedora 15 32-bit", "x86", "2011-07-19 12:29:38", _ALL, is_active=False, max_memory=4),
    )
}

DEFAULT_IMAGE = next(image for image in IMAGES.values() if image.is_default)

SIZES = {
    size.id: size
    for size in (
        Size(1, "CS16.16", 16384, 800, 16),
        Size(3, "CS1", 1024, 50, 1),
        Size(5, "CS05", 512, 25, 1),
        Size(7, "CS2.2", 2048, 100, 2),
        Size(9, "CS4.4", 4096, 200, 4),
        Size(11, "CS8.8", 8192, 400, 8),
        Size(27, "CS025", 256, 15, 1),
        Size(46, "CS2.1", 2048, 75, 1),
        Size(48, "CS4.2", 4096, 150, 2),
        Size(50, "CS8.4", 8192, 300, 4),
        Size(52, "CS16.8", 16384, 600, 8),
        Size(54, "CS32.16", 32768, 1200, 16),
        Size(56, "CS32.8", 32768, 1000, 8),
        Size(70, "DS64.12", 65536, 2000, 12, Kind.DEDICATED),
        Size(72, "DS8.4", 8192, 500, 4, Kind.DEDICATED),
        Size(74, "DS16.4", 16384, 1000, 4, Kind.DEDICATED),
    )
}
