"""The proof of the conformance suite: every rule catches the fault that was seeded for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from polycloud.common.base import JsonResponse
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleConnection, NephoscaleNodeDriver
from polycloud.compute.objects import KeyPair, Node, NodeImage, NodeLocation, NodeSize, StorageVolume
from polycloud.compute.types import NodeState
from polycloud.concurrency import waiting
from polycloud.errors import (
    ConflictError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ServerError,
    TransportError,
)
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance
from polycloud.testing.conformance.base import rules
from support import suites

RULES = rules(ComputeConformance)
VOLUMES = "list_volumes create_volume attach_volume detach_volume destroy_volume"
SNAPSHOTS = "list_volume_snapshots create_volume_snapshot destroy_volume_snapshot"

# Faults of a driver that keeps everything in memory


class Namesake(DummyNodeDriver):
    """Searches for the created node by its name."""

    def create_node(self, name: str, *args: Any, **kwargs: Any) -> Node:
        super().create_node(name, *args, **kwargs)
        return next(node for node in self.list_nodes() if node.name == name)


class ActsByName(DummyNodeDriver):
    """Searches for the node to stop by its name."""

    def stop_node(self, node: Node) -> bool:
        return super().stop_node(next(one for one in self.list_nodes() if one.name == node.name))


class NoId(DummyNodeDriver):
    """Returns a created node before it has its id."""

    def create_node(self, name: str, *args: Any, **kwargs: Any) -> Node:
        super().create_node(name, *args, **kwargs)
        return Node("", name, NodeState.PENDING, [], [], self)


class IntId(DummyNodeDriver):
    """Returns ids as numbers."""

    def create_node(self, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(*args, **kwargs)
        node.id = int(node.id)  # type: ignore[assignment]
        return node


class NaiveTime(DummyNodeDriver):
    """Returns times without a time zone."""

    def create_node(self, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(*args, **kwargs)
        node.created_at = datetime(2026, 1, 1)  # noqa: DTZ001 - the fault
        return node


class DropsOne(DummyNodeDriver):
    """Lists all nodes but the newest."""

    def list_nodes(self) -> list[Node]:
        return super().list_nodes()[:-1]


class OnePage(DummyNodeDriver):
    """Lists the first page only."""

    def list_nodes(self) -> list[Node]:
        return super().list_nodes()[:4]


class ListsTwice(DummyNodeDriver):
    """Lists a node on two pages."""

    def list_nodes(self) -> list[Node]:
        return [*super().list_nodes(), super().list_nodes()[-1]]


class Silent(DummyNodeDriver):
    """Returns None for what it does not support."""

    def supports(self, name: str) -> bool:
        return name != "copy_image" and super().supports(name)

    def copy_image(self, *args: Any, **kwargs: Any) -> NodeImage:
        return None  # type: ignore[return-value]


class ShowsSecret(DummyNodeDriver):
    """Shows its key."""

    def __repr__(self) -> str:
        return f"<ShowsSecret {self.key}>"


class Mangles(DummyNodeDriver):
    """Sends names as ASCII."""

    def create_node(self, name: str, *args: Any, **kwargs: Any) -> Node:
        return super().create_node(name.encode("ascii", "replace").decode(), *args, **kwargs)


class SaysTrue(DummyNodeDriver):
    """Does nothing, and returns True."""

    def _true(self, *_: Any, **__: Any) -> bool:
        return True

    start_node = stop_node = destroy_node = delete_key_pair = delete_image = _true
    attach_volume = detach_volume = destroy_volume = destroy_volume_snapshot = _true


class SaysNothing(DummyNodeDriver):
    """Reboots, and returns None."""

    def reboot_node(self, node: Node) -> bool:
        super().reboot_node(node)
        return None  # type: ignore[return-value]


class LeaksKeyError(DummyNodeDriver):
    """Looks up nodes and images in a dict."""

    def get_node(self, node_id: str) -> Node:
        return self._nodes[node_id]

    def get_image(self, image_id: str) -> NodeImage:
        return self._images[image_id]


class NoneForUnknown(DummyNodeDriver):
    """Returns None for a key that does not exist."""

    def get_key_pair(self, name: str) -> KeyPair:
        return self._key_pairs.get(name)  # type: ignore[return-value]


class AnyKey(DummyNodeDriver):
    """Accepts any text as a public key."""

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        self._key_pairs[name] = KeyPair(name, key_material, None, self)
        return self._key_pairs[name]


class MostExpensiveFirst(DummyNodeDriver):
    """Lists sizes in the wrong order."""

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        return super().list_sizes()[::-1]


class PrivateInPublic(DummyNodeDriver):
    """Puts all addresses into one list."""

    def create_node(self, *args: Any, **kwargs: Any) -> Node:
        node = super().create_node(*args, **kwargs)
        node.public_ips.append("192.168.0.7")
        return node


class NeverWaits(DummyNodeDriver):
    """Waits for nothing."""

    def wait_until_running(self, *args: Any, **kwargs: Any) -> list[tuple[Node, list[str]]]:
        return []


class IteratesFirstPage(DummyNodeDriver):
    """Iterates over the first page only."""

    def iterate_nodes(self) -> Iterator[Node]:
        yield from self.list_nodes()[:2]


class IteratesTwice(DummyNodeDriver):
    """Iterates over a node that is on two pages."""

    def iterate_nodes(self) -> Iterator[Node]:
        yield from [*self.list_nodes(), self.list_nodes()[-1]]


class NoNames(DummyNodeDriver):
    """Lists images and locations as the provider returns them."""

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        return [NodeImage("1", None, self)]  # type: ignore[arg-type]

    def list_locations(self) -> list[NodeLocation]:
        return [NodeLocation("1", "Richmond", "United States", self)]


class OwnNode(Node):
    """A node with another uuid, which loses its extra in a pickle."""

    def get_uuid(self) -> str:
        return f"uuid-{self.id}"

    def __getstate__(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "extra": {}}


class OwnNodes(DummyNodeDriver):
    """Makes nodes of a class of its own."""

    def create_node(self, name: str, size: NodeSize, *args: Any, **kwargs: Any) -> Node:
        made = super().create_node(name, size, *args, **kwargs)
        node = OwnNode(made.id, name, made.state, made.public_ips, [], self, extra=made.extra)
        self._nodes[node.id] = node
        return node


class DestroysOnce(DummyNodeDriver):
    """Raises another error for a node that does not exist."""

    def destroy_node(self, node: Node) -> bool:
        try:
            return super().destroy_node(node)
        except NotFoundError:
            raise ConflictError(409, "gone already") from None


class OtherUnits(DummyNodeDriver):
    """Counts volumes in MB and cuts keys off."""

    def create_volume(self, size: int, *args: Any, **kwargs: Any) -> StorageVolume:
        return super().create_volume(size * 1024, *args, **kwargs)

    def list_key_pairs(self) -> list[KeyPair]:
        return [
            KeyPair(pair.name, str(pair.public_key)[:20], None, self) for pair in super().list_key_pairs()
        ]


class ClosesForGood(DummyNodeDriver):
    """Cannot be used after close()."""

    def close(self) -> None:
        self._images.clear()


class SharedState(DummyNodeDriver):
    """Keeps the result of a call on the driver."""

    result: Any = None

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        images: list[NodeImage] = self._shared(super().list_images())
        return images

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        sizes: list[NodeSize] = self._shared(super().list_sizes())
        return sizes

    def _shared(self, result: Any) -> Any:
        self.result = result
        waiting.sleep(0.002)
        return self.result


# Faults that show over HTTP


class DeletesByGet(NephoscaleNodeDriver):
    """Deletes with GET."""

    def destroy_node(self, node: Node) -> bool:
        self.connection.request(f"/server/cloud/{node.id}/")
        return True


class StopsByGet(NephoscaleNodeDriver):
    """Stops with GET."""

    def stop_node(self, node: Node) -> bool:
        self.connection.request(f"/server/cloud/{node.id}/initiator/stop/")
        return True


class SendsNothing(NephoscaleNodeDriver):
    """Reboots nothing, and returns True."""

    def reboot_node(self, node: Node) -> bool:
        return True


class Stub(NephoscaleNodeDriver):
    """Has a method that is not implemented."""

    def create_image(self, *args: Any, **kwargs: Any) -> NodeImage:
        return None  # type: ignore[return-value]


class OwnClient(NephoscaleNodeDriver):
    """Lists images with an HTTP client and a parser of its own."""

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        url = f"http://{self.connection.host}:{self.connection.port}/image/server/"
        headers = urllib3.make_headers(basic_auth=f"{self.key}:{self.secret}")
        response = urllib3.request("GET", url, headers=headers, retries=False)
        images = json.loads(response.data)["data"]
        return [NodeImage(str(image["id"]), image["friendly_name"], self) for image in images]


class PlainConnection(NephoscaleConnection):
    responseCls = JsonResponse  # type: ignore[assignment] # the fault needs what the driver's own prevents


class PlainDicts(NephoscaleNodeDriver):
    """Does not check the form of a response."""

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        line = self.connection
        options: Any = {"host": line.host, "port": line.port, "secure": False, "retry": line.retry}
        with closing(PlainConnection(self.key, str(self.secret), **options)) as plain:
            images = plain.request("/image/server/").object["data"]
        return [NodeImage(str(image["id"]), image["friendly_name"], self) for image in images]


class EmptyForAnError(NephoscaleNodeDriver):
    """Lists nothing if listing failed."""

    def list_locations(self) -> list[NodeLocation]:
        try:
            return super().list_locations()
        except PolycloudError:
            return []


class SecretInErrors(NephoscaleNodeDriver):
    """Adds the password to errors, and does not let them be cleaned."""

    def clean_error(self, error: PolycloudError) -> None:
        """Leave the error as it is."""

    def list_nodes(self, *, ex_dedicated: bool = False) -> list[Node]:
        try:
            return super().list_nodes(ex_dedicated=ex_dedicated)
        except PolycloudError as error:
            error.value = f"{error.value}; the password was {self.secret}"
            raise


class ErrorsOfItsOwn(NephoscaleNodeDriver):
    """Replaces every error by one of its own."""

    def list_nodes(self, *, ex_dedicated: bool = False) -> list[Node]:
        try:
            return super().list_nodes(ex_dedicated=ex_dedicated)
        except PolycloudError as error:
            raise PolycloudError("it did not work") from error


class SendsAgain(NephoscaleNodeDriver):
    """Retries a create whose response was lost."""

    def _post(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        try:
            return super()._post(path, form)
        except (TransportError, MalformedResponseError, ServerError):
            return super()._post(path, form)


class ForgetsKeys(DummyNodeDriver):
    """Accepts an idempotency key and ignores it."""

    def create_node(self, *args: Any, idempotency_key: str | None = None, **kwargs: Any) -> Node:
        return super().create_node(*args, **kwargs)


class BusyAtFirst(DummyNodeDriver):
    """Destroys a node at the second attempt only, and returns False at the first."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.refused: set[str] = set()

    def destroy_node(self, node: Node) -> bool:
        if node.id in self.refused or node.id not in self._nodes:
            return super().destroy_node(node)
        self.refused.add(node.id)
        return False


class AnyAuth(NephoscaleNodeDriver):
    """Accepts every `auth` and ignores those that it does not have."""

    def create_node(self, *args: Any, auth: Any = None, **kwargs: Any) -> Node:
        return super().create_node(*args, **kwargs)


class DeploysNothing(NephoscaleNodeDriver):
    """Creates the node and returns it."""

    def deploy_node(self, *args: Any, **kwargs: Any) -> Node:
        return self.create_node(kwargs["name"], kwargs["size"], kwargs["image"])


class OneSize(DummyNodeDriver):
    """Creates nodes of one size."""

    def create_node(self, name: str, size: NodeSize, *args: Any, **kwargs: Any) -> Node:
        return super().create_node(name, self.list_sizes()[0], *args, **kwargs)


class Gigabytes(NephoscaleNodeDriver):
    """Lists sizes with RAM in GB."""

    def list_sizes(self, location: NodeLocation | None = None, **kwargs: Any) -> list[NodeSize]:
        sizes = super().list_sizes(location, **kwargs)
        for size in sizes:
            size.ram //= 1024
        return sizes


class Sleeps(DummyNodeDriver):
    """Waits by `time.sleep`."""

    def stop_node(self, node: Node) -> bool:
        time.sleep(0.001)  # noqa: TID251 - the fault
        return super().stop_node(node)


class Shared(DummyNodeDriver):
    """Has the nodes of others, one of which goes and one of which comes before each read."""

    reads = 0

    def list_nodes(self) -> list[Node]:
        self.reads += 1
        others = [f"others-{self.reads + number}" for number in range(2)]
        return [*super().list_nodes(), *(Node(one, one, NodeState.RUNNING, [], [], self) for one in others)]


class HoldsLock(DummyNodeDriver):
    """Has an attribute that cannot be pickled."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lock = threading.Lock()


IN_MEMORY: Mapping[type[Any], str] = {
    Namesake: "C16 C27",
    ActsByName: "C27",
    NoId: "C15",
    IntId: "C04 C15",
    NaiveTime: "C04",
    DropsOne: "C11 C15",
    OnePage: "C11",
    ListsTwice: "C04 C11",
    Silent: "C02 C03",
    ShowsSecret: "C39",
    Mangles: "C17",
    SaysTrue: "C21 C22 C23 C24 C26 C28 C31 C34 C35 C36 C37",
    SaysNothing: "C20",
    LeaksKeyError: "C13 C14",
    NoneForUnknown: "C30",
    AnyKey: "C32",
    MostExpensiveFirst: "C06",
    PrivateInPublic: "C05",
    NeverWaits: "C18 C19",
    IteratesFirstPage: "C12",
    IteratesTwice: "C12",
    NoNames: "C07 C08",
    OwnNodes: "C09 C10",
    DestroysOnce: "C25",
    OtherUnits: "C29 C33",
    ClosesForGood: "C44",
    SharedState: "C45",
    HoldsLock: "C46",
    ForgetsKeys: "C48",
    BusyAtFirst: "C24 C50",
    OneSize: "C54",
    Sleeps: "C56",
}
OVER_HTTP: Mapping[type[Any], str] = {
    DeletesByGet: "C24 C55",
    Gigabytes: "C06",
    StopsByGet: "C21",
    SendsNothing: "C26 C41",
    Stub: "C02 C41",
    OwnClient: "C41 C42",
    PlainDicts: "C42",
    EmptyForAnError: "C41 C42 C49",
    SendsAgain: "C47",
    SecretInErrors: "C40",
    ErrorsOfItsOwn: "C38 C43",
    AnyAuth: "C51",
}
ON_MACHINES: Mapping[type[Any], str] = {DeploysNothing: "C52 C53"}
SEEDED = {**IN_MEMORY, **OVER_HTTP, **ON_MACHINES}

# The suite, run on the driver that the environment names


def seeded() -> Any:
    return globals()[os.environ["SEEDED"]]


class SeededDummy(ComputeConformance):
    not_offered = frozenset({"deploy_node"})
    over_http = False
    patience = 0.0

    @pytest.fixture
    def driver(self) -> DummyNodeDriver:
        driver: DummyNodeDriver = seeded()("correct horse battery staple")
        return driver


class SeededNephoscale(ComputeConformance):
    not_offered = frozenset(f"create_image copy_image delete_image {VOLUMES} {SNAPSHOTS}".split())
    patience = 0.0

    @pytest.fixture(scope="class")
    @classmethod
    def cloud(cls) -> Iterator[Sandbox]:
        machines: dict[str, Any] = {"no_isolation": True} if seeded() in ON_MACHINES else {"ssh": "off"}
        # every action ends at once, so that patience can be 0
        with Sandbox("nephoscale", appear=0.0, build=0.0, power=0.0, destroy=0.0, **machines) as cloud:
            yield cloud
            assert not cloud.servers, f"left over: {cloud.servers}"

    @pytest.fixture(scope="class")
    @classmethod
    def driver(cls, cloud: Sandbox) -> Iterator[NephoscaleNodeDriver]:
        with seeded()(*cloud.credentials, **cloud.options) as driver:
            yield driver


Judge = Callable[..., suites.Outcome]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    """Runs the rules with these numbers, or all, on a driver class of this file."""

    def run(kind: type[Any], *numbers: str) -> suites.Outcome:
        suite = SeededNephoscale if issubclass(kind, NephoscaleNodeDriver) else SeededDummy
        return suites.judge(monkeypatch, tmp_path, __file__, suite, kind, numbers)

    return run


@pytest.mark.parametrize("kind", [DummyNodeDriver, NephoscaleNodeDriver])
def test_sound_drivers(judge: Judge, kind: type[Any]) -> None:
    """A sound driver breaks no rule, and nothing that the tests created is left over."""
    assert judge(kind) == ({}, [])


@pytest.mark.parametrize("kind", SEEDED)
def test_seeded_faults(judge: Judge, kind: type[Any]) -> None:
    """A faulty driver breaks the rule of its fault, and the failure quotes the rule."""
    expected = {*SEEDED[kind].split(), "C01"}  # no seeded driver is registered
    broken = judge(kind, *expected).broken
    assert expected <= broken.keys()
    for number in expected:
        assert f"{number} {RULES[number].rstrip('.')}: " in broken[number]


def test_nodes_of_others(judge: Judge) -> None:
    """Nodes that come or go while a rule compares two lists of the account break no rule."""
    assert judge(Shared, "C11", "C12") == ({}, [])


LISTS: dict[str, tuple[list[str], str | None]] = {
    "still": (["ab", "a", "ab"], "it returns ['a'], the list has ['a', 'b']"),
    "twice": (["ab", "abb", "ab"], "it returns ['a', 'b', 'b'], the list has ['a', 'b']"),
    "unknown": (["ab", "abc", "ab"], "it returns ['a', 'b', 'c'], the list has ['a', 'b']"),
    "always different": (["ab", "a", "abc"] * 100, "it returns ['a'], the list has ['a', 'b', 'c']"),
    "different at first": (["abc", "c", "bc", "bc", "bc", "bc"], None),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_an_account_that_changes(case: str) -> None:
    """A difference counts at once where the account did not change, else once patience has ended."""
    texts, failure = LISTS[case]
    reads = iter(texts)
    suite, driver = SeededDummy(), DummyNodeDriver("key")
    suite.patience = 0.15  # type: ignore[misc]

    def read() -> list[Node]:
        return [Node(id_, id_, NodeState.RUNNING, [], [], driver) for id_ in next(reads)]

    found = error_text(lambda: suite.check_same_items(read, read))
    assert found == failure


def error_text(call: Callable[[], object]) -> str | None:
    """The text of the AssertionError that a call raises; None if it raises none."""
    try:
        call()
    except AssertionError as error:
        return str(error)
    return None


def test_failures_leave_nothing_behind(judge: Judge) -> None:
    """Nodes are destroyed at the end of a test that failed."""
    outcome = judge(StopsByGet, "C27")
    assert "C27" in outcome.broken
    assert outcome.errors == []


def test_leftovers_are_reported(judge: Judge) -> None:
    """A node that could not be destroyed is reported with name and id."""
    errors = judge(DeletesByGet, "C24").errors
    assert any(
        re.search(r"left over, remove by hand: conformance-\w+-\d+-\S+ \(id \d+\)", text) for text in errors
    )


def test_failed_waits_have_the_last_state() -> None:
    """The failure of a wait for a node's state has the state that the node had last."""
    suite, driver = SeededDummy(), DummyNodeDriver("key")
    node = driver.list_nodes()[0]
    node.state = NodeState.UNKNOWN
    with pytest.raises(AssertionError, match="it is unknown: does the driver know the provider's word"):
        suite.seen(driver, node, NodeState.RUNNING)
    node.state = NodeState.STOPPED
    with pytest.raises(AssertionError, match="to be listed running; it is stopped"):
        suite.seen(driver, node, NodeState.RUNNING)
    driver.destroy_node(node)
    with pytest.raises(AssertionError, match="it is not listed"):
        suite.seen(driver, node)


def test_every_rule_is_proven() -> None:
    """Every rule is broken by a seeded fault."""
    proven = {"C01", *" ".join(SEEDED.values()).split()}
    assert proven == RULES.keys()


def test_document_and_suite_agree() -> None:
    """The document states the suite's rules, with the same numbers and sentences, in order."""
    assert suites.stated_rules("compute.md") == list(RULES.items())
    assert list(RULES) == [f"C{number:02}" for number in range(1, len(RULES) + 1)]


def test_testing_is_imported_lazily() -> None:
    """Importing `polycloud.testing` imports neither pytest nor asyncssh."""
    code = "import sys, polycloud.testing; sys.exit(bool({'pytest', 'asyncssh'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)
