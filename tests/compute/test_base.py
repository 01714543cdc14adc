from __future__ import annotations

import inspect
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from polycloud.compute import keys
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import KeyPair, Node, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState
from polycloud.errors import (
    InvalidArgumentError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from support.clock import ends_within

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"

LIBCLOUDS_ARGUMENTS = {
    "__init__": "key secret secure host port api_version region",
    "attach_volume": "node volume device",
    "copy_image": "source_region node_image name description",
    "create_image": "node name description",
    "create_key_pair": "name",
    "create_node": "name size image location auth",
    "create_volume": "size name location snapshot",
    "create_volume_snapshot": "volume name",
    "delete_image": "node_image",
    "delete_key_pair": "key_pair",
    "destroy_node": "node",
    "destroy_volume": "volume",
    "destroy_volume_snapshot": "snapshot",
    "detach_volume": "volume",
    "get_image": "image_id",
    "get_key_pair": "name",
    "import_key_pair_from_file": "name key_file_path",
    "import_key_pair_from_string": "name key_material",
    "list_images": "location",
    "list_key_pairs": "",
    "list_locations": "",
    "list_nodes": "",
    "list_sizes": "location",
    "list_volume_snapshots": "volume",
    "list_volumes": "",
    "reboot_node": "node",
    "start_node": "node",
    "stop_node": "node",
    "wait_until_running": "nodes wait_period timeout ssh_interface force_ipv4 ex_list_nodes_kwargs",
}


@pytest.mark.parametrize("method", LIBCLOUDS_ARGUMENTS)
def test_signatures_are_libclouds(method: str) -> None:
    """Every method of Libcloud's base takes Libcloud's arguments in Libcloud's order."""
    parameters = inspect.signature(getattr(NodeDriver, method)).parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
    assert names == LIBCLOUDS_ARGUMENTS[method].split()


def test_every_operation_is_documented() -> None:
    """Every public method of the base has a docstring."""
    for name in NodeDriver.operations():
        assert inspect.getdoc(getattr(NodeDriver, name)), name


@pytest.fixture
def driver() -> DummyNodeDriver:
    return DummyNodeDriver("creds")


def test_get_node(driver: DummyNodeDriver) -> None:
    """A node is found by its id; an unknown id is named."""
    assert driver.get_node("2").name == "dummy-2"
    with pytest.raises(NotFoundError, match="'77'"):
        driver.get_node("77")


def test_wait_until_running_waits_for_all(driver: DummyNodeDriver) -> None:
    """The wait ends when every node runs and has an address of the kind asked for, and not before."""
    nodes = driver.list_nodes()
    assert driver.wait_until_running(nodes) == [(nodes[0], ["127.0.0.1"]), (nodes[1], ["127.0.0.2"])]
    nodes[0].private_ips = ["10.0.0.1"]
    private: dict[str, Any] = {"ssh_interface": "private_ips", "wait_period": 0.01, "timeout": 0.05}
    assert driver.wait_until_running([nodes[0]], **private) == [(nodes[0], ["10.0.0.1"])]
    with pytest.raises(OperationTimeoutError, match=r"dummy-2 \(id 2\) to run"):
        driver.wait_until_running(nodes, **private)
    driver.stop_node(nodes[1])
    with pytest.raises(OperationTimeoutError, match=r"dummy-2 \(id 2\) to run"):
        driver.wait_until_running(nodes, wait_period=0.01, timeout=0.05)


def test_wait_until_running_says_what_is_missing(driver: DummyNodeDriver) -> None:
    """A wait in vain says what was seen last: the state, no address, or that nothing is listed."""

    def message_of(node: Node, interface: str = "public_ips") -> str:
        with pytest.raises(OperationTimeoutError) as error:
            driver.wait_until_running([node], timeout=0, ssh_interface=interface)
        assert str(error.value).startswith(
            f"gave up after 0 s waiting for {node.name} (id {node.id}) to run: "
        )
        return str(error.value).partition(" to run: ")[2]

    node = driver.list_nodes()[0]
    assert message_of(node, "private_ips") == "dummy-1 runs, but has no address in private_ips"
    node.public_ips = ["2001:db8::1"]
    assert message_of(node) == "dummy-1 runs, but has only IPv6 addresses in public_ips"
    node.state = NodeState.UNKNOWN
    assert message_of(node) == "dummy-1 is unknown"
    assert message_of(Node("77", "ghost", NodeState.RUNNING, [], [], driver)) == "ghost is not listed"


def test_wait_until_running_takes_private_addresses_after_a_grace(driver: DummyNodeDriver) -> None:
    """A node that gets no public address is ready with its private ones, but only where none was named."""

    class Soon(DummyNodeDriver):
        public_address_time = 0.3

    soon = Soon("creds")
    node = soon.list_nodes()[0]
    node.public_ips, node.private_ips = [], ["192.168.1.30"]
    began = time.monotonic()
    assert soon.wait_until_running([node], 0.05, timeout=20) == [(node, ["192.168.1.30"])]
    assert time.monotonic() - began >= 0.3
    way_out = r'has no address in public_ips; ssh_interface="private_ips" takes 192\.168\.1\.30'
    with pytest.raises(OperationTimeoutError, match=way_out):
        soon.wait_until_running([node], 0.05, timeout=0.6, ssh_interface="public_ips")


def test_wait_until_running_prefers_public_addresses(driver: DummyNodeDriver) -> None:
    """A public address that follows within the grace is the one that counts."""
    node = driver.list_nodes()[0]
    node.public_ips, node.private_ips = [], ["192.168.1.30"]
    late = threading.Timer(0.5, node.public_ips.append, ["203.0.113.9"])
    late.start()
    assert driver.wait_until_running([node], 0.05, timeout=20) == [(node, ["203.0.113.9"])]
    late.join()


def test_auth_of_another_kind_is_refused(driver: DummyNodeDriver) -> None:
    """An auth that is not in `features` is unsupported, and an invalid one is a wrong argument."""

    class WithKeys(DummyNodeDriver):
        features: ClassVar = {"create_node": ["ssh_key"]}

    with pytest.raises(UnsupportedOperationError, match=r"this auth \(password\); it offers ssh_key"):
        WithKeys("creds")._require_auth(NodeAuthPassword("secret"))
    with pytest.raises(InvalidArgumentError, match="must be a NodeAuthSSHKey or"):
        WithKeys("creds")._require_auth("ssh-ed25519 AAAA")  # type: ignore[arg-type]
    for auth in (NodeAuthSSHKey("ssh-ed25519 AAAA"), NodeAuthPassword("secret"), None):
        driver._require_auth(auth)


def test_wait_until_running_leaves_ipv6_out(driver: DummyNodeDriver) -> None:
    """IPv6 addresses count only where the caller wants them."""
    node = driver.list_nodes()[0]
    node.public_ips = ["2001:db8::1", "203.0.113.9"]
    assert driver.wait_until_running([node])[0][1] == ["203.0.113.9"]
    assert driver.wait_until_running([node], force_ipv4=False)[0][1] == ["2001:db8::1", "203.0.113.9"]


def test_wait_until_running_ends_with_a_node_that_failed(driver: DummyNodeDriver) -> None:
    """A node in state ERROR ends the wait at once."""
    node = driver.list_nodes()[0]
    node.state = NodeState.ERROR
    with ends_within(20), pytest.raises(PolycloudError, match=r"dummy-1.*will not run"):
        driver.wait_until_running([node], timeout=60)


def test_wait_until_running_refuses_other_interfaces(driver: DummyNodeDriver) -> None:
    """An interface that is neither public nor private is refused."""
    with pytest.raises(InvalidArgumentError, match="'eth0'"):
        driver.wait_until_running([], ssh_interface="eth0")


def test_sizes_made_by_hand(driver: DummyNodeDriver) -> None:
    """Where the provider takes any size, one is made from CPUs, RAM and disk; elsewhere that is refused."""
    assert driver.supports("custom_size")
    assert not NephoscaleNodeDriver("user", "password").supports("custom_size")
    size = driver.custom_size(2, 4096, 80)
    assert (size.ram, size.disk, size.extra["vcpus"], size.name) == (4096, 80, 2, "2 CPU, 4096 MB, 80 GB")
    assert driver.create_node("custom", size, driver.list_images()[0]).size is size
    with pytest.raises(InvalidArgumentError):
        driver.custom_size(0, 4096, 80)
    with pytest.raises(UnsupportedOperationError, match="NephoScale"):
        NephoscaleNodeDriver("user", "password").custom_size(2, 4096, 80)


def test_key_pairs_from_files(driver: DummyNodeDriver, tmp_path: Path) -> None:
    """A public key is imported from a file; a file that cannot be read is named."""
    (tmp_path / "id.pub").write_text(PUBLIC_KEY + "\n")
    assert driver.import_key_pair_from_file("mine", str(tmp_path / "id.pub")).public_key == PUBLIC_KEY
    for wrong in (str(tmp_path / "none.pub"), "\0none.pub", "\ud800none.pub", "~nobody-at-all/none.pub"):
        with pytest.raises(InvalidArgumentError, match=r"none\.pub' cannot be read"):
            driver.import_key_pair_from_file("mine", wrong)
    with pytest.raises(KeyPairDoesNotExistError, match="'other'"):
        driver.get_key_pair("other")


def test_key_pairs_are_made_here() -> None:
    """Where the provider takes public keys only, it is sent the public key of a pair that is made here."""
    sent: list[str] = []

    class Importing(DummyNodeDriver):
        def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
            sent.append(key_material)
            return super().import_key_pair_from_string(name, key_material)

    driver = Importing("creds")
    pair = driver.create_key_pair("made")
    assert sent == [pair.public_key]
    assert (pair.private_key or "").startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert driver.get_key_pair("made").public_key == pair.public_key
    assert keys.fingerprint(pair.public_key) == pair.fingerprint


def test_fingerprint() -> None:
    """A fingerprint is what `ssh-keygen -E md5 -l` prints."""
    assert keys.fingerprint(PUBLIC_KEY) == "ea:a3:fa:f5:69:82:b5:5d:62:1b:e6:ee:23:fb:62:b2"
    assert keys.fingerprint(None) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "key type"),
        ("hello", "key type"),
        ("ssh-rsa", "key type"),
        ("ssh-rsa not*base64", "base64"),
        (f"{PUBLIC_KEY}\n{PUBLIC_KEY}", "more than one line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "private keys are never sent"),
    ],
)
def test_invalid_public_keys(text: str, problem: str) -> None:
    """An invalid public key is refused before anything is sent, with the problem and without the key."""
    with pytest.raises(InvalidArgumentError, match=problem) as caught:
        keys.require_public_key(text)
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "operation"),
    [
        ("reboot", "reboot_node"),
        ("start", "start_node"),
        ("stop_node", "stop_node"),
        ("destroy", "destroy_node"),
    ],
)
def test_nodes_delegate(method: str, operation: str) -> None:
    """A node's own methods are its driver's."""
    calls: list[tuple[str, Any]] = []

    def record(node: Node) -> bool:
        calls.append((operation, node))
        return True

    class Telling(DummyNodeDriver):
        def __getattribute__(self, name: str) -> Any:
            if name == operation:
                return record
            return super().__getattribute__(name)

    node = Node("1", "n", NodeState.RUNNING, [], [], Telling("creds"))
    assert getattr(node, method)() is True
    assert calls == [(operation, node)]
