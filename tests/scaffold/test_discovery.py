"""What `polycloud new-driver --openapi` takes from a document."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from polycloud.scaffold.api import Api
from polycloud.scaffold.discovery import discover
from polycloud.scaffold.naming import checked
from polycloud.scaffold.package import contents
from support import clouds, digitalocean, linode

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("POLYCLOUD_SPECS", ROOT.parent / "shared" / "specs"))
ID = {"id": {"type": "integer"}}
TEXT = {"type": "string"}


def responding(schema: Mapping[str, Any], *parameters: str) -> dict[str, Any]:
    named = [{"name": name, "in": "query"} for name in parameters]
    content = {"application/json": {"schema": schema}}
    return {"parameters": named, "responses": {"200": {"content": content}}}


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


SCHEMAS = {
    "Server": record(**ID, name=TEXT, plan=ref("Plan")),
    "Plan": record(slug=TEXT, memory={"type": "integer"}),
    "Job": record(**ID, server_id={"type": "integer"}, state=TEXT, parent=ref("Job")),
}


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def made(paths: Mapping[str, Any], url: str = "https://acme.test", **schemas: Any) -> Api:
        components = {"schemas": {**SCHEMAS, **schemas}}
        document = {"openapi": "3.1.0", "servers": [{"url": url}], "paths": paths, "components": components}
        (tmp_path / "acme.json").write_text(json.dumps(document))
        api = discover(tmp_path / "acme.json")
        contents(checked("acme"), api)  # it must become a package whose files are valid
        return api

    return made


def structs(api: Api, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module with the Structs of the API."""
    module = ModuleType("acme_payloads")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = f"from typing import Any\nfrom msgspec import Struct, field\n{api.payloads}"
    code = compile(text, module.__name__, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - the generated text must run
    return module


def response(api: Api, method: str, path: str) -> str:
    """The type of a call's response, and how its pages are read."""
    return {str(call): text for call, text in api.responses.items()}[f"{method} {path}"]


# References


SERVERS = {
    "get": responding(record(servers=listed(ref("Server")))),
    "post": responding(record(job=ref("Job"))),
}


def test_references_are_followed(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response of a create that returns a job has the job with all its fields, not a server."""
    api = read({"/servers": SERVERS})
    module = structs(api, monkeypatch)
    assert response(api, "POST", "/servers") == "ServerCreated"
    body = b'{"job": {"id": 1010, "server_id": 7, "state": "queued", "parent": {"id": 1}}}'
    job = msgspec.json.decode(body, type=module.ServerCreated).job
    assert isinstance(job, module.Job)
    assert (job.id, job.server_id, job.state, job.parent) == (1010, 7, "queued", {"id": 1})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"job": {"server_id": 7}}', type=module.ServerCreated)


@pytest.mark.parametrize(
    "schema",
    [
        ref("Job"),
        ref("Alias"),
        {"allOf": [ref("Job"), {"description": "The job."}]},
        {"oneOf": [ref("Job"), {"type": "null"}]},
    ],
    ids=["itself", "another name", "allOf", "oneOf"],
)
def test_one_schema_is_one_struct(read: Any, monkeypatch: pytest.MonkeyPatch, schema: Any) -> None:
    """A schema is one Struct, whether a create, an action or the schema itself refers to it."""
    reboot = {"post": responding(record(job=schema))}
    paths = {"/servers": {**SERVERS, "post": responding(schema)}, "/servers/{id}/reboot": reboot}
    api = read(paths, Alias={"$ref": "#/components/schemas/Job"})
    module = structs(api, monkeypatch)
    assert response(api, "POST", "/servers") == "Job"
    assert response(api, "POST", "/servers/{id}/reboot") == "JobResponse"
    assert module.JobResponse.__annotations__ == {"job": module.Job}


def test_alternatives_are_merged(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alternative objects become one Struct with the fields of all; a field with two types is `Any`."""
    either = {"oneOf": [record(**ID, at=TEXT, by=TEXT), record(**ID, at={"type": "integer"}, to=TEXT)]}
    api = read({"/servers": {**SERVERS, "post": responding(record(server=either))}})
    created = structs(api, monkeypatch).ServerCreated
    for body in (b'{"server": {"id": 1, "at": 5, "to": "x"}}', b'{"server": {"id": 1, "at": "5"}}'):
        assert msgspec.json.decode(body, type=created).server.id == 1
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"server": {"id": 1, "to": 5}}', type=created)


def test_recursive_schemas(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas that refer to themselves, directly or in a ring, become Structs with their other fields."""
    ring = {"allOf": [ref("Server"), ref("Ring")], "properties": {"next": ref("Ring")}}
    both = record(**ID, inner={"anyOf": [ref("Both"), ref("Ring")]})
    api = read({"/servers": {"get": responding(record(servers=listed(ref("Ring"))))}}, Ring=ring, Both=both)
    (server,) = msgspec.json.decode(
        b'{"servers": [{"id": 3, "next": {"id": 4}}]}', type=structs(api, monkeypatch).ServerList
    ).servers
    assert (server.id, server.next_) == (3, {"id": 4})
    assert read(
        {"/servers": {"get": responding(record(servers=listed(ref("Both"))))}}, Ring=ring, Both=both
    ).payloads


def test_inline_schemas_that_match_are_one_struct(read: Any) -> None:
    """Without references, a create that returns fields of a list's items has the Struct of the list."""
    disk = record(**ID, name=TEXT, size={"type": "integer"})
    less = record(**ID, name=TEXT)
    paths = {
        "/disks": {"get": responding(record(disks=listed(disk))), "post": responding(less)},
        "/disks/{id}/attach": {"post": responding(disk)},
        "/servers": {
            "get": responding(record(servers=listed(less))),
            "post": responding(record(**ID, job=TEXT)),
        },
    }
    api = read(paths)
    assert (response(api, "POST", "/disks"), response(api, "POST", "/disks/{id}/attach")) == ("Disk", "Disk")
    assert response(api, "POST", "/servers") == "ServerCreated"


def test_a_resource_in_an_envelope(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response with a resource under its name is a Struct in which the resource is required."""
    paths = {"/servers": SERVERS, "/servers/{id}": {"get": responding(record(server=ref("Server")))}}
    api = read(paths)
    assert response(api, "GET", "/servers/{id}") == "ServerResponse"
    one = structs(api, monkeypatch).ServerResponse
    assert msgspec.json.decode(b'{"server": {"id": 7}}', type=one).server.id == 7
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"{}", type=one)


def test_responses_without_objects(read: Any) -> None:
    """Lists of strings and objects without fields get no Struct."""
    paths = {
        "/servers": {
            "get": responding(record(servers=listed(ref("Server")))),
            "post": responding(listed(ref("Server"))),
        },
        "/servers/{id}/stop": {"post": responding({"type": "object"})},
        "/regions": {"get": responding(listed(TEXT))},
    }
    api = read(paths)
    assert [response(api, *call) for call in (("POST", "/servers"), ("GET", "/regions"))] == [
        "list[Server]",
        "list[str]",
    ]
    assert len(api.responses) == 3


# Pages


@pytest.mark.parametrize(
    ("envelope", "parameters", "pages"),
    [
        ({}, (), ""),
        ({"next": TEXT}, (), "; follow_marker: next"),
        ({"next_": {"type": ["string", "null"]}}, (), "; follow_marker: next_"),
        ({"next_cursor": TEXT}, (), "; follow_marker: next_cursor"),
        ({"meta": record(next_marker=TEXT)}, (), "; follow_marker: meta.next_marker"),
        ({"nextPageToken": TEXT, "totalSize": {"type": "integer"}}, (), "; follow_marker: nextPageToken"),
        ({"links": record(next=TEXT, prev=TEXT)}, (), "; follow_marker: links.next"),
        ({"_links": record(next=record(href=TEXT))}, (), "; follow_marker: _links.next.href"),
        ({"pages": {"type": "integer"}, "page": {"type": "integer"}}, (), "; number_pages: pages"),
        ({"meta": record(total={"type": "integer"})}, (), "; number_pages: meta.total"),
        ({"next": TEXT, "total": {"type": "integer"}}, ("page",), "; number_pages: total"),
        ({"next": TEXT, "total": {"type": "integer"}}, ("cursor",), "; follow_marker: next"),
        ({"next_page": {"type": "integer"}}, (), "; number_pages: next_page"),
        ({"next": TEXT}, ("page",), "; follow_marker: next"),
    ],
)
def test_how_pages_are_read(read: Any, envelope: Any, parameters: tuple[str, ...], pages: str) -> None:
    """A list with a marker or a link is for follow_marker, one with numbers or totals for number_pages."""
    paths = {"/servers": {"get": responding(record(servers=listed(ref("Server")), **envelope), *parameters)}}
    assert response(read(paths), "GET", "/servers") == f"ServerList{pages}"


# Lists that could be mistaken for others


def test_lists_in_one_envelope_are_distinguished(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items under the same key require a field that others do not have, never one that may be null."""
    names = {"id": TEXT, "name": TEXT}
    items = {
        "images": record(**names, vendor={"type": "string", "nullable": True}, os=TEXT, x=TEXT),
        "plans": record(**names, memory={"type": "integer"}, os=TEXT),
        "regions": record(**names, code={"oneOf": [TEXT, {"type": "null"}]}, country=TEXT),
    }
    api = read({f"/{name}": {"get": responding(record(data=listed(item)))} for name, item in items.items()})
    module = structs(api, monkeypatch)
    assert [getattr(module, name).__struct_fields__[:2] for name in ("Plan", "Region")] == [
        ("id", "memory"),
        ("id", "country"),
    ]
    body = {"id": "1", "name": "n", "os": "o", "x": "x"}
    assert fitting(module, json.dumps({"data": [body]}).encode()) == ["ImageList"]


def fitting(module: ModuleType, body: bytes) -> list[str]:
    """The Structs of lists that a response fits."""
    found = []
    for name in [name for name in vars(module) if name.endswith("List")]:
        try:
            msgspec.json.decode(body, type=getattr(module, name))
        except msgspec.ValidationError:
            continue
        found.append(name)
    return found


# Paths


@pytest.mark.parametrize(
    ("url", "prefix", "base"),
    [
        ("https://acme.test", "/v2", "/v2"),
        ("https://acme.test/v2", "/v2", "/v2"),
        ("https://acme.test/api", "/v2", "/api/v2"),
        ("https://acme.test", "/api/v1.1", "/api/v1.1"),
        ("https://acme.test/v2", "", "/v2"),
        ("https://acme.test", "/cloud", ""),
    ],
)
def test_the_prefix_of_all_paths(read: Any, url: str, prefix: str, base: str) -> None:
    """A version before every matching path goes to the connection, unless the server's URL has it."""
    api = read({f"{prefix}/servers": SERVERS, f"{prefix}/plans": {"get": {}}, "/health": {"get": {}}}, url)
    rest = "" if base.endswith(prefix) else prefix
    assert (api.base, str(api.calls["list_nodes"][0])) == (base, f"GET {rest}/servers")


# Guesses


def test_calls_that_do_not_match(read: Any) -> None:
    """Not matched: zones that can be created, snapshots of another resource, a key by its id."""
    paths = {
        "/servers": SERVERS,
        "/locations": {"get": {}},
        "/zones": {"get": {}, "post": {}},
        "/boxes/{id}/snapshots/{snapshot}": {"delete": {}},
        "/ssh_keys/{id}": {"get": {}, "delete": {}},
    }
    calls = read(paths).calls
    assert [str(call) for call in calls["list_locations"]] == ["GET /locations"]
    assert {"destroy_volume_snapshot", "get_key_pair"}.isdisjoint(calls)
    assert [str(call) for call in calls["delete_key_pair"]] == ["DELETE /ssh_keys/{id}"]


def test_calls_that_match(read: Any) -> None:
    """Matched: snapshots of a volume, keys by name, and resources in the same project as the servers."""
    paths = {
        "/projects/{project}/servers": SERVERS,
        "/projects/{project}/zones": {"get": {}},
        "/projects/{project}/volumes/{id}/snapshots/{snapshot}": {"delete": {}},
        "/projects/{project}/keys/{key_name}": {"get": {}},
    }
    calls = read(paths).calls
    assert {"list_nodes", "list_locations", "destroy_volume_snapshot", "get_key_pair"} <= calls.keys()


# Documents of providers


def specified(name: str) -> Api:
    document = SPECS / f"{name}.json"
    if not document.exists():
        pytest.skip(f"{document} is missing; POLYCLOUD_SPECS names the folder of such documents")
    return discover(document)


def test_hetzner() -> None:
    """Resources of Hetzner's DNS and storage boxes are not mistaken for those of its servers."""
    api = specified("hetzner")
    calls = {name: " or ".join(map(str, some)) for name, some in api.calls.items()}
    assert calls["list_locations"] == "GET /locations or GET /datacenters"
    assert {"destroy_volume_snapshot", "get_key_pair"}.isdisjoint(calls)
    assert response(api, "POST", "/servers/{id}/actions/reboot") == "ActionResponse"


def require_fitting(api: Api, module: ModuleType, call: str, body: bytes) -> None:
    """A response that is not empty has the type of its call; a list fits no other list's type."""
    kind = response(api, *call.split(" ")).partition(";")[0]
    msgspec.json.decode(body, type=getattr(module, kind))
    assert not kind.endswith("List") or fitting(module, body) == [kind]


def test_digitalocean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses of DigitalOcean's sandbox fit the Structs, and a list fits its own Struct only."""
    api = specified("digitalocean")
    module = structs(api, monkeypatch)
    key = {"name": "me", "public_key": clouds.KEY}
    disk = {"name": "disk", "size_gigabytes": 10, "region": "nyc3"}
    with digitalocean.client() as client:
        droplet = client.built()["id"]
        volume = client.act("POST", "/volumes", **{**disk, "name": "other"})["volume"]["id"]
        for call, path, sent in [
            ("POST /droplets", "/droplets", digitalocean.ORDER),
            ("POST /account/keys", "/account/keys", key),
            ("POST /volumes", "/volumes", disk),
            ("POST /volumes/{volume_id}/snapshots", f"/volumes/{volume}/snapshots", {"name": "then"}),
            ("POST /droplets/{droplet_id}/actions", f"/droplets/{droplet}/actions", {"type": "reboot"}),
            ("GET /droplets", "/droplets", None),
            ("GET /droplets/{droplet_id}", f"/droplets/{droplet}", None),
            ("GET /sizes", "/sizes", None),
            ("GET /images", "/images", None),
            ("GET /regions", "/regions", None),
            ("GET /account/keys", "/account/keys", None),
            ("GET /volumes", "/volumes", None),
            ("GET /volumes/{volume_id}/snapshots", f"/volumes/{volume}/snapshots", None),
        ]:
            require_fitting(api, module, call, client.send(call.split()[0], path, sent).data)
    assert (api.host, api.base) == ("api.digitalocean.com", "/v2")


def test_linode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses of Linode's sandbox fit the Structs, and a list fits its own Struct only."""
    api = specified("linode")
    module = structs(api, monkeypatch)
    disk = {"label": "disk", "size": 20, "region": "us-east"}
    with linode.client() as client:
        instance = client.built()["id"]
        for call, path, sent in [
            ("POST /linode/instances", "/linode/instances", {**linode.ORDER, "label": "other"}),
            ("POST /profile/sshkeys", "/profile/sshkeys", {"label": "me", "ssh_key": clouds.KEY}),
            ("POST /volumes", "/volumes", disk),
            ("GET /linode/instances", "/linode/instances", None),
            ("GET /linode/instances/{linodeId}", f"/linode/instances/{instance}", None),
            ("GET /linode/types", "/linode/types", None),
            ("GET /images", "/images", None),
            ("GET /regions", "/regions", None),
            ("GET /profile/sshkeys", "/profile/sshkeys", None),
            ("GET /volumes", "/volumes", None),
        ]:
            require_fitting(api, module, call, client.send(call.split()[0], path, sent).data)
    assert (api.host, api.base) == ("api.linode.com", "/v4")
