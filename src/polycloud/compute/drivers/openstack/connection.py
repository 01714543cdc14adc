"""The connections of a compute driver: to Nova, and to the services that Nova leans on."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from polycloud.common.openstack import OpenStackBaseConnection, OpenStackBaseDriver
from polycloud.common.payload import Item
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.openstack.resources import OpenStackResource, owned

R = TypeVar("R", bound=OpenStackResource)


class NovaConnection(OpenStackBaseConnection):
    """A connection to the service for servers.

    2.36 is the last microversion in which a server names its flavor by id, and in which a create without
    networks takes the only one; calls that need a later one ask for it.
    """

    service_types = ("compute",)
    version = "v2.1"
    microversion: ClassVar[str | None] = "2.36"

    def act(
        self, node_id: str, action: str, fields: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """POST an action of a server; return the response."""
        from polycloud.common.building import quote_segment

        path = f"/servers/{quote_segment(node_id)}/action"
        return self.request(path, method="POST", json={action: fields}, headers=headers)


class GlanceConnection(OpenStackBaseConnection):
    """A connection to the service for images."""

    service_types = ("image",)
    version = "v2"


class NeutronConnection(OpenStackBaseConnection):
    """A connection to the service for networks."""

    service_types = ("network",)
    version = "v2.0"


class CinderConnection(OpenStackBaseConnection):
    """A connection to the service for volumes."""

    service_types = ("block-storage", "volumev3", "block-store", "volume")
    version = "v3"
    with_project = True


class OpenStackServices(OpenStackBaseDriver, NodeDriver):
    """A driver with connections to all services that servers need; they share one login."""

    connectionCls = NovaConnection
    connection: NovaConnection
    further_connections: ClassVar = {
        "image_connection": GlanceConnection,
        "network_connection": NeutronConnection,
        "volume_connection": CinderConnection,
    }
    image_connection: GlanceConnection
    network_connection: NeutronConnection
    volume_connection: CinderConnection

    def _owned(self, item: Item[R]) -> R:
        """Return the resource of a payload."""
        return owned(self, item)
