from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from polycloud.sandbox.machines.inside import find


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's root, with a folder that has a file."""
    (tmp_path / "root/folder").mkdir(parents=True)
    (tmp_path / "root/folder/file").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("outside")
    return tmp_path / "root"


def read(root: Path, path: str) -> str:
    """Return what the file at a machine's path has."""
    with find(os.fsencode(root), path.encode()) as found:
        return Path(os.fsdecode(found.named())).read_text()


def descriptors() -> list[str]:
    """Return the descriptors that this process has open."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_a_folder_that_is_swapped_for_a_link(root: Path) -> None:
    """While a folder and a link that leads out are swapped, a path through it is never followed out."""
    folder, parked, link = root / "folder", root / "parked", root / "link"
    link.symlink_to(root.parent / "outside")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            folder.rename(parked)
            link.rename(folder)
            folder.rename(link)
            parked.rename(folder)

    swapping = threading.Thread(target=swap)
    swapping.start()
    texts, missing = set(), 0
    try:
        for _ in range(5000):
            try:
                texts.add(read(root, "folder/file"))
            except FileNotFoundError:
                missing += 1
    finally:
        done.set()
        swapping.join()
    assert texts == {"inside"}
    assert missing


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/folder", "link/file"),
        ("folder/.", "link/file"),
        ("../../../folder", "/link/../folder/file"),
        ("/folder/file", "link"),
        ("nowhere/../folder", "link/file"),
    ],
)
def test_links_are_the_machines(root: Path, link: str, path: str) -> None:
    """The target of a link starts at the machine's root, or at the link's folder, and never climbs out."""
    (root / "link").symlink_to(link)
    assert read(root, path) == "inside"


def test_descriptors_are_closed(root: Path) -> None:
    """After a walk, failed or not, no descriptor is left open."""
    (root / "loop").symlink_to("loop")
    before = descriptors()
    for path in ("folder/file", "a/b/c", "folder/file/x"):
        with find(os.fsencode(root), path.encode()):
            pass
    with pytest.raises(OSError, match="Too many levels"), find(os.fsencode(root), b"loop/x"):
        pass
    assert descriptors() == before


def test_where_a_name_would_be(root: Path) -> None:
    """A name that does not exist has a place in its folder; one in a folder that does not exist has none."""
    with find(os.fsencode(root), b"folder/new") as found:
        Path(os.fsdecode(found.entry())).write_text("x")
    assert (root / "folder/new").read_text() == "x"
    with find(os.fsencode(root), b"none/new") as found, pytest.raises(FileNotFoundError, match="/none/new"):
        found.entry()
