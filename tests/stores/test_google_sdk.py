"""Google's own library beside this driver on the emulators: what one writes, the other reads as it is."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage  # type: ignore[import-untyped]

from polycloud.storage.drivers.google_storage import GoogleStorageDriver
from polycloud.storage.objects import Container
from support.stores import store

LONG = 9 * 1024 * 1024
PERCENT = "%2F"
NAMES = ("plain.txt", "a//b", "/lead", PERCENT, "a+b c", "?a=b&c#d", "émigré 😀")


@pytest.fixture(params=["gcs", "gcs2"])
def url(request: pytest.FixtureRequest) -> str:
    return store(request.param)


@pytest.fixture
def bucket(url: str) -> Iterator[Container]:
    with GoogleStorageDriver(url=url, ex_anonymous=True, project="p") as driver:
        container = driver.create_container(f"sdk-{uuid.uuid4().hex}")
        yield container
        driver.delete_objects(container, container.iterate_objects())
        driver.delete_container(container)


@pytest.fixture
def theirs(url: str, bucket: Container) -> Iterator[Any]:
    """The same bucket, as Google's library has it."""
    client = storage.Client(
        "p",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": url},
    )
    yield client.bucket(bucket.name)
    client.close()


@pytest.mark.parametrize("size", [0, 1000, LONG])
def test_what_we_write(bucket: Container, theirs: Any, size: int) -> None:
    """Google's library reads what this driver writes: names, content, its MD5, metadata and headers."""
    content = os.urandom(size)
    extra = {"content_type": "text/x-own", "cache_control": "max-age=60", "meta_data": {"owner": "me"}}
    for name in NAMES[: 2 if size == LONG else None]:
        made = bucket.upload_object_via_stream(iter([content]), name, extra)
        blob = theirs.get_blob(name)
        assert (blob.content_type, blob.cache_control, blob.metadata) == (
            "text/x-own",
            "max-age=60",
            {"owner": "me"},
        )
        assert (base64.b64decode(blob.md5_hash).hex(), str(blob.generation)) == (
            made.md5,
            made.extra["generation"],
        )
        assert theirs.blob(name).download_as_bytes() == content
    assert {blob.name for blob in theirs.list_blobs()} == {one.name for one in bucket.list_objects()}


@pytest.mark.parametrize("size", [0, 1000, LONG])
def test_what_they_write(bucket: Container, theirs: Any, size: int) -> None:
    """This driver reads what Google's library writes: names, content, its MD5, metadata and headers."""
    content = os.urandom(size)
    for name in NAMES[: 2 if size == LONG else None]:
        blob = theirs.blob(name, chunk_size=LONG // 9 if size == LONG else None)
        blob.metadata, blob.cache_control = {"Owner": "me"}, "max-age=60"
        blob.upload_from_string(content, content_type="text/x-own")
        found = bucket.get_object(name)
        assert b"".join(found.as_stream()) == content
        assert (found.size, found.meta_data) == (size, {"Owner": "me"})
        assert (found.extra["content_type"], found.extra["cache_control"]) == ("text/x-own", "max-age=60")
        assert found.md5 == base64.b64decode(blob.md5_hash).hex()


def test_composed_objects(bucket: Container, theirs: Any) -> None:
    """An object that Google's library composes of two is read and verified, and copied as it is."""
    parts = [theirs.blob(name) for name in "ab"]
    for part in parts:
        part.upload_from_string(part.name.encode() * 1000)
    theirs.blob("c").compose(parts)
    found = bucket.get_object("c")
    assert b"".join(found.as_stream()) == b"a" * 1000 + b"b" * 1000
    assert found.extra["crc32c"] == theirs.get_blob("c").crc32c
    copied = bucket.driver.copy_object(found, bucket, "d")
    assert theirs.get_blob("d").download_as_bytes() == b"".join(copied.as_stream())
