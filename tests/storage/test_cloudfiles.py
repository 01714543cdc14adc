"""Cloud Files' content delivery network, and where its regions are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.errors import InvalidArgumentError
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container
from polycloud.storage.drivers.swift.cloudfiles import CloudFilesStorageDriver
from polycloud.storage.providers import Provider, get_driver
from polycloud.storage.types import ContainerDoesNotExistError


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("cloudfiles", ssh="off") as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[CloudFilesStorageDriver]:
    cloud.reset()
    with CloudFilesStorageDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def photos(driver: CloudFilesStorageDriver) -> Container:
    return driver.create_container("photos é")


def test_addresses(driver: CloudFilesStorageDriver, photos: Container) -> None:
    """A container on the network has an address by HTTP and by HTTPS, below which its objects are."""
    obj = photos.upload_object_via_stream(b"x", "2026/a b.jpg")
    assert photos.enable_cdn(ex_ttl=3600)
    plain, safe = driver.get_container_cdn_url(photos), driver.get_container_cdn_url(photos, ex_ssl_uri=True)
    assert (plain.partition(":")[0], safe.partition(":")[0]) == ("http", "https")
    assert obj.get_cdn_url() == f"{plain}/2026/a%20b.jpg"
    assert driver.get_object_cdn_url(obj, ex_ssl_uri=True) == f"{safe}/2026/a%20b.jpg"
    assert driver.ex_purge_object_from_cdn(obj, "ann@example.com")


def test_containers_that_are_not_public(driver: CloudFilesStorageDriver, photos: Container) -> None:
    """A container that never was or is no longer on the network has no address there."""
    with pytest.raises(InvalidArgumentError, match=r"call enable_container_cdn\(\)"):
        photos.get_cdn_url()
    photos.enable_cdn()
    assert driver.ex_disable_container_cdn(photos)
    with pytest.raises(InvalidArgumentError, match="not on the content delivery network"):
        photos.get_cdn_url()


def test_missing_containers(driver: CloudFilesStorageDriver) -> None:
    """A container that does not exist is not put on the network, and its address is not told."""
    nowhere = Container("nowhere", {}, driver)
    for call in (nowhere.enable_cdn, nowhere.get_cdn_url):
        with pytest.raises(ContainerDoesNotExistError, match="nowhere"):
            call()
    with pytest.raises(ContainerDoesNotExistError):
        driver.ex_disable_container_cdn(nowhere)


@pytest.mark.parametrize("ttl", [899, 31_536_001])
def test_times_of_copies(cloud: Sandbox, photos: Container, ttl: int) -> None:
    """The network keeps copies from a quarter of an hour to a year; other times are refused unsent."""
    before = len(cloud.requests)
    with pytest.raises(InvalidArgumentError, match="900 to 31536000 seconds"):
        photos.enable_cdn(ex_ttl=ttl)
    assert len(cloud.requests) == before


def test_names_of_the_driver() -> None:
    """Libcloud's other names lead to Chicago and, with an identity service of its own, to London."""
    for name, region, host in (
        (Provider.CLOUDFILES, "ORD", "identity.api.rackspacecloud.com"),
        (Provider.CLOUDFILES_US, "ORD", "identity.api.rackspacecloud.com"),
        (Provider.CLOUDFILES_UK, "LON", "lon.identity.api.rackspacecloud.com"),
    ):
        with get_driver(name)("user", "key") as driver:
            assert (driver.region, driver.connection.host) == (region, host)
    with CloudFilesStorageDriver("user", "key", region="iad", use_internal_url=True) as driver:
        assert (driver.connection.cloud.region, driver.connection.cloud.interface) == ("iad", "internal")
