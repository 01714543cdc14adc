"""The services of the cloud: the catalogue of their endpoints, and the documents about their versions."""

from __future__ import annotations

from collections.abc import Callable

from polycloud.sandbox.openstack.layout import Service, stable_id
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.replies import Call, Handler, Json, Reply, Routes

COMPUTE_VERSIONS = ((2, 1), (2, 96))
VOLUME_VERSIONS = ((3, 0), (3, 71))
_IMAGE_VERSIONS = ("v2.15", "v2.13", "v2.12", "v2.10", "v2.9", "v2.8", "v2.17", "v2.7", "v2.6", "v2.5")


def _url(state: State, service: Service, region: str, project: str) -> str:
    prefix = "" if service.type == "identity" else state.layout.regions[region]
    return f"{state.root}{prefix}{service.path.format(project)}"


def _has_endpoints(service: Service, project: str) -> bool:
    return bool(project) or "{}" not in service.path


def catalog(state: State, project: str) -> list[Json]:
    """Return the catalogue of v3; without a project, services whose address names it have no endpoints."""
    return [
        {
            "endpoints": [
                {
                    "id": stable_id(service.name, region, interface),
                    "interface": interface,
                    "region_id": region,
                    "url": _url(state, service, region, project),
                    "region": region,
                }
                for region in state.layout.regions
                for interface in state.layout.interfaces
                if _has_endpoints(service, project)
            ],
            "id": service.id,
            "type": service.type,
            "name": service.name,
        }
        for service in state.layout.services
    ]


def catalog_v2(state: State, project: str) -> list[Json]:
    """Return the catalogue of v2."""
    return [
        {
            "endpoints": [
                {
                    "id": stable_id(service.name, region),
                    "region": region,
                    **{
                        f"{interface}URL": _url(state, service, region, project)
                        for interface in state.layout.interfaces
                    },
                }
                for region in state.layout.regions
            ],
            "endpoints_links": [],
            "type": service.type,
            "name": service.name,
        }
        for service in state.layout.services
    ]


# Versions


def _self(href: str) -> Json:
    return {"rel": "self", "href": href}


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _media(name: str) -> list[Json]:
    return [{"base": "application/json", "type": f"application/vnd.openstack.{name}"}]


def _identity(state: State) -> list[Json]:
    root = f"{state.root}/identity"
    return [
        {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [_self(f"{root}/v3/")],
            "media-types": _media("identity-v3+json"),
        },
        {
            "id": "v2.0",
            "status": "deprecated",
            "updated": "2016-08-04T00:00:00Z",
            "links": [_self(f"{root}/v2.0/")],
            "media-types": _media("identity-v2.0+json"),
        },
    ]


def _compute(state: State) -> Json:
    low, high = COMPUTE_VERSIONS
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": _text(high),
        "min_version": _text(low),
        "updated": "2013-07-23T11:33:21Z",
        "links": [_self(f"{state.base}/compute/v2.1/")],
    }


def _compute_alone(state: State) -> Json:
    compute = _compute(state)
    described = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    media = _media("compute+json;version=2.1")
    return {**compute, "links": [*compute["links"], described], "media-types": media}


def _image(state: State) -> list[Json]:
    return [
        {
            "id": key,
            "status": "CURRENT" if key == "v2.17" else "SUPPORTED",
            "links": [_self(f"{state.base}/image/v2/")],
        }
        for key in _IMAGE_VERSIONS
    ]


def _network(state: State) -> Json:
    return {"id": "v2.0", "status": "CURRENT", "links": [_self(f"{state.base}/network/v2.0/")]}


def _resources(state: State) -> list[Json]:
    return [
        {
            "name": name,
            "collection": f"{name}s",
            "links": [_self(f"{state.base}/network/v2.0/{name}s")],
        }
        for name in ("network", "subnet", "subnetpool", "port")
    ]


def _volume(state: State) -> Json:
    low, high = VOLUME_VERSIONS
    described = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": _text(high),
        "min_version": _text(low),
        "updated": "2023-08-31T00:00:00Z",
        "links": [described, _self(f"{state.base}/volume/v3/")],
        "media-types": _media("volume+json;version=3"),
    }


def _load_balancer(state: State) -> list[Json]:
    links = [{"href": f"{state.base}/load-balancer/v2", "rel": "self"}]
    versions = (("v2.0", "SUPPORTED", "2016-12-11T00:00:00Z"), ("v2.27", "CURRENT", "2023-05-05T00:00:00Z"))
    return [{"id": id_, "status": status, "updated": day, "links": links} for id_, status, day in versions]


def _dns(state: State) -> list[Json]:
    links = [{"href": f"{state.base}/dns/v2", "rel": "self"}]
    return [{"id": "v2", "links": links, "status": "CURRENT", "updated": "2022-06-29T00:00:00Z"}]


_DOCUMENTS: dict[str, tuple[int, Callable[[State], Json]]] = {
    "/identity": (300, lambda state: {"versions": {"values": _identity(state)}}),
    "/identity/v3": (200, lambda state: {"version": _identity(state)[0]}),
    "/identity/v2.0": (200, lambda state: {"version": _identity(state)[1]}),
    "/compute": (200, lambda state: {"versions": [_compute(state)]}),
    "/compute/v2.1": (200, lambda state: {"version": _compute_alone(state)}),
    "/image": (300, lambda state: {"versions": _image(state)}),
    "/image/versions": (200, lambda state: {"versions": _image(state)}),
    "/network": (200, lambda state: {"versions": [_network(state)]}),
    "/network/v2.0/": (200, lambda state: {"resources": _resources(state)}),
    "/load-balancer": (200, lambda state: {"versions": _load_balancer(state)}),
    "/dns": (200, lambda state: {"versions": _dns(state)}),
    "/volume": (300, lambda state: {"versions": [_volume(state)]}),
    "/volume/v3/": (200, lambda state: {"versions": [_volume(state)]}),
}


def _handler(status: int, body: Callable[[State], Json]) -> Handler:
    return lambda state, _: Reply(status, body(state))


def _to_slash(state: State, _: Call) -> Reply:
    return Reply(302, None, {"Location": f"{state.here}/"})


ROUTES: Routes = {
    **{path: {"GET": _handler(*document)} for path, document in _DOCUMENTS.items()},
    "/volume/v3": {"GET": _to_slash},
    "/image/v2": {"GET": _to_slash},
}
"""The documents about versions; a slash at the end of a path makes no difference to the others."""

OPEN = {*ROUTES, "/identity/v3/auth/tokens", "/identity/v2.0/tokens"}
"""The paths that need no token, the last two for POST only."""
