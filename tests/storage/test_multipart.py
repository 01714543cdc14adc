from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.resuming import beside
from polycloud.storage.types import ObjectAlreadyExistsError
from support.forked import Forker

PART = S3StorageDriver.part_size
SIZE = 4 * PART + 7


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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "film.bin"
    file.write_bytes(os.urandom(SIZE))
    return file


class Ended(Exception):
    """Ends an upload, as a crash would."""


def interrupted(bucket: Container, file: Path, *, name: str = "film", **options: Any) -> None:
    """Begin the upload of a file, and end it when two parts have arrived."""
    seen: list[int] = []

    def end(size: int) -> None:
        seen.append(size)
        if len(seen) >= 2:
            raise Ended

    with pytest.raises(Ended):
        bucket.upload_object(str(file), name, progress=end, **options)


def parts_since(cloud: Sandbox, start: int) -> list[int]:
    """Return the numbers of the parts that were sent since a request."""
    sent = (one.query for one in cloud.requests[start:] if one.method == "PUT")
    return sorted(int(query["partNumber"]) for query in sent if "partNumber" in query)


def unfinished(bucket: Container) -> list[str]:
    driver = bucket.driver
    assert isinstance(driver, S3StorageDriver)
    return [one.id for one in driver.ex_iterate_multipart_uploads(bucket)]


def test_resumed(cloud: Sandbox, bucket: Container, file: Path) -> None:
    """A remembered upload that failed sends only the parts that did not arrive, and forgets itself then."""
    interrupted(bucket, file, resume=True)
    assert beside(file).exists()
    assert len(unfinished(bucket)) == 1
    arrived = parts_since(cloud, 0)
    assert len(arrived) in {2, 3, 4}
    start = len(cloud.requests)
    made = bucket.upload_object(str(file), "film", resume=True)
    assert parts_since(cloud, start) == [one for one in range(1, 6) if one not in arrived]
    assert b"".join(made.as_stream()) == file.read_bytes()
    assert (beside(file).exists(), unfinished(bucket)) == (False, [])


def test_a_stream_is_resumed(cloud: Sandbox, bucket: Container, file: Path, tmp_path: Path) -> None:
    """A stream that is given again goes on from a file that is named, as that of a file does."""
    state = tmp_path / "state"
    content = file.read_bytes()

    def failing() -> Iterator[bytes]:
        yield content[: 3 * PART + 5]
        raise Ended

    with pytest.raises(Ended):
        bucket.upload_object_via_stream(failing(), "film", resume=state)
    start = len(cloud.requests)
    made = bucket.upload_object_via_stream(iter([content]), "film", resume=state)
    assert parts_since(cloud, start) == [4, 5]
    assert b"".join(made.as_stream()) == content
    assert not state.exists()


def test_what_changed_is_sent_again(cloud: Sandbox, bucket: Container, file: Path) -> None:
    """A part that the store has with another content is sent again: what is remembered is not trusted."""
    interrupted(bucket, file, resume=True)
    arrived = parts_since(cloud, 0)
    with file.open("r+b") as changed:
        changed.seek((arrived[0] - 1) * PART)
        changed.write(b"changed")
    start = len(cloud.requests)
    made = bucket.upload_object(str(file), "film", resume=True)
    assert arrived[0] in parts_since(cloud, start)
    assert arrived[1] not in parts_since(cloud, start)
    assert b"".join(made.as_stream()) == file.read_bytes()


def test_an_upload_that_is_gone_begins_anew(cloud: Sandbox, bucket: Container, file: Path) -> None:
    """An upload that the store has forgotten begins anew."""
    interrupted(bucket, file, resume=True)
    driver = bucket.driver
    assert isinstance(driver, S3StorageDriver)
    driver.ex_cleanup_all_multipart_uploads(bucket)
    start = len(cloud.requests)
    made = bucket.upload_object(str(file), "film", resume=True)
    assert parts_since(cloud, start) == [1, 2, 3, 4, 5]
    assert b"".join(made.as_stream()) == file.read_bytes()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_kill_9(forker: Forker, cloud: Sandbox, bucket: Container, file: Path) -> None:
    """An upload whose process was killed goes on in another one."""
    program = f"""
import os, signal
from polycloud.storage.drivers.s3 import S3StorageDriver
seen = []
def die(size):
    seen.append(size)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
driver = S3StorageDriver(*{cloud.credentials!r}, **{cloud.options!r})
driver.get_container("bucket").upload_object({str(file)!r}, "film", resume=True, progress=die)
"""
    ended = forker.run([], os.environ, "", 60, program)
    assert ended.returncode == -signal.SIGKILL
    arrived = parts_since(cloud, 0)
    start = len(cloud.requests)
    made = bucket.upload_object(str(file), "film", resume=True)
    again = set(parts_since(cloud, start)) & set(arrived)
    assert len(again) <= len(arrived) - 3, "a part that had been acknowledged was sent again"
    assert b"".join(made.as_stream()) == file.read_bytes()


def test_not_remembered(bucket: Container, file: Path) -> None:
    """An upload that is not remembered leaves no parts and no file when it fails."""
    interrupted(bucket, file)
    assert (beside(file).exists(), unfinished(bucket)) == (False, [])


def test_a_condition_ends_it(bucket: Container, file: Path) -> None:
    """A remembered upload whose condition is not met is aborted and forgotten."""
    bucket.upload_object_via_stream(b"other", "film")
    with pytest.raises(ObjectAlreadyExistsError):
        bucket.upload_object(str(file), "film", resume=True, if_none_match="*")
    assert (beside(file).exists(), unfinished(bucket)) == (False, [])


def test_files_of_others(bucket: Container, file: Path, tmp_path: Path) -> None:
    """A file that does not remember this upload is refused, named and left as it was."""
    interrupted(bucket, file, resume=True)
    state = beside(file).read_bytes()
    with pytest.raises(InvalidArgumentError, match=r"film\.bin\.polycloud-upload remembers an upload"):
        bucket.upload_object(str(file), "other", resume=True)
    assert beside(file).read_bytes() == state
    foreign = tmp_path / "foreign"
    foreign.write_text("precious")
    with pytest.raises(InvalidArgumentError, match="foreign does not remember an upload"):
        bucket.upload_object(str(file), "film", resume=foreign)
    assert foreign.read_text() == "precious"
    with pytest.raises(InvalidArgumentError, match="none/state cannot be written"):
        bucket.upload_object(str(file), "film", resume=tmp_path / "none" / "state")


def test_two_at_once(bucket: Container, file: Path) -> None:
    """An upload that is going on is not begun a second time."""

    def again(_: int) -> None:
        bucket.upload_object(str(file), "film", resume=True)

    with pytest.raises(InvalidArgumentError, match="another process is at the transfer"):
        bucket.upload_object(str(file), "film", resume=True, progress=again)


@pytest.mark.parametrize("size", [0, 7, PART, SIZE])
def test_progress(bucket: Container, tmp_path: Path, size: int) -> None:
    """The progress of an upload adds up to its bytes, for files and streams."""
    content = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(content)
    for source in (path, iter([content])):
        seen: list[int] = []
        if isinstance(source, Path):
            bucket.upload_object(str(source), "a", progress=seen.append)
        else:
            bucket.upload_object_via_stream(source, "a", progress=seen.append)
        assert sum(seen) == size
        assert len(seen) == max(1, -(-size // PART))


def test_a_condition_and_the_same_content(bucket: Container) -> None:
    """A condition that is not met is an error too if the object has the same content, and no part stays."""
    content = os.urandom(PART + 1)
    bucket.upload_object_via_stream(content, "film", if_none_match="*")
    with pytest.raises(ObjectAlreadyExistsError):
        bucket.upload_object_via_stream(content, "film", if_none_match="*")
    assert unfinished(bucket) == []


def test_a_file_that_became_short(bucket: Container, file: Path) -> None:
    """An upload that goes on with a file that now fits into one request leaves no parts and no state file."""
    interrupted(bucket, file, resume=True)
    assert beside(file).exists()
    file.write_bytes(b"short")
    made = bucket.upload_object(str(file), "film", resume=True)
    assert b"".join(made.as_stream()) == b"short"
    assert unfinished(bucket) == []
    assert not beside(file).exists()


def test_a_file_that_changes(bucket: Container, file: Path) -> None:
    """An upload of a file that is written to meanwhile fails, as its parts would be of several times."""

    def write(size: int) -> None:
        with file.open("r+b") as opened:
            opened.seek(-1, os.SEEK_END)
            opened.write(b"x")

    with pytest.raises(PolycloudError, match="the file was changed while it was read"):
        bucket.upload_object(str(file), "film", progress=write)
    assert bucket.list_objects() == []
    assert unfinished(bucket) == []


def test_a_file_that_grows(bucket: Container, file: Path) -> None:
    """Of a file that grows meanwhile, as a log does, the object has what was there at the beginning."""
    content = file.read_bytes()

    def append(size: int) -> None:
        with file.open("ab") as opened:
            opened.write(b"another line")

    made = bucket.upload_object(str(file), "film", progress=append)
    assert b"".join(made.as_stream()) == content
