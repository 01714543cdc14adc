"""Catalog: sizes, images and locations.

The provider takes numbers of CPUs, MB and GB; `custom_size` makes a size of any. Some combinations have names
of their own, flavors such as B1_2X4X100 (2 CPUs, 4 GB, 100 GB), and these are what `list_sizes` returns.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from polycloud.common.arguments import id_of
from polycloud.common.softlayer import Record, SoftLayerBaseDriver, Structure
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.softlayer.nodes import GUEST, fee
from polycloud.compute.objects import NodeImage, NodeLocation, NodeSize, cheapest_first
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

MB_PER_GB = 1024
FLAVOR = re.compile(r"[A-Z0-9]+_([0-9]{1,6})X([0-9]{1,6})X([0-9]{1,6})(_[A-Z0-9_]+)?")
NUMBERS = re.compile(r"([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,9})")
TEMPLATE = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""The ids of images, which those of operating systems never look like."""


class Item(Structure):
    """What a price is for."""

    description: str | None = None


class Price(Structure):
    """The price of an option; USD."""

    hourly_recurring_fee: Any = None
    item: Item | None = None


class Choice(Structure):
    """The fields of a create that choose an option."""

    operating_system_reference_code: str | None = None


class Option(Structure):
    """An operating system for a create."""

    template: Choice | None = None
    item_price: Price | None = None


class Flavor(Structure):
    """A combination of CPUs, RAM and disk; the fee is in USD an hour, without that of the system."""

    key_name: str
    name: str | None = None
    total_minimum_hourly_fee: Any = None
    total_minimum_recurring_fee: Any = None


class FlavorOption(Structure):
    """A flavor for a create."""

    flavor: Flavor


class Options(Structure):
    """What a create can choose from."""

    flavors: list[FlavorOption] | None = None
    operating_systems: list[Option] | None = None


class Image(Structure):
    """An image of the account."""

    global_identifier: str
    name: str | None = None


class Address(Structure):
    """Where a data center is; `country` is an ISO 3166 code."""

    country: str | None = None


class Datacenter(Structure):
    """A data center."""

    name: str
    id: int | None = None
    long_name: str | None = None
    location_address: Address | None = None


class Numbers(NamedTuple):
    """A size in numbers: CPUs, MB of RAM, GB of disk."""

    cpus: int | None = None
    ram: int | None = None
    disk: int | None = None


class SoftLayerCatalog(SoftLayerBaseDriver, NodeDriver):
    """Methods of sizes, images and locations."""

    custom_sizes = True

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the flavors, cheapest first; all locations have the same.

        Other sizes are made by `custom_size`. The price of a size is None where the provider does not state
        it.
        """
        options = self._options()
        return cheapest_first(self._to_size(one.flavor) for one in options.flavors or ())

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """Return the operating systems, and the images of the account; all locations have the same."""
        systems, templates = self.connection.gather([self._systems, self._templates])
        return [*systems, *templates]

    def ex_list_public_images(self) -> list[NodeImage]:
        """Return the images that the provider, or other accounts, have made for everybody."""
        service = "SoftLayer_Virtual_Guest_Block_Device_Template_Group"
        response = self.connection.invoke(service, "getPublicImages", mask="id,globalIdentifier,name")
        return list(map(self._to_own_image, response.records(Image)))

    def list_locations(self) -> list[NodeLocation]:
        """Return the data centers; their ids are names such as dal10."""
        mask = "id,name,longName,locationAddress[country]"
        response = self.connection.invoke("SoftLayer_Location", "getDatacenters", mask=mask)
        return list(map(self._to_location, response.records(Datacenter)))

    def _options(self) -> Options:
        options: Options = self.connection.invoke(GUEST, "getCreateObjectOptions").record(Options).value
        return options

    def _systems(self) -> list[NodeImage]:
        images = map(self._to_image, self._options().operating_systems or ())
        return list({image.id: image for image in images if image is not None}.values())

    def _templates(self) -> list[NodeImage]:
        mask = "id,globalIdentifier,name,createDate,note"
        return self.connection.list_all("privateBlockDeviceTemplateGroups", Image, self._to_own_image, mask)

    def _to_size(self, flavor: Flavor) -> NodeSize:
        numbers = numbers_of(flavor.key_name)
        extra = {"vcpus": numbers.cpus, "monthly_price": fee(flavor.total_minimum_recurring_fee)}
        return NodeSize(
            flavor.key_name,
            flavor.name or flavor.key_name,
            numbers.ram or 0,
            numbers.disk or 0,
            0,
            fee(flavor.total_minimum_hourly_fee),
            self,
            extra,
        )

    def _to_image(self, option: Option) -> NodeImage | None:
        code = option.template and option.template.operating_system_reference_code
        price = option.item_price or Price()
        name = price.item and price.item.description
        extra = {"hourly_price": fee(price.hourly_recurring_fee)}
        return NodeImage(code, name or code, self, extra) if code else None

    def _to_own_image(self, record: Record) -> NodeImage:
        image: Image = record.value
        return NodeImage(image.global_identifier, image.name or "", self, record.fields)

    def _to_location(self, record: Record) -> NodeLocation:
        place: Datacenter = record.value
        country = ((place.location_address and place.location_address.country) or "").upper()
        return NodeLocation(place.name, place.long_name or place.name, country, self, record.fields)


def numbers_of(size_id: str) -> Numbers:
    """Return the numbers that the id of a size names; none for a flavor that does not name them."""
    if match := NUMBERS.fullmatch(size_id):
        return Numbers(*map(int, match.groups()))
    if match := FLAVOR.fullmatch(size_id):
        return Numbers(int(match[1]), int(match[2]) * MB_PER_GB, int(match[3]))
    return Numbers()


def size_fields(
    size: NodeSize | str | None,
    cpus: int | None,
    ram: int | None,
    disks: list[int],
) -> dict[str, Any]:
    """Return the fields of a create that say how large a guest is.

    That is a flavor where the numbers are those of `size` and it is one; otherwise they are numbers: those
    of `size`, which callers may have changed, except where others are given. Raises `InvalidArgumentError`.
    """
    named = Numbers() if size is None else numbers_of(id_of(size, NodeSize))
    own = _current(size) if isinstance(size, NodeSize) else named
    wanted = Numbers(cpus or own.cpus, ram or own.ram, disks[0] if disks else own.disk)
    flavor = None if size is None else id_of(size, NodeSize)
    is_flavor = flavor is not None and not NUMBERS.fullmatch(flavor)
    if is_flavor and (wanted == named or not any(wanted)) and not (cpus or ram or disks):
        return {"supplementalCreateObjectOptions": {"flavorKeyName": flavor}}
    if wanted.cpus is None or wanted.ram is None:
        raise InvalidArgumentError("a node needs a size, or ex_cpus= and ex_ram= (in MB)")
    capacities = disks or ([] if not wanted.disk else [wanted.disk])
    places = [0, *range(2, len(capacities) + 1)]  # 1 is the swap disk
    devices = [
        {"device": str(place), "diskImage": {"capacity": gb}}
        for place, gb in zip(places, capacities, strict=False)
    ]
    fields = {"startCpus": wanted.cpus, "maxMemory": wanted.ram}
    return {**fields, "blockDevices": devices} if devices else fields


def _current(size: NodeSize) -> Numbers:
    """Return the numbers that a size has now. Raises `InvalidArgumentError` for what are none."""
    numbers = Numbers(size.extra.get("vcpus"), size.ram, size.disk)
    for name, value in zip(("extra['vcpus']", "ram", "disk"), numbers, strict=True):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise InvalidArgumentError(f"{name} of a size must be an int, got {shown(value)}")
    return Numbers(*(value or None for value in numbers))


def image_fields(image: NodeImage | str | None, system: str | None) -> dict[str, Any]:
    """Return the fields of a create that say what is installed. Raises `InvalidArgumentError`."""
    if (image is None) == (system is None):
        raise InvalidArgumentError("a node needs an image or ex_os=, and not both")
    id_ = system if image is None else id_of(image, NodeImage)
    if TEMPLATE.fullmatch(id_ or ""):
        return {"blockDeviceTemplateGroup": {"globalIdentifier": id_}}
    return {"operatingSystemReferenceCode": id_}
