from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.base import Container
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
)


@pytest.fixture
def driver(tmp_path: Path) -> LocalStorageDriver:
    return LocalStorageDriver(str(tmp_path))


@pytest.fixture
def photos(driver: LocalStorageDriver) -> Container:
    return driver.create_container("photos")


def names(driver: LocalStorageDriver, *folders: str) -> list[str]:
    """Return the names of the files and folders in a folder below the base."""
    return sorted(one.name for one in Path(driver.base_path, *folders).iterdir())


def test_files_are_objects(driver: LocalStorageDriver, photos: Container) -> None:
    """An object is a file below its container's folder, and a file of another program is an object."""
    photos.upload_object_via_stream(b"one", "a/b.txt")
    assert Path(driver.base_path, "photos", "a", "b.txt").read_bytes() == b"one"
    Path(driver.base_path, "photos", "c.txt").write_bytes(b"two")
    assert [(one.name, one.size) for one in photos.list_objects()] == [("a/b.txt", 3), ("c.txt", 3)]
    assert photos.get_object("c.txt").hash == ""


def test_the_base_folder_must_exist(tmp_path: Path) -> None:
    """A base folder that does not exist is refused by its path."""
    with pytest.raises(InvalidArgumentError, match=r"the base folder .*missing does not exist"):
        LocalStorageDriver(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/x", "a//b", "a/", ".", "a/./b", ".polycloud/x", "a/.polycloud/x"]
)
def test_names_that_files_cannot_have(driver: LocalStorageDriver, photos: Container, name: str) -> None:
    """A name that leads elsewhere, or that no file can have, is refused for uploads and names no object."""
    with pytest.raises(InvalidArgumentError, match="object_name must"):
        photos.upload_object_via_stream(b"x", name)
    with pytest.raises(ObjectDoesNotExistError):
        photos.get_object(name)
    assert names(driver) == ["photos"]


def test_links_lead_nowhere(driver: LocalStorageDriver, photos: Container, tmp_path: Path) -> None:
    """Links to files and folders are neither listed, read, followed nor deleted; an upload replaces one."""
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    Path(driver.base_path, "photos", "file").symlink_to(outside / "secret")
    Path(driver.base_path, "photos", "folder").symlink_to(outside)
    assert photos.list_objects() == []
    for name in ("file", "folder/secret"):
        with pytest.raises(ObjectDoesNotExistError):
            photos.get_object(name)
    with pytest.raises(PolycloudError):
        photos.upload_object_via_stream(b"x", "folder/secret")
    with pytest.raises(ContainerIsNotEmptyError):
        photos.delete()
    assert (outside / "secret").read_bytes() == b"secret"
    photos.upload_object_via_stream(b"own", "file")
    assert (photos.get_object("file").size, (outside / "secret").read_bytes()) == (3, b"secret")
    Path(driver.base_path, "linked").symlink_to(outside)
    with pytest.raises(ContainerDoesNotExistError):
        driver.get_container("linked")


def test_metadata_of_a_changed_file(driver: LocalStorageDriver, photos: Container) -> None:
    """Metadata and MD5 are kept beside a file until another program changes it."""
    photos.upload_object_via_stream(b"one", "a", extra={"meta_data": {"Owner": "me"}})
    found = photos.get_object("a")
    assert (found.meta_data, found.hash) == ({"owner": "me"}, "f97c5d29941bfb1b2fdab0874906ab82")
    Path(driver.base_path, "photos", "a").write_bytes(b"two!")
    found = photos.get_object("a")
    assert (found.meta_data, found.hash, found.size) == ({}, "", 4)


def test_a_failed_upload_leaves_the_earlier_object(driver: LocalStorageDriver, photos: Container) -> None:
    """An upload that fails in the middle leaves the earlier object, and no file of its own."""
    photos.upload_object_via_stream(b"one", "a")

    def failing() -> Iterator[bytes]:
        yield b"tw"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        photos.upload_object_via_stream(failing(), "a")
    assert b"".join(photos.get_object("a").as_stream()) == b"one"
    assert names(driver, "photos", ".polycloud", "uploads") == []


def test_a_file_and_a_folder_of_one_name(photos: Container) -> None:
    """An object whose name is the folder of another one is refused, and so is one below an object."""
    photos.upload_object_via_stream(b"one", "a/b")
    with pytest.raises(ObjectAlreadyExistsError, match="a file and a folder cannot have one name"):
        photos.upload_object_via_stream(b"x", "a")
    with pytest.raises(ObjectAlreadyExistsError, match="a file and a folder cannot have one name"):
        photos.upload_object_via_stream(b"x", "a/b/c")


def test_delete_prunes_folders(driver: LocalStorageDriver, photos: Container) -> None:
    """Deleting an object deletes the folders that it leaves empty, what is kept beside it, and no others."""
    photos.upload_object_via_stream(b"one", "a/b/c")
    photos.upload_object_via_stream(b"two", "a/d")
    photos.get_object("a/b/c").delete()
    assert names(driver, "photos") == [".polycloud", "a"]
    assert names(driver, "photos", "a") == ["d"]
    assert len(names(driver, "photos", ".polycloud", "objects")) == 1


def test_an_update_touches_nothing_but_metadata(driver: LocalStorageDriver, photos: Container) -> None:
    """An update leaves the file as it was, with its times, and nothing beside it but what is kept."""
    obj = photos.upload_object_via_stream(b"content", "a/b.txt", {"meta_data": {"owner": "me"}})
    file = Path(driver.base_path, "photos", "a", "b.txt")
    before = file.stat()
    updated = obj.update({"cache_control": "no-store"})
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert (updated.hash, updated.meta_data) == (obj.hash, {"owner": "me"})
    assert len(names(driver, "photos", ".polycloud", "objects")) == 1


def test_an_update_of_a_file_of_another_program(driver: LocalStorageDriver, photos: Container) -> None:
    """A file of another program gets metadata, and has no hash; one that it changed is not updated."""
    file = Path(driver.base_path, "photos", "a.txt")
    file.write_bytes(b"other")
    updated = photos.get_object("a.txt").update({"meta_data": {"owner": "me"}})
    found = photos.get_object("a.txt")
    assert (updated.hash, found.hash, found.meta_data) == ("", "", {"owner": "me"})
    assert b"".join(found.as_stream()) == b"other"
    obj = photos.upload_object_via_stream(b"mine", "a.txt")
    file.write_bytes(b"theirs")
    with pytest.raises(ObjectAlreadyExistsError):
        obj.update({"meta_data": {}})


def test_an_update_that_fails_keeps_the_metadata(driver: LocalStorageDriver, photos: Container) -> None:
    """An update that cannot be written raises an error, and the earlier metadata stays."""
    obj = photos.upload_object_via_stream(b"content", "a.txt", {"meta_data": {"owner": "me"}})
    new = Path(driver.base_path, "photos", ".polycloud", "objects", "new")
    new.mkdir()  # where the update would write
    with pytest.raises(PolycloudError, match=r"a\.txt"):
        obj.update({"meta_data": {"owner": "you"}})
    assert photos.get_object("a.txt").meta_data == {"owner": "me"}


def test_folders_are_not_walked(driver: LocalStorageDriver, photos: Container) -> None:
    """A folder is one entry of the folder around it, unless it has no file."""
    for name in ("2026/05/a.jpg", "2026/b.jpg", "2026.txt"):
        photos.upload_object_via_stream(b"", name)
    Path(driver.base_path, "photos", "empty", "too").mkdir(parents=True)
    assert [getattr(one, "name", one) for one in photos.iterate_folder()] == ["2026.txt", "2026/"]
    assert [getattr(one, "name", one) for one in photos.iterate_folder("2026/")] == ["2026/05/", "2026/b.jpg"]
    assert [getattr(one, "name", one) for one in photos.iterate_folder("2026")] == ["2026.txt", "2026/"]


def test_ranges_of_a_replaced_file(photos: Container) -> None:
    """Ranges of an object that was read before its file was replaced are refused, so that none are mixed."""
    obj = photos.upload_object_via_stream(b"one", "a")
    assert b"".join(obj.range_as_stream(0, 1)) == b"o"
    photos.upload_object_via_stream(b"two", "a")
    with pytest.raises(ObjectError, match="'a' was changed since it was listed"):
        next(obj.range_as_stream(1))


def test_a_file_that_changes_while_it_is_read(driver: LocalStorageDriver, photos: Container) -> None:
    """Reading a file that is written to meanwhile ends with an error."""
    file = Path(driver.base_path, "photos", "a")
    file.write_bytes(bytes(600_000))
    pieces = photos.get_object("a").as_stream()
    next(pieces)
    with file.open("r+b") as opened:
        opened.write(b"x")
    with pytest.raises(ObjectError, match="was changed while it was read"):
        list(pieces)


def test_a_base_that_is_a_link(driver: LocalStorageDriver, photos: Container, tmp_path: Path) -> None:
    """The base folder may be a link: what is in it is what is in the folder to which it leads."""
    photos.upload_object_via_stream(b"one", "a")
    link = tmp_path.with_name(f"{tmp_path.name}-link")
    link.symlink_to(tmp_path)
    other = LocalStorageDriver(str(link)).get_container("photos")
    assert [one.name for one in other.list_objects()] == ["a"]


def test_the_base_as_a_container(driver: LocalStorageDriver, photos: Container) -> None:
    """The container "" is the base folder itself, which is neither listed, made nor deleted."""
    photos.upload_object_via_stream(b"one", "a")
    base = driver.get_container("")
    assert base.upload_object_via_stream(b"two", "albums/b", {"meta_data": {"of": "me"}}).container.name == ""
    assert [one.name for one in base.list_objects()] == ["albums/b", "photos/a"]
    assert driver.get_object("", "albums/b").meta_data == {"of": "me"}
    for container, name in (("albums", "b"), ("", "albums/b")):
        assert b"".join(driver.get_object(container, name).as_stream()) == b"two"
    assert base.get_object("photos/a").get_cdn_url() == str(Path(driver.base_path, "photos", "a"))
    assert [one.name for one in driver.list_containers()] == ["albums", "photos"]
    for call in (lambda: driver.create_container(""), base.delete):
        with pytest.raises(InvalidContainerNameError):
            call()


@pytest.mark.parametrize("name", ["a\ud800", "\udcff"])
def test_containers_that_are_no_text(driver: LocalStorageDriver, name: str) -> None:
    """A name of a container that UTF-8 cannot encode is refused."""
    for call in (driver.create_container, driver.get_container):
        with pytest.raises(InvalidContainerNameError):
            call(name)


@pytest.mark.parametrize("time", [2**40, -(2**40)])
def test_times_that_no_calendar_has(driver: LocalStorageDriver, photos: Container, time: int) -> None:
    """A file of a time that no calendar has is an object without a time."""
    file = Path(driver.base_path, "photos", "a")
    file.write_bytes(b"x")
    os.utime(file, (time, time))
    if file.stat().st_mtime != time:
        pytest.skip("this file system cannot keep such times")
    assert [one.last_modified for one in photos.list_objects()] == [None]
