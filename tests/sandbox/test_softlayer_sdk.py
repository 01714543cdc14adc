"""The provider's SDK against the sandbox."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.libraries import Library
from support.softlayer import PUBLIC_KEY

sdk = Library("SoftLayer")

ORDER: dict[str, Any] = {
    "hostname": "web",
    "domain": "example.org",
    "cpus": 2,
    "memory": 4096,
    "hourly": True,
    "local_disk": True,
    "datacenter": "dal13",
    "os_code": "UBUNTU_LATEST_64",
    "disks": [100, 25],
    "nic_speed": 1000,
}


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """A SoftLayer whose events take no time."""
    with Sandbox("softlayer", ssh="off", build=0, power=0, seed_nodes=23) as cloud:
        yield cloud


def connect(cloud: Sandbox, user: str, key: str) -> Any:
    """The SDK's client; no file of the user is read."""
    url = f"{cloud.url}/xmlrpc/v3.1/"
    return sdk.create_client_from_env(username=user, api_key=key, endpoint_url=url, config_file="/dev/null")


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    made = connect(cloud, *cloud.credentials)
    yield made
    made.transport.client.close()


@pytest.fixture
def servers(client: Any) -> Any:
    return sdk.VSManager(client)


def test_credentials(cloud: Sandbox) -> None:
    """A wrong key is refused with the provider's words, and IAM's user is let in with the right one."""
    for user, key, right in (
        ("sandbox", "wrong", False),
        ("other", cloud.credentials[1], False),
        ("apikey", cloud.credentials[1], True),
        ("apikey", "wrong", False),
    ):
        client = connect(cloud, user, key)
        try:
            if right:
                assert client.call("Account", "getObject")["companyName"] == "Sandbox"
                continue
            with pytest.raises(sdk.SoftLayerAPIError) as caught:
                client.call("Account", "getObject")
            assert (caught.value.faultCode, caught.value.faultString) == (
                "SoftLayer_Exception_Public",
                "Invalid API token.",
            )
        finally:
            client.transport.client.close()
    without = sdk.BaseClient(transport=sdk.XmlRpcTransport(endpoint_url=f"{cloud.url}/xmlrpc/v3.1"))
    with pytest.raises(sdk.SoftLayerAPIError, match="No valid authentication headers"):
        without.call("Account", "getObject")
    without.transport.client.close()


def test_lists(client: Any, servers: Any) -> None:
    """The SDK reads all pages, whatever their size, and filters by host name, numbers, place and tag."""
    names = [f"seed-{number:05}" for number in range(1, 24)]
    assert [one["hostname"] for one in servers.list_instances()] == names
    account = client["Account"]
    assert [
        one["hostname"] for one in account.getVirtualGuests(iter=True, limit=5, mask="id,hostname")
    ] == names
    page = account.getVirtualGuests(limit=5, offset=20, mask="id,hostname")
    assert ([one["hostname"] for one in page], page.total_count) == (names[20:], 23)
    assert [one["hostname"] for one in servers.list_instances(hostname="seed-00007")] == ["seed-00007"]
    assert len(servers.list_instances(tags=["seed"])) == 23
    assert servers.list_instances(tags=["other"]) == []
    assert servers.list_instances(hourly=True, monthly=False) != []
    assert servers.list_instances(hourly=False, monthly=True) == []
    for number in (1, 2, 4):
        assert {one["maxCpu"] for one in servers.list_instances(cpus=number)} == {number}
    assert {one["datacenter"]["name"] for one in servers.list_instances(datacenter="ams03")} == {"ams03"}
    assert {one["maxMemory"] for one in servers.list_instances(memory=2048)} == {2048}


def test_an_instance(client: Any, servers: Any) -> None:
    """The SDK orders a server, reads all of it, edits and cancels it."""
    keys = sdk.SshKeyManager(client)
    key = keys.add_key(PUBLIC_KEY, "mine", notes="of mine")
    made = servers.create_instance(**ORDER, ssh_keys=[key["id"]], userdata="hello", tags="a,b")
    assert servers.wait_for_ready(made["id"], limit=5, delay=0)
    guest = servers.get_instance(made["id"])
    assert guest["fullyQualifiedDomainName"] == "web.example.org"
    assert (guest["maxCpu"], guest["maxMemory"], guest["hourlyBillingFlag"]) == (2, 4096, True)
    assert guest["powerState"]["keyName"] == "RUNNING"
    assert guest["datacenter"]["name"] == "dal13"
    system = guest["operatingSystem"]
    assert system["softwareLicense"]["softwareDescription"]["referenceCode"] == "UBUNTU_24_64"
    assert system["passwords"][0]["username"] == "root"
    assert [one["device"] for one in guest["blockDevices"]] == ["0", "1", "2"]
    mask = "blockDevices[device,diskImage.capacity]"
    devices = servers.get_instance(made["id"], mask=mask)["blockDevices"]
    disks = {one["device"]: one["diskImage"]["capacity"] for one in devices}
    assert disks == {"0": 100, "1": 2, "2": 25}
    assert guest["userData"] == [{"value": "hello"}]
    assert [one["tag"]["name"] for one in guest["tagReferences"]] == ["a", "b"]
    assert servers.edit(made["id"], hostname="db", notes="note", userdata="new", tags="c")
    guest = servers.get_instance(made["id"])
    assert (guest["hostname"], guest["notes"], guest["userData"]) == ("db", "note", [{"value": "new"}])
    assert servers.cancel_instance(made["id"]) is True
    with pytest.raises(sdk.SoftLayerAPIError) as caught:
        servers.get_instance(made["id"])
    assert caught.value.faultCode == "SoftLayer_Exception_ObjectNotFound"


def test_power(client: Any, servers: Any) -> None:
    """Power actions change the power state, and what does not suit it is refused."""
    guest = client["Virtual_Guest"]
    id_ = servers.create_instance(**ORDER)["id"]
    for method, state in (
        ("powerOff", "HALTED"),
        ("powerOn", "RUNNING"),
        ("rebootSoft", "RUNNING"),
        ("pause", "PAUSED"),
        ("resume", "RUNNING"),
        ("powerOffSoft", "HALTED"),
        ("powerOff", "HALTED"),
    ):
        assert client.call("Virtual_Guest", method, id=id_) is True
        assert guest.getPowerState(id=id_)["keyName"] == state
    for method in ("rebootDefault", "pause", "resume"):
        with pytest.raises(sdk.SoftLayerAPIError, match="The virtual server is HALTED"):
            client.call("Virtual_Guest", method, id=id_)


def test_flavors_and_images(servers: Any, client: Any) -> None:
    """A flavor decides the numbers; an image of the account or of everybody decides the system."""
    order = {**ORDER, "cpus": None, "memory": None, "disks": None, "flavor": "B1_2X4X25"}
    guest = servers.get_instance(servers.create_instance(**order)["id"])
    assert (guest["maxCpu"], guest["maxMemory"]) == (2, 4096)
    assert guest["billingItem"]["orderItem"]["preset"]["keyName"] == "B1_2X4X25"
    images = sdk.ImageManager(client)
    for image in (*images.list_private_images(), *images.list_public_images()):
        order = {**ORDER, "os_code": None, "image_id": image["globalIdentifier"]}
        guest = servers.get_instance(servers.create_instance(**order)["id"])
        assert guest["blockDeviceTemplateGroup"]["name"] == image["name"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hostname": "a b"}, "Invalid hostname"),
        ({"domain": "x"}, "Invalid domain"),
        ({"cpus": 3}, "'startCpus'"),
        ({"memory": 1000}, "'maxMemory'"),
        ({"cpus": "2"}, "'startCpus'"),
        ({"local_disk": "true"}, "'localDiskFlag'"),
        ({"local_disk": None}, "Property localDiskFlag must be set"),
        ({"hourly": None}, "Property hourlyBillingFlag must be set"),
        ({"disks": [26]}, "'blockDevices.diskImage.capacity'"),
        ({"datacenter": "mars01"}, "'datacenter.name'"),
        ({"os_code": "OS2_64"}, "'operatingSystemReferenceCode'"),
        ({"os_code": None}, "Specify either operatingSystemReferenceCode"),
        ({"os_code": None, "image_id": "5f3c1d9e"}, "'blockDeviceTemplateGroup.globalIdentifier'"),
        ({"ssh_keys": [1]}, "'sshKeys.id'"),
        ({"public_vlan": 1}, "'primaryNetworkComponent.networkVlan.id'"),
        ({"private_vlan": 2263000}, "'primaryBackendNetworkComponent.networkVlan.id'"),
        ({"nic_speed": 7}, "'networkComponents.maxSpeed'"),
        ({"flavor": "B9_1X1X1", "cpus": None, "memory": None}, "'flavorKeyName'"),
        ({"userdata": "x" * 70_000}, "'userData'"),
    ],
)
def test_bad_orders(servers: Any, cloud: Sandbox, change: dict[str, Any], words: str) -> None:
    """An order with a value that is invalid, or of another type, is refused with the name of its field."""
    with pytest.raises(sdk.SoftLayerAPIError, match=words):
        servers.create_instance(**{**ORDER, **change})
    assert len(cloud.servers) == 23
    with pytest.raises(sdk.SoftLayerAPIError, match=words):
        servers.verify_create_instance(**{**ORDER, **change})


def test_an_order_on_trial(servers: Any, cloud: Sandbox) -> None:
    """`generateOrderTemplate` checks an order without placing it."""
    template = servers.verify_create_instance(**ORDER)
    assert template["virtualGuests"] == [{"hostname": "web", "domain": "example.org"}]
    assert len(cloud.servers) == 23


def test_keys(client: Any) -> None:
    """The SDK adds, reads, lists, edits and deletes SSH keys; one key is added once."""
    keys = sdk.SshKeyManager(client)
    made = keys.add_key(PUBLIC_KEY, "mine")
    assert keys.get_key(made["id"])["key"] == PUBLIC_KEY
    assert keys.edit_key(made["id"], label="new", notes="n") is True
    assert [(one["label"], one["notes"]) for one in keys.list_keys()] == [("new", "n")]
    assert [one["label"] for one in keys.list_keys(label="new")] == ["new"]
    assert keys.list_keys(label="old") == []
    with pytest.raises(sdk.SoftLayerAPIError, match="already exists"):
        keys.add_key(f"{PUBLIC_KEY.rsplit(' ', 1)[0]} other", "again")
    wrong = base64.b64encode(b"no key").decode()
    for text in ("", "key", "ssh-ed25519 !!!", f"ssh-ed25519 {wrong}"):
        with pytest.raises(sdk.SoftLayerAPIError, match="not in a valid format"):
            keys.add_key(text, "wrong")
    assert keys.delete_key(made["id"]) is True
    with pytest.raises(sdk.SoftLayerAPIError, match="Unable to find object"):
        keys.delete_key(made["id"])


def test_unknown_methods(client: Any) -> None:
    """A method or service that does not exist is a fault that names it."""
    for service, method in (("Account", "getUnicorns"), ("Unicorn", "getObject")):
        with pytest.raises(sdk.SoftLayerAPIError, match=rf'Function \("{method}"\) is not a valid method'):
            client.call(service, method)


def test_the_rate_limit() -> None:
    """After `request_limit` calls every one is refused because of the rate."""
    with Sandbox("softlayer", ssh="off", request_limit=2) as cloud:
        client = connect(cloud, *cloud.credentials)
        for _ in range(2):
            client.call("Account", "getObject")
        with pytest.raises(sdk.SoftLayerAPIError) as caught:
            client.call("Account", "getObject")
        client.transport.client.close()
    assert caught.value.faultCode == "SoftLayer_Exception_WebService_RateLimitExceeded"
