"""The folders of a filesystem: what its paths lead to, lists, and containers made and deleted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from polycloud.errors import InvalidArgumentError
from polycloud.filesystem.accounts import Accounts, Place, close_drivers
from polycloud.filesystem.entries import Entry, around, entry_of, file_entry, folder_entry
from polycloud.filesystem.errors import is_a_folder, missing, os_errors
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Object
from polycloud.storage.types import ContainerDoesNotExistError


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class Folders(AbstractFileSystem):  # type: ignore[misc]
    """What `PolycloudFileSystem` has for accounts, folders, lists and containers."""

    protocol = "polycloud"
    cachable = False  # fsspec compares arguments by their texts, which may be the same for two drivers

    def __init__(
        self,
        driver: StorageDriver | None = None,
        *,
        profile: str | None = None,
        provider: str | None = None,
        credentials: Sequence[str] = (),
        use_listings_cache: bool = False,
        listings_expiry_time: float | None = None,
        max_paths: int | None = None,
        asynchronous: bool = False,
        loop: object = None,
        **options: Any,
    ) -> None:
        super().__init__()  # it caches no lists, whatever its options
        self._accounts = Accounts(driver, profile, provider, credentials, options)

    @property
    def _fs_token(self) -> str:
        return self._accounts.token

    @classmethod
    def clear_instance_cache(cls) -> None:
        """Close the drivers that were made for paths."""
        super().clear_instance_cache()
        close_drivers()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped if isinstance(stripped, list) else stripped.lstrip("/")

    # Lists

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """Return what is in a folder, or the object itself: `name`, `size` in bytes and `type`.

        An object also has `mtime` (a datetime in UTC) and `hash`.
        """
        path = self._strip_protocol(path)
        with os_errors(path):
            entries = self._listed(path)
        return entries if detail else [entry["name"] for entry in entries]

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], object] = _raise_unless_missing,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Yield folders, each with its folders and files; a folder that cannot be listed is an error."""
        return super().walk(path, maxdepth, topdown, on_error, **kwargs)  # type: ignore[no-any-return]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the objects below a folder, from one list of the provider."""
        path = self._strip_protocol(path)
        place = self._accounts.place(path)
        if place is None or maxdepth is not None:
            return super().find(path, maxdepth, withdirs, detail, **kwargs)
        with os_errors(path):
            found = dict(sorted(self._below(place, path, withdirs=withdirs).items()))
        return found if detail else list(found)

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the bytes of all objects below a folder, or of each by its path."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        sizes = {name: entry["size"] for name, entry in found.items()}
        return sum(sizes.values()) if total else sizes

    def info(self, path: str, **kwargs: Any) -> Entry:
        """Return what `ls` says about an object, a folder or a container."""
        path = self._strip_protocol(path)
        with os_errors(path):
            place = self._accounts.place(path)
            if place is None:
                if path:
                    self._accounts.driver(path)
                return folder_entry(path)
            if not place.name:
                place.driver.get_container(place.container.name)
                return folder_entry(path)
            obj = self._found(place, path)
        return folder_entry(path) if obj is None else file_entry(path, obj)

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Return whether there is an object, a folder or a container of this name."""
        return self._known(path) is not None

    def isdir(self, path: str) -> bool:
        """Return whether it is a folder or a container."""
        return (self._known(path) or {}).get("type") == "directory"

    def isfile(self, path: str) -> bool:
        """Return whether it is an object."""
        return (self._known(path) or {}).get("type") == "file"

    def created(self, path: str) -> datetime | None:
        """Return when an object was written: it is always replaced as a whole."""
        return self.modified(path)

    def modified(self, path: str) -> datetime | None:
        """Return when an object was changed last, in UTC; None if the provider does not say."""
        entry = self.info(path)
        if entry["type"] == "directory":
            raise is_a_folder(path)
        found: datetime | None = entry["mtime"]
        return found

    # Containers

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Create a container; nothing is to be done for a folder of one."""
        path = self._strip_protocol(path)
        place = self._accounts.place(path)
        if place is None:
            raise FileExistsError(errno.EEXIST, "an account cannot be made", path)
        if not place.name:
            with os_errors(path):
                place.driver.create_container(place.container.name)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a container; a folder of one is only to be new if `exist_ok` is False."""
        path = self._strip_protocol(path)
        place = self._accounts.place(path)
        if place is not None and place.name:
            if not exist_ok and self.exists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            return
        try:
            self.mkdir(path)
        except FileExistsError:
            if not exist_ok:
                raise

    def rmdir(self, path: str) -> None:
        """Delete a container, which must be empty; a folder always has something."""
        path = self._strip_protocol(path)
        place = self._place(path)
        if place.name:
            if self.isdir(path):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
            raise missing(path)
        with os_errors(path):
            place.driver.delete_container(place.container)

    # Inside

    def _place(self, path: str) -> Place:
        """Return where a path leads. Raises `InvalidArgumentError` for an account."""
        place = self._accounts.place(path)
        if place is None:
            raise InvalidArgumentError(f"{path!r} must name a container")
        return place

    def _named(self, path: str) -> Place:
        """Return the place of an object, which need not be there. Raises `IsADirectoryError` if it cannot."""
        place = self._accounts.place(path)
        if place is None or not place.name:
            raise is_a_folder(path)
        return place

    def _found(self, place: Place, path: str) -> Object | None:
        """Return an object; None for a folder or a container. Raises `FileNotFoundError`."""
        if not place.name:
            return None
        obj = place.driver._find_object(place.container.name, place.name)  # noqa: SLF001 - of it
        if obj is None and next(place.driver.iterate_folder(place.container, place.prefix), None) is None:
            raise missing(path)
        return obj

    def _object(self, path: str) -> Object:
        """Return an object. Raises `FileNotFoundError`, and `IsADirectoryError`."""
        with os_errors(path):
            obj = self._found(self._named(path), path)
        if obj is None:
            raise is_a_folder(path)
        return obj

    def _known(self, path: str) -> Entry | None:
        """Return what `info` does; None if there is nothing."""
        try:
            return self.info(path)
        except (FileNotFoundError, InvalidArgumentError):  # such as a name that is too long
            return None

    def _listed(self, path: str) -> list[Entry]:
        place = self._accounts.place(path)
        if place is None:
            at = f"{path}/" if path else ""
            names = (
                [one.name for one in self._accounts.driver(path).iterate_containers()]
                if path or self._accounts.is_one
                else self._accounts.names()
            )
            return [folder_entry(f"{at}{name}") for name in names]
        entries = list(self._level(place))
        if not entries and place.name:
            return [self.info(path)]
        return [entry for entry in entries if entry["name"] != path]

    def _level(self, place: Place) -> Iterator[Entry]:
        """Yield what is in a folder; also the folder itself, if there is an object of its name with "/".

        A folder with an empty name has no path ("a//b"), so its objects are shown under their whole names.
        """
        for one in place.driver.iterate_folder(place.container, place.prefix):
            if isinstance(one, Object):
                yield entry_of(place, one)
            elif one != "/" and not one.endswith("//"):
                yield folder_entry(f"{place.root}/{one.removesuffix('/')}")
            else:
                for obj in place.container.iterate_objects(one):
                    if not obj.name.endswith("/"):
                        yield entry_of(place, obj)

    def _below(self, place: Place, path: str, *, withdirs: bool) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        try:
            for obj in place.container.iterate_objects(place.prefix):
                entry = entry_of(place, obj)
                if withdirs:
                    found |= {one["name"]: one for one in around(place, obj, path)}
                if entry["type"] == "file":
                    found[entry["name"]] = entry
        except ContainerDoesNotExistError:
            return {}
        if not found and (own := self._known(path)) is not None and (withdirs or own["type"] == "file"):
            found[path] = own
        return found
