from __future__ import annotations

import base64
import json
import logging
import pickle
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.driver import credentials_from_environment
from polycloud.common.linode import Entity
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.drivers.linode import (
    LabelTakenError,
    LinodeBackup,
    LinodeBusyError,
    LinodeDisk,
    LinodeEvent,
    LinodeNodeDriver,
)
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
from polycloud.compute.types import NodeState, StorageVolumeState
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidCredsError,
    InvalidNameError,
    MalformedResponseError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    ServerError,
    UnavailableError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from polycloud.tracing.trace import Trace
from support.keypairs import key_pair
from support.web import Answer, Seen, Web, serve

Driver = LinodeNodeDriver
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
TOKEN = "0123456789abcdef-invented"
PASSWORD = "correct horse battery staple 7!"
ONCE = RetryPolicy(attempts=1)
INSTANCES = "/v4/linode/instances"


class Hasty(LinodeNodeDriver):
    settle_time = 0.3
    busy_time = 0.3
    cleanup_time = 1.0


def on(web: Web, **options: Any) -> LinodeNodeDriver:
    return Hasty(TOKEN, **{"retry": ONCE, "region": "us-east", **web.options, **options})


def result_of(answer: Answer, call: Callable[[LinodeNodeDriver], Any]) -> Any:
    """The result of a driver's call if the response to every request is `answer`."""
    with serve(lambda _: answer) as web, on(web) as driver:
        return call(driver)


def listed(*items: Any) -> Answer:
    return Answer(body={"data": items, "page": 1, "pages": 1, "results": len(items)})


def refusal(status: int, *reasons: tuple[str | None, str], **headers: str) -> Answer:
    errors = [{"reason": reason, **({"field": field} if field else {})} for field, reason in reasons]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"errors": errors}, named)


def bodies(web: Web, method: str, path: str) -> list[Any]:
    return [json.loads(seen.body) for seen in web.seen if (seen.method, seen.path) == (method, path)]


INSTANCE: dict[str, Any] = {
    "alerts": {"cpu": 180, "io": 10000, "network_in": 10, "network_out": 10, "transfer_quota": 80},
    "backups": {"available": True, "enabled": True, "last_successful": "2018-01-01T00:01:01"},
    "created": "2018-01-01T00:01:01",
    "group": "polycloud-0123456789ab",
    "hypervisor": "kvm",
    "id": 123,
    "image": "linode/debian10",
    "ipv4": ["203.0.113.1", "192.168.133.234"],
    "ipv6": "2600:3c03::f03c:91ff:fe24:3a2f/128",
    "label": "linode123",
    "region": "us-east",
    "specs": {"disk": 81920, "gpus": 0, "memory": 4096, "transfer": 4000, "vcpus": 2},
    "status": "running",
    "tags": ["example tag"],
    "type": "g6-standard-1",
    "updated": "2018-01-01T00:01:01",
    "watchdog_enabled": True,
    "from_the_future": {"x": 1},
}
TYPE: dict[str, Any] = {
    "addons": {"backups": {"price": {"hourly": 0.008, "monthly": 5}}},
    "class": "standard",
    "disk": 81920,
    "gpus": 0,
    "id": "g6-standard-2",
    "label": "Linode 4GB",
    "memory": 4096,
    "price": {"hourly": 0.03, "monthly": 20},
    "region_prices": [{"hourly": 0.036, "id": "br-gru", "monthly": 24}],
    "transfer": 4000,
    "vcpus": 2,
}


def node_of(driver: LinodeNodeDriver, id_: str = "1") -> Node:
    return Node(id_, "web", NodeState.RUNNING, [], [], driver, "g6-nanode-1", "linode/debian12")


def size_of(driver: LinodeNodeDriver) -> NodeSize:
    return NodeSize("g6-nanode-1", "Nanode", 1024, 25, 1000, 0.0075, driver)


def image_of(driver: LinodeNodeDriver) -> NodeImage:
    return NodeImage("linode/debian12", "Debian 12", driver)


def location_of(driver: LinodeNodeDriver, id_: str = "us-east") -> NodeLocation:
    return NodeLocation(id_, "Newark", "US", driver)


def volume_of(driver: LinodeNodeDriver) -> StorageVolume:
    return StorageVolume("1", "data", 20, driver)


def create(driver: LinodeNodeDriver, name: str = "web", **options: Any) -> Node:
    return driver.create_node(name, size_of(driver), image_of(driver), **options)


class Account:
    """As much of an account as creates need; `lose` says how the responses to the next creates are lost."""

    def __init__(self, *lose: str) -> None:
        self.instances: list[dict[str, Any]] = []
        self.lose = list(lose)
        self.lock = threading.Lock()

    def __call__(self, seen: Seen) -> Answer | None:
        with self.lock:
            answer: Answer | None = getattr(self, seen.method.lower())(seen)
            return answer

    def get(self, seen: Seen) -> Answer:
        only = json.loads(seen.headers.get("X-Filter", "{}"))
        return listed(
            *(one for one in self.instances if all(one[name] == value for name, value in only.items()))
        )

    def post(self, seen: Seen) -> Answer | None:
        how = self.lose.pop(0) if self.lose else ""
        if how == "before":
            return None
        body = json.loads(seen.body)
        if any(one["label"] == body["label"] for one in self.instances):
            return refusal(400, ("label", "Label must be unique among your linodes"))
        one = {"id": len(self.instances) + 1, "group": "", "tags": [], "status": "provisioning", **body}
        self.instances.append(one)
        late = refusal(408, (None, "Please try again"))
        return None if how == "after" else late if how == "late" else Answer(body=one)

    def put(self, seen: Seen) -> Answer:
        one = self.instances[int(seen.path.rpartition("/")[2]) - 1]
        one.update(json.loads(seen.body))
        return Answer(body=one)


# The driver


def test_the_constructor_of_libcloud() -> None:
    """A token is enough; `api_version` is accepted; other versions, secrets and empty tokens are refused."""
    driver = get_driver("linode")(TOKEN, api_version="v4")
    assert (driver.connection.host, driver.connection.request_path) == ("api.linode.com", "/v4")
    assert TOKEN not in repr(driver)
    assert Driver(TOKEN, api_version="4.0").api_version == "v4"
    with pytest.raises(UnsupportedOperationError, match=r"no API 3\.0, only v4"):
        Driver(TOKEN, api_version="3.0")
    with pytest.raises(InvalidArgumentError, match="takes a token"):
        Driver("client", "secret")
    with pytest.raises(InvalidCredsError, match="needs a key"):
        Driver("")


@pytest.mark.parametrize("variable", ["LINODE_TOKEN", "LINODE_CLI_TOKEN", "POLYCLOUD_LINODE_TOKEN"])
def test_the_token_is_found_in_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is found in the variables of the provider's own tools and in ours."""
    for name in ("LINODE_TOKEN", "LINODE_CLI_TOKEN", "POLYCLOUD_LINODE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert credentials_from_environment(Driver) is None
    monkeypatch.setenv(variable, TOKEN)
    assert credentials_from_environment(Driver) == (TOKEN,)


def test_the_token_is_sent_in_the_header() -> None:
    """The token is sent as a bearer token, to a path below /v4."""
    with serve(lambda _: listed()) as web, on(web) as driver:
        assert driver.list_nodes() == []
    (seen,) = web.seen
    assert (seen.path, seen.headers["Authorization"]) == (INSTANCES, f"Bearer {TOKEN}")


# Nodes


def test_nodes_from_payloads() -> None:
    """An instance's fields are in Libcloud's attributes and `extra`; the marker of a create is left out."""
    (node,) = result_of(listed(INSTANCE), lambda driver: driver.list_nodes())
    assert (node.id, node.name, node.state) == ("123", "linode123", NodeState.RUNNING)
    assert node.public_ips == ["203.0.113.1", "2600:3c03::f03c:91ff:fe24:3a2f"]
    assert node.private_ips == ["192.168.133.234"]
    assert (node.size, node.image) == ("g6-standard-1", "linode/debian10")
    assert node.created_at == datetime(2018, 1, 1, 0, 1, 1, tzinfo=UTC)
    assert node.extra == {**INSTANCE, "location": "us-east", "group": ""}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("running", "running"),
        ("offline", "stopped"),
        ("stopped", "stopped"),
        ("booting", "starting"),
        ("rebooting", "rebooting"),
        ("shutting_down", "stopping"),
        ("busy", "pending"),
        ("provisioning", "pending"),
        ("deleting", "terminated"),
        ("migrating", "migrating"),
        ("rebuilding", "updating"),
        ("restoring", "updating"),
        ("cloning", "updating"),
        ("resizing", "reconfiguring"),
        ("billing_suspension", "suspended"),
        ("melting", "unknown"),
        (None, "unknown"),
    ],
)
def test_states(status: str | None, state: str) -> None:
    """Every status has a state; an unknown status is UNKNOWN, not an error."""
    (node,) = result_of(listed({"id": 1, "status": status}), lambda driver: driver.list_nodes())
    assert node.state == state


def test_an_instance_with_only_an_id() -> None:
    """An instance with only an id is a node without addresses; its `extra` has the usual keys."""
    (node,) = result_of(listed({"id": 1}), lambda driver: driver.list_nodes())
    assert (node.public_ips, node.private_ips, node.size, node.image) == ([], [], None, None)
    assert (node.created_at, node.extra["location"], node.extra["specs"]) == (None, None, None)


def test_unique_local_addresses_are_private() -> None:
    """A unique local IPv6 address is private."""
    (node,) = result_of(listed({"id": 1, "ipv6": "fd00::1/128"}), lambda driver: driver.list_nodes())
    assert (node.public_ips, node.private_ips) == ([], ["fd00::1"])


def test_filters_are_sent_in_the_header() -> None:
    """`ex_filter` is sent as the provider's X-Filter by lists and iterators; without it there is none."""
    with serve(lambda _: listed()) as web, on(web) as driver:
        driver.list_nodes(ex_filter={"tags": "Grüße", "+order_by": "label"})
        driver.list_nodes()
        assert list(driver.iterate_nodes(ex_filter={"tags": "web"})) == []
    assert json.loads(web.seen[0].headers["X-Filter"]) == {"tags": "Grüße", "+order_by": "label"}
    assert "X-Filter" not in web.seen[1].headers
    assert json.loads(web.seen[2].headers["X-Filter"]) == {"tags": "web"}


def pages_of(count: int, largest: int = 500) -> Callable[[Seen], Answer]:
    """A list of `count` instances, at most `largest` a page."""

    def respond(seen: Seen) -> Answer:
        page, size = int(seen.query["page"][0]), min(int(seen.query["page_size"][0]), largest)
        first = (page - 1) * size
        items = [{"id": number + 1} for number in range(first, min(first + size, count))]
        return Answer(body={"data": items, "page": page, "pages": -(-count // size), "results": count})

    return respond


def test_pages_of_five_hundred() -> None:
    """A list is requested in pages of 500, the first one again at the end, and is complete and in order."""
    with serve(pages_of(1100)) as web, on(web) as driver:
        nodes = driver.list_nodes()
    assert [int(node.id) for node in nodes] == list(range(1, 1101))
    assert sorted(seen.query["page"][0] for seen in web.seen) == ["1", "1", "2", "3"]
    assert {seen.query["page_size"][0] for seen in web.seen} == {"500"}


def test_pages_that_are_smaller_than_requested() -> None:
    """A list is complete if the provider returns smaller pages, and if the caller requests them."""
    with serve(pages_of(45, largest=10)) as web, on(web) as driver:
        assert len(driver.list_nodes()) == 45
    with serve(pages_of(45)) as web, on(web, ex_per_page=25) as driver:
        assert len(driver.list_nodes()) == 45
        assert len(web.seen) == 3


def test_iterate_nodes_a_page_at_a_time() -> None:
    """`iterate_nodes` requests a page when the previous one is used up."""
    with serve(pages_of(5)) as web, on(web, ex_per_page=2) as driver:
        nodes = driver.iterate_nodes()
        assert [next(nodes).id, next(nodes).id] == ["1", "2"]
        assert len(web.seen) == 1
        assert [node.id for node in nodes] == ["3", "4", "5"]
        assert len(web.seen) == 3


def test_too_many_pages() -> None:
    """A list that claims too many pages is malformed, and its pages are not requested."""
    body = {"data": [], "pages": 10**15}
    with serve(lambda _: Answer(body=body)) as web, on(web) as driver:
        with pytest.raises(MalformedResponseError, match=r"claims 1(,000){5} pages; at most 10,000"):
            driver.list_nodes()
    assert len(web.seen) == 1


CALLS: dict[str, Callable[[LinodeNodeDriver], Any]] = {
    "list_nodes": lambda driver: driver.list_nodes(),
    "iterate_nodes": lambda driver: list(driver.iterate_nodes()),
    "list_sizes": lambda driver: driver.list_sizes(),
    "list_images": lambda driver: driver.list_images(),
    "list_locations": lambda driver: driver.list_locations(),
    "list_key_pairs": lambda driver: driver.list_key_pairs(),
    "list_volumes": lambda driver: driver.list_volumes(),
    "ex_list_events": lambda driver: driver.ex_list_events(),
    "ex_list_node_disks": lambda driver: driver.ex_list_node_disks(node_of(driver)),
    "ex_list_configs": lambda driver: driver.ex_list_configs(node_of(driver)),
    "ex_list_tags": lambda driver: driver.ex_list_tags(),
    "ex_list_addresses": lambda driver: driver.ex_list_addresses(),
}
ONE: dict[str, Callable[[LinodeNodeDriver], Any]] = {
    "get_node": lambda driver: driver.get_node("1"),
    "get_image": lambda driver: driver.get_image("linode/debian12"),
    "ex_get_size": lambda driver: driver.ex_get_size("g6-nanode-1"),
    "ex_get_volume": lambda driver: driver.ex_get_volume("1"),
    "ex_list_backups": lambda driver: driver.ex_list_backups(node_of(driver)),
    "ex_list_node_addresses": lambda driver: driver.ex_list_node_addresses(node_of(driver)),
    "ex_rename_node": lambda driver: driver.ex_rename_node(node_of(driver), "other"),
    "create_node": create,
}
ODD: list[Any] = [
    *(None, 7, "text", [1], [None], [{}], {}),
    [{"id": [], "label": {}, "address": 4, "plan": 5, "memory": "x", "disk": None, "size": ""}],
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("odd", ODD)
def test_malformed_lists(call: str, odd: Any) -> None:
    """A list that is not as documented is a MalformedResponseError."""
    with pytest.raises(MalformedResponseError, match="not as documented"):
        result_of(Answer(body={"data": odd, "pages": 1, "results": 1}), CALLS[call])


@pytest.mark.parametrize("call", ONE)
@pytest.mark.parametrize("odd", [None, 7, "text", [], {}, {"id": [], "ipv4": 3, "automatic": None}])
def test_malformed_responses(call: str, odd: Any) -> None:
    """A response that is not as documented is a MalformedResponseError; after a create it is ambiguous."""
    with pytest.raises((MalformedResponseError, AmbiguousCreateError), match="not as documented"):
        result_of(Answer(body=odd), ONE[call])


@pytest.mark.parametrize("odd", [{"created": 5}, {"tags": [1]}, {"ipv4": ["10.1.1"]}, {"ipv6": "x/128"}])
def test_malformed_instances(odd: dict[str, Any]) -> None:
    """A field of another type and an invalid address are MalformedResponseErrors."""
    with pytest.raises(MalformedResponseError):
        result_of(listed({"id": 1, **odd}), lambda driver: driver.list_nodes())


# Creation


def test_create_sends_its_arguments() -> None:
    """Every argument of a create is sent, and no field is null."""
    with serve(Account()) as web, on(web) as driver:
        node = driver.create_node(
            "web",
            size_of(driver),
            image_of(driver),
            location_of(driver, "eu-west"),
            ex_authorized_keys=[PUBLIC_KEY],
            ex_authorized_users="me",
            ex_tags=["a"],
            ex_backups_enabled=True,
            ex_private_ip=True,
            ex_create_attr={"firewall_id": 7},
            auth=NodeAuthPassword(PASSWORD),
            tags=["b"],
            user_data="#!/bin/sh",
        )
    (body,) = bodies(web, "POST", INSTANCES)
    assert body.pop("group").startswith("polycloud-")
    assert body == {
        "label": "web",
        "type": "g6-nanode-1",
        "image": "linode/debian12",
        "region": "eu-west",
        "root_pass": PASSWORD,
        "authorized_keys": [PUBLIC_KEY],
        "authorized_users": ["me"],
        "tags": ["a", "b"],
        "backups_enabled": True,
        "private_ip": True,
        "firewall_id": 7,
        "metadata": {"user_data": base64.b64encode(b"#!/bin/sh").decode()},
    }
    assert node.name == "web"


def test_create_with_few_arguments() -> None:
    """Without options a create sends no optional fields but a password, and uses the driver's region."""
    with serve(Account()) as web, on(web) as driver:
        create(driver)
    (body,) = bodies(web, "POST", INSTANCES)
    assert body.keys() == {"label", "type", "image", "region", "root_pass", "group"}
    assert body["region"] == "us-east"


def test_create_in_the_order_of_libcloud() -> None:
    """The location may come first and the name fourth or not at all; keywords work in any order."""
    with serve(lambda _: Answer(body=INSTANCE)) as web, on(web) as driver:
        size, image, location = size_of(driver), image_of(driver), location_of(driver, "eu-west")
        driver.create_node(location, size, image, "web", PASSWORD, [PUBLIC_KEY], ["me"], ["a"], True, True)
        driver.create_node(location, size, image)
        driver.create_node(location=location, size=size, image=image, name="web")
        driver.create_node("web", size, image, "eu-west")
    sent = bodies(web, "POST", INSTANCES)
    assert [body.get("label") for body in sent] == ["web", None, "web", "web"]
    assert {body["region"] for body in sent} == {"eu-west"}
    assert (sent[0]["root_pass"], sent[0]["authorized_keys"]) == (PASSWORD, [PUBLIC_KEY])
    assert (sent[0]["backups_enabled"], sent[0]["private_ip"]) == (True, True)


def test_generated_passwords() -> None:
    """A generated password is different each time, is long, and has characters of every kind."""
    with serve(Account()) as web, on(web) as driver:
        create(driver, "one", auth=NodeAuthSSHKey(f" {PUBLIC_KEY}\n"))
        create(driver, "two")
    one, two = (body["root_pass"] for body in bodies(web, "POST", INSTANCES))
    assert one != two
    for password in (one, two):
        assert 40 < len(password) <= 128
        assert {"a", "A", "1", "-"} <= set(password)
    assert bodies(web, "POST", INSTANCES)[0]["authorized_keys"] == [PUBLIC_KEY]


def test_a_node_without_an_image_has_no_password() -> None:
    """Without an image no login fields are sent, and passwords and keys are refused."""
    with serve(lambda _: Answer(body=INSTANCE)) as web, on(web) as driver:
        driver.create_node("web", size_of(driver), ex_create_attr={"backup_id": 7})
        assert bodies(web, "POST", INSTANCES)[0].keys() == {"label", "type", "region", "backup_id", "group"}
        before = len(web.seen)
        for options in ({"root_pass": PASSWORD}, {"ex_authorized_keys": [PUBLIC_KEY]}):
            with pytest.raises(InvalidArgumentError, match="image"):
                driver.create_node("web", size_of(driver), **options)
        assert len(web.seen) == before


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_error_shows_a_password(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A password that the provider's message repeats is not in any error, log or trace."""
    traces: list[Trace] = []
    remove = add_hook(traces.append)
    caplog.set_level(logging.DEBUG, "polycloud")

    def respond(seen: Seen) -> Answer:
        sent = json.loads(seen.body or b"{}")
        password = sent.get("root_pass", "")
        return refusal(status, ("root_pass", f"{password} does not meet the strength requirement"))

    with serve(respond) as web, on(web) as driver:
        with pytest.raises(PolycloudError) as caught:
            create(driver, auth=NodeAuthPassword(PASSWORD))
        with pytest.raises(PolycloudError) as other:
            driver.ex_reset_password(node_of(driver), PASSWORD, ex_wait=False)
    remove()
    for error in (caught.value, other.value):
        shown = f"{error!r} {error} {vars(error)} {error.args} {pickle.dumps(error)!r}"
        assert PASSWORD not in shown
    assert PASSWORD not in caplog.text
    assert traces
    assert not any(PASSWORD.encode() in (trace.body or b"") for trace in traces)
    assert PASSWORD not in repr(NodeAuthPassword(PASSWORD))


def test_a_create_leaves_no_marker() -> None:
    """A create costs two requests, and its marker is gone afterwards."""
    account = Account()
    with serve(account) as web, on(web) as driver:
        create(driver)
    assert [seen.method for seen in web.seen] == ["POST", "PUT"]
    assert account.instances[0]["group"] == ""


def test_a_marker_that_stays_does_no_harm() -> None:
    """A create succeeds if its marker cannot be removed, which is tried once; the marker is not shown."""

    def respond(seen: Seen) -> Answer:
        return refusal(503, (None, "out of order")) if seen.method == "PUT" else Answer(body=INSTANCE)

    with serve(respond) as web, on(web, retry=RetryPolicy(base=0.01)) as driver:
        assert create(driver).extra["group"] == ""
    assert [seen.method for seen in web.seen] == ["POST", "PUT"]


def test_an_interrupted_create_names_its_node() -> None:
    """Ctrl-C after the node was created is raised with a note that has the node's id."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "PUT":
            signal.raise_signal(signal.SIGINT)
        return Answer(body=INSTANCE)

    with serve(respond) as web, on(web) as driver, pytest.raises(KeyboardInterrupt) as caught:
        create(driver)
    assert "the Linode 'web' exists: id 123" in caught.value.__notes__[0]


@pytest.mark.parametrize("how", ["after", "late"])
def test_a_lost_response_makes_one_node(how: str) -> None:
    """A create whose response is lost, or is a 408, after the provider acted finds its one node."""
    account = Account(how)
    with serve(account) as web, on(web) as driver:
        node = create(driver)
    assert [one["id"] for one in account.instances] == [int(node.id)]
    assert len(bodies(web, "POST", INSTANCES)) == 1
    assert account.instances[0]["group"] == ""


def test_a_create_that_timed_out_at_the_provider() -> None:
    """A 408 to a create whose node is not found is an AmbiguousCreateError with the provider's message."""

    def respond(seen: Seen) -> Answer:
        return listed() if seen.method == "GET" else refusal(408, (None, "Please try again"))

    with serve(respond) as web, on(web) as driver:
        with pytest.raises(AmbiguousCreateError, match=r"Please try again.*HTTP 408"):
            create(driver)
    assert len(bodies(web, "POST", INSTANCES)) == 1


def test_a_lost_refusal_returns_no_namesake() -> None:
    """A create whose response is lost never returns another node of the same name."""
    account = Account()
    with serve(account) as web, on(web) as driver:
        create(driver)
        account.lose.append("before")
        with pytest.raises(AmbiguousCreateError, match=r"'web'.*the group 'polycloud-[0-9a-f]{12}'.*before"):
            create(driver)
    assert len(bodies(web, "POST", INSTANCES)) == 2


def test_a_node_without_the_marker_is_not_returned() -> None:
    """After a lost response only a node with the marker is returned, whatever the server lists."""

    def respond(seen: Seen) -> Answer:
        return listed(INSTANCE) if seen.method == "GET" else refusal(500, (None, "lost"))

    with serve(respond) as web, on(web) as driver, pytest.raises(AmbiguousCreateError):
        create(driver)


def test_names_are_unique() -> None:
    """A name that the account already has is a ConflictError, and no node is created under another name."""
    account = Account()
    with serve(account) as web, on(web) as driver:
        create(driver)
        with pytest.raises(LabelTakenError, match="label: Label must be unique") as caught:
            create(driver)
    assert isinstance(caught.value, ConflictError)
    assert len(account.instances) == 1


def test_one_key_makes_one_node() -> None:
    """A create with the key of an earlier one returns the earlier one's node, whatever its arguments are."""
    account = Account()
    with serve(account) as web, on(web) as driver:
        first = create(driver, "one", idempotency_key="once")
        assert create(driver, "two", idempotency_key="once").id == first.id
        assert create(driver, "two", idempotency_key="other").id != first.id
    assert len(account.instances) == 2
    assert all(one["group"].startswith("polycloud-") for one in account.instances)


def test_one_key_in_two_programs() -> None:
    """Of two creates at the same time the second returns the first's node if both have one key."""
    account = Account()
    hidden = {"requests": 2}  # the other program's node is not listed yet

    def respond(seen: Seen) -> Answer | None:
        if seen.method == "GET" and hidden["requests"]:
            hidden["requests"] -= 1
            return listed()
        return account(seen)

    with serve(respond) as web, on(web) as driver:
        hidden["requests"] = 0
        first = create(driver, idempotency_key="once")
        hidden["requests"] = 2
        assert create(driver, idempotency_key="once").id == first.id
        hidden["requests"] = 1
        with pytest.raises(LabelTakenError):
            create(driver, idempotency_key="another key")
    assert len(account.instances) == 1


def test_a_key_and_no_name() -> None:
    """A keyed create without a name has its marker as its name, so that a second one is refused."""
    account = Account()
    with serve(account) as web, on(web) as driver:
        one = driver.create_node(None, size_of(driver), image_of(driver), idempotency_key="once")
    assert one.name == account.instances[0]["group"]


def test_a_taken_name_that_is_not_listed() -> None:
    """A keyed create whose name belongs to a node that is never listed raises the provider's refusal."""

    def respond(seen: Seen) -> Answer:
        return listed() if seen.method == "GET" else refusal(400, ("label", "Label must be unique"))

    with serve(respond) as web, on(web) as driver, pytest.raises(LabelTakenError, match="unique"):
        create(driver, idempotency_key="once")


def test_a_create_that_cannot_connect() -> None:
    """A create that could not connect is not ambiguous."""
    with Hasty(TOKEN, host="127.0.0.1", port=1, secure=False, retry=ONCE, region="us-east") as nowhere:
        with pytest.raises(PolycloudError) as caught:
            create(nowhere)
    assert not isinstance(caught.value, AmbiguousCreateError)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 7}, "expected a NodeSize"),
        ({"image": 7}, "expected a NodeImage"),
        ({"location": 7}, "expected a NodeLocation"),
        ({"name": 7}, "name must be a str, got 7"),
        ({"ex_tags": 5}, "ex_tags must be a list"),
        ({"ex_authorized_keys": ["no key"]}, "not a public key"),
        ({"auth": NodeAuthSSHKey("no key")}, "not a public key"),
        ({"auth": NodeAuthPassword("")}, "must be a str that is not empty"),
        ({"auth": PASSWORD}, "must be a NodeAuthSSHKey or a NodeAuthPassword or None, got str"),
        ({"auth": NodeAuthPassword(PASSWORD), "root_pass": PASSWORD}, "not as both"),
        ({"root_pass": 7}, "root_pass must be a str or None, got int"),
        ({"user_data": b"#!"}, "user_data must be a str or None, got bytes"),
        ({"ex_create_attr": ["booted"]}, "must be a dict"),
        ({"ex_create_attr": {"group": "mine"}}, "tags="),
        ({"idempotency_key": 7}, "idempotency_key must be a str or None, got"),
    ],
)
def test_invalid_arguments(wrong: dict[str, Any], message: str) -> None:
    """Invalid arguments are refused before anything is sent, without showing a password."""
    with serve() as web, on(web) as driver:
        given = {"name": "web", "size": size_of(driver), "image": image_of(driver), **wrong}
        with pytest.raises(InvalidArgumentError, match=message) as caught:
            driver.create_node(**given)
    assert web.seen == []
    assert PASSWORD not in str(caught.value)


def test_invalid_passwords() -> None:
    """An invalid password is refused before it is sent; one in `ex_create_attr` is left to the provider."""
    wrong: Any = 7777
    with serve(lambda _: refusal(400, ("root_pass", "no"))) as web, on(web) as driver:
        for password in (wrong, ""):
            with pytest.raises(InvalidArgumentError, match="must be a str") as caught:
                driver.ex_reset_password(node_of(driver), password)
            assert "7777" not in str(caught.value)
        assert web.seen == []
        with pytest.raises(ProviderHTTPError):
            create(driver, ex_create_attr={"root_pass": 7})


def test_a_region_is_needed() -> None:
    """A node and a volume without a location are refused if the driver has no region."""
    with serve() as web, on(web, region=None) as driver:
        for call in (create, lambda driver: driver.create_volume(20, "data")):
            with pytest.raises(InvalidArgumentError, match="region="):
                call(driver)
    assert web.seen == []


def test_invalid_ids_and_filters() -> None:
    """Ids that are not numbers, objects that are not nodes and filters that are not JSON are not sent."""
    wrong: Any = 7
    with serve() as web, on(web) as driver:
        for call in (driver.get_node, lambda id_: driver.destroy_node(node_of(driver, id_))):
            for id_ in ("no-number", "\u0663", "1/boot"):
                with pytest.raises(InvalidArgumentError, match="must be a number"):
                    call(id_)
        with pytest.raises(InvalidArgumentError, match="node must be a Node, got 7"):
            driver.reboot_node(wrong)
        with pytest.raises(InvalidArgumentError, match="ex_filter must be encodable as JSON"):
            driver.list_nodes(ex_filter={"tags": object()})
        with pytest.raises(InvalidArgumentError, match="cannot be a path segment"):
            driver.get_image("..")
    assert web.seen == []


# Actions


BUSY = refusal(400, (None, "Linode busy."))


def test_actions_return_when_accepted() -> None:
    """The base's actions are one request each and return True at once."""
    with serve(lambda _: Answer(body={})) as web, on(web) as driver:
        node = node_of(driver)
        for action in (node.reboot, node.shutdown, node.start, node.stop_node, node.destroy):
            assert action() is True
    sent = [(seen.method, seen.path.removeprefix(f"{INSTANCES}/1")) for seen in web.seen]
    verbs = ("reboot", "shutdown", "boot", "shutdown")
    assert sent == [*(("POST", f"/{verb}") for verb in verbs), ("DELETE", "")]


def test_a_busy_node_is_waited_for() -> None:
    """A request that a busy node refuses is repeated until it is accepted."""
    answers = iter([BUSY, BUSY])
    with serve(lambda _: next(answers, Answer(body={}))) as web, on(web) as driver:
        driver.busy_time = 5.0  # type: ignore[misc] # of this driver only
        assert driver.reboot_node(node_of(driver))
    assert len(web.seen) == 3


def test_a_busy_node_and_a_deadline() -> None:
    """The wait for a busy node ends with the call's deadline."""
    with serve(lambda _: BUSY) as web, on(web) as driver:
        driver.busy_time = 60.0  # type: ignore[misc] # of this driver only
        with call_options(deadline=0.2), pytest.raises(PolycloudError, match=r"(?i)deadline|time"):
            driver.reboot_node(node_of(driver))


def test_a_node_that_stays_busy() -> None:
    """A node that stays busy is a LinodeBusyError, a ConflictError, with the provider's message."""
    with serve(lambda _: BUSY) as web, on(web) as driver:
        for act in (driver.reboot_node, driver.destroy_node, driver.ex_enable_backups):
            with pytest.raises(LinodeBusyError, match="Linode busy"):
                act(node_of(driver))
    assert issubclass(LinodeBusyError, ConflictError)


class Events:
    """A provider whose operations make an event with these statuses, one for each request."""

    def __init__(self, action: str, *statuses: str, message: str | None = None) -> None:
        self.action, self.statuses, self.message = action, list(statuses), message
        self.begun = False

    def __call__(self, seen: Seen) -> Answer:
        if seen.path != "/v4/account/events":
            self.begun = seen.method != "GET" or self.begun
            return Answer(body={**INSTANCE, "size": 20, "status": "ready"})
        entity = {"id": 1, "type": "disks"}
        old = {"id": 5, "action": self.action, "status": "finished", "entity": entity}
        others = [
            {"id": 6, "action": self.action, "status": "failed", "entity": {"id": 2, "type": "linode"}},
            {"id": 8, "action": "linode_addip", "status": "failed", "entity": entity},
            {"id": 9, "action": self.action, "status": "finished"},
        ]
        if not self.begun:
            return listed(old)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        new = {**old, "id": 10, "status": status, "message": self.message}
        return listed(new, *others, old)


DISK = LinodeDisk("3", StorageVolumeState.AVAILABLE, "root", "ext4")
AWAITED: dict[str, tuple[str, Callable[..., Any]]] = {
    "ex_start_node": ("linode_boot", lambda driver, **wait: driver.ex_start_node(node_of(driver), **wait)),
    "ex_stop_node": ("linode_shutdown", lambda driver, **wait: driver.ex_stop_node(node_of(driver), **wait)),
    "ex_reboot_node": (
        "linode_reboot",
        lambda driver, **wait: driver.ex_reboot_node(node_of(driver), **wait),
    ),
    "ex_resize_node": (
        "linode_resize",
        lambda driver, **wait: driver.ex_resize_node(node_of(driver), size_of(driver), **wait),
    ),
    "ex_rebuild_node": (
        "linode_rebuild",
        lambda driver, **wait: driver.ex_rebuild_node(node_of(driver), **wait),
    ),
    "ex_clone_node": ("linode_clone", lambda driver, **wait: driver.ex_clone_node(node_of(driver), **wait)),
    "ex_migrate_node": (
        "linode_migrate_datacenter",
        lambda driver, **wait: driver.ex_migrate_node(node_of(driver), location_of(driver), **wait),
    ),
    "ex_reset_password": (
        "password_reset",
        lambda driver, **wait: driver.ex_reset_password(node_of(driver), PASSWORD, **wait),
    ),
    "ex_create_disk": (
        "disk_create",
        lambda driver, **wait: driver.ex_create_disk(512, "more", node_of(driver), **wait),
    ),
    "ex_destroy_disk": (
        "disk_delete",
        lambda driver, **wait: driver.ex_destroy_disk(node_of(driver), DISK, **wait),
    ),
    "ex_create_backup": (
        "linode_snapshot",
        lambda driver, **wait: driver.ex_create_backup(node_of(driver), "now", **wait),
    ),
    "ex_restore_backup": (
        "backups_restore",
        lambda driver, **wait: driver.ex_restore_backup(node_of(driver), LinodeBackup(id=7), **wait),
    ),
}


@pytest.mark.parametrize("name", AWAITED)
def test_operations_are_awaited(name: str) -> None:
    """An operation returns when its own event has ended, whatever other events there are."""
    action, call = AWAITED[name]
    events = Events(action, "scheduled", "started", "finished")
    with serve(events) as web, on(web) as driver:
        assert call(driver)
    assert events.statuses == ["finished"]


@pytest.mark.parametrize("name", AWAITED)
def test_operations_that_fail_or_take_too_long(name: str) -> None:
    """A failed operation is a ProviderError with the event's message, an endless one a timeout."""
    action, call = AWAITED[name]
    with serve(Events(action, "failed", message="no luck")) as web, on(web) as driver:
        with pytest.raises(ProviderError, match=rf"{action} of Linode 1 \(event 10\) failed: no luck"):
            call(driver)
    with serve(Events(action, "started")) as web, on(web) as driver:
        with pytest.raises(OperationTimeoutError, match=f"{action} of Linode 1 to end"):
            call(driver, ex_timeout=0.1)


def test_waiting_is_optional() -> None:
    """With `ex_wait=False` an operation is one request."""
    with serve(Events("linode_boot", "started")) as web, on(web) as driver:
        assert driver.ex_start_node(node_of(driver), ex_wait=False)
    assert [seen.method for seen in web.seen] == ["POST"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_events_that_may_not_be_read(status: int) -> None:
    """With a token that may not read events an operation returns at once."""

    def respond(seen: Seen) -> Answer:
        if seen.path == "/v4/account/events":
            return refusal(status, (None, "Your OAuth token is not authorized to use this endpoint."))
        return Answer(body={})

    with serve(respond) as web, on(web) as driver:
        assert driver.ex_reboot_node(node_of(driver))
    assert [seen.method for seen in web.seen] == ["GET", "POST"]


def test_events_that_fail() -> None:
    """If events fail to be read, the error is raised before the operation is sent."""
    with serve(lambda _: refusal(500, (None, "out of order"))) as web, on(web) as driver:
        with pytest.raises(ServerError, match="out of order"):
            driver.ex_reboot_node(node_of(driver))
    assert [seen.method for seen in web.seen] == ["GET"]


def test_a_rebuild_needs_an_image() -> None:
    """A rebuild uses the node's own image, the key and a random password; without an image it is refused."""
    with serve(Events("linode_rebuild", "finished")) as web, on(web) as driver:
        assert driver.ex_rebuild_node(node_of(driver), auth=NodeAuthSSHKey(PUBLIC_KEY))
        (body,) = bodies(web, "POST", f"{INSTANCES}/1/rebuild")
        assert (body["image"], body["authorized_keys"]) == ("linode/debian12", [PUBLIC_KEY])
        assert len(body["root_pass"]) > 40
        with pytest.raises(InvalidArgumentError, match="has no image; pass one"):
            driver.ex_rebuild_node(Node("1", "web", NodeState.RUNNING, [], [], driver))


def test_a_scheduled_migration() -> None:
    """A migration without a location sends no region, which starts the scheduled one."""
    with serve(Events("linode_migrate", "finished")) as web, on(web) as driver:
        assert driver.ex_migrate_node(node_of(driver))
    assert [seen.body for seen in web.seen if seen.method == "POST"] == [b""]


def test_a_rescue() -> None:
    """A node is rescued with its own disks, or with the given disks and volumes in order, seven at most."""
    listed_disks = listed({"id": 3, "size": 9}, {"id": 4, "filesystem": "swap"})
    with serve(lambda seen: listed_disks if seen.method == "GET" else Answer(body={})) as web:
        with on(web) as driver:
            assert driver.ex_rescue_node(node_of(driver))
            assert driver.ex_rescue_node(node_of(driver), [volume_of(driver), DISK])
            with pytest.raises(InvalidArgumentError, match="at most 7 disks are possible, got 8"):
                driver.ex_rescue_node(node_of(driver), [DISK] * 8)
    assert bodies(web, "POST", f"{INSTANCES}/1/rescue") == [
        {"devices": {"sda": {"disk_id": 3}, "sdb": {"disk_id": 4}}},
        {"devices": {"sda": {"volume_id": 1}, "sdb": {"disk_id": 3}}},
    ]


def test_the_events_of_a_node() -> None:
    """Events are typed, and filtered by node and `ex_filter`."""
    event = {
        "id": 7,
        "action": "linode_boot",
        "status": "finished",
        "entity": {"id": 1, "type": "linode", "label": "web", "url": "/v4/linode/instances/1"},
        "percent_complete": 100,
    }
    with serve(lambda _: listed(event)) as web, on(web) as driver:
        (listed_event,) = driver.ex_list_events(node_of(driver), ex_filter={"action": "linode_boot"})
    assert listed_event == LinodeEvent(
        id=7,
        action="linode_boot",
        status="finished",
        entity=Entity(id=1, type="linode", label="web"),
        percent_complete=100,
    )
    only = {"entity.id": 1, "action": "linode_boot"}
    assert json.loads(web.seen[0].headers["X-Filter"]) == only


# Sizes, images, locations, keys


def test_sizes_have_the_prices_of_their_region() -> None:
    """A size has its disk in GB and its region's price, else the default price; the cheapest is first."""
    others: list[dict[str, Any]] = [
        {**TYPE, "id": "g6-nanode-1", "price": {"hourly": 0.0075}, "region_prices": []},
        {"id": "free", "memory": 1, "disk": 0},
    ]
    answer = listed(TYPE, *others)
    sizes = result_of(answer, lambda driver: driver.list_sizes())
    assert [(one.id, one.price) for one in sizes] == [
        ("g6-nanode-1", 0.0075),
        ("g6-standard-2", 0.03),
        ("free", None),
    ]
    size = sizes[1]
    assert (size.name, size.ram, size.disk, size.bandwidth) == ("Linode 4GB", 4096, 80, 4000)
    names = ("addons", "class", "gpus", "monthly_price", "transfer", "vcpus")
    values = (TYPE["addons"], "standard", 0, 20, 4000, 2)
    assert tuple(size.extra[name] for name in names) == values
    with serve(lambda _: answer) as web, on(web, region="br-gru") as driver:
        prices = [(one.price, one.extra["monthly_price"]) for one in driver.list_sizes()]
    assert prices == [(0.0075, None), (0.036, 24), (None, None)]


def test_one_size() -> None:
    """A size is fetched by its id by one request, with the price of the driver's region."""
    with serve(lambda _: Answer(body=TYPE)) as web, on(web, region="br-gru") as driver:
        size = driver.ex_get_size("g6/x")
    assert (size.id, size.price) == (TYPE["id"], 0.036)
    assert [seen.path for seen in web.seen] == ["/v4/linode/types/g6%2Fx"]


def test_sizes_that_are_unavailable_in_a_region() -> None:
    """Sizes that are unavailable in a location are left out, and the others have its prices."""

    def respond(seen: Seen) -> Answer:
        if seen.path == "/v4/linode/types":
            return listed(TYPE, {**TYPE, "id": "g1-gpu"}, {**TYPE, "id": "g7-premium-2"})
        unavailable = {"plan": "g1-gpu", "region": "br-gru", "available": False}
        available = {"plan": "g7-premium-2", "region": "br-gru", "available": True}
        elsewhere = {"plan": "g6-standard-2", "region": "us-east", "available": False}
        return listed(unavailable, available, elsewhere)

    with serve(respond) as web, on(web) as driver:
        sizes = driver.list_sizes(location_of(driver, "br-gru"))
        assert [(one.id, one.price) for one in sizes] == [("g6-standard-2", 0.036), ("g7-premium-2", 0.036)]
        assert len(driver.list_sizes()) == 3
    assert json.loads(web.seen[0].headers["X-Filter"]) == {"region": "br-gru"}


def test_a_server_without_availability() -> None:
    """If a server does not report availability, no size is left out."""

    def respond(seen: Seen) -> Answer:
        return listed(TYPE) if seen.path == "/v4/linode/types" else refusal(404, (None, "Not found"))

    with serve(respond) as web, on(web) as driver:
        assert [size.id for size in driver.list_sizes(location_of(driver))] == [TYPE["id"]]


def test_images() -> None:
    """Images have Libcloud's keys, and their ids' slash is not quoted in paths."""
    payload = {"id": "linode/debian11", "label": "Debian 11", "vendor": "Debian", "is_public": True}
    with serve(lambda _: Answer(body={**payload, "data": [payload], "pages": 1})) as web, on(web) as driver:
        (image,) = driver.list_images()
        assert (image.id, image.name, image.extra["vendor"]) == ("linode/debian11", "Debian 11", "Debian")
        assert (image.extra["eol"], image.extra["created_by"]) == (None, None)
        assert driver.get_image("linode/debian11").id == image.id
        assert driver.delete_image(NodeImage("private/7", "", driver))
    assert [seen.path for seen in web.seen[1:]] == ["/v4/images/linode/debian11", "/v4/images/private/7"]


def imaging(seen: Seen) -> Answer:
    """A provider whose images never become available, with a node of three disks."""
    if (seen.method, seen.path) == ("GET", "/v4/images"):
        return listed()
    if seen.path.endswith("/disks"):
        return listed(
            {"id": 1, "label": "swap", "filesystem": "swap", "size": 9000},
            {"id": 2, "label": "root", "filesystem": "ext4", "size": 8000},
            {"id": 3, "label": "small", "filesystem": "ext4", "size": 10},
        )
    return Answer(body={"id": "private/7", "label": "mine", "status": "creating"})


def test_an_image_of_a_node_is_of_its_biggest_disk() -> None:
    """An image is created from a disk or a node's biggest, swap apart, and awaited for `ex_timeout`."""
    with serve(imaging) as web, on(web) as driver:
        image = driver.create_image(node_of(driver), "mine", "for us", ex_wait=False)
        assert (image.id, image.extra["status"]) == ("private/7", "creating")
        driver.create_image(DISK, ex_wait=False)
        with pytest.raises(OperationTimeoutError, match="available"):
            driver.create_image(DISK, "mine", ex_timeout=0.1)
    first, second, _ = bodies(web, "POST", "/v4/images")
    assert first == {"disk_id": 2, "label": "mine", "description": "for us"}
    assert second == {"disk_id": 3}


def test_a_node_without_disks_has_no_image() -> None:
    """An image of a node without disks is refused."""
    with pytest.raises(InvalidArgumentError, match="has no disk"):
        result_of(listed(), lambda driver: driver.create_image(node_of(driver), "mine"))


def test_locations() -> None:
    """Regions have their countries and Libcloud's keys."""
    regions: list[dict[str, Any]] = [
        {
            "id": "us-east",
            "label": "Newark, NJ",
            "country": "us",
            "status": "ok",
            "capabilities": ["Linodes"],
        },
        {"id": "mars"},
    ]
    locations = result_of(listed(*regions), lambda driver: driver.list_locations())
    assert [(location.id, location.name, location.country) for location in locations] == [
        ("us-east", "Newark, NJ", "US"),
        ("mars", "mars", ""),
    ]
    assert locations[0].extra == {**regions[0], "resolvers": None}


def test_key_pairs() -> None:
    """Keys have fingerprints, may share names, are validated or generated, and deleted by id or name."""
    payload = [{"id": id_, "label": "mine", "ssh_key": PUBLIC_KEY, "created": "2018"} for id_ in (4, 5)]
    with serve(lambda _: Answer(body={**payload[0], "data": payload, "pages": 1})) as web, on(web) as driver:
        one, other = driver.list_key_pairs()
        assert (one.name, one.public_key, one.extra) == ("mine", PUBLIC_KEY, {"id": 4, "created": "2018"})
        assert (one.fingerprint or "").count(":") == 15
        assert driver.create_key_pair("mine", f"{PUBLIC_KEY}\n").public_key == PUBLIC_KEY
        made = driver.create_key_pair("made")
        assert made.private_key
        assert driver.delete_key_pair(other)
        assert driver.delete_key_pair(KeyPair("mine", None, None, driver))
        with pytest.raises(InvalidArgumentError, match="not a public key"):
            driver.import_key_pair_from_string("mine", "no key")
    assert bodies(web, "POST", "/v4/profile/sshkeys")[0] == {"label": "mine", "ssh_key": PUBLIC_KEY}
    deleted = [seen.path for seen in web.seen if seen.method == "DELETE"]
    assert deleted == ["/v4/profile/sshkeys/5", "/v4/profile/sshkeys/4"]


# Volumes


VOLUME: dict[str, Any] = {
    "created": "2018-01-01T00:01:01",
    "filesystem_path": "/dev/disk/by-id/scsi-0Linode_Volume_data",
    "id": 12345,
    "label": "data",
    "linode_id": None,
    "linode_label": None,
    "region": "us-east",
    "size": 30,
    "status": "active",
    "tags": ["example tag"],
}


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "available"),
        ({"linode_id": 123}, "inuse"),
        ({"status": "creating"}, "creating"),
        ({"status": "resizing", "linode_id": 123}, "updating"),
        ({"status": "melting"}, "unknown"),
    ],
)
def test_volumes_from_payloads(fields: dict[str, Any], state: str) -> None:
    """A volume's state comes from its status and its node; its `extra` has Libcloud's keys."""
    (volume,) = result_of(listed({**VOLUME, **fields}), lambda driver: driver.list_volumes())
    assert (volume.id, volume.name, volume.size) == ("12345", "data", 30)
    assert volume.state == StorageVolumeState(state)
    payload = {**VOLUME, **fields}
    assert volume.extra == {**payload, "location": "us-east", "state": payload["status"]}


def volumes(seen: Seen) -> Answer:
    """A provider without volumes, whose response to everything but their list is a volume."""
    is_list = (seen.method, seen.path) == ("GET", "/v4/volumes")
    return listed() if is_list else Answer(body=VOLUME)


def test_volumes_are_created_in_both_orders() -> None:
    """The size may come before the name or after it, a node may come fourth, and snapshots are refused."""
    with serve(volumes) as web, on(web) as driver:
        other: Any = ("data", 30, location_of(driver, "eu-west"))
        driver.create_volume(30, "data", tags="one")
        driver.create_volume(*other)
        other = ("data", 30, None, node_of(driver))
        driver.create_volume(*other)
        driver.create_volume(name="data", size=30, node=node_of(driver))
        with pytest.raises(UnsupportedOperationError, match="snapshots"):
            driver.create_volume(30, "data", snapshot=VolumeSnapshot("1", driver))
    common = {"size": 30, "label": "data"}
    assert bodies(web, "POST", "/v4/volumes") == [
        {**common, "region": "us-east", "tags": ["one"]},
        {**common, "region": "eu-west"},
        {**common, "linode_id": 1},
        {**common, "linode_id": 1},
    ]


def test_operations_of_a_volume() -> None:
    """A volume is attached, detached, resized, cloned and destroyed by the documented requests."""
    with serve(volumes) as web, on(web) as driver:
        volume = volume_of(driver)
        assert volume.attach(node_of(driver))
        assert driver.attach_volume(node_of(driver), volume, persist_across_boots=False)
        third: Any = False
        assert driver.attach_volume(node_of(driver), volume, third)
        assert volume.detach()
        assert driver.ex_resize_volume(volume, 40)
        assert driver.ex_clone_volume(volume, "copy").id == "12345"
        assert driver.ex_clone_volume(volume, "copy", ex_wait=False).id == "12345"
        assert volume.destroy()
    assert bodies(web, "POST", "/v4/volumes/1/attach") == [
        {"linode_id": 1, "persist_across_boots": True},
        {"linode_id": 1, "persist_across_boots": False},
        {"linode_id": 1, "persist_across_boots": False},
    ]
    sent = [f"{seen.method} {seen.path.removeprefix('/v4/volumes').strip('/')}" for seen in web.seen[3:]]
    clone = ["GET ", "POST 1/clone"]
    assert sent == [
        *("POST 1/detach", "POST 1/resize", "GET 1", *clone, "GET 12345", "GET 12345", *clone, "DELETE 1"),
    ]


# Disks, backups, tags, addresses


def test_disks() -> None:
    """A disk from an image has a password; other disks refuse one, and read-only disks are refused."""
    payload = {"id": 25674, "label": "Debian", "status": "ready", "size": 48640, "filesystem": "ext4"}
    with serve(lambda _: Answer(body={**payload, "data": [payload], "pages": 1})) as web, on(web) as driver:
        node = node_of(driver)
        (disk,) = driver.ex_list_disks(node)
        assert disk == LinodeDisk("25674", StorageVolumeState.AVAILABLE, "Debian", "ext4", size=48640)
        assert (disk.extra, disk.driver) == (payload, driver)
        driver.ex_create_disk(1024, "swap", node, "swap", ex_wait=False)
        driver.ex_create_disk(
            4096, "root", node, image=image_of(driver), ex_authorized_keys=[PUBLIC_KEY], ex_wait=False
        )
        with pytest.raises(InvalidArgumentError, match="image"):
            driver.ex_create_disk(1024, "swap", node, "swap", ex_root_pass=PASSWORD)
        with pytest.raises(UnsupportedOperationError, match="read-only"):
            driver.ex_create_disk(1024, "swap", node, "swap", ex_read_only=True)
        assert driver.ex_resize_disk(node, disk, 9000, ex_wait=False)
        assert driver.ex_destroy_disk(node, disk, ex_wait=False)
    plain, imaged = bodies(web, "POST", f"{INSTANCES}/1/disks")
    assert plain == {"size": 1024, "label": "swap", "filesystem": "swap"}
    assert imaged.keys() == {"size", "label", "image", "root_pass", "authorized_keys"}
    assert bodies(web, "POST", f"{INSTANCES}/1/disks/25674/resize") == [{"size": 9000}]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("ready", StorageVolumeState.AVAILABLE),
        ("not ready", StorageVolumeState.CREATING),
        ("deleting", StorageVolumeState.DELETING),
        ("melting", StorageVolumeState.UNKNOWN),
        (None, StorageVolumeState.UNKNOWN),
    ],
)
def test_states_of_disks(status: str | None, state: StorageVolumeState) -> None:
    """A disk's state is Libcloud's; the provider's status is in its `extra`."""
    payload = {"id": 1, "label": None, "status": status, "size": None, "filesystem": None}
    (disk,) = result_of(listed(payload), lambda driver: driver.ex_list_disks(node_of(driver)))
    assert (disk.state, disk.extra["status"]) == (state, status)


def test_configurations() -> None:
    """A configuration has disks as devices in order, eight at most, and a node can be started with it."""
    payload = {
        "id": 7,
        "label": "mine",
        "kernel": "linode/grub2",
        "devices": {"sda": {"disk_id": 3}, "sdb": None},
    }
    with serve(lambda _: Answer(body={**payload, "data": [payload], "pages": 1})) as web, on(web) as driver:
        node = node_of(driver)
        other = LinodeDisk("4", StorageVolumeState.AVAILABLE, "swap", "swap")
        config = driver.ex_create_config(node, "mine", [DISK, other], kernel="linode/grub2")
        assert driver.ex_list_configs(node) == [config]
        assert driver.ex_start_node(node, config=config, ex_wait=False)
        assert driver.ex_destroy_config(node, config)
        with pytest.raises(InvalidArgumentError, match="at most 8 disks are possible, got 9"):
            driver.ex_create_config(node, "mine", [DISK] * 9)
    assert bodies(web, "POST", f"{INSTANCES}/1/configs") == [
        {
            "label": "mine",
            "kernel": "linode/grub2",
            "devices": {"sda": {"disk_id": 3}, "sdb": {"disk_id": 4}},
        }
    ]
    assert bodies(web, "POST", f"{INSTANCES}/1/boot") == [{"config_id": 7}]


def test_backups() -> None:
    """The backups of a node are its automatic ones and its snapshots, and are restored to any node."""
    one = {"id": 1, "label": None, "status": "successful", "type": "auto", "available": True}
    payload = {"automatic": [one], "snapshot": {"current": {**one, "id": 2}, "in_progress": None}, "id": 3}
    with serve(lambda _: Answer(body=payload)) as web, on(web) as driver:
        node = node_of(driver)
        assert [backup.id for backup in driver.ex_list_backups(node)] == [1, 2]
        assert driver.ex_create_backup(node, "now", ex_wait=False).id == 3
        backup = LinodeBackup(id=2)
        assert driver.ex_restore_backup(node, backup, node_of(driver, "9"), overwrite=True, ex_wait=False)
        assert driver.ex_enable_backups(node)
        assert driver.ex_disable_backups(node)
    assert bodies(web, "POST", f"{INSTANCES}/1/backups/2/restore") == [{"linode_id": 9, "overwrite": True}]
    assert [seen.path.rpartition("/")[2] for seen in web.seen[-2:]] == ["enable", "cancel"]


def test_a_node_without_backups() -> None:
    """A node without any backup has an empty list of backups."""
    answer = Answer(body={"automatic": [], "snapshot": None})
    assert result_of(answer, lambda driver: driver.ex_list_backups(node_of(driver))) == []


def test_tags() -> None:
    """Tags are created, added beside others, removed and deleted; a change without effect is not sent."""
    with serve(lambda _: Answer(body={**INSTANCE, "data": [{"label": "web"}], "pages": 1})) as web:
        with on(web) as driver:
            node = node_of(driver)
            assert driver.ex_list_tags() == ["web"]
            assert driver.ex_create_tag("env", [node])
            assert driver.ex_tag_node(node, "env")
            assert driver.ex_untag_node(node, "example tag")
            assert driver.ex_tag_node(node, "example tag") is True
            assert driver.ex_untag_node(node, "env") is True
            assert driver.ex_delete_tag("a b/c")
    assert bodies(web, "POST", "/v4/tags") == [{"label": "env", "linodes": [1]}]
    assert bodies(web, "PUT", f"{INSTANCES}/1") == [{"tags": ["example tag", "env"]}, {"tags": []}]
    assert web.seen[-1].path == "/v4/tags/a%20b%2Fc"


def test_the_addresses_of_a_node() -> None:
    """The addresses of a node are listed once each, with Libcloud's attributes, without ranges."""
    first = {"address": "97.107.143.141", "public": True, "type": "ipv4", "linode_id": 1, "rdns": "a.example"}
    private = {"address": "192.168.133.234", "public": False, "type": "ipv4", "linode_id": 1}
    slaac = {"address": "2600:3c03::1", "public": True, "type": "ipv6", "linode_id": 1}
    vpc = [
        {"address": "10.0.0.2", "address_range": None, "linode_id": 1, "vpc_id": 7654, "active": True},
        {"address": None, "address_range": "10.0.0.64/26", "linode_id": 1, "vpc_id": 7654},
    ]
    payload = {
        "ipv4": {"public": [first], "private": [private], "shared": [], "reserved": [first], "vpc": vpc},
        "ipv6": {"slaac": slaac, "link_local": None, "global": []},
    }
    addresses = result_of(Answer(body=payload), lambda driver: driver.ex_list_node_addresses(node_of(driver)))
    assert [(one.inet, one.public, one.version, one.node_id) for one in addresses] == [
        ("97.107.143.141", True, "ipv4", "1"),
        ("192.168.133.234", False, "ipv4", "1"),
        ("10.0.0.2", False, "ipv4", "1"),
        ("2600:3c03::1", True, "ipv6", "1"),
    ]
    assert addresses[0].extra == first


def test_operations_of_addresses() -> None:
    """Addresses are listed, allocated, shared and removed; only IPv4 is allocated."""
    payload = {"address": "192.168.1.1", "public": False, "type": "ipv4", "linode_id": None}
    with serve(lambda _: Answer(body={**payload, "data": [payload], "pages": 1})) as web, on(web) as driver:
        node = node_of(driver)
        (address,) = driver.ex_list_addresses(ex_filter={"region": "us-east"})
        assert (address.inet, address.node_id) == ("192.168.1.1", None)
        assert driver.ex_allocate_private_address(node) == address
        assert driver.ex_allocate_public_address(node) == address
        assert driver.ex_share_address(node, [address, "192.0.2.1"])
        assert driver.ex_destroy_address(node, address)
        with pytest.raises(UnsupportedOperationError, match="must be 'ipv4', got 'ipv6'"):
            driver.ex_allocate_private_address(node, "ipv6")
    assert bodies(web, "POST", f"{INSTANCES}/1/ips") == [
        {"type": "ipv4", "public": False},
        {"type": "ipv4", "public": True},
    ]
    assert bodies(web, "POST", "/v4/networking/ips/share") == [
        {"linode_id": 1, "ips": ["192.168.1.1", "192.0.2.1"]}
    ]
    assert web.seen[-1].path == f"{INSTANCES}/1/ips/192.168.1.1"


# Errors


@pytest.mark.parametrize(
    ("status", "field", "reason", "kind"),
    [
        (401, None, "Invalid Token", InvalidCredsError),
        (401, None, "Your OAuth token is not authorized to use this endpoint.", InvalidCredsError),
        (403, None, "Unauthorized", ProviderHTTPError),
        (404, None, "Not found", NotFoundError),
        (400, "label", "Label must be unique among your linodes", LabelTakenError),
        (400, "label", "Must be unique", LabelTakenError),
        (400, "label", "Label already in use", LabelTakenError),
        (400, "label", "Label must begin and end with a letter or number", InvalidNameError),
        (400, "label", "Length must be 3-64 characters", InvalidNameError),
        (400, None, "Linode busy.", LinodeBusyError),
        (400, None, "Account Limit reached. Please open a support ticket.", QuotaExceededError),
        (400, None, "You have reached the maximum number of volumes", QuotaExceededError),
        (400, "linode_id", "Linode has reached its maximum number of attached volumes", QuotaExceededError),
        (400, "image", "image is not valid", ImageUnavailableError),
        (400, "type", "The selected plan is not available in this region", UnavailableError),
        (400, "region", "Plan unavailable in region", UnavailableError),
        (400, "type", "A plan type by that ID was not found", ProviderHTTPError),
        (400, None, "Linode 7 already booted.", ConflictError),
        (400, None, "Volume 7 is attached to a Linode", ConflictError),
        (400, "root_pass", "Password does not meet strength requirement", ProviderHTTPError),
        (400, "tags[0]", "Tag 'x' must be between 3 and 50 characters", ProviderHTTPError),
        (408, None, "Please try again", ProviderHTTPError),
        (429, None, "Too many requests", RateLimitReachedError),
        (500, None, "Internal error", ServerError),
        (400, None, "You've reached a limit for the number of active services.", QuotaExceededError),
        (400, None, "No open slots for this plan!", UnavailableError),
    ],
)
def test_refusals(status: int, field: str | None, reason: str, kind: type[Exception]) -> None:
    """Each kind of refusal is an error of its own with the provider's message and the field's name."""
    with pytest.raises(kind) as caught:
        result_of(refusal(status, (field, reason)), lambda driver: driver.ex_enable_backups(node_of(driver)))
    assert type(caught.value) is kind
    assert (f"{field}: {reason}" if field else reason) in str(caught.value)


def test_every_reason_is_shown() -> None:
    """A refusal of several fields has each with its reason."""
    answer = refusal(400, ("region", "region is required"), (None, "and more"), ("type", "type is required"))
    with pytest.raises(ProviderHTTPError, match="region: region is required; and more; type: type is requ"):
        result_of(answer, create)


@pytest.mark.parametrize("body", [{"errors": "x"}, {"errors": []}, {}, b"out of order", b"\xff", [1]])
def test_malformed_refusals(body: Any) -> None:
    """An error response that is not as documented is the error of its status."""
    with pytest.raises(ProviderHTTPError) as caught:
        result_of(Answer(400, body), lambda driver: driver.list_nodes())
    assert caught.value.code == 400


def test_the_rate_limit() -> None:
    """If the response is lost after the provider acted, a create finds its node and creates no second one."""
    soon = str(int(time.time()) + 1000)
    cases = [
        ({"Retry_After": "7", "X_RateLimit_Reset": soon}, 7, 7),
        ({"X_RateLimit_Limit": "800", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": soon}, 900, 1000),
        ({}, 0, 0),
    ]
    for headers, least, most in cases:
        with pytest.raises(RateLimitReachedError, match="Too many requests") as caught:
            result_of(
                refusal(429, (None, "Too many requests"), **headers), lambda driver: driver.list_nodes()
            )
        assert least <= caught.value.retry_after <= most


def test_errors_do_not_show_the_token() -> None:
    """A token that the provider's message repeats is not shown."""
    with pytest.raises(InvalidCredsError) as caught:
        result_of(refusal(401, (None, f"Invalid token {TOKEN}")), lambda driver: driver.list_nodes())
    assert TOKEN not in str(caught.value)


# On the sandbox

QUICK: dict[str, Any] = {"build": 0.05, "boot": 0.05, "power": 0.05, "copy": 0.05, "attach": 0.05}


@pytest.fixture(scope="module")
def module_cloud() -> Iterator[Sandbox]:
    with Sandbox("linode", ssh="off", **QUICK) as cloud:
        yield cloud


@pytest.fixture
def cloud(module_cloud: Sandbox) -> Sandbox:
    """A Linode that is quick and empty."""
    module_cloud.reset()
    return module_cloud


def driver_of(cloud: Sandbox) -> LinodeNodeDriver:
    retry = RetryPolicy(base=0.01, cap=0.02)
    return Driver(cloud.credentials[0], region="us-east", retry=retry, **cloud.options)


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[LinodeNodeDriver]:
    with driver_of(cloud) as driver:
        yield driver


@pytest.fixture
def node(driver: LinodeNodeDriver) -> Node:
    ((running, _),) = driver.wait_until_running([create(driver, ex_private_ip=True, tags=["env"])])
    return running


def test_a_node_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """A node has addresses of both kinds, its tags and no marker, and is found by filters."""
    assert len(node.private_ips) == 1
    assert {":" in address for address in node.public_ips} == {False, True}
    assert (node.extra["tags"], node.extra["group"], node.extra["location"]) == (["env"], "", "us-east")
    assert [one.id for one in driver.list_nodes(ex_filter={"tags": "env"})] == [node.id]
    assert driver.list_nodes(ex_filter={"tags": "other"}) == []


def test_taken_names_are_refused(driver: LinodeNodeDriver, node: Node) -> None:
    """A name that is taken is refused by creates and renames; another one is accepted."""
    other = create(driver, "other")
    for call in (create, lambda driver: driver.ex_rename_node(other, "web")):
        with pytest.raises(LabelTakenError):
            call(driver)
    assert driver.ex_rename_node(other, "renamed").name == "renamed"
    assert sorted(one.name or "" for one in driver.list_nodes()) == ["renamed", "web"]


@pytest.mark.parametrize("fault", ["reset after", "truncate"])
def test_a_lost_response_of_the_sandbox(driver: LinodeNodeDriver, cloud: Sandbox, fault: Any) -> None:
    """A create whose response is lost after the provider acted finds its node and creates no second one."""
    cloud.fault(fault, method="POST", path=INSTANCES)
    node = create(driver)
    assert [(one.id, one.extra["group"]) for one in driver.list_nodes()] == [(node.id, "")]


def test_lost_responses_in_parallel(driver: LinodeNodeDriver, cloud: Sandbox) -> None:
    """Of several creates whose responses are lost, each returns its own node."""
    cloud.fault("reset after", method="POST", path=INSTANCES, times=4)
    names = ["one", "two", "three", "four"]
    nodes = waiting.gather([lambda name=name: create(driver, name) for name in names])  # type: ignore[misc]
    assert [node.name for node in nodes] == names
    assert {node.id for node in nodes} == {node.id for node in driver.list_nodes()}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "-web-"}, InvalidNameError),
        ({"name": "we"}, InvalidNameError),
        ({"image": "linode/none"}, ImageUnavailableError),
        ({"size": "none"}, ProviderHTTPError),
        ({"location": "none"}, ProviderHTTPError),
        ({"root_pass": "weak"}, ProviderHTTPError),
    ],
)
def test_creates_that_are_refused(
    driver: LinodeNodeDriver, change: dict[str, Any], error: type[Exception]
) -> None:
    """A create that the provider refuses is an error of its kind, and no node is created."""
    with pytest.raises(error, match="HTTP 400"):
        driver.create_node(**{"name": "web", "size": "g6-nanode-1", "image": "linode/debian12", **change})
    assert driver.list_nodes() == []


def test_the_limit_of_an_account() -> None:
    """A create above the account's limit is a QuotaExceededError with the provider's message."""
    with Sandbox("linode", ssh="off", linode_limit=1) as cloud, driver_of(cloud) as driver:
        create(driver)
        with pytest.raises(QuotaExceededError, match=r"(?i)limit"):
            create(driver, "second")


def test_operations_of_a_node(driver: LinodeNodeDriver, node: Node) -> None:
    """The provider's own operations have taken effect when they return."""
    assert driver.ex_stop_node(node)
    assert driver.get_node(node.id).state == NodeState.STOPPED
    assert driver.ex_resize_node(node, driver.list_sizes()[1])
    assert driver.get_node(node.id).size == "g6-standard-1"
    (swap,) = (disk for disk in driver.ex_list_disks(node) if disk.filesystem == "swap")
    assert driver.ex_resize_disk(node, swap, 256)
    made = driver.ex_create_disk(1024, "more", node, "ext4")
    assert (made.state, made.size) == (StorageVolumeState.AVAILABLE, 1024)
    assert driver.ex_destroy_disk(node, made)
    root, swap = driver.ex_list_disks(node)
    assert (root.filesystem, swap.size) == ("ext4", 256)
    config = driver.ex_create_config(node, "mine", [root, swap])
    assert driver.ex_start_node(node, config=config)
    assert driver.get_node(node.id).state == NodeState.RUNNING
    assert driver.ex_reboot_node(node)
    assert driver.ex_rebuild_node(node, driver.get_image("linode/ubuntu24.04"))
    assert driver.get_node(node.id).image == "linode/ubuntu24.04"
    assert driver.ex_shutdown_node(node)
    assert driver.ex_reset_password(node, PASSWORD)


def test_backups_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """A node with backups enabled gets a snapshot, which is restored; without backups it has none."""
    assert driver.ex_enable_backups(node)
    backup = driver.ex_create_backup(node, "before")
    assert (backup.status, backup.label) == ("successful", "before")
    assert driver.ex_list_backups(node) == [backup]
    assert driver.ex_restore_backup(node, backup, overwrite=True)
    assert driver.ex_disable_backups(node)
    assert driver.ex_list_backups(node) == []


def test_operations_that_fail_at_the_provider() -> None:
    """An operation that the provider accepts and that then fails is a ProviderError."""
    settings = {**QUICK, "failing": "linode_resize"}
    with Sandbox("linode", ssh="off", **settings) as cloud, driver_of(cloud) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        with pytest.raises(ProviderError, match="linode_resize of Linode"):
            driver.ex_resize_node(node, driver.list_sizes()[1])


def test_a_busy_node_of_the_sandbox() -> None:
    """An operation on a busy node is accepted once it is free."""
    with Sandbox("linode", ssh="off", **{**QUICK, "power": 0.4}) as cloud, driver_of(cloud) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        assert node.reboot()
        assert node.stop_node()
        assert node.destroy()


def test_clones_of_the_sandbox(driver: LinodeNodeDriver, cloud: Sandbox, node: Node) -> None:
    """A clone has the node's size, image and disks by default, its own name, no marker, and exists once."""
    cloud.fault("reset after", method="POST", path=f"{INSTANCES}/{node.id}/clone")
    clone = driver.ex_clone_node(node, "copy")
    assert (clone.name, clone.size, clone.image) == ("copy", node.size, node.image)
    assert (clone.state, clone.extra["location"], clone.extra["group"]) == (NodeState.STOPPED, "us-east", "")
    assert [disk.size for disk in driver.ex_list_disks(clone)] == [
        disk.size for disk in driver.ex_list_disks(node)
    ]
    size, location = driver.list_sizes()[1], location_of(driver, "eu-west")
    bigger = driver.ex_clone_node(node, size=size, location=location, ex_create_attr={"private_ip": True})
    assert (bigger.size, bigger.extra["location"], len(bigger.private_ips)) == ("g6-standard-1", "eu-west", 1)
    assert len(driver.list_nodes()) == 3
    with pytest.raises(LabelTakenError):
        driver.ex_clone_node(node, "copy")


def test_a_clone_of_a_busy_node() -> None:
    """A busy node is cloned once, after it is free."""
    with Sandbox("linode", ssh="off", **{**QUICK, "power": 0.4}) as cloud, driver_of(cloud) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        assert node.reboot()
        clone = driver.ex_clone_node(node, "copy", ex_wait=False)
        assert sorted(one.id for one in driver.list_nodes()) == sorted([node.id, clone.id])


def test_a_migration_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """A node is in its new region when `ex_migrate_node` returns."""
    assert driver.ex_migrate_node(node, location_of(driver, "eu-west"))
    assert driver.get_node(node.id).extra["location"] == "eu-west"


def test_firewalls_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """A firewall is created with its rules, attached once, detached once and destroyed; names are unique."""
    rule = {"action": "ACCEPT", "protocol": "TCP", "ports": "22", "addresses": {"ipv4": ["0.0.0.0/0"]}}
    rules = {"inbound": [rule], "inbound_policy": "DROP", "outbound_policy": "ACCEPT"}
    made = driver.ex_create_firewall("ssh-only", rules, tags=["web"])
    assert (made.label, made.status, made.tags) == ("ssh-only", "enabled", ["web"])
    assert made.rules
    assert (made.rules["inbound"], made.rules["inbound_policy"]) == ([rule], "DROP")
    assert driver.ex_attach_firewall(made, node)
    with pytest.raises(ConflictError):
        driver.ex_attach_firewall(made, node)
    assert driver.ex_detach_firewall(made, node)
    with pytest.raises(InvalidArgumentError, match="not attached to node"):
        driver.ex_detach_firewall(made, node)
    other = driver.ex_create_firewall("other", rules, [node])
    assert [one.id for one in driver.ex_list_firewalls()] == [made.id, other.id]
    with pytest.raises(LabelTakenError):
        driver.ex_create_firewall("other", rules)
    assert driver.ex_destroy_firewall(made)
    assert driver.ex_destroy_firewall(other)
    assert driver.ex_list_firewalls() == []


def test_stackscripts_of_the_sandbox(driver: LinodeNodeDriver) -> None:
    """A StackScript is created for images, used by a create, listed and destroyed."""
    image = driver.get_image("linode/debian12")
    made = driver.ex_create_stackscript("mine", "#!/bin/sh\n", [image], description="for us")
    assert (made.label, made.images, made.mine) == ("mine", [image.id], True)
    assert driver.ex_list_stackscripts(ex_filter={"mine": True}) == [made]
    assert create(driver, ex_create_attr={"stackscript_id": made.id}).name == "web"
    assert driver.ex_destroy_stackscript(made)
    assert driver.ex_list_stackscripts() == []


def test_images_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """An image of a node is available when it is returned, nodes are created from it, and it is deleted."""
    image = driver.create_image(node, "mine", "for us")
    assert image.id.startswith("private/")
    assert (image.extra["status"], image.extra["description"]) == ("available", "for us")
    assert [one.id for one in driver.list_images(ex_filter={"is_public": False})] == [image.id]
    assert driver.create_node("again", driver.list_sizes()[0], image).image == image.id
    assert driver.delete_image(image)
    with pytest.raises(NotFoundError):
        driver.get_image(image.id)


def test_volumes_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """A volume is attached once, listed with its node, detached, resized, cloned and destroyed."""

    def until(state: StorageVolumeState) -> None:
        waiting.poll(
            lambda: driver.ex_get_volume(volume.id).state == state or None,
            waiting_for=f"the volume to be {state}",
            timeout=10,
        )

    volume = driver.create_volume(10, "data", tags=["env"])
    until(StorageVolumeState.AVAILABLE)
    assert driver.attach_volume(node, volume)
    until(StorageVolumeState.INUSE)
    assert [one.id for one in driver.ex_list_node_volumes(node)] == [volume.id]
    with pytest.raises(ConflictError):
        driver.attach_volume(node, volume)
    assert driver.detach_volume(volume)
    until(StorageVolumeState.AVAILABLE)
    assert driver.ex_resize_volume(volume, 20)
    clone = driver.ex_clone_volume(volume, "copy")
    assert (clone.size, clone.state) == (20, StorageVolumeState.AVAILABLE)
    with pytest.raises(LabelTakenError):
        driver.create_volume(10, "copy")
    assert volume.destroy()
    assert clone.destroy()
    assert driver.list_volumes() == []


def test_tags_and_addresses_of_the_sandbox(driver: LinodeNodeDriver, node: Node) -> None:
    """Tags are added to a node and removed; a private address is allocated to a node and removed."""
    assert driver.ex_create_tag("prod", [node])
    assert driver.ex_tag_node(node, "web")
    assert driver.ex_untag_node(node, "env")
    assert sorted(driver.get_node(node.id).extra["tags"]) == ["prod", "web"]
    assert driver.ex_delete_tag("prod")
    assert "prod" not in driver.ex_list_tags()
    other = create(driver, "other")
    private = driver.ex_allocate_private_address(other)
    assert driver.get_node(other.id).private_ips == [private.inet]
    inets = {address.inet for address in driver.ex_list_node_addresses(other)}
    assert {*other.public_ips, private.inet} <= inets
    assert set(other.public_ips) <= {address.inet for address in driver.ex_list_addresses()}
    assert driver.ex_destroy_address(other, private)
    assert driver.get_node(other.id).private_ips == []


def test_keys_of_the_sandbox(driver: LinodeNodeDriver) -> None:
    """A key of the token's user is registered, used and deleted; an unknown token is refused, not shown."""
    pair = driver.create_key_pair("mine", PUBLIC_KEY)
    assert driver.get_key_pair("mine").fingerprint == pair.fingerprint
    assert create(driver, ex_authorized_users=["sandbox"]).name == "web"
    assert driver.delete_key_pair(pair)
    connection = driver.connection
    with Driver("expired", host=connection.host, port=connection.port, secure=False) as stranger:
        with pytest.raises(InvalidCredsError) as caught:
            stranger.list_nodes()
    assert "expired" not in str(caught.value)


@pytest.mark.parametrize("kind", ["key", "password", "root_pass"])
def test_deployments(kind: str) -> None:
    """A deployment logs in with the node's key or password, passed as `auth` or as `root_pass`."""
    private, public = key_pair()
    auths: dict[str, NodeAuthSSHKey | NodeAuthPassword] = {
        "key": NodeAuthSSHKey(public),
        "password": NodeAuthPassword(PASSWORD),
    }
    step = ScriptDeployment("echo deployed")
    with Sandbox("linode", ssh="folder", no_isolation=True, **QUICK) as cloud, driver_of(cloud) as driver:
        driver.deploy_node(
            step,
            name="web",
            size=size_of(driver),
            image=image_of(driver),
            auth=auths.get(kind),
            root_pass=PASSWORD if kind == "root_pass" else None,
            ssh_key=private if kind == "key" else None,
            ssh_port=cloud.ssh_port or 22,
            wait_period=0.1,
        )
    assert (step.stdout or "").strip() == "deployed"


def test_the_examples_of_the_documentation_run() -> None:
    """The Python examples of the documentation run, in order."""
    page = Path(__file__).parents[2] / "docs" / "providers" / "linode.md"
    names: dict[str, Any] = {}
    try:
        for block in re.findall(
            r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            exec(block, names)  # noqa: S102 - our own page
        assert [one.name for one in names["driver"].list_nodes()] == ["web-1"]
    finally:
        names["cloud"].stop()
