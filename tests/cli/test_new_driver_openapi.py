"""What `polycloud new-driver --openapi` reads from a document."""

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

from polycloud.scaffold import openapi
from polycloud.scaffold.api import Api
from support import clouds, digitalocean, linode

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("POLYCLOUD_SPECS", ROOT.parent / "shared" / "specs"))
ID = {"id": {"type": "integer"}}
TEXT = {"type": "string"}


def answer(schema: Mapping[str, Any], *parameters: str) -> dict[str, Any]:
    named = [{"name": name, "in": "query"} for name in parameters]
    content = {"application/json": {"schema": schema}}
    return {"parameters": named, "responses": {"200": {"content": content}}}


def thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


SCHEMAS = {
    "Server": thing(**ID, name=TEXT, plan=ref("Plan")),
    "Plan": thing(slug=TEXT, memory={"type": "integer"}),
    "Job": thing(**ID, server_id={"type": "integer"}, state=TEXT, parent=ref("Job")),
}


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def made(paths: Mapping[str, Any], url: str = "https://acme.test", **schemas: Any) -> Api:
        components = {"schemas": {**SCHEMAS, **schemas}}
        document = {"openapi": "3.1.0", "servers": [{"url": url}], "paths": paths, "components": components}
        (tmp_path / "acme.json").write_text(json.dumps(document))
        return openapi.read(tmp_path / "acme.json")

    return made


def structs(api: Api, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module with the Structs of the API."""
    module = ModuleType("acme_payloads")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = f"from typing import Any\nfrom msgspec import Struct, field\n{api.payloads}"
    code = compile(text, module.__name__, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - what is written is to be run
    return module


def told(api: Api, method: str, path: str) -> str:
    """What is told of a call's answer."""
    return {str(call): text for call, text in api.answers.items()}[f"{method} {path}"]


# References


SERVERS = {
    "get": answer(thing(servers=listed(ref("Server")))),
    "post": answer(thing(job=ref("Job"))),
}


def test_a_reference_is_what_it_refers_to(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that answers with a job has the job, with all that it tells, and not a server."""
    api = read({"/servers": SERVERS})
    module = structs(api, monkeypatch)
    assert told(api, "POST", "/servers") == "ServerCreated"
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
        {"allOf": [ref("Job"), {"description": "What is done."}]},
        {"oneOf": [ref("Job"), {"type": "null"}]},
    ],
    ids=["itself", "another name", "allOf", "oneOf"],
)
def test_one_schema_is_one_struct(read: Any, monkeypatch: pytest.MonkeyPatch, schema: Any) -> None:
    """However a schema is referred to, from a create, an action or by itself, it is one Struct."""
    reboot = {"post": answer(thing(job=schema))}
    paths = {"/servers": {**SERVERS, "post": answer(schema)}, "/servers/{id}/reboot": reboot}
    api = read(paths, Alias={"$ref": "#/components/schemas/Job"})
    module = structs(api, monkeypatch)
    assert told(api, "POST", "/servers") == "Job"
    assert told(api, "POST", "/servers/{id}/reboot") == "JobAnswer"
    assert module.JobAnswer.__annotations__ == {"job": module.Job}


def test_alternatives_are_read_as_far_as_they_agree(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several objects all properties are known, and one that has two types may be anything."""
    either = {"oneOf": [thing(**ID, at=TEXT, by=TEXT), thing(**ID, at={"type": "integer"}, to=TEXT)]}
    api = read({"/servers": {**SERVERS, "post": answer(thing(server=either))}})
    created = structs(api, monkeypatch).ServerCreated
    for body in (b'{"server": {"id": 1, "at": 5, "to": "x"}}', b'{"server": {"id": 1, "at": "5"}}'):
        assert msgspec.json.decode(body, type=created).server.id == 1
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"server": {"id": 1, "to": 5}}', type=created)


def test_what_is_put_together_of_itself_ends(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas that refer to themselves, alone or in a ring, are read as far as they tell anything."""
    ring = {"allOf": [ref("Server"), ref("Ring")], "properties": {"next": ref("Ring")}}
    both = thing(**ID, inner={"anyOf": [ref("Both"), ref("Ring")]})
    api = read({"/servers": {"get": answer(thing(servers=listed(ref("Ring"))))}}, Ring=ring, Both=both)
    (server,) = msgspec.json.decode(
        b'{"servers": [{"id": 3, "next": {"id": 4}}]}', type=structs(api, monkeypatch).ServerList
    ).servers
    assert (server.id, server.next_) == (3, {"id": 4})
    assert read(
        {"/servers": {"get": answer(thing(servers=listed(ref("Both"))))}}, Ring=ring, Both=both
    ).payloads


def test_what_is_written_out_again_is_the_same(read: Any) -> None:
    """Where nothing is referred to, a create's answer of what a list holds is the list's Struct."""
    disk = thing(**ID, name=TEXT, size={"type": "integer"})
    less = thing(**ID, name=TEXT)
    paths = {
        "/disks": {"get": answer(thing(disks=listed(disk))), "post": answer(less)},
        "/disks/{id}/attach": {"post": answer(disk)},
        "/servers": {"get": answer(thing(servers=listed(less))), "post": answer(thing(**ID, job=TEXT))},
    }
    api = read(paths)
    assert (told(api, "POST", "/disks"), told(api, "POST", "/disks/{id}/attach")) == ("Disk", "Disk")
    assert told(api, "POST", "/servers") == "ServerCreated"


def test_one_thing_in_an_envelope(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers with one thing under its name has a Struct, in which the thing is required."""
    paths = {"/servers": SERVERS, "/servers/{id}": {"get": answer(thing(server=ref("Server")))}}
    api = read(paths)
    assert told(api, "GET", "/servers/{id}") == "ServerAnswer"
    one = structs(api, monkeypatch).ServerAnswer
    assert msgspec.json.decode(b'{"server": {"id": 7}}', type=one).server.id == 7
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"{}", type=one)


def test_answers_that_are_no_objects(read: Any) -> None:
    """Where a list is of words, or nothing is told, no Struct is made up for it."""
    paths = {
        "/servers": {
            "get": answer(thing(servers=listed(ref("Server")))),
            "post": answer(listed(ref("Server"))),
        },
        "/servers/{id}/stop": {"post": answer({"type": "object"})},
        "/regions": {"get": answer(listed(TEXT))},
    }
    api = read(paths)
    assert [told(api, *call) for call in (("POST", "/servers"), ("GET", "/regions"))] == [
        "list[Server]",
        "list[str]",
    ]
    assert len(api.answers) == 3


# Pages


@pytest.mark.parametrize(
    ("envelope", "parameters", "pages"),
    [
        ({}, (), ""),
        ({"next": TEXT}, (), "; follow_marker: next"),
        ({"next_": {"type": ["string", "null"]}}, (), "; follow_marker: next_"),
        ({"next_cursor": TEXT}, (), "; follow_marker: next_cursor"),
        ({"meta": thing(next_marker=TEXT)}, (), "; follow_marker: meta.next_marker"),
        ({"nextPageToken": TEXT, "totalSize": {"type": "integer"}}, (), "; follow_marker: nextPageToken"),
        ({"links": thing(next=TEXT, prev=TEXT)}, (), "; follow_marker: links.next"),
        ({"_links": thing(next=thing(href=TEXT))}, (), "; follow_marker: _links.next.href"),
        ({"pages": {"type": "integer"}, "page": {"type": "integer"}}, (), "; number_pages: pages"),
        ({"meta": thing(total={"type": "integer"})}, (), "; number_pages: meta.total"),
        ({"next": TEXT, "total": {"type": "integer"}}, ("page",), "; number_pages: total"),
        ({"next": TEXT, "total": {"type": "integer"}}, ("cursor",), "; follow_marker: next"),
        ({"next_page": {"type": "integer"}}, (), "; number_pages: next_page"),
        ({"next": TEXT}, ("page",), "; follow_marker: next"),
    ],
)
def test_how_pages_are_read(read: Any, envelope: Any, parameters: tuple[str, ...], pages: str) -> None:
    """A list with a marker or a link is for follow_marker, one with numbers or totals for number_pages."""
    paths = {"/servers": {"get": answer(thing(servers=listed(ref("Server")), **envelope), *parameters)}}
    assert told(read(paths), "GET", "/servers") == f"ServerList{pages}"


# Lists that could be another's


def test_lists_in_one_envelope_are_told_apart(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Things that come under the same key require what the others do not have; what may be null never."""
    names = {"id": TEXT, "name": TEXT}
    items = {
        "images": thing(**names, vendor={"type": "string", "nullable": True}, os=TEXT, x=TEXT),
        "plans": thing(**names, memory={"type": "integer"}, os=TEXT),
        "regions": thing(**names, code={"oneOf": [TEXT, {"type": "null"}]}, country=TEXT),
    }
    api = read({f"/{name}": {"get": answer(thing(data=listed(item)))} for name, item in items.items()})
    module = structs(api, monkeypatch)
    assert [getattr(module, name).__struct_fields__[:2] for name in ("Plan", "Region")] == [
        ("id", "memory"),
        ("id", "country"),
    ]
    body = {"id": "1", "name": "n", "os": "o", "x": "x"}
    assert fitting(module, json.dumps({"data": [body]}).encode()) == ["ImageList"]


def fitting(module: ModuleType, body: bytes) -> list[str]:
    """The Structs of lists that an answer fits."""
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
def test_what_all_paths_begin_with_is_told_once(read: Any, url: str, prefix: str, base: str) -> None:
    """A version before every path of ours is the connection's, be it in the server's address or not."""
    api = read({f"{prefix}/servers": SERVERS, f"{prefix}/plans": {"get": {}}, "/health": {"get": {}}}, url)
    rest = "" if base.endswith(prefix) else prefix
    assert (api.base, str(api.calls["list_nodes"][0])) == (base, f"GET {rest}/servers")


# Guesses


def test_guesses_that_are_none(read: Any) -> None:
    """Zones that one creates are no locations, another thing's snapshots no volume's, an id no name."""
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


def test_guesses_that_are_some(read: Any) -> None:
    """A volume's own snapshots, keys by name, and what is in a project as the servers are, are found."""
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
    return openapi.read(document)


def test_guesses_for_hetzner() -> None:
    """What Hetzner's DNS and storage boxes have is not taken for what its servers have."""
    api = specified("hetzner")
    told_of = {name: " or ".join(map(str, calls)) for name, calls in api.calls.items()}
    assert told_of["list_locations"] == "GET /locations or GET /datacenters"
    assert {"destroy_volume_snapshot", "get_key_pair"}.isdisjoint(told_of)
    assert told(api, "POST", "/servers/{id}/actions/reboot") == "ActionAnswer"


def require_fitting(api: Api, module: ModuleType, call: str, body: bytes) -> None:
    """An answer that has something in it is what is told of its call; a list's fits no other list."""
    kind = told(api, *call.split(" ")).partition(";")[0]
    msgspec.json.decode(body, type=getattr(module, kind))
    assert not kind.endswith("List") or fitting(module, body) == [kind]


def test_digitalocean_answers_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DigitalOcean's sandbox answers fits the Structs, and a list the one of that list alone."""
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


def test_linode_answers_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Linode's sandbox answers fits the Structs, and a list the one of that list alone."""
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
