"""The nouns of all services, in one table: what `list`, `show`, completion and other commands know of them.

To add a noun, define it here and put it into `NOUNS`; then write its command in `commands/`, and add the
command to `COMMANDS` in `app`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from polycloud.cli.resources import Column, Noun

__all__ = [
    "APEX",
    "BALANCERS",
    "DNS",
    "IMAGES",
    "KEYS",
    "LOCATIONS",
    "MEMBERS",
    "NODES",
    "NOUNS",
    "RECORDS",
    "RECORD_FIELDS",
    "SIZES",
    "VOLUMES",
    "ZONES",
    "main_noun",
    "nouns_of",
]

COMPUTE, DNS, LOADBALANCER = "compute", "dns", "loadbalancer"
APEX = "@"
"""How zone files write the name of the zone itself."""
RECORD_FIELDS = ("priority", "weight", "port", "flags", "tag")
"""The parts of a record's value beside its data."""
HOURS_A_MONTH = 730
MONTHLY_KEYS = ("price_monthly", "monthly_price")
"""Where providers put the price of a month."""
LOCATION_KEYS = ("region_slug", "zone", "availability", "availability_zone", "location", "region")
"""Where providers put the location of a node or a volume."""
COUNTED_KEYS = ("droplet_ids", "Instances")
"""Where providers put the members of a balancer."""
ATTACHED_KEYS = ("droplet_ids", "linode_id", "instance_id")
"""Where providers put the nodes that a volume is attached to."""


def main_noun(service: str) -> Noun | None:
    """The first noun of a service, to which operations belong that name none; None if it has no nouns."""
    return next(iter(nouns_of(service)), None)


def nouns_of(service: str) -> list[Noun]:
    """The nouns of a service."""
    return [noun for noun in NOUNS.values() if noun.service == service]


# Values of columns


def _location(item: Any) -> str | None:
    return _first_text(item, LOCATION_KEYS)


def _tags(node: Any) -> list[str]:
    """The tags, `key=value` where they have values; without the one that is the node's name."""
    tags = node.extra.get("tags") or ()
    if isinstance(tags, Mapping):
        return [f"{key}={value}" if value else key for key, value in tags.items() if key != "Name"]
    return list(tags)


def _is_gone(node: Any) -> bool:
    """Whether a node is destroyed, or on its way there, but still listed."""
    from polycloud.compute.types import NodeState  # help and completion need no drivers

    return bool(node.state == NodeState.TERMINATED or node.extra.get("status") == "shutting-down")


def _month(size: Any) -> float | None:
    """The price of a month: the provider's own, which may be less than its hours cost."""
    own = (size.extra.get(key) for key in MONTHLY_KEYS)
    price = next((price for price in own if price is not None), None)
    if price is None and size.price is not None:
        price = round(size.price * HOURS_A_MONTH, 2)
    return price


def _named(attribute: str, *keys: str) -> Column:
    """The name of another resource, given as an object, as a name, or under the provider's `keys`."""

    def get(node: Any) -> Any:
        other = getattr(node, attribute)
        return _slug(other) or getattr(other, "name", other) or _first_text(node, keys)

    return Column(attribute, get)


def _first_text(item: Any, keys: Sequence[str]) -> str | None:
    texts = (item.extra.get(key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _slug(item: Any) -> str | None:
    """The provider's name for programs; its name for people may be ambiguous."""
    slug: str | None = getattr(item, "extra", {}).get("slug")
    return slug


def _attached_to(volume: Any) -> list[str]:
    found = [volume.extra.get(key) for key in ATTACHED_KEYS]
    return [str(id_) for ids in found if ids for id_ in (ids if isinstance(ids, list) else [ids])]


def _key_id(pair: Any) -> str:
    return str(pair.extra.get("id") or pair.name)


def _domain(text: str) -> str:
    """A domain as zones have it: lower case, other scripts as punycode, no trailing dot."""
    from polycloud.dns.names import normalize_domain
    from polycloud.errors import InvalidArgumentError

    try:
        return normalize_domain(text)
    except InvalidArgumentError:
        return text


def _is_private(zone: Any) -> bool | None:
    """Whether only the provider's own networks see the zone, of which several can have one domain."""
    private: bool | None = zone.extra.get("PrivateZone")  # at Amazon
    return private


def _record_name(record: Any) -> str:
    return record.name or APEX


def _record_value(record: Any) -> str:
    from polycloud.cli.recordvalues import written

    return written(record)


def _state(balancer: Any) -> str:
    return str(balancer.state)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _member_count(balancer: Any) -> int | None:
    """How many members it has, where the list of balancers says it."""
    found = next((balancer.extra[key] for key in COUNTED_KEYS if key in balancer.extra), None)
    return len(found) if isinstance(found, list) else None


def _setting(name: str) -> Column:
    """A setting of balancers, as the options of `lb create` take it."""

    def get(balancer: Any) -> Any:
        from polycloud.cli.balancersettings import written

        return written(balancer.extra.get(name))

    return Column(name, get, rare=True)


def _member_id(member: Any) -> str:
    """The provider's id; that of a member which is to be attached is its address."""
    return member.id or _member_address(member)


def _member_address(member: Any) -> str:
    """The address and the port; the id where the provider does not say the address."""
    if member.ip is None:
        return str(member.id)
    from polycloud.cli.membertexts import joined

    return joined(member.ip, member.port)


def _member_ip(member: Any) -> str | None:
    return None if member.ip is None else _member_spelled(member.ip)


def _member_spelled(text: str) -> str:
    from polycloud.cli.membertexts import spelled

    return spelled(text)


# Compute

NODES = Noun(
    COMPUTE,
    "node",
    "nodes",
    "list_nodes",
    (
        Column.of("name"),
        Column.of("id"),
        Column.of("state"),
        Column.of("public_ips"),
        Column("location", _location),
        _named("size", "service_type"),
        _named("image", "image"),
        Column.of("private_ips"),
        Column("tags", _tags),
        Column.of_time("created_at"),
    ),
    is_gone=_is_gone,
)
SIZES = Noun(
    COMPUTE,
    "size",
    "sizes",
    "list_sizes",
    (
        Column.of("id"),
        Column.of("name"),
        Column("cpus", lambda size: size.extra.get("vcpus")),
        Column("ram_mb", attrgetter("ram")),
        Column("disk_gb", attrgetter("disk")),
        Column("usd_month", _month),
        Column("usd_hour", attrgetter("price")),
        Column("traffic_gb", attrgetter("bandwidth")),
    ),
    by_id="ex_get_size",
)
IMAGES = Noun(
    COMPUTE,
    "image",
    "images",
    "list_images",
    (Column.of("id"), Column.of("name"), Column("slug", _slug)),
    alias=_slug,
    by_id="get_image",
)
LOCATIONS = Noun(
    COMPUTE,
    "location",
    "locations",
    "list_locations",
    (Column.of("id"), Column.of("name"), Column.of("country")),
)
KEYS = Noun(
    COMPUTE,
    "key",
    "keys",
    "list_key_pairs",
    (Column.of("name"), Column("id", _key_id), Column.of("fingerprint"), Column.of("public_key")),
    id=_key_id,
)
VOLUMES = Noun(
    COMPUTE,
    "volume",
    "volumes",
    "list_volumes",
    (
        Column.of("name"),
        Column.of("id"),
        Column("size_gb", attrgetter("size")),
        Column.of("state"),
        Column("attached_to", _attached_to),
        Column("location", _location),
    ),
)

# DNS

ZONES = Noun(
    DNS,
    "zone",
    "zones",
    "list_zones",
    (
        Column.of("domain"),
        Column.of("id"),
        Column.of("type"),
        Column.of("ttl"),
        Column("private", _is_private, rare=True),
        Column.of_extra("status", rare=True),
        Column.of_extra("name_servers", rare=True),
    ),
    name=attrgetter("domain"),
    by_id="get_zone",
    by_name="find_zones",
    spelled=_domain,
    group=DNS,
)
RECORDS = Noun(
    DNS,
    "record",
    "records",
    "list_records",
    (
        Column("name", _record_name),
        Column.of("type"),
        Column.of("ttl"),
        Column("value", _record_value),
        Column("id", attrgetter("id"), hidden=True),
        Column("data", attrgetter("data"), hidden=True),
        *map(Column.of_extra, RECORD_FIELDS),
    ),
    name=_record_name,
    group=DNS,
)

# Load balancing

BALANCERS = Noun(
    LOADBALANCER,
    "balancer",
    "balancers",
    "list_balancers",
    (
        Column.of("name"),
        Column.of("id"),
        Column("state", _state),
        Column("address", attrgetter("ip")),
        Column.of("port"),
        Column("protocol", lambda balancer: balancer.extra.get("protocol")),
        Column("algorithm", lambda balancer: _text(balancer.extra.get("algorithm"))),
        Column("member_count", _member_count, rare=True),
        *map(_setting, ("listeners", "health_check", "sticky")),
    ),
    by_id="get_balancer",
    details="ex_details",
    lister="polycloud lb list",
)
MEMBERS = Noun(
    LOADBALANCER,
    "member",
    "members",
    "balancer_list_members",
    (
        Column("address", attrgetter("ip")),
        Column.of("port"),
        Column("health", lambda member: str(member.health)),
        Column("weight", lambda member: member.extra.get("weight"), rare=True),
        Column("condition", lambda member: _text(member.extra.get("condition")), rare=True),
        Column("id", _member_id),
    ),
    id=_member_id,
    name=_member_ip,
    alias=_member_address,
    spelled=_member_spelled,
    lister="polycloud lb members",
)

NOUNS = {
    noun.many: noun
    for noun in (NODES, SIZES, IMAGES, LOCATIONS, KEYS, VOLUMES, ZONES, RECORDS, BALANCERS, MEMBERS)
}
"""All nouns by their plural; the main noun of a service comes first."""
