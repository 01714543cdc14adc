"""What EC2's requests are made of."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from polycloud.common.creation import marker_for
from polycloud.compute.drivers._ec2.objects import EC2GroupPair, EC2NetworkSubnet
from polycloud.errors import InvalidArgumentError

CREATE_TOKEN = "polycloud-"  # noqa: S105 - no secret


class InstanceOptions(TypedDict, total=False):
    """What `create_node` takes by keyword."""

    ex_keyname: str | None
    ex_security_groups: Iterable[str] | None
    ex_security_group_ids: Iterable[str] | None
    ex_subnet: EC2NetworkSubnet | str | None
    ex_userdata: str | bytes | None
    ex_metadata: Mapping[str, str] | None
    ex_mincount: int | None
    ex_maxcount: int | None
    ex_clienttoken: str | None
    ex_blockdevicemappings: Iterable[Mapping[str, Any]] | None
    ex_iamprofile: str | None
    ex_ebs_optimized: bool | None
    ex_terminate_on_shutdown: bool
    ex_assign_public_ip: bool | None
    ex_placement_group: str | None
    ex_spot: bool
    ex_spot_max_price: float | None
    ex_securitygroup: Iterable[str] | None
    tags: Mapping[str, str] | Iterable[str] | None
    user_data: str | bytes | None
    idempotency_key: str | None


class VolumeOptions(TypedDict, total=False):
    """What `create_volume` takes by keyword."""

    ex_volume_type: str | None
    ex_iops: int | None
    ex_throughput: int | None
    ex_encrypted: bool | None
    ex_kms_key_id: str | None
    tags: Mapping[str, str] | Iterable[str] | None


def run_fields(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a RunInstances that the options of `create_node` stand for."""
    _require_known("create_node", options, InstanceOptions.__annotations__)
    one = options.get
    data = one("user_data") or one("ex_userdata")
    profile = one("ex_iamprofile")
    return {
        "MinCount": one("ex_mincount") or 1,
        "MaxCount": max(one("ex_mincount") or 1, one("ex_maxcount") or 1),
        "TagSpecification": tagging("instance", tags_of(name, one("ex_metadata"), one("tags"))),
        "KeyName": one("ex_keyname"),
        "UserData": None if data is None else encoded(data),
        "BlockDeviceMapping": one("ex_blockdevicemappings"),
        "IamInstanceProfile": profile and {"Arn" if profile.startswith("arn:") else "Name": profile},
        "EbsOptimized": one("ex_ebs_optimized"),
        "InstanceMarketOptions": _market(options) if one("ex_spot") else None,
        "InstanceInitiatedShutdownBehavior": "terminate" if one("ex_terminate_on_shutdown") else None,
        **_network_fields(options),
    }


def volume_fields(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a CreateVolume that the options of `create_volume` stand for."""
    _require_known("create_volume", options, VolumeOptions.__annotations__)
    return {
        "VolumeType": options.get("ex_volume_type"),
        "Iops": options.get("ex_iops"),
        "Throughput": options.get("ex_throughput"),
        "Encrypted": options.get("ex_encrypted"),
        "KmsKeyId": options.get("ex_kms_key_id"),
        "TagSpecification": tagging("volume", tags_of(name, options.get("tags"))),
        "ClientToken": CREATE_TOKEN + marker_for(None),
    }


def _require_known(method: str, options: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(options) - set(known)):
        raise InvalidArgumentError(f"{method} knows no {unknown[0]}; it knows {', '.join(sorted(known))}")


def _market(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"MarketType": "spot", "SpotOptions": {"MaxPrice": options.get("ex_spot_max_price")}}


def _network_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Where in the network an instance is; a public address is asked for on an interface, with all else."""
    subnet = options.get("ex_subnet")
    fields = {
        "SubnetId": getattr(subnet, "id", subnet),
        "SecurityGroupId": one_or_more(options.get("ex_security_group_ids")),
    }
    names = one_or_more(options.get("ex_security_groups") or options.get("ex_securitygroup"))
    public = options.get("ex_assign_public_ip")
    if public is None:
        return {**fields, "SecurityGroup": names}
    if names:
        raise InvalidArgumentError("with ex_assign_public_ip, name security groups by ex_security_group_ids")
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": public, "DeleteOnTermination": True}
    return {"NetworkInterface": [{**interface, **fields}]}


def tags_of(name: str, *given: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Tags with the name among them; a text "key=value" is a tag, and one without "=" has no value."""
    tags: dict[str, str] = {"Name": name} if name else {}
    for some in given:
        if isinstance(some, Mapping):
            tags.update(some)
        else:
            tags.update(text.partition("=")[::2] for text in one_or_more(some))
    return tags


def tagging(kind: str, tags: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The field TagSpecification, by which a thing of this kind is created with its tags."""
    return [{"ResourceType": kind, "Tag": tag_list(tags)}] if tags else []


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as requests name them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def filters(wanted: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The field Filter: what passes has for each name one of its values, in which * and ? stand for any."""
    return [{"Name": name, "Value": one_or_more(values)} for name, values in (wanted or {}).items()]


def permission(
    from_port: int | None,
    to_port: int | None,
    cidr_ips: Iterable[str] | None,
    group_pairs: Iterable[EC2GroupPair] | None,
    protocol: str,
    description: str | None = None,
) -> dict[str, Any]:
    """A rule of a security group as requests name it."""
    addresses = one_or_more(cidr_ips)
    pairs = [
        {"".join(map(str.capitalize, name.split("_"))): value for name, value in pair.items()}
        for pair in group_pairs or ()
    ]
    return {
        "IpProtocol": protocol,
        "FromPort": from_port,
        "ToPort": to_port,
        "IpRanges": [{"CidrIp": one, "Description": description} for one in addresses if ":" not in one],
        "Ipv6Ranges": [{"CidrIpv6": one, "Description": description} for one in addresses if ":" in one],
        "Groups": pairs,
    }


def encoded(data: str | bytes) -> str:
    """Text or bytes in base64."""
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def one_or_more(things: Iterable[Any] | Any | None) -> list[Any]:
    """The things as a list, of which one thing may be given alone."""
    if things is None:
        return []
    return list(things) if isinstance(things, Iterable) and not isinstance(things, str) else [things]


def resource_id(resource: Any) -> str:
    """The id of a thing, or the id itself. Raises `InvalidArgumentError` for what has none."""
    id_ = getattr(resource, "id", resource)
    if isinstance(id_, str) and id_:
        return id_
    raise InvalidArgumentError(f"{resource!r} has no id")
