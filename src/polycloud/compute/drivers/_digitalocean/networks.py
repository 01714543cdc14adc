"""What connects DigitalOcean's nodes: reserved addresses, private networks and firewalls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, Unpack

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.base import quote_segment
from polycloud.common.digitalocean import Begun, number
from polycloud.common.payload import Item, value_of
from polycloud.compute.drivers._digitalocean.actions import DigitalOceanActions, Waiting
from polycloud.compute.drivers._digitalocean.fields import droplet_id
from polycloud.compute.drivers._digitalocean.payloads import (
    DigitalOceanVPC,
    Firewall,
    Peers,
    ReservedIp,
    Rule,
    as_told,
)
from polycloud.compute.objects import Node, NodeLocation
from polycloud.errors import InvalidArgumentError, NotFoundError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DigitalOceanFloatingIp:
    """A reserved address, which is its own id; `node_id` is None while it is free, `region` a slug."""

    id: str
    ip_address: str
    node_id: str | None
    region: str | None
    driver: DigitalOceanNetworks | None = field(default=None, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def delete(self) -> bool:
        """Give the address back; see `ex_delete_floating_ip`."""
        if self.driver is None:
            raise InvalidArgumentError(f"{self.ip_address} was made without a driver, which could delete it")
        return self.driver.ex_delete_floating_ip(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalOceanFirewallRule:
    """Traffic that a firewall lets pass; what no rule names is stopped.

    `protocol` is "tcp", "udp" or "icmp"; `ports` one port, a range ("8000-9000") or "0" for all. The
    others say from where, or to where: `addresses` (single or CIDR, IPv4 or IPv6), `node_ids`,
    `load_balancer_ids`, `tags`.
    """

    protocol: str
    ports: str = "0"
    addresses: tuple[str, ...] = ()
    node_ids: tuple[str, ...] = ()
    load_balancer_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DigitalOceanFirewall:
    """A firewall before the nodes in `node_ids` and those that have one of `tags`.

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
    """The methods of reserved addresses, private networks and firewalls."""

    # Reserved addresses

    def ex_list_floating_ips(self) -> list[DigitalOceanFloatingIp]:
        """The account's reserved addresses."""
        return self._reserved(
            lambda path, name: self.connection.list_all(path, f"{name}s", ReservedIp, self._to_floating_ip)
        )

    def ex_get_floating_ip(self, ip: str) -> DigitalOceanFloatingIp:
        """A reserved address. Raises `NotFoundError` where the account does not have it."""
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
        """Give a reserved address back."""
        address = _address_of(ip)
        return self._reserved(lambda path, _: self.connection.delete(f"{path}/{address}"))

    def ex_attach_floating_ip_to_node(
        self, node: Node, ip: DigitalOceanFloatingIp | str, **wait: Unpack[Waiting]
    ) -> bool:
        """Lead a reserved address to a node of its region."""
        id_ = droplet_id(node)
        send = partial(self._act_on_address, _address_of(ip), type="assign", droplet_id=id_)
        return self._operate(self._when_free(id_, send), **wait)

    def ex_detach_floating_ip_from_node(
        self, node: Node, ip: DigitalOceanFloatingIp | str, **wait: Unpack[Waiting]
    ) -> bool:
        """Take a reserved address off its node, which need not be told."""
        return self._operate(self._act_on_address(_address_of(ip), type="unassign"), **wait)

    def _act_on_address(self, address: str, **fields: Any) -> Begun:
        return self._reserved(lambda path, _: self.connection.act(f"{path}/{address}/actions", **fields))

    def _reserved(self, call: Callable[[str, str], R]) -> R:
        """What `call` gives, with path and name of reserved addresses: today's, else the older ones."""
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
        return DigitalOceanFloatingIp(reserved.ip, reserved.ip, node_id, region, self, as_told(item))

    # Private networks

    def ex_list_vpcs(self) -> list[DigitalOceanVPC]:
        """The account's private networks."""
        return self.connection.list_all("/vpcs", "vpcs", DigitalOceanVPC, value_of)

    def ex_get_vpc(self, vpc_id: str) -> DigitalOceanVPC:
        """The private network with this id. Raises `NotFoundError` where there is none."""
        return self.connection.fetch(f"/vpcs/{quote_segment(vpc_id)}", "vpc", DigitalOceanVPC).value

    def ex_create_vpc(
        self,
        name: str,
        location: NodeLocation,
        *,
        ip_range: str | None = None,
        description: str | None = None,
    ) -> DigitalOceanVPC:
        """Create a private network; the provider chooses `ip_range` (CIDR) unless it is given.

        Nodes are created in it with `ex_create_attr={"vpc_uuid": vpc.id}`.
        """
        region = id_of(location, NodeLocation)
        fields = {"name": name, "region": region, "ip_range": ip_range, "description": description}
        return self.connection.create("/vpcs", "vpc", DigitalOceanVPC, drop_none(fields)).value

    def ex_delete_vpc(self, vpc: DigitalOceanVPC) -> bool:
        """Delete a private network that has no members and is not its region's default."""
        return self.connection.delete(f"/vpcs/{quote_segment(vpc.id)}")

    # Firewalls

    def ex_list_firewalls(self) -> list[DigitalOceanFirewall]:
        """The account's firewalls."""
        return self.connection.list_all("/firewalls", "firewalls", Firewall, _to_firewall)

    def ex_get_firewall(self, firewall_id: str) -> DigitalOceanFirewall:
        """The firewall with this id. Raises `NotFoundError` where there is none."""
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
        """Create a firewall before some nodes and all nodes with one of some tags, which must exist.

        Traffic to the nodes passes by the rules `inbound`, from them by `outbound`; the provider wants at
        least one rule.
        """
        body = {
            "name": name,
            "inbound_rules": [_from_rule(rule, "sources") for rule in inbound],
            "outbound_rules": [_from_rule(rule, "destinations") for rule in outbound],
            "droplet_ids": [droplet_id(node) for node in nodes],
            "tags": as_list(tags),
        }
        made = self.connection.create("/firewalls", "firewall", Firewall, body)
        return _to_firewall(made)

    def ex_delete_firewall(self, firewall: DigitalOceanFirewall) -> bool:
        """Delete a firewall."""
        return self.connection.delete(f"/firewalls/{quote_segment(firewall.id)}")

    def ex_add_nodes_to_firewall(self, firewall: DigitalOceanFirewall, nodes: Iterable[Node]) -> bool:
        """Put a firewall before further nodes."""
        return self._put_members("POST", firewall, droplet_ids=[droplet_id(node) for node in nodes])

    def ex_remove_nodes_from_firewall(self, firewall: DigitalOceanFirewall, nodes: Iterable[Node]) -> bool:
        """Take a firewall away from nodes."""
        return self._put_members("DELETE", firewall, droplet_ids=[droplet_id(node) for node in nodes])

    def ex_add_tags_to_firewall(self, firewall: DigitalOceanFirewall, tags: Iterable[str]) -> bool:
        """Put a firewall before all nodes with one of these tags, which must exist."""
        return self._put_members("POST", firewall, tags=as_list(tags))

    def ex_remove_tags_from_firewall(self, firewall: DigitalOceanFirewall, tags: Iterable[str]) -> bool:
        """Take a firewall away from the nodes with these tags."""
        return self._put_members("DELETE", firewall, tags=as_list(tags))

    def _put_members(self, method: str, firewall: DigitalOceanFirewall, **members: list[Any]) -> bool:
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
