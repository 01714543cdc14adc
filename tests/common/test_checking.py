"""The arguments of every operation of every driver: what its annotations do not allow is not sent."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from polycloud.common.base import BaseDriver, ConnectionKey
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.providers import get_driver
from polycloud.compute.types import NodeState
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.providers import get_driver as get_dns_driver
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from support.web import Web, serve

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
TOKEN = "t" * 64
MAKERS: dict[str, Any] = {
    "dummy": lambda **_: DummyNodeDriver(),
    "digitalocean": lambda **options: get_driver("digitalocean")(TOKEN, **options),
    "linode": lambda **options: get_driver("linode")(TOKEN, **options),
    "nephoscale": lambda **options: get_driver("nephoscale")("user", "password", **options),
    "openstack": lambda **options: get_driver("openstack")("user", "password", **options),
    "softlayer": lambda **options: get_driver("softlayer")("user", "api key", **options),
    "ec2": lambda **options: get_driver("ec2")("AKIA", "secret", region="us-east-1", **options),
    "dns dummy": lambda **_: DummyDNSDriver(),
    "dns cloudflare": lambda **options: get_dns_driver("cloudflare")(TOKEN, **options),
    "dns digitalocean": lambda **options: get_dns_driver("digitalocean")(TOKEN, **options),
    "dns linode": lambda **options: get_dns_driver("linode")(TOKEN, **options),
}


def resources(driver: Any) -> dict[str, Any]:
    """One object of each kind, of this driver, by the annotation that names it."""
    zone = Zone("1", "example.org", "master", 300, driver, {})
    return {
        "Node": Node("7", "web", NodeState.RUNNING, [], [], driver),
        "NodeSize": NodeSize("s-1", "small", 1, 1, 1, 0, driver),
        "NodeImage": NodeImage("1", "image", driver),
        "NodeLocation": NodeLocation("nyc1", "New York", "US", driver),
        "StorageVolume": StorageVolume("8", "data", 10, driver),
        "VolumeSnapshot": VolumeSnapshot("9", driver),
        "KeyPair": KeyPair("mine", PUBLIC_KEY, "aa:bb", driver),
        "Zone": zone,
        "Record": Record("1", "www", RecordType.A, "192.0.2.1", zone, driver),
    }


class OfAnother(NodeDriver):
    """A driver of a class that is related to no other."""

    connectionCls = ConnectionKey
    name = "Another"


ANOTHER: Any = OfAnother("key")
FOREIGN = resources(ANOTHER)
WRONG: dict[str, list[Any]] = {
    **{name: [None, 1.5, b"x", object(), [], FOREIGN[name]] for name in FOREIGN},
    "Sequence[Node]": [None, 7, "x", FOREIGN["Node"], [None], [FOREIGN["Node"]]],
    "Iterable[Node]": [None, 7, "x", FOREIGN["Node"], [None], [FOREIGN["Node"]]],
    "float": [None, "5", True, float("nan"), float("inf"), -1, 10**400, 1e10, object()],
    "int": [None, "5", True, 1.5, float("nan"), object()],
    "bool": [None, "no", 2, 0.5, object()],
    "str": [None, 1.5, True, b"x", object(), []],
    "str | None": [1.5, True, b"x", object(), []],
    "Iterable[str]": [None, 7, b"x", object(), [None], [object()], {"a": "b"}],
    "Mapping[str, Any] | None": ["x", 7, ["x"], object()],
}
STRICT = ("Node", "StorageVolume", "VolumeSnapshot", "KeyPair", "Zone", "Record")
for kind in STRICT:
    WRONG[kind] += ["1", 7]
EXEMPT = {
    ("linode", "create_node", "name"),  # Libcloud's order of arguments is taken too
}
"""Parameters that take more than they say."""


@pytest.fixture(params=MAKERS)
def cloud(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, Web]]:
    with serve() as web:
        yield request.param, MAKERS[request.param](**web.options), web


def operations(driver: Any) -> Iterator[tuple[str, list[inspect.Parameter]]]:
    """Each public method of a driver's service, with the parameters that a call names."""
    for name in dir(driver):
        method = inspect.getattr_static(type(driver), name, None)
        if name.startswith("_") or not inspect.isfunction(method) or hasattr(BaseDriver, name):
            continue
        _, *parameters = inspect.signature(inspect.unwrap(method)).parameters.values()
        yield name, [one for one in parameters if one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL}]


def call(driver: Any, name: str, parameters: list[inspect.Parameter], wrong: dict[str, Any]) -> None:
    right = {**resources(driver), "int": 10, "bool": True, "float": 1.0, "RecordType": RecordType.A}
    given = {
        one.name: wrong[one.name] if one.name in wrong else right.get(one.annotation, "7")
        for one in parameters
        if one.name in wrong or one.default is one.empty
    }
    by_position = [given.pop(one.name) for one in parameters if one.kind is one.POSITIONAL_ONLY]
    result = getattr(driver, name)(*by_position, **given)
    if inspect.isgenerator(result):
        list(result)


def test_what_annotations_do_not_allow_is_refused(cloud: tuple[str, Any, Web]) -> None:
    """A value of another type, NaN, or a resource of another provider is refused for every parameter."""
    provider, driver, web = cloud
    passed, tried = [], 0
    for name, parameters in operations(driver):
        for one in parameters:
            if (provider, name, one.name) in EXEMPT or name in {"supports", "offers"}:
                continue
            for value in WRONG.get(one.annotation, []):
                if value is one.default:
                    continue
                if one.annotation == "float" and "time" not in one.name and "period" not in one.name:
                    continue
                tried += 1
                try:
                    call(driver, name, parameters, {one.name: value})
                except (InvalidArgumentError, UnsupportedOperationError):
                    continue
                passed.append(f"{name}({one.name}={value!r})")
    assert not passed
    assert tried > 100
    assert web.seen == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"node": None}, "node must be a Node, got None; get_node() returns one"),
        ({"node": "7"}, "node must be a Node, got '7'; get_node() returns one"),
        ({"volume": b"x"}, "volume must be a StorageVolume, got b'x'"),
        ({"node": FOREIGN["Node"]}, "node is a Node of Another, not of Dummy Node Provider"),
        ({"device": 5.0}, "device must be a str or None, got 5.0"),
    ],
)
def test_the_words_of_a_refusal(wrong: dict[str, Any], message: str) -> None:
    """A refusal names the parameter, what it takes, what it got, and where to get a right one."""
    driver: Any = DummyNodeDriver()
    own = resources(driver)
    with pytest.raises(InvalidArgumentError) as caught:
        driver.attach_volume(**{"node": own["Node"], "volume": own["StorageVolume"], **wrong})
    assert str(caught.value) == message


def test_balancers_take_the_nodes_of_other_providers() -> None:
    """A parameter that takes whatever looks like a node takes one of another provider."""
    compute, balancers = DummyNodeDriver("key"), DummyLBDriver()
    node = resources(compute)["Node"]
    node.private_ips = ["192.0.2.7"]
    member = balancers.create_balancer("web", 80).attach_compute_node(node)
    assert (member.ip, member.port) == ("192.0.2.7", 80)


def test_a_refusal_shows_no_secret() -> None:
    """What was given for a text or a secret is not shown, only its type."""
    driver: Any = MAKERS["linode"]()
    node = resources(driver)["Node"]
    for wrong in (b"hunter22", 22222222, ["hunter22"]):
        with pytest.raises(InvalidArgumentError, match="password must be a str, got ") as caught:
            driver.ex_reset_password(node, wrong)
        assert "22" not in str(caught.value)


class Bare(DummyNodeDriver):
    """A driver as an author may write it: without annotations, or with odd ones."""

    features: ClassVar = {}

    def destroy_node(self, node):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().destroy_node(node)

    def ex_odd(self, one, two=1):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return one, two


Bare.ex_odd.__wrapped__.__annotations__.update(one="not python", two="a.b.c")  # type: ignore[attr-defined]


def test_a_method_without_annotations() -> None:
    """A parameter without an annotation takes what the overridden method says; odd ones are ignored."""
    driver: Any = Bare()
    with pytest.raises(InvalidArgumentError, match="node must be a Node"):
        driver.destroy_node("1")
    assert driver.destroy_node(driver.list_nodes()[0]) is True
    assert driver.ex_odd(None, two="x") == (None, "x")


def test_resources_of_related_drivers() -> None:
    """A resource of another driver object of the same provider, or of a subclass, is taken."""
    one, two = Bare(), DummyNodeDriver()
    assert two.reboot_node(one.list_nodes()[0]) is True
    assert one.reboot_node(two.list_nodes()[0]) is True
    node = one.list_nodes()[0]
    node.driver = None  # type: ignore[assignment] # as from the pickle of an error
    assert two.reboot_node(node) is True


def test_a_resource_without_a_driver() -> None:
    """An action of a resource that has no driver is refused, and the message says what to do."""
    node = resources(None)["Node"]
    zone = resources(None)["Zone"]
    for action in (node.destroy, node.reboot, node.stop_node, zone.delete, zone.list_records):
        with pytest.raises(InvalidArgumentError, match="has no driver; pass it to the method of a driver"):
            action()


def test_catalog_objects_are_given_by_id() -> None:
    """The id of a size, an image or a location may be passed in its place."""
    driver: Any = DummyNodeDriver()
    assert driver.create_node("web", "1", "2", "London Loft").extra["location"] == "London Loft"
    assert driver.copy_image("x", "1", "copy").extra["source"] == "1"
