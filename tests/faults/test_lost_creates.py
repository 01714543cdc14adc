from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from faults.clouds import SETTINGS
from faults.orders import Orders, creates_of
from polycloud import get_driver
from polycloud.common.creation import NAMING, creating
from polycloud.errors import PolycloudError
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import Fault, FaultList, FaultProxy, SeenRequest

READS = re.compile(rb"Action=(Describe|Get|List)")
LOST = (Fault.RESET_AFTER, Fault.BAD_GATEWAY_AFTER)
SERVICES = {
    "compute": ("digitalocean", "ec2", "linode", "nephoscale", "openstack", "rackspace", "softlayer"),
    "dns": ("cloudflare", "designate", "digitalocean", "linode", "rackspace", "route53"),
    "storage": ("azure_blobs", "cloudfiles", "google_storage", "openstack_swift", "s3"),
    "loadbalancer": ("alb", "digitalocean", "elb", "linode", "octavia"),
}
"""The drivers that have a sandbox."""
AWS = ("alb", "ec2", "elb", "route53", "s3")
CLOUDS = {**dict.fromkeys(AWS, "aws"), "octavia": "openstack"}
REGIONS = {"digitalocean": "nyc1", "ec2": "us-east-1", "linode": "us-east"}
LOCATED = {"digitalocean": "nyc1", "linode": "us-east"}
QUICK: dict[str, Any] = {"retry": RetryPolicy(base=0.01, cap=0.05, budget=1_000_000), "timeout": 20}


def hasty(kind: type[Any]) -> type[Any]:
    """The class of a driver that soon gives up on lost creates."""
    patience = ("settle_time", "busy_time", "cleanup_time", "volume_time")
    return type(kind.__name__, (kind,), {name: 0.3 for name in patience if hasattr(kind, name)})


def is_no_change(request: SeenRequest) -> bool:
    is_login = request.path.endswith(("/tokens", "/token", "/v2.1/"))
    return request.method in {"GET", "HEAD"} or is_login or bool(READS.search(request.body))


class Place:
    """A driver's cloud, and what creates there need."""

    def __init__(self, service: str, provider: str, cloud: Sandbox, folder: Path) -> None:
        self.kind, self.cloud, self.provider = hasty(get_driver(service, provider)), cloud, provider
        self.region = {"region": REGIONS[provider]} if service == "compute" and provider in REGIONS else {}
        self.plain = self.driver()
        self.orders = Orders(provider, self.plain, folder, self.balancer)

    def driver(self, **options: Any) -> Any:
        return self.kind(*self.cloud.credentials, **{**self.cloud.options, **self.region, **QUICK, **options})

    def balancer(self) -> dict[str, Any]:
        """The options without which no balancer is created."""
        if self.provider in LOCATED:
            return {"ex_location": LOCATED[self.provider]}
        compute = get_driver("compute", "openstack" if self.provider == "octavia" else "ec2")
        with compute(*self.cloud.credentials, **self.cloud.options) as driver:
            subnets = [str(one.id) for one in driver.ex_list_subnets()][:2]
        return {"ex_vip_subnet_id": subnets[0]} if self.provider == "octavia" else {"ex_subnets": subnets}


@pytest.fixture(
    scope="module",
    params=[(service, one) for service, names in SERVICES.items() for one in names],
    ids="-".join,
)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    service, provider = request.param
    name = CLOUDS.get(provider, provider)
    quick = {"ssh": "off", **SETTINGS[name]} if name in SETTINGS else {}
    shared = nullcontext(request.getfixturevalue("aws")) if name == "aws" else None
    with shared or Sandbox(name, **quick) as cloud:
        place = Place(service, provider, cloud, tmp_path_factory.mktemp(provider))
        with place.plain:
            yield place


def name_of(operation: str, arguments: dict[str, Any]) -> str:
    """The name that a create got, or the kind of what it makes."""
    kind = creating(operation)
    assert kind
    return next((arguments[one] for one in NAMING if one in arguments), kind.replace("_", " "))


@pytest.mark.parametrize("fault", LOST)
def test_every_create(place: Place, fault: Fault) -> None:
    """A create whose response is lost returns what it made, or its error names that and says to look."""
    operations = creates_of(place.kind, place.provider)
    assert operations
    for operation in operations:
        arguments = place.orders.arguments(operation)
        plan = FaultList(fault, spare=is_no_change)
        with FaultProxy("127.0.0.1", place.cloud.port, plan, as_proxy=True) as proxy:
            with place.driver(**proxy.options) as driver:
                try:
                    getattr(driver, operation)(**arguments)
                except PolycloudError as error:
                    said = "\n".join([str(error), *getattr(error, "__notes__", ())])
                    assert name_of(operation, arguments) in said, operation
                    assert "may exist" in said, operation
                    assert "look for" in said, operation
            assert [seen.fault for seen in proxy.requests if seen.fault] == [fault], operation
