"""The rules of load balancers on the real Octavia, and its refusals compared with those of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.errors import ProviderHTTPError
from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import LBConformance
from support.kitopenstack import front
from support.octavia import SUBNET, OctaviaRules
from support.web import Web


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with front("keystone", "octavia") as web:
        yield web


class TestOctavia(OctaviaRules, LBConformance):
    @pytest.fixture
    def driver(self, web: Web) -> Iterator[OctaviaLBDriver]:
        with OctaviaLBDriver("demo", "demo", url=f"{web.url}/keystone", ex_tenant_name="demo") as driver:
            yield driver


NOT_THERE = "00000000-0000-4000-8000-000000000000"
POOL = {"name": "a", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
MEMBER = {"address": "192.0.2.1", "protocol_port": 80}
CHECK = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3}
BAD: list[dict[str, Any]] = [
    {"bogus": 1},
    {"name": 7},
    {"vip_subnet_id": None},
    {"vip_subnet_id": "x"},
    {"vip_address": "x"},
    {"listeners": [{"protocol": "HTTP"}]},
    {"listeners": [{"protocol": "HTTP", "protocol_port": 0}]},
    {"listeners": [{"protocol": "HTTP", "protocol_port": 65536}]},
    {"listeners": [{"protocol": "HTTP", "protocol_port": 80}] * 2},
    {"listeners": [{"protocol": "TERMINATED_HTTPS", "protocol_port": 443}]},
    {"listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "nope"}}]},
    {"pools": [{**POOL, "members": [{**MEMBER, "address": "x"}]}]},
    {"pools": [{**POOL, "members": [{**MEMBER, "weight": 257}]}]},
    {"pools": [{**POOL, "members": [{**MEMBER, "weight": -1}]}]},
    {"pools": [{**POOL, "members": [MEMBER, MEMBER]}]},
    {"pools": [{**POOL, "healthmonitor": {"type": "TCP", "delay": 5}}]},
    {"pools": [{**POOL, "healthmonitor": {**CHECK, "url_path": "/up"}}]},
    {"pools": [{**POOL, "healthmonitor": {**CHECK, "max_retries": 11}}]},
]
READS = [
    "loadbalancers?marker=nope",
    "pools?marker=nope",
    f"loadbalancers/{NOT_THERE}",
    f"pools/{NOT_THERE}",
    f"pools/{NOT_THERE}/members",
    f"healthmonitors/{NOT_THERE}",
]


def refusals(driver: OctaviaLBDriver) -> list[tuple[int, str]]:
    """Return the statuses and messages of refused creates and reads."""
    found = []
    requests: list[tuple[str, str, Any]] = [("GET", path, None) for path in READS]
    for fields in BAD:
        body = {"loadbalancer": {"name": "bad", "vip_subnet_id": SUBNET, **fields}}
        requests.append(("POST", "loadbalancers", body))
    for method, path, json in requests:
        with pytest.raises(ProviderHTTPError) as caught:
            driver.connection.request(f"/lbaas/{path}", json=json, method=method)
        found.append((caught.value.http_code, str(caught.value.message)))
    return found


def test_same_refusals(web: Web) -> None:
    """The sandbox refuses what the real Octavia refuses, with the same statuses and messages."""
    with (
        Sandbox("octavia", ssh="off") as cloud,
        OctaviaLBDriver(*cloud.credentials, **cloud.options) as ours,
        OctaviaLBDriver("demo", "demo", url=f"{web.url}/keystone", ex_tenant_name="demo") as real,
    ):
        assert refusals(ours) == refusals(real)
