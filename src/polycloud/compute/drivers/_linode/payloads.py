"""The parts of Linode's answers, as they are told.

Source: the provider's OpenAPI document, version 4.189.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from polycloud.common.linode import Entity
from polycloud.common.payload import Item, decode

T = TypeVar("T")


class Instance(msgspec.Struct, gc=False):
    """What a `Node` is made from; the whole payload becomes its `extra`."""

    id: int
    label: str | None = None
    status: str | None = None
    created: str | None = None
    type: str | None = None
    image: str | None = None
    region: str | None = None
    group: str | None = None
    ipv4: list[str] | None = None
    ipv6: str | None = None
    tags: list[str] | None = None


class Price(msgspec.Struct):
    """USD; `id` is the region whose price it is, None for all others."""

    hourly: float | None = None
    monthly: float | None = None
    id: str | None = None


class Size(msgspec.Struct):
    """A type: `memory` and `disk` are MB, `transfer` is GB a month."""

    id: str
    memory: int
    disk: int
    label: str | None = None
    transfer: int | None = None
    price: Price | None = None
    region_prices: list[Price] | None = None


class Availability(msgspec.Struct):
    """Whether a type can be had in a region; told of few types only."""

    plan: str
    region: str
    available: bool | None = None


class Region(msgspec.Struct):
    """A region."""

    id: str
    label: str | None = None
    country: str | None = None


class Image(msgspec.Struct):
    """An image; `id` begins with "linode/" or "private/"."""

    id: str
    label: str | None = None
    status: str | None = None


class Key(msgspec.Struct):
    """An SSH key of the token's user."""

    id: int
    label: str | None = None
    ssh_key: str | None = None
    created: str | None = None


class Volume(msgspec.Struct):
    """A block volume of `size` GB; it is attached to one node at most."""

    id: int
    size: int
    label: str | None = None
    status: str | None = None
    linode_id: int | None = None


class Disk(msgspec.Struct):
    """A part of a node's storage, of `size` MB."""

    id: int
    label: str | None = None
    status: str | None = None
    size: int | None = None
    filesystem: str | None = None


class Tag(msgspec.Struct):
    """A tag."""

    label: str


class Address(msgspec.Struct):
    """An address."""

    address: str
    public: bool | None = None
    type: str | None = None
    linode_id: int | None = None


class VPCAddress(msgspec.Struct):
    """A node's address in a VPC; None for what is a range of them."""

    address: str | None = None
    linode_id: int | None = None


class Addresses(msgspec.Struct):
    """The IPv4 addresses of a node, by kind."""

    private: list[msgspec.Raw] | None = None
    public: list[msgspec.Raw] | None = None
    reserved: list[msgspec.Raw] | None = None
    shared: list[msgspec.Raw] | None = None
    vpc: list[msgspec.Raw] | None = None


class Addresses6(msgspec.Struct):
    """The IPv6 addresses of a node."""

    link_local: msgspec.Raw = msgspec.Raw()
    slaac: msgspec.Raw = msgspec.Raw()


class Network(msgspec.Struct):
    """The addresses of a node."""

    ipv4: Addresses
    ipv6: Addresses6 | None = None


class LinodeBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup of a node; `type` is "auto" or "snapshot", `status` "successful" where it can be restored."""

    id: int
    label: str | None = None
    status: str | None = None
    type: str | None = None
    created: str | None = None
    finished: str | None = None
    available: bool | None = None


class Snapshots(msgspec.Struct):
    """The one snapshot that a node may have, and the next one that is being taken."""

    current: LinodeBackup | None = None
    in_progress: LinodeBackup | None = None


class Backups(msgspec.Struct):
    """The backups of a node."""

    automatic: list[LinodeBackup]
    snapshot: Snapshots | None = None


class LinodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a node boots: a kernel, and the disks and volumes by device ("sda")."""

    id: int
    label: str | None = None
    kernel: str | None = None
    root_device: str | None = None
    devices: dict[str, Any] | None = None


class LinodeStackScript(msgspec.Struct, frozen=True, kw_only=True):
    """A script that a node of one of its `images` (ids, or "any/all") runs at its first boot."""

    id: int
    label: str | None = None
    description: str | None = None
    images: list[str | None] | None = None
    script: str | None = None
    is_public: bool | None = None
    mine: bool | None = None
    user_defined_fields: Any = None


class LinodeFirewall(msgspec.Struct, frozen=True, kw_only=True):
    """What lets traffic through to nodes by its `rules`, in the provider's form."""

    id: int
    label: str | None = None
    status: str | None = None
    rules: dict[str, Any] | None = None
    tags: list[str] | None = None


class Guarded(msgspec.Struct):
    """What a firewall is before."""

    id: int
    entity: Entity | None = None


def items_of(raws: Iterable[msgspec.Raw] | None, type_: type[T]) -> Iterator[Item[T]]:
    """The things of a list inside of an answer, which may lack it and them."""
    return (Item(decode(raw, type_), raw) for raw in raws or () if bytes(raw) not in {b"", b"null"})


def vpc_items(raws: Iterable[msgspec.Raw] | None) -> Iterator[Item[Address]]:
    """The addresses in VPCs as addresses, without the ranges."""
    for told, raw in items_of(raws, VPCAddress):
        if told.address:
            yield Item(Address(told.address, public=False, type="ipv4", linode_id=told.linode_id), raw)


def whole(item: Item[T]) -> Item[T]:
    """The thing with its bytes, as it is."""
    return item
