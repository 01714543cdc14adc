"""Paths of a machine, opened by this process without ever leaving the machine.

For this process the machine's root is some directory, so the kernel would follow a machine's link to `/etc`
to this computer's `/etc`. Checking a path first and using it afterwards does not help: commands in the
machine can swap a folder for a link in between. So a path is walked part by part, each opened relative to the
descriptor of the one before it and never through a link; a link's target is read from its descriptor and
walked in turn, from the machine's root if it is absolute. `..` returns to the descriptor before. What has
been found is held by a descriptor, and `/proc/self/fd/N` names exactly that, whatever is swapped later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Self

_MAX_LINKS = 40
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Found:
    """Where a walk ended: `fd` is what is there, None if nothing is.

    `names` is the path on the machine, without links and dots. `parent` is the folder that has the last name
    or would have it; None at the root, or if that folder is missing too.
    """

    def __init__(self, root: bytes) -> None:
        self._handles = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
        self._missing = 0
        self.names: list[bytes] = []

    @property
    def fd(self) -> int | None:
        """A descriptor of what was found, which can be named but not read."""
        return None if self._missing else self._handles[-1]

    @property
    def parent(self) -> int | None:
        """A descriptor of the folder that has the last name."""
        if not self.names or self._missing > 1:
            return None
        return self._handles[-1 if self._missing else -2]

    def named(self) -> bytes:
        """Return a path of this process for what was found. Raises FileNotFoundError."""
        if self.fd is None:
            raise self.error(errno.ENOENT)
        return b"/proc/self/fd/%d" % self.fd

    def entry(self) -> bytes:
        """Return a path of this process for the name in its folder, whether it exists or not."""
        if not self.names:
            return self.named()
        if self.parent is None:
            raise self.error(errno.ENOENT)
        return b"/proc/self/fd/%d/%s" % (self.parent, self.names[-1])

    def error(self, number: int) -> OSError:
        """Return an error that names the path on the machine."""
        return OSError(number, os.strerror(number), "/" + os.fsdecode(b"/".join(self.names)))

    def descend(self, name: bytes, *, follow: bool) -> bytes | None:
        """Go to a name in the current folder; return the target if that is a link to follow."""
        if not self._missing:
            try:
                handle = os.open(name, _HANDLE, dir_fd=self._handles[-1])
            except (FileNotFoundError, NotADirectoryError):
                pass
            else:
                if follow and stat.S_ISLNK(os.fstat(handle).st_mode):
                    try:
                        return os.readlink(b"", dir_fd=handle)
                    finally:
                        os.close(handle)
                self._handles.append(handle)
                self.names.append(name)
                return None
        self._missing += 1
        self.names.append(name)
        return None

    def ascend(self) -> None:
        """Go to the parent folder; the root is its own."""
        if self.names:
            self.names.pop()
            if self._missing:
                self._missing -= 1
            else:
                os.close(self._handles.pop())

    def restart(self) -> None:
        """Go to the root."""
        while self.names:
            self.ascend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._handles:
            os.close(self._handles.pop())


@contextlib.contextmanager
def find(root: bytes, path: bytes, *, follow: bool = True) -> Iterator[Found]:
    """Walk to `path` below `root`; with `follow`, also through a link at its end.

    Raises:
        OSError: too many links, or a folder that may not be searched.
    """
    with Found(root) as found:
        remaining = path.split(b"/")[::-1]
        links = 0
        while remaining:
            name = remaining.pop()
            if name in {b"", b"."}:
                continue
            if name == b"..":
                found.ascend()
                continue
            target = found.descend(name, follow=follow or any(remaining))
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise found.error(errno.ELOOP)
                if target.startswith(b"/"):
                    found.restart()
                remaining += target.split(b"/")[::-1]
        yield found
