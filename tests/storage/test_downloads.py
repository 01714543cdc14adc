from __future__ import annotations

import os
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Object
from polycloud.storage.downloads import RANGE
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.types import ObjectHashMismatchError
from support.forked import Forker

SIZE = 5 * RANGE + 7


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def cloud(content: bytes, aws: Sandbox) -> Sandbox:
    with S3StorageDriver(*aws.credentials, **aws.options) as driver:
        driver.create_container("bucket").upload_object_via_stream(content, "film")
    return aws


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[S3StorageDriver]:
    with S3StorageDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def obj(driver: S3StorageDriver) -> Object:
    return driver.get_object("bucket", "film")


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


class Ended(Exception):
    """Ends a download, as a crash would."""


def ended_after(size: int) -> Any:
    """Return a progress that ends a download when so many bytes have arrived."""
    seen: list[int] = []

    def end(more: int) -> None:
        seen.append(more)
        if sum(seen) >= size:
            raise Ended

    return end


def fetched(cloud: Sandbox, start: int) -> list[int]:
    """Return the ranges that were asked for since a request, by their numbers."""
    asked = (one.headers.get("range", "") for one in cloud.requests[start:] if one.method == "GET")
    return sorted(int(text.removeprefix("bytes=").partition("-")[0]) // RANGE for text in asked if text)


def test_ranges(cloud: Sandbox, obj: Object, content: bytes, tmp_path: Path) -> None:
    """A long object is fetched in ranges, arrives as it is, and leaves one file."""
    start = len(cloud.requests)
    seen: list[int] = []
    assert obj.download(str(tmp_path / "film"), progress=seen.append)
    assert fetched(cloud, start) == [0, 1, 2, 3, 4, 5]
    assert sum(seen) == SIZE
    assert (tmp_path / "film").read_bytes() == content
    assert files(tmp_path) == ["film"]


def test_resumed(cloud: Sandbox, obj: Object, content: bytes, tmp_path: Path) -> None:
    """A download that failed fetches only the ranges that are not complete, and leaves one file."""
    with pytest.raises(Ended) as caught:
        obj.download(str(tmp_path / "film"), resume=True, progress=ended_after(4 * RANGE))
    assert "film.polycloud-download keeps what has arrived" in caught.value.__notes__[0]
    assert not (tmp_path / "film").exists()
    kept = (tmp_path / ".film.polycloud-download.done").read_bytes().count(b" done\n")
    assert kept >= 1
    start = len(cloud.requests)
    seen: list[int] = []
    assert obj.download(str(tmp_path / "film"), resume=True, progress=seen.append)
    assert len(fetched(cloud, start)) == 6 - kept
    assert sum(seen) == SIZE
    assert (tmp_path / "film").read_bytes() == content
    assert files(tmp_path) == ["film"]


def test_what_is_kept_is_not_trusted(cloud: Sandbox, obj: Object, content: bytes, tmp_path: Path) -> None:
    """A range that is not what the journal says is fetched again, and a journal that was cut is read."""
    with pytest.raises(Ended):
        obj.download(str(tmp_path / "film"), resume=True, progress=ended_after(4 * RANGE))
    part, journal = tmp_path / ".film.polycloud-download", tmp_path / ".film.polycloud-download.done"
    kept = [int(line.split()[0]) for line in journal.read_bytes().split(b"\n") if line.endswith(b" done")]
    number, cut = kept[0], next(one for one in range(6) if one not in kept)
    with part.open("r+b") as file:
        file.seek(number * RANGE + 5)
        file.write(b"changed")
    with journal.open("ab") as lines:
        lines.write(b"%d 12" % cut)
    start = len(cloud.requests)
    obj.download(str(tmp_path / "film"), resume=True)
    again = fetched(cloud, start)
    assert number in again
    assert cut in again
    assert len(again) == 7 - len(kept)
    assert (tmp_path / "film").read_bytes() == content


def test_an_object_that_changed_begins_anew(driver: S3StorageDriver, tmp_path: Path) -> None:
    """What was kept of an object that has changed since is not used."""
    container = driver.get_container("bucket")
    before = container.upload_object_via_stream(b"a" * (2 * RANGE), "changing")
    with pytest.raises(Ended):
        before.download(str(tmp_path / "film"), resume=True, progress=ended_after(2 * RANGE))
    after = container.upload_object_via_stream(b"b" * (2 * RANGE), "changing")
    after.download(str(tmp_path / "film"), resume=True)
    assert (tmp_path / "film").read_bytes() == b"b" * (2 * RANGE)


def test_kill_9(forker: Forker, cloud: Sandbox, obj: Object, content: bytes, tmp_path: Path) -> None:
    """A download whose process was killed goes on in another one."""
    program = f"""
import os, signal
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver
seen = []
def die(size):
    seen.append(size)
    if sum(seen) > {4 * RANGE}:
        os.kill(os.getpid(), signal.SIGKILL)
driver = S3StorageDriver(*{cloud.credentials!r}, **{cloud.options!r})
driver.get_object("bucket", "film").download({str(tmp_path / "film")!r}, resume=True, progress=die)
"""
    ended = forker.run([], os.environ, "", 60, program)
    assert ended.returncode == -signal.SIGKILL
    start = len(cloud.requests)
    obj.download(str(tmp_path / "film"), resume=True)
    assert len(fetched(cloud, start)) < 6
    assert (tmp_path / "film").read_bytes() == content


def test_a_wrong_hash_keeps_nothing(tmp_path: Path) -> None:
    """A long object whose content is not what its hash says leaves no file, whether it is resumed or not."""
    container = DummyStorageDriver("key").create_container("films")
    obj = container.upload_object_via_stream(bytes(RANGE + 1), "film")
    obj.hash = "0" * 32
    for resume in (False, True):
        with pytest.raises(ObjectHashMismatchError, match=r"has the MD5 .*, not 000"):
            obj.download(str(tmp_path / "film"), resume=resume)
        assert files(tmp_path) == []


def test_links_are_not_followed(obj: Object, tmp_path: Path) -> None:
    """A link in the place of a kept file is refused, and what it leads to stays as it was."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / ".film.polycloud-download.done").symlink_to(precious)
    with pytest.raises(InvalidArgumentError, match=r"film\.polycloud-download\.done cannot be written"):
        obj.download(str(tmp_path / "film"), resume=True)
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("size", [10**15, 10**30])
def test_a_size_that_is_a_lie(driver: S3StorageDriver, obj: Object, tmp_path: Path, size: int) -> None:
    """However long a provider claims an object to be, its download takes memory for a few ranges."""
    obj.size = size
    tracemalloc.start()
    try:
        with pytest.raises(PolycloudError):
            obj.download(str(tmp_path / "film"))
        assert tracemalloc.get_traced_memory()[1] < 5 * RANGE
    finally:
        tracemalloc.stop()
    assert files(tmp_path) == []
