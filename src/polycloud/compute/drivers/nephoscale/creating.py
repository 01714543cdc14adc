"""Creating nodes, exactly once.

NephoScale responds to a create with a job, never with the server, and names are not unique. So it is
created under a unique name that ends in a marker, found in the lists by this name, and then renamed. If the
response is lost, it is found in the same way, and the request is not sent again (see `Creation`).

With an `idempotency_key` the host name ends in the marker too, and keeps it, so that a later run finds the
server. That the create was started is recorded as a password in the account's keys, the only place for a note
in the provider's API; it is deleted once the server is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from polycloud.common.creation import Creation, is_refusal, marker_for
from polycloud.compute.drivers.nephoscale.keys import NephoscaleKeys
from polycloud.compute.drivers.nephoscale.nodes import NephoscaleNodes, Server, id_of
from polycloud.compute.objects import (
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
)
from polycloud.compute.types import NodeState
from polycloud.concurrency import waiting
from polycloud.errors import AmbiguousCreateError, InvalidArgumentError, PolycloudError


class ServerCreation(Creation[Node]):
    """The create of one server, whose name ends in `marker` until it is renamed to `name`."""

    def __init__(
        self,
        driver: NephoscaleCreating,
        path: str,
        form: dict[str, Any],
        name: str,
        marker: str,
        *,
        keyed: bool,
    ) -> None:
        super().__init__(f"the server {name!r}", f"the name {form['name']!r}", keyed=keyed)
        self.driver, self.path, self.form, self.name = driver, path, form, name
        self.post, self.to_node = driver._post, driver._to_node  # noqa: SLF001 - a part of the driver
        self.ending = f"-{marker}"
        self.note = f"polycloud-create-{marker}"

    def send(self) -> None:
        """Create the server; the provider returns a job."""
        self.post(self.path, self.form)

    def find(self) -> Node | None:
        """Return the server whose name, or with a key host name, ends in the marker."""
        path = "/server/" if "dedicated" in self.path else self.path
        for server, raw in self.driver.connection.request(path).items(Server):
            names = (server.name, server.hostname) if self.keyed else (server.name,)
            if any((name or "").endswith(self.ending) for name in names):
                return self.to_node(server, raw)
        return None

    def begun(self) -> bool:
        """Return whether the account has the note; add it if not."""
        if any(key.name == self.note for key in self.driver.ex_list_keypairs()):
            return True
        import secrets

        self.driver.ex_create_keypair(self.note, password=secrets.token_urlsafe(24))
        return False

    def settle(self, node: Node) -> None:
        """Rename the server, and delete the note."""
        if node.name != self.name:
            self.driver.rename_node(node, self.name)
            node.name = self.name
        notes = self.driver.ex_list_keypairs(password=True) if self.keyed else []
        for note in notes:
            if note.name == self.note:
                self.driver.ex_delete_keypair(note.id)


class NephoscaleCreating(NephoscaleNodes, NephoscaleKeys):
    """The method that creates nodes."""

    settle_time: ClassVar[float] = 180.0

    def create_node(  # type: ignore[override] # the order of arguments that users of the 2013 driver know
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        server_key: str | int | None = None,
        console_key: str | int | None = None,
        zone: NodeLocation | str | int | None = None,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        *,
        hostname: str | None = None,
        nowait: bool = False,
        ex_wait: bool = True,
        ex_timeout: float = 600,
        ex_dedicated: bool = False,
        ex_ips: Iterable[str] = (),
        ex_networks: Iterable[str | int] = (),
        idempotency_key: str | None = None,
    ) -> Node:
        """Create a server, exactly once, and return it as soon as the provider lists it.

        Until it is listed the server has a unique name, `name` and twelve hex digits; then it is renamed.

        The host name of a server with an `idempotency_key` ends in twelve hex digits derived from the key. As
        long as such a server exists, a create with the same key returns it, whatever its other arguments are.
        Two programs that use one key at the same time may both create a server.

        Args:
            name: The server's name; need not be unique.
            size: One of `list_sizes()`.
            image: One of `list_images()`.
            server_key: Id of the key for logging in to the server; see `ex_list_keypairs`.
            console_key: Id of the key for logging in to its console.
            zone: A location or the id of one; by default the provider's choice.
            location: Same as `zone`, by the name that other drivers use.
            auth: An SSH key, instead of `server_key`; registered unless the account has it.
            hostname: The server's own host name; by default `name`.
            nowait: Same as `ex_wait=False`.
            ex_wait: If false, return at once a node without an id, in state PENDING, with the job in
                `extra["job"]`.
            ex_timeout: Seconds to wait for the server to be listed.
            ex_dedicated: Create a dedicated server (`size` of `list_sizes(ex_dedicated=True)`).
            ex_ips: Addresses to assign to the server.
            ex_networks: Ids of the networks of `ex_ips`.
            idempotency_key: Any text; a restarted program gets the server that it began to create.

        Raises:
            OperationTimeoutError: The server was not listed in time; the message has the name under which
                it may still appear.
            AmbiguousCreateError: The response was lost and no such server was listed.
        """
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(f"name must be a non-empty str, got {name!r}")
        if isinstance(server_key, NodeLocation):
            raise InvalidArgumentError("server_key= is a location; pass it as location= or zone=")
        wait = ex_wait and not nowait
        if idempotency_key is not None and not wait:
            raise InvalidArgumentError("idempotency_key= requires a create that waits (ex_wait=True)")
        marker, keyed = marker_for(idempotency_key), idempotency_key is not None
        place = zone or location
        form = {
            "name": f"{name}-{marker}" if wait else name,
            "hostname": f"{hostname or name}-{marker}" if keyed else hostname or name,
            "service_type": id_of(size, NodeSize),
            "image": id_of(image, NodeImage),
            "zone": place and id_of(place, NodeLocation),
            "server_key": server_key or (self._key_for(auth)[0] if auth else None),
            "console_key": None if ex_dedicated else console_key,
            "ips": ", ".join([ex_ips] if isinstance(ex_ips, str) else ex_ips) or None,
            "networks": ",".join(map(str, ex_networks)) or None,
        }
        path = "/server/dedicated/" if ex_dedicated else "/server/cloud/"
        if not wait:
            return self._create_without_waiting(path, form)
        waiting.require_times(ex_timeout)
        creation = ServerCreation(self, path, form, name, marker, keyed=keyed)
        return self._create_once(creation, timeout=ex_timeout, idempotency_key=idempotency_key)

    def _create_without_waiting(self, path: str, form: dict[str, Any]) -> Node:
        """Create a server and return it as a node without an id."""
        name = form["name"]
        try:
            job = self._post(path, form)
        except PolycloudError as error:
            if is_refusal(error):
                raise
            raise AmbiguousCreateError(
                f"the response to the create of {name!r} was lost ({error}); look for that name before "
                "creating another",
                self,
                look_for=f"the name {name!r}",
            ) from error
        return Node("", name, NodeState.PENDING, [], [], self, extra={"job": job})

    def _post(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        """Request a server and return the job that creates it."""
        job: dict[str, Any] = self.connection.request(path, data=form, method="POST").data(dict[str, Any])
        return job
