from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import Parameter, signature
from itertools import islice
from typing import Any

import pytest

from polycloud import get_driver
from polycloud.errors import PolycloudError
from polycloud.http.messages import RawResponse, Request
from polycloud.http.retry import RetryPolicy
from polycloud.utils.headers import Headers


class Odd:
    pass


WRONG: tuple[Any, ...] = (None, 7, -1, 1.5, "x", b"x", [], ["x"], [None], {}, {"a": Odd()}, Odd(), True)
KEYSTONE = {"ex_force_auth_url": "http://127.0.0.1/v3", "ex_tenant_name": "t", "ex_force_auth_version": "3.x"}
DRIVERS: dict[str, dict[str, dict[str, Any]]] = {
    "compute": {
        "digitalocean": {},
        "ec2": {},
        "linode": {},
        "nephoscale": {},
        "openstack": KEYSTONE,
        "rackspace": {"region": "dfw"},
        "softlayer": {},
    },
    "dns": {
        "cloudflare": {},
        "designate": KEYSTONE,
        "digitalocean": {},
        "linode": {},
        "powerdns": {"host": "127.0.0.1", "secure": False},
        "rackspace": {"region": "dfw"},
        "route53": {},
    },
    "storage": {
        "azure_blobs": {},
        "cloudfiles": {"region": "dfw"},
        "google_storage_hmac": {},
        "openstack_swift": KEYSTONE,
        "s3": {},
    },
    "loadbalancer": {"alb": {}, "elb": {}},
}
KEYED = {"cloudflare", "digitalocean", "linode", "powerdns"}
"""The providers that take a key alone."""
SERVICES = ("compute", "network", "volumev3", "image", "dns", "object-store")


class Nothing:
    """A transport to clouds in which a login works, and nothing exists."""

    def send(self, request: Request) -> RawResponse:
        if not request.url.endswith("/tokens"):
            return RawResponse(404, "Not Found", Headers(), b"{}")
        url = "http://127.0.0.1/there/v3"
        if request.url.endswith("/v2.0/tokens"):
            endpoints = [{"region": "DFW", "publicURL": url}]
            named = (("compute", "cloudServersOpenStack"), ("rax:dns", "cloudDNS"))
            kinds = (*named, ("network", ""), ("volume", ""), ("image", ""), ("object-store", "cloudFiles"))
            services = [{"type": type_, "name": name, "endpoints": endpoints} for type_, name in kinds]
            tenant = {"id": "1", "name": "1"}
            token: Any = {"id": "t", "expires": "2099-01-01T00:00:00.000Z", "tenant": tenant}
            body: Any = {"access": {"token": token, "serviceCatalog": services, "user": {"id": "1"}}}
        else:
            endpoint = {"id": "e", "region": "R", "region_id": "R", "interface": "public", "url": url}
            catalog = [{"type": one, "name": one, "endpoints": [endpoint]} for one in SERVICES]
            token = {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog, "project": {"id": "p"}}
            body = {"token": token}
        return RawResponse(201, "Created", Headers([("x-subject-token", "t")]), json.dumps(body).encode())

    def close(self) -> None:
        pass


def driver_of(service: str, provider: str) -> Any:
    options = {"transport": Nothing(), "retry": RetryPolicy(attempts=1), **DRIVERS[service][provider]}
    kind = get_driver(service, provider)
    patience = {name: 0.01 for name in ("settle_time", "busy_time", "cleanup_time") if hasattr(kind, name)}
    hasty = type(kind.__name__, (kind,), patience)
    return hasty(*["c2VjcmV0"] * (1 if provider in KEYED else 2), **options)


def wrong_calls(function: Any) -> Iterator[dict[str, Any]]:
    """Arguments with a wrong one: each parameter in turn, and all at once; the others are "x" or left out."""
    named = [
        one
        for one in signature(function).parameters.values()
        if one.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}
    ]
    required = {one.name: "x" for one in named if one.default is Parameter.empty}
    for value in WRONG:
        yield dict.fromkeys(required, value)
        for one in named:
            yield {**required, one.name: value}
            if isinstance(value, list):
                yield {**required, one.name: iter(value)}


@pytest.mark.parametrize(
    ("service", "provider"), [(service, one) for service, names in DRIVERS.items() for one in names]
)
def test_wrong_arguments(service: str, provider: str) -> None:
    """Whatever kinds of arguments an extension gets, it raises an error of our tree, or none."""
    driver = driver_of(service, provider)
    foreign = []
    for name in type(driver).extensions():
        for arguments in wrong_calls(getattr(driver, name)):
            try:
                result = getattr(driver, name)(**arguments)
                list(islice(result, 3)) if hasattr(result, "__next__") else None
            except PolycloudError:
                continue
            except Exception as error:  # noqa: BLE001 - it is what the test looks for
                foreign.append(f"{name}({arguments}): {error!r}")
    assert foreign == []
