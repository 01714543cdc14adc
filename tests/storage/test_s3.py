from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import boto3  # type: ignore[import-untyped]
import pytest
import urllib3

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.types import ContainerAlreadyExistsError

PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Sandbox:
    return aws


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[S3StorageDriver]:
    cloud.reset()
    with S3StorageDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def bucket(driver: S3StorageDriver) -> Container:
    return driver.create_container("bucket")


def uploads(cloud: Sandbox) -> list[str]:
    """Return the multipart uploads that are open."""
    key, secret, *_ = cloud.credentials
    client = boto3.client(
        "s3",
        endpoint_url=cloud.url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )
    return [one["UploadId"] for one in client.list_multipart_uploads(Bucket="bucket").get("Uploads", ())]


def test_a_second_create_is_refused(driver: S3StorageDriver, bucket: Container) -> None:
    """A bucket of one's own that exists is refused, also where Amazon takes the create for a success."""
    with pytest.raises(ContainerAlreadyExistsError, match="bucket"):
        driver.create_container(bucket.name)


def test_a_short_stream_is_one_request(cloud: Sandbox, bucket: Container) -> None:
    """A stream of less than a part is one request, whatever its pieces."""
    before = len(cloud.requests)
    bucket.upload_object_via_stream(iter([b"a"] * 100), "short")
    assert [one.method for one in cloud.requests[before:]] == ["PUT"]


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART + 7])
def test_parts(bucket: Container, size: int) -> None:
    """Bytes, files and iterators of any length arrive as they are."""
    content = os.urandom(size)
    pieces = (content[at : at + 700_001] for at in range(0, size, 700_001))
    for name, source in (("bytes", content), ("file", BytesIO(content)), ("iterator", pieces)):
        made = bucket.upload_object_via_stream(source, name)
        found = bucket.get_object(name)
        assert (made.size, made.hash) == (found.size, found.hash) == (size, found.hash)
        assert b"".join(found.as_stream()) == content


def test_a_failed_upload_is_aborted(cloud: Sandbox, bucket: Container) -> None:
    """An upload whose iterator fails leaves no parts and no object."""

    def failing() -> Iterator[bytes]:
        yield b"x" * (PART + 1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bucket.upload_object_via_stream(failing(), "failing")
    assert uploads(cloud) == []
    assert bucket.list_objects() == []


@pytest.mark.parametrize("key", ["a b+c", "é😀", "100%2F", "a//b", "q?x#y", "a'\"<>&b"])
def test_presigned_urls(driver: S3StorageDriver, bucket: Container, key: str) -> None:
    """A presigned URL reads and writes an object of any name without credentials."""
    url = driver.ex_presigned_url(bucket, key, method="PUT")
    with urllib3.PoolManager() as pool:
        assert pool.request("PUT", url, body=b"hello").status == 200
        assert pool.request("GET", bucket.get_object(key).get_cdn_url()).data == b"hello"


def test_expiry_of_presigned_urls(driver: S3StorageDriver, bucket: Container) -> None:
    """A time of less than a second or more than seven days is refused, and so is another method."""
    for expires in (0, 604_801):
        with pytest.raises(InvalidArgumentError, match="1 to 604800 seconds"):
            driver.ex_presigned_url(bucket, "a", expires=expires)
    with pytest.raises(InvalidArgumentError, match="method must be one of"):
        driver.ex_presigned_url(bucket, "a", method="POST")


def test_an_object_that_was_not_looked_up(driver: S3StorageDriver, bucket: Container) -> None:
    """The first range of an object without a hash gives it that of the version, and the next one is of it."""
    made = bucket.upload_object_via_stream(b"one", "a")
    obj = Object("a", 3, "", {}, None, bucket, driver)
    assert b"".join(obj.range_as_stream(0, 1)) == b"o"
    assert obj.hash == made.hash
    bucket.upload_object_via_stream(b"two", "a")
    with pytest.raises(PolycloudError, match="changed since it was listed"):
        next(obj.range_as_stream(1))


def test_content_is_as_it_was_kept(bucket: Container) -> None:
    """Content that its uploader compressed is not decompressed."""
    bucket.upload_object_via_stream(b"\x1f\x8bxx", "a.gz", extra={"content_encoding": "gzip"})
    found = bucket.get_object("a.gz")
    assert found.extra["content_encoding"] == "gzip"
    assert b"".join(found.as_stream()) == b"\x1f\x8bxx"


def test_folders_are_grouped_by_s3(cloud: Sandbox, bucket: Container) -> None:
    """A folder is one entry of one request, whatever is in it, also if its name has odd characters."""
    names = ["a é+b/c/d", "a é+b/e", "a.txt", "f//g"]
    for name in names:
        bucket.upload_object_via_stream(b"", name)
    before = len(cloud.requests)
    assert [getattr(one, "name", one) for one in bucket.iterate_folder()] == ["a é+b/", "a.txt", "f/"]
    assert len(cloud.requests) == before + 1
    assert [getattr(one, "name", one) for one in bucket.iterate_folder("a é+b/")] == ["a é+b/c/", "a é+b/e"]
    assert list(bucket.iterate_folder("f/")) == ["f//"]


def test_an_object_that_changed(bucket: Container) -> None:
    """Reading an object that was replaced since it was listed is an error, not a mixture."""
    old = bucket.upload_object_via_stream(b"one", "a")
    bucket.upload_object_via_stream(b"two", "a")
    with pytest.raises(PolycloudError, match="changed since it was listed"):
        list(old.as_stream())
    with suppress(StopIteration):
        assert next(bucket.get_object("a").as_stream()) == b"two"
