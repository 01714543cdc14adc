"""What the examples in Libcloud's documentation of its dummy drivers show."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud.compute.types import NodeState
from polycloud.errors import LibcloudError, UnsupportedOperationError
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    ObjectDoesNotExistError,
)
from support.alias import installed


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with installed():
        yield


def dummy(service: str) -> Any:
    return importlib.import_module(f"libcloud.{service}.drivers.dummy")


def names(resources: list[Any]) -> list[str]:
    return sorted(one.name for one in resources)


def test_nodes() -> None:
    """The compute dummy begins with two nodes, and each new one has the next number and address."""
    driver = dummy("compute").DummyNodeDriver(0)
    assert names(driver.list_nodes()) == ["dummy-1", "dummy-2"]
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    first = driver.create_node(name="dummy-3", size=size, image=image)
    assert (first.id, first.public_ips, first.state) == ("3", ["127.0.0.3"], NodeState.RUNNING)
    second = driver.create_node(name="dummy-4", size=size, image=image)
    assert first.destroy() is True
    assert first.state == NodeState.TERMINATED
    assert names(driver.list_nodes()) == ["dummy-1", "dummy-2", "dummy-4"]
    assert second.reboot() is True
    assert second.state == NodeState.REBOOTING
    assert [one.state for one in driver.list_nodes()] == [NodeState.RUNNING] * 3


def test_nodes_by_number() -> None:
    """Credentials that are a number are the number of nodes; the next node has the next number."""
    driver = dummy("compute").DummyNodeDriver(22)
    assert len(driver.list_nodes()) == 22
    node = driver.create_node("next", driver.list_sizes()[0], driver.list_images()[0])
    assert (node.id, node.public_ips) == ("23", ["127.0.0.23"])
    assert driver.creds == 22


def test_the_catalogue() -> None:
    """Sizes, images and locations are Libcloud's."""
    driver = dummy("compute").DummyNodeDriver(0)
    sizes = [(one.name, one.ram, one.disk, one.bandwidth, one.price) for one in driver.list_sizes()]
    assert sizes == [
        ("Small", 128, 4, 500, 4),
        ("Medium", 512, 16, 1500, 8),
        ("Big", 4096, 32, 2500, 32),
        ("XXL Big", 8192, 128, 7500, 64),
    ]
    assert names(driver.list_images()) == ["Slackware 4", "Ubuntu 9.04", "Ubuntu 9.10"]
    places = sorted(f"{one.name} in {one.country}" for one in driver.list_locations())
    assert places == ["Island Datacenter in FJ", "London Loft in GB", "Paul's Room in US"]
    assert str(driver.list_nodes()[0].uuid) == "2c183c20f71eb5732512d6cfe1f75ebc9d9bb4dd"


def test_containers_and_objects(tmp_path: Path) -> None:
    """The storage dummy counts what it has, shows it as Libcloud's, and keeps the content too."""
    storage = dummy("storage")
    driver = storage.DummyStorageDriver("key", "secret")
    assert driver.get_meta_data() == {"container_count": 0, "object_count": 0, "bytes_used": 0}
    container = driver.create_container(container_name="test container 1")
    assert repr(container) == "<Container: name=test container 1, provider=Dummy Storage Provider>"
    assert container.extra["object_count"] == 0
    obj = container.upload_object_via_stream(
        object_name="test object", iterator=storage.DummyFileObject(5, 10), extra={}
    )
    assert repr(obj).startswith("<Object: name=test object, size=50, ")
    assert driver.get_meta_data() == {"container_count": 1, "object_count": 1, "bytes_used": 50}
    assert container.extra["object_count"] == 1
    assert len(b"".join(container.download_object_as_stream(obj))) == 50
    file = tmp_path / "file"
    file.write_bytes(b"hello")
    copy = container.upload_object(file_path=str(file), object_name="test object 5")
    assert (copy.size, copy.get_cdn_url()) == (5, "http://www.test.com/object/test_object_5")
    assert container.get_cdn_url() == "http://www.test.com/container/test_container_1"
    assert next(driver.download_object_as_stream(copy, copy.size)) == b"hello"


def test_errors_of_storage() -> None:
    """What does not exist, exists already or is not empty has Libcloud's errors."""
    storage = dummy("storage")
    driver = storage.DummyStorageDriver("key", "secret")
    container = driver.create_container("full")
    container.upload_object_via_stream(iter([b"x"]), "object")
    base = importlib.import_module("libcloud.storage.base")
    missing = base.Object("none", 1000, None, None, None, container, None)
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("full")
    with pytest.raises(ContainerDoesNotExistError):
        driver.get_container("none")
    with pytest.raises(ContainerDoesNotExistError):
        driver.delete_container(base.Container("none", {"object_count": 0}, driver))
    with pytest.raises(ContainerIsNotEmptyError):
        driver.delete_container(container)
    with pytest.raises(ObjectDoesNotExistError):
        driver.get_object("full", "none")
    with pytest.raises(ObjectDoesNotExistError):
        container.delete_object(obj=missing)
    with pytest.raises(LibcloudError):
        container.upload_object(file_path="/no/such/file", object_name="x")


def test_a_file_object_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program's tests may put a class in the place of `DummyFileObject`: downloads yield what it yields."""
    storage = dummy("storage")
    driver = storage.DummyStorageDriver("key", "secret")
    obj = driver.create_container("c").upload_object_via_stream(iter([b"real"]), "o")
    assert b"".join(obj.as_stream()) == b"real"
    monkeypatch.setattr(storage, "DummyFileObject", lambda *_, **__: iter([b"in", b"vented"]))
    assert b"".join(obj.as_stream()) == b"invented"
    monkeypatch.undo()
    assert b"".join(obj.as_stream()) == b"real"


def test_zones_and_records() -> None:
    """The DNS dummy refuses what exists already or not at all, and shows zones and records as Libcloud's."""
    types = importlib.import_module("libcloud.dns.types")
    driver = dummy("dns").DummyDNSDriver("key", "secret")
    assert driver.list_zones() == []
    assert driver.name == "Dummy DNS Provider"
    assert "A" in driver.list_record_types()
    zone = driver.create_zone(domain="example.org", type="master", ttl=100)
    assert repr(zone) == "<Zone: domain=example.org, ttl=100, provider=Dummy DNS Provider ...>"
    made = {"name": "libcloud", "zone": zone, "type": types.RecordType.A, "data": "127.0.0.1"}
    record = driver.create_record(**made)
    assert repr(record).startswith("<Record: zone=example.org, name=libcloud, type=A, data=127.0.0.1")
    assert [one.id for one in zone.list_records()] == [record.id]
    with pytest.raises(types.RecordAlreadyExistsError):
        driver.create_record(**made)
    assert driver.delete_record(record) is True
    with pytest.raises(types.RecordDoesNotExistError):
        driver.delete_record(record)
    with pytest.raises(types.ZoneAlreadyExistsError):
        driver.create_zone(domain="example.org")
    assert driver.delete_zone(zone) is True
    with pytest.raises(types.ZoneDoesNotExistError):
        driver.delete_zone(zone)
    with pytest.raises(types.ZoneDoesNotExistError):
        driver.get_record(zone_id="doesnotexist", record_id="exists")


def test_balancers() -> None:
    """The balancers' dummy makes running balancers, and attaches members and nodes."""
    base = importlib.import_module("libcloud.loadbalancer.base")
    driver = dummy("loadbalancer").DummyLBDriver("key", "secret")
    member = base.Member(None, "192.0.2.10", 8080)
    balancer = driver.create_balancer("front", 80, "http", base.Algorithm.ROUND_ROBIN, [member])
    assert (balancer.id, balancer.name, balancer.port, balancer.state) == ("1", "front", 80, 0)
    node = dummy("compute").DummyNodeDriver(0).list_nodes()[0]
    assert balancer.attach_compute_node(node).ip == "127.0.0.1"
    assert [one.ip for one in balancer.list_members()] == ["192.0.2.10", "127.0.0.1"]
    assert balancer.detach_member(balancer.list_members()[0]) is True
    assert balancer.destroy() is True
    assert driver.list_balancers() == []


def test_what_no_dummy_has() -> None:
    """What a dummy does not offer is a NotImplementedError, as in Libcloud."""
    driver = dummy("compute").DummyNodeDriver(0)
    with pytest.raises(UnsupportedOperationError) as caught:
        driver.deploy_node(name="a", size=driver.list_sizes()[0], image=driver.list_images()[0])
    assert isinstance(caught.value, NotImplementedError)
