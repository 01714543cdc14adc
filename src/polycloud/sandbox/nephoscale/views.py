"""The state as NephoScale's JSON shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polycloud.sandbox.nephoscale.catalog import Image, Size, Zone
    from polycloud.sandbox.nephoscale.networks import Address, Network, Subnet
    from polycloud.sandbox.nephoscale.state import Key, Server

Json = dict[str, Any]


class Views:
    """Makes the items of answers, with links below `root`, the address that the caller knows the API by."""

    def __init__(self, root: str) -> None:
        self._root = root

    def link(self, id: int, resource_type: str) -> Json:
        """How an answer speaks of a job or of anything that was made."""
        return {"id": id, "resource_type": resource_type, "uri": f"{self._root}{resource_type}/{id}/"}

    def zone(self, zone: Zone) -> Json:
        """A zone with its data centre."""
        datacenter = {
            "id": zone.datacenter.id,
            "name": zone.datacenter.name,
            "airport_code": zone.datacenter.airport_code,
            "uri": f"{self._root}/datacenter/{zone.datacenter.id}/",
        }
        view = {**self.zone_link(zone), "datacenter": datacenter}
        return view if zone.activated is None else {**view, "activated": zone.activated}

    def zone_link(self, zone: Zone) -> Json:
        """A zone where something else stands in it."""
        return {"id": zone.id, "name": zone.name, "uri": f"{self._root}/datacenter/zone/{zone.id}/"}

    def image(self, image: Image) -> Json:
        """An image; those with an agent also tell what hardware they know."""
        view = {
            "id": image.id,
            "friendly_name": image.friendly_name,
            "architecture": image.architecture,
            "base_type": image.base_type,
            "deployable_type": 1,
            "is_active": image.is_active,
            "is_default": image.is_default,
            "max_cpu": image.max_cpu,
            "max_memory": image.max_memory,
            "create_time": image.create_time,
            "uri": f"{self._root}/image/server/{image.id}/",
        }
        if image.has_agent is None:
            return view
        hardware = {"disks": 1, "storage": 15, "cores": 1, "pcpus": 1, "billable_type": 1}
        return {**view, "has_agent": image.has_agent, **hardware}

    def size(self, size: Size) -> Json:
        """A size, of cloud or dedicated servers."""
        return {
            **self.size_link(size),
            "ram": size.ram,
            "storage": size.storage,
            "vcpus": size.vcpus,
        }

    def size_link(self, size: Size) -> Json:
        """A size where it stands in a server."""
        description = f"{size.memory} memory, {size.vcpus} core, {size.storage}GB storage"
        return {
            "id": size.id,
            "friendly_name": size.friendly_name,
            "sku": {"name": size.sku, "description": description},
            "billable_type": size.kind,
            "uri": f"{self._root}/server/type/{size.kind.path}/{size.id}/",
        }

    def server(self, server: Server) -> Json:
        """A server; its addresses are shown when it is built."""
        return {
            "id": server.id,
            "name": server.name,
            "hostname": server.hostname,
            "power_status": server.power,
            "ipaddresses": ", ".join(address.ip for address in server.addresses) if server.built else "",
            "zone": self.zone_link(server.zone),
            "image": self.image(server.image),
            "service_type": self.size_link(server.size),
            "memory": server.size.ram,
            "create_time": server.create_time,
            "server_keys": self._key_links(server.server_key),
            "console_keys": self._key_links(server.console_key),
            "network_ports": [_port(server, number) for number in range(len(server.addresses))],
            "postinit_state": 1 if server.built else 0,
            "is_console_enabled": server.console_key is not None,
            "podzone": f"P{server.zone.id}",
            "uri": f"{self._root}/server/{server.kind.path}/{server.id}/",
        }

    def _key_links(self, key: Key | None) -> list[Json]:
        if key is None:
            return []
        return [{"id": key.id, "key_group": key.group, "key_type": key.type, "uri": self._key_uri(key)}]

    def _key_uri(self, key: Key) -> str:
        return f"{self._root}/key/{key.type.path}/{key.id}/"

    def key(self, key: Key) -> Json:
        """A key without what makes it one."""
        return {
            "id": key.id,
            "name": key.name,
            "key_group": key.group,
            "key_type": key.type,
            "create_time": key.create_time,
            "uri": self._key_uri(key),
        }

    def whole_key(self, key: Key) -> Json:
        """A key with its `public_key` or `password`."""
        return {**self.key(key), key.type.secret_name: key.secret}

    def network(self, network: Network) -> Json:
        """A network with all addresses of its subnets."""
        cidrs = [
            {"id": subnet.id, "cidr_str": subnet.cidr, "ipaddress_list": list(subnet.addresses)}
            for subnet in network.subnets
        ]
        return {
            "id": network.id,
            "name": network.name,
            "is_default": True,
            "zone": self.zone_link(network.zone),
            "domain_type": network.domain_type,
            "cidr": cidrs,
        }


def subnet_with_status(subnet: Subnet) -> Json:
    """A subnet with what each of its addresses is doing."""
    return {
        "id": subnet.id,
        "ipaddress_list_status": [_status(address) for address in subnet.addresses.values()],
    }


def _status(address: Address) -> Json:
    return {"ipaddress": address.ip, "reserved": address.reserved, "server": address.server}


def subnet_with_fields(subnet: Subnet, names: list[str]) -> Json:
    """A subnet with the fields of those names, as far as there are any."""
    status = subnet_with_status(subnet)
    whole = {**status, "cidr_str": subnet.cidr, "ipaddress_list_unassigned": list(subnet.free)}
    return {name: value for name, value in whole.items() if name in {"id", *names}}


def _port(server: Server, number: int) -> Json:
    network = server.addresses[number].subnet.network
    digits = f"{server.id:08x}{number:02x}"
    return {
        "devname": f"eth{number}",
        # The first byte marks an address of nobody's hardware.
        "macaddress": ":".join(["02", *(digits[at : at + 2] for at in range(0, 10, 2))]),
        "network_domain": {"name": network.name, "domain_type": network.domain_type},
    }
