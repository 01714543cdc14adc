"""What differs between clouds that run OpenStack: their regions, their services' names, their networks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from polycloud.sandbox.rest.replies import Json

_NAMESPACE = uuid.UUID("6f70656e-7374-6163-6b20-342065766572")

Change = Callable[[Any, Json], Json]
"""Returns how a cloud shows an item, from the item and how OpenStack shows it."""


def as_it_is(_: Any, shown: Json) -> Json:
    """Return what is shown, unchanged."""
    return shown


def stable_id(*names: str) -> str:
    """Return an id that is the same each time."""
    return uuid.uuid5(_NAMESPACE, " ".join(names)).hex


@dataclass(frozen=True)
class Service:
    """A service in the catalogue; `path` is that of its endpoints, where braces stand for the project."""

    type: str
    name: str
    path: str

    @property
    def id(self) -> str:
        """Its id."""
        return stable_id(self.name)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A cloud that runs OpenStack.

    Attributes:
        regions: the prefix of the paths of each region, the first one first.
        services: those in the catalogue.
        interfaces: those of each service in the catalogue.
        compute: the path of Nova in links, where braces stand for the project.
        package: the package whose `catalog.json` has the flavours and images.
        networks: fields of the networks that there are for all; one without a CIDR has public addresses.
        default_networks: the ids of those that a server has that names none; without any, the only one.
        server: changes how servers are shown.
        flavor: changes how flavours are shown.
        misfit: why an image and a flavour do not fit each other, from both and whether the disk is local;
            empty if they do.
    """

    regions: Mapping[str, str]
    services: tuple[Service, ...]
    interfaces: tuple[str, ...]
    compute: str
    package: str
    networks: tuple[Json, ...]
    default_networks: tuple[str, ...] = ()
    server: Change = as_it_is
    flavor: Change = as_it_is
    misfit: Callable[[Any, Any, bool], str] = lambda *_: ""


OPENSTACK = Layout(
    regions={"RegionOne": "", "RegionTwo": "/RegionTwo"},
    services=(
        Service("identity", "keystone", "/identity/v3"),
        Service("compute", "nova", "/compute/v2.1"),
        Service("image", "glance", "/image"),
        Service("network", "neutron", "/network"),
        Service("block-storage", "cinder", "/volume/v3/{}"),
        Service("volumev3", "cinderv3", "/volume/v3/{}"),
        Service("object-store", "swift", "/v1/AUTH_{}"),
        Service("dns", "designate", "/dns"),
        Service("load-balancer", "octavia", "/load-balancer"),
    ),
    interfaces=("public", "internal", "admin"),
    compute="/compute/v2.1",
    package="polycloud.sandbox.openstack",
    networks=({"name": "public", "cidr": None, "external": True},),
)
"""The sandbox's OpenStack."""
