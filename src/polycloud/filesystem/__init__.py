"""The containers of all accounts as a filesystem of fsspec, on which pandas, PyArrow, Zarr and Dask work.

    pandas.read_parquet("polycloud://prod/measurements/2026.parquet")

Source: fsspec's documentation of its API, "fsspec.spec.AbstractFileSystem".
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from functools import partial
from glob import has_magic
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK  # type: ignore[import-untyped]
from fsspec.compression import compr  # type: ignore[import-untyped]
from fsspec.core import get_compression  # type: ignore[import-untyped]
from fsspec.utils import isfilelike  # type: ignore[import-untyped]

from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, TransportError, UnsupportedOperationError
from polycloud.filesystem.accounts import Place
from polycloud.filesystem.errors import is_a_folder, missing, os_errors
from polycloud.filesystem.files import CompressedFile, ObjectFile, TextFile
from polycloud.filesystem.folders import Folders
from polycloud.storage import copy
from polycloud.storage.objects import Object
from polycloud.storage.types import (
    ObjectDoesNotExistError,
    ObjectError,
    ObjectHashMismatchError,
)

__all__ = ["PolycloudFileSystem"]

SIDE_BY_SIDE = 16
"""How many objects `cat` reads at once."""


class PolycloudFileSystem(Folders):
    """All accounts as one filesystem, with paths such as `profile/container/name`; or one account.

    A path begins with the name of a profile, or of a provider whose credentials are in the environment. If
    the account is given, paths are `container/name`. Folders are what comes before a "/" in names: they are
    there as soon as an object is in them, and with it they go.

    Args:
        driver: A storage driver.
        profile: The name of a profile.
        provider: The name of a provider; without credentials, they are found in the environment.
        credentials: The first arguments of the provider's driver.
        **options: Options of the drivers, such as `region`, `url` and `timeout`.

    Raises:
        FileNotFoundError: There is no such object, folder or container.
        FileExistsError: There is one, and it is not to be replaced.
        PermissionError: The provider refuses the credentials, or what is to be done with them.
        ConfigError: There is no such account.
        PolycloudError: Any other error, such as a broken connection; see `polycloud.errors`.
    """

    # Content

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open an object: "r" reads it in ranges, "w" replaces it, "x" creates it; with "b" or "t".

        What is written is sent in parts, and is the object when the file is closed: not if an exception
        leaves its `with` block, nor if it is never closed. `extra` and `if_match` are those of
        `StorageDriver.upload_object_via_stream`; other arguments are fsspec's. With `if_match` the object is
        read only if its hash is this one, else that is an `ObjectError`.
        """
        if "b" not in mode:
            text = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
            mode = mode.replace("t", "") + "b"
            inner = self.open(path, mode, block_size, cache_options, compression, **kwargs)
            try:
                return TextFile(inner, **text)
            except (LookupError, ValueError):  # such as an unknown encoding
                inner.__exit__(*sys.exc_info())
                raise
        if compression is None or mode == "rb":
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        compress = compr[get_compression(self._strip_protocol(path), compression)]
        file = super().open(path, mode, block_size, cache_options, **kwargs)
        return CompressedFile(compress(file, mode="w"), file)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        *,
        cache_type: str = "readahead",
        size: int | None = None,
        extra: dict[str, Any] | None = None,
        if_match: str | None = None,
    ) -> ObjectFile:
        opened = partial(ObjectFile, self, path, mode, block_size=block_size, autocommit=autocommit)
        if mode == "rb":
            obj = self._object(path)
            if if_match not in {None, obj.hash}:
                raise ObjectError(f"the object {obj.name!r} is another one now", obj.driver, obj.name)
            return opened(obj=obj, cache_type=cache_type, cache_options=cache_options)
        if mode not in {"wb", "xb"}:
            raise UnsupportedOperationError(
                f"objects are read ('r'), replaced ('w') or created ('x'), not {mode!r}"
            )
        place = self._named(path)
        if mode == "xb" and self.isfile(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        upload = partial(
            place.container.upload_object_via_stream,
            object_name=place.name,
            extra=extra,
            if_match=if_match,
            if_none_match="*" if mode == "xb" else None,
        )
        return opened(upload=upload)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """Return the content of an object, or a part of it, whose limits are those of a Python slice."""
        path = self._strip_protocol(path)
        is_backward = (start or 0) < 0 or (end or 0) < 0
        obj = self._object(path) if is_backward else self._unread(path)
        if is_backward:
            start, end, _ = slice(start, end).indices(obj.size)
        first = start or 0
        if end is not None and end <= first:
            return b""
        with os_errors(path):
            try:
                content = b"".join(obj.driver.download_object_range_as_stream(obj, first, end))
            except TransportError:
                obj = self._object(path)  # what follows a break must be of the same version
                content = b"".join(obj.driver._resumed(obj, first, end))  # noqa: SLF001 - of it
            except InvalidArgumentError:
                if first < self._object(path).size:
                    raise
                return b""  # as a slice behind the end has nothing
            if not first and end is None:
                _require_md5(obj, content)
        return content

    def cat_ranges(
        self,
        paths: list[str],
        starts: int | list[int | None] | None,
        ends: int | list[int | None] | None,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Return a part of each object, read side by side; with `on_error="return"` an error in its place."""
        if max_gap is not None:
            raise UnsupportedOperationError("max_gap is not supported; leave it out")
        first = starts if isinstance(starts, list) else [starts] * len(paths)
        last = ends if isinstance(ends, list) else [ends] * len(paths)
        ranges = zip(paths, first, last, strict=True)
        read = self.cat_file if on_error == "raise" else self._cat_or_error
        return waiting.gather([partial(read, *one) for one in ranges], limit=SIDE_BY_SIDE)

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """Return the content of an object, or of several as a dict: of a list, a pattern or a tree."""
        one: Any = self._strip_protocol(path) if isinstance(path, str | os.PathLike) else None
        is_tree = recursive and one is not None and not has_magic(one)
        paths = self.find(one) if is_tree else self.expand_path(path, recursive=recursive)
        if not paths:
            raise missing(one)
        if paths == [one]:
            return self.cat_file(paths[0])
        contents = self.cat_ranges(paths, None, None, on_error=on_error)
        found = dict(zip(paths, contents, strict=True))
        if on_error != "omit":
            return found
        return {name: content for name, content in found.items() if not isinstance(content, Exception)}

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        """Create or replace an object; with `mode="create"`, only create it."""
        if self._intrans:
            super().pipe_file(path, value, mode, **kwargs)
            return
        path = self._strip_protocol(path)
        place = self._named(path)
        condition = "*" if mode == "create" else None
        with os_errors(path):
            place.container.upload_object_via_stream(value, place.name, if_none_match=condition, **kwargs)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy an object, between accounts too; the provider does it alone if it can."""
        path1, path2 = self._strip_protocol(path1), self._strip_protocol(path2)
        with os_errors(path1):
            obj = self._found(self._place(path1), path1)
        if obj is None:
            self.makedirs(path2, exist_ok=True)
            return
        place = self._named(path2)
        with os_errors(path2):
            copy(obj, place.container, place.name)

    def put_file(
        self,
        lpath: str | os.PathLike[str],
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> None:
        """Upload a file, whose bytes are counted by `callback` as they are sent; a folder is nothing."""
        if os.path.isdir(lpath):  # noqa: PTH112 - as fsspec's callers give it
            self.makedirs(rpath, exist_ok=True)
            return
        if self._intrans:
            super().put_file(lpath, rpath, callback, mode, **kwargs)
            return
        rpath = self._strip_protocol(rpath)
        place = self._named(rpath)
        callback.set_size(os.stat(lpath).st_size)  # noqa: PTH116 - the same
        with os_errors(rpath):
            place.container.upload_object(
                os.fspath(lpath),
                place.name,
                progress=callback.relative_update,
                if_none_match="*" if mode == "create" else None,
                **kwargs,
            )

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Download an object to a path, or into an open file; of a folder the empty folder is made.

        A file appears under its name when it is complete and verified. `callback` counts the bytes that have
        arrived.
        """
        rpath = self._strip_protocol(rpath)
        target = lpath if outfile is None and isfilelike(lpath) else outfile
        with os_errors(rpath):
            obj = self._found(self._place(rpath), rpath)
            if obj is None:
                if target is None:
                    os.makedirs(lpath, exist_ok=True)  # noqa: PTH103 - as fsspec's callers give it
                return
            callback.set_size(obj.size)
            if target is not None:
                for piece in obj.as_stream():
                    target.write(piece)
                    callback.relative_update(len(piece))
                return
            if os.path.isdir(lpath):  # noqa: PTH112 - the same
                raise is_a_folder(lpath)
            os.makedirs(os.path.dirname(lpath) or ".", exist_ok=True)  # noqa: PTH103, PTH120 - the same
            obj.download(os.fspath(lpath), overwrite_existing=True, progress=callback.relative_update)

    # Deletes

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete objects, many in one request; with `recursive`, all of a folder, or a container.

        One path that leads to nothing is an error; of several paths, those that do are passed over.
        """
        names: list[str] = []
        for one in [path] if isinstance(path, str | os.PathLike) else path:
            stripped = self._strip_protocol(one)
            if recursive and maxdepth is None and not has_magic(stripped):
                self._delete_tree(self._place(stripped), stripped)
            else:
                names += self.expand_path(stripped, recursive=recursive, maxdepth=maxdepth)
        if isinstance(path, str | os.PathLike) and names == [self._strip_protocol(path)]:
            self.rm_file(names[0])
            return
        places = [place for name in names if (place := self._accounts.place(name)) is not None and place.name]
        for root in dict.fromkeys(place.root for place in places):
            of = [place for place in places if place.root == root]
            with os_errors(root):
                of[0].driver.delete_objects(of[0].container, [place.name for place in of])

    def rm_file(self, path: str) -> None:
        """Delete an object."""
        path = self._strip_protocol(path)
        with os_errors(path):
            obj = self._object(path)
            obj.delete()

    _rm = rm_file

    # Links

    def sign(self, path: str, expiration: float = 100, *, method: str = "GET", **kwargs: Any) -> str:
        """Return a URL at which anybody reads an object for `expiration` seconds, or writes it ("PUT")."""
        place = self._named(self._strip_protocol(path))
        driver: Any = place.driver
        if not driver.supports("ex_presigned_url"):
            raise UnsupportedOperationError(f"{driver.name} has no presigned URLs", driver)
        url: str = driver.ex_presigned_url(
            place.container, place.name, method=method, expires=int(expiration)
        )
        return url

    # Inside

    def _unread(self, path: str) -> Object:
        """Return an object to read, of any version; without asking for it, if its driver can do without."""
        place = self._named(path)
        if not place.driver.reads_unseen:
            return self._object(path)
        return Object(place.name, sys.maxsize, "", {}, None, place.container, place.driver)

    def _delete_tree(self, place: Place, path: str) -> None:
        with os_errors(path):
            deleted = place.driver.delete_objects(
                place.container, place.container.iterate_objects(place.prefix)
            )
            if not place.name:
                place.driver.delete_container(place.container)
                return
            try:
                place.driver.get_object(place.container.name, place.name).delete()
            except ObjectDoesNotExistError as error:
                if not deleted:
                    raise missing(path) from error

    def _cat_or_error(self, path: str, start: int | None, end: int | None) -> bytes | Exception:
        try:
            return self.cat_file(path, start, end)
        except Exception as error:  # noqa: BLE001 - the caller wants it
            return error


def _require_md5(obj: Object, content: bytes) -> None:
    """Raise `ObjectHashMismatchError` if the content is not what its hash says, which came with it."""
    if obj.md5 is not None and (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != obj.md5:
        message = f"the content of {obj.name!r} has the MD5 {found}, not {obj.md5}"
        raise ObjectHashMismatchError(message, obj.driver, obj.name)
