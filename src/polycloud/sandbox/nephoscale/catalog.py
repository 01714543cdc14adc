"""NephoScale's zones, images and sizes, read from `catalog.json`.

The sizes of cloud servers are NephoScale's own; the other ids, and all dates, are invented.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import msgspec


class Kind(IntEnum):
    """The API's `billable_type`: the kind of a server, and of its size."""

    CLOUD = 1
    DEDICATED = 2

    @property
    def path(self) -> str:
        """The kind's name in paths."""
        return self.name.lower()


class Datacenter(msgspec.Struct, frozen=True):
    """A building."""

    id: int
    name: str
    airport_code: str


class Zone(msgspec.Struct, frozen=True):
    """A part of a data centre; `activated` None omits the field from responses, which means true."""

    id: int
    name: str
    datacenter: Datacenter
    activated: bool | None = None


class Image(msgspec.Struct, frozen=True):
    """An operating system: `max_memory` is in GB, `zones` are the ids of the zones that have it."""

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


class Size(msgspec.Struct, frozen=True):
    """A size of servers: RAM in MB, storage in GB."""

    id: int
    sku: str
    ram: int
    storage: int
    vcpus: int
    kind: Kind = Kind.CLOUD

    @property
    def memory(self) -> str:
        """The RAM as a text, such as "512MB" or "4GB"."""
        return f"{self.ram // 1024}GB" if self.ram >= 1024 else f"{self.ram}MB"  # noqa: PLR2004 - MB in a GB

    @property
    def friendly_name(self) -> str:
        """Such as "CS1 - 1GB, 1Core, 50GB"."""
        return f"{self.sku} - {self.memory}, {self.vcpus}Core, {self.storage}GB"


class _Catalog(msgspec.Struct):
    zones: list[Zone]
    images: list[Image]
    sizes: list[Size]


_catalog = msgspec.json.decode(Path(__file__).with_name("catalog.json").read_bytes(), type=_Catalog)
ZONES = {zone.id: zone for zone in _catalog.zones}
IMAGES = {image.id: image for image in _catalog.images}
SIZES = {kind: {size.id: size for size in _catalog.sizes if size.kind is kind} for kind in Kind}
SJC_1, RIC_1, SJC_2 = _catalog.zones
DEFAULT_IMAGE = next(image for image in _catalog.images if image.is_default)
