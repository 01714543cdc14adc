"""The catalog: sizes (flavors), locations (availability zones), and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.building import quote_segment
from polycloud.common.payload import Item, LazyExtra, decode
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.objects import NodeLocation, NodeSize, cheapest_first
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown


class Flavor(msgspec.Struct):
    """A flavor: `ram` and `swap` are MB, `disk` GB (0: as large as the image); swap may be "" for none."""

    id: str
    name: str
    ram: int
    disk: int
    vcpus: int | None = None
    ephemeral: int | None = msgspec.field(name="OS-FLV-EXT-DATA:ephemeral", default=None)
    swap: int | str | None = None


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


class OpenStackNodeSize(NodeSize):
    """A flavor: also its `vcpus`, and its `ephemeral_disk` (GB) and `swap` (MB), None if unknown."""

    __slots__ = ("ephemeral_disk", "swap", "vcpus")

    def __init__(
        self,
        id: str,
        name: str,
        ram: int,
        disk: int,
        bandwidth: int | None,
        price: float | None,
        driver: NodeDriver,
        vcpus: int | None = None,
        ephemeral_disk: int | None = None,
        swap: int | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        super().__init__(id, name, ram, disk, bandwidth, price, driver, extra)
        self.vcpus = vcpus
        self.ephemeral_disk = ephemeral_disk
        self.swap = swap


class OpenStackQuotaSet(dict[str, Any]):
    """A quota, or one of its items: `quota["cores"]`, or `quota.cores`."""

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"the quota has no {name!r}, only: {', '.join(self)}")
        found = self[name]
        return OpenStackQuotaSet(found) if isinstance(found, dict) else found


class OpenStackCatalog(OpenStackServices):
    """Methods of sizes, locations and limits."""

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the flavors that the project may use; they are the same in all locations."""
        return cheapest_first(self.connection.list_all("/flavors/detail", "flavors", Flavor, self._to_size))

    def ex_get_size(self, size_id: str) -> NodeSize:
        """Return the flavor with this id. Raises `NotFoundError` if there is none."""
        return self._to_size(self.connection.fetch(f"/flavors/{quote_segment(size_id)}", "flavor", Flavor))

    def ex_get_size_extra_specs(self, size_id: NodeSize | str) -> dict[str, str]:
        """Return the extra specs of a flavor, given as it is or by its id."""
        path = f"/flavors/{quote_segment(id_of(size_id, NodeSize))}/os-extra_specs"
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

    def ex_get_quota_set(
        self, tenant_id: str | None = None, detail: str | None = "/detail"
    ) -> OpenStackQuotaSet:
        """Return the compute quota of a project, this one by default.

        Each item has its `limit`, what is `in_use` and what is `reserved`; with `detail=None`, it is the
        limit.
        """
        path = f"/os-quota-sets/{self._project(tenant_id)}{_detail(detail)}"
        return OpenStackQuotaSet(self.connection.fetch(path, "quota_set", dict[str, Any]).value)

    def ex_get_network_quota(self, tenant_id: str | None = None) -> OpenStackQuotaSet:
        """Return the limits of networks, ports, floating IPs and so on of a project."""
        path = f"/quotas/{self._project(tenant_id)}"
        return OpenStackQuotaSet(self.network_connection.fetch(path, "quota", dict[str, Any]).value)

    def ex_get_network_quotas(self, tenant_id: str | None = None) -> OpenStackQuotaSet:
        """Same as `ex_get_network_quota`, by Libcloud's name."""
        return self.ex_get_network_quota(tenant_id)

    def ex_get_volume_quota(self, tenant_id: str | None = None) -> OpenStackQuotaSet:
        """Return the limits of volumes and snapshots of a project."""
        path = f"/os-quota-sets/{self._project(tenant_id)}"
        return OpenStackQuotaSet(self.volume_connection.fetch(path, "quota_set", dict[str, Any]).value)

    def ex_get_volume_quotas(self, tenant_id: str | None = None) -> OpenStackQuotaSet:
        """Same as `ex_get_volume_quota`, by Libcloud's name."""
        return self.ex_get_volume_quota(tenant_id)

    def _project(self, tenant_id: str | None) -> str:
        return quote_segment(tenant_id or self.connection.access.project_id or "")

    def _to_size(self, item: Item[Flavor]) -> NodeSize:
        flavor, raw = item
        return OpenStackNodeSize(
            flavor.id,
            flavor.name,
            flavor.ram,
            flavor.disk,
            None,
            self._get_size_price(flavor.id),
            self,
            flavor.vcpus,
            flavor.ephemeral,
            None if flavor.swap is None else int(flavor.swap or 0),
            LazyExtra(raw, _size_extra),
        )


def _detail(detail: str | None) -> str:
    """Return the end of the path of a quota. Raises `InvalidArgumentError` for anything else."""
    if detail not in {None, "", "detail", "/detail"}:
        raise InvalidArgumentError(f"detail must be '/detail' or None, got {shown(detail)}")
    return "/detail" if detail else ""


def _size_extra(raw: bytes) -> dict[str, Any]:
    flavor = msgspec.json.decode(raw)
    return {
        **flavor,
        "disabled": flavor.get("OS-FLV-DISABLED:disabled"),
        "ephemeral_disk": flavor.get("OS-FLV-EXT-DATA:ephemeral"),
        "swap": flavor.get("swap"),
        "vcpus": flavor.get("vcpus"),
    }
