from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polycloud.common import types as common_types
from polycloud.common.base import BaseDriver, ConnectionUserAndKey, JsonResponse
from polycloud.common.tokens import Token, TokenConnection
from polycloud.compute import types as compute_types
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node, NodeAuthPassword, NodeImage, NodeSize
from polycloud.compute.types import DeploymentError, NodeState
from polycloud.errors import (
    Exchange,
    InvalidCredsError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
)
from polycloud.sandbox import Sandbox
from support.web import Answer, serve

SECRET = "hunter2-hunter2"
LEFT_BEHIND = {
    "_thread",
    "threading",
    "socket",
    "_socket",
    "ssl",
    "_ssl",
    "queue",
    "asyncio",
    "urllib3",
    "httptools",
    "_io",
}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZ0eHQgZm9yIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyEh a@b"

ERRORS = list(
    dict.fromkeys(
        value
        for module in (common_types, compute_types)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PolycloudError)
    )
)


def again(item: Any) -> Any:
    return pickle.loads(pickle.dumps(item))


def named(pickled: bytes) -> set[tuple[str, str]]:
    """The classes and functions that a pickle names."""
    found: set[tuple[str, str]] = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found.add((module, name))
            return super().find_class(module, name)

    Reader(io.BytesIO(pickled)).load()
    return found


@pytest.fixture(scope="module", params=["nephoscale", "digitalocean"])
def driver(request: pytest.FixtureRequest) -> Iterator[NodeDriver]:
    """A driver with a node, a key and connections that are open."""
    with ExitStack() as stack:
        cloud = stack.enter_context(Sandbox(request.param, ssh="off", build=0.02))
        made: NodeDriver
        if request.param == "nephoscale":
            made = NephoscaleNodeDriver(*cloud.credentials, **cloud.options)
            image, location = made.list_images()[0], made.list_locations()[0]
        else:
            made = DigitalOceanNodeDriver(cloud.credentials[0], **cloud.options)
            image = made.get_image("ubuntu-24-04-x64")
            location = next(place for place in made.list_locations() if place.id == "nyc3")
        stack.enter_context(made)
        node = made.create_node("web", made.list_sizes(location)[0], image, location=location)
        made.wait_until_running([node], wait_period=0.1)
        if request.param == "digitalocean":
            made.import_key_pair_from_string("key", PUBLIC_KEY)
        yield made


# Drivers


def test_a_driver_works_again(driver: NodeDriver) -> None:
    """A pickled driver, and a copy, deep or not, make the same calls; closing one harms no other."""
    own = [node.id for node in driver.list_nodes()]
    for other in (again(driver), copy.copy(driver), copy.deepcopy(driver)):
        assert type(other) is type(driver)
        assert [node.id for node in other.list_nodes()] == own
        other.close()
        assert [node.id for node in driver.list_nodes()] == own
        other.close()


def test_what_a_driver_leaves_behind(driver: NodeDriver) -> None:
    """The pickle of a driver in use has no socket, lock, thread, loop or learned limit in it."""
    driver.list_nodes()
    names = named(pickle.dumps(driver))
    assert ("polycloud.http.messages", "TransportOptions") in names
    assert not {module.partition(".")[0] for module, _ in names} & LEFT_BEHIND
    assert not {name for _, name in names} & {"RateLimiter", "Urllib3Transport", "SimpleQueue", "Lock"}
    connection = again(driver).connection
    assert connection._rate_limiter is None
    assert connection._transport is None


def test_a_deep_copy_shares_nothing_that_changes(driver: NodeDriver) -> None:
    """A deep copy has its own connection, flights and retry budget; a shallow one shares its connection."""
    deep, shallow = copy.deepcopy(driver), copy.copy(driver)
    assert deep.connection is not driver.connection
    assert deep.connection.driver is deep
    assert deep.connection.single_flight is not driver.connection.single_flight
    assert deep.connection.retry_budget is not driver.connection.retry_budget
    assert shallow.connection is driver.connection
    other = copy.copy(driver.connection)
    assert other.transport() is not driver.connection.transport()
    other.close()


class LoginConnection(TokenConnection, ConnectionUserAndKey):
    responseCls = JsonResponse

    def authenticate(self) -> Token:
        return Token("a new token", datetime.now(UTC) + timedelta(hours=1))


class LoginDriver(BaseDriver):
    name = "Login"
    connectionCls = LoginConnection


def test_a_token_stays_at_home() -> None:
    """The pickle of a driver holds its credentials, and not the token that it got for them."""
    driver = LoginDriver("user", SECRET, host="127.0.0.1", secure=False)
    assert isinstance(driver.connection, LoginConnection)
    driver.connection._tokens.token = Token("the-old-token")
    pickled = pickle.dumps(driver)
    assert SECRET.encode() in pickled
    assert b"the-old-token" not in pickled
    assert pickle.loads(pickled).connection.token == "a new token"


# Objects


def objects_of(driver: NodeDriver) -> list[Any]:
    location = next(place for place in driver.list_locations() if place.id not in {"ams2", "sfo1"})
    found: list[Any] = [
        driver.list_nodes()[0], driver.list_sizes(location)[0], driver.list_images()[0], location
    ]  # fmt: skip
    return [*found, *driver.list_key_pairs()[:1]]


def test_objects_are_themselves_again(driver: NodeDriver) -> None:
    """Nodes, sizes, images, locations and keys keep their attributes, and their driver works."""
    for item in objects_of(driver):
        other = again(item)
        assert repr(other) == repr(item)
        assert other.extra == item.extra
        assert vars(other).keys() == vars(item).keys()
        assert other.driver.list_locations()[0].id == driver.list_locations()[0].id
        other.driver.close()


def without_drivers(item: Any) -> bytes:
    """The pickle of an object, with a placeholder instead of every driver."""

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            return "a driver" if isinstance(obj, BaseDriver) else None

    pickled = io.BytesIO()
    Writer(pickled).dump(item)
    return pickled.getvalue()


def test_objects_hold_secrets_by_their_driver_only(driver: NodeDriver) -> None:
    """Without its driver an object's pickle holds no credentials."""
    secret = str(driver.secret or driver.key).encode()
    for item in objects_of(driver):
        assert secret in pickle.dumps(item)
        assert secret not in without_drivers(item)


def test_an_objects_own_attributes_stay() -> None:
    """What a program hangs on a node is there again."""
    node = Node("1", "web", NodeState.RUNNING, ["203.0.113.1"], [], driver=None)  # type: ignore[arg-type]
    node.mine = {"a": 1}  # type: ignore[attr-defined]
    other = again(node)
    assert other.mine == {"a": 1}
    assert (other.id, other.name, other.public_ips, other.extra) == ("1", "web", ["203.0.113.1"], {})


# Errors


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_errors_travel(kind: type[PolycloudError]) -> None:
    """Every error keeps text, arguments, notes and exchange on its way, and leaves its driver behind."""
    driver = LoginDriver("user", SECRET, host="127.0.0.1", secure=False)
    error = kind().locate(Exchange("Cloud", "GET", "/x", 500, "r-1"))
    error.driver = driver
    error.add_note("and another item")
    for other in (again(error), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is kind
        assert str(other) == str(error)
        assert other.exchange == error.exchange
        assert other.__notes__ == ["and another item"]
        assert other.driver is None
    assert SECRET.encode() not in pickle.dumps(error)


def test_a_driver_among_the_arguments_stays_at_home() -> None:
    """An error that was given its driver holds no secret when it is pickled."""
    driver = LoginDriver("user", SECRET, host="127.0.0.1", secure=False)
    for error in (PolycloudError("text", driver), InvalidCredsError("text", driver)):
        pickled = pickle.dumps(error)
        assert SECRET.encode() not in pickled
        assert str(pickle.loads(pickled)) == str(error)


def test_a_failed_deployment_travels_without_credentials() -> None:
    """The pickle of a DeploymentError has the node and the output, and no driver."""
    driver: Any = LoginDriver("user", SECRET, host="127.0.0.1", secure=False)
    node = Node("1", "web", NodeState.RUNNING, [], [], driver)
    pickled = pickle.dumps(DeploymentError(node, "exit status 1", driver))
    assert pickle.loads(pickled).node.id == "1"
    assert SECRET.encode() not in pickled


def test_a_failed_deployments_size_travels_without_credentials() -> None:
    """The size and the image of the node in a DeploymentError have no driver in its pickle either."""
    driver: Any = LoginDriver("user", SECRET, host="127.0.0.1", secure=False)
    size, image = NodeSize("s", "small", 512, 10, 0, 0.01, driver), NodeImage("i", "Linux", driver)
    node = Node("1", "web", NodeState.RUNNING, [], [], driver, size, image)
    assert SECRET.encode() not in pickle.dumps(DeploymentError(node, "exit status 1", driver))


def test_what_a_provider_repeats_stays_at_home() -> None:
    """The pickle of an error from the wire holds no secret that the provider repeated in its response."""
    with serve(lambda _: Answer(404, {"message": f"no {SECRET}"})) as web:
        with LoginDriver("user", SECRET, **web.options) as driver, pytest.raises(NotFoundError) as caught:
            driver.connection.request("/")
    caught.value.driver = driver
    assert SECRET.encode() not in pickle.dumps(caught.value)


def test_what_a_provider_repeats_in_headers_stays_at_home() -> None:
    """Neither the headers of an error nor its pickle hold a secret that the provider repeated there."""
    with serve(lambda _: Answer(404, b"{}", {"X-Echo": SECRET})) as web:
        with LoginDriver("user", SECRET, **web.options) as driver, pytest.raises(ProviderHTTPError) as caught:
            driver.connection.request("/")
    assert SECRET not in repr(caught.value.headers)
    assert SECRET.encode() not in pickle.dumps(caught.value)


def test_a_password_is_not_shown() -> None:
    """The repr of a password for a new node does not hold it."""
    assert SECRET not in repr(NodeAuthPassword(SECRET))
