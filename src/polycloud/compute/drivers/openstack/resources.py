"""What networks, subnets, ports, routers, floating IPs, security groups and server groups have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from polycloud.common.payload import Item
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver

R = TypeVar("R", bound="OpenStackResource")


class OpenStackResource(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A resource of a service: two are equal if their fields are; `driver` and `extra` are no fields."""

    @property
    def driver(self) -> NodeDriver | None:
        """The driver that has read the resource; None for one that a program has made."""
        found: NodeDriver | None = self.__dict__.get("_driver")
        return found

    @property
    def extra(self) -> dict[str, Any]:
        """The complete payload, by the service's names."""
        if "_extra" not in self.__dict__:
            raw = self.__dict__.pop("_raw", None)
            self.__dict__["_extra"] = msgspec.to_builtins(self) if raw is None else msgspec.json.decode(raw)
        found: dict[str, Any] = self.__dict__["_extra"]
        return found

    @property
    def _own(self) -> Any:
        if self.driver is None:
            kind = type(self).__name__
            raise InvalidArgumentError(
                f"this {kind} has no driver; pass it to the method of a driver instead"
            )
        return self.driver


def owned(driver: NodeDriver, item: Item[R]) -> R:
    """Return the resource of a payload, which knows its driver and its payload."""
    resource, raw = item
    resource.__dict__.update(_driver=driver, _raw=raw)
    return resource
