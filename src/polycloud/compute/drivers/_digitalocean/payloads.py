"""The parts of DigitalOcean's answers, as they are told.

Source: the provider's OpenAPI document, version 2.0.
"""

from __future__ import annotations

from typing import Any

import msgspec

from polycloud.common.payload import Item, decode


class Address(msgspec.Struct, gc=False):
    """An address of a droplet; its type is "public" or "private"."""

    ip_address: str | None = None
    type: str | None = None


class Networks(msgspec.Struct, gc=False):
    """The addresses of a droplet; none before it runs."""

    v4: list[Address] | None = None
    v6: list[Address] | None = None


class Reference(msgspec.Struct, gc=False):
    """An image or a region inside of another object; public images and regions have a slug."""

    id: int | None = None
    slug: str | None = None


class Droplet(msgspec.Struct, gc=False):
    """What a `Node` is made from; the whole payload becomes its `extra`."""

    id: int
    name: str | None = None
    status: str | None = None
    locked: bool | None = None
    created_at: str | None = None
    size_slug: str | None = None
    size: msgspec.Raw = msgspec.Raw()
    image: msgspec.Raw = msgspec.Raw()
    networks: Networks | list[Any] | None = None
    tags: list[str] | None = None


class Image(msgspec.Struct):
    """An image, or a snapshot of a droplet."""

    id: int
    name: str | None = None
    regions: list[str] | None = None


class Size(msgspec.Struct):
    """A size: `memory` is MB, `disk` GB, `transfer` TB a month, `price_hourly` USD."""

    slug: str
    memory: int
    disk: int
    transfer: float | None = None
    price_hourly: float | None = None
    regions: list[str] | None = None
    available: bool | None = None


class Region(msgspec.Struct):
    """A region; droplets cannot be created in one that is not available."""

    slug: str
    name: str | None = None
    available: bool | None = None


class Key(msgspec.Struct):
    """An SSH key; its fingerprint is MD5 in hexadecimal pairs."""

    id: int
    name: str | None = None
    fingerprint: str | None = None
    public_key: str | None = None


class Volume(msgspec.Struct):
    """A block volume; it is attached to one droplet at most."""

    id: str
    size_gigabytes: int | float
    name: str | None = None
    droplet_ids: list[int] | None = None
    region: Reference | None = None


class Snapshot(msgspec.Struct):
    """A snapshot of a volume; `size_gigabytes` is what it occupies."""

    id: int | str
    name: str | None = None
    created_at: str | None = None
    size_gigabytes: int | float | None = None


class Tag(msgspec.Struct):
    """A tag."""

    name: str


class DropletReference(msgspec.Struct):
    """A droplet inside of a reserved address."""

    id: int


class ReservedIp(msgspec.Struct):
    """A reserved address."""

    ip: str
    droplet: DropletReference | None = None
    region: Reference | None = None


class Peers(msgspec.Struct, omit_defaults=True):
    """Where traffic may come from or go to."""

    addresses: list[str] | None = None
    droplet_ids: list[int] | None = None
    load_balancer_uids: list[str] | None = None
    tags: list[str] | None = None


class Rule(msgspec.Struct):
    """A rule of a firewall: `sources` where it is for traffic to droplets, else `destinations`."""

    protocol: str
    ports: str = "0"
    sources: Peers | None = None
    destinations: Peers | None = None


class Firewall(msgspec.Struct):
    """A firewall."""

    id: str
    name: str | None = None
    status: str | None = None
    inbound_rules: list[Rule] | None = None
    outbound_rules: list[Rule] | None = None
    droplet_ids: list[int] | None = None
    tags: list[str] | None = None


class DigitalOceanVPC(msgspec.Struct, frozen=True, kw_only=True):
    """A private network: `region` is a slug, `ip_range` in CIDR notation, `default` that of its region."""

    id: str
    name: str | None = None
    region: str | None = None
    ip_range: str | None = None
    description: str | None = None
    default: bool | None = None
    created_at: str | None = None


def as_told(item: Item[Any]) -> dict[str, Any]:
    """The thing as a dict."""
    told: dict[str, Any] = decode(item.raw)
    return told
