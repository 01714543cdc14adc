"""The names of compute: providers, states, and the errors of keys, SSH and deployment."""

from __future__ import annotations

from typing import Any

from polycloud.common.resource import without_driver
from polycloud.common.types import Type
from polycloud.errors import (
    InvalidCredsError,
    InvalidCredsException,
    LibcloudError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    printable,
)
from polycloud.utils.status import HTTPStatus

__all__ = [
    "PUBLIC_BY_DEFAULT",
    "DefaultInterface",
    "DeploymentError",
    "DeploymentException",
    "InvalidCredsError",
    "InvalidCredsException",
    "KeyPairDoesNotExistError",
    "KeyPairError",
    "LibcloudError",
    "MalformedResponseError",
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
    "StorageVolumeState",
    "VolumeSnapshotState",
]


class Provider(Type):
    """The providers that have a name here; `polycloud providers` shows which have a driver."""

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
    """The states of a node."""

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


class DefaultInterface(str):
    """The `ssh_interface` of a caller who named none, which may fall back to the private addresses."""

    __slots__ = ()


PUBLIC_BY_DEFAULT = DefaultInterface("public_ips")
"""Equal to "public_ips", but a node that has private addresses only is waited for no longer than a grace."""


class StorageVolumeState(Type):
    """The states of a volume."""

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
    """The states of a snapshot."""

    AVAILABLE = "available"
    ERROR = "error"
    CREATING = "creating"
    DELETING = "deleting"
    RESTORING = "restoring"
    UNKNOWN = "unknown"
    UPDATING = "updating"


class KeyPairError(ProviderHTTPError):
    """An error about the key pair `name`."""

    status = 0

    def __init__(self, name: str = "", driver: object = None) -> None:
        super().__init__(self.status, f"there is no key pair called {name!r}")
        self.driver = driver
        self.name = name


class KeyPairDoesNotExistError(KeyPairError, NotFoundError):
    """There is no key pair of that name."""

    status = HTTPStatus.NOT_FOUND


class SSHError(PolycloudError):
    """An error of SSH, on the way to a node or on it."""


class SSHConnectError(SSHError):
    """No SSH server accepts connections at that address."""


class SSHTimeoutError(SSHError):
    """The server accepted the connection and then did not respond in time."""


class SSHAuthenticationError(SSHError):
    """The server refused the user with the offered keys and passwords.

    It `is_definite` if this will not change while the machine boots: the server got too many keys, or took
    the login and then refused to do anything for this user.
    """

    def __init__(self, value: object = "", driver: object = None, *, is_definite: bool = False) -> None:
        super().__init__(value, driver)
        self.is_definite = is_definite


class SSHHostKeyError(SSHError):
    """The node has another host key than before: it may be another machine."""


class SSHKeyError(SSHError):
    """A private key that cannot be used: encrypted, of an unknown format, or missing."""


class SSHConnectionLostError(SSHError):
    """The connection was lost; the node may be rebooting."""


class SSHFileError(SSHError):
    """A file on the node that cannot be written, read or deleted."""


class SSHOutputLimitError(SSHError):
    """A command whose output exceeded the limit; it was stopped."""


class SSHCommandTimeoutError(SSHError):
    """A command that did not end within `timeout` seconds and was stopped. Its output is kept."""

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


class DeploymentError(PolycloudError):
    """A node exists, and its deployment failed.

    `node` is that node, `value` the error that ended the deployment, `step` the step (None before the
    first), `exit_status` (int), `stdout` and `stderr` (str) those of a failed script.
    """

    def __init__(
        self,
        node: Any = None,
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
        node = without_driver(self.node)
        if node is not self.node:
            node.size, node.image = without_driver(node.size), without_driver(node.image)
        args = tuple(node if arg is self.node else arg for arg in args)
        return restore, (kind, args, {**state, "node": node})

    def __str__(self) -> str:
        name, id_ = getattr(self.node, "name", None), getattr(self.node, "id", None)
        at = "" if self.step is None else f" at {self.step!r}"
        lines = (self.stderr or self.stdout)[-SHOWN_CHARACTERS:].strip().splitlines()
        tail = map(printable, lines[-SHOWN_LINES:])
        output = f"; its last lines: {' | '.join(tail)}" if lines else ""
        return f"the node {name} (id {id_}) exists, and its deployment failed{at}: {self.value}{output}"


DeploymentException = DeploymentError
SHOWN_LINES = 3
SHOWN_CHARACTERS = 2000
