"""Compute drivers of Libcloud: Vultr, which has no driver of ours, on a server after its documents."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import polycloud
from polycloud.compute.base import Node, NodeImage, NodeSize
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.types import DeploymentError, KeyPairDoesNotExistError, NodeState
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    RateLimitReachedError,
    ServerError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.testing.sshd import SSHServer
from support.keypairs import key_pair
from support.vultr import TOKEN, VultrCloud
from support.web import Answer

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3p2w1sR8mZQxq5wTj0bq9v1lW6oV2sF4hK8nY7cXyz web"


def created(vultr: VultrCloud, name: str = "web") -> Node:
    node: Node = vultr.driver.create_node(name, "vc2-1c-1gb", "387", "ams")
    return node


def test_lists(vultr: VultrCloud) -> None:
    """Lists of a provider that only Libcloud has are objects of ours, complete over several pages."""
    driver = vultr.driver
    sizes, images, locations = driver.list_sizes(), driver.list_images(), driver.list_locations()
    assert [(one.id, one.ram, one.disk) for one in sizes] == [
        ("vc2-1c-1gb", 1024, 25),
        ("vc2-2c-2gb", 2048, 50),
        ("vc2-4c-4gb", 4096, 100),
    ]
    assert sizes[0].price == pytest.approx(5 / 730)  # Vultr's are for a month
    assert all(type(one) is NodeSize and one.driver is driver for one in sizes)
    assert [(type(one), one.id) for one in images] == [(NodeImage, "387"), (NodeImage, "2136")]
    assert [(one.id, one.country) for one in locations] == [("ams", "NL"), ("ewr", "US")]
    for number in range(5):
        created(vultr, f"web-{number}")
    assert [one.name for one in driver.list_nodes()] == [f"web-{number}" for number in range(5)]


def test_life_of_a_node(vultr: VultrCloud) -> None:
    """A node is created, found, stopped, started, rebooted and destroyed, by its own methods too."""
    driver = vultr.driver
    size, image, location = driver.list_sizes()[0], driver.list_images()[0], driver.list_locations()[0]
    node = driver.create_node("web", size, image, location)
    assert type(node) is Node
    assert (node.name, node.state, node.public_ips, node.driver) == (
        "web",
        NodeState.RUNNING,
        ["192.0.2.1"],
        driver,
    )
    assert node.created_at is not None
    assert node.created_at.tzinfo is not None
    assert node.extra["location"] == "ams"
    ((found, addresses),) = driver.wait_until_running([node], timeout=10)
    assert (found.id, addresses) == (node.id, ["192.0.2.1"])
    assert node.stop_node() is True
    assert driver.get_node(node.id).state == NodeState.STOPPED
    assert node.start() is True
    assert driver.reboot_node(node) is True
    assert node.destroy() is True
    assert driver.list_nodes() == []


def test_own_object(vultr: VultrCloud) -> None:
    """A node that a program made of an id is as good as one of a list."""
    node = created(vultr)
    own = Node(node.id, None, NodeState.UNKNOWN, [], [], vultr.driver)
    assert vultr.driver.destroy_node(own) is True
    assert vultr.cloud.instances == {}


def test_key_pairs(vultr: VultrCloud) -> None:
    """Key pairs are imported, listed, found by name and deleted; one that is missing has an error of ours."""
    driver = vultr.driver
    driver.import_key_pair_from_string("laptop", PUBLIC)
    assert [(one.name, one.public_key) for one in driver.list_key_pairs()] == [("laptop", PUBLIC)]
    pair = driver.get_key_pair("laptop")
    assert driver.delete_key_pair(pair) is True
    with pytest.raises(KeyPairDoesNotExistError) as caught:
        driver.get_key_pair("laptop")
    assert caught.value.name == "laptop"


def test_pickle(vultr: VultrCloud) -> None:
    """A pickled node has a driver that works, and what Libcloud made of it has none."""
    node = created(vultr)
    again = pickle.loads(pickle.dumps(node))
    assert (again.id, again.name, again.extra) == (node.id, node.name, node.extra)
    assert vars(again)["_libcloud"].foreign.driver is None
    assert again.reboot() is True
    again.driver.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFoundError),
        (409, ConflictError),
        (429, RateLimitReachedError),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_refusals(vultr: VultrCloud, status: int, kind: type[PolycloudError]) -> None:
    """A refusal is the error of its status, with the request, the provider's words, and no secret."""
    node = created(vultr)
    vultr.cloud.refuse = status
    with pytest.raises(kind) as caught:
        vultr.driver.reboot_node(node)
    error = caught.value
    assert error.exchange is not None
    assert (error.exchange.provider, error.exchange.method, error.exchange.status) == (
        "Vultr",
        "POST",
        status,
    )
    assert "refused, with the key REDACTED" in str(error)
    assert error.driver is vultr.driver
    assert TOKEN not in "".join(map(str, (error, error.__cause__, error.__context__, error.args)))


def test_wrong_credentials(vultr: VultrCloud) -> None:
    """A wrong key is `InvalidCredsError`, whose cause is the error of Libcloud."""
    with (
        polycloud.get_driver("compute", "vultr")("wrong-token-1", **vultr.web.options) as driver,
        pytest.raises(InvalidCredsError, match="Invalid API token") as caught,
    ):
        driver.list_nodes()
    assert type(caught.value.__cause__).__module__.startswith("libcloud.")


def test_failure_without_words(vultr: VultrCloud) -> None:
    """A failure that Libcloud's driver cannot read has the words of the response, not those of Python."""
    answer = Answer(501, b"not built yet", {"Content-Type": "text/plain"})
    vultr.cloud.answer = lambda seen: answer  # type: ignore[method-assign] # of this object
    with pytest.raises(ServerError) as caught:
        vultr.driver.list_nodes()
    assert (caught.value.http_code, caught.value.message) == (501, "not built yet")


def test_lost_create(vultr: VultrCloud) -> None:
    """A create whose response is lost is sent once, and is ambiguous: its error says what to look for."""
    answer = vultr.cloud.answer
    sent = []

    def lose(seen: Any) -> Any:
        response = answer(seen)
        if seen.method != "POST":
            return response
        sent.append(seen.path)
        return None

    vultr.cloud.answer = lose  # type: ignore[method-assign] # of this object
    with pytest.raises(AmbiguousCreateError, match="the node 'web' was lost") as caught:
        created(vultr)
    assert sent == ["/v2/instances"]
    assert caught.value.look_for == "the node 'web'"
    assert isinstance(caught.value.__cause__, TransportError)


def test_reads_are_repeated(vultr: VultrCloud) -> None:
    """A list is requested again after a failure that passes, which Libcloud by itself would not do."""
    answer, count = vultr.cloud.answer, 0

    def fail_once(seen: Any) -> Any:
        nonlocal count
        count += 1
        return None if count == 1 else answer(seen)

    vultr.cloud.answer = fail_once  # type: ignore[method-assign] # of this object
    assert [one.id for one in vultr.driver.list_locations()] == ["ams", "ewr"]
    assert count == 2


def test_response_that_libcloud_cannot_read(vultr: VultrCloud) -> None:
    """What Libcloud's driver cannot read is `MalformedResponseError`, never a KeyError."""
    created(vultr)
    next(iter(vultr.cloud.instances.values())).pop("region")
    with pytest.raises(MalformedResponseError, match="KeyError: region"):
        vultr.driver.list_nodes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda driver: driver.reboot_node("x"), "node must be a Node"),
        (lambda driver: driver.create_node("a", "vc2-1c-1gb", "387", "ams", tags=["a"]), "tags"),
        (lambda driver: driver.ex_create_network(), "missing"),
        (lambda driver: type(driver)("key", verify_all=True).list_nodes(verbose=1), "verbose"),
    ],
)
def test_bad_arguments(vultr: VultrCloud, call: Any, message: str) -> None:
    """Arguments that Libcloud's driver does not take are refused before anything is sent but look-ups."""
    with pytest.raises(InvalidArgumentError, match=message):
        call(vultr.driver)
    assert not [one for one in vultr.web.seen if one.method != "GET"]


def test_what_a_class_offers(vultr: VultrCloud) -> None:
    """A class offers what Libcloud's class overrides, and an instance what its version of the API has."""
    kind = type(vultr.driver)
    assert kind.offers("create_node")
    assert kind.offers("deploy_node")
    assert not kind.offers("list_volume_snapshots")
    assert "ex_list_networks" in kind.extensions()
    with pytest.raises(UnsupportedOperationError, match="list_volume_snapshots"):
        vultr.driver.list_volume_snapshots(None)
    old = kind("key", api_version="1", **vultr.web.options)
    assert vultr.driver.supports("stop_node")
    assert not old.supports("ex_list_networks")
    with pytest.raises(UnsupportedOperationError, match="ex_list_networks"):
        old.ex_list_networks()


def test_is_one_of_ours(vultr: VultrCloud) -> None:
    """A bridged driver says where it comes from, and shows no secret."""
    driver = vultr.driver
    assert (driver.name, str(driver.type), driver.via) == ("Vultr", "vultr", "apache-libcloud")
    assert repr(driver) == f"<VultrNodeDriver via apache-libcloud, {driver.connection!r}>"
    assert TOKEN not in repr(driver)
    assert driver.connection.port == vultr.web.port


def test_traces(vultr: VultrCloud) -> None:
    """Hooks see each request with the operation that made it, without secrets."""
    traces: list[Any] = []
    remove = polycloud.add_hook(traces.append)
    try:
        created(vultr)
    finally:
        remove()
    assert [(one.operation, one.method, one.path, one.status) for one in traces[-1:]] == [
        ("create_node", "POST", "/v2/instances", 202)
    ]
    assert all(TOKEN not in f"{one.headers}{one.url}{one.body!r}{one.response}" for one in traces)


def test_deploy_node(vultr: VultrCloud) -> None:
    """A node is deployed over our SSH: the step runs on it, and a node whose step fails is destroyed."""
    key, public = key_pair()
    answer = vultr.cloud.answer

    def here(seen: Any) -> Any:
        for instance in vultr.cloud.instances.values():
            instance["main_ip"] = "127.0.0.1"
        return answer(seen)

    vultr.cloud.answer = here  # type: ignore[method-assign] # of this object
    chosen = {"size": "vc2-1c-1gb", "image": "387", "location": "ams"}
    with SSHServer(public) as server:
        login: Any = {"ssh_port": server.port, "ssh_key": key}
        step = ScriptDeployment("echo deployed > done.txt; cat done.txt")
        node = vultr.driver.deploy_node(deploy=step, name="web", **login, **chosen)
        assert (step.exit_status, step.stdout) == (0, "deployed\n")
        assert node.id in vultr.cloud.instances
        with pytest.raises(DeploymentError):
            vultr.driver.deploy_node(
                deploy=ScriptDeployment("exit 3"), name="bad", ex_destroy_on_failure=True, **login, **chosen
            )
        assert [one["label"] for one in vultr.cloud.instances.values()] == ["web"]
