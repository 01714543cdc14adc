"""The catalogue of a cloud: which service is where, by region and interface."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

INTERFACES = ("public", "internal", "admin")


class Endpoint(msgspec.Struct, frozen=True):
    """The address of a service in a region; `interface` is "public", "internal" or "admin"."""

    type: str
    name: str
    region: str
    interface: str
    url: str


class EndpointPayload(msgspec.Struct):
    """An endpoint in a catalogue of version 3, or of version 2 (with up to three addresses)."""

    interface: str | None = None
    region: str | None = None
    region_id: str | None = None
    url: str | None = None
    public: str | None = msgspec.field(name="publicURL", default=None)
    internal: str | None = msgspec.field(name="internalURL", default=None)
    admin: str | None = msgspec.field(name="adminURL", default=None)


class ServicePayload(msgspec.Struct):
    """A service in a catalogue."""

    type: str | None = None
    name: str | None = None
    endpoints: list[EndpointPayload] | None = None


class EndpointQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which endpoint is wanted; None for any region and any name.

    `types` are the names under which catalogues list the service, the preferred one first.
    """

    types: tuple[str, ...]
    region: str | None = None
    interface: str = "public"
    name: str | None = None


def endpoints_3(services: Iterable[ServicePayload]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a catalogue of version 3."""
    return tuple(
        Endpoint(
            service.type or "", service.name or "", one.region or one.region_id or "", one.interface, one.url
        )
        for service in services
        for one in service.endpoints or ()
        if one.interface and one.url
    )


def endpoints_2(services: Iterable[ServicePayload]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a catalogue of version 2."""
    return tuple(
        Endpoint(service.type or "", service.name or "", one.region or "", interface, url)
        for service in services
        for one in service.endpoints or ()
        for interface, url in zip(INTERFACES, (one.public, one.internal, one.admin), strict=True)
        if url
    )


def find_endpoint(endpoints: Sequence[Endpoint], query: EndpointQuery, driver: Any = None) -> Endpoint:
    """Return the endpoint that is wanted; without a region the first one.

    Raises `UnsupportedOperationError` if the catalogue lacks the service, and `InvalidArgumentError`, with
    the names that there are, if it has it elsewhere only.
    """
    found = next((same for type_ in query.types if (same := [e for e in endpoints if e.type == type_])), [])
    if not endpoints:
        raise InvalidArgumentError(
            "the token has no catalogue, as it has no project: pass ex_tenant_name= (in clouds.yaml: "
            "project_name), and no ex_token_scope='unscoped'"
        )
    if not found:
        known = ", ".join(sorted({one.type for one in endpoints})) or "nothing"
        raise UnsupportedOperationError(
            f"the catalogue of this cloud has no service {query.types[0]!r}, only: {known}", driver
        )
    steps = (
        ("ex_force_service_name", "name", query.name),
        ("ex_force_service_region", "region", query.region),
        ("the interface", "interface", query.interface),
    )
    for argument, field, wanted in steps:
        known = ", ".join(sorted({getattr(one, field) for one in found}))
        left = found if wanted is None else [e for e in found if _same(getattr(e, field), wanted)]
        if not left:
            raise InvalidArgumentError(_lacking(query.types[0], argument, field, str(wanted), known))
        found = left
    return found[0]


def _same(text: str, wanted: str) -> bool:
    return text.casefold() == wanted.casefold()


def _lacking(service: str, argument: str, field: str, wanted: str, known: str) -> str:
    near = difflib.get_close_matches(wanted, known.split(", "), 1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return (
        f"{argument}: the catalogue has no {field} {wanted!r} of the service {service!r}, only: {known}{hint}"
    )
