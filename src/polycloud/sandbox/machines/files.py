"""SFTP and SCP on a machine's files, from outside the machine."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import AsyncIterator

import asyncssh

_MOST_LINKS = 40


class Files(asyncssh.SFTPServer):
    """The files below `root`, in which symbolic links lead where they lead on the machine.

    Args:
        chan: the SSH channel.
        root: where the machine's root lies for this process.
        home: where relative paths begin, as the machine sees it.
    """

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], root: str, home: str) -> None:
        super().__init__(chan)
        self._root, self._home = os.fsencode(root), os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        """Where the file lies for this process; a link at the end of the path is not followed."""
        folder, name = posixpath.split(posixpath.join(self._home, path))
        if name in {b"", b".", b".."}:
            return self._root + self.realpath(path)
        return posixpath.join(self._root + self.realpath(folder), name)

    def realpath(self, path: bytes) -> bytes:
        """The path as the machine sees it, without links and dots; what does not exist is kept as it is."""
        done: list[bytes] = []
        to_do = posixpath.join(self._home, path).split(b"/")[::-1]
        links = 0
        while to_do:
            name = to_do.pop()
            if name == b"..":
                done = done[:-1]
            elif name not in {b"", b"."}:
                target = self._target([*done, name])
                if target is None:
                    done.append(name)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
                done = [] if target.startswith(b"/") else done
                to_do += target.split(b"/")[::-1]
        return b"/" + b"/".join(done)

    def _target(self, names: list[bytes]) -> bytes | None:
        try:
            return os.readlink(b"/".join([self._root, *names]))  # noqa: PTH115 - a path in bytes
        except OSError:  # no link, or nothing there
            return None

    # What follows a link at the end of the path:

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file, as SFTP 3 says it."""
        return super().open(self.realpath(path), pflags, attrs)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file, as SFTP 5 says it."""
        return super().open56(self.realpath(path), desired_access, flags, attrs)

    def stat(self, path: bytes) -> os.stat_result:
        """What is known of a file."""
        return os.stat(self._followed(path))  # noqa: PTH116 - a path in bytes

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change owner, permissions, times or size."""
        super().setstat(self.realpath(path), attrs)

    def statvfs(self, path: bytes) -> os.statvfs_result:
        """What is known of the file system."""
        return os.statvfs(self._followed(path))

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """The files in a folder."""
        async for name in super().scandir(self.realpath(path)):
            yield name

    # What says where a link leads, in the machine's words:

    def readlink(self, path: bytes) -> bytes:
        """Where a link leads."""
        return os.readlink(self.map_path(path))  # noqa: PTH115 - a path in bytes

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Make a link."""
        os.symlink(oldpath, self.map_path(newpath))  # noqa: PTH211 - a path in bytes

    def exit(self) -> None:
        """End the session, as OpenSSH's scp wants it: with a status."""
        channel = self.channel
        assert isinstance(channel, asyncssh.SSHServerChannel)
        channel.exit(0)

    def _followed(self, path: bytes) -> bytes:
        return self._root + self.realpath(path)
