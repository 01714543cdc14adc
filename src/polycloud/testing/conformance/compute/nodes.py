"""Rules of nodes: their attributes, lists and creation."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime
from functools import partial
from inspect import signature
from typing import Any

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node, NodeImage, NodeSize
from polycloud.compute.types import NodeState
from polycloud.errors import ConflictError, NotFoundError, OperationTimeoutError, PolycloudError
from polycloud.testing.conformance.assertions import check_objects, error_of
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import ComputeSuite, Create
from polycloud.utils.networking import is_ip, is_private_subnet

ATTEMPTS = 3
"""How many sizes, images and locations are tried until the provider accepts another one than usual."""
HARD_NAMES = ('O\'Brien "the 1st"', "Grüße-Привет", "🐧-😀")


class NodeRules(ComputeSuite):
    """The rules of nodes."""

    @rule()
    def test_c04_nodes(self, driver: NodeDriver, node: Node) -> None:
        """A node has id, name, state, size, image, extra and a time with a time zone, or None."""
        nodes = driver.list_nodes()
        check_objects(nodes, Node, driver, "name")
        for one in [node, *nodes]:
            assert isinstance(one.state, NodeState), f"the state {one.state!r} of {one!r} is not a NodeState"
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
                valid = any(is_ip(text, version) for version in (4, 6))
                assert valid, f"{text!r} of {one!r} is not an address"
            wrong = [text for text in one.public_ips if is_private_subnet(text)]
            wrong += [text for text in one.private_ips if not is_private_subnet(text)]
            assert not wrong, f"{wrong} of {one!r} are in the wrong list"

    @rule()
    def test_c09_uuid(self, node: Node) -> None:
        """A node's uuid is the SHA-1 of "id:provider"."""
        digest = hashlib.sha1(f"{node.id}:{node.driver.type}".encode()).hexdigest()  # noqa: S324
        assert node.uuid == digest, f"the uuid is {node.uuid}"

    # Lists

    @rule()
    def test_c11_complete_list(self, driver: NodeDriver, create: Create) -> None:
        """`list_nodes` lists every node once, over all pages."""
        calls = [partial(create, f"node-{number}") for number in range(self.several)]
        made = driver.connection.gather(calls)
        for node in made:
            self.seen(driver, node)
        self.check_complete_list(made, driver.list_nodes())

    @rule()
    def test_c12_iterate_nodes(self, driver: NodeDriver, create: Create) -> None:
        """`iterate_nodes` yields the nodes that `list_nodes` returns, over all pages."""
        calls = [partial(create, f"node-{number}") for number in range(self.several)]
        for made in driver.connection.gather(calls):
            self.seen(driver, made)
        self.check_same_items(driver.iterate_nodes, driver.list_nodes)

    @rule()
    def test_c13_get_node(self, driver: NodeDriver, node: Node) -> None:
        """`get_node` returns the node with that id, or raises `NotFoundError`, which names the id."""
        found = driver.get_node(node.id)
        assert (found.id, found.name) == (node.id, node.name), f"get_node({node.id!r}) returns {found!r}"
        error = error_of(NotFoundError, "get_node", driver.get_node, self.unknown_id)
        assert self.unknown_id in str(error), f"{error!r} does not name the id {self.unknown_id}"

    # Creation

    @rule()
    def test_c15_create_node(self, driver: NodeDriver, create: Create) -> None:
        """`create_node` returns the node with the given name and the id that is then listed."""
        node = create("asked-for")
        check_objects([node], Node, driver, "name")
        message = f"the node is called {node.name!r}, not ...-asked-for"
        assert (node.name or "").endswith("-asked-for"), message
        listed = self.seen(driver, node)
        assert listed.name == node.name, f"the list calls {node.name!r} {listed.name!r}"

    @rule()
    def test_c16_create_node_and_namesakes(self, driver: NodeDriver, create: Create) -> None:
        """`create_node` returns its own node, never another one of the same name."""
        first = create("twin")
        if self.unique_names:
            error_of(ConflictError, "the second create", create, "twin")
            return
        second = self.namesake(create, "twin")
        assert first.id != second.id, f"both creates returned the node {first.id!r}"
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
        """`wait_until_running` returns the running node with its addresses."""
        node = create()
        ((running, addresses),) = driver.wait_until_running([node], timeout=self.patience)
        assert running.id == node.id, f"waited for {node!r}, got {running!r}"
        assert running.state == NodeState.RUNNING, f"the node is {running.state}"
        message = f"the addresses {addresses} are not among {running.public_ips}"
        assert addresses, message
        assert set(addresses) <= set(running.public_ips), message

    @rule("list_nodes")
    def test_c19_wait_in_vain(self, driver: NodeDriver) -> None:
        """A wait that times out raises `OperationTimeoutError`, which names what it waited for."""
        wait = partial(driver.wait_until_running, [self.ghost(driver)], timeout=0)
        error = error_of(OperationTimeoutError, "wait_until_running", wait)
        assert "ghost" in str(error), f"{error!r} does not name the node"

    @rule("list_sizes", "list_images")
    def test_c54_what_was_asked_for(self, driver: NodeDriver, create: Create) -> None:
        """A created node has the size and the image that were asked for, and the location, if it is known."""
        offered: dict[str, list[Any]] = {"size": driver.list_sizes(), "image": driver.list_images()}
        if "location" in signature(driver.create_node).parameters and driver.supports("list_locations"):
            offered["location"] = driver.list_locations()
        usual = self.node_options(driver)
        told: set[str] = set()  # by the first node, without a choice
        for number, what in enumerate(["name", *offered]):
            known = told | {getattr(usual.get(what), "id", "")}
            choices = [{what: one} for one in offered.get(what, ()) if not _names(one) & known] or [{}]
            for options in choices[:ATTEMPTS]:
                with suppress(PolycloudError):  # not every size is for every image and location
                    node = create(f"order-{number}", **options)
                    break
            else:
                continue
            listed = self.seen(driver, node)
            told = told or _texts(listed.extra)
            for one in (node, listed):
                for name, value in {**usual, **options}.items():
                    self._check_told(one, name, value, offered.get(name, []))

    def _check_told(self, node: Node, what: str, asked: Any, offered: list[Any]) -> None:
        """Assert that the size, image or location that a node tells is what was asked for."""
        told = getattr(node, what, None)
        texts = {str(getattr(told, "id", told))} if told is not None else _texts(node.extra)
        known = {text for one in offered for text in _names(one)} & texts
        if told is None and not known:
            must = what in {"size", "image"} and what not in self.untold
            hint = f"if the provider does not tell it, set `untold = frozenset({{{what!r}}})`"
            assert not must, f"the {what} of {node!r} is None; {hint}"
            return
        assert texts & _names(asked), f"the {what} is {sorted(known or texts)}, not {sorted(_names(asked))}"

    @rule()
    def test_c48_idempotency_keys(self, driver: NodeDriver, create: Create) -> None:
        """A create with the `idempotency_key` of an earlier one returns the earlier one's node."""
        self.need_argument(driver, "idempotency_key")
        key = secrets.token_hex(8)
        first = create("first", idempotency_key=key)
        again = create("again", idempotency_key=key)
        message = (
            f"two creates with one key made the nodes {first!r} and {again!r}: "
            "search for the key before creating, or take neither idempotency_key nor **kwargs"
        )
        assert again.id == first.id, message
        other = create("other", idempotency_key=f"{key}-2")
        assert other.id != first.id, f"creates with two keys both returned {first!r}"


def _names(one: Any) -> set[str]:
    """Return what may stand for a size, an image or a location: its id, its name."""
    return {str(one.id), str(one.name)}


def _texts(extra: dict[str, Any]) -> set[str]:
    """Return the texts in `extra` that are no numbers, which could mean anything."""
    inner = (value.values() if isinstance(value, dict) else (value,) for value in extra.values())
    texts = {value for values in inner for value in values if isinstance(value, str)}
    return {text for text in texts if not text.isdigit()}
