"""What is Google's own in its storage driver, on a small server that keeps to Google's documents."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google_crc32c
import pytest

from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    PolycloudError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.google_storage import GoogleStorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.providers import get_driver
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    InvalidContainerNameError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
    ObjectsNotDeletedError,
)
from polycloud.testing.conformance.storage.suite import fetched
from support.google import EMAIL, Tokens, private_key
from support.googlestore import Store, store
from support.web import Answer, Seen, serve

PART = 512 * 1024
LONG = 2 * PART + 300_000
HMAC = "GOOG1EEXAMPLEEXAMPLEEXAMPLE"
KEY = Tokens("http://127.0.0.1:1").key()


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")


@pytest.fixture
def server() -> Iterator[Store]:
    with store() as state:
        yield state


@pytest.fixture
def bucket(server: Store) -> Iterator[Container]:
    with driver_at(server.web.url) as driver:
        yield Container("b", None, driver)


class ShortParts(GoogleStorageDriver):
    """The driver, with parts of 512 KiB."""

    part_size = PART


def driver_at(url: str, **options: Any) -> GoogleStorageDriver:
    retry = RetryPolicy(attempts=3, base=0.001)
    return ShortParts(url=url, ex_anonymous=True, project="p", retry=retry, **options)


def at(cloud: Sandbox) -> GoogleStorageDriver:
    return GoogleStorageDriver(*cloud.credentials, **cloud.options)


def pieces(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), 70_001):
        yield content[at : at + 70_001]


def bodies(server: Store) -> list[Seen]:
    return [one for one in server.seen if "upload_id" in one.query and one.body]


# Uploads


def test_a_short_upload_is_one_request(server: Store, bucket: Container) -> None:
    """A short object is one request, whose metadata has the MD5 by which Google verifies it."""
    extra = {"meta_data": {"Owner": "me"}, "cache_control": "max-age=60", "acl": "public-read"}
    made = bucket.upload_object_via_stream(pieces(b"hello\r\n--x"), "a/é.txt", extra)
    (request,) = server.seen
    assert request.query == {"uploadType": ["multipart"], "predefinedAcl": ["publicRead"]}
    resource, content = server.objects["a/é.txt"]
    assert content == b"hello\r\n--x"
    assert resource["metadata"] == {"owner": "me"}
    assert (resource["contentType"], resource["cacheControl"]) == ("text/plain", "max-age=60")
    assert (made.md5, made.meta_data) == (base64.b64decode(resource["md5Hash"]).hex(), {"owner": "me"})
    assert made.extra["generation"] == resource["generation"]
    assert made.last_modified is not None


@pytest.mark.parametrize("source", ["iterator", "file"])
@pytest.mark.parametrize("size", [PART, PART + 1, 2 * PART, LONG])
def test_a_long_upload_is_a_session(
    server: Store, bucket: Container, size: int, source: str, tmp_path: Path
) -> None:
    """A long object is a session, whose parts but the last have a multiple of 256 KiB; the MD5 comes last."""
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    if source == "file":
        made = bucket.upload_object(str(tmp_path / "file"), "long")
    else:
        made = bucket.upload_object_via_stream(pieces(content), "long")
    assert server.objects["long"][1] == content
    assert made.size == size
    sent = [one for one in server.seen if "upload_id" in one.query]
    if sent:  # a source of a known size that is one part is one request
        assert all(len(one.body) % (256 * 1024) == 0 for one in sent[:-1])
        assert sent[-1].headers["X-Goog-Hash"] == f"md5={server.objects['long'][0]['md5Hash']}"
        assert sent[-1].headers["Content-Range"].endswith(f"/{size}")


@pytest.mark.parametrize("fault", ["lost", "refused", "short"])
def test_a_part_that_breaks(server: Store, bucket: Container, fault: str) -> None:
    """A part that breaks is sent again from where the session says that it stands, and no byte twice."""
    content = os.urandom(LONG)
    broken: list[int] = []

    def after(seen: Seen, answer: Answer) -> Answer | None:
        if "upload_id" not in seen.query or not seen.body or len(broken) >= 2:
            return answer
        broken.append(1)
        return None if fault == "lost" else answer

    def before(seen: Seen) -> Answer | None:
        if fault == "refused" and len(bodies(server)) == 2 and seen.body and not broken:
            broken.append(1)
            return Answer(503)
        if fault == "short" and server.sessions:
            server.sessions[0].most = 300_000
        return None

    server.before = before
    if fault == "lost":
        server.after = after
    bucket.upload_object_via_stream(pieces(content), "long")
    assert server.objects["long"][1] == content
    asked = [one for one in server.seen if one.headers.get("Content-Range", "").startswith("bytes */*")]
    assert bool(asked) == (fault != "short")
    if fault != "refused":
        assert sum(len(one.body) for one in bodies(server)) >= LONG
        spans = [one.headers["Content-Range"].split()[1].split("-")[0] for one in bodies(server)]
        assert len(set(spans)) == len(spans)


def test_a_session_that_breaks_for_good(server: Store, bucket: Container) -> None:
    """A session that takes no more is cancelled after a few tries, and no object is made."""
    server.before = lambda seen: Answer(503) if "upload_id" in seen.query and seen.body else None
    with pytest.raises(PolycloudError, match="503"):
        bucket.upload_object_via_stream(pieces(os.urandom(LONG)), "long")
    assert len(bodies(server)) == 4
    assert [one.state for one in server.sessions] == ["cancelled"]
    assert server.objects == {}


def test_a_lost_end_of_an_upload(server: Store, bucket: Container) -> None:
    """An upload whose last response is lost is found complete when the session is asked."""
    lost: list[Seen] = []

    def after(seen: Seen, answer: Answer) -> Answer | None:
        if "X-Goog-Hash" in seen.headers and not lost:
            lost.append(seen)
            return None
        return answer

    server.after = after
    content = os.urandom(LONG)
    made = bucket.upload_object_via_stream(pieces(content), "long", if_none_match="*")
    assert lost
    assert made.md5 == base64.b64decode(server.objects["long"][0]["md5Hash"]).hex()


def test_a_session_in_another_process(server: Store, bucket: Container, tmp_path: Path) -> None:
    """A remembered upload goes on with its session: only what the session lacks is sent."""
    content = os.urandom(LONG)
    state = tmp_path / "state"

    def failing() -> Iterator[bytes]:
        yield content[: PART + 70_000]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bucket.upload_object_via_stream(failing(), "long", resume=state)
    before = len(bodies(server))
    with driver_at(server.web.url) as another:
        upload = Container("b", None, another).upload_object_via_stream
        made = upload(pieces(content), "long", resume=state)
    assert len(server.sessions) == 1
    assert server.objects["long"][1] == content
    assert made.size == LONG
    assert sum(len(one.body) for one in bodies(server)[before:]) == LONG - PART


def test_another_content_in_another_process(server: Store, bucket: Container, tmp_path: Path) -> None:
    """A remembered upload that goes on with another content is refused by its MD5, and nothing is kept."""
    content = os.urandom(LONG)
    state = tmp_path / "state"

    def failing() -> Iterator[bytes]:
        yield content[: PART + 70_000]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bucket.upload_object_via_stream(failing(), "long", resume=state)
    with pytest.raises(ObjectHashMismatchError):
        bucket.upload_object_via_stream(pieces(bytes(LONG)), "long", resume=state)
    assert server.objects == {}
    assert not state.exists()


def test_a_shorter_content_in_another_process(server: Store, bucket: Container, tmp_path: Path) -> None:
    """A remembered upload that goes on with less than its session has is refused, and begins anew then."""
    content, state = os.urandom(LONG), tmp_path / "state"

    def failing() -> Iterator[bytes]:
        yield content
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bucket.upload_object_via_stream(failing(), "long", resume=state)
    with pytest.raises(ObjectHashMismatchError, match="more than"):
        bucket.upload_object_via_stream(pieces(content[: PART + 1]), "long", resume=state)
    assert [one.state for one in server.sessions] == ["cancelled"]
    bucket.upload_object_via_stream(pieces(content[: PART + 1]), "long", resume=state)
    assert server.objects["long"][1] == content[: PART + 1]


@pytest.mark.parametrize("status", [404, 410])
def test_sessions_that_expire(server: Store, bucket: Container, tmp_path: Path, status: int) -> None:
    """A session that has expired is an error in an upload, and begins anew in one that was remembered."""
    content, state = os.urandom(LONG), tmp_path / "state"
    gone = Answer(status, {"error": {"message": "Not Found"}})
    server.before = lambda seen: gone if seen.query.get("upload_id") == ["0"] else None
    with pytest.raises(ObjectError, match="has expired, or was cancelled"):
        bucket.upload_object_via_stream(pieces(content), "long")
    server.before = lambda seen: gone if seen.query.get("upload_id") == ["1"] and bodies(server)[3:] else None

    def failing() -> Iterator[bytes]:
        yield content[: PART + 1]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bucket.upload_object_via_stream(failing(), "long", resume=state)
    server.before = lambda seen: gone if seen.query.get("upload_id") == ["1"] else None
    bucket.upload_object_via_stream(pieces(content), "long", resume=state)
    assert server.objects["long"][1] == content
    assert len(server.sessions) == 3


@pytest.mark.parametrize("size", [10, LONG])
def test_another_content_arrives(server: Store, bucket: Container, size: int) -> None:
    """Another content than was sent is refused by Google's check of the MD5, whatever its length."""

    def before(seen: Seen) -> None:
        seen.body = seen.body.replace(b"needle", b"neadle")

    server.before = before
    with pytest.raises(ObjectHashMismatchError):
        bucket.upload_object_via_stream(b"needle".ljust(size), "a")
    assert server.objects == {}


def test_a_server_that_does_not_verify(server: Store, bucket: Container) -> None:
    """An object that was kept with another content is deleted."""
    real = server._keep

    def keep(resource: dict[str, Any], content: bytes, query: dict[str, list[str]]) -> Answer:
        return real({**resource, "md5Hash": server_md5(b"other")}, b"other", query)

    from support.googlestore import md5_of as server_md5

    server._keep = keep  # type: ignore[method-assign]
    with pytest.raises(ObjectHashMismatchError, match="Google has another content"):
        bucket.upload_object_via_stream(b"hello", "a")
    assert server.objects == {}


@pytest.mark.parametrize("size", [5, LONG])
def test_conditions(server: Store, bucket: Container, size: int) -> None:
    """Conditions are generations: 0 for no object, else that of the object whose hash was given."""
    first = bucket.upload_object_via_stream(bytes(size), "a", if_none_match="*")
    second = bucket.upload_object_via_stream(b"2" * size, "a", if_match=first.hash)
    conditions: list[dict[str, Any]] = [{"if_none_match": "*"}, {"if_match": first.hash}]
    for condition in conditions:
        with pytest.raises(ObjectAlreadyExistsError):
            bucket.upload_object_via_stream(b"3" * size, "a", **condition)
    with pytest.raises(ObjectDoesNotExistError):
        bucket.upload_object_via_stream(b"3" * size, "missing", if_match=first.hash)
    assert server.objects["a"][0]["generation"] == second.extra["generation"]
    begun = [one.query.get("ifGenerationMatch") for one in server.seen if one.method == "POST"]
    assert begun[:2] == [["0"], [first.extra["generation"]]]


def test_an_object_that_changes_between(server: Store, bucket: Container) -> None:
    """An object that is replaced after its hash was compared is not replaced by the upload."""
    first = bucket.upload_object_via_stream(b"1", "a")

    def before(seen: Seen) -> None:
        if seen.method == "POST":
            server.objects["a"][0]["generation"] = "77"

    server.before = before
    with pytest.raises(ObjectAlreadyExistsError):
        bucket.upload_object_via_stream(b"2", "a", if_match=first.hash)
    assert server.objects["a"][1] == b"1"


# Downloads and copies


def test_content_is_as_it_was_kept(server: Store, bucket: Container) -> None:
    """Content that was uploaded packed is asked for as it is kept, and comes as it is."""
    packed = gzip.compress(b"hello")
    bucket.upload_object_via_stream(packed, "a", {"content_encoding": "gzip"})
    assert b"".join(bucket.get_object("a").as_stream()) == packed
    assert "gzip" in server.seen[-1].headers["Accept-Encoding"]


def test_downloads_are_of_one_generation(server: Store, bucket: Container) -> None:
    """A download is of the generation that was read: a replaced object is an error, which says so."""
    old = bucket.upload_object_via_stream(b"one", "a")
    bucket.upload_object_via_stream(b"two", "a")
    with pytest.raises(ObjectDoesNotExistError, match="was replaced or deleted"):
        list(old.as_stream())
    assert server.seen[-1].query["generation"] == [old.extra["generation"]]


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (206, {"x-goog-generation": "7", "Content-Range": "bytes 1-2/5"}, "must be of the generation"),
        (206, {"Content-Range": "bytes 0-1/5"}, "must be the range from byte 1"),
        (200, {}, "must be the range from byte 1"),
        (206, {"Content-Range": "bytes 1-1/5", "Content-Length": "1"}, "must have 2 bytes"),
    ],
)
def test_other_content_than_was_asked_for(
    server: Store, bucket: Container, status: int, headers: dict[str, str], message: str
) -> None:
    """A response of another generation, range or length than was asked for is not taken for the content."""
    obj = bucket.upload_object_via_stream(b"hello", "a")
    body = b"el"[: int(headers.get("Content-Length", 2))]
    server.before = lambda _: Answer(status, body, headers)
    with pytest.raises(MalformedResponseError, match=message):
        list(obj.range_as_stream(1, 3))


@pytest.mark.parametrize("changed", [False, True])
def test_objects_without_md5(server: Store, bucket: Container, changed: bool) -> None:
    """The content of an object that was composed of others, and has no MD5, is verified by its CRC32C."""
    bucket.upload_object_via_stream(b"hello", "a")
    checksum = google_crc32c.Checksum(b"hullo" if changed else b"hello")  # type: ignore[no-untyped-call]
    digest: bytes = checksum.digest()  # type: ignore[no-untyped-call]
    server.objects["a"][0].update(md5Hash=None, crc32c=base64.b64encode(digest).decode())
    found = bucket.get_object("a")
    assert (found.md5, found.hash) == (None, "CJ")
    if changed:
        with pytest.raises(ObjectHashMismatchError, match="CRC32C"):
            list(found.as_stream())
    else:
        assert b"".join(found.as_stream()) == b"hello"


def test_long_copies(server: Store, bucket: Container) -> None:
    """A copy that Google makes in several requests goes on with the token of each until it is done."""
    source = bucket.upload_object_via_stream(b"hello", "a b/c")
    tokens: list[list[str] | None] = []

    def before(seen: Seen) -> Answer | None:
        if seen.method != "POST":
            return None
        assert seen.path == "/storage/v1/b/b/o/a%20b%2Fc/rewriteTo/b/other/o/%2Fd"
        assert seen.query["sourceGeneration"] == [source.extra["generation"]]
        tokens.append(seen.query.get("rewriteToken"))
        done = len(tokens) == 3
        resource = {"resource": {"name": "/d", "size": "5", "etag": "e"}} if done else {}
        token = {} if done else {"rewriteToken": f"t{len(tokens)}"}
        return Answer(200, {"kind": "storage#rewriteResponse", "done": done, **token, **resource})

    server.before = before
    made = source.driver.copy_object(source, Container("other", None, source.driver), "/d")
    assert tokens == [None, ["t1"], ["t2"]]
    assert (made.name, made.container.name, made.size) == ("/d", "other", 5)


def test_a_copy_without_end(server: Store, bucket: Container) -> None:
    """A copy that names the same token again, or none, is malformed: it would have no end."""
    source = bucket.upload_object_via_stream(b"hello", "a")
    for token in ({"rewriteToken": "t"}, {}):
        server.before = lambda _, token=token: Answer(200, {"done": False, **token})  # type: ignore[misc]
        with pytest.raises(MalformedResponseError, match="a copy must end"):
            source.driver.copy_object(source, bucket)


# Deletes


def test_deletes_in_batches() -> None:
    """A hundred objects are deleted by one request; those that did not exist count as deleted."""
    with Sandbox("google_storage") as cloud, at(cloud) as driver:
        container = driver.create_container("photos")
        for name in (names := [f"a+b/{number}é" for number in range(120)]):
            container.upload_object_via_stream(b"x", name)
        before = len(cloud.requests)
        assert container.delete_objects([*names, "missing"]) == 121
        assert [one.method for one in cloud.requests[before:]] == ["POST", "POST"]
        assert container.list_objects() == []


def test_a_batch_that_refuses_some(server: Store, bucket: Container) -> None:
    """An object that a batch refuses is deleted alone, so that passing failures pass and others are told."""
    names = ("kept", "later", "gone", "no\nname")
    for name in names[:3]:
        bucket.upload_object_via_stream(b"x", name)
    answers = {"kept": 403, "later": 429, "gone": 204}

    def before(seen: Seen) -> Answer | None:
        if seen.path == "/batch/storage/v1":
            asked = re.findall(rb"DELETE /storage/v1/b/b/o/(\w+) HTTP", seen.body)
            heads = (
                f"--B\r\nContent-Type: application/http\r\nContent-ID: <response-{at}>\r\n\r\n"
                f"HTTP/1.1 {answers[name.decode()]} Word\r\n\r\n\r\n"
                for at, name in enumerate(asked)
            )
            body = "".join([*heads, "--B--\r\n"]).encode()
            return Answer(200, body, {"Content-Type": "multipart/mixed; boundary=B"})
        return Answer(403, {"error": {"message": "no"}}) if seen.path.endswith("/kept") else None

    server.before = before
    with pytest.raises(ObjectsNotDeletedError) as caught:
        bucket.delete_objects(names)
    assert [name for name, _ in caught.value.failed] == ["no\nname", "kept"]
    assert caught.value.deleted == 2
    alone = [one.path.rpartition("/")[2] for one in server.seen if one.method == "DELETE"]
    assert sorted(alone) == ["kept", "later"]


def test_a_batch_that_is_none(server: Store, bucket: Container) -> None:
    """A response to a batch without parts is malformed, and no object counts as deleted."""
    server.before = lambda _: Answer(200, {"deleted": True})
    with pytest.raises(ObjectsNotDeletedError, match="must have parts"):
        bucket.delete_objects(["a"])


# Names


@pytest.mark.parametrize("name", ["a\nb", "a\rb", ".", "..", ".well-known/acme-challenge/x"])
def test_names_that_google_refuses(server: Store, bucket: Container, name: str) -> None:
    """Names that Google does not allow are refused before anything is sent, by reads too."""
    for call in (
        lambda: bucket.upload_object_via_stream(b"", name),
        lambda: bucket.get_object(name),
        lambda: bucket.delete_object(Object(name, 1, "", None, None, bucket, bucket.driver)),
        lambda: bucket.driver.get_object_version("b", name, "1"),
    ):
        with pytest.raises(InvalidArgumentError, match="Google allows no object_name"):
            call()
    assert server.seen == []


def test_names_in_paths(server: Store, bucket: Container) -> None:
    """Every character of a name that means something in a path is encoded, its slashes too."""
    for name in ("a//b", "../x", "/lead", "%2F", "a+b", "?a=b#c", "😀"):
        made = bucket.upload_object_via_stream(b"x", name)
        assert bucket.get_object(name).name == made.name == name
        assert server.seen[-1].path.count("/") == 6
        bucket.delete_object(made)


# Errors


def test_what_is_missing(server: Store, bucket: Container) -> None:
    """If Google does not say which of both is missing, the bucket is asked for."""

    def before(seen: Seen) -> Answer:
        return Answer(404, {"error": {"code": 404, "message": "Not Found"}})

    server.before = before
    with pytest.raises(ContainerDoesNotExistError):
        bucket.get_object("a")
    server.before = lambda seen: before(seen) if "/o/" in seen.path else None
    with pytest.raises(ObjectDoesNotExistError):
        bucket.get_object("a")


def test_creates_of_buckets() -> None:
    """A refused create is ours if an earlier attempt was lost; other refusals name what is wrong."""
    seen_posts: list[Seen] = []
    refusal: dict[str, Any] = {"code": 409, "message": "The requested bucket name is not available."}

    def respond(seen: Seen) -> Answer | None:
        if seen.method == "GET":
            return Answer(200 if seen_posts else 404, {"name": "b", "location": "EU"})
        seen_posts.append(seen)
        return Answer(int(refusal["code"]), {"error": refusal})

    with serve(respond) as web, driver_at(web.url, region="EU") as driver:
        with pytest.raises(ContainerAlreadyExistsError, match="not available"):
            driver.create_container("b")
        assert json.loads(seen_posts[0].body) == {"name": "b", "location": "EU"}
        seen_posts.clear()
        refusal["message"] = (
            "Your previous request to create the named bucket succeeded and you already own it."
        )
        made = driver.create_container("b", ex_location="US", ex_storage_class="NEARLINE")
        assert (made.name, made.extra["location"]) == ("b", "EU")
        body = json.loads(seen_posts[0].body)
        assert body == {"name": "b", "location": "US", "storageClass": "NEARLINE"}
        seen_posts.clear()
        refusal |= {"code": 400, "message": "Invalid bucket name: 'B'"}
        with pytest.raises(InvalidContainerNameError, match="Invalid bucket name"):
            driver.create_container("B")


def test_a_list_without_end(server: Store, bucket: Container) -> None:
    """A list whose page names itself as the next one is malformed."""
    page = {"kind": "storage#objects", "nextPageToken": "t"}
    server.before = lambda _: Answer(200, page)
    with pytest.raises(MalformedResponseError, match="has no end"):
        bucket.list_objects()
    assert [one.query.get("pageToken") for one in server.seen] == [None, ["t"]]


def test_items_that_are_none(server: Store, bucket: Container) -> None:
    """An item of a list, or of a copy, in another form than documented is malformed, and named."""
    obj = bucket.upload_object_via_stream(b"x", "a")
    wrong = {"name": "a", "size": "many"}
    answers = {
        "items": {"kind": "storage#objects", "items": [{"name": "b", "size": "1"}, wrong]},
        "resource": {"done": True, "resource": wrong},
        "bucket": {"kind": "storage#buckets", "items": [{"id": "b"}]},
    }
    calls: dict[str, Callable[[], object]] = {
        "items": bucket.list_objects,
        "resource": lambda: bucket.driver.copy_object(obj, bucket, "b"),
        "bucket": bucket.driver.list_containers,
    }
    places = {
        "items": r"\$\.items\[.\]\.size",
        "resource": r"\$\.resource\.size",
        "bucket": r"\$\.items\[0\]",
    }
    for what, call in calls.items():
        server.before = lambda _, what=what: Answer(200, answers[what])  # type: ignore[misc]
        with pytest.raises(MalformedResponseError, match=places[what]):
            call()


# Public access


def test_public_objects(server: Store, bucket: Container) -> None:
    """`enable_cdn` of an object adds everybody to the list of its readers; its address is public."""
    obj = bucket.upload_object_via_stream(b"x", "a b/é")
    server.before = lambda _: Answer(200, {})
    assert obj.enable_cdn() is True
    assert server.seen[-1].path.endswith("/o/a%20b%2F%C3%A9/acl")
    assert json.loads(server.seen[-1].body) == {"entity": "allUsers", "role": "READER"}
    assert obj.get_cdn_url() == f"{server.web.url}/b/a%20b/%C3%A9"


@pytest.mark.parametrize("known", [False, True])
def test_public_containers(server: Store, bucket: Container, known: bool) -> None:
    """`enable_cdn` of a container adds everybody to its policy, and keeps what else is in it."""
    own = {"role": "roles/storage.objectViewer", "members": ["user:a@example.com"]}
    some = {**own, "condition": {"title": "t", "expression": "e"}}
    policy = {"etag": "E", "version": 3, "bindings": [some, *([own] if known else [])]}
    server.before = lambda _: Answer(200, policy)
    assert bucket.enable_cdn() is True
    sent = json.loads(server.seen[-1].body)
    assert (server.seen[-1].method, server.seen[-1].path) == ("PUT", "/storage/v1/b/b/iam")
    members = [*(own["members"] if known else []), "allUsers"]
    assert sent == {**policy, "bindings": [some, {"role": own["role"], "members": members}]}


@pytest.mark.parametrize("what", ["object", "container"])
def test_the_public_reads(what: str) -> None:
    """What was made public is read by anybody at its address, and what was not is refused."""
    with (
        Sandbox("google_storage") as cloud,
        GoogleStorageDriver(*cloud.credentials, **cloud.options) as driver,
    ):
        container = driver.create_container("photos")
        public, other = (container.upload_object_via_stream(b"hello", name) for name in ("a b/é", "other"))
        assert fetched("GET", public.get_cdn_url())[0] == 403
        assert public.enable_cdn() if what == "object" else container.enable_cdn()
        assert fetched("GET", public.get_cdn_url()) == (200, b"hello")
        assert fetched("GET", other.get_cdn_url())[0] == (403 if what == "object" else 200)


# Signed URLs


@pytest.mark.parametrize("name", ["a b+c", "é😀", "100%2F", "a//b", "../x", "q?x#y", "~a'\"<>&b", "/a/"])
@pytest.mark.parametrize("url", [None, "http://127.0.0.1:4443"])
def test_signed_urls_are_those_of_the_sdk(name: str, url: str | None) -> None:
    """A signed URL is the one that Google's own library makes at the same time."""
    from google.cloud.storage import _signing  # type: ignore[import-untyped]
    from google.oauth2 import service_account

    with GoogleStorageDriver(EMAIL, KEY, url=url) as driver:
        ours = driver.ex_presigned_url(Container("b", None, driver), name, method="PUT", expires=600)
    stamp = parse_qs(urlsplit(ours).query)["X-Goog-Date"][0]
    credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        json.loads(KEY)
    )
    theirs = _signing.generate_signed_url_v4(
        credentials,
        resource=urlsplit(ours).path,
        expiration=600,
        api_access_endpoint=url or "https://storage.googleapis.com",
        method="PUT",
        _request_timestamp=stamp,
    )
    assert ours == theirs


def test_signed_urls_need_a_key(bucket: Container) -> None:
    """Without the key of a service account there are no signed URLs; other methods and times are refused."""
    with pytest.raises(InvalidCredsError, match="key of a service account"):
        bucket.driver.ex_presigned_url(bucket, "a")  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match="1 to 604800 seconds"):
        bucket.driver.ex_presigned_url(bucket, "a", expires=604_801)  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match="method must be one of"):
        bucket.driver.ex_presigned_url(bucket, "a", method="POST")  # type: ignore[attr-defined]


# Construction


def test_an_emulator_of_the_environment(server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """`STORAGE_EMULATOR_HOST` is the address, with or without a scheme, and needs no account."""
    for value in (server.web.url, server.web.url.removeprefix("http://")):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", value)
        with get_driver("google_storage")() as driver:
            assert driver.get_container("b").name == "b"
        assert "Authorization" not in server.seen[-1].headers
    with get_driver("google_storage")(url="http://127.0.0.1:1", ex_anonymous=True) as elsewhere:
        assert elsewhere.connection.port == 1


def test_projects(server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the one that is given, that of the key, or that of the environment."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    assert GoogleStorageDriver(EMAIL, KEY, project="given").project == "given"
    assert GoogleStorageDriver(EMAIL, KEY).project == "project-7"
    assert GoogleStorageDriver(EMAIL, private_key()).project == "of-the-environment"
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    with GoogleStorageDriver(url=server.web.url, ex_anonymous=True) as driver:
        with pytest.raises(InvalidArgumentError, match="pass project="):
            driver.list_containers()
    assert server.seen == []


def test_keys_that_are_missing() -> None:
    """An address without a key, and a key that is no text, are `InvalidCredsError`."""
    for given in ((EMAIL,), (EMAIL, ""), (EMAIL, 7), (7, KEY)):
        with pytest.raises(InvalidCredsError, match="Google Cloud Storage needs the"):
            GoogleStorageDriver(*given)


def test_customer_keys(server: Store) -> None:
    """A customer's key goes with every request that makes or reads an object, and with no other."""
    key = bytes(range(32))
    with driver_at(server.web.url, ex_customer_key=key) as driver:
        bucket = driver.get_container("b")
        made = None
        for content in (b"short", bytes(PART + 1)):
            made = bucket.upload_object_via_stream(content, "a")
            assert b"".join(bucket.get_object("a").as_stream()) == content
        assert made is not None
        bucket.delete_object(made)
        assert base64.b64encode(key).decode() in driver.connection.secrets()
    named = {"x-goog-encryption-key": base64.b64encode(key).decode(), "x-goog-encryption-algorithm": "AES256"}
    for one in server.seen:
        headers = {name.lower(): text for name, text in one.headers.items()}
        is_object = "/o" in one.path and one.method != "DELETE"
        assert {name: headers.get(name) for name in named} == (named if is_object else dict.fromkeys(named))


def test_customer_keys_that_are_none() -> None:
    """A customer's key of another length, or over plain HTTP to another machine, is refused unseen."""
    for wrong in (b"short", "c2hvcnQ=", "no base64!", 7):
        with pytest.raises(InvalidArgumentError, match="must be 32 bytes") as caught:
            driver_at("http://127.0.0.1:1", ex_customer_key=wrong)
        assert "short" not in str(caught.value)
    with pytest.raises(InsecureConnectionError, match="ex_customer_key"):
        driver_at("http://store.example.com", ex_customer_key=bytes(32))


# HMAC keys


def test_hmac_keys() -> None:
    """An HMAC key makes the driver of the XML API, which signs as S3 does and names the project."""
    listed = (
        b"<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>"
    )
    with serve(lambda _: Answer(200, listed, {"Content-Type": "application/xml"})) as web:
        with get_driver("google_storage")(HMAC, "secret", project="p", url=web.url) as driver:
            assert driver.type == "google_storage_hmac"
            assert [one.name for one in driver.list_containers()] == ["b"]
            with pytest.raises(UnsupportedOperationError, match="ignores the conditions"):
                driver.upload_object_via_stream(b"", Container("b", None, driver), "a", if_none_match="*")
    (request,) = web.seen
    assert request.headers["x-amz-project-id"] == "p"
    assert request.headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={HMAC}/")
    assert "/auto/s3/aws4_request" in request.headers["Authorization"]
    assert "x-amz-project-id" in request.headers["Authorization"]  # it is signed
    with get_driver("google_storage")(HMAC, "secret") as real:
        assert real.connection.host == "storage.googleapis.com"


def test_a_transport_error_of_a_conditional_upload(server: Store, bucket: Container) -> None:
    """A short conditional upload whose response is lost is not sent again, since it would meet itself."""
    server.after = lambda seen, answer: None if seen.method == "POST" else answer
    with pytest.raises(TransportError):
        bucket.upload_object_via_stream(b"1", "a", if_none_match="*")
    assert len([one for one in server.seen if one.method == "POST"]) == 1
