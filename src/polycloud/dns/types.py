"""The names of DNS: providers, record types, and the errors of zones and records."""

from __future__ import annotations

from polycloud.common.types import Type
from polycloud.errors import ConflictError, NotFoundError, ProviderHTTPError
from polycloud.utils.status import HTTPStatus

__all__ = [
    "Provider",
    "RecordAlreadyExistsError",
    "RecordConflictError",
    "RecordDoesNotExistError",
    "RecordError",
    "RecordType",
    "ZoneAlreadyExistsError",
    "ZoneDoesNotExistError",
    "ZoneError",
]


class Provider(Type):
    """The DNS providers that have a name; `polycloud providers` shows which have a driver."""

    AURORADNS = "auroradns"
    BUDDYNS = "buddyns"
    CLOUDFLARE = "cloudflare"
    CLOUDNS = "cloudns"
    DESIGNATE = "designate"
    DIGITAL_OCEAN = "digitalocean"
    DNSIMPLE = "dnsimple"
    DNSPOD = "dnspod"
    DUMMY = "dummy"
    DURABLEDNS = "durabledns"
    GANDI = "gandi"
    GANDI_LIVE = "gandi_live"
    GODADDY = "godaddy"
    GOOGLE = "google"
    HOSTVIRTUAL = "hostvirtual"
    LINODE = "linode"
    LIQUIDWEB = "liquidweb"
    LUADNS = "luadns"
    NFSN = "nfsn"
    NSONE = "nsone"
    ONAPP = "onapp"
    POINTDNS = "pointdns"
    POWERDNS = "powerdns"
    RACKSPACE = "rackspace"
    RACKSPACE_UK = "rackspace_uk"
    RACKSPACE_US = "rackspace_us"
    RCODEZERO = "rcodezero"
    RFC2136 = "rfc2136"
    ROUTE53 = "route53"
    SOFTLAYER = "softlayer"
    VULTR = "vultr"
    WORLDWIDEDNS = "worldwidedns"
    ZERIGO = "zerigo"
    ZONOMI = "zonomi"


class RecordType(Type):
    """The types of records; `DNSDriver.list_record_types` returns those that a provider has."""

    A = "A"
    AAAA = "AAAA"
    AFSDB = "AFSDB"
    ALIAS = "ALIAS"
    ANAME = "ANAME"
    CAA = "CAA"
    CERT = "CERT"
    CNAME = "CNAME"
    DNAME = "DNAME"
    DNSKEY = "DNSKEY"
    DS = "DS"
    GEO = "GEO"
    HINFO = "HINFO"
    HTTPS = "HTTPS"
    KEY = "KEY"
    LOC = "LOC"
    MX = "MX"
    NAPTR = "NAPTR"
    NS = "NS"
    NSEC = "NSEC"
    OPENPGPKEY = "OPENPGPKEY"
    PTR = "PTR"
    REDIRECT = "REDIRECT"
    RP = "RP"
    RRSIG = "RRSIG"
    SMIMEA = "SMIMEA"
    SOA = "SOA"
    SPF = "SPF"
    SRV = "SRV"
    SSHFP = "SSHFP"
    SVCB = "SVCB"
    TLSA = "TLSA"
    TXT = "TXT"
    URI = "URI"
    URL = "URL"
    WKS = "WKS"


class ZoneError(ProviderHTTPError):
    """An error about the zone `zone_id`.

    `code` is the usual status of this error; that of the response, if there was one, is in `exchange`.
    """

    default = "the operation on the zone failed"
    status = 0

    def __init__(self, value: object = "", driver: object = None, zone_id: str = "") -> None:
        super().__init__(self.status, value or f"{self.default}: {zone_id!r}")
        self.driver = driver
        self.zone_id = zone_id


class ZoneDoesNotExistError(ZoneError, NotFoundError):
    """There is no zone with this id."""

    default = "the zone does not exist"
    status = HTTPStatus.NOT_FOUND


class ZoneAlreadyExistsError(ZoneError, ConflictError):
    """There is a zone of this domain already."""

    default = "the zone already exists"
    status = HTTPStatus.CONFLICT


class RecordError(ProviderHTTPError):
    """An error about the record `record_id`; `code` is as in `ZoneError`."""

    default = "the operation on the record failed"
    status = 0

    def __init__(self, value: object = "", driver: object = None, record_id: str = "") -> None:
        super().__init__(self.status, value or f"{self.default}: {record_id!r}")
        self.driver = driver
        self.record_id = record_id


class RecordDoesNotExistError(RecordError, NotFoundError):
    """There is no record with this id in the zone."""

    default = "the record does not exist"
    status = HTTPStatus.NOT_FOUND


class RecordAlreadyExistsError(RecordError, ConflictError):
    """There is such a record already."""

    default = "the record already exists"
    status = HTTPStatus.CONFLICT


class RecordConflictError(RecordError, ConflictError):
    """The record cannot be beside another one of its name, such as a CNAME beside anything else."""

    default = "the record cannot be beside the others of its name"
    status = HTTPStatus.CONFLICT
