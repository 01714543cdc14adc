"""SFTP and SCP on a machine's files, from outside the machine.

The server runs in this process. Each path of a client is walked from the machine's root (`inside`), and
asyncssh's own methods then work on what the walk has found: a `_Place`, the only kind of path that they get.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import AsyncIterator, Iterator

import asyncssh

from polycloud.sandbox.machines.inside import Found, find

_EXISTING = {
    asyncssh.FXF_CREATE_NEW: asyncssh.FXF_OPEN_EXISTING,
    asyncssh.FXF_CREATE_TRUNCATE: asyncssh.FXF_TRUNCATE_EXISTING,
    asyncssh.FXF_OPEN_OR_CREATE: asyncssh.FXF_OPEN_EXISTING,
}
"""How to open a file once it has been created (SFTP 5 and 6)."""


class _Place(bytes):
    """A path of this process that leads to one file of the machine, whatever links are swapped."""


class Files(asyncssh.SFTPServer):
    """The files below `root`.

    Args:
        chan: the SSH channel.
        root: the machine's root, as a path for this process.
        home: the directory of relative paths, as a path on the machine.
    """

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], root: str, home: str) -> None:
        super().__init__(chan)
        self._root, self._home = os.fsencode(root), os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        """Return a path that was walked; any other is refused."""
        if not isinstance(path, _Place):
            raise asyncssh.SFTPOpUnsupported("this server does not support the operation")
        return path

    def realpath(self, path: bytes) -> bytes:
        """Return the path on the machine, without links and dots; parts that do not exist are kept."""
        with self._found(path, follow=True) as found:
            return b"/" + b"/".join(found.names)

    # These follow a link at the end of the path:

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file (SFTP 3)."""
        if pflags & asyncssh.FXF_CREAT:
            self._create(path, attrs, exclusive=bool(pflags & asyncssh.FXF_EXCL))
        with self._file(path) as place:
            return super().open(place, pflags & ~(asyncssh.FXF_CREAT | asyncssh.FXF_EXCL), attrs)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file (SFTP 5 and 6)."""
        disposition = flags & asyncssh.FXF_ACCESS_DISPOSITION
        if disposition in _EXISTING:
            self._create(path, attrs, exclusive=disposition == asyncssh.FXF_CREATE_NEW)
            flags = flags & ~asyncssh.FXF_ACCESS_DISPOSITION | _EXISTING[disposition]
        with self._file(path) as place:
            return super().open56(place, desired_access, flags, attrs)

    def stat(self, path: bytes) -> os.stat_result:
        """Return a file's attributes."""
        with self._target(path) as place:
            return os.stat(place)  # noqa: PTH116 - a path in bytes

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change owner, permissions, times or size."""
        with self._target(path) as place:
            super().setstat(place, attrs)

    def statvfs(self, path: bytes) -> os.statvfs_result:
        """Return the file system's attributes."""
        with self._target(path) as place:
            return os.statvfs(place)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Iterate over the files in a folder."""
        with self._target(path) as place:
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in (b".", b".."):
                attrs = asyncssh.SFTPAttrs.from_local(self.lstat(posixpath.join(path, name)))
                yield asyncssh.SFTPName(name, attrs=attrs)
            with os.scandir(folder) as entries:
                for entry in entries:
                    attrs = asyncssh.SFTPAttrs.from_local(entry.stat(follow_symlinks=False))
                    yield asyncssh.SFTPName(os.fsencode(entry.name), attrs=attrs)
        finally:
            os.close(folder)

    # These do not:

    def lstat(self, path: bytes) -> os.stat_result:
        """Return the attributes of a file or a link."""
        with self._entry(path) as place:
            return os.lstat(place)

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change owner or times of a file or a link."""
        with self._entry(path) as place:
            super().lsetstat(place, attrs)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Create a folder."""
        with self._entry(path) as place:
            super().mkdir(place, attrs)

    def rmdir(self, path: bytes) -> None:
        """Remove a folder."""
        with self._entry(path) as place:
            super().rmdir(place)

    def remove(self, path: bytes) -> None:
        """Remove a file or a link."""
        with self._entry(path) as place:
            super().remove(place)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file or a link; a name that exists is refused."""
        with self._entry(oldpath) as old, self._entry(newpath) as new:
            if os.path.lexists(new):
                raise asyncssh.SFTPFileAlreadyExists("File already exists")
            os.rename(old, new)  # noqa: PTH104 - paths in bytes

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file or a link, in the place of what has the name."""
        with self._entry(oldpath) as old, self._entry(newpath) as new:
            super().posix_rename(old, new)

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Create a second name of a file."""
        with self._entry(oldpath) as old, self._entry(newpath) as new:
            os.link(old, new, follow_symlinks=False)

    # The targets of links are paths on the machine:

    def readlink(self, path: bytes) -> bytes:
        """Return the target of a link."""
        with self._entry(path) as place:
            return os.readlink(place)  # noqa: PTH115 - a path in bytes

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Create a link."""
        with self._entry(newpath) as place:
            os.symlink(oldpath, place)  # noqa: PTH211 - a path in bytes

    def exit(self) -> None:
        """End the session with a status, which OpenSSH's scp expects."""
        channel = self.channel
        assert isinstance(channel, asyncssh.SSHServerChannel)
        channel.exit(0)

    def _found(self, path: bytes, *, follow: bool) -> contextlib.AbstractContextManager[Found]:
        return find(self._root, posixpath.join(self._home, path), follow=follow)

    @contextlib.contextmanager
    def _target(self, path: bytes) -> Iterator[_Place]:
        """Yield the place of an existing file; a link at the end is followed."""
        with self._found(path, follow=True) as found:
            yield _Place(found.named())

    @contextlib.contextmanager
    def _entry(self, path: bytes) -> Iterator[_Place]:
        """Yield the place of a name in its folder; a link at the end is not followed."""
        with self._found(path, follow=False) as found:
            yield _Place(found.entry())

    @contextlib.contextmanager
    def _file(self, path: bytes) -> Iterator[_Place]:
        """Yield the place of a regular file.

        A device could be this process's terminal, and opening a pipe would wait for its other end.
        """
        with self._found(path, follow=True) as found:
            place = _Place(found.named())
            mode = os.stat(place).st_mode  # noqa: PTH116 - a path in bytes
            if not stat.S_ISREG(mode):
                raise found.error(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL)
            yield place

    def _create(self, path: bytes, attrs: asyncssh.SFTPAttrs, *, exclusive: bool) -> None:
        """Create an empty file unless there is one, which is an error if `exclusive`."""
        with self._found(path, follow=not exclusive) as found:
            if found.fd is not None and not exclusive:
                return
            permissions = 0o666 if attrs.permissions is None else stat.S_IMODE(attrs.permissions)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            # A link that appears here meanwhile is refused, since the file must be new
            os.close(os.open(found.entry(), flags, permissions))
