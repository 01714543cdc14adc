"""Zones of Route 53, which calls them hosted zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.aws import AWSBaseDriver
from polycloud.common.creation import UniqueCreation, marker_for
from polycloud.common.pagination import follow_marker
from polycloud.dns.changes import packed
from polycloud.dns.content import check_kind
from polycloud.dns.drivers.route53.connection import (
    Route53Connection,
    Route53Response,
    checked,
    from_octal,
    octal_name,
    path_of,
)
from polycloud.dns.drivers.route53.records import ALIAS, KEPT
from polycloud.dns.names import ascii_name, normalize_domain
from polycloud.dns.objects import Zone
from polycloud.dns.recordsets import ATTEMPTS, RecordSet, RecordSetsDriver, SetChange
from polycloud.dns.types import ZoneAlreadyExistsError, ZoneError
from polycloud.errors import ConflictError, ProviderHTTPError, UnsupportedOperationError, translated
from polycloud.utils.status import HTTPStatus

LARGEST_PAGE = 100


class ZoneConfig(msgspec.Struct, rename="pascal"):
    """What else a zone has."""

    comment: str | None = None
    private_zone: bool = False


class HostedZone(msgspec.Struct, rename="pascal"):
    """A zone; another service of Amazon has made one that has a `linked_service`."""

    id: str
    name: str
    caller_reference: str | None = None
    config: ZoneConfig = msgspec.field(default_factory=ZoneConfig)
    resource_record_set_count: int | None = None
    linked_service: dict[str, str] | None = None


class DelegationSet(msgspec.Struct, rename="pascal"):
    """The name servers of a zone; only a reusable set has an id."""

    name_servers: list[str] | None = None
    id: str | None = None


class ZoneFound(msgspec.Struct, rename="pascal"):
    """A zone with its name servers, if it is public, or its networks."""

    hosted_zone: HostedZone
    delegation_set: DelegationSet = msgspec.field(default_factory=DelegationSet)
    vpcs: list[dict[str, str]] | None = msgspec.field(name="VPCs", default=None)
    vpc: dict[str, str] | None = msgspec.field(name="VPC", default=None)


class NewZone(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    """What `extra` of `create_zone` and `update_zone` may have."""

    comment: str | None = None
    caller_reference: str | None = None
    delegation_set_id: str | None = None
    vpc: dict[str, str] | None = msgspec.field(name="VPC", default=None)


class Signing(msgspec.Struct, rename="pascal"):
    """Whether a zone is signed (DNSSEC)."""

    serve_signature: str


class Route53Zones(AWSBaseDriver, RecordSetsDriver):
    """The methods of zones."""

    connection: Route53Connection
    _per_page: int

    def list_zones(self) -> list[Zone]:
        """Return all zones of the account, public and private."""
        return list(self.iterate_zones())

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones, a page at a time."""

        def fetch(marker: str | int | None) -> tuple[list[Zone], str | None]:
            params = drop_none({"marker": marker, "maxitems": min(self._per_page, LARGEST_PAGE)})
            response = self.connection.call("GET", "/hostedzone", params=params)
            name = "ListHostedZonesResponse"
            zones = [self._to_zone(ZoneFound(one)) for one in _zones(response, name)]
            return zones, response.root(name).findtext("{*}NextMarker")

        return follow_marker(fetch, attrgetter("id"))

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id, with its name servers or networks."""
        with self._zone_errors(zone_id):
            return self._to_zone(self._found(zone_id))

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a public zone, or with `VPC` a private one.

        `extra` may have `Comment`, `DelegationSetId` (of a reusable set of name servers), `VPC` (`VPCId` and
        `VPCRegion`, for a private zone), and `CallerReference`: a zone is created once for a reference, and
        returned when its create is repeated. Route 53 lets a domain have several zones. So that none is made
        by mistake, a second public zone needs a reference, else it raises `ZoneAlreadyExistsError`.
        """
        name = normalize_domain(domain)
        self._check_zone(type, ttl, extra)
        if type != "master" or ttl is not None:
            raise UnsupportedOperationError(f"zones of {self.name} are masters and have no TTL", self)
        wanted = checked(extra or {}, NewZone)
        reference = wanted.caller_reference or f"polycloud-{marker_for()}"
        config = drop_none({"Comment": wanted.comment, "PrivateZone": True if wanted.vpc else None})
        body = {
            "Name": octal_name(name),
            "VPC": wanted.vpc,
            "CallerReference": reference,
            "HostedZoneConfig": config or None,
            "DelegationSetId": wanted.delegation_set_id,
        }

        def made() -> list[Zone]:
            found = [one for one in self._of_domain(name) if one.caller_reference == reference]
            return [self._to_zone(ZoneFound(one)) for one in found]

        def send() -> Zone:
            response = self.connection.call("POST", "/hostedzone", {"CreateHostedZoneRequest": body})
            return self._to_zone(response.read("CreateHostedZoneResponse", ZoneFound))

        with self._zone_errors(name):
            if wanted.caller_reference:
                if earlier := made():
                    return earlier[0]
            elif not wanted.vpc and any(not one.config.private_zone for one in self._of_domain(name)):
                raise ZoneAlreadyExistsError(driver=self, zone_id=name)
            return self._create_once(UniqueCreation(f"the zone {name!r}", send, made))

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the comment of a zone, `extra["Comment"]`; "" removes it. Nothing else can be changed."""
        check_kind(zone, Zone, "zone")
        wanted = checked(extra or {}, NewZone)
        same = (domain or zone.domain, type or zone.type) == (zone.domain, zone.type)
        if not same or ttl is not None or wanted != NewZone(comment=wanted.comment):
            raise UnsupportedOperationError(f"{self.name} can change the Comment of a zone only", self)
        if wanted.comment is None:
            return self.get_zone(zone.id)
        body = {"UpdateHostedZoneCommentRequest": {"Comment": wanted.comment or None}}
        with self._zone_errors(zone.id):
            response = self.connection.call("POST", path_of(zone.id), body, idempotent=True)
            return self._to_zone(response.read("UpdateHostedZoneCommentResponse", ZoneFound))

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records, in batches.

        Nothing is deleted if the zone could not be: because it is signed, another service's, or has records
        of a traffic policy.
        """
        check_kind(zone, Zone, "zone")
        refused = ConflictError()
        with self._zone_errors(zone.id):
            for _ in range(ATTEMPTS):
                try:
                    self._empty(zone)
                    self.connection.call("DELETE", path_of(zone.id))
                except ConflictError as error:  # another program has added or changed records
                    refused = error
                else:
                    return True
        raise translated(refused, ZoneError(refused.message, self, zone.id)) from refused

    # How

    def _found(self, zone_id: str) -> ZoneFound:
        response = self.connection.call("GET", path_of(zone_id))
        found: ZoneFound = response.read("GetHostedZoneResponse", ZoneFound)
        return found

    def _of_domain(self, domain: str) -> list[HostedZone]:
        response = self.connection.call("GET", "/hostedzonesbyname", params={"dnsname": octal_name(domain)})
        zones = _zones(response, "ListHostedZonesByNameResponse")
        return [one for one in zones if _domain(one) == domain]

    def _empty(self, zone: Zone) -> None:
        """Delete the records of a zone. Raises `ZoneError` if it could not be deleted then."""
        found = [one for one in self._sets(zone) if one.name or one.type not in KEPT]
        if not found:
            return
        if reason := self._why_not_deleted(zone, found):
            raise ZoneError(
                f"the zone {zone.domain} cannot be deleted, and was left alone: {reason}", self, zone.id
            )
        found.sort(key=lambda one: one.type != ALIAS)  # before their targets
        for batch in packed([SetChange(one, None) for one in found], self._size, self.changes_at_once):
            self._change_sets(zone, batch)

    def _why_not_deleted(self, zone: Zone, sets: Iterable[RecordSet]) -> str:
        """Return why Route 53 would not delete the zone without these sets; "" if it would."""
        now = self._found(zone.id).hosted_zone
        if now.linked_service:
            return f"it is of another service, {now.linked_service}"
        if any("ex_traffic_policy_instance_id" in one.extra for one in sets):
            return "it has records of traffic policy instances; delete these first"
        state = "NOT_SIGNING" if now.config.private_zone else self._signing(zone)
        return "" if state == "NOT_SIGNING" else f"it is signed (DNSSEC: {state}); disable signing first"

    def _signing(self, zone: Zone) -> str:
        try:
            response = self.connection.call("GET", f"{path_of(zone.id)}/dnssec")
        except ProviderHTTPError as error:
            if error.code == HTTPStatus.BAD_REQUEST:  # an emulator without DNSSEC
                return "NOT_SIGNING"
            raise
        signing: Signing = response.read("GetDNSSECResponse", Signing, within="Status")
        return signing.serve_signature

    def _to_zone(self, payload: ZoneFound) -> Zone:
        zone, names = payload.hosted_zone, payload.delegation_set
        extra = {
            "Comment": zone.config.comment,
            "PrivateZone": zone.config.private_zone,
            "CallerReference": zone.caller_reference,
            "ResourceRecordSetCount": zone.resource_record_set_count,
            "LinkedService": zone.linked_service,
            "NameServers": names.name_servers,
            "DelegationSetId": names.id and names.id.rpartition("/")[2],
            "VPCs": payload.vpcs or (payload.vpc and [payload.vpc]),
        }
        id_ = zone.id.rpartition("/")[2]
        return Zone(id_, _domain(zone), "master", None, self, drop_none(extra))


def _zones(response: Route53Response, name: str) -> list[HostedZone]:
    return [one.value for one in response.items(name, "HostedZones/HostedZone", HostedZone)]


def _domain(zone: HostedZone) -> str:
    return ascii_name(from_octal(zone.name)).removesuffix(".")
