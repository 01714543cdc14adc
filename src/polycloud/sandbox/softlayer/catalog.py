"""What SoftLayer offers, read from `catalog.json`.

The names are SoftLayer's own; ids of images and VLANs, and all fees, are invented.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

MB_PER_GB = 1024
_FLAVOR = re.compile(r"\w+?_(\d+)X(\d+)X(\d+)")
_LOCAL_FLAVORS = ("BL", "ACL")


class Datacenter(msgspec.Struct, frozen=True, rename="camel"):
    """A data center."""

    id: int
    name: str
    long_name: str
    country: str


class System(msgspec.Struct, frozen=True, rename="camel"):
    """An operating system; the fee is USD an hour."""

    code: str
    name: str
    description: str
    hourly_fee: float = 0.0

    @property
    def is_windows(self) -> bool:
        """Whether no machine can run it."""
        return self.code.startswith("WIN_")


class Flavor(msgspec.Struct, frozen=True, rename="camel"):
    """A size with a name; fees are USD."""

    key_name: str
    hourly_fee: float
    monthly_fee: float

    @property
    def numbers(self) -> tuple[int, int, int]:
        """CPUs, MB of RAM, GB of disk."""
        match = _FLAVOR.match(self.key_name)
        assert match is not None
        cpus, ram, disk = map(int, match.groups())
        return cpus, ram * MB_PER_GB, disk

    @property
    def is_local(self) -> bool:
        """Whether its disk is on the host itself."""
        return self.key_name.startswith(_LOCAL_FLAVORS)


class Image(msgspec.Struct, frozen=True, rename="camel"):
    """An image of a guest."""

    id: int
    global_identifier: str
    name: str
    note: str
    system: str


class Vlan(msgspec.Struct, frozen=True, rename="camel"):
    """A VLAN of the account."""

    id: int
    vlan_number: int
    network_space: str
    datacenter: str


class Catalog(msgspec.Struct):
    """Everything that is offered: memory in MB, disks in GB, speeds in Mbit/s."""

    datacenters: list[Datacenter]
    systems: list[System]
    latest: dict[str, str]
    flavors: list[Flavor]
    cpus: list[int]
    memory: list[int]
    disks: list[int]
    local_disks: list[int]
    speeds: list[int]
    images: list[Image]
    public_images: list[Image]
    vlans: list[Vlan]


CATALOG = msgspec.json.decode(Path(__file__).with_name("catalog.json").read_bytes(), type=Catalog)
DATACENTERS = {place.name: place for place in CATALOG.datacenters}
SYSTEMS = {system.code: system for system in CATALOG.systems}
FLAVORS = {flavor.key_name: flavor for flavor in CATALOG.flavors}
IMAGES = {image.global_identifier.lower(): image for image in (*CATALOG.images, *CATALOG.public_images)}
VLANS = {vlan.id: vlan for vlan in CATALOG.vlans}
DEFAULT_DATACENTER = CATALOG.datacenters[0]
