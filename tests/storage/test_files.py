"""Files that cannot be written, and files that change while they are read."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.resuming import remembered

SIZE = 1_000_000


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process become longer than `size`, as on a disk that fills."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def obj() -> Object:
    driver = DummyStorageDriver()
    return driver.upload_object_via_stream(bytes(SIZE), driver.create_container("texts"), "a")


@pytest.fixture
def photos(tmp_path: Path) -> Container:
    return LocalStorageDriver(str(tmp_path)).create_container("photos")


@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_a_download_to_a_full_disk(obj: Object, tmp_path: Path, earlier: bytes | None) -> None:
    """A download that fills the disk raises an error, and leaves the folder as it was."""
    if earlier:
        (tmp_path / "file").write_bytes(earlier)
    with full_disk(SIZE // 2), pytest.raises(PolycloudError, match="file cannot be written: File too large"):
        obj.download(str(tmp_path / "file"), overwrite_existing=True)
    left = [(one.name, one.read_bytes()) for one in tmp_path.iterdir()]
    assert left == ([("file", earlier)] if earlier else [])


def test_a_download_to_a_pipe(obj: Object, tmp_path: Path) -> None:
    """A pipe, like a device, is refused as the file of a download, and not replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InvalidArgumentError, match="pipe is a device or a pipe"):
        obj.download(str(pipe), overwrite_existing=True)
    assert pipe.is_fifo()
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


def test_an_upload_to_a_full_disk(photos: Container, tmp_path: Path) -> None:
    """An upload to files that fills the disk raises an error, and leaves the earlier object and no file."""
    photos.upload_object_via_stream(b"earlier", "a")
    with full_disk(SIZE // 2), pytest.raises(PolycloudError, match="'a' cannot be written: File too large"):
        photos.upload_object_via_stream(bytes(SIZE), "a")
    assert b"".join(photos.get_object("a").as_stream()) == b"earlier"
    assert list((tmp_path / "photos" / ".polycloud" / "uploads").iterdir()) == []


def test_a_state_on_a_full_disk(tmp_path: Path) -> None:
    """An upload that cannot be remembered as a whole raises an error, and leaves no part of a state file."""
    state = tmp_path / "state"
    with full_disk(20), remembered(state, ("a",)) as memory:
        with pytest.raises(InvalidArgumentError, match="state cannot be written"):
            memory.keep("an id")
        assert not state.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that nobody may write to")
def test_a_folder_without_permission(obj: Object) -> None:
    """A download to a folder in which no file can be made is refused by the path of the file."""
    with pytest.raises(InvalidArgumentError, match="/proc/file cannot be written"):
        obj.download("/proc/file")


def test_a_file_that_appears(obj: Object, tmp_path: Path) -> None:
    """A file that another program makes during a download is not replaced."""

    class Slow(DummyStorageDriver):
        """Lets another program make the file while it is downloaded."""

        def download_object_range_as_stream(
            self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
        ) -> Iterator[bytes]:
            (tmp_path / "file").write_bytes(b"another's")
            return obj.driver.download_object_range_as_stream(obj, start_bytes, end_bytes, chunk_size)

    with pytest.raises(InvalidArgumentError, match="file appeared during the download"):
        Slow().download_object(obj, str(tmp_path / "file"))
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"another's"]


def test_a_source_that_shrinks(photos: Container, tmp_path: Path) -> None:
    """A file that becomes shorter while it is uploaded raises an error, and no object is made of it."""

    class Shrinking(FileIO):
        """Becomes shorter as soon as its length was looked up."""

        def tell(self) -> int:
            os.truncate(self.name, 10)
            return super().tell()

    path = tmp_path / "source"
    path.write_bytes(bytes(SIZE))
    with (
        Shrinking(str(path)) as source,
        pytest.raises(PolycloudError, match="became shorter while it was read"),
    ):
        photos.upload_object_via_stream(source, "a")
    assert photos.list_objects() == []
