"""The JSON of NephoScale's resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

from polycloud.sandbox.nephoscale.dialect import Json

if TYPE_CHECKING:
    from polycloud.sandbox.nephoscale.catalog import Image, Size, Zone
    from polycloud.sandbox.nephoscale.networks import Address, Network, Subnet
    from polycloud.sandbox.nephoscale.state import Key, Server

_AGENT = {"disks": 1, "storage": 15, "cores": 1, "pcpus": 1, "billable_type": 1}


class Views:
    """Creates the items of responses, with links below `root`, the URL by which the client knows the API."""

    def __init__(self, root: str) -> None:
        self._root = root

    def link(self, id: int, resource_type: str) -> Json:
        """Return the view of a job, or of a resource that was created or changed."""
        return {"id": id, "resource_type": resource_type, "uri": f"{self._root}{resource_type}/{id}/"}

    def zone(self, zone: Zone) -> Json:
        """Return the view of a zone with its data centre."""
        uri = f"{self._root}/datacenter/{zone.datacenter.id}/"
        view = {**self.zone_link(zone), "datacenter": {**asdict(zone.datacenter), "uri": uri}}
        return view if zone.activated is None else {**view, "activated": zone.activated}

    def zone_link(self, zone: Zone) -> Json:
        """Return the view of a zone within another resource."""
        return {"id": zone.id, "name": zone.name, "uri": f"{self._root}/datacenter/zone/{zone.id}/"}

    def image(self, image: Image) -> Json:
        """Return the view of an image; if it has an agent, that includes the required hardware."""
        uri = f"{self._root}/image/server/{image.id}/"
        view = {**asdict(image), "deployable_type": 1, "uri": uri}
        del view["zones"]
        if image.has_agent is None:
            del view["has_agent"]
            return view
        return {**view, **_AGENT}

    def size(self, size: Size) -> Json:
        """Return the view of a size."""
        return {**self.size_link(size), "ram": size.ram, "storage": size.storage, "vcpus": size.vcpus}

    def size_link(self, size: Size) -> Json:
        """Return the view of a size within a server."""
        description = f"{size.memory} memory, {size.vcpus} core, {size.storage}GB storage"
        return {
            "id": size.id,
            "friendly_name": size.friendly_name,
            "sku": {"name": size.sku, "description": description},
            "billable_type": size.kind,
            "uri": f"{self._root}/server/type/{size.kind.path}/{size.id}/",
        }

    def server(self, server: Server) -> Json:
        """Return the view of a server, with its addresses once it is built."""
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
        view = self.key(key)
        return [{name: view[name] for name in ("id", "key_group", "key_type", "uri")}]

    def key(self, key: Key) -> Json:
        """Return the view of a key without its secret."""
        return {
            "id": key.id,
            "name": key.name,
            "key_group": key.group,
            "key_type": key.type,
            "create_time": key.create_time,
            "uri": f"{self._root}/key/{key.type.path}/{key.id}/",
        }

    def key_with_secret(self, key: Key) -> Json:
        """Return the view of a key with its `public_key` or `password`."""
        return {**self.key(key), key.type.secret_name: key.secret}

    def network(self, network: Network) -> Json:
        """Return the view of a network with all addresses of its subnets."""
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
    """Return the view of a subnet with the status of its addresses."""
    return {"id": subnet.id, "ipaddress_list_status": list(map(_status, subnet.addresses.values()))}


def _status(address: Address) -> Json:
    return {"ipaddress": address.ip, "reserved": address.reserved, "server": address.server}


def subnet_with_fields(subnet: Subnet, names: list[str]) -> Json:
    """Return the view of a subnet with the fields of those names; unknown names are ignored."""
    fields = {"cidr_str": subnet.cidr, "ipaddress_list_unassigned": list(subnet.free)}
    view = {**subnet_with_status(subnet), **fields}
    return {name: value for name, value in view.items() if name in {"id", *names}}


def _port(server: Server, number: int) -> Json:
    network = server.addresses[number].subnet.network
    # The first byte, 02, marks a locally administered address.
    octets = b"\x02" + server.id.to_bytes(4) + bytes([number])
    return {
        "devname": f"eth{number}",
        "macaddress": octets.hex(":"),
        "network_domain": {"name": network.name, "domain_type": network.domain_type},
    }
