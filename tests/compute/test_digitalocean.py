from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

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
QUICK: dict[str, Any] = {"build": 0.05, "power": 0.05, "copy": 0.05, "attach": 0.05, "archive": 0.05}


class Hasty(DigitalOceanNodeDriver):
    settle_time = 0.3
    busy_time = 0.3


@pytest.fixture(scope="module")
def module_cloud() -> Iterator[Sandbox]:
    with Sandbox("digitalocean", ssh="off", **QUICK) as cloud:
        yield cloud


@pytest.fixture
def cloud(module_cloud: Sandbox) -> Sandbox:
    """A DigitalOcean that is quick and empty."""
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
    """A driver that soon gives up."""
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


def answered(answer: Answer, call: Callable[[DigitalOceanNodeDriver], Any]) -> Any:
    """The result of a driver's call whose every request is answered with `answer`."""
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
    """A token is enough, `api_version` may be said, and what the provider has not is refused in words."""
    driver = DigitalOceanNodeDriver(TOKEN, api_version="v2")
    assert (driver.connection.host, driver.connection.request_path) == ("api.digitalocean.com", "/v2")
    assert TOKEN not in repr(driver)
    with pytest.raises(UnsupportedOperationError, match="no API v1, only v2"):
        DigitalOceanNodeDriver(TOKEN, api_version="v1")
    with pytest.raises(InvalidArgumentError, match="takes a token"):
        DigitalOceanNodeDriver("client", "secret")
    with pytest.raises(InvalidCredsError, match="needs a key"):
        DigitalOceanNodeDriver("")


def test_the_token_goes_into_the_header() -> None:
    """The token is sent as a bearer token, and to the path below /v2."""
    with serve(lambda _: listed("droplets")) as web, on(web) as driver:
        assert driver.list_nodes() == []
    (seen,) = web.seen
    assert (seen.path, seen.headers["Authorization"]) == ("/v2/droplets", f"Bearer {TOKEN}")


# Nodes


def test_a_node_is_what_the_provider_tells() -> None:
    """A droplet's fields end where Libcloud's users look for them; the mark of a create is left out."""
    (node,) = answered(listed("droplets", DROPLET), lambda driver: driver.list_nodes())
    assert (node.id, node.name, node.state) == ("3164444", "example.com", NodeState.RUNNING)
    assert node.public_ips == ["192.241.165.154", "2604:a880:0:1010::18a:a001"]
    assert node.private_ips == ["10.128.192.124"]
    assert (node.size, node.image.id) == ("s-1vcpu-1gb", "63663980")
    assert node.created_at == datetime(2020, 7, 21, 18, 37, 44, tzinfo=UTC)
    assert node.extra == {**DROPLET, "tags": ["web"], "region": "New York 3", "region_slug": "nyc3"}


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
    """Every status has a state, and one that the driver does not know is UNKNOWN, not an error."""
    answer = listed("droplets", {"id": 1, "status": status})
    (node,) = answered(answer, lambda driver: driver.list_nodes())
    assert node.state == state


def test_a_bare_droplet_is_enough() -> None:
    """A droplet of which only the id is told is a node without addresses; its extra has the usual keys."""
    (node,) = answered(listed("droplets", {"id": 1}), lambda driver: driver.list_nodes())
    assert (node.public_ips, node.private_ips, node.size, node.image) == ([], [], None, None)
    assert (node.created_at, node.extra["region"], node.extra["tags"]) == (None, None, [])


def test_an_image_without_slug_has_its_number() -> None:
    """A node made from an image of one's own names it by its id."""
    answer = listed("droplets", {"id": 1, "image": {"id": 77, "slug": None}})
    (node,) = answered(answer, lambda driver: driver.list_nodes())
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
    """A list is asked for in pages of 200, its first one again at the end, and is complete and in order."""
    with serve(pages_of(450)) as web, on(web) as driver:
        nodes = driver.list_nodes()
    assert [int(node.id) for node in nodes] == list(range(1, 451))
    assert sorted(seen.query["page"][0] for seen in web.seen) == ["1", "1", "2", "3"]
    assert {seen.query["per_page"][0] for seen in web.seen} == {"200"}


def test_pages_that_are_smaller_than_asked_for() -> None:
    """A list is complete where the provider gives smaller pages, and where the caller wants them."""
    with serve(pages_of(45, largest=10)) as web, on(web) as driver:
        assert len(driver.list_nodes()) == 45
    with serve(pages_of(45)) as web, on(web, ex_per_page=20) as driver:
        assert len(driver.list_nodes()) == 45
        assert len(web.seen) == 4


def test_iterate_nodes_a_page_at_a_time() -> None:
    """`iterate_nodes` asks for a page when the one before is used up."""
    with serve(pages_of(5)) as web, on(web, ex_per_page=2) as driver:
        nodes = driver.iterate_nodes()
        assert [next(nodes).id, next(nodes).id] == ["1", "2"]
        assert len(web.seen) == 1
        assert [node.id for node in nodes] == ["3", "4", "5"]
        assert len(web.seen) == 3


def test_a_total_that_cannot_be() -> None:
    """A list that claims pages without number is malformed, and its pages are not asked for."""
    body = {"droplets": [], "meta": {"total": 10**15}}
    with serve(lambda _: Answer(body=body)) as web, on(web) as driver:
        with pytest.raises(MalformedResponseError, match="pages cannot be"):
            driver.list_nodes()
    assert len(web.seen) == 1


def test_gpu_droplets() -> None:
    """GPU droplets, which the provider lists apart, are listed when asked for."""

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
ODD_OBJECTS: list[Any] = [{}, {"id": "x"}]  # the account is given as it is


@pytest.mark.parametrize(
    ("call", "odd"),
    [
        (call, odd)
        for call in CALLS
        for odd in (ODD if call == "ex_account_info" else ODD + ODD_OBJECTS)
        if odd is not None or call in ONE
    ],
)
def test_answers_of_another_form(call: str, odd: Any) -> None:
    """An answer of another form than documented is a MalformedResponseError."""
    body = {**dict.fromkeys(NAMES, odd), "meta": {"total": 1}}
    with pytest.raises(MalformedResponseError, match="not as documented"):
        answered(Answer(body=body), CALLS[call])


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
    """A field of another type, and an address that is none, are MalformedResponseErrors."""
    with pytest.raises(MalformedResponseError):
        answered(listed("droplets", {"id": 1, **odd}), lambda driver: driver.list_nodes())


def test_ids_that_are_no_numbers_are_not_sent() -> None:
    """An id that is no number is refused before anything is sent."""
    with serve() as web, on(web) as driver:
        for call in (driver.get_node, lambda id_: driver.destroy_node(node_of(driver, id_))):
            with pytest.raises(InvalidArgumentError, match="'no-number' is no id"):
                call("no-number")
    assert web.seen == []


def test_what_is_no_node_and_no_size_is_not_sent() -> None:
    """What cannot be sent is refused in words before anything is sent."""
    wrong: Any = 7
    with serve() as web, on(web) as driver:
        image = NodeImage("1", "", driver)
        with pytest.raises(InvalidArgumentError, match="7 is no Node"):
            driver.reboot_node(wrong)
        with pytest.raises(InvalidArgumentError, match="7 is expected a NodeSize nor the id of one"):
            driver.create_node("web", wrong, image)
        with pytest.raises(InvalidArgumentError, match="7 is expected a NodeLocation"):
            driver.create_node("web", NodeSize("s-1", "", 1, 1, 0, None, driver), image, wrong)
    assert web.seen == []


# Creation


def test_create_sends_what_it_is_given(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Every argument of a create reaches the provider, and no field is null."""
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


def test_create_takes_ids_and_single_texts(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Size, image and location may be given as ids, and one tag or key as a text."""
    ids: Any = ("s-1vcpu-1gb", "ubuntu-24-04-x64", "fra1")
    driver.create_node("web", *ids, tags="one")
    (body,) = bodies(cloud, "POST", "/v2/droplets")
    assert (body["size"], body["image"], body["region"]) == ids
    assert body["tags"][:-1] == ["one"]


def test_create_sends_little_where_little_is_given(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Fields that were not given are left out, and the driver's region is taken."""
    create(driver)
    (body,) = bodies(cloud, "POST", "/v2/droplets")
    assert body.keys() == {"name", "size", "image", "region", "tags"}
    assert body["region"] == "nyc1"


def test_a_create_leaves_no_tag(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """A create costs two requests, and its tag is gone afterwards."""
    size, image = driver.list_sizes()[0], driver.get_image("ubuntu-24-04-x64")
    before = len(cloud.requests)
    node = driver.create_node("web", size, image, tags=["kept"])
    assert [seen.method for seen in cloud.requests[before:]] == ["POST", "DELETE"]
    assert driver.ex_list_tags() == ["kept"]
    assert driver.get_node(node.id).extra["tags"] == ["kept"]


def test_a_tag_that_stays_is_no_failure(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """A create succeeds though its tag cannot be deleted, and the tag is not shown."""
    cloud.fault(500, method="DELETE", path="/v2/tags/*", times=None)
    node = create(driver)
    assert driver.get_node(node.id).extra["tags"] == []


def test_an_interrupted_create_says_what_exists() -> None:
    """Ctrl-C after the droplet was made passes through with the droplet's id."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "DELETE":
            signal.raise_signal(signal.SIGINT)
        return Answer(body={"droplet": DROPLET})

    with serve(respond) as web, on(web) as driver:
        with pytest.raises(KeyboardInterrupt) as caught:
            driver.create_node("web", NodeSize("s-1", "", 1, 1, 0, None, driver), NodeImage("1", "", driver))
    assert "the droplet 'web' exists: id 3164444" in caught.value.__notes__[0]


@pytest.mark.parametrize("fault", ["reset after", "truncate"])
def test_a_lost_answer_makes_one_droplet(driver: DigitalOceanNodeDriver, cloud: Sandbox, fault: str) -> None:
    """A create whose answer is lost after the provider acted finds its droplet and makes no second one."""
    cloud.fault(fault, method="POST", path="/v2/droplets")  # type: ignore[arg-type]
    node = create(driver)
    assert [other.id for other in driver.list_nodes()] == [node.id]
    assert len(bodies(cloud, "POST", "/v2/droplets")) == 1
    assert driver.ex_list_tags() == []


def test_lost_answers_side_by_side(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Of several creates of one name whose answers are lost, each gives back its own droplet."""
    cloud.fault("reset after", method="POST", path="/v2/droplets", times=4)
    nodes = waiting.gather([lambda: create(driver, "twin")] * 4)
    ids = {node.id for node in nodes}
    assert len(ids) == 4
    assert ids == {node.id for node in driver.list_nodes()}


@pytest.mark.parametrize("fault", ["reset before", 500])
def test_a_lost_create_that_cannot_be_settled(
    hasty: DigitalOceanNodeDriver, cloud: Sandbox, fault: Any
) -> None:
    """A create that may or may not have come about is ambiguous, with the tag to look for, and sent once."""
    cloud.fault(fault, method="POST", path="/v2/droplets", times=None)
    with pytest.raises(AmbiguousCreateError, match=r"'web'.*'polycloud-create-[0-9a-f]{12}'.*before"):
        create(hasty)
    assert len(bodies(cloud, "POST", "/v2/droplets")) <= 1


def test_a_create_that_cannot_connect(hasty: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """A create that reached nobody is a plain error, since nothing can have come about."""
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
    """A create that the provider refuses raises with its words and leaves neither droplet nor tag."""
    given = {"name": "web", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64", "region": "nyc1", **change}
    size, image = driver.list_sizes()[0], NodeImage(given["image"], "", driver)
    size.id = given["size"]
    with pytest.raises(ProviderHTTPError, match=rf"(?i){words}") as caught:
        driver.create_node(given["name"], size, image, NodeLocation(given["region"], "", "", driver))
    assert caught.value.code == 422
    assert driver.list_nodes() == []
    assert driver.ex_list_tags() == []


def test_an_image_of_another_region(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """An image that the region does not have is refused with the provider's words."""
    image = driver.create_image(node, "mine")
    with pytest.raises(ProviderHTTPError, match="region"):
        driver.create_node("web", driver.list_sizes()[0], image, NodeLocation("fra1", "", "", driver))


def test_the_droplet_limit() -> None:
    """A create above the account's droplet limit is a QuotaExceededError with the provider's words."""
    with Sandbox("digitalocean", ssh="off", droplet_limit=1) as cloud, driver_of(cloud) as driver:
        create(driver)
        with pytest.raises(QuotaExceededError, match="droplet limit"):
            create(driver, "second")


# Keys


def test_create_with_a_key_in_hand(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """`auth` registers its key once, and finds it again."""
    create(driver, "one", auth=NodeAuthSSHKey(PUBLIC_KEY))
    create(driver, "two", auth=NodeAuthSSHKey(f" {PUBLIC_KEY}\n"))
    (key,) = driver.list_key_pairs()
    sent = [body["ssh_keys"] for body in bodies(cloud, "POST", "/v2/droplets")]
    assert sent == [[key.extra["id"]], [key.extra["id"]]]
    with pytest.raises(UnsupportedOperationError, match="not passwords"):
        create(driver, "three", auth=NodeAuthPassword("pw"))


def test_a_key_of_a_deployment_is_deleted(driver: DigitalOceanNodeDriver) -> None:
    """A key that a deployment registered is deleted after it; one that was there stays."""
    auth = NodeAuthSSHKey(PUBLIC_KEY)
    with driver._authorized(auth, {"ex_ssh_key_ids": [7]}) as kwargs:
        (key,) = driver.list_key_pairs()
        assert kwargs == {"ex_ssh_key_ids": [7, key.extra["id"]]}
    assert driver.list_key_pairs() == []
    driver.import_key_pair_from_string("mine", PUBLIC_KEY)
    with driver._authorized(auth, {}):
        pass
    assert [pair.name for pair in driver.list_key_pairs()] == ["mine"]


def test_a_key_that_another_registers_first() -> None:
    """A key that somebody else registers at the same moment is taken as it is found then."""
    key = {"id": 9, "name": "theirs", "public_key": PUBLIC_KEY}
    gets = iter([refusal(404, "not found"), Answer(body={"ssh_key": key})])

    def respond(seen: Seen) -> Answer:
        if seen.method == "POST":
            return refusal(422, "SSH Key is already in use on your account")
        return next(gets)

    with serve(respond) as web, on(web) as driver:
        assert driver._key_for(NodeAuthSSHKey(PUBLIC_KEY)) == (9, False)


def test_key_pairs(driver: DigitalOceanNodeDriver) -> None:
    """A key pair can be made from a public key, is found by name, and is deleted by id or by name alone."""
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


def test_actions_return_when_accepted(cloud: Sandbox) -> None:
    """Base actions return True at once; a node that is busy with one is waited for by the next."""
    with Sandbox("digitalocean", ssh="off", **{**QUICK, "power": 0.5}) as slow, driver_of(slow) as driver:
        ((node, _),) = driver.wait_until_running([create(driver)])
        for action in (node.reboot, node.shutdown, node.start, node.stop_node, node.destroy):
            assert action() is True
        statuses = [action.status for action in driver.ex_list_actions() if action.type == "reboot"]
        assert statuses == ["completed"]


def test_a_node_that_stays_busy(hasty: DigitalOceanNodeDriver) -> None:
    """A node that stays busy with another action is a ConflictError with the provider's words."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "GET":
            return Answer(body={"droplet": {**DROPLET, "locked": True}})
        return refusal(422, "Droplet already has a pending event.")

    with serve(respond) as web, on(web) as driver:
        for act in (driver.reboot_node, driver.destroy_node, driver.ex_enable_ipv6):
            with pytest.raises(ConflictError, match="pending event"):
                act(node_of(driver))


def test_a_refusal_that_waiting_does_not_change() -> None:
    """A conflict that is no lock is raised after one further try."""

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
    """A node that tells no image is rebuilt from a given one only."""
    with pytest.raises(InvalidArgumentError, match="from which image"):
        driver.ex_rebuild_node(node_of(driver))


def test_actions_can_be_looked_at(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """The actions of the account and of a node are listed, and found by id."""
    driver.ex_rename_node(node, "renamed")
    actions = driver.ex_list_actions(node)
    assert {action.type for action in actions} == {"create", "rename"}
    assert driver.ex_get_action(actions[0].id) == actions[0]
    assert {event["id"] for event in driver.ex_list_events()} >= {action.id for action in actions}


def act_on(*statuses: str) -> Callable[[Seen], Answer]:
    """A provider whose action has these statuses, the last one from then on."""
    told = iter(statuses)
    last = [statuses[-1]]

    def respond(seen: Seen) -> Answer:
        last[0] = next(told, last[0])
        action = {"id": 5, "status": last[0], "type": "rename", "resource_type": "droplet", "resource_id": 1}
        return Answer(201 if seen.method == "POST" else 200, {"action": action})

    return respond


def test_an_action_that_fails() -> None:
    """An action that ends in an error is a ProviderError that names it."""
    with serve(act_on("in-progress", "errored")) as web, on(web) as driver:
        with pytest.raises(ProviderError, match=r"the action rename \(id 5\) of droplet 1 failed"):
            driver.ex_rename_node(node_of(driver), "other")


def test_an_action_that_takes_too_long() -> None:
    """An action that does not end in time is an OperationTimeoutError that names it; waiting is a choice."""
    with serve(act_on("in-progress")) as web, on(web) as driver:
        with pytest.raises(OperationTimeoutError, match=r"the action rename \(id 5\) to end"):
            driver.ex_rename_node(node_of(driver), "other", ex_timeout=0.1)
        before = len(web.seen)
        assert driver.ex_rename_node(node_of(driver), "other", ex_wait=False)
        assert len(web.seen) == before + 1


def test_an_action_that_was_quick() -> None:
    """An action that has ended when it is accepted is not asked for."""
    with serve(act_on("completed")) as web, on(web) as driver:
        assert driver.ex_change_kernel(node_of(driver), 7515)
    assert [json.loads(seen.body) for seen in web.seen] == [{"type": "change_kernel", "kernel": 7515}]


# Images, sizes, locations


def test_images_of_nodes(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """An image of a node is given back when it is there, even beside a namesake, and can be copied."""
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


def test_an_image_is_copied_to_a_region() -> None:
    """A driver without a region does not know where to copy an image to, and sends nothing."""
    with serve() as web, on(web) as driver:
        with pytest.raises(InvalidArgumentError, match="region="):
            driver.copy_image("nyc1", NodeImage("1", "", driver), "copy")
    assert web.seen == []


def test_sizes_have_the_prices_of_today() -> None:
    """A size's price is the provider's, its traffic GB a month; what cannot be had is left out."""
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
    sizes = answered(answer, lambda driver: driver.list_sizes())
    assert [(one.id, one.name, one.price) for one in sizes] == [
        ("s-0", "s-0", 0.005),
        ("s-1", "s-1", 0.0074),
        ("dear", "dear", None),
    ]
    assert (sizes[1].ram, sizes[1].disk, sizes[1].bandwidth) == (1024, 25, 1500)
    extra = sizes[1].extra
    assert (extra["price_monthly"], extra["regions"], extra["vcpus"]) == (5, ["nyc3"], 1)
    there = answered(answer, lambda driver: driver.list_sizes(NodeLocation("nyc3", "", "", driver)))
    assert [one.id for one in there] == ["s-1"]


def test_locations() -> None:
    """Regions where droplets can be created are listed with their countries, the others when asked for."""
    regions = [
        {"slug": "ams3", "name": "Amsterdam 3", "available": True},
        {"slug": "sfo1", "name": "San Francisco 1", "available": False},
        {"slug": "mars1", "name": "Mars 1"},
    ]
    places = answered(listed("regions", *regions), lambda driver: driver.list_locations())
    assert [(place.id, place.name, place.country) for place in places] == [
        ("ams3", "Amsterdam 3", "NL"),
        ("mars1", "Mars 1", ""),
    ]
    assert places[0].extra == regions[0]
    every = answered(listed("regions", *regions), lambda driver: driver.list_locations(ex_available=False))
    assert [(place.id, place.country) for place in every][1] == ("sfo1", "US")


# Volumes


def test_the_life_of_a_volume(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """A volume is created, attached, detached, snapshotted, made again from the snapshot, and destroyed."""
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


def test_a_volume_that_is_attached_to_nothing(driver: DigitalOceanNodeDriver) -> None:
    """Detaching a volume that no node has is a ConflictError."""
    with pytest.raises(ConflictError, match="attached to no node"):
        driver.create_volume(10, "data").detach()


def test_a_volume_needs_a_region() -> None:
    """A volume without location is refused before anything is sent where the driver has no region."""
    with serve() as web, on(web) as driver:
        with pytest.raises(InvalidArgumentError, match="region="):
            driver.create_volume(10, "data")
    assert web.seen == []


def test_a_snapshot_is_what_the_provider_tells() -> None:
    """A snapshot's size is the provider's number, and its time has a time zone."""
    told = {"id": "fbe8", "name": "s", "created_at": "2020-09-30T18:56:12Z", "size_gigabytes": 0.3}
    (snapshot,) = answered(
        listed("snapshots", told), lambda driver: driver.list_volume_snapshots(volume_of(driver))
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
    """Each kind of refusal is an error of its own with the provider's words."""
    with pytest.raises(kind) as caught:
        answered(refusal(status, message), lambda driver: driver.list_nodes())
    assert type(caught.value) is kind
    assert message in str(caught.value)


def test_the_rate_limit() -> None:
    """A rate limit tells the pause, from `retry-after` or from the moment at which the limit ends."""
    soon = str(int(time.time()) + 1000)
    cases = [({"retry_after": "7", "ratelimit_reset": soon}, 7, 7), ({"ratelimit_reset": soon}, 900, 1000)]
    for headers, least, most in [*cases, ({}, 0, 0), ({"ratelimit_reset": "1"}, 0, 1)]:
        with pytest.raises(RateLimitReachedError, match="limit exceeded") as caught:
            answered(refusal(429, "API rate limit exceeded.", **headers), lambda driver: driver.list_nodes())
        assert least <= caught.value.retry_after <= most


def test_an_expired_token(cloud: Sandbox) -> None:
    """A token that the provider does not take is an InvalidCredsError that does not show it."""
    with DigitalOceanNodeDriver("dop_v1_expired", **cloud.options) as driver:
        with pytest.raises(InvalidCredsError) as caught:
            driver.list_nodes()
    assert "expired" not in str(caught.value)


# Beyond the base


def test_tags(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """A tag is made, put on a node, listed by, taken off and deleted."""
    assert driver.ex_create_tag("env:prod")
    assert driver.ex_list_tags() == ["env:prod"]
    assert driver.ex_tag_node(node, "env:prod")
    assert [one.id for one in driver.list_nodes(ex_tag="env:prod")] == [node.id]
    assert driver.ex_untag_node(node, "env:prod")
    assert driver.list_nodes(ex_tag="env:prod") == []
    assert driver.ex_delete_tag("env:prod")
    assert driver.ex_list_tags() == []


def test_reserved_addresses(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """An address is reserved, led to a node, taken off it and given back."""
    ip = driver.ex_create_floating_ip(driver.list_locations()[0])
    assert ip == DigitalOceanFloatingIp(ip.ip_address, ip.ip_address, None, "nyc1")
    assert driver.ex_attach_floating_ip_to_node(node, ip)
    assert driver.ex_get_floating_ip(ip.ip_address).node_id == node.id
    assert [one.node_id for one in driver.ex_list_floating_ips()] == [node.id]
    assert driver.ex_detach_floating_ip_from_node(node, ip)
    assert driver.ex_delete_floating_ip(ip)
    assert driver.ex_list_floating_ips() == []


def test_private_networks(driver: DigitalOceanNodeDriver) -> None:
    """A private network is made, nodes are created in it, and it goes when they are gone."""
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
    """A firewall is made from rules, put before nodes and tags, taken away and deleted."""
    driver.ex_create_tag("web")
    ssh = DigitalOceanFirewallRule(protocol="tcp", ports="22", addresses=("0.0.0.0/0", "::/0"))
    inner = DigitalOceanFirewallRule(protocol="udp", ports="8000-9000", node_ids=(node.id,), tags=("web",))
    firewall = driver.ex_create_firewall("gate", [ssh, inner], [ssh], nodes=[node])
    assert (firewall.inbound, firewall.outbound) == ((ssh, inner), (ssh,))
    assert (firewall.node_ids, firewall.tags) == ((node.id,), ())
    assert driver.ex_remove_nodes_from_firewall(firewall, [node])
    assert driver.ex_add_tags_to_firewall(firewall, ["web"])
    told = driver.ex_get_firewall(firewall.id)
    assert (told.node_ids, told.tags) == ((), ("web",))
    assert driver.ex_remove_tags_from_firewall(firewall, ["web"])
    assert driver.ex_add_nodes_to_firewall(firewall, [node])
    (told,) = driver.ex_list_firewalls()
    assert (told.node_ids, told.tags) == ((node.id,), ())
    assert driver.ex_delete_firewall(firewall)
    assert driver.ex_list_firewalls() == []


def test_the_account(driver: DigitalOceanNodeDriver) -> None:
    """The account is told as the provider tells it."""
    assert "droplet_limit" in driver.ex_account_info()


# As Libcloud's users know it, and servers of other habits


FULL_SIZE = {"slug": "s-1", "memory": 1024, "disk": 25, "vcpus": 1, "transfer": 1.0, "price_hourly": 0.01}


def test_nodes_share_sizes_and_images() -> None:
    """A node has its size and image as objects, and equal ones of a list are one object."""
    told = {"size": FULL_SIZE, "size_slug": "s-1", "image": {"id": 7, "name": "mine", "slug": None}}
    one, other = answered(
        listed("droplets", {"id": 1, **told}, {"id": 2, **told}), lambda driver: driver.list_nodes()
    )
    assert (one.size.id, one.size.ram, one.size.extra["vcpus"], one.image.name) == ("s-1", 1024, 1, "mine")
    assert one.size is other.size
    assert one.image is other.image
    slugs = {"id": 1, "size_slug": "s-1", "image": {"slug": "debian"}}
    (node,) = answered(listed("droplets", slugs), lambda driver: driver.list_nodes())
    assert (node.size, node.image) == ("s-1", "debian")


def test_a_droplet_without_the_mark_is_not_adopted() -> None:
    """After a lost answer only a droplet that has the mark is taken, whatever the server lists."""

    def respond(seen: Seen) -> Answer:
        return listed("droplets", DROPLET) if seen.method == "GET" else refusal(500, "lost")

    ids: Any = ("s-1", "debian")
    with serve(respond) as web, on(web) as driver, pytest.raises(AmbiguousCreateError):
        driver.create_node("web", *ids)


@pytest.mark.parametrize("status", [403, 404])
def test_an_action_that_cannot_be_followed(status: int) -> None:
    """An action is looked at below its droplet; where that is not allowed, it counts as accepted."""

    def respond(seen: Seen) -> Answer:
        action = {"id": 5, "status": "in-progress"}
        return refusal(status, "no") if seen.method == "GET" else Answer(body={"action": action})

    with serve(respond) as web, on(web) as driver:
        assert driver.ex_rename_node(node_of(driver), "other") is True
    assert web.seen[-1].path == "/v2/droplets/1/actions/5"


def test_images_that_are_not_waited_for(driver: DigitalOceanNodeDriver, node: Node) -> None:
    """With `ex_wait=False` an image is told by its action, and a namesake from before is never given back."""
    old = driver.create_image(node, "twin")
    begun = driver.create_image(node, "twin", ex_wait=False)
    assert (begun.id, begun.name) == ("", "twin")
    assert driver.ex_get_action(begun.extra["action_id"]).type == "snapshot"
    with driver_of_region(driver, "ams3") as abroad:
        assert abroad.copy_image("nyc1", old, "copy", ex_wait=False).id == old.id


def test_an_older_snapshot_of_the_name() -> None:
    """A snapshot that was there before is not taken for the one that was ordered."""

    def respond(seen: Seen) -> Answer:
        if seen.method == "POST":
            return Answer(body={"action": {"id": 5, "status": "completed"}})
        return listed("snapshots", {"id": 1, "name": "twin"})

    with serve(respond) as web, on(web) as driver, pytest.raises(OperationTimeoutError, match="'twin'"):
        driver.create_image(node_of(driver), "twin")


def test_addresses_under_their_older_name() -> None:
    """Where the provider has no `/reserved_ips`, addresses are found below `/floating_ips`."""
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
    with pytest.raises(InvalidArgumentError, match="without a driver"):
        DigitalOceanFloatingIp("192.0.2.1", "192.0.2.1", None, None).delete()


def test_lists_that_link_the_next_page_only() -> None:
    """A list is complete where only `next` is linked, and where nothing but the total tells of more pages."""
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


def test_a_refusal_wins() -> None:
    """Where a busy node cannot be looked at, the refusal's own words are raised."""

    def respond(seen: Seen) -> Answer:
        return refusal(403, "no") if seen.method == "GET" else refusal(422, "pending event")

    with serve(respond) as web, on(web) as driver, pytest.raises(ConflictError, match="pending event"):
        driver.reboot_node(node_of(driver))


def test_detach_right_after_attach() -> None:
    """A volume is detached from where it was just attached though the provider does not list it yet."""
    told = {"id": "v", "size_gigabytes": 10.0, "droplet_ids": []}
    answer = Answer(body={"volume": told, "action": {"id": 5}})
    with serve(lambda _: answer) as web, on(web) as driver:
        volume = volume_of(driver)
        assert driver.attach_volume(node_of(driver), volume)
        assert driver.detach_volume(volume)
        assert json.loads(web.seen[-1].body) == {"type": "detach", "droplet_id": 1}
        assert volume.extra["droplet_ids"] == []


def test_what_is_odd_but_harmless() -> None:
    """Null is an empty list, an address that is not there yet is skipped, and numbers may be fractions."""
    assert answered(Answer(body={"volumes": None}), lambda driver: driver.list_volumes()) == []
    several: list[Any] = [[], {"v4": [{"ip_address": ""}, {"ip_address": None}]}]
    for networks in several:
        (node,) = answered(
            listed("droplets", {"id": 1, "networks": networks}), lambda driver: driver.list_nodes()
        )
        assert (node.public_ips, node.private_ips) == ([], [])
    told = listed("volumes", {"id": "v", "size_gigabytes": 10.0})
    assert [volume.size for volume in answered(told, lambda driver: driver.list_volumes())] == [10]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ex_create_attr": {"names": ["a", "b"]}},
        {"ex_create_attr": ["ipv6"]},
        {"ex_ssh_key_ids": 5},
        {"ex_ssh_key_ids": [None]},
    ],
)
def test_arguments_that_cannot_be(wrong: dict[str, Any]) -> None:
    """Arguments of another form are refused before anything is sent."""
    ids: Any = ("s-1", "debian")
    with serve() as web, on(web) as driver:
        with pytest.raises(InvalidArgumentError):
            driver.create_node("web", *ids, **wrong)
        with pytest.raises(InvalidArgumentError, match="together"):
            driver.list_nodes(ex_tag="a", ex_gpus=True)
        with pytest.raises(InvalidArgumentError, match="must be a number"):
            driver.get_node("\u0663")
    assert web.seen == []


def test_the_mark_is_deleted_in_one_attempt(driver: DigitalOceanNodeDriver, cloud: Sandbox) -> None:
    """Deleting the tag of a create is tried once only, also where requests are repeated otherwise."""
    cloud.fault(503, method="DELETE", path="/v2/tags/*", times=None)
    create(driver)
    assert len([seen for seen in cloud.requests if seen.method == "DELETE"]) == 1


def test_a_deployment_key_beside_others(driver: DigitalOceanNodeDriver) -> None:
    """A deployment's key is added to the `ssh_keys` of `ex_create_attr`, which override the others."""
    with driver._authorized(NodeAuthSSHKey(PUBLIC_KEY), {"ex_create_attr": {"ssh_keys": [7]}}) as kwargs:
        (key,) = driver.list_key_pairs()
        assert kwargs == {"ex_create_attr": {"ssh_keys": [7, key.extra["id"]]}}


# The documentation


def test_the_examples_of_the_documentation_run() -> None:
    """The page's Python runs from its first line to its last."""
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
def test_refusals_are_told_apart(words: str, error: type[ProviderHTTPError]) -> None:
    """A refused name, a size that the region lacks and an image that it lacks are errors of their own."""
    with pytest.raises(ProviderHTTPError, match=r"(?i)name|size|image") as caught:
        answered(Answer(422, {"message": words}), lambda driver: driver.list_nodes())
    assert type(caught.value) is error
