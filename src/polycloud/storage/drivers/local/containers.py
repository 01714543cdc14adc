"""Containers as folders of the base folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from polycloud.errors import PolycloudError
from polycloud.storage.drivers.local import tree
from polycloud.storage.objects import Container
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
)

if TYPE_CHECKING:
    from polycloud.storage.base import StorageDriver


class LocalContainers:
    """The folders in `base`, and `base` itself under the name ""."""

    def __init__(self, base: Path, driver: StorageDriver) -> None:
        self._base, self._driver = str(base), driver

    def each(self) -> Iterator[Container]:
        """Yield the containers, by name."""
        with os.scandir(self._base) as found:
            names = [one.name for one in found if one.is_dir(follow_symlinks=False)]
        for name in sorted(set(names) - {tree.OWN}, key=os.fsencode):
            try:
                yield self.get(name)
            except ContainerDoesNotExistError:  # it was deleted in the meantime
                continue

    def get(self, name: str) -> Container:
        """Return a container. Raises `ContainerDoesNotExistError`."""
        with self.opened(name) as fd:
            status = os.fstat(fd)
        extra = {
            "creation_time": status.st_ctime,
            "access_time": status.st_atime,
            "modify_time": status.st_mtime,
        }
        return Container(name, extra, self._driver)

    def create(self, name: str) -> Container:
        """Create a container."""
        self._require_name(name)
        try:
            with tree.folder(self._base) as base:
                os.mkdir(name, dir_fd=base)
        except FileExistsError:
            raise ContainerAlreadyExistsError(driver=self._driver, container_name=name) from None
        except OSError as error:
            raise PolycloudError(
                f"the folder {name!r} cannot be made: {error.strerror}", self._driver
            ) from error
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete a container, unless it has an object."""
        self._require_name(name)
        with self.opened(name) as fd, tree.alone(fd):
            if next(tree.walk(fd, ""), None) is not None:
                raise ContainerIsNotEmptyError(driver=self._driver, container_name=name)
            try:
                _clear(fd)
                with tree.folder(self._base) as base:
                    os.rmdir(name, dir_fd=base)
            except OSError as error:
                message = f"the container {name!r} cannot be deleted: {error.strerror}"
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # such as a link in it
                    raise ContainerIsNotEmptyError(message, self._driver, name) from error
                raise PolycloudError(message, self._driver) from error

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Open a container's folder. Raises `ContainerDoesNotExistError`."""
        if name:
            self._require_name(name)
        with ExitStack() as stack:
            try:
                fd = stack.enter_context(tree.folder(self._base, [name] if name else []))
            except OSError as error:
                missing = isinstance(error, FileNotFoundError | NotADirectoryError)
                reason = "" if missing else f"the container {name!r} cannot be opened: {error.strerror}"
                raise ContainerDoesNotExistError(reason, self._driver, name) from None
            yield fd

    def _require_name(self, name: str) -> None:
        if name == tree.OWN or "/" in name or not tree.is_segment(name):
            message = f"container_name must be the name of a folder, got {name!r}"
            raise InvalidContainerNameError(message, self._driver, name)


def _clear(parent: int) -> None:
    """Delete the empty folders below a folder, and what local storage keeps in it for itself."""
    import shutil

    with os.scandir(parent) as found:
        names = [one.name for one in found if one.is_dir(follow_symlinks=False)]
    for name in names:
        if name == tree.OWN:
            shutil.rmtree(name, dir_fd=parent)
            continue
        with tree.folder(parent, [name]) as inner:
            _clear(inner)
        os.rmdir(name, dir_fd=parent)
