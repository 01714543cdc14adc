"""What type checkers see of `connect` and fleets: mypy reads this file, and reports needless ignores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_type, get_overloads

import pytest

import polycloud
from polycloud import aio
from polycloud.compute import providers as compute
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.compute.types import Provider
from polycloud.dns import providers as dns
from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.drivers.linode import LinodeDNSDriver
from polycloud.fleet import Fleet, Result
from polycloud.loadbalancer import providers as loadbalancer
from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.loadbalancer.drivers.linode import LinodeLBDriver
from polycloud.storage import providers as storage

SERVICES: list[tuple[str, str, Mapping[Any, tuple[str, str]]]] = [
    ("Compute", "ComputeProvider", compute.DRIVERS),
    ("DNS", "DNSProvider", dns.DRIVERS),
    ("LoadBalancing", "LBProvider", loadbalancer.DRIVERS),
    ("Storage", "StorageProvider", storage.DRIVERS),
]
"""Each service as the overloads name it, its providers, and their drivers."""


def test_connect_has_the_drivers_type() -> None:
    """`connect` and `aio.connect` with a provider's name or constant have the type of its driver."""
    assert_type(polycloud.connect("digitalocean", "t"), DigitalOceanNodeDriver).close()
    assert_type(polycloud.connect("dummy", "t"), DummyNodeDriver).close()
    assert_type(polycloud.connect("ec2", "k", "s"), EC2NodeDriver).close()
    assert_type(polycloud.connect(Provider.LINODE, "t", timeout=5), LinodeNodeDriver).close()
    assert_type(polycloud.connect("nephoscale", "u", "p"), NephoscaleNodeDriver).close()
    openstack = polycloud.connect("openstack", "u", "p", url="http://127.0.0.1:5000")
    assert_type(openstack, OpenStackNodeDriver).close()
    assert_type(polycloud.connect("digitalocean", "t", service="dns"), DigitalOceanDNSDriver).close()
    assert_type(polycloud.connect("dummy", "t", service="dns"), DummyDNSDriver).close()
    assert_type(polycloud.connect("linode", "t", service="dns"), LinodeDNSDriver).close()
    assert_type(polycloud.connect("digitalocean", "t", service="loadbalancer"), DigitalOceanLBDriver).close()
    assert_type(polycloud.connect("dummy", "t", service="loadbalancer"), DummyLBDriver).close()
    assert_type(polycloud.connect("elb", "k", "s", service="loadbalancer"), ElasticLBDriver).close()
    assert_type(polycloud.connect("haproxy", "/run/socket", service="loadbalancer"), HAProxyDriver).close()
    assert_type(aio.connect("linode", "t"), aio.AsyncNodeDriver[LinodeNodeDriver])
    assert_type(aio.connect("digitalocean", "t", service="dns"), aio.AsyncDNSDriver[DigitalOceanDNSDriver])
    assert_type(aio.connect("linode", "t", service="dns"), aio.AsyncDNSDriver[LinodeDNSDriver])
    assert_type(aio.connect("linode", "t", service="loadbalancer"), aio.AsyncLBDriver[LinodeLBDriver])
    assert_type(aio.connect("dummy", "t", service="loadbalancer"), aio.AsyncLBDriver[DummyLBDriver])
    assert_type(aio.connect("haproxy", port=1, service="loadbalancer"), aio.AsyncLBDriver[HAProxyDriver])


@pytest.mark.parametrize("connect", [polycloud.connect, aio.connect])
def test_every_driver_has_its_type(connect: Any) -> None:
    """`connect` and `aio.connect` know the driver of each provider of each service by name and constant."""
    known = {
        (service, name): returned.removesuffix("]").rpartition("[")[2]
        for overload in get_overloads(connect)
        for service, name, returned in stated(overload.__annotations__)
    }
    drivers = {
        (service, f"{prefix}.{provider.name}", f"'{provider}'", klass)
        for service, prefix, providers in SERVICES
        for provider, (_, klass) in providers.items()
    }
    wanted = {(service, name): klass for service, *names, klass in drivers for name in names}
    assert {key: known.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("service", [compute, dns, loadbalancer, storage])
def test_get_driver_has_the_drivers_type(service: Any) -> None:
    """The `get_driver` of a service knows the class of each of its providers by name and constant."""
    overloads = [overload.__annotations__ for overload in get_overloads(service.get_driver)]
    known = {
        name: one["return"].removeprefix("type[").removesuffix("]")
        for one in overloads
        for name in names_in(one["provider"])
    }
    for provider, (_, klass) in service.DRIVERS.items():
        assert known.get(f"Provider.{provider.name}") == known.get(f"'{provider}'") == klass


def stated(annotations: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """The service, each name of the provider, and the type that an overload states."""
    service = annotations["service"].removesuffix(" | None")
    for name in names_in(annotations["provider"]):
        yield service, name, annotations["return"]


def names_in(literal: str) -> list[str]:
    """The names in a type such as "Literal[Provider.EC2, 'ec2']"."""
    return literal.removeprefix("Literal[").removesuffix("]").split(", ")


def test_a_fleet_has_its_drivers_type() -> None:
    """The function that `each` calls gets the fleet's driver; methods of no driver are an error."""
    fleet = Fleet({"a": DummyNodeDriver("x"), "b": DummyNodeDriver("y")})
    assert_type(fleet, Fleet[DummyNodeDriver])
    assert_type(Fleet({"a": lambda: DummyNodeDriver("x")}), Fleet[DummyNodeDriver])
    for result in fleet.each(lambda driver: assert_type(driver, DummyNodeDriver).creds):
        assert result.get() in {"x", "y"}
    for failed in fleet.each(lambda driver: driver.nonsense()):  # type: ignore[attr-defined]
        assert isinstance(failed.error, AttributeError)


def of_any(fleet: Fleet, name: str) -> list[Result[Any]]:
    """Fleets of whatever drivers, and accounts whose provider is not known, need no parameters."""
    assert_type(polycloud.connect(name), Any)
    return list(fleet.each(lambda driver: driver.ex_something()))


def mistakes() -> None:
    """Mistakes that a type checker finds."""
    polycloud.connect("digitalocean", "t").ex_lits_tags()  # type: ignore[attr-defined]
    polycloud.connect("ec2", "k", "s").list_images(ex_onwer="self")  # type: ignore[call-arg]
