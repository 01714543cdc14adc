"""The rules of compute, as tests that a driver's author inherits.

    class TestMyCloud(ComputeConformance):
        not_offered = frozenset({"create_volume", "list_volumes"})

        @pytest.fixture
        def driver(self) -> Iterator[MyCloudNodeDriver]:
            with MyCloudNodeDriver("user", "password", url="http://127.0.0.1:8080") as driver:
                yield driver

Every test is a rule of docs/rules/compute.md: its docstring is the rule's sentence, its name begins with the
rule's number, and both stand at the beginning of its failure.
"""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from email.message import Message
from functools import partial, wraps
from http import HTTPStatus
from inspect import signature
from pathlib import Path
from traceback import walk_tb
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

import pytest

from polycloud.common.base import Connection
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver
from polycloud.compute.deployment import Deployment, ScriptDeployment
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
from polycloud.compute.providers import get_driver
from polycloud.compute.types import (
    DeploymentError,
    KeyPairDoesNotExistError,
    NodeState,
    StorageVolumeState,
)
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidCredsError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.http.messages import RawResponse, Request
from polycloud.http.retry import RetryPolicy
from polycloud.testing.faults import FaultList, FaultPlan, FaultProxy
from polycloud.testing.replies import BROKEN, UNEXPECTED, SameReply, echo, http, serve
from polycloud.testing.tidying import LEFT_OVER, RUN, remove
from polycloud.utils.networking import is_ip, is_private_subnet

__all__ = ["ComputeConformance", "place_of"]

P = ParamSpec("P")
S = TypeVar("S", bound="ComputeConformance")
E = TypeVar("E", bound=PolycloudError)
Create = Callable[..., Node]
ImportKey = Callable[[str], KeyPair]

THREADS = 8
DEADLINE, GRACE = 0.3, 10.0
POWER_ACTIONS = ("reboot_node", "start_node", "stop_node", "shutdown_node")
HARD_NAMES = ('O\'Brien "the 1st"', "Grüße-Привет", "🐧-😀")
NO_PUBLIC_KEYS = (
    "",
    "no key at all",
    "ssh-ed25519 !!!",
    "ssh-ed25519 AAAA\nssh-ed25519 AAAA",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
)


def rule(
    *needs: str,
) -> Callable[[Callable[Concatenate[S, P], None]], Callable[Concatenate[S, P], None]]:
    """A test that is a rule: skipped where an operation that it needs is not offered.

    Its failure begins with the rule; whatever else the driver raises in it is a failure too.
    """

    def decorate(test: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
        text = f"{test.__name__.split('_')[1].upper()} {(test.__doc__ or '').rstrip('.')}"

        @wraps(test)
        def checked(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            self.need(*needs)
            try:
                test(self, *args, **kwargs)
            except AssertionError as error:
                error.args = (f"{text}: {error}",)
                raise
            except Exception as error:
                place = place_of(error, kwargs.get("driver"))
                raise AssertionError(f"{text}: raised {error!r}{place}") from error

        return checked

    return decorate


def place_of(error: BaseException, driver: object) -> str:
    """Where in the driver's package a foreign error arose: " (FILE:LINE)"; "" where it is one of our tree."""
    if isinstance(error, PolycloudError) or driver is None:
        return ""
    module = type(driver).__module__
    home = module.rpartition(".")[0] or module
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
        if f"{frame.f_globals.get('__name__')}.".startswith(f"{home}.")
    ]
    return f" ({Path(frames[-1][0]).name}:{frames[-1][1]})" if frames else ""


class ComputeConformance:
    """The rules of compute; a subclass gives a fixture `driver` and says what the provider lacks.

    The fixture may be a method of the class, or a function of the module with any scope; it gives a driver
    that speaks to a test server of the provider, or to the provider. Whatever a test makes is destroyed at
    its end, even when it fails; what cannot be is named.
    """

    not_offered: ClassVar[frozenset[str]] = frozenset()
    """The operations that the provider lacks; they must raise `UnsupportedOperationError`."""

    over_http: ClassVar[bool] = True
    """Whether the driver speaks HTTP; False skips wrong credentials and broken answers."""

    patience: ClassVar[float] = 60.0
    """Seconds that whatever was asked for may take until it is seen."""

    several: ClassVar[int] = 3
    """How many nodes are more than one page of the provider's list."""

    unknown_id: ClassVar[str] = "999999999"
    """An id of the provider's form that no node and no image has."""

    unique_names: ClassVar[bool] = False
    """Whether the provider refuses a second node of one name, with a `ConflictError`."""

    volume_size: ClassVar[int] = 10
    """GB of the volumes that are made."""

    # What a subclass may override

    def node_options(self, driver: NodeDriver) -> dict[str, Any]:
        """The arguments of `create_node` beside the name: the cheapest size and the first image."""
        return {"size": driver.list_sizes()[0], "image": driver.list_images()[0]}

    def driver_with_wrong_credentials(self, driver: NodeDriver) -> NodeDriver:
        """A driver for the same server, with credentials that are wrong."""
        line = driver.connection
        wrong = ("wrong",) if driver.secret is None else (driver.key, "wrong")
        url = f"{'https' if line.secure else 'http'}://{line.host}:{line.port}{line.request_path}/"
        return self._another(driver, *wrong, url=url)

    def broken_driver(self, driver: NodeDriver, url: str) -> NodeDriver:
        """A driver for the server at `url`, which answers nonsense; it must not try again."""
        right = (driver.key,) if driver.secret is None else (driver.key, driver.secret)
        return self._another(driver, *right, url=url, retry=RetryPolicy(attempts=1), timeout=5.0)

    def _another(self, driver: NodeDriver, *credentials: str, **options: Any) -> NodeDriver:
        kind: Callable[..., NodeDriver] = type(driver)
        return kind(*credentials, region=driver.region, **options)

    @pytest.fixture
    def ssh(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        """What `deploy_node` needs to get into nodes: the `ssh_port` of a fixture `cloud`, a `Sandbox`."""
        with suppress(pytest.FixtureLookupError):
            if port := getattr(request.getfixturevalue("cloud"), "ssh_port", None):
                return {"ssh_port": port}
        pytest.skip("there is no fixture `ssh`: nobody can log into the server's nodes")

    # What the tests use

    def need(self, *operations: str) -> None:
        """Skip the test unless the provider has all these operations."""
        lacking = [name for name in operations if name in self.not_offered]
        if lacking:
            pytest.skip(f"the provider lacks {', '.join(lacking)}")

    @pytest.fixture
    def create(self, driver: NodeDriver) -> Iterator[Create]:
        """Creates a node of a name that no other test gives."""
        self.need("list_nodes", "create_node", "destroy_node")
        prefix = RUN.name()
        foreign = {node.id for node in driver.list_nodes()}
        made: list[Node] = []

        def create(name: str = "node", by: NodeDriver = driver, **options: Any) -> Node:
            node = by.create_node(f"{prefix}-{name}", **self.node_options(driver), **options)
            made.append(node)
            return node

        yield create
        # a node of somebody else that a faulty driver took for ours is left alone
        ours = [node for node in made if node.id and node.id not in foreign]
        _require_gone(RUN.clear(driver, ours, self.patience))

    @pytest.fixture
    def node(self, driver: NodeDriver, create: Create) -> Node:
        """A node that runs."""
        return self.seen(driver, create(), NodeState.RUNNING)

    @pytest.fixture
    def import_key(self, driver: NodeDriver) -> Iterator[ImportKey]:
        """Imports a public key under a name that no other test gives."""
        self.need("import_key_pair_from_string", "list_key_pairs", "delete_key_pair")
        made: list[KeyPair] = []

        def import_key(public_key: str) -> KeyPair:
            name = f"conformance-{secrets.token_hex(4)}"
            made.append(driver.import_key_pair_from_string(name, public_key))
            return made[-1]

        yield import_key
        self.remove(driver.delete_key_pair, made)

    @pytest.fixture
    def volume(self, driver: NodeDriver) -> Iterator[StorageVolume]:
        """A volume that can be used."""
        self.need("list_volumes", "create_volume", "destroy_volume")
        volume = driver.create_volume(self.volume_size, f"conformance-{secrets.token_hex(4)}")
        try:
            self._volume_state(driver, volume, StorageVolumeState.AVAILABLE)
            yield volume
        finally:
            self.remove(driver.destroy_volume, [volume])

    @pytest.fixture
    def tidy(self) -> Iterator[ExitStack]:
        """Takes calls to make at the end of the test."""
        with ExitStack() as stack:
            yield stack

    def remove(self, remove_one: Callable[[Any], object], things: Sequence[Any]) -> None:
        """Remove what a test made, as long as patience lasts; what cannot be removed is named."""
        _require_gone(remove(remove_one, things, self.patience))

    def until(self, look: Callable[[], Any], waiting_for: str) -> Any:
        """What `look` gives as soon as that is true; `OperationTimeoutError` when patience ends."""
        return waiting.poll(lambda: look() or None, waiting_for=waiting_for, timeout=self.patience)

    def seen(self, driver: NodeDriver, node: Node, *states: NodeState) -> Node:
        """The node as the list tells it, as soon as it is listed in one of the states (none: in any)."""
        told = " or ".join(states) or "at all"
        last: Node | None = None

        def look() -> Node | None:
            nonlocal last
            last = _with_id(driver.list_nodes(), node.id)
            return last if last is not None and (not states or last.state in states) else None

        try:
            found: Node = self.until(look, f"{node.name} (id {node.id!r}) to be listed {told}")
        except OperationTimeoutError as late:
            raise AssertionError(f"{late}; {_state(last)}") from None
        return found

    def gone(self, driver: NodeDriver, node: Node) -> None:
        """Return as soon as the node is not listed any more, or as terminated."""

        def look() -> bool:
            found = _with_id(driver.list_nodes(), node.id)
            return found is None or found.state == NodeState.TERMINATED

        self.until(look, f"{node.name} (id {node.id!r}) to leave the list")

    @contextmanager
    def pointed_at(
        self, driver: NodeDriver, reply: Callable[[Message], bytes]
    ) -> Iterator[tuple[NodeDriver, SameReply]]:
        """The driver, pointed at a server that gives every request the same reply."""
        if not self.over_http:
            pytest.skip("the driver does not speak HTTP")
        with serve(reply) as server, self.broken_driver(driver, server.url) as broken:
            yield broken, server

    @contextmanager
    def behind(self, driver: NodeDriver, plan: FaultPlan) -> Iterator[NodeDriver]:
        """The driver, whose requests go through a proxy that lets things go wrong by plan."""
        line = driver.connection
        if not self.over_http or line.secure:
            pytest.skip("the proxy of faults speaks plain HTTP only")
        with (
            FaultProxy(line.host, line.port, plan) as proxy,
            self.broken_driver(driver, f"{proxy.url}{line.request_path}/") as far,
        ):
            yield far

    # Registry and operations

    @rule()
    def test_c01_registry(self, driver: NodeDriver) -> None:
        """`get_driver` finds the driver's class, which names its provider and its connection."""
        kind = type(driver)
        assert isinstance(driver, NodeDriver), f"{kind.__name__} is no NodeDriver"
        assert isinstance(kind.type, str), f"{kind.__name__}.type is {kind.type!r}, no Provider or text"
        assert kind.name, f"{kind.__name__}.name is empty"
        assert issubclass(kind.connectionCls, Connection), f"{kind.connectionCls!r} is no Connection"
        found = get_driver(kind.type)
        named = f"get_driver({str(kind.type)!r}) gives {_path(found)}, not {_path(kind)}"
        assert found is kind, named

    @rule()
    def test_c02_supports(self, driver: NodeDriver) -> None:
        """`supports` is true of every operation but those that the provider lacks."""
        lacking = {name for name in driver.operations() if not driver.supports(name)}
        more, less = sorted(lacking - self.not_offered), sorted(self.not_offered - lacking)
        assert not more, f"supports() is false for {more}, which not_offered does not name"
        assert not less, f"supports() is true for {less}, which not_offered names"

    @rule()
    def test_c03_unsupported_operations(self, driver: NodeDriver) -> None:
        """What the provider lacks raises `UnsupportedOperationError` before anything is sent."""
        if not self.over_http:
            _require_refusals(driver)
            return
        with self.pointed_at(driver, lambda _: b"") as (pointed, server):
            _require_refusals(pointed)
            assert not server.requests, f"{server.requests} requests were sent"

    # Objects

    @rule()
    def test_c04_nodes(self, driver: NodeDriver, node: Node) -> None:
        """A node has id, name, state, size, image, extra and a time with a time zone, or None."""
        nodes = driver.list_nodes()
        _check_objects(nodes, Node, driver)
        for one in [node, *nodes]:
            assert isinstance(one.state, NodeState), f"the state {one.state!r} of {one!r} is no NodeState"
            when = one.created_at
            assert when is None or isinstance(when, datetime), f"created_at is {when!r}"
            assert when is None or when.tzinfo is not None, f"created_at {when!r} has no time zone"
            assert isinstance(one.size, NodeSize | str | None), f"the size is {one.size!r}"
            assert isinstance(one.image, NodeImage | str | None), f"the image is {one.image!r}"

    @rule()
    def test_c05_addresses(self, driver: NodeDriver, node: Node) -> None:
        """Private addresses (RFC 1918, ULA) are in `private_ips`, all others in `public_ips`."""
        for one in driver.list_nodes():
            for text in (*one.public_ips, *one.private_ips):
                assert _is_address(text), f"{text!r} of {one!r} is no address"
            wrong = [text for text in one.public_ips if is_private_subnet(text)]
            wrong += [text for text in one.private_ips if not is_private_subnet(text)]
            assert not wrong, f"{wrong} of {one!r} stand in the wrong list"

    @rule("list_sizes")
    def test_c06_sizes(self, driver: NodeDriver) -> None:
        """There are sizes, cheapest first; RAM and disk are whole numbers, prices numbers or None."""
        sizes = driver.list_sizes()
        assert sizes, "list_sizes() is empty"
        _check_objects(sizes, NodeSize, driver)
        for size in sizes:
            assert type(size.ram) is int, f"the ram {size.ram!r} of {size!r} is no int"
            assert type(size.disk) is int, f"the disk {size.disk!r} of {size!r} is no int"
            told = f"the price {size.price!r} of {size!r} is neither a number nor None"
            assert type(size.price) in {float, int, type(None)}, told
        prices = [float("inf") if size.price is None else size.price for size in sizes]
        assert prices == sorted(prices), f"the prices are {prices}"

    @rule("list_images")
    def test_c07_images(self, driver: NodeDriver) -> None:
        """There are images, with ids and names."""
        images = driver.list_images()
        assert images, "list_images() is empty"
        _check_objects(images, NodeImage, driver)

    @rule("list_locations")
    def test_c08_locations(self, driver: NodeDriver) -> None:
        """There are locations, with ids, names and ISO 3166 codes of their countries."""
        locations = driver.list_locations()
        assert locations, "list_locations() is empty"
        _check_objects(locations, NodeLocation, driver)
        for place in locations:
            told = f"the country {place.country!r} of {place!r} is no code of two letters"
            assert re.fullmatch("([A-Z]{2})?", place.country), told

    @rule()
    def test_c09_uuid(self, node: Node) -> None:
        """A node's uuid is the SHA-1 of "id:provider"."""
        digest = hashlib.sha1(f"{node.id}:{node.driver.type}".encode()).hexdigest()  # noqa: S324
        assert node.uuid == digest, f"the uuid is {node.uuid}"

    @rule("list_sizes", "list_images")
    def test_c10_pickle(self, driver: NodeDriver, node: Node) -> None:
        """Objects can be pickled and come back as they were."""
        for thing in (node, *driver.list_sizes()[:1], *driver.list_images()[:1]):
            copy = pickle.loads(pickle.dumps(thing))  # noqa: S301 - we wrote it
            for name in ("id", "name", "extra"):
                was, is_ = getattr(thing, name), getattr(copy, name)
                assert was == is_, f"the {name} of {thing!r} came back as {is_!r}"

    # Lists

    @rule()
    def test_c11_complete_list(self, driver: NodeDriver, create: Create) -> None:
        """`list_nodes` lists every node once, however many pages they take."""
        calls = [partial(create, f"node-{number}") for number in range(self.several)]
        made = driver.connection.gather(calls)
        for node in made:
            self.seen(driver, node)
        ids = [node.id for node in driver.list_nodes()]
        missing = [node.id for node in made if node.id not in ids]
        assert not missing, f"{missing} of {self.several} nodes are not listed"
        assert len(set(ids)) == len(ids), f"a node is listed twice: {ids}"

    @rule()
    def test_c12_iterate_nodes(self, driver: NodeDriver, node: Node) -> None:
        """`iterate_nodes` gives the nodes that `list_nodes` lists."""
        iterated = [one.id for one in driver.iterate_nodes()]
        listed = [one.id for one in driver.list_nodes()]
        assert sorted(iterated) == sorted(listed), f"{iterated} are not {listed}"

    @rule()
    def test_c13_get_node(self, driver: NodeDriver, node: Node) -> None:
        """`get_node` gives the node with that id, and `NotFoundError` naming the id for no node."""
        found = driver.get_node(node.id)
        assert (found.id, found.name) == (node.id, node.name), f"get_node({node.id!r}) gives {found!r}"
        error = _error_of(NotFoundError, "get_node", driver.get_node, self.unknown_id)
        assert self.unknown_id in str(error), f"{error!r} does not name the id {self.unknown_id}"

    @rule("list_images")
    def test_c14_get_image(self, driver: NodeDriver) -> None:
        """`get_image` gives the image with that id, and `NotFoundError` naming the id for no image."""
        image = driver.list_images()[-1]
        found = driver.get_image(image.id)
        assert (found.id, found.name) == (image.id, image.name), f"get_image({image.id!r}) gives {found!r}"
        error = _error_of(NotFoundError, "get_image", driver.get_image, self.unknown_id)
        assert self.unknown_id in str(error), f"{error!r} does not name the id {self.unknown_id}"

    # Creation

    @rule()
    def test_c15_create_node(self, driver: NodeDriver, create: Create) -> None:
        """`create_node` gives back the node with the name asked for and the id that is then listed."""
        node = create("asked-for")
        _check_objects([node], Node, driver)
        told = f"the node is called {node.name!r}, not ...-asked-for"
        assert (node.name or "").endswith("-asked-for"), told
        listed = self.seen(driver, node)
        assert listed.name == node.name, f"the list calls {node.name!r} {listed.name!r}"

    @rule()
    def test_c16_create_node_and_namesakes(self, driver: NodeDriver, create: Create) -> None:
        """`create_node` gives back its own node, never a namesake."""
        first = create("twin")
        if self.unique_names:
            _error_of(ConflictError, "the second create", create, "twin")
            return
        second = create("twin")
        assert first.id != second.id, f"both creates gave back the node {first.id!r}"
        for twin in (first, second):
            self.seen(driver, twin)

    @rule()
    def test_c17_names(self, driver: NodeDriver, create: Create) -> None:
        """Names with quotes, letters of any script and emoji are kept as they are, or refused."""
        for name in HARD_NAMES:
            try:
                node = create(name)
            except PolycloudError:
                continue
            for kept in (node.name, self.seen(driver, node).name):
                assert str(kept).endswith(name), f"{name!r} became {kept!r}"

    @rule()
    def test_c18_wait_until_running(self, driver: NodeDriver, create: Create) -> None:
        """`wait_until_running` gives the node as it runs, with its addresses."""
        node = create()
        ((running, addresses),) = driver.wait_until_running([node], timeout=self.patience)
        assert running.id == node.id, f"waited for {node!r}, got {running!r}"
        assert running.state == NodeState.RUNNING, f"the node is {running.state}"
        told = f"the addresses {addresses} are none of {running.public_ips}"
        assert addresses, told
        assert set(addresses) <= set(running.public_ips), told

    @rule("list_nodes")
    def test_c19_wait_in_vain(self, driver: NodeDriver) -> None:
        """A wait that ends too early raises `OperationTimeoutError` naming what it waited for."""
        ghost = self._ghost(driver)
        error = _error_of(
            OperationTimeoutError, "wait_until_running", driver.wait_until_running, [ghost], timeout=0
        )
        assert "ghost" in str(error), f"{error!r} does not name the node"

    # Actions

    @rule("reboot_node")
    def test_c20_reboot_node(self, driver: NodeDriver, node: Node) -> None:
        """`reboot_node` returns True, and the node runs again."""
        _require_true("reboot_node", driver.reboot_node(node))
        self.seen(driver, node, NodeState.RUNNING)

    @rule("stop_node")
    def test_c21_stop_node(self, driver: NodeDriver, node: Node) -> None:
        """`stop_node` returns True, and the node stops and stays listed."""
        _require_true("stop_node", driver.stop_node(node))
        self.seen(driver, node, NodeState.STOPPED)

    @rule("start_node", "stop_node")
    def test_c22_start_node(self, driver: NodeDriver, node: Node) -> None:
        """`start_node` returns True, and the stopped node runs."""
        driver.stop_node(node)
        self.seen(driver, node, NodeState.STOPPED)
        _require_true("start_node", driver.start_node(node))
        self.seen(driver, node, NodeState.RUNNING)

    @rule("shutdown_node")
    def test_c23_shutdown_node(self, driver: NodeDriver, node: Node) -> None:
        """`shutdown_node` returns True, and the node stops and stays listed."""
        _require_true("shutdown_node", driver.shutdown_node(node))
        self.seen(driver, node, NodeState.STOPPED)

    @rule()
    def test_c24_destroy_node(self, driver: NodeDriver, node: Node) -> None:
        """`destroy_node` returns True, and the node leaves the list or is terminated."""
        _require_true("destroy_node", driver.destroy_node(node))
        self.gone(driver, node)

    @rule()
    def test_c25_destroy_twice(self, driver: NodeDriver, node: Node) -> None:
        """Destroying a node twice raises nothing but `NotFoundError`."""
        driver.destroy_node(node)
        self.gone(driver, node)
        with suppress(NotFoundError):
            _require_true("destroy_node", driver.destroy_node(node))

    @rule()
    def test_c26_unknown_node(self, driver: NodeDriver) -> None:
        """An action on a node that does not exist raises `NotFoundError`."""
        for name in POWER_ACTIONS:
            if name not in self.not_offered:
                _error_of(NotFoundError, name, getattr(driver, name), self._ghost(driver))

    @rule("stop_node")
    def test_c27_actions_and_namesakes(self, driver: NodeDriver, create: Create) -> None:
        """An action acts on the node asked for, never on a namesake."""
        if self.unique_names:
            pytest.skip("the provider's names are unique")
        first, second = create("twin"), create("twin")
        for twin in (first, second):
            self.seen(driver, twin, NodeState.RUNNING)
        driver.stop_node(second)
        self.seen(driver, second, NodeState.STOPPED)
        self.seen(driver, first, NodeState.RUNNING)
        driver.destroy_node(first)
        self.gone(driver, first)
        self.seen(driver, second, NodeState.STOPPED)

    @rule("reboot_node", "start_node", "stop_node", "shutdown_node")
    def test_c28_methods_of_nodes(self, driver: NodeDriver, node: Node) -> None:
        """A node's own methods do what the driver's do."""
        steps = (
            (node.stop_node, NodeState.STOPPED),
            (node.start, NodeState.RUNNING),
            (node.reboot, NodeState.RUNNING),
            (node.shutdown, NodeState.STOPPED),
        )
        for step, state in steps:
            _require_true(step.__name__, step())
            self.seen(driver, node, state)
        _require_true("destroy", node.destroy())
        self.gone(driver, node)

    # Key pairs

    @rule("import_key_pair_from_string", "list_key_pairs")
    def test_c29_import_key_pair(self, driver: NodeDriver, import_key: ImportKey) -> None:
        """An imported key is listed and found by name, and its public key is the one given."""
        public_key = _public_key()
        made = import_key(public_key)
        listed = next((pair for pair in driver.list_key_pairs() if pair.name == made.name), None)
        assert listed is not None, f"{made.name} is not listed"
        for pair in (made, listed, driver.get_key_pair(made.name)):
            assert isinstance(pair, KeyPair), f"{pair!r} is no KeyPair"
            told = f"{public_key!r} came back as {pair.public_key!r}"
            assert (pair.public_key or "").split()[:2] == public_key.split()[:2], told

    @rule("list_key_pairs")
    def test_c30_unknown_key_pair(self, driver: NodeDriver) -> None:
        """`get_key_pair` raises `KeyPairDoesNotExistError` naming a key that does not exist."""
        error = _error_of(KeyPairDoesNotExistError, "get_key_pair", driver.get_key_pair, "no-such-key")
        assert "no-such-key" in str(error), f"{error!r} does not name the key"

    @rule("delete_key_pair")
    def test_c31_delete_key_pair(self, driver: NodeDriver, import_key: ImportKey) -> None:
        """`delete_key_pair` returns True, and the key leaves the list."""
        pair = import_key(_public_key())
        _require_true("delete_key_pair", driver.delete_key_pair(pair))
        left = [one.name for one in driver.list_key_pairs()]
        assert pair.name not in left, f"{pair.name} is still listed"

    @rule("import_key_pair_from_string")
    def test_c32_no_public_key(self, import_key: ImportKey) -> None:
        """What is no public key is refused."""
        for text in NO_PUBLIC_KEYS:
            _error_of(PolycloudError, f"the import of {text!r}", import_key, text)

    # Volumes, snapshots, images

    @rule()
    def test_c33_create_volume(self, driver: NodeDriver, volume: StorageVolume) -> None:
        """`create_volume` gives back the volume of that size with the id that is then listed."""
        listed = _with_id(driver.list_volumes(), volume.id)
        for one in (volume, listed):
            _check_objects([one], StorageVolume, driver)
        assert volume.size == listed.size == self.volume_size, f"{volume.size} and {listed.size} GB"

    @rule()
    def test_c34_destroy_volume(self, driver: NodeDriver, volume: StorageVolume) -> None:
        """`destroy_volume` returns True, and the volume leaves the list."""
        _require_true("destroy_volume", driver.destroy_volume(volume))
        self.until(
            lambda: _with_id(driver.list_volumes(), volume.id) is None,
            f"volume {volume.id} to leave the list",
        )

    @rule("attach_volume", "detach_volume")
    def test_c35_attach_volume(self, driver: NodeDriver, node: Node, volume: StorageVolume) -> None:
        """`attach_volume` and `detach_volume` return True, and the volume is in use in between."""
        _require_true("attach_volume", driver.attach_volume(node, volume))
        self._volume_state(driver, volume, StorageVolumeState.INUSE)
        _require_true("detach_volume", driver.detach_volume(volume))
        self._volume_state(driver, volume, StorageVolumeState.AVAILABLE)

    @rule("create_volume_snapshot", "list_volume_snapshots", "destroy_volume_snapshot")
    def test_c36_snapshots(self, driver: NodeDriver, volume: StorageVolume, tidy: ExitStack) -> None:
        """A snapshot is listed under its volume until `destroy_volume_snapshot` returned True."""
        made = driver.create_volume_snapshot(volume, "conformance")
        tidy.callback(self.remove, driver.destroy_volume_snapshot, [made])
        assert isinstance(made, VolumeSnapshot), f"create_volume_snapshot() gave back {made!r}"
        told = f"snapshot {made.id!r} to be listed"
        self.until(lambda: _with_id(driver.list_volume_snapshots(volume), made.id), told)
        _require_true("destroy_volume_snapshot", driver.destroy_volume_snapshot(made))
        told = f"snapshot {made.id!r} to leave the list"
        self.until(lambda: _with_id(driver.list_volume_snapshots(volume), made.id) is None, told)

    @rule("create_image", "delete_image")
    def test_c37_images_of_nodes(self, driver: NodeDriver, node: Node, tidy: ExitStack) -> None:
        """An image made of a node is listed until `delete_image` returned True."""
        made = driver.create_image(node, f"conformance-{secrets.token_hex(4)}")
        tidy.callback(self.remove, driver.delete_image, [made])
        _check_objects([made], NodeImage, driver)
        self.until(lambda: _with_id(driver.list_images(), made.id), f"image {made.id!r} to be listed")
        _require_true("delete_image", driver.delete_image(made))
        self.until(
            lambda: _with_id(driver.list_images(), made.id) is None, f"image {made.id!r} to leave the list"
        )

    # Errors and secrets

    @rule("list_nodes")
    def test_c38_wrong_credentials(self, driver: NodeDriver) -> None:
        """Wrong credentials raise `InvalidCredsError`."""
        if not self.over_http:
            pytest.skip("the driver does not speak HTTP")
        with self.driver_with_wrong_credentials(driver) as stranger:
            _error_of(InvalidCredsError, "list_nodes", stranger.list_nodes)

    @rule("list_sizes", "list_images")
    def test_c39_secrets_in_repr(self, driver: NodeDriver, node: Node) -> None:
        """No repr of a driver, a connection or an object shows a secret."""
        for thing in (driver, driver.connection, node, *driver.list_sizes(), *driver.list_images()):
            _require_no_secret(driver, thing)

    @rule("list_nodes")
    def test_c40_secrets_in_errors(self, driver: NodeDriver) -> None:
        """No error shows a secret, not even where the provider's message does."""
        with self.pointed_at(driver, echo) as (pointed, _):
            error = _error_of(PolycloudError, "list_nodes", pointed.list_nodes)
            _require_no_secret(driver, error)

    @rule()
    @pytest.mark.parametrize("broken", ["HTML", "error", "garbage", "half", "nothing"])
    def test_c41_broken_answers(self, driver: NodeDriver, broken: str) -> None:
        """A broken answer raises an error of our tree, whatever was asked for."""
        with self.pointed_at(driver, lambda _: BROKEN[broken]) as (pointed, server):
            for name, call in _own_calls(pointed).items():
                before = server.requests
                try:
                    result = call()
                except PolycloudError:
                    continue
                # a list may be known beforehand; anything else is a claim
                unasked = isinstance(result, list) and server.requests == before
                assert unasked, f"{name} returned {result!r} on {broken}: {BROKEN[broken]!r}"

    @rule()
    @pytest.mark.parametrize("unexpected", ["cut", "fields", "items", "null"])
    def test_c42_unexpected_answers(self, driver: NodeDriver, unexpected: str) -> None:
        """A list in another form than documented raises an error of our tree; it is not empty."""
        body = UNEXPECTED[unexpected]
        with self.pointed_at(driver, lambda _: http("200 OK", body)) as (pointed, server):
            for name, call in _own_calls(pointed).items():
                before = server.requests
                if name.startswith("list_"):
                    with suppress(PolycloudError):
                        result = call()
                        assert server.requests == before, f"{name} made {result!r} of {body}"

    @rule("list_nodes")
    def test_c43_place_of_an_error(self, driver: NodeDriver) -> None:
        """An error tells the provider, the method, the path and the status of the request."""
        with self.pointed_at(driver, lambda _: BROKEN["error"]) as (pointed, _):
            error = _error_of(PolycloudError, "list_nodes", pointed.list_nodes)
            assert error.exchange is not None, f"{error!r} tells no request"
            assert error.exchange.provider == driver.name, f"{error!r} does not name {driver.name}"
            assert error.exchange.status == 500, f"{error!r} does not tell the status 500"

    # One driver for many

    @rule("list_images")
    def test_c44_close(self, driver: NodeDriver) -> None:
        """A driver that was closed can be used again."""
        with driver:
            before = _told(driver.list_images())
        assert _told(driver.list_images()) == before, "the images are others after close()"

    @rule("list_images", "list_sizes")
    def test_c45_threads(self, driver: NodeDriver) -> None:
        """Threads that share a driver get the answers to their own calls."""

        def look(number: int) -> list[tuple[str, str]]:
            return _told((driver.list_images, driver.list_sizes)[number % 2]())

        expected = [look(number) for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in range(4):
                assert list(pool.map(look, range(THREADS))) == expected, "a thread got another's answer"

    @rule("list_images")
    def test_c46_pickled_drivers(self, driver: NodeDriver) -> None:
        """A driver comes back from a pickle, and works."""
        with pickle.loads(pickle.dumps(driver)) as copy:  # noqa: S301 - we wrote it
            assert type(copy) is type(driver), f"{driver!r} came back as {copy!r}"
            assert _told(copy.list_images()) == _told(driver.list_images()), "it lists other images"

    # What may be trusted at night

    @rule()
    @pytest.mark.parametrize("fault", ["reset after", "truncate", "502 after"])
    def test_c47_lost_creates(self, driver: NodeDriver, create: Create, fault: str) -> None:
        """A create whose answer is lost gives its node or is ambiguous, and makes no second node."""
        before = {node.id for node in driver.list_nodes()}
        plan = FaultList(fault, spare=lambda request: request.method == "GET")
        node = None
        waits = call_options(retry=_UntilAllowed(attempts=10, base=0.5))
        with self.behind(driver, plan) as far, waits, suppress(AmbiguousCreateError):
            node = create("lost", by=far)
        made = [one.id for one in driver.list_nodes() if one.id not in before and "-lost" in (one.name or "")]
        assert len(made) <= 1, f"one create made the nodes {made}"
        assert node is None or node.id in made, f"{node!r} is not listed"

    @rule()
    def test_c48_idempotency_keys(self, driver: NodeDriver, create: Create) -> None:
        """A create with the `idempotency_key` of an earlier one gives the earlier one's node."""
        _need_argument(driver, "idempotency_key")
        key = secrets.token_hex(8)
        first = create("first", idempotency_key=key)
        again = create("again", idempotency_key=key)
        way_out = "look for the key before creating, or take neither idempotency_key nor **kwargs"
        told = f"two creates with one key made the nodes {first!r} and {again!r}: {way_out}"
        assert again.id == first.id, told
        other = create("other", idempotency_key=f"{key}-2")
        assert other.id != first.id, f"creates with two keys both gave {first!r}"

    @rule()
    def test_c49_deadlines(self, driver: NodeDriver) -> None:
        """A deadline ends a list to which no answer comes, with an error."""
        with self.behind(driver, FaultPlan(0, 1, ["stall"])) as far:
            for name, call in _own_calls(far).items():
                if name.startswith("list_"):
                    began = time.monotonic()
                    with call_options(deadline=DEADLINE):
                        _error_of(PolycloudError, name, call)
                    passed = time.monotonic() - began
                    assert passed < DEADLINE + GRACE, f"{name} took {passed:.1f} s, not {DEADLINE:g} s"

    @rule()
    def test_c50_destroy_while_building(self, driver: NodeDriver, create: Create) -> None:
        """A node that is still being built can be destroyed: `destroy_node` waits, and returns True."""
        node = create()
        _require_true("destroy_node", driver.destroy_node(node))
        self.gone(driver, node)

    @rule()
    def test_c51_auth(self, driver: NodeDriver, create: Create) -> None:
        """`create_node` refuses an `auth` of a kind that `features` does not name."""
        _need_argument(driver, "auth")
        kinds = {
            "ssh_key": NodeAuthSSHKey(_public_key()),
            "password": NodeAuthPassword(secrets.token_hex(12)),
        }
        offered = driver.features.get("create_node", ())
        others = [auth for kind, auth in kinds.items() if kind not in offered]
        if not others:
            pytest.skip("the driver takes every kind of auth")
        for auth in others:
            _error_of(PolycloudError, f"create_node(auth={type(auth).__name__})", create, auth=auth)

    @rule("list_nodes", "create_node", "destroy_node")
    def test_c52_deploy(self, driver: NodeDriver, create: Create, ssh: dict[str, Any]) -> None:
        """`deploy_node` gives the running node, on which it has run its step, logged in as `auth` says."""
        script = ScriptDeployment("echo deployed")
        node = self._deploy(driver, script, ssh)
        assert node.state is NodeState.RUNNING, f"it gave a node that is {node.state}"
        assert (script.exit_status, script.stdout) == (0, "deployed\n"), f"the step told {script.stdout!r}"

    @rule("list_nodes", "create_node", "destroy_node")
    def test_c53_failed_deployment(self, driver: NodeDriver, create: Create, ssh: dict[str, Any]) -> None:
        """A deployment that fails tells its node, which `ex_destroy_on_failure` has destroyed."""
        for destroy in (False, True):
            fail = partial(self._deploy, driver, ScriptDeployment("exit 28"), ssh)
            error = _error_of(DeploymentError, "a script that fails", fail, ex_destroy_on_failure=destroy)
            assert error.exit_status == 28, f"the script's exit status is told as {error.exit_status}"
            assert error.node is not None, "it tells no node"
            if destroy:
                self.gone(driver, error.node)
            else:
                self.seen(driver, error.node)

    def _deploy(self, driver: NodeDriver, step: Deployment, ssh: dict[str, Any], **options: Any) -> Node:
        features = driver.features.get("create_node", ())
        private, public = keys.generate()
        login: dict[str, Any] = {"auth": NodeAuthPassword(f"Aa1-{secrets.token_urlsafe(24)}")}
        if "ssh_key" in features:
            login = {"auth": NodeAuthSSHKey(public), "ssh_key": private}
        elif "password" not in features:
            pytest.skip("`features` names neither a key nor a password")
        return driver.deploy_node(
            step, name=RUN.name(), **self.node_options(driver), **login, **ssh, wait_period=0.5, **options
        )

    def _ghost(self, driver: NodeDriver) -> Node:
        return Node(self.unknown_id, "ghost", NodeState.RUNNING, [], [], driver)

    def _volume_state(self, driver: NodeDriver, volume: StorageVolume, state: StorageVolumeState) -> None:
        wanted = {state, None}  # not every provider tells the state
        told = f"the volume {volume.id!r} to be {state}"
        self.until(lambda: _with_id(driver.list_volumes(), volume.id, wanted), told)


class _UntilAllowed(RetryPolicy):
    """Sends again what came too often, and nothing else."""

    def allows(self, request: Request, attempt: int, outcome: RawResponse | PolycloudError) -> bool:
        limited = isinstance(outcome, RawResponse) and outcome.status == HTTPStatus.TOO_MANY_REQUESTS
        return limited and super().allows(request, attempt, outcome)


def _with_id(things: Sequence[Any], id_: str, states: set[Any] | None = None) -> Any:
    """The thing with this id, in one of the states where some are given; None where there is none."""
    found = next((thing for thing in things if thing.id == id_), None)
    return found if not states or (found is not None and found.state in states) else None


def _state(node: Node | None) -> str:
    if node is None:
        return "it is not listed"
    if node.state == NodeState.UNKNOWN:
        return "it is unknown: does the driver know the provider's word for this state?"
    return f"it is {node.state}"


def _path(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _need_argument(driver: NodeDriver, name: str) -> None:
    """Skip the test where `create_node` would refuse the argument by itself."""
    parameters = signature(driver.create_node).parameters.values()
    if not any(one.name == name or one.kind is one.VAR_KEYWORD for one in parameters):
        pytest.skip(f"create_node takes no {name}")


def _is_address(text: str) -> bool:
    return any(is_ip(text, version) for version in (4, 6))


def _told(things: Sequence[Any]) -> list[tuple[str, str]]:
    return [(thing.id, thing.name) for thing in things]


def _check_objects(things: Sequence[Any], kind: type[Any], driver: NodeDriver) -> None:
    for thing in things:
        assert isinstance(thing, kind), f"{thing!r} is no {kind.__name__}"
        assert isinstance(thing.id, str), f"the id {thing.id!r} of {thing!r} is no text"
        assert thing.id, f"{thing!r} has no id"
        assert isinstance(thing.name, str), f"the name {thing.name!r} of {thing!r} is no text"
        assert isinstance(thing.extra, dict), f"the extra {thing.extra!r} of {thing!r} is no dict"
        assert thing.driver is driver, f"{thing!r} has another driver"
    ids = [thing.id for thing in things]
    assert len(set(ids)) == len(ids), f"an id comes twice in {ids}"


def _require_true(name: str, result: object) -> None:
    assert result is True, f"{name} returned {result!r}"


def _error_of(kind: type[E], what: str, call: Callable[..., object], *args: Any, **kwargs: Any) -> E:
    """The error of that kind that the call raises."""
    try:
        result = call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{what} returned {result!r} where {kind.__name__} was due")


def _require_gone(left: Sequence[str]) -> None:
    if left:
        pytest.fail(f"{LEFT_OVER}{'; '.join(left)}", pytrace=False)


def _public_key() -> str:
    """A public key that nobody has."""
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4) + kind + (32).to_bytes(4) + os.urandom(32)
    return f"{kind.decode()} {base64.b64encode(blob).decode()} conformance"


# Every operation with arguments that any provider could be given


def _calls(driver: NodeDriver) -> dict[str, Callable[[], object]]:
    """All operations of compute by name, ready to be called."""
    node = Node("1", "node", NodeState.RUNNING, [], [], driver)
    size = NodeSize("1", "size", 512, 10, 0, 0.01, driver)
    image = NodeImage("1", "image", driver)
    volume = StorageVolume("1", "volume", 10, driver)
    key = _public_key()
    arguments: dict[str, tuple[Any, ...]] = {
        "get_node": ("1",),
        "create_node": ("node", size, image),
        **dict.fromkeys((*POWER_ACTIONS, "destroy_node"), (node,)),
        "wait_until_running": ([node], 0, 0),
        "deploy_node": (ScriptDeployment("true"),),
        "get_image": ("1",),
        "create_image": (node, "image"),
        "copy_image": ("region", image, "image"),
        "delete_image": (image,),
        "get_key_pair": ("key",),
        "create_key_pair": ("key",),
        "import_key_pair_from_string": ("key", key),
        "import_key_pair_from_file": ("key", os.devnull),
        "delete_key_pair": (KeyPair("key", key, None, driver),),
        "create_volume": (10, "volume"),
        "attach_volume": (node, volume),
        **dict.fromkeys(
            ("detach_volume", "destroy_volume", "list_volume_snapshots", "create_volume_snapshot"), (volume,)
        ),
        "destroy_volume_snapshot": (VolumeSnapshot("1", driver),),
    }
    return {
        name: partial(_carry_out, getattr(driver, name), *arguments.get(name, ()))
        for name in driver.operations()
    }


def _own_calls(driver: NodeDriver) -> dict[str, Callable[[], object]]:
    """The operations that the driver carries out itself, not the base by way of others."""
    return {
        name: call
        for name, call in _calls(driver).items()
        if driver.supports(name) and not hasattr(getattr(type(driver), name), "needs")
    }


def _carry_out(operation: Callable[..., object], *args: Any) -> object:
    result = operation(*args)
    return list(result) if isinstance(result, Iterator) else result


def _require_refusals(driver: NodeDriver) -> None:
    for name, call in _calls(driver).items():
        if not driver.supports(name):
            error = _error_of(UnsupportedOperationError, name, call)
            assert isinstance(error, NotImplementedError), f"{error!r} is no NotImplementedError"


def _require_no_secret(driver: NodeDriver, thing: object) -> None:
    plain = driver.secret or driver.key
    texts = (plain, f"{driver.key}:{plain}")
    coded = (base64.b64encode(text.encode()).decode() for text in texts)
    for secret in {plain, quote(plain, safe=""), *coded, *driver.connection.secrets()} - {""}:
        for text in (repr(thing), str(thing)):
            assert secret not in text, f"the secret stands in: {text.replace(secret, '[the secret]')}"
