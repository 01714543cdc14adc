"""SoftLayer's driver on the server of the provider's SDK, which answers each call with a recorded object.

Nothing changes there, so the tests look at what the server makes of the requests: its log has each call.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.clouds import until
from polycloud.compute.base import NodeImage
from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
from polycloud.compute.types import NodeState
from polycloud.errors import NotFoundError
from support.softlayer import PUBLIC_KEY, sdk_server


class Log:
    """The calls that the server has logged since the test began."""

    def __init__(self, file: Path) -> None:
        self._file, self._from = file, file.stat().st_size

    def lines(self, *parts: str, count: int = 1) -> list[str]:
        """Return the lines that have all these parts, as soon as there are so many: it may lag behind."""

        def found() -> list[str]:
            with self._file.open(encoding="utf-8", errors="replace") as file:
                file.seek(self._from)
                return [line for line in file if all(part in line for part in parts)]

        assert until(lambda: len(found()) >= count), f"no call with {parts}"
        return found()


@pytest.fixture(scope="module")
def server() -> dict[str, Any]:
    return sdk_server()


@pytest.fixture
def log(server: dict[str, Any]) -> Log:
    return Log(Path(server["log"]))


@pytest.fixture
def driver(server: dict[str, Any]) -> Iterator[SoftLayerNodeDriver]:
    with SoftLayerNodeDriver("user", "any-key", url=f"{server['url']}/xmlrpc/v3.1") as driver:
        yield driver


def test_nodes(driver: SoftLayerNodeDriver, log: Log) -> None:
    """The SDK's guests become nodes, by one call with a mask and an order."""
    nodes = driver.list_nodes()
    found = [
        (node.id, node.name, node.state, node.extra["maxCpu"], node.extra["maxMemory"]) for node in nodes
    ]
    assert found == [
        ("100", "vs-test1", NodeState.RUNNING, 2, 1024),
        ("104", "vs-test2", NodeState.RUNNING, 4, 4096),
    ]
    assert [node.extra["recurringFee"] for node in nodes] == [1.54, 1.54]
    assert [node.id for node in driver.iterate_nodes()] == ["100", "104"]
    lines = log.lines(
        "SoftLayer_Account getVirtualGuests", "mask=mask[id,", "tagReferences[tag[name]]]", count=2
    )
    assert all("{'virtualGuests': {'id': {'operation': 'orderBy'" in line for line in lines)


def test_one_node(driver: SoftLayerNodeDriver, log: Log) -> None:
    """A guest by its id has its image, its size's preset, its login and its tags."""
    node = driver.get_node("100")
    assert (node.size, node.image) == ("B1_8X16X100", "UBUNTU_8_64")
    assert (node.extra["username"], node.extra["password"]) == ("user", "pass")
    assert (node.extra["tags"], node.extra["notes"]) == (["production"], "notes")
    assert node.created_at is not None
    assert node.created_at.isoformat() == "2013-08-01T15:23:45+00:00"
    assert log.lines("SoftLayer_Virtual_Guest getObject id=100", "mask=mask[id,")


def test_the_catalog(driver: SoftLayerNodeDriver) -> None:
    """Flavors, operating systems, images and data centers of the SDK become sizes, images and locations."""
    sizes = {size.id: (size.extra["vcpus"], size.ram, size.disk, size.price) for size in driver.list_sizes()}
    assert sizes["B1_1X2X25"] == (1, 2048, 25, None)
    assert "B1_1X2X25_TRANSIENT" in sizes
    images = {image.id: image.name for image in driver.list_images()}
    assert images["DEBIAN_7_64"].startswith("Debian GNU/Linux 7.0 Wheezy")
    assert images["E6DBD73B-1651-4B28-BCBA-A11DF7C9D79E"] == "test_image"
    assert [image.name for image in driver.ex_list_public_images()] == ["test_image", "test_image2"]
    assert [(place.id, place.name) for place in driver.list_locations()] == [("dal13", "dallas 13")]


def test_an_order(driver: SoftLayerNodeDriver, log: Log) -> None:
    """A create is one order, whose values have the types that the SDK sends, and its marker is removed."""
    name = f"web-{secrets.token_hex(4)}"
    image = NodeImage("UBUNTU_12_64", "", driver)
    node = driver.create_node(
        name,
        driver.custom_size(2, 2048, 25),
        image,
        ex_domain="example.org",
        user_data="hello",
        tags=["a", "b"],
    )
    assert node.id == "100"
    (line,) = log.lines("SoftLayer_Virtual_Guest createObject", name)
    for part in (
        f"'hostname': '{name}', 'domain': 'example.org'",
        "'hourlyBillingFlag': True",
        "'localDiskFlag': True",
        "'startCpus': 2, 'maxMemory': 2048",
        "'blockDevices': [{'device': '0', 'diskImage': {'capacity': 25}}]",
        "'operatingSystemReferenceCode': 'UBUNTU_12_64'",
        "'userData': [{'value': 'hello\\n# polycloud-create-",
    ):
        assert part in line
    assert log.lines("SoftLayer_Virtual_Guest setTags id=100 args=('a,b',)")
    assert log.lines("SoftLayer_Virtual_Guest setUserMetadata id=100 args=(['hello'],)")


def test_other_actions(driver: SoftLayerNodeDriver, log: Log) -> None:
    """Cancelling, editing and keys call the SDK's methods; what its server lacks is not found."""
    node, name = driver.get_node("100"), f"web-{secrets.token_hex(4)}"
    assert driver.destroy_node(node) is True
    assert log.lines("SoftLayer_Virtual_Guest deleteObject id=100 args=()")
    assert driver.ex_rename_node(node, name) is True
    assert log.lines(f"SoftLayer_Virtual_Guest editObject id=100 args=({{'hostname': '{name}'}},)")
    with pytest.raises(NotFoundError, match="powerOn fixture is not implemented"):
        driver.start_node(node)
    assert [pair.extra["id"] for pair in driver.list_key_pairs()] == ["100", "101"]
    pair = driver.import_key_pair_from_string(name, PUBLIC_KEY)
    assert (pair.name, pair.extra["id"]) == ("label", "1234")
    assert log.lines("SoftLayer_Security_Ssh_Key createObject", f"'label': '{name}', 'key': '{PUBLIC_KEY}'")
    assert driver.delete_key_pair(driver.get_key_pair("Test 2")) is True
    assert log.lines("SoftLayer_Security_Ssh_Key deleteObject id=101")
