"""Rackspace's public cloud: OpenStack with an identity service, a catalogue and fields of its own.

Users log in with an API key. Nova is of version 2, so there are no microversions, and with them no tags and
no server groups with rules; Cinder is of version 1, where a volume has a `display_name`. A server that names
no networks is connected to the Internet (`PUBLIC_NET`) and to Rackspace's services (`SERVICE_NET`).

Source: Rackspace's documentation of Cloud Identity v2.0, Cloud Servers v2, Cloud Block Storage v1 and Cloud
Networks v2.0, and "Programmatically determine the RackConnect v2.0 automation status of your cloud servers".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.building import quote_segment
from polycloud.common.credentials import Credential
from polycloud.common.openstack import OpenStackBaseConnection
from polycloud.common.openstack.publicclouds import RACKSPACE, RACKSPACE_UK
from polycloud.common.payload import Item, LazyExtra
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.compute.drivers.openstack.catalog import Flavor
from polycloud.compute.drivers.openstack.connection import (
    GlanceConnection,
    NeutronConnection,
    NovaConnection,
)
from polycloud.compute.drivers.openstack.nodes import Server, server_path
from polycloud.compute.drivers.openstack.volumes import Snapshot, Volume
from polycloud.compute.objects import (
    Node,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import Provider
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, ProviderError, UnsupportedOperationError

__all__ = [
    "PUBLIC_NET",
    "SERVICE_NET",
    "RackspaceLONNodeDriver",
    "RackspaceNodeDriver",
    "RackspaceORDNodeDriver",
]

T = TypeVar("T", Node, NodeSize)
PUBLIC_NET = "00000000-0000-0000-0000-000000000000"
SERVICE_NET = "11111111-1111-1111-1111-111111111111"

REGIONS: Mapping[str, tuple[str, str]] = {
    "DFW": ("Dallas-Fort Worth", "US"),
    "ORD": ("Chicago", "US"),
    "IAD": ("Northern Virginia", "US"),
    "LON": ("London", "GB"),
    "SYD": ("Sydney", "AU"),
    "HKG": ("Hong Kong", "HK"),
}
"""The regions: their cities and countries."""
LACKING = frozenset(
    {
        "ex_add_router_port",
        "ex_add_router_subnet",
        "ex_attach_floating_ip_to_node",
        "ex_create_floating_ip",
        "ex_create_router",
        "ex_del_router_port",
        "ex_del_router_subnet",
        "ex_delete_floating_ip",
        "ex_delete_router",
        "ex_detach_floating_ip_from_node",
        "ex_get_floating_ip",
        "ex_get_tags",
        "ex_list_floating_ip_pools",
        "ex_list_floating_ips",
        "ex_list_routers",
        "ex_set_tags",
        "ex_tag_node",
        "ex_untag_node",
    }
)
"""Methods of OpenStack's driver that Rackspace has nothing for."""
DISKLESS = frozenset({"compute1", "memory1"})
"""Classes of sizes without a disk, whose servers boot from a volume."""
STATUS = "rackconnect_automation_status"
FEATURE = "rackconnect_automation_feature_"


class CloudServersConnection(NovaConnection):
    """A connection to Cloud Servers, which is Nova without microversions."""

    version = "v2"
    with_project = True
    microversion: ClassVar[str | None] = None


class CloudBlockStorageConnection(OpenStackBaseConnection):
    """A connection to Cloud Block Storage, Cinder's first version, which calls a name `display_name`."""

    service_types = ("volume",)
    version = "v1"
    with_project = True

    def create(self, path: str, name: str, type_: type[Any], body: Any, **options: Any) -> Item[Any]:
        """POST `body` under `name`; return the object under `name` in the response."""
        renamed = {f"display_{key}" if key in {"name", "description"} else key: body[key] for key in body}
        return super().create(path, name, type_, renamed, **options)


class VersionPayload(msgspec.Struct):
    """The version of Nova that a region has."""

    id: str


class NamedPayload(msgspec.Struct):
    """The name of a volume or a snapshot."""

    display_name: str | None = None


class AddressPayload(msgspec.Struct):
    """An address of a virtual interface."""

    address: str
    network_id: str | None = None
    network_label: str | None = None


class VirtualInterface(msgspec.Struct):
    """A virtual interface: how a server is connected to a network."""

    id: str
    mac_address: str | None = None
    ip_addresses: list[AddressPayload] = []


class RackspaceNodeDriver(OpenStackNodeDriver):
    """Rackspace's node driver: `RackspaceNodeDriver("user", "API key", region="iad")`.

    With `ex_force_auth_version="2.0_password"` the second argument is the password. See
    `OpenStackBaseDriver` for the other arguments. The region is DFW unless another one is named.
    """

    type = Provider.RACKSPACE
    name = RACKSPACE.name
    website = RACKSPACE.website
    api_name = "rackspace"
    connectionCls = CloudServersConnection
    connection: CloudServersConnection
    volume_connection: CloudBlockStorageConnection  # type: ignore[assignment] # another version
    further_connections: ClassVar = {
        "image_connection": GlanceConnection,
        "network_connection": NeutronConnection,
        "volume_connection": CloudBlockStorageConnection,
    }
    default_method = "2.0_apikey"
    public_cloud = RACKSPACE
    default_region: ClassVar[str] = "DFW"
    finds_credentials = False
    credentials = (Credential("username", ("RS_USERNAME",)), Credential("api_key", ("RS_API_KEY",)))

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = None,
        region: str | None = None,
        *,
        ex_force_service_name: str | None = "cloudServersOpenStack",
        **options: Any,
    ) -> None:
        super().__init__(
            key,
            secret,
            secure,
            host,
            port,
            api_version,
            region or self.default_region,
            ex_force_service_name=ex_force_service_name,
            **options,
        )

    @classmethod
    def offers(cls, name: str) -> bool:
        """Return whether drivers of this class offer an operation; see `OperationsDriver.offers`."""
        return super().offers(name) and name not in LACKING

    @classmethod
    def extensions(cls) -> list[str]:
        """Return the names of the provider's own methods."""
        return [name for name in super().extensions() if name not in LACKING]

    # Locations and sizes

    def list_locations(self) -> list[NodeLocation]:
        """Return the region of this driver, once Cloud Servers responds there; regions have no zones.

        Raises `InvalidArgumentError`, with the regions that there are, if there is no such region.
        """
        self.connection.fetch("//v2/", "version", VersionPayload)
        city, country = REGIONS.get(self._region, (self._region, ""))
        return [NodeLocation(self._region, city, country, self)]

    @property
    def _region(self) -> str:
        return (self.connection.cloud.region or self.default_region).upper()

    def _to_size(self, item: Item[Flavor]) -> NodeSize:
        return _extended(super()._to_size(item), _size_extra)

    def ex_fits(self, size: NodeSize, image: NodeImage) -> bool:
        """Return whether an image is made for the class of a size, such as general1 or io1."""
        whole = image if isinstance(image, NodeImage) else self.get_image(str(image))
        rules = str(whole.extra.get("flavor_classes") or "*").split(",")
        wanted = class_of(id_of(size, NodeSize))
        return f"!{wanted}" not in rules and bool({"*", wanted} & set(rules))

    # Nodes

    def _create_headers(self, server: dict[str, Any], *, with_tags: bool) -> dict[str, str] | None:
        """Complete the body of a create: regions are no zones, and some sizes have no disk."""
        zone = server["availability_zone"]
        if zone is not None and zone.upper() != self._region:
            raise InvalidArgumentError(
                f"location must be {self._region}, the region of this driver, got {zone!r}"
            )
        server["availability_zone"] = None
        disks = server["block_device_mapping_v2"] or ()
        boots = any(str(disk.get("boot_index")) == "0" for disk in disks)
        if class_of(server["flavorRef"]) in DISKLESS and not boots:
            raise InvalidArgumentError(
                f"size {server['flavorRef']} has no disk: pass a volume to boot from in "
                "ex_blockdevicemappings=, with boot_index 0"
            )
        return super()._create_headers(server, with_tags=with_tags)

    def _to_node(self, item: Item[Server]) -> Node:
        region = self._region
        return _extended(super()._to_node(item), lambda raw: {"region": region, **_node_extra(raw)})

    def ex_wait_for_rackconnect(self, node: Node, timeout: float = 600) -> Node:
        """Wait until RackConnect has set a server up; return the node as it is then.

        Do this before anything that RackConnect also changes, such as the firewall. Returns at once where
        the account has no RackConnect.

        Args:
            node: A node that runs.
            timeout: Seconds.

        Raises:
            ProviderError: RackConnect has failed on the server.
            OperationTimeoutError: The timeout has passed.
        """

        def check() -> Node | None:
            item = self.connection.fetch(server_path(node), "server", Server)
            status = (item.value.metadata or {}).get(STATUS)
            if status in {"FAILED", "UNPROCESSABLE"}:
                raise ProviderError(f"RackConnect's automation of node {node.id} is {status}", 0, self)
            return None if status == "DEPLOYING" else self._to_node(item)

        return waiting.poll(check, waiting_for=f"RackConnect to set up node {node.id}", timeout=timeout)

    # Virtual interfaces

    def ex_list_virtual_interfaces(self, node: Node) -> list[VirtualInterface]:
        """Return how a node is connected to networks."""
        return self._interfaces("GET", node)

    def ex_create_virtual_interface(self, node: Node, network: Any) -> VirtualInterface:
        """Connect a node to a network, given as returned by `ex_list_networks()` or by its id."""
        wanted = getattr(network, "id", network)
        if not isinstance(wanted, str):
            raise InvalidArgumentError(f"network must be a network or its id, got {network!r}")
        [made] = self._interfaces("POST", node, {"virtual_interface": {"network_id": wanted}})
        return made

    def ex_delete_virtual_interface(self, node: Node, interface: VirtualInterface | str) -> bool:
        """Disconnect a node from the network of a virtual interface."""
        interface = id_of(interface, VirtualInterface)
        path = f"{server_path(node)}/os-virtual-interfacesv2/{quote_segment(interface)}"
        return self.connection.delete(path)

    def _interfaces(self, method: str, node: Node, body: Any = None) -> list[VirtualInterface]:
        response = self.connection.request(
            f"{server_path(node)}/os-virtual-interfacesv2", method=method, json=body
        )
        found: list[VirtualInterface] = response.decode(Interfaces).interfaces
        return found

    # Volumes

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume = super()._to_volume(item)
        volume.name = msgspec.json.decode(item.raw, type=NamedPayload).display_name or ""
        return volume

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot = super()._to_snapshot(item)
        snapshot.name = msgspec.json.decode(item.raw, type=NamedPayload).display_name
        return snapshot


class Interfaces(msgspec.Struct):
    """A list of virtual interfaces."""

    interfaces: list[VirtualInterface] = msgspec.field(name="virtual_interfaces")


def _refusal(name: str) -> Callable[..., NoReturn]:
    """Return the method in place of one that Rackspace lacks."""

    def refuse(self: RackspaceNodeDriver, *_: Any, **__: Any) -> NoReturn:
        raise UnsupportedOperationError(f"{self.name} has no {name.removeprefix('ex_')}", self)

    refuse.__name__, refuse.__doc__ = name, "Not offered by Rackspace."
    return refuse


for _name in LACKING:
    setattr(RackspaceNodeDriver, _name, _refusal(_name))


class RackspaceORDNodeDriver(RackspaceNodeDriver):
    """Rackspace's node driver for Chicago."""

    default_region = "ORD"


class RackspaceLONNodeDriver(RackspaceNodeDriver):
    """Rackspace's node driver for London."""

    default_region = "LON"
    public_cloud = RACKSPACE_UK


def class_of(size_id: str) -> str:
    """Return the class of a size, with which its id begins: "io1" of "io1-15"."""
    return size_id.rpartition("-")[0]


def _extended(found: T, own: Callable[[bytes], dict[str, Any]]) -> T:
    """Return a node or a size with Rackspace's own keys of `extra`, which stays lazy."""
    usual = found._extra  # noqa: SLF001 - the driver's own
    assert isinstance(usual, LazyExtra)
    found._extra = LazyExtra(usual.raw, lambda raw: {**usual.build(raw), **own(raw)})  # noqa: SLF001
    return found


def _size_extra(raw: bytes) -> dict[str, Any]:
    specs = msgspec.json.decode(raw).get("OS-FLV-WITH-EXT-SPECS:extra_specs") or {}
    return {"class": specs.get("class"), "extra_specs": specs}


def _node_extra(raw: bytes) -> dict[str, Any]:
    server = msgspec.json.decode(raw)
    metadata = server.get("metadata") or {}
    features = {
        name.removeprefix(FEATURE): value for name, value in metadata.items() if name.startswith(FEATURE)
    }
    return {
        "bandwidth": server.get("rax-bandwidth:bandwidth"),
        "public_ip_zone_id": server.get("RAX-PUBLIC-IP-ZONE-ID:publicIPZoneId"),
        "rackconnect": {"status": metadata[STATUS], "features": features} if STATUS in metadata else None,
    }
