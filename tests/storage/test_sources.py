from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.objects import Container
from polycloud.storage.sources import Source


@pytest.fixture
def container() -> Container:
    return DummyStorageDriver("key").create_container("target")


def test_a_file_that_changes_what_it_reads(tmp_path: Path) -> None:
    """A file object that has the descriptor of a file and other bytes, as gzip's, is read by its `read`."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"plain"))
    with gzip.open(path) as opened, io.BufferedReader(opened) as buffered:
        assert list(Source(buffered)) == [b"plain"]
    with gzip.open(path) as opened:
        source = Source(opened)
        assert (list(source), source.positioned) == ([b"plain"], False)


def test_files_of_the_system(tmp_path: Path) -> None:
    """Regular files are read by position from where they stand, whatever class of Python's opened them."""
    path = tmp_path / "a"
    path.write_bytes(b"0123")
    openers: list[Callable[[], Any]] = [
        lambda: path.open("rb"),
        lambda: path.open("rb", buffering=0),
        lambda: path.open("r+b"),
    ]
    for opener in openers:
        with opener() as opened:
            opened.seek(1)
            source = Source(opened)
            assert (source.size, source.positioned, list(source)) == (3, True, [b"123"])
    with tempfile.NamedTemporaryFile() as opened:
        opened.write(b"0123")
        opened.seek(1)
        source = Source(opened)
        assert (source.size, source.positioned, list(source)) == (3, True, [b"123"])


def test_pieces_that_are_none(container: Container) -> None:
    """None in place of a piece is refused, as it is no end: neither an object nor a part of one is made."""

    class NotReady:
        def read(self, size: int) -> bytes | None:
            return None

    for content in (iter([b"a", None, b"b"]), NotReady()):
        with pytest.raises(InvalidArgumentError, match="must yield bytes, got None"):
            container.upload_object_via_stream(content, "a")  # type: ignore[arg-type] # it is wrong
    assert container.list_objects() == []


def test_files_that_cannot_be_read(tmp_path: Path, container: Container) -> None:
    """A file that is closed, or open for writing only, is refused."""
    with (tmp_path / "a").open("wb") as opened:
        for _ in range(2):
            with pytest.raises(InvalidArgumentError, match="must be open for reading"):
                container.upload_object_via_stream(opened, "a")
            opened.close()


def test_views_that_leave_bytes_out() -> None:
    """A memoryview counts with the bytes that it shows, one after another."""
    assert list(Source(memoryview(b"abcdef")[::2])) == [b"ace"]
    assert list(Source([memoryview(b"abcdef")[::2], memoryview(b"xyz")])) == [b"acexyz"]


@pytest.mark.parametrize("bad", [3, "text", b"x", True])
def test_progress(container: Container, tmp_path: Path, bad: Any) -> None:
    """A progress that is no function is refused before anything is transferred."""
    with pytest.raises(InvalidArgumentError, match="progress must be a function"):
        container.upload_object_via_stream(b"x", "a", progress=bad)
    assert container.list_objects() == []
    made = container.upload_object_via_stream(b"x", "a")
    with pytest.raises(InvalidArgumentError, match="progress must be a function"):
        made.download(str(tmp_path / "a"), progress=bad)
    assert not list(tmp_path.iterdir())
