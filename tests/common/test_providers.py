from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import polycloud
from polycloud import DriverType
from polycloud.common import providers as registry
from polycloud.compute import providers
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.providers import DRIVERS, get_driver, set_driver
from polycloud.compute.types import Provider
from polycloud.dns import providers as dns
from polycloud.errors import InvalidArgumentError, PolycloudError, UnknownProviderError
from polycloud.loadbalancer import providers as loadbalancer
from polycloud.storage import providers as storage
from polycloud.storage.drivers.s3 import S3StorageDriver


def test_a_driver_by_constant_or_name() -> None:
    """A constant, its string in any case, and `polycloud.get_driver` give the same class."""
    assert get_driver(Provider.NEPHOSCALE) is NephoscaleNodeDriver
    assert get_driver("NephoScale") is NephoscaleNodeDriver
    assert polycloud.get_driver(DriverType.COMPUTE, "nephoscale") is NephoscaleNodeDriver
    assert isinstance(polycloud.connect("dummy", "creds"), DummyNodeDriver)


def test_an_unknown_provider() -> None:
    """An unknown name is an error, an AttributeError too, that gives the nearest names."""
    with pytest.raises(UnknownProviderError, match="nearest names: nephoscale") as caught:
        get_driver("nefoscale")
    assert isinstance(caught.value, AttributeError)
    assert isinstance(caught.value, PolycloudError)


def test_a_provider_without_a_driver() -> None:
    """A constant without a driver yet raises another message than an unknown name."""
    with pytest.raises(UnknownProviderError, match=r"no compute driver for 'ciscoccs' yet.*nephoscale"):
        get_driver(Provider.CISCOCCS)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (Provider.EC2_EU_WEST, "use EC2 with region='eu-west-1'"),
        (Provider.IBM, "use SOFTLAYER"),
        (storage.Provider.CLOUDFILES_SWIFT, "use OPENSTACK_SWIFT"),
        (dns.Provider.RACKSPACE_UK, "use RACKSPACE with region='uk'"),
        (loadbalancer.Provider.RACKSPACE_US, "use RACKSPACE with region='ord'"),
    ],
)
def test_removed_constants(provider: Provider, words: str) -> None:
    """The error for a constant of Libcloud's that has been removed says which one is in its place."""
    service = type(provider).__module__.split(".")[1]
    with pytest.raises(UnknownProviderError, match=f"has been removed; {words}"):
        polycloud.get_driver(service, provider)


def test_drivers_of_regions() -> None:
    """Each constant of a region of Amazon's storage has a driver with that region."""
    regional = [one for one in storage.Provider if re.fullmatch(r"s3_(?!rgw)\w+", one)]
    drivers = [polycloud.get_driver("storage", one)("key", "secret") for one in regional]
    assert len(regional) == 19
    assert all(isinstance(one, S3StorageDriver) and str(one.region) in one.connection.host for one in drivers)
    assert {one.region for one in drivers} >= {"eu-west-1", "eu-central-1", "us-west-1", "cn-north-1"}
    assert not {*map(str, regional)} & {*storage.names()}


def test_an_unknown_service() -> None:
    """A service that does not exist is refused with those that do."""
    with pytest.raises(InvalidArgumentError, match="compute"):
        polycloud.get_driver("banking", "dummy")


def test_constants_of_a_service() -> None:
    """A service has its providers' constants, as the examples of Libcloud's documentation use them."""
    kinds = polycloud.DriverType
    assert polycloud.get_driver(kinds.COMPUTE, kinds.COMPUTE.RACKSPACE) is get_driver("rackspace")
    assert (kinds.STORAGE.S3, kinds.DNS.ROUTE53, kinds.LOADBALANCER.ELB) == ("s3", "route53", "elb")
    assert copy.deepcopy(kinds.DNS) is kinds.DNS
    with pytest.raises(AttributeError, match="NONSENSE"):
        _ = kinds.DNS.NONSENSE
    with pytest.raises(AttributeError, match="nonsense"):
        _ = kinds.DNS.nonsense


def test_set_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that a program registers is found; a name that is taken is refused."""
    monkeypatch.setattr(providers, "DRIVERS", dict(DRIVERS))
    assert set_driver("mine", "polycloud.compute.drivers.dummy", "DummyNodeDriver") is DummyNodeDriver
    assert get_driver("mine") is DummyNodeDriver
    with pytest.raises(InvalidArgumentError, match="already"):
        set_driver("mine", "x", "Y")
    with pytest.raises(InvalidArgumentError, match=r"no\.such\.module"):
        set_driver("later", "no.such.module", "Y")
    assert set_driver("later", "polycloud.compute.drivers.dummy", "DummyNodeDriver") is DummyNodeDriver


def test_a_name_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that a program writes into the registry is found whatever the case of its name."""
    monkeypatch.setitem(DRIVERS, "MyCloud", ("polycloud.compute.drivers.dummy", "DummyNodeDriver"))
    assert get_driver("MyCloud") is get_driver("mycloud") is DummyNodeDriver


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Installs a package with these entry points in a folder, which it returns."""

    def act(points: str) -> Path:
        info = tmp_path / "othercloud-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: othercloud\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        registry._entry_points.cache_clear()
        return tmp_path

    yield act
    registry._entry_points.cache_clear()


def test_drivers_of_other_packages(install: Callable[[str], Path]) -> None:
    """A driver that an installed package announces is found without a call; ours keep their names."""
    install(
        "[polycloud.compute]\n"
        "othercloud = polycloud.compute.drivers.dummy:DummyNodeDriver\n"
        "Linode = polycloud.compute.drivers.dummy:DummyNodeDriver\n"
    )
    assert get_driver("othercloud") is DummyNodeDriver
    assert "othercloud" in providers.names()
    assert get_driver("linode") is get_driver("Linode") is LinodeNodeDriver


@pytest.mark.parametrize("service", list(DriverType))
def test_code_of_other_packages(install: Callable[[str], Path], service: str) -> None:
    """The code of an installed package runs when its provider is named, and not for lists of names."""
    folder = install(f"[polycloud.{service}]\nothercloud = code_of_others:Driver\n")
    (folder / "code_of_others.py").write_text("class Driver:\n    pass\n")
    find = import_module(f"polycloud.{service}.providers")
    assert "othercloud" in find.names()
    with pytest.raises(UnknownProviderError, match="othercloud"):
        find.get_driver("othercloudy")
    assert "code_of_others" not in sys.modules
    try:
        assert find.get_driver("othercloud") is sys.modules["code_of_others"].Driver
    finally:
        sys.modules.pop("code_of_others", None)


def test_the_class_is_looked_up_at_call_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that a program puts in the place of a driver's is what `get_driver` gives."""

    class Other(DummyNodeDriver):
        pass

    monkeypatch.setattr("polycloud.compute.drivers.dummy.DummyNodeDriver", Other)
    assert get_driver("dummy") is Other


def test_libclouds_constants() -> None:
    """Constants equal their strings, print as them, and convert both ways."""
    assert str(Provider.EC2) == Provider.EC2 == Provider("ec2")
    assert str(Provider.DIGITAL_OCEAN) == "digitalocean"
    assert Provider.tostring("ec2") == "EC2"
    assert Provider.fromstring("ec2") is Provider.EC2
    assert Provider.fromstring("nothing") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, "a", "b"), "provider must be a non-empty str, got None"),
        (("mine", "", "b"), "module must be a non-empty str, got ''"),
        (("mine", b"x", "b"), "module must be a non-empty str, got b'x'"),
        (("mine", "polycloud.pricing", DummyNodeDriver), "klass must be a non-empty str"),
        (("mine", "polycloud.pricing", "PRICING_DATA"), "polycloud.pricing.PRICING_DATA must be a class"),
        (("mine", ".relative", "b"), "there is no driver .relative.b"),
    ],
)
def test_what_is_no_driver_is_not_registered(arguments: Any, message: str) -> None:
    """What is not the name of a class that can be imported is refused, and not registered."""
    before = dict(DRIVERS)
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        set_driver(*arguments)
    assert before == DRIVERS
