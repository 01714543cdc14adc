"""Values of SoftLayer's objects, with everything that a mask could ask for."""

from __future__ import annotations

from typing import Any

from polycloud.sandbox.softlayer.catalog import CATALOG, Datacenter, Flavor, Image, System, Vlan
from polycloud.sandbox.softlayer.dialect import Json
from polycloud.sandbox.softlayer.state import Guest, Key

_SWAP = 2
_POWER_NAMES = {"RUNNING": "Running", "HALTED": "Halted", "PAUSED": "Paused"}
_LOCATION_GROUP = "Location Group 1"


def guest(guest: Guest) -> Json:
    """Return the view of a guest. Like the provider's, it has empty texts for what has no value yet."""
    view: Json = {
        "id": guest.id,
        "accountId": 307608,
        "globalIdentifier": guest.guid,
        "hostname": guest.hostname,
        "domain": guest.domain,
        "fullyQualifiedDomainName": f"{guest.hostname}.{guest.domain}",
        "createDate": guest.created,
        "modifyDate": "",
        "provisionDate": guest.provisioned,
        "maxCpu": guest.cpus,
        "maxCpuUnits": "CORE",
        "startCpus": guest.cpus,
        "maxMemory": guest.ram,
        "hourlyBillingFlag": guest.hourly,
        "localDiskFlag": guest.local,
        "privateNetworkOnlyFlag": guest.private,
        "dedicatedAccountHostOnlyFlag": guest.dedicated,
        "transientGuestFlag": False,
        "notes": guest.notes,
        "postInstallScriptUri": guest.script,
        "primaryBackendIpAddress": guest.private_ip if guest.provisioned else "",
        "primaryIpAddress": guest.public_ip if guest.provisioned else "",
        "statusId": 1001,
        "status": {"keyName": "ACTIVE", "name": "Active"},
        "powerState": power_state(guest),
        "datacenter": datacenter(guest.place),
        "operatingSystem": _system(guest),
        "blockDevices": _devices(guest),
        "networkComponents": [{"name": "eth", "port": 0, "maxSpeed": guest.speed, "speed": guest.speed}],
        "networkVlans": [vlan(one) for one in CATALOG.vlans if one.id in guest.vlans.values()],
        "userData": user_data(guest),
        "sshKeys": [key(one) for one in guest.keys],
        "tagReferences": [
            {"id": index, "tag": {"id": index, "name": name}} for index, name in enumerate(guest.tags)
        ],
    }
    if guest.transaction:
        status = {"name": guest.transaction, "friendlyName": guest.transaction.replace("_", " ").title()}
        view["activeTransaction"] = {"id": guest.id, "transactionStatus": status}
    if guest.image:
        view["blockDeviceTemplateGroup"] = image(guest.image, public=guest.image in CATALOG.public_images)
    if guest.billable:
        view["billingItem"] = _billing_item(guest)
    return view


def power_state(guest: Guest) -> Json:
    """Return the view of a guest's power; empty until it is provisioned."""
    return {"keyName": guest.power, "name": _POWER_NAMES[guest.power]} if guest.power else {}


def user_data(guest: Guest) -> list[Json]:
    """Return the view of a guest's user data."""
    return [{"value": guest.user_data}] if guest.user_data else []


def _system(guest: Guest) -> Json:
    described = {
        "name": guest.system.name,
        "referenceCode": guest.system.code,
        "manufacturer": "",
        "version": "",
    }
    user = "Administrator" if guest.system.is_windows else "root"
    passwords = [{"username": user, "password": guest.password}] if guest.provisioned else []
    return {
        "id": guest.id,
        "passwords": passwords,
        "softwareLicense": {"softwareDescription": described},
    }


def _devices(guest: Guest) -> list[Json]:
    disks = {**guest.disks, 1: _SWAP}
    return [
        {"device": str(number), "mountType": "Disk", "diskImage": {"capacity": gb, "units": "GB"}}
        for number, gb in sorted(disks.items())
    ]


def _billing_item(guest: Guest) -> Json:
    item: Json = {"id": guest.id + 1, "recurringFee": ".0"}
    if guest.flavor:
        fee = guest.flavor.hourly_fee if guest.hourly else guest.flavor.monthly_fee
        item["hourlyRecurringFee" if guest.hourly else "recurringFee"] = str(fee)
        item["orderItem"] = {"id": guest.id + 2, "preset": {"keyName": guest.flavor.key_name}}
    return item


def key(key: Key) -> Json:
    """Return the view of an SSH key."""
    return {
        "id": key.id,
        "label": key.label,
        "key": key.key,
        "fingerprint": ":".join(key.fingerprint[at : at + 2] for at in range(0, len(key.fingerprint), 2)),
        "notes": key.notes,
        "createDate": key.created,
        "modifyDate": "",
    }


def image(image: Image, *, public: bool) -> Json:
    """Return the view of an image."""
    return {
        "id": image.id,
        "accountId": 307608,
        "globalIdentifier": image.global_identifier,
        "name": image.name,
        "note": image.note,
        "createDate": "2024-02-01T10:00:00+00:00",
        "parentId": "",
        "publicFlag": int(public),
        "blockDevices": [],
    }


def vlan(vlan: Vlan) -> Json:
    """Return the view of a VLAN."""
    return {
        "id": vlan.id,
        "vlanNumber": vlan.vlan_number,
        "networkSpace": vlan.network_space,
        "name": "",
        "primaryRouter": {"datacenter": {"name": vlan.datacenter}},
    }


def datacenter(place: Datacenter) -> Json:
    """Return the view of a data center."""
    return {
        "id": place.id,
        "name": place.name,
        "longName": place.long_name,
        "statusId": 2,
        "locationAddress": {"country": place.country, "city": place.long_name.rstrip(" 0123456789")},
        "priceGroups": [{"id": 503, "description": _LOCATION_GROUP}],
    }


def create_options() -> Json:
    """Return what a create can choose from."""
    codes = {system.code: system for system in CATALOG.systems}
    latest = {code: codes[name] for code, name in CATALOG.latest.items()}
    return {
        "flavors": list(map(_flavor, CATALOG.flavors)),
        "processors": [_option(f"{count} x 2.0 GHz Core", {"startCpus": count}) for count in CATALOG.cpus],
        "memory": [_option(f"{mb // 1024} GB", {"maxMemory": mb}) for mb in CATALOG.memory],
        "blockDevices": [
            _option(f"{gb} GB ({where})", {**_first_disk(gb), "localDiskFlag": where == "LOCAL"})
            for where, sizes in (("LOCAL", CATALOG.local_disks), ("SAN", CATALOG.disks))
            for gb in sizes
        ],
        "operatingSystems": [_operating_system(code, one) for code, one in {**codes, **latest}.items()],
        "networkComponents": [
            _option(f"{speed} Mbps Public & Private", {"networkComponents": [{"maxSpeed": speed}]})
            for speed in CATALOG.speeds
        ],
        "datacenters": [{"template": {"datacenter": {"name": one.name}}} for one in CATALOG.datacenters],
    }


def _flavor(flavor: Flavor) -> Json:
    return {
        "flavor": {
            "keyName": flavor.key_name,
            "name": flavor.key_name.replace("_", "."),
            "totalMinimumHourlyFee": str(flavor.hourly_fee),
            "totalMinimumRecurringFee": str(flavor.monthly_fee),
        },
        "template": {"supplementalCreateObjectOptions": {"flavorKeyName": flavor.key_name}},
    }


def _operating_system(code: str, system: System) -> Json:
    fee = str(system.hourly_fee)
    return {
        "itemPrice": {"hourlyRecurringFee": fee, "item": {"description": system.description}},
        "template": {"operatingSystemReferenceCode": code},
    }


def _option(description: str, template: Json) -> Json:
    return {"itemPrice": {"item": {"description": description}}, "template": template}


def _first_disk(gb: int) -> dict[str, Any]:
    return {"blockDevices": [{"device": "0", "diskImage": {"capacity": gb}}]}
