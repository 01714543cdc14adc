"""`NodeDriver`, the base of all compute drivers, and the objects of compute at Libcloud's path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from polycloud.common.creation import Creation, led_by_one
from polycloud.common.driver import BaseDriver
from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.common.resource import with_id
from polycloud.compute import keys
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
    cheapest_first,
    require_id,
)
from polycloud.compute.types import (
    PUBLIC_BY_DEFAULT,
    KeyPairDoesNotExistError,
    NodeState,
    Provider,
    StorageVolumeState,
    VolumeSnapshotState,
)
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import cleanup
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.utils.networking import is_private_subnet

if TYPE_CHECKING:
    from polycloud.compute.deployment import Deployment
    from polycloud.compute.ssh import OnOutput

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
    "cheapest_first",
    "is_private_subnet",
    "require_id",
]


T = TypeVar("T")


class NodeDriver(OperationsDriver):
    """The servers of a provider.

    Lists are complete. Actions return True or raise. An operation that the provider lacks raises
    `UnsupportedOperationError` before anything is sent; check with `supports(name)`. Every method raises
    `InvalidCredsError` for wrong credentials, other `ProviderError`s with the provider's message, and
    `TransportError` if the connection breaks.
    """

    service = "compute"

    features: ClassVar[Mapping[str, Sequence[str]]] = {}
    """The ways to log in to a node of `create_node`: "ssh_key", "password", "generates_password"."""

    password_arguments: ClassVar[Sequence[str]] = ()
    """The arguments of `create_node` that are the password of the user that logs in."""

    create_names: ClassVar[Mapping[str, str]] = {}
    """What `create_node` calls the registered "key", a "security-group" and a "network"; "argument.member"
    for a member of a dict. The option of that name at a shell sets it.
    """

    custom_sizes: ClassVar[bool] = False
    """Whether the provider accepts any number of CPUs, RAM and disk; see `custom_size`."""

    settle_time: ClassVar[float] = 60.0
    """Seconds after which the provider certainly lists a resource whose create it has accepted."""

    public_address_time: ClassVar[float] = 10.0
    """Seconds for which a running node that has private addresses only may yet get a public one."""

    # Nodes

    @optional
    def list_nodes(self) -> list[Node]:
        """Return all nodes of the account."""

    @template("list_nodes")
    def iterate_nodes(self) -> Iterator[Node]:
        """Yield the nodes as they arrive, a page at a time if the provider has pages."""
        yield from self.list_nodes()

    @template("list_nodes")
    def get_node(self, node_id: str) -> Node:
        """Return the node with this id. Raises `NotFoundError` if there is none."""
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
        """Create a node and return it, with its id, before it runs; see `wait_until_running`.

        It happens exactly once: if the provider's response is lost, the driver searches for the node. With
        `idempotency_key` (any str) a program that was restarted gets the node that it began to create.

        Raises:
            AmbiguousCreateError: The response was lost and the node not found; the error says what to look
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
        """Ask the node's system to shut down, if the provider can; otherwise the same as `stop_node`."""
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
        ssh_interface: str = PUBLIC_BY_DEFAULT,
        force_ipv4: bool = True,
        ex_list_nodes_kwargs: Mapping[str, Any] | None = None,
    ) -> list[tuple[Node, list[str]]]:
        """Wait until all `nodes` run and have an address; return each as listed now, with its addresses.

        Args:
            nodes: The nodes to wait for, identified by id.
            wait_period: The longest pause between two lists, in seconds; the first ones are shorter.
            timeout: Seconds to wait in total; failures that may pass (a broken connection, a server error)
                do not end it earlier.
            ssh_interface: The addresses that count, "public_ips" or "private_ips". By default the public
                ones, or the private ones of a node that has run without a public one for
                `public_address_time` seconds.
            force_ipv4: Leave IPv6 addresses out.
            ex_list_nodes_kwargs: Keyword arguments for the driver's `list_nodes`.

        Raises:
            OperationTimeoutError: They did not all run in time.
            NotFoundError: One of them was listed, and was not for `settle_time` seconds.
            PolycloudError: One of them failed.
            InvalidArgumentError: One of them has no id yet, or a time is invalid.
        """
        from polycloud.compute.running import RunningWait

        wait = RunningWait(
            nodes,
            ssh_interface,
            force_ipv4=force_ipv4,
            provider=self.name,
            settle_time=self.settle_time,
            public_time=self.public_address_time,
        )
        try:
            return wait.until_ready(
                lambda: self.list_nodes(**(ex_list_nodes_kwargs or {})),
                timeout=timeout,
                longest_pause=wait_period,
            )
        except OperationTimeoutError as error:
            error.driver = self
            raise

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
        ssh_interface: str = PUBLIC_BY_DEFAULT,
        at_exit_func: Callable[[Node], object] | None = None,
        wait_period: float = 5,
        *,
        ex_destroy_on_failure: bool = False,
        ex_known_hosts: str | None = None,
        ex_on_create: Callable[[Node], object] | None = None,
        ex_on_output: OnOutput | None = None,
        force_ipv4: bool = False,
        ssh_jump: str | None = None,
        **create_node_kwargs: Any,
    ) -> Node:
        """Create a node, wait until it accepts SSH, run the step `deploy` on it, and return the running node.

        Args:
            deploy: The step to run; `polycloud.compute.deployment` has steps and their combination.
            ssh_username: The user to log in as.
            ssh_alternate_usernames: Further users to try if that one is refused.
            ssh_port: Port of the node's SSH server.
            ssh_timeout: Seconds for one attempt to connect and log in.
            ssh_key: Private keys to log in with: a file, its text, or several; by default the agent and the
                keys in `~/.ssh`.
            ssh_key_password: Passphrase of that key.
            auth: An SSH key or a password to create the node with, if `features["create_node"]` names it; a
                password is also used to log in, as is one of the driver's `password_arguments`.
            timeout: Seconds to wait for the node to run, and again for its SSH.
            max_tries: Attempts after which a refused login is final, but not within 30 s of the first:
                nodes accept connections before they have keys.
            ssh_interface: The addresses to connect to, "public_ips" or "private_ips"; by default as of
                `wait_until_running`.
            at_exit_func: Called with the node if an interruption (Ctrl-C) ends the deployment.
            wait_period: The longest pause between two attempts, in seconds.
            ex_destroy_on_failure: Destroy the node if its deployment fails or is interrupted.
            ex_known_hosts: A known_hosts file in which to remember the node's key (under its uuid).
            ex_on_create: Called with the node once it is created.
            ex_on_output: Called with "stdout" or "stderr" and text, as scripts print it.
            force_ipv4: Wait for an IPv4 address, and connect to no other. By default a node may have IPv6
                addresses only; IPv4 addresses are tried first.
            ssh_jump: Jump hosts (bastions) to connect through, as of `ssh -J`: `[user@]host[:port]`, several
                with commas between.
            **create_node_kwargs: For `create_node`: `name`, `size`, `image` and so on.

        Raises:
            DeploymentError: The node exists, and a step after its creation failed.
            SSHKeyError: The private key cannot be used; nothing was created.
            InvalidArgumentError: There is nothing that could log in (no `ssh_key`, no password, no key in the
                agent or `~/.ssh`), or another argument is invalid; nothing was created.
            UnsupportedOperationError: The driver cannot create nodes with this kind of `auth`.
        """
        from polycloud.compute import deploying

        deploying.require_deployable(deploy, ssh_interface, timeout, ssh_timeout)
        waiting.require_times(timeout, wait_period)
        alternates = ssh_alternate_usernames or ()
        login = deploying.login_for(
            self,
            auth,
            create_node_kwargs,
            ex_known_hosts,
            usernames=(ssh_username, *([alternates] if isinstance(alternates, str) else alternates)),
            port=ssh_port,
            keys=[ssh_key] if isinstance(ssh_key, str | PathLike) else list(ssh_key or ()),
            key_password=ssh_key_password,
            ssh_timeout=ssh_timeout,
            timeout=timeout,
            max_tries=max_tries,
            wait_period=wait_period,
            on_output=ex_on_output,
            jump=ssh_jump,
        )
        with self._authorized(auth, create_node_kwargs) as kwargs:
            node = self.create_node(**kwargs)
            if ex_on_create is not None:
                ex_on_create(node)
            return deploying.deploy(
                self,
                node,
                deploy,
                login,
                interface=ssh_interface,
                force_ipv4=force_ipv4,
                with_auth=auth is not None,
                at_exit=at_exit_func,
                destroy_on_failure=ex_destroy_on_failure,
            )

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the arguments of `create_node` for a node that accepts `auth`; a driver may clean up."""
        self._require_auth(auth)
        yield kwargs if auth is None else {**kwargs, "auth": auth}

    @contextmanager
    def _lent(self, key: str, forget: Callable[[], object]) -> Iterator[None]:
        """Delete a key that is in the account for a deployment only; warn if that fails."""
        try:
            yield
        finally:
            try:
                with cleanup():
                    forget()
            except PolycloudError as error:
                import logging

                logging.getLogger("polycloud").warning("the key %s stays in the account: %s", key, error)

    # Sizes, images, locations

    @optional
    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return the sizes, cheapest first; those of `location` if given."""

    @classmethod
    def offers(cls, name: str) -> bool:
        """Return whether drivers of this class offer the operation `name`, `custom_size` included."""
        return cls.custom_sizes if name == "custom_size" else super().offers(name)

    def custom_size(self, vcpus: int, ram: int, disk: int, *, name: str | None = None) -> NodeSize:
        """Return a size of `vcpus`, `ram` in MB and `disk` in GB, for providers that accept any.

        Its numbers may be changed later; the id and the name stay. Raises `UnsupportedOperationError` if the
        provider accepts listed sizes only (`supports("custom_size")`), and `InvalidArgumentError` for numbers
        below 1.
        """
        if not self.custom_sizes:
            raise UnsupportedOperationError(f"{self.name} accepts sizes of list_sizes() only", self)
        if min(vcpus, ram, disk) < 1:
            raise InvalidArgumentError(
                f"vcpus, ram and disk must be at least 1, got {vcpus} CPUs, {ram} MB, {disk} GB"
            )
        text = name or f"{vcpus} CPU, {ram} MB, {disk} GB"
        return NodeSize(f"{vcpus}-{ram}-{disk}", text, ram, disk, 0, None, self, {"vcpus": vcpus})

    @optional
    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """Return the images to create nodes from; those of `location` if given."""

    @template("list_images")
    def get_image(self, image_id: str) -> NodeImage:
        """Return the image with this id. Raises `NotFoundError` if there is none."""
        return with_id(self.list_images(), image_id, f"{self.name} image")

    @optional
    def create_image(self, node: Node, name: str, description: str | None = None) -> NodeImage:
        """Create an image of a node's disk."""

    @optional
    def copy_image(
        self, source_region: str, node_image: NodeImage, name: str, description: str | None = None
    ) -> NodeImage:
        """Copy an image from another region to this driver's."""

    @optional
    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the account."""

    @optional
    def list_locations(self) -> list[NodeLocation]:
        """Return the locations where nodes can be created."""

    # Key pairs

    @optional
    def list_key_pairs(self) -> list[KeyPair]:
        """Return the SSH keys of the account."""

    @template("list_key_pairs")
    def get_key_pair(self, name: str) -> KeyPair:
        """Return the SSH key of that name. Raises `KeyPairDoesNotExistError` if there is none."""
        found = next((pair for pair in self.list_key_pairs() if pair.name == name), None)
        if found is None:
            raise KeyPairDoesNotExistError(name, self)
        return found

    @template("import_key_pair_from_string")
    def create_key_pair(self, name: str) -> KeyPair:
        """Create a key pair; its `private_key` is returned only here.

        If the provider only accepts public keys, the pair is generated on this machine (extra `deploy`).
        """
        private, public = keys.generate()
        pair = self.import_key_pair_from_string(name, public)
        pair.private_key = private
        return pair

    @optional
    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key (one line of OpenSSH's format)."""

    @template("import_key_pair_from_string")
    def import_key_pair_from_file(self, name: str, key_file_path: str) -> KeyPair:
        """Register the public key in a file. Raises `InvalidArgumentError` if it cannot be read."""
        try:
            from pathlib import Path

            material = Path(key_file_path).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise InvalidArgumentError(f"the key file {key_file_path!r} cannot be read: {error}") from error
        return self.import_key_pair_from_string(name, material)

    @optional
    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key of the account."""

    # Volumes and snapshots

    @optional
    def list_volumes(self) -> list[StorageVolume]:
        """Return the volumes of the account."""

    @optional
    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
    ) -> StorageVolume:
        """Create a volume of `size` GB, from `snapshot` if given."""

    @optional
    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to a node, as `device` (such as /dev/sdb) if the provider supports that."""

    @optional
    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its node."""

    @optional
    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume and its data."""

    @optional
    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """Return the snapshots of a volume."""

    @optional
    def create_volume_snapshot(self, volume: StorageVolume, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot of a volume."""

    @optional
    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""

    # For drivers

    def _create_once(
        self, creation: Creation[Node], *, timeout: float = 600.0, idempotency_key: str | None = None
    ) -> Node:
        """Run a create that happens exactly once (see `polycloud.common.creation`) and return its node.

        Callers of one process that use the same `idempotency_key` at the same time get the same node,
        whichever of the account's drivers they use.
        """

        def run() -> Node:
            return self._run_create(creation, timeout)

        if idempotency_key is None:
            return run()
        account = (*self.connection.account(), self.connection.request_path)
        node = led_by_one(account, idempotency_key, run)
        if node.driver is not self:  # another driver of the account led
            from copy import copy

            node = copy(node)
            node.driver = self
        return node

    def _run_create(self, creation: Creation[T], timeout: float = 600.0) -> T:
        """Run a create that happens exactly once, of any resource, and return that."""
        try:
            return creation.run(settle_time=self.settle_time, timeout=timeout)
        except AmbiguousCreateError as error:
            error.driver = self
            raise

    def _why_dead(self, node: Node) -> str:
        """Return why a node will not run, in the provider's words; empty if it does not say."""
        return ""

    def _require_auth(self, auth: NodeAuthSSHKey | NodeAuthPassword | None) -> str | None:
        """Refuse, before anything is sent, an `auth` of a kind that `features["create_node"]` does not name.

        Returns the public key of a `NodeAuthSSHKey`, None for other kinds. Raises
        `UnsupportedOperationError`, and `InvalidArgumentError` for another object.
        """
        kinds = {NodeAuthSSHKey: "ssh_key", NodeAuthPassword: "password"}
        if auth is None:
            return None
        kind = next((name for type_, name in kinds.items() if isinstance(auth, type_)), None)
        if kind is None:
            raise InvalidArgumentError("auth must be a NodeAuthSSHKey or a NodeAuthPassword")
        features = self.features.get("create_node", ())
        if kind not in features:
            offered = ", ".join(features) or "none"
            message = f"{self.name} cannot create nodes with this auth ({kind}); it offers {offered}"
            raise UnsupportedOperationError(message, self)
        return auth.pubkey if isinstance(auth, NodeAuthSSHKey) else None

    def _get_size_price(self, size_id: str | int) -> float | None:
        """Return the shipped price of a size in the driver's region, in USD per hour, or None."""
        from polycloud import pricing

        if not pricing.has_prices("compute", self.api_name):
            return None
        return pricing.get_size_price("compute", self.api_name, size_id, self.region)
