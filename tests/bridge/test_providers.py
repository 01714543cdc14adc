"""Which providers the bridge has, and what each class of Libcloud becomes."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module
from typing import Any

import pytest
from libcloud.compute.drivers.ec2 import EC2NodeDriver as LibcloudEC2

import polycloud
from polycloud import bridge
from polycloud.common.operations import OperationsDriver
from polycloud.common.providers import bridged_names
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.dns.base import DNSDriver
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError, PolycloudError, UnknownProviderError
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver

SERVICES = ("compute", "storage", "dns", "loadbalancer")


def table(service: str) -> list[tuple[str, str]]:
    return sorted(set(import_module(f"libcloud.{service}.providers").DRIVERS.values()))


@pytest.mark.parametrize("service", SERVICES)
def test_every_class_of_libcloud(service: str) -> None:
    """Every driver class of Libcloud becomes one of ours that says its name, credentials and operations."""
    failed = {}
    for module, name in table(service):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own
                klass: Any = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            failed[name] = str(error)
            continue
        kind: Any = bridge.driver_class(klass)
        assert issubclass(kind, OperationsDriver)
        assert kind.service == service
        assert kind.name
        assert kind.credentials, name
        assert [one for one in kind.operations() if kind.offers(one)], name
        assert kind.via == "apache-libcloud"
    expected = {
        "storage": {"LocalStorageDriver"},  # it needs a package that is not installed
        "dns": {"RackspaceUSDNSDriver", "RackspaceUKDNSDriver"},  # the table names what is not there
    }
    assert failed.keys() == expected.get(service, set())


@pytest.mark.parametrize("service", SERVICES)
def test_every_provider_is_found(service: str) -> None:
    """`get_driver` finds each provider that only Libcloud has, in any case, and says that it is bridged."""
    found = bridge.names(service)
    assert found == bridged_names(service)
    assert len(found) >= {"compute": 40, "storage": 5, "dns": 15, "loadbalancer": 6}[service]
    for name in found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Libcloud's own
            kind = polycloud.get_driver(service, name.upper())
        assert kind.via == "apache-libcloud", name
        assert kind.api_name == name


@pytest.mark.parametrize("service", SERVICES)
def test_ours_win(service: str) -> None:
    """A provider that has a driver of ours is never bridged."""
    own = import_module(f"polycloud.{service}.providers")
    assert not {str(name) for name in own.DRIVERS} & set(bridge.names(service))
    for name in own.names():
        assert not hasattr(polycloud.get_driver(service, name), "via"), name
    assert polycloud.get_driver("compute", "digitalocean") is DigitalOceanNodeDriver
    assert polycloud.get_driver("dns", "dummy") is DummyDNSDriver
    assert polycloud.get_driver("loadbalancer", "dummy") is DummyLBDriver


def test_any_class_can_be_bridged() -> None:
    """A class of a provider that has a driver of ours is bridged on request; another object is refused."""
    kind = bridge.driver_class(LibcloudEC2)
    assert kind.libcloud is LibcloudEC2
    for wrong in (dict, "EC2", DigitalOceanNodeDriver, None):
        with pytest.raises(InvalidArgumentError, match="driver class of apache-libcloud"):
            bridge.driver_class(wrong)  # type: ignore[arg-type]


def test_missing_package() -> None:
    """A driver of Libcloud that needs a package which is not installed says which."""
    for name, arguments, package in (
        ("libvirt", ("qemu:///system",), "libvirt"),
        ("vsphere", ("127.0.0.1", "user", "password"), "pyvmomi"),
    ):
        with pytest.raises(PolycloudError, match=package):
            polycloud.get_driver("compute", name)(*arguments)


def test_missing_credentials() -> None:
    """A constructor without its credentials, or with an option that Libcloud's class lacks, is refused."""
    kind = polycloud.get_driver("compute", "upcloud")
    with pytest.raises(PolycloudError, match="password"):
        kind("user")
    with pytest.raises(InvalidArgumentError, match="host must be a host name"):
        polycloud.get_driver("compute", "cloudstack")("key", "secret", host=3)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        polycloud.get_driver("compute", "vultr")("key-1234", timeout="soon")


def test_plain_http() -> None:
    """Plain HTTP to another machine is refused, unless it is permitted."""
    kind = polycloud.get_driver("compute", "vultr")
    with pytest.raises(polycloud.InsecureConnectionError):
        kind("key-1234", host="192.0.2.1", secure=False)
    driver = kind("key-1234", host="192.0.2.1", secure=False, allow_insecure=True)
    assert (driver.connection.host, driver.connection.port, driver.connection.secure) == (
        "192.0.2.1",
        80,
        False,
    )


def test_dns_class() -> None:
    """A DNS class says which types of records its provider has."""
    kind = polycloud.get_driver("dns", "gandi_live")
    assert issubclass(kind, DNSDriver)
    assert RecordType.TXT in kind.RECORD_TYPE_MAP


def test_without_libcloud() -> None:
    """Without apache-libcloud the error says how to install it, and nothing is bridged."""
    program = """
import sys
sys.modules["libcloud"] = None
import polycloud
from polycloud import bridge
assert bridge.names("compute") == []
try:
    polycloud.get_driver("compute", "vultr")
except polycloud.UnknownProviderError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "polycloud[libcloud]"' in ended.stdout


def test_beside_the_alias() -> None:
    """Where polycloud stands in for Libcloud, the bridge says that it cannot be used."""
    program = """
import polycloud
from polycloud.libcloud import install_as_libcloud
from polycloud import bridge
install_as_libcloud()
assert bridge.names("compute") == []
for call in (lambda: bridge.driver_class(int), lambda: polycloud.get_driver("compute", "vultr")):
    try:
        call()
    except polycloud.UnknownProviderError as error:
        print(error)
import libcloud
assert bridge.names("compute") == []
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("install_as_libcloud()") == 2


def test_imports() -> None:
    """Neither polycloud nor a driver of ours imports requests, Libcloud or the bridge."""
    program = """
import sys, polycloud
polycloud.get_driver("compute", "nephoscale")
print([name for name in sys.modules if name.split(".")[0] in {"requests", "libcloud"} or "bridge" in name])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_unknown_provider() -> None:
    """A name that nobody has is still an unknown provider, with the nearest names."""
    with pytest.raises(UnknownProviderError, match="vultr"):
        polycloud.get_driver("compute", "vulture")
