"""Where a sync reads and writes: objects of a container whose names begin alike, or a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from polycloud.errors import InvalidArgumentError, MalformedResponseError
from polycloud.storage.files import is_unfinished
from polycloud.storage.objects import Container, Object
from polycloud.storage.ordering import in_order
from polycloud.storage.providers import get_driver
from polycloud.storage.types import Provider
from polycloud.utils.values import shown

__all__ = ["Entry", "Location"]


class Entry(NamedTuple):
    """What a list says about an object: its name below the location, its size, and how it can be compared.

    `md5` is "" if the provider does not tell it, `modified` is a time of UTC or None.
    """

    name: str
    size: int
    md5: str
    modified: datetime | None

    @classmethod
    def of(cls, obj: Object, prefix: str = "") -> Entry:
        """Return the entry of an object below a prefix."""
        return cls(obj.name[len(prefix) :], obj.size, obj.md5 or "", obj.last_modified)


def _path_of(value: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder; "" is refused, which may be a variable that was not set."""
    try:
        if not os.fspath(value) or b"\0" in os.fsencode(value):
            raise ValueError
        return Path(os.path.abspath(Path(os.fsdecode(value)).expanduser()))  # noqa: PTH100 - no links resolved
    except (ValueError, RuntimeError):  # such as a home that is nobody's
        raise InvalidArgumentError(f"expected the path of a folder, got {shown(value)}") from None


def _by_name(entry: Entry) -> bytes:
    return entry.name.encode()


class Location:
    """The objects of `container` whose names begin with `prefix`, under the rest of their names.

    `Location.of` also takes a container, or the path of a folder of this machine.
    """

    def __init__(self, container: Container, prefix: str = "") -> None:
        self.container, self.prefix = container, prefix

    @classmethod
    def of(cls, value: Location | Container | str | os.PathLike[str], *, create: bool = False) -> Location:
        """Return a location: of a container, or of a folder, which is made if `create` says so.

        Raises `InvalidArgumentError` if there is no such folder, or if `value` is something else.
        """
        if isinstance(value, Location):
            return value
        if isinstance(value, Container):
            return cls(value)
        if not isinstance(value, str | os.PathLike):
            raise InvalidArgumentError(f"expected a container, a Location or a folder, got {shown(value)}")
        path = _path_of(value)
        if create:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InvalidArgumentError(f"the folder {path} cannot be made: {error.strerror}") from error
        if path.is_symlink():
            raise InvalidArgumentError(f"{path} is a link, which is not followed; give {path.resolve()}")
        if not path.is_dir() or path.parent == path:
            raise InvalidArgumentError(f"there is no folder {path}")
        driver = get_driver(Provider.LOCAL)(str(path.parent))
        return cls(driver.get_container(path.name))

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return bool(self.container.driver.type == Provider.LOCAL)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries in the order of their names' bytes, without what transfers keep beside files.

        Raises `MalformedResponseError` if the provider lists them in another order than its driver says: a
        comparison of two lists depends on it.
        """
        found: Iterator[Entry] = (
            Entry.of(obj, self.prefix) for obj in self.container.iterate_objects(self.prefix or None)
        )
        if not self.container.driver.lists_in_order:
            found = in_order(found, Entry, _by_name)
        before = b""
        for entry in found:
            name = entry.name.encode()
            if name < before or (name == before and before):
                raise MalformedResponseError(f"the list of {self} has {entry.name!r} out of order")
            before = name
            if entry.name and not (self.is_local and is_unfinished(entry.name)):
                yield entry

    def get(self, name: str) -> Object:
        """Return an object with its metadata. Raises `ObjectDoesNotExistError`."""
        return self.container.get_object(self.prefix + name)

    def overlaps(self, other: Location) -> bool:
        """Return whether an object can be in both, such as in a folder and one below it."""
        mine, others = self._place(), other._place()
        return mine.startswith(others) or others.startswith(mine)

    def is_same(self, other: Location) -> bool:
        """Return whether both are the same place, though perhaps by two drivers."""
        return self._place() == other._place()

    def name_of(self, file: Path) -> str:
        """Return the name that a file of this machine has in this place; "" if it is elsewhere."""
        path, place = os.path.realpath(file), self._place()
        return path.removeprefix(place) if self.is_local and path.startswith(place) else ""

    def _place(self) -> str:
        driver: Any = self.container.driver
        base = driver._place().rstrip("/")  # noqa: SLF001 - the driver's part of this module
        return f"{base}/{self.container.name}/{self.prefix}"

    def __str__(self) -> str:
        driver: Any = self.container.driver
        if self.is_local:
            return f"{driver.base_path.rstrip('/')}/{self.container.name}/{self.prefix}"
        line = driver.connection
        return f"{driver.type}://{line.host}:{line.port}/{self.container.name}/{self.prefix}"

    def __repr__(self) -> str:
        return f"<Location {self}>"
