"""`StorageDriver`, the base of all storage drivers, and the objects of storage at Libcloud's path.

A driver author writes, in this order: `iterate_containers`, `create_container` and `delete_container`; then
`iterate_container_objects` and `get_object` with their conversions; `upload_object_via_stream`,
`download_object_range_as_stream` and `delete_object`. Lists, files, verification, resumed downloads and bulk
deletes follow from these. `update_object` and the operations with versions are for providers that have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from polycloud.common.driver import BaseDriver
from polycloud.common.operations import optional, template
from polycloud.errors import InvalidArgumentError, ProviderHTTPError, TransportError, translated
from polycloud.storage import files, resuming
from polycloud.storage.copying import streamed_copy
from polycloud.storage.deleting import Failures, delete_all, one_by_one
from polycloud.storage.downloads import download
from polycloud.storage.objects import Container, Object
from polycloud.storage.requirements import Requirements
from polycloud.storage.resuming import StatePath
from polycloud.storage.sources import rechunked
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ContainerError,
    ObjectDoesNotExistError,
    ObjectError,
    Provider,
)
from polycloud.storage.uploads import Progress, require_progress
from polycloud.storage.verifying import Checksum, verified
from polycloud.storage.versions import VersionOperations

__all__ = ["BaseDriver", "Container", "Object", "Provider", "StorageDriver"]


class StorageDriver(VersionOperations, Requirements):
    """The containers of a provider and their objects.

    Lists are complete, and in the order of the names' bytes in UTF-8 (see `lists_in_order`). An upload
    replaces an object of the same name, at once and as a whole: readers find the earlier content or the new
    one. Actions return True or raise. Every method raises `InvalidCredsError` for wrong credentials, other
    `ProviderError`s with the provider's message, and `TransportError` if the connection breaks.
    """

    service = "storage"

    hash_type: ClassVar[str] = "md5"
    """What `Object.hash` is, if it looks like one; some objects have another, such as those of many parts."""

    lists_in_order: ClassVar[bool] = True
    """Whether the provider has that order; if it has one of its own, a sync sorts the lists."""

    reads_unseen: ClassVar[bool] = False
    """Whether content can be read of an `Object` that was only made of its name, such as by filesystems.

    Its hash is "" and its size too large; the driver sets its hash to that of the content that it yields.
    """

    delete_batch_size: ClassVar[int] = 100
    """The most objects that `_delete_batch` is given."""

    # Containers

    @optional
    def iterate_containers(self) -> Iterator[Container]:
        """Yield the containers of the account as they arrive."""

    @template("iterate_containers")
    def list_containers(self) -> list[Container]:
        """Return the containers of the account."""
        return list(self.iterate_containers())

    @template("iterate_containers")
    def get_container(self, container_name: str) -> Container:
        """Return the container of this name. Raises `ContainerDoesNotExistError` if there is none."""
        found = next((one for one in self.iterate_containers() if one.name == container_name), None)
        if found is None:
            raise ContainerDoesNotExistError(driver=self, container_name=container_name)
        return found

    @optional
    def create_container(self, container_name: str) -> Container:
        """Create a container.

        Raises `ContainerAlreadyExistsError` if there is one of this name, and `InvalidContainerNameError`.
        """

    @optional
    def delete_container(self, container: Container) -> bool:
        """Delete an empty container.

        Raises `ContainerIsNotEmptyError`, and `ContainerDoesNotExistError` if there is none.
        """

    # Objects

    @optional
    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the objects whose names begin with `prefix` as they arrive (`ex_prefix` is an older name).

        Raises `ContainerDoesNotExistError`.
        """

    @template("iterate_container_objects")
    def list_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> list[Object]:
        """Return the objects whose names begin with `prefix`."""
        return list(self.iterate_container_objects(container, prefix, ex_prefix))

    @template("iterate_container_objects")
    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        """Yield what is directly in a folder: its objects, and the names of its folders (a str each).

        The name of a folder ends in "/", and begins with `prefix` as those of its objects do:
        `iterate_folder(photos, "2026/")` yields "2026/05/" once, however many objects are in it. If the
        provider can, it groups them by itself, and what is deeper is not listed.

        Args:
            container: The container.
            prefix: The name of the folder; "" for the container. Of other texts, what begins with them.

        Raises `ContainerDoesNotExistError`.
        """
        seen: set[str] = set()
        for obj in self.iterate_container_objects(container, prefix or None):
            inner, is_deeper, _ = obj.name[len(prefix) :].partition("/")
            folder = f"{prefix}{inner}/"
            if not is_deeper:
                yield obj
            elif folder not in seen:
                seen.add(folder)
                yield folder

    @optional
    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return an object with its metadata.

        Raises `ContainerDoesNotExistError` or `ObjectDoesNotExistError` if there is none.
        """

    @optional
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
        """Create or replace an object with bytes as they come, in constant memory.

        What the provider stored is verified by a checksum. If it fails, also by an interruption, nothing of
        the upload stays, unless `resume` says so.

        Args:
            iterator: Bytes, a file opened in binary mode, or an iterator of bytes; it need not be rewound.
            container: The container.
            object_name: The name: text of 1 to 1,024 bytes.
            extra: `content_type`, `meta_data` (a dict of names and texts), `acl`, `content_encoding`,
                `content_disposition`, `content_language`, `cache_control`.
            headers: Further headers for the provider.
            if_match: Upload only if the object's hash is this one.
            if_none_match: "*": upload only if there is no such object.
            resume: A file that remembers the upload until it is complete, if it has several parts: the same
                call, in another process too, sends only the parts that did not arrive.
            progress: Called with the bytes of each part that was sent.

        Raises:
            ContainerDoesNotExistError: There is no such container.
            ObjectAlreadyExistsError: A condition is not met.
            ObjectHashMismatchError: Something else arrived than was sent; it was deleted.
            InvalidArgumentError: An argument is invalid; nothing was sent.
        """

    @template("upload_object_via_stream")
    def upload_object(
        self,
        /,  # `options` may hold any name
        file_path: str,
        container: Container,
        object_name: str,
        extra: dict[str, Any] | None = None,
        verify_hash: bool = True,
        headers: dict[str, str] | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        resume: StatePath | bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> Object:
        """Create or replace an object with the content of a file; see `upload_object_via_stream`.

        `options` are further arguments of it that the driver has, such as `ex_storage_class`.
        `resume=True` remembers the upload in a file beside it, `.NAME.polycloud-upload`. `verify_hash` is
        accepted for Libcloud's programs: what was stored is always verified. Raises `InvalidArgumentError` if
        the file cannot be read.
        """
        try:
            file = open(file_path, "rb")  # noqa: PTH123, SIM115 - bytes, too, and closed below
        except (OSError, TypeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidArgumentError(f"the file {file_path!r} cannot be read: {reason}") from error
        with file:
            return self.upload_object_via_stream(
                file,
                container,
                object_name,
                extra,
                headers,
                if_match=if_match,
                if_none_match=if_none_match,
                resume=resuming.beside(file_path) if resume is True else resume or None,
                progress=progress,
                **options,
            )

    @optional
    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield the bytes of an object from `start_bytes` to before `end_bytes`, or to its end.

        Args:
            obj: The object.
            start_bytes: The first byte, from 0.
            end_bytes: The byte after the last one.
            chunk_size: The bytes of each piece but the last; None for pieces as they arrive.

        Raises:
            ObjectDoesNotExistError: There is no such object.
            InvalidArgumentError: The range is empty, or begins after the end of the object.
        """

    @template("download_object_range_as_stream")
    def download_object_as_stream(self, obj: Object, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the content of an object, in pieces of `chunk_size` bytes or as they arrive.

        If the connection breaks, it goes on where it was. Raises `ObjectHashMismatchError` at the end if the
        content is not what its hash says, and `ObjectDoesNotExistError`.
        """
        self._require_chunk_size(chunk_size)
        return rechunked(verified(obj, self._resumed(obj, 0, None)), chunk_size)

    @template("download_object_range_as_stream")
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
        """Download an object to a file, which appears under its name when it is complete and verified.

        A long object is read in ranges of 8 MiB, four at a time.

        Args:
            obj: The object.
            destination_path: The file, or a folder for a file with the last part of the object's name.
            overwrite_existing: Replace a file that exists.
            delete_on_failure: Delete what has arrived if the download fails.
            resume: Keep what has arrived of a long object, beside the file: the same call, in another process
                too, fetches the rest. It begins anew if the object has changed.
            progress: Called with the bytes of each piece that has arrived.

        Raises:
            InvalidArgumentError: There is such a file, or it cannot be opened.
            ObjectDoesNotExistError: There is no such object.
            ObjectHashMismatchError: The content is not what its hash says.
            PolycloudError: The file cannot be written, such as on a full disk.
        """
        path = files.destination_of(destination_path, obj.name, overwrite=overwrite_existing)
        require_progress(progress)
        download(
            obj,
            partial(self._resumed, obj),
            path,
            overwrite=overwrite_existing,
            keep=not delete_on_failure,
            resume=resume,
            progress=progress,
        )
        return True

    @template("download_object_range_as_stream")
    def download_object_range(
        self,
        obj: Object,
        destination_path: str,
        start_bytes: int,
        end_bytes: int | None = None,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
    ) -> bool:
        """Download a part of an object to a file; see `download_object`."""
        path = files.destination_of(destination_path, obj.name, overwrite=overwrite_existing)
        with files.writing(path, overwrite=overwrite_existing, keep=not delete_on_failure) as file:
            for piece in self._resumed(obj, start_bytes, end_bytes):
                file.write(piece)
        return True

    @template("upload_object_via_stream", "download_object_range_as_stream")
    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        """Copy an object of this account with its content type and metadata; return the copy.

        If the provider can, it copies without a byte passing here. `polycloud.storage.copy` copies between
        providers too. Raises what downloads and uploads raise.
        """
        return streamed_copy(self._found(obj), container, object_name or obj.name)[0]

    @optional
    def delete_object(self, obj: Object) -> bool:
        """Delete an object. Raises `ObjectDoesNotExistError` if the provider says that there was none."""

    @template("delete_object")
    def delete_objects(self, container: Container, objects: Iterable[Object | str]) -> int:
        """Delete many objects of a container, in constant memory; return how many.

        An object that does not exist counts as deleted. The iterable is read a batch at a time, and may be a
        list of the same container: `delete_objects(logs, logs.iterate_objects("2025/"))`.

        Args:
            container: The container.
            objects: Objects, or names of objects; an object of `iterate_object_versions` is that version.

        Raises:
            ObjectsNotDeletedError: Some were not deleted; it has their names and errors.
            ContainerDoesNotExistError: There is no such container.
            InvalidArgumentError: One is no object of the container, and no name of one.
        """
        return delete_all(container, objects, partial(self._delete_batch, container), self.delete_batch_size)

    @optional
    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace metadata and headers of an object, not its content; return the object as it is now.

        Args:
            obj: The object.
            extra: What to replace, with the keys of `upload_object_via_stream`: other keys stay as they are.
                `meta_data` replaces all metadata; None removes a value.
            headers: Further headers for the provider.

        Raises:
            ObjectDoesNotExistError: There is no such object.
            ObjectAlreadyExistsError: The object's hash is another now; it was not changed.
            InvalidArgumentError: An argument is invalid, or the object is one of `iterate_object_versions`.
        """

    # Public access

    @optional
    def get_container_cdn_url(self, container: Container) -> str:
        """Return the address at which the public reads the container."""

    @optional
    def get_object_cdn_url(self, obj: Object) -> str:
        """Return the address at which the public reads the object."""

    @optional
    def enable_container_cdn(self, container: Container) -> bool:
        """Make a container readable for the public."""

    @optional
    def enable_object_cdn(self, obj: Object) -> bool:
        """Make an object readable for the public."""

    # For drivers

    def same_account(self, other: StorageDriver) -> bool:
        """Return whether `other` is for the same account of the same store: this one can copy its objects."""
        if other is self:
            return True
        return type(other) is type(self) and other.connection.account() == self.connection.account()

    def _place(self) -> str:
        """Return a text that is the same for two drivers if a container of one is that of the other."""
        return f"{self.connection.host}:{self.connection.port}{self.connection.request_path}"

    @contextmanager
    def _errors(self, container_name: str, object_name: str | None = None) -> Iterator[None]:
        """Raise what the provider refuses in the block as the errors of containers and objects."""
        try:
            yield
        except (ContainerError, ObjectError):
            raise
        except ProviderHTTPError as error:
            ours = self._translated(error, container_name, object_name)
            if ours is None:
                raise
            raise translated(error, ours) from error

    def _translated(
        self, error: ProviderHTTPError, container_name: str, object_name: str | None
    ) -> ContainerError | ObjectError | None:
        """Return the error of the container or the object that a refusal is; None if it is of neither."""
        return None

    def _find_object(self, container_name: str, object_name: str) -> Object | None:
        """Return an object, or None if it does not exist.

        It may be None for a missing container, too; `get_object` sends a request more to tell them apart.
        """
        try:
            return self.get_object(container_name, object_name)
        except ObjectDoesNotExistError:
            return None

    def _hash_is_md5(self, obj: Object) -> bool:
        """Return whether the hash of an object is its MD5 if it looks like one."""
        return self.hash_type == "md5"

    def _checksum(self, obj: Object) -> Checksum | None:
        """Return the checksum by which a download of an object is verified; None if it has no MD5."""
        import hashlib

        return Checksum("MD5", hashlib.md5(usedforsecurity=False), obj.md5) if obj.md5 else None

    @property
    def _deletes_in_bulk(self) -> bool:
        """Whether one request always deletes a batch of objects; override it with `_delete_batch`."""
        return False

    def _delete_batch(self, container: Container, objects: list[Object]) -> Failures:
        """Delete objects; return the names of those that stay, and why.

        Override it if the provider deletes many in one request. What it raises holds for all of them. Objects
        that do not exist are no failures; those with a `version_id` are that version.
        """
        return one_by_one(objects, self.delete_object)

    def _found(self, obj: Object) -> Object:
        """Return an object, or a version of one, with its metadata."""
        if obj.version_id is None:
            return self.get_object(obj.container.name, obj.name)
        return self.get_object_version(obj.container.name, obj.name, obj.version_id)

    def _resumed(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        """Yield a range; after a broken connection go on behind what has come, as long as something comes."""
        position = start
        while True:
            begun = position
            try:
                for piece in self.download_object_range_as_stream(obj, position, end):
                    position += len(piece)
                    yield piece
            except TransportError:
                if position == begun:
                    raise
            else:
                return
