"""A driver as a third party writes it: plain dicts, plain calls, and no word about event loops."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from polycloud.common.base import ConnectionUserAndKey, JsonResponse
from polycloud.compute.base import Node, NodeDriver, NodeImage, NodeLocation, NodeSize
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidCredsError

STATES = {"on": NodeState.RUNNING, "off": NodeState.STOPPED}


class PlainResponse(JsonResponse):
    def parse_error(self) -> Any:
        if self.status == 401:
            raise InvalidCredsError("Authorization Failed")
        return self.body


class PlainConnection(ConnectionUserAndKey):
    host = "api.nephoscale.com"
    responseCls = PlainResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        pair = f"{self.user_id}:{self.key}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers


class PlainDriver(NodeDriver):
    """Speaks NephoScale's API."""

    name = "Plain"
    connectionCls = PlainConnection

    def list_locations(self) -> list[NodeLocation]:
        zones = self.connection.request("/datacenter/zone/").object["data"]
        return [NodeLocation(zone["id"], zone["name"], "US", self) for zone in zones]

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        images = self.connection.request("/image/server/").object["data"]
        return [NodeImage(image["id"], image["friendly_name"], self) for image in images]

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        sizes = self.connection.request("/server/type/cloud/").object["data"]
        return [
            NodeSize(size["id"], size["friendly_name"], size["ram"], size["storage"], None, None, self)
            for size in sizes
        ]

    def list_nodes(self) -> list[Node]:
        return [self._to_node(data) for data in self.connection.request("/server/cloud/").object["data"]]

    def ex_iterate_names(self) -> Iterator[str | None]:
        """A request for each name."""
        for number in range(len(self.list_nodes())):
            yield self.list_nodes()[number].name

    def create_node(self, name: str, size: NodeSize, image: NodeImage, **kwargs: Any) -> Node:  # type: ignore[override] # as the article has it
        data = {"name": name, "hostname": name, "service_type": size.id, "image": image.id}
        self.connection.request("/server/cloud/", data=data, method="POST")
        while not (created := [node for node in self.list_nodes() if node.name == name]):
            self.connection.sleep(0.02)
        return created[0]

    def destroy_node(self, node: Node) -> bool:
        self.connection.request(f"/server/cloud/{node.id}/", method="DELETE")
        return True

    def _to_node(self, data: dict[str, Any]) -> Node:
        state = STATES.get(data["power_status"], NodeState.UNKNOWN)
        return Node(data["id"], data["name"], state, data["ipaddresses"].split(", ")[:1], [], self)
