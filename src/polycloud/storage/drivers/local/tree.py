"""Open, list and make folders and files below a folder, by descriptors, without following a link.

A path is opened segment by segment, each relative to the descriptor of the folder before it (`dir_fd`), and
refused if it is a link (`O_NOFOLLOW`). So neither a name with ".." nor a link leads out of the folder, and no
program can put a link into the way between a check and the opening.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from polycloud.errors import InvalidArgumentError
from polycloud.storage.uploads import LONGEST_NAME

OWN = ".polycloud"
"""The folder of a container in which its uploads begin and its metadata is."""
LONGEST_SEGMENT = 255
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC
FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC


def is_segment(name: str) -> bool:
    """Return whether a file or a folder may have this name."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # it stands for bytes that are no text
        return False
    return name not in {"", ".", ".."} and "\0" not in name and size <= LONGEST_SEGMENT


def segments_of(name: str) -> list[str]:
    """Return the folders and the file that the name of an object is; `InvalidArgumentError` if it cannot."""
    segments = name.split("/")
    if not all(map(is_segment, segments)):
        raise InvalidArgumentError(
            f"object_name must be names of 1 to {LONGEST_SEGMENT} bytes with one '/' between them, none of "
            f"them '.' or '..', for a file of this machine; got {name!r}"
        )
    if OWN in segments:
        raise InvalidArgumentError(
            f"object_name must not have {OWN!r} in it, where local storage has its own"
        )
    return segments


@contextmanager
def folder(parent: int | str, segments: Sequence[str] = (), *, create: bool = False) -> Iterator[int]:
    """Open a folder below `parent`, a descriptor or the path of one; with `create`, folders are made.

    Raises `FileNotFoundError` or `NotADirectoryError`, also for a link.
    """
    fd = os.open(parent, FOLDER) if isinstance(parent, str) else os.dup(parent)
    try:
        for segment in segments:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(segment, dir_fd=fd)
            inner = os.open(segment, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


@contextmanager
def alone(fd: int) -> Iterator[None]:
    """Exclude all others, in this program and in others, that want to be alone in this folder."""
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def open_file(parent: int, segments: Sequence[str]) -> int:
    """Return the descriptor of a regular file below a folder.

    Raises `FileNotFoundError` if there is none: a link and a device are none.
    """
    with folder(parent, segments[:-1]) as fd:
        try:
            opened = os.open(segments[-1], FILE, dir_fd=fd)
        except OSError as error:
            if error.errno != errno.ELOOP:  # a link
                raise
            raise FileNotFoundError from None
    if stat.S_ISREG(os.fstat(opened).st_mode):
        return opened
    os.close(opened)
    raise FileNotFoundError


def walk(parent: int, prefix: str, at: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield the names of the regular files below a folder that begin with `prefix`, and their status.

    They come in the order of the names' bytes: a folder is sorted as its name with a "/".
    """
    for name, status in _entries(parent, prefix, at):
        if status is not None:
            yield name, status
            continue
        with suppress(FileNotFoundError, NotADirectoryError), folder(parent, [_last(name)]) as inner:
            yield from walk(inner, prefix, name)


def level(parent: int, prefix: str, at: str = "") -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield files as `walk` does, but each folder in which there are some as its name, without a status."""
    for name, status in _entries(parent, prefix, at):
        if status is not None:
            yield name, status
            continue
        with suppress(FileNotFoundError, NotADirectoryError), folder(parent, [_last(name)]) as inner:
            if prefix.startswith(name):
                yield from level(inner, prefix, name)
            elif next(walk(inner, "", name), None) is not None:
                yield name, None


def _entries(parent: int, prefix: str, at: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield the files of a folder with their status, and its folders; those that may begin with `prefix`."""
    names = []
    with os.scandir(parent) as found:
        for entry in found:
            if entry.name == OWN:
                continue
            name = at + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
            if not is_segment(entry.name) or len(name.encode()) > LONGEST_NAME:  # no object can be called so
                continue
            if name.startswith(prefix) or (name.endswith("/") and prefix.startswith(name)):
                names.append(name)
    for name in sorted(names, key=os.fsencode):
        if name.endswith("/"):
            yield name, None
            continue
        with suppress(FileNotFoundError):  # another program was faster
            status = os.stat(_last(name), dir_fd=parent, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield name, status


def _last(name: str) -> str:
    return name.removesuffix("/").rpartition("/")[2]


def prune(parent: int, segments: Sequence[str]) -> None:
    """Delete folders that are empty, the innermost first."""
    for depth in range(len(segments), 0, -1):
        try:
            with folder(parent, segments[: depth - 1]) as fd:
                os.rmdir(segments[depth - 1], dir_fd=fd)
        except OSError:  # it has something, or another program was faster
            return
