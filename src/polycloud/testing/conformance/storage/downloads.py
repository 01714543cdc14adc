"""Rules of downloads: streams, ranges, files, and transfers that break."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.testing.conformance.assertions import error_of, require_reached, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import (
    CONTENT,
    OTHER,
    StorageSuite,
    bytes_of,
)
from polycloud.testing.faults import FaultList

SIZE = len(CONTENT)
CHUNKS = (1, 7, SIZE - 1, SIZE, SIZE + 1, 10 * SIZE)
RANGES = ((0, 1), (0, SIZE), (3, 10), (3, None), (SIZE - 1, None), (SIZE - 1, SIZE), (7, 10 * SIZE))
INVALID_RANGES: tuple[tuple[int, int | None, int | None], ...] = (
    *((-1, None, None), (SIZE, None, None), (SIZE + 5, SIZE + 9, None)),
    *((5, 5, None), (5, 4, None), (0, 0, None), (0, 5, -1)),
)
BROKEN = ("truncate", "reset midway")
MIDDLE = 500_000
"""The bytes of an object whose transfer breaks in the middle."""


class DownloadRules(StorageSuite):
    """The rules of downloads."""

    @rule("download_object_range_as_stream")
    def test_s66_streams(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """`download_object_as_stream` yields the content, in one piece if a chunk is as large as it."""
        large = bytes_of(self.large)
        driver.upload_object_via_stream(large, container, "large")
        driver.upload_object_via_stream(b"", container, "empty")
        for name, content in ((obj.name, CONTENT), ("large", large), ("empty", b"")):
            found = driver.get_object(container.name, name)
            pieces = list(driver.download_object_as_stream(found))
            assert all(isinstance(piece, bytes) for piece in pieces), f"{pieces} are not all bytes"
            assert b"".join(pieces) == content, f"the content of {found!r} is another one"
            whole = next(iter(driver.download_object_as_stream(found, found.size)))
            assert whole == content, f"the first of {found.size} bytes has {len(whole)} of {found!r}"

    @rule("download_object_range_as_stream")
    @pytest.mark.parametrize("size", CHUNKS)
    def test_s67_chunks(self, driver: StorageDriver, obj: Object, size: int) -> None:
        """With a chunk size all pieces but the last have so many bytes."""
        streams = {
            "download_object_as_stream": driver.download_object_as_stream(obj, size),
            "download_object_range_as_stream": driver.download_object_range_as_stream(obj, 0, None, size),
        }
        expected = [CONTENT[at : at + size] for at in range(0, SIZE, size)]
        for name, stream in streams.items():
            found = list(stream)
            assert found == expected, f"{name} yields {found}, not {expected}"

    @rule("download_object_range_as_stream")
    def test_s68_ranges(self, driver: StorageDriver, obj: Object, tmp_path: Path) -> None:
        """A range is from its first byte to before its last one, or to the end, as a stream and as a file."""
        for number, (start, end) in enumerate(RANGES):
            found = b"".join(driver.download_object_range_as_stream(obj, start, end))
            assert found == CONTENT[start:end], f"the range {start}:{end} is {found!r}"
            pieces = list(driver.download_object_range_as_stream(obj, start, end, 4))
            assert b"".join(pieces) == CONTENT[start:end], f"the range {start}:{end} comes as {pieces}"
            assert {len(piece) for piece in pieces[:-1]} <= {4}, f"pieces of 4 bytes come as {pieces}"
            file = tmp_path / str(number)
            require_true("download_object_range", driver.download_object_range(obj, str(file), start, end))
            assert file.read_bytes() == CONTENT[start:end], f"the file of {start}:{end} has another content"

    @rule("download_object_range_as_stream")
    def test_s69_invalid_ranges(self, driver: StorageDriver, obj: Object, tmp_path: Path) -> None:
        """A range that is empty or outside of the object is refused with `InvalidArgumentError`, unsent."""
        for start, end, chunk_size in INVALID_RANGES:

            def read(
                by: StorageDriver,
                start: int = start,
                end: int | None = end,
                chunk_size: int | None = chunk_size,
            ) -> list[bytes]:
                return list(by.download_object_range_as_stream(obj, start, end, chunk_size))

            self.check_refused_unsent(driver, InvalidArgumentError, read)
        write = partial(driver.download_object_range, obj, str(tmp_path / "file"), SIZE + 1)
        error_of(InvalidArgumentError, "download_object_range", write)
        assert not list(tmp_path.iterdir()), "a file was left behind"

    # Files

    @rule("download_object")
    def test_s70_files(
        self, driver: StorageDriver, container: Container, obj: Object, tmp_path: Path
    ) -> None:
        """`download_object` writes a file, in a folder one with the last part of the object's name."""
        large = bytes_of(self.large)
        driver.upload_object_via_stream(large, container, "large")
        found = driver.get_object(container.name, "large")
        require_true("download_object", driver.download_object(found, str(tmp_path / "a file")))
        require_true("download_object", driver.download_object(obj, str(tmp_path)))
        assert (tmp_path / "a file").read_bytes() == large, "the file has another content"
        assert (tmp_path / "object.txt").read_bytes() == CONTENT, "the file in the folder is another"
        names = sorted(one.name for one in tmp_path.iterdir())
        assert names == ["a file", "object.txt"], f"the files are {names}"

    @rule("download_object")
    def test_s71_existing_files(self, driver: StorageDriver, obj: Object, tmp_path: Path) -> None:
        """A file that exists is refused with `InvalidArgumentError`, and replaced if that is asked for."""
        file = tmp_path / "file"
        file.write_bytes(OTHER)
        error_of(InvalidArgumentError, "download_object", driver.download_object, obj, str(file))
        assert file.read_bytes() == OTHER, "the file was changed"
        require_true("download_object", driver.download_object(obj, str(file), overwrite_existing=True))
        assert file.read_bytes() == CONTENT, "the file was not replaced"

    @rule("download_object")
    def test_s72_impossible_files(self, driver: StorageDriver, obj: Object, tmp_path: Path) -> None:
        """A file in a folder that does not exist, or whose name a folder has, is `InvalidArgumentError`."""
        (tmp_path / "object.txt").mkdir()
        (tmp_path / "file").write_bytes(OTHER)
        for path in (tmp_path / "missing" / "file", tmp_path / "file" / "below", tmp_path):
            download = partial(driver.download_object, obj, str(path), overwrite_existing=True)
            error_of(InvalidArgumentError, f"the download to {path}", download)
        names = sorted(one.name for one in tmp_path.iterdir())
        assert names == ["file", "object.txt"], f"the files are {names}"

    # Transfers that break

    @rule("download_object", "upload_object_via_stream")
    @pytest.mark.parametrize("fault", BROKEN)
    def test_s73_broken_downloads(
        self, driver: StorageDriver, container: Container, tmp_path: Path, fault: str
    ) -> None:
        """A download that breaks for good raises an error; no file appears, and an earlier one stays."""
        file = tmp_path / "file"
        for earlier in (False, True):
            if earlier:
                file.write_bytes(OTHER)
            with self._breaking(driver, container, fault) as far:
                found = far.get_object(container.name, "object")
                download = partial(far.download_object, found, str(file), overwrite_existing=True)
                error_of(PolycloudError, "the download", download)
            kept = [(one.name, one.read_bytes()) for one in tmp_path.iterdir()]
            assert kept == ([("file", OTHER)] if earlier else []), f"there are {[name for name, _ in kept]}"

    @rule("download_object", "upload_object_via_stream")
    def test_s74_kept_parts(self, driver: StorageDriver, container: Container, tmp_path: Path) -> None:
        """With `delete_on_failure=False` what has arrived stays, in another file that the error names."""
        with self._breaking(driver, container, BROKEN[0]) as far:
            found = far.get_object(container.name, "object")
            download = partial(far.download_object, found, str(tmp_path / "file"), delete_on_failure=False)
            error = error_of(PolycloudError, "the download", download)
        (left,) = tmp_path.iterdir()
        assert left.name != "file", "the file has its name although it is not complete"
        assert bytes_of(MIDDLE).startswith(left.read_bytes()), f"{left.name} has another content"
        named = f"{error} {' '.join(getattr(error, '__notes__', ()))}"
        assert left.name in named, f"{error!r} does not name {left.name}"

    def _breaking(self, driver: StorageDriver, container: Container, fault: str) -> Any:
        driver.upload_object_via_stream(bytes_of(MIDDLE), container, "object")
        return self.behind(driver, FaultList(fault, *["reset before"] * 8, spare=self.is_no_download))

    @rule("download_object", "upload_object_via_stream")
    @pytest.mark.parametrize("fault", BROKEN)
    def test_s75_resumed_downloads(
        self, driver: StorageDriver, container: Container, tmp_path: Path, fault: str
    ) -> None:
        """A download whose connection breaks goes on where it was, as a stream, a range and a file."""
        content = bytes_of(MIDDLE)
        driver.upload_object_via_stream(content, container, "object")
        file = tmp_path / "file"
        reads: dict[str, Callable[[StorageDriver, Object], object]] = {
            "stream": lambda far, found: b"".join(far.download_object_as_stream(found)),
            "file": lambda far, found: far.download_object(found, str(file)) and file.read_bytes(),
            "range": lambda far, found: (
                far.download_object_range(found, str(file), 0, MIDDLE, True) and file.read_bytes()
            ),
        }
        for name, read in reads.items():
            plan = FaultList(fault, spare=self.is_no_download)
            with self.behind(driver, plan) as far:
                kept = read(far, far.get_object(container.name, "object"))
            assert kept == content, f"the {name} has another content"

    @rule("upload_object_via_stream")
    def test_s76_replaced_objects(self, driver: StorageDriver, container: Container) -> None:
        """A download that goes on after its object was replaced raises an error; contents are never mixed."""
        driver.upload_object_via_stream(bytes_of(MIDDLE), container, "object")
        with self.behind(driver, FaultList(BROKEN[0], spare=self.is_no_download)) as far:
            found = far.get_object(container.name, "object")
            stream = far.download_object_as_stream(found)
            pieces = [next(stream)]
            driver.upload_object_via_stream(bytes(MIDDLE), container, "object")
            error_of(PolycloudError, "the download", lambda: pieces.extend(stream))
        assert bytes_of(MIDDLE).startswith(b"".join(pieces)), "contents were mixed"

    @rule("upload_object_via_stream", "download_object")
    def test_s77_changed_downloads(
        self, driver: StorageDriver, container: Container, obj: Object, tmp_path: Path
    ) -> None:
        """Content that was changed on its way raises `ObjectHashMismatchError`, and no file appears."""
        with self.tampered(driver) as (far, server):
            found = far.get_object(container.name, obj.name)
            server.in_responses = CONTENT
            download = partial(far.download_object, found, str(tmp_path / "file"))
            error = error_of(ObjectHashMismatchError, "download_object", download)
            assert error.object_name == obj.name, f"the error's object is {error.object_name!r}"
            error_of(
                ObjectHashMismatchError, "the stream", lambda: list(far.download_object_as_stream(found))
            )
            require_reached(server.changed, "no content was changed")
        assert not list(tmp_path.iterdir()), "a file was left behind"
