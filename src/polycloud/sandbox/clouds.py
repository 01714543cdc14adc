"""The base class of the sandbox's clouds, and the table of them."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from polycloud.sandbox.machines import Machines

Clock = Callable[[], float]
"""Seconds that never run backwards, such as `time.monotonic`."""

LONGEST = 1e9
"""The most seconds of a setting."""
_AWS = "polycloud.sandbox.aws:AWS"
CLOUDS: dict[str, str] = {
    **dict.fromkeys(("aws", "ec2", "elb", "route53", "s3"), _AWS),
    "azure_blobs": "polycloud.sandbox.azure:AzureBlobs",
    "cloudflare": "polycloud.sandbox.cloudflare:Cloudflare",
    "digitalocean": "polycloud.sandbox.digitalocean:DigitalOcean",
    "google_storage": "polycloud.sandbox.google:GoogleStorage",
    "linode": "polycloud.sandbox.linode:Linode",
    **dict.fromkeys(("rackspace", "cloudfiles"), "polycloud.sandbox.rackspace:Rackspace"),
    "nephoscale": "polycloud.sandbox.nephoscale:NephoScale",
    **dict.fromkeys(
        ("openstack", "openstack_swift", "designate", "octavia"), "polycloud.sandbox.openstack:OpenStack"
    ),
    "softlayer": "polycloud.sandbox.softlayer:SoftLayer",
}
"""The class of each cloud as "module:Class"; a module is imported when its cloud is first used."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a cloud: subclasses add fields with defaults, whose types values must have."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_value(field.name, getattr(self, field.name), type(field.default))

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Create settings with the given values; ValueError for an unknown name or an invalid value."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise ValueError(f"unknown setting {name!r}: choose from {', '.join(known)}")
        return cls(**given)


def check_value(name: str, value: object, kind: type) -> None:
    """Raise ValueError unless the value has that type and, if it is a number, is finite and not negative."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= LONGEST:
            raise ValueError(f"{name} must be a number of seconds from 0 on, got {value!r}")
    elif type(value) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}, got {value!r}")
    elif isinstance(value, int) and value < 0:
        raise ValueError(f"{name} must be 0 or more, got {value!r}")


class Cloud(ABC):
    """One provider's API over a state of its own, with machines for its servers."""

    settings_type: ClassVar[type[Settings]]

    no_machines: ClassVar[str | None] = None
    """Why its servers never have machines, as a text for people; None if they can have them."""

    app: ASGIApp
    """The API, as an ASGI application."""

    credentials: tuple[Any, ...]
    """The positional arguments of a driver for this provider."""

    @abstractmethod
    def __init__(self, settings: Any, clock: Clock, machines: Machines) -> None: ...

    def options(self, host: str, port: int) -> dict[str, Any]:
        """Return a driver's keyword arguments for the API on that host and port."""
        return {"host": host, "port": port, "secure": False}

    def listen(self, host: str, port: int) -> None:  # noqa: B027 - few must know
        """Note the address at which the API is, before the first request; it may change `credentials`."""

    def open(self) -> None:  # noqa: B027 - most clouds are in memory
        """Start, before the first request."""

    def close(self) -> None:  # noqa: B027
        """Stop, and end the requests that are being served; `open` may follow."""

    @abstractmethod
    def reset(self) -> None:
        """Return to the initial state."""

    @abstractmethod
    def servers(self) -> list[dict[str, Any]]:
        """Return all servers as plain dicts, also those that the API does not list yet."""


def find(name: str) -> type[Cloud]:
    """Return the class of the cloud of that name; ValueError, which lists the names, if there is none."""
    if not isinstance(name, str) or name not in CLOUDS:
        raise ValueError(f"unknown cloud {name!r}: choose from {', '.join(sorted(CLOUDS))}")
    module, _, attribute = CLOUDS[name].partition(":")
    cloud: type[Cloud] = getattr(importlib.import_module(module), attribute)
    return cloud
