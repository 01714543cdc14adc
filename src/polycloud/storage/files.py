"""Files that a download writes: complete under their name, or not there at all.

A download goes to a temporary file beside its destination, which gets the destination's name when every byte
has arrived and was verified. A name that exists is not overwritten unless asked for, even if it appeared in
the meantime: a hard link, unlike a rename, fails for a name that exists.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from polycloud.errors import InvalidArgumentError, PolycloudError

__all__ = ["destination_of", "is_unfinished", "publish", "writing"]

UNFINISHED = re.compile(
    r"(?:.*/)?\.(?:polycloud-[0-9a-f]{12}\.part|.+\.polycloud-(?:upload|download(?:\.done)?))", re.DOTALL
)


def destination_of(path: Any, object_name: str, *, overwrite: bool) -> Path:
    """Return the file that a download to `path` makes: in a folder, one with the object's last name.

    Raises `InvalidArgumentError` if it exists and is not to be overwritten, or cannot be.
    """
    try:
        found = Path(os.fsdecode(path)).expanduser()
        if b"\0" in os.fsencode(found):
            raise ValueError
    except (TypeError, ValueError, RuntimeError):
        raise InvalidArgumentError(f"destination_path must be the path of a file, got {path!r}") from None
    if found.is_dir():
        last = object_name.rpartition("/")[2]
        if last in {"", ".", ".."} or "\\" in last or "\0" in last:
            raise InvalidArgumentError(f"{found} is a folder, and {object_name!r} does not name a file in it")
        found /= last
    if found.is_dir():
        raise InvalidArgumentError(f"{found} is a folder")
    if not overwrite and os.path.lexists(found):
        raise InvalidArgumentError(f"{found} exists; pass overwrite_existing=True to replace it")
    if found.exists() and not found.is_file():  # a rename would replace the device itself
        raise InvalidArgumentError(f"{found} is a device or a pipe; write the object's stream to it")
    if not found.parent.is_dir():
        raise InvalidArgumentError(f"there is no folder {found.parent}")
    return found


def is_unfinished(name: str) -> bool:
    """Return whether a file is what a transfer keeps beside another one until it is complete."""
    return UNFINISHED.fullmatch(name) is not None


@contextmanager
def writing(path: Path, *, overwrite: bool, keep: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file that becomes `path` at the end of the block, or is deleted if the block fails.

    With `keep` a failed one stays, and the error has a note with its name.

    Raises:
        PolycloudError: The file cannot be written; `InvalidArgumentError` if it cannot even be opened.
    """
    import secrets

    part = path.with_name(f".polycloud-{secrets.token_hex(6)}.part")
    try:
        file = part.open("x+b")  # not unbuffered: a write to a disk that fills would be short, and no error
    except OSError as error:
        raise InvalidArgumentError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        publish(part, path, overwrite=overwrite)
    except BaseException as error:
        if keep:
            error.add_note(f"what has arrived is in {part}")
        else:
            with suppress(FileNotFoundError):
                part.unlink()
        if isinstance(error, OSError):
            raise PolycloudError(f"{path} cannot be written: {error.strerror}") from error
        raise


def publish(part: Path, path: Path, *, overwrite: bool) -> None:
    """Rename a complete file; raise `InvalidArgumentError` if there is one, unless `overwrite`."""
    if overwrite:
        part.replace(path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise InvalidArgumentError(f"{path} appeared during the download; nothing was replaced") from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise InvalidArgumentError(f"{path} appeared during the download; nothing was replaced") from None
        part.rename(path)
        return
    part.unlink()
