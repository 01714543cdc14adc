"""What the rules of compute use: nodes, keys and volumes of a test, and waits for their states."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from inspect import signature
from operator import attrgetter
from typing import Any, ClassVar

import pytest

from polycloud.compute.base import NodeDriver
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeImage,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState, StorageVolumeState
from polycloud.errors import NotFoundError, OperationTimeoutError, PolycloudError
from polycloud.testing.cleanup import RUN, Kind
from polycloud.testing.conformance.assertions import with_id
from polycloud.testing.conformance.checks import Checks

Create = Callable[..., Node]
ImportKey = Callable[[str], KeyPair]

POWER_ACTIONS = ("reboot_node", "start_node", "stop_node", "shutdown_node")


class ComputeSuite(Checks[NodeDriver]):
    """The settings and fixtures of compute's rules."""

    base_driver = NodeDriver
    gone = (NotFoundError, KeyPairDoesNotExistError)

    unique_names: ClassVar[bool] = False
    """Whether the provider refuses a second node of one name, with a `ConflictError`."""

    untold: ClassVar[frozenset[str]] = frozenset()
    """What the provider does not tell of its nodes: "size", "image"."""

    cheap: ClassVar[float] = 1.0
    """USD an hour that the cheapest size does not cost."""

    volume_size: ClassVar[int] = 10
    """GB of the volumes that are created."""

    def node_options(self, driver: NodeDriver) -> dict[str, Any]:
        """Return the arguments of `create_node` besides the name: the cheapest size and the first image."""
        return {"size": driver.list_sizes()[0], "image": driver.list_images()[0]}

    @pytest.fixture
    def ssh(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        """What `deploy_node` needs to log into nodes: the `ssh_port` of a fixture `cloud`, a `Sandbox`."""
        with suppress(pytest.FixtureLookupError):
            if port := getattr(request.getfixturevalue("cloud"), "ssh_port", None):
                return {"ssh_port": port}
        pytest.skip("there is no fixture `ssh`: the rule cannot log into the server's nodes")

    # What the tests create

    @classmethod
    def created(cls, driver: NodeDriver) -> Kind[Any]:
        """Return the nodes: they have names of the run."""

        def listed() -> list[Node]:
            if not all(map(driver.supports, ("list_nodes", "create_node", "destroy_node"))):
                return []
            return [node for node in driver.list_nodes() if node.state != NodeState.TERMINATED]

        return Kind("nodes", listed, driver.destroy_node, attrgetter("name"), cls.gone)

    @pytest.fixture
    def create(self, driver: NodeDriver) -> Iterator[Create]:
        """Creates nodes whose names no other test uses."""
        self.need("list_nodes", "create_node", "destroy_node")
        prefix = RUN.name()
        with self.clearing(driver) as made:

            def create(name: str = "node", by: NodeDriver = driver, **options: Any) -> Node:
                options = {**self.node_options(driver), **options}
                node = by.create_node(f"{prefix}-{name}", **options)
                made.append(node)
                return node

            yield create

    @pytest.fixture
    def node(self, driver: NodeDriver, create: Create) -> Node:
        """A running node."""
        return self.seen(driver, create(), NodeState.RUNNING)

    @pytest.fixture
    def import_key(self, driver: NodeDriver) -> Iterator[ImportKey]:
        """Imports public keys under names that no other test uses."""
        self.need("import_key_pair_from_string", "list_key_pairs", "delete_key_pair")
        made: list[KeyPair] = []

        def import_key(public_key: str) -> KeyPair:
            made.append(driver.import_key_pair_from_string(new_name(), public_key))
            return made[-1]

        yield import_key
        self.remove(driver.delete_key_pair, made)

    @pytest.fixture
    def volume(self, driver: NodeDriver) -> Iterator[StorageVolume]:
        """An available volume."""
        self.need("list_volumes", "create_volume", "destroy_volume")
        volume = driver.create_volume(self.volume_size, new_name())
        try:
            self.volume_seen(driver, volume, StorageVolumeState.AVAILABLE)
            yield volume
        finally:
            self.remove(driver.destroy_volume, [volume])

    def namesake(self, create: Create, name: str) -> Node:
        """Create another node of the same name."""
        try:
            return create(name)
        except PolycloudError as error:
            hint = "if the provider's names are unique, set `unique_names = True` (conform: --unique-names)"
            raise AssertionError(f"a second node of one name was refused: {error!r}; {hint}") from error

    def ghost(self, driver: NodeDriver) -> Node:
        """Return a node that does not exist."""
        return Node(self.unknown_id, "ghost", NodeState.RUNNING, [], [], driver)

    # Waiting

    def seen(self, driver: NodeDriver, node: Node, *states: NodeState) -> Node:
        """Return the node from the list, as soon as it is listed in one of the states (or in any)."""
        wanted = " or ".join(states) or "at all"
        last: Node | None = None

        def check() -> Node | None:
            nonlocal last
            last = with_id(driver.list_nodes(), node.id)
            return last if last is not None and (not states or last.state in states) else None

        try:
            return self.until(check, f"{node.name} (id {node.id!r}) to be listed {wanted}")
        except OperationTimeoutError as late:
            raise AssertionError(f"{late}; {_state(last)}") from None

    def vanished(self, driver: NodeDriver, node: Node) -> None:
        """Return as soon as the node is no longer listed, or is listed as terminated."""

        def check() -> bool:
            found = with_id(driver.list_nodes(), node.id)
            return found is None or found.state == NodeState.TERMINATED

        self.until(check, f"{node.name} (id {node.id!r}) to leave the list")

    def volume_seen(self, driver: NodeDriver, volume: StorageVolume, state: StorageVolumeState) -> None:
        """Return as soon as the volume is listed in the state, or without one, as by some providers."""

        def check() -> bool:
            found = with_id(driver.list_volumes(), volume.id)
            return found is not None and found.state in {state, None}

        self.until(check, f"the volume {volume.id!r} to be {state}")

    def need_argument(self, driver: NodeDriver, name: str) -> None:
        """Skip the test if Python itself would refuse the argument of `create_node`."""
        parameters = signature(driver.create_node).parameters.values()
        if not any(one.name == name or one.kind is one.VAR_KEYWORD for one in parameters):
            pytest.skip(f"create_node takes no {name}")

    def arguments(self, driver: NodeDriver, id_: str = "") -> dict[str, tuple[Any, ...]]:
        """Return arguments of compute's operations that any provider could be given."""
        id_, key_name = id_ or "1", id_ or "key"
        node = Node(id_, "node", NodeState.RUNNING, [], [], driver)
        size = NodeSize("1", "size", 512, 10, 0, 0.01, driver)
        image = NodeImage(id_, "image", driver)
        volume = StorageVolume(id_, "volume", 10, driver)
        key = public_key()
        # Generating a pair takes a tenth of a second, so a driver that takes a public key gets one.
        takes_key = [*signature(driver.create_key_pair).parameters][1:2] == ["public_key"]
        return {
            "get_node": (id_,),
            "create_node": ("node", size, image),
            **dict.fromkeys((*POWER_ACTIONS, "destroy_node"), (node,)),
            "wait_until_running": ([node], 0, 0),
            "deploy_node": (ScriptDeployment("true"),),
            "get_image": (id_,),
            "create_image": (node, "image"),
            "copy_image": ("region", image, "image"),
            "delete_image": (image,),
            "get_key_pair": (key_name,),
            "create_key_pair": (key_name, key) if takes_key else (key_name,),
            "import_key_pair_from_string": (key_name, key),
            "import_key_pair_from_file": (key_name, os.devnull),
            "delete_key_pair": (KeyPair(key_name, key, None, driver),),
            "create_volume": (10, "volume"),
            "attach_volume": (node, volume),
            **dict.fromkeys(
                ("detach_volume", "destroy_volume", "list_volume_snapshots", "create_volume_snapshot"),
                (volume,),
            ),
            "destroy_volume_snapshot": (VolumeSnapshot(id_, driver),),
        }


def new_name() -> str:
    """Return a name for a key, a volume or an image."""
    return f"conformance-{secrets.token_hex(4)}"


def public_key() -> str:
    """Return a new public key, whose private key does not exist."""
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4) + kind + (32).to_bytes(4) + os.urandom(32)
    return f"{kind.decode()} {base64.b64encode(blob).decode()} conformance"


def _state(node: Node | None) -> str:
    if node is None:
        return "it is not listed"
    if node.state == NodeState.UNKNOWN:
        return "it is unknown: does the driver know the provider's word for this state?"
    return f"it is {node.state}"
