"""A small file that remembers an upload in parts, so that the same call in another process goes on with it.

It has the provider's id of the upload and a digest of what the upload was of: container, name, account,
metadata, size of the parts. The parts are not in it: the provider is asked which it has, and each is compared
with the content before it is trusted. While the upload runs the file is locked.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

__all__ = ["Memory", "StatePath", "beside", "locked", "opened_alone", "own", "remembered", "require_path"]

StatePath = str | os.PathLike[str] | None
FORMAT = "polycloud upload 1"


class Begun(msgspec.Struct):
    """What the file has."""

    format: str
    upload: str
    id: str


class Memory:
    """The id of an upload that was begun, None before; without a file it is forgotten with the process."""

    def __init__(self, digest: str, file: Path | None = None, opened: IO[bytes] | None = None) -> None:
        self.file, self.id = file, None if opened is None else _id_in(opened, digest)
        self._digest, self._opened = digest, opened

    def keep(self, id: str) -> None:
        """Remember the upload."""
        self.id = id
        if self._opened is None:
            return
        line = msgspec.json.encode(Begun(FORMAT, self._digest, id)) + b"\n"
        try:
            self._opened.truncate(0)
            if self._opened.write(line) != len(line):  # on a disk that fills
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.forget()
            raise InvalidArgumentError(f"{self.file} cannot be written: {error.strerror}") from error

    def forget(self) -> None:
        """Delete the file."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def beside(path: str | os.PathLike[str]) -> Path:
    """Return the file that remembers the upload of the file at `path`."""
    file = Path(os.fsdecode(path))
    return file.with_name(f".{file.name}.polycloud-upload")


def require_path(file: Any, name: str = "resume") -> Path | None:
    """Return the path of a file, None for None. Raises `InvalidArgumentError` for what no file can have."""
    if file is None:
        return None
    try:
        path = Path(file)
        if not path.name or b"\0" in os.fsencode(path):
            raise ValueError
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} must be the path of a file, got {shown(file)}") from None
    return path


@contextmanager
def remembered(file: StatePath, identity: tuple[Any, ...]) -> Iterator[Memory]:
    """Open the file that remembers an upload, and lock it; None for none.

    Raises `InvalidArgumentError` if it cannot be written, is used by another process, or is that of another
    upload or no such file.
    """
    path = require_path(file)
    if path is None:
        yield Memory("")
        return
    with locked(path, identity) as (opened, digest):
        memory = Memory(digest, path, opened)
        try:
            yield memory
        finally:
            if memory.id is None:  # nothing was begun
                memory.forget()


@contextmanager
def locked(path: Path, identity: tuple[Any, ...]) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file of one's own, to read it and to append; return it with the digest of `identity`.

    Raises `InvalidArgumentError` if it cannot be written, or another process has it.
    """
    try:
        opened = opened_alone(path)
    except OSError as error:
        raise InvalidArgumentError(f"{path} cannot be written: {error.strerror}") from error
    if opened is None:
        raise InvalidArgumentError(f"another process is at the transfer that {path} remembers")
    with opened:
        yield opened, hashlib.sha256(msgspec.json.encode(identity)).hexdigest()


def opened_alone(path: Path) -> IO[bytes] | None:
    """Open a file to read it and to append, and lock it; None if another process has it."""
    import fcntl

    while True:
        opened = open(path, "a+b", buffering=0, opener=own)  # noqa: SIM115 - the caller closes it
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            opened.close()
            return None
        if os.fstat(opened.fileno()).st_nlink:
            return opened
        opened.close()  # its last owner has deleted it since it was opened


def own(path: str, flags: int) -> int:
    """Open a file, or make it, but follow no link: it might lead to a file of somebody else."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o666)


def _id_in(opened: IO[bytes], digest: str) -> str | None:
    opened.seek(0)
    content = opened.read(65536)
    if not content:
        return None
    try:
        found = msgspec.json.decode(content, type=Begun)
    except msgspec.DecodeError as error:
        raise InvalidArgumentError(f"{opened.name} does not remember an upload: {error}") from None
    if (found.format, found.upload) != (FORMAT, digest):
        raise InvalidArgumentError(
            f"{opened.name} remembers an upload with other arguments; repeat that one, or delete the file"
        )
    return found.id
