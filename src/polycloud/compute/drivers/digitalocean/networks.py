"""Networks: reserved addresses, private networks and firewalls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, Unpack

import msgspec

from polycloud.common.arguments import as_list, drop_none, id_of, list_of
from polycloud.common.building import quote_segment
from polycloud.common.digitalocean import StartedAction, number
from polycloud.common.payload import Item, value_of
from polycloud.compute.drivers.digitalocean.actions import DigitalOceanActions, Waiting, as_dict, droplet_id
from polycloud.compute.drivers.digitalocean.catalog import Reference
from polycloud.compute.objects import Node, NodeLocation
from polycloud.errors import InvalidArgumentError, NotFoundError

R = TypeVar("R")


class DropletReference(msgspec.Struct):
    """A droplet inside a reserved address."""

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
    """A rule of a firewall: it has `sources` if it allows traffic to droplets, else `destinations`."""

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


class DigitalOceanFloatingIp(msgspec.Struct, frozen=True, eq=False):
    """A reserved address, also its `id`; `node_id` is None while it is unassigned, `region` is a slug."""

    id: str
    ip_address: str
    node_id: str | None
    region: str | None
    driver: DigitalOceanNetworks | None = None
    extra: dict[str, Any] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DigitalOceanFloatingIp):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        names = ("id", "ip_address", "node_id", "region")
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(names, self._compared(), strict=True))
        return f"DigitalOceanFloatingIp({fields})"

    def _compared(self) -> tuple[str | None, ...]:
        return self.id, self.ip_address, self.node_id, self.region

    def delete(self) -> bool:
        """Release the address; see `ex_delete_floating_ip`."""
        if self.driver is None:
            raise InvalidArgumentError(f"{self.ip_address} has no driver to delete it with")
        return self.driver.ex_delete_floating_ip(self)


class DigitalOceanFirewallRule(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic that a firewall allows; it blocks traffic without a rule.

    `protocol` is "tcp", "udp" or "icmp"; `ports` is one port, a range ("8000-9000") or "0" for all. The
    sources or destinations are `addresses` (single or CIDR, IPv4 or IPv6), `node_ids`, `load_balancer_ids`
    and `tags`.
    """

    protocol: str
    ports: str = "0"
    addresses: tuple[str, ...] = ()
    node_ids: tuple[str, ...] = ()
    load_balancer_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class DigitalOceanFirewall(msgspec.Struct, frozen=True):
    """A firewall of the nodes in `node_ids` and of those that have one of `tags`.

    `status` is "waiting", "succeeded" or "failed".
    """

    id: str
    name: str | None
    status: str | None
    inbound: tuple[DigitalOceanFirewallRule, ...]
    outbound: tuple[DigitalOceanFirewallRule, ...]
    node_ids: tuple[str, ...]
    tags: tuple[str, ...]


class DigitalOceanNetworks(DigitalOceanActions):
    """Methods of reserved addresses, private networks and firewalls."""

    # Reserved addresses

    def ex_list_floating_ips(self) -> list[DigitalOceanFloatingIp]:
        """Return the account's reserved addresses."""
        return self._reserved(
            lambda path, name: self.connection.list_all(path, f"{name}s", ReservedIp, self._to_floating_ip)
        )

    def ex_get_floating_ip(self, ip: str) -> DigitalOceanFloatingIp:
        """Return a reserved address. Raises `NotFoundError` if the account does not have it."""
        address = quote_segment(ip)
        return self._to_floating_ip(
            self._reserved(lambda path, name: self.connection.fetch(f"{path}/{address}", name, ReservedIp))
        )

    def ex_create_floating_ip(self, location: NodeLocation) -> DigitalOceanFloatingIp:
        """Reserve an address in a region."""
        body = {"region": id_of(location, NodeLocation)}
        return self._to_floating_ip(
            self._reserved(lambda path, name: self.connection.create(path, name, ReservedIp, body))
        )

    def ex_delete_floating_ip(self, ip: DigitalOceanFloatingIp | str) -> bool:
        """Release a reserved address."""
        address = _address_of(ip)

        def send(path: str, _: str) -> bool:
            own = f"{path}/{address}"
            return self._when_idle(own, lambda: self.connection.delete(own))

        return self._reserved(send)

    def ex_attach_floating_ip_to_node(
        self, node: Node, ip: DigitalOceanFloatingIp | str, **wait: Unpack[Waiting]
    ) -> bool:
        """Assign a reserved address to a node in its region."""
        id_ = droplet_id(node)
        send = partial(self._act_on_address, _address_of(ip), type="assign", droplet_id=id_)
        return self._operate(self._when_free(id_, send), **wait)

    def ex_detach_floating_ip_from_node(
        self, node: Node, ip: DigitalOceanFloatingIp | str, **wait: Unpack[Waiting]
    ) -> bool:
        """Unassign a reserved address from its node; `node` is not used."""
        return self._operate(self._act_on_address(_address_of(ip), type="unassign"), **wait)

    def _act_on_address(self, address: str, **fields: Any) -> StartedAction:
        def send(path: str, _: str) -> StartedAction:
            own = f"{path}/{address}"
            return self._when_idle(own, lambda: self.connection.act(f"{own}/actions", **fields))

        return self._reserved(send)

    def _reserved(self, call: Callable[[str, str], R]) -> R:
        """Call with the path and name of reserved addresses, with the older ones if those are not found."""
        try:
            return call("/reserved_ips", "reserved_ip")
        except NotFoundError as absent:
            try:
                return call("/floating_ips", "floating_ip")
            except NotFoundError:
                raise absent from None

    def _to_floating_ip(self, item: Item[ReservedIp]) -> DigitalOceanFloatingIp:
        reserved, _ = item
        node_id = str(reserved.droplet.id) if reserved.droplet else None
        region = reserved.region.slug if reserved.region else None
        return DigitalOceanFloatingIp(reserved.ip, reserved.ip, node_id, region, self, as_dict(item))

    # Private networks

    def ex_list_vpcs(self) -> list[DigitalOceanVPC]:
        """Return the account's private networks."""
        return self.connection.list_all("/vpcs", "vpcs", DigitalOceanVPC, value_of)

    def ex_get_vpc(self, vpc_id: str) -> DigitalOceanVPC:
        """Return the private network with this id. Raises `NotFoundError` if it does not exist."""
        return self.connection.fetch(f"/vpcs/{quote_segment(vpc_id)}", "vpc", DigitalOceanVPC).value

    def ex_create_vpc(
        self,
        name: str,
        location: NodeLocation,
        *,
        ip_range: str | None = None,
        description: str | None = None,
    ) -> DigitalOceanVPC:
        """Create a private network; `ip_range` is in CIDR notation, by default the provider's choice.

        Create nodes in it with `ex_create_attr={"vpc_uuid": vpc.id}`.
        """
        region = id_of(location, NodeLocation)
        fields = {"name": name, "region": region, "ip_range": ip_range, "description": description}
        return self.connection.create("/vpcs", "vpc", DigitalOceanVPC, drop_none(fields)).value

    def ex_delete_vpc(self, vpc: DigitalOceanVPC) -> bool:
        """Delete a private network without members that is not the default of its region."""
        return self.connection.delete(f"/vpcs/{quote_segment(vpc.id)}")

    # Firewalls

    def ex_list_firewalls(self) -> list[DigitalOceanFirewall]:
        """Return the account's firewalls."""
        return self.connection.list_all("/firewalls", "firewalls", Firewall, _to_firewall)

    def ex_get_firewall(self, firewall_id: str) -> DigitalOceanFirewall:
        """Return the firewall with this id. Raises `NotFoundError` if it does not exist."""
        path = f"/firewalls/{quote_segment(firewall_id)}"
        return _to_firewall(self.connection.fetch(path, "firewall", Firewall))

    def ex_create_firewall(
        self,
        name: str,
        inbound: Iterable[DigitalOceanFirewallRule] = (),
        outbound: Iterable[DigitalOceanFirewallRule] = (),
        *,
        nodes: Iterable[Node] = (),
        tags: Iterable[str] = (),
    ) -> DigitalOceanFirewall:
        """Create a firewall of `nodes` and of all nodes with one of `tags`, which must exist.

        `inbound` are the rules for traffic to the nodes, `outbound` those for traffic from them. The provider
        requires at least one rule.
        """
        rules = partial(list_of, DigitalOceanFirewallRule)
        body = {
            "name": name,
            "inbound_rules": [_from_rule(one, "sources") for one in rules("inbound", inbound)],
            "outbound_rules": [_from_rule(one, "destinations") for one in rules("outbound", outbound)],
            "droplet_ids": [droplet_id(node) for node in nodes],
            "tags": as_list(tags),
        }
        return _to_firewall(self.connection.create("/firewalls", "firewall", Firewall, body))

    def ex_delete_firewall(self, firewall: DigitalOceanFirewall) -> bool:
        """Delete a firewall."""
        return self.connection.delete(f"/firewalls/{quote_segment(firewall.id)}")

    def ex_add_nodes_to_firewall(self, firewall: DigitalOceanFirewall, nodes: Iterable[Node]) -> bool:
        """Add nodes to a firewall."""
        return self._change_members("POST", firewall, droplet_ids=[droplet_id(node) for node in nodes])

    def ex_remove_nodes_from_firewall(self, firewall: DigitalOceanFirewall, nodes: Iterable[Node]) -> bool:
        """Remove nodes from a firewall."""
        return self._change_members("DELETE", firewall, droplet_ids=[droplet_id(node) for node in nodes])

    def ex_add_tags_to_firewall(self, firewall: DigitalOceanFirewall, tags: Iterable[str]) -> bool:
        """Add tags, which must exist, to a firewall: it then applies to all nodes with one of them."""
        return self._change_members("POST", firewall, tags=as_list(tags))

    def ex_remove_tags_from_firewall(self, firewall: DigitalOceanFirewall, tags: Iterable[str]) -> bool:
        """Remove tags from a firewall."""
        return self._change_members("DELETE", firewall, tags=as_list(tags))

    def _change_members(self, method: str, firewall: DigitalOceanFirewall, **members: list[Any]) -> bool:
        kind = "droplets" if "droplet_ids" in members else "tags"
        path = f"/firewalls/{quote_segment(firewall.id)}/{kind}"
        self.connection.request(path, method=method, json=members)
        return True


def _address_of(ip: DigitalOceanFloatingIp | str) -> str:
    return quote_segment(ip if isinstance(ip, str) else ip.id)


def _to_firewall(item: Item[Firewall]) -> DigitalOceanFirewall:
    firewall = item.value
    return DigitalOceanFirewall(
        firewall.id,
        firewall.name,
        firewall.status,
        tuple(_to_rule(rule, rule.sources) for rule in firewall.inbound_rules or ()),
        tuple(_to_rule(rule, rule.destinations) for rule in firewall.outbound_rules or ()),
        tuple(map(str, firewall.droplet_ids or ())),
        tuple(firewall.tags or ()),
    )


def _to_rule(rule: Rule, peers: Peers | None) -> DigitalOceanFirewallRule:
    peers = peers or Peers()
    return DigitalOceanFirewallRule(
        protocol=rule.protocol,
        ports=rule.ports,
        addresses=tuple(peers.addresses or ()),
        node_ids=tuple(map(str, peers.droplet_ids or ())),
        load_balancer_ids=tuple(peers.load_balancer_uids or ()),
        tags=tuple(peers.tags or ()),
    )


def _from_rule(rule: DigitalOceanFirewallRule, side: str) -> dict[str, Any]:
    peers = Peers(
        list(rule.addresses) or None,
        [number(id_) for id_ in rule.node_ids] or None,
        list(rule.load_balancer_ids) or None,
        list(rule.tags) or None,
    )
    return {"protocol": rule.protocol, "ports": rule.ports, side: peers}
