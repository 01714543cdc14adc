"""The state as DigitalOcean's JSON shows it."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from polycloud.sandbox.digitalocean import catalog, networks
from polycloud.sandbox.digitalocean.resources import (
    Action,
    Droplet,
    Firewall,
    Image,
    Json,
    Key,
    ReservedIp,
    Volume,
    VolumeSnapshot,
    Vpc,
)
from polycloud.sandbox.digitalocean.state import State

PROJECT = "746c6152-2fa2-41ed-92d3-27aaa54e4988"
"""The one project of the account."""


def _raw(view: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(view))


# What is for sale


@cache
def region(region: catalog.Region) -> msgspec.Raw:
    """A region with the sizes that it has."""
    return _raw(
        {
            "name": region.name,
            "slug": region.slug,
            "features": region.features,
            "available": region.available,
            "sizes": region.sizes,
        }
    )


@cache
def size(size: catalog.Size) -> msgspec.Raw:
    """A size with its prices and regions."""
    return _raw(
        {
            "slug": size.slug,
            "memory": size.memory,
            "vcpus": size.vcpus,
            "disk": size.disk,
            "transfer": size.transfer,
            "price_monthly": size.price_monthly,
            "price_hourly": size.price_hourly,
            "regions": size.regions,
            "available": size.available,
            "description": size.description,
            "disk_info": _disk(size.disk),
        }
    )


def _disk(gigabytes: int) -> list[Json]:
    return [{"type": "local", "size": {"amount": gigabytes, "unit": "gib"}}]


def image(image: Image) -> Json:
    """An image, a snapshot or a backup."""
    return {
        "id": image.id,
        "name": image.name,
        "distribution": image.distribution,
        "slug": image.slug,
        "public": image.public,
        "regions": image.regions,
        "created_at": image.created_at,
        "type": image.type,
        "min_disk_size": image.min_disk_size,
        "size_gigabytes": image.size_gigabytes,
        "description": "",
        "tags": image.tags,
        "status": image.status,
        "error_message": "",
    }


def key(key: Key) -> Json:
    """A public SSH key."""
    return {
        "id": key.id,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "name": key.name,
    }


# Droplets


def droplet(droplet: Droplet) -> msgspec.Raw:
    """A droplet; it is rendered once for each of its changes, because lists of droplets are long."""
    # The account's own images change too.
    if droplet.rendered is None or not droplet.image.public:
        droplet.rendered = _raw(_droplet(droplet))
    return droplet.rendered


def _droplet(droplet: Droplet) -> Json:
    window = droplet.next_backup
    return {
        "id": droplet.id,
        "name": droplet.name,
        "memory": droplet.size.memory,
        "vcpus": droplet.size.vcpus,
        "disk": droplet.disk,
        "disk_info": _disk(droplet.disk),
        "locked": droplet.locked,
        "status": droplet.status,
        "kernel": None,
        "created_at": droplet.created_at,
        "features": droplet.features,
        "backup_ids": droplet.backup_ids,
        "next_backup_window": {"start": window[0], "end": window[1]} if window else None,
        "snapshot_ids": droplet.snapshot_ids,
        "image": image(droplet.image),
        "volume_ids": droplet.volume_ids,
        "size": size(droplet.size),
        "size_slug": droplet.size.slug,
        "networks": {"v4": _v4(droplet), "v6": _v6(droplet)},
        "region": region(droplet.region),
        "tags": droplet.tags,
        "vpc_uuid": droplet.vpc.id,
    }


def _v4(droplet: Droplet) -> list[Json]:
    """The addresses, which exist when the droplet has been built; a private one has no gateway."""
    if droplet.status == "new":
        return []
    private = {
        "ip_address": droplet.private_ip,
        "netmask": droplet.vpc.netmask,
        "gateway": "nil",
        "type": "private",
    }
    if droplet.public_ip is None:
        return [private]
    public = {
        "ip_address": droplet.public_ip,
        "netmask": "255.255.255.0",
        "gateway": networks.gateway(droplet.public_ip),
        "type": "public",
    }
    return [private, public]


def _v6(droplet: Droplet) -> list[Json]:
    if droplet.status == "new" or "ipv6" not in droplet.features:
        return []
    address, gateway = networks.ipv6(droplet.id)
    return [{"ip_address": address, "netmask": 64, "gateway": gateway, "type": "public"}]


def droplet_snapshot(image: Image) -> Json:
    """A snapshot or backup where a droplet's are listed."""
    return {**_snapshot(image), "id": image.id, "type": image.type}


# Snapshots and volumes


def _snapshot(image: Image) -> Json:
    return {
        "name": image.name,
        "created_at": image.created_at,
        "regions": image.regions,
        "min_disk_size": image.min_disk_size,
        "size_gigabytes": image.size_gigabytes,
    }


def snapshot(snapshot: Image | VolumeSnapshot) -> Json:
    """A snapshot of a droplet or of a volume, where both are listed."""
    if isinstance(snapshot, Image):
        return {
            **_snapshot(snapshot),
            "id": str(snapshot.id),
            "resource_id": str(snapshot.origin),
            "resource_type": "droplet",
            "tags": snapshot.tags,
        }
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "created_at": snapshot.created_at,
        "regions": [snapshot.region.slug],
        "min_disk_size": snapshot.size_gigabytes,
        "size_gigabytes": 0.1,
        "resource_id": snapshot.volume,
        "resource_type": "volume",
        "tags": snapshot.tags,
    }


def volume(volume: Volume) -> Json:
    """A volume, with the one droplet that has it at most."""
    return {
        "id": volume.id,
        "name": volume.name,
        "region": region(volume.region),
        "size_gigabytes": volume.size_gigabytes,
        "description": volume.description,
        "created_at": volume.created_at,
        "filesystem_type": volume.filesystem_type,
        "filesystem_label": volume.filesystem_label,
        "droplet_ids": [volume.droplet.id] if volume.droplet else [],
        "tags": volume.tags,
    }


# Networks


def reserved_ip(ip: ReservedIp) -> Json:
    """A reserved IP with the whole droplet that has it."""
    return {
        "ip": ip.ip,
        "region": region(ip.region),
        "droplet": droplet(ip.droplet) if ip.droplet else None,
        "locked": ip.locked,
        "project_id": PROJECT,
    }


def vpc(vpc: Vpc) -> Json:
    """A VPC."""
    return {
        "id": vpc.id,
        "urn": f"do:vpc:{vpc.id}",
        "name": vpc.name,
        "description": vpc.description,
        "region": vpc.region.slug,
        "ip_range": str(vpc.ip_range),
        "default": vpc.default,
        "created_at": vpc.created_at,
    }


def vpc_member(droplet: Droplet) -> Json:
    """A droplet as a member of its VPC."""
    return {"urn": f"do:droplet:{droplet.id}", "name": droplet.name, "created_at": droplet.created_at}


_WAITING = {"removing": False, "status": "waiting"}


def firewall(firewall: Firewall, now: float) -> Json:
    """A firewall, with the droplets that still wait for it."""
    pending = firewall.droplet_ids if now < firewall.settles else ()
    return {
        "id": firewall.id,
        "name": firewall.name,
        "status": "waiting" if pending else "succeeded",
        "inbound_rules": firewall.inbound,
        "outbound_rules": firewall.outbound,
        "created_at": firewall.created_at,
        "droplet_ids": firewall.droplet_ids,
        "tags": firewall.tags,
        "pending_changes": [{"droplet_id": droplet_id, **_WAITING} for droplet_id in pending],
    }


# Actions


def action(state: State, action: Action) -> Json:
    """An action as far as it has come."""
    ended = action.status != "in-progress"
    return {
        "id": action.id,
        "status": action.status,
        "type": action.type,
        "started_at": state.stamp(action.started),
        "completed_at": state.stamp(action.ends) if ended else None,
        "resource_id": action.subject.resource_id,
        "resource_type": action.subject.resource_type,
        "region": region(action.region),
        "region_slug": action.region.slug,
    }
