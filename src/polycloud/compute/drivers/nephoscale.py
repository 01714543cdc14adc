"""NephoScale: cloud and dedicated servers, keys, networks and addresses.

Source: the provider's API as its users recorded it between 2013 and 2020; it no longer answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from polycloud.common.creation import marker_for
from polycloud.common.payload import LazyExtra
from polycloud.common.resource import with_id
from polycloud.compute.drivers._nephoscale import (
    API_HOST,
    NODE_STATES,
    SERVER_KEY,
    DedicatedNode,
    Named,
    NephoscaleConnection,
    NephoscaleExtensions,
    NephoscaleNetwork,
    NephoscaleResponse,
    NephoscaleSubnet,
    NodeKey,
    Server,
    ServerCreation,
    ServerType,
    id_of,
    image_extra,
    server_path,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
)
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, NotFoundError, UnsupportedOperationError

__all__ = [
    "API_HOST",
    "NODE_STATES",
    "DedicatedNode",
    "NephoscaleConnection",
    "NephoscaleNetwork",
    "NephoscaleNodeDriver",
    "NephoscaleResponse",
    "NephoscaleSubnet",
    "NodeKey",
]


class NephoscaleNodeDriver(NephoscaleExtensions):
    """NephoScale node driver.

    `NephoscaleNodeDriver("user", "password")`. A server that is off is `STOPPED`: what one cannot see is
    stopped one cannot start. One that is being built is `UNKNOWN` and has no address.
    """

    # Nodes

    def list_nodes(self, *, ex_dedicated: bool = False) -> list[Node]:
        """The cloud servers; with `ex_dedicated` the dedicated servers too."""
        answer = self.connection.request("/server/" if ex_dedicated else "/server/cloud/")
        return [self._to_node(server, raw) for server, raw in answer.items(Server)]

    def get_node(self, node_id: str) -> Node:
        """The server with this id, cloud or dedicated. Raises `NotFoundError` naming it."""
        try:
            return super().get_node(node_id)
        except NotFoundError:
            return with_id(self.list_nodes(ex_dedicated=True), node_id, f"{self.name} node")

    def wait_until_running(
        self, nodes: Sequence[Node], *args: Any, **kwargs: Any
    ) -> list[tuple[Node, list[str]]]:
        """As in the base; dedicated servers among `nodes` are looked for where they are listed."""
        if any(isinstance(node, DedicatedNode) for node in nodes):
            kwargs.setdefault("ex_list_nodes_kwargs", {"ex_dedicated": True})
        return super().wait_until_running(nodes, *args, **kwargs)

    def create_node(  # type: ignore[override] # the order of arguments that users of the 2013 driver know
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        server_key: str | int | None = None,
        console_key: str | int | None = None,
        zone: NodeLocation | str | int | None = None,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        *,
        hostname: str | None = None,
        nowait: bool = False,
        ex_wait: bool = True,
        ex_timeout: float = 600,
        ex_dedicated: bool = False,
        ex_ips: Iterable[str] = (),
        ex_networks: Iterable[str | int] = (),
        idempotency_key: str | None = None,
    ) -> Node:
        """Create a server and give it back as soon as the provider lists it.

        NephoScale answers a create with a job, never with the server, and names are not unique. So the
        server is created under a name of its own, found by it, and then renamed.

        An `idempotency_key` is kept in the host name, which ends in twelve hex digits made from it: as long
        as such a server exists, a create with the same key gives it, whatever else it asks for. Two
        programs that use one key at the same time may both create.

        Args:
            name: The server's name; need not be unique.
            size: One of `list_sizes()`.
            image: One of `list_images()`.
            server_key: Id of the key that opens the server; see `ex_list_keypairs`.
            console_key: Id of the key that opens its console.
            zone: A location or the id of one; the provider chooses without.
            location: The same, by the name that other drivers use.
            auth: An SSH key, in the place of `server_key`; registered unless the account has it.
            hostname: The server's own host name; `name` unless given.
            nowait: As `ex_wait=False`.
            ex_wait: False gives at once a node without an id, in state PENDING, with the job in
                `extra["job"]`.
            ex_timeout: Seconds to wait for the server to be listed.
            ex_dedicated: Create a dedicated server (`size` of `list_sizes(ex_dedicated=True)`).
            ex_ips: Addresses that the server is to have.
            ex_networks: Ids of the networks of `ex_ips`.
            idempotency_key: Any text; a program that was restarted gets the server that it began to create.

        Raises:
            OperationTimeoutError: The server was not listed in time; the message says under which name it
                may yet appear.
            AmbiguousCreateError: The provider's answer was lost and no such server was listed.
        """
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(f"name={name!r}: a server needs a name")
        if isinstance(server_key, NodeLocation):
            raise InvalidArgumentError("server_key= is a location; give it as location= or zone=")
        wait = ex_wait and not nowait
        if idempotency_key is not None and not wait:
            raise InvalidArgumentError("idempotency_key= wants a create that waits (ex_wait=True)")
        mark, keyed = marker_for(idempotency_key), idempotency_key is not None
        form = {
            "name": f"{name}-{mark}" if wait else name,
            "hostname": f"{hostname or name}-{mark}" if keyed else hostname or name,
            "service_type": id_of(size, NodeSize),
            "image": id_of(image, NodeImage),
            "zone": id_of(zone or location, NodeLocation),
            "server_key": server_key or (self._key_for(auth)[0] if auth else None),
            "console_key": None if ex_dedicated else console_key,
            "ips": ", ".join([ex_ips] if isinstance(ex_ips, str) else ex_ips) or None,
            "networks": ",".join(map(str, ex_networks)) or None,
        }
        path = "/server/dedicated/" if ex_dedicated else "/server/cloud/"
        if not wait:
            return self._create_later(path, form)
        waiting.require_times(ex_timeout)
        creation = ServerCreation(self, path, form, name, mark, keyed=keyed)
        return self._create_once(creation, timeout=ex_timeout, idempotency_key=idempotency_key)

    def reboot_node(self, node: Node) -> bool:
        """Restart a server; the provider does it after what it was told before."""
        return self._power(node, "restart")

    def start_node(self, node: Node) -> bool:
        """Start a server that is off."""
        return self._power(node, "start")

    def stop_node(self, node: Node) -> bool:
        """Stop a server; it keeps its disk and its addresses."""
        return self._power(node, "stop")

    def ex_start_node(self, node: Node) -> bool:
        """As `start_node`."""
        return self.start_node(node)

    def ex_stop_node(self, node: Node) -> bool:
        """As `stop_node`."""
        return self.stop_node(node)

    def destroy_node(self, node: Node) -> bool:
        """Delete a server; deleting it twice succeeds."""
        self.connection.request(server_path(node), method="DELETE")
        return True

    def _power(self, node: Node, action: str) -> bool:
        if isinstance(node, DedicatedNode):
            raise UnsupportedOperationError(f"{self.name} has no {action} for dedicated servers", self)
        self.connection.request(f"{server_path(node)}initiator/{action}/", method="POST")
        return True

    # Sizes, images, locations

    def list_sizes(
        self, location: NodeLocation | None = None, *, ex_dedicated: bool = False
    ) -> list[NodeSize]:
        """The sizes of cloud servers, or of dedicated ones, cheapest first; the same in every location."""
        kind = "dedicated" if ex_dedicated else "cloud"
        types = self.connection.request(f"/server/type/{kind}/").data(list[ServerType])
        sizes = [self._to_size(type_) for type_ in types]
        return sorted(sizes, key=lambda size: (size.price is None, size.price or 0.0, size.ram))

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """The images, those of `location` only where given."""
        params = {"region": id_of(location, NodeLocation)}
        answer = self.connection.request("/image/server/", params=params)
        return [
            NodeImage(str(image.id), image.friendly_name or "", self, LazyExtra(raw, image_extra))
            for image, raw in answer.items(Named)
        ]

    def list_locations(self) -> list[NodeLocation]:
        """The zones that are in service; all are in the United States."""
        answer = self.connection.request("/datacenter/zone/")
        return [
            NodeLocation(str(zone.id), zone.name or "", "US", self, LazyExtra(raw, msgspec.json.decode))
            for zone, raw in answer.items(Named)
            if zone.activated is not False
        ]

    # Keys

    def list_key_pairs(self) -> list[KeyPair]:
        """The SSH keys; names need not be unique, `extra["id"]` is."""
        return [
            self._to_key_pair(key.id, key.name or "", key.public_key, key.key_group)
            for key in self.ex_list_keypairs(ssh=True)
        ]

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key for servers. Raises `InvalidArgumentError` for what is none."""
        key_id = self.ex_create_keypair(name, public_key=key_material)
        return self._to_key_pair(key_id, name, key_material.strip(), SERVER_KEY)

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.ex_delete_keypair(pair.extra["id"], ssh=True)
