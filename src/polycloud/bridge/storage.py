"""Storage drivers of Libcloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from polycloud.bridge.calling import END, current
from polycloud.bridge.driver import BridgedDriver
from polycloud.common.arguments import drop_none
from polycloud.errors import (
    ConflictError,
    NotFoundError,
    ProviderHTTPError,
    UnsupportedOperationError,
    translated,
)
from polycloud.storage import files
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.resuming import StatePath
from polycloud.storage.sources import Source, counted, rechunked
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerError,
    ObjectDoesNotExistError,
    ObjectError,
)
from polycloud.storage.uploads import (
    Progress,
    require_container_name,
    require_object_name,
    require_progress,
    upload_of,
)
from polycloud.storage.verifying import verified

PIECES = 16
"""The most pieces of a download that a thread fetches ahead."""


class Pieces:
    """The content of an upload as Libcloud's drivers read it: an iterator, hashed while it is read.

    The pieces are asked for on the caller's side. Libcloud would hash a stream by reading it a second time.
    """

    def __init__(self, source: Source, pieces: Iterable[bytes], hasher: Any) -> None:
        self._pieces = iter(pieces)
        self._size = source.size
        self.hasher, self.count = hasher, 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        call = current()
        piece = self._next() if call is None else call.ask(self._next)
        if piece is END:
            raise StopIteration
        self.hasher.update(piece)
        self.count += len(piece)
        return bytes(piece)

    def _next(self) -> Any:
        return next(self._pieces, END)


class SizedPieces(Pieces):
    """The same where the size is known, which then becomes the Content-Length."""

    def __len__(self) -> int:
        return self._size or 0

    def __bool__(self) -> bool:
        return True


class BridgedStorageDriver(BridgedDriver, StorageDriver):
    """The base of the bridged storage drivers."""

    lists_in_order = False

    def _make(self, *args: Any) -> Any:
        driver = super()._make(*args)
        driver._hash_buffered_stream = partial(_hashed, driver._hash_buffered_stream)  # noqa: SLF001 - see `Pieces`
        return driver

    def _translated(
        self, error: ProviderHTTPError, container_name: str, object_name: str | None
    ) -> ContainerError | ObjectError | None:
        if isinstance(error, NotFoundError) and object_name is not None:
            return ObjectDoesNotExistError(error.message, self, object_name)
        if isinstance(error, NotFoundError):
            return ContainerDoesNotExistError(error.message, self, container_name)
        return None

    def _content(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        """Yield the content of an object, or a range of it."""
        whole = start == 0 and end is None and self._has("download_object_as_stream")
        method = "download_object_as_stream" if whole else "download_object_range_as_stream"
        args = (obj,) if whole else (obj, start, *(() if end is None else (end,)))
        with self._errors(obj.container.name, obj.name):
            for piece in self._iterate(method, *args, batch=PIECES):
                yield piece.encode() if isinstance(piece, str) else piece

    def _refuse_conditions(self, *conditions: Any) -> None:
        if any(one is not None for one in conditions):
            raise UnsupportedOperationError(
                f"{self.name} comes via apache-libcloud, which knows no if_match, if_none_match and resume",
                self,
            )


def _hashed(plain: Callable[..., Any], stream: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the hash and the length of a stream, in the place of Libcloud's method."""
    if isinstance(stream, Pieces):
        return stream.hasher.hexdigest(), stream.count
    return plain(stream, *args, **kwargs)


class Operations(BridgedStorageDriver):
    """What a storage driver of Libcloud may offer; a bridged class has of it what Libcloud's class has."""

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the containers of the account, by the bytes of their names."""
        found: Iterator[Container] = self._iterate(self._either("iterate_containers", "list_containers"))
        yield from sorted(found, key=lambda one: one.name.encode())

    def get_container(self, container_name: str) -> Container:
        """Return the container of this name."""
        with self._errors(container_name):
            container: Container = self._call("get_container", container_name)
        return container

    def create_container(self, container_name: str) -> Container:
        """Create a container."""
        require_container_name(container_name, self)
        try:
            what = f"the container {container_name!r}"
            container: Container = self._create(what, "create_container", container_name)
        except (ContainerError, ObjectError):
            raise
        except ConflictError as error:
            exists = ContainerAlreadyExistsError(error.message, self, container_name)
            raise translated(error, exists) from error
        return container

    def delete_container(self, container: Container) -> bool:
        """Delete an empty container."""
        with self._errors(container.name):
            return self._act("delete_container", container)

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the objects whose names begin with `prefix`."""
        beginning = prefix or ex_prefix or ""
        method = self._either("iterate_container_objects", "list_container_objects")
        given: dict[str, Any] = {}
        if beginning and self._takes(method, "prefix"):
            given["prefix"] = beginning
        with self._errors(container.name):
            for obj in self._iterate(method, container, **given):
                if obj.name.startswith(beginning):
                    yield obj

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return an object with its metadata."""
        with self._errors(container_name, object_name):
            obj: Object = self._call("get_object", container_name, object_name)
        return obj

    def upload_object_via_stream(
        self,
        iterator: Iterable[bytes] | bytes,
        container: Container,
        object_name: str,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        resume: StatePath = None,
        progress: Progress | None = None,
        **kwargs: Any,
    ) -> Object:
        """Create or replace an object with bytes as they come."""
        self._refuse_conditions(if_match, if_none_match, resume)
        upload_of(require_object_name(object_name), extra, headers)
        source = Source(iterator)
        pieces = counted(source, progress)
        given = {**drop_none({"extra": extra, "headers": headers}), **kwargs}

        def upload(driver: Any) -> Any:
            hasher = driver._get_hash_function()  # noqa: SLF001 - which its driver would take
            content = (Pieces if source.size is None else SizedPieces)(source, pieces, hasher)
            args = (content, container, object_name)
            return self._bound(driver, "upload_object_via_stream", args, given)()

        with self._errors(container.name), self._limited():
            obj: Object = self._running.call(lambda driver: self._ours(upload(driver)))
        return obj

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes of an object from `start_bytes` to before `end_bytes`, or to its end."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        return rechunked(self._content(obj, start_bytes, end_bytes), chunk_size)

    def download_object_as_stream(self, obj: Object, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the content of an object."""
        self._require_chunk_size(chunk_size)
        return rechunked(verified(obj, self._content(obj, 0, None)), chunk_size)

    def download_object(
        self,
        obj: Object,
        destination_path: str,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
        *,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> bool:
        """Download an object to a file."""
        self._refuse_conditions(resume or None)
        require_progress(progress)
        path = files.destination_of(destination_path, obj.name, overwrite=overwrite_existing)
        with files.writing(path, overwrite=overwrite_existing, keep=not delete_on_failure) as file:
            for piece in counted(verified(obj, self._content(obj, 0, None)), progress):
                file.write(piece)
        return True

    def delete_object(self, obj: Object) -> bool:
        """Delete an object."""
        with self._errors(obj.container.name, obj.name):
            return self._act("delete_object", obj)

    def get_container_cdn_url(self, container: Container) -> str:
        """Return the address at which the public reads the container."""
        return str(self._call("get_container_cdn_url", container))

    def get_object_cdn_url(self, obj: Object) -> str:
        """Return the address at which the public reads the object."""
        return str(self._call("get_object_cdn_url", obj))

    def enable_container_cdn(self, container: Container, **kwargs: Any) -> bool:
        """Make a container readable for the public."""
        return self._act("enable_container_cdn", container, **kwargs)

    def enable_object_cdn(self, obj: Object, **kwargs: Any) -> bool:
        """Make an object readable for the public."""
        return self._act("enable_object_cdn", obj, **kwargs)


NEEDS: Mapping[str, tuple[str, ...]] = {
    "iterate_containers": ("iterate_containers", "list_containers"),
    "iterate_container_objects": ("iterate_container_objects", "list_container_objects"),
    "download_object": ("download_object_as_stream",),
}
"""Operations that need other methods of Libcloud's class than that of the same name."""
FOLLOW: Mapping[str, str] = {
    "download_object": "download_object_range_as_stream",
    "download_object_as_stream": "download_object_range_as_stream",
}
"""Operations that our base makes of another one, if Libcloud's class has that: they resume downloads."""


def attributes(klass: Any) -> dict[str, Any]:
    """Return the attributes of a bridged class that say what Libcloud's class can do."""
    return {"hash_type": str(klass.hash_type)}
