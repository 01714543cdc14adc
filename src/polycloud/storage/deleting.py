"""Delete many objects, a batch at a time, and name those that stay.

Memory holds one batch, and of those that cannot be deleted at most `MOST_FAILED`: the delete ends there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, InvalidCredsError, PolycloudError
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerError,
    ObjectDoesNotExistError,
    ObjectsNotDeletedError,
)
from polycloud.storage.uploads import require_object_name
from polycloud.utils.values import shown

__all__ = ["Failures", "delete_all", "one_by_one"]

Failures = list[tuple[str, PolycloudError]]
"""The names of the objects that stay, and why."""
MOST_FAILED = 1000
FATAL = (InvalidCredsError, ContainerError)
"""Errors that are not about one object: the delete ends with them."""


def delete_all(
    container: Container,
    objects: Iterable[Object | str],
    delete: Callable[[list[Object]], Failures],
    batch_size: int,
) -> int:
    """Delete objects by `delete`, which returns those of a batch that stay; return how many were deleted."""
    failed: Failures = []
    deleted = 0
    found = _resolved(container, objects)
    try:
        while len(failed) < MOST_FAILED and (batch := list(islice(found, batch_size))):
            stay = _failures(delete, batch)
            failed += stay
            deleted += len(batch) - len(stay)
    except BaseException as error:
        error.add_note(f"{deleted:,} objects were deleted before")
        raise
    if failed:
        raise ObjectsNotDeletedError(failed, deleted, container.driver, complete=len(failed) < MOST_FAILED)
    return deleted


def one_by_one(objects: Iterable[Object], delete: Callable[[Object], object]) -> Failures:
    """Delete objects by a request each, several at once; return those that stay."""
    results = waiting.gather([partial(_failure, obj, delete) for obj in objects])
    return [one for one in results if one is not None]


def _failure(obj: Object, delete: Callable[[Object], object]) -> tuple[str, PolycloudError] | None:
    try:
        delete(obj)
    except ObjectDoesNotExistError:
        return None
    except FATAL:
        raise
    except PolycloudError as error:
        return obj.name, error
    return None


def _failures(delete: Callable[[list[Object]], Failures], batch: list[Object]) -> Failures:
    """Delete a batch. If a request for many fails, it is not known which of them are deleted."""
    try:
        return delete(batch)
    except FATAL:
        raise
    except PolycloudError as error:
        return [(obj.name, error) for obj in batch]


def _resolved(container: Container, objects: Any) -> Iterator[Object]:
    """Yield the objects; a name is that of one of the container."""
    if isinstance(objects, str | bytes | Mapping) or not isinstance(objects, Iterable):
        raise InvalidArgumentError(f"objects must be an iterable of objects or names, got {shown(objects)}")
    for one in objects:
        if not isinstance(one, Object):
            yield Object(require_object_name(one), 0, "", None, None, container, container.driver)
        elif one.container.name != container.name:
            raise InvalidArgumentError(
                f"objects must be of the container {container.name!r}, got {one.name!r} of "
                f"{one.container.name!r}"
            )
        else:
            yield one
