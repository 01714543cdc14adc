from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.http.retry import RetryPolicy
from polycloud.testing.loopback import Answer
from support.ec2model import FullServer
from support.fuzz import ODD_TEXTS, look_at, outcome, scrambled

READERS: dict[str, Callable[[EC2NodeDriver], Any]] = {
    "DescribeAddresses": lambda driver: driver.ex_describe_all_addresses(),
    "DescribeAvailabilityZones": lambda driver: driver.list_locations(),
    "DescribeImages": lambda driver: driver.list_images(ex_owner="self"),
    "DescribeInstances": lambda driver: driver.list_nodes(),
    "DescribeInstanceTypes": lambda driver: driver.list_sizes(),
    "DescribeKeyPairs": lambda driver: driver.list_key_pairs(),
    "DescribeSecurityGroups": lambda driver: driver.ex_get_security_groups(),
    "DescribeSnapshots": lambda driver: driver.list_snapshots(),
    "DescribeSubnets": lambda driver: driver.ex_list_subnets(),
    "DescribeTags": lambda driver: [driver.ex_describe_tags("i-1")],
    "DescribeVolumes": lambda driver: driver.list_volumes(),
    "DescribeVpcs": lambda driver: driver.ex_list_networks(),
    "GetConsoleOutput": lambda driver: [
        driver.ex_get_console_output(Node("i-1", "web", NodeState.RUNNING, [], [], driver))
    ],
}
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
ODD = st.sampled_from([text for text in ODD_TEXTS if text.isprintable()]) | TEXTS


class Changed(FullServer):
    """A server whose responses are changed by a test; `fullest` are the original ones."""

    def __init__(self) -> None:
        super().__init__()
        self.body = b""

    def _refused(self, request: Any) -> Answer:
        return Answer(
            200, [("Content-Type", "text/xml")], self.body or self.fullest(self.calls[-1]["Action"])
        )

    def fullest(self, action: str) -> bytes:
        return self.everything(action).body


@pytest.fixture(scope="module")
def server() -> Iterator[Changed]:
    with Changed() as server:
        yield server


@pytest.fixture(scope="module")
def driver(server: Changed) -> Iterator[EC2NodeDriver]:
    with EC2NodeDriver("AKIATEST", "secret", retry=RetryPolicy(attempts=1), **server.options) as driver:
        yield driver


@st.composite
def changed(draw: st.DrawFn, document: bytes) -> bytes:
    """The document with up to three elements dropped, doubled, emptied, renamed or changed."""
    root = ET.fromstring(document)  # noqa: S314 - our own
    for _ in range(draw(st.integers(1, 3))):
        parents = [(parent, child) for parent in root.iter() for child in parent]
        if not parents:
            break
        parent, child = draw(st.sampled_from(parents))
        how = draw(st.sampled_from(["drop", "double", "empty", "rename", "text", "wrap"]))
        if how == "drop":
            parent.remove(child)
        elif how == "double":
            parent.append(child)
        elif how == "rename":
            child.tag = draw(st.sampled_from(["item", "member", "other"]))
        elif how == "wrap":
            ET.SubElement(child, "item").text = draw(ODD)
        else:
            child[:] = []
            child.text = draw(ODD) if how == "text" else None
    return ET.tostring(root)


@pytest.mark.parametrize("torn", [False, True], ids=["changed", "torn"])
@pytest.mark.parametrize("action", READERS)
@given(st.data())
def test_changed_responses(
    server: Changed, driver: EC2NodeDriver, action: str, torn: bool, data: st.DataObject
) -> None:
    """Whatever a response holds, a reading call returns readable objects or raises an error of our tree."""
    fullest = server.fullest(action)
    server.body = data.draw(scrambled(fullest) if torn else changed(fullest))
    outcome(lambda: look_at(READERS[action](driver)))


@pytest.mark.parametrize("action", READERS)
def test_a_list_that_comes_twice(server: Changed, driver: EC2NodeDriver, action: str) -> None:
    """A response with a second, empty list is not an empty list."""
    root = ET.fromstring(server.fullest(action))  # noqa: S314 - our own
    for child in list(root):
        ET.SubElement(root, child.tag)
    server.body = ET.tostring(root)
    assert outcome(lambda: READERS[action](driver)) != []
