"""Uploads of any length: in one request, or in parts that are sent side by side.

How an upload goes is known after its first part was read: if that is all, it is one request, whatever the
size of the pieces in which an iterator yields. Else parts follow, a few at a time, so that memory holds only
those. An upload that fails in the middle, also by Ctrl-C or cancellation, is aborted, so that no part stays
and costs money; unless a file remembers it (`polycloud.storage.resuming`): then the same call in another
process goes on. It reads all parts again, and sends those that the provider does not have with this content.

A driver derives from `MultipartUploads` and gives two methods, and a `PartedUpload` with what its provider
calls the begin, the parts and the end of such an upload.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from itertools import islice
from math import ceil
from typing import Any, ClassVar

import msgspec

from polycloud.concurrency.calls import cleanup
from polycloud.errors import NotFoundError, PolycloudError
from polycloud.storage.base import StorageDriver
from polycloud.storage.contents import Content, md5_of
from polycloud.storage.objects import Container, Object
from polycloud.storage.resuming import Memory, StatePath, remembered, require_path
from polycloud.storage.sources import Source
from polycloud.storage.types import ObjectError
from polycloud.storage.uploads import Progress, Upload, require_object_name, require_progress, upload_of

__all__ = ["MultipartUploads", "Part", "PartedUpload", "aborted_if_it_fails"]

DOUBLINGS = 10
"""How often the parts of a stream of unknown size double, evenly over the most that the provider takes."""


class Part(msgspec.Struct, frozen=True):
    """A part that the provider has: its number from 1, its bytes, its tag, and its MD5 in hexadecimal digits.

    Without an MD5 it is trusted, since the provider's checksum of the whole is compared at the end.
    """

    number: int
    size: int
    tag: str
    md5: str | None


class PartedUpload(ABC):
    """An upload in parts that was begun. `id` is the text by which another process finds it again."""

    in_order: ClassVar[bool] = False
    """Whether `read` is called, for providers that need the checksum of the whole."""

    def __init__(self, id: str) -> None:
        self.id = id

    def read(self, content: bytes) -> None:  # noqa: B027 - most need no checksum of the whole
        """See the content of each part, in order, before any of it is sent or found at the provider."""

    @abstractmethod
    def put(self, number: int, offset: int, content: Content) -> str:
        """Send part `number`, from 1, which begins at byte `offset`; return the tag that `complete` needs.

        It may be called on several threads, and again for a part that the provider has. Raises
        `ObjectHashMismatchError` if the provider has another content.
        """

    @abstractmethod
    def complete(self, tags: list[str], size: int) -> Object:
        """Make the object of the parts with these tags, in order, `size` bytes in all; return it."""

    @abstractmethod
    def abort(self) -> None:
        """Make the provider forget the parts."""

    def parts(self) -> Iterable[Part]:
        """Return the parts that the provider has; none if it cannot tell.

        Raises `NotFoundError` if it has no such upload any more.
        """
        return ()


@contextmanager
def aborted_if_it_fails(
    parted: PartedUpload, errors: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Iterator[None]:
    """Abort an upload if the block fails; if the abort fails too, the error has a note about that.

    `errors` translates the errors of the abort.
    """
    try:
        yield
    except BaseException as error:
        _abort(parted, error, errors)
        raise


def _abort(
    parted: PartedUpload, error: BaseException, errors: Callable[[], AbstractContextManager[None]]
) -> None:
    try:
        with cleanup(), errors():
            parted.abort()
    except PolycloudError as failure:
        error.add_note(f"the parts of the upload {parted.id} stay, since its abort failed: {failure}")


class MultipartUploads(StorageDriver):
    """A storage driver whose provider takes uploads in parts."""

    part_size: ClassVar[int] = 5 * 1024 * 1024
    """The bytes of a part; an upload of fewer is one request."""

    most_parts: ClassVar[int] = 10_000
    """The most parts of an upload."""

    side_by_side: ClassVar[int] = 3
    """How many parts are sent at once; memory holds so many."""

    # For drivers

    def _upload_whole(self, container: Container, name: str, content: bytes, upload: Upload) -> Object:
        """Create or replace an object in one request; return it."""
        raise NotImplementedError

    def _upload_in_parts(
        self, container: Container, name: str, upload: Upload, upload_id: str | None
    ) -> PartedUpload:
        """Begin an upload in parts, or return the one that has this id, without a request."""
        raise NotImplementedError

    # For users

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
    ) -> Object:
        """Create or replace an object, in parts if it is longer than one."""
        upload = upload_of(object_name, extra, headers, if_match, if_none_match)
        require_object_name(object_name)
        require_progress(progress)
        require_path(resume)
        source = Source(iterator)
        if not source.has(self.part_size + 1):
            content = source.read(self.part_size)
            source.require_unchanged()
            self._forget_earlier(container, object_name, upload, resume)
            with self._errors(container.name, object_name):
                made = self._upload_whole(container, object_name, content, upload)
            if progress is not None:
                progress(len(content))
            return made
        with remembered(resume, self._identity(container, object_name, upload)) as memory:
            begin = partial(self._upload_in_parts, container, object_name, upload)
            errors = partial(self._errors, container.name, object_name)
            return _Sending(self, source, begin, errors, memory, progress).run()

    def _forget_earlier(self, container: Container, name: str, upload: Upload, resume: StatePath) -> None:
        """Abort the upload in parts that an earlier call began, when the content was longer."""
        file = require_path(resume)
        if file is None or not file.exists():
            return
        with remembered(file, self._identity(container, name, upload)) as memory:
            if memory.id is not None:
                with suppress(NotFoundError), self._errors(container.name, name):
                    self._upload_in_parts(container, name, upload, memory.id).abort()
            memory.forget()

    def _identity(self, container: Container, name: str, upload: Upload) -> tuple[Any, ...]:
        """Return what must be the same in the call that goes on with an upload."""
        account = repr(self.connection.account())
        return (str(self.type), account, container.name, name, self.part_size, msgspec.to_builtins(upload))


class _Sending:
    """One upload in parts, from its begin to its end."""

    def __init__(
        self,
        driver: MultipartUploads,
        source: Source,
        begin: Callable[[str | None], PartedUpload],
        errors: Callable[[], AbstractContextManager[None]],
        memory: Memory,
        progress: Progress | None,
    ) -> None:
        self._driver, self._source = driver, source
        self._begin, self._errors, self._memory = begin, errors, memory
        self._progress, self._lock = progress, threading.Lock()
        self._kept: dict[int, Part] = {}

    def run(self) -> Object:
        """Send everything; return the object."""
        parted = self._continued() or self._begun()
        try:
            source = self._source
            by_position = source.positioned and not parted.in_order
            tags, size = self._file(parted) if by_position else self._stream(parted)
            source.require_unchanged()
            with self._errors():
                made = parted.complete(tags, size)
        except BaseException as error:
            self._failed(parted, error)
            raise
        self._memory.forget()
        return made

    def _continued(self) -> PartedUpload | None:
        """Return the upload that an earlier call has begun; None if there is none any more."""
        if self._memory.id is None:
            return None
        with self._errors():
            parted = self._begin(self._memory.id)
            try:
                self._kept = {part.number: part for part in parted.parts()}
            except NotFoundError:
                return None
        return parted

    def _begun(self) -> PartedUpload:
        with self._errors():
            parted = self._begin(None)
        with aborted_if_it_fails(parted, self._errors):
            self._memory.keep(parted.id)
        return parted

    def _file(self, parted: PartedUpload) -> tuple[list[str], int]:
        """Send the parts of a regular file, each read when its turn comes."""
        size = self._source.size
        assert size is not None
        length = max(self._driver.part_size, ceil(size / self._driver.most_parts))

        def send(number: int, offset: int) -> str:
            return self._put(parted, number, offset, self._source.part(offset, length))

        calls = [partial(send, number, offset) for number, offset in enumerate(range(0, size, length), 1)]
        return self._driver.connection.gather(calls, limit=self._driver.side_by_side), size

    def _stream(self, parted: PartedUpload) -> tuple[list[str], int]:
        """Send the parts of a stream, a few at a time."""
        tags: list[str] = []
        size = 0
        parts = self._parts()
        while batch := list(islice(parts, self._driver.side_by_side)):
            calls: list[Callable[[], str]] = []
            for number, content in enumerate(batch, len(tags) + 1):
                parted.read(content)
                calls.append(partial(self._put, parted, number, size, content))
                size += len(content)
            tags += self._driver.connection.gather(calls)
            calls.clear()  # before the next parts are read: memory holds the parts of one batch
            batch.clear()
        return tags, size

    def _parts(self) -> Iterator[bytes]:
        """Yield the parts of a stream; if its size is not known, they become larger and larger."""
        least, known, most = self._driver.part_size, self._source.size, self._driver.most_parts
        evenly = max(least, ceil(known / most)) if known is not None else None
        number = 0
        while part := self._source.read(evenly or least << number * DOUBLINGS // most):
            yield part
            number += 1

    def _put(self, parted: PartedUpload, number: int, offset: int, content: Content) -> str:
        kept = self._kept.get(number)
        if kept is not None and kept.size == len(content) and kept.md5 in {None, md5_of(content).hexdigest()}:
            tag = kept.tag
        else:
            with self._errors():
                tag = parted.put(number, offset, content)
        if self._progress is not None:
            with self._lock:
                self._progress(len(content))
        return tag

    def _failed(self, parted: PartedUpload, error: BaseException) -> None:
        """Abort the upload, unless it is remembered and can still be completed."""
        if self._memory.file is None or isinstance(error, ObjectError):
            _abort(parted, error, self._errors)
            self._memory.forget()
        else:
            error.add_note(f"{self._memory.file} remembers the parts that were sent: the same call goes on")
