"""S3's bulk deletes, copies in parts, updates and versions, request by request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import boto3  # type: ignore[import-untyped]
import pytest
from msgspec.structs import replace

from polycloud.aio.storage import AsyncStorageDriver
from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidCredsError, PolycloudError, ProviderHTTPError, TransportError
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container, Object
from polycloud.storage.deleting import MOST_FAILED
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ObjectDoesNotExistError,
    ObjectsNotDeletedError,
)
from support.web import Answer, Seen, Web, serve

MIB = 1024 * 1024
NOTHING = b"<DeleteResult/>"


class SmallCopies(S3StorageDriver):
    """Copies in parts what is longer than 5 MiB, the smallest part that S3 takes."""

    largest_copy = copied_part = 5 * MIB


class OneByOne(S3StorageDriver):
    """A store without bulk deletes."""

    dialect = replace(S3StorageDriver.dialect, bulk_delete=False)


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Sandbox:
    return aws


@pytest.fixture
def client(cloud: Sandbox) -> Any:
    """Amazon's own client for the same store."""
    cloud.reset()
    key, secret, *_ = cloud.credentials
    client = boto3.client(
        "s3",
        endpoint_url=cloud.url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="bucket")
    return client


@pytest.fixture
def driver(cloud: Sandbox, client: Any) -> Iterator[SmallCopies]:
    with SmallCopies(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def bucket(driver: SmallCopies) -> Container:
    return driver.get_container("bucket")


def at(web: Web, kind: type[S3StorageDriver] = S3StorageDriver) -> Container:
    """Return a container of a driver for this server."""
    return Container("photos", {}, kind("key", "correct horse", url=web.url))


def keys(seen: Seen) -> list[str]:
    """Return the names in the body of a bulk delete."""
    return [one.text or "" for one in ET.fromstring(seen.body).iterfind("{*}Object/{*}Key")]  # noqa: S314 - ours


def refusal(key: str, code: str) -> str:
    return f"<Error><Key>{key}</Key><Code>{code}</Code><Message>no: correct horse</Message></Error>"


# Bulk deletes


def test_a_thousand_names_are_one_request() -> None:
    """A bulk delete sends 1,000 names a request, quietly, with the MD5 of the body, as they are read."""
    read: list[int] = []

    def names(web: Web) -> Iterator[str]:
        for number in range(2500):
            read.append(len(web.seen))
            yield f"{number:04}"

    with serve(lambda _: Answer(body=NOTHING)) as web:
        assert at(web).delete_objects(names(web)) == 2500
        assert [len(keys(seen)) for seen in web.seen] == [1000, 1000, 500]
        assert [name for seen in web.seen for name in keys(seen)] == [
            f"{number:04}" for number in range(2500)
        ]
        assert read[999:1001] == [0, 1]
        for seen in web.seen:
            digest = hashlib.md5(seen.body, usedforsecurity=False).digest()
            assert seen.headers["Content-MD5"] == base64.b64encode(digest).decode()
            assert (seen.method, seen.target) == ("POST", "/photos?delete=")
            assert b"<Quiet>true</Quiet>" in seen.body


def test_names_that_xml_changes_go_alone() -> None:
    """Names with characters that XML, or a store that reads it, may change are deleted by a request each."""
    odd = [" a", "a ", "a\rb", "a\nb", "\x01"]
    with serve(lambda seen: Answer(body=NOTHING if seen.method == "POST" else b"")) as web:
        assert at(web).delete_objects([*odd, "plain", "é😀&<"]) == 7
        assert [keys(seen) for seen in web.seen if seen.method == "POST"] == [["plain", "é😀&<"]]
        alone = {seen.target for seen in web.seen if seen.method == "DELETE"}
        assert alone == {f"/photos/{name}" for name in ("%20a", "a%20", "a%0Db", "a%0Ab", "%01")}


def test_a_store_without_bulk_deletes() -> None:
    """A dialect without bulk deletes sends a request an object, and treats what is not there as deleted."""
    missing = "<Error><Code>NoSuchKey</Code></Error>"
    with serve(lambda seen: Answer(404, missing.encode()) if "b" in seen.path[7:] else Answer(204)) as web:
        assert at(web, OneByOne).delete_objects(["a", "b", "c"]) == 3
        assert sorted((seen.method, seen.path[-2:]) for seen in web.seen) == [
            ("DELETE", "/a"),
            ("DELETE", "/b"),
            ("DELETE", "/c"),
        ]


def test_refused_names() -> None:
    """Names that S3 refuses have the error of their code, without secrets; unknown ones count as deleted."""
    refused = refusal("a", "AccessDenied") + refusal("b", "InternalError") + refusal("c", "NoSuchKey")
    body = f"<DeleteResult>{refused}</DeleteResult>".encode()
    with serve(lambda _: Answer(body=body)) as web:
        with pytest.raises(ObjectsNotDeletedError) as caught:
            at(web).delete_objects(["a", "b", "c", "d"])
        error = caught.value
        assert [(name, type(reason)) for name, reason in error.failed] == [
            ("a", ProviderHTTPError),
            ("b", ProviderHTTPError),
        ]
        assert (error.deleted, error.complete) == (2, True)
        assert "'a': AccessDenied" in str(error)
        for reason in (error, *(reason for _, reason in error.failed)):
            assert "correct horse" not in f"{reason!r}"
        assert error.failed[0][1].exchange is not None


def test_a_delete_of_which_all_fails_ends() -> None:
    """A bulk delete ends after 1,000 failures, and says that others were not tried."""

    def respond(seen: Seen) -> Answer:
        refused = "".join(refusal(key, "AccessDenied") for key in keys(seen))
        return Answer(body=f"<DeleteResult>{refused}</DeleteResult>".encode())

    with serve(respond) as web:
        with pytest.raises(ObjectsNotDeletedError, match=r"no others were tried.*and 997 more") as caught:
            at(web).delete_objects(str(number) for number in range(10**9))
        assert len(caught.value.failed) == MOST_FAILED
        assert (caught.value.deleted, caught.value.complete, len(web.seen)) == (0, False, 1)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("NoSuchBucket", ContainerDoesNotExistError), ("InvalidAccessKeyId", InvalidCredsError)],
)
def test_errors_that_are_not_about_an_object(code: str, kind: type[PolycloudError]) -> None:
    """A missing container and wrong credentials end a bulk delete with that error."""
    with serve(lambda _: Answer(404, f"<Error><Code>{code}</Code></Error>".encode())) as web:
        with pytest.raises(kind) as caught:
            at(web).delete_objects(["a"])
        assert caught.value.__notes__ == ["0 objects were deleted before"]


def test_an_iterable_that_fails() -> None:
    """An exception of the iterable is raised as it is, and says how many objects were deleted."""

    def names() -> Iterator[str]:
        yield from map(str, range(1000))
        raise KeyError("mine")

    with serve(lambda _: Answer(body=NOTHING)) as web:
        with pytest.raises(KeyError, match="mine") as caught:
            at(web).delete_objects(names())
        assert caught.value.__notes__ == ["1,000 objects were deleted before"]


# Copies and updates


def test_a_long_copy_is_made_in_parts(
    client: Any, cloud: Sandbox, driver: SmallCopies, bucket: Container
) -> None:
    """A copy of what is too long for one request is made by the store in parts, with all that it has."""
    content = os.urandom(12 * MIB)
    client.put_object(
        Bucket="bucket", Key="long é", Body=content, ContentType="text/x", Metadata={"owner": "me"}
    )
    before = len(cloud.requests)
    made = driver.copy_object(bucket.get_object("long é"), bucket, "copy")
    assert not any(len(seen.body) > 1000 for seen in cloud.requests[before:])
    kept = client.get_object(Bucket="bucket", Key="copy")
    assert kept["Body"].read() == content
    assert (kept["ContentType"], kept["Metadata"]) == ("text/x", {"owner": "me"})
    assert (made.size, f'"{made.hash}"', made.meta_data) == (len(content), kept["ETag"], {"owner": "me"})
    assert made.hash.endswith("-3")


def test_a_long_copy_that_fails_is_aborted() -> None:
    """A copy in parts of which one fails leaves no parts, and raises the error of that."""
    begun = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
    gone = b"<Error><Code>NoSuchKey</Code></Error>"
    ok = b'<CopyPartResult><ETag>"e"</ETag></CopyPartResult>'

    def respond(seen: Seen) -> Answer:
        if seen.method == "HEAD":
            return Answer(headers={"ETag": '"e"', "Content-Length": str(12 * MIB)})
        if seen.method == "PUT":
            last = seen.query["partNumber"] == ["3"]
            return Answer(404, gone) if last else Answer(body=ok)
        return Answer(body=begun) if seen.method == "POST" else Answer(204)

    with serve(respond) as web:
        photos = at(web, SmallCopies)
        source = Object("a", 12 * MIB, "e", {}, {}, photos, photos.driver)
        with pytest.raises(ObjectDoesNotExistError):
            photos.driver.copy_object(source, photos, "b")
        parts = {seen.headers["x-amz-copy-source-range"] for seen in web.seen if seen.method == "PUT"}
        assert parts == {"bytes=0-5242879", "bytes=5242880-10485759", "bytes=10485760-12582911"}
        last = web.seen[-1]
        assert (last.method, last.query) == ("DELETE", {"uploadId": ["7"]})
        assert "uploads" not in [next(iter(seen.query), "") for seen in web.seen[2:]]


def test_a_copy_onto_itself(client: Any, bucket: Container, driver: SmallCopies) -> None:
    """A copy of an object onto itself, which S3 refuses, leaves it as it was."""
    client.put_object(Bucket="bucket", Key="a", Body=b"content", Metadata={"owner": "me"})
    assert driver.copy_object(bucket.get_object("a"), bucket).meta_data == {"owner": "me"}
    kept = client.get_object(Bucket="bucket", Key="a")
    assert (kept["Body"].read(), kept["Metadata"]) == (b"content", {"owner": "me"})


def test_an_update_loses_nothing(client: Any, bucket: Container) -> None:
    """An update keeps storage class, encryption, redirection, date of expiry and tags of the object."""
    client.put_object(
        Bucket="bucket",
        Key="a",
        Body=b"content",
        StorageClass="STANDARD_IA",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="my-key",
        WebsiteRedirectLocation="/b",
        Expires="Thu, 01 Jan 2099 00:00:00 GMT",
        Tagging="team=red",
    )
    bucket.get_object("a").update({"meta_data": {"owner": "me"}})
    kept = client.get_object(Bucket="bucket", Key="a")
    assert kept["Body"].read() == b"content"
    assert kept["Metadata"] == {"owner": "me"}
    assert (kept["StorageClass"], kept["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms")
    assert (kept["SSEKMSKeyId"], kept["WebsiteRedirectLocation"]) == ("my-key", "/b")
    assert kept["ExpiresString"].endswith("2099 00:00:00 GMT")
    tags = client.get_object_tagging(Bucket="bucket", Key="a")["TagSet"]
    assert tags == [{"Key": "team", "Value": "red"}]


@pytest.mark.parametrize("size", [7, 11 * MIB])
def test_an_update_keeps_the_acl(client: Any, driver: SmallCopies, bucket: Container, size: int) -> None:
    """An update keeps who may read an object, unless `acl` says otherwise."""
    everybody = "http://acs.amazonaws.com/groups/global/AllUsers"
    client.put_object(Bucket="bucket", Key="a", Body=bytes(size))
    client.put_object_acl(Bucket="bucket", Key="a", ACL="public-read")
    obj = bucket.get_object("a").update({"cache_control": "max-age=60"})
    grants = client.get_object_acl(Bucket="bucket", Key="a")["Grants"]
    assert [(one["Grantee"].get("URI"), one["Permission"]) for one in grants] == [
        (None, "FULL_CONTROL"),
        (everybody, "READ"),
    ]
    own, public = driver.ex_get_object_acl(obj)
    assert (own.grantee.id, public.grantee.uri) == (grants[0]["Grantee"]["ID"], everybody)
    obj.update({"acl": "private"})
    assert [one.permission for one in driver.ex_get_object_acl(obj)] == ["FULL_CONTROL"]


@pytest.mark.parametrize("status", [403, 405, 501])
def test_an_update_without_acls(status: int) -> None:
    """An update leaves out an ACL that may not be read, and a store without ACLs is no obstacle."""

    def respond(seen: Seen) -> Answer:
        if "acl" in seen.query:
            return Answer(status, b"<Error><Code>No</Code></Error>")
        copied = b'<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>'
        is_copy = seen.method == "PUT"
        return Answer(body=copied) if is_copy else Answer(headers={"ETag": '"e"', "Content-Length": "7"})

    with serve(respond) as web:
        at(web).get_object("a").update({"meta_data": {"owner": "me"}})
        assert [seen.method for seen in web.seen] == ["HEAD", "HEAD", "GET", "PUT"]
        assert not any("grant" in name.lower() for name in web.seen[-1].headers)


def test_a_long_object_is_updated_in_parts(client: Any, bucket: Container) -> None:
    """An object that is too long for one copy is updated by a copy in parts onto itself."""
    content = os.urandom(11 * MIB)
    client.put_object(Bucket="bucket", Key="long", Body=content, StorageClass="STANDARD_IA")
    bucket.get_object("long").update({"content_type": "text/x", "meta_data": {"owner": "me"}})
    kept = client.get_object(Bucket="bucket", Key="long")
    assert kept["Body"].read() == content
    assert (kept["ContentType"], kept["Metadata"]) == ("text/x", {"owner": "me"})
    assert kept["StorageClass"] == "STANDARD_IA"


def test_a_storage_class(client: Any, driver: SmallCopies, bucket: Container, tmp_path: Any) -> None:
    """`ex_storage_class` is the class of an object, from bytes, in parts and from a file."""
    driver.upload_object_via_stream(b"a", bucket, "bytes", ex_storage_class="standard_ia")
    bucket.upload_object_via_stream(bytes(11 * MIB), "parts", ex_storage_class="STANDARD_IA")
    file = tmp_path / "file"
    file.write_bytes(b"a")
    driver.upload_object(str(file), bucket, "file", ex_storage_class="STANDARD_IA")
    for name in ("bytes", "parts", "file"):
        assert client.head_object(Bucket="bucket", Key=name)["StorageClass"] == "STANDARD_IA"
        assert bucket.get_object(name).extra["storage_class"] == "STANDARD_IA"
    assert {one.extra["storage_class"] for one in bucket.list_objects()} == {"STANDARD_IA"}


# Versions


def test_versions_of_many_pages() -> None:
    """A list of versions goes on behind the key and the version at which a page ended."""

    def page(key: str, version: str, end: str) -> bytes:
        return (
            "<ListVersionsResult><EncodingType>url</EncodingType>"
            f"{end}<Version><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>true</IsLatest>"
            "<Size>1</Size></Version></ListVersionsResult>"
        ).encode()

    more = (
        "<IsTruncated>true</IsTruncated><NextKeyMarker>a%2Bb</NextKeyMarker>"
        "<NextVersionIdMarker>v+1</NextVersionIdMarker>"
    )

    def respond(seen: Seen) -> Answer:
        return Answer(body=page("c", "2", "") if "key-marker" in seen.query else page("a%2Bb", "v+1", more))

    with serve(respond) as web:
        found = [(one.name, one.version_id) for one in at(web).iterate_object_versions("x")]
        assert found == [("a+b", "v+1"), ("c", "2")]
        assert web.seen[1].query["key-marker"] == ["a+b"]
        assert web.seen[1].query["version-id-marker"] == ["v+1"]
        assert all(seen.query["prefix"] == ["x"] for seen in web.seen)


@pytest.mark.parametrize(
    ("code", "kind"), [("InvalidArgument", ObjectDoesNotExistError), ("InvalidRequest", ProviderHTTPError)]
)
def test_a_text_that_is_no_version(code: str, kind: type[PolycloudError]) -> None:
    """A text that is no version's id names no object; what needs a customer's key is another error."""

    def respond(seen: Seen) -> Answer:
        return Answer(400, b"" if seen.method == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode())

    with serve(respond) as web:
        driver = at(web).driver
        with pytest.raises(ProviderHTTPError) as caught:
            driver.get_object_version("photos", "a", "no version")
        assert type(caught.value) is kind
        assert [seen.query for seen in web.seen] == [{"versionId": ["no version"]}] * 2


@pytest.mark.parametrize(("etag", "sent"), [("0" * 32, 2), (f"{'0' * 32}-3", 1)])
def test_an_update_whose_response_is_lost(etag: str, sent: int) -> None:
    """An update is sent again only if the copy has the same ETag: else it would meet its own result."""
    acl = b"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>"

    def respond(seen: Seen) -> Answer | None:
        if seen.method == "GET":
            return Answer(body=acl)
        return Answer(headers={"ETag": f'"{etag}"', "Content-Length": "7"}) if seen.method == "HEAD" else None

    with serve(respond) as web:
        obj = at(web).get_object("a")
        with call_options(retry=RetryPolicy(attempts=2, base=0.01)), pytest.raises(TransportError):
            obj.update({"meta_data": {"owner": "me"}})
        assert len([seen for seen in web.seen if seen.method == "PUT"]) == sent


def test_on_an_event_loop(cloud: Sandbox, client: Any) -> None:
    """Bulk deletes, updates, copies in parts and versions are awaited on an event loop."""
    client.put_object(Bucket="bucket", Key="long", Body=bytes(11 * MIB))

    async def run() -> tuple[Any, ...]:
        async with AsyncStorageDriver(SmallCopies(*cloud.credentials, **cloud.options)) as store:
            bucket = await store.get_container("bucket")
            await store.set_container_versioning(bucket)
            copied = await store.copy_object(await store.get_object("bucket", "long"), bucket, "copy")
            updated = await store.update_object(copied, {"meta_data": {"owner": "me"}})
            versions = [one async for one in store.iterate_object_versions(bucket, "copy")]
            last = await store.get_object_version("bucket", "copy", str(versions[0].version_id))
            count = await store.delete_objects(bucket, await store.list_object_versions(bucket))
            return updated.meta_data, last.meta_data, len(versions), count

    assert asyncio.run(run()) == ({"owner": "me"}, {"owner": "me"}, 2, 3)
    assert "Versions" not in client.list_object_versions(Bucket="bucket")


def test_the_region_of_a_bucket() -> None:
    """A bucket's `extra` has the region that the store names."""
    with serve(lambda _: Answer(headers={"x-amz-bucket-region": "us-east-1"})) as web:
        assert at(web).driver.get_container("photos").extra["region"] == "us-east-1"
