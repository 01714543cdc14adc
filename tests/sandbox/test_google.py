"""Google's Cloud Storage in the sandbox, and the official SDK."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox
from support.libraries import Library

storage = Library("google.cloud.storage")
exceptions = Library("google.api_core.exceptions")
credentials = Library("google.oauth2.service_account")

pytestmark = pytest.mark.filterwarnings("ignore::Warning:google")

MIB = 1 << 20


@pytest.fixture(scope="module")
def later() -> list[float]:
    """By how many seconds the cloud's clock is fast, as the only item."""
    return [0.0]


@pytest.fixture(scope="module")
def cloud(later: list[float]) -> Iterator[Sandbox]:
    with Sandbox("google_storage", largest_page=3, clock=lambda: time.monotonic() + later[0]) as sandbox:
        yield sandbox


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    """The SDK's client, which logs in with the service account's key."""
    cloud.reset()
    key = json.loads(cloud.credentials[1])
    made = storage.Client(
        project=cloud.options["project"],
        credentials=credentials.Credentials.from_service_account_info(key),
        client_options={"api_endpoint": cloud.url},
    )
    yield made
    made.close()


@pytest.fixture
def box(client: Any) -> Any:
    """A bucket."""
    return client.create_bucket("box")


def test_objects(client: Any, box: Any) -> None:
    """The SDK puts, reads, describes, patches, copies, lists over pages and deletes objects."""
    for name in ("a", "b/1", "b/2", "ü x", "z//", "😀", "../c"):
        blob = box.blob(name)
        blob.metadata, blob.cache_control = {"owner": "ann"}, "no-store"
        blob.upload_from_string(b"hello", "text/x", checksum="crc32c")
        assert (blob.crc32c, blob.md5_hash) == ("mnG7TA==", "XUFAKrxLKna5cZ2REBfFkg==")
    blob = box.get_blob("ü x")
    assert (blob.metadata, blob.content_type, blob.cache_control) == ({"owner": "ann"}, "text/x", "no-store")
    assert (blob.download_as_bytes(), blob.download_as_bytes(start=1, end=2)) == (b"hello", b"el")
    assert [one.name for one in client.list_blobs(box)] == ["../c", "a", "b/1", "b/2", "z//", "ü x", "😀"]
    folded = client.list_blobs(box, prefix="b", delimiter="/")
    assert (list(folded), folded.prefixes) == ([], {"b/"})
    blob.metadata = {"owner": None, "only": "1"}
    blob.patch()
    assert (box.get_blob("ü x").metadata, box.get_blob("ü x").metageneration) == ({"only": "1"}, 2)
    copy = box.copy_blob(blob, box, "copy")
    assert (copy.download_as_bytes(), copy.metadata, copy.content_type) == (b"hello", {"only": "1"}, "text/x")
    both = box.blob("both")
    both.compose([copy, blob])
    assert (both.download_as_bytes(), both.component_count, both.md5_hash) == (b"hellohello", 2, None)
    with pytest.raises(exceptions.Conflict):
        box.delete()
    box.delete_blobs(list(client.list_blobs(box)))
    with pytest.raises(exceptions.NotFound):
        blob.delete()
    assert [one.name for one in client.list_buckets()] == ["box"]
    box.delete()
    assert client.lookup_bucket("box") is None


def test_batch(client: Any, box: Any) -> None:
    """Several deletes are one request, whose parts succeed or fail on their own."""
    for name in ("a", "b"):
        box.blob(name).upload_from_string(b"")
    with pytest.raises(exceptions.NotFound), client.batch():
        box.delete_blobs(["a", "missing", "b"])
    assert list(client.list_blobs(box)) == []


def test_resumable(cloud: Sandbox, client: Any, box: Any) -> None:
    """The SDK uploads in chunks, each of which begins where the one before ended."""
    data = bytes(range(256)) * 4096 * 3
    blob = box.blob("big", chunk_size=MIB)
    with blob.open("wb") as file:
        file.write(data)
    assert box.get_blob("big").download_as_bytes() == data
    ranges = [seen.headers["content-range"] for seen in cloud.requests if "content-range" in seen.headers]
    starts = [f"bytes {number * MIB}-{(number + 1) * MIB - 1}/*" for number in range(3)]
    assert ranges == [*starts, f"bytes */{3 * MIB}"]


def test_session(client: Any, box: Any) -> None:
    """A session keeps whole units, tells how much it has, at its end too, and is gone once cancelled."""
    url, other = (box.blob(name).create_resumable_upload_session() for name in ("a", "b"))
    with urllib3.PoolManager(retries=False) as pool:

        def put(text: str, data: bytes = b"") -> tuple[int, str | None]:
            response = pool.request("PUT", url, data, headers={"Content-Range": f"bytes {text}"})
            return response.status, response.headers.get("range")

        assert put("*/*") == (308, None)
        assert put(f"0-{MIB + 9}/*", bytes(MIB + 10)) == (308, f"bytes=0-{MIB - 1}")
        assert put("*/*") == (308, f"bytes=0-{MIB - 1}")
        assert put(f"{2 * MIB}-{2 * MIB}/*", b"x")[0] == 400
        assert put(f"{MIB}-{MIB}/{MIB + 1}", b"x") == (200, None)
        assert put(f"*/{MIB + 1}") == (200, None)
        assert [pool.request("DELETE", other).status, pool.request("PUT", other, b"x").status] == [499, 410]
    assert [(one.name, one.size) for one in client.list_blobs(box)] == [("a", MIB + 1)]


@pytest.mark.parametrize("body", ["", "hello", "--cut", "--cut\r\n\r\n{}\r\n--cut\r\n\r\nx"])
def test_broken_multipart(cloud: Sandbox, client: Any, box: Any, body: str) -> None:
    """An upload whose parts are not as its boundary says is refused with 400, and makes no object."""
    url = f"{cloud.url}/upload/storage/v1/b/{box.name}/o?uploadType=multipart&name=a"
    headers = {"Content-Type": "multipart/related; boundary=cut"}
    assert client._http.request("POST", url, data=body.encode(), headers=headers).status_code == 400
    assert list(client.list_blobs(box)) == []


def test_preconditions(box: Any) -> None:
    """Generations are conditions of uploads, reads and deletes."""
    blob = box.blob("a")
    blob.upload_from_string(b"1", if_generation_match=0)
    first = blob.generation
    with pytest.raises(exceptions.PreconditionFailed):
        box.blob("a").upload_from_string(b"2", if_generation_match=0)
    blob.upload_from_string(b"2", if_generation_match=first)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=first)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.patch(if_metageneration_match=7)
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=9)
    wrong = box.blob("b")
    wrong.md5_hash = base64.b64encode(bytes(16)).decode()
    with pytest.raises(exceptions.BadRequest, match="doesn't match"):
        wrong.upload_from_string(b"x")
    blob.delete(if_generation_match=blob.generation)


def test_versions(client: Any, box: Any) -> None:
    """A bucket with versions keeps what is replaced and deleted, until that version is deleted."""
    box.versioning_enabled = True
    box.patch()
    blob = box.blob("a")
    blob.upload_from_string(b"1")
    first = blob.generation
    blob.upload_from_string(b"2")
    box.blob("a").delete()
    assert list(client.list_blobs(box)) == []
    found = list(client.list_blobs(box, versions=True))
    assert [one.download_as_bytes() for one in found] == [b"1", b"2"]
    assert found[0].time_deleted is not None
    box.blob("a", generation=first).delete()
    assert [one.generation for one in client.list_blobs(box, versions=True)] == [found[1].generation]


def test_compressed(box: Any) -> None:
    """Compressed content comes as it is kept only to clients that read gzip."""
    blob = box.blob("a")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"hello"), predefined_acl="publicRead")
    assert blob.download_as_bytes(raw_download=True) == gzip.compress(b"hello")
    with urllib3.PoolManager() as pool:
        plain = pool.request("GET", blob.media_link, headers={"Accept-Encoding": "identity"})
    assert (plain.data, plain.headers.get("content-encoding")) == (b"hello", None)


def test_public(box: Any) -> None:
    """An object is public by its access list until that is taken back, or by its bucket's policy."""
    blob = box.blob("a")
    blob.upload_from_string(b"hello")

    def anyone() -> int:
        with urllib3.PoolManager(retries=False) as pool:
            return pool.request("GET", f"{blob.media_link.partition('/download')[0]}/box/a").status

    seen = [anyone()]
    blob.make_public()
    seen.append(anyone())
    blob.make_private()
    seen.append(anyone())
    policy = box.get_iam_policy()
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    box.set_iam_policy(policy)
    assert [*seen, anyone()] == [403, 200, 403, 200]


def test_customer_key(box: Any) -> None:
    """An object that is encrypted with a customer's key can be read with that key only."""
    key = b"1" * 32
    box.blob("a", encryption_key=key).upload_from_string(b"hello")
    assert box.blob("a", encryption_key=key).download_as_bytes() == b"hello"
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode()
    assert box.get_blob("a")._properties["customerEncryption"]["keySha256"] == digest
    for wrong in (None, b"2" * 32):
        with pytest.raises(exceptions.BadRequest):
            box.blob("a", encryption_key=wrong).download_as_bytes()


def test_credentials(cloud: Sandbox, client: Any, box: Any) -> None:
    """Only assertions that the account's key signed get a token, which is for the scopes that they name."""
    box.blob("a").upload_from_string(b"hello")
    key = json.loads(cloud.credentials[1])
    other = json.loads(Sandbox("google_storage").credentials[1])
    exchange = pytest.importorskip("google.auth.exceptions").RefreshError
    forged = credentials.Credentials.from_service_account_info({**key, "private_key": other["private_key"]})
    reading = credentials.Credentials.from_service_account_info(
        key, scopes=["https://www.googleapis.com/auth/devstorage.read_only"]
    )

    def connect(login: Any) -> Any:
        return storage.Client("p", login, client_options={"api_endpoint": cloud.url})

    with pytest.raises(exchange, match="Invalid JWT Signature"):
        connect(forged).get_bucket("box")
    reader = connect(reading)
    with pytest.raises(exceptions.Forbidden):
        reader.bucket("box").blob("a").delete()
    box.blob("public").upload_from_string(b"hello", predefined_acl="publicRead")
    with urllib3.PoolManager(retries=False) as pool:
        anyone = [pool.request("GET", box.get_blob(name).media_link) for name in ("a", "public")]
    assert [(one.status, one.data == b"hello") for one in anyone] == [(401, False), (200, True)]


def test_signed_urls(cloud: Sandbox, later: list[float], box: Any) -> None:
    """A signed URL works for its method, path and headers, until it expires."""
    blob = box.blob("ü x/a")

    def signed(method: str, **headers: str) -> str:
        given = {"method": method, "headers": headers, "api_access_endpoint": cloud.url}
        return str(blob.generate_signed_url(timedelta(minutes=1), version="v4", **given))

    def send(method: str, url: str, **headers: str) -> int:
        with urllib3.PoolManager(retries=False) as pool:
            return pool.request(method, url, b"hi", headers=headers).status

    ann, bob = ({"x-goog-meta-owner": name} for name in ("ann", "bob"))
    assert (send("PUT", signed("PUT", **ann), **ann), send("PUT", signed("PUT", **ann), **bob)) == (200, 403)
    assert (box.get_blob(blob.name).metadata, blob.download_as_bytes()) == ({"owner": "ann"}, b"hi")
    url = signed("GET")
    assert (send("GET", url), send("HEAD", url), send("GET", url.replace("box/", "box/b"))) == (200, 403, 403)
    later[0] += 120
    assert (send("GET", url), send("DELETE", url)) == (400, 403)
    later[0] -= 120
    assert (send("DELETE", signed("DELETE")), send("GET", url)) == (204, 404)


def test_session_of_nobody(cloud: Sandbox, box: Any) -> None:
    """The id of an upload opens nothing but that upload."""
    box.blob("a").upload_from_string(b"hello")
    session = box.blob("b").create_resumable_upload_session().partition("?")[2]
    with urllib3.PoolManager(retries=False) as pool:
        read = pool.request("GET", f"{cloud.url}/storage/v1/b/box/o/a?alt=media&{session}")
        wrong = pool.request("PUT", f"{cloud.url}/upload/storage/v1/b/box/o?upload_id=x", b"hello")
    assert (read.status, wrong.status) == (401, 410)
