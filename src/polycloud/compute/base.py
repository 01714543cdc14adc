"""`NodeDriver`, the base of all compute drivers, and the objects that it deals in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from polycloud import pricing
from polycloud.common import waiting
from polycloud.common.base import BaseDriver
from polycloud.common.calls import tidying
from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.common.types import (
    AmbiguousCreateError,
    InvalidArgumentError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.compute import keys
from polycloud.compute.creation import Creation
from polycloud.compute.types import (
    DeploymentError,
    KeyPair,
    KeyPairDoesNotExistError,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    NodeState,
    Provider,
    SSHAuthenticationError,
    StorageVolume,
    StorageVolumeState,
    VolumeSnapshot,
    VolumeSnapshotState,
)
from polycloud.utils.networking import is_ip, is_private_subnet

if TYPE_CHECKING:
    from polycloud.compute.deployment import Deployment, Login
    from polycloud.compute.ssh import HostKeys, OnOutput

__all__ = [
    "BaseDriver",
    "KeyPair",
    "Node",
    "NodeAuthPassword",
    "NodeAuthSSHKey",
    "NodeDriver",
    "NodeImage",
    "NodeLocation",
    "NodeSize",
    "NodeState",
    "Provider",
    "StorageVolume",
    "StorageVolumeState",
    "VolumeSnapshot",
    "VolumeSnapshotState",
    "is_private_subnet",
    "require_id",
    "with_id",
]

NOT_FOUND = 404
TIDY_TIME = 60.0
VANISHED_LOOKS = 3
N = TypeVar("N", Node, NodeImage)
REFUSED_THOUGH_ASKED = "did create_node hand on what auth= gave it, and is ssh_username the image's user?"
DEAD = frozenset({NodeState.ERROR, NodeState.TERMINATED})


class NodeDriver(OperationsDriver):
    """A provider's servers.

    Lists are complete. Actions return True or raise. What the provider lacks raises
    `UnsupportedOperationError` before anything is sent; `supports(name)` tells beforehand. Every method
    raises `InvalidCredsError` for wrong credentials, other `ProviderError`s with the provider's words, and
    `TransportError` where the connection breaks.
    """

    features: ClassVar[Mapping[str, Sequence[str]]] = {}
    """How one logs in to what `create_node` made: "ssh_key", "password", "generates_password"."""

    custom_sizes: ClassVar[bool] = False
    """Whether the provider takes any number of CPUs, RAM and disk; see `custom_size`."""

    settle_time: ClassVar[float] = 60.0
    """Seconds after which the provider lists for certain what it has accepted to create."""

    # Nodes

    @optional
    def list_nodes(self) -> list[Node]:
        """All nodes of the account."""

    @template("list_nodes")
    def iterate_nodes(self) -> Iterator[Node]:
        """The nodes as they arrive, a page at a time where the provider has pages."""
        yield from self.list_nodes()

    @template("list_nodes")
    def get_node(self, node_id: str) -> Node:
        """The node with this id. Raises `NotFoundError` naming it where there is none."""
        return with_id(self.list_nodes(), node_id, f"{self.name} node")

    @optional
    def create_node(
        self,
        /,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **kwargs: Any,
    ) -> Node:
        """Create a node and give it back, with its id, before it runs; see `wait_until_running`.

        It happens exactly once: where the provider's answer is lost, the node is looked for. With
        `idempotency_key` (any text) a program that was restarted gets the node that it began to create.

        Raises:
            AmbiguousCreateError: The answer was lost and the node was not found; the error says what to look
                for.
            ProviderError: The provider refused.
        """

    @optional
    def reboot_node(self, node: Node) -> bool:
        """Restart a running node."""

    @optional
    def start_node(self, node: Node) -> bool:
        """Start a stopped node."""

    @optional
    def stop_node(self, node: Node) -> bool:
        """Stop a node; it keeps its disk and can be started again."""

    @template("stop_node")
    def shutdown_node(self, node: Node) -> bool:
        """Let a node shut itself down gently, where the provider can; otherwise as `stop_node`."""
        return self.stop_node(node)

    @optional
    def destroy_node(self, node: Node) -> bool:
        """Delete a node and its disk."""

    @template("list_nodes")
    def wait_until_running(
        self,
        nodes: Sequence[Node],
        wait_period: float = 5,
        timeout: float = 600,
        ssh_interface: str = "public_ips",
        force_ipv4: bool = True,
        ex_list_nodes_kwargs: Mapping[str, Any] | None = None,
    ) -> list[tuple[Node, list[str]]]:
        """Wait until all `nodes` run and have an address; each as it is now, with its addresses.

        Args:
            nodes: The nodes to wait for, told apart by id.
            wait_period: The longest pause between two looks, in seconds; the first ones are shorter.
            timeout: Seconds to wait in all.
            ssh_interface: The addresses that count, "public_ips" or "private_ips".
            force_ipv4: Leave IPv6 addresses out.
            ex_list_nodes_kwargs: Keyword arguments for the driver's `list_nodes`.

        Raises:
            OperationTimeoutError: They did not all run in time.
            NotFoundError: One of them was there, and vanished.
            PolycloudError: One of them failed.
            InvalidArgumentError: One of them has no id yet, or a time is none.
        """
        _require_interface(ssh_interface)
        wanted = [require_id(node) for node in nodes]
        missed = _Missed(self.name)
        found: dict[str, Node] = {}

        def look() -> list[tuple[Node, list[str]]] | None:
            nonlocal found
            found = {node.id: node for node in self.list_nodes(**(ex_list_nodes_kwargs or {}))}
            missed.note(wanted, found)
            ready = []
            for id_ in wanted:
                addresses = _addresses(found.get(id_), ssh_interface, force_ipv4=force_ipv4)
                if addresses:
                    ready.append((found[id_], addresses))
            return ready if len(ready) == len(wanted) else None

        names = ", ".join(f"{node.name} (id {node.id})" for node in nodes)
        sought = f"{names} to run"
        try:
            return waiting.poll(look, waiting_for=sought, timeout=timeout, longest_pause=wait_period)
        except OperationTimeoutError as late:
            if late.waiting_for != sought:  # a list that did not come in time
                raise
            lacks = partial(_lacks, interface=ssh_interface, force_ipv4=force_ipv4)
            seen = "; ".join(f"{node.name} {lack}" for node in nodes if (lack := lacks(found.get(node.id))))
            raise OperationTimeoutError(f"{sought}: {seen}", late.timeout, self) from None

    @template("create_node", "list_nodes")
    def deploy_node(
        self,
        /,
        deploy: Deployment,
        ssh_username: str = "root",
        ssh_alternate_usernames: Sequence[str] | None = None,
        ssh_port: int = 22,
        ssh_timeout: float = 10,
        ssh_key: str | Sequence[str] | None = None,
        ssh_key_password: str | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        timeout: float = 300,
        max_tries: int = 3,
        ssh_interface: str = "public_ips",
        at_exit_func: Callable[[Node], object] | None = None,
        wait_period: float = 5,
        *,
        ex_destroy_on_failure: bool = False,
        ex_known_hosts: str | None = None,
        ex_on_output: OnOutput | None = None,
        **create_node_kwargs: Any,
    ) -> Node:
        """Create a node, wait until it answers SSH, and run the step `deploy` on it; the running node.

        Args:
            deploy: What to do; `polycloud.compute.deployment` has steps and their combination.
            ssh_username: Who logs in.
            ssh_alternate_usernames: Who else, where that name is refused.
            ssh_port: Port of the node's SSH.
            ssh_timeout: Seconds for one try to connect and log in.
            ssh_key: Private key to log in with: a file, its text, or several; the agent and the keys in
                `~/.ssh` without.
            ssh_key_password: Passphrase of that key.
            auth: What the node is created with, where `features["create_node"]` says that it can be: an SSH
                key, or a password with which to log in as well.
            timeout: Seconds to wait for the node to run, and again for its SSH.
            max_tries: How often a refused login is tried again, since nodes answer before they have keys.
            ssh_interface: The addresses to connect to, "public_ips" or "private_ips".
            at_exit_func: Called with the node where an interruption (Ctrl-C) ends the deployment.
            wait_period: The longest pause between two looks, in seconds.
            ex_destroy_on_failure: Destroy the node where its deployment fails or is interrupted.
            ex_known_hosts: A known_hosts file in which to remember the node's key (under its uuid).
            ex_on_output: Called with "stdout" or "stderr" and text, as scripts print it.
            **create_node_kwargs: For `create_node`: `name`, `size`, `image` and so on.

        Raises:
            DeploymentError: The node exists, and what came after its creation failed.
            SSHKeyError: The private key cannot be used; nothing was created.
            UnsupportedOperationError: The driver cannot create nodes with what `auth` is.
        """
        _require_deployable(deploy, ssh_interface)
        waiting.require_times(timeout, wait_period)
        waiting.require_times(ssh_timeout)
        alternates = ssh_alternate_usernames or ()
        login = self._login(
            auth,
            usernames=(ssh_username, *([alternates] if isinstance(alternates, str) else alternates)),
            port=ssh_port,
            keys=[ssh_key] if isinstance(ssh_key, str | PathLike) else list(ssh_key or ()),
            key_password=ssh_key_password,
            ssh_timeout=ssh_timeout,
            timeout=timeout,
            max_tries=max_tries,
            wait_period=wait_period,
            host_keys=self._host_keys(ex_known_hosts),
            on_output=ex_on_output,
        )
        with self._authorized(auth, create_node_kwargs) as kwargs:
            node = self.create_node(**kwargs)
            try:
                return self._deploy(node, deploy, login, ssh_interface)
            except BaseException as error:
                if auth is not None and isinstance(error, SSHAuthenticationError):
                    error.value = f"{error.value}; {REFUSED_THOUGH_ASKED}"
                passes = not isinstance(error, Exception) or isinstance(error, DeploymentError)
                told = error if passes else DeploymentError(node, error, self)
                self._after_failure(node, told, at_exit_func, destroy=ex_destroy_on_failure)
                if passes:
                    raise
                raise told from error

    def _login(self, auth: NodeAuthSSHKey | NodeAuthPassword | None, **how: Any) -> Login:
        """How to log in; the keys are loaded once now, so that one that cannot be used costs no node."""
        from polycloud.compute.deployment import Login

        password = auth.password if isinstance(auth, NodeAuthPassword) else None
        login = Login(password=password, **how)
        login.client("127.0.0.1", "nobody", "nobody")
        return login

    def _host_keys(self, file: str | None) -> HostKeys:
        from polycloud.compute.ssh import HostKeys

        return HostKeys(file)

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The arguments of a `create_node` whose node lets `auth` in; a driver may tidy up after it."""
        self._require_auth(auth)
        yield kwargs if auth is None else {**kwargs, "auth": auth}

    @contextmanager
    def _lent(self, key: str, forget: Callable[[], object]) -> Iterator[None]:
        """Delete a key that the account has for the time of a deployment only; one that stays is told of."""
        try:
            yield
        finally:
            try:
                with tidying(TIDY_TIME):
                    forget()
            except PolycloudError as error:
                import logging

                logging.getLogger("polycloud").warning("the key %s stays in the account: %s", key, error)

    def _deploy(self, node: Node, deploy: Deployment, login: Login, ssh_interface: str) -> Node:
        from polycloud.compute.deployment import run_step

        ((running, addresses),) = self.wait_until_running(
            [node], login.wait_period, login.timeout, ssh_interface
        )
        if "generates_password" in self.features.get("create_node", ()) and login.password is None:
            login = replace(login, password=node.extra.get("password"))
        node.state, node.public_ips, node.private_ips = running.state, running.public_ips, running.private_ips
        client = login.connect(running, addresses)
        try:
            return run_step(deploy, running, client)
        finally:
            client.close()

    def _after_failure(
        self,
        node: Node,
        error: BaseException,
        at_exit_func: Callable[[Node], object] | None,
        *,
        destroy: bool,
    ) -> None:
        """Leave nothing unsaid: which node exists, or that it was destroyed."""
        exists = (
            f"the node {node.name} (id {node.id}, {', '.join(node.public_ips) or 'no address yet'}) exists"
        )
        if at_exit_func is not None and not isinstance(error, Exception):
            at_exit_func(node)
        if not destroy:
            error.add_note(f"{exists}; ex_destroy_on_failure=True would have destroyed it")
            return
        try:
            with tidying(TIDY_TIME):
                self.destroy_node(node)
        except PolycloudError as second:
            error.add_note(f"{exists}, and destroying it failed: {second}")
        else:
            error.add_note(f"the node {node.name} (id {node.id}) was destroyed")

    # Sizes, images, locations

    @optional
    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The sizes to choose from, cheapest first, in `location` only where given."""

    def custom_size(self, vcpus: int, ram: int, disk: int, *, name: str | None = None) -> NodeSize:
        """A size made by hand, for providers that take any: `vcpus`, `ram` in MB, `disk` in GB.

        Raises `UnsupportedOperationError` where the provider has listed sizes only, and
        `InvalidArgumentError` for numbers below 1.
        """
        if not self.custom_sizes:
            raise UnsupportedOperationError(f"{self.name} takes a size of list_sizes() only", self)
        if min(vcpus, ram, disk) < 1:
            raise InvalidArgumentError(f"a size of {vcpus} CPUs, {ram} MB and {disk} GB cannot be")
        text = name or f"{vcpus} CPU, {ram} MB, {disk} GB"
        return NodeSize(f"{vcpus}-{ram}-{disk}", text, ram, disk, 0, None, self, {"vcpus": vcpus})

    @optional
    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """The images to start from, in `location` only where given."""

    @template("list_images")
    def get_image(self, image_id: str) -> NodeImage:
        """The image with this id. Raises `NotFoundError` naming it where there is none."""
        return with_id(self.list_images(), image_id, f"{self.name} image")

    @optional
    def create_image(self, node: Node, name: str, description: str | None = None) -> NodeImage:
        """Make an image of a node's disk."""

    @optional
    def copy_image(
        self, source_region: str, node_image: NodeImage, name: str, description: str | None = None
    ) -> NodeImage:
        """Copy an image from another region to this driver's."""

    @optional
    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the account's."""

    @optional
    def list_locations(self) -> list[NodeLocation]:
        """The places where nodes can be."""

    # Key pairs

    @optional
    def list_key_pairs(self) -> list[KeyPair]:
        """The account's SSH keys."""

    @template("list_key_pairs")
    def get_key_pair(self, name: str) -> KeyPair:
        """The SSH key of that name. Raises `KeyPairDoesNotExistError` where there is none."""
        found = next((pair for pair in self.list_key_pairs() if pair.name == name), None)
        if found is None:
            raise KeyPairDoesNotExistError(name, self)
        return found

    @template("import_key_pair_from_string")
    def create_key_pair(self, name: str) -> KeyPair:
        """Make a new key; its `private_key` is given once, here.

        Where the provider only takes public keys, the pair is made on this machine (extra `deploy`).
        """
        private, public = keys.generate()
        pair = self.import_key_pair_from_string(name, public)
        pair.private_key = private
        return pair

    @optional
    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Give the provider a public key (one line of OpenSSH's format)."""

    @template("import_key_pair_from_string")
    def import_key_pair_from_file(self, name: str, key_file_path: str) -> KeyPair:
        """Give the provider the public key in a file. Raises `InvalidArgumentError` if it cannot be read."""
        try:
            from pathlib import Path

            material = Path(key_file_path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, TypeError) as error:
            raise InvalidArgumentError(f"the key file {key_file_path} cannot be read: {error}") from error
        return self.import_key_pair_from_string(name, material)

    @optional
    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key of the account's."""

    # Volumes and snapshots

    @optional
    def list_volumes(self) -> list[StorageVolume]:
        """The account's volumes."""

    @optional
    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
    ) -> StorageVolume:
        """Create a volume of `size` GB, from a snapshot where given."""

    @optional
    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to a node, as `device` (such as /dev/sdb) where the provider lets one choose."""

    @optional
    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its node."""

    @optional
    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume and what is on it."""

    @optional
    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """The snapshots of a volume."""

    @optional
    def create_volume_snapshot(self, volume: StorageVolume, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot of a volume."""

    @optional
    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""

    # For drivers

    def _create_once(
        self, creation: Creation, *, timeout: float = 600.0, idempotency_key: str | None = None
    ) -> Node:
        """The node of a create that happens exactly once; see `polycloud.compute.creation`.

        Callers of one process that use the same `idempotency_key` at the same time get the same node.
        """

        def run() -> Node:
            try:
                return creation.run(settle_time=self.settle_time, timeout=timeout)
            except AmbiguousCreateError as error:
                error.driver = self
                raise

        if idempotency_key is None:
            return run()
        return self.connection.single_flight(("create", idempotency_key), run, alone=True)

    def _require_auth(self, auth: NodeAuthSSHKey | NodeAuthPassword | None) -> None:
        """Refuse, before anything is sent, an `auth` of a kind that `features["create_node"]` does not name.

        Raises `UnsupportedOperationError`, and `InvalidArgumentError` for what is no `auth` at all.
        """
        kinds = {NodeAuthSSHKey: "ssh_key", NodeAuthPassword: "password"}
        if auth is None:
            return
        kind = next((name for type_, name in kinds.items() if isinstance(auth, type_)), None)
        if kind is None:
            raise InvalidArgumentError("auth= is neither a NodeAuthSSHKey nor a NodeAuthPassword")
        features = self.features.get("create_node", ())
        if kind not in features:
            offered = ", ".join(features) or "none"
            told = f"{self.name} cannot create nodes with this auth ({kind}); it offers {offered}"
            raise UnsupportedOperationError(told, self)

    def _get_size_price(self, size_id: str | int) -> float | None:
        """The shipped price of a size in the driver's region, in USD an hour; None where there is none."""
        if not pricing.has_prices("compute", self.api_name):
            return None
        return pricing.get_size_price("compute", self.api_name, size_id, self.region)


def require_id(node: Node) -> str:
    """The node's id. Raises `InvalidArgumentError` for what is no node, or has no id yet."""
    if not isinstance(node, Node):
        raise InvalidArgumentError(f"{node!r} is no Node; get_node() gives one by its id")
    if not node.id:
        raise InvalidArgumentError(
            f"the node {node.name!r} has no id yet, since its create did not wait; find it in list_nodes()"
        )
    return node.id


def _require_interface(name: str) -> None:
    if name not in {"public_ips", "private_ips"}:
        raise InvalidArgumentError(f"ssh_interface={name!r} is neither public_ips nor private_ips")


def _require_deployable(deploy: object, ssh_interface: str) -> None:
    """Refuse before a node is created what could only fail after it."""
    if isinstance(deploy, type) or not callable(getattr(deploy, "run", None)):
        raise InvalidArgumentError(
            f"deploy={deploy!r} is no deployment step; see polycloud.compute.deployment"
        )
    _require_interface(ssh_interface)


class _Missed:
    """Tells a node that vanished from one that a list does not show yet."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.seen: set[str] = set()
        self.looks: Counter[str] = Counter()

    def note(self, wanted: Iterable[str], found: Mapping[str, Node]) -> None:
        for id_ in wanted:
            if id_ in found:
                self.seen.add(id_)
                del self.looks[id_]
            elif id_ in self.seen:
                self.looks[id_] += 1
            if self.looks[id_] >= VANISHED_LOOKS:
                raise NotFoundError(NOT_FOUND, f"the {self.provider} node with the id {id_!r} has vanished")


def with_id(items: Sequence[N], id_: str, what: str) -> N:
    """The one with this id. Raises `NotFoundError` that says what `what` is not there."""
    found = next((item for item in items if item.id == str(id_)), None)
    if found is None:
        raise NotFoundError(NOT_FOUND, f"there is no {what} with the id {id_!r}")
    return found


def _lacks(node: Node | None, interface: str, *, force_ipv4: bool) -> str:
    """What a node that was waited for in vain lacks; nothing where it is ready."""
    if node is None:
        return "is not listed"
    if node.state != NodeState.RUNNING:
        return f"is {node.state}"
    if _addresses(node, interface, force_ipv4=force_ipv4):
        return ""
    lack = "only IPv6 addresses" if getattr(node, interface) else "no address"
    return f"runs, but has {lack} in {interface}"


def _addresses(node: Node | None, interface: str, *, force_ipv4: bool) -> list[str]:
    """The addresses of a running node; none of one that is still on its way."""
    if node is None:
        return []
    if node.state in DEAD:
        raise PolycloudError(f"{node.name} (id {node.id}) is {node.state} and will not run", node.driver)
    if node.state != NodeState.RUNNING:
        return []
    addresses: list[str] = getattr(node, interface)
    versions = (4,) if force_ipv4 else (4, 6)
    return [text for text in addresses if any(is_ip(text, version) for version in versions)]
