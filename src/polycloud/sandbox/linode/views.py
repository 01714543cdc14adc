"""The state as Linode's JSON shows it."""

from __future__ import annotations

from polycloud.sandbox.linode import addresses, catalog
from polycloud.sandbox.linode.resources import (
    SLOTS,
    Address,
    Backup,
    Config,
    Device,
    Disk,
    Event,
    Firewall,
    Image,
    Json,
    Key,
    Linode,
    StackScript,
    Subject,
    Volume,
)
from polycloud.sandbox.linode.state import State

# What is for sale


def _price(price: catalog.Price) -> Json:
    return {"hourly": price.hourly, "monthly": price.monthly}


def _region_prices(price: catalog.Price) -> list[Json]:
    return [{"id": region, **_price(price.times(factor))} for region, factor in catalog.DEARER.items()]


def region(region: catalog.Region) -> Json:
    """A region."""
    return {
        "id": region.id,
        "label": region.label,
        "country": region.country,
        "capabilities": region.capabilities,
        "status": region.status,
        "resolvers": {"ipv4": "192.0.2.53,192.0.2.54", "ipv6": "2001:db8::53,2001:db8::54"},
        "placement_group_limits": {"maximum_pgs_per_customer": 100, "maximum_linodes_per_pg": 5},
        "site_type": "core",
    }


def plan(plan: catalog.Type) -> Json:
    """A type with its prices."""
    return {
        "id": plan.id,
        "label": plan.label,
        "class": plan.kind,
        "vcpus": plan.vcpus,
        "memory": plan.memory,
        "disk": plan.disk,
        "transfer": plan.transfer,
        "network_out": plan.network_out,
        "gpus": plan.gpus,
        "price": _price(plan.price),
        "region_prices": _region_prices(plan.price),
        "addons": {"backups": {"price": _price(plan.backups), "region_prices": _region_prices(plan.backups)}},
        "successor": None,
    }


def volume_type(price: catalog.Price) -> Json:
    """The one type of volumes, with its price for each GB."""
    return {
        "id": "volume",
        "label": "Storage Volume",
        "price": _price(price),
        "region_prices": [
            {"id": region, "hourly": round(price.hourly * factor, 5), "monthly": price.times(factor).monthly}
            for region, factor in catalog.DEARER.items()
        ],
        "transfer": 0,
    }


def kernel(kernel: catalog.Kernel) -> Json:
    """A kernel."""
    return {
        "id": kernel.id,
        "label": kernel.label,
        "version": kernel.version,
        "architecture": kernel.architecture,
        "deprecated": kernel.deprecated,
        "kvm": True,
        "pvops": kernel.pvops,
        "built": "2024-06-04T12:00:00",
    }


def image(image: Image) -> Json:
    """An image."""
    return {
        "id": image.id,
        "label": image.label,
        "description": image.description,
        "vendor": image.vendor,
        "is_public": image.public,
        "type": "manual",
        "size": image.size,
        "total_size": image.size * max(len(image.regions), 1),
        "created": image.created,
        "created_by": image.created_by,
        "updated": image.updated,
        "deprecated": image.deprecated,
        "eol": image.eol,
        "expiry": None,
        "status": image.status,
        "capabilities": image.capabilities,
        "regions": [{"region": region, "status": image.status} for region in image.regions],
        "tags": image.tags,
    }


# Linodes


def linode(linode: Linode) -> Json:
    """A Linode."""
    day, window = linode.schedule
    done = [backup.finished for backup in linode.backups if backup.status == "successful"]
    return {
        "id": linode.id,
        "label": linode.label,
        "group": linode.group,
        "status": linode.status,
        "created": linode.created,
        "updated": linode.updated,
        "type": linode.type.id,
        "region": linode.region.id,
        "image": linode.image.id if linode.image else None,
        "ipv4": [address.ip for address in linode.addresses],
        "ipv6": f"{addresses.slaac(linode.id)}/128",
        "specs": {
            "disk": linode.type.disk,
            "memory": linode.type.memory,
            "vcpus": linode.type.vcpus,
            "gpus": linode.type.gpus,
            "transfer": linode.type.transfer,
        },
        "alerts": linode.alerts,
        "backups": {
            "enabled": linode.backups_enabled,
            "available": bool(done),
            "schedule": {"day": day, "window": window},
            "last_successful": max(filter(None, done), default=None),
        },
        "hypervisor": "kvm",
        "watchdog_enabled": linode.watchdog,
        "tags": linode.tags,
        "host_uuid": linode.host,
        "has_user_data": linode.has_user_data,
        "placement_group": None,
        "lke_cluster_id": None,
        "capabilities": [],
    }


def disk(disk: Disk) -> Json:
    """A disk."""
    return {
        "id": disk.id,
        "label": disk.label,
        "status": disk.status,
        "size": disk.size,
        "filesystem": disk.filesystem,
        "created": disk.created,
        "updated": disk.updated,
    }


_HELPERS = {
    "updatedb_disabled": True,
    "distro": True,
    "modules_dep": True,
    "network": True,
    "devtmpfs_automount": True,
}
_NO_DEVICE: Json = {"disk_id": None, "volume_id": None}


def config(config: Config) -> Json:
    """A configuration; a slot without a device is null."""
    devices = {
        slot: {**_NO_DEVICE, **config.devices[slot]} if slot in config.devices else None for slot in SLOTS
    }
    return {
        "id": config.id,
        "label": config.label,
        "comments": config.comments,
        "kernel": config.kernel,
        "devices": devices,
        "helpers": {**_HELPERS, **config.helpers},
        "interfaces": config.interfaces,
        "memory_limit": config.memory_limit,
        "root_device": config.root_device,
        "run_level": config.run_level,
        "virt_mode": config.virt_mode,
    }


def backup(backup: Backup) -> Json:
    """A backup."""
    return {
        "id": backup.id,
        "label": backup.label,
        "type": backup.type,
        "status": backup.status,
        "available": backup.status == "successful",
        "created": backup.created,
        "updated": backup.updated,
        "finished": backup.finished,
        "configs": [config.label for config in backup.configs],
        "disks": [
            {"label": disk.label, "size": disk.size, "filesystem": disk.filesystem} for disk in backup.disks
        ],
    }


# Addresses


def ipv4(linode: Linode, address: Address) -> Json:
    """An IPv4 address of a Linode; a private one has no gateway."""
    shown = {
        "address": address.ip,
        "gateway": addresses.gateway(address.ip) if address.public else None,
        "subnet_mask": "255.255.255.0" if address.public else "255.255.128.0",
        "prefix": 24 if address.public else 17,
        "type": "ipv4",
        "public": address.public,
        "rdns": address.rdns,
        "linode_id": linode.id,
        "region": linode.region.id,
    }
    return {**shown, "vpc_nat_1_1": None} if address.public else shown


def ipv6(linode: Linode, address: str, *, public: bool) -> Json:
    """An IPv6 address of a Linode."""
    return {
        "address": address,
        "gateway": "fe80::1",
        "subnet_mask": "ffff:ffff:ffff:ffff::",
        "prefix": 64,
        "type": "ipv6",
        "public": public,
        "rdns": None,
        "linode_id": linode.id,
        "region": linode.region.id,
    }


def ips(linode: Linode) -> Json:
    """All addresses of a Linode."""
    return {
        "ipv4": {
            "public": [ipv4(linode, address) for address in linode.addresses if address.public],
            "private": [ipv4(linode, address) for address in linode.addresses if not address.public],
            "shared": [],
            "reserved": [],
            "vpc": [],
        },
        "ipv6": {
            "slaac": ipv6(linode, addresses.slaac(linode.id), public=True),
            "link_local": ipv6(linode, addresses.link_local(linode.id), public=False),
            "global": [],
        },
    }


# The rest


def volume(volume: Volume) -> Json:
    """A volume."""
    return {
        "id": volume.id,
        "label": volume.label,
        "status": volume.status,
        "size": volume.size,
        "region": volume.region.id,
        "linode_id": volume.linode.id if volume.linode else None,
        "linode_label": volume.linode.label if volume.linode else None,
        "filesystem_path": f"/dev/disk/by-id/scsi-0Linode_Volume_{volume.label}",
        "hardware_type": "nvme",
        "encryption": volume.encryption,
        "created": volume.created,
        "updated": volume.updated,
        "tags": volume.tags,
    }


def key(key: Key) -> Json:
    """A public key."""
    return {"id": key.id, "label": key.label, "ssh_key": key.ssh_key, "created": key.created}


def stackscript(script: StackScript, username: str) -> Json:
    """A script of the account."""
    return {
        "id": script.id,
        "label": script.label,
        "description": script.description,
        "images": script.images,
        "script": script.script,
        "rev_note": script.rev_note,
        "is_public": script.public,
        "mine": True,
        "deployments_total": script.deployments,
        "deployments_active": script.deployments,
        "username": username,
        "user_gravatar_id": "a445b305abda30ebc766bc7fda037c37",
        "user_defined_fields": [],
        "created": script.created,
        "updated": script.updated,
    }


def firewall(firewall: Firewall) -> Json:
    """A firewall with its rules."""
    return {
        "id": firewall.id,
        "label": firewall.label,
        "status": firewall.status,
        "rules": rules(firewall),
        "tags": firewall.tags,
        "created": firewall.created,
        "updated": firewall.updated,
    }


def rules(firewall: Firewall) -> Json:
    """The rules of a firewall, with their version."""
    return {**firewall.rules, "version": firewall.version, "fingerprint": f"{firewall.version:08x}"}


def device(device: Device) -> Json:
    """A Linode as a firewall's device."""
    return {
        "id": device.id,
        "entity": {
            "id": device.linode.id,
            "type": "linode",
            "label": device.linode.label,
            "url": device.linode.url,
        },
        "created": device.created,
        "updated": device.created,
    }


def event(state: State, event: Event) -> Json:
    """An event as far as it has come."""
    ended = event.status in {"finished", "failed"}
    told = event.status == "notification"
    return {
        "id": event.id,
        "action": event.action,
        "created": state.stamp(event.started),
        "duration": round(event.ends - event.started, 3) if ended else None,
        "entity": _entity(event.subject, event.noun),
        "secondary_entity": _secondary(event.secondary) if event.secondary else None,
        "message": None,
        "percent_complete": None if told else 100 if ended else 0,
        "rate": None,
        "read": event.read,
        "seen": event.seen,
        "status": event.status,
        "time_remaining": None,
        "username": state.knobs.username,
    }


def _entity(subject: Subject, noun: str = "") -> Json:
    # The ids of entities are numbers, which images have at their end.
    number = int(subject.id.rpartition("/")[2]) if isinstance(subject, Image) else subject.id
    return {"id": number, "label": subject.label, "type": noun or subject.noun, "url": subject.url}


def _secondary(subject: Subject) -> Json:
    # The ids of secondary entities are texts.
    return {"id": str(subject.id), "label": subject.label, "type": subject.noun, "url": subject.url}
