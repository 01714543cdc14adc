from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polycloud.common.digitalocean import DigitalOceanBaseDriver
from polycloud.common.payload import value_of
from polycloud.compute.drivers.digitalocean import (
    DigitalOceanFirewallRule,
    DigitalOceanFloatingIp,
    DigitalOceanNodeDriver,
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
)
from polycloud.compute.types import NodeState, StorageVolumeState
from polycloud.concurrency import waiting
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
    UnavailableError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from support.web import Answer, Seen, Web, serve

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
TOKEN = "dop_v1_invented"
ONCE = RetryPolicy(attempts=1)
QUICK: dict[str, Any] = {"build": 0.05, "power": 0.05, "copy": 0.05, "attach": 0.05, "destroy": 0.05}


class Hasty(DigitalOceanNodeDriver):
    settle_time = 0.3
    busy_time = 0.3


@pytest.fixture(scope="module")
def module_cloud() -> Iterator[Sandbox]:
    with Sandbox("digitalocean", ssh="off", **QUICK) as cloud:
        yield cloud


@pytest.fixture
def cloud(module_cloud: Sandbox) -> Sandbox:
    """A fast, empty DigitalOcean."""
    module_cloud.reset()
    return module_cloud


def driver_of(cloud: Sandbox, kind: type[DigitalOceanNodeDriver] = DigitalOceanNodeDriver) -> Any:
    retry = RetryPolicy(base=0.01, cap=0.02)
    return kind(cloud.credentials[0], region="nyc1", retry=retry, **cloud.options)


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[DigitalOceanNodeDriver]:
    with driver_of(cloud) as driver:
        yield driver


@pytest.fixture
def hasty(cloud: Sandbox) -> Iterator[DigitalOceanNodeDriver]:
    """A driver with short timeouts."""
    with driver_of(cloud, Hasty) as driver:
        yield driver


def create(driver: DigitalOceanNodeDriver, name: str = "web", **options: Any) -> Node:
    return driver.create_node(name, driver.list_sizes()[0], driver.get_image("ubuntu-24-04-x64"), **options)


@pytest.fixture
def node(driver: DigitalOceanNodeDriver) -> Node:
    ((running, _),) = driver.wait_until_running([create(driver)])
    return running


def bodies(cloud: Sandbox, method: str, path: str) -> list[Any]:
    return [json.loads(seen.body) for seen in cloud.requests if (seen.method, seen.path) == (method, path)]


def on(web: Web, **options: Any) -> DigitalOceanNodeDriver:
    return Hasty(TOKEN, retry=ONCE, **web.options, **options)


def result_of(answer: Answer, call: Callable[[DigitalOceanNodeDriver], Any]) -> Any:
    """The result of a driver's call if the response to every request is `answer`."""
    with serve(lambda _: answer) as web, on(web) as driver:
        return call(driver)


def listed(name: str, *items: Any) -> Answer:
    return Answer(body={name: items, "links": {}, "meta": {"total": len(items)}})


def refusal(status: int, message: str, **headers: str) -> Answer:
    body = {"id": "unprocessable_entity", "message": message, "request_id": "r-1"}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


DROPLET: dict[str, Any] = {
    "id": 3164444,
    "name": "example.com",
    "memory": 1024,
    "vcpus": 1,
    "disk": 25,
    "locked": False,
    "status": "active",
    "created_at": "2020-07-21T18:37:44Z",
    "features": ["ipv6"],
    "backup_ids": [53893572],
    "snapshot_ids": [],
    "image": {"id": 63663980, "name": "20.04 (LTS) x64", "slug": "ubuntu-20-04-x64"},
    "size": {"slug": "s-1vcpu-1gb", "price_hourly": 0.00743},
    "size_slug": "s-1vcpu-1gb",
    "networks": {
        "v4": [
            {"ip_address": "10.128.192.124", "type": "private"},
            {"ip_address": "192.241.165.154", "type": "public"},
        ],
        "v6": [{"ip_address": "2604:a880:0:1010::18a:a001", "type": "public"}],
    },
    "region": {"slug": "nyc3", "name": "New York 3"},
    "tags": ["web", "polycloud-create-0123456789abcdef"],
    "from_the_future": {"x": 1},
}


# The driver


def test_the_constructor_of_libcloud() -> None:
    """A token is enough; `api_version` is accepted; other versions, secrets and empty tokens are refused."""
    driver = DigitalOceanNodeDriver(TOKEN, api_version="v2")
    assert (driver.connection.host, driver.connection.request_path) == ("api.digitalocean.com", "/v2")
    assert TOKEN not in repr(driver)
    with pytest.raises(UnsupportedOperationError, match="no API v1, only v2"):
        DigitalOceanNodeDriver(TOKEN, api_version="v1")
    with pytest.raises(InvalidArgumentError, match="takes a token"):
        DigitalOceanNodeDriver("client", "secret")
    with pytest.raises(InvalidCredsError, match="needs a key"):
        DigitalOceanNodeDriver("")


def test_the_token_is_sent_in_the_header() -> None:
    """The token is sent as a bearer token, to a path below /v2."""
    with serve(lambda _: listed("droplets")) as web, on(web) as driver:
        assert driver.list_nodes() == []
    (seen,) = web.seen
    assert (seen.path, seen.headers["Authorization"]) == ("/v2/droplets", f"Bearer {TOKEN}")


# Nodes


def test_nodes_from_payloads() -> None:
    """A droplet's fields are in Libcloud's attributes and `extra`, the marker of a create among its tags."""
    (node,) = result_of(listed("droplets", DROPLET), lambda driver: driver.list_nodes())
    assert (node.id, node.name, node.state) == ("3164444", "example.com", NodeState.RUNNING)
    assert node.public_ips == ["192.241.165.154", "2604:a880:0:1010::18a:a001"]
    assert node.private_ips == ["10.128.192.124"]
    assert (node.size, node.image.id) == ("s-1vcpu-1gb", "63663980")
    assert node.created_at == datetime(2020, 7, 21, 18, 37, 44, tzinfo=UTC)
    assert node.extra == {**DROPLET, "region": "New York 3", "region_slug": "nyc3"}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("new", "pending"),
        ("active", "running"),
        ("off", "stopped"),
        ("archive", "terminated"),
        ("melting", "unknown"),
        (None, "unknown"),
    ],
)
def test_states(status: str | None, state: str) -> None:
    """Every status has a state; an unknown status is UNKNOWN, not an error."""
    answer = listed("droplets", {"id": 1, "status": status})
    (node,) = result_of(answer, lambda driver: driver.list_nodes())
    assert node.state == state


def test_a_droplet_with_only_an_id() -> None:
    """A droplet with only an id is a node without addresses; its `extra` has the usual keys."""
    (node,) = result_of(listed("droplets", {"id": 1}), lambda driver: driver.list_nodes())
    assert (node.public_ips, node.private_ips, node.size, node.image) == ([], [], None, None)
    assert (node.created_at, node.extra["region"], node.extra["tags"]) == (None, None, [])


def test_an_image_without_a_slug() -> None:
    """A node from a custom image, which has no slug, has the image's id."""
    answer = listed("droplets", {"id": 1, "image": {"id": 77, "slug": None}})
    (node,) = result_of(answer, lambda driver: driver.list_nodes())
    assert node.image.id == "77"


def pages_of(count: int, largest: int = 200) -> Callable[[Seen], Answer]:
    """A list of `count` droplets, at most `largest` on a page."""

    def respond(seen: Seen) -> Answer:
        page, size = int(seen.query["page"][0]), min(int(seen.query["per_page"][0]), largest)
        first = (page - 1) * size
        items = [{"id": number + 1} for number in range(first, min(first + size, count))]
        last = -(-count // size)
        pages = {"last": f"https://elsewhere.example/v2/droplets?page={last}"} if page < last else {}
        return Answer(body={"droplets": items, "links": {"pages": pages}, "meta": {"total": count}})

    return respond


def test_pages_of_two_hundred() -> None:
    """Lists are read in pages of 200, the first page again at the end; they are complete and in order."""
    with serve(pages_of(450)) as web, on(web) as driver:
        nodes = driver.list_nodes()
    assert [int(node.id) for node in nodes] == list(range(1, 451))
    assert sorted(seen.query["page"][0] for seen in web.seen) == ["1", "1", "2", "3"]
    assert {seen.query["per_page"][0] for seen in web.seen} == {"200"}


def test_smaller_pages() -> None:
    """A list is complete if the provider's pages are smaller than requested, and with `ex_per_page`."""
    with serve(pages_of(45, largest=10)) as web, on(web) as driver:
        assert len(driver.list_nodes()) == 45
    with serve(pages_of(45)) as web, on(web, ex_per_page=20) as driver:
        assert len(driver.list_nodes()) == 45
        assert len(web.seen) == 4


def test_iterate_nodes_a_page_at_a_time() -> None:
    """`iterate_nodes` requests a page only when the one before is used up."""
    with serve(pages_of(5)) as web, on(web, ex_per_page=2) as driver:
        nodes = driver.iterate_nodes()
        assert [next(nodes).id, next(nodes).id] == ["1", "2"]
        assert len(web.seen) == 1
        assert [node.id for node in nodes] == ["3", "4", "5"]
        assert len(web.seen) == 3


def test_an_impossible_total() -> None:
    """A list that claims too many pages is malformed, and its further pages are not requested."""
    body = {"droplets": [], "meta": {"total": 10**15}}
    with serve(lambda _: Answer(body=body)) as web, on(web) as driver:
        with pytest.raises(MalformedResponseError, match=r"claims 5(,000){4} pages; at most 10,000"):
            driver.list_nodes()
    assert len(web.seen) == 1


def test_gpu_droplets() -> None:
    """GPU droplets, which the provider lists separately, are listed only if requested."""

    def respond(seen: Seen) -> Answer:
        return listed("droplets", {"id": 2 if seen.query.get("type") == ["gpus"] else 1})

    with serve(respond) as web, on(web) as driver:
        assert [node.id for node in driver.list_nodes()] == ["1"]
        assert [node.id for node in driver.list_nodes(ex_gpus=True)] == ["1", "2"]


CALLS: dict[str, Callable[[DigitalOceanNodeDriver], Any]] = {
    "list_nodes": lambda driver: driver.list_nodes(),
    "iterate_nodes": lambda driver: list(driver.iterate_nodes()),
    "get_node": lambda driver: driver.get_node("1"),
    "reboot_node": lambda driver: driver.reboot_node(node_of(driver)),
    "list_sizes": lambda driver: driver.list_sizes(),
    "list_images": lambda driver: driver.list_images(),
    "list_locations": lambda driver: driver.list_locations(),
    "list_key_pairs": lambda driver: driver.list_key_pairs(),
    "list_volumes": lambda driver: driver.list_volumes(),
    "list_volume_snapshots": lambda driver: driver.list_volume_snapshots(volume_of(driver)),
    "detach_volume": lambda driver: driver.detach_volume(volume_of(driver)),
    "ex_list_actions": lambda driver: driver.ex_list_actions(),
    "ex_list_tags": lambda driver: driver.ex_list_tags(),
    "ex_list_floating_ips": lambda driver: driver.ex_list_floating_ips(),
    "ex_list_vpcs": lambda driver: driver.ex_list_vpcs(),
    "ex_list_firewalls": lambda driver: driver.ex_list_firewalls(),
    "ex_account_info": lambda driver: driver.ex_account_info(),
}


def node_of(driver: DigitalOceanNodeDriver, id_: str = "1") -> Node:
    return Node(id_, "web", NodeState.RUNNING, [], [], driver, "s-1vcpu-1gb")


def volume_of(driver: DigitalOceanNodeDriver) -> StorageVolume:
    return StorageVolume("11111111-2222-4333-8444-555555555555", "data", 10, driver)


NAMES = (
    *(
        "account",
        "action",
        "actions",
        "droplet",
        "droplets",
        "firewalls",
        "images",
        "regions",
        "reserved_ips",
    ),
    *("sizes", "snapshots", "ssh_keys", "tags", "volume", "volumes", "vpcs"),
)
ONE = {"get_node", "reboot_node", "detach_volume", "ex_account_info"}  # the others list: null is empty
ODD: list[Any] = [None, 7, "text", [1], [None], [{}], [{"id": [], "slug": {}, "ip": 4, "name": 5}]]
ODD_OBJECTS: list[Any] = [{}, {"id": "x"}]  # the account is returned as it is


@pytest.mark.parametrize(
    ("call", "odd"),
    [
        (call, odd)
        for call in CALLS
        for odd in (ODD if call == "ex_account_info" else ODD + ODD_OBJECTS)
        if odd is not None or call in ONE
    ],
)
def test_responses_of_another_form(call: str, odd: Any) -> None:
    """A response of another form than documented is a MalformedResponseError."""
    body = {**dict.fromkeys(NAMES, odd), "meta": {"total": 1}}
    with pytest.raises(MalformedResponseError, match="not as documented"):
        result_of(Answer(body=body), CALLS[call])


@pytest.mark.parametrize(
    "odd",
    [
        {"created_at": 5},
        {"tags": [1]},
        {"networks": {"v4": [{"ip_address": "10.1.1"}]}},
        {"networks": {"v6": [{"ip_address": "10.1.1.1"}]}},
    ],
)
def test_droplets_of_another_form(odd: dict[str, Any]) -> None:
    """A field of another type, or an invalid address, is a MalformedResponseError."""
    with pytest.raises(MalformedResponseError):
        result_of(listed("droplets", {"id": 1, **odd}), lambda driver: driver.list_nodes())


def test_ids_that_are_not_numbers() -> None:
    """An id that is not a number is refused before anything is sent."""
    with serve() as web, on(web) as driver:
        for call in (driver.get_node, lambda id_: driver.destroy_node(node_of(driver, id_))):
            with pytest.raises(InvalidArgumentError, match="must be a number, got 'no-number'"):
                call("no-number")
    assert web.seen == []


def test_arguments_of_another_type() -> None:
    """A node, size or location of another type is refused before anything is sent, and the error names it."""
    wrong: Any = 7
    with serve() as web, on(web) as driver:
        image = NodeImage("1", "", driver)
        with pytest.raises(InvalidArgumentError, match="node must be a Node, got 7"):
            driver.reboot_node(wrong)
        with pytest.raises(InvalidArgumentError, match="expected a NodeSize or its id, got 7"):
            driver.create_node("web", wrong, image)
        with pytest.raises(InvalidArgumentError, match="expected a NodeLocation"):
            driver.create_node("web", NodeSize("s-1", "", 1, 1, 0, None, driver), image, wrong)
    assert web.seen == []


# Creation


def test_create_sends_its_arguments(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Every argument of a create is sent, and no field is null."""
    key = driver.import_key_pair_from_string("mine", PUBLIC_KEY)
    node = driver.create_node(
        "web",
        driver.list_sizes()[0],
        driver.get_image("ubuntu-24-04-x64"),
        NodeLocation("ams3", "Amsterdam 3", "NL", driver),
        {"ipv6": True, "tags": ["a"], "ssh_keys": [key.fingerprint]},
        [str(key.extra["id"])],
        tags=["b"],
        user_data="#!/bin/sh",
    )
    (body,) = bodies(cloud, "POST", "/v2/droplets")
    assert body["tags"].pop().startswith("polycloud-create-")
    assert body == {
        "name": "web",
        "size": "s-1vcpu-512mb-10gb",
        "image": 155133621,
        "region": "ams3",
        "ssh_keys": [key.fingerprint],
        "user_data": "#!/bin/sh",
        "tags": ["a", "b"],
        "ipv6": True,
    }
    assert node.extra["tags"] == ["a", "b"]


def test_create_takes_ids_and_single_values(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Size, image and location may be ids, and `tags` a single str."""
    ids: Any = ("s-1vcpu-1gb", "ubuntu-24-04-x64", "fra1")
    driver.create_node("web", *ids, tags="one")
    (body,) = bodies(cloud, "POST", "/v2/droplets")
    assert (body["size"], body["image"], body["region"]) == ids
    assert body["tags"][:-1] == ["one"]


def test_create_leaves_out_defaults(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Fields that were not given are left out, and the driver's region is sent."""
    create(driver)
    (body,) = bodies(cloud, "POST", "/v2/droplets")
    assert body.keys() == {"name", "size", "image", "region", "tags"}
    assert body["region"] == "nyc1"


def test_a_create_leaves_no_tag(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """A create costs two requests, and afterwards its own tag is deleted."""
    size, image = driver.list_sizes()[0], driver.get_image("ubuntu-24-04-x64")
    before = len(cloud.requests)
    node = driver.create_node("web", size, image, tags=["kept"])
    assert [seen.method for seen in cloud.requests[before:]] == ["POST", "DELETE"]
    assert driver.ex_list_tags() == ["kept"]
    assert node.extra["tags"] == driver.get_node(node.id).extra["tags"] == ["kept"]


def test_a_tag_that_cannot_be_deleted(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """A create succeeds if its tag cannot be deleted, and `extra` shows the tag that stays."""
    cloud.fault(500, method="DELETE", path="/v2/tags/*", times=None)
    node = create(driver)
    (tag,) = driver.get_node(node.id).extra["tags"]
    assert tag.startswith("polycloud-create-")


def test_an_interrupted_create() -> None:
    """Ctrl-C after the droplet was created is raised with a note that has the droplet's id."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "DELETE":
            signal.raise_signal(signal.SIGINT)
        return Answer(body={"droplet": DROPLET})

    with serve(respond) as web, on(web) as driver:
        with pytest.raises(KeyboardInterrupt) as caught:
            driver.create_node("web", NodeSize("s-1", "", 1, 1, 0, None, driver), NodeImage("1", "", driver))
    assert "the droplet 'web' exists: id 3164444" in caught.value.__notes__[0]


@pytest.mark.parametrize("fault", ["reset after", "truncate"])
def test_a_lost_response(driver: DigitalOceanNodeDriver, cloud: Sandbox, fault: str) -> None:
    """A create whose response is lost finds its droplet and creates no second one."""
    cloud.fault(fault, method="POST", path="/v2/droplets")  # type: ignore[arg-type]
    node = create(driver)
    assert [other.id for other in driver.list_nodes()] == [node.id]
    assert len(bodies(cloud, "POST", "/v2/droplets")) == 1
    assert driver.ex_list_tags() == []


def test_lost_responses_side_by_side(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Of several creates with one name whose responses are lost, each returns its own droplet."""
    cloud.fault("reset after", method="POST", path="/v2/droplets", times=4)
    nodes = waiting.gather([lambda: create(driver, "twin")] * 4)
    ids = {node.id for node in nodes}
    assert len(ids) == 4
    assert ids == {node.id for node in driver.list_nodes()}


@pytest.mark.parametrize("fault", ["reset before", 500])
def test_an_ambiguous_create(hasty: DigitalOceanNodeDriver, cloud: Sandbox, fault: Any) -> None:
    """A create whose outcome is unknown raises an error with the tag to look for, and is sent once."""
    cloud.fault(fault, method="POST", path="/v2/droplets", times=None)
    with pytest.raises(AmbiguousCreateError, match=r"'web'.*'polycloud-create-[0-9a-f]{12}'.*before"):
        create(hasty)
    assert len(bodies(cloud, "POST", "/v2/droplets")) <= 1


def test_a_create_that_cannot_connect(hasty: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """A create that cannot connect is not ambiguous, since no droplet can exist."""
    size, image = hasty.list_sizes()[0], hasty.get_image("ubuntu-24-04-x64")
    nowhere = Hasty(TOKEN, host="127.0.0.1", port=1, secure=False, retry=ONCE)
    with pytest.raises(PolycloudError) as caught:
        nowhere.create_node("web", size, image)
    assert not isinstance(caught.value, AmbiguousCreateError)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "no_name"}, "hostname characters"),
        ({"size": "s-1vcpu-512mb-10gb", "region": "lon1"}, "not available in this region"),
        ({"size": "no-such-size"}, "size"),
        ({"image": "no-such-image"}, "image"),
    ],
)
def test_creates_that_are_refused(driver: DigitalOceanNodeDriver, change: dict[str, str], words: str) -> None:
    """A refused create raises the provider's message and leaves neither droplet nor tag."""
    given = {"name": "web", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "nyc1", **change}
    size, image = driver.list_sizes()[0], NodeImage(given["image"], "", driver)
    size.id = given["size"]
    with pytest.raises(ProviderHTTPError, match=rf"(?i){words}") as caught:
        driver.create_node(given["name"], size, image, NodeLocation(given["region"], "", "", driver))
    assert caught.value.code == 422
    assert driver.list_nodes() == []
    assert driver.ex_list_tags() == []


def test_an_image_of_another_region(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """A create from an image that the region does not have raises the provider's message."""
    image = driver.create_image(node, "mine")
    with pytest.raises(ProviderHTTPError, match="region"):
        driver.create_node("web", driver.list_sizes()[0], image, NodeLocation("fra1", "", "", driver))


def test_the_droplet_limit() -> None:
    """A create above the account's droplet limit is a QuotaExceededError with the provider's message."""
    with Sandbox("digitalocean", ssh="off", droplet_limit=1) as cloud, driver_of(cloud) as driver:
        create(driver)
        with pytest.raises(QuotaExceededError, match="droplet limit"):
            create(driver, "second")


# Keys


def test_create_with_auth(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """`auth` registers its key once and finds it again; passwords are refused."""
    create(driver, "one", auth=NodeAuthSSHKey(PUBLIC_KEY))
    create(driver, "two", auth=NodeAuthSSHKey(f" {PUBLIC_KEY}\n"))
    (key,) = driver.list_key_pairs()
    sent = [body["ssh_keys"] for body in bodies(cloud, "POST", "/v2/droplets")]
    assert sent == [[key.extra["id"]], [key.extra["id"]]]
    with pytest.raises(UnsupportedOperationError, match="not passwords"):
        create(driver, "three", auth=NodeAuthPassword("pw"))


def test_a_key_of_a_deployment_is_deleted(driver: DigitalOceanNodeDriver) -> None:
    """A key that a deployment registered is deleted after it; a key that existed before stays."""
    auth = NodeAuthSSHKey(PUBLIC_KEY)
    with driver._authorized(auth, {"ex_ssh_key_ids": [7]}) as kwargs:
        (key,) = driver.list_key_pairs()
        assert kwargs == {"ex_ssh_key_ids": [7, key.extra["id"]]}
    assert driver.list_key_pairs() == []
    driver.import_key_pair_from_string("mine", PUBLIC_KEY)
    with driver._authorized(auth, {}):
        pass
    assert [pair.name for pair in driver.list_key_pairs()] == ["mine"]


def test_a_key_registered_by_another_program() -> None:
    """If another program registers the key in between, its key is used."""
    key = {"id": 9, "name": "theirs", "public_key": PUBLIC_KEY}
    gets = iter([refusal(404, "not found"), Answer(body={"ssh_key": key})])

    def respond(seen: Seen) -> Answer:
        if seen.method == "POST":
            return refusal(422, "SSH Key is already in use on your account")
        return next(gets)

    with serve(respond) as web, on(web) as driver:
        assert driver._key_for(NodeAuthSSHKey(PUBLIC_KEY)) == (9, False)


def test_key_pairs(driver: DigitalOceanNodeDriver) -> None:
    """A key is created from a public key or generated, found by name, and deleted by id or only by name."""
    pair = driver.create_key_pair("mine", PUBLIC_KEY)
    assert (pair.public_key, pair.private_key) == (PUBLIC_KEY, None)
    assert pair.fingerprint == driver.get_key_pair("mine").fingerprint
    with pytest.raises(ConflictError, match="already in use"):
        driver.create_key_pair("again", PUBLIC_KEY)
    assert driver.delete_key_pair(KeyPair("mine", None, None, driver))
    made = driver.create_key_pair("made")
    assert made.private_key is not None
    assert driver.delete_key_pair(made)
    assert driver.list_key_pairs() == []


# Actions


def test_actions_return_when_accepted() -> None:
    """Base actions return True while they are in progress; if the node is busy, the next one waits for it."""
    with Sandbox("digitalocean", ssh="off", **{**QUICK, "power": 0.5}) as slow, driver_of(slow) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        assert node.reboot() is True
        (reboot,) = [action for action in driver.ex_list_actions(node) if action.type == "reboot"]
        assert reboot.status == "in-progress"
        for action in (node.shutdown, node.start, node.stop_node, node.destroy):
            assert action() is True
        assert driver.ex_get_action(reboot.id).status == "completed"


def test_a_node_that_stays_busy(hasty: DigitalOceanNodeDriver) -> None:
    """An action of a node that stays busy is a ConflictError with the provider's message."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "GET":
            return Answer(body={"droplet": {**DROPLET, "locked": True}})
        return refusal(422, "Droplet already has a pending event.")

    with serve(respond) as web, on(web) as driver:
        for act in (driver.reboot_node, driver.destroy_node, driver.ex_enable_ipv6):
            with pytest.raises(ConflictError, match="pending event"):
                act(node_of(driver))


def test_a_conflict_without_a_lock() -> None:
    """A conflict on a node that is not busy is raised after one more try."""

    def respond(seen: Seen) -> Answer:
        return Answer(body={"droplet": DROPLET}) if seen.method == "GET" else refusal(409, "conflict")

    with serve(respond) as web, on(web) as driver:
        with pytest.raises(ConflictError):
            driver.reboot_node(node_of(driver))
        assert [seen.method for seen in web.seen] == ["POST", "GET", "POST"]


def size_of(node: Node) -> str:
    assert isinstance(node.size, NodeSize)
    return node.size.id


def test_operations_are_awaited(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """Operations beyond the base have taken effect when they return."""
    assert driver.ex_rename_node(node, "renamed")
    assert driver.get_node(node.id).name == "renamed"
    assert driver.ex_shutdown_node(node)
    assert driver.get_node(node.id).state == NodeState.STOPPED
    bigger = next(size for size in driver.list_sizes() if size.id == "s-1vcpu-1gb")
    assert driver.ex_resize_node(node, bigger, disk=True)
    assert size_of(driver.get_node(node.id)) == "s-1vcpu-1gb"
    assert driver.ex_power_on_node(node)
    assert driver.get_node(node.id).state == NodeState.RUNNING
    assert driver.ex_enable_ipv6(node)
    assert any(":" in address for address in driver.get_node(node.id).public_ips)
    assert driver.ex_rebuild_node(node)
    assert driver.ex_rebuild_node(node, driver.get_image("debian-12-x64"))
    rebuilt = driver.get_node(node.id).image
    assert isinstance(rebuilt, NodeImage)
    assert rebuilt.extra["slug"] == "debian-12-x64"
    assert driver.ex_hard_reboot(node)
    assert driver.ex_reset_password(node)
    assert driver.ex_enable_backups(node)
    assert "backups" in driver.get_node(node.id).extra["features"]
    assert driver.ex_disable_backups(node)
    assert driver.ex_restore_node(node, driver.create_image(node, "before"))
    assert driver.ex_get_node_details(node.id).id == node.id


def test_a_rebuild_needs_an_image(driver: DigitalOceanNodeDriver) -> None:
    """A node without a known image can only be rebuilt from a given one."""
    with pytest.raises(InvalidArgumentError, match="pass image="):
        driver.ex_rebuild_node(node_of(driver))


def test_actions_are_listed(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """The actions of the account and of a node are listed, and found by id."""
    driver.ex_rename_node(node, "renamed")
    actions = driver.ex_list_actions(node)
    assert {action.type for action in actions} == {"create", "rename"}
    assert driver.ex_get_action(actions[0].id) == actions[0]
    assert {event["id"] for event in driver.ex_list_events()} >= {action.id for action in actions}


def act_on(*statuses: str) -> Callable[[Seen], Answer]:
    """A provider whose action has these statuses one after another, and keeps the last."""
    remaining = iter(statuses)
    last = [statuses[-1]]

    def respond(seen: Seen) -> Answer:
        last[0] = next(remaining, last[0])
        action = {"id": 5, "status": last[0], "type": "rename", "resource_type": "droplet", "resource_id": 1}
        return Answer(201 if seen.method == "POST" else 200, {"action": action})

    return respond


def test_an_action_that_fails() -> None:
    """An action that ends in an error is a ProviderError that names it."""
    with serve(act_on("in-progress", "errored")) as web, on(web) as driver:
        with pytest.raises(ProviderError, match=r"the action rename \(id 5\) of droplet 1 failed"):
            driver.ex_rename_node(node_of(driver), "other")


def test_an_action_that_takes_too_long() -> None:
    """An action that does not end in time is an OperationTimeoutError that names it, if waited for."""
    with serve(act_on("in-progress")) as web, on(web) as driver:
        with pytest.raises(OperationTimeoutError, match=r"the action rename \(id 5\) to end"):
            driver.ex_rename_node(node_of(driver), "other", ex_timeout=0.1)
        before = len(web.seen)
        assert driver.ex_rename_node(node_of(driver), "other", ex_wait=False)
        assert len(web.seen) == before + 1


def test_an_action_that_is_completed_at_once() -> None:
    """An action that is completed when it is accepted is not read again."""
    with serve(act_on("completed")) as web, on(web) as driver:
        assert driver.ex_change_kernel(node_of(driver), 7515)
    assert [json.loads(seen.body) for seen in web.seen] == [{"type": "change_kernel", "kernel": 7515}]


# Images, sizes, locations


def test_images_of_nodes(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """`create_image` returns the new image, even if another has its name; it can be copied and deleted."""
    first, second = driver.create_image(node, "twin"), driver.create_image(node, "twin")
    assert int(second.id) > int(first.id)
    assert second.extra["regions"] == ["nyc1"]
    with driver_of_region(driver, "ams3") as abroad:
        copied = abroad.copy_image("nyc1", second, "copy")
    assert (copied.id, copied.extra["regions"]) == (second.id, ["nyc1", "ams3"])
    assert second.id in {image.id for image in driver.list_images(NodeLocation("ams3", "", "NL", driver))}
    assert driver.delete_image(first)
    with pytest.raises(NotFoundError, match=first.id):
        driver.get_image(first.id)


def driver_of_region(driver: DigitalOceanNodeDriver, region: str) -> DigitalOceanNodeDriver:
    line = driver.connection
    return DigitalOceanNodeDriver(driver.key, None, False, line.host, line.port, region=region)


def test_images_by_slug(driver: DigitalOceanNodeDriver) -> None:
    """A public image is found by its slug and by its id."""
    image = driver.get_image("debian-12-x64")
    assert driver.get_image(image.id).extra["slug"] == "debian-12-x64"


def test_copying_an_image_needs_a_region() -> None:
    """A driver without a region refuses to copy an image, and sends nothing."""
    with serve() as web, on(web) as driver:
        with pytest.raises(InvalidArgumentError, match="region="):
            driver.copy_image("nyc1", NodeImage("1", "", driver), "copy")
    assert web.seen == []


def test_sizes() -> None:
    """Sizes have the provider's prices, and traffic in GB a month; unavailable sizes are left out."""
    size = {
        "slug": "s-1",
        "memory": 1024,
        "disk": 25,
        "transfer": 1.5,
        "vcpus": 1,
        "price_hourly": 0.0074,
        "price_monthly": 5,
        "regions": ["nyc3"],
        "available": True,
    }
    others: list[dict[str, Any]] = [
        {**size, "slug": "s-0", "price_hourly": 0.005, "regions": ["ams3"]},
        {**size, "slug": "gone", "available": False},
        {"slug": "dear", "memory": 1, "disk": 1},
    ]
    answer = listed("sizes", size, *others)
    sizes = result_of(answer, lambda driver: driver.list_sizes())
    assert [(one.id, one.name, one.price) for one in sizes] == [
        ("s-0", "s-0", 0.005),
        ("s-1", "s-1", 0.0074),
        ("dear", "dear", None),
    ]
    assert (sizes[1].ram, sizes[1].disk, sizes[1].bandwidth) == (1024, 25, 1500)
    extra = sizes[1].extra
    assert (extra["price_monthly"], extra["regions"], extra["vcpus"]) == (5, ["nyc3"], 1)
    there = result_of(answer, lambda driver: driver.list_sizes(NodeLocation("nyc3", "", "", driver)))
    assert [one.id for one in there] == ["s-1"]


def test_locations() -> None:
    """Locations are the available regions, with their countries; the others are listed if requested."""
    regions = [
        {"slug": "ams3", "name": "Amsterdam 3", "available": True},
        {"slug": "sfo1", "name": "San Francisco 1", "available": False},
        {"slug": "mars1", "name": "Mars 1"},
    ]
    places = result_of(listed("regions", *regions), lambda driver: driver.list_locations())
    assert [(place.id, place.name, place.country) for place in places] == [
        ("ams3", "Amsterdam 3", "NL"),
        ("mars1", "Mars 1", ""),
    ]
    assert places[0].extra == regions[0]
    every = result_of(listed("regions", *regions), lambda driver: driver.list_locations(ex_available=False))
    assert [(place.id, place.country) for place in every][1] == ("sfo1", "US")


# Volumes


def test_the_life_of_a_volume(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """A volume is created, attached, detached, snapshotted, created again from a snapshot, and destroyed."""
    volume = driver.create_volume(10, "data")
    assert (volume.size, volume.state, volume.name) == (10, StorageVolumeState.AVAILABLE, "data")
    assert volume.extra["region_slug"] == "nyc1"
    assert driver.attach_volume(node, volume)
    waiting.poll(
        lambda: driver.list_volumes()[0].extra["droplet_ids"] == [int(node.id)] or None,
        waiting_for="the attachment",
        timeout=10,
    )
    assert driver.list_volumes()[0].state == StorageVolumeState.INUSE
    assert volume.detach()
    waiting.poll(
        lambda: driver.list_volumes()[0].state == StorageVolumeState.AVAILABLE or None,
        waiting_for="the detachment",
        timeout=10,
    )
    snapshot = volume.snapshot("before")
    assert (snapshot.name, snapshot.extra["resource_id"]) == ("before", volume.id)
    assert (volume.snapshot().name or "").startswith("data-")
    again = driver.create_volume(10, "again", snapshot=snapshot)
    assert again.id != volume.id
    for each in volume.list_snapshots():
        assert driver.delete_volume_snapshot(each)
    assert volume.destroy()
    assert again.destroy()
    assert driver.list_volumes() == []


def test_a_volume_that_is_not_attached(driver: DigitalOceanNodeDriver) -> None:
    """Detaching a volume that is not attached is a ConflictError."""
    with pytest.raises(ConflictError, match="not attached to a node"):
        driver.create_volume(10, "data").detach()


def test_a_volume_needs_a_region() -> None:
    """Without location and region, `create_volume` is refused before anything is sent."""
    with serve() as web, on(web) as driver:
        with pytest.raises(InvalidArgumentError, match="region="):
            driver.create_volume(10, "data")
    assert web.seen == []


def test_snapshots_from_payloads() -> None:
    """A snapshot has the provider's size, and its time has a time zone."""
    payload = {"id": "fbe8", "name": "s", "created_at": "2020-09-30T18:56:12Z", "size_gigabytes": 0.3}
    (snapshot,) = result_of(
        listed("snapshots", payload), lambda driver: driver.list_volume_snapshots(volume_of(driver))
    )
    assert (snapshot.size, snapshot.created) == (0.3, datetime(2020, 9, 30, 18, 56, 12, tzinfo=UTC))


# Errors


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Unable to authenticate you", InvalidCredsError),
        (403, "You are not authorized to perform this operation", ProviderHTTPError),
        (403, "creating this/these droplet(s) will exceed your droplet limit", QuotaExceededError),
        (404, "The resource you were accessing could not be found.", NotFoundError),
        (409, "volume limit exceeded", QuotaExceededError),
        (409, "already attached", ConflictError),
        (422, "Droplet already has a pending event.", ConflictError),
        (422, "Region is not available", UnavailableError),
        (422, "You have reached the droplet limit", QuotaExceededError),
        (422, "You've reached the limit of droplets", QuotaExceededError),
        (403, "droplet limit will be exceeded", QuotaExceededError),
        (409, "the limit of firewalls (10) has been reached", QuotaExceededError),
        (422, "this would exceed your volume limit", QuotaExceededError),
        (422, "Name exceeds the maximum length", ProviderHTTPError),
        (422, "You have exceeded your SSH key name length limit of 255", ProviderHTTPError),
        (422, "name exceeds the limit of 255 characters", InvalidNameError),
    ],
)
def test_refusals(status: int, message: str, kind: type[Exception]) -> None:
    """Each kind of refusal has its own error, with the provider's message."""
    with pytest.raises(kind) as caught:
        result_of(refusal(status, message), lambda driver: driver.list_nodes())
    assert type(caught.value) is kind
    assert message in str(caught.value)


def test_the_rate_limit() -> None:
    """A rate limit error has the pause of `retry-after`, or until the time of `ratelimit-reset`."""
    soon = str(int(time.time()) + 1000)
    cases = [({"retry_after": "7", "ratelimit_reset": soon}, 7, 7), ({"ratelimit_reset": soon}, 900, 1000)]
    for headers, least, most in [*cases, ({}, 0, 0), ({"ratelimit_reset": "1"}, 0, 1)]:
        with pytest.raises(RateLimitReachedError, match="limit exceeded") as caught:
            result_of(refusal(429, "API rate limit exceeded.", **headers), lambda driver: driver.list_nodes())
        assert least <= caught.value.retry_after <= most


def test_an_expired_token(cloud: Sandbox) -> None:
    """A token that the provider refuses is an InvalidCredsError that does not show it."""
    with DigitalOceanNodeDriver("dop_v1_expired", **cloud.options) as driver:
        with pytest.raises(InvalidCredsError) as caught:
            driver.list_nodes()
    assert "expired" not in str(caught.value)


# Beyond the base


def test_tags(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """A tag is created, added to a node, used as a filter, removed and deleted."""
    assert driver.ex_create_tag("env:prod")
    assert driver.ex_list_tags() == ["env:prod"]
    assert driver.ex_tag_node(node, "env:prod")
    assert [one.id for one in driver.list_nodes(ex_tag="env:prod")] == [node.id]
    assert driver.ex_untag_node(node, "env:prod")
    assert driver.list_nodes(ex_tag="env:prod") == []
    assert driver.ex_delete_tag("env:prod")
    assert driver.ex_list_tags() == []


def test_reserved_addresses(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """An address is reserved, assigned to a node, unassigned and released."""
    ip = driver.ex_create_floating_ip(driver.list_locations()[0])
    assert ip == DigitalOceanFloatingIp(ip.ip_address, ip.ip_address, None, "nyc1")
    assert driver.ex_attach_floating_ip_to_node(node, ip)
    assert driver.ex_get_floating_ip(ip.ip_address).node_id == node.id
    assert [one.node_id for one in driver.ex_list_floating_ips()] == [node.id]
    assert driver.ex_detach_floating_ip_from_node(node, ip)
    assert driver.ex_delete_floating_ip(ip)
    assert driver.ex_list_floating_ips() == []


def test_private_networks(driver: DigitalOceanNodeDriver) -> None:
    """A private network is created, has nodes created in it, and can be deleted once they are gone."""
    default = driver.ex_create_vpc("first", driver.list_locations()[0])
    vpc = driver.ex_create_vpc(
        "second", driver.list_locations()[0], ip_range="10.77.0.0/24", description="for us"
    )
    assert (vpc.ip_range, vpc.region, vpc.description) == ("10.77.0.0/24", "nyc1", "for us")
    assert {one.id for one in driver.ex_list_vpcs()} >= {default.id, vpc.id}
    node = create(driver, ex_create_attr={"vpc_uuid": vpc.id})
    ((node, _),) = driver.wait_until_running([node])
    assert all(address.startswith("10.77.0.") for address in node.private_ips)
    with pytest.raises(ProviderHTTPError):
        driver.ex_delete_vpc(vpc)
    driver.destroy_node(node)
    waiting.poll(lambda: driver.list_nodes() == [] or None, waiting_for="the end", timeout=10)
    assert driver.ex_delete_vpc(vpc)
    with pytest.raises(NotFoundError, match=vpc.id):
        driver.ex_get_vpc(vpc.id)


def test_firewalls(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """A firewall is created from rules, changes its nodes and tags, and is deleted."""
    driver.ex_create_tag("web")
    ssh = DigitalOceanFirewallRule(protocol="tcp", ports="22", addresses=("0.0.0.0/0", "::/0"))
    inner = DigitalOceanFirewallRule(protocol="udp", ports="8000-9000", node_ids=(node.id,), tags=("web",))
    firewall = driver.ex_create_firewall("gate", [ssh, inner], [ssh], nodes=[node])
    assert (firewall.inbound, firewall.outbound) == ((ssh, inner), (ssh,))
    assert (firewall.node_ids, firewall.tags) == ((node.id,), ())
    assert driver.ex_remove_nodes_from_firewall(firewall, [node])
    assert driver.ex_add_tags_to_firewall(firewall, ["web"])
    current = driver.ex_get_firewall(firewall.id)
    assert (current.node_ids, current.tags) == ((), ("web",))
    assert driver.ex_remove_tags_from_firewall(firewall, ["web"])
    assert driver.ex_add_nodes_to_firewall(firewall, [node])
    (current,) = driver.ex_list_firewalls()
    assert (current.node_ids, current.tags) == ((node.id,), ())
    assert driver.ex_delete_firewall(firewall)
    assert driver.ex_list_firewalls() == []


def test_the_account(driver: DigitalOceanNodeDriver) -> None:
    """`ex_account_info` returns the provider's payload."""
    assert "droplet_limit" in driver.ex_account_info()


# Payloads and servers that differ


FULL_SIZE = {"slug": "s-1", "memory": 1024, "disk": 25, "vcpus": 1, "transfer": 1.0, "price_hourly": 0.01}


def test_nodes_share_sizes_and_images() -> None:
    """A node's size and image are objects, or slugs if incomplete; nodes of a list share equal ones."""
    payload = {"size": FULL_SIZE, "size_slug": "s-1", "image": {"id": 7, "name": "mine", "slug": None}}
    one, other = result_of(
        listed("droplets", {"id": 1, **payload}, {"id": 2, **payload}), lambda driver: driver.list_nodes()
    )
    assert (one.size.id, one.size.ram, one.size.extra["vcpus"], one.image.name) == ("s-1", 1024, 1, "mine")
    assert one.size is other.size
    assert one.image is other.image
    slugs = {"id": 1, "size_slug": "s-1", "image": {"slug": "debian"}}
    (node,) = result_of(listed("droplets", slugs), lambda driver: driver.list_nodes())
    assert (node.size, node.image) == ("s-1", "debian")


def test_a_droplet_without_the_marker() -> None:
    """After a lost response only a droplet with the marker is accepted, even if the server lists others."""

    def respond(seen: Seen) -> Answer:
        return listed("droplets", DROPLET) if seen.method == "GET" else refusal(500, "lost")

    ids: Any = ("s-1", "debian")
    with serve(respond) as web, on(web) as driver, pytest.raises(AmbiguousCreateError):
        driver.create_node("web", *ids)


@pytest.mark.parametrize("status", [403, 404])
def test_an_action_that_may_not_be_read(status: int) -> None:
    """An action is read below its droplet; if that is forbidden or not found, it is not waited for."""

    def respond(seen: Seen) -> Answer:
        action = {"id": 5, "status": "in-progress"}
        return refusal(status, "no") if seen.method == "GET" else Answer(body={"action": action})

    with serve(respond) as web, on(web) as driver:
        assert driver.ex_rename_node(node_of(driver), "other") is True
    assert web.seen[-1].path == "/v2/droplets/1/actions/5"


def test_images_that_are_not_waited_for(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """With `ex_wait=False`, a new image has its action's id but no id yet, and a copied one its id."""
    old = driver.create_image(node, "twin")
    begun = driver.create_image(node, "twin", ex_wait=False)
    assert (begun.id, begun.name) == ("", "twin")
    assert driver.ex_get_action(begun.extra["action_id"]).type == "snapshot"
    with driver_of_region(driver, "ams3") as abroad:
        assert abroad.copy_image("nyc1", old, "copy", ex_wait=False).id == old.id


def test_an_older_snapshot_of_the_name() -> None:
    """An older snapshot with the same name is not taken for the new one."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "POST":
            return Answer(body={"action": {"id": 5, "status": "completed"}})
        return listed("snapshots", {"id": 1, "name": "twin"})

    with serve(respond) as web, on(web) as driver, pytest.raises(OperationTimeoutError, match="'twin'"):
        driver.create_image(node_of(driver), "twin")


def test_addresses_under_their_older_name() -> None:
    """If the provider has no `/reserved_ips`, addresses are found below `/floating_ips`."""
    ip = {"ip": "192.0.2.1", "region": {"slug": "nyc3"}}

    def respond(seen: Seen) -> Answer:
        if seen.path.startswith("/v2/reserved_ips"):
            return refusal(404, "not found")
        if seen.method == "DELETE":
            return Answer(204)
        action = {"id": 5, "status": "completed"}
        return Answer(body={"floating_ips": [ip], "floating_ip": ip, "action": action})

    with serve(respond) as web, on(web) as driver:
        (address,) = driver.ex_list_floating_ips()
        assert (address, address.extra, address.driver) == (
            driver.ex_get_floating_ip("192.0.2.1"),
            ip,
            driver,
        )
        assert driver.ex_create_floating_ip(NodeLocation("nyc3", "", "", driver)) == address
        assert driver.ex_attach_floating_ip_to_node(node_of(driver), "192.0.2.1")
        assert driver.ex_detach_floating_ip_from_node(node_of(driver), address)
        assert address.delete()
    with pytest.raises(InvalidArgumentError, match="has no driver"):
        DigitalOceanFloatingIp("192.0.2.1", "192.0.2.1", None, None).delete()


def test_incomplete_links() -> None:
    """A list is complete if only `next` is linked, and if only the total shows that there are more pages."""
    for linked in (True, False):

        def respond(seen: Seen, linked: bool = linked) -> Answer:
            page = int(seen.query["page"][0])
            link = {"next": f"https://elsewhere.example/v2/droplets?page={page + 1}"} if page < 4 else {}
            droplets = [{"id": page * 2}, {"id": page * 2 + 1}]
            body = {"droplets": droplets, "links": {"pages": link}} if linked else {"droplets": droplets}
            return Answer(body=body if linked else {**body, "meta": {"total": 8}})

        with serve(respond) as web, on(web) as driver:
            assert [int(node.id) for node in driver.list_nodes()] == list(range(2, 10))
            assert [int(node.id) for node in driver.iterate_nodes()] == list(range(2, 10))


def test_a_busy_node_that_may_not_be_read() -> None:
    """If a busy node may not be read, the provider's refusal is raised."""

    def respond(seen: Seen) -> Answer:
        return refusal(403, "no") if seen.method == "GET" else refusal(422, "pending event")

    with serve(respond) as web, on(web) as driver, pytest.raises(ConflictError, match="pending event"):
        driver.reboot_node(node_of(driver))


def test_detach_right_after_attach() -> None:
    """A volume is detached right after it was attached, although the provider does not list that yet."""
    payload = {"id": "v", "size_gigabytes": 10.0, "droplet_ids": []}
    answer = Answer(body={"volume": payload, "action": {"id": 5}})
    with serve(lambda _: answer) as web, on(web) as driver:
        volume = volume_of(driver)
        assert driver.attach_volume(node_of(driver), volume)
        assert driver.detach_volume(volume)
        assert json.loads(web.seen[-1].body) == {"type": "detach", "droplet_id": 1}
        assert volume.extra["droplet_ids"] == []


def test_one_operation_of_a_volume_after_another() -> None:
    """A volume is attached, detached, attached again, detached and destroyed, each as soon as it is free."""
    with Sandbox("digitalocean", ssh="off", **{**QUICK, "attach": 0.3}) as slow, driver_of(slow) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        volume = driver.create_volume(10, "data", driver.list_locations()[0])
        for _ in range(2):
            assert driver.attach_volume(node, volume)
            assert driver.detach_volume(volume)
        assert driver.destroy_volume(volume)
        assert driver.list_volumes() == []


def test_a_volume_that_is_not_busy() -> None:
    """A refusal that concerns a volume without actions is raised, after one look and one more request."""

    def respond(seen: Seen) -> Answer:
        return Answer(body={"actions": []}) if seen.method == "GET" else refusal(409, "attached volume")

    with serve(respond) as web, on(web) as driver:
        with pytest.raises(ConflictError, match="attached volume"):
            driver.destroy_volume(volume_of(driver))
        assert [seen.method for seen in web.seen] == ["DELETE", "GET", "DELETE"]


def test_a_volume_that_stays_busy(hasty: DigitalOceanNodeDriver) -> None:
    """A volume that stays busy for `busy_time` is the provider's refusal."""
    going = {"id": 5, "status": "in-progress"}

    def respond(seen: Seen) -> Answer:
        return Answer(body={"actions": [going]}) if seen.method == "GET" else refusal(422, "not found")

    with serve(respond) as web, on(web) as driver:
        driver.busy_time = hasty.busy_time  # type: ignore[misc] # of this object only
        with pytest.raises(ProviderHTTPError, match="not found"):
            driver.destroy_volume(volume_of(driver))
        assert [seen.method for seen in web.seen].count("DELETE") == 1


def test_one_operation_of_an_address_after_another() -> None:
    """A reserved address is assigned, unassigned and released, each as soon as it is free."""
    with Sandbox("digitalocean", ssh="off", **{**QUICK, "attach": 0.3}) as slow, driver_of(slow) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        address = driver.ex_create_floating_ip(driver.list_locations()[0])
        assert driver.ex_attach_floating_ip_to_node(node, address, ex_wait=False)
        assert driver.ex_detach_floating_ip_from_node(node, address, ex_wait=False)
        assert driver.ex_delete_floating_ip(address)


def test_odd_payloads_that_are_accepted() -> None:
    """A null list is empty, an address not assigned yet is skipped, and sizes may be fractions."""
    assert result_of(Answer(body={"volumes": None}), lambda driver: driver.list_volumes()) == []
    empty: list[Any] = [[], {"v4": [{"ip_address": ""}, {"ip_address": None}]}]
    for networks in empty:
        (node,) = result_of(
            listed("droplets", {"id": 1, "networks": networks}), lambda driver: driver.list_nodes()
        )
        assert (node.public_ips, node.private_ips) == ([], [])
    volumes = listed("volumes", {"id": "v", "size_gigabytes": 10.0})
    assert [volume.size for volume in result_of(volumes, lambda driver: driver.list_volumes())] == [10]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ex_create_attr": {"names": ["a", "b"]}},
        {"ex_create_attr": ["ipv6"]},
        {"ex_ssh_key_ids": 5},
        {"ex_ssh_key_ids": [None]},
    ],
)
def test_invalid_arguments(wrong: dict[str, Any]) -> None:
    """Invalid arguments are refused before anything is sent."""
    ids: Any = ("s-1", "debian")
    with serve() as web, on(web) as driver:
        with pytest.raises(InvalidArgumentError):
            driver.create_node("web", *ids, **wrong)
        with pytest.raises(InvalidArgumentError, match="together"):
            driver.list_nodes(ex_tag="a", ex_gpus=True)
        with pytest.raises(InvalidArgumentError, match="must be a number"):
            driver.get_node("\u0663")
    assert web.seen == []


def test_the_marker_is_deleted_in_one_attempt(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """The tag of a create is deleted in one attempt, although other requests are retried."""
    cloud.fault(503, method="DELETE", path="/v2/tags/*", times=None)
    create(driver)
    assert len([seen for seen in cloud.requests if seen.method == "DELETE"]) == 1


def test_a_deployment_key_beside_others(driver: DigitalOceanNodeDriver) -> None:
    """A deployment's key is added to the `ssh_keys` of `ex_create_attr`, if there are any."""
    with driver._authorized(NodeAuthSSHKey(PUBLIC_KEY), {"ex_create_attr": {"ssh_keys": [7]}}) as kwargs:
        (key,) = driver.list_key_pairs()
        assert kwargs == {"ex_create_attr": {"ssh_keys": [7, key.extra["id"]]}}


# A second service


class Domain(msgspec.Struct):
    """An object without an id."""

    name: str
    ttl: int | None = None


def test_lists_of_objects_without_an_id() -> None:
    """Lists and iterators identify objects by `key`: one that is on two pages is returned once."""
    pages = {"1": [{"name": "a"}, {"name": "b"}], "2": [{"name": "b"}, {"name": "c"}]}

    def respond(seen: Seen) -> Answer:
        here = pages[seen.query["page"][0]]
        return Answer(body={"domains": here, "links": {"pages": {"last": "/v2/domains?page=2"}}})

    how: Any = {"key": attrgetter("name"), "params": {"name": "x"}}
    with serve(respond) as web, DigitalOceanBaseDriver(TOKEN, **web.options, ex_per_page=2) as driver:
        connection = driver.connection
        for domains in (
            connection.list_all("/domains", "domains", Domain, value_of, **how),
            connection.iterate("/domains", "domains", Domain, value_of, **how),
        ):
            assert [domain.name for domain in domains] == ["a", "b", "c"]
    assert {seen.query["name"][0] for seen in web.seen} == {"x"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_changes_of_objects(method: str) -> None:
    """`put` and `patch` send a JSON body by their methods and return the object of the response."""
    answer = Answer(body={"domain": {"name": "a", "ttl": 60}})
    with serve(lambda _: answer) as web, DigitalOceanBaseDriver(TOKEN, **web.options) as driver:
        change = getattr(driver.connection, method.lower())
        assert change("/domains/a", "domain", Domain, {"ttl": 60}).value == Domain("a", 60)
    assert [(seen.method, seen.path, json.loads(seen.body)) for seen in web.seen] == [
        (method, "/v2/domains/a", {"ttl": 60})
    ]


# The documentation


def test_the_examples_of_the_documentation_run() -> None:
    """The Python blocks of the provider's page run, in order."""
    page = Path(__file__).parents[2] / "docs" / "providers" / "digitalocean.md"
    names: dict[str, Any] = {}
    try:
        for block in re.findall(
            r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            exec(block, names)  # noqa: S102 - our own page
        assert [one.name for one in names["driver"].list_nodes()] == ["web-1"]
    finally:
        names["cloud"].stop()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)", InvalidNameError),
        ("Size is not available in this region.", UnavailableError),
        ("You specified an invalid image for Droplet creation.", ImageUnavailableError),
        ("The image is not available in the selected region.", ImageUnavailableError),
    ],
)
def test_refused_creates(words: str, error: type[ProviderHTTPError]) -> None:
    """A refused name, an unavailable size and an unavailable image have errors of their own."""
    with pytest.raises(ProviderHTTPError, match=r"(?i)name|size|image") as caught:
        result_of(Answer(422, {"message": words}), lambda driver: driver.list_nodes())
    assert type(caught.value) is error
