"""A compute driver as a program writes it for Libcloud: its classes, JSON, and a job that it waits for."""

from __future__ import annotations

import time
from typing import Any

from libcloud.common.base import ConnectionKey, JsonResponse
from libcloud.compute.base import Node, NodeDriver, NodeImage
from libcloud.compute.types import NodeState

ROUNDS = 20
PAUSE = 0.25


class HomemadeConnection(ConnectionKey):
    host = "api.example.com"
    responseCls = JsonResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "X-Key": self.key}


class HomemadeDriver(NodeDriver):
    """Speaks an API of its own; `reboot_node` polls until a job has ended, which it never does."""

    name = "Homemade"
    website = "https://example.com"
    connectionCls = HomemadeConnection
    type = "homemade"

    def list_nodes(self) -> list[Any]:
        return [self._node(data) for data in self._get("/nodes").object]

    def reboot_node(self, node: Any) -> bool:
        for _ in range(ROUNDS):
            if self._get(f"/nodes/{node.id}/job").object["done"]:
                return True
            time.sleep(PAUSE)  # noqa: TID251 - as Libcloud's drivers do
        return False

    def list_images(self, location: Any = None) -> list[Any]:
        raise NotImplementedError("no images here")

    def ex_echo(self, name: str) -> Any:
        """Return an image of this name, as the server names it."""
        data = self._get("/echo", name=name).object
        time.sleep(0)  # noqa: TID251 - another thread may run now
        return NodeImage(data["id"], data["name"], self)

    def ex_iterate_names(self) -> Any:
        """Yield the names of the nodes, a request for each page."""
        for number in range(3):
            yield from self._get("/names", page=number).object

    def _get(self, path: str, **params: Any) -> Any:
        connection: Any = self.connection
        return connection.request(path, params=params)

    def _node(self, data: dict[str, Any]) -> Any:
        return Node(data["id"], data["name"], NodeState.RUNNING, [], [], self, extra=data)
