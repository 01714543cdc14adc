"""Rules of uploads: sources, metadata, replacing, conditions, failures and faults."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import pytest

from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectHashMismatchError,
)
from polycloud.testing.conformance.assertions import error_of, require_reached
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import CONTENT, OTHER, StorageSuite, bytes_of, is_short
from polycloud.testing.faults import FaultList

SMALL = 1000
SOURCES = ("bytes", "file", "odd pieces", "pipe", "iterator", "reader")
IN_PARTS = SOURCES[:4]
"""The sources that are also read in several parts."""
START = 16
"""How many bytes tell the start of a content from everything else."""
PIECE = 700_001
"""A size of pieces that divides no part."""
AGAIN = RetryPolicy(attempts=4, base=0.01)
INTERRUPTIONS = {"error": RuntimeError, "Ctrl-C": KeyboardInterrupt}
HEADERS = {
    "cache_control": "max-age=60",
    "content_disposition": 'attachment; filename="a b.txt"',
    "content_encoding": "gzip",
    "content_language": "de",
}
INVALID_EXTRA: tuple[dict[str, Any], ...] = (
    {"no_such_key": "x"},
    {"meta_data": "owner=me"},
    {"meta_data": {"owner": "me", "Owner": "you"}},
    {"content_language": "dé"},
    {"meta_data": {"owner": "me\r\nHost: elsewhere"}},
    {"meta_data": {"an owner": "me"}},
    {"meta_data": {"owner": None}},
    {"content_type": "text/plain\r\nHost: elsewhere"},
    {"content_type": 7.5j},
)


class UploadRules(StorageSuite):
    """The rules of uploads."""

    @rule("upload_object_via_stream", "get_object")
    @pytest.mark.parametrize("source", SOURCES)
    def test_s48_sources(
        self, driver: StorageDriver, container: Container, source: str, tmp_path: Path
    ) -> None:
        """Bytes, files, iterators and what cannot be rewound arrive as they are, small or in parts."""
        for size in (SMALL, self.large)[: 2 if source in IN_PARTS else 1]:
            content = bytes_of(size)
            with _source(source, content, tmp_path) as given:
                made = driver.upload_object_via_stream(given, container, "object")
            found = self.require_content(driver, container, "object", content)
            for name in ("name", "size", "hash"):
                returned, kept = getattr(made, name), getattr(found, name)
                assert returned == kept, f"the {name} {returned!r} is returned, {kept!r} is kept"

    @rule("upload_object_via_stream", "get_object")
    def test_s49_nothing(self, driver: StorageDriver, container: Container, tmp_path: Path) -> None:
        """Empty bytes, files and iterators, and iterators of empty pieces, make an empty object."""
        (tmp_path / "empty").touch()
        empty: tuple[Any, ...] = (b"", BytesIO(), iter(()), iter([b""] * 3))
        for number, given in enumerate(empty):
            made = driver.upload_object_via_stream(given, container, f"empty-{number}")
            assert made.size == 0, f"{made!r} is not empty"
            self.require_content(driver, container, made.name, b"")
        made = driver.upload_object(str(tmp_path / "empty"), container, "empty-file")
        self.require_content(driver, container, made.name, b"")

    @rule("upload_object")
    def test_s50_files(self, driver: StorageDriver, container: Container, tmp_path: Path) -> None:
        """`upload_object` uploads a file from its beginning, and the file stays as it was."""
        file = tmp_path / "a file"
        for size in (SMALL, self.large):
            file.write_bytes(content := bytes_of(size))
            made = driver.upload_object(str(file), container, "object", {"content_type": "text/x-own"})
            assert (made.name, made.size) == ("object", size), f"upload_object returns {made!r}"
            self.require_content(driver, container, "object", content)
            assert file.read_bytes() == content, "the file was changed"

    @rule("upload_object")
    def test_s51_no_files(self, driver: StorageDriver, tmp_path: Path) -> None:
        """A file that is missing or a folder is refused with `InvalidArgumentError`, and nothing is sent."""
        nowhere = self.no_container(driver)
        for path in (tmp_path / "missing", tmp_path):

            def upload(by: StorageDriver, path: Path = path) -> Object:
                return by.upload_object(str(path), nowhere, "object")

            self.check_refused_unsent(driver, InvalidArgumentError, upload)

    @rule("upload_object_via_stream")
    def test_s52_no_bytes(self, driver: StorageDriver, container: Container) -> None:
        """What is not bytes is refused with `InvalidArgumentError`, and no object is made."""
        for given in ("text", 7, None, {"a": b"b"}, iter(["text"]), iter([7])):
            upload: Any = partial(driver.upload_object_via_stream, given, container, "object")  # type: ignore[arg-type]
            error_of(InvalidArgumentError, f"an upload of {given!r}", upload)
        self.require_listed(driver, container, [])

    # What is kept beside the bytes

    @rule("upload_object_via_stream", "get_object")
    def test_s53_metadata(self, driver: StorageDriver, container: Container) -> None:
        """Metadata and content type come back from `get_object`, small or in parts; names in lower case."""
        meta_data = {"owner": "mé 日本", self.metadata_name: "a b, c=d; 50%", "number": "7", "odd": "=?x?="}
        expected = {name.lower(): text for name, text in meta_data.items()}
        for content in (CONTENT, bytes(self.large)):
            extra = {"content_type": "text/x-own", "meta_data": meta_data}
            made = driver.upload_object_via_stream(content, container, "object", extra)
            for one in (made, driver.get_object(container.name, "object")):
                assert one.meta_data == expected, f"the metadata is {one.meta_data}, not {expected}"
                found = one.extra.get("content_type")
                assert found == "text/x-own", f"the content type is {found!r}, not 'text/x-own'"

    @rule("upload_object_via_stream", "get_object")
    @pytest.mark.parametrize("header", HEADERS)
    def test_s54_headers(self, driver: StorageDriver, container: Container, header: str) -> None:
        """The other keys of `extra` come back, and content comes as it is kept, whatever its encoding."""
        driver.upload_object_via_stream(CONTENT, container, "object", {header: HEADERS[header]})
        found = driver.get_object(container.name, "object")
        assert found.extra.get(header) == HEADERS[header], f"{header} is {found.extra.get(header)!r}"
        self.require_content(driver, container, "object", CONTENT)

    @rule("upload_object_via_stream", "get_object")
    def test_s55_guessed_types(self, driver: StorageDriver, container: Container) -> None:
        """Without a content type it is guessed from the name, else it is application/octet-stream."""
        types = {"a.txt": "text/plain", "a.PNG": "image/png", "plain": "application/octet-stream"}
        for name, expected in types.items():
            driver.upload_object_via_stream(CONTENT, container, name)
            found = driver.get_object(container.name, name).extra.get("content_type")
            assert found == expected, f"the content type of {name} is {found!r}, not {expected!r}"

    @rule("upload_object_via_stream")
    def test_s56_invalid_extra(self, driver: StorageDriver) -> None:
        """Unknown keys of `extra`, and values that headers cannot hold, are refused unsent."""
        nowhere = self.no_container(driver)
        for extra in INVALID_EXTRA:

            def upload(by: StorageDriver, extra: dict[str, Any] = extra) -> Object:
                return by.upload_object_via_stream(CONTENT, nowhere, "object", extra)

            self.check_refused_unsent(driver, InvalidArgumentError, upload)

    # Replacing

    @rule("upload_object_via_stream", "get_object")
    def test_s57_replacing(self, driver: StorageDriver, container: Container) -> None:
        """An upload replaces an object as a whole: content, metadata and content type."""
        extra = {"content_type": "text/x-own", "meta_data": {"owner": "me"}}
        driver.upload_object_via_stream(bytes_of(SMALL), container, "object", extra)
        driver.upload_object_via_stream(OTHER, container, "object")
        found = self.require_content(driver, container, "object", OTHER)
        assert found.meta_data == {}, f"the metadata {found.meta_data} stays"
        kept = found.extra.get("content_type")
        assert kept != "text/x-own", "the content type stays"
        self.require_listed(driver, container, ["object"])

    def need_condition(self, condition: str) -> None:
        """Skip the test unless the provider knows this condition of uploads."""
        if condition not in self.conditions:
            pytest.skip(f"the provider does not know {condition}")

    @rule("upload_object_via_stream", "get_object")
    def test_s58_if_none_match(self, driver: StorageDriver, container: Container) -> None:
        """With `if_none_match="*"` an upload makes a new object, and refuses to replace one."""
        self.need_condition("if_none_match")
        for content in (CONTENT, bytes_of(self.large)):
            name = f"object-{len(content)}"
            upload = partial(driver.upload_object_via_stream, container=container, object_name=name)
            upload(content, if_none_match="*")
            error = error_of(ObjectAlreadyExistsError, "an upload", upload, OTHER, if_none_match="*")
            assert error.object_name == name, f"the error's object is {error.object_name!r}"
            if "if_none_match" in self.conditions_of_parts:
                large = bytes(self.large)
                error_of(ObjectAlreadyExistsError, "an upload in parts", upload, large, if_none_match="*")
            self.require_content(driver, container, name, content)
        self.require_nothing_unfinished(driver, container)

    @rule("upload_object_via_stream", "get_object")
    def test_s59_if_match(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """With `if_match` an upload replaces the object of that hash, and no other."""
        self.need_condition("if_match")
        upload = partial(driver.upload_object_via_stream, container=container, object_name=obj.name)
        made = upload(OTHER, if_match=obj.hash)
        self.require_content(driver, container, obj.name, OTHER)
        for content in (CONTENT, bytes(self.large))[: 1 + ("if_match" in self.conditions_of_parts)]:
            error = error_of(ObjectAlreadyExistsError, "an upload", upload, content, if_match=obj.hash)
            assert error.object_name == obj.name, f"the error's object is {error.object_name!r}"
            self.require_content(driver, container, obj.name, OTHER)
        missing = partial(driver.upload_object_via_stream, OTHER, container, "missing", if_match=made.hash)
        refusals: Any = (ObjectDoesNotExistError, ObjectAlreadyExistsError)
        error_of(refusals, "an upload to an object that does not exist", missing)
        self.require_listed(driver, container, [obj.name])
        self.require_nothing_unfinished(driver, container)

    # Failures

    @rule("upload_object_via_stream", "get_object")
    @pytest.mark.parametrize("interruption", INTERRUPTIONS)
    def test_s60_interrupted_uploads(
        self, driver: StorageDriver, container: Container, obj: Object, interruption: str
    ) -> None:
        """An iterator that raises, also Ctrl-C, leaves the earlier object, and nothing of the upload."""
        kind = INTERRUPTIONS[interruption]
        for size, name in ((SMALL, obj.name), (self.large, obj.name), (SMALL, "new")):
            try:
                driver.upload_object_via_stream(_failing(size, kind), container, name)
            except kind:
                pass
            else:
                raise AssertionError(f"the {kind.__name__} of an iterator after {size:,} bytes was lost")
        self.require_content(driver, container, obj.name, CONTENT)
        self.require_listed(driver, container, [obj.name])
        self.require_nothing_unfinished(driver, container)

    @rule("upload_object_via_stream", "get_object")
    def test_s61_cancelled_uploads(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """An upload that is cancelled on an event loop leaves the earlier object and no parts."""
        from polycloud import aio

        async def cancel() -> bool:
            reached = asyncio.Event()

            def endless() -> Iterator[bytes]:
                yield bytes_of(self.large)
                reached.set()
                while True:
                    waiting.sleep(0.01)
                    yield b"x"

            async with aio.AsyncDriver(driver) as cloud:
                upload = partial(driver.upload_object_via_stream, endless(), container, obj.name)
                task = asyncio.create_task(cloud.run(upload))
                arrival = asyncio.create_task(reached.wait())
                await asyncio.wait({task, arrival}, return_when=asyncio.FIRST_COMPLETED)
                for one in (task, arrival):
                    one.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            return reached.is_set()

        require_reached(asyncio.run(cancel()), "the upload ended before it was cancelled")
        self.require_content(driver, container, obj.name, CONTENT)
        self.require_nothing_unfinished(driver, container)

    @rule("upload_object_via_stream", "delete_container")
    def test_s62_vanished_containers(self, driver: StorageDriver, container: Container) -> None:
        """An upload to a container that is deleted in the meantime raises `ContainerDoesNotExistError`."""

        def content() -> Iterator[bytes]:
            yield b"x"
            driver.delete_container(container)
            yield b"y"

        upload = partial(driver.upload_object_via_stream, content(), container, "object")
        error = error_of(ContainerDoesNotExistError, "the upload", upload)
        assert error.container_name == container.name, f"the error's container is {error.container_name!r}"

    # Faults

    @rule("upload_object_via_stream", "get_object")
    @pytest.mark.parametrize("fault", ["reset before", "reset after", "503"])
    def test_s63_lost_parts(self, driver: StorageDriver, container: Container, fault: str) -> None:
        """A part that is lost is sent again, even from what cannot be rewound; the object is whole."""
        content = bytes_of(self.large)
        for size in (SMALL, self.large):
            plan = FaultList(fault, spare=is_short)
            with self.behind(driver, plan) as far, call_options(retry=AGAIN):
                self.log_in(far)
                far.upload_object_via_stream(_pieces(content[:size]), container, "object")
            self.require_content(driver, container, "object", content[:size])
        self.require_listed(driver, container, ["object"])
        self.require_nothing_unfinished(driver, container)

    @rule("upload_object_via_stream", "get_object")
    def test_s64_broken_uploads(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """An upload that cannot go on raises an error, and leaves the earlier object and no parts."""
        far: StorageDriver
        plan = FaultList(None, *["503"] * 8, spare=is_short)
        with self.behind(driver, plan) as far:
            self.log_in(far)
            upload = partial(far.upload_object_via_stream, _pieces(bytes_of(self.large)), container, obj.name)
            error_of(PolycloudError, "the upload", upload)
        self.require_content(driver, container, obj.name, CONTENT)
        self.require_listed(driver, container, [obj.name])
        self.require_nothing_unfinished(driver, container)

    @rule("upload_object_via_stream", "get_object")
    def test_s65_changed_uploads(self, driver: StorageDriver, container: Container) -> None:
        """Content that was changed on its way raises `ObjectHashMismatchError`, and is not kept."""
        if not self.verifies_uploads:
            pytest.skip("the test server does not verify what it receives")
        for size in (SMALL, self.large):
            with self.tampered(driver) as (far, server):
                content = bytes_of(size)
                server.in_requests = content[:START]
                upload = partial(far.upload_object_via_stream, content, container, "object")
                error_of(ObjectHashMismatchError, f"the upload of {size:,} bytes", upload)
                require_reached(server.changed, "no content was changed")
            self.require_listed(driver, container, [])
            self.require_nothing_unfinished(driver, container)


def _pieces(content: bytes) -> Iterator[bytes]:
    """Yield content in pieces of odd sizes, some of them empty."""
    yield b""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
        yield b""


def _failing(size: int, kind: type[BaseException]) -> Iterator[bytes]:
    yield from _pieces(bytes_of(size))
    raise kind


class _Reader(RawIOBase):
    """A file that cannot be rewound, and returns fewer bytes than it is asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, PIECE) if size > 0 else PIECE)


class _Pipe:
    """The reading end of a pipe, whose other end a thread fills."""

    def __init__(self, content: bytes) -> None:
        self._end, writing = os.pipe()
        self._writer = threading.Thread(target=self._fill, args=(writing, content), daemon=True)

    def __enter__(self) -> Any:
        self._writer.start()
        self._file = os.fdopen(self._end, "rb")
        return self._file

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._writer.join()

    def _fill(self, writing: int, content: bytes) -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as file:
            file.write(content)


class _Plain:
    """A source that needs no closing."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def __enter__(self) -> Any:
        return self._given

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


def _source(kind: str, content: bytes, folder: Path) -> Any:
    """Return a context manager of a source with this content."""
    file = folder / "source"
    file.write_bytes(content)
    makers: dict[str, Callable[[], Any]] = {
        "bytes": lambda: _Plain(content),
        "file": lambda: file.open("rb"),
        "iterator": lambda: _Plain(iter([content])),
        "odd pieces": lambda: _Plain(_pieces(content)),
        "pipe": lambda: _Pipe(content),
        "reader": lambda: _Reader(content),
    }
    return makers[kind]()
