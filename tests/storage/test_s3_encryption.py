"""Encryption by S3: by a key of the customer, and by keys of the provider."""

from __future__ import annotations

import base64
import hashlib
import pickle
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from polycloud import add_hook
from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.storage import copy
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.types import ObjectHashMismatchError
from support.web import Answer, Seen, Web, serve

KEY = bytes(range(100, 132))
TEXT = base64.b64encode(KEY).decode()
DIGEST = base64.b64encode(hashlib.md5(KEY, usedforsecurity=False).digest()).decode()
CUSTOMER = "x-amz-server-side-encryption-customer-"
SOURCE = "x-amz-copy-source-server-side-encryption-customer-"
BEGUN = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
ENDED = b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>'
COPIED = b'<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>'
LIST = b"<ListBucketResult/>"


def respond(seen: Seen) -> Answer:
    """Respond as S3 does, to whatever it is asked."""
    bodies = {"POST": BEGUN if "uploads" in seen.query else ENDED}
    body = bodies.get(seen.method, COPIED if "x-amz-copy-source" in lower(seen) else b"")
    if seen.method == "GET" and seen.path == "/photos":
        return Answer(body=LIST)
    return Answer(body=body, headers={"ETag": '"e"', "x-amz-checksum-crc32": crc(seen)} if not body else {})


def lower(seen: Seen) -> dict[str, str]:
    return {name.lower(): text for name, text in seen.headers.items()}


def crc(seen: Seen) -> str:
    return lower(seen).get("x-amz-checksum-crc32", "")


def driver_at(web: Web, **options: Any) -> S3StorageDriver:
    return S3StorageDriver("key", "secret", url=web.url, **options)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(respond) as web:
        yield web


def use_all(driver: S3StorageDriver) -> Container:
    """Write, read, look up, copy, list and delete an object, and write one in parts."""
    photos = Container("photos", {}, driver)
    driver.upload_object_via_stream(b"small", photos, "a")
    driver.upload_object_via_stream(bytes(6 * 1024 * 1024), photos, "long")
    found = driver.get_object("photos", "a")
    assert list(driver.download_object_range_as_stream(Object("a", 9, "e", {}, {}, photos, driver), 0)) == []
    driver.copy_object(found, photos, "b")
    driver.list_container_objects(photos)
    driver.delete_object(found)
    return photos


@pytest.mark.parametrize("given", [KEY, TEXT])
def test_every_request_for_content_brings_the_key(web: Web, given: bytes | str) -> None:
    """The customer's key comes with all that reads or writes an object, never with lists and deletes."""
    with driver_at(web, ex_customer_key=given) as driver:
        use_all(driver)
    for seen in web.seen:
        sent = {name: text for name, text in lower(seen).items() if name.startswith((CUSTOMER, SOURCE))}
        expected = {"algorithm": "AES256", "key": TEXT, "key-md5": DIGEST}
        prefixes = [CUSTOMER, SOURCE] if "x-amz-copy-source" in lower(seen) else [CUSTOMER]
        if seen.path == "/photos" or seen.method == "DELETE":
            prefixes = []
        assert sent == {prefix + name: text for prefix in prefixes for name, text in expected.items()}
    methods = "PUT POST PUT PUT POST HEAD GET PUT GET DELETE"
    assert [seen.method for seen in web.seen] == methods.split()


def test_keys_of_the_provider(web: Web) -> None:
    """`ex_encryption` and its key are sent with what makes an object, and with nothing else."""
    with driver_at(web, ex_encryption="aws:kms", ex_encryption_key_id="my-key") as driver:
        use_all(driver)
    method, key = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
    sent = [(lower(seen).get(method), lower(seen).get(key)) for seen in web.seen]
    made, used = ("aws:kms", "my-key"), (None, None)
    assert sent == [made, made, used, used, used, used, used, made, used, used]


@pytest.mark.parametrize(
    "key", [b"short", KEY + b"x", "no base64!", base64.b64encode(KEY[:31]).decode(), "é", 7]
)
def test_keys_of_another_length(key: Any) -> None:
    """A customer's key that is not 32 bytes is refused, and not shown."""
    with pytest.raises(InvalidArgumentError, match="32 bytes") as caught:
        S3StorageDriver("key", "secret", ex_customer_key=key)
    assert str(key) not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ex_customer_key": KEY, "ex_encryption": "AES256"}, "not both"),
        ({"ex_encryption": "rot13"}, "aws:kms"),
        ({"ex_encryption_key_id": "my-key"}, "aws:kms"),
        ({"ex_encryption": "AES256", "ex_encryption_key_id": "my-key"}, "aws:kms"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, Any], reason: str) -> None:
    """Options of encryption that are unknown, or do not go together, are refused."""
    with pytest.raises(InvalidArgumentError, match=reason):
        S3StorageDriver("key", "secret", **options)


def test_the_key_does_not_travel_in_the_clear() -> None:
    """A customer's key is refused over plain HTTP to another host than this machine, whatever is allowed."""
    url = "http://store.example.com"
    S3StorageDriver("key", "secret", url=url, allow_insecure=True)
    with pytest.raises(InsecureConnectionError, match="ex_customer_key"):
        S3StorageDriver("key", "secret", url=url, allow_insecure=True, ex_customer_key=KEY)
    S3StorageDriver("key", "secret", url="https://store.example.com", ex_customer_key=KEY)


def test_the_key_is_nowhere_to_be_seen(web: Web) -> None:
    """No repr, error or trace shows the customer's key, even if the store's message does."""

    def refuse(seen: Seen) -> Answer:
        sent = lower(seen)[f"{CUSTOMER}key"]
        return Answer(
            400, f"<Error><Code>Bad</Code><Message>not {sent}, {KEY.hex()}</Message></Error>".encode()
        )

    with serve(refuse) as refusing, driver_at(refusing, ex_customer_key=KEY) as driver:
        photos = Container("photos", {}, driver)
        traces: list[str] = []
        remove = add_hook(lambda trace: traces.append(f"{trace} {trace.headers} {trace.response}"))
        try:
            with pytest.raises(ProviderHTTPError, match="Bad") as caught:
                driver.upload_object_via_stream(b"small", photos, "a")
        finally:
            remove()
        shown = "".join(map(repr, (driver, driver.connection, photos, caught.value, *traces)))
        shown += str(caught.value) + str(pickle.loads(pickle.dumps(caught.value)))
        assert f"{CUSTOMER}key" in traces[0]
    assert TEXT not in shown
    assert KEY.hex() not in shown


def test_an_encrypted_object_has_no_md5() -> None:
    """The ETag of what KMS or a customer's key encrypts is no MD5, also if only its download says so."""
    etag = hashlib.md5(b"other", usedforsecurity=False).hexdigest()
    for more in ({}, {"x-amz-server-side-encryption": "AES256"}):
        with serving(etag, more) as web, pytest.raises(ObjectHashMismatchError):
            list(listed_at(web, etag).as_stream())
    for more, kept in (
        ({"x-amz-server-side-encryption": "aws:kms"}, "aws:kms"),
        ({f"{CUSTOMER}algorithm": "AES256"}, "customer"),
    ):
        with serving(etag, more) as web:
            listed = listed_at(web, etag)
            assert b"".join(listed.as_stream()) == b"content"
            assert (listed.md5, listed.extra["encryption"]) == (None, kept)
            found = listed.container.get_object("a")
            assert (found.md5, found.hash, found.extra["encryption"]) == (None, etag, kept)
            assert listed.container.upload_object_via_stream(b"x", "a").md5 is None


def serving(etag: str, headers: dict[str, str]) -> AbstractContextManager[Web]:
    return serve(lambda _: Answer(body=b"content", headers={"ETag": f'"{etag}"', **headers}))


def listed_at(web: Web, etag: str) -> Object:
    """Return an object as a list has it."""
    photos = Container("photos", {}, driver_at(web))
    return Object("a", 7, etag, {}, {}, photos, photos.driver)


def test_drivers_with_other_keys_have_other_accounts(web: Web) -> None:
    """A copy between two customer's keys is streamed, since the store reads with one key at a time."""
    with driver_at(web) as plain, driver_at(web, ex_customer_key=KEY) as one:
        with driver_at(web, ex_customer_key=KEY[::-1]) as other, driver_at(web, ex_customer_key=TEXT) as same:
            assert one.same_account(same)
            assert not any((one.same_account(other), one.same_account(plain), plain.same_account(one)))
            source = Object("a", 0, "", {}, {}, Container("photos", {}, plain), plain)
            copy(source, Container("photos", {}, one), "b")
        assert [seen.method for seen in web.seen] == ["GET", "PUT"]
        assert "x-amz-copy-source" not in lower(web.seen[1])


def test_a_url_cannot_bring_the_key(web: Web) -> None:
    """Presigned URLs are refused for a driver with a customer's key."""
    with driver_at(web, ex_customer_key=KEY) as driver, pytest.raises(UnsupportedOperationError, match="key"):
        driver.ex_presigned_url(Container("photos", {}, driver), "a")


def test_a_copy_of_a_driver_keeps_the_key(web: Web) -> None:
    """A driver that was pickled encrypts by the same key."""
    with driver_at(web, ex_customer_key=KEY) as driver:
        copied = pickle.loads(pickle.dumps(driver))
        copied.get_object("photos", "a")
    assert lower(web.seen[0])[f"{CUSTOMER}key"] == TEXT


def test_drivers_without_encryption(tmp_path: Any) -> None:
    """Drivers that do not offer encryption refuse the option by its name."""
    for make in (lambda: DummyStorageDriver(ex_customer_key=KEY), local(str(tmp_path))):
        with pytest.raises(InvalidArgumentError, match="ex_customer_key"):
            make()


def local(folder: str) -> Any:
    return lambda: LocalStorageDriver(folder, ex_customer_key=KEY)
