"""Creating nodes, exactly once.

The provider has no idempotency tokens, host names are not unique, and tags and notes exist only after the
create. What a create may bring along, a list shows and a later call can change is the user data. So each
create appends a marker to them; the guest needs them minutes later, when its system is installed. If the
response is lost, the guest is found by the marker, and the request is not sent again (see `Creation`). Once
the guest is known, the user data become what was asked for; with an `idempotency_key` a tag is the marker
from then on, by which a later run finds the guest.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

from polycloud.common.arguments import as_list, drop_none, id_of, require_count
from polycloud.common.busy import when_free
from polycloud.common.creation import Creation, marker_for
from polycloud.common.softlayer import Record, SoftLayerBusyError, number
from polycloud.compute.drivers.softlayer.actions import SoftLayerActions, names_of, tag_names
from polycloud.compute.drivers.softlayer.catalog import SoftLayerCatalog, image_fields, size_fields
from polycloud.compute.drivers.softlayer.keys import SoftLayerKeys
from polycloud.compute.drivers.softlayer.nodes import (
    GUEST,
    GUESTS,
    MARKER_PREFIX,
    NODE_MASK,
    Guest,
    guest_id,
)
from polycloud.compute.objects import (
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
)
from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidArgumentError, NotFoundError, PolycloudError
from polycloud.http.retry import RetryPolicy

MARKER_MASK = "id,userData[value],tagReferences[tag[name]]"
DEFAULT_DOMAIN = "example.com"
"""The domain of a node whose name has none."""


class GuestCreation(Creation[Node]):
    """The create of one guest, whose user data end in `marker` until it is known."""

    def __init__(
        self,
        driver: SoftLayerCreating,
        body: dict[str, Any],
        data: str,
        tags: list[str],
        marker: str,
        *,
        keyed: bool,
    ) -> None:
        super().__init__(f"the guest {body['hostname']!r}", f"the user data or tag {marker!r}", keyed=keyed)
        self.driver, self.body, self.tags, self.tag = driver, body, tags, marker
        self.ending = f"# {marker}\n"
        self.marked = f"{data}\n{self.ending}" if data else self.ending
        self.found: Guest | None = None
        self.flavor = body.get("supplementalCreateObjectOptions", {}).get("flavorKeyName")
        template = body.get("blockDeviceTemplateGroup", {}).get("globalIdentifier")
        self.image = template or body.get("operatingSystemReferenceCode")

    def send(self) -> Node:
        """Create the guest and return it."""
        body = {**self.body, "userData": [{"value": self.marked}]}
        response = self.driver.connection.invoke(GUEST, "createObject", body, mask=NODE_MASK)
        node = self.driver._to_node(response.record(Guest))  # noqa: SLF001 - a part of the driver
        # A new guest has no order yet that would name them
        node.size, node.image = self.flavor or node.size, node.image or self.image
        return node

    def find(self) -> Node | None:
        """Return the guest with the marker; without a key, of those with its host name."""
        only = None if self.keyed else {"hostname": {"operation": self.body["hostname"]}}
        listed = self.driver.connection.list_all(GUESTS, Guest, _value_of, MARKER_MASK, only=only)
        self.found = next((guest for guest in listed if self._is_marked(guest)), None)
        return None if self.found is None else self.driver.get_node(str(self.found.id))

    def _is_marked(self, guest: Guest) -> bool:
        return self.tag in guest.tags or _data_of(guest).endswith(self.ending)

    def settle(self, node: Node) -> None:
        """Set the tags, which a create cannot bring, and remove the marker from the user data."""
        if self.found is not None and self.tag in self.found.tags:
            return  # an earlier run has done this
        id_, tags = guest_id(node), [*self.tags, *([self.tag] if self.keyed else [])]
        if tags:
            when_free(
                lambda: self.driver._set_tags(id_, tags),  # noqa: SLF001
                is_busy=lambda refusal: isinstance(refusal, SoftLayerBusyError | NotFoundError),
            )
            node.extra["tags"] = self.tags
        data = self.marked if self.found is None else _data_of(self.found)
        plain = data.removesuffix(self.ending).removesuffix("\n")
        # A marker that stays does no harm
        once = call_options(deadline=self.driver.cleanup_time, retry=RetryPolicy(attempts=1))
        with suppress(PolycloudError), once:
            self.driver.connection.act(GUEST, "setUserMetadata", [plain], id=id_)


class SoftLayerCreating(SoftLayerActions, SoftLayerKeys, SoftLayerCatalog):
    """The method that creates nodes."""

    settle_time: ClassVar[float] = 120.0
    cleanup_time: ClassVar[float] = 5.0
    """Seconds allowed for removing the marker of a create; it stays after that."""

    def create_node(  # type: ignore[override] # the names of arguments that Libcloud's users know
        self,
        name: str,
        size: NodeSize | None = None,
        image: NodeImage | None = None,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        *,
        ex_domain: str | None = None,
        ex_cpus: int | None = None,
        ex_ram: int | None = None,
        ex_disk: int | Iterable[int] | None = None,
        ex_local_disk: bool = True,
        ex_bandwidth: int | None = None,
        ex_datacenter: str | None = None,
        ex_os: str | None = None,
        ex_hourly: bool = True,
        ex_private_network_only: bool = False,
        ex_dedicated: bool = False,
        ex_public_vlan: str | int | None = None,
        ex_private_vlan: str | int | None = None,
        ex_security_groups: Iterable[str | int] = (),
        ex_keyname: str | Iterable[str] | None = None,
        ex_post_install_script_uri: str | None = None,
        tags: Iterable[str] = (),
        user_data: str | None = None,
        idempotency_key: str | None = None,
    ) -> Node:
        """Order a node, exactly once, and return it at once; it is built some minutes later.

        Its user data end in a marker until the node is known; see `wait_until_running` for when it runs. Its
        root password, which the provider chooses, is in `extra["password"]` of `get_node` after that.

        A node with an `idempotency_key` keeps a tag. While it does, a create with the same key returns the
        same node, whatever its other arguments are. Two programs that use one key at the same time may both
        create a node.

        Args:
            name: The host name, with or without a domain: web, web.example.com. It need not be unique.
            size: One of `list_sizes()` or `custom_size()`; its `ram`, `disk` and `extra["vcpus"]` may have
                been changed.
            image: One of `list_images()`.
            location: One of `list_locations()`; by default the driver's region, else the provider's choice.
            auth: An SSH key that may log in as root; registered unless the account has it.
            ex_domain: The domain, unless `name` has one; by default example.com.
            ex_cpus: The number of CPUs, instead of the size's.
            ex_ram: MB of RAM, instead of the size's.
            ex_disk: GB of the disk, instead of the size's; or of several disks.
            ex_local_disk: Put the disks on the host itself rather than on the network. Flavors decide this
                themselves.
            ex_bandwidth: Mbit/s of the network ports.
            ex_datacenter: The name of a data center such as dal10, instead of `location`.
            ex_os: The code of an operating system such as UBUNTU_22_64, instead of `image`.
            ex_hourly: Pay by the hour, not by the month.
            ex_private_network_only: Give the node no public address.
            ex_dedicated: Use a host with nodes of this account only.
            ex_public_vlan: The id (not the number) of a VLAN for the public port.
            ex_private_vlan: The id of a VLAN for the private port.
            ex_security_groups: Ids of security groups for the public port, or for the private one of a node
                without it.
            ex_keyname: Names of the account's SSH keys that may log in as root.
            ex_post_install_script_uri: Where a script is that runs after the installation; https only.
            tags: Tags of the node.
            user_data: A script or cloud-config for the first boot.
            idempotency_key: Any text; a restarted program gets the node that it began to order.

        Raises:
            AmbiguousCreateError: The response was lost and no guest with the marker was found.
            QuotaExceededError: The account's limit of nodes is reached.
            UnavailableError: The data center is full.
            InvalidNameError: The provider refuses the name.
            KeyPairDoesNotExistError: The account has no key of that name.
            InvalidArgumentError: An argument cannot be sent.
        """
        hostname, domain = names_of(name, ex_domain)
        body = {
            "hostname": hostname,
            "domain": domain or DEFAULT_DOMAIN,
            "hourlyBillingFlag": bool(ex_hourly),
            **size_fields(
                size,
                _count("ex_cpus", ex_cpus),
                _count("ex_ram", ex_ram),
                _disks(ex_disk),
            ),
            **image_fields(image, ex_os),
            "datacenter": self._datacenter(location, ex_datacenter),
            "privateNetworkOnlyFlag": bool(ex_private_network_only) or None,
            "dedicatedAccountHostOnlyFlag": bool(ex_dedicated) or None,
            **_ports(
                ex_public_vlan, ex_private_vlan, as_list(ex_security_groups), private=ex_private_network_only
            ),
            "networkComponents": _speed(ex_bandwidth),
            "postInstallScriptUri": _script(ex_post_install_script_uri),
        }
        flavor = body.get("supplementalCreateObjectOptions", {}).get("flavorKeyName", "")
        body["localDiskFlag"] = flavor.startswith(LOCAL_FLAVORS) if flavor else bool(ex_local_disk)
        names, data = tag_names(tags), user_data or ""
        marker, keyed = MARKER_PREFIX + marker_for(idempotency_key), idempotency_key is not None
        body["sshKeys"] = self._keys(ex_keyname, auth)
        creation = GuestCreation(self, drop_none(body), data, names, marker, keyed=keyed)
        return self._create_once(creation, idempotency_key=idempotency_key)

    def _datacenter(self, location: NodeLocation | None, name: str | None) -> dict[str, str] | None:
        if location is not None and name is not None:
            raise InvalidArgumentError("pass the data center as location= or as ex_datacenter=, not as both")
        place = name or (self.region if location is None else id_of(location, NodeLocation))
        return {"name": place} if place else None

    def _keys(
        self, names: str | Iterable[str] | None, auth: NodeAuthSSHKey | NodeAuthPassword | None
    ) -> list[dict[str, int]] | None:
        """Return the keys that may log in; the one of `auth` is registered if the account lacks it."""
        ids = [self.get_key_pair(name).extra["id"] for name in as_list(names)]
        if auth is not None:
            ids.append(self._key_for(auth)[0])
        return [{"id": number(id_)} for id_ in dict.fromkeys(ids)] or None


LOCAL_FLAVORS = ("BL", "ACL", "ML", "CL")
"""How the names of flavors begin whose disks are on the host itself."""


def _value_of(record: Record) -> Guest:
    guest: Guest = record.value
    return guest


def _data_of(guest: Guest) -> str:
    return (guest.user_data[0].value if guest.user_data else None) or ""


def _count(name: str, value: int | None) -> int | None:
    return None if value is None else require_count(name, value)


def _disks(sizes: int | Iterable[int] | None) -> list[int]:
    given = [sizes] if isinstance(sizes, int) else as_list(sizes)
    return [require_count("ex_disk", gb) for gb in given]


def _speed(bandwidth: int | None) -> list[dict[str, int]] | None:
    return None if bandwidth is None else [{"maxSpeed": require_count("ex_bandwidth", bandwidth)}]


def _ports(
    public_vlan: str | int | None,
    private_vlan: str | int | None,
    groups: list[str | int],
    *,
    private: bool,
) -> dict[str, Any]:
    """Return the fields of the network ports. Raises `InvalidArgumentError`."""
    if private and public_vlan is not None:
        raise InvalidArgumentError("ex_public_vlan= contradicts ex_private_network_only=True")
    bindings = [{"securityGroup": {"id": number(group)}} for group in groups] or None
    ports = {
        "primaryNetworkComponent": (public_vlan, None if private else bindings),
        "primaryBackendNetworkComponent": (private_vlan, bindings if private else None),
    }
    return {
        port: drop_none(
            {
                "networkVlan": None if vlan is None else {"id": number(vlan)},
                "securityGroupBindings": bound,
            }
        )
        for port, (vlan, bound) in ports.items()
        if vlan is not None or bound
    }


def _script(uri: str | None) -> str | None:
    if uri is not None and not uri.startswith("https://"):
        raise InvalidArgumentError("ex_post_install_script_uri must begin with https://, or nobody runs it")
    return uri
