from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fsspec.callbacks import Callback  # type: ignore[import-untyped]

from polycloud.errors import InvalidArgumentError, TransportError, UnsupportedOperationError
from polycloud.filesystem import PolycloudFileSystem
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.storage.providers import get_driver
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.testing.faults import FaultList, FaultProxy
from support.web import Answer, serve

NAMES = ["a.csv", "b.txt", "f/1.csv", "f/2.csv", "f/g/3.csv", "h/4.txt"]
MIB = 1 << 20


@pytest.fixture(params=["fs", "s3fs"])
def filled(request: pytest.FixtureRequest) -> PolycloudFileSystem:
    fs: PolycloudFileSystem = request.getfixturevalue(request.param)
    fs.pipe({f"bucket/{name}": name.encode() for name in NAMES})
    return fs


def sent(cloud: Sandbox, call: Callable[[], Any]) -> list[str]:
    """Return the methods of the requests of a call."""
    before = len(cloud.requests)
    call()
    return [one.method for one in cloud.requests[before:]]


# Lists


def test_lists(filled: PolycloudFileSystem) -> None:
    """`ls` lists one folder with paths, sizes, types, times and hashes; of an object itself."""
    assert filled.ls("bucket", detail=False) == ["bucket/a.csv", "bucket/b.txt", "bucket/f", "bucket/h"]
    file, folder = filled.ls("bucket/f/")[1:]
    assert folder == {"name": "bucket/f/g", "size": 0, "type": "directory"}
    assert {key: file[key] for key in ("name", "size", "type")} == {
        "name": "bucket/f/2.csv",
        "size": 7,
        "type": "file",
    }
    assert len(file["hash"]) == 32
    assert datetime.now(UTC) >= file["mtime"] > datetime(2026, 1, 1, tzinfo=UTC)
    assert filled.ls("bucket/f/2.csv") == [filled.info("bucket/f/2.csv")]
    assert filled.info("bucket/f/2.csv")["hash"] == file["hash"]
    for path in ("bucket/x", "bucket/f/x", "no-bucket", "bucket/a"):
        with pytest.raises(FileNotFoundError):
            filled.ls(path)


def test_trees(filled: PolycloudFileSystem) -> None:
    """`find`, `glob`, `walk` and `du` see all objects and the folders around them."""
    paths = [f"bucket/{name}" for name in NAMES]
    assert filled.find("bucket") == paths
    assert filled.find("bucket/f", withdirs=True) == ["bucket/f", *paths[2:4], "bucket/f/g", paths[4]]
    assert filled.find("bucket", maxdepth=1) == paths[:2]
    assert filled.find("bucket/a.csv") == ["bucket/a.csv"]
    assert filled.find("bucket/x") == filled.find("no-bucket") == []
    assert filled.glob("bucket/*.csv") == paths[:1]
    assert filled.glob("bucket/**/*.csv") == [paths[0], *paths[2:5]]
    assert filled.glob("bucket/*/") == ["bucket/f", "bucket/h"]
    assert [path for path, _, _ in filled.walk("bucket")] == ["bucket", "bucket/f", "bucket/f/g", "bucket/h"]
    assert filled.du("bucket/f") == 7 + 7 + 9
    assert filled.du("bucket/f", total=False, withdirs=True)["bucket/f/g"] == 0


def test_kinds(filled: PolycloudFileSystem) -> None:
    """An object is a file, what it is in is a directory, and other paths do not exist."""
    kinds = {"bucket": "d", "bucket/f": "d", "bucket/f/": "d", "bucket/a.csv": "f", "bucket/a": "", "x": ""}
    kinds["bucket/" + "x" * 2000] = ""
    for path, kind in kinds.items():
        found = (filled.isdir(path), filled.isfile(path), filled.exists(path))
        assert found == (kind == "d", kind == "f", kind != ""), path


def test_lists_are_few_requests(cloud: Sandbox, s3fs: PolycloudFileSystem) -> None:
    """A folder, a tree and the sizes in it are one request each, whatever is in them."""
    s3fs.pipe({f"bucket/{name}": b"" for name in NAMES})
    for call in (s3fs.ls, s3fs.find, s3fs.du):
        assert sent(cloud, lambda call=call: call("bucket")) == ["GET"]  # type: ignore[misc]
    assert sent(cloud, lambda: s3fs.glob("bucket/f/*.csv")).count("GET") <= 3


def test_odd_names(s3: S3StorageDriver, s3fs: PolycloudFileSystem) -> None:
    """Names with empty parts are found under their whole names and used as they are; markers are folders."""
    names = ["/x", "a//b", "a/c", "a/é +%2F?#", "..", "marker/", "full/", "full/d"]
    bucket = s3.get_container("bucket")
    for name in names:
        bucket.upload_object_via_stream(name.encode(), name)
    files = [f"bucket/{name}" for name in names if not name.endswith("/")]
    assert s3fs.find("bucket") == sorted(files)
    assert s3fs.cat(files) == {f"bucket/{name}": name.encode() for name in names if not name.endswith("/")}
    assert s3fs.ls("bucket", detail=False) == [
        *("bucket/..", "bucket//x", "bucket/a", "bucket/full", "bucket/marker"),
    ]
    assert s3fs.ls("bucket/a", detail=False) == ["bucket/a//b", "bucket/a/c", "bucket/a/é +%2F?#"]
    assert s3fs.ls("bucket/marker") == []
    assert s3fs.isdir("bucket/marker")
    assert [path for path, _, _ in s3fs.walk("bucket")] == [
        f"bucket{at}" for at in ("", "/a", "/full", "/marker")
    ]
    s3fs.rm("bucket/a//b")
    s3fs.rm("bucket/marker", recursive=True)
    assert s3fs.ls("bucket", detail=False) == ["bucket/..", "bucket//x", "bucket/a", "bucket/full"]


def test_odd_names_on_disk(fs: PolycloudFileSystem) -> None:
    """What the driver refuses is refused: nothing is written under another name."""
    for name in ("a//b", "../x", "a/./b"):
        with pytest.raises(InvalidArgumentError):
            fs.pipe_file(f"bucket/{name}", b"")
        assert not fs.exists(f"bucket/{name}")
    assert fs.find("bucket") == []


# Content


@pytest.mark.parametrize(
    "limits", [(0, None), (None, 3), (2, 5), (-3, None), (-5, -2), (4, 4), (5, 3), (99, None), (3, 99)]
)
def test_slices(filled: PolycloudFileSystem, limits: tuple[int | None, int | None]) -> None:
    """Limits of `cat_file` are those of a slice of bytes."""
    assert filled.cat_file("bucket/f/1.csv", *limits) == b"f/1.csv"[slice(*limits)]
    filled.touch("bucket/empty")
    assert filled.cat_file("bucket/empty", *limits) == b""


def test_a_content_is_one_request(cloud: Sandbox, s3fs: PolycloudFileSystem) -> None:
    """Reading an object or a part of it, and writing one, are one request each."""
    assert sent(cloud, lambda: s3fs.pipe_file("bucket/a", b"hello")) == ["PUT"]
    assert sent(cloud, lambda: s3fs.cat_file("bucket/a")) == ["GET"]
    assert sent(cloud, lambda: s3fs.cat_file("bucket/a", 1, 3)) == ["GET"]


def test_a_content_is_verified() -> None:
    """Content that is not what the ETag of its response says is an error."""
    wrong = Answer(body=b"hallo", headers={"ETag": '"5d41402abc4b2a76b9719d911017c592"'})
    with serve(lambda _: wrong) as web, S3StorageDriver("key", "secret", url=web.url) as driver:
        fs = PolycloudFileSystem(driver)
        with pytest.raises(ObjectHashMismatchError, match="not 5d41402abc4b2a76b9719d911017c592"):
            fs.cat_file("bucket/a")


@pytest.mark.parametrize("fault", ["truncate", "reset midway"])
def test_a_content_whose_connection_breaks(cloud: Sandbox, s3fs: PolycloudFileSystem, fault: str) -> None:
    """If the connection breaks, a content is read again, and so is a range of a file."""
    content = os.urandom(500_000)
    s3fs.pipe_file("bucket/a", content)
    port = int(cloud.url.rpartition(":")[2])
    with (
        FaultProxy("127.0.0.1", port, FaultList(fault, None, None, None, fault)) as proxy,
        S3StorageDriver(*cloud.credentials, url=proxy.url) as driver,
    ):
        fs = PolycloudFileSystem(driver)
        assert fs.cat_file("bucket/a") == content
        with fs.open("bucket/a") as file:
            assert file.read() == content
        methods = [one.method for one in proxy.requests]
    assert methods == ["GET", "HEAD", "GET", "HEAD", "GET", "GET"]


def test_many_contents(filled: PolycloudFileSystem) -> None:
    """Several objects are read at once; of those that are missing there is the error, or nothing."""
    contents = {f"bucket/{name}": name.encode() for name in NAMES}
    assert filled.cat(list(contents)) == contents
    assert filled.cat("bucket/*.csv") == {"bucket/a.csv": b"a.csv"}
    assert filled.cat("bucket", recursive=True) == contents
    with pytest.raises(FileNotFoundError):
        filled.cat("bucket/x", recursive=True)
    paths = ["bucket/a.csv", "bucket/x", "bucket/b.txt"]
    parts = filled.cat_ranges(paths, [0, 0, 1], 3)
    assert parts[::2] == [b"a.c", b".t"]
    assert isinstance(parts[1], FileNotFoundError)
    assert list(filled.cat(paths, on_error="omit")) == paths[::2]
    with pytest.raises(FileNotFoundError):
        filled.cat(paths)


def test_mappings(filled: PolycloudFileSystem) -> None:
    """A folder is a mapping of names to contents."""
    mapping = filled.get_mapper("bucket/f")
    assert dict(mapping) == {"1.csv": b"f/1.csv", "2.csv": b"f/2.csv", "g/3.csv": b"f/g/3.csv"}
    mapping["new/5"] = b"five"
    del mapping["1.csv"]
    assert filled.find("bucket/f") == ["bucket/f/2.csv", "bucket/f/g/3.csv", "bucket/f/new/5"]
    with pytest.raises(KeyError):
        mapping["1.csv"]


def test_what_a_path_leads_to(cloud: Sandbox, s3fs: PolycloudFileSystem) -> None:
    """To find out what there is takes a request for the object, and one for the folder if there is none."""
    s3fs.pipe_file("bucket/a/b", b"hello")
    assert s3fs.isfile("bucket/a/b")
    assert s3fs.isdir("bucket/a")
    assert sent(cloud, lambda: s3fs.exists("bucket/a/b")) == ["HEAD"]
    assert sent(cloud, lambda: s3fs.exists("bucket/a")) == ["HEAD", "GET"]
    for missing in ("bucket/a/c", "no-such-bucket/a"):
        assert not s3fs.exists(missing)
        assert sent(cloud, partial(s3fs.exists, missing)) == ["HEAD", "GET"]


def test_copies(cloud: Sandbox, s3: S3StorageDriver, s3fs: PolycloudFileSystem) -> None:
    """A copy on S3 is made there, with its metadata: no byte of it passes here."""
    s3fs.pipe_file("bucket/a", b"hello", extra={"meta_data": {"owner": "ann"}})
    assert sent(cloud, lambda: s3fs.cp_file("bucket/a", "bucket/b/c")) == ["HEAD", "PUT"]
    assert s3fs.cat("bucket/b/c") == b"hello"
    assert s3.get_object("bucket", "b/c").meta_data == {"owner": "ann"}
    s3fs.mv("bucket/b", "bucket/d", recursive=True)
    assert s3fs.find("bucket") == ["bucket/a", "bucket/d/c"]


def test_transfers(filled: PolycloudFileSystem, tmp_path: Path) -> None:
    """Files go up and come down with their bytes counted; a failed download leaves an earlier file alone."""
    content = bytes(range(256)) * (12 * MIB // 256)
    here, there = tmp_path / "here", tmp_path / "new" / "there"
    here.write_bytes(content)
    up, down = Callback(), Callback()
    filled.put_file(here, "bucket/film", callback=up)
    filled.get_file("bucket/film", there, callback=down)
    assert there.read_bytes() == content
    assert (up.size, up.value) == (down.size, down.value) == (len(content), len(content))
    with pytest.raises(FileNotFoundError):
        filled.get_file("bucket/x", there)
    assert there.read_bytes() == content
    buffer = io.BytesIO()
    filled.get_file("bucket/a.csv", buffer)
    assert buffer.getvalue() == b"a.csv"
    with pytest.raises(FileExistsError):
        filled.put_file(here, "bucket/a.csv", mode="create")
    with pytest.raises(IsADirectoryError):
        filled.get_file("bucket/a.csv", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        filled.put_file(tmp_path / "nothing", "bucket/a.csv")
    assert filled.cat("bucket/a.csv") == b"a.csv"


def test_times(filled: PolycloudFileSystem) -> None:
    """An object was created when it was written last; its checksum is another when it was replaced."""
    before = filled.checksum("bucket/a.csv")
    assert (
        filled.created("bucket/a.csv")
        == filled.modified("bucket/a.csv")
        == filled.info("bucket/a.csv")["mtime"]
    )
    assert filled.checksum("bucket/a.csv") == before
    filled.pipe_file("bucket/a.csv", b"other")
    assert filled.checksum("bucket/a.csv") != before
    with pytest.raises(IsADirectoryError):
        filled.modified("bucket/f")


def test_touch(filled: PolycloudFileSystem) -> None:
    """`touch` makes an object that is empty; to leave its content and change its time only is refused."""
    filled.touch("bucket/new")
    filled.touch("bucket/a.csv")
    assert filled.sizes(["bucket/new", "bucket/a.csv"]) == [0, 0]
    with pytest.raises(NotImplementedError):
        filled.touch("bucket/b.txt", truncate=False)
    assert filled.size("bucket/b.txt") == 5


# Containers and deletes


def test_containers(filled: PolycloudFileSystem) -> None:
    """Folders at the root are containers, which are made, and deleted when they are empty."""
    filled.mkdir("second")
    filled.makedirs("second", exist_ok=True)
    for call in (filled.mkdir, filled.makedirs):
        with pytest.raises(FileExistsError):
            call("second")
    with pytest.raises(OSError, match="bucket") as caught:
        filled.rmdir("bucket")
    assert caught.value.errno == errno.ENOTEMPTY
    filled.rmdir("second")
    assert filled.ls("", detail=False) == ["bucket"]
    with pytest.raises(FileNotFoundError):
        filled.rmdir("second")


def test_folders(filled: PolycloudFileSystem) -> None:
    """A folder needs not be made, and goes with its last object."""
    filled.mkdir("bucket/new")
    filled.makedirs("bucket/f", exist_ok=True)
    assert not filled.exists("bucket/new")
    with pytest.raises(FileExistsError):
        filled.makedirs("bucket/f")
    with pytest.raises(OSError, match="not empty"):
        filled.rmdir("bucket/h")
    with pytest.raises(FileNotFoundError):
        filled.rmdir("bucket/new")
    filled.rm("bucket/h/4.txt")
    assert not filled.exists("bucket/h")


def test_deletes(filled: PolycloudFileSystem) -> None:
    """One path, many paths, patterns, trees and whole containers are deleted; an account is not."""
    for path in ("bucket/x", "no-bucket/x"):
        for recursive in (False, True):
            with pytest.raises(FileNotFoundError):
                filled.rm(path, recursive=recursive)
    with pytest.raises(IsADirectoryError):
        filled.rm("bucket/f")
    filled.rm(["bucket/a.csv", "bucket/x"])
    filled.rm("bucket/f/*.csv")
    assert filled.find("bucket") == ["bucket/b.txt", "bucket/f/g/3.csv", "bucket/h/4.txt"]
    filled.rm("bucket/f", recursive=True)
    assert filled.find("bucket") == ["bucket/b.txt", "bucket/h/4.txt"]
    filled.rm("bucket/*")
    assert filled.find("bucket") == ["bucket/h/4.txt"]
    with pytest.raises(InvalidArgumentError, match="must name a container"):
        filled.rm("", recursive=True)
    filled.rm("bucket", recursive=True)
    assert filled.ls("") == []


def test_bulk_deletes(cloud: Sandbox, s3fs: PolycloudFileSystem) -> None:
    """A tree is deleted with one request for many objects, and so are many paths."""
    s3fs.pipe({f"bucket/f/{number}": b"" for number in range(30)})
    assert sent(cloud, lambda: s3fs.rm([f"bucket/f/{number}" for number in range(10)])) == ["POST"]
    assert "DELETE" not in sent(cloud, lambda: s3fs.rm("bucket/f", recursive=True))
    assert s3fs.find("bucket") == []


# Errors and links


def test_refused_credentials(cloud: Sandbox, s3: S3StorageDriver) -> None:
    """Wrong credentials are a `PermissionError`, also if one only asks whether something exists."""
    with S3StorageDriver("wrong", "secret", **cloud.options) as wrong:
        fs = PolycloudFileSystem(wrong)
        for call in (fs.ls, fs.exists, fs.find, lambda path: list(fs.walk(path)), fs.isdir, fs.isfile):
            with pytest.raises(PermissionError):
                call("bucket/a")


def test_a_network_that_fails() -> None:
    """A failure of the network is never taken for a folder or an object that does not exist."""
    with S3StorageDriver("key", "secret", url="http://127.0.0.1:9", retry=RetryPolicy(attempts=1)) as driver:
        fs = PolycloudFileSystem(driver)
        for call in (fs.ls, fs.exists, fs.find, fs.glob, fs.isdir, fs.cat_file):
            with pytest.raises(TransportError):
                call("bucket/a")
        with pytest.raises(TransportError):
            fs.find("bucket", maxdepth=1)


def test_links(s3fs: PolycloudFileSystem, fs: PolycloudFileSystem) -> None:
    """A signed URL reads or writes one object; a driver without them refuses."""
    s3fs.pipe_file("bucket/a b", b"hello")
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", s3fs.sign("bucket/a b")).data == b"hello"
        assert pool.request("PUT", s3fs.sign("bucket/c", 10, method="PUT"), body=b"new").status == 200
    assert s3fs.cat("bucket/c") == b"new"
    with pytest.raises(UnsupportedOperationError, match="no presigned URLs"):
        fs.sign("bucket/a")


def test_a_list_that_changes(local: LocalStorageDriver, fs: PolycloudFileSystem) -> None:
    """What other programs do is seen at once: no list is kept."""
    assert fs.ls("bucket") == []
    Path(local.base_path, "bucket", "a").write_bytes(b"one")
    assert fs.ls("bucket", detail=False) == ["bucket/a"]
    assert fs.cat("bucket/a") == b"one"


@pytest.mark.parametrize("provider", ["azure_blobs", "google_storage", "openstack_swift"])
def test_other_providers(provider: str) -> None:
    """Containers of other providers are filesystems, too."""
    with Sandbox(provider) as cloud, get_driver(provider)(*cloud.credentials, **cloud.options) as driver:
        fs = PolycloudFileSystem(driver)
        fs.mkdir("bucket")
        fs.pipe({"bucket/a": b"hello", "bucket/f/b": b""})
        with fs.open("bucket/f/long", "wb") as file:
            file.write(bytes(12 * MIB))
        assert fs.ls("bucket", detail=False) == ["bucket/a", "bucket/f"]
        assert fs.du("bucket", total=False) == {"bucket/a": 5, "bucket/f/b": 0, "bucket/f/long": 12 * MIB}
        assert [fs.cat_file("bucket/a", *limits) for limits in ((), (1, 3), (9,))] == [b"hello", b"el", b""]
        with pytest.raises(FileExistsError):
            fs.pipe_file("bucket/a", b"", mode="create")
        with pytest.raises(FileNotFoundError):
            fs.cat_file("bucket/x")
        fs.mv("bucket/f", "bucket/g", recursive=True)
        assert fs.tail("bucket/g/long", 3) == bytes(3)
        fs.rm("bucket", recursive=True)
        assert fs.ls("") == []
