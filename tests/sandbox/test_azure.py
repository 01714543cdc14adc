"""Azure's blobs in the sandbox: the official SDK, and Azurite beside it."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import canonicalize

import pytest
import urllib3

from polycloud.sandbox import Sandbox
from polycloud.storage.providers import get_driver
from support import kit
from support.libraries import Library

sdk = Library("azure.storage.blob")
core = Library("azure.core")
exceptions = Library("azure.core.exceptions")

AZURITE = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    with Sandbox("azure_blobs", largest_page=3) as sandbox:
        yield sandbox


def connect(url: str, account: str, key: str, **more: Any) -> Any:
    """The SDK's client of an account."""
    credential = {"account_name": account, "account_key": key}
    return sdk.BlobServiceClient(f"{url}/{account}", credential, retry_total=0, **more)


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    with connect(cloud.url, *cloud.credentials, max_single_put_size=4096, max_block_size=1024) as made:
        yield made


@pytest.fixture
def box(client: Any) -> Any:
    """A container."""
    return client.create_container("box", metadata={"color": "red"})


def refused(call: Any, *arguments: Any, **more: Any) -> tuple[int, str]:
    """Return the status and the code with which a call is refused."""
    with pytest.raises(exceptions.HttpResponseError) as error:
        call(*arguments, **more)
    return error.value.status_code, error.value.error_code


def test_blobs(client: Any, box: Any) -> None:
    """The SDK puts, reads, describes, copies, lists over pages and deletes blobs."""
    assert box.get_container_properties().metadata == {"color": "red"}
    settings = sdk.ContentSettings(content_type="text/x", content_language="de", cache_control="no-store")
    for name in ("a", "b/1", "b/2", "ü x", "z//", "😀", "\x01"):
        box.upload_blob(name, b"hello", metadata={"owner": "ann"}, content_settings=settings)
    blob = box.get_blob_client("ü x")
    found = blob.get_blob_properties()
    assert (found.metadata, found.size) == ({"owner": "ann"}, 5)
    assert (found.content_settings.content_type, found.content_settings.cache_control) == (
        "text/x",
        "no-store",
    )
    assert blob.download_blob().readall() == b"hello"
    assert blob.download_blob(offset=1, length=2).readall() == b"el"
    assert [one.name for one in box.list_blobs()] == ["\x01", "a", "b/1", "b/2", "z//", "ü x", "😀"]
    assert [one.name for one in box.walk_blobs("b")] == ["b/"]
    [listed] = box.list_blobs("a", include=["metadata"])
    assert (listed.metadata, bytes(listed.content_settings.content_md5)) == (
        {"owner": "ann"},
        base64.b64decode("XUFAKrxLKna5cZ2REBfFkg=="),
    )
    copy = box.get_blob_client("copy")
    assert copy.start_copy_from_url(blob.url)["copy_status"] == "success"
    assert copy.get_blob_properties().metadata == {"owner": "ann"}
    blob.set_blob_metadata({"only": "1"})
    blob.set_http_headers(sdk.ContentSettings(content_type="z/z"))
    found = blob.get_blob_properties()
    assert (found.metadata, found.content_settings.content_type) == ({"only": "1"}, "z/z")
    assert found.content_settings.content_language is None
    blob.delete_blob()
    assert refused(blob.delete_blob) == (404, "BlobNotFound")
    assert [one.name for one in client.list_containers()] == ["box"]
    client.delete_container("box")
    assert refused(box.get_container_properties) == (404, "ContainerNotFound")


def test_lists_of_any_prefix(cloud: Sandbox) -> None:
    """A list is XML whatever its prefix: what XML cannot have is encoded."""
    with get_driver("azure_blobs")(*cloud.credentials, **cloud.options) as driver:
        box = driver.create_container("any-prefix")
        for name in ("\ufffea", "\uffff", "b"):
            box.upload_object_via_stream(b"", name)
        assert [one.name for one in box.iterate_objects("\ufffe")] == ["\ufffea"]


def test_blocks(box: Any) -> None:
    """A blob that the SDK uploads in blocks is there as a whole when the list of blocks is committed."""
    data = bytes(range(256)) * 64
    blob = box.get_blob_client("big")
    blob.stage_block("AAA", data[:100])
    assert [one.name for one in box.list_blobs(include=["uncommittedblobs"])] == ["big"]
    assert list(box.list_blobs()) == []
    assert refused(blob.commit_block_list, ["AAA", "BBB"]) == (400, "InvalidBlockList")
    assert refused(blob.stage_block, "AAAAA", b"x") == (400, "InvalidBlobOrBlock")
    blob = box.get_blob_client("other")
    blob.upload_blob(data)
    committed, uncommitted = blob.get_block_list("all")
    assert (len(committed), uncommitted) == (16, [])
    assert blob.download_blob().readall() == data


def test_conditions(box: Any) -> None:
    """Existing blobs are refused by 409, other etags by 412 or 304, ranges by 416, MD5s by 400."""
    blob = box.get_blob_client("a")
    match = core.MatchConditions
    first = blob.upload_blob(b"hello")["etag"]
    assert refused(blob.upload_blob, b"2") == (409, "BlobAlreadyExists")
    kept = {"etag": first, "match_condition": match.IfNotModified}
    blob.upload_blob(b"2", overwrite=True, **kept)
    assert refused(blob.upload_blob, b"3", overwrite=True, **kept) == (412, "ConditionNotMet")
    assert refused(blob.delete_blob, **kept) == (412, "ConditionNotMet")
    now = blob.get_blob_properties().etag
    assert refused(blob.download_blob, etag=now, match_condition=match.IfModified)[0] == 304
    assert refused(blob.download_blob, offset=9, length=1) == (416, "InvalidRange")
    with_md5 = sdk.ContentSettings(content_md5=bytearray(16))
    assert blob.upload_blob(b"4", overwrite=True, content_settings=with_md5)
    wrong = {"Content-MD5": base64.b64encode(bytes(16)).decode()}
    assert refused(blob.upload_blob, b"5", overwrite=True, headers=wrong) == (400, "Md5Mismatch")
    assert refused(box.upload_blob, "b", b"", metadata={"a-b": "c"}) == (400, "InvalidMetadata")


def test_keys(cloud: Sandbox, client: Any) -> None:
    """A wrong key is refused with 403, no key with 401 unless the container is public."""
    account = cloud.credentials[0]
    with connect(cloud.url, account, base64.b64encode(b"wrong").decode()) as other:
        assert refused(other.create_container, "box") == (403, "AuthenticationFailed")
    box = client.create_container("box")
    box.upload_blob("a", b"hello")
    with sdk.BlobClient(f"{cloud.url}/{account}", "box", "a", retry_total=0) as anyone:
        assert refused(anyone.download_blob) == (401, "NoAuthenticationInformation")
        box.set_container_access_policy({}, public_access="blob")
        assert anyone.download_blob().readall() == b"hello"


@pytest.mark.parametrize("kind", ["blob", "container", "account", "policy"])
def test_shared_access(cloud: Sandbox, client: Any, kind: str) -> None:
    """A shared access signature permits what it says until it expires, and nothing else."""
    account, key = cloud.credentials
    box = client.create_container("box")
    box.upload_blob("ü x", b"hello")

    def made(seconds: float) -> str:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        given = {"permission": "r", "expiry": until}
        if kind == "blob":
            return str(sdk.generate_blob_sas(account, "box", "ü x", account_key=key, **given))
        if kind == "container":
            return str(sdk.generate_container_sas(account, "box", account_key=key, **given))
        if kind == "policy":
            box.set_container_access_policy({"p": sdk.AccessPolicy("r", until)})
            assert box.get_container_access_policy()["signed_identifiers"][0].id == "p"
            return str(sdk.generate_container_sas(account, "box", account_key=key, policy_id="p"))
        types = sdk.ResourceTypes(object=True)
        return str(sdk.generate_account_sas(account, key, types, services=sdk.Services(blob=True), **given))

    def reader(sas: str) -> Any:
        return sdk.BlobClient(f"{cloud.url}/{account}", "box", "ü x", credential=sas, retry_total=0)

    with reader(made(60)) as guest, reader(made(60).replace("sig=", "sig=x")) as forger:
        assert guest.download_blob().readall() == b"hello"
        assert refused(guest.delete_blob) == (403, "AuthorizationPermissionMismatch")
        assert refused(forger.download_blob) == (403, "AuthenticationFailed")
    with reader(made(-60)) as late:
        assert refused(late.download_blob) == (403, "AuthenticationFailed")


def test_customer_key(client: Any) -> None:
    """A blob that is encrypted with a customer's key can be read with that key only."""
    box = client.create_container("box")
    given = [
        {
            "x-ms-encryption-key": base64.b64encode(key).decode(),
            "x-ms-encryption-key-sha256": base64.b64encode(hashlib.sha256(key).digest()).decode(),
            "x-ms-encryption-algorithm": "AES256",
        }
        for key in (b"1" * 32, b"2" * 32)
    ]
    blob = box.get_blob_client("secret")
    # As headers, because the SDK refuses its own argument for keys without TLS.
    blob.upload_blob(b"hello", headers=given[0])
    assert blob.download_blob(headers=given[0]).readall() == b"hello"
    assert refused(blob.download_blob) == (409, "BlobUsesCustomerSpecifiedEncryption")
    assert refused(blob.download_blob, headers=given[1]) == (409, "BlobCustomerSpecifiedEncryptionMismatch")


def test_versions() -> None:
    """An account with versions keeps what is replaced or deleted; its current one has no delete by id."""
    with Sandbox("azure_blobs", versioning=True) as cloud, connect(cloud.url, *cloud.credentials) as client:
        box = client.create_container("box")
        blob = box.get_blob_client("a")
        ids = [blob.upload_blob(text, overwrite=True)["version_id"] for text in (b"1", b"2")]
        ids.append(blob.set_blob_metadata({"only": "1"})["version_id"])
        found = list(box.list_blobs(include=["versions"]))
        assert [(one.version_id, one.is_current_version) for one in found] == [
            (ids[0], None),
            (ids[1], None),
            (ids[2], True),
        ]
        assert blob.download_blob(version_id=ids[0]).readall() == b"1"
        assert refused(blob.delete_blob, version_id=ids[2]) == (403, "OperationNotAllowedOnRootBlob")
        blob.delete_blob()
        blob.delete_blob(version_id=ids[2])
        assert [one.version_id for one in box.list_blobs(include=["versions"])] == ids[:2]
        assert (list(box.list_blobs()), refused(blob.download_blob)) == ([], (404, "BlobNotFound"))


# Beside Azurite

BLOB = {"x-ms-blob-type": "BlockBlob"}
NONE: dict[str, str] = {}
LIST = "/C?restype=container&comp=list"
STEPS: tuple[tuple[str, str, dict[str, str], str], ...] = (
    ("PUT", "/C?restype=container", {"x-ms-meta-a": "b"}, ""),
    ("PUT", "/C?restype=container", NONE, ""),
    ("HEAD", "/C?restype=container", NONE, ""),
    ("GET", "/C?restype=container&comp=acl", NONE, ""),
    ("PUT", "/Bad_Name?restype=container", NONE, ""),
    ("PUT", "/ab?restype=container", NONE, ""),
    ("PUT", "/C/a.txt", {**BLOB, "x-ms-meta-foo": "bar", "Content-Type": "text/x"}, "hello"),
    *((method, "/C/a.txt", NONE, "") for method in ("GET", "HEAD")),
    ("GET", "/C/a.txt", {"Range": "bytes=1-2"}, ""),
    ("GET", "/C/a.txt", {"x-ms-range": "bytes=9-"}, ""),
    *((method, "/C/nope", NONE, "") for method in ("GET", "HEAD", "DELETE")),
    ("GET", "/nope/x", NONE, ""),
    ("GET", "/nope?restype=container&comp=list", NONE, ""),
    ("PUT", "/C/a.txt", {**BLOB, "If-None-Match": "*"}, "x"),
    *(("PUT", f"/C/{name}", {**BLOB, "If-Match": '"0x1"'}, "x") for name in ("a.txt", "new")),
    ("DELETE", "/C/a.txt", {"If-Match": '"x"'}, ""),
    ("GET", "/C/a.txt", {"If-Match": '"x"'}, ""),
    ("PUT", "/C/m", {**BLOB, "x-ms-meta-a-b": "c"}, "q"),
    ("PUT", "/C/b?comp=block&blockid=QUFB", NONE, "hello"),
    ("GET", "/C/b", NONE, ""),
    ("GET", "/C/b?comp=blocklist&blocklisttype=all", NONE, ""),
    (
        "PUT",
        "/C/b?comp=blocklist",
        {"x-ms-blob-content-type": "q/r"},
        "<BlockList><Latest>QUFB</Latest></BlockList>",
    ),
    ("GET", "/C/b?comp=blocklist&blocklisttype=all", NONE, ""),
    ("PUT", "/C/b?comp=blocklist", NONE, "<BlockList><Latest>WFhY</Latest></BlockList>"),
    ("HEAD", "/C/b", NONE, ""),
    ("PUT", "/C/copy", {"x-ms-copy-source": "U/C/a.txt"}, ""),
    ("HEAD", "/C/copy", NONE, ""),
    ("PUT", "/C/a.txt?comp=metadata", {"x-ms-meta-z": "1"}, ""),
    ("HEAD", "/C/a.txt", NONE, ""),
    ("GET", f"{LIST}&include=metadata", NONE, ""),
    ("GET", f"{LIST}&delimiter=.", NONE, ""),
    ("GET", f"{LIST}&maxresults=1&prefix=a", NONE, ""),
    ("PUT", "/C/empty", BLOB, ""),
    ("GET", "/C/empty", {"Range": "bytes=0-1"}, ""),
    ("DELETE", "/C/a.txt", NONE, ""),
    ("DELETE", "/C?restype=container", NONE, ""),
    ("DELETE", "/C?restype=container", NONE, ""),
)
COMPARED = (
    "content-type",
    "content-range",
    "x-ms-error-code",
    "x-ms-copy-status",
    "x-ms-blob-content-length",
)
VARIES = (
    r"<MaxResults>5000</MaxResults>|<([\w-]+)></\1>|/(?=\")|"
    r"<((?:Access|Copy|Incremental)\w+|Etag|Creation-Time|Last-Modified|Content-MD5|ServerEncrypted)>[^<]*</\2>"
)


def walk(url: str, account: str, key: str) -> Iterator[Any]:
    """Yield what a server responds to each step: status, headers, body."""
    until, name = datetime.now(UTC) + timedelta(hours=1), f"compared-{uuid.uuid4().hex[:8]}"
    types = sdk.ResourceTypes(service=True, container=True, object=True)
    everything = sdk.AccountSasPermissions.from_string("rwdlac")
    services = sdk.Services(blob=True)
    sas = sdk.generate_account_sas(account, key, types, everything, until, services=services)
    base = f"{url}/{account}"
    with urllib3.PoolManager(retries=False) as pool:
        for method, path, headers, body in STEPS:
            at = re.sub("^/C", f"/{name}", path)
            source = {key: value.replace("U/C", f"{base}/{name}") for key, value in headers.items()}
            target = f"{base}{at}{'&' if '?' in at else '?'}{sas}"
            response = pool.request(method, target, body.encode(), headers=source)
            kept = {
                header.lower(): value
                for header, value in response.headers.items()
                if header.lower() in COMPARED or "x-ms-meta" in header.lower()
            }
            if response.status >= 400 or method == "PUT":
                kept.pop("content-type", None)
            text = response.data.decode().replace(name, "C").replace(base, "U")
            shown = (
                re.sub(VARIES, "", canonicalize(text)) if response.status < 400 and "<?xml" in text else ""
            )
            yield (method, path, headers), response.status, kept, shown


def test_beside_azurite() -> None:
    """Every request has the status, the code of the error, the headers and the list that Azurite gives it."""
    real = walk(kit.url_of("azurite").removesuffix("/devstoreaccount1"), *AZURITE)
    with Sandbox("azure_blobs") as cloud:
        ours = walk(cloud.url, *cloud.credentials)
        for here, there in zip(ours, real, strict=True):
            assert here == there
