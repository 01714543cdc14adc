"""The sandbox's SoftLayer as it speaks: masks, filters, faults, time."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox
from polycloud.sandbox.softlayer.dialect import Fault, masked, read_mask, selected
from support.softlayer import PUBLIC_KEY

ORDER: dict[str, Any] = {
    "hostname": "web",
    "domain": "example.org",
    "startCpus": 1,
    "maxMemory": 1024,
    "hourlyBillingFlag": True,
    "localDiskFlag": True,
    "operatingSystemReferenceCode": "DEBIAN_12_64",
}
GUEST = "SoftLayer_Virtual_Guest"
Ask = Callable[..., Any]


class Clock:
    """A clock that stands still."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cloud(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(
        "softlayer", ssh="off", clock=clock, approve=1.0, build=10.0, power=2.0, destroy=5.0
    ) as cloud:
        yield cloud


@pytest.fixture
def post(cloud: Sandbox) -> Iterator[Callable[[str, bytes], urllib3.BaseHTTPResponse]]:
    with urllib3.PoolManager(retries=False) as pool:

        def post(service: str, body: bytes) -> urllib3.BaseHTTPResponse:
            return pool.request("POST", f"{cloud.url}/xmlrpc/v3.1/{service}", body=body)

        yield post


@pytest.fixture
def ask(cloud: Sandbox, post: Callable[[str, bytes], urllib3.BaseHTTPResponse]) -> Ask:
    """Call a method and return its value; a fault is raised as that of `xmlrpc`."""
    name, key = cloud.credentials

    def ask(service: str, method: str, *args: Any, id: int | None = None, **headers: Any) -> Any:
        given = {"authenticate": {"username": name, "apiKey": key}, **headers}
        if id is not None:
            given[f"{service}InitParameters"] = {"id": id}
        body = xmlrpc.client.dumps(({"headers": given}, *args), method)
        response = post(service, body.encode())
        assert response.status == 200
        return xmlrpc.client.loads(response.data)[0][0]

    return ask


def refused(ask: Ask, *args: Any, **more: Any) -> tuple[str, str]:
    """Return the code and the string of the fault that a call ends with."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        ask(*args, **more)
    return str(caught.value.faultCode), caught.value.faultString


def test_a_guest_in_time(ask: Ask, clock: Clock) -> None:
    """A guest is ordered, approved, provisioned, stopped, and reclaimed at the times that are set."""
    id_ = ask(GUEST, "createObject", ORDER)["id"]
    fields = "id,provisionDate,powerState.keyName,activeTransaction.transactionStatus.name,billingItem"
    mask = {"mask": f"mask[{fields}]"}

    def look() -> tuple[str, str, str, bool]:
        guest = ask(GUEST, "getObject", id=id_, SoftLayer_ObjectMask=mask)
        transaction = guest.get("activeTransaction", {}).get("transactionStatus", {}).get("name", "")
        power = guest["powerState"].get("keyName", "")
        return power, transaction, "provisioned" if guest["provisionDate"] else "", "billingItem" in guest

    assert look() == ("", "SERVICE_SETUP", "", False)
    code, text = refused(ask, GUEST, "deleteObject", id=id_)
    assert (code, text) == (
        "SoftLayer_Exception_NotFound",
        "A billing item is required to process a cancellation.",
    )
    clock.now += 1
    assert look() == ("", "SERVICE_SETUP", "", True)
    assert "active transaction" in refused(ask, GUEST, "powerOff", id=id_)[1]
    clock.now += 9
    assert look() == ("RUNNING", "", "provisioned", True)
    assert ask(GUEST, "powerOff", id=id_) is True
    assert look()[0] == "RUNNING"
    assert "active transaction" in refused(ask, GUEST, "powerOn", id=id_)[1]
    clock.now += 2
    assert look()[0] == "HALTED"
    assert ask(GUEST, "deleteObject", id=id_) is True
    assert look() == ("HALTED", "RECLAIM_WAIT", "provisioned", False)
    assert refused(ask, GUEST, "deleteObject", id=id_)[0] == "SoftLayer_Exception_NotFound"
    clock.now += 5
    assert refused(ask, GUEST, "getObject", id=id_)[0] == "SoftLayer_Exception_ObjectNotFound"


def test_a_cancelled_guest_is_not_provisioned(ask: Ask, clock: Clock, cloud: Sandbox) -> None:
    """A guest that is cancelled while it is built is reclaimed, and its addresses are given again."""
    ids = []
    for _ in range(2):
        ids.append(ask(GUEST, "createObject", ORDER)["id"])
        clock.now += 1
        assert ask(GUEST, "deleteObject", id=ids[-1]) is True
        clock.now += 5
        assert cloud.servers == []
    assert ids[0] != ids[1]


def test_masks_of_responses(ask: Ask) -> None:
    """Without a mask a response has an object's own fields only; with one, exactly those that it names."""
    made = ask(GUEST, "createObject", ORDER)
    assert made["hostname"] == "web"
    assert not {"powerState", "datacenter", "operatingSystem", "tagReferences"} & made.keys()
    masked_guest = ask(
        GUEST, "getObject", id=made["id"], SoftLayer_ObjectMask={"mask": "mask[id,datacenter.name,nothing]"}
    )
    assert masked_guest == {"id": made["id"], "datacenter": {"name": "dal10"}}


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("", {}),
        ("mask[id]", {"id": {}}),
        ("mask.id", {"id": {}}),
        ("id,name", {"id": {}, "name": {}}),
        ("[id]", {"id": {}}),
        ("mask[ id, a [b, c.d] ]", {"id": {}, "a": {"b": {}, "c": {"d": {}}}}),
        ("mask[a.b[c],a.d]", {"a": {"b": {"c": {}}, "d": {}}}),
    ],
)
def test_forms_of_masks(text: str, mask: dict[str, Any]) -> None:
    """Masks are read with brackets, dots and commas, as the provider documents them."""
    assert read_mask(text) == mask


@pytest.mark.parametrize("text", ["mask[id", "mask[id]]", "mask[a;b]", "mask[a[b]"])
def test_bad_masks(text: str) -> None:
    """A mask that is not closed, or has other characters, is a fault."""
    with pytest.raises(Fault, match="Object mask"):
        read_mask(text)


def test_masked_values() -> None:
    """A mask applies to each object of a list, and to what is in it."""
    value = [{"id": 1, "a": {"b": 2, "c": 3}, "d": [{"e": 4, "f": 5}]}]
    assert masked(value, read_mask("id,a.b,d[e]")) == [{"id": 1, "a": {"b": 2}, "d": [{"e": 4}]}]
    assert masked(value, {}) == [{"id": 1}]


ITEMS = [
    {"id": 1, "name": "web", "flag": True, "tags": [{"name": "a"}], "note": ""},
    {"id": 3, "name": "Web-2", "flag": False, "tags": [{"name": "b"}, {"name": "c"}], "note": "x"},
    {"id": 2, "name": "db", "flag": False, "tags": [], "note": None},
]


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        ({}, [1, 3, 2]),
        ({"name": {"operation": "web"}}, [1]),
        ({"name": {"operation": "_= web-2"}}, [3]),
        ({"name": {"operation": "!= web"}}, [3, 2]),
        ({"name": {"operation": "^= web"}}, [1, 3]),
        ({"name": {"operation": "$= b"}}, [1, 2]),
        ({"name": {"operation": "*= E"}}, [1, 3]),
        ({"id": {"operation": 3}}, [3]),
        ({"id": {"operation": "in", "options": [{"name": "data", "value": [1, "2"]}]}}, [1, 2]),
        ({"flag": {"operation": True}}, [1]),
        ({"flag": {"operation": "0"}}, [3, 2]),
        ({"note": {"operation": "is null"}}, [1, 2]),
        ({"note": {"operation": "not null"}}, [3]),
        ({"tags": {"name": {"operation": "c"}}}, [3]),
        ({"tags": {"name": {"operation": "z"}}}, []),
        ({"other": {"name": {"operation": "z"}}}, []),
        ({"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["ASC"]}]}}, [1, 2, 3]),
        ({"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["DESC"]}]}}, [3, 2, 1]),
    ],
)
def test_filters(conditions: dict[str, Any], ids: list[int]) -> None:
    """Filters select and order objects as the provider documents their operations."""
    assert [item["id"] for item in selected(ITEMS, conditions)] == ids


def test_parts_of_lists(
    ask: Ask, post: Callable[[str, bytes], urllib3.BaseHTTPResponse], cloud: Sandbox
) -> None:
    """A list has the part that `resultLimit` names, and a header with the number of all its items."""
    made = [ask(GUEST, "createObject", {**ORDER, "hostname": f"web-{number}"})["id"] for number in range(5)]
    limit = {"limit": 2, "offset": 3}
    assert [one["id"] for one in ask("SoftLayer_Account", "getVirtualGuests", resultLimit=limit)] == made[3:]
    name, key = cloud.credentials
    headers = {"authenticate": {"username": name, "apiKey": key}, "resultLimit": limit}
    body = xmlrpc.client.dumps(({"headers": headers},), "getVirtualGuests").encode()
    assert post("SoftLayer_Account", body).headers["SoftLayer-Total-Items"] == "5"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "-32700"),
        (b"{}", "-32700"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall>&b;</methodCall>", "-32700"),
        (
            b"<methodCall><methodName>getObject</methodName><params></params></methodCall>",
            "SoftLayer_Exception_Public",
        ),
        (xmlrpc.client.dumps((7,), "getObject").encode(), "-32700"),
        (xmlrpc.client.dumps(({"headers": 7},), "getObject").encode(), "-32600"),
    ],
)
def test_bad_bodies(post: Callable[[str, bytes], urllib3.BaseHTTPResponse], body: bytes, code: str) -> None:
    """A body that is no call, or has no credentials, is a fault."""
    response = post("SoftLayer_Account", body)
    assert response.status == 200
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(response.data)
    assert str(caught.value.faultCode) == code


def test_other_methods_and_paths(cloud: Sandbox) -> None:
    """What is no call is refused."""
    with urllib3.PoolManager(retries=False) as pool:
        for method, path in (
            ("GET", "/"),
            ("GET", "/xmlrpc/v3.1/SoftLayer_Account"),
            ("POST", "/rest/v3.1/x"),
        ):
            assert pool.request(method, cloud.url + path).status == 401


def test_parameters_of_other_types(ask: Ask) -> None:
    """A parameter that is missing, or of another type, is a fault of XML-RPC's specification."""
    id_ = ask(GUEST, "createObject", ORDER)["id"]
    for method, args in (
        ("createObject", ()),
        ("createObject", ("x",)),
        ("setTags", (7,)),
        ("setUserMetadata", ("x",)),
    ):
        assert refused(ask, GUEST, method, *args, id=id_)[0] == "-32602"
    assert refused(ask, GUEST, "editObject", {"maxCpu": 9}, id=id_)[0] == "SoftLayer_Exception_InvalidValue"
    assert refused(ask, GUEST, "editObject", {"notes": 7}, id=id_)[0] == "SoftLayer_Exception_InvalidValue"
    assert refused(ask, GUEST, "setUserMetadata", [7], id=id_)[0] == "SoftLayer_Exception_InvalidValue"


def test_unknown_objects(ask: Ask) -> None:
    """An object that does not exist is a fault with its id."""
    for service, method in (
        (GUEST, "getObject"),
        (GUEST, "powerOn"),
        ("SoftLayer_Security_Ssh_Key", "deleteObject"),
    ):
        code, text = refused(ask, service, method, id=7)
        assert code == "SoftLayer_Exception_ObjectNotFound"
        assert text == "Unable to find object with id of '7'."


def test_reset(ask: Ask, cloud: Sandbox) -> None:
    """`reset` deletes guests, keys, and the count of calls."""
    ask(GUEST, "createObject", ORDER)
    ask("SoftLayer_Security_Ssh_Key", "createObject", {"key": PUBLIC_KEY, "label": "mine"})
    cloud.reset()
    assert (cloud.servers, cloud.requests) == ([], [])
    assert ask("SoftLayer_Account", "getSshKeys") == []
