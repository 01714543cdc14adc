"""What one region's networks are made of, and how servers are connected to them."""

from __future__ import annotations

import secrets
import uuid
from ipaddress import IPv4Network, ip_network
from typing import Any

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.machines import Machines
from polycloud.sandbox.openstack.addresses import Range
from polycloud.sandbox.openstack.errors import NeutronConflictError, NeutronInputError
from polycloud.sandbox.openstack.resources import Server
from polycloud.sandbox.openstack.settings import OpenStackSettings
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.replies import Json
from polycloud.sandbox.rest.timeline import Account, Event


class Networking(Account[Event]):
    """The networks of a region, with the ports in them and the rules about what may pass."""

    event_type = Event
    first_number = 1

    def __init__(self, settings: OpenStackSettings, clock: Clock, machines: Machines) -> None:
        super().__init__(settings, clock, machines, settings.errored)
        self.networks: dict[str, Item] = {}
        self.subnets: dict[str, Item] = {}
        self.ports: dict[str, Item] = {}
        self.security_groups: dict[str, Item] = {}
        self.security_group_rules: dict[str, Item] = {}
        self.floating_ips: dict[str, Item] = {}
        self.routers: dict[str, Item] = {}

    def new_network(self, *, name: str, project_id: str, **more: Any) -> Item:
        """Add a network; `more` are its other fields."""
        dates = {"created_at": self.stamp(), "updated_at": self.stamp()}
        defaults = {
            "external": False,
            "shared": False,
            "admin_state_up": True,
            "description": "",
            "mtu": 1500,
        }
        fields = {**defaults, "port_security_enabled": True, **more}
        fields = {"id": str(uuid.uuid4()), "tags": (), "revision": 1, **dates, **fields}
        network = Item(state=self, name=name, project_id=project_id, **fields)
        self.networks[network.id] = network
        return network

    def add_subnet(
        self, network: Item, cidr: str | None, pool: Any, *, project_id: str, name: str, **more: Any
    ) -> Item:
        """Add a subnet; `pool` returns its addresses, and without a CIDR they are the machines'."""
        dates = {"created_at": self.stamp(), "updated_at": self.stamp()}
        defaults = {"enable_dhcp": True, "dns_nameservers": (), "host_routes": (), "description": ""}
        gateway = {"gateway_ip": str(ip_network(cidr)[1])} if cidr else {"gateway_ip": None}
        subnet = Item(
            state=self,
            id=str(uuid.uuid4()),
            name=name,
            project_id=project_id,
            network_id=network.id,
            cidr=cidr,
            pool=pool,
            shared=network.shared,
            tags=(),
            revision=0,
            **dates,
            **{**defaults, "ip_version": 4, "allocation_pools": None, **gateway, **more},
        )
        self.subnets[subnet.id] = subnet
        return subnet

    def public_range(self) -> IPv4Network:
        """Return the first network of public addresses."""
        return next(iter(self.machines.isolation.networks()))

    def add_port(
        self,
        network: Item,
        project_id: str,
        server: Server | None = None,
        *,
        ip: str | None = None,
        **more: Any,
    ) -> Item:
        """Add a port with an address of each of a network's subnets, or with the given one."""
        fixed, borrowed = ([], []) if "fixed_ips" in more else self._fixed_addresses(network, ip)
        fields: Json = {
            "name": "",
            "mac_address": "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3)),
            "admin_state_up": True,
            "description": "",
            "device_id": server.id if server else "",
            "device_owner": "compute:nova" if server else "",
            "security_groups": (self.default_group(project_id).id,),
            "fixed_ips": fixed,
            "port_security_enabled": True,
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
            "tags": (),
            "revision": 1,
            "status": "DOWN",
            "allowed_address_pairs": (),
            "made_by_nova": False,
            "borrowed": borrowed,
            **more,
        }
        port = Item(state=self, id=str(uuid.uuid4()), project_id=project_id, network_id=network.id, **fields)
        self.ports[port.id] = port
        if server:
            server.ports = (*server.ports, port)
        return port

    def _fixed_addresses(self, network: Item, ip: str | None) -> tuple[list[Json], list[Any]]:
        """Take an address of a network; return it as ports show it, and where to give it back."""
        subnets = [subnet for subnet in self.subnets.values() if subnet.network_id == network.id]
        for subnet in subnets:
            pool = subnet.pool()
            if ip is None:
                taken = pool.take()
            elif isinstance(pool, Range) and pool.has(ip):
                if not pool.claim(ip):
                    raise NeutronConflictError(
                        "IpAddressAlreadyAllocated",
                        f"IP address {ip} already allocated in subnet {subnet.id}",
                    )
                taken = ip
            else:
                continue
            if taken is None:
                raise NeutronConflictError(
                    "IpAddressGenerationFailure",
                    f"No more IP addresses available on network {network.id}.",
                )
            return [{"subnet_id": subnet.id, "ip_address": taken}], [(pool, taken)]
        if ip is not None:
            raise NeutronInputError(
                "InvalidIpForNetwork",
                f"IP address {ip} is not a valid IP for any of the subnets on the specified network.",
            )
        return [], []

    def remove_port(self, port: Item) -> None:
        """Delete a port and free its addresses."""
        del self.ports[port.id]
        for pool, ip in port.borrowed:
            pool.give(ip)
        for floating in self.floating_ips.values():
            if floating.port_id == port.id:
                floating.port_id = floating.fixed_ip_address = floating.router_id = None

    def default_group(self, project_id: str) -> Item:
        """Return the project's security group "default", which is made when it is first needed."""
        for group in self.security_groups.values():
            if (group.project_id, group.name) == (project_id, "default"):
                return group
        group = self.add_security_group("default", "Default security group", project_id)
        for ethertype in ("IPv4", "IPv6"):
            self.add_rule(group, direction="ingress", ethertype=ethertype, remote_group_id=group.id)
        return group

    def add_security_group(self, name: str, description: str, project_id: str) -> Item:
        """Add a security group, which allows what goes out."""
        group = Item(
            state=self,
            id=str(uuid.uuid4()),
            name=name,
            description=description,
            project_id=project_id,
            stateful=True,
            tags=(),
            revision=1,
            created_at=self.stamp(),
            updated_at=self.stamp(),
        )
        self.security_groups[group.id] = group
        for ethertype in ("IPv4", "IPv6"):
            self.add_rule(group, direction="egress", ethertype=ethertype)
        return group

    def add_rule(self, group: Item, **fields: Any) -> Item:
        """Add a rule to a security group."""
        empty = dict.fromkeys(
            ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
        )
        rule = Item(
            state=self,
            id=str(uuid.uuid4()),
            project_id=group.project_id,
            security_group_id=group.id,
            tags=(),
            number=self.new_number(),
            created_at=self.stamp(),
            updated_at=self.stamp(),
            revision=0,
            **{**empty, "description": "", **fields},
        )
        self.security_group_rules[rule.id] = rule
        return rule
