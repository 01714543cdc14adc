from __future__ import annotations

import gc
import gzip
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from polycloud.errors import InvalidArgumentError, PolycloudError, UnsupportedOperationError
from polycloud.filesystem import PolycloudFileSystem
from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.types import ObjectError

PART = 5 * 1024 * 1024


def unfinished(s3: S3StorageDriver) -> list[Any]:
    """Return the uploads in parts that are neither finished nor aborted, and the objects."""
    bucket = s3.get_container("bucket")
    return [*s3.ex_iterate_multipart_uploads(bucket), *bucket.iterate_objects()]


# Written


def test_parts_are_sent_while_a_file_is_written(
    cloud: Sandbox, s3: S3StorageDriver, s3fs: PolycloudFileSystem
) -> None:
    """A long file is sent in parts before it is closed, and is the object when it is closed."""
    content = os.urandom(8 * PART + 7)
    with s3fs.open("bucket/film", "wb") as file:
        before = len(cloud.requests)
        for start in range(0, len(content), 1_000_003):
            assert file.write(content[start : start + 1_000_003]) == len(content[start : start + 1_000_003])
        sent = [one for one in cloud.requests[before:] if "partNumber" in one.query]
        assert sent, "no part was sent before the file was closed"
        assert not s3fs.exists("bucket/film")
    assert s3fs.cat("bucket/film") == content
    assert s3fs.info("bucket/film")["hash"].endswith("-9")


def test_a_short_file_is_one_request(cloud: Sandbox, s3fs: PolycloudFileSystem) -> None:
    """A file of less than a part is one request."""
    before = len(cloud.requests)
    with s3fs.open("bucket/a", "wb") as file:
        file.write(b"hello, ")
        file.write(b"world")
    assert [one.method for one in cloud.requests[before:]] == ["PUT"]
    assert s3fs.cat_file("bucket/a") == b"hello, world"


@pytest.mark.parametrize("size", [0, 10, 3 * PART])
@pytest.mark.parametrize("options", [{"mode": "wb"}, {"mode": "w"}, {"mode": "wb", "compression": "gzip"}])
def test_an_exception_gives_a_file_up(
    s3: S3StorageDriver, s3fs: PolycloudFileSystem, options: dict[str, Any], size: int
) -> None:
    """If an exception leaves the block of a file, nothing of it is uploaded, whatever was sent before."""
    content: Any = "x" * size if options["mode"] == "w" else os.urandom(size)
    with pytest.raises(ZeroDivisionError), s3fs.open("bucket/a", **options) as file:  # noqa: PT012
        file.write(content)
        raise ZeroDivisionError
    assert file.closed
    assert unfinished(s3) == []


@pytest.mark.parametrize("options", [{"mode": "wb"}, {"mode": "wt"}, {"mode": "wb", "compression": "gzip"}])
def test_a_file_that_is_not_closed(
    s3: S3StorageDriver, s3fs: PolycloudFileSystem, options: dict[str, Any]
) -> None:
    """A file that is never closed is not uploaded, and a warning says so by its path."""
    content: Any = "x" * 3 * PART if options["mode"] == "wt" else os.urandom(3 * PART)
    file = s3fs.open("bucket/a", **options)
    file.write(content)
    with pytest.warns(RuntimeWarning, match="bucket/a> was not closed, so it was not uploaded"):  # noqa: PT031
        del file
        gc.collect()
    assert unfinished(s3) == []


def test_a_file_that_is_open_when_python_ends(cloud: Sandbox, s3: S3StorageDriver) -> None:
    """A file that is not closed when the program ends leaves no parts, and does not keep it from ending."""
    program = (
        "import sys, polycloud; from polycloud.filesystem import PolycloudFileSystem; "
        "fs = PolycloudFileSystem(provider='s3', credentials=sys.argv[2:], url=sys.argv[1]); "
        "file = fs.open('bucket/a', 'wb'); file.write(bytes(17_000_000)); print('written')"
    )
    command = [sys.executable, "-c", program, cloud.url, *cloud.credentials[:2]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "written\n"
    assert unfinished(s3) == []


def test_a_broken_upload_ends_the_writing(s3: S3StorageDriver, s3fs: PolycloudFileSystem) -> None:
    """An upload that fails raises its error in `write` or `close`; the file is closed, nothing stays."""
    with pytest.raises(FileNotFoundError, match="bucket"), s3fs.open("no-bucket/a", "wb") as file:  # noqa: PT012
        for _ in range(8):
            file.write(bytes(PART))
    assert file.closed
    with pytest.raises(FileNotFoundError) as caught:
        s3fs.pipe_file("no-bucket/a", b"")
    assert caught.value.filename == "no-bucket/a"
    assert isinstance(caught.value.__cause__, PolycloudError)
    assert unfinished(s3) == []


def test_creating(s3fs: PolycloudFileSystem) -> None:
    """A file that is opened with "x" is refused if it exists, also if it does when it is closed."""
    with s3fs.open("bucket/a", "x") as file:
        file.write("one")
    with pytest.raises(FileExistsError):
        s3fs.open("bucket/a", "xb")
    with pytest.raises(FileExistsError), s3fs.open("bucket/b", "xb") as late:  # noqa: PT012
        s3fs.pipe_file("bucket/b", b"first")
        late.write(b"second")
    assert s3fs.cat(["bucket/a", "bucket/b"]) == {"bucket/a": b"one", "bucket/b": b"first"}


def test_what_is_kept_beside_the_bytes(s3: S3StorageDriver, s3fs: PolycloudFileSystem) -> None:
    """`extra` and `if_match` are those of an upload."""
    with s3fs.open("bucket/a", "wb", extra={"content_type": "text/x-own"}) as file:
        file.write(b"one")
    obj = s3.get_object("bucket", "a")
    assert obj.extra["content_type"] == "text/x-own"
    with s3fs.open("bucket/a", "wb", if_match=obj.hash) as file:
        file.write(b"two")
    with pytest.raises(FileExistsError), s3fs.open("bucket/a", "wb", if_match=obj.hash) as file:
        file.write(b"three")
    assert s3fs.cat_file("bucket/a") == b"two"


def test_compression(fs: PolycloudFileSystem) -> None:
    """A compressed file is complete when it is closed, with bytes and with text, and is read as it was."""
    with fs.open("bucket/a.gz", "wb", compression="infer") as file:
        file.write(b"one")
    with fs.open("bucket/b.gz", "w", compression="gzip", encoding="latin-1") as text:
        text.write("zwei ä")
    assert gzip.decompress(fs.cat_file("bucket/a.gz")) == b"one"
    with fs.open("bucket/b.gz", "r", compression="infer", encoding="latin-1") as text:
        assert text.read() == "zwei ä"
    with fs.open("bucket/c", "wb", compression="infer") as file:
        file.write(b"three")
    assert fs.cat_file("bucket/c") == b"three"


def test_transactions(fs: PolycloudFileSystem) -> None:
    """What is written within a transaction appears at its end, and not if it fails."""
    with fs.transaction:
        fs.pipe_file("bucket/a", b"one")
        with fs.open("bucket/b", "wb") as file:
            file.write(bytes(2 * PART))
        assert fs.find("bucket") == []
    assert fs.du("bucket", total=False) == {"bucket/a": 3, "bucket/b": 2 * PART}
    with pytest.raises(ZeroDivisionError), fs.transaction:  # noqa: PT012
        fs.pipe({"bucket/a": b"two", "bucket/c": b""})
        raise ZeroDivisionError
    assert fs.find("bucket") == ["bucket/a", "bucket/b"]
    assert fs.cat_file("bucket/a") == b"one"


def test_modes_and_encodings(fs: PolycloudFileSystem) -> None:
    """Other modes and unknown encodings are refused; nothing is written."""
    with pytest.raises(UnsupportedOperationError, match="not 'ab'"):
        fs.open("bucket/a", "ab")
    wrong: list[dict[str, Any]] = [{"encoding": "utf-7000"}, {"newline": "x"}]
    for options in wrong:
        with pytest.raises((LookupError, ValueError)):
            fs.open("bucket/a", "w", **options)
    with pytest.raises(InvalidArgumentError, match="extra has no key 'contenttype'"):
        fs.pipe_file("bucket/a", b"", extra={"contenttype": "a/b"})
    for path in ("bucket", "", "bucket/"):
        with pytest.raises(IsADirectoryError):
            fs.open(path, "wb")
    assert fs.find("bucket") == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_file_in_a_child(s3fs: PolycloudFileSystem) -> None:
    """After a fork the child uses the filesystem; a file that the parent writes is the parent's alone."""
    with s3fs.open("bucket/a", "wb") as file:
        file.write(bytes(2 * PART))

        def child() -> None:
            with pytest.raises(PolycloudError, match="parent process"):
                file.write(bytes(PART))
            s3fs.pipe_file("bucket/b", b"from the child")

        forked = multiprocessing.get_context("fork").Process(target=child)
        forked.start()
        forked.join(30)
        assert forked.exitcode == 0
        file.write(b"end")
    assert s3fs.du("bucket", total=False) == {"bucket/a": 2 * PART + 3, "bucket/b": 14}


# Read


def test_ranges(cloud: Sandbox, s3fs: PolycloudFileSystem) -> None:
    """A file is read in ranges, of which a cache keeps some: nothing is fetched that is not asked for."""
    content = os.urandom(3_000_000)
    s3fs.pipe_file("bucket/a", content)
    with s3fs.open("bucket/a", block_size=1000) as file:
        before = len(cloud.requests)
        assert file.read(10) == content[:10]
        assert file.read(900) == content[10:910]
        file.seek(-5, os.SEEK_END)
        assert file.read() == content[-5:]
        assert [one.headers["range"] for one in cloud.requests[before:]] == [
            "bytes=0-1009",
            "bytes=2999995-2999999",
        ]
    assert s3fs.tail("bucket/a", 3) == content[-3:]


@pytest.mark.parametrize("kind", ["fs", "s3fs"])
def test_one_version(request: pytest.FixtureRequest, kind: str) -> None:
    """A file is read of one version, also a pickled one: if it is replaced meanwhile, that is an error."""
    fs = request.getfixturevalue(kind)
    fs.pipe_file("bucket/a", b"one")
    with fs.open("bucket/a", cache_type="none") as file:
        assert file.read(1) == b"o"
        pickled = pickle.dumps(file)
        with pickle.loads(pickled) as copy:
            assert copy.read() == b"ne"
        fs.pipe_file("bucket/a", b"two")
        with pytest.raises(ObjectError, match="changed since it was listed"):
            file.read(2)
        with pytest.raises(ObjectError, match="'a' is another one now"):
            pickle.loads(pickled)


def test_lines(fs: PolycloudFileSystem) -> None:
    """A file of text is read line by line, and an empty file has none."""
    with fs.open("bucket/a", "w") as file:
        file.writelines(f"{number}\n" for number in range(1000))
    fs.touch("bucket/empty")
    with fs.open("bucket/a", "r", block_size=100) as file:
        assert [int(line) for line in file] == list(range(1000))
    with fs.open("bucket/empty", "r") as file:
        assert list(file) == []


def test_files_that_are_not_there(fs: PolycloudFileSystem) -> None:
    """Reading what is not there is a `FileNotFoundError`, reading a folder an `IsADirectoryError`."""
    fs.pipe_file("bucket/folder/a", b"")
    calls: list[Callable[[str], Any]] = [fs.open, fs.cat_file, fs.size, fs.modified]
    for call in calls:
        for path in ("bucket/b", "no-bucket/a"):
            with pytest.raises(FileNotFoundError) as caught:
                call(path)
            assert caught.value.filename == path
    for path in ("bucket/folder", "bucket"):
        with pytest.raises(IsADirectoryError):
            fs.open(path)


def test_through_fsspec(disk: Any) -> None:
    """A list of addresses, of patterns too, is opened by fsspec as files of one filesystem."""
    names = [f"polycloud://disk/photos/{number}.txt" for number in range(3)]
    for file in fsspec.open_files(names, "w"):
        with file as opened:
            opened.write(file.path)
    with fsspec.open_files("polycloud://disk/photos/*.txt", "r") as files:
        assert [file.read() for file in files] == [f"disk/photos/{number}.txt" for number in range(3)]
