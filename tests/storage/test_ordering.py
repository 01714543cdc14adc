from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator

import pytest

from polycloud.errors import PolycloudError
from polycloud.storage import sync
from polycloud.storage.base import Container, Object
from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.storage.locations import Entry
from polycloud.storage.ordering import in_order

NAMES = ("a-b", "a/b", "a0", "b", "\uffee", "😀")


class Folders(DummyStorageDriver):
    """A store that lists emoji before others, and folder by folder, as Azure does."""

    lists_in_order = False

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        found = super().iterate_container_objects(container, prefix, ex_prefix)
        yield from sorted(found, key=lambda one: one.name.replace("/", "\0").encode("utf-16-be"))


def by_name(entry: Entry) -> bytes:
    return entry.name.encode()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 1000])
def test_entries_are_sorted(count: int) -> None:
    """Entries of any number come sorted, as they were, whatever the length of a run."""
    entries = [Entry(f"{number:04}\n😀", number, "", None) for number in range(count)]
    mixed = random.Random(count).sample(entries, count)  # noqa: S311 - not a secret
    assert list(in_order(iter(mixed), Entry, by_name, run=10)) == entries


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary file that cannot be made is an error that names the folder."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(PolycloudError, match="/nonexistent"):
        list(in_order([Entry("a", 1, "", None)] * 3, Entry, by_name, run=2))


@pytest.mark.parametrize("delete", [True, False])
def test_syncs_of_lists_in_another_order(delete: bool) -> None:
    """A sync from and to a store with an order of its own copies all objects once, and deletes none."""
    store, other = Folders(), DummyStorageDriver()
    source, target = store.create_container("source"), other.create_container("target")
    for name in NAMES:
        source.upload_object_via_stream(name.encode(), name)
    assert [one.name for one in source.list_objects()] != [one.name for one in target.list_objects()]
    back = store.create_container("back")
    for ours, theirs in ((source, target), (target, back)):
        assert sync(ours, theirs, delete=delete).copied == len(NAMES)
        again = sync(ours, theirs, delete=delete)
        assert (again.copied, again.deleted, again.same) == (0, 0, len(NAMES))
    assert sorted(one.name for one in back.list_objects()) == sorted(NAMES)
