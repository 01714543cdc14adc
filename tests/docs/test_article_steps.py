"""The article's steps beyond its classes: the registry, `encode_data`, XML-RPC, prices, deploying."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from polycloud.common.base import ConnectionKey, JsonResponse
from polycloud.common.xmlrpc import XMLRPCConnection, XMLRPCResponse
from polycloud.compute import keys, providers
from polycloud.compute.base import Node, NodeImage, NodeSize
from polycloud.compute.deployment import MultiStepDeployment, ScriptDeployment, SSHKeyDeployment
from polycloud.compute.providers import DRIVERS, get_driver
from polycloud.compute.types import NodeState, Provider
from polycloud.errors import InvalidCredsError
from polycloud.pricing import clear_pricing_data, set_pricing
from polycloud.sandbox import Sandbox
from polycloud.testing.replies import http
from polycloud.testing.replies import serve as serve_same
from support.web import serve
from test_article import NephoscaleNodeDriver


class DriverWithKeys(NephoscaleNodeDriver):
    """The article's driver, whose `create_node` waits as in the article and takes a key."""

    def create_node(self, name: str, size: NodeSize, image: NodeImage, **kwargs: Any) -> Node:  # type: ignore[override]
        params = {
            "name": name,
            "hostname": name,
            "service_type": size.id,
            "image": image.id,
            "server_key": kwargs.get("server_key", ""),
        }
        self.connection.request("/server/cloud/", data=urlencode(params), method="POST")
        while True:
            time.sleep(0.05)  # noqa: TID251 - as a reader of the article would
            created = [node for node in self.list_nodes() if node.name == name]
            if created:
                return created[0]


@pytest.fixture
def conn() -> Iterator[DriverWithKeys]:
    with Sandbox("nephoscale", appear=0.05, build=0.1, no_isolation=True) as cloud:
        with DriverWithKeys(*cloud.credentials, **cloud.options) as conn:
            conn.ssh_port = cloud.ssh_port  # type: ignore[attr-defined]
            yield conn


def test_a_row_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose row was added to DRIVERS is found by its provider's constant."""
    monkeypatch.setitem(DRIVERS, Provider.VULTR, ("test_article", "NephoscaleNodeDriver"))
    assert get_driver(Provider.VULTR) is NephoscaleNodeDriver
    assert "vultr" in providers.names()


def test_bodies_encoded_by_hand(conn: DriverWithKeys) -> None:
    """A create whose form was encoded by hand is carried out, and a loop with `time.sleep` finds its node."""
    node = conn.create_node("nepho-7", conn.list_sizes()[0], conn.list_images()[0])
    assert node.name == "nepho-7"


def test_json_by_encode_data() -> None:
    """An `encode_data` that makes JSON is sent as JSON."""

    class Connection(ConnectionKey):
        responseCls = JsonResponse

        def encode_data(self, data: Any) -> str:
            return json.dumps(data)

    with serve() as web:
        seen = Connection("key", **web.options).request("/", data={"a": [1]}, method="POST").object
    assert (json.loads(seen["body"]), seen["headers"]["content-type"]) == ({"a": [1]}, "application/json")


def test_responses_in_xml_rpc() -> None:
    """A subclass of XMLRPCResponse returns the call's value, and its `parse_error` raises for a fault."""

    class Response(XMLRPCResponse):
        def parse_error(self) -> Any:
            raise InvalidCredsError("no such key")

    class Connection(XMLRPCConnection, ConnectionKey):
        responseCls = Response

    value = "<params><param><value><int>7</int></value></param></params>"
    fault = (
        "<fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member><member>"
        "<name>faultString</name><value>no</value></member></struct></value></fault>"
    )

    def reply(content: str) -> bytes:
        text = f"<?xml version='1.0'?><methodResponse>{content}</methodResponse>"
        return http("200 OK", text).replace(b"text/html", b"text/xml")

    with serve_same(lambda _: reply(value)) as server:
        assert Connection("key", url=server.url).call("list") == 7
    with serve_same(lambda _: reply(fault)) as server:
        with pytest.raises(InvalidCredsError, match="no such key"):
            Connection("key", url=server.url).call("list")


def test_hard_coded_prices(conn: DriverWithKeys) -> None:
    """Prices that the provider's API lacks are the shipped ones, or those of `set_pricing`."""
    assert {size.id: size.price for size in conn.list_sizes()}["5"] == 0.031
    set_pricing("compute", "nephoscale", {"5": 0.04})
    try:
        assert {size.id: size.price for size in conn.list_sizes()}["5"] == 0.04
    finally:
        clear_pricing_data()


def test_deploy_a_key_and_a_script(conn: DriverWithKeys) -> None:
    """The inherited `deploy_node` adds a public key and runs a script on the article's node."""
    (private, public), (_, another) = keys.generate(), keys.generate()
    form = {"name": "mine", "public_key": public, "key_group": 1}
    key = conn.connection.request("/key/sshrsa/", data=form, method="POST").object["data"]["id"]
    script = ScriptDeployment("#!/bin/sh\ngrep -c ssh-rsa ~/.ssh/authorized_keys\n")
    node = conn.deploy_node(
        deploy=MultiStepDeployment([SSHKeyDeployment(another), script]),
        name="nepho-8",
        size=conn.list_sizes()[0],
        image=conn.list_images()[0],
        server_key=key,
        ssh_key=private,
        ssh_port=conn.ssh_port,  # type: ignore[attr-defined]
    )
    assert (node.state, script.exit_status) == (NodeState.RUNNING, 0)
    assert int(script.stdout or 0) >= 1


def test_sizes_passed_by_hand_and_chosen() -> None:
    """At SoftLayer, CPU, RAM and disk are passed by hand, or one of the sizes of `list_sizes` is chosen."""
    driver = get_driver(Provider.SOFTLAYER)
    with (
        Sandbox("softlayer", build=0.05, ssh="off") as cloud,
        driver(*cloud.credentials, **cloud.options) as conn,
    ):
        image, location = conn.list_images()[0], conn.list_locations()[0]
        changed = NodeSize("mine", "mine", 1024, 25, None, None, conn, {"vcpus": 1})
        changed.ram = 2048
        sizes = {
            "chosen": next(size for size in conn.list_sizes() if size.ram == 4096),
            "own": conn.custom_size(vcpus=4, ram=8192, disk=100),
            "changed": changed,
        }
        for name, size in sizes.items():
            conn.create_node(name, size, image, location)
        conn.create_node("numbers", image=image, location=location, ex_cpus=2, ex_ram=1024, ex_disk=25)
        nodes = [
            (node.name, node.extra["maxCpu"], node.extra["maxMemory"], node.size)
            for node in conn.list_nodes()
        ]
    assert nodes == [
        ("chosen", sizes["chosen"].extra["vcpus"], 4096, sizes["chosen"].id),
        ("own", 4, 8192, "4-8192-100"),
        ("changed", 1, 2048, "1-2048-25"),
        ("numbers", 2, 1024, "2-1024-25"),
    ]
