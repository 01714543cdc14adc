"""What is Swift's own: large objects and their segments, lists, access, temporary URLs, refusals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from polycloud.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    RateLimitReachedError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container
from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver, SwiftConnection
from polycloud.storage.locations import Location
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    InvalidContainerNameError,
    ObjectDoesNotExistError,
    ObjectError,
)
from polycloud.testing.faults import FaultList, FaultProxy, SeenRequest
from support.recorded import everything_recorded
from support.web import Answer, Seen, serve

PART = OpenStackSwiftStorageDriver.part_size
LARGE = 2 * PART + 7
ONCE = RetryPolicy(attempts=1)


class ShortPages(SwiftConnection):
    per_page = 2


class ShortPagesDriver(OpenStackSwiftStorageDriver):
    connectionCls = ShortPages


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack_swift", ssh="off") as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[OpenStackSwiftStorageDriver]:
    cloud.reset()
    with OpenStackSwiftStorageDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def box(driver: OpenStackSwiftStorageDriver) -> Container:
    return driver.create_container("box")


def segments(driver: OpenStackSwiftStorageDriver) -> list[str]:
    """Return the names of all segments of the objects in "box"."""
    try:
        return [one.name for one in Container("box_segments", {}, driver).list_objects()]
    except ContainerDoesNotExistError:
        return []


@contextmanager
def behind(cloud: Sandbox, *faults: str | None, first: str = "multipart-manifest=put") -> Iterator[Container]:
    """Yield the container of a driver whose requests meet these faults from that with this query on."""
    hit: list[bool] = []
    host, port = cloud.url.removeprefix("http://").split(":")

    def spares(request: SeenRequest) -> bool:
        hit.extend([True] * (first in request.query))
        return not hit

    with FaultProxy(host, int(port), FaultList(*faults, spare=spares)) as proxy:
        options = {**cloud.options, "ex_force_auth_url": f"{proxy.url}/identity/v3", "retry": ONCE}
        with OpenStackSwiftStorageDriver(*cloud.credentials, **options) as far:
            yield Container("box", {}, far)


# Large objects


def test_short_uploads(cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """An upload is one request, once it is known that its container has no large objects."""
    box.upload_object_via_stream(b"first", "a")
    before = len(cloud.requests)
    box.upload_object_via_stream(iter([b"a"] * 100), "short")
    assert [one.method for one in cloud.requests[before:]] == ["PUT"]


def test_segments(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """The segments of a large object are in the container of segments, under the object's name."""
    made = box.upload_object_via_stream(os.urandom(LARGE), "films/a b/é")
    assert made.md5 is None
    assert [name.rpartition("/")[2] for name in segments(driver)] == ["00000001", "00000002", "00000003"]
    assert all(name.startswith("films/a b/é/slo/") for name in segments(driver))
    assert [one.name for one in box.list_objects()] == ["films/a b/é"]
    assert {one.hash for one in box.list_objects()} == {made.hash}


@pytest.mark.parametrize("by", ["delete", "bulk", "small", "large", "copy"])
def test_no_segments_stay(driver: OpenStackSwiftStorageDriver, box: Container, by: str) -> None:
    """Segments are deleted with their object: by a delete, or when it is replaced in any way."""
    other = box.upload_object_via_stream(b"other", "other")
    box.upload_object_via_stream(os.urandom(LARGE), "large")
    first = set(segments(driver))
    assert len(first) == 3
    new = b"small" if by == "small" else os.urandom(LARGE + PART)
    if by == "delete":
        driver.delete_object(box.get_object("large"))
    elif by == "bulk":
        assert box.delete_objects(["large", "missing"]) == 2
    elif by == "copy":
        driver.copy_object(other, box, "large")
    else:
        box.upload_object_via_stream(new, "large")
        assert b"".join(box.get_object("large").as_stream()) == new
    left = segments(driver)
    assert not first.intersection(left)
    assert len(left) == (4 if by == "large" else 0)


def test_copies_of_large_objects(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """A copy of a large object has segments of its own, and outlives its source."""
    content = os.urandom(LARGE)
    source = box.upload_object_via_stream(
        content, "source", {"content_type": "video/x", "meta_data": {"a": "b"}}
    )
    copied = driver.copy_object(source, box, "copy")
    assert (copied.size, copied.hash, copied.meta_data) == (LARGE, source.hash, {"a": "b"})
    source.delete()
    found = box.get_object("copy")
    assert b"".join(found.as_stream()) == content
    assert found.extra["content_type"] == "video/x"
    assert len(segments(driver)) == 3


def test_a_container_with_its_segments(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """The container of the segments is deleted with that of the objects."""
    box.upload_object_via_stream(os.urandom(LARGE), "large").delete()
    assert [one.name for one in driver.list_containers()] == ["box", "box_segments"]
    box.delete()
    assert driver.list_containers() == []


def test_a_lost_manifest(cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """If the response to the manifest is lost, the upload is complete, and its segments stay."""
    content = os.urandom(LARGE)
    with behind(cloud, "reset after") as far:
        far.upload_object_via_stream(content, "large")
    assert b"".join(box.get_object("large").as_stream()) == content


@pytest.mark.parametrize("failures", [1, 9])
def test_a_lost_manifest_that_nobody_can_see(
    cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container, failures: int
) -> None:
    """If nobody knows whether the manifest has arrived, the upload fails, and the object stays whole."""
    content = os.urandom(LARGE)
    with behind(cloud, "reset after", *["503"] * failures) as far, pytest.raises(PolycloudError):
        far.upload_object_via_stream(content, "large")
    assert b"".join(box.get_object("large").as_stream()) == content


def test_an_upload_that_goes_on_at_its_end(
    cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container, tmp_path: Path
) -> None:
    """An upload that goes on after its manifest has arrived keeps the segments of that."""
    content, state = os.urandom(LARGE), tmp_path / "state"
    with behind(cloud, "reset after", "503") as far:
        with pytest.raises(PolycloudError):
            far.upload_object_via_stream(content, "large", resume=state)
        far.upload_object_via_stream(content, "large", resume=state)
    assert b"".join(box.get_object("large").as_stream()) == content
    assert len(segments(driver)) == 3
    assert not state.exists()


def test_unfinished_uploads(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """Uploads that somebody left are listed and removed; finished ones and other programs' segments stay."""
    box.upload_object_via_stream(os.urandom(LARGE), "a/slo/b")
    kept = segments(driver)
    place = Container("box_segments", {}, driver)
    foreign = "film/slo/1700000000.0/9/5/00000000"
    for name in ("film/slo/1700000000-0123456789ab/00000001", foreign):
        place.upload_object_via_stream(b"x", name)
    assert [(one.key, one.id) for one in driver.ex_iterate_multipart_uploads(box)] == [
        ("film", "1700000000-0123456789ab")
    ]
    assert list(driver.ex_iterate_multipart_uploads(box, "a")) == []
    assert driver.ex_cleanup_all_multipart_uploads(box)
    assert segments(driver) == [*kept, foreign]
    with pytest.raises(ContainerDoesNotExistError):
        list(driver.ex_iterate_multipart_uploads(Container("nowhere", {}, driver)))


def test_dynamic_large_objects(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """A dynamic large object is read as `get_object` finds it; as it is listed, reading it is an error."""
    for number in (1, 2):
        box.upload_object_via_stream(b"part %d " % number, f"parts/{number}")
    box.upload_object_via_stream(b"", "whole", headers={"X-Object-Manifest": "box/parts/"})
    found = box.get_object("whole")
    assert found.md5 is None
    assert b"".join(found.as_stream()) == b"part 1 part 2 "
    [listed] = box.list_objects("whole")
    with pytest.raises(ObjectError, match="dynamic large object"):
        list(listed.as_stream())
    assert found.update({"meta_data": {"a": "b"}}).size == found.size
    found.delete()
    assert [one.name for one in box.list_objects()] == ["parts/1", "parts/2"]


def test_versions_keep_segments(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """The segments of a version that is kept are neither unfinished nor removed."""
    box.set_versioning()
    content = os.urandom(LARGE)
    box.upload_object_via_stream(content, "a")
    box.upload_object_via_stream(b"small", "a")
    assert list(driver.ex_iterate_multipart_uploads(box)) == []
    assert driver.ex_cleanup_all_multipart_uploads(box)
    _, old = box.list_object_versions()
    assert b"".join(old.as_stream()) == content


def test_a_lost_delete(cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """The delete of a large object whose response is lost has been done, and is no error."""
    made = box.upload_object_via_stream(os.urandom(LARGE), "a")
    with behind(cloud, "reset after", first="multipart-manifest=delete") as far:
        assert far.delete_object(made)
    assert segments(driver) == []


def test_a_replacement_whose_response_is_lost(
    cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container
) -> None:
    """A large object that replaces one removes its segments, also if the response to the manifest is lost."""
    box.upload_object_via_stream(os.urandom(LARGE), "a")
    first = segments(driver)
    with behind(cloud, "reset after") as far:
        far.upload_object_via_stream(os.urandom(LARGE), "a")
    assert len(segments(driver)) == 3
    assert not set(first).intersection(segments(driver))


def test_other_containers_of_that_name(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """An empty container that this library has not made for segments stays when the other one is deleted."""
    driver.create_container("box_segments")
    box.upload_object_via_stream(b"x", "a").delete()
    box.delete()
    assert [one.name for one in driver.list_containers()] == ["box_segments"]


def test_long_names_of_containers(driver: OpenStackSwiftStorageDriver) -> None:
    """A container whose name leaves no room for that of its segments takes short objects."""
    long = driver.create_container("n" * 256)
    long.upload_object_via_stream(b"x", "a").delete()
    with pytest.raises(InvalidContainerNameError, match="longer than 256"):
        long.upload_object_via_stream(bytes(LARGE), "a")
    assert long.delete()


# Lists


def test_pages(cloud: Sandbox, box: Container) -> None:
    """Lists of containers and objects are complete over pages, with a prefix and with odd names too."""
    names = sorted(["a", "a/b", "a/ +%2F", "a\nb", "é", "😀", "z"], key=str.encode)
    with ShortPagesDriver(*cloud.credentials, **cloud.options) as short:
        for name in names:
            short.upload_object_via_stream(b"x", box, name)
        for number in range(4):
            short.create_container(f"more {number}")
        assert [one.name for one in short.list_container_objects(box)] == names
        assert [one.name for one in short.list_container_objects(box, "a/")] == ["a/ +%2F", "a/b"]
        assert len(short.list_containers()) == 5
        found = [one if isinstance(one, str) else one.name for one in short.iterate_folder(box)]
        assert found == ["a", "a\nb", "a/", "z", "é", "😀"]
        assert [one.name for one in short.iterate_folder(box, "a/") if not isinstance(one, str)] == names[2:4]


def listing(*pages: bytes) -> Iterator[OpenStackSwiftStorageDriver]:
    """Yield a driver whose Swift responds with these pages, and then with empty ones."""
    left = list(pages)

    def respond(seen: Seen) -> Answer:
        if seen.path == "/auth/v1.0":
            return Answer(
                headers={"X-Auth-Token": "t", "X-Storage-Url": f"http://{seen.headers['Host']}/v1/a"}
            )
        return Answer(200, left.pop(0) if left else b"[]", {"Content-Type": "application/json"})

    with serve(respond) as web:
        with OpenStackSwiftStorageDriver("a:b", "c", url=f"{web.url}/auth/v1.0") as driver:
            yield driver


def test_short_pages() -> None:
    """A list goes on after a page that is shorter than what was asked for."""
    for driver in listing(b'[{"name": "a"}]', b'[{"name": "b"}, {"name": "c"}]'):
        assert [one.name for one in driver.list_containers()] == ["a", "b", "c"]


@pytest.mark.parametrize("second", [b'[{"name": "b"}]', b'[{"name": "a"}]'])
def test_endless_lists(second: bytes) -> None:
    """A list that returns to an earlier page is an error."""
    for driver in listing(b'[{"name": "b"}]', second):
        with pytest.raises(MalformedResponseError, match="has no end"):
            driver.list_containers()


# Access


def test_public_containers(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """Anybody reads the objects of a container that was made public, which keeps its access list."""
    obj = box.upload_object_via_stream(b"hello", "a b/é")
    driver.ex_set_container_acl(box, read="project:ann", write="project:bob")
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", obj.get_cdn_url()).status == 401
        assert box.enable_cdn()
        assert box.enable_cdn()
        assert pool.request("GET", obj.get_cdn_url()).data == b"hello"
    extra = driver.get_container("box").extra
    assert (extra["read_acl"], extra["write_acl"]) == ("project:ann,.r:*", "project:bob")


def test_metadata_of_containers(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """Metadata of a container is set by name, and an empty text deletes it; the account's totals are told."""
    driver.ex_set_container_metadata(box, {"color": "red", "size": "1"})
    driver.ex_set_container_metadata(box, {"color": ""})
    driver.ex_enable_static_website(box)
    driver.ex_set_error_page(box, "oops.html")
    found = driver.get_container("box")
    assert found.extra["meta_data"] == {"size": "1", "web-index": "index.html", "web-error": "oops.html"}
    box.upload_object_via_stream(b"12345", "a")
    totals = driver.ex_get_meta_data()
    assert (totals["container_count"], totals["object_count"], totals["bytes_used"]) == (1, 1, 5)


def test_keys_of_temporary_urls(cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """A URL is signed with the key of the driver, else of the container, else of the account, else not."""
    obj = box.upload_object_via_stream(b"hello", "a")
    with pytest.raises(InvalidArgumentError, match="temporary URLs need a key"):
        driver.ex_presigned_url(box, "a")
    with urllib3.PoolManager() as pool:
        driver.ex_set_account_metadata_temp_url_key("of the account")
        assert pool.request("GET", driver.ex_presigned_url(box, "a")).data == b"hello"
        driver.ex_set_container_metadata(box, {"Temp-URL-Key": "of the container"})
        driver.ex_set_account_metadata_temp_url_key("another")
        assert pool.request("GET", driver.ex_get_object_temp_url(obj)).data == b"hello"
        with OpenStackSwiftStorageDriver(
            *cloud.credentials, **cloud.options, ex_temp_url_key="of the container"
        ) as keyed:
            keyed.connection.place()
            before = len(cloud.requests)
            url = keyed.ex_presigned_url(box, "a")
            assert len(cloud.requests) == before
            assert pool.request("GET", url).data == b"hello"
            assert "of the container" not in f"{url}{keyed!r}{keyed.connection!r}"


def test_refused_temporary_urls(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """Another method, a time under a second and a name of slashes alone have no URL."""
    with pytest.raises(InvalidArgumentError, match="method must be one of"):
        driver.ex_presigned_url(box, "a", method="POST")
    with pytest.raises(InvalidArgumentError, match="at least 1 second"):
        driver.ex_presigned_url(box, "a", expires=0)
    with pytest.raises(InvalidArgumentError, match="nothing but slashes"):
        driver.ex_presigned_url(box, "//")


# Refusals


def test_what_swift_does_not_have(
    cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container
) -> None:
    """What Swift would ignore or lose is refused, and nothing of it is sent, small or large."""
    box.upload_object_via_stream(b"x", "a")
    before = len(cloud.requests)
    for content in (b"x", bytes(LARGE)):
        with pytest.raises(UnsupportedOperationError, match="no if_match"):
            box.upload_object_via_stream(content, "a", if_match="0" * 32)
        with pytest.raises(InvalidArgumentError, match="'my-key' is kept"):
            box.upload_object_via_stream(content, "a", {"meta_data": {"my_key": "x"}})
        with pytest.raises(InvalidArgumentError, match="no access list"):
            box.upload_object_via_stream(content, "a", {"acl": "public-read"})
    with pytest.raises(InvalidArgumentError, match="at most 984 bytes"):
        box.upload_object_via_stream(bytes(LARGE), "n" * 1024)
    with pytest.raises(InvalidArgumentError, match="seconds from 1"):
        box.upload_object_via_stream(b"x", "a", ex_delete_after=0)
    assert len(cloud.requests) == before


def test_expiry(driver: OpenStackSwiftStorageDriver, box: Container, tmp_path: Path) -> None:
    """An object with `ex_delete_after` expires, its segments later, and an update does not change that."""
    file = tmp_path / "a"
    file.write_bytes(b"x")
    driver.upload_object(str(file), box, "small", ex_delete_after=1000)
    box.upload_object_via_stream(os.urandom(LARGE), "large", ex_delete_after=1000)
    ends = {name: box.get_object(name).extra["delete_at"] for name in ("small", "large")}
    assert driver.get_object("box_segments", segments(driver)[0]).extra["delete_at"] > ends["large"]
    updated = box.get_object("small").update({"meta_data": {"a": "b"}})
    assert (updated.extra["delete_at"], updated.meta_data) == (ends["small"], {"a": "b"})
    later = updated.update(headers={"X-Delete-After": "5000"})
    assert later.extra["delete_at"] > ends["small"]


def test_ids_of_requests(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """An error names the transaction by which the operators of Swift find the request."""
    with pytest.raises(ObjectDoesNotExistError) as raised:
        box.get_object("missing")
    assert raised.value.exchange is not None
    assert str(raised.value.exchange.request_id).startswith("tx")


def test_too_many_requests() -> None:
    """Swift's own status for requests that come too fast is the error of that."""

    def respond(seen: Seen) -> Answer:
        if seen.path == "/auth/v1.0":
            return Answer(
                headers={"X-Auth-Token": "t", "X-Storage-Url": f"http://{seen.headers['Host']}/v1/a"}
            )
        return Answer(498, b"Slow down")

    with serve(respond) as web:
        with OpenStackSwiftStorageDriver("a:b", "c", url=f"{web.url}/auth/v1.0", retry=ONCE) as driver:
            with pytest.raises(RateLimitReachedError, match="Slow down"):
                driver.list_containers()


def test_two_creates_at_once(driver: OpenStackSwiftStorageDriver) -> None:
    """Of programs that create one container at the same time, one succeeds, and the others are refused."""

    def create() -> bool:
        try:
            driver.create_container("race")
        except ContainerAlreadyExistsError:
            return False
        return True

    assert sum(driver.connection.gather([create] * 8)) == 1


def test_bulk_deletes(cloud: Sandbox, driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """Many objects are deleted in one request, if the container has no large ones."""
    names = [f"{number}\n é%2F" for number in range(5)]
    for name in names:
        box.upload_object_via_stream(b"x", name)
    box.delete_objects([names[0]])
    before = len(cloud.requests)
    assert box.delete_objects(box.iterate_objects()) == 4
    assert [one.method for one in cloud.requests[before:]] == ["GET", "GET", "POST"]
    assert box.list_objects() == []


def test_accounts(cloud: Sandbox, driver: OpenStackSwiftStorageDriver) -> None:
    """Drivers of one login are of one account in one region only."""
    with (
        OpenStackSwiftStorageDriver(*cloud.credentials, **cloud.options) as same,
        OpenStackSwiftStorageDriver(
            *cloud.credentials, **{**cloud.options, "ex_force_service_region": "Other"}
        ) as other,
    ):
        assert driver.same_account(same)
        assert not driver.same_account(other)


def test_missing_versions_of_large_objects(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """The delete of a large object that has gone in the meantime is an error with its name."""
    made = box.upload_object_via_stream(os.urandom(LARGE), "large")
    driver.delete_object(made)
    with pytest.raises(ObjectDoesNotExistError, match="large"):
        driver.delete_object(made)


def test_keys_in_traces(driver: OpenStackSwiftStorageDriver, box: Container) -> None:
    """No log, trace or span shows a key of temporary URLs, neither as it is set nor as it is read."""
    keys = ("hush-hush-account", "hush-hush-container")
    with everything_recorded() as recorded:
        driver.ex_set_account_metadata_temp_url_key(keys[0])
        driver.ex_presigned_url(box, "a")
        driver.ex_set_container_metadata(box, {"Temp-URL-Key-2": keys[1], "Temp-URL-Key": keys[1]})
        driver.ex_presigned_url(box, "a")
    assert any("temp-url-key" in one.lower() for one in recorded)
    assert not [key for key in keys if key in "".join(recorded)]


def test_places_of_accounts(cloud: Sandbox, driver: OpenStackSwiftStorageDriver) -> None:
    """A container is the same for two drivers of an account, and another one in another account."""
    with OpenStackSwiftStorageDriver(*cloud.credentials, **cloud.options) as again:
        here, there = (Location(Container("box", {}, one)) for one in (driver, again))
        assert here.is_same(there)
        url = f"{driver.connection.place().root}/v1/AUTH_other"
        with OpenStackSwiftStorageDriver(*cloud.credentials, **cloud.options, ex_force_base_url=url) as other:
            assert not here.is_same(Location(Container("box", {}, other)))
