"""The driver on Azurite, Microsoft's emulator of Azure, beside its SDK: what one writes the other reads."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from azure.storage.blob import (
    AccessPolicy,
    AccountSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)

from polycloud import add_hook
from polycloud.errors import ConflictError, InvalidCredsError, PolycloudError, ProviderHTTPError
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
from polycloud.storage.types import ContainerDoesNotExistError, ObjectAlreadyExistsError
from support.stores import store

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PART = 5 * 1024 * 1024
LARGE = 2 * PART + 7
NAMES = (
    "a b+c",
    "é😀",
    "100%2F",
    "a//b",
    "/lead",
    "trail/",
    "q?x#y",
    "a'\"<>&b",
    "n" * 1024,
    "~._-!$'()*,;=:@",
)


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def url() -> str:
    return store("azurite")


@pytest.fixture
def driver(url: str) -> Iterator[AzureBlobsStorageDriver]:
    with AzureBlobsStorageDriver(ACCOUNT, KEY, url=url) as driver:
        yield driver


@pytest.fixture
def photos(driver: AzureBlobsStorageDriver, sdk: BlobServiceClient) -> Iterator[Container]:
    container = driver.create_container(f"photos-{secrets.token_hex(4)}")
    yield container
    sdk.delete_container(container.name)


@pytest.fixture
def sdk(url: str) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(url, credential=KEY) as client:
        yield client


@pytest.fixture
def theirs(sdk: BlobServiceClient, photos: Container) -> ContainerClient:
    """The container by the SDK."""
    return sdk.get_container_client(photos.name)


@pytest.mark.parametrize("size", [0, 45, LARGE])
def test_what_the_sdk_wrote(photos: Container, theirs: ContainerClient, size: int) -> None:
    """The driver reads what the SDK wrote, whole or in blocks: content, size, metadata and properties."""
    content = os.urandom(size)
    settings = ContentSettings(content_type="text/x-own", cache_control="max-age=60", content_language="de")
    theirs.upload_blob("a b", content, metadata={"owner": "ann"}, content_settings=settings)
    found = photos.get_object("a b")
    assert (found.size, found.meta_data) == (size, {"owner": "ann"})
    assert [found.extra[one] for one in ("content_type", "cache_control", "content_language")] == [
        *("text/x-own", "max-age=60", "de")
    ]
    assert b"".join(found.as_stream()) == content
    assert [one.name for one in photos.list_objects()] == ["a b"]


@pytest.mark.parametrize("size", [0, 45, LARGE])
def test_what_the_sdk_reads(photos: Container, theirs: ContainerClient, size: int) -> None:
    """The SDK reads what the driver wrote, whole or in blocks, and finds its MD5."""
    content = os.urandom(size)
    extra = {
        "content_type": "text/x-own",
        "content_disposition": "inline",
        "meta_data": {"a_b": "1", "a1": "x  y"},
    }
    made = photos.upload_object_via_stream(iter([content]), "a b", extra)
    blob = theirs.get_blob_client("a b")
    assert blob.download_blob(validate_content=size < LARGE).readall() == content
    properties = blob.get_blob_properties()
    assert dict(properties.metadata) == {"a_b": "1", "a1": "x  y"}
    kept = properties.content_settings
    assert (kept.content_type, kept.content_disposition) == ("text/x-own", "inline")
    assert bytes(kept.content_md5 or b"").hex() == made.hash == md5_of(content)
    assert properties.etag.strip('"') == made.extra["etag"]


def test_other_types_of_blobs(photos: Container, theirs: ContainerClient) -> None:
    """Page and append blobs are listed and read, with their type and without a hash."""
    theirs.upload_blob("page", b"p" * 512, blob_type="PageBlob", length=512)
    theirs.upload_blob("append", b"one", blob_type="AppendBlob")
    theirs.upload_blob("append", b"two", blob_type="AppendBlob")
    found = {one.name: one for one in photos.list_objects()}
    assert {name: (one.extra["blob_type"], one.hash) for name, one in found.items()} == {
        "append": ("AppendBlob", ""),
        "page": ("PageBlob", ""),
    }
    assert b"".join(found["append"].as_stream()) == b"onetwo"
    assert b"".join(found["page"].as_stream()) == b"p" * 512


@pytest.mark.parametrize("name", NAMES)
def test_odd_names(photos: Container, theirs: ContainerClient, name: str) -> None:
    """Both clients mean the same blob by a name, whichever wrote it."""
    photos.upload_object_via_stream(name.encode(), name)
    assert [one.name for one in theirs.list_blobs()] == [name]
    blob = theirs.get_blob_client(name)
    assert blob.download_blob().readall() == name.encode()
    blob.upload_blob(b"theirs", overwrite=True)
    assert b"".join(photos.get_object(name).as_stream()) == b"theirs"


@pytest.mark.parametrize("name", NAMES)
def test_presigned_urls(driver: AzureBlobsStorageDriver, photos: Container, name: str) -> None:
    """A presigned URL writes and reads a blob of any name for another client."""
    headers = {"x-ms-blob-type": "BlockBlob"}
    with urllib3.PoolManager() as pool:
        to_write = driver.ex_presigned_url(photos, name, method="PUT")
        assert pool.request("PUT", to_write, body=b"hello", headers=headers).status == 201
        assert pool.request("GET", photos.get_object(name).get_cdn_url()).data == b"hello"


def test_sas_tokens(url: str, photos: Container) -> None:
    """A SAS token of the account does what it allows, and what it does not allow is refused."""
    rights = AccountSasPermissions(read=True, list=True, write=True, create=True, delete=True)
    ends = datetime.now(UTC) + timedelta(hours=1)
    token = generate_account_sas(ACCOUNT, KEY, ResourceTypes(container=True, object=True), rights, ends)
    with AzureBlobsStorageDriver(ACCOUNT, f"?{token}", url=url) as driver:
        inbox = driver.get_container(photos.name)
        for content in (b"hello", os.urandom(LARGE)):
            made = inbox.upload_object_via_stream(content, "a b")
            copy = driver.copy_object(made, inbox, "c")
            assert b"".join(copy.as_stream()) == content
        for one in inbox.list_objects():
            one.delete()
    reading = generate_container_sas(
        ACCOUNT, photos.name, KEY, permission=ContainerSasPermissions(read=True, list=True), expiry=ends
    )
    with AzureBlobsStorageDriver(ACCOUNT, reading, url=url) as driver:
        assert driver.list_container_objects(photos) == []
        with pytest.raises(ProviderHTTPError, match="AuthorizationPermissionMismatch"):
            driver.upload_object_via_stream(b"x", photos, "a")


def test_expired_sas_tokens(url: str, photos: Container) -> None:
    """A SAS token that has expired raises `InvalidCredsError`, without its signature."""
    ended = datetime.now(UTC) - timedelta(hours=1)
    rights = ContainerSasPermissions(read=True)
    token = generate_container_sas(ACCOUNT, photos.name, KEY, permission=rights, expiry=ended)
    with AzureBlobsStorageDriver(ACCOUNT, token, url=url) as driver:
        with pytest.raises(InvalidCredsError) as caught:
            driver.get_object(photos.name, "a")
        assert token.partition("sig=")[2] not in str(caught.value)


def test_nothing_of_a_failed_upload_is_seen(photos: Container, theirs: ContainerClient) -> None:
    """The blocks of an upload that failed are no blob, and a later upload of the name removes them."""

    def failing() -> Iterator[bytes]:
        yield bytes(LARGE)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        photos.upload_object_via_stream(failing(), "a")
    assert photos.list_objects() == []
    assert not theirs.get_blob_client("a").exists()
    photos.upload_object_via_stream(b"x", "a")
    assert theirs.get_blob_client("a").get_block_list("all") == ([], [])


def test_uploads_go_on(photos: Container, tmp_path: Path) -> None:
    """An upload that is remembered goes on: only the blocks that did not arrive are sent, and their list."""
    content, file, sent = os.urandom(4 * PART + 7), tmp_path / "state", list[str]()

    def failing() -> Iterator[bytes]:
        yield content[: 4 * PART]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        photos.upload_object_via_stream(failing(), "a", resume=file)
    assert photos.list_objects() == []
    remove = add_hook(lambda trace: sent.append(trace.method))
    try:
        made = photos.upload_object_via_stream(iter([content]), "a", resume=file)
    finally:
        remove()
    arrived = 3  # the first batch
    assert sent == ["GET", *["PUT"] * (5 - arrived), "PUT"]
    assert (made.md5, b"".join(made.as_stream())) == (md5_of(content), content)


def test_conditions_take_etags_too(photos: Container, theirs: ContainerClient) -> None:
    """`if_match` takes the ETag of a blob without hash; another one refuses the upload."""
    theirs.upload_blob("a", b"one", blob_type="AppendBlob")
    found = photos.get_object("a")
    assert found.hash == ""
    with pytest.raises(ObjectAlreadyExistsError):
        photos.upload_object_via_stream(b"two", "a", if_match="0x1")
    photos.upload_object_via_stream(b"two", "a", if_match=found.extra["etag"])
    assert b"".join(photos.get_object("a").as_stream()) == b"two"


def test_objects_that_changed(photos: Container) -> None:
    """Reading a blob that was replaced since it was listed is an error, not a mixture."""
    old = photos.upload_object_via_stream(b"one", "a")
    photos.upload_object_via_stream(b"two", "a")
    with pytest.raises(PolycloudError, match="changed since it was listed"):
        b"".join(old.as_stream())


def test_updates(photos: Container, theirs: ContainerClient) -> None:
    """An update replaces what it names; content, MD5, and the other properties stay."""
    extra = {"content_type": "text/x-own", "cache_control": "max-age=1", "meta_data": {"a": "1"}}
    made = photos.upload_object_via_stream(b"hello", "a", extra)
    changed = made.update({"meta_data": {"b": "2"}})
    changed = changed.update({"cache_control": None, "content_language": "de"})
    assert (changed.meta_data, changed.hash) == ({"b": "2"}, made.hash)
    properties = theirs.get_blob_client("a").get_blob_properties()
    kept = properties.content_settings
    assert (kept.content_type, kept.cache_control, kept.content_language) == ("text/x-own", None, "de")
    assert dict(properties.metadata) == {"b": "2"}
    photos.upload_object_via_stream(b"other", "a")
    with pytest.raises(ObjectAlreadyExistsError):
        changed.update({"meta_data": {}})


def test_public_containers(photos: Container, theirs: ContainerClient) -> None:
    """A public container is read, but not listed, by anybody; its stored access policies stay."""
    policy = AccessPolicy(
        ContainerSasPermissions(read=True), datetime.now(UTC) + timedelta(days=1), datetime.now(UTC)
    )
    theirs.set_container_access_policy({"a policy": policy})
    photos.upload_object_via_stream(b"hello", "a b")
    address = f"{photos.get_cdn_url()}/a%20b"
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", address).status >= 400
        assert photos.enable_cdn()
        assert pool.request("GET", address).data == b"hello"
        assert pool.request("GET", f"{photos.get_cdn_url()}?restype=container&comp=list").status >= 400
    assert [one.id for one in theirs.get_container_access_policy()["signed_identifiers"]] == ["a policy"]


def test_copies_between_containers(driver: AzureBlobsStorageDriver, photos: Container) -> None:
    """A copy from or to a container that does not exist raises an error that names this one."""
    made, nowhere = photos.upload_object_via_stream(b"hello", "a"), Container("no-such-container", {}, driver)
    for source, target in ((made, nowhere), (Object("a", 5, "", {}, None, nowhere, driver), photos)):
        with pytest.raises(ContainerDoesNotExistError) as caught:
            driver.copy_object(source, target)
        assert caught.value.container_name == nowhere.name


def test_blobs_that_are_no_block_blobs(photos: Container, theirs: ContainerClient) -> None:
    """An upload in blocks does not replace an append blob, which stays; a short one does."""
    theirs.upload_blob("a", b"one", blob_type="AppendBlob")
    with pytest.raises(ConflictError, match="InvalidBlobType"):
        photos.upload_object_via_stream(bytes(LARGE), "a")
    assert b"".join(photos.get_object("a").as_stream()) == b"one"
    assert photos.upload_object_via_stream(b"two", "a").extra["blob_type"] == "BlockBlob"


def test_snapshots_are_not_lost(photos: Container, theirs: ContainerClient) -> None:
    """A blob that has snapshots is not deleted."""
    made = photos.upload_object_via_stream(b"hello", "a")
    theirs.get_blob_client("a").create_snapshot()
    with pytest.raises(ConflictError, match="SnapshotsPresent"):
        made.delete()
    assert [one.name for one in photos.list_objects()] == ["a"]
