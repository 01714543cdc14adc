"""Objects as files: how they are read, written at once, and what is kept beside them.

A file is written under a name of its own in `.polycloud` and renamed when it is complete. Its metadata is a
small file named after the object and the inode of the new file, written before the rename: so the rename
exchanges content and metadata in one step, and a crash between the two leaves the earlier object as it was.
Size and time of change are in it too: a file that another program changed has no metadata.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.drivers.local import tree
from polycloud.storage.drivers.local.containers import LocalContainers
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectError,
)
from polycloud.storage.uploads import Upload, extra_of, require_object_name, update_of

if TYPE_CHECKING:
    from polycloud.storage.base import StorageDriver

CHUNK = 1 << 18
UNPUBLISHED = "uploads"
BESIDE = "objects"
UNKEPT = "new"
MOST_KEPT = 65536
"""The most bytes that are read of what is kept beside an object."""


class Kept(msgspec.Struct):
    """What is kept beside a file."""

    size: int
    changed: int
    md5: str
    headers: dict[str, str] = {}
    meta_data: dict[str, str] = {}


class LocalObjects:
    """The files of the containers' folders."""

    def __init__(self, containers: LocalContainers, driver: StorageDriver) -> None:
        self._containers, self._driver = containers, driver

    def each(self, container: Container, prefix: str) -> Iterator[Object]:
        """Yield the objects whose names begin with `prefix`, in the order of their bytes."""
        with self._containers.opened(container.name) as fd:
            for name, status in tree.walk(fd, prefix):
                yield self._object(container, name, status, _kept(fd, name, status))

    def level(self, container: Container, prefix: str) -> Iterator[Object | str]:
        """Yield the objects whose names begin with `prefix`, and the folders of those that are deeper."""
        with self._containers.opened(container.name) as fd:
            for name, status in tree.level(fd, prefix):
                if status is None:
                    yield name
                else:
                    yield self._object(container, name, status, _kept(fd, name, status))

    def get(self, container: Container, name: str) -> Object:
        """Return an object. Raises `ObjectDoesNotExistError`."""
        with self._opened(container, name) as (fd, file):
            status = os.fstat(file)
            return self._object(container, name, status, _kept(fd, name, status))

    def read(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        """Yield the bytes of a file from `start` to before `end`; it must be what it was for `obj`."""
        with self._opened(obj.container, obj.name) as (fd, file):
            before = os.fstat(file)
            if not _is_same(obj, fd, before):
                message = f"the object {obj.name!r} was changed since it was listed"
                raise ObjectError(message, self._driver, obj.name)
            while piece := os.pread(file, CHUNK if end is None else min(CHUNK, end - start), start):
                start += len(piece)
                yield piece
            now = os.fstat(file)
            if now.st_size <= before.st_size and now.st_mtime_ns != before.st_mtime_ns:
                message = f"the object {obj.name!r} was changed while it was read"
                raise ObjectError(message, self._driver, obj.name)

    def write(self, pieces: Iterable[bytes], container: Container, name: str, upload: Upload) -> Object:
        """Write a file and publish it."""
        segments = tree.segments_of(require_object_name(name))
        with self._containers.opened(container.name) as fd:
            try:
                with _unpublished(fd) as (unfinished, file):
                    status, kept = _written(file, pieces, upload)
                    with tree.alone(fd):
                        before = self._before(fd, name, upload)
                        _keep(fd, name, status, kept)
                        _publish(fd, unfinished, segments, exclusive=upload.if_none_match is not None)
                        _forget(fd, name, before)
            except OSError as error:
                raise self._unwritable(container, name, error) from error
        return self._object(container, name, status, kept, upload.extra())

    def delete(self, obj: Object) -> None:
        """Delete a file. Raises `ObjectDoesNotExistError`."""
        segments = self._segments(obj.name)
        with self._containers.opened(obj.container.name) as fd, tree.alone(fd):
            try:
                before = _status(fd, segments)
                with tree.folder(fd, segments[:-1]) as parent:
                    os.unlink(segments[-1], dir_fd=parent)
            except OSError as error:
                raise self._missing(obj.name, error) from None
            _forget(fd, obj.name, before)
            tree.prune(fd, segments[:-1])

    def update(self, obj: Object, extra: dict[str, Any] | None, headers: dict[str, str] | None) -> Object:
        """Replace what is kept beside a file."""
        with self._containers.opened(obj.container.name) as fd, tree.alone(fd):
            try:
                status = _status(fd, self._segments(obj.name))
            except OSError as error:
                raise self._missing(obj.name, error) from None
            found = self._object(obj.container, obj.name, status, _kept(fd, obj.name, status))
            upload = update_of(found, extra, headers)
            if obj.hash not in {"", found.hash}:
                raise ObjectAlreadyExistsError(driver=self._driver, object_name=obj.name)
            kept = Kept(status.st_size, status.st_mtime_ns, found.hash, upload.headers, upload.meta_data)
            try:
                _keep(fd, obj.name, status, kept)
            except OSError as error:
                raise self._unwritable(obj.container, obj.name, error) from error
        return self._object(obj.container, obj.name, status, kept)

    def _before(self, fd: int, name: str, upload: Upload) -> os.stat_result | None:
        """Return the status of the file that an upload replaces. Raises an error if its hash is another."""
        try:
            status = _status(fd, tree.segments_of(name))
        except FileNotFoundError:
            if upload.if_match is not None:
                raise self._missing(name, FileNotFoundError()) from None
            return None
        kept = _kept(fd, name, status)
        if upload.if_match is not None and (kept is None or kept.md5 != upload.if_match):
            message = f"the object {name!r} has the hash {kept and kept.md5!r}, not {upload.if_match!r}"
            raise ObjectAlreadyExistsError(message, self._driver, name)
        return status

    @contextmanager
    def _opened(self, container: Container, name: str) -> Iterator[tuple[int, int]]:
        segments = self._segments(name)
        with self._containers.opened(container.name) as fd:
            try:
                file = tree.open_file(fd, segments)
            except OSError as error:
                raise self._missing(name, error) from None
            try:
                yield fd, file
            finally:
                os.close(file)

    def _segments(self, name: str) -> list[str]:
        """Return the segments of the name of an object that should be there."""
        try:
            return tree.segments_of(require_object_name(name))
        except InvalidArgumentError as error:
            raise ObjectDoesNotExistError(f"there is no such object: {error}", self._driver, name) from None

    def _unwritable(self, container: Container, name: str, error: OSError) -> PolycloudError:
        if isinstance(error, FileNotFoundError):  # the container was deleted in the meantime
            return ContainerDoesNotExistError(driver=self._driver, container_name=container.name)
        if isinstance(error, FileExistsError):
            return ObjectAlreadyExistsError(driver=self._driver, object_name=name)
        if isinstance(error, IsADirectoryError | NotADirectoryError):
            reason = "a file and a folder cannot have one name: another object is in its way"
            return ObjectAlreadyExistsError(f"{name!r} cannot be written: {reason}", self._driver, name)
        return PolycloudError(f"{name!r} cannot be written: {error.strerror}", self._driver)

    def _missing(self, name: str, error: OSError) -> PolycloudError:
        if isinstance(error, PermissionError):
            return PolycloudError(f"{name!r} cannot be opened: {error.strerror}", self._driver)
        return ObjectDoesNotExistError(driver=self._driver, object_name=name)

    def _object(
        self,
        container: Container,
        name: str,
        status: os.stat_result,
        kept: Kept | None,
        said: dict[str, Any] | None = None,
    ) -> Object:
        """Return a file as an object; `said` is what its upload said of it."""
        extra: dict[str, Any] = {
            "creation_time": status.st_ctime,
            "access_time": status.st_atime,
            "modify_time": status.st_mtime,
            "last_modified": _time_of(status),
        }
        if kept is None:
            return Object(name, status.st_size, "", extra, None, container, self._driver)
        extra |= extra_of(kept.headers) if said is None else said
        return Object(name, status.st_size, kept.md5, extra, kept.meta_data, container, self._driver)


@contextmanager
def _unpublished(fd: int) -> Iterator[tuple[str, int]]:
    """Open a new file in the container's own folder; it is deleted unless it was published."""
    import secrets

    name = secrets.token_hex(8)
    with tree.folder(fd, [tree.OWN, UNPUBLISHED], create=True) as parent:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=parent)
        try:
            yield name, file
        finally:
            os.close(file)
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)


def _written(file: int, pieces: Iterable[bytes], upload: Upload) -> tuple[os.stat_result, Kept]:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
        _write(file, piece)
    status = os.fstat(file)
    kept = Kept(status.st_size, status.st_mtime_ns, digest.hexdigest(), upload.headers, upload.meta_data)
    return status, kept


def _write(file: int, content: bytes) -> None:
    """Write all of it: on a disk that fills, one call writes a part."""
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _beside(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:40]


def _keep(fd: int, name: str, status: os.stat_result, kept: Kept) -> None:
    """Keep something beside a file, at once: the caller is alone in the container."""
    with tree.folder(fd, [tree.OWN, BESIDE], create=True) as parent:
        target = f"{_beside(name)}.{status.st_ino}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(UNKEPT, flags, 0o666, dir_fd=parent)
        try:
            _write(file, msgspec.json.encode(kept))
        finally:
            os.close(file)
        os.rename(UNKEPT, target, src_dir_fd=parent, dst_dir_fd=parent)


def _kept(fd: int, name: str, status: os.stat_result) -> Kept | None:
    """Return what is kept beside a file; None if it was changed since, or was never uploaded."""
    try:
        with tree.folder(fd, [tree.OWN, BESIDE]) as parent:
            file = os.open(f"{_beside(name)}.{status.st_ino}", tree.FILE, dir_fd=parent)
        try:
            kept = msgspec.json.decode(os.pread(file, MOST_KEPT, 0), type=Kept)
        finally:
            os.close(file)
    except (OSError, msgspec.DecodeError):
        return None
    return kept if (kept.size, kept.changed) == (status.st_size, status.st_mtime_ns) else None


def _is_same(obj: Object, fd: int, status: os.stat_result) -> bool:
    """Return whether a file is what it was when `obj` was read."""
    if not obj.hash:  # another program wrote it, or it was not read
        return obj.extra.get("modify_time") in {None, status.st_mtime}
    kept = _kept(fd, obj.name, status)
    return kept is not None and kept.md5 == obj.hash


def _forget(fd: int, name: str, before: os.stat_result | None) -> None:
    """Delete what is kept beside the file that had this status."""
    if before is None:
        return
    with suppress(FileNotFoundError, NotADirectoryError), tree.folder(fd, [tree.OWN, BESIDE]) as parent:
        os.unlink(f"{_beside(name)}.{before.st_ino}", dir_fd=parent)


def _status(fd: int, segments: list[str]) -> os.stat_result:
    """Return the status of a regular file. Raises `FileNotFoundError` if there is none."""
    file = tree.open_file(fd, segments)
    try:
        return os.fstat(file)
    finally:
        os.close(file)


def _publish(fd: int, unfinished: str, segments: list[str], *, exclusive: bool) -> None:
    move: Callable[..., None] = os.link if exclusive else os.rename
    own = [tree.OWN, UNPUBLISHED]
    with tree.folder(fd, own) as start, tree.folder(fd, segments[:-1], create=True) as parent:
        move(unfinished, segments[-1], src_dir_fd=start, dst_dir_fd=parent)


def _time_of(status: os.stat_result) -> str | None:
    """Return when a file was changed last; None for a time before the year 1 or after 9999."""
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC).isoformat()
    except (OverflowError, ValueError):
        return None
