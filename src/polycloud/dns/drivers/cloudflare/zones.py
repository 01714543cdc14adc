"""The zones of Cloudflare, and the driver's credentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from polycloud.common.bearer import BearerDriver
from polycloud.common.building import quote_segment
from polycloud.common.credentials import Credential
from polycloud.dns.base import DNSDriver
from polycloud.dns.content import check_extra, check_kind
from polycloud.dns.drivers.cloudflare.connection import CloudflareConnection
from polycloud.dns.names import normalize_domain
from polycloud.dns.objects import Zone
from polycloud.dns.types import Provider
from polycloud.errors import InvalidArgumentError, InvalidCredsError, UnsupportedOperationError

ZONES = "/zones"
SMALL_PAGE = 50
"""The most zones or accounts on a page."""
TYPES = {"master": "full", "slave": "secondary"}
EDITABLE = ("paused", "type", "vanity_name_servers")


class ZonePayload(msgspec.Struct):
    """A zone.

    `type` is full, partial, secondary or internal, `status` initializing, pending, active or moved. A zone
    becomes active when the domain's registrar has its `name_servers`.
    """

    id: str
    name: str
    type: str | None = None
    status: str | None = None
    paused: bool | None = None
    name_servers: list[str] | None = None
    original_name_servers: list[str] | None = None
    vanity_name_servers: list[str] | None = None
    verification_key: str | None = None
    account: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    created_on: str | None = None
    modified_on: str | None = None
    activated_on: str | None = None


class AccountPayload(msgspec.Struct):
    """An account, to which zones belong."""

    id: str


class CloudflareZones(BearerDriver, DNSDriver):
    """The part of the driver that is about zones."""

    type = Provider.CLOUDFLARE
    name = "Cloudflare"
    api_name = "cloudflare"
    website = "https://www.cloudflare.com"
    connectionCls = CloudflareConnection
    connection: CloudflareConnection
    api_versions = ("v4",)
    credentials = (Credential("token", ("CLOUDFLARE_API_TOKEN",)),)

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        *args: Any,
        ex_account_id: str | None = None,
        **options: Any,
    ) -> None:
        has_address = isinstance(key, str) and "@" in key
        if has_address != (secret is not None):
            raise InvalidCredsError(
                f"{self.name} needs an API token alone, or an e-mail address and the global API key", self
            )
        self._email = key if has_address else None
        self._account_id = ex_account_id
        super().__init__(key if secret is None else secret, None, *args, **options)
        self.key, self.secret = key, secret

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "email": self._email}

    def list_zones(self) -> list[Zone]:
        """Return all zones that the credentials may read."""
        return self._zones()

    def _zones(self, **params: str) -> list[Zone]:
        size = self._small_page
        return self.connection.list_all(ZONES, ZonePayload, self._to_zone, per_page=size, **params)

    @property
    def _small_page(self) -> int:
        return min(SMALL_PAGE, self.connection.per_page)

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones, a page at a time."""
        return self.connection.iterate(ZONES, ZonePayload, self._to_zone, per_page=self._small_page)

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id."""
        with self._zone_errors(zone_id):
            path = f"{ZONES}/{quote_segment(zone_id)}"
            return self._to_zone(self.connection.result("GET", path, ZonePayload))

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone, which is pending until the domain has its name servers (`extra["name_servers"]`).

        `extra["type"]` is the provider's type, by default "full", or "secondary" for a slave. It sends two
        requests, as whether the zone exists is asked first, and without `ex_account_id` another one before.
        """
        name = normalize_domain(domain)
        body = {"name": name, "type": TYPES.get(type), **self._zone_fields(type, ttl, extra, ("type",))}
        account = self._account_id or self._only_account()
        body["account"] = {"id": account}
        with self._zone_errors(name):
            return self._create_zone_once(
                name,
                lambda: self._to_zone(self.connection.result("POST", ZONES, ZonePayload, body)),
                lambda: self._zones(name=name, **{"account.id": account}),
            )

    def _only_account(self) -> str:
        """Return the account of the credentials. Raises `InvalidArgumentError` unless there is one."""
        accounts = self.connection.list_all(
            "/accounts", AccountPayload, lambda one: one, per_page=self._small_page
        )
        if len(accounts) != 1:
            raise InvalidArgumentError(
                f"these credentials have {len(accounts)} accounts: give the driver ex_account_id= of one"
            )
        return accounts[0].id

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the type of a zone, or `paused`, `type` and `vanity_name_servers` of `extra`.

        It sends a request for each: the provider changes one property at a time.
        """
        path = zone_path(zone)
        fields = self._zone_fields(type or zone.type, ttl, extra, EDITABLE)
        if domain is not None and normalize_domain(domain) != zone.domain:
            raise UnsupportedOperationError(f"{self.name} cannot change the domain of a zone", self)
        if type not in {None, zone.type}:
            fields.setdefault("type", TYPES[str(type)])
        with self._zone_errors(zone.id):
            made = [
                self.connection.result("PATCH", path, ZonePayload, {field: value})
                for field, value in fields.items()
            ]
            return self._to_zone(made[-1]) if made else self.get_zone(zone.id)

    def _zone_fields(
        self, type_: str, ttl: int | None, extra: dict[str, Any] | None, known: Sequence[str]
    ) -> dict[str, Any]:
        """Check the arguments of a zone; return the fields of `extra`."""
        self._check_zone(type_, ttl, extra)
        if ttl is not None:
            message = f"ttl must be None, got {ttl!r}: zones of {self.name} have none"
            raise UnsupportedOperationError(message, self)
        fields = check_extra(extra)
        if unknown := fields.keys() - set(known):
            raise InvalidArgumentError(f"extra can have {', '.join(known)}, got {', '.join(sorted(unknown))}")
        return fields

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        path = zone_path(zone)
        with self._zone_errors(zone.id):
            return self.connection.delete(path)

    def _to_zone(self, payload: ZonePayload) -> Zone:
        extra = {name: getattr(payload, name) for name in ZonePayload.__struct_fields__[2:]}
        type_ = "slave" if payload.type == TYPES["slave"] else "master"
        return Zone(payload.id, payload.name, type_, None, self, extra)


def zone_path(zone: Zone) -> str:
    """Return the path of a zone."""
    return f"{ZONES}/{quote_segment(check_kind(zone, Zone, 'zone').id)}"
