from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import KeyPair, Node, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.types import NodeState
from polycloud.concurrency import waiting
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    OperationTimeoutError,
    ProviderHTTPError,
    ServerError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from support.web import Answer, Seen, serve

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
ONCE = RetryPolicy(attempts=1)


def create(driver: NephoscaleNodeDriver, name: str = "web", **options: Any) -> Node:
    return driver.create_node(name, driver.list_sizes()[0], driver.list_images()[0], **options)


def posts(cloud: Sandbox, path: str = "/server/cloud/") -> list[dict[str, str]]:
    return [seen.form for seen in cloud.requests if (seen.method, seen.path) == ("POST", path)]


def envelope(data: Any, *, success: bool = True, response: int = 200, message: str = "words") -> Answer:
    body = {"success": success, "response": response, "subcode": 0, "message": message, "data": data}
    return Answer(200, body)


def result_of(answer: Answer, call: Any) -> Any:
    """The result of a driver's call if the response to every request is `answer`."""
    with serve(lambda _: answer) as web, NephoscaleNodeDriver("u", "pw", **web.options, retry=ONCE) as driver:
        return call(driver)


# Nodes


def test_nodes_from_payloads() -> None:
    """A server's fields are in Libcloud's attributes and `extra`."""
    server = {
        "id": 88,
        "name": "web",
        "hostname": "web.example",
        "power_status": "on",
        "ipaddresses": "198.51.100.7, 10.132.60.1",
        "zone": {"id": 5, "name": "SJC-1"},
        "image": {"id": 3, "friendly_name": "Debian"},
        "service_type": {"id": 27, "friendly_name": "CS025", "billable_type": 1},
        "create_time": "2013-09-25 07:38:12",
        "is_console_enabled": True,
        "network_ports": [{"devname": "eth0"}],
        "from_the_future": {"x": 1},
    }
    (node,) = result_of(envelope([server]), lambda driver: driver.list_nodes())
    assert (node.id, node.name, node.state) == ("88", "web", NodeState.RUNNING)
    assert (node.public_ips, node.private_ips) == (["198.51.100.7"], ["10.132.60.1"])
    assert node.created_at == datetime(2013, 9, 25, 7, 38, 12, tzinfo=UTC)
    wanted = {
        "zone_data": {"id": 5, "name": "SJC-1"},
        "zone": "SJC-1",
        "image": "Debian",
        "create_time": "2013-09-25 07:38:12",
        "network_ports": [{"devname": "eth0"}],
        "is_console_enabled": True,
        "service_type": "CS025",
        "hostname": "web.example",
    }
    assert {key: node.extra[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("on", "running"),
        ("off", "stopped"),
        ("unknown", "unknown"),
        ("melting", "unknown"),
        (None, "unknown"),
    ],
)
def test_states(status: str | None, state: str) -> None:
    """`off` is STOPPED, and an unknown status is UNKNOWN, not an error."""
    (node,) = result_of(envelope([{"id": 1, "power_status": status}]), lambda driver: driver.list_nodes())
    assert node.state == state


def test_a_server_with_only_an_id() -> None:
    """A server with only an id is a node without addresses; its `extra` has the usual keys."""
    (node,) = result_of(envelope([{"id": "x-1", "ipaddresses": ""}]), lambda driver: driver.list_nodes())
    assert (node.id, node.public_ips, node.private_ips, node.created_at) == ("x-1", [], [], None)
    assert node.extra["zone"] is None


def test_create_returns_its_own_node(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Of several servers with one name, created side by side, each create returns its own."""
    nodes = waiting.gather([lambda: create(driver, "twin")] * 4)
    assert len({node.id for node in nodes}) == 4
    listed = {node.id: node.name for node in driver.list_nodes()}
    assert listed == {node.id: "twin" for node in nodes}
    assert {form["hostname"] for form in posts(cloud)} == {"twin"}


def test_create_sends_its_arguments(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Keys, zone and host name of a create are sent."""
    key = driver.ex_create_keypair("mine", public_key=PUBLIC_KEY)
    console = driver.ex_create_keypair("console", password="pass-word")
    zone = driver.list_locations()[0]
    create(driver, "web", server_key=key, console_key=console, zone=zone, hostname="web.example")
    form = posts(cloud)[-1]
    assert (form["server_key"], form["console_key"], form["zone"]) == (key, console, zone.id)
    assert form["hostname"] == "web.example"
    create(driver, "web2", location=zone)
    assert posts(cloud)[-1]["zone"] == zone.id


def test_create_sends_addresses() -> None:
    """Several addresses and networks of a create are sent separated by commas; ids may be numbers."""
    with (
        serve(lambda _: envelope({"id": 7})) as web,
        NephoscaleNodeDriver("u", "pw", **web.options) as driver,
    ):
        ids: Any = ("3", 5)
        driver.create_node(
            "web", *ids, ex_wait=False, ex_ips=["192.0.2.1", "192.0.2.2"], ex_networks=[1, "2"]
        )
    form = parse_qs(web.seen[0].body.decode())
    assert (form["ips"], form["networks"]) == (["192.0.2.1, 192.0.2.2"], ["1,2"])
    assert (form["service_type"], form["image"]) == (["3"], ["5"])


def test_create_with_auth(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """`auth` registers its key once and finds it again; passwords are refused."""
    create(driver, "one", auth=NodeAuthSSHKey(PUBLIC_KEY))
    create(driver, "two", auth=NodeAuthSSHKey(f" {PUBLIC_KEY}\n"))
    (key,) = driver.ex_list_keypairs(ssh=True)
    assert [form["server_key"] for form in posts(cloud)] == [key.id, key.id]
    with pytest.raises(UnsupportedOperationError, match="not passwords"):
        create(driver, "three", auth=NodeAuthPassword("pw"))


@pytest.mark.parametrize("option", [{"ex_wait": False}, {"nowait": True}])
def test_create_without_waiting(driver: NephoscaleNodeDriver, option: dict[str, bool]) -> None:
    """A create that does not wait returns a pending node without an id, with its job."""
    node = create(driver, "web", **option)
    assert (node.id, node.name, node.state) == ("", "web", NodeState.PENDING)
    assert node.extra["job"]["resource_type"] == "/job"
    with pytest.raises(InvalidArgumentError, match="'web' has no id yet"):
        node.reboot()


def test_create_times_out(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A server that is not listed in time is an OperationTimeoutError with the name to look for."""
    with (
        Sandbox("nephoscale", appear=60) as slow,
        NephoscaleNodeDriver(*slow.credentials, **slow.options) as late,
    ):
        with pytest.raises(
            OperationTimeoutError, match=r"'web' with the name 'web-[0-9a-f]{12}' to be listed"
        ):
            create(late, "web", ex_timeout=0.2)


@pytest.mark.parametrize("fault", ["reset after", "truncate"])
def test_a_lost_response(driver: NephoscaleNodeDriver, cloud: Sandbox, fault: str) -> None:
    """A create whose response is lost finds its server and creates no second one."""
    cloud.fault(fault, method="POST", path="/server/cloud/")  # type: ignore[arg-type]
    node = create(driver, "web")
    assert [(listed.id, listed.name) for listed in driver.list_nodes()] == [(node.id, "web")]
    assert len(posts(cloud)) == 1


def test_an_ambiguous_create(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A create whose request is lost raises an error with the name to look for, and is sent once."""
    cloud.fault("reset before", method="POST", path="/server/cloud/")
    with pytest.raises(AmbiguousCreateError, match=r"'web-[0-9a-f]{12}'.*before creating another"):
        create(driver, "web", ex_timeout=0.3)
    assert len(posts(cloud)) <= 1


def test_a_refused_create(driver: NephoscaleNodeDriver) -> None:
    """A refused create raises the provider's message and leaves no server."""
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    size.id = "999"
    with pytest.raises(ProviderHTTPError, match="service_type"):
        driver.create_node("web", size, image)
    assert driver.list_nodes() == []


def test_a_rename_that_fails(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A create that fails after its server was listed has a note with the server's id."""
    cloud.fault(500, method="PUT", path="/server/cloud/*", times=None)
    with pytest.raises(ServerError) as caught:
        create(driver, "web")
    (node,) = driver.list_nodes()
    assert f"exists: id {node.id}; it has, or had, the name {node.name!r}" in caught.value.__notes__[0]


def test_ctrl_c_while_a_create_waits(driver: NephoscaleNodeDriver) -> None:
    """Ctrl-C while a create waits has a note with the name under which the server will appear."""
    with (
        Sandbox("nephoscale", appear=60) as slow,
        NephoscaleNodeDriver(*slow.credentials, **slow.options) as late,
    ):
        size, image = late.list_sizes()[0], late.list_images()[0]
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt) as caught:
            late.create_node("web", size, image)
    assert "'web' with the name 'web-" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"ex_timeout": None},
        {"ex_timeout": "5"},
        {"size": None},
        {"image": 3.5},
        {"zone": 1.5},
        {"server_key": "location"},
    ],
)
def test_invalid_arguments(driver: NephoscaleNodeDriver, cloud: Sandbox, wrong: dict[str, Any]) -> None:
    """Invalid arguments are refused before a create is sent."""
    if wrong.get("server_key"):
        wrong = {"server_key": driver.list_locations()[0]}
    good = {"name": "web", "size": driver.list_sizes()[0], "image": driver.list_images()[0]}
    with pytest.raises(InvalidArgumentError):
        driver.create_node(**{**good, **wrong})
    assert posts(cloud) == []


def test_a_create_with_failing_lists(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Lists that fail while a create waits do not end it."""
    cloud.fault(500, method="GET", path="/server/cloud/", times=2)
    assert create(driver, "web").name == "web"


@pytest.mark.parametrize("refusal", [Answer(501, b"no"), envelope(None, success=False, response=500)])
def test_a_refusal_is_raised_without_waiting(refusal: Answer) -> None:
    """A create that the provider refuses is raised without a search for the server, and without a note."""

    def respond(seen: Seen) -> Answer:
        return refusal if seen.method == "POST" else envelope([])

    with serve(respond) as web, NephoscaleNodeDriver("user", "pass", **web.options, retry=ONCE) as driver:
        with pytest.raises(ServerError) as caught:
            driver.create_node("web", "3", "5", ex_timeout=60)  # type: ignore[arg-type]
        assert [seen.method for seen in web.seen] == ["POST"]
    assert not hasattr(caught.value, "__notes__")


def test_ctrl_c_while_a_create_is_sent(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Ctrl-C before the response to a create has a note with the name under which the server may exist."""
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    cloud.fault("stall", method="POST")
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        driver.create_node("web", size, image)
    assert "may exist or appear, with the name 'web-" in caught.value.__notes__[-1]


def test_a_lost_response_without_waiting(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A create that does not wait is ambiguous too if its response is lost."""
    cloud.fault("reset after", method="POST")
    with pytest.raises(AmbiguousCreateError, match="'web'"):
        create(driver, "web", ex_wait=False)


class Quick(NephoscaleNodeDriver):
    settle_time = 0.3


def test_a_node_that_vanishes_ends_the_wait() -> None:
    """A wait for a node that lists omit for the settle time raises an error that names the node."""
    with Sandbox("nephoscale", appear=0.01, build=60, destroy=0.2, ssh="off") as slow:
        with Quick(*slow.credentials, **slow.options) as late:
            node = create(late, "web")
            threading.Timer(0.3, slow.reset).start()
            with pytest.raises(NotFoundError, match=f"{node.id}.*vanished"):
                late.wait_until_running([node], wait_period=0.05, timeout=60)


@pytest.mark.parametrize("odd", ["999", None, 5])
def test_actions_on_other_objects(driver: NephoscaleNodeDriver, odd: Any) -> None:
    """An action on anything but a node is refused, and the error mentions `get_node()`."""
    with pytest.raises(InvalidArgumentError, match=r"get_node\(\)"):
        driver.destroy_node(odd)


def test_power_actions(driver: NephoscaleNodeDriver) -> None:
    """Power actions are carried out, by Libcloud's names and those of the 2013 driver."""
    node = create(driver)
    driver.wait_until_running([node], wait_period=0.05)

    def until(state: NodeState) -> None:
        def poll() -> bool | None:
            return driver.get_node(node.id).state == state or None

        waiting.poll(poll, waiting_for=f"{state}", timeout=10, longest_pause=0.05)

    for stop, start in (
        (driver.stop_node, driver.start_node),
        (driver.ex_stop_node, driver.ex_start_node),
        (driver.shutdown_node, driver.reboot_node),
    ):
        assert stop(node) is True
        until(NodeState.STOPPED)
        assert start(node) is True
        until(NodeState.RUNNING)


def test_rename(driver: NephoscaleNodeDriver) -> None:
    """A rename changes the name and, if given, the host name."""
    node = create(driver, "old")
    assert driver.rename_node(node, "new") is True
    assert (driver.get_node(node.id).name, driver.get_node(node.id).extra["hostname"]) == ("new", "old")
    driver.rename_node(node, "newer", hostname="newer.example")
    assert driver.get_node(node.id).extra["hostname"] == "newer.example"


@pytest.mark.parametrize("name", ["wéb 😀", "a'b\"c", "two\nlines\r\n", "a&b=c;d", "100%25", "nul\0"])
def test_names_arrive_intact(driver: NephoscaleNodeDriver, name: str) -> None:
    """A name with quotes, line breaks, NUL or emoji is sent unchanged."""
    assert driver.get_node(create(driver, name).id).name == name


def test_destroying_twice_succeeds(driver: NephoscaleNodeDriver) -> None:
    """A server can be destroyed twice; one that never existed is not found."""
    node = create(driver)
    assert node.destroy() is True
    assert node.destroy() is True
    node.id = "424242"
    with pytest.raises(NotFoundError, match="/server/cloud/424242/"):
        node.destroy()


def test_ids_are_quoted(cloud: Sandbox, driver: NephoscaleNodeDriver) -> None:
    """An id with slashes cannot reach another resource."""
    node = Node("../../key/sshrsa/1", "evil", NodeState.RUNNING, [], [], driver)
    with pytest.raises(NotFoundError):
        driver.destroy_node(node)
    assert "/key/sshrsa" not in [seen.path for seen in cloud.requests]


def test_dedicated_servers(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Dedicated servers are sized, created, listed and destroyed; they have no power actions."""
    size = driver.list_sizes(ex_dedicated=True)[0]
    node = driver.create_node("big", size, driver.list_images()[0], console_key="1", ex_dedicated=True)
    assert "console_key" not in posts(cloud, "/server/dedicated/")[0]
    assert driver.list_nodes() == []
    assert [listed.name for listed in driver.list_nodes(ex_dedicated=True)] == ["big"]
    assert driver.get_node(node.id).name == "big"
    assert driver.wait_until_running([node], wait_period=0.05)[0][0].state == NodeState.RUNNING
    with pytest.raises(UnsupportedOperationError, match="restart"):
        node.reboot()
    assert node.destroy() is True


# Sizes, images, locations


def test_sizes(driver: NephoscaleNodeDriver) -> None:
    """Sizes are sorted by price, and have RAM, disk, price and CPUs."""
    sizes = driver.list_sizes()
    prices = [size.price for size in sizes]
    assert prices == sorted(prices, key=lambda price: price or 0)
    big = next(size for size in sizes if size.id == "54")
    assert (big.ram, big.disk, big.price, big.extra["vcpus"]) == (32768, 1200, 0.938, 16)


def test_images(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Images have Libcloud's keys in `extra`, are found by id, and can be listed by location."""
    image = driver.list_images()[0]
    assert {
        "architecture",
        "disks",
        "billable_type",
        "pcpus",
        "cores",
        "uri",
        "storage",
    } <= image.extra.keys()
    assert driver.get_image(image.id).name == image.name
    zone = driver.list_locations()[1]
    driver.list_images(zone)
    assert cloud.requests[-1].query == {"region": zone.id}


def test_locations(driver: NephoscaleNodeDriver) -> None:
    """Locations are the zones in service; a zone that is not activated is left out."""
    assert [(zone.name, zone.country) for zone in driver.list_locations()] == [
        ("SJC-1", "US"),
        ("RIC-1", "US"),
    ]


# Keys


def test_keys(driver: NephoscaleNodeDriver) -> None:
    """Keys are created, listed by kind and group, and deleted; the list of both kinds has no secrets."""
    ssh = driver.ex_create_keypair("ssh", public_key=PUBLIC_KEY)
    console = driver.ex_create_keypair("console", password="pass-word")
    server = driver.ex_create_keypair("server", password="pass-word", key_group=1)
    assert {key.id for key in driver.ex_list_keypairs()} == {ssh, console, server}
    assert {key.public_key or key.password for key in driver.ex_list_keypairs()} == {None}
    (listed,) = driver.ex_list_keypairs(ssh=True)
    assert (listed.id, listed.name, listed.public_key, listed.key_group) == (ssh, "ssh", PUBLIC_KEY, 1)
    assert {key.id for key in driver.ex_list_keypairs(password=True)} == {console, server}
    assert {key.id for key in driver.ex_list_keypairs(key_group=4)} == {console}
    assert "pass-word" not in repr(driver.ex_list_keypairs(password=True))
    assert driver.ex_delete_keypair(ssh, ssh=True) is True
    assert driver.ex_delete_keypair(console) is True
    assert {key.id for key in driver.ex_list_keypairs()} == {server}


def test_invalid_keys(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A key with none or both of public key and password, or an invalid public key, is refused unsent."""
    bad_keys: list[dict[str, Any]] = [
        {},
        {"public_key": PUBLIC_KEY, "password": "p"},
        {"public_key": "-----BEGIN PRIVATE KEY-----"},
    ]
    for bad in bad_keys:
        with pytest.raises(InvalidArgumentError):
            driver.ex_create_keypair("bad", **bad)
    with pytest.raises(InvalidArgumentError):
        driver.ex_list_keypairs(ssh=True, password=True)
    assert cloud.requests == []


def test_key_pairs_of_the_base(driver: NephoscaleNodeDriver) -> None:
    """Libcloud's key pair methods work on the SSH keys."""
    pair = driver.import_key_pair_from_string("mine", PUBLIC_KEY + "\n")
    again = driver.get_key_pair("mine")
    assert (again.public_key, again.fingerprint, again.extra["id"]) == (
        PUBLIC_KEY,
        pair.fingerprint,
        pair.extra["id"],
    )
    assert driver.delete_key_pair(KeyPair("mine", None, None, driver)) is True
    assert driver.list_key_pairs() == []


# Networks


def test_networks(driver: NephoscaleNodeDriver) -> None:
    """Networks are listed once each, with their subnets."""
    networks = driver.ex_list_networks()
    assert len({network.id for network in networks}) == len(networks)
    assert {network.private for network in networks} == {False, True}
    assert all(network.subnets for network in networks)


def test_addresses(driver: NephoscaleNodeDriver) -> None:
    """An address is reserved, assigned to a server and released."""
    node = create(driver)
    driver.wait_until_running([node], wait_period=0.05)
    subnet = driver.ex_list_free_addresses()[0]
    address = subnet.addresses[-1]
    assert driver.ex_reserve_address(subnet, address) is True
    assert address not in driver.ex_list_free_addresses()[0].addresses
    assert driver.ex_assign_address(subnet.id, address, node) is True
    assert address in driver.get_node(node.id).public_ips
    assert driver.ex_release_address(subnet, address) is True
    assert address in driver.ex_list_free_addresses()[0].addresses
    assert driver.ex_list_subnets(private=True)[0].status is not None


# Invalid responses and arguments


def test_wrong_credentials(cloud: Sandbox) -> None:
    """Wrong credentials are an InvalidCredsError without the password."""
    with NephoscaleNodeDriver("user", "wr0ng-pw", **cloud.options) as driver:
        with pytest.raises(InvalidCredsError) as caught:
            driver.list_nodes()
    assert "wr0ng-pw" not in repr(caught.value)


@pytest.mark.parametrize(("fault"), ["html", "truncate"])
def test_a_response_that_is_not_json(driver: NephoscaleNodeDriver, cloud: Sandbox, fault: str) -> None:
    """HTML or broken JSON with status 200 is a MalformedResponseError with the start of the body."""
    cloud.fault(fault, path="/server/cloud/", times=None)  # type: ignore[arg-type]
    with pytest.raises(MalformedResponseError, match="body begins"):
        driver.list_nodes()


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ([{"id": 1}, {"name": "no id"}], r"field `id` - at `\$\.data\[1\]`"),
        ([{"id": 1, "ipaddresses": 7}], r"at `\$\.data\[0\]\.ipaddresses`"),
        ({"not": "a list"}, r"at `\$\.data`"),
        ([{"id": 1, "ipaddresses": "n/a"}], "server 1 has an invalid address"),
    ],
)
def test_payloads_of_another_form(data: Any, path: str) -> None:
    """A payload of another form is a MalformedResponseError that names the field or the server."""
    with pytest.raises(MalformedResponseError, match=path):
        result_of(envelope(data), lambda driver: driver.list_nodes())


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (400, ProviderHTTPError),
        (401, InvalidCredsError),
        (404, NotFoundError),
        (500, ServerError),
        (0, ProviderHTTPError),
    ],
)
def test_success_false_with_status_200(response: int, error: type[Exception]) -> None:
    """An envelope that reports a failure with HTTP 200 is the error for its code, with its message."""
    refusal = envelope(None, success=False, response=response, message="quota: too many servers")
    with pytest.raises(error, match="quota: too many servers"):
        result_of(refusal, lambda driver: driver.list_nodes())


def test_success_with_a_failing_code() -> None:
    """An envelope that reports success with the code of a failure is a failure."""
    with pytest.raises(NotFoundError):
        result_of(envelope([], response=404), lambda driver: driver.list_nodes())


@pytest.mark.parametrize("options", [{"stream": True}, {"raw": True}, {"method": "HEAD"}])
def test_responses_without_an_envelope(driver: NephoscaleNodeDriver, options: dict[str, Any]) -> None:
    """A stream, or a HEAD, is a response although its envelope cannot be read."""
    assert driver.connection.request("/datacenter/zone/", **options).status in {200, 405}


@pytest.mark.parametrize(
    ("server", "extra"),
    [
        ({"id": 1, "zone": "SJC-1", "image": 5}, {"zone": "SJC-1", "image": 5}),
        ({"id": 1, "zone": None}, {"zone": None, "image": None}),
    ],
)
def test_odd_extras(server: dict[str, Any], extra: dict[str, Any]) -> None:
    """A name that stands for an object in a payload is kept in `extra`."""
    (node,) = result_of(envelope([server]), lambda driver: driver.list_nodes())
    assert {key: node.extra[key] for key in extra} == extra


def test_an_envelope_is_needed() -> None:
    """A response without `success` is refused, and the error names the field."""
    with pytest.raises(MalformedResponseError, match="`success`"):
        result_of(Answer(200, {"data": []}), lambda driver: driver.list_nodes())


def test_a_lost_action(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A power action whose request is lost is an error."""
    node = create(driver)
    cloud.fault("reset before", method="POST", times=None)
    with pytest.raises(TransportError):
        node.reboot()


def test_responses_without_a_content_type() -> None:
    """Responses are read without a content type."""

    def respond(_: Seen) -> Answer:
        return envelope([{"id": 1}])

    with serve(respond) as web, NephoscaleNodeDriver("u", "pw", **web.options) as driver:
        assert driver.list_nodes()[0].id == "1"
