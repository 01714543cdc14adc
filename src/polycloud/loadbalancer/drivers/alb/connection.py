"""The connection to Elastic Load Balancing version 2, and what the parts of its driver read with it."""

from __future__ import annotations

import re
from typing import ClassVar

from polycloud.common.aws.balancing import BalancingBaseDriver, BalancingConnection, tags_of
from polycloud.errors import NotFoundError
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.drivers.alb.payload import Attribute, Group, RawListener, TagDescription
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError

ARN = re.compile(r"arn:[\w-]+:elasticloadbalancing:[\w-]+:\d+:loadbalancer/[\w/-]+", re.ASCII)
MOST_ARNS = 20
"""Target groups and tags of so many resources can be described at once."""


class ALBConnection(BalancingConnection):
    """Sends actions of version 2."""

    version = "2015-12-01"


class ALBBaseDriver(BalancingBaseDriver, Driver):
    """What the parts of the driver share."""

    connectionCls = ALBConnection
    connection: ALBConnection
    protocols: ClassVar = {
        "http": "HTTP",
        "https": "HTTPS",
        "tcp": "TCP",
        "tls": "TLS",
        "udp": "UDP",
        "tcp_udp": "TCP_UDP",
    }
    algorithms: ClassVar = {
        Algorithm.ROUND_ROBIN: "round_robin",
        Algorithm.LEAST_CONNECTIONS: "least_outstanding_requests",
        Algorithm.RANDOM: "weighted_random",
    }

    def _require_arn(self, arn: str) -> str:
        """Return the ARN of a balancer. Raises `BalancerDoesNotExistError` for anything else."""
        if isinstance(arn, str) and ARN.fullmatch(arn):
            return arn
        raise BalancerDoesNotExistError(driver=self, balancer_id=str(arn))

    def _listeners(self, arn: str) -> list[RawListener]:
        """Return the listeners of a balancer, the first one first. Raises `NotFoundError`."""
        self._require_arn(arn)
        found = self.connection.iterate("DescribeListeners", "Listeners", RawListener, LoadBalancerArn=arn)
        return sorted((one.value for one in found), key=RawListener.place)

    def _groups(self, listeners: list[RawListener]) -> list[Group]:
        """Return the target groups that listeners forward to, in their order."""
        arns = list(dict.fromkeys(filter(None, map(RawListener.group, listeners))))
        found: dict[str, Group] = {}
        for start in range(0, len(arns), MOST_ARNS):
            some = arns[start : start + MOST_ARNS]
            items = self.connection.iterate(
                "DescribeTargetGroups", "TargetGroups", Group, paged=False, TargetGroupArns=some
            )
            found |= {one.value.arn: one.value for one in items}
        return [found[arn] for arn in arns if arn in found]

    def _serving(self, balancer_id: str) -> list[Group]:
        """Return the target groups of a balancer's members: that of the first listener, and its siblings.

        Siblings are those that this driver made for the other listeners. Where somebody else did, they may be
        of another service.
        """
        groups = self._groups(self._listeners(balancer_id))
        if not groups:
            return []
        first = groups[0]
        stem = first.stem()
        return [first, *(one for one in groups[1:] if stem is not None and one.stem() == stem)]

    def _attributes(self, group: str | None) -> dict[str, str]:
        """Return the attributes of a target group; none if it is gone, or None."""
        if group is None:
            return {}
        try:
            found = self.connection.iterate(
                "DescribeTargetGroupAttributes", "Attributes", Attribute, paged=False, TargetGroupArn=group
            )
            return {one.value.key: one.value.value or "" for one in found}
        except NotFoundError:
            return {}

    def _set_attributes(self, group: str, attributes: dict[str, str]) -> None:
        fields = [{"Key": key, "Value": value} for key, value in attributes.items()]
        self.connection.act("ModifyTargetGroupAttributes", TargetGroupArn=group, Attributes=fields)

    def _tags(self, arns: list[str]) -> dict[str, dict[str, str]]:
        """Return the tags of resources."""
        tags: dict[str, dict[str, str]] = {}
        for start in range(0, len(arns), MOST_ARNS):
            some = arns[start : start + MOST_ARNS]
            found = self.connection.iterate(
                "DescribeTags", "TagDescriptions", TagDescription, paged=False, ResourceArns=some
            )
            tags |= {one.value.arn: tags_of(one.value.tags) for one in found}
        return tags
