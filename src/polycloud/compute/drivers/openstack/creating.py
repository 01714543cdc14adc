"""Creating nodes, exactly once.

Nova has no idempotency tokens, and names are not unique. So each create puts a marker into the server's
metadata. If the response is lost, the server is found by its marker, and the request is not sent again (see
`Creation`). Nova refuses every change of a server that is being built, so the marker is removed when the
server is first known to run: by `wait_until_running`, and so by `deploy_node`. That of an `idempotency_key`
stays, and a later run finds the server by it. `extra["metadata"]` is without markers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import as_dicts, as_list, drop_none, id_of
from polycloud.common.creation import Creation, marker_for
from polycloud.common.payload import Item, identity
from polycloud.compute.drivers.openstack.actions import OpenStackActions, encode_user_data
from polycloud.compute.drivers.openstack.firewalls import group_of
from polycloud.compute.drivers.openstack.keys import OpenStackKeys
from polycloud.compute.drivers.openstack.networks import OpenStackNetwork, OpenStackNetworks
from polycloud.compute.drivers.openstack.nodes import KEYED_MARKER, MARKER, Server, own_metadata
from polycloud.compute.objects import (
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
)
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState
from polycloud.errors import (
    ImageUnavailableError,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
)
from polycloud.utils.values import shown

UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
NETWORK_KEYS = frozenset({"fixed_ip", "port", "tag", "uuid"})
"""What Nova takes of a network in a create."""
Networks = Iterable[OpenStackNetwork | str | Mapping[str, str]]


class Created(msgspec.Struct):
    """The response to a create: the password of the administrator, and little else."""

    id: str
    password: str | None = msgspec.field(name="adminPass", default=None)


class ServerCreation(Creation[Node]):
    """The create of one server, with `marker` in its metadata."""

    def __init__(
        self,
        driver: OpenStackCreating,
        body: dict[str, Any],
        headers: dict[str, str] | None,
        marker: str,
        *,
        keyed: bool,
    ) -> None:
        self.key = KEYED_MARKER if keyed else MARKER
        what, mark = f"the server {body['server']['name']!r}", f"the metadata {self.key}={marker!r}"
        super().__init__(what, mark, keyed=keyed)
        self.driver, self.headers, self.value = driver, headers, marker
        server = body["server"]
        metadata = {**(server.get("metadata") or {}), self.key: marker}
        self.body = {**body, "server": {**server, "metadata": metadata}}

    def send(self) -> Node:
        """Create the server; return it as Nova then describes it."""
        response = self.driver.connection.request(
            "/servers", method="POST", json=self.body, headers=self.headers
        )
        created: Created = response.member("server", Created).value
        try:
            node = self.driver.get_node(created.id)
        except PolycloudError:  # what it is, is known without that
            node = self._ordered(created.id)
        if created.password is not None:
            node.extra["password"] = created.password
        return node

    def _ordered(self, id_: str) -> Node:
        """Return the server as it was ordered, since Nova has accepted it."""
        order = self.body["server"]
        metadata = {key: value for key, value in order["metadata"].items() if key != self.key}
        extra = {"metadata": metadata, "key_name": order.get("key_name"), "status": "BUILD"}
        size, image = order["flavorRef"], order.get("imageRef")
        return Node(id_, order["name"], NodeState.PENDING, [], [], self.driver, size, image, extra)

    def find(self) -> Node | None:
        """Return the server with the marker. Nova's filter by metadata is for administrators only."""
        listed: list[Item[Server]] = self.driver.connection.list_all(
            "/servers/detail", "servers", Server, identity, key=attrgetter("value.id")
        )
        found = next((one for one in listed if (one.value.metadata or {}).get(self.key) == self.value), None)
        return found and self.driver.to_node(found)


class OpenStackCreating(OpenStackActions, OpenStackKeys, OpenStackNetworks):
    """The method that creates nodes."""

    settle_time: ClassVar[float] = 30.0

    def create_node(  # type: ignore[override] # the order of arguments that Libcloud's users know
        self,
        name: str,
        size: NodeSize,
        image: NodeImage | None = None,
        ex_keyname: str | None = None,
        ex_userdata: str | None = None,
        ex_config_drive: bool | None = None,
        ex_security_groups: Iterable[Any] | None = None,
        ex_metadata: Mapping[str, str] | None = None,
        ex_files: Mapping[str, str] | None = None,
        networks: Networks | OpenStackNetwork | str | Mapping[str, str] | None = None,
        ex_disk_config: str | None = None,
        ex_admin_pass: str | None = None,
        ex_availability_zone: str | None = None,
        ex_blockdevicemappings: Sequence[Mapping[str, Any]] | None = None,
        ex_os_scheduler_hints: Mapping[str, Any] | None = None,
        *,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        tags: Iterable[str] = (),
        user_data: str | None = None,
        idempotency_key: str | None = None,
        ex_server_group: Any = None,
        ex_create_attr: Mapping[str, Any] | None = None,
    ) -> Node:
        """Create a server, exactly once; `extra["password"]` is the administrator's password.

        It has a marker in its metadata, by which it is found if the response is lost (see the module). While
        the marker of an `idempotency_key` is there, a create with the same key returns the same server,
        whatever its other arguments are. Two programs that use one key at the same time may both create one.

        Args:
            name: Any text of up to 255 characters; need not be unique.
            size: One of `list_sizes()`.
            image: One of `list_images()`; not needed with `ex_blockdevicemappings`.
            ex_keyname: The name of one of `list_key_pairs()`, whose key may log in.
            ex_userdata: Same as `user_data`.
            ex_config_drive: Whether the server has a config drive.
            ex_security_groups: Security groups, by name or as returned by `ex_list_security_groups()`.
            ex_metadata: Metadata: names and values, each a str.
            ex_files: Files to write: paths and contents. Needs a cloud that offers microversion 2.56 or less.
            networks: One or several of `ex_list_networks()`, their ids or names, or dicts such as
                `{"port": id}` or `{"uuid": id, "fixed_ip": address}`; by default the only one.
            ex_disk_config: "AUTO" or "MANUAL".
            ex_admin_pass: The administrator's password, if the image can set it; by default Nova makes one.
            ex_availability_zone: The name of a zone; same as `location`.
            ex_blockdevicemappings: Block devices (of Nova's version 2), such as a volume to boot from:
                `[{"uuid": id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}]`.
            ex_os_scheduler_hints: Hints for the scheduler, such as `{"group": id}`.
            location: One of `list_locations()`.
            auth: An SSH key that may log in; registered unless the user has it.
            tags: Tags of the server; they need microversion 2.52.
            user_data: A script or cloud-config for the first boot.
            idempotency_key: Any text; a restarted program gets the server that it began to create.
            ex_server_group: A server group, or its id.
            ex_create_attr: Further fields of the server in Nova's request.

        Raises:
            AmbiguousCreateError: The response was lost and no server with the marker was found.
            QuotaExceededError: The project's quota is reached.
            ImageUnavailableError: Nova does not know the image, or it is not active yet.
            ConflictError: There are several networks; the error names them.
            InvalidArgumentError: An argument cannot be sent.
        """
        if auth is not None and ex_keyname is not None:
            raise InvalidArgumentError("a node has one key: pass auth= or ex_keyname=, not both")
        if user_data is not None and ex_userdata is not None:
            raise InvalidArgumentError("a node has one script: pass user_data= or ex_userdata=, not both")
        if image is None and not ex_blockdevicemappings:
            raise InvalidArgumentError("pass image=, or ex_blockdevicemappings= to boot from a volume")
        wanted = list(dict.fromkeys(as_list(tags)))
        server = {
            "name": name,
            "flavorRef": id_of(size, NodeSize),
            "imageRef": None if image is None else id_of(image, NodeImage),
            "key_name": ex_keyname if auth is None else self._key_for(auth)[0],
            "user_data": encode_user_data(ex_userdata if user_data is None else user_data),
            "config_drive": ex_config_drive,
            "security_groups": [{"name": group_of(one)} for one in as_list(ex_security_groups)] or None,
            "metadata": own_metadata(ex_metadata),
            "personality": _files(ex_files),
            "networks": [self._network_of(one) for one in _listed(networks)] or None,
            "OS-DCF:diskConfig": ex_disk_config,
            "adminPass": ex_admin_pass,
            "availability_zone": ex_availability_zone if location is None else id_of(location, NodeLocation),
            "block_device_mapping_v2": as_dicts("ex_blockdevicemappings", ex_blockdevicemappings) or None,
            "tags": wanted or None,
            **(ex_create_attr or {}),
        }
        hints = {**(ex_os_scheduler_hints or {}), **_hint(ex_server_group)}
        headers = self._create_headers(server, with_tags=bool(wanted))
        body = {"server": drop_none(server), **({"os:scheduler_hints": hints} if hints else {})}
        keyed = idempotency_key is not None
        creation = ServerCreation(self, body, headers, marker_for(idempotency_key), keyed=keyed)
        try:
            return self._create_once(creation, idempotency_key=idempotency_key)
        except ProviderHTTPError as error:
            self._explain(error, server)
            raise

    def _create_headers(self, server: dict[str, Any], *, with_tags: bool) -> dict[str, str] | None:
        """Return the microversion of a create, and complete what that one requires.

        From 2.37 on a create without networks must say so: "auto" is the only one, as before.
        """
        forced = self.connection.cloud.microversion
        headers = self.connection.at("2.52", "create_node(tags=)") if with_tags and forced is None else None
        if (headers or forced not in (None, *EARLY)) and server["networks"] is None:
            server["networks"] = "auto"
        return headers

    def _network_of(self, network: Any) -> dict[str, str]:
        """Return a network as the request has it; one that is given by its name is looked up."""
        if isinstance(network, Mapping):
            return _checked(network)
        id_ = getattr(network, "id", network)
        if not isinstance(id_, str) or not id_:
            raise InvalidArgumentError(
                f"networks must be networks, ids, names or dicts, got {shown(network)}"
            )
        if UUID.fullmatch(id_):
            return {"uuid": id_}
        known = self.ex_list_networks()
        found = [one.id for one in known if id_ in (one.name, one.id)]
        if len(found) != 1:
            names = ", ".join(sorted(f"{one.name} ({one.id})" for one in known))
            raise InvalidArgumentError(f"{len(found)} networks are called {id_!r}; there are: {names}")
        return {"uuid": found[0]}

    def _explain(self, error: ProviderHTTPError, server: Mapping[str, Any]) -> None:
        """Add to a refusal what Nova leaves out: which key, zone or image is unknown, and the networks."""
        message = str(error.message)
        unknown = isinstance(error, NotFoundError)
        if "Invalid key_name" in message:
            raise KeyPairDoesNotExistError(str(server["key_name"]), self) from error
        if unknown and "availability zone" in message:
            _extend(error, f": {server['availability_zone']!r}")
        elif isinstance(error, ImageUnavailableError) and "find requested image" in message:
            _extend(error, f": {server['imageRef']!r}")
        elif "possible networks" in message or (unknown and message.startswith("Network ")):
            self._note_networks(error)

    def _note_networks(self, error: ProviderHTTPError) -> None:
        """Add the names of the networks to a refusal."""
        try:
            usable = [one for one in self.ex_list_networks() if one.shared or not one.is_external]
            names = ", ".join(sorted(f"{one.name} ({one.id})" for one in usable))
        except PolycloudError as failure:
            error.add_note(f"the networks cannot be listed: {failure}")
        else:
            _extend(error, f"; pass networks=; there are: {names}")

    def to_node(self, item: Item[Server]) -> Node:
        """Return the node of a server."""
        return self._to_node(item)


def _listed(networks: Any) -> list[Any]:
    """Return the networks as a list; one may be given by itself."""
    alone = isinstance(networks, OpenStackNetwork | Mapping)
    return [networks] if alone else as_list(networks)


def _checked(network: Mapping[str, str]) -> dict[str, str]:
    """Return a network that is given as Nova has it. Raises `InvalidArgumentError` for other keys."""
    if not {"port", "uuid"} & network.keys() or not network.keys() <= NETWORK_KEYS:
        raise InvalidArgumentError(
            "a dict in networks= must have a 'uuid' or a 'port', and may have a 'fixed_ip' and a 'tag'; "
            f"got the keys: {', '.join(map(repr, network)) or 'none'}"
        )
    return dict(network)


EARLY = tuple(f"2.{number}" for number in range(1, 37))
"""The microversions in which a create may leave the networks out."""


def _extend(error: ProviderHTTPError, more: str) -> None:
    error.value = error.message = f"{str(error.message).rstrip('.')}{more}"


def _files(files: Mapping[str, str] | None) -> list[dict[str, str]] | None:
    return [
        {"path": path, "contents": encode_user_data(content) or ""} for path, content in (files or {}).items()
    ] or None


def _hint(group: Any) -> dict[str, str]:
    return {} if group is None else {"group": getattr(group, "id", group)}
