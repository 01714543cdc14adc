"""Swift in the sandbox: its official client, OpenStack's SDK, and real Swift beside it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import json
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox
from support import kit
from support.libraries import Library

swiftclient = Library("swiftclient")
service = Library("swiftclient.service")
sdk = Library("openstack")

pytestmark = pytest.mark.filterwarnings("ignore::Warning:openstack", "ignore::DeprecationWarning")

PASSWORD = "openstack_sandbox"
HELLO = "5d41402abc4b2a76b9719d911017c592"


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack_swift", ssh="off", largest_page=3) as sandbox:
        yield sandbox


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    """The official client, which logs in by v1."""
    connection = swiftclient.Connection(f"{cloud.url}/auth/v1.0", "demo:demo", PASSWORD, retries=0)
    with contextlib.closing(connection):
        yield connection


def refused(call: Any, *arguments: Any, **more: Any) -> int:
    """Return the status with which a call is refused."""
    with pytest.raises(swiftclient.ClientException) as error:
        call(*arguments, **more)
    status: int = error.value.http_status
    return status


def test_objects(client: Any) -> None:
    """The client puts, reads, describes, copies, lists over pages and deletes objects."""
    client.put_container("box", headers={"X-Container-Meta-Color": "red"})
    assert client.head_container("box")["x-container-meta-color"] == "red"
    for name in ("a", "b/1", "b/2", "ü\n", "z//", "😀"):
        etag = client.put_object("box", name, b"hello", headers={"X-Object-Meta-Owner": "ann"})
        assert etag == HELLO
    headers, body = client.get_object("box", "ü\n")
    assert (headers["x-object-meta-owner"], body) == ("ann", b"hello")
    assert client.get_object("box", "a", headers={"Range": "bytes=1-2"})[1] == b"el"
    listed = client.get_container("box", full_listing=True)[1]
    assert [row["name"] for row in listed] == ["a", "b/1", "b/2", "z//", "ü\n", "😀"]
    assert client.get_container("box", prefix="b", delimiter="/")[1] == [{"subdir": "b/"}]
    client.copy_object("box", "a", destination="/box/copy", headers={"X-Object-Meta-New": "x"})
    assert client.head_object("box", "copy")["x-object-meta-owner"] == "ann"
    client.post_object("box", "a", {"X-Object-Meta-Only": "1"})
    assert "x-object-meta-owner" not in client.head_object("box", "a")
    assert refused(client.delete_container, "box") == 409
    for row in client.get_container("box", full_listing=True)[1]:
        client.delete_object("box", row["name"])
    client.delete_container("box")
    assert refused(client.head_container, "box") == 404


def test_conditions(client: Any) -> None:
    """A wrong MD5 is 422, a condition that is not met 412, a range past the end 416."""
    client.put_container("box")
    assert refused(client.put_object, "box", "a", b"hello", etag="0" * 32) == 422
    assert refused(client.get_object, "box", "a") == 404
    client.put_object("box", "a", b"hello")
    assert refused(client.put_object, "box", "a", b"2", headers={"If-None-Match": "*"}) == 412
    assert refused(client.get_object, "box", "a", headers={"If-Match": "other"}) == 412
    assert refused(client.get_object, "box", "a", headers={"Range": "bytes=5-"}) == 416


def test_segments(cloud: Sandbox, client: Any, tmp_path: Any) -> None:
    """The client uploads a file in segments, which are one object, and deletes all of them."""
    file = tmp_path / "big"
    file.write_bytes(bytes(range(256)) * 4096)
    options = {
        "auth": f"{cloud.url}/auth/v1.0",
        "user": "demo:demo",
        "key": PASSWORD,
        "segment_size": 300_000,
        "use_slo": True,
    }
    with service.SwiftService(options=options) as swift:
        upload = service.SwiftUploadObject(str(file), object_name="big")
        assert all(step["success"] for step in swift.upload("box", [upload]))
        head, body = client.get_object("box", "big")
        assert (body, head["x-static-large-object"]) == (file.read_bytes(), "True")
        assert client.head_container("box_segments")["x-container-object-count"] == "4"
        assert all(step["success"] for step in swift.delete("box", ["big"]))
        assert client.head_container("box_segments")["x-container-object-count"] == "0"


def test_loops(client: Any) -> None:
    """A large object that is its own segment cannot be read."""
    client.put_container("box")
    client.put_object("box", "a", b"hello")
    manifest = json.dumps([{"path": "/box/a"}])
    client.put_object("box", "a", manifest, query_string="multipart-manifest=put")
    assert refused(client.get_object, "box", "a") == 409


def test_temporary_url(cloud: Sandbox, client: Any) -> None:
    """A temporary URL works until it expires, for its method and its object only."""
    client.post_account({"X-Account-Meta-Temp-URL-Key": "key"})
    client.put_container("box")
    client.put_object("box", "a", b"hello")
    path = client.get_auth()[0].removeprefix(cloud.url) + "/box/a"

    def send(method: str, signed: str, seconds: int, at: str = path) -> int:
        expires = int(time.time()) + seconds
        sig = hmac.new(b"key", f"{signed}\n{expires}\n{path}".encode(), hashlib.sha256).hexdigest()
        url = f"{cloud.url}{at}?temp_url_sig={sig}&temp_url_expires={expires}"
        with urllib3.PoolManager() as pool:
            return pool.request(method, url).status

    assert (send("GET", "GET", 60), send("HEAD", "GET", 60), send("PUT", "PUT", 60)) == (200, 200, 201)
    assert (send("PUT", "GET", 60), send("GET", "GET", -1), send("GET", "GET", 60, f"{path}b")) == (401,) * 3


def test_sdk(cloud: Sandbox) -> None:
    """OpenStack's SDK finds Swift in the catalogue of each region, and streams an object."""
    for region in ("RegionOne", "RegionTwo"):
        with sdk.connect(
            auth_url=f"{cloud.url}/identity",
            username="demo",
            password=PASSWORD,
            project_name="demo",
            user_domain_name="Default",
            project_domain_name="Default",
            region_name=region,
        ) as client:
            store = client.object_store
            assert list(store.containers()) == []
            store.create_container("box")
            store.upload_object("box", "a", data=b"hello")
            store.set_object_metadata("a", container="box", owner="ann")
            assert [one.name for one in store.objects("box")] == ["a"]
            assert b"".join(store.stream_object("a", container="box")) == b"hello"
            assert store.get_object_metadata("a", container="box").metadata["owner"] == "ann"
            assert store.get_info().swift["container_listing_limit"] == 3


def test_others(cloud: Sandbox) -> None:
    """Without a token it is 401, with another project's 403; a public container is readable."""
    url, token = swiftclient.get_auth(f"{cloud.url}/auth/v1.0", "demo:demo", PASSWORD)
    other = re.sub("AUTH_.*", "AUTH_other", url)
    assert refused(swiftclient.get_account, url, "") == 401
    assert refused(swiftclient.get_account, other, token) == 403
    swiftclient.put_container(url, token, "box")
    swiftclient.put_object(url, token, "box", "a", io.BytesIO(b"hello"))
    assert refused(swiftclient.get_object, url, "", "box", "a") == 401
    swiftclient.post_container(url, token, "box", {"X-Container-Read": ".r:*"})
    assert swiftclient.get_object(url, "", "box", "a")[1] == b"hello"
    assert refused(swiftclient.get_container, url, "", "box") == 401
    assert refused(swiftclient.get_auth, f"{cloud.url}/auth/v1.0", "demo:demo", "wrong") == 401


def test_versions() -> None:
    """A container that keeps versions has what was replaced and deleted, until that is deleted by its id."""
    real = walk_versions((kit.url_of("swift"), "test:tester", "testing"))
    with Sandbox("openstack_swift", ssh="off") as cloud:
        assert walk_versions((f"{cloud.url}/auth/v1.0", "demo:demo", PASSWORD)) == real


def walk_versions(login: tuple[str, str, str]) -> list[Any]:
    """Return what a server says about versions, with their numbers in place of their ids."""
    base, token = swiftclient.get_auth(*login)
    box, ids = f"{base}/versions-{uuid.uuid4().hex[:8]}", ["0"]
    seen: list[Any] = []

    def send(method: str, at: str = "", body: str = "", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = pool.request(method, box + at, body, headers={"X-Auth-Token": token, **named})
        found = [response.headers.get(name, "") for name in ("X-Object-Version-Id", "X-Versions-Enabled")]
        if found[0] and found[0] not in ids:
            ids.append(found[0])
        rows = [
            (row["bytes"], row["content_type"], row["is_latest"], row["version_id"] in ids)
            for row in (json.loads(response.data) if "versions" in at else ())
        ]
        text = rows if "versions" in at else "" if response.status >= 400 else response.data
        seen.append((method, response.status, ids.index(found[0]) if found[0] else None, found[1], text))

    listing = "?versions&format=json"
    with urllib3.PoolManager(retries=False) as pool:
        send("PUT")
        send("PUT", "/a", "old")
        send("POST", X_Versions_Enabled="true")
        for body in ("1", "22"):
            send("PUT", "/a", body)
        send("HEAD")
        send("GET", "/a")
        send("GET", listing)
        for version in (ids[1], "1600000000.00000", "nope"):
            send("GET", f"/a?version-id={version}")
        send("POST", f"/a?version-id={ids[1]}")
        send("PUT", f"/b?version-id={ids[1]}", X_Copy_From=f"/{box.rpartition('/')[2]}/a")
        send("GET", "/b")
        send("DELETE", "/b")
        send("DELETE", "/a")
        send("GET", listing)
        send("GET", f"{listing}&marker=a&version_marker={ids[2]}")
        send("GET", f"{listing}&limit=1")
        send("PUT", f"/a?version-id={ids[1]}")
        send("GET", "/a")
        send("GET", listing)
        send("DELETE", f"/a?version-id={ids[1]}")
        send("GET", listing)
        send("DELETE")
        send("DELETE", f"/a?version-id={ids[2]}")
    return seen


# Beside real Swift

SLO = json.dumps([{"path": "/C/a.txt", "etag": HELLO, "size_bytes": 5}, {"path": "/C/b.txt", "range": "1-2"}])
BROKEN = json.dumps([{"path": "/C/a.txt", "etag": "x"}])
PUT_SLO, GET_SLO = "/C/slo?multipart-manifest=put", "/C/slo?multipart-manifest=get"
BULK = {"Content-Type": "text/plain", "Accept": "application/json"}
STEPS: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("PUT", "/C", {"X-Container-Meta-A": "b"}, ""),
    ("PUT", "/C/", {}, ""),
    ("HEAD", "/C", {}, ""),
    ("GET", "/C", {}, ""),
    ("PUT", "/C/a.txt", {"X-Object-Meta-Foo": "bar", "X-Object-Meta-Empty": ""}, "hello"),
    ("PUT", "/C/a.txt", {"ETag": "0" * 32}, "hello"),
    ("PUT", "/C/a.txt", {"If-None-Match": "*"}, "hello"),
    ("PUT", "/C/a.txt", {"If-None-Match": "abc"}, "hello"),
    ("HEAD", "/C/a.txt", {}, ""),
    *(
        ("GET", "/C/a.txt", {"Range": f"bytes={one}"}, "")
        for one in ("1-2", "9-", "-2", "3-1", "0-999", "-0")
    ),
    *(("GET", "/C/a.txt", {"If-None-Match": one}, "") for one in (HELLO, f'"{HELLO}"', "*")),
    ("GET", "/C/a.txt", {"If-Match": HELLO, "Range": "bytes=1-"}, ""),
    ("GET", "/C/a.txt", {"If-Modified-Since": "Sun, 01 Jan 2090 00:00:00 GMT"}, ""),
    ("PUT", "/C/empty", {}, ""),
    ("GET", "/C/empty", {"Range": "bytes=0-"}, ""),
    ("GET", "/C/empty", {"Range": "bytes=-3"}, ""),
    ("POST", "/C/a.txt", {"X-Object-Meta-Z": "1"}, ""),
    ("HEAD", "/C/a.txt", {}, ""),
    ("POST", "/C/nope", {}, ""),
    ("POST", "/C", {f"X-Container-Meta-{number}": "x" for number in range(91)}, ""),
    ("POST", "/C", {"X-Container-Meta-B": "c", "X-Remove-Container-Meta-A": "x"}, ""),
    ("HEAD", "/C", {}, ""),
    ("POST", "/C", {"X-Container-Meta-B": ""}, ""),
    *(("GET", f"/C{one}", {}, "") for one in ("?limit=20000", "?limit=x", "?limit=0", "?reverse=on")),
    ("GET", "/C", {"Accept": "application/json"}, ""),
    ("DELETE", "/C", {}, ""),
    ("COPY", "/C/a.txt", {"Destination": "C/b.txt"}, ""),
    ("COPY", "/C/a.txt", {"Destination": "C"}, ""),
    ("COPY", "/C/a.txt", {"Destination": "/nope/x"}, ""),
    ("PUT", "/C/c", {"X-Copy-From": "/C/nope"}, ""),
    ("PUT", "/C/c%20d", {"X-Copy-From": "/C/a.txt", "X-Object-Meta-New": "n"}, ""),
    ("PUT", "/C/e", {"X-Copy-From": "C/c%20d", "X-Fresh-Metadata": "true", "Content-Type": "x/y"}, ""),
    ("HEAD", "/C/e", {}, ""),
    ("PUT", "/C/e", {"X-Copy-From": "C/a.txt"}, "zzz"),
    *((method, "/nope/c", {}, "") for method in ("PUT", "GET", "HEAD", "DELETE")),
    *((method, "/nope", {}, "") for method in ("GET", "HEAD", "DELETE", "POST")),
    ("PUT", PUT_SLO, {"X-Object-Meta-S": "t", "Content-Type": "video/x"}, SLO),
    ("PUT", PUT_SLO, {"ETag": "123"}, SLO),
    ("PUT", PUT_SLO, {"Accept": "application/json"}, BROKEN),
    ("PUT", PUT_SLO, {}, BROKEN),
    *(("PUT", PUT_SLO, {}, one) for one in ('[{"path":"/C"}]', '[{"path":"/C/a","zz":1}]')),
    ("GET", "/C/slo", {}, ""),
    ("GET", "/C/slo", {"Range": "bytes=3-5"}, ""),
    ("GET", "/C/slo", {"If-Match": '"9abf1d2731c881fadc46da3e0ba193bd"'}, ""),
    ("GET", GET_SLO, {}, ""),
    ("GET", f"{GET_SLO}&format=raw", {}, ""),
    ("POST", "/C/slo", {"X-Object-Meta-Q": "1"}, ""),
    ("HEAD", "/C/slo", {}, ""),
    ("COPY", "/C/slo", {"Destination": "C/copy"}, ""),
    ("COPY", GET_SLO, {"Destination": "C/copied"}, ""),
    ("HEAD", "/C/copied", {}, ""),
    ("PUT", "/C/a.txt", {}, "other"),
    ("GET", "/C/slo", {}, ""),
    ("HEAD", "/C/slo", {}, ""),
    *(("DELETE", f"/C/{one}?multipart-manifest=delete", BULK, "") for one in ("slo", "empty", "nope")),
    ("POST", "?bulk-delete", BULK, "C/copy\nC/nope\nC\nC/c%20d\n"),
    ("POST", "?bulk-delete", {"Content-Type": "text/plain"}, ""),
    ("POST", "?bulk-delete", {"Content-Type": "text/plain"}, "C/e\nnope/x\nC\n"),
    ("PUT", f"/{'x' * 257}", {}, ""),
    ("PUT", f"/C/{'x' * 1025}", {}, ""),
    ("PUT", "/C/%ff", {}, ""),
    ("PUT", "/C/%00", {}, ""),
    ("PATCH", "/C", {}, ""),
    ("POST", "?bulk-delete", BULK, "C/copied\nC/empty\nC/a.txt\nC"),
    ("HEAD", "/C", {}, ""),
)
COMPARED = ("content-type", "content-range", "etag", "x-copied-from", "x-static-large-object")


def walk(login: tuple[str, str, str]) -> Iterator[Any]:
    """Yield what a server responds to each step: status, headers, body."""
    base, token = swiftclient.get_auth(*login)
    name = f"compared-{uuid.uuid4().hex[:8]}"
    with urllib3.PoolManager(retries=False) as pool:
        for step in STEPS:
            method, path, headers, body = json.loads(re.sub(r"\bC(?=[/?\"\\\\])", name, json.dumps(step)))
            response = pool.request(
                method, base + path, body.encode(), headers={**headers, "X-Auth-Token": token}
            )
            kept = {
                header.lower(): value.lower()
                for header, value in response.headers.items()
                if header.lower() in COMPARED or "-meta-" in header.lower()
            }
            text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "DATE", response.data.decode().replace(name, "C"))
            shown = json.loads(text) if text.startswith(("{", "[")) else text
            if response.status >= 400:
                del kept["content-type"]  # of a text for people
            if "manifest=get" in path:
                del kept["etag"]  # it is that of the manifest, whose spaces and dates differ
            yield step[:3], response.status, json.loads(json.dumps(kept).replace(name, "C")), shown


def test_beside_swift() -> None:
    """Every request has the status, the headers and the body that real Swift gives it."""
    real = walk((kit.url_of("swift"), "test:tester", "testing"))
    with Sandbox("openstack_swift", ssh="off") as cloud:
        ours = walk((f"{cloud.url}/auth/v1.0", "demo:demo", PASSWORD))
        for here, there in zip(ours, real, strict=True):
            assert here == there
