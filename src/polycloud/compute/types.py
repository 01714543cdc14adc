"""What compute deals in: nodes, sizes, images, locations, keys, volumes, and their states."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polycloud.common.payload import LazyExtra
from polycloud.common.types import (
    InvalidCredsError,
    InvalidCredsException,
    LibcloudError,
    MalformedResponseError,
    PolycloudError,
    Type,
    printable,
)

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver

__all__ = [
    "DeploymentError",
    "DeploymentException",
    "InvalidCredsError",
    "InvalidCredsException",
    "KeyPair",
    "KeyPairDoesNotExistError",
    "KeyPairError",
    "LibcloudError",
    "MalformedResponseError",
    "Node",
    "NodeAuthPassword",
    "NodeAuthSSHKey",
    "NodeImage",
    "NodeLocation",
    "NodeSize",
    "NodeState",
    "Provider",
    "SSHAuthenticationError",
    "SSHCommandTimeoutError",
    "SSHConnectError",
    "SSHConnectionLostError",
    "SSHError",
    "SSHFileError",
    "SSHHostKeyError",
    "SSHKeyError",
    "SSHOutputLimitError",
    "SSHTimeoutError",
    "StorageVolume",
    "StorageVolumeState",
    "VolumeSnapshot",
    "VolumeSnapshotState",
]


class Provider(Type):
    """The providers that have a name here; `polycloud providers` tells which have a driver."""

    ABIQUO = "abiquo"
    ALIYUN_ECS = "aliyun_ecs"
    AURORACOMPUTE = "aurora_compute"
    AZURE = "azure"
    AZURE_ARM = "azure_arm"
    BRIGHTBOX = "brightbox"
    CISCOCCS = "ciscoccs"
    CLOUDFRAMES = "cloudframes"
    CLOUDSCALE = "cloudscale"
    CLOUDSIGMA = "cloudsigma"
    CLOUDSIGMA_US = "cloudsigma_us"
    CLOUDSTACK = "cloudstack"
    DIGITAL_OCEAN = "digitalocean"
    DIMENSIONDATA = "dimensiondata"
    DUMMY = "dummy"
    EC2 = "ec2"
    EC2_AP_NORTHEAST = "ec2_ap_northeast"
    EC2_AP_NORTHEAST1 = "ec2_ap_northeast_1"
    EC2_AP_NORTHEAST2 = "ec2_ap_northeast_2"
    EC2_AP_SOUTHEAST = "ec2_ap_southeast"
    EC2_AP_SOUTHEAST2 = "ec2_ap_southeast_2"
    EC2_CA_CENTRAL1 = "ec2_ca_central_1"
    EC2_EU = "ec2_eu_west"
    EC2_EU_WEST = "ec2_eu_west"
    EC2_EU_WEST2 = "ec2_eu_west_london"
    EC2_SA_EAST = "ec2_sa_east"
    EC2_US_EAST = "ec2_us_east"
    EC2_US_EAST_OHIO = "ec2_us_east_ohio"
    EC2_US_WEST = "ec2_us_west"
    EC2_US_WEST_OREGON = "ec2_us_west_oregon"
    EQUINIXMETAL = "equinixmetal"
    EUCALYPTUS = "eucalyptus"
    EXOSCALE = "exoscale"
    GANDI = "gandi"
    GCE = "gce"
    GIG_G8 = "gig_g8"
    GRIDSCALE = "gridscale"
    HETZNER = "hetzner"
    HPCLOUD = "hpcloud"
    IBM = "ibm"
    IKOULA = "ikoula"
    INTERNETSOLUTIONS = "internetsolutions"
    KAMATERA = "kamatera"
    KTUCLOUD = "ktucloud"
    KUBEVIRT = "kubevirt"
    LIBVIRT = "libvirt"
    LINODE = "linode"
    MAXIHOST = "maxihost"
    NEPHOSCALE = "nephoscale"
    NIMBUS = "nimbus"
    NINEFOLD = "ninefold"
    NTTA = "ntta"
    NTTCIS = "nttcis"
    ONAPP = "onapp"
    OPENNEBULA = "opennebula"
    OPENSTACK = "openstack"
    OPSOURCE = "opsource"
    OUTSCALE = "outscale"
    OUTSCALE_INC = "outscale_inc"
    OUTSCALE_SAS = "outscale_sas"
    OVH = "ovh"
    RACKSPACE = "rackspace"
    RACKSPACE_FIRST_GEN = "rackspace_first_gen"
    RACKSPACE_NOVA_BETA = "rackspace_nova_beta"
    RACKSPACE_NOVA_DFW = "rackspace_nova_dfw"
    RACKSPACE_NOVA_LON = "rackspace_nova_lon"
    RACKSPACE_NOVA_ORD = "rackspace_nova_ord"
    RACKSPACE_UK = "rackspace_uk"
    RIMUHOSTING = "rimuhosting"
    RUNABOVE = "runabove"
    SCALEWAY = "scaleway"
    SOFTLAYER = "softlayer"
    TERREMARK = "terremark"
    UPCLOUD = "upcloud"
    VCL = "vcl"
    VCLOUD = "vcloud"
    VPSNET = "vpsnet"
    VSPHERE = "vsphere"
    VULTR = "vultr"


class NodeState(Type):
    """What a node is doing."""

    RUNNING = "running"
    STARTING = "starting"
    REBOOTING = "rebooting"
    TERMINATED = "terminated"
    PENDING = "pending"
    UNKNOWN = "unknown"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    ERROR = "error"
    PAUSED = "paused"
    RECONFIGURING = "reconfiguring"
    MIGRATING = "migrating"
    NORMAL = "normal"
    UPDATING = "updating"


class StorageVolumeState(Type):
    """What a volume is doing."""

    AVAILABLE = "available"
    ERROR = "error"
    INUSE = "inuse"
    CREATING = "creating"
    DELETING = "deleting"
    DELETED = "deleted"
    BACKUP = "backup"
    ATTACHING = "attaching"
    UNKNOWN = "unknown"
    MIGRATING = "migrating"
    UPDATING = "updating"


class VolumeSnapshotState(Type):
    """What a snapshot is doing."""

    AVAILABLE = "available"
    ERROR = "error"
    CREATING = "creating"
    DELETING = "deleting"
    RESTORING = "restoring"
    UNKNOWN = "unknown"
    UPDATING = "updating"


class KeyPairError(PolycloudError):
    """Something is wrong with the key pair `name`."""

    def __init__(self, name: str = "", driver: object = None) -> None:
        super().__init__(f"there is no key pair called {name!r}", driver)
        self.name = name


class KeyPairDoesNotExistError(KeyPairError):
    """There is no key pair of that name."""


class SSHError(PolycloudError):
    """Something went wrong on the way to a node or on it."""


class SSHConnectError(SSHError):
    """Nobody answers SSH at that address, or the connection was turned away."""


class SSHTimeoutError(SSHError):
    """The server took the connection and then said nothing in time."""


class SSHAuthenticationError(SSHError):
    """The server refused the user name with the keys and passwords that it was offered."""


class SSHHostKeyError(SSHError):
    """The node answers with another host key than before: it may be another machine."""


class SSHKeyError(SSHError):
    """A private key that cannot be used: encrypted, of an unknown format, or not there."""


class SSHConnectionLostError(SSHError):
    """The connection ended in the middle; the node may be rebooting."""


class SSHFileError(SSHError):
    """A file on the node that cannot be written, read or deleted."""


class SSHOutputLimitError(SSHError):
    """A command that printed more than is kept; it was ended."""


class SSHCommandTimeoutError(SSHError):
    """A command that did not end in `timeout` seconds; it was ended. What it printed is kept."""

    def __init__(
        self,
        cmd: str = "",
        timeout: float | None = None,
        stdout: str | None = None,
        stderr: str | None = None,
    ) -> None:
        super().__init__(f"{cmd!r} did not end within {timeout} s and was ended")
        self.cmd = cmd
        self.timeout = timeout
        self.stdout = stdout
        self.stderr = stderr


def _provider(thing: _Resource | KeyPair) -> str | None:
    """The provider's name; what came in the pickle of an error has no driver."""
    return getattr(thing.driver, "name", None)


def _without_driver(thing: Any) -> Any:
    """A copy that holds no credentials, since errors travel further than drivers may."""
    if not isinstance(thing, _Resource):
        return thing
    thing = copy(thing)
    thing.driver = None
    return thing


class DeploymentError(PolycloudError):
    """A node exists, and its deployment failed.

    `node` is that node, `value` the error that ended the deployment, `step` the step (None before the
    first), `exit_status` (int), `stdout` and `stderr` (str) what a failed script left.
    """

    def __init__(
        self,
        node: Node | None = None,
        original_exception: object = None,
        driver: object = None,
        *,
        step: object = None,
    ) -> None:
        super().__init__(original_exception, driver)
        self.node = node
        self.step = step
        self.exit_status: int | None = getattr(step, "exit_status", None)
        self.stdout: str = getattr(step, "stdout", None) or getattr(original_exception, "stdout", None) or ""
        self.stderr: str = getattr(step, "stderr", None) or getattr(original_exception, "stderr", None) or ""

    def __reduce__(self) -> tuple[Any, ...]:
        restore, (kind, args, state) = super().__reduce__()
        node = _without_driver(self.node)
        if isinstance(node, Node):
            node.size, node.image = _without_driver(node.size), _without_driver(node.image)
        args = tuple(node if arg is self.node else arg for arg in args)
        return restore, (kind, args, {**state, "node": node})

    def __str__(self) -> str:
        name, id_ = getattr(self.node, "name", None), getattr(self.node, "id", None)
        at = "" if self.step is None else f" at {self.step!r}"
        lines = (self.stderr or self.stdout)[-SHOWN_SIGNS:].strip().splitlines()
        tail = map(printable, lines[-SHOWN_LINES:])
        output = f"; its last lines: {' | '.join(tail)}" if lines else ""
        return f"the node {name} (id {id_}) exists, and its deployment failed{at}: {self.value}{output}"


DeploymentException = DeploymentError
SHOWN_LINES = 3
SHOWN_SIGNS = 2000


class _Resource:
    """Named things of a provider: identity equality, pickled as a dict, `extra` decoded on first use.

    Slots keep 10,000 nodes small; `__dict__` is there for programs that hang things on them.
    """

    __slots__ = ("__dict__", "__weakref__", "_extra", "driver", "id")

    id: str
    driver: NodeDriver
    _extra: dict[str, Any] | LazyExtra

    @property
    def extra(self) -> dict[str, Any]:
        """What the provider tells beyond the common attributes; the keys are the provider's."""
        if isinstance(self._extra, LazyExtra):
            self._extra = self._extra()
        return self._extra

    @extra.setter
    def extra(self, value: dict[str, Any] | LazyExtra | None) -> None:
        self._extra = {} if value is None else value

    def get_uuid(self) -> str:
        """SHA-1 (40 hexadecimal digits) of "id:provider": the same in every program, as Libcloud's."""
        import hashlib

        return hashlib.sha1(f"{self.id}:{getattr(self.driver, 'type', None)}".encode()).hexdigest()  # noqa: S324

    @property
    def uuid(self) -> str:
        """See `get_uuid`."""
        return self.get_uuid()

    def __getstate__(self) -> dict[str, Any]:
        slots = [name for base in type(self).__mro__ for name in getattr(base, "__slots__", ())]
        names = [name for name in slots if not name.startswith("_")]
        return {**self.__dict__, **{name: getattr(self, name) for name in names}, "extra": self.extra}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Node(_Resource):
    """A server.

    `id` and `name` (str), `state` (a `NodeState`), `public_ips` and `private_ips` (lists of str),
    `driver`, `size`, `image`, `created_at` (timezone-aware), `extra`.
    """

    __slots__ = ("created_at", "image", "name", "private_ips", "public_ips", "size", "state")

    def __init__(
        self,
        id: str,
        name: str | None,
        state: NodeState,
        public_ips: list[str],
        private_ips: list[str],
        driver: NodeDriver,
        size: NodeSize | str | None = None,
        image: NodeImage | str | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
        created_at: datetime | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.state = state
        self.public_ips = public_ips or []
        self.private_ips = private_ips or []
        self.driver = driver
        self.size = size
        self.image = image
        self.extra = extra
        self.created_at = created_at

    def reboot(self) -> bool:
        """Restart the node; see `NodeDriver.reboot_node`."""
        return self.driver.reboot_node(self)

    def start(self) -> bool:
        """Start the stopped node; see `NodeDriver.start_node`."""
        return self.driver.start_node(self)

    def stop_node(self) -> bool:
        """Stop the node; see `NodeDriver.stop_node`."""
        return self.driver.stop_node(self)

    def shutdown(self) -> bool:
        """Let the node shut itself down; see `NodeDriver.shutdown_node`."""
        return self.driver.shutdown_node(self)

    def destroy(self) -> bool:
        """Delete the node; see `NodeDriver.destroy_node`."""
        return self.driver.destroy_node(self)

    def __repr__(self) -> str:
        state = NodeState.tostring(self.state) if self.state in list(NodeState) else self.state
        return (
            f"<Node: uuid={self.uuid}, name={self.name}, state={state}, public_ips={self.public_ips}, "
            f"private_ips={self.private_ips}, provider={_provider(self)} ...>"
        )


class NodeSize(_Resource):
    """A plan: `ram` (MB), `disk` (GB), `bandwidth` (GB a month, 0 where not known), `price` (USD an hour).

    `price` is None where it is not known. The number of virtual CPUs is in `extra["vcpus"]`.
    """

    __slots__ = ("bandwidth", "disk", "name", "price", "ram")

    def __init__(
        self,
        id: str,
        name: str,
        ram: int,
        disk: int,
        bandwidth: int | None,
        price: float | None,
        driver: NodeDriver,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.ram = ram
        self.disk = disk
        self.bandwidth = bandwidth
        self.price = price
        self.driver = driver
        self.extra = extra

    def __repr__(self) -> str:
        return (
            f"<NodeSize: id={self.id}, name={self.name}, ram={self.ram} disk={self.disk} "
            f"bandwidth={self.bandwidth} price={self.price} driver={_provider(self)} ...>"
        )


class NodeImage(_Resource):
    """An operating system image that a node starts from."""

    __slots__ = ("name",)

    def __init__(
        self, id: str, name: str, driver: NodeDriver, extra: dict[str, Any] | LazyExtra | None = None
    ) -> None:
        self.id = str(id)
        self.name = name
        self.driver = driver
        self.extra = extra

    def __repr__(self) -> str:
        return f"<NodeImage: id={self.id}, name={self.name}, driver={_provider(self)}  ...>"


class NodeLocation(_Resource):
    """A place where nodes can be: a zone or a region; `country` is an ISO 3166 code such as "US"."""

    __slots__ = ("country", "name")

    def __init__(
        self,
        id: str,
        name: str,
        country: str,
        driver: NodeDriver,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.country = country
        self.driver = driver
        self.extra = extra

    def __repr__(self) -> str:
        return (
            f"<NodeLocation: id={self.id}, name={self.name}, country={self.country}, "
            f"driver={_provider(self)}>"
        )


class NodeAuthSSHKey:
    """Log in to a new node with this public key (one line of OpenSSH's format)."""

    def __init__(self, pubkey: str) -> None:
        self.pubkey = pubkey

    def __repr__(self) -> str:
        return "<NodeAuthSSHKey>"


class NodeAuthPassword:
    """Log in to a new node with this password; `generated` where polycloud or the provider chose it."""

    def __init__(self, password: str, generated: bool = False) -> None:
        self.password = password
        self.generated = generated

    def __repr__(self) -> str:
        return "<NodeAuthPassword>"


class KeyPair:
    """An SSH key that the provider knows by `name`.

    `public_key` is one line of OpenSSH's format, `private_key` its PEM text where it was just made.
    """

    def __init__(
        self,
        name: str,
        public_key: str | None,
        fingerprint: str | None,
        driver: NodeDriver,
        private_key: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.public_key = public_key
        self.fingerprint = fingerprint
        self.driver = driver
        self.private_key = private_key
        self.extra = extra or {}

    def __repr__(self) -> str:
        return f"<KeyPair name={self.name} fingerprint={self.fingerprint} driver={_provider(self)}>"


class StorageVolume(_Resource):
    """A block volume of `size` GB."""

    __slots__ = ("name", "size", "state")

    def __init__(
        self,
        id: str,
        name: str | None,
        size: int,
        driver: NodeDriver,
        state: StorageVolumeState | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.size = size
        self.driver = driver
        self.state = state
        self.extra = extra

    def attach(self, node: Node, device: str | None = None) -> bool:
        """Attach the volume to a node; see `NodeDriver.attach_volume`."""
        return self.driver.attach_volume(node, self, device)

    def detach(self) -> bool:
        """Detach the volume; see `NodeDriver.detach_volume`."""
        return self.driver.detach_volume(self)

    def list_snapshots(self) -> list[VolumeSnapshot]:
        """The volume's snapshots; see `NodeDriver.list_volume_snapshots`."""
        return self.driver.list_volume_snapshots(self)

    def snapshot(self, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot; see `NodeDriver.create_volume_snapshot`."""
        return self.driver.create_volume_snapshot(self, name)

    def destroy(self) -> bool:
        """Delete the volume; see `NodeDriver.destroy_volume`."""
        return self.driver.destroy_volume(self)

    def __repr__(self) -> str:
        return f"<StorageVolume id={self.id} size={self.size} driver={_provider(self)}>"


class VolumeSnapshot(_Resource):
    """A snapshot of a volume: `size` (GB), `created` (timezone-aware), `state`, `name`."""

    __slots__ = ("created", "name", "size", "state")

    def __init__(
        self,
        id: str,
        driver: NodeDriver,
        size: float | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
        created: datetime | None = None,
        state: VolumeSnapshotState | None = None,
        name: str | None = None,
    ) -> None:
        self.id = str(id)
        self.driver = driver
        self.size = size
        self.extra = extra
        self.created = created
        self.state = state
        self.name = name

    def destroy(self) -> bool:
        """Delete the snapshot; see `NodeDriver.destroy_volume_snapshot`."""
        return self.driver.destroy_volume_snapshot(self)

    def __repr__(self) -> str:
        return (
            f"<VolumeSnapshot id={self.id} name={self.name} size={self.size} driver={_provider(self)} "
            f"state={self.state}>"
        )
