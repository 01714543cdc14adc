"""NephoScale: cloud and dedicated servers, keys, networks and addresses.

Source: the provider's API as its users recorded it between 2013 and 2020; it no longer answers.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from polycloud.common import waiting
from polycloud.common.base import ConnectionUserAndKey, JsonResponse, segment
from polycloud.common.pagination import unique
from polycloud.common.payload import LazyExtra
from polycloud.common.types import (
    AmbiguousCreateError,
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ServerError,
    TLSError,
    TransportError,
    UnsupportedOperationError,
    error_from_status,
)
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver, require_id, with_id
from polycloud.compute.types import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    NodeState,
    Provider,
)
from polycloud.utils.networking import split_by_privacy

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

API_HOST = "api.nephoscale.com"
SERVER_KEY, CONSOLE_KEY = 1, 4
DEDICATED = 2
UNSETTLED = frozenset({500, 502, 503, 504})
NODE_STATES = {"on": NodeState.RUNNING, "off": NodeState.STOPPED, "unknown": NodeState.UNKNOWN}
EXTRA_KEYS = ("create_time", "network_ports", "is_console_enabled", "hostname")
MORE_EXTRA_KEYS = ("memory", "server_keys", "console_keys", "postinit_state", "uri")
IMAGE_KEYS = ("architecture", "disks", "billable_type", "pcpus", "cores", "uri", "storage")


class Envelope(msgspec.Struct):
    """What every answer is wrapped in."""

    success: bool
    response: int = 200
    message: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class ServiceType(msgspec.Struct):
    """The size of a server, as the server tells it."""

    billable_type: int | None = None


class Server(msgspec.Struct):
    """What a `Node` is made from; the rest of the payload becomes its `extra`."""

    id: int | str
    name: str | None = None
    power_status: str | None = None
    ipaddresses: str | None = None
    create_time: str | None = None
    service_type: ServiceType | None = None


class ServerType(msgspec.Struct):
    """A size."""

    id: int | str
    ram: int
    friendly_name: str | None = None
    storage: int | None = None
    vcpus: int | None = None
    billable_type: int | None = None
    sku: dict[str, Any] | None = None
    uri: str | None = None


class Named(msgspec.Struct):
    """An image or a zone."""

    id: int | str
    friendly_name: str | None = None
    name: str | None = None
    activated: bool | None = None


class Key(msgspec.Struct):
    """An SSH or password key; the general list tells neither the key nor the password."""

    id: int | str
    name: str | None = None
    key_group: int | None = None
    public_key: str | None = None
    password: str | None = None


class Cidr(msgspec.Struct):
    """A subnet, as networks and the list of subnets tell it."""

    id: int | str
    cidr_str: str | None = None
    ipaddress_list: list[str] | None = None
    ipaddress_list_status: Any = None
    ipaddress_list_unassigned: list[str] | None = None


class Domain(msgspec.Struct):
    """A network."""

    id: int | str
    name: str | None = None
    is_default: bool | None = None
    zone: Any = None
    domain_type: int | None = None
    cidr: list[Cidr] | None = None


class Created(msgspec.Struct):
    """The id of what was made: a key, or the job of a create."""

    id: int | str


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A key of the account's: `key_group` is 1 for servers, 4 for consoles."""

    id: str
    name: str | None
    public_key: str | None
    key_group: int | None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NephoscaleSubnet:
    """A subnet: `addresses` are those that belong to it or, where asked for, those that are free."""

    id: str
    cidr: str | None
    addresses: list[str]
    status: Any = None


@dataclass(frozen=True, slots=True)
class NephoscaleNetwork:
    """A network; `zone` is as the provider tells it."""

    id: str
    name: str | None
    private: bool
    is_default: bool
    zone: Any
    subnets: list[NephoscaleSubnet]


class DedicatedNode(Node):
    """A dedicated server: it can be renamed and destroyed; the API has no power actions for it."""

    __slots__ = ()


class NephoscaleResponse(JsonResponse):
    """An answer in its envelope, which may say no with HTTP status 200."""

    envelope = Envelope(success=True)

    def success(self) -> bool:
        """Whether HTTP status and envelope both say so; a stream and an answer without a body have none."""
        if not super().success():
            return False
        if self.raw.chunks is None and self.status != 204 and self.exchange.method != "HEAD":
            self.envelope = self.decode(Envelope)
        return self.envelope.success and 200 <= self.envelope.response < 300

    def to_error(self) -> PolycloudError:
        """The error for the more telling of the two statuses, with the provider's message."""
        try:
            said = self.decode(Envelope)
        except MalformedResponseError:
            return super().to_error()
        code = next((code for code in (said.response, self.status) if code >= 400), 400)
        return error_from_status(code, said.message or self.reason, self.headers)

    def data(self, type_: Any) -> Any:
        """The payload as `type_`. Raises `MalformedResponseError` with the path of what is wrong."""
        try:
            return msgspec.json.decode(self.envelope.data, type=type_, strict=False)
        except RecursionError as error:
            raise self.malformed("the answer is nested too deeply") from error
        except msgspec.ValidationError as error:
            problem = str(error).replace("`$", "`$.data") if "`$" in str(error) else f"{error} - at `$.data`"
            raise self.malformed(f"the answer is not as documented: {problem}") from error

    def items(self, type_: Any) -> list[tuple[Any, msgspec.Raw]]:
        """Each object of a listed payload as `type_`, with its own bytes."""
        raws = self.data(list[msgspec.Raw])
        return list(zip(self.data(list[type_]), raws, strict=True))


class NephoscaleConnection(ConnectionUserAndKey):
    """HTTP Basic authentication; bodies are forms. Answers can be slow."""

    host = API_HOST
    responseCls = NephoscaleResponse
    timeout = 180.0

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The credentials."""
        headers["Authorization"] = f"Basic {self._basic()}"
        return headers

    def secrets(self) -> tuple[str, ...]:
        """The password, plain and as the header has it."""
        return (*super().secrets(), self._basic())

    def _basic(self) -> str:
        return base64.b64encode(f"{self.user_id}:{self.key}".encode()).decode()


class NephoscaleNodeDriver(NodeDriver):
    """NephoScale node driver.

    `NephoscaleNodeDriver("user", "password")`. A server that is off is `STOPPED`: what one cannot see is
    stopped one cannot start. One that is being built is `UNKNOWN` and has no address.
    """

    type = Provider.NEPHOSCALE
    api_name = "nephoscale"
    name = "NephoScale"
    website = "http://www.nephoscale.com"
    connectionCls = NephoscaleConnection
    features: ClassVar = {"create_node": ["ssh_key"]}
    settle_time: ClassVar[float] = 180.0
    """Seconds after which a server whose create was carried out is listed for certain."""

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
    ) -> Node:
        """Create a server and give it back as soon as the provider lists it.

        NephoScale answers a create with a job, never with the server, and names are not unique. So the
        server is created under a name of its own, found by it, and then renamed.

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
        created_as = f"{name}-{secrets.token_hex(6)}" if wait else name
        form = {
            "name": created_as,
            "hostname": hostname or name,
            "service_type": _id(size, NodeSize),
            "image": _id(image, NodeImage),
            "zone": _id(zone or location, NodeLocation),
            "server_key": server_key or (self._key_for(auth)[0] if auth else None),
            "console_key": None if ex_dedicated else console_key,
            "ips": ", ".join([ex_ips] if isinstance(ex_ips, str) else ex_ips) or None,
            "networks": ",".join(map(str, ex_networks)) or None,
        }
        path = "/server/dedicated/" if ex_dedicated else "/server/cloud/"
        if wait:
            waiting.require_times(ex_timeout)
            return self._create_and_adopt(path, form, name, ex_timeout, dedicated=ex_dedicated)
        try:
            job = self.connection.request(path, data=form, method="POST").data(dict[str, Any])
        except PolycloudError as error:
            if _is_refusal(error):
                raise
            raise self._ambiguous(name, name, error) from error
        return Node("", name, NodeState.PENDING, [], [], self, extra={"job": job})

    def _create_and_adopt(
        self, path: str, form: dict[str, Any], name: str, timeout: float, *, dedicated: bool
    ) -> Node:
        created_as = form["name"]
        node = None
        try:
            lost = self._post_create(path, form)
            node = self._created(name, created_as, lost, timeout, dedicated=dedicated)
            self.rename_node(node, name)
        except BaseException as error:
            if node is not None or not isinstance(error, PolycloudError) or not _is_refusal(error):
                error.add_note(_whereabouts(created_as, node))
            raise
        node.name = name
        return node

    def _post_create(self, path: str, form: dict[str, Any]) -> PolycloudError | None:
        """Send the create; the error where the server may be on its way all the same."""
        try:
            self.connection.request(path, data=form, method="POST")
        except PolycloudError as error:
            if _is_refusal(error):
                raise
            return error
        return None

    def _created(
        self, name: str, created_as: str, lost: PolycloudError | None, timeout: float, *, dedicated: bool
    ) -> Node:
        """The server that a create made, once it is listed."""

        def look() -> Node | None:
            nodes = self.list_nodes(ex_dedicated=dedicated)
            return next((node for node in nodes if node.name == created_as), None)

        sought = f"the server {name!r}, created as {created_as!r}, to be listed"
        if lost is None:
            return waiting.poll(look, waiting_for=sought, timeout=timeout)
        try:
            return waiting.poll(look, waiting_for=sought, timeout=min(timeout, self.settle_time))
        except PolycloudError as error:
            raise self._ambiguous(name, created_as, lost) from error

    def _ambiguous(self, name: str, created_as: str, lost: PolycloudError) -> AmbiguousCreateError:
        return AmbiguousCreateError(
            f"the answer to the create of {name!r} was lost ({lost}) and no server called {created_as!r} was "
            "found; look for that name before creating another",
            self,
        )

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
        self.connection.request(_server_path(node), method="DELETE")
        return True

    def rename_node(self, node: Node, name: str, hostname: str | None = None) -> bool:
        """Give a server another name, and another host name where given."""
        form = {"name": name, "hostname": hostname}
        self.connection.request(_server_path(node), data=form, method="PUT")
        return True

    def _power(self, node: Node, action: str) -> bool:
        if isinstance(node, DedicatedNode):
            raise UnsupportedOperationError(f"{self.name} has no {action} for dedicated servers", self)
        self.connection.request(f"{_server_path(node)}initiator/{action}/", method="POST")
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
        params = {"region": _id(location, NodeLocation)}
        answer = self.connection.request("/image/server/", params=params)
        return [
            NodeImage(str(image.id), image.friendly_name or "", self, LazyExtra(raw, _image_extra))
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

    def ex_list_keypairs(
        self, ssh: bool = False, password: bool = False, key_group: int | None = None
    ) -> list[NodeKey]:
        """The account's keys: all, SSH keys only, or password keys only; of one group where given.

        The provider tells public keys and passwords only when asked for one kind. `key_group` is 1 for
        keys of servers, 4 for keys of consoles. Raises `InvalidArgumentError` for both kinds at once.
        """
        if ssh and password:
            raise InvalidArgumentError("ask for ssh or for password keys; neither lists all")
        kind = "sshrsa/" if ssh else "password/" if password else ""
        listed = self.connection.request(f"/key/{kind}").data(list[Key])
        return [
            NodeKey(str(key.id), key.name, key.public_key, key.key_group, key.password)
            for key in listed
            if key_group is None or key.key_group == int(key_group)
        ]

    def ex_create_keypair(
        self,
        name: str,
        public_key: str | None = None,
        password: str | None = None,
        key_group: int | None = None,
    ) -> str:
        """Register an SSH key or a password; its id.

        `key_group` is 1 for servers (SSH keys unless said), 4 for consoles (passwords unless said). Raises
        `InvalidArgumentError` unless exactly one of `public_key` and `password` is given.
        """
        if (public_key is None) == (password is None):
            raise InvalidArgumentError(f"the key {name!r} needs a public_key or a password, and not both")
        if public_key is not None:
            kind, secret = "sshrsa", {"public_key": keys.require_public_key(public_key)}
        else:
            kind, secret = "password", {"password": password or ""}
        group = key_group or (SERVER_KEY if kind == "sshrsa" else CONSOLE_KEY)
        form = {"name": name, **secret, "key_group": group}
        made = self.connection.request(f"/key/{kind}/", data=form, method="POST").data(Created)
        return str(made.id)

    def ex_delete_keypair(self, key_id: str | int, ssh: bool = False) -> bool:
        """Delete a password key, or with `ssh` an SSH key, by its id."""
        kind = "sshrsa" if ssh else "password"
        self.connection.request(f"/key/{kind}/{segment(key_id)}/", method="DELETE")
        return True

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

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[str, bool]:
        """The id of the account's key with this public key, and whether it was registered for this."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(f"{self.name} creates servers with SSH keys, not passwords", self)
        print_ = keys.fingerprint(keys.require_public_key(auth.pubkey))
        known = self.ex_list_keypairs(ssh=True, key_group=SERVER_KEY)
        found = next((key.id for key in known if keys.fingerprint(key.public_key) == print_), None)
        if found is not None:
            return found, False
        return self.ex_create_keypair(f"polycloud-{secrets.token_hex(6)}", auth.pubkey), True

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """A key that was registered for a deployment only is deleted after it."""
        if auth is None or kwargs.get("server_key"):
            yield kwargs
            return
        key, is_new = self._key_for(auth)
        try:
            yield {**kwargs, "server_key": key}
        finally:
            if is_new:
                self.ex_delete_keypair(key, ssh=True)

    # Networks and addresses

    def ex_list_networks(self) -> list[NephoscaleNetwork]:
        """The networks, each once."""
        domains = self.connection.request("/network/domain/").data(list[Domain])
        return [_to_network(domain) for domain in unique(domains, lambda domain: domain.id)]

    def ex_list_subnets(self, private: bool = False) -> list[NephoscaleSubnet]:
        """The public or the private IPv4 subnets, with the status of their addresses."""
        return self._subnets({"ip_type": int(private)})

    def ex_list_free_addresses(self, private: bool = False) -> list[NephoscaleSubnet]:
        """The public or the private IPv4 subnets, with the addresses that no server has."""
        return self._subnets({"ip_type": int(private), "fields": "ipaddress_list_unassigned"})

    def ex_reserve_address(self, subnet: NephoscaleSubnet | str, address: str) -> bool:
        """Keep an address of a subnet for this account."""
        return self._put_address(subnet, address, reserved=True)

    def ex_assign_address(self, subnet: NephoscaleSubnet | str, address: str, node: Node) -> bool:
        """Keep an address and give it to a server."""
        return self._put_address(subnet, address, reserved=True, server=require_id(node))

    def ex_release_address(self, subnet: NephoscaleSubnet | str, address: str) -> bool:
        """Give a reserved address back."""
        return self._put_address(subnet, address, reserved=False)

    def _subnets(self, params: dict[str, Any]) -> list[NephoscaleSubnet]:
        listed = self.connection.request("/network/cidr/ipv4/", params=params).data(list[Cidr])
        return [_to_subnet(cidr) for cidr in listed]

    def _put_address(
        self, subnet: NephoscaleSubnet | str, address: str, *, reserved: bool, server: str | None = None
    ) -> bool:
        form = {"_method": "PUT", "ipaddress": address, "reserved": str(reserved).lower(), "server": server}
        path = f"/network/cidr/ipv4/{segment(_id(subnet, NephoscaleSubnet))}/"
        self.connection.request(path, data=form, method="POST")
        return True

    # Objects from payloads

    def _to_node(self, server: Server, raw: msgspec.Raw) -> Node:
        try:
            public, private = split_by_privacy((server.ipaddresses or "").replace(",", " ").split())
        except ValueError as error:
            raise MalformedResponseError(f"server {server.id} has an odd address: {error}") from error
        type_ = server.service_type
        kind = DedicatedNode if type_ and type_.billable_type == DEDICATED else Node
        return kind(
            str(server.id),
            server.name,
            NODE_STATES.get(server.power_status or "", NodeState.UNKNOWN),
            public,
            private,
            self,
            extra=LazyExtra(raw, _node_extra),
            created_at=_moment(server.create_time),
        )

    def _to_size(self, type_: ServerType) -> NodeSize:
        extra = {
            "vcpus": type_.vcpus,
            "billable_type": type_.billable_type,
            "sku": type_.sku,
            "uri": type_.uri,
        }
        price = self._get_size_price(type_.id)
        name = type_.friendly_name or ""
        return NodeSize(str(type_.id), name, type_.ram, type_.storage or 0, None, price, self, extra)

    def _to_key_pair(self, id_: str, name: str, public_key: str | None, key_group: int | None) -> KeyPair:
        extra = {"id": id_, "key_group": key_group}
        return KeyPair(name, public_key, keys.fingerprint(public_key), self, extra=extra)


def _id(thing: Any, kind: type) -> str | None:
    if thing is None and kind is NodeLocation:
        return None
    if isinstance(thing, kind) or (isinstance(thing, str | int) and thing):
        return str(getattr(thing, "id", thing))
    raise InvalidArgumentError(f"{thing!r} is neither a {kind.__name__} nor the id of one")


def _is_refusal(error: PolycloudError) -> bool:
    """Whether a create that ended with `error` was certainly not carried out."""
    if isinstance(error, ConnectError | TLSError):
        return True
    if isinstance(error, TransportError | MalformedResponseError):
        return False
    # An envelope that says no is a word; a bare failure of the server's is none
    return not (isinstance(error, ServerError) and error.exchange and error.exchange.status in UNSETTLED)


def _whereabouts(created_as: str, node: Node | None) -> str:
    if node is None:
        return f"the create was sent; the server may exist or appear, called {created_as!r}"
    return f"the server exists: id {node.id}, still called {created_as!r}"


def _server_path(node: Node) -> str:
    kind = "dedicated" if isinstance(node, DedicatedNode) else "cloud"
    return f"/server/{kind}/{segment(require_id(node))}/"


def _moment(text: str | None) -> datetime | None:
    """A time of the provider's (UTC); one that cannot be read stays in `extra` only."""
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=UTC)
    except ValueError:
        return None


def _node_extra(raw: bytes) -> dict[str, Any]:
    server = msgspec.json.decode(raw)
    zone = server.get("zone") or {}
    return {
        **{name: server.get(name) for name in EXTRA_KEYS},
        "zone_data": zone,
        "zone": _named(zone, "name"),
        "image": _named(server.get("image"), "friendly_name"),
        "service_type": _named(server.get("service_type"), "friendly_name"),
        **{name: server[name] for name in MORE_EXTRA_KEYS if name in server},
    }


def _named(thing: Any, field: str) -> Any:
    """The name of an object in a payload, which may be told as its name alone."""
    return thing.get(field) if isinstance(thing, dict) else thing


def _image_extra(raw: bytes) -> dict[str, Any]:
    return {**dict.fromkeys(IMAGE_KEYS), **msgspec.json.decode(raw)}


def _to_subnet(cidr: Cidr) -> NephoscaleSubnet:
    free = cidr.ipaddress_list_unassigned
    addresses = cidr.ipaddress_list if free is None else free
    return NephoscaleSubnet(str(cidr.id), cidr.cidr_str, addresses or [], cidr.ipaddress_list_status)


def _to_network(domain: Domain) -> NephoscaleNetwork:
    return NephoscaleNetwork(
        str(domain.id),
        domain.name,
        domain.domain_type == 1,
        bool(domain.is_default),
        domain.zone,
        [_to_subnet(cidr) for cidr in domain.cidr or []],
    )
