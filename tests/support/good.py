"""A small good driver and its fake, in shapes that rules overlook: login by POST, create by GET, some XML.

`tests/testing/test_mutations.py` changes one line of this file at a time.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from polycloud.common.base import ConnectionKey, JsonResponse, Response, quote_segment
from polycloud.common.creation import Creation, marker_for
from polycloud.common.tokens import Token, TokenConnection
from polycloud.common.xmltree import parse as parse_xml
from polycloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey, NodeDriver, NodeImage, NodeState
from polycloud.compute.objects import NodeLocation, NodeSize, cheapest_first
from polycloud.errors import MalformedResponseError, NotFoundError, PolycloudError
from polycloud.testing import ComputeConformance
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest

STATES = {
    "on": NodeState.RUNNING,
    "off": NodeState.STOPPED,
}
PLANS = {"l": (4096, 80, 0.04), "s": (1024, 20, 0.01)}
UNUSED = (socket, threading, time, NotFoundError, PolycloudError)
"""What mutations use."""


class Access(Struct):
    token: str


class Plan(Struct):
    slug: str
    memory: int
    disk: int
    usd_an_hour: float


class Plans(Struct):
    plans: list[Plan]


class Image(Struct):
    slug: str


class Images(Struct):
    images: list[Image]


class Server(Struct):
    id: str
    name: str
    status: str
    addresses: list[str]
    plan: str
    image: str
    region: str
    tags: list[str]


class Servers(Struct):
    servers: list[Server]
    pages: int = 1


class Reply(JsonResponse):
    def success(self) -> bool:
        is_xml = "xml" in self.headers.get("content-type", "")
        return Response.success(self) if is_xml else super().success()


class Line(TokenConnection, ConnectionKey):
    host = "api.good.example"
    responseCls = Reply

    def authenticate(self) -> Token:
        key = self.key
        access = self.request("/login", json={"key": key}, method="POST").decode(Access)
        return Token(access.token)

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "X-Token": self.token}


class GoodNodeDriver(NodeDriver):
    type = "good"
    name = "Good"
    connectionCls = Line
    connection: Line
    features: ClassVar = {"create_node": ["ssh_key"]}

    def list_locations(self) -> list[NodeLocation]:
        response = self.connection.request("/regions")
        try:
            root = parse_xml(response.content)
        except ValueError as error:
            raise MalformedResponseError(f"/regions is not XML: {error}") from None
        if root.tag != "regions":
            raise MalformedResponseError(f"/regions is not a list: {root.tag}")
        return [
            NodeLocation(one.get("id", ""), one.get("id", ""), "NO", self) for one in root.findall("region")
        ]

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        plans = self.connection.request("/plans").decode(Plans).plans
        sizes = [self._to_size(plan) for plan in plans]
        return cheapest_first(sizes)

    def _to_size(self, plan: Plan) -> NodeSize:
        ram, disk = plan.memory, plan.disk
        price = plan.usd_an_hour
        return NodeSize(plan.slug, plan.slug, ram, disk, 0, price, self)

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        images = self.connection.request("/images").decode(Images).images
        return [NodeImage(one.slug, one.slug, self) for one in images]

    def list_nodes(self) -> list[Node]:
        pages = list(self._pages())
        return [self._to_node(one) for page in pages for one in page.servers]

    def iterate_nodes(self) -> Iterator[Node]:
        for page in self._pages():
            yield from map(self._to_node, page.servers)

    def _pages(self) -> Iterator[Servers]:
        number, last = 1, 1
        while number <= last:
            page = self.connection.request("/servers", {"page": number}).decode(Servers)
            number, last = number + 1, page.pages
            yield page

    def get_node(self, node_id: str) -> Node:
        id_ = quote_segment(node_id)
        return self._to_node(self.connection.request(f"/servers/{id_}").decode(Server))

    def create_node(  # type: ignore[override]
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Node:
        key = self._require_auth(auth)
        body = {
            "name": name,
            "plan": size.id,
            "image": image.id,
            "region": location.id if location else "osl",
            "key": key or "",
        }
        creation = ServerCreation(self, body, marker_for(idempotency_key), keyed=idempotency_key is not None)
        return self._create_once(creation, idempotency_key=idempotency_key)

    def reboot_node(self, node: Node) -> bool:
        return self._act(node, "reboot")

    def start_node(self, node: Node) -> bool:
        return self._act(node, "start")

    def stop_node(self, node: Node) -> bool:
        return self._act(node, "stop")

    def destroy_node(self, node: Node) -> bool:
        return self._act(node, "destroy")

    def _act(self, node: Node, action: str) -> bool:
        id_ = quote_segment(node.id)
        self.connection.request(f"/servers/{id_}/{action}", idempotent=False)
        return True

    def _to_node(self, server: Server) -> Node:
        return Node(
            server.id,
            server.name,
            STATES.get(server.status, NodeState.UNKNOWN),
            [one for one in server.addresses if not one.startswith("10.")],
            [one for one in server.addresses if one.startswith("10.")],
            self,
            server.plan,
            server.image,
            {"tags": server.tags, "region": server.region},
            datetime(2026, 1, 1, tzinfo=UTC),
        )


class ServerCreation(Creation[Node]):
    def __init__(self, driver: GoodNodeDriver, body: dict[str, str], marker: str, *, keyed: bool) -> None:
        self.tag = f"polycloud-{marker}"
        super().__init__(f"the server {body['name']!r}", f"the tag {self.tag!r}", keyed=keyed)
        self.driver, self.body = driver, {**body, "tag": self.tag}

    def send(self) -> Node:
        response = self.driver.connection.request("/create", self.body, idempotent=False)
        return self.driver._to_node(response.decode(Server))

    def find(self) -> Node | None:
        return next((node for node in self.driver.list_nodes() if self.tag in node.extra["tags"]), None)


class FakeCloud(LoopbackServer):
    """The fake: it knows nothing of the driver."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.servers: dict[str, dict[str, Any]] = {}
        self.made = 0

    def answer(self, request: SeenRequest) -> Answer:
        if request.path == "/regions" and request.headers["X-Token"] == "right":
            regions = b"<regions><region id='osl'/><region id='ams'/></regions>"
            return Answer(200, [("Content-Type", "text/xml")], regions)
        with self.lock:
            status, payload = self.reply(request)
        return Answer(status, [("Content-Type", "application/json")], json.dumps(payload).encode())

    def reply(self, request: SeenRequest) -> tuple[int, Any]:
        if request.path == "/login":
            right = json.loads(request.body)["key"] == "key-of-good"
            return (200, {"token": "right"}) if right else (401, {"message": "wrong key"})
        if request.headers["X-Token"] != "right":
            return 401, {"message": "wrong token"}
        query = {name: values[0] for name, values in request.query.items()}
        acts = re.fullmatch("/servers/([^/]+)/(reboot|start|stop|destroy)", request.path)
        if acts:
            return self.act(acts[1], acts[2])
        if request.path.startswith("/servers/"):
            found = self.servers.get(request.path.removeprefix("/servers/"))
            return (200, found) if found else (404, {"message": f"no such server {request.path}"})
        if request.path == "/servers":
            servers, first = list(self.servers.values()), 2 * int(query["page"]) - 2
            return 200, {"servers": servers[first : first + 2], "pages": max(1, (len(servers) + 1) // 2)}
        if request.path == "/create":
            return self.create(query)
        plans = [
            dict(zip(("slug", "memory", "disk", "usd_an_hour"), (slug, *plan), strict=True))
            for slug, plan in PLANS.items()
        ]
        lists = {"/plans": {"plans": plans}, "/images": {"images": [{"slug": "debian"}, {"slug": "alpine"}]}}
        return (200, lists[request.path]) if request.path in lists else (404, {"message": "no such path"})

    def create(self, query: dict[str, str]) -> tuple[int, Any]:
        self.made += 1
        id_ = f"s-{self.made}"
        self.servers[id_] = {
            **{name: query[name] for name in ("name", "plan", "image", "region")},
            "id": id_,
            "status": "on",
            "tags": [query["tag"]],
            "addresses": [f"203.0.113.{self.made % 250}", f"10.0.0.{self.made % 250}"],
        }
        return 200, self.servers[id_]

    def act(self, id_: str, action: str) -> tuple[int, Any]:
        if id_ not in self.servers:
            return 404, {"message": f"no such server {id_}"}
        if action == "destroy":
            del self.servers[id_]
        else:
            self.servers[id_]["status"] = "off" if action == "stop" else "on"
        return 200, {}


LACKING = (
    "create_image copy_image delete_image list_key_pairs get_key_pair "
    "create_key_pair import_key_pair_from_string import_key_pair_from_file delete_key_pair list_volumes "
    "create_volume attach_volume detach_volume destroy_volume list_volume_snapshots create_volume_snapshot "
    "destroy_volume_snapshot"
)


class TestGood(ComputeConformance):
    not_offered = frozenset(LACKING.split())
    patience = 0.0  # its cloud acts at once
    unknown_id = "s-999999"

    @pytest.fixture(scope="class")
    @classmethod
    def driver(cls) -> Iterator[GoodNodeDriver]:
        with FakeCloud() as cloud, GoodNodeDriver("key-of-good", **cloud.options) as driver:
            yield driver
