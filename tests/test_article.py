"""The article "How to create a driver from scratch" with polycloud: its classes, then its prompt."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from polycloud.common.base import ConnectionUserAndKey, JsonResponse
from polycloud.compute.base import Node, NodeDriver, NodeImage, NodeLocation, NodeSize
from polycloud.compute.providers import get_driver
from polycloud.compute.types import NodeState, Provider
from polycloud.errors import InvalidCredsError, NotFoundError
from polycloud.sandbox import Sandbox
from polycloud.utils.py3 import b, httplib
from support.web import serve

API_HOST = "api.nephoscale.com"

NODE_STATE_MAP = {
    "on": NodeState.RUNNING,
    "off": NodeState.UNKNOWN,
    "unknown": NodeState.UNKNOWN,
}


class NephoscaleResponse(JsonResponse):
    """Nephoscale API Response"""  # noqa: D415 - as the article has it

    def parse_error(self) -> Any:
        if self.status == httplib.UNAUTHORIZED:
            raise InvalidCredsError("Authorization Failed")
        if self.status == httplib.NOT_FOUND:
            raise Exception("The resource you are looking for is not found.")  # noqa: TRY002

        return self.body


class NephoscaleConnection(ConnectionUserAndKey):
    """Nephoscale connection class

    Authenticates to the API through Basic Authentication
    with username/password
    """  # noqa: D415

    host = API_HOST
    responseCls = NephoscaleResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        user_b64 = base64.b64encode(b("%s:%s" % (self.user_id, self.key)))  # noqa: UP031
        headers["Authorization"] = "Basic %s" % (user_b64.decode("utf-8"))  # noqa: UP031
        return headers


class NephoscaleNodeDriver(NodeDriver):
    """Nephoscale node driver class"""  # noqa: D415

    type = Provider.NEPHOSCALE
    api_name = "nephoscale"
    name = "NephoScale"
    website = ""
    connectionCls = NephoscaleConnection
    features = {"create_node": ["ssh_key"]}  # noqa: RUF012

    def list_locations(self) -> list[NodeLocation]:
        result = self.connection.request("/datacenter/zone/").object
        return [
            NodeLocation(id=zone["id"], name=zone["name"], country="US", driver=self)
            for zone in result["data"]
        ]

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        result = self.connection.request("/image/server/").object
        return [
            NodeImage(id=value["id"], name=value["friendly_name"], driver=self) for value in result["data"]
        ]

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        result = self.connection.request("/server/type/cloud/").object
        return [
            NodeSize(
                id=value["id"],
                name=value["friendly_name"],
                ram=value["ram"],
                disk=value["storage"],
                bandwidth=None,
                price=self._get_size_price(size_id=str(value["id"])),
                driver=self,
            )
            for value in result["data"]
        ]

    def list_nodes(self) -> list[Node]:
        result = self.connection.request("/server/cloud/").object
        return [self._to_node(value) for value in result["data"]]

    def create_node(self, name: str, size: NodeSize, image: NodeImage, **kwargs: Any) -> Node:  # type: ignore[override]
        params = {"name": name, "hostname": name, "service_type": size.id, "image": image.id}
        self.connection.request("/server/cloud/", data=params, method="POST")
        for _ in range(100):
            created = [node for node in self.list_nodes() if node.name == name]
            if created:
                return created[0]
            self.connection.sleep(0.05)
        raise AssertionError(f"{name} did not appear")

    def reboot_node(self, node: Node) -> bool:
        result = self.connection.request(f"/server/cloud/{node.id}/initiator/restart/", method="POST").object
        return result.get("response") in {httplib.OK, httplib.ACCEPTED}

    def stop_node(self, node: Node) -> bool:
        result = self.connection.request(f"/server/cloud/{node.id}/initiator/stop/", method="POST").object
        return result.get("response") in {httplib.OK, httplib.ACCEPTED}

    def destroy_node(self, node: Node) -> bool:
        result = self.connection.request(f"/server/cloud/{node.id}/", method="DELETE").object
        return result.get("response") in {httplib.OK, httplib.ACCEPTED}

    def _to_node(self, data: dict[str, Any]) -> Node:
        return Node(
            id=data["id"],
            name=data["name"],
            state=NODE_STATE_MAP.get(data["power_status"], NodeState.UNKNOWN),
            public_ips=data["ipaddresses"].split(", ")[:1],
            private_ips=data["ipaddresses"].split(", ")[1:],
            driver=self,
        )


def test_the_articles_driver_works() -> None:
    """The article's classes, written as it writes them, make a driver that creates, lists and destroys."""
    with Sandbox("nephoscale", appear=0.05, build=0.1) as cloud:
        with NephoscaleNodeDriver(*cloud.credentials, **cloud.options) as conn:
            assert [location.name for location in conn.list_locations()][:2] == ["SJC-1", "RIC-1"]
            size = min(conn.list_sizes(), key=lambda size: size.price or 0)
            node = conn.create_node("nepho-7", size, conn.list_images()[0])
            ((running, addresses),) = conn.wait_until_running([node], wait_period=0.05)
            assert (running.state, running.public_ips) == (NodeState.RUNNING, addresses)
            assert conn.reboot_node(node)
            assert conn.shutdown_node(node)
            assert node.destroy()
            assert conn.supports("get_node")
            assert not conn.supports("create_volume")
        with NephoscaleNodeDriver("user", "wrong_password", **cloud.options) as conn:
            with pytest.raises(InvalidCredsError, match="Authorization Failed"):
                conn.list_nodes()
        with NephoscaleNodeDriver(*cloud.credentials, **cloud.options) as conn:
            with pytest.raises(NotFoundError, match="is not found"):
                conn.connection.request("/no/such/thing/")


def test_the_articles_prompt() -> None:
    """The article's input at the prompt prints the output that it shows."""
    with Sandbox("nephoscale", seed_nodes=1) as cloud:
        driver = get_driver(Provider.NEPHOSCALE)
        conn = driver("user", "correct_password", **cloud.options)
        (node,) = conn.list_nodes()
        assert repr(node).startswith(
            f"<Node: uuid={node.uuid}, name={node.name}, state=RUNNING, public_ips=["
        )
        assert "provider=NephoScale ...>" in repr(node)
        zones = conn.connection.request("/datacenter/zone/").object
        assert (zones["success"], zones["response"], zones["subcode"]) == (True, 200, 0)
        assert zones["data"][0]["datacenter"]["airport_code"] == "SJC"
        conn.close()


def test_credentials_as_params() -> None:
    """The article's other way, credentials among the params of each request, works too."""

    class DigitalOceanConnection(ConnectionUserAndKey):
        responseCls = JsonResponse

        def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
            params["client_id"] = self.user_id
            params["api_key"] = self.key
            return params

    with serve() as web:
        connection = DigitalOceanConnection("me", "k&y", **web.options)
        assert connection.request("/droplets").object["target"] == "/droplets?client_id=me&api_key=k%26y"
