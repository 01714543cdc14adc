"""What a cloud of the sandbox is, and which ones there are."""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from polycloud.sandbox.machines import Machines

Clock = Callable[[], float]
"""Seconds that never run backwards, such as `time.monotonic`."""

CLOUDS: dict[str, str] = {
    "digitalocean": "polycloud.sandbox.digitalocean:DigitalOcean",
    "ec2": "polycloud.sandbox.ec2:EC2",
    "linode": "polycloud.sandbox.linode:Linode",
    "nephoscale": "polycloud.sandbox.nephoscale:NephoScale",
}
"""Every cloud by name, as "module:Class"; a module is imported when its cloud is first wanted."""


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """The settings of a cloud: subclasses add fields with defaults, and any value must suit its default."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_value(field.name, getattr(self, field.name), type(field.default))

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The knobs with the given values; ValueError for an unknown name or an unsuitable value."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise ValueError(f"unknown knob {name!r}: choose from {', '.join(known)}")
        return cls(**given)


def check_value(name: str, value: object, kind: type) -> None:
    """ValueError unless the setting's value is of that type and, if a number, finite and not negative."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a number of seconds from 0 on, not {value!r}")
    elif type(value) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}, not {value!r}")
    elif isinstance(value, int) and value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value!r}")


class Cloud(ABC):
    """One provider's API over a state of its own, with machines for its servers."""

    knobs_type: ClassVar[type[Knobs]]

    no_machines: ClassVar[str | None] = None
    """Why its servers never have machines, for people."""

    app: ASGIApp
    """The API, as an ASGI application."""

    credentials: tuple[Any, ...]
    """What a driver of this provider takes as positional arguments."""

    @abstractmethod
    def __init__(self, knobs: Any, clock: Clock, machines: Machines) -> None: ...

    def open(self) -> None:  # noqa: B027 - most clouds are in memory
        """Begin, before the first request."""

    def close(self) -> None:  # noqa: B027
        """End, and owe no answer any more; it may be opened again."""

    @abstractmethod
    def reset(self) -> None:
        """Go back to the initial state."""

    @abstractmethod
    def servers(self) -> list[dict[str, Any]]:
        """All servers as plain dicts, also those that the API does not list yet."""


def find(name: str) -> type[Cloud]:
    """The class of the cloud of that name; ValueError, naming the clouds that exist, if there is none."""
    if name not in CLOUDS:
        raise ValueError(f"unknown cloud {name!r}: choose from {', '.join(sorted(CLOUDS))}")
    module, _, attribute = CLOUDS[name].partition(":")
    cloud: type[Cloud] = getattr(importlib.import_module(module), attribute)
    return cloud
