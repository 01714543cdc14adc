from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
from support.fuzz import look_at, outcome, scrambled
from support.softlayer import answering
from support.web import Answer

GUEST: dict[str, Any] = {
    "id": 7,
    "hostname": "web",
    "createDate": "2024-01-02T03:04:05-06:00",
    "provisionDate": "2024-01-02T03:09:05-06:00",
    "maxCpu": 2,
    "maxMemory": 4096,
    "hourlyBillingFlag": True,
    "primaryIpAddress": "198.51.100.7",
    "primaryBackendIpAddress": "10.0.0.7",
    "status": {"keyName": "ACTIVE"},
    "powerState": {"keyName": "RUNNING"},
    "datacenter": {"name": "dal10"},
    "activeTransaction": {"transactionStatus": {"name": "CLOUD_REBOOT"}},
    "operatingSystem": {
        "passwords": [{"username": "root", "password": "x"}],
        "softwareLicense": {"softwareDescription": {"referenceCode": "DEBIAN_12_64"}},
    },
    "blockDeviceTemplateGroup": {"globalIdentifier": "5f3c1d9e-2b07-4e0a-9a55-6f0b6a8b1c11"},
    "blockDevices": [{"device": "0", "diskImage": {"capacity": 25}}],
    "billingItem": {"id": 1, "hourlyRecurringFee": ".07", "orderItem": {"preset": {"keyName": "B1_2X4X25"}}},
    "tagReferences": [{"tag": {"name": "a"}}],
}
OPTIONS: dict[str, Any] = {
    "flavors": [{"flavor": {"keyName": "B1_2X4X25", "name": "b", "totalMinimumHourlyFee": "0.072"}}],
    "operatingSystems": [
        {
            "template": {"operatingSystemReferenceCode": "DEBIAN_12_64"},
            "itemPrice": {"hourlyRecurringFee": "0", "item": {"description": "Debian"}},
        }
    ],
}
READERS: dict[str, tuple[Any, Callable[[SoftLayerNodeDriver], Any]]] = {
    "nodes": ([GUEST], lambda driver: driver.list_nodes()),
    "a node": (GUEST, lambda driver: driver.get_node("7")),
    "sizes": (OPTIONS, lambda driver: driver.list_sizes()),
    "images": (OPTIONS, lambda driver: driver._systems()),
    "own images": ([{"globalIdentifier": "a-b", "name": "x"}], lambda driver: driver.ex_list_public_images()),
    "locations": (
        [{"id": 1, "name": "dal10", "longName": "Dallas", "locationAddress": {"country": "US"}}],
        lambda driver: driver.list_locations(),
    ),
    "key pairs": (
        [{"id": 1, "label": "a", "key": "ssh-rsa AAAA"}],
        lambda driver: driver.list_key_pairs(),
    ),
}
TEXTS = st.sampled_from(["", "0", "-1", "nan", "1e999", "x" * 300, "10.0.0", "2024-13-01", "\u0661"])
NAMES = st.sampled_from(["id", "name"])
INTS = st.integers(-(2**31), 2**31 - 1)
ODD = st.recursive(
    st.none() | st.booleans() | INTS | st.floats() | TEXTS | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


class Stage:
    """What the server sends next."""

    body = b""


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def driver(stage: Stage) -> Iterator[SoftLayerNodeDriver]:
    with answering(lambda _: Answer(200, stage.body)) as driver:
        yield driver


def written(value: Any) -> bytes:
    return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode("utf-8", "replace")


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each part of a value."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from paths(part, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy in which another value stands at the end of the path."""
    if not path:
        return odd
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], odd)
    return copied


@pytest.mark.parametrize("name", READERS)
def test_the_original_responses(stage: Stage, driver: SoftLayerNodeDriver, name: str) -> None:
    """Every reading call returns something for the documented responses, and all of it can be read."""
    value, read = READERS[name]
    stage.body = written(value)
    found = read(driver)
    assert found
    look_at(found)


@given(st.data())
def test_changed_responses(stage: Stage, driver: SoftLayerNodeDriver, data: st.DataObject) -> None:
    """Whatever stands in the place of a part, a call returns readable objects or an error of our tree."""
    value, read = READERS[data.draw(st.sampled_from(sorted(READERS)))]
    path = data.draw(st.sampled_from(list(paths(value))))
    stage.body = written(replaced(value, path, data.draw(ODD)))
    outcome(lambda: look_at(read(driver)))


@given(st.data())
def test_torn_responses(stage: Stage, driver: SoftLayerNodeDriver, data: st.DataObject) -> None:
    """Whatever becomes of the bytes, a call returns readable objects or an error of our tree."""
    value, read = READERS[data.draw(st.sampled_from(sorted(READERS)))]
    stage.body = data.draw(scrambled(written(value)))
    outcome(lambda: look_at(read(driver)))
