"""The errors of the operating system, which programs that use files expect, in the place of ours.

Ours is the `__cause__`. Errors of the network and of the provider stay what they are: programs take an
`OSError` while they list a folder for a folder without content.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from polycloud.errors import InvalidCredsError, NotFoundError, PolycloudError, ProviderHTTPError
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerIsNotEmptyError,
    ObjectAlreadyExistsError,
)
from polycloud.utils.status import HTTPStatus

NUMBERS: tuple[tuple[type[PolycloudError], int], ...] = (
    (NotFoundError, errno.ENOENT),
    (ContainerAlreadyExistsError, errno.EEXIST),
    (ObjectAlreadyExistsError, errno.EEXIST),
    (ContainerIsNotEmptyError, errno.ENOTEMPTY),
    (InvalidCredsError, errno.EACCES),
)


@contextmanager
def os_errors(path: str) -> Iterator[None]:
    """Raise the errors of the block that are about `path` as errors of the operating system.

    They are `FileNotFoundError`, `FileExistsError`, `PermissionError`, and for a container that is not empty
    an `OSError` with `errno.ENOTEMPTY`.
    """
    try:
        yield
    except PolycloudError as error:
        number = _number(error)
        if number is None:
            raise
        raise OSError(number, str(error), path) from error


def missing(path: str) -> FileNotFoundError:
    """Return the error that there is no such file."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def is_a_folder(path: str) -> IsADirectoryError:
    """Return the error that a folder is no file."""
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


def _number(error: PolycloudError) -> int | None:
    found = next((number for kind, number in NUMBERS if isinstance(error, kind)), None)
    if found is None and isinstance(error, ProviderHTTPError) and error.http_code == HTTPStatus.FORBIDDEN:
        return errno.EACCES
    return found
