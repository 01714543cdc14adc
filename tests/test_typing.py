"""What type checkers see of `connect` and fleets: mypy reads this file, and reports needless ignores."""

from __future__ import annotations

from typing import Any, assert_type

import polycloud
from polycloud import aio
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.compute.types import Provider
from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.drivers.linode import LinodeDNSDriver
from polycloud.fleet import Fleet, Result
from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.loadbalancer.drivers.elb import ElasticLBDriver
from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.loadbalancer.drivers.linode import LinodeLBDriver


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
