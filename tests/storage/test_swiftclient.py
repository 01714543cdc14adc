"""The driver beside OpenStack's own client: what one writes the other reads, on the sandbox and on Swift."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container
from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver, SwiftConnection
from polycloud.storage.types import ContainerError, ObjectDoesNotExistError
from support.stores import store

swiftclient = pytest.importorskip("swiftclient")
service = pytest.importorskip("swiftclient.service")

PART = OpenStackSwiftStorageDriver.part_size
LARGE = 2 * PART + 7
# Without dots between slashes, which the client changes
NAMES = ("a b+c", "é😀", "100%2F", "a//b", "/lead", "trail/", "new\nline", "q?x#y", "n" * 1024)


class ShortPages(SwiftConnection):
    per_page = 2


class ShortPagesDriver(OpenStackSwiftStorageDriver):
    connectionCls = ShortPages


@pytest.fixture(scope="module", params=["sandbox", "real"])
def login(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, str]]:
    """Yield the address, the user and the key of a login of version 1."""
    if request.param == "real":
        yield f"{store('swift')}/auth/v1.0", "test:tester", "testing"
    else:
        with Sandbox("openstack_swift", ssh="off") as cloud:
            yield f"{cloud.url}/auth/v1.0", "demo:demo", "openstack_sandbox"


@pytest.fixture
def client(login: tuple[str, str, str]) -> Iterator[Any]:
    with contextlib.closing(swiftclient.Connection(*login, retries=0)) as client:
        yield client


@pytest.fixture
def driver(login: tuple[str, str, str]) -> Iterator[OpenStackSwiftStorageDriver]:
    url, user, key = login
    with OpenStackSwiftStorageDriver(user, key, url=url) as driver:
        yield driver


@pytest.fixture
def box(driver: OpenStackSwiftStorageDriver) -> Iterator[Container]:
    box = driver.create_container(f"compared-{secrets.token_hex(4)}")
    yield box
    for name in (f"{box.name}_segments", box.name):
        with contextlib.suppress(ContainerError):
            found = driver.get_container(name)
            for one in found.list_objects():
                one.delete()
            found.delete()


@pytest.fixture
def uploader(login: tuple[str, str, str]) -> Iterator[Any]:
    """The client's uploads of files, which makes large objects."""
    url, user, key = login
    options = {"auth": url, "user": user, "key": key, "auth_version": "1.0", "retries": 0}
    with service.SwiftService(options) as uploader:
        yield uploader


def test_objects_of_ours(client: Any, box: Container) -> None:
    """The client lists, reads and describes what the driver has written."""
    for name in NAMES:
        extra = {"content_type": "text/x-own", "meta_data": {"owner": "ann"}, "content_encoding": "x"}
        box.upload_object_via_stream(name.encode(), name, extra)
        headers, content = client.get_object(box.name, name)
        assert content == name.encode()
        assert headers["etag"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert (headers["content-type"], headers["content-encoding"]) == ("text/x-own", "x")
        assert headers["x-object-meta-owner"] == "ann"
    _, listed = client.get_container(box.name)
    assert [one["name"] for one in listed] == sorted(NAMES, key=str.encode)


def test_objects_of_theirs(client: Any, box: Container) -> None:
    """The driver lists, reads and describes what the client has written."""
    for name in NAMES:
        headers = {"X-Object-Meta-Owner": "ann", "Content-Disposition": "inline"}
        client.put_object(
            box.name, name, io.BytesIO(name.encode()), content_type="text/x-own", headers=headers
        )
        found = box.get_object(name)
        assert b"".join(found.as_stream()) == name.encode()
        assert (found.meta_data, found.extra["content_disposition"]) == ({"owner": "ann"}, "inline")
        assert found.extra["content_type"] == "text/x-own"
    assert [one.name for one in box.list_objects()] == sorted(NAMES, key=str.encode)


def test_pages(login: tuple[str, str, str], box: Container) -> None:
    """Lists over pages are complete and in order, of a container, of a folder and of versions."""
    url, user, key = login
    box.set_versioning()
    names = ["a", "a/1", "a/2", "a/b/3", "a0", "é", "😀"]
    for name in names:
        box.upload_object_via_stream(b"x", name)
        box.upload_object_via_stream(b"y", name)
    with ShortPagesDriver(user, key, url=url) as short:
        assert [one.name for one in short.list_container_objects(box)] == names
        assert [one.name for one in short.list_container_objects(box, "a/")] == names[1:4]
        found = [one if isinstance(one, str) else one.name for one in short.iterate_folder(box)]
        assert found == ["a", "a/", "a0", "é", "😀"]
        versions = short.list_object_versions(box)
        assert [one.name for one in versions] == [name for name in names for _ in "12"]
        assert len({(one.name, one.version_id) for one in versions}) == len(versions)
        assert box.delete_objects(versions) == len(versions)
    box.set_versioning(False)


def test_large_objects_of_ours(client: Any, uploader: Any, box: Container) -> None:
    """The client reads a large object of the driver's, and deletes it with its segments."""
    content = os.urandom(LARGE)
    made = box.upload_object_via_stream(content, "films/é 1")
    headers, read = client.get_object(box.name, "films/é 1")
    assert (read, headers["etag"], headers["x-static-large-object"]) == (content, made.hash, "True")
    for result in uploader.delete(box.name, ["films/é 1"]):
        assert result["success"], result
    assert client.get_container(f"{box.name}_segments")[1] == []
    assert box.list_objects() == []


@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_large_objects_of_theirs(
    driver: OpenStackSwiftStorageDriver, uploader: Any, box: Container, tmp_path: Path, kind: str
) -> None:
    """The driver reads, copies, and deletes large objects of the client's, static and dynamic ones."""
    content = os.urandom(300_000)
    file = tmp_path / "film"
    file.write_bytes(content)
    options = {"segment_size": 100_000, "use_slo": kind == "slo"}
    upload = service.SwiftUploadObject(str(file), object_name="film é")
    for result in uploader.upload(box.name, [upload], options):
        assert result["success"], result
    found = box.get_object("film é")
    assert (found.size, found.md5) == (len(content), None)
    assert b"".join(found.as_stream()) == content
    assert b"".join(found.range_as_stream(99_990, 200_010)) == content[99_990:200_010]
    copied = driver.copy_object(found, box, "copy")
    found.delete()
    assert b"".join(copied.as_stream()) == content
    copied.delete()
    left = driver.get_container(f"{box.name}_segments").list_objects()
    assert len(left) == (0 if kind == "slo" else 3)


def test_replaced_large_objects(client: Any, box: Container) -> None:
    """A large object that the client has replaced cannot be read as before, and its segments are removed."""
    old = box.upload_object_via_stream(os.urandom(LARGE), "a")
    client.put_object(box.name, "a", b"small")
    assert box.get_object("a").md5 == hashlib.md5(b"small", usedforsecurity=False).hexdigest()
    with pytest.raises(Exception, match="was changed since it was listed"):
        list(old.as_stream())
    assert len(list(box.driver.ex_iterate_multipart_uploads(box))) == 1  # type: ignore[attr-defined]
    assert box.driver.ex_cleanup_all_multipart_uploads(box)  # type: ignore[attr-defined]
    assert client.get_container(f"{box.name}_segments")[1] == []


def test_versions_of_large_objects(box: Container) -> None:
    """Segments stay as long as a version needs them, and are deleted with that."""
    box.set_versioning()
    contents = [os.urandom(LARGE), b"small"]
    for content in contents:
        box.upload_object_via_stream(content, "a")
    box.get_object("a").delete()
    marker, *versions = box.list_object_versions()
    assert marker.extra["is_delete_marker"]
    assert [b"".join(one.as_stream()) for one in versions] == contents[::-1]
    place = box.driver.get_container(f"{box.name}_segments")
    assert len(place.list_objects()) == 3
    versions[1].delete()
    assert place.list_objects() == []
    assert box.delete_objects([marker, versions[0]]) == 2
    box.set_versioning(False)


def test_temporary_urls(client: Any, login: tuple[str, str, str], box: Container) -> None:
    """A temporary URL is the one that the client makes."""
    utils = pytest.importorskip("swiftclient.utils")
    url, user, key = login
    place = client.get_auth()[0]
    with OpenStackSwiftStorageDriver(user, key, url=url, ex_temp_url_key="secret") as driver:
        for name in ("a", "é b"):
            made = driver.ex_presigned_url(box, name, expires=1000)
            until = made.rpartition("=")[2]
            path = f"/v1/{place.rpartition('/')[2]}/{box.name}/{name}"
            theirs = utils.generate_temp_url(
                path, int(until), "secret", "GET", absolute=True, digest="sha256"
            )
            assert made.partition("?")[2].split("&")[0] == theirs.partition("?")[2].split("&")[0]


def test_rights_for_objects_only(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """Who may read and write the objects of one container, and nothing else, can do that."""
    url = f"{store('swift')}/auth/v1.0"
    if driver.connection.host not in url or str(driver.connection.port) not in url:
        pytest.skip("the sandbox has one user")
    driver.ex_set_container_acl(box, read="test:tester3", write="test:tester3")
    with OpenStackSwiftStorageDriver("test:tester3", "testing3", url=url) as guest:
        theirs = Container(box.name, {}, guest)
        made = theirs.upload_object_via_stream(b"hello", "a")
        assert b"".join(made.as_stream()) == b"hello"
        with pytest.raises(ObjectDoesNotExistError):
            guest.get_object(box.name, "missing")
        assert made.delete()
