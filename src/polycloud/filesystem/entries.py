"""What fsspec's lists say of objects and folders: dicts with `name`, `size` in bytes and `type`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polycloud.filesystem.accounts import Place
from polycloud.storage.objects import Object

Entry = dict[str, Any]


def folder_entry(path: str) -> Entry:
    """Return the entry of a folder or a container."""
    return {"name": path, "size": 0, "type": "directory"}


def file_entry(path: str, obj: Object) -> Entry:
    """Return the entry of an object, which also has `mtime` (a datetime in UTC) and `hash`."""
    return {"name": path, "size": obj.size, "type": "file", "mtime": obj.last_modified, "hash": obj.hash}


def entry_of(place: Place, obj: Object) -> Entry:
    """Return the entry of an object, which is a folder if its name ends in "/": other programs make some."""
    path = f"{place.root}/{obj.name}"
    return folder_entry(path.rstrip("/")) if path.endswith("/") else file_entry(path, obj)


def around(place: Place, obj: Object, path: str) -> Iterator[Entry]:
    """Yield the folders from `path` to an object in it."""
    yield folder_entry(path)
    at = len(place.prefix)
    while (at := obj.name.find("/", at) + 1) > 0:
        folder = f"{place.root}/{obj.name[: at - 1]}"
        if not folder.endswith("/"):
            yield folder_entry(folder)
