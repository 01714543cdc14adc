"""NephoScale: the driver that the tutorial writes, complete.

This file has what every driver begins with: the provider's host, the response, the connection, and the driver
with its lists and actions. What a newcomer may leave for later has modules of its own: how a server becomes a
`Node` (`nodes`), creates that happen exactly once (`creating`), keys (`keys`), and networks (`networks`).

Source: the provider's API as its users recorded it between 2013 and 2020; it is no longer online.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.connection import ConnectionUserAndKey
from polycloud.common.credentials import Credential
from polycloud.common.payload import LazyExtra, copies, decoder
from polycloud.common.resource import with_id
from polycloud.common.response import COMMAS, JsonResponse, Response
from polycloud.compute.drivers.nephoscale.creating import NephoscaleCreating
from polycloud.compute.drivers.nephoscale.keys import NodeKey
from polycloud.compute.drivers.nephoscale.networks import (
    NephoscaleNetwork,
    NephoscaleNetworks,
    NephoscaleSubnet,
)
from polycloud.compute.drivers.nephoscale.nodes import (
    NODE_STATES,
    DedicatedNode,
    Server,
    id_of,
    server_path,
)
from polycloud.compute.objects import Node, NodeImage, NodeLocation, NodeSize, cheapest_first
from polycloud.compute.types import Provider
from polycloud.errors import (
    MalformedResponseError,
    NotFoundError,
    UnsupportedOperationError,
    error_from_status,
)
from polycloud.utils.status import HTTPStatus

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

T = TypeVar("T")
API_HOST = "api.nephoscale.com"
SIZE_KEYS = ("vcpus", "billable_type", "sku", "uri")
IMAGE_KEYS = ("architecture", "disks", "billable_type", "pcpus", "cores", "uri", "storage")


class Envelope(msgspec.Struct):
    """The object around the data of every response."""

    success: bool
    response: int = HTTPStatus.OK
    message: str | None = None
    data: list[msgspec.Raw] | dict[str, msgspec.Raw] | str | float | bool | None = None


@lru_cache(maxsize=128)
def _envelope(type_: Any) -> Any:
    return msgspec.defstruct("Envelope", [("data", type_)])


def _item(value: T, raw: bytes) -> tuple[T, bytes]:
    """Return an object of a list and its bytes."""
    return value, raw


class NephoscaleResponse(JsonResponse):
    """A response of the NephoScale API. Its envelope may report an error although the HTTP status is 200."""

    envelope = Envelope(success=True)

    def success(self) -> bool:
        """Return whether HTTP status and envelope report success. A stream or empty body has no envelope."""
        if not super().success():
            return False
        empty = self.status == HTTPStatus.NO_CONTENT or self.exchange.method == "HEAD"
        if self.raw.chunks is None and not empty:
            self.envelope = self.decode(Envelope, COMMAS)
        accepted = HTTPStatus.OK <= self.envelope.response < HTTPStatus.MULTIPLE_CHOICES
        return self.envelope.success and accepted

    def parse_error(self) -> Any:
        """Raise the error for the envelope's status, or else for the HTTP status, with the message."""
        try:
            envelope = self.decode(Envelope)
        except MalformedResponseError:
            return super().parse_error()
        failures = (code for code in (envelope.response, self.status) if code >= HTTPStatus.BAD_REQUEST)
        code = next(failures, HTTPStatus.BAD_REQUEST)
        error = error_from_status(code, envelope.message or self.reason, self.headers)
        error.definite = Response.success(self)  # an edge would have had another status
        raise error

    def data(self, type_: Any) -> Any:
        """Return the data as `type_`. Raises `MalformedResponseError` with the path of a wrong field."""
        return self.decode(_envelope(type_)).data

    def items(self, type_: Any, build: Callable[[Any, bytes], Any] = _item) -> list[Any]:
        """Return what `build` makes of each object of a list, as a `type_`, and its bytes."""
        data = self.envelope.data
        raws: list[msgspec.Raw] = data if isinstance(data, list) else self.data(list[msgspec.Raw])
        decode = decoder(type_, strict=False).decode
        with self.decoding_all(lambda: _envelope(list[type_])):
            return [build(decode(raw), raw) for raw in copies(raws)]


class NephoscaleConnection(ConnectionUserAndKey):
    """A connection to the NephoScale API: HTTP Basic authentication, bodies are forms, responses slow."""

    host = API_HOST
    responseCls = NephoscaleResponse
    timeout = 180.0
    body_limit = 256 * 1024 * 1024
    """All servers come in one response: 100,000 of them have 110 to 200 MB."""
    value_limit = 10_000_000

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the credentials."""
        headers["Authorization"] = f"Basic {self._user_b64()}"
        return headers

    def secrets(self) -> tuple[str, ...]:
        """Return the password, as it is and as it is sent."""
        return (*super().secrets(), self._user_b64())

    def _user_b64(self) -> str:
        return base64.b64encode(f"{self.user_id}:{self.key}".encode()).decode()


class Zone(msgspec.Struct):
    """A zone of a data center."""

    id: int | str
    name: str | None = None
    activated: bool | None = None


class Image(msgspec.Struct):
    """An image."""

    id: int | str
    friendly_name: str | None = None


class ServerType(msgspec.Struct):
    """A size: `ram` is MB, `storage` GB."""

    id: int | str
    ram: int
    friendly_name: str | None = None
    storage: int | None = None


class NephoscaleNodeDriver(NephoscaleCreating, NephoscaleNetworks):
    """NephoScale's node driver: `NephoscaleNodeDriver("user", "password")`.

    A server that is off is `STOPPED`, so that it can be started. One that is being built is `UNKNOWN` and has
    no address.
    """

    type = Provider.NEPHOSCALE
    api_name = "nephoscale"
    create_names: ClassVar = {"key": "server_key", "network": "ex_networks"}
    name = "NephoScale"
    website = "http://www.nephoscale.com"
    credentials = (Credential("user"), Credential("password"))
    connectionCls = NephoscaleConnection
    features: ClassVar = {"create_node": ["ssh_key"]}

    # Locations, images, sizes

    def list_locations(self) -> list[NodeLocation]:
        """Return the zones that are in service; all are in the United States."""
        response = self.connection.request("/datacenter/zone/")
        return [
            NodeLocation(str(zone.id), zone.name or "", "US", self, LazyExtra(raw, msgspec.json.decode))
            for zone, raw in response.items(Zone)
            if zone.activated is not False
        ]

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """Return all images, or only those of `location`."""
        params = {"region": location and id_of(location, NodeLocation)}
        response = self.connection.request("/image/server/", params=params)
        return [
            NodeImage(str(image.id), image.friendly_name or "", self, LazyExtra(raw, _image_extra))
            for image, raw in response.items(Image)
        ]

    def list_sizes(
        self, location: NodeLocation | None = None, *, ex_dedicated: bool = False
    ) -> list[NodeSize]:
        """Return the sizes of cloud or dedicated servers, cheapest first; all locations have the same."""
        kind = "dedicated" if ex_dedicated else "cloud"
        response = self.connection.request(f"/server/type/{kind}/")
        return cheapest_first(response.items(ServerType, self._to_size))

    # Nodes; `create_node` is in `creating`

    def list_nodes(self, *, ex_dedicated: bool = False) -> list[Node]:
        """Return the cloud servers; with `ex_dedicated` the dedicated servers too."""
        response = self.connection.request("/server/" if ex_dedicated else "/server/cloud/")
        nodes: list[Node] = response.items(Server, self._to_node)
        return nodes

    def get_node(self, node_id: str) -> Node:
        """Return the server with this id, cloud or dedicated. Raises `NotFoundError` if it does not exist."""
        try:
            return super().get_node(node_id)
        except NotFoundError:
            return with_id(self.list_nodes(ex_dedicated=True), node_id, f"{self.name} node")

    def wait_until_running(
        self, nodes: Sequence[Node], *args: Any, **kwargs: Any
    ) -> list[tuple[Node, list[str]]]:
        """Like in the base class, but list dedicated servers too if `nodes` has some."""
        if any(isinstance(node, DedicatedNode) for node in nodes):
            kwargs.setdefault("ex_list_nodes_kwargs", {"ex_dedicated": True})
        return super().wait_until_running(nodes, *args, **kwargs)

    def reboot_node(self, node: Node) -> bool:
        """Restart a server, after the actions requested before."""
        return self._power(node, "restart")

    def start_node(self, node: Node) -> bool:
        """Start a stopped server."""
        return self._power(node, "start")

    def stop_node(self, node: Node) -> bool:
        """Stop a server; it keeps its disk and its addresses."""
        return self._power(node, "stop")

    def destroy_node(self, node: Node) -> bool:
        """Delete a server; deleting it twice succeeds."""
        self.connection.request(server_path(node), method="DELETE")
        return True

    def ex_start_node(self, node: Node) -> bool:
        """Same as `start_node`."""
        return self.start_node(node)

    def ex_stop_node(self, node: Node) -> bool:
        """Same as `stop_node`."""
        return self.stop_node(node)

    def _power(self, node: Node, action: str) -> bool:
        if isinstance(node, DedicatedNode):
            raise UnsupportedOperationError(f"{self.name} has no {action} for dedicated servers", self)
        self.connection.request(f"{server_path(node)}initiator/{action}/", method="POST")
        return True

    def _to_size(self, type_: ServerType, raw: bytes) -> NodeSize:
        extra = LazyExtra(raw, _size_extra)
        price = self._get_size_price(type_.id)
        name = type_.friendly_name or ""
        return NodeSize(str(type_.id), name, type_.ram, type_.storage or 0, None, price, self, extra)


def _size_extra(raw: bytes) -> dict[str, Any]:
    type_ = msgspec.json.decode(raw)
    return {name: type_.get(name) for name in SIZE_KEYS}


def _image_extra(raw: bytes) -> dict[str, Any]:
    return {**dict.fromkeys(IMAGE_KEYS), **msgspec.json.decode(raw)}
