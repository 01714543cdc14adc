"""Amazon's classic Elastic Load Balancing: its API reference, version 2012-06-01."""

from __future__ import annotations

from polycloud.loadbalancer.drivers.elb.creating import ELBCreating
from polycloud.loadbalancer.types import Provider

__all__ = ["ElasticLBDriver"]


class ElasticLBDriver(ELBCreating):
    """Classic balancers of a region: `ElasticLBDriver("access key", "secret", region="us-east-1")`.

    A balancer's id is its name, `ip` the name of its host; it runs as soon as it has that. Members are
    instances of EC2, by their ids, and all serve at one port. `extra` has what Amazon says under Amazon's
    names, such as `CanonicalHostedZoneNameID`, `Scheme`, `VPCId`, `SecurityGroups`.
    """

    type = Provider.ELB
    name = "Amazon Elastic Load Balancing"
    api_name = "elb"
    service_id = "elastic_load_balancing"
