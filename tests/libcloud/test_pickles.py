from __future__ import annotations

import base64
import importlib.util
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support.alias import installed

MAKES = """
import base64, json, pickle, warnings
from datetime import datetime
warnings.simplefilter("ignore")
from libcloud.common.exceptions import BaseHTTPError, RateLimitReachedError
from libcloud.common.types import InvalidCredsError, LibcloudError, MalformedResponseError, ProviderError
from libcloud.compute.base import (KeyPair, Node, NodeAuthPassword, NodeImage, NodeLocation, NodeSize,
    StorageVolume, VolumeSnapshot)
from libcloud.compute.deployment import ScriptDeployment
from libcloud.compute.drivers.dummy import DummyNodeDriver
from libcloud.compute.types import NodeState, Provider, StorageVolumeState, VolumeSnapshotState
from libcloud.dns.base import Record, Zone
from libcloud.dns.drivers.dummy import DummyDNSDriver
from libcloud.dns.types import RecordType, ZoneDoesNotExistError
from libcloud.loadbalancer.base import Algorithm, LoadBalancer, Member
from libcloud.storage.base import Container, Object
from libcloud.storage.drivers.dummy import DummyStorageDriver
from libcloud.storage.types import ContainerDoesNotExistError

size = NodeSize("s", "Small", 512, 10, 100, 0.5, None, {"vcpus": 1})
image = NodeImage("i", "Ubuntu", None, {"a": 1})
driver = DummyNodeDriver(0)
node = Node("1", "web", NodeState.RUNNING, ["192.0.2.1"], [], driver, size, image, {"k": "v"})
node.own = node.uuid
container = Container("c", {"a": 1}, None)
zone = Zone("z", "example.com", "master", 300, None, {"a": 1})
balancer = LoadBalancer("b", "front", 0, "192.0.2.1", 80, None, {"a": 1})
made = {
    "node": node,
    "location": NodeLocation("l", "London", "GB", None),
    "volume": StorageVolume("v", "data", 5, None, StorageVolumeState.AVAILABLE, {"a": 1}),
    "snapshot": VolumeSnapshot("s", None, 5, {}, datetime(2020, 1, 1), VolumeSnapshotState.AVAILABLE, "n"),
    "key": KeyPair("k", "ssh-rsa A", "aa:bb", None, "private", {"x": 1}),
    "password": NodeAuthPassword("secret", True),
    "states": [NodeState.RUNNING, Provider.EC2, RecordType.MX, Algorithm.ROUND_ROBIN],
    "object": Object("o", 5, "h", {"a": 1}, {"m": "d"}, container, None),
    "record": Record("r", "www", RecordType.A, "192.0.2.1", zone, None, 60, {"p": 1}),
    "member": Member("m", "192.0.2.1", 80, balancer, {"a": 1}),
    "error": LibcloudError("text"),
    "creds": InvalidCredsError("no"),
    "http": BaseHTTPError(404, "gone", {"a": "b"}),
    "limit": RateLimitReachedError(429, "slower", {"retry-after": "5"}),
    "malformed": MalformedResponseError("text", "body"),
    "provider": ProviderError("text", 500),
    "zone_error": ZoneDoesNotExistError("text", None, "z"),
    "container_error": ContainerDoesNotExistError("text", None, "c"),
    "step": ScriptDeployment("echo", name="x"),
    "nodes": DummyNodeDriver("5").list_nodes(),
    "storage": DummyStorageDriver("a", "b"),
    "dns": DummyDNSDriver("a", "b"),
}
print(json.dumps({
    name: [base64.b64encode(pickle.dumps(value, protocol)).decode() for protocol in (0, 2, 4)]
    for name, value in made.items()
}))
"""
SCALARS: dict[str, dict[str, Any]] = {
    "node": {"id": "1", "name": "web", "state": "running", "public_ips": ["192.0.2.1"], "extra": {"k": "v"}},
    "location": {"id": "l", "name": "London", "country": "GB", "driver": None},
    "volume": {"id": "v", "name": "data", "size": 5, "state": "available", "extra": {"a": 1}},
    "snapshot": {"id": "s", "size": 5, "name": "n", "state": "available"},
    "key": {"name": "k", "public_key": "ssh-rsa A", "fingerprint": "aa:bb", "private_key": "private"},
    "password": {"password": "secret", "generated": True},
    "object": {"name": "o", "size": 5, "hash": "h", "extra": {"a": 1}, "meta_data": {"m": "d"}},
    "record": {"id": "r", "name": "www", "type": "A", "data": "192.0.2.1", "ttl": 60, "extra": {"p": 1}},
    "member": {"id": "m", "ip": "192.0.2.1", "port": 80, "extra": {"a": 1}, "health": "unknown"},
    "error": {"value": "text"},
    "creds": {"value": "no", "http_code": 401},
    "http": {"code": 404, "http_code": 404, "message": "gone", "headers": {"a": "b"}},
    "limit": {"code": 429},
    "malformed": {"value": "text", "body": "body"},
    "provider": {"value": "text", "http_code": 500},
    "zone_error": {"value": "text", "zone_id": "z", "code": 404},
    "container_error": {"value": "text", "container_name": "c", "code": 404},
    "step": {"script": "echo", "name": "x"},
}


@pytest.fixture(scope="module")
def pickles() -> dict[str, list[str]]:
    """What Libcloud itself pickles, in three protocols."""
    if importlib.util.find_spec("libcloud.compute") is None:
        pytest.skip("apache-libcloud is not installed")
    command = [sys.executable, "-c", MAKES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture
def loaded(pickles: dict[str, list[str]]) -> Iterator[dict[str, list[Any]]]:
    """The same, loaded with polycloud in Libcloud's place."""
    with installed():
        yield {
            name: [pickle.loads(base64.b64decode(one)) for one in texts] for name, texts in pickles.items()
        }


def test_old_pickles(loaded: dict[str, list[Any]]) -> None:
    """Objects and errors that Libcloud pickled load as ours, with what they had."""
    for name, expected in SCALARS.items():
        for one in loaded[name]:
            assert type(one).__module__.startswith("polycloud."), name
            assert {key: getattr(one, key) for key in expected} == expected, name
            assert repr(one)
    node = loaded["node"][0]
    assert (node.size.ram, node.image.name, node.uuid) == (512, "Ubuntu", node.own)
    assert loaded["record"][0].zone.domain == "example.com"
    assert loaded["object"][0].container.name == "c"
    assert loaded["member"][0].balancer.name == "front"
    assert [list(map(str, states)) for states in loaded["states"]] == [["running", "ec2", "MX", "1"]] * 3


def test_old_pickles_of_dummies(loaded: dict[str, list[Any]]) -> None:
    """A dummy driver that Libcloud pickled works, alone or as the driver of a node."""
    for nodes in loaded["nodes"]:
        assert [one.name for one in nodes] == [f"dummy-{number}" for number in range(5)]
        assert len(nodes[0].driver.list_nodes()) == 5
    assert all(one.driver.name == "Dummy Node Provider" for one in loaded["node"])
    assert all(one.create_container("c").name == "c" for one in loaded["storage"])
    assert all(one.create_zone("example.com").id == "example.com" for one in loaded["dns"])


def test_pickles_of_ours(loaded: dict[str, list[Any]]) -> None:
    """What has been loaded can be pickled again, and then names polycloud's modules."""
    for values in loaded.values():
        text = pickle.dumps(values[0])
        assert b"libcloud." not in text.replace(b"polycloud.", b"")
        assert type(pickle.loads(text)) is type(values[0])
