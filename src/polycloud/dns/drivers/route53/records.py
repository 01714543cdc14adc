"""Record sets of Route 53, with what they have beyond DNS: aliases, and routing by weight, place, health."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from polycloud.common.aws import AWSBaseDriver
from polycloud.common.pagination import follow_marker
from polycloud.dns.content import Content, record_type
from polycloud.dns.drivers.route53.connection import (
    Route53Connection,
    Route53Response,
    checked,
    from_octal,
    octal,
    octal_name,
    path_of,
)
from polycloud.dns.names import full_name
from polycloud.dns.objects import Zone
from polycloud.dns.rdata import HOST_NAMES
from polycloud.dns.recordsets import (
    RecordSet,
    RecordSetsDriver,
    SetChange,
    SetsChangedError,
    SetValue,
)
from polycloud.dns.types import RecordConflictError, RecordType
from polycloud.errors import InvalidArgumentError, ProviderHTTPError, translated

ALIAS = RecordType.ALIAS
KEPT = frozenset({RecordType.NS, RecordType.SOA})
"""Types of the sets of the zone itself that Route 53 makes, and does not let go."""
LARGEST_PAGE, SETS_OF_A_NAME = 300, 20
CHARACTERS_A_VALUE = 32
"""A batch may have 1,000 values and 32,000 characters in them."""
OPENING = "<ResourceRecordSet>"
BETWEEN = "</Value></ResourceRecord><ResourceRecord><Value>"
VALUE = r"[!-%'-;=-\[\]-~][ -%'-;=-\[\]-~]*"
PLAIN = re.compile(
    rf"{OPENING}(?:<Name>([a-z0-9_.-]+)</Name><Type>(\w+)</Type><TTL>(\d{{1,10}})</TTL><ResourceRecords>"
    rf"<ResourceRecord><Value>({VALUE}(?:{BETWEEN}{VALUE})*)</Value></ResourceRecord></ResourceRecords>"
    "|(.*?))</ResourceRecordSet>",
    re.DOTALL,
)
"""A set without escapes that has nothing but a TTL and values, or any other."""
CHANGED = re.compile(
    r"Tried to (create|delete) resource record set .*but (it (already exists|was not found)|the values)"
)
CONFLICTING = re.compile(r"as it conflicts|because a conflicting|cannot be created because")


class GeoProximity(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A place on Earth."""

    aws_region: str | None = msgspec.field(name="AWSRegion", default=None)
    local_zone_group: str | None = None
    coordinates: dict[str, str] | None = None
    bias: int | None = None


class Routing(msgspec.Struct, rename="pascal", omit_defaults=True):
    """What a set has beyond DNS: when it is the answer."""

    set_identifier: str | None = None
    weight: int | None = None
    region: str | None = None
    geo_location: dict[str, str] | None = None
    failover: str | None = None
    multi_value_answer: bool | None = None
    health_check_id: str | None = None
    traffic_policy_instance_id: str | None = None
    cidr_routing_config: dict[str, str] | None = None
    geo_proximity_location: GeoProximity | None = None


class OwnExtra(Routing, rename="pascal", forbid_unknown_fields=True):
    """What `extra` of a record may have beyond DNS: its set's routing, and the target of an alias."""

    alias_type: str | None = None
    alias_zone_id: str | None = None
    evaluate_target_health: bool | None = None


class AliasTarget(msgspec.Struct, rename="pascal"):
    """What an alias stands for."""

    hosted_zone_id: str
    dns_name: str = msgspec.field(name="DNSName")
    evaluate_target_health: bool


class Value(msgspec.Struct, rename="pascal"):
    """A value as in zone files."""

    value: str


class SetPayload(Routing, rename="pascal", kw_only=True):
    """A record set: it has values and a TTL, or a target."""

    name: str
    type: str
    ttl: int | None = msgspec.field(name="TTL", default=None)
    resource_records: list[Value] | None = None
    alias_target: AliasTarget | None = None


class SetsPage(msgspec.Struct, rename="pascal"):
    """A page of record sets, and where the next one begins."""

    resource_record_sets: list[SetPayload] | None
    next_record_name: str | None = None
    next_record_type: str | None = None
    next_record_identifier: str | None = None


def _extra_names(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the fields of a payload by the keys of `extra`."""
    pairs = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return {f"ex_{field}": name for field, name in pairs}


ROUTING, OWN = _extra_names(Routing), _extra_names(OwnExtra)
ALTERNATIVES = ROUTING.keys() - {"ex_set_identifier", "ex_health_check_id", "ex_traffic_policy_instance_id"}
"""Keys of `extra` that only sets with an identifier have."""
TARGET = OWN.keys() - ROUTING.keys()
ORDER = ("Name", "Type", *list(ROUTING.values())[:6], "TTL", "ResourceRecords", "AliasTarget")
"""The first elements of a set in requests; the order of the elements is documented."""


class Route53Records(AWSBaseDriver, RecordSetsDriver):
    """The methods of records."""

    connection: Route53Connection
    _per_page: int

    def _sets(self, zone: Zone, name: str | None = None) -> Iterator[RecordSet]:
        path = f"{path_of(zone.id)}/rrset"
        size = self._per_page if name is None else min(self._per_page, SETS_OF_A_NAME)
        start = {} if name is None else {"name": octal_name(full_name(name, zone))}

        def fetch(marker: str | int | None) -> tuple[list[RecordSet], str]:
            if marker is None:
                begin = start
            else:
                begin = dict(zip(("name", "type", "identifier"), str(marker).split(" ", 2), strict=False))
            return self._page(self.connection.call("GET", path, params={**begin, "maxitems": size}), zone)

        sets = follow_marker(fetch, attrgetter("name", "type", "key"))
        return sets if name is None else takewhile(lambda one: one.name == name, sets)

    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        steps = [
            {"Action": action, "ResourceRecordSet": _payload(zone, one)}
            for change in changes
            for action, one in _steps(change)
        ]
        body = {"ChangeResourceRecordSetsRequest": {"ChangeBatch": {"Changes": {"Change": steps}}}}
        try:
            # It may be sent again: what it deletes would not be there any more, or what it creates would be
            self.connection.call("POST", f"{path_of(zone.id)}/rrset", body, idempotent=True)
        except ProviderHTTPError as error:
            message = str(error.message)
            if CHANGED.search(message):
                raise translated(error, SetsChangedError(message, self)) from error
            if CONFLICTING.search(message):
                raise translated(error, RecordConflictError(message, self)) from error
            raise

    def has_own_ttl(self, extra: Mapping[str, Any]) -> bool:
        """Return False for an alias, which has the TTL of its target."""
        return "ex_alias_type" not in extra

    def _size(self, change: SetChange) -> int:
        texts = [value.text for _, one in _steps(change) for value in one.values]
        return max(1, len(texts), -(-sum(map(len, texts)) // CHARACTERS_A_VALUE))

    def _set_key(self, type_: str, extra: Mapping[str, Any]) -> str:
        identifier = extra.get("ex_set_identifier") or extra.get("ex_traffic_policy_instance_id") or ""
        return f"{extra.get('ex_alias_type', 'A')}/{identifier}" if type_ == ALIAS else identifier

    def _check_extra(self, extra: object) -> dict[str, Any]:
        fields = super()._check_extra(extra)
        own = {OWN.get(key, key): value for key, value in fields.items() if key.startswith("ex_")}
        checked(own, OwnExtra)
        return fields

    def _require_room(self, zone: Zone, sets: Iterable[RecordSet], wanted: Content, key: str) -> None:
        """Also refuse an alias beside values of the type that it answers, and a set beside alternatives."""
        super()._require_room(zone, sets, wanted, key)
        kind, own = _identity(wanted.type, key)
        for one in sets:
            other, identifier = _identity(one.type, one.key)
            is_another = one.name == wanted.name and (one.type, one.key) != (wanted.type, key)
            if is_another and other == kind and (not own or not identifier or own == identifier):
                raise RecordConflictError(
                    f"{one.name or '@'!r} answers {kind} by a set (type {one.type}, ex_set_identifier "
                    f"{identifier!r}) beside which this one (type {wanted.type}, ex_set_identifier {own!r}) "
                    "cannot stand: there can be one set, or several with an identifier each",
                    self,
                )

    def _with(self, start: RecordSet, value: SetValue, given: Mapping[str, Any]) -> RecordSet:
        made = super()._with(start, value, given)
        extra = {key: made.extra[key] for key in made.extra if made.type == ALIAS or key not in TARGET}
        if ALTERNATIVES & extra.keys() and "ex_set_identifier" not in extra:
            names = ", ".join(sorted(ALTERNATIVES & extra.keys()))
            raise InvalidArgumentError(f"a record with {names} in extra needs ex_set_identifier too")
        if made.type != ALIAS:
            return replace(made, ttl=self.default_ttl if made.ttl is None else made.ttl, extra=extra)
        if len(made.values) > 1:
            raise RecordConflictError(f"{made.name or '@'!r} has this alias already, with one target", self)
        extra = {"ex_alias_type": "A", "ex_evaluate_target_health": False, **extra}
        return replace(made, ttl=None, extra=extra)

    def _page(self, response: Route53Response, zone: Zone) -> tuple[list[RecordSet], str]:
        """Return the sets of a page, and where the next one begins.

        Most sets are plain: these are taken apart by one pattern, in a tenth of the time of a parser. It has
        the rest: other sets one by one, and the document around them.
        """
        content, start, end = response.divided("ResourceRecordSets")
        found = PLAIN.findall(content, start, end)
        rest = (content[:start] + content[end:]).encode()
        if len(found) != content.count(OPENING[:-1], start, end) or not found:
            found, rest = [], response.content
        page: SetsPage = response.read("ListResourceRecordSetsResponse", SetsPage, content=rest)
        sets = [self._to_set(one, zone) for one in page.resource_record_sets or ()]
        types, suffix = RecordType.__members__, f".{zone.domain}."
        cut = -len(suffix)
        for name, type_, ttl, text, other in found:
            if not name:
                payload = response.read_part(f"{OPENING}{other}</ResourceRecordSet>", SetPayload)
                sets.append(self._to_set(payload, zone))
                continue
            relative = name[:cut] if name.endswith(suffix) else self._received_name(name, zone)
            values = tuple([SetValue(one) for one in text.split(BETWEEN)])
            sets.append(RecordSet(relative, types.get(type_, type_), int(ttl), values))
        following = (page.next_record_name, page.next_record_type, page.next_record_identifier)
        return sets, " ".join(filter(None, following))

    def _to_set(self, payload: SetPayload, zone: Zone) -> RecordSet:
        name = self._received_name(from_octal(payload.name), zone)
        extra: dict[str, Any] = {}
        if payload.set_identifier or payload.health_check_id or payload.traffic_policy_instance_id:
            plain = msgspec.to_builtins(payload)
            extra = {key: plain[field] for key, field in ROUTING.items() if field in plain}
        target = payload.alias_target
        if target is None:
            type_: str = record_type(payload.type)
            values = tuple([SetValue(from_octal(one.value)) for one in payload.resource_records or ()])
        else:
            type_, values = ALIAS, (SetValue(from_octal(target.dns_name)),)
            extra |= {
                "ex_alias_type": payload.type,
                "ex_evaluate_target_health": target.evaluate_target_health,
            }
            if target.hosted_zone_id != zone.id:
                extra["ex_alias_zone_id"] = target.hosted_zone_id
        return RecordSet(name, type_, payload.ttl, values, extra, self._set_key(type_, extra))


def _identity(type_: str, key: str) -> tuple[str, str]:
    """Return the type that a set answers, and its identifier."""
    kind, _, identifier = key.partition("/") if type_ == ALIAS else (type_, "", key)
    return kind, identifier


def _steps(change: SetChange) -> list[tuple[str, RecordSet]]:
    """Return the actions that make a change."""
    before, after = change
    if before and after and not after.name and after.type in KEPT:
        return [("UPSERT", after)]
    return [(action, one) for action, one in (("DELETE", before), ("CREATE", after)) if one]


def _payload(zone: Zone, one: RecordSet) -> dict[str, Any]:
    """Return a set as it is in requests."""
    kind, _ = _identity(one.type, one.key)
    fields: dict[str, Any] = {"Name": octal_name(full_name(one.name, zone)), "Type": kind}
    fields |= {name: one.extra[key] for key, name in ROUTING.items() if key in one.extra}
    write = octal_name if one.type in HOST_NAMES else octal
    texts = [write(value.text) for value in one.values]
    if one.type == ALIAS:
        fields["AliasTarget"] = {
            "HostedZoneId": one.extra.get("ex_alias_zone_id", zone.id),
            "DNSName": texts[0],
            "EvaluateTargetHealth": one.extra["ex_evaluate_target_health"],
        }
    elif texts:  # a set of a traffic policy may have none
        fields |= {"TTL": one.ttl, "ResourceRecords": {"ResourceRecord": [{"Value": text} for text in texts]}}
    return {name: fields[name] for name in (*ORDER, *fields) if name in fields}
