"""Clouds that are quick, and drivers that soon give up on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import FaultPlan, FaultProxy, SeenRequest
from support.certificates import Authority
from support.ec2account import EC2Account

Cloud = Sandbox | EC2Account


class Hasty(NodeDriver):
    """Gives up soon on lost creates, busy nodes, and cleanup, which may outlast a deadline."""

    settle_time = 0.4
    busy_time = 0.4
    cleanup_time = 0.4


class HastyNephoscale(Hasty, NephoscaleNodeDriver):
    pass


class HastyDigitalOcean(Hasty, DigitalOceanNodeDriver):
    pass


class HastyLinode(Hasty, LinodeNodeDriver):
    pass


class HastySoftLayer(Hasty, SoftLayerNodeDriver):
    pass


class HastyOpenStack(Hasty, OpenStackNodeDriver):
    pass


class HastyEC2(Hasty, EC2NodeDriver):
    pass


HASTY: dict[str, type[Any]] = {
    "nephoscale": HastyNephoscale,
    "digitalocean": HastyDigitalOcean,
    "linode": HastyLinode,
    "openstack": HastyOpenStack,
    "softlayer": HastySoftLayer,
    "ec2": HastyEC2,
}
PROVIDERS = tuple(HASTY)
ROUTES = ("plain", "tls", "proxy", "tunnel")
"""How a driver reaches a cloud: plainly, in TLS, through a proxy that forwards, through a tunnel."""
UNLIMITED = dict.fromkeys(("list_limit", "request_limit", "create_limit"), 1_000_000)
SETTINGS: dict[str, dict[str, Any]] = {
    "nephoscale": {"appear": 0.02, "build": 0.05, "power": 0.01, "destroy": 0.02},
    "digitalocean": {
        "build": 0.05,
        "power": 0.01,
        "copy": 0.02,
        "attach": 0.02,
        "droplet_limit": 100_000,
        "page_size": 200,
    },
    "linode": {
        "build": 0.02,
        "boot": 0.03,
        "power": 0.01,
        "copy": 0.02,
        "attach": 0.02,
        "destroy": 0.02,
        "linode_limit": 100_000,
        **UNLIMITED,
    },
    "openstack": {
        "build": 0.05,
        "power": 0.01,
        "copy": 0.02,
        "attach": 0.02,
        "server_limit": 100_000,
        "core_limit": 100_000,
    },
    "rackspace": {"build": 0.05, "power": 0.01, "copy": 0.02, "attach": 0.02, "dns_job": 0.02},
    "softlayer": {"build": 0.05, "power": 0.01, "guest_limit": 100_000},
}
REGIONS = {"linode": "us-east"}


def cloud_of(provider: str, *, builds: bool = True) -> AbstractContextManager[Cloud]:
    """A cloud without machines, whose waits are short; its nodes run at once unless it `builds` them."""
    if provider not in SETTINGS:
        return EC2Account()
    settings = SETTINGS[provider]
    at_once = {} if builds else dict.fromkeys({"build", "boot"} & settings.keys(), 0.0)
    return Sandbox(provider, ssh="off", **{**settings, **at_once})


def patient(cloud: Cloud, seconds: float = 10.0) -> type[Any]:
    """The driver of a cloud that searches so long for a lost create; by default as a busy machine takes."""
    return type("Patient", (HASTY[cloud.name],), {"settle_time": seconds})


def driver_of(cloud: Cloud, kind: type[Any] | None = None, **options: Any) -> Any:
    """A driver of a running cloud, or of what `options` point at, whose pauses are short."""
    kind = kind or HASTY[cloud.name]
    retry = RetryPolicy(base=0.02, cap=0.2, budget=1_000_000)
    defaults = {**cloud.options, "retry": retry, "region": REGIONS.get(cloud.name)}
    if "ex_force_auth_url" in defaults and "host" in options:  # OpenStack's identity service has a path
        path = urlsplit(defaults.pop("ex_force_auth_url")).path
        scheme = "https" if options.pop("secure", True) else "http"
        options["url"] = f"{scheme}://{options.pop('host')}:{options.pop('port')}{path}"
    return kind(*cloud.credentials[:2], **{**defaults, **options})


@contextmanager
def routed(
    route: str, port: int, plan: FaultPlan, **times: Any
) -> Iterator[tuple[FaultProxy, dict[str, Any]]]:
    """A fault proxy before a port of this machine, and a driver's options for the route over it."""
    with TemporaryDirectory() as folder:
        certificate = Authority(Path(folder)).issue() if route in {"tls", "tunnel"} else None
        tls = certificate.server_context() if certificate else None
        trust = {"ca_cert": str(certificate.authority)} if certificate else {}
        as_proxy = route in {"proxy", "tunnel"}
        with FaultProxy("127.0.0.1", port, plan, tls=tls, as_proxy=as_proxy, **times) as proxy:
            yield proxy, {**proxy.options, **trust}


def is_login(request: SeenRequest) -> bool:
    """Whether a request only prepares others: a login, or a question about versions."""
    return request.path.endswith(("/auth/tokens", "/v2.1/"))


def until(condition: Callable[[], bool], patience: float = 10.0) -> bool:
    """Whether a condition becomes true within `patience` seconds."""
    ends = time.monotonic() + patience
    while not (holds := condition()) and time.monotonic() < ends:
        Event().wait(0.005)
    return holds
