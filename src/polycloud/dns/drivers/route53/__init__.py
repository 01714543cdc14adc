r"""Amazon Route 53: https://docs.aws.amazon.com/Route53/latest/APIReference/, version 2013-04-01.

A change of a set says what it replaces: DELETE of the set as it was read, and CREATE of the new one, in one
batch, of which Route 53 makes all or nothing. So another program's change is never overwritten. Only the SOA
and NS sets of the zone itself cannot be deleted, and are overwritten (UPSERT).

Names and values have octal escapes: `\052` is an asterisk, which is `\042` elsewhere.
"""

from __future__ import annotations

from typing import Any, ClassVar

from polycloud.common.arguments import require_count
from polycloud.dns.drivers.route53.connection import Route53Connection, Route53Response
from polycloud.dns.drivers.route53.records import LARGEST_PAGE, OWN, Route53Records
from polycloud.dns.drivers.route53.zones import Route53Zones
from polycloud.dns.types import Provider, RecordType

__all__ = ["Route53Connection", "Route53DNSDriver", "Route53Response"]

SIGNING_REGIONS = {
    "cn-": "cn-northwest-1",
    "us-gov-": "us-gov-west-1",
    "us-iso-": "us-iso-east-1",
    "us-isob-": "us-isob-east-1",
    "us-isof-": "us-isof-south-1",
    "eu-isoe-": "eu-isoe-west-1",
    "eusc-": "eusc-de-east-1",
}
"""Where the only endpoint of other partitions is, by how the names of their regions begin."""


class Route53DNSDriver(Route53Zones, Route53Records):
    """Amazon Route 53: `Route53DNSDriver("access key", "secret", token=None)`.

    Without a key, credentials are found where Amazon's tools find them; see `AWSBaseDriver`. `ex_per_page` is
    the most zones and record sets on a page.

    `extra` of a zone has Amazon's names: `Comment`, `CallerReference`, `PrivateZone`, `LinkedService`,
    `ResourceRecordSetCount`; of `get_zone` and `create_zone` also `NameServers`, `DelegationSetId`, `VPCs`.

    A record has in `extra` what its set has beyond DNS, with the prefix `ex_`: `ex_set_identifier` (by which
    sets of one name and type are distinguished), `ex_weight`, `ex_region`, `ex_geo_location`, `ex_failover`,
    `ex_multi_value_answer`, `ex_health_check_id`, `ex_cidr_routing_config`, `ex_geo_proximity_location` and
    `ex_traffic_policy_instance_id`. An alias is a record of type ALIAS without TTL, whose data is its target.
    Its `ex_alias_type` is the type that it answers, by default A; its `ex_alias_zone_id` the zone of the
    target, by default its own zone; `ex_evaluate_target_health` is True or False.
    """

    type = Provider.ROUTE53
    name = "Amazon Route 53"
    api_name = "route53"
    website = "https://aws.amazon.com/route53/"
    endpoint = "route53"
    service_id = "route_53"
    connectionCls = Route53Connection
    connection: Route53Connection
    RECORD_TYPE_MAP: ClassVar = {
        RecordType(name): name
        for name in (
            *("A", "AAAA", "ALIAS", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF"),
            *("SRV", "SSHFP", "SVCB", "TLSA", "TXT"),
        )
    }
    changes_at_once = 1000
    set_extra = frozenset(OWN)
    longest_text = 3953  # with the quotes of its pieces 4,000 characters

    def __init__(self, *args: Any, ex_per_page: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        size = LARGEST_PAGE if ex_per_page is None else ex_per_page
        self._per_page = require_count("ex_per_page", size, LARGEST_PAGE)

    def _region_host(self, region: str) -> str:
        where = ".us-gov." if region.startswith("us-gov-") else "."
        return super()._region_host(region).replace(f".{region}.", where)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        options = super()._ex_connection_class_kwargs()
        found = (one for start, one in SIGNING_REGIONS.items() if options["region"].startswith(start))
        return {**options, "region": next(found, "us-east-1")}
