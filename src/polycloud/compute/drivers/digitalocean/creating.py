"""Creating nodes, exactly once.

The provider has no idempotency tokens, and names are not unique. So each create puts a tag of its own, its
marker, on the droplet. If the response is lost, the droplet is found by its marker, and the request is not
sent again (see `Creation`). Once the node is known the tag is deleted, except that of an `idempotency_key`,
by which a later run finds the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, ClassVar

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.creation import Creation, marker_for
from polycloud.common.payload import Item, identity
from polycloud.compute.drivers.digitalocean.catalog import reference
from polycloud.compute.drivers.digitalocean.keys import DigitalOceanKeys
from polycloud.compute.drivers.digitalocean.nodes import DigitalOceanNodes, Droplet
from polycloud.compute.drivers.digitalocean.tags import DigitalOceanTags, Tag
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

MARKER_PREFIX = "polycloud-create-"
"""Start of the tag that marks a create."""


class DropletCreation(Creation[Node]):
    """The create of one droplet, with `marker` as a tag."""

    def __init__(
        self,
        driver: DigitalOceanCreating,
        to_node: Callable[[Item[Droplet]], Node],
        body: dict[str, Any],
        marker: str,
        *,
        keyed: bool,
    ) -> None:
        super().__init__(f"the droplet {body['name']!r}", f"the tag {marker!r}", keyed=keyed)
        self.driver, self.to_node, self.tag = driver, to_node, marker
        self.body = {**body, "tags": [*body["tags"], marker]}

    def send(self) -> Node:
        """Create the droplet and return it."""
        return self.to_node(self.driver.connection.create("/droplets", "droplet", Droplet, self.body))

    def find(self) -> Node | None:
        """Return the droplet with the tag. A server that ignores `tag_name` lists other droplets too."""
        key, params = attrgetter("value.id"), {"tag_name": self.tag}
        listed = self.driver.connection.list_all(
            "/droplets", "droplets", Droplet, identity, key=key, params=params
        )
        found = next((item for item in listed if self.tag in (item.value.tags or ())), None)
        return found and self.to_node(found)

    def begun(self) -> bool:
        """Return whether the tag exists; create it if not, to record that this run started the create."""
        with suppress(NotFoundError):
            self.driver.connection.fetch(f"/tags/{self.tag}", "tag", Tag)
            return True
        self.driver.ex_create_tag(self.tag)
        return False

    def settle(self, node: Node) -> None:
        """Delete the tag, in one attempt; a tag that stays does no harm, and lists show it."""
        if not self.keyed:
            once = call_options(deadline=self.driver.cleanup_time, retry=RetryPolicy(attempts=1))
            with suppress(PolycloudError), once:
                self.driver.connection.delete(f"/tags/{self.tag}")
                node.extra["tags"] = [tag for tag in node.extra["tags"] if tag != self.tag]


class DigitalOceanCreating(DigitalOceanNodes, DigitalOceanKeys, DigitalOceanTags):
    """The method that creates nodes."""

    settle_time: ClassVar[float] = 30.0
    cleanup_time: ClassVar[float] = 5.0
    """Seconds allowed for deleting the tag of a create; it stays after that."""

    def create_node(  # type: ignore[override] # the order of arguments that Libcloud's users know
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        ex_create_attr: Mapping[str, Any] | None = None,
        ex_ssh_key_ids: Iterable[str | int] | None = None,
        ex_user_data: str | None = None,
        *,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        tags: Iterable[str] = (),
        user_data: str | None = None,
        idempotency_key: str | None = None,
    ) -> Node:
        """Create a droplet, exactly once.

        It is created with a tag of its own, by which it is found if the provider's response is lost; then the
        tag is deleted. The token needs the rights to create, read and delete tags.

        The tag of an `idempotency_key` stays. While it does, a create with the same key returns the same
        droplet, whatever its other arguments are. Two programs that use one key at the same time may both
        create a droplet.

        Args:
            name: Letters, digits, `.` and `-`; need not be unique.
            size: One of `list_sizes()`.
            image: One of `list_images()`.
            location: One of `list_locations()`; by default the driver's region, else the provider's choice.
            ex_create_attr: Further fields of the provider's request, such as `backups`, `ipv6`,
                `monitoring`, `volumes` (ids), `vpc_uuid`, `ssh_keys` (instead of `ex_ssh_key_ids`), `tags`.
            ex_ssh_key_ids: Ids or fingerprints of the account's SSH keys that may log in as root.
            ex_user_data: Same as `user_data`.
            auth: An SSH key that may log in as root; registered unless the account has it.
            tags: Tags of the droplet; created if they do not exist.
            user_data: A script or cloud-config for the first boot.
            idempotency_key: Any text; a restarted program gets the droplet that it began to create.

        Raises:
            AmbiguousCreateError: The response was lost and no droplet with the tag was found.
            QuotaExceededError: The account's limit of droplets is reached.
            ProviderHTTPError: The provider refuses the name, or the region does not have the size or image.
            InvalidArgumentError: An argument cannot be sent.
        """
        attributes = _create_attributes(ex_create_attr)
        key_ids = [reference(key) for key in as_list(attributes.pop("ssh_keys", ex_ssh_key_ids))]
        if auth is not None:
            key_ids.append(self._key_for(auth)[0])
        body = {
            "name": name,
            "size": id_of(size, NodeSize),
            "image": reference(id_of(image, NodeImage)),
            "region": self._region(location),
            "ssh_keys": key_ids or None,
            "user_data": user_data or ex_user_data,
            "tags": [*as_list(attributes.pop("tags", None)), *as_list(tags)],
            **attributes,
        }
        marker, keyed = MARKER_PREFIX + marker_for(idempotency_key), idempotency_key is not None
        creation = DropletCreation(self, self._to_node, drop_none(body), marker, keyed=keyed)
        return self._create_once(creation, idempotency_key=idempotency_key)


def _create_attributes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a copy of further fields of a create. Raises `InvalidArgumentError` unless they are a dict."""
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError(f"ex_create_attr must be a dict, got {given!r}")
    if "names" in (given or {}):
        raise InvalidArgumentError("create_node creates one droplet: pass name=, not names in ex_create_attr")
    return dict(given or {})
