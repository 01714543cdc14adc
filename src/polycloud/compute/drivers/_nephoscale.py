"""What NephoScale's driver is built on: connection, payloads, and the methods beyond the base."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import msgspec

from polycloud.common.base import ConnectionUserAndKey, JsonResponse, quote_segment
from polycloud.common.creation import Creation, is_refusal, marker_for
from polycloud.common.credentials import Credential
from polycloud.common.pagination import unique
from polycloud.common.payload import LazyExtra, decoder
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeLocation,
    NodeSize,
)
from polycloud.compute.types import NodeState, Provider
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    UnsupportedOperationError,
    error_from_status,
)
from polycloud.utils.networking import split_by_privacy

__all__ = [
    "API_HOST",
    "NODE_STATES",
    "SERVER_KEY",
    "DedicatedNode",
    "Named",
    "NephoscaleConnection",
    "NephoscaleExtensions",
    "NephoscaleNetwork",
    "NephoscaleResponse",
    "NephoscaleSubnet",
    "NodeKey",
    "Server",
    "ServerCreation",
    "ServerType",
    "id_of",
    "image_extra",
    "server_path",
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
    hostname: str | None = None
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
            return decoder(type_, strict=False).decode(self.envelope.data)
        except RecursionError:
            raise self.malformed("the answer is nested too deeply") from None
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            problem = str(error).replace("`$", "`$.data") if "`$" in str(error) else f"{error} - at `$.data`"
            raise self.malformed(f"the answer is not as documented: {problem}") from None

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


class ServerCreation(Creation[Node]):
    """A create of a server, whose name ends in `mark` until it gets the name `name`.

    With a key its host name ends in `mark` for good. That the create has begun is noted as a key of the
    account's, since nothing else on the provider's side can hold a note.
    """

    def __init__(
        self,
        driver: NephoscaleExtensions,
        path: str,
        form: dict[str, Any],
        name: str,
        mark: str,
        *,
        keyed: bool,
    ) -> None:
        super().__init__(f"the server {name!r}", f"the name {form['name']!r}", keyed=keyed)
        self.driver, self.path, self.form, self.name, self.ending = driver, path, form, name, f"-{mark}"
        self.note = f"polycloud-create-{mark}"

    def send(self) -> None:
        """The provider answers with a job."""
        self.driver._post(self.path, self.form)

    def find(self) -> Node | None:
        """The server whose name, or with a key whose host name, ends in the mark."""
        answer = self.driver.connection.request("/server/" if "dedicated" in self.path else self.path)
        for server, raw in answer.items(Server):
            names = (server.name, server.hostname) if self.keyed else (server.name,)
            if any((text or "").endswith(self.ending) for text in names):
                return self.driver._to_node(server, raw)
        return None

    def begun(self) -> bool:
        """Whether the account has the note; it has from now on."""
        if any(key.name == self.note for key in self.driver.ex_list_keypairs()):
            return True
        import secrets

        self.driver.ex_create_keypair(self.note, password=secrets.token_urlsafe(24))
        return False

    def settle(self, node: Node) -> None:
        """Rename the server, and take the note away."""
        if node.name != self.name:
            self.driver.rename_node(node, self.name)
            node.name = self.name
        notes = self.driver.ex_list_keypairs(password=True) if self.keyed else []
        for note in notes:
            if note.name == self.note:
                self.driver.ex_delete_keypair(note.id)


class NephoscaleExtensions(NodeDriver):
    """The methods beyond the base."""

    type = Provider.NEPHOSCALE
    api_name = "nephoscale"
    name = "NephoScale"
    website = "http://www.nephoscale.com"
    credentials = (Credential("user"), Credential("password"))
    connectionCls = NephoscaleConnection
    features: ClassVar = {"create_node": ["ssh_key"]}
    settle_time: ClassVar[float] = 180.0

    # A create that happens once

    def _create_later(self, path: str, form: dict[str, Any]) -> Node:
        """A server that is on its way, without an id."""
        name = form["name"]
        try:
            job = self._post(path, form)
        except PolycloudError as error:
            if is_refusal(error):
                raise
            raise AmbiguousCreateError(
                f"the answer to the create of {name!r} was lost ({error}); look for that name before "
                "creating another",
                self,
                look_for=f"the name {name!r}",
            ) from error
        return Node("", name, NodeState.PENDING, [], [], self, extra={"job": job})

    def _post(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        """Ask for a server; the job that will make it."""
        job: dict[str, Any] = self.connection.request(path, data=form, method="POST").data(dict[str, Any])
        return job

    def rename_node(self, node: Node, name: str, hostname: str | None = None) -> bool:
        """Give a server another name, and another host name where given."""
        form = {"name": name, "hostname": hostname}
        self.connection.request(server_path(node), data=form, method="PUT")
        return True

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
        self.connection.request(f"/key/{kind}/{quote_segment(key_id)}/", method="DELETE")
        return True

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[str, bool]:
        """The id of the account's key with this public key, and whether it was registered for this."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(f"{self.name} creates servers with SSH keys, not passwords", self)
        print_ = keys.fingerprint(keys.require_public_key(auth.pubkey))
        known = self.ex_list_keypairs(ssh=True, key_group=SERVER_KEY)
        found = next((key.id for key in known if keys.fingerprint(key.public_key) == print_), None)
        if found is not None:
            return found, False
        return self.ex_create_keypair(f"polycloud-{marker_for()}", auth.pubkey), True

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """A key that was registered for a deployment only is deleted after it."""
        if auth is None or kwargs.get("server_key"):
            yield kwargs
            return
        key, is_new = self._key_for(auth)
        forget = partial(self.ex_delete_keypair, key, ssh=True)
        with self._lent(key, forget) if is_new else nullcontext():
            yield {**kwargs, "server_key": key}

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
        path = f"/network/cidr/ipv4/{quote_segment(id_of(subnet, NephoscaleSubnet))}/"
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


def id_of(thing: Any, kind: type) -> str | None:
    if thing is None and kind is NodeLocation:
        return None
    if isinstance(thing, kind) or (isinstance(thing, str | int) and thing):
        return str(getattr(thing, "id", thing))
    raise InvalidArgumentError(f"{thing!r} is neither a {kind.__name__} nor the id of one")


def server_path(node: Node) -> str:
    kind = "dedicated" if isinstance(node, DedicatedNode) else "cloud"
    return f"/server/{kind}/{quote_segment(require_id(node))}/"


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


def image_extra(raw: bytes) -> dict[str, Any]:
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
