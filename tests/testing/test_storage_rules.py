"""The proof of the rules of storage: every rule catches the fault that was seeded for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options
from polycloud.errors import PolycloudError
from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import Container, Object
from polycloud.storage.deleting import Failures
from polycloud.storage.drivers.dummy import DummyStorageDriver, Versions
from polycloud.storage.drivers.s3 import S3Connection, S3StorageDriver
from polycloud.storage.drivers.s3.bodies import CRC_HEADER
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    ObjectDoesNotExistError,
)
from polycloud.storage.uploads import HEADERS
from polycloud.testing import StorageConformance
from polycloud.testing.conformance.base import rules
from support import suites

RULES = rules(StorageConformance)

# Faults of a driver that keeps everything in memory


class Silent(DummyStorageDriver):
    """Returns None for an operation that it does not support."""

    def supports(self, name: str) -> bool:
        return name != "enable_container_cdn" and super().supports(name)

    def enable_container_cdn(self, container: Container) -> bool:
        return None  # type: ignore[return-value]


class TakesAnyOption(DummyStorageDriver):
    """Ignores options."""

    def __init__(self, api_key: str = "dummy", **_: Any) -> None:
        super().__init__(api_key)


class OwnContainer(Container):
    """A container with another uuid and id, which loses its extra in a pickle."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.id = f"id-{self.name}"

    def get_uuid(self) -> str:
        return f"uuid-{self.id}"

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "extra": {"lost": True}}


class OwnContainers(DummyStorageDriver):
    """Makes containers of a class of its own."""

    def create_container(self, container_name: str) -> Container:
        super().create_container(container_name)
        self._containers[container_name] = made = OwnContainer(container_name, {}, self)
        return made


class ShowsSecret(DummyStorageDriver):
    """Shows its key."""

    def __repr__(self) -> str:
        return f"<ShowsSecret {self.key}>"


class ClosesForGood(DummyStorageDriver):
    """Cannot be used after close()."""

    def close(self) -> None:
        self._containers.clear()


class SharedState(DummyStorageDriver):
    """Keeps the result of a call on the driver."""

    result: Any = None

    def list_container_objects(self, container: Container, *args: Any, **kwargs: Any) -> list[Object]:
        self.result = super().list_container_objects(container, *args, **kwargs)
        waiting.sleep(0.002)
        objects: list[Object] = self.result
        return objects


class OwnLoop(DummyStorageDriver):
    """Runs an event loop of its own in a call."""

    def list_container_objects(self, container: Container, *args: Any, **kwargs: Any) -> list[Object]:
        pause = asyncio.sleep(0)
        loop = asyncio.Runner()
        try:
            loop.run(pause)
        finally:
            pause.close()  # on a thread whose loop runs already it was not awaited
            loop.close()
        return super().list_container_objects(container, *args, **kwargs)


class HoldsLock(DummyStorageDriver):
    """Has an attribute that cannot be pickled."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lock = threading.Lock()


class Sleeps(DummyStorageDriver):
    """Waits by `time.sleep`."""

    def delete_object(self, obj: Object) -> bool:
        time.sleep(0.001)  # noqa: TID251 - the fault
        return super().delete_object(obj)


class UpperNames(DummyStorageDriver):
    """Returns containers with their names in upper case."""

    def get_container(self, container_name: str) -> Container:
        return Container(super().get_container(container_name).name.upper(), {}, self)


class SameContainer(DummyStorageDriver):
    """Returns the existing container for the create of a second one."""

    def create_container(self, container_name: str) -> Container:
        try:
            return super().create_container(container_name)
        except ContainerAlreadyExistsError:
            return self._containers[container_name]


class MangledContainers(DummyStorageDriver):
    """Takes any name of a container, in upper case and without what it does not expect."""

    def create_container(self, container_name: Any) -> Container:
        return super().create_container(str(container_name).replace("/", "").upper() or "empty")


class OnePage(DummyStorageDriver):
    """Lists the first page only."""

    def list_containers(self) -> list[Container]:
        return super().list_containers()[:2]

    def list_container_objects(self, *args: Any, **kwargs: Any) -> list[Object]:
        return super().list_container_objects(*args, **kwargs)[:2]


class DeepFolders(DummyStorageDriver):
    """Yields all objects as those of a folder."""

    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        return self.iterate_container_objects(container, prefix)


class IteratesNothing(DummyStorageDriver):
    """Iterates over empty pages."""

    def list_containers(self) -> list[Container]:
        return list(super().iterate_containers())

    def iterate_containers(self) -> Iterator[Container]:
        yield from ()

    def list_container_objects(self, *args: Any, **kwargs: Any) -> list[Object]:
        return list(super().iterate_container_objects(*args, **kwargs))

    def iterate_container_objects(self, *args: Any, **kwargs: Any) -> Iterator[Object]:
        yield from ()


class SaysTrue(DummyStorageDriver):
    """Deletes nothing, and returns True."""

    def delete_container(self, container: Container) -> bool:
        return True

    def delete_object(self, obj: Object) -> bool:
        return True


class DeletesAll(DummyStorageDriver):
    """Deletes a container with its objects."""

    def delete_container(self, container: Container) -> bool:
        with suppress(ContainerIsNotEmptyError):
            return super().delete_container(container)
        del self._containers[container.name]
        return True


class LeaksKeyError(DummyStorageDriver):
    """Looks up containers and objects in a dict."""

    def get_container(self, container_name: str) -> Container:
        return self._containers[container_name]

    def _stored(self, container: Container, name: str, version_id: str | None = None) -> Any:
        return self._objects[container.name].current[name]


class SizesAsText(DummyStorageDriver):
    """Has sizes as they are in headers."""

    def get_object(self, container_name: str, object_name: str) -> Object:
        found = super().get_object(container_name, object_name)
        return Object(found.name, str(found.size), found.hash, {}, {}, found.container, self)  # type: ignore[arg-type]


class MangledNames(DummyStorageDriver):
    """Takes any name of an object, as a path."""

    def upload_object_via_stream(
        self, iterator: Any, container: Container, object_name: Any, *args: Any, **kwargs: Any
    ) -> Object:
        name = os.path.normpath(str(object_name).replace("\0", "")).strip("/")[:1024]
        name = name.encode("utf-8", "replace").decode()[:300]
        return super().upload_object_via_stream(iterator, container, name or "empty", *args, **kwargs)

    def _within(self, container: Container) -> Any:
        return self._objects.setdefault(container.name, Versions(container)).current


class Unsorted(DummyStorageDriver):
    """Lists objects as they were made, and changes meanwhile break the list."""

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        for obj, _ in self._within(container).values():
            yield obj


class FirstMatch(DummyStorageDriver):
    """Takes the first object whose name begins as the one that was asked for."""

    def get_object(self, container_name: str, object_name: str) -> Object:
        return self.list_container_objects(self.get_container(container_name), object_name)[-1]


class OneAddress(DummyStorageDriver):
    """Has one address for all objects."""

    def get_object_cdn_url(self, obj: Object) -> str:
        return "https://cdn.example.com"


class FirstPiece(DummyStorageDriver):
    """Takes the first piece of a source, whatever it is."""

    def upload_object_via_stream(self, iterator: Any, *args: Any, **kwargs: Any) -> Object:
        piece = iterator.read(1000) if hasattr(iterator, "read") else iterator
        if not isinstance(piece, bytes | str | int | dict | None):
            piece = next(piece)
        content = piece if isinstance(piece, bytes) else str(piece).encode()
        return super().upload_object_via_stream(content, *args, **kwargs)


class NameAsContent(DummyStorageDriver):
    """Uploads the path of a file in its place."""

    def upload_object(self, file_path: str, *args: Any, **kwargs: Any) -> Object:
        return self.upload_object_via_stream(file_path.encode(), *args, **kwargs)


class BytesOnly(DummyStorageDriver):
    """Keeps the bytes, and nothing beside them."""

    def upload_object_via_stream(
        self, iterator: Any, container: Container, object_name: str, *args: Any, **_: Any
    ) -> Object:
        made = super().upload_object_via_stream(iterator, container, object_name)
        made.meta_data, made.extra = {}, {}
        return made


class KeepsMetadata(DummyStorageDriver):
    """Keeps the metadata of the object that an upload replaces."""

    def upload_object_via_stream(
        self, iterator: Any, container: Container, object_name: str, *args: Any, **kwargs: Any
    ) -> Object:
        before = self._within(container).get(object_name)
        made = super().upload_object_via_stream(iterator, container, object_name, *args, **kwargs)
        if before is not None:
            made.meta_data = before[0].meta_data
        return made


class NoConditions(DummyStorageDriver):
    """Ignores conditions."""

    def _require_conditions(self, *_: Any) -> None:
        """Accept everything."""


class KeepsHalf(DummyStorageDriver):
    """Keeps what has come of an upload that fails, even where its container has gone."""

    def upload_object_via_stream(
        self, iterator: Any, container: Container, object_name: str, *args: Any, **kwargs: Any
    ) -> Object:
        come: list[bytes] = []
        pieces = [iterator] if isinstance(iterator, bytes) else iterator
        try:
            come.extend(pieces)
        finally:
            try:
                made = super().upload_object_via_stream(b"".join(come), container, object_name)
            except ContainerDoesNotExistError:
                made = Object(object_name, 0, "", {}, {}, container, self)
        return made


class OtherRanges(DummyStorageDriver):
    """Takes the last byte for a part of the range, and pieces as they are."""

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        content = self._stored(obj.container, obj.name)[1]
        yield content[max(start_bytes, 1) : None if end_bytes is None else end_bytes + 1]

    def download_object_as_stream(self, obj: Object, chunk_size: int | None = None) -> Iterator[bytes]:
        yield from self.download_object_range_as_stream(obj, 0)


class WritesAnywhere(DummyStorageDriver):
    """Replaces files, makes folders, and names files by the whole name of the object."""

    def download_object(self, obj: Object, destination_path: str, *args: Any, **kwargs: Any) -> bool:
        path = Path(destination_path)
        if path.is_dir():
            path /= obj.name.replace("/", "_")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            path.write_bytes(b"".join(self.download_object_as_stream(obj)))
        return True


class BareCopies(DummyStorageDriver):
    """Copies the bytes, none of what is not there."""

    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        content = b""
        with suppress(ObjectDoesNotExistError):
            content = b"".join(self.download_object_as_stream(obj))
        return self.upload_object_via_stream(content, container, object_name or obj.name)


class CarelessDeletes(DummyStorageDriver):
    """Deletes a batch of anything, by names without the spaces around them."""

    def delete_objects(self, container: Container, objects: Any) -> int:
        batch = [one.name if isinstance(one, Object) else str(one).strip() for one in list(objects)[:100]]
        for name in batch:
            with suppress(ObjectDoesNotExistError):
                self.delete_object(Object(name, 0, "", {}, {}, container, self))
        return len(batch)


class CarelessUpdates(DummyStorageDriver):
    """Uploads an object anew, whatever it has become, with the values of the keys that are known."""

    def update_object(self, obj: Object, extra: Any = None, headers: Any = None) -> Object:
        known = {key: value for key, value in extra.items() if key in {*HEADERS, "meta_data"} and value}
        content = self._within(obj.container).get(obj.name, (obj, b""))[1]
        return self.upload_object_via_stream(content, obj.container, obj.name, known, headers)


class KeepsValues(DummyStorageDriver):
    """Takes None for no change."""

    def update_object(self, obj: Object, extra: Any = None, headers: Any = None) -> Object:
        given = {key: value for key, value in extra.items() if value is not None}
        return super().update_object(obj, given, headers)


class CarelessVersions(DummyStorageDriver):
    """Reads the latest version for another, deletes that one, and always keeps versions."""

    def set_container_versioning(self, container: Container, enabled: bool = True) -> bool:
        return super().set_container_versioning(container)

    def delete_object(self, obj: Object) -> bool:
        return super().delete_object(Object(obj.name, obj.size, "", {}, {}, obj.container, self))

    def _stored(self, container: Container, name: str, version_id: str | None = None) -> Any:
        return super()._stored(container, name)


class OldestFirst(DummyStorageDriver):
    """Lists the oldest versions first."""

    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        yield from reversed(list(super().iterate_object_versions(container, prefix)))


# Faults that show over HTTP


class EmptyForAnError(S3StorageDriver):
    """Lists nothing if listing failed."""

    def iterate_containers(self) -> Iterator[Container]:
        with suppress(PolycloudError):
            yield from super().iterate_containers()


class SecretInErrors(S3StorageDriver):
    """Adds the secret to errors, which loses the request, and does not let them be cleaned."""

    def clean_error(self, error: PolycloudError) -> None:
        """Leave the error as it is."""

    def iterate_containers(self) -> Iterator[Container]:
        try:
            yield from super().iterate_containers()
        except PolycloudError as error:
            raise PolycloudError(f"{error.value}; the secret was {self.secret}") from error


class OnceConnection(S3Connection):
    """Takes no request for one that may be sent again."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **{**kwargs, "idempotent": False})


class SendsOnce(S3StorageDriver):
    """Never sends anything again, and does not go on with a download."""

    connectionCls = OnceConnection

    def create_container(self, container_name: str) -> Container:
        with call_options(retry=RetryPolicy(attempts=1)):
            return super().create_container(container_name)

    def _resumed(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        return self.download_object_range_as_stream(obj, start, end)


class Unquoted(S3StorageDriver):
    """Puts names into paths as they are."""

    def _path(self, container_name: str, object_name: str | None = None) -> str:
        return f"/{container_name}" + ("" if object_name is None else f"/{object_name}")


class PublicAddresses(S3StorageDriver):
    """Makes every object public, and looks it up for its address."""

    def upload_object_via_stream(
        self,
        iterator: Any,
        container: Container,
        object_name: str,
        extra: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Object:
        extra = {**(extra or {}), "acl": "public-read"}
        return super().upload_object_via_stream(iterator, container, object_name, extra, *args, **kwargs)

    def ex_presigned_url(self, container: Container, object_name: str, **_: Any) -> str:
        with suppress(PolycloudError):
            self.get_object(container.name, object_name)
        return self._address(container.name, object_name)


class CarelessConnection(S3Connection):
    """Aborts no upload, and sends no checksum."""

    def request(self, action: str, *args: Any, **kwargs: Any) -> Any:
        names = ("params", "data", "headers", "method")
        given: dict[str, Any] = {**dict(zip(names, args, strict=False)), **kwargs}
        if given.get("method") == "DELETE" and "uploadId" in (given.get("params") or {}):
            return None
        headers = given.get("headers") or {}
        given["headers"] = {name: text for name, text in headers.items() if name != CRC_HEADER}
        return super().request(action, **given)


class LeavesParts(S3StorageDriver):
    """Aborts no upload, and sends no checksum."""

    connectionCls = CarelessConnection


class ForgetsFailures(S3StorageDriver):
    """Takes every bulk delete for a success."""

    def _delete_batch(self, container: Container, objects: list[Object]) -> Failures:
        with suppress(PolycloudError):
            super()._delete_batch(container, objects)
        return []


class WritesAtOnce(S3StorageDriver):
    """Writes under the final name, and verifies nothing."""

    def download_object(self, obj: Object, destination_path: str, *args: Any, **kwargs: Any) -> bool:
        with Path(destination_path).open("wb") as file:
            file.writelines(self._resumed(obj, 0, None))
        return True


class MixesContents(S3StorageDriver):
    """Goes on with a download, whatever the object has become."""

    def _content(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        any_version = Object(obj.name, obj.size, "", {}, {}, obj.container, self)
        return super()._content(any_version, start, end)


IN_MEMORY: Mapping[type[Any], str] = {
    Silent: "S02 S03",
    TakesAnyOption: "S04",
    OwnContainers: "S05 S20 S21",
    ShowsSecret: "S07",
    ClosesForGood: "S12",
    SharedState: "S13",
    OwnLoop: "S14",
    HoldsLock: "S15",
    Sleeps: "S19",
    UpperNames: "S27",
    SameContainer: "S23",
    MangledContainers: "S22 S24",
    OnePage: "S25 S35",
    IteratesNothing: "S26 S36",
    SaysTrue: "S28 S31 S41 S44",
    DeletesAll: "S29",
    LeaksKeyError: "S30 S42 S43",
    SizesAsText: "S32",
    MangledNames: "S33 S34",
    Unsorted: "S37 S38 S39",
    FirstMatch: "S40",
    OneAddress: "S45",
    FirstPiece: "S48 S49 S52",
    NameAsContent: "S50 S51",
    BytesOnly: "S53 S54 S55 S56 S88",
    KeepsMetadata: "S57",
    NoConditions: "S58 S59",
    KeepsHalf: "S60 S61 S62",
    OtherRanges: "S66 S67 S68 S69",
    WritesAnywhere: "S70 S71 S72",
    BareCopies: "S78 S79",
    CarelessDeletes: "S80 S81 S82",
    CarelessUpdates: "S84 S86 S87",
    KeepsValues: "S85",
    CarelessVersions: "S89 S91 S92 S93",
    OldestFirst: "S90",
    DeepFolders: "S94",
}
OVER_HTTP: Mapping[type[Any], str] = {
    EmptyForAnError: "S06 S09 S10 S17",
    SecretInErrors: "S08 S11",
    SendsOnce: "S16 S63 S75",
    Unquoted: "S18",
    PublicAddresses: "S46 S47",
    LeavesParts: "S64 S65",
    ForgetsFailures: "S83",
    WritesAtOnce: "S73 S74 S77",
    MixesContents: "S76",
}
SEEDED = {**IN_MEMORY, **OVER_HTTP}

# The suite, run on the driver that the environment names


def seeded() -> Any:
    return globals()[os.environ["SEEDED"]]


class SeededDummy(StorageConformance):
    over_http = False
    patience = 0.0
    large = 100_000

    @pytest.fixture
    def driver(self) -> DummyStorageDriver:
        driver: DummyStorageDriver = seeded()("correct horse battery staple")
        return driver


class SeededS3(StorageConformance):
    not_offered = frozenset({"enable_container_cdn", "enable_object_cdn"})
    patience = 0.0

    @pytest.fixture
    def driver(self) -> Iterator[S3StorageDriver]:
        url, *credentials = os.environ["SEEDED_CLOUD"].split(" ")
        with seeded()(*credentials, url=url) as driver:
            yield driver


Judge = Callable[[type[Any], str], suites.Outcome]


@pytest.fixture
def judge(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    """Runs rules of the suite on a driver class of this file."""

    def run(kind: type[Any], numbers: str) -> suites.Outcome:
        suite: type[StorageConformance] = SeededDummy
        if issubclass(kind, S3StorageDriver):
            suite, cloud = SeededS3, request.getfixturevalue("aws")
            monkeypatch.setenv("SEEDED_CLOUD", " ".join((cloud.url, *cloud.credentials)))
        return suites.judge(monkeypatch, tmp_path, __file__, suite, kind, numbers.split())

    return run


@pytest.mark.parametrize("kind", SEEDED)
def test_seeded_faults(judge: Judge, kind: type[Any]) -> None:
    """A faulty driver breaks the rule of its fault, and the failure quotes the rule."""
    expected = ["S01", *SEEDED[kind].split()]  # no seeded driver is registered
    broken = judge(kind, " ".join(expected)).broken
    assert sorted(broken) == expected
    for number in expected:
        assert f"{number} {RULES[number].rstrip('.')}: " in broken[number]


def test_every_rule_is_proven() -> None:
    """Every rule is broken by a seeded fault."""
    proven = {"S01", *" ".join(SEEDED.values()).split()}
    assert proven == RULES.keys()


def test_document_and_suite_agree() -> None:
    """The document states the suite's rules, with the same numbers and sentences, in order."""
    assert suites.stated_rules("storage.md") == list(RULES.items())
    assert list(RULES) == [f"S{number:02}" for number in range(1, len(RULES) + 1)]
