"""Storage drivers of Libcloud: its own S3 against moto, and its dummy."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.storage.drivers.dummy import DummyStorageDriver
from libcloud.storage.drivers.s3 import S3StorageDriver

from polycloud import bridge
from polycloud.aio import AsyncStorageDriver
from polycloud.bridge import calling
from polycloud.bridge.threads import Crew
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    ObjectDoesNotExistError,
)

MEBIBYTE = 1 << 20


class Memory(DummyStorageDriver):
    """Libcloud's dummy, which by itself reads no content."""

    def upload_object_via_stream(
        self, iterator: Any, container: Any, object_name: str, extra: Any = None, headers: Any = None
    ) -> Any:
        content = b"".join(iterator)
        add: Any = self._add_object
        return add(container=container, object_name=object_name, size=len(content))

    def download_object_as_stream(self, obj: Any, chunk_size: Any = None) -> Any:
        yield b"content"


@pytest.fixture
def store(moto: dict[str, Any]) -> Iterator[Any]:
    with bridge.driver_class(S3StorageDriver)("AKIA0123456789", "moto-secret-1", **moto) as driver:
        yield driver


@pytest.fixture
def container(store: Any) -> Iterator[Container]:
    container: Container = store.create_container(f"bridge-{uuid.uuid4().hex}")
    yield container
    container.delete_objects(container.list_objects())
    container.delete()


def test_life_of_an_object(store: Any, container: Container) -> None:
    """An object is uploaded of pieces, found with its metadata, read, listed and deleted."""
    made = container.upload_object_via_stream(
        iter([b"hello ", b"world"]),
        "notes/a.txt",
        extra={"content_type": "text/plain", "meta_data": {"colour": "red"}},
    )
    assert type(made) is Object
    assert (made.name, made.size) == ("notes/a.txt", 11)
    found = store.get_object(container.name, "notes/a.txt")
    assert (found.size, found.meta_data, found.extra["content_type"]) == (11, {"colour": "red"}, "text/plain")
    assert found.driver is found.container.driver is store
    assert found.last_modified is not None
    assert b"".join(found.as_stream()) == b"hello world"
    assert b"".join(found.range_as_stream(2, 5)) == b"llo"
    assert next(found.as_stream(found.size)) == b"hello world"
    assert [one.name for one in container.list_objects("notes/")] == ["notes/a.txt"]
    assert list(container.iterate_folder()) == ["notes/"]
    assert found.delete() is True
    assert container.list_objects() == []


def test_files(store: Any, container: Container, tmp_path: Path) -> None:
    """A file of several parts is uploaded and downloaded as it is, and its progress is told."""
    there, back = tmp_path / "there", tmp_path / "back"
    sent: list[int] = []
    there.write_bytes(os.urandom(12 * MEBIBYTE + 7))
    made = store.upload_object(str(there), container, "file", progress=sent.append)
    assert made.size == sum(sent) == there.stat().st_size
    assert store.download_object(store.get_object(container.name, "file"), str(back)) is True
    assert hashlib.sha256(back.read_bytes()).digest() == hashlib.sha256(there.read_bytes()).digest()


def test_long_streams(store: Any, container: Container) -> None:
    """A stream of 160 MiB goes up and comes down in little memory."""

    def pieces() -> Iterator[bytes]:
        for number in range(160):
            yield bytes([number]) * MEBIBYTE

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = container.upload_object_via_stream(pieces(), "long")
    assert made.size == 160 * MEBIBYTE
    digest, expected = hashlib.sha256(), hashlib.sha256()
    for piece in pieces():
        expected.update(piece)
    for piece in store.get_object(container.name, "long").as_stream():
        digest.update(piece)
    assert digest.digest() == expected.digest()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 120


def test_refusals(store: Any, container: Container) -> None:
    """What does not exist, or is not empty, has the error of its kind with its name."""
    with pytest.raises(ObjectDoesNotExistError) as no_object:
        store.get_object(container.name, "missing")
    assert no_object.value.object_name == "missing"
    calls: list[Callable[[], Any]] = [
        lambda: store.get_container("bridge-missing"),
        lambda: store.list_container_objects(Container("bridge-missing", {}, store)),
        lambda: store.get_object("bridge-missing", "a"),
    ]
    for call in calls:
        with pytest.raises(ContainerDoesNotExistError) as no_container:
            call()
        assert no_container.value.container_name == "bridge-missing"
    container.upload_object_via_stream(b"x", "one")
    with pytest.raises(ContainerIsNotEmptyError):
        container.delete()


def test_bad_arguments(store: Any, container: Container) -> None:
    """Arguments that cannot be sent, or that Libcloud has no words for, are refused before a request."""
    with pytest.raises(InvalidArgumentError, match="expected bytes"):
        container.upload_object_via_stream("text", "a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="colour"):
        container.upload_object_via_stream(b"x", "a", extra={"colour": "red"})
    with pytest.raises(UnsupportedOperationError, match="if_none_match"):
        container.upload_object_via_stream(b"x", "a", if_none_match="*")
    made = container.upload_object_via_stream(b"x", "a")
    with pytest.raises(InvalidArgumentError, match="start_bytes"):
        list(made.range_as_stream(5))


def test_on_a_loop(store: Any, container: Container) -> None:
    """Uploads read the caller's iterator on the event loop's side, and downloads come piece by piece."""

    async def main() -> None:
        async with AsyncStorageDriver[Any](store) as cloud:
            await asyncio.gather(
                *(
                    cloud.upload_object_via_stream(iter([b"%d" % number] * 3), container, f"n{number}")
                    for number in range(8)
                )
            )
            names = [one.name async for one in cloud.iterate_container_objects(container)]
            assert names == [f"n{number}" for number in range(8)]
            obj = await cloud.get_object(container.name, "n7")
            assert b"".join([piece async for piece in cloud.download_object_as_stream(obj)]) == b"777"

    asyncio.run(main())


def test_stream_of_one_into_another(store: Any, container: Container) -> None:
    """The download of one object can be the upload of another, on one driver."""
    made = container.upload_object_via_stream(os.urandom(3 * MEBIBYTE), "from")
    copy = store.copy_object(made, container, "to")
    assert copy.size == 3 * MEBIBYTE
    assert b"".join(copy.as_stream()) == b"".join(made.as_stream())


def test_dummy() -> None:
    """Libcloud's storage in memory works as one of ours, and keeps what is stored in it."""
    driver = bridge.driver_class(DummyStorageDriver)("key", "secret")
    container = driver.create_container("pictures")
    made = container.upload_object_via_stream(b"hello", "a.txt")
    assert (made.name, made.size) == ("a.txt", 5)
    assert [one.name for one in driver.list_containers()] == ["pictures"]
    assert made.delete() is True
    with pytest.raises(ContainerDoesNotExistError) as caught:
        driver.get_container("music")
    assert caught.value.container_name == "music"


def test_order_of_containers() -> None:
    """Containers are listed by the bytes of their names, in whatever order Libcloud's driver has them."""
    driver = bridge.driver_class(DummyStorageDriver)("key", "secret")
    for name in ("b", "\N{LATIN SMALL LETTER E WITH ACUTE}", "a-9", "a-10"):
        driver.create_container(name)
    for listed in (driver.list_containers(), list(driver.iterate_containers())):
        assert [one.name for one in listed] == ["a-10", "a-9", "b", "\N{LATIN SMALL LETTER E WITH ACUTE}"]


def test_iterator_that_fails(store: Any, container: Container) -> None:
    """What the caller's own iterator raises is raised as it is, and the earlier object stays."""
    container.upload_object_via_stream(b"before", "kept")

    def pieces() -> Iterator[bytes]:
        yield b"x" * (6 * MEBIBYTE)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        container.upload_object_via_stream(pieces(), "kept")
    assert b"".join(store.get_object(container.name, "kept").as_stream()) == b"before"


@pytest.mark.parametrize("in_memory", [False, True])
def test_copies_on_a_loop(in_memory: bool, moto: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies on an event loop, each of which reads while it writes, end with fewer threads than copies."""
    monkeypatch.setattr(calling, "_crew", Crew(2))
    kind: Any = bridge.driver_class(Memory if in_memory else S3StorageDriver, only=in_memory)
    driver = kind("AKIA0123456789", "moto-secret-1", **({} if in_memory else moto))

    async def main() -> None:
        async with AsyncStorageDriver[Any](driver) as cloud:
            container = await cloud.create_container(f"bridge-{uuid.uuid4().hex}")
            made = await cloud.upload_object_via_stream(b"content", container, "from")

            async def copied(number: int) -> Any:
                pieces = driver.download_object_as_stream(made)
                return await cloud.upload_object_via_stream(pieces, container, f"to{number}")

            async with asyncio.timeout(30):
                copies = await asyncio.gather(*map(copied, range(6)))
            assert sorted(one.name for one in copies) == [f"to{number}" for number in range(6)]
            await cloud.delete_objects(container, await cloud.list_container_objects(container))

    asyncio.run(main())
