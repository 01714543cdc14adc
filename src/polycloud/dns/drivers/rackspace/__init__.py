"""Rackspace's Cloud DNS, version 1.0: https://docs.rackspace.com/reference/cloud-dns-index.

Reads respond at once. A change is a job: its request responds with 202 and the job's id, and the job is
polled until it is COMPLETED or has an ERROR. A job that creates or updates several records does all of them
or none; one that deletes several deletes each that it can.

Names in requests and responses are in full, without a dot at the end. `connection` has jobs and
pages, `zones` and `records` the two nouns.
"""

from __future__ import annotations

from typing import ClassVar

from polycloud.common.credentials import Credential
from polycloud.common.openstack.publicclouds import RACKSPACE, RACKSPACE_UK
from polycloud.dns.drivers.rackspace.connection import CloudDNSConnection, CloudDNSResponse
from polycloud.dns.drivers.rackspace.records import CloudDNSRecords
from polycloud.dns.types import Provider, RecordType

__all__ = ["CloudDNSConnection", "CloudDNSResponse", "RackspaceDNSDriver"]

TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "SRV", "TXT")
UK = frozenset({"uk", "lon"})


class RackspaceDNSDriver(CloudDNSRecords):
    """Rackspace's zones: `RackspaceDNSDriver("user", "API key")`; of UK accounts with `region="uk"`.

    With `ex_force_auth_version="2.0_password"` the second argument is the password. See `OpenStackBaseDriver`
    for the other arguments. `extra` of zones has `email`, by default hostmaster@ the domain, and `comment`,
    that of records `comment`.
    """

    type = Provider.RACKSPACE
    name = "Rackspace Cloud DNS"
    website = RACKSPACE.website
    api_name = "rackspace"
    default_method = "2.0_apikey"
    public_cloud = RACKSPACE
    finds_credentials = False
    credentials = (Credential("username", ("RS_USERNAME",)), Credential("api_key", ("RS_API_KEY",)))
    RECORD_TYPE_MAP: ClassVar = {RecordType(name): name for name in TYPES}
    changes_types = False
    lost_characters = '"\\'
    has_empty_texts = False
    own_extra = frozenset({"comment"})
    fields_of: ClassVar = {"weight": ("data",), "port": ("data",)}

    def _public_url(self, region: str | None) -> str:
        return RACKSPACE_UK.auth_url if (region or "").lower() in UK else RACKSPACE.auth_url
