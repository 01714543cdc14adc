"""`Resource`, the base of nodes, volumes, zones and every other object of a provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from polycloud.common.payload import LazyExtra
from polycloud.errors import InvalidArgumentError, NotFoundError
from polycloud.utils.status import HTTPStatus

__all__ = ["Resource", "provider_of", "require_driver", "with_id", "without_driver"]

N = TypeVar("N", bound="Resource")


class _Open:
    """An object on which programs may set attributes of their own."""

    __slots__ = ("__dict__", "__weakref__")


class Resource(_Open):
    """An object of a provider: compared by identity, pickled as a dict, `extra` decoded on first use.

    Slots keep 10,000 nodes small; `vars` has them and what a program has set.
    """

    __slots__ = ("_extra", "driver", "id")

    _by_id: ClassVar[bool] = False
    """Whether methods take the id of such an object in its place."""

    id: str
    driver: Any
    _extra: dict[str, Any] | LazyExtra

    @property
    def extra(self) -> dict[str, Any]:
        """What the provider says beyond the common attributes; the keys are the provider's."""
        if isinstance(self._extra, LazyExtra):
            self._extra = self._extra()
        return self._extra

    @extra.setter
    def extra(self, value: dict[str, Any] | LazyExtra | None) -> None:
        self._extra = {} if value is None else value

    def get_uuid(self) -> str:
        """SHA-1 (40 hexadecimal digits) of "id:provider": the same in every program, as Libcloud's."""
        import hashlib

        return hashlib.sha1(f"{self.id}:{getattr(self.driver, 'type', None)}".encode()).hexdigest()  # noqa: S324

    @property
    def uuid(self) -> str:
        """See `get_uuid`."""
        return self.get_uuid()

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """A new dict of all attributes: programs written for Libcloud read resources so."""
        slots = [name for base in type(self).__mro__ for name in getattr(base, "__slots__", ())]
        names = [name.removeprefix("_") for name in slots if not name.startswith("__")]
        return {**_own_of(self), **{name: getattr(self, name) for name in names if hasattr(self, name)}}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if name != "_uuid":  # Libcloud keeps it; here it is computed
                setattr(self, name, value)


_own_of: Callable[[Resource], dict[str, Any]] = vars(_Open)["__dict__"].__get__


def require_driver(resource: Resource) -> None:
    """Raise `InvalidArgumentError` for a resource without a driver, as in the pickle of an error."""
    if resource.driver is None:
        kind = type(resource).__name__
        raise InvalidArgumentError(f"this {kind} has no driver; pass it to the method of a driver instead")


def with_id(items: Sequence[N], id_: str, what: str) -> N:
    """Return the item with this id. Raises `NotFoundError`, which calls it `what`, if there is none."""
    found = next((item for item in items if item.id == str(id_)), None)
    if found is None:
        raise NotFoundError(HTTPStatus.NOT_FOUND, f"there is no {what} with the id {id_!r}")
    return found


def provider_of(resource: Any) -> str | None:
    """Return the provider's name; None for what came in the pickle of an error, which has no driver."""
    return getattr(resource.driver, "name", None)


def without_driver(value: Any) -> Any:
    """Return a copy of a resource without its driver, whose credentials errors must not carry."""
    if not isinstance(value, Resource):
        return value
    from copy import copy

    value = copy(value)
    value.driver = None
    return value
