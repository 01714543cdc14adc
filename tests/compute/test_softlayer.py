from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polycloud.compute import keys
from polycloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey, NodeImage, NodeLocation, NodeSize
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.drivers.softlayer import SoftLayerBusyError, SoftLayerNodeDriver
from polycloud.compute.types import KeyPairDoesNotExistError, NodeState
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
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    ServerError,
    UnavailableError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Answer as Sent
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import Fault, FaultList, FaultProxy
from support.clock import ends_within
from support.keypairs import key_pair
from support.softlayer import PUBLIC_KEY, QUICK, Call, answering, calls, driving, fault, names, value
from support.web import Answer

GUEST = {
    "id": 7,
    "hostname": "web",
    "powerState": {"keyName": "RUNNING"},
    "provisionDate": "2024-01-02T03:04:05-06:00",
}


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    with Sandbox("softlayer", ssh="off", **QUICK) as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[SoftLayerNodeDriver]:
    with driving(cloud) as driver:
        yield driver


@pytest.fixture
def image(driver: SoftLayerNodeDriver) -> NodeImage:
    return driver.get_image("DEBIAN_12_64")


def last_order(cloud: Sandbox) -> dict[str, Any]:
    """The parameter of the last create."""
    order: dict[str, Any] = next(
        args[0] for _, name, _, args in reversed(calls(cloud)) if name == "createObject"
    )
    return order


# Requests


def test_credentials_of_the_account(driver: SoftLayerNodeDriver, cloud: Sandbox) -> None:
    """User and API key are sent in the headers of each call, and not by HTTP."""
    driver.list_key_pairs()
    ((service, method, headers, _),) = calls(cloud)
    assert (service, method) == ("SoftLayer_Account", "getSshKeys")
    assert headers["authenticate"] == {"username": "sandbox", "apiKey": "softlayer_sandbox_key"}
    assert "authorization" not in cloud.requests[0].headers


def test_credentials_of_iam(cloud: Sandbox) -> None:
    """An API key of IBM Cloud has the user `apikey`, and is sent by HTTP's Basic authentication only."""
    with SoftLayerNodeDriver("apikey", cloud.credentials[1], **cloud.options) as driver:
        assert driver.list_nodes() == []
    assert "authenticate" not in calls(cloud)[0][2]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SoftLayer_Exception_Public", "Invalid API token."),
        ("SoftLayer_Exception", "Invalid API token."),
        ("SoftLayer_Exception_Public", "No valid authentication headers found"),
        ("SoftLayer_Exception_Public", "Access Denied. "),
    ],
)
def test_wrong_credentials(code: str, text: str) -> None:
    """Every fault for wrong credentials is an `InvalidCredsError` without the key."""
    with answering(lambda _: fault(code, f"{text}")) as driver:
        with pytest.raises(InvalidCredsError) as caught:
            driver.list_nodes()
    assert text.strip() in str(caught.value)
    assert "0123456789abcdef" not in repr(caught.value)


def test_the_key_is_in_no_error() -> None:
    """A fault that repeats the key, plainly or in Basic's form, has it no more."""
    basic = "YXBpa2V5OjAxMjM0NTY3ODlhYmNkZWY="
    with answering(lambda _: fault("x", f"0123456789abcdef and {basic}")) as driver:
        with SoftLayerNodeDriver(
            "apikey", "0123456789abcdef", url=f"http://127.0.0.1:{driver.connection.port}"
        ) as iam:
            with pytest.raises(ProviderHTTPError) as caught:
                iam.list_nodes()
    assert "0123456789abcdef" not in str(caught.value)
    assert basic not in str(caught.value)


def test_the_hosts() -> None:
    """The API is version 3.1 at api.softlayer.com, or where `host`, or `url` with its path, says."""
    make = SoftLayerNodeDriver
    assert repr(make("u", "k").connection).endswith(" https://api.softlayer.com:443/xmlrpc/v3.1>")
    private = make("u", "k", host="api.service.softlayer.com")
    assert repr(private.connection).endswith(" https://api.service.softlayer.com:443/xmlrpc/v3.1>")
    other = make("u", "k", url="http://127.0.0.1:81/v3")
    assert repr(other.connection).endswith(" http://127.0.0.1:81/v3>")


# Lists


def test_a_list_is_one_request(driver: SoftLayerNodeDriver, cloud: Sandbox) -> None:
    """A list of nodes is one request, whose mask names all that a node is built from, ordered by id."""
    driver.list_nodes()
    ((service, method, headers, args),) = calls(cloud)
    assert (service, method, args) == ("SoftLayer_Account", "getVirtualGuests", ())
    assert headers["resultLimit"] == {"limit": 100, "offset": 0}
    mask = headers["SoftLayer_ObjectMask"]["mask"]
    assert mask.startswith("mask[id,")
    assert mask.endswith("tagReferences[tag[name]]]")
    for field in (
        "powerState[keyName]",
        "passwords[username,password]",
        "activeTransaction[transactionStatus[name]]",
    ):
        assert field in mask
    order = {"operation": "orderBy", "options": [{"name": "sort", "value": ["ASC"]}]}
    assert headers["SoftLayer_AccountObjectFilter"] == {"virtualGuests": {"id": order}}


@pytest.mark.parametrize("total_header", [True, False])
def test_all_pages(total_header: bool) -> None:
    """A list is complete and without duplicates over pages, whether or not the server states the total."""
    with Sandbox("softlayer", ssh="off", seed_nodes=23, total_header=total_header) as cloud:
        with driving(cloud, ex_per_page=5) as driver:
            expected = [f"seed-{number:05}" for number in range(1, 24)]
            assert [node.name for node in driver.list_nodes()] == expected
            assert [node.name for node in driver.iterate_nodes()] == expected


def test_iterated_nodes_come_a_page_at_a_time() -> None:
    """`iterate_nodes` asks for the next page when the former one is used up."""
    with Sandbox("softlayer", ssh="off", seed_nodes=9) as cloud, driving(cloud, ex_per_page=3) as driver:
        nodes = driver.iterate_nodes()
        assert [next(nodes).name for _ in range(3)] == ["seed-00001", "seed-00002", "seed-00003"]
        assert len(cloud.requests) == 1
        next(nodes)
        assert calls(cloud)[1][2]["resultLimit"] == {"limit": 3, "offset": 3}


def test_a_total_that_nobody_could_read() -> None:
    """A list that claims more pages than anybody reads is malformed."""
    with answering(lambda _: value([], {"SoftLayer-Total-Items": "99999999999"})) as driver:
        with pytest.raises(MalformedResponseError, match="99,999,999,999 items"):
            driver.list_nodes()


@pytest.mark.parametrize("size", [0, 1001, True, "5"])
def test_the_size_of_a_page(size: Any) -> None:
    """The page size is 1 to 1000."""
    with pytest.raises(InvalidArgumentError, match="ex_per_page must be an int from 1 to 1000"):
        SoftLayerNodeDriver("u", "k", ex_per_page=size)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("text", "the response must be a list, got str"),
        ([{"hostname": "web"}], "missing required field `id`"),
        ([{"id": "seven"}], r"Expected `int`, got `str` - at `\$.id`"),
        ([{"id": 1, "maxCpu": "many"}], r"at `\$.maxCpu`"),
        ([{"id": 1, "primaryIpAddress": "10.0.0"}], "guest 1 has an invalid address"),
        ([7], "Expected `object`, got `int`"),
    ],
)
def test_undocumented_guests(content: Any, problem: str) -> None:
    """A list that is not as documented is an error that names the field."""
    with answering(lambda _: value(content)) as driver:
        with pytest.raises(MalformedResponseError, match=problem):
            driver.list_nodes()


def test_odd_values() -> None:
    """Numbers as text, empty texts for nothing, datetimes of XML-RPC and unknown fields do not matter."""
    odd = {
        "id": "100",
        "hostname": "web",
        "maxCpu": "2",
        "activeTransaction": "",
        "billingItem": {"recurringFee": ".07", "orderItem": ""},
        "powerState": {"keyName": "RUNNING", "name": None},
        "createDate": datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001 - XML-RPC has no zones
        "tagReferences": [],
        "operatingSystem": [],
        "invented": {"a": [1]},
    }
    with answering(lambda _: value([odd])) as driver:
        (node,) = driver.list_nodes()
    assert (node.id, node.name, node.state) == ("100", "web", NodeState.RUNNING)
    assert node.created_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (node.extra["maxCpu"], node.extra["recurringFee"]) == (2, 0.07)


# States


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, NodeState.RUNNING),
        ({"powerState": {"keyName": "HALTED"}}, NodeState.STOPPED),
        ({"powerState": {"keyName": "PAUSED"}}, NodeState.PAUSED),
        ({"powerState": {"keyName": "NEW_ONE"}}, NodeState.UNKNOWN),
        ({"powerState": {}}, NodeState.UNKNOWN),
        ({"status": {"keyName": "ACTIVE"}}, NodeState.RUNNING),
        ({"status": {"keyName": "DISCONNECTED"}}, NodeState.SUSPENDED),
        ({"status": {"keyName": "INACTIVE"}}, NodeState.SUSPENDED),
        ({"provisionDate": ""}, NodeState.RUNNING),
        ({"provisionDate": "", "powerState": {}}, NodeState.PENDING),
        ({"provisionDate": "", "powerState": {"keyName": "HALTED"}}, NodeState.PENDING),
        ({"provisionDate": "", "transaction": "SERVICE_SETUP"}, NodeState.PENDING),
        ({"transaction": "SERVICE_SETUP"}, NodeState.RUNNING),
        ({"transaction": "CLOUD_REBOOT"}, NodeState.REBOOTING),
        ({"transaction": "RECLAIM_WAIT", "powerState": {"keyName": "HALTED"}}, NodeState.TERMINATED),
        ({"transaction": "CLOUD_MIGRATE"}, NodeState.MIGRATING),
        ({"transaction": "OS_RELOAD"}, NodeState.UPDATING),
        ({"transaction": "CLOUD_UPGRADE"}, NodeState.RECONFIGURING),
    ],
)
def test_states(fields: dict[str, Any], state: NodeState) -> None:
    """A node's state follows from its transaction, then its provisioning, its status and its power."""
    given = dict(fields)
    if name := given.pop("transaction", None):
        given["activeTransaction"] = {"transactionStatus": {"name": name}}
    with answering(lambda _: value([{**GUEST, **given}])) as driver:
        (node,) = driver.list_nodes()
    assert node.state is state


# Sizes


def test_flavors_and_prices(driver: SoftLayerNodeDriver) -> None:
    """The sizes are the flavors with their numbers and the provider's prices, cheapest first."""
    sizes = {size.id: size for size in driver.list_sizes()}
    size = sizes["B1_2X4X100"]
    assert (size.ram, size.disk, size.extra["vcpus"], size.price) == (4096, 100, 2, 0.085)
    assert size.extra["monthly_price"] == 55.86
    prices = [one.price or 0 for one in driver.list_sizes()]
    assert prices == sorted(prices)


def test_a_price_that_is_none() -> None:
    """A flavor without a price, or with a text for one, has the price None."""
    flavors = [
        {"flavor": {"keyName": "B1_1X2X25"}},
        {"flavor": {"keyName": "U1", "totalMinimumHourlyFee": "?"}},
    ]
    with answering(lambda _: value({"flavors": flavors})) as driver:
        found = [(size.id, size.ram, size.price) for size in driver.list_sizes()]
    assert found == [("U1", 0, None), ("B1_1X2X25", 2048, None)]


def test_a_size_made_by_hand(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A custom size is ordered as its numbers, and is the size of the node."""
    node = driver.create_node("web", driver.custom_size(2, 4096, 25), image)
    order = last_order(cloud)
    assert (order["startCpus"], order["maxMemory"]) == (2, 4096)
    assert order["blockDevices"] == [{"device": "0", "diskImage": {"capacity": 25}}]
    assert "supplementalCreateObjectOptions" not in order
    assert node.size == driver.get_node(node.id).size == "2-4096-25"


def test_a_changed_size(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A size whose numbers were changed is ordered with the changed ones, whether it was a flavor or not."""
    own, flavor = driver.custom_size(1, 1024, 25), driver.list_sizes()[0]
    own.ram, own.disk, own.extra["vcpus"] = 8192, 100, 4
    driver.create_node("own", own, image)
    order = last_order(cloud)
    assert (order["startCpus"], order["maxMemory"]) == (4, 8192)
    assert order["blockDevices"][0]["diskImage"] == {"capacity": 100}
    flavor.ram = 8192
    driver.create_node("flavor", flavor, image)
    order = last_order(cloud)
    assert (order["startCpus"], order["maxMemory"]) == (1, 8192)
    assert "supplementalCreateObjectOptions" not in order


def test_a_flavor(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A flavor, given as a size or by its id, is ordered by its name, with the kind of disk that it has."""
    for size, local in (("B1_2X4X25", False), ("BL1_2X4X100", True)):
        for given in (size, next(one for one in driver.list_sizes() if one.id == size)):
            node = driver.create_node("web", given, image)  # type: ignore[arg-type] # ids are taken too
            order = last_order(cloud)
            assert order["supplementalCreateObjectOptions"] == {"flavorKeyName": size}
            assert not {"startCpus", "maxMemory", "blockDevices"} & order.keys()
            assert order["localDiskFlag"] is local
            assert node.size == driver.get_node(node.id).size == size


def test_single_numbers(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """`ex_cpus`, `ex_ram`, `ex_disk` replace those of a size, or need none; several disks skip device 1."""
    driver.create_node("a", driver.list_sizes()[0], image, ex_cpus=4, ex_disk=[100, 25, 150])
    order = last_order(cloud)
    assert (order["startCpus"], order["maxMemory"]) == (4, 2048)
    found = [(one["device"], one["diskImage"]["capacity"]) for one in order["blockDevices"]]
    assert found == [("0", 100), ("2", 25), ("3", 150)]
    driver.create_node("b", ex_cpus=1, ex_ram=1024, ex_os="UBUNTU_22_64")
    order = last_order(cloud)
    assert (order["startCpus"], order["maxMemory"]) == (1, 1024)
    assert "blockDevices" not in order


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, r"a node needs a size, or ex_cpus= and ex_ram= \(in MB\)"),
        ({"ex_cpus": 1}, "a node needs a size"),
        ({"ex_cpus": 0, "ex_ram": 1024}, "ex_cpus must be an int above 0, got 0"),
        ({"ex_cpus": 1, "ex_ram": -1}, "ex_ram must be an int above 0"),
        ({"ex_cpus": 1, "ex_ram": 1024, "ex_disk": 0}, "ex_disk must be an int above 0"),
        ({"ex_cpus": 1, "ex_ram": 1024, "ex_disk": [25, "50"]}, "ex_disk must be"),
        ({"ex_cpus": 1, "ex_ram": 1024, "ex_bandwidth": 0}, "ex_bandwidth must be an int above 0"),
        ({"ex_cpus": 1, "ex_ram": 1024, "ex_local_disk": "false"}, "ex_local_disk must be True or False"),
    ],
)
def test_bad_sizes(arguments: dict[str, Any], problem: str) -> None:
    """Numbers that are none are refused by name before anything is sent."""
    driver = SoftLayerNodeDriver("u", "k", host="192.0.2.1")
    with pytest.raises(InvalidArgumentError, match=problem):
        driver.create_node("web", ex_os="UBUNTU_22_64", **arguments)


@pytest.mark.parametrize("numbers", [(0, 1024, 25), (1, 0, 25), (1, 1024, -1)])
def test_bad_custom_sizes(numbers: tuple[int, int, int]) -> None:
    """A custom size has numbers above 0."""
    with pytest.raises(InvalidArgumentError, match="must be at least 1"):
        SoftLayerNodeDriver("u", "k").custom_size(*numbers)


def test_a_size_spoilt_by_hand() -> None:
    """A size whose RAM was set to text is refused by name."""
    driver = SoftLayerNodeDriver("u", "k", host="192.0.2.1")
    size = driver.custom_size(1, 1024, 25)
    size.ram = "2 GB"  # type: ignore[assignment]
    with pytest.raises(InvalidArgumentError, match="ram of a size must be an int, got '2 GB'"):
        driver.create_node("web", size, ex_os="UBUNTU_22_64")


# Images and locations


def test_images(driver: SoftLayerNodeDriver) -> None:
    """The images are the operating systems by their codes, and the account's own by their GUIDs."""
    images = {image.id: image.name for image in driver.list_images()}
    assert images["DEBIAN_12_64"] == "Debian GNU/Linux 12 Minimal Install (64 bit)"
    assert images["5f3c1d9e-2b07-4e0a-9a55-6f0b6a8b1c11"] == "golden-debian"
    assert [image.name for image in driver.ex_list_public_images()] == ["docker-ubuntu"]


def test_what_is_installed(driver: SoftLayerNodeDriver, cloud: Sandbox) -> None:
    """A code is ordered as a system, a GUID as a template, and both are the image of the node."""
    size, own = driver.list_sizes()[0], driver.get_image("5f3c1d9e-2b07-4e0a-9a55-6f0b6a8b1c11")
    assert driver.create_node("a", size, own).image == own.id
    assert last_order(cloud)["blockDeviceTemplateGroup"] == {"globalIdentifier": own.id}
    assert "operatingSystemReferenceCode" not in last_order(cloud)
    node = driver.create_node("b", size, ex_os="UBUNTU_LATEST_64")
    assert last_order(cloud)["operatingSystemReferenceCode"] == "UBUNTU_LATEST_64"
    assert driver.get_node(node.id).image == "UBUNTU_24_64"


def test_locations(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """Locations are data centers by short names, with countries, and a node is in the one asked for."""
    places = {place.id: (place.name, place.country) for place in driver.list_locations()}
    assert places["ams03"] == ("Amsterdam 3", "NL")
    assert places["tok02"] == ("Tokyo 2", "JP")
    size = driver.list_sizes()[0]
    ams = next(place for place in driver.list_locations() if place.id == "ams03")
    assert driver.create_node("a", size, image, ams).extra["datacenter"] == "ams03"
    assert driver.create_node("b", size, image, ex_datacenter="tok02").extra["datacenter"] == "tok02"
    with driving(cloud, region="fra02") as german:
        assert german.create_node("c", size.id, image.id).extra["datacenter"] == "fra02"  # type: ignore[arg-type]
    driver.create_node("d", size, image)
    assert "datacenter" not in last_order(cloud)


def test_contradictions() -> None:
    """Two images, two locations, and a public VLAN for a private node are refused before anything is sent."""
    driver = SoftLayerNodeDriver("u", "k", host="192.0.2.1")
    size, image = driver.custom_size(1, 1024, 25), NodeImage("X", "x", driver)
    place = NodeLocation("dal10", "Dallas", "US", driver)
    for arguments, problem in (
        ({"image": image, "ex_os": "Y"}, "an image or ex_os=, and not both"),
        ({}, "an image or ex_os=, and not both"),
        ({"image": image, "location": place, "ex_datacenter": "ams03"}, "location= or as ex_datacenter="),
        (
            {"image": image, "ex_public_vlan": 1, "ex_private_network_only": True},
            "ex_public_vlan= contradicts",
        ),
        ({"image": image, "ex_public_vlan": "eth0"}, "an id of SoftLayer must be a number, got 'eth0'"),
        ({"image": image, "ex_security_groups": ["web"]}, "an id of SoftLayer must be a number, got 'web'"),
        ({"image": image, "ex_post_install_script_uri": "http://a/b"}, "must begin with https://"),
        ({"image": image, "tags": ["a,b"]}, "a tag must be a text without commas, got 'a,b'"),
        ({"image": image, "tags": [" "]}, "a tag must be a text"),
        ({"image": image, "user_data": "a\x00b"}, r"cannot be called with the character '\\x00'"),
        ({"image": image, "idempotency_key": ""}, "idempotency_key must be a non-empty str"),
    ):
        with pytest.raises(InvalidArgumentError, match=problem):
            driver.create_node("web", size, **arguments)  # type: ignore[arg-type]


# Names


@pytest.mark.parametrize(
    ("name", "domain", "expected"),
    [
        ("web", None, ("web", "example.com")),
        ("web", "acme.org", ("web", "acme.org")),
        ("web.acme.org", None, ("web", "acme.org")),
        ("web.acme.org", "acme.org", ("web", "acme.org")),
        ("web.ACME.org", "acme.org", ("web", "ACME.org")),
    ],
)
def test_host_name_and_domain(
    driver: SoftLayerNodeDriver,
    cloud: Sandbox,
    image: NodeImage,
    name: str,
    domain: str | None,
    expected: tuple[str, str],
) -> None:
    """A name with dots is a host name and its domain, once; without dots the domain is `ex_domain`."""
    node = driver.create_node(name, driver.list_sizes()[0], image, ex_domain=domain)
    order = last_order(cloud)
    assert (order["hostname"], order["domain"]) == expected
    assert (node.name, node.extra["domain"]) == expected
    assert node.extra["fullyQualifiedDomainName"] == ".".join(expected)


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("", None), (".", None), ("web.", None), ("-web", None), ("web_1", None), ("wéb", None),
        ("a b", None), ("w" * 64, None), (".".join(["w" * 60] * 5), None), ("web", "a b"),
        ("web", "-"), ("web", ""), ("web.acme.org", "other.org"),
    ],
)  # fmt: skip
def test_bad_names(name: str, domain: str | None) -> None:
    """What cannot be a host name or a domain, or is two domains, is refused before anything is sent."""
    driver = SoftLayerNodeDriver("u", "k", host="192.0.2.1")
    size = driver.custom_size(1, 1024, 25)
    with pytest.raises(InvalidArgumentError, match=r"must be a host name|must have at most|pass one of them"):
        driver.create_node(name, size, ex_os="X", ex_domain=domain)


def test_rename(driver: SoftLayerNodeDriver, image: NodeImage) -> None:
    """`ex_rename_node` changes the host name, and the domain if the name has one or it is given."""
    node = driver.create_node("web", driver.list_sizes()[0], image)
    for name, domain, expected in (
        ("db", None, "db.example.com"),
        ("db.acme.org", None, "db.acme.org"),
        ("web", "other.org", "web.other.org"),
    ):
        assert driver.ex_rename_node(node, name, ex_domain=domain) is True
        assert driver.get_node(node.id).extra["fullyQualifiedDomainName"] == expected


# Orders


def test_a_complete_order(driver: SoftLayerNodeDriver, cloud: Sandbox) -> None:
    """Each argument becomes the field of the order that the provider documents, flags as booleans."""
    pair = driver.import_key_pair_from_string("mine", PUBLIC_KEY)
    driver.create_node(
        "web",
        driver.custom_size(2, 4096, 100),
        ex_os="DEBIAN_12_64",
        ex_hourly=False,
        ex_local_disk=False,
        ex_dedicated=True,
        ex_bandwidth=1000,
        ex_public_vlan=2263000,
        ex_private_vlan="2263002",
        ex_security_groups=[12, "15"],
        ex_keyname="mine",
        ex_post_install_script_uri="https://example.com/setup.sh",
        user_data="#!/bin/sh\necho hello\n",
    )
    order = last_order(cloud)
    data = order.pop("userData")[0]["value"]
    assert re.fullmatch(r"#!/bin/sh\necho hello\n\n# polycloud-create-[0-9a-f]{12}\n", data)
    groups = [{"securityGroup": {"id": 12}}, {"securityGroup": {"id": 15}}]
    assert order == {
        "hostname": "web",
        "domain": "example.com",
        "startCpus": 2,
        "maxMemory": 4096,
        "blockDevices": [{"device": "0", "diskImage": {"capacity": 100}}],
        "operatingSystemReferenceCode": "DEBIAN_12_64",
        "hourlyBillingFlag": False,
        "localDiskFlag": False,
        "dedicatedAccountHostOnlyFlag": True,
        "networkComponents": [{"maxSpeed": 1000}],
        "primaryNetworkComponent": {"networkVlan": {"id": 2263000}, "securityGroupBindings": groups},
        "primaryBackendNetworkComponent": {"networkVlan": {"id": 2263002}},
        "sshKeys": [{"id": int(pair.extra["id"])}],
        "postInstallScriptUri": "https://example.com/setup.sh",
    }


def test_a_private_node(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A private node has no public address, and its security groups are on the private port."""
    size = driver.list_sizes()[0]
    node = driver.create_node("db", size, image, ex_private_network_only=True, ex_security_groups=[7])
    order = last_order(cloud)
    assert order["privateNetworkOnlyFlag"] is True
    bindings = {"securityGroupBindings": [{"securityGroup": {"id": 7}}]}
    assert order["primaryBackendNetworkComponent"] == bindings
    assert "primaryNetworkComponent" not in order
    ((node, addresses),) = driver.wait_until_running([node], 0.05, ssh_interface="private_ips")
    assert (node.public_ips, node.private_ips) == ([], addresses)


def test_a_wait_for_a_private_node(
    driver: SoftLayerNodeDriver, image: NodeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait that names no interface ends for a private node, too, after a grace."""
    monkeypatch.setattr(driver, "public_address_time", 1.0)
    node = driver.create_node("db", driver.list_sizes()[0], image, ex_private_network_only=True)
    with ends_within(40):
        ((node, addresses),) = driver.wait_until_running([node], 0.2, timeout=60)
    assert (node.public_ips, node.private_ips) == ([], addresses)


def test_a_create_does_not_wait() -> None:
    """A create returns the pending node at once, without addresses, while the provider builds for long."""
    with Sandbox("softlayer", ssh="off", build=3600.0) as cloud, driving(cloud) as driver:
        size, image = driver.list_sizes()[0], driver.list_images()[0]
        cloud.reset()
        node = driver.create_node("web", size, image)
        assert (node.state, node.public_ips) == (NodeState.PENDING, [])
        assert names(cloud) == ["createObject", "setUserMetadata"]
        assert driver.get_node(node.id).state is NodeState.PENDING


def test_the_password(driver: SoftLayerNodeDriver, image: NodeImage) -> None:
    """The provider's root password is in `extra` once the node runs, and in no repr."""
    node = driver.create_node("web", driver.list_sizes()[0], image)
    driver.wait_until_running([node], 0.05)
    node = driver.get_node(node.id)
    assert node.extra["username"] == "root"
    assert len(node.extra["password"]) >= 8
    assert node.extra["password"] not in repr(node)


def test_user_data_are_what_was_asked_for(
    driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage
) -> None:
    """Once a node is known its user data are exactly those asked for, line ends and markup included."""
    size = driver.list_sizes()[0]
    for data in ("#cloud-config\n", "no end of line", "a\r\nb\rc", '{"a": "<&>"}', "ключ 🗝\n\n", None):
        node = driver.create_node("web", size, image, user_data=data)
        (server,) = [one for one in cloud.servers if str(one["id"]) == node.id]
        assert server["user_data"] == (data or "")


def test_tags(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """Tags are set after the create, replaced by `ex_set_tags`, and the marker of a key is not among them."""
    size = driver.list_sizes()[0]
    node = driver.create_node("web", size, image, tags=["env:prod", "web"], idempotency_key="k")
    assert node.extra["tags"] == driver.get_node(node.id).extra["tags"] == ["env:prod", "web"]
    assert driver.ex_set_tags(node, ["blue"]) is True
    assert driver.get_node(node.id).extra["tags"] == ["blue"]
    (server,) = cloud.servers
    assert [tag[:17] for tag in server["tags"]] == ["blue", "polycloud-create-"]
    assert driver.create_node("web", size, image, idempotency_key="k").id == node.id


# Creates happen once


def test_a_lost_response(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A create whose response is lost is found by its marker among those of its name, and not sent again."""
    size = driver.list_sizes()[0]
    driver.create_node("web", size, image)
    cloud.fault("reset after", path="*/SoftLayer_Virtual_Guest")
    node = driver.create_node("web", size, image, user_data="mine", tags=["t"])
    assert names(cloud).count("createObject") == 2
    assert sorted(str(server["id"]) for server in cloud.servers)[1] == node.id
    assert {server["user_data"] for server in cloud.servers} == {"", "mine"}
    searched = [headers for _, name, headers, _ in calls(cloud) if name == "getVirtualGuests"]
    condition = searched[0]["SoftLayer_AccountObjectFilter"]["virtualGuests"]["hostname"]
    assert condition == {"operation": "web"}


def test_an_internal_error_may_have_acted(
    cloud: Sandbox, driver: SoftLayerNodeDriver, image: NodeImage
) -> None:
    """After a create that ends in the provider's general fault the node is searched for."""
    size = driver.list_sizes()[0]
    body = fault("SoftLayer_Exception_Public", "Internal Error").body
    cloud.fault(Sent(200, body=body, acted=True), path="*/SoftLayer_Virtual_Guest")
    node = driver.create_node("web", size, image)
    assert [str(server["id"]) for server in cloud.servers] == [node.id]


def test_a_create_that_was_not_carried_out(cloud: Sandbox, image: NodeImage) -> None:
    """A create that is not found is ambiguous, with the marker to look for, and is not sent again."""

    class Hasty(SoftLayerNodeDriver):
        settle_time = 0.2

    with Hasty(*cloud.credentials, **cloud.options) as driver:
        size = driver.list_sizes()[0]
        cloud.fault("reset before", path="*/SoftLayer_Virtual_Guest")
        with pytest.raises(AmbiguousCreateError, match=r"polycloud-create-[0-9a-f]{12}"):
            driver.create_node("web", size, image)
    assert names(cloud).count("createObject") == 1
    assert cloud.servers == []


def test_a_key_after_a_crash(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A program that ended before its node was known gets it by its key, with the tags and data asked for."""
    size = driver.list_sizes()[0]
    wanted: dict[str, Any] = {"user_data": "mine", "tags": ["t"], "idempotency_key": "k"}
    plan = FaultList(None, Fault.RESET_AFTER, *[Fault.ERROR] * 100)
    with FaultProxy("127.0.0.1", cloud.port, plan) as proxy, driving(cloud, **proxy.options) as far:
        with pytest.raises(AmbiguousCreateError), call_options(deadline=1):
            far.create_node("web", size, image, **wanted)
    assert cloud.servers[0]["user_data"].startswith("mine\n# polycloud-create-")
    node = driver.create_node("renamed", size, image, **wanted)
    (server,) = cloud.servers
    assert (node.name, server["user_data"], server["tags"][0]) == ("web", "mine", "t")
    assert driver.create_node("third", size, image, idempotency_key="k").id == node.id


def test_tags_that_cannot_be_set(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A node whose tags are refused is named by a note of the error."""
    with pytest.raises(ProviderHTTPError, match="Tags may only contain") as caught:
        driver.create_node("web", driver.list_sizes()[0], image, tags=["a\N{BULLET}b"])
    (server,) = cloud.servers
    assert f"exists: id {server['id']}" in "".join(caught.value.__notes__)


# Actions


def test_methods_of_actions(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """Each action calls the provider's method of that meaning, on the node's id."""
    node = driver.create_node("web", driver.list_sizes()[0], image)
    driver.wait_until_running([node], 0.05)
    steps: list[tuple[Callable[[], bool], str]] = [
        (partial(driver.reboot_node, node), "rebootDefault"),
        (partial(driver.reboot_node, node, ex_hard=False), "rebootSoft"),
        (partial(driver.reboot_node, node, ex_hard=True), "rebootHard"),
        (partial(driver.ex_pause_node, node), "pause"),
        (partial(driver.ex_resume_node, node), "resume"),
        (partial(driver.stop_node, node), "powerOff"),
        (partial(driver.start_node, node), "powerOn"),
        (partial(driver.shutdown_node, node), "powerOffSoft"),
        (partial(driver.destroy_node, node), "deleteObject"),
    ]
    for act, method in steps:
        assert act() is True
        service, called, headers, _ = calls(cloud)[-1]
        assert (service, called) == ("SoftLayer_Virtual_Guest", method)
        assert headers["SoftLayer_Virtual_GuestInitParameters"] == {"id": int(node.id)}


def test_states_that_forbid_an_action(driver: SoftLayerNodeDriver, image: NodeImage) -> None:
    """An action that a node's state forbids is a conflict."""
    node = driver.create_node("web", driver.list_sizes()[0], image)
    driver.wait_until_running([node], 0.05)
    with pytest.raises(ConflictError, match="RUNNING"):
        driver.start_node(node)
    driver.ex_pause_node(node)
    with pytest.raises(ConflictError, match="PAUSED"):
        driver.ex_pause_node(node)
    driver.ex_resume_node(node)
    driver.stop_node(node)
    with pytest.raises(ConflictError, match="HALTED"):
        driver.reboot_node(node)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"ex_datacenter": "dal99"}, UnavailableError),
        ({"ex_ram": 3}, UnavailableError),
        ({"ex_cpus": 77}, UnavailableError),
        ({"ex_disk": 26}, UnavailableError),
        ({"ex_bandwidth": 7}, UnavailableError),
        ({"ex_private_vlan": 424242}, NotFoundError),
    ],
)
def test_values_that_the_provider_does_not_have(
    driver: SoftLayerNodeDriver, image: NodeImage, wrong: dict[str, Any], kind: type[ProviderHTTPError]
) -> None:
    """A value that the provider does not have is named by an error of its kind, and nothing is created."""
    with pytest.raises(kind, match=str(next(iter(wrong.values())))):
        driver.create_node("web", driver.custom_size(1, 1024, 25), image, **wrong)
    assert driver.list_nodes() == []


def test_busy_guests() -> None:
    """An action that is refused because of a transaction is repeated until it is accepted."""
    with Sandbox("softlayer", ssh="off", build=0.02, power=0.4) as cloud, driving(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        driver.wait_until_running([node], 0.05)
        assert driver.reboot_node(node) is True
        assert driver.stop_node(node) is True
        assert names(cloud).count("powerOff") > 1


def test_a_guest_that_is_busy_for_long() -> None:
    """After `busy_time` the refusal is raised, as a conflict."""

    class Hasty(SoftLayerNodeDriver):
        busy_time = 0.1

    with Sandbox("softlayer", ssh="off", build=0.02, power=60.0) as cloud:
        with Hasty(*cloud.credentials, **cloud.options) as driver:
            node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
            driver.wait_until_running([node], 0.05)
            driver.reboot_node(node)
            with pytest.raises(SoftLayerBusyError, match="active transaction") as caught:
                driver.stop_node(node)
    assert isinstance(caught.value, ConflictError)


def test_destroy_before_the_order_is_complete() -> None:
    """A new node can be destroyed: the driver repeats that until its billing item exists."""
    with Sandbox("softlayer", ssh="off", build=60.0, approve=0.4) as cloud, driving(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        assert driver.destroy_node(node) is True
        assert names(cloud).count("deleteObject") > 1
        assert driver.list_nodes() == []


def test_destroy_twice() -> None:
    """A node that is being reclaimed is terminated; destroying it again succeeds until it is gone."""
    with Sandbox("softlayer", ssh="off", build=0.02, destroy=0.4) as cloud, driving(cloud) as driver:
        node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
        driver.wait_until_running([node], 0.05)
        assert driver.destroy_node(node) is True
        assert driver.get_node(node.id).state is NodeState.TERMINATED
        assert driver.destroy_node(node) is True
        while driver.list_nodes():
            driver.connection.sleep(0.05)
        with pytest.raises(NotFoundError, match=rf"Unable to find object with id of '{node.id}'"):
            driver.destroy_node(node)


def test_a_destroy_whose_response_is_lost(
    driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage
) -> None:
    """A destroy or a deletion whose response was lost is sent again, and not finding it is success then."""
    node = driver.create_node("web", driver.list_sizes()[0], image)
    pair = driver.import_key_pair_from_string("mine", PUBLIC_KEY)
    cloud.fault("reset after", path="*/SoftLayer_Virtual_Guest")
    assert driver.destroy_node(node) is True
    cloud.fault("reset after", path="*/SoftLayer_Security_Ssh_Key")
    assert driver.delete_key_pair(pair) is True
    assert (driver.list_nodes(), driver.list_key_pairs()) == ([], [])


def test_a_reboot_is_not_sent_again(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """A reboot whose response was lost is an error, since a second one would do harm."""
    node = driver.create_node("web", driver.list_sizes()[0], image)
    driver.wait_until_running([node], 0.05)
    cloud.fault("reset after", path="*/SoftLayer_Virtual_Guest")
    with pytest.raises(PolycloudError):
        driver.reboot_node(node)
    assert names(cloud).count("rebootDefault") == 1


def test_nothing_done() -> None:
    """An action that the provider answers with false is an error."""
    with answering(lambda _: value(False)) as driver:
        node = Node("7", "web", NodeState.STOPPED, [], [], driver)
        with pytest.raises(ProviderError, match="powerOn of 7 returned false"):
            driver.start_node(node)


@pytest.mark.parametrize("id_", ["x", "", "-1", "1.5", "٣"])
def test_ids_that_are_none(driver: SoftLayerNodeDriver, cloud: Sandbox, id_: str) -> None:
    """An id that is no number is refused before anything is sent."""
    with pytest.raises(InvalidArgumentError, match="an id of SoftLayer must be a number"):
        driver.get_node(id_)
    assert cloud.requests == []


def test_long_ids(driver: SoftLayerNodeDriver, cloud: Sandbox) -> None:
    """An id beyond XML-RPC's int is sent as text."""
    with pytest.raises(NotFoundError, match="9999999999"):
        driver.get_node("9999999999")
    assert calls(cloud)[0][2]["SoftLayer_Virtual_GuestInitParameters"] == {"id": "9999999999"}


# Key pairs


def test_key_pairs(driver: SoftLayerNodeDriver) -> None:
    """Keys are imported, made on this machine, found by name, and deleted by name or object."""
    pair = driver.import_key_pair_from_string("mine", f" {PUBLIC_KEY}\n")
    assert (pair.name, pair.public_key) == ("mine", PUBLIC_KEY)
    assert pair.fingerprint == keys.fingerprint(PUBLIC_KEY)
    made = driver.create_key_pair("made")
    assert "PRIVATE KEY" in (made.private_key or "")
    assert {one.name for one in driver.list_key_pairs()} == {"mine", "made"}
    found = driver.get_key_pair("made")
    assert found.private_key is None
    assert driver.delete_key_pair(found) is True
    assert driver.delete_key_pair(pair) is True
    assert driver.list_key_pairs() == []
    with pytest.raises(KeyPairDoesNotExistError, match="made"):
        driver.get_key_pair("made")
    with pytest.raises(NotFoundError):
        driver.delete_key_pair(found)


def test_a_key_that_exists(driver: SoftLayerNodeDriver) -> None:
    """A key that the account has already is a conflict, under whatever name."""
    driver.import_key_pair_from_string("mine", PUBLIC_KEY)
    with pytest.raises(ConflictError, match="already exists"):
        driver.import_key_pair_from_string("again", PUBLIC_KEY)


@pytest.mark.parametrize("name", ["", " "])
def test_a_key_without_a_name(driver: SoftLayerNodeDriver, cloud: Sandbox, name: str) -> None:
    """A key needs a name."""
    with pytest.raises(InvalidArgumentError, match="name must be a text that is not empty"):
        driver.import_key_pair_from_string(name, PUBLIC_KEY)
    assert cloud.requests == []


def test_a_key_for_a_node(driver: SoftLayerNodeDriver, cloud: Sandbox, image: NodeImage) -> None:
    """`auth` registers its key once; `ex_keyname` names the account's; an unknown one orders nothing."""
    size, auth = driver.list_sizes()[0], NodeAuthSSHKey(PUBLIC_KEY)
    driver.create_node("a", size, image, auth=auth)
    (pair,) = driver.list_key_pairs()
    assert last_order(cloud)["sshKeys"] == [{"id": int(pair.extra["id"])}]
    driver.create_node("b", size, image, auth=auth, ex_keyname=[pair.name])
    assert last_order(cloud)["sshKeys"] == [{"id": int(pair.extra["id"])}]
    assert len(driver.list_key_pairs()) == 1
    with pytest.raises(KeyPairDoesNotExistError, match="nobody"):
        driver.create_node("c", size, image, ex_keyname="nobody")
    with pytest.raises(UnsupportedOperationError, match="password"):
        driver.create_node("c", size, image, auth=NodeAuthPassword("a-Complex!Passw0rd"))
    assert len(cloud.servers) == 2


# Faults


@pytest.mark.parametrize(
    ("code", "text", "kind", "status"),
    [
        ("SoftLayer_Exception_ObjectNotFound", "Unable to find object with id of '1'.", NotFoundError, 404),
        ("SoftLayer_Exception_NotFound", "Nothing there.", NotFoundError, 404),
        ("SoftLayer_Exception_WebService_RateLimitExceeded", "Too much.", RateLimitReachedError, 429),
        ("SoftLayer_Exception_Public", "API rate limit exceeded", RateLimitReachedError, 429),
        ("SoftLayer_Exception_AccessDenied", "Access Denied.", ProviderHTTPError, 403),
        (
            "SoftLayer_Exception_Order",
            "You have exceeded the maximum number of servers.",
            QuotaExceededError,
            403,
        ),
        ("SoftLayer_Exception_Public", "The quota of instances was reached.", QuotaExceededError, 403),
        (
            "SoftLayer_Exception_Order",
            "There are insufficient resources behind router bcr02a to fulfill the request.",
            UnavailableError,
            400,
        ),
        ("SoftLayer_Exception_InvalidValue", "Invalid hostname.", InvalidNameError, 400),
        (
            "SoftLayer_Exception_InvalidValue",
            "Invalid value provided for 'operatingSystemReferenceCode'. An invalid OS bits of 6411.",
            ImageUnavailableError,
            400,
        ),
        ("SoftLayer_Exception_Public", "SSH key already exists.", ConflictError, 409),
        ("SoftLayer_Exception_Public", "Internal Error", ServerError, 500),
        ("SoftLayer_Exception_Public", "The virtual server is already running.", ConflictError, 409),
        ("SoftLayer_Exception_Public", "Unable to reboot: the server is halted.", ConflictError, 409),
        (
            "SoftLayer_Exception_InvalidValue",
            "Invalid value provided for 'startCpus': 77.",
            UnavailableError,
            400,
        ),
        (
            "SoftLayer_Exception_Public",
            "The price for 2 x 2.0 GHz Cores (#112863) is not valid for location hou02.",
            UnavailableError,
            400,
        ),
        ("SoftLayer_Exception_Public", "Could not obtain network VLAN with id #7.", NotFoundError, 404),
        ("SoftLayer_Exception_InvalidValue", "Invalid value for 'notes'.", ProviderHTTPError, 400),
        ("-32601", "method not found", ProviderHTTPError, 400),
        ("-32603", "internal", ServerError, 500),
        (404, "no fixture", NotFoundError, 404),
        (999, "", ProviderHTTPError, 400),
    ],
)
def test_faults(code: Any, text: str, kind: type[ProviderHTTPError], status: int) -> None:
    """A fault is the error of its meaning, with the provider's words and its code."""
    with answering(lambda _: fault(code, text)) as driver:
        with pytest.raises(ProviderHTTPError) as caught:
            driver.list_key_pairs()
    assert type(caught.value) is kind
    assert caught.value.code == caught.value.http_code == status
    assert caught.value.message == f"{text or 'no message'} ({code})"


def test_http_errors() -> None:
    """An HTTP error without a fault is the error of its status, with the beginning of its body."""
    with answering(lambda _: Answer(503, b"<html>down</html>")) as driver:
        with pytest.raises(ServerError, match="down"):
            driver.list_nodes()
    with answering(lambda _: Answer(401, b"Unauthorized")) as driver:
        with pytest.raises(InvalidCredsError):
            driver.list_nodes()


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><methodResponse>&a;</methodResponse>",
        b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        b"<methodResponse>" + b"<value>" * 500,
        b"",
        b"[]",
    ],
)
def test_hostile_documents(body: bytes) -> None:
    """Entities, other content, depth and nothing at all are errors of the tree."""
    with answering(lambda _: Answer(200, body)) as driver:
        with pytest.raises(MalformedResponseError):
            driver.list_nodes()


def test_huge_documents() -> None:
    """A list with more values than `value_limit` is refused before it is read."""
    content = value([{"id": number} for number in range(1000)])
    with answering(lambda _: content, value_limit=1000) as driver:
        with pytest.raises(MalformedResponseError, match="more than 1,000 values"):
            driver.list_nodes()


def test_quota_of_the_sandbox() -> None:
    """A create beyond the account's limit orders nothing, and says so."""
    with Sandbox("softlayer", ssh="off", guest_limit=1) as cloud, driving(cloud) as driver:
        size, image = driver.list_sizes()[0], driver.list_images()[0]
        driver.create_node("a", size, image)
        with pytest.raises(QuotaExceededError, match="maximum number of virtual servers"):
            driver.create_node("b", size, image)
        assert names(cloud).count("createObject") == 2


def test_a_rate_limit_is_a_refusal() -> None:
    """A create that is refused because of the rate was not carried out, and is not searched for."""

    def respond(call: Call) -> Answer:
        return fault("SoftLayer_Exception_WebService_RateLimitExceeded", "Too much.")

    with answering(respond) as driver:
        size = driver.custom_size(1, 1024, 25)
        with pytest.raises(RateLimitReachedError), call_options(deadline=5):
            driver.create_node("web", size, ex_os="X")


# Deployments


def test_deploy_with_the_providers_password() -> None:
    """Without a key, a deployment logs in with the password that the provider chose, once the node has it."""
    step = ScriptDeployment("echo deployed")
    with Sandbox("softlayer", ssh="folder", no_isolation=True, **QUICK) as cloud, driving(cloud) as driver:
        node = driver.deploy_node(
            step,
            name="web",
            size=driver.custom_size(1, 1024, 25),
            image=driver.get_image("DEBIAN_12_64"),
            ssh_port=cloud.ssh_port or 22,
            wait_period=0.1,
        )
    assert (node.state, step.stdout) == (NodeState.RUNNING, "deployed\n")


def test_a_lent_key_is_given_back() -> None:
    """A deployment registers its key, deletes it at the end, and leaves a key alone that the account has."""
    private, public = key_pair()
    with Sandbox("softlayer", ssh="folder", no_isolation=True, **QUICK) as cloud, driving(cloud) as driver:
        for listed in (0, 1):
            if listed:
                driver.import_key_pair_from_string("mine", public)
            step = ScriptDeployment("echo deployed")
            driver.deploy_node(
                step,
                name="web",
                size=driver.list_sizes()[0],
                image=driver.get_image("DEBIAN_12_64"),
                auth=NodeAuthSSHKey(public),
                ssh_key=private,
                ssh_port=cloud.ssh_port or 22,
                wait_period=0.1,
            )
            assert step.stdout == "deployed\n"
            assert len(driver.list_key_pairs()) == listed


def test_the_examples_of_the_documentation_run() -> None:
    """The Python examples of the documentation run, in order."""
    page = Path(__file__).parents[2] / "docs" / "providers" / "softlayer.md"
    found: dict[str, Any] = {}
    try:
        for block in re.findall(
            r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            exec(block, found)  # noqa: S102 - our own page
        assert [one.name for one in found["driver"].list_nodes()] == ["web-1"]
    finally:
        found["cloud"].stop()


def test_a_size_of_others(driver: SoftLayerNodeDriver, image: NodeImage) -> None:
    """A size that the provider does not have is refused with the provider's words."""
    with pytest.raises(ProviderHTTPError, match="flavorKeyName"):
        driver.create_node("web", NodeSize("Z9_1X1X1", "", 1024, 1, 0, None, driver, {"vcpus": 1}), image)
