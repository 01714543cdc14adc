"""The fake cloud that `polycloud new-driver --openapi` writes: what it answers, and what it keeps."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from polycloud.scaffold import naming
from polycloud.scaffold.discovery import discover
from polycloud.scaffold.openapi import Document
from polycloud.scaffold.package import contents
from polycloud.testing.contract import Contract
from polycloud.testing.loopback import SeenRequest

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("POLYCLOUD_SPECS", ROOT.parent / "shared" / "specs"))
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def record(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required]}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def responding(schema: Any = None, status: int = 200, sent: Any = None) -> dict[str, Any]:
    """An operation that returns `schema`, and takes `sent`; its errors are as `Problem` says."""

    def body(one: Any) -> dict[str, Any]:
        return {"description": "", **({"content": {"application/json": {"schema": one}}} if one else {})}

    found = {"responses": {str(status): body(schema), "4XX": body(ref("Problem"))}}
    return {**found, "requestBody": body(sent)} if sent else found


SERVER = record(
    "id",
    id=NUMBER,
    name=TEXT,
    status={"type": "string", "enum": ["on", "powered_off", "odd"]},
    ips={"type": "array", "items": TEXT, "example": ["203.0.113.9", "10.0.0.1"]},
    plan=ref("Plan"),
    tags=listed(TEXT),
    labels={"type": "object", "additionalProperties": TEXT},
    note={"type": "string", "nullable": True},
    password={"type": "string", "writeOnly": True},
)
SCHEMAS = {
    "Server": SERVER,
    "Plan": record(slug={"type": "string", "example": "small"}, memory={"type": "integer", "example": 512}),
    "Job": record(job=TEXT, state=TEXT),
    "Problem": record(errors=listed(record(code=TEXT, reason=TEXT))),
}
META = record(
    total=NUMBER, pages={"type": "integer", "example": 7}, next={"type": "string", "nullable": True}
)
SERVERS = record("servers", "meta", servers=listed(ref("Server")), meta=META)
ID = {"name": "id", "in": "path", "required": True, "schema": NUMBER}
PATHS: dict[str, Any] = {
    "/servers": {
        "get": {**responding(SERVERS), "parameters": [{"name": "page", "in": "query", "schema": NUMBER}]},
        "post": responding(record(server=ref("Server"), job=ref("Job")), 202, record("name", "plan")),
    },
    "/servers/{id}": {
        "parameters": [ID],
        "get": responding(record(server=ref("Server"))),
        "delete": responding(status=204),
    },
    "/servers/{id}/actions": {"parameters": [ID], "post": responding(ref("Job"), 202)},
    "/servers/{id}/stop": {"parameters": [ID], "post": responding(record(server=ref("Server")))},
    "/plans": {"get": responding(listed(ref("Plan")))},
}
DOCUMENT = {
    "openapi": "3.0.3",
    "servers": [{"url": "https://acme.test"}],
    "paths": PATHS,
    "components": {"schemas": SCHEMAS},
}


class Cloud:
    """A fake that was written from a document; each of its responses must be as the document says."""

    def __init__(self, document: Path, folder: Path) -> None:
        self.api = discover(document)
        for place, text in contents(naming.checked("acme"), self.api).items():
            if place.startswith("tests/documented"):
                (folder / Path(place).name).write_text(text)
        self.fake = runpy.run_path(str(folder / "documented.py"))["Documented"]()
        self.contract = Contract(Document.load(document).content)
        self.base = self.api.base
        self.problems: list[str] = []
        self.name = "acme"

    def path(self, operation: str) -> str:
        """The path of an operation's first call, for the item 1."""
        parts = self.api.calls[operation][0].path.split("/")
        return "/".join("1" if part.startswith("{") else part for part in parts)

    def send(self, method: str, path: str, sent: Any = None) -> tuple[int, Any]:
        request = SeenRequest(method, path, Message(), b"")
        status, body = self.fake.reply(request, request.path.strip("/").split("/"), sent)
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        self.problems += self.contract.response_problems(method, self.base + path, status, headers, content)
        return status, json.loads(content or b"null")


@pytest.fixture
def acme(tmp_path: Path) -> Cloud:
    (tmp_path / "acme.json").write_text(json.dumps(DOCUMENT))
    return Cloud(tmp_path / "acme.json", tmp_path)


def test_the_life_of_a_server(acme: Cloud) -> None:
    """A server is created as it was ordered, listed, shown, stopped, started and deleted, as documented."""
    assert acme.send("GET", "/servers") == (200, {"servers": [], "meta": META_OF_NONE})
    order = {"name": "web", "plan": "small", "tags": ["a", "b"], "labels": {"x": "y"}, "note": "n", "odd": 1}
    status, created = acme.send("POST", "/servers", order)
    server = created["server"]
    assert (status, created["job"]) == (202, {"job": "text", "state": "text"})
    ips = ["203.0.113.9", "10.0.0.1"]
    expected = {
        "name": "web",
        "status": "on",
        "ips": ips,
        "tags": ["a", "b"],
        "labels": {"x": "y"},
        "note": "n",
    }
    assert server == {**expected, "id": 1, "plan": {"slug": "small", "memory": 512}}
    assert acme.send("POST", "/servers", order)[1]["server"]["id"] == 2
    listing = acme.send("GET", "/servers")[1]
    assert ([one["id"] for one in listing["servers"]], listing["meta"]["total"]) == ([1, 2], 2)
    assert acme.send("POST", "/servers/1/stop")[1]["server"]["status"] == "powered_off"
    assert acme.send("GET", "/servers/1")[1]["server"]["status"] == "powered_off"
    assert acme.send("POST", "/servers/1/actions", {"type": "power_on"}) == (202, created["job"])
    assert acme.send("GET", "/servers/1")[1]["server"]["status"] == "on"
    assert acme.send("DELETE", "/servers/1") == (204, None)
    assert [one["id"] for one in acme.send("GET", "/servers")[1]["servers"]] == [2]
    assert acme.problems == []


META_OF_NONE = {"total": 0, "pages": 1, "next": None}


@pytest.mark.parametrize(
    ("field", "schema", "name", "last", "value"),
    [
        ("next", {"type": "string", "nullable": True}, "page", None, "/servers?page=2"),
        ("next_page", {"type": "integer", "nullable": True}, "page", None, 2),
        ("next_token", TEXT, "page_token", ..., "2"),
        ("marker", TEXT, "marker", ..., "2"),
    ],
)
def test_pages(tmp_path: Path, field: str, schema: Any, name: str, last: Any, value: Any) -> None:
    """A list has two servers a page; the next one is a link, a number or a marker, until there is none."""
    envelope = record("servers", servers=listed(ref("Server")), total=NUMBER, **{field: schema})
    listing = {**responding(envelope), "parameters": [{"name": name, "in": "query", "schema": TEXT}]}
    paths = {**PATHS, "/servers": {"get": listing, "post": PATHS["/servers"]["post"]}}
    (tmp_path / "acme.json").write_text(json.dumps({**DOCUMENT, "paths": paths}))
    cloud = Cloud(tmp_path / "acme.json", tmp_path)
    for _ in range(3):
        cloud.send("POST", "/servers", {"name": "web", "plan": "small"})
    first, second = (cloud.send("GET", f"/servers?{name}={page}")[1] for page in (1, 2))
    assert [[one["id"] for one in page["servers"]] for page in (first, second)] == [[1, 2], [3]]
    assert (first["total"], first[field], second.get(field, ...)) == (3, value, last)
    assert cloud.problems == []


def test_an_id_becomes_what_it_names(acme: Cloud) -> None:
    """Where an order has an id and the server an object, the server has the object of that id."""
    acme.fake.collections["plans"].append({"slug": "large", "memory": 4096})
    server = acme.send("POST", "/servers", {"name": "web", "plan": "large"})[1]["server"]
    assert server["plan"] == {"slug": "large", "memory": 4096}


def test_an_address_for_deployments(acme: Cloud) -> None:
    """A new node has the address that a test gives, in place of the document's public one."""
    acme.fake.address = "127.0.0.5"
    server = acme.send("POST", "/servers", {"name": "web", "plan": "small"})[1]["server"]
    assert server["ips"] == ["127.0.0.5", "10.0.0.1"]


def test_refusals(acme: Cloud) -> None:
    """An unknown path or id, and an order without a required field, are errors of the documented form."""
    for method, path, status, reason in [
        ("GET", "/servers/7", 404, "not found: 7"),
        ("DELETE", "/servers/7", 404, "not found: 7"),
        ("POST", "/servers/7/stop", 404, "not found: 7"),
        ("POST", "/servers", 422, "required: name, plan"),
        ("PUT", "/nothing", 404, "unknown: PUT /nothing"),
    ]:
        assert acme.send(method, path) == (status, {"errors": [{"code": "text", "reason": reason}]})
    assert acme.problems == []


def test_what_was_there_before(acme: Cloud) -> None:
    """What a customer cannot create is there from the beginning, with the document's values."""
    assert acme.send("GET", "/plans") == (200, [{"slug": "small", "memory": 512}])


def test_states(acme: Cloud) -> None:
    """The driver's table has each documented state, and says UNKNOWN for one that nobody knows."""
    text = contents(naming.checked("acme"), acme.api)["src/polycloud_acme/driver.py"]
    table = text.partition("STATES = {")[2].partition("}")[0]
    assert [line.strip() for line in table.strip().splitlines()] == [
        '"on": NodeState.RUNNING,',
        '"powered_off": NodeState.STOPPED,',
        '"odd": NodeState.UNKNOWN,',
    ]


# Documents of providers

ORDERS: Mapping[str, dict[str, Any]] = {
    "digitalocean": {"name": "web", "size": "s-1vcpu-1gb", "image": "debian-13", "tags": ["a"]},
    "linode": {"label": "web", "type": "g6-standard-1", "region": "us-east", "tags": ["a"]},
    "hetzner": {"name": "web", "server_type": "cpx11", "image": "debian-13", "labels": {"x": "y"}},
}
STATES = {
    "digitalocean": {"stop_node": "off", "start_node": "active", "reboot_node": "active"},
    "linode": {"stop_node": "offline", "start_node": "running", "reboot_node": "running"},
    "hetzner": {"stop_node": "off", "start_node": "running", "reboot_node": "running"},
}
WORDS = {"stop_node": "power_off", "start_node": "power_on", "reboot_node": "reboot"}
MISTAKES = ("host_uuid", "placement_group")
"""Fields whose examples in a document break its own schemas."""


@pytest.fixture(params=ORDERS)
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Cloud:
    """The fake of a provider's own document, with two nodes."""
    document = SPECS / f"{request.param}.json"
    if not document.exists():
        pytest.skip(f"{document} is missing; POLYCLOUD_SPECS names the folder of such documents")
    cloud = Cloud(document, tmp_path)
    cloud.name = request.param
    for _ in range(2):
        assert cloud.send("POST", cloud.path("create_node"), ORDERS[cloud.name])[0] in {200, 201, 202}
    return cloud


def test_a_node_of_a_provider(cloud: Cloud) -> None:
    """From a provider's document: a node is created as ordered, stopped, started, restarted and deleted."""
    (place,) = cloud.fake.data["state"]["in"]
    node = cloud.fake.collections[place][0]
    order = ORDERS[cloud.name]
    for name in {"name", "label", "tags", "labels"} & order.keys():
        assert node[name] == order[name]
    for operation, state in STATES[cloud.name].items():
        assert cloud.send("POST", cloud.path(operation), {"type": WORDS[operation]})[0] < 300
        assert node["status"] == state, operation
    status, body = cloud.send("GET", cloud.path("get_node"))
    assert (status, node in (body, *body.values())) == (200, True)
    assert cloud.send("DELETE", cloud.path("destroy_node"))[0] < 300
    assert cloud.send("GET", cloud.path("get_node"))[0] == 404
    assert len(cloud.fake.collections[place]) == 1
    assert [one for one in cloud.problems if not any(map(one.__contains__, MISTAKES))] == []


def test_responses_of_a_provider(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a provider's document: each response is as documented, and fits the Struct of its call."""
    module = ModuleType("acme_payloads")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = f"from typing import Any\nfrom msgspec import Struct, field\n{cloud.api.payloads}"
    exec(compile(text, module.__name__, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    sent = {**ORDERS[cloud.name], "type": "power_off"}
    fits = set()
    for operation, calls in cloud.api.calls.items():
        for call in calls:
            status, body = cloud.send(call.method, cloud.path(operation), sent)
            kind = cloud.api.responses.get(call, "").partition(";")[0]
            if kind and status < 300 and call == calls[0]:
                type_ = eval(kind, module.__dict__)  # noqa: S307 - what the driver is told to decode
                msgspec.json.decode(json.dumps(body), type=type_)
                fits.add(operation)
    assert {"list_nodes", "list_sizes", "list_images", "list_locations", "create_node", "get_node"} <= fits
    assert [one for one in cloud.problems if not any(map(one.__contains__, MISTAKES))] == []
