"""The names of load balancing: providers, states, algorithms, and the errors of balancers and members."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from polycloud.common.types import Type
from polycloud.errors import ConflictError, NotFoundError, ProviderHTTPError
from polycloud.utils.status import HTTPStatus

__all__ = [
    "Algorithm",
    "BalancerAlreadyExistsError",
    "BalancerBusyError",
    "BalancerDoesNotExistError",
    "BalancerError",
    "BalancerInUseError",
    "Draining",
    "LibcloudLBError",
    "LibcloudLBImmutableError",
    "MemberAlreadyExistsError",
    "MemberCondition",
    "MemberDoesNotExistError",
    "MemberError",
    "MemberHealth",
    "Provider",
    "State",
]


class Provider(Type):
    """The providers of balancers that have a name; `polycloud providers` shows which have a driver."""

    ALB = "alb"
    ALIYUN_SLB = "aliyun_slb"
    BRIGHTBOX = "brightbox"
    CLOUDSTACK = "cloudstack"
    DIGITAL_OCEAN = "digitalocean"
    DIMENSIONDATA = "dimensiondata"
    DUMMY = "dummy"
    ELB = "elb"
    GCE = "gce"
    HAPROXY = "haproxy"
    LINODE = "linode"
    NINEFOLD = "ninefold"
    NTTCIS = "nttcis"
    OCTAVIA = "octavia"
    OPENSTACK = "openstack"
    RACKSPACE = "rackspace"
    RACKSPACE_UK = "rackspace_uk"
    RACKSPACE_US = "rackspace_us"
    SOFTLAYER = "softlayer"


class Number(IntEnum):
    """A set of named integers, which are Libcloud's; members print as their names in lower case."""

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def tostring(cls, value: int) -> str:
        """Return the name of a member or of its integer, in upper case."""
        return cls(value).name

    @classmethod
    def fromstring(cls, value: str) -> Self | None:
        """Return the member of that name, in any case; None if there is none."""
        return cls.__members__.get(value.upper())


class State(Number):
    """The states of a balancer."""

    RUNNING = 0
    PENDING = 1
    UNKNOWN = 2
    ERROR = 3
    DELETED = 4


class MemberCondition(Number):
    """What a balancer shall do with a member: send it new connections or not."""

    ENABLED = 0
    DISABLED = 1
    DRAINING = 2


class MemberHealth(Type):
    """What a balancer has found of a member: whether it takes connections."""

    UP = "up"
    DOWN = "down"
    STARTING = "starting"
    DRAINING = "draining"
    UNKNOWN = "unknown"


class Draining(Type):
    """What a provider can do so that the connections of a member end before it is detached."""

    COUNTED = "counted"
    """It says when a member has no connections left."""
    TIMED = "timed"
    """It keeps new connections from a member, but does not say when those that it has are gone."""
    NONE = "none"
    """It can do nothing."""


class Algorithm(Number):
    """How a balancer chooses the member for a connection."""

    RANDOM = 0
    ROUND_ROBIN = 1
    LEAST_CONNECTIONS = 2
    WEIGHTED_ROUND_ROBIN = 3
    WEIGHTED_LEAST_CONNECTIONS = 4
    SHORTEST_RESPONSE = 5
    PERSISTENT_IP = 6


class BalancerError(ProviderHTTPError):
    """An error about the balancer `balancer_id`.

    `code` is the usual status of this error; that of the response, if there was one, is in `exchange`.
    """

    default = "the operation on the balancer failed"
    status = 0

    def __init__(self, value: object = "", driver: object = None, balancer_id: str = "") -> None:
        super().__init__(self.status, value or f"{self.default}: {balancer_id!r}")
        self.driver = driver
        self.balancer_id = balancer_id


class BalancerDoesNotExistError(BalancerError, NotFoundError):
    """There is no balancer with this id."""

    default = "the balancer does not exist"
    status = HTTPStatus.NOT_FOUND


class BalancerAlreadyExistsError(BalancerError, ConflictError):
    """There is a balancer of this name already, and the provider allows one only."""

    default = "the balancer already exists"
    status = HTTPStatus.CONFLICT


class BalancerBusyError(BalancerError, ConflictError):
    """The balancer is being changed by somebody else, for longer than it was waited for."""

    default = "the balancer is being changed"
    status = HTTPStatus.CONFLICT


class BalancerInUseError(BalancerError, ConflictError):
    """The balancer cannot be destroyed, since something else uses it."""

    default = "the balancer is in use"
    status = HTTPStatus.CONFLICT


class MemberError(ProviderHTTPError):
    """An error about the member `member_id` of a balancer; `code` is as in `BalancerError`."""

    default = "the operation on the member failed"
    status = 0

    def __init__(self, value: object = "", driver: object = None, member_id: str = "") -> None:
        super().__init__(self.status, value or f"{self.default}: {member_id!r}")
        self.driver = driver
        self.member_id = member_id


class MemberDoesNotExistError(MemberError, NotFoundError):
    """The balancer has no such member."""

    default = "the balancer has no such member"
    status = HTTPStatus.NOT_FOUND


class MemberAlreadyExistsError(MemberError, ConflictError):
    """The balancer has this member already."""

    default = "the balancer has this member already"
    status = HTTPStatus.CONFLICT


LibcloudLBError = BalancerError
LibcloudLBImmutableError = BalancerBusyError
