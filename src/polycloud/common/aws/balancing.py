"""The connection to Elastic Load Balancing: classic balancers and those of version 2 share one endpoint.

What may be sent twice is sent again if its response is lost: registering, deregistering, and changing
attributes come to the same the second time, and what is deleted stays deleted. Creates of balancers are not,
although the provider returns an existing balancer for the same name and settings: it would not be known whose
it is. Each gets the tag `MARKER` instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import as_list
from polycloud.common.aws.connection import AWSBaseDriver, AWSResponse
from polycloud.common.aws.errors import REFUSALS, Refusals
from polycloud.common.aws.query import AWSQueryConnection
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError, ProviderHTTPError
from polycloud.utils.values import shown

MARKER = "polycloud-create"
"""The tag of a balancer whose value is known to the create alone that made it."""

PORT = "polycloud-port"
"""The tag of a balancer with several listeners: the port of the first one."""

REFUSED_MEMBERS = frozenset({"InvalidInstance", "InvalidTarget"})
"""The codes of members that the account does not have, that do not run, or that cannot be reached."""

SCHEMES = ("internet-facing", "internal")
LONGEST_NAME = 32
NAME = re.compile(r"(?!.*--)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
GONE = re.compile(r"(LoadBalancer|AccessPoint|TargetGroup|Listener)NotFound")
TAKEN = re.compile(r"Duplicate\w+Name|DuplicateListener")


class Payload(msgspec.Struct, rename="pascal"):
    """A part of a response, by the provider's names; all fields but the first may be missing."""


class Tag(Payload):
    """A tag."""

    key: str
    value: str | None = None


class BalancingResponse(AWSResponse):
    """A response, with the error codes of Elastic Load Balancing."""

    refusals: ClassVar[Refusals] = ((GONE, NotFoundError), (TAKEN, ConflictError), *REFUSALS)


class BalancingConnection(AWSQueryConnection):
    """Sends actions of Elastic Load Balancing; subclasses set `version`."""

    service = "elasticloadbalancing"
    responseCls = BalancingResponse
    repeatable = (
        *("Describe", "Register", "Deregister", "Modify", "Configure", "Set"),
        *("DeleteLoadBalancer", "DeleteTargetGroup"),
    )


class BalancingBaseDriver(AWSBaseDriver):
    """The base of the drivers of both versions: `Driver("access key", "secret", "us-east-1", token=None)`.

    `access_id` is Libcloud's name of the access key. `ex_per_page` is the most resources on a page. New
    balancers that name none have `ex_subnets` and the scheme `ex_scheme`.
    """

    connectionCls = BalancingConnection
    connection: BalancingConnection
    website = "https://aws.amazon.com/elasticloadbalancing/"
    endpoint = "elasticloadbalancing"

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        region: str | None = None,
        token: str | None = None,
        *,
        access_id: str | None = None,
        ex_per_page: int | None = None,
        ex_subnets: Sequence[str] = (),
        ex_scheme: str | None = None,
        **options: Any,
    ) -> None:
        self._per_page = ex_per_page
        super().__init__(access_id or key, secret, region=region, token=token, **options)
        self._subnets, self._scheme = as_list(ex_subnets), require_scheme(ex_scheme)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "per_page": self._per_page}


def require_scheme(scheme: str | None) -> str | None:
    """Return a scheme. Raises `InvalidArgumentError` for anything but the provider's two."""
    if scheme is None or scheme in SCHEMES:
        return scheme
    raise InvalidArgumentError(f"ex_scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")


def code_of(error: ProviderHTTPError) -> str:
    """Return the provider's code of an error, such as "DuplicateListener"."""
    return str(error.message).partition(":")[0]


def require_name(name: Any) -> str:
    """Return the name of a balancer.

    Raises `InvalidArgumentError` unless it has 1 to 32 letters, digits and single hyphens, these not at its
    ends.
    """
    if isinstance(name, str) and len(name) <= LONGEST_NAME and NAME.fullmatch(name):
        return name
    raise InvalidArgumentError(
        f"name must have 1 to {LONGEST_NAME} ASCII letters, digits and single hyphens within, "
        f"got {shown(name)}"
    )


def tags_of(tags: Iterable[Tag] | None) -> dict[str, str]:
    """Return tags of a response as a dict."""
    return {one.key: one.value or "" for one in tags or ()}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as requests have them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
