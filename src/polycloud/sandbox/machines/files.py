"""SFTP and SCP on a machine's files, from outside the machine.

The server runs in this process, for which the machine's root is some directory. A symbolic link there must
lead where it leads on the machine, so paths are resolved here, link by link, instead of by the kernel. After
that, asyncssh's own methods are called with paths that contain no links to follow.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import AsyncIterator

import asyncssh

_MAX_LINKS = 40


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
        """Return the path for this process; a link at the end of the path is not followed."""
        folder, name = posixpath.split(posixpath.join(self._home, path))
        if name in {b"", b".", b".."}:
            return self._root + self.realpath(path)
        return posixpath.join(self._root + self.realpath(folder), name)

    def realpath(self, path: bytes) -> bytes:
        """Return the path on the machine, without links and dots; parts that do not exist are kept."""
        done: list[bytes] = []
        remaining = posixpath.join(self._home, path).split(b"/")[::-1]
        links = 0
        while remaining:
            name = remaining.pop()
            if name == b"..":
                done = done[:-1]
            elif name not in {b"", b"."}:
                target = self._target([*done, name])
                if target is None:
                    done.append(name)
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
                done = [] if target.startswith(b"/") else done
                remaining += target.split(b"/")[::-1]
        return b"/" + b"/".join(done)

    def _target(self, names: list[bytes]) -> bytes | None:
        try:
            return os.readlink(b"/".join([self._root, *names]))  # noqa: PTH115 - a path in bytes
        except OSError:  # not a link, or not there
            return None

    # These follow a link at the end of the path:

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file (SFTP 3)."""
        return super().open(self.realpath(path), pflags, attrs)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file (SFTP 5 and 6)."""
        return super().open56(self.realpath(path), desired_access, flags, attrs)

    def stat(self, path: bytes) -> os.stat_result:
        """Return a file's attributes."""
        return os.stat(self._follow(path))  # noqa: PTH116 - a path in bytes

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change owner, permissions, times or size."""
        super().setstat(self.realpath(path), attrs)

    def statvfs(self, path: bytes) -> os.statvfs_result:
        """Return the file system's attributes."""
        return os.statvfs(self._follow(path))

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Iterate over the files in a folder."""
        async for name in super().scandir(self.realpath(path)):
            yield name

    # The targets of links are paths on the machine:

    def readlink(self, path: bytes) -> bytes:
        """Return the target of a link."""
        return os.readlink(self.map_path(path))  # noqa: PTH115 - a path in bytes

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Create a link."""
        os.symlink(oldpath, self.map_path(newpath))  # noqa: PTH211 - a path in bytes

    def exit(self) -> None:
        """End the session with a status, which OpenSSH's scp expects."""
        channel = self.channel
        assert isinstance(channel, asyncssh.SSHServerChannel)
        channel.exit(0)

    def _follow(self, path: bytes) -> bytes:
        return self._root + self.realpath(path)
