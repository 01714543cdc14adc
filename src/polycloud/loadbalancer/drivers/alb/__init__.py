"""Amazon's Elastic Load Balancing version 2: its API reference, version 2015-12-01."""

from __future__ import annotations

from polycloud.loadbalancer.drivers.alb.creating import ALBCreating
from polycloud.loadbalancer.types import Provider

__all__ = ["ApplicationLBDriver"]


class ApplicationLBDriver(ALBCreating):
    """Application and network balancers of a region.

    `ApplicationLBDriver("access key", "secret", region="us-east-1", ex_subnets=["subnet-1", "subnet-2"])`. A
    balancer's id is its ARN, `ip` the name of its host. `extra` has what Amazon says under Amazon's names,
    such as `CanonicalHostedZoneId`, `Scheme`, `VpcId`, `SecurityGroups`, and in `target_group` the ARN of the
    first listener's target group.
    """

    type = Provider.ALB
    name = "Amazon Elastic Load Balancing v2"
    api_name = "alb"
    service_id = "elastic_load_balancing_v2"
