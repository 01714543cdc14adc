"""What there is to choose from: sizes (the provider's instance types), zones, regions."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.aws.query import filters
from polycloud.common.aws.xml import Item
from polycloud.common.resource import with_id
from polycloud.compute.drivers.ec2.connection import EC2BaseDriver
from polycloud.compute.drivers.ec2.payload import Payload, extra_of, lazy, snake
from polycloud.compute.objects import NodeLocation, NodeSize, cheapest_first
from polycloud.errors import InvalidArgumentError

R = TypeVar("R")
OPEN_STATES = frozenset({None, "available"})
COUNTRIES = {
    **dict.fromkeys(("us-east-1", "us-east-2", "us-west-1", "us-west-2"), "US"),
    **dict.fromkeys(("us-gov-east-1", "us-gov-west-1"), "US"),
    **dict.fromkeys(("ca-central-1", "ca-west-1"), "CA"),
    **dict.fromkeys(("cn-north-1", "cn-northwest-1"), "CN"),
    **dict.fromkeys(("ap-northeast-1", "ap-northeast-3"), "JP"),
    **dict.fromkeys(("ap-southeast-2", "ap-southeast-4"), "AU"),
    **dict.fromkeys(("ap-south-1", "ap-south-2"), "IN"),
    "af-south-1": "ZA",
    "ap-east-1": "HK",
    "ap-east-2": "TW",
    "ap-northeast-2": "KR",
    "ap-southeast-1": "SG",
    "ap-southeast-3": "ID",
    "ap-southeast-5": "MY",
    "ap-southeast-6": "NZ",
    "ap-southeast-7": "TH",
    "eu-central-1": "DE",
    "eusc-de-east-1": "DE",
    "eu-central-2": "CH",
    "eu-north-1": "SE",
    "eu-south-1": "IT",
    "eu-south-2": "ES",
    "eu-west-1": "IE",
    "eu-west-2": "GB",
    "eu-west-3": "FR",
    "il-central-1": "IL",
    "me-central-1": "AE",
    "me-south-1": "BH",
    "mx-central-1": "MX",
    "sa-east-1": "BR",
}


class Cpus(Payload):
    """Virtual CPUs of an instance type."""

    default_v_cpus: int | None = None


class Memory(Payload):
    """RAM of an instance type, in MiB."""

    size_in_mi_b: int | None = None


class Disks(Payload):
    """Disks of an instance type that are part of the host, in GB; most types have none."""

    total_size_in_g_b: int | None = None


class InstanceType(Payload):
    """An instance type."""

    instance_type: str
    v_cpu_info: Cpus | None = None
    memory_info: Memory | None = None
    instance_storage_info: Disks | None = None


class Offering(Payload):
    """An instance type that is available in a zone."""

    instance_type: str


class EC2AvailabilityZone(msgspec.Struct, frozen=True, rename="camel"):
    """A zone; `zone_state` is "available", "impaired" and so on, `zone_type` "local-zone" in a city."""

    name: str = msgspec.field(name="zoneName")
    zone_state: str | None = None
    region_name: str | None = None
    zone_type: str | None = None


class EC2Region(msgspec.Struct, frozen=True, rename="camel"):
    """A region; `opt_in_status` is "opt-in-not-required", "opted-in" or "not-opted-in"."""

    name: str = msgspec.field(name="regionName")
    endpoint: str | None = msgspec.field(name="regionEndpoint", default=None)
    opt_in_status: str | None = None


class EC2NodeLocation(NodeLocation):
    """A zone as a location of nodes."""

    availability_zone: EC2AvailabilityZone


class EC2Catalog(EC2BaseDriver):
    """Methods of sizes, zones and regions."""

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the instance types of the region, or of a zone, cheapest first; the API has no prices."""
        sizes = self.connection.list_all(
            "DescribeInstanceTypes", "instanceTypeSet", InstanceType, self._to_size
        )
        if location is not None:
            offered = self.connection.list_all(
                "DescribeInstanceTypeOfferings",
                "instanceTypeOfferingSet",
                Offering,
                attrgetter("value.instance_type"),
                LocationType="availability-zone",
                Filter=filters({"location": self._zone(location)}),
            )
            available = frozenset(offered)
            sizes = [size for size in sizes if size.id in available]
        return cheapest_first(sizes)

    def ex_get_size(self, size_id: str) -> NodeSize:
        """Return an instance type by its id, by one small request. Raises `NotFoundError`."""
        sizes = self.connection.list_all(
            "DescribeInstanceTypes",
            "instanceTypeSet",
            InstanceType,
            self._to_size,
            Filter=filters({"instance-type": size_id}),
        )
        return with_id(sizes, size_id, f"{self.name} size")

    def list_locations(self) -> list[NodeLocation]:
        """Return the region's zones, each an `EC2NodeLocation`; `extra` has `region` and `state`."""
        return self._zones(self._to_location)

    def ex_list_regions(self) -> list[EC2Region]:
        """Return the regions, including those that the account has not opted in to."""
        regions = self.connection.list_all(
            "DescribeRegions", "regionInfo", EC2Region, attrgetter("value"), AllRegions=True
        )
        return sorted(regions, key=attrgetter("name"))

    def ex_list_availability_zones(self, only_available: bool = True) -> list[EC2AvailabilityZone]:
        """Return the region's zones, by default without those that are impaired or unavailable."""
        zones = self._zones(attrgetter("value"))
        return [zone for zone in zones if zone.zone_state in OPEN_STATES or not only_available]

    def _zones(self, build: Callable[[Item[EC2AvailabilityZone]], R]) -> list[R]:
        return self.connection.list_all(
            "DescribeAvailabilityZones", "availabilityZoneInfo", EC2AvailabilityZone, build
        )

    def _first_zone(self) -> str:
        for zone in self.ex_list_availability_zones():
            if zone.zone_type in {None, "availability-zone"}:
                return zone.name
        raise InvalidArgumentError(f"{self.connection.region} has no available zone; give a location")

    def _zone(self, location: NodeLocation | None) -> str | None:
        return None if location is None else id_of(location, NodeLocation)

    def _to_size(self, item: Item[InstanceType]) -> NodeSize:
        size = item.value
        ram = (size.memory_info or Memory()).size_in_mi_b or 0
        disk = (size.instance_storage_info or Disks()).total_size_in_g_b or 0
        price = self._get_size_price(size.instance_type)
        extra = lazy(item.fields, size_extra)
        return NodeSize(size.instance_type, size.instance_type, ram, disk, None, price, self, extra)

    def _to_location(self, item: Item[EC2AvailabilityZone]) -> NodeLocation:
        zone = item.value
        country = COUNTRIES.get(zone.region_name or self.connection.region, "")
        location = EC2NodeLocation(zone.name, zone.name, country, self, lazy(item.fields, zone_extra))
        location.availability_zone = zone
        return location


def size_extra(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` of a size."""
    extra = extra_of(fields)
    cpus = (extra.get("v_cpu_info") or {}).get("default_vcpus")
    return {**extra, "vcpus": None if cpus is None else int(cpus)}


def zone_extra(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` of a zone."""
    extra = snake(fields)
    return {**extra, "region": extra.get("region_name"), "state": extra.get("zone_state")}
