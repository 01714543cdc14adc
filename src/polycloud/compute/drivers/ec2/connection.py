"""The connection to EC2, and the base of its driver's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from polycloud.common.aws import AWSBaseDriver
from polycloud.common.aws.query import AWSQueryConnection, filters
from polycloud.common.aws.xml import Item
from polycloud.compute.base import NodeDriver

T = TypeVar("T")
R = TypeVar("R")
PER_PAGE = 1000


class EC2Connection(AWSQueryConnection):
    """Sends actions of EC2's dialect of the Query API."""

    service = "ec2"
    version = "2016-11-15"
    member = ""
    has_result = False
    marker, next_marker = "NextToken", "nextToken"
    page_size, page_limit = "MaxResults", PER_PAGE
    page_limits: ClassVar = {"DescribeInstanceTypes": 100}
    unpaged = frozenset(
        {"DescribeAddresses", "DescribeAvailabilityZones", "DescribeKeyPairs", "DescribeRegions"}
    )
    repeatable = ("Describe", "Get", "TerminateInstances", "DeleteKeyPair")

    def list_filtered(
        self,
        action: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        wanted: Mapping[str, Any] | None,
        **fields: Any,
    ) -> list[R]:
        """Like `list_all`, with the filters `wanted`; `fields` may have ids and names, empty ones too."""
        named = any(value for field, value in fields.items() if field.endswith(("Id", "Name")))
        items = self.iterate(action, name, type_, paged=not named, Filter=filters(wanted), **fields)
        return [build(item) for item in items]


class EC2BaseDriver(AWSBaseDriver, NodeDriver):
    """What the parts of EC2's driver share."""

    connectionCls = EC2Connection
    connection: EC2Connection
    api_name = "ec2"
    name = "Amazon EC2"
    website = "https://aws.amazon.com/ec2/"
    endpoint = "ec2"

    def __init__(self, *args: Any, ex_per_page: int = PER_PAGE, **options: Any) -> None:
        self._per_page = ex_per_page
        super().__init__(*args, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "per_page": self._per_page}
