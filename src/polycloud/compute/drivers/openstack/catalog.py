"""The catalog: sizes (flavors), locations (availability zones), and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.base import quote_segment
from polycloud.common.payload import Item, LazyExtra, decode
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.objects import NodeLocation, NodeSize, cheapest_first


class Flavor(msgspec.Struct):
    """A flavor: `ram` is MB, `disk` GB (0: as large as the image)."""

    id: str
    name: str
    ram: int
    disk: int


class ZoneState(msgspec.Struct):
    """Whether a zone takes servers."""

    available: bool = True


class Zone(msgspec.Struct):
    """An availability zone."""

    name: str = msgspec.field(name="zoneName")
    state: ZoneState | None = msgspec.field(name="zoneState", default=None)


class Zones(msgspec.Struct):
    """The list of zones, which has no pages."""

    zones: list[msgspec.Raw] = msgspec.field(name="availabilityZoneInfo")


class OpenStackCatalog(OpenStackServices):
    """Methods of sizes, locations and limits."""

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the flavors that the project may use; they are the same in all locations."""
        return cheapest_first(self.connection.list_all("/flavors/detail", "flavors", Flavor, self._to_size))

    def ex_get_size(self, size_id: str) -> NodeSize:
        """Return the flavor with this id. Raises `NotFoundError` if there is none."""
        return self._to_size(self.connection.fetch(f"/flavors/{quote_segment(size_id)}", "flavor", Flavor))

    def ex_get_size_extra_specs(self, size: NodeSize) -> dict[str, str]:
        """Return the extra specs of a flavor."""
        path = f"/flavors/{quote_segment(id_of(size, NodeSize))}/os-extra_specs"
        return self.connection.fetch(path, "extra_specs", dict[str, str]).value

    def list_locations(self) -> list[NodeLocation]:
        """Return the availability zones of the region that take servers."""
        zones = self.connection.request("/os-availability-zone").decode(Zones).zones
        items = [Item(decode(bytes(raw), Zone), bytes(raw)) for raw in zones]
        return [
            NodeLocation(zone.name, zone.name, "", self, LazyExtra(raw, msgspec.json.decode))
            for zone, raw in items
            if zone.state is None or zone.state.available
        ]

    def ex_limits(self) -> Mapping[str, int]:
        """Return the project's limits and their use, such as `maxTotalInstances` and `totalInstancesUsed`."""
        limits: dict[str, dict[str, int]] = self.connection.fetch("/limits", "limits", dict[str, Any]).value
        return limits.get("absolute") or {}

    def ex_get_quota_set(self, tenant_id: str | None = None, detail: str | None = None) -> dict[str, Any]:
        """Return the compute quota of a project, this one by default; with `detail`, its use too."""
        end = f"/{detail.strip('/')}" if detail else ""
        path = f"/os-quota-sets/{quote_segment(self._project(tenant_id))}{end}"
        return self.connection.fetch(path, "quota_set", dict[str, Any]).value

    def ex_get_network_quota(self, tenant_id: str | None = None) -> dict[str, Any]:
        """Return the quota of networks, ports, addresses and security groups of a project."""
        path = f"/quotas/{quote_segment(self._project(tenant_id))}"
        return self.network_connection.fetch(path, "quota", dict[str, Any]).value

    def ex_get_volume_quota(self, tenant_id: str | None = None) -> dict[str, Any]:
        """Return the quota of volumes and snapshots of a project."""
        path = f"/os-quota-sets/{quote_segment(self._project(tenant_id))}"
        return self.volume_connection.fetch(path, "quota_set", dict[str, Any]).value

    def _project(self, tenant_id: str | None) -> str:
        return tenant_id or self.connection.access.project_id or ""

    def _to_size(self, item: Item[Flavor]) -> NodeSize:
        flavor, raw = item
        price = self._get_size_price(flavor.id)
        extra = LazyExtra(raw, _size_extra)
        return NodeSize(flavor.id, flavor.name, flavor.ram, flavor.disk, None, price, self, extra)


def _size_extra(raw: bytes) -> dict[str, Any]:
    flavor = msgspec.json.decode(raw)
    return {
        **flavor,
        "disabled": flavor.get("OS-FLV-DISABLED:disabled"),
        "ephemeral_disk": flavor.get("OS-FLV-EXT-DATA:ephemeral"),
        "swap": flavor.get("swap"),
        "vcpus": flavor.get("vcpus"),
    }
