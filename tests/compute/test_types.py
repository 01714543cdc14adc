from __future__ import annotations

import hashlib
import pickle
import sys
import weakref
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from polycloud.common.payload import LazyExtra, built, identity
from polycloud.compute import base, types
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState
from polycloud.errors import NotFoundError

DRIVER = DummyNodeDriver("creds")
NODE = Node("7", "web", NodeState.RUNNING, ["203.0.113.7"], ["10.0.0.7"], DRIVER)


def test_base_gives_what_libclouds_users_import() -> None:
    """`polycloud.compute.base` has the objects under the names that Libcloud's users import from there."""
    wanted = (
        "BaseDriver KeyPair Node NodeAuthPassword NodeAuthSSHKey NodeDriver NodeImage NodeLocation NodeSize "
        "NodeState StorageVolume StorageVolumeState VolumeSnapshot"
    )
    assert set(wanted.split()) <= set(base.__all__)
    for name in base.__all__:
        assert getattr(types, name, getattr(base, name)) is getattr(base, name)


def test_positional_order() -> None:
    """The objects take Libcloud's arguments in Libcloud's order."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    node = Node("1", "n", NodeState.PENDING, [], [], DRIVER, "size", "image", {"a": 1}, moment)
    assert (node.size, node.image, node.extra, node.created_at) == ("size", "image", {"a": 1}, moment)
    assert NodeSize("1", "s", 512, 20, 1000, 0.5, DRIVER, {"b": 2}).extra == {"b": 2}
    assert NodeImage("1", "i", DRIVER, {"c": 3}).extra == {"c": 3}
    assert NodeLocation("1", "l", "US", DRIVER, {"d": 4}).extra == {"d": 4}
    assert KeyPair("k", "pub", "fp", DRIVER, "private", {"e": 5}).private_key == "private"
    assert StorageVolume("1", "v", 10, DRIVER, types.StorageVolumeState.INUSE).state == "inuse"
    assert VolumeSnapshot("1", DRIVER, 10, None, moment, types.VolumeSnapshotState.AVAILABLE, "s").name == "s"


def test_uuid_is_libclouds() -> None:
    """A uuid is SHA-1 of "id:provider", so that it is the same in every program."""
    expected = hashlib.sha1(b"7:dummy", usedforsecurity=False).hexdigest()
    assert NODE.uuid == NODE.get_uuid() == expected


def test_identity_and_attributes() -> None:
    """Objects are compared by identity, can be weakly referenced, and take attributes of a program's own."""
    twin = Node("7", "web", NodeState.RUNNING, [], [], DRIVER)
    twin.mine = "hung on"  # type: ignore[attr-defined]
    assert twin != NODE
    assert len({twin, NODE}) == 2
    assert weakref.ref(twin)() is twin
    twin.name = "other"
    assert twin.name == "other"


def test_repr_is_the_articles() -> None:
    """A node prints as the article shows it, with its provider and without the driver."""
    assert repr(NODE).startswith(
        f"<Node: uuid={NODE.uuid}, name=web, state=RUNNING, public_ips=['203.0.113.7']"
    )
    assert repr(NODE).endswith("provider=Dummy Node Provider ...>")
    odd = Node("1", "n", "melting", [], [], DRIVER)  # type: ignore[arg-type]
    assert "state=melting" in repr(odd)


@pytest.mark.parametrize("secret", [NodeAuthPassword("pa55word"), NodeAuthSSHKey("ssh-rsa pa55word")])
def test_secrets_are_out_of_reprs(secret: Any) -> None:
    """Neither passwords nor keys stand in a repr."""
    assert "pa55word" not in repr(secret)
    assert "private" not in repr(KeyPair("k", "pub", "fp", DRIVER, "private"))


def test_extra_is_lazy() -> None:
    """An `extra` of bytes is decoded once, when it is first looked at, and is a plain dict from then on."""
    decoded: list[bytes] = []

    def build(raw: bytes) -> dict[str, Any]:
        decoded.append(raw)
        return {"size": len(raw)}

    node = Node("1", "n", NodeState.RUNNING, [], [], DRIVER, extra=LazyExtra(b"abc", build))
    assert decoded == []
    node.extra["mine"] = 1
    assert (node.extra, decoded) == ({"size": 3, "mine": 1}, [b"abc"])


def test_items_are_copies() -> None:
    """An item has a copy of its own bytes, so the page that it was on can be freed."""
    page = bytearray(b'[{"id": 1}, {"id": 2}]')
    items = built(msgspec.json.decode(page, type=list[msgspec.Raw]), dict[str, int], identity)
    page.clear()  # raises while anything refers to the bytes
    assert items == [({"id": 1}, b'{"id": 1}'), ({"id": 2}, b'{"id": 2}')]


def test_addresses_as_text() -> None:
    """Addresses given as one text are split by privacy when read; both lists can be changed and replaced."""
    text = "203.0.113.1, fd00::1,10.0.0.1 2001:db8::1"
    node = Node("1", "n", NodeState.RUNNING, text, text, DRIVER)
    assert node.private_ips == ["fd00::1", "10.0.0.1"]
    node.public_ips.append("203.0.113.2")
    assert node.public_ips == ["203.0.113.1", "2001:db8::1", "203.0.113.2"]
    node.public_ips = []
    assert pickle.loads(pickle.dumps(node)).public_ips == []
    assert Node("1", "n", NodeState.RUNNING, "", "", DRIVER).public_ips == []


def test_objects_are_small() -> None:
    """A node has no dict of its own until a program hangs something on it."""
    assert sys.getsizeof(NODE) < 150


def test_vars() -> None:
    """`vars` has all attributes that are set, under their names, beside those that a program has set."""
    node = Node("1", "n", NodeState.RUNNING, "203.0.113.1", "", DRIVER, extra={"a": 1})
    node.mine = 5  # type: ignore[attr-defined]
    kept = {"id": "1", "name": "n", "state": "running", "driver": DRIVER, "mine": 5, "extra": {"a": 1}}
    addresses = {"public_ips": ["203.0.113.1"], "private_ips": []}
    assert vars(node) == {**kept, **addresses, "size": None, "image": None, "created_at": None}
    bare = Node.__new__(Node)
    bare.id = "5"
    assert vars(bare) == {"id": "5"}


def test_pickling() -> None:
    """Objects survive pickling with all their attributes, and load from a plain dict of them."""
    lazy = Node(
        "1", "n", NodeState.RUNNING, ["203.0.113.1"], [], DRIVER, extra=LazyExtra(b"{}", lambda _: {"a": 1})
    )
    lazy.mine = 5  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(lazy))
    assert (again.id, again.state, again.public_ips, again.extra, again.mine) == (
        "1",
        "running",
        ["203.0.113.1"],
        {"a": 1},
        5,
    )
    bare = Node.__new__(Node)
    bare.__setstate__({"id": "5", "name": "old", "driver": DRIVER, "extra": {"b": 2}, "_uuid": None})
    assert (bare.id, bare.extra) == ("5", {"b": 2})


def test_states() -> None:
    """States equal Libcloud's strings and convert by name."""
    assert NodeState("running") is NodeState.RUNNING
    assert str(NodeState.RUNNING) == "running"
    assert NodeState.tostring(NodeState.RUNNING) == NodeState.tostring("running") == "RUNNING"
    assert NodeState.fromstring("running") is NodeState.RUNNING


def test_key_pair_errors() -> None:
    """The error for a missing key pair names it, and is a `NotFoundError`."""
    error = KeyPairDoesNotExistError("deploy", DRIVER)
    assert isinstance(error, NotFoundError)
    assert (error.code, error.message, error.headers) == (404, str(error), {})
    assert pickle.loads(pickle.dumps(error)).name == "deploy"
    assert (error.name, error.driver) == ("deploy", DRIVER)
    assert "'deploy'" in str(error)


def test_the_node_of_a_pickled_error() -> None:
    """The node in the pickle of an error has no driver, and can be looked at."""
    driver = DummyNodeDriver("key")
    node = driver.list_nodes()[0]
    copy = pickle.loads(pickle.dumps(types.DeploymentError(node, "exit status 1", driver)))
    assert copy.node.driver is None
    assert str(node.name) in repr(copy.node)
