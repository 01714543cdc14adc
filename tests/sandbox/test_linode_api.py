from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from polycloud.sandbox import Answer, Sandbox
from polycloud.sandbox.linode.filters import Filter
from polycloud.sandbox.rest.errors import InputError
from support.linode import ORDER, Client, client

NO_TOKEN = (401, [(None, "Invalid Token")])


@pytest.fixture
def api() -> Iterator[Client]:
    with client(seed_nodes=60) as made:
        yield made


# Tokens


def test_credentials(api: Client) -> None:
    """The credentials are the token only, and the options leave the API's version to the driver."""
    assert api.cloud.credentials == ("linode_sandbox",)
    assert api.cloud.options == {"host": "127.0.0.1", "port": api.cloud.port, "secure": False}


@pytest.mark.parametrize("path", ["/account", "/nowhere", "/regions"])
def test_an_expired_token(api: Client, path: str) -> None:
    """An unknown token, such as an expired one, is a 401 on every path."""
    response = api.send("GET", path, token="expired")
    assert (response.status, response.json()) == (401, {"errors": [{"reason": "Invalid Token"}]})


def test_without_a_token(api: Client) -> None:
    """Regions, types, kernels and public images can be read without a token, and nothing else."""
    for path in ("/regions", "/linode/types", "/linode/kernels/linode/grub2", "/volumes/types"):
        assert api.send("GET", path, token=None).status == 200
    for method, path in (("GET", "/linode/instances"), ("GET", "/account"), ("POST", "/images")):
        assert api.send(method, path, token=None).status == 401


def test_private_images_need_a_token(api: Client) -> None:
    """An image of the account is a 404, and not listed, without a token."""
    disk = api.get(f"/linode/instances/{api.built()['id']}/disks")["data"][0]["id"]
    image = api.act("POST", "/images", disk_id=disk)["id"]
    assert api.send("GET", f"/images/{image}", token=None).status == 404
    assert api.send("GET", "/images", token=None).json()["results"] + 1 == api.get("/images")["results"]


def test_a_token_that_may_only_look(api: Client) -> None:
    """The read-only token reads everything and changes nothing, and headers name the missing scopes."""
    token = "linode_sandbox_read_only"
    seen = api.send("GET", "/linode/instances", token=token)
    assert (seen.status, seen.headers["x-accepted-oauth-scopes"]) == (200, "linodes:read_only")
    response = api.send("POST", "/linode/instances", dict(ORDER), token=token)
    assert response.status == 403
    assert response.json()["errors"][0]["reason"].startswith("Your OAuth token is not authorized")
    assert response.headers["x-accepted-oauth-scopes"] == "linodes:read_write"
    assert "linodes:read_only" in response.headers["x-oauth-scopes"].split()
    assert api.get("/linode/instances")["results"] == 60


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/linode/instances", "linodes"),
        ("/volumes", "volumes"),
        ("/images", "images"),
        ("/networking/ips", "ips"),
        ("/networking/firewalls", "firewall"),
        ("/account/events", "events"),
        ("/linode/stackscripts", "stackscripts"),
        ("/profile/sshkeys", "account"),
        ("/tags", "account"),
    ],
)
def test_headers(api: Client, path: str, scope: str) -> None:
    """Every response has headers for the API's version, the token's scopes, and the needed scope."""
    headers = api.send("GET", path).headers
    assert (headers["x-accepted-oauth-scopes"], headers["x-oauth-scopes"]) == (f"{scope}:read_only", "*")
    assert headers["x-spec-version"] == "4.189.0"


def test_both_versions(api: Client) -> None:
    """Every path below /v4 is also below /v4beta."""
    headers = {"Authorization": f"Bearer {api.token}"}
    response = api._pool.request("GET", f"{api.cloud.url}/v4beta/linode/instances", headers=headers)
    assert response.json()["results"] == 60


# Invalid requests


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"label"'])
def test_malformed_bodies(api: Client, body: bytes) -> None:
    """A body that is not a JSON object is a 400."""
    response = api.send("POST", "/linode/instances", body)
    assert (response.status, response.json()) == (400, {"errors": [{"reason": "Invalid JSON"}]})


def test_an_unknown_method(api: Client) -> None:
    """A path with an unsupported method is a 405 with the usual error body."""
    assert api.refused("PATCH", "/linode/instances") == (405, [(None, "Method Not Allowed")])


def test_all_problems_at_once(api: Client) -> None:
    """The response to a request with several errors names all of them, each with its field."""
    body: dict[str, Any] = {"label": "a--b", "tags": [], "type": "g6", "image": "x", "authorized_keys": ["y"]}
    status, problems = api.refused("POST", "/linode/instances", **body)
    assert (status, [field for field, _ in problems]) == (
        400,
        ["type", "region", "label", "image", "root_pass", "authorized_keys"],
    )


# Pages


def test_pages(api: Client) -> None:
    """Pages follow each other up to the last one, beyond which they are empty."""
    responses = [api.get(f"/linode/instances?page_size=25&page={page}") for page in (1, 2, 3, 4)]
    assert [len(response["data"]) for response in responses] == [25, 25, 10, 0]
    assert {(response["pages"], response["results"]) for response in responses} == {(3, 60)}
    assert [response["page"] for response in responses] == [1, 2, 3, 4]
    assert len({linode["id"] for response in responses for linode in response["data"]}) == 60


def test_an_empty_list(api: Client) -> None:
    """An empty list has one page."""
    assert api.get("/volumes") == {"data": [], "page": 1, "pages": 1, "results": 0}


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ("page_size=24", "page_size", "Must be 25-500"),
        ("page_size=501", "page_size", "Must be 25-500"),
        ("page_size=many", "page_size", "page_size must be an integer"),
        ("page=0", "page", "Must be 1 or more"),
        ("page=-1", "page", "page must be an integer"),
    ],
)
def test_pages_that_cannot_be(api: Client, query: str, field: str, reason: str) -> None:
    """A page before the first, or of a size out of bounds, is a 400."""
    assert api.refused("GET", f"/linode/instances?{query}") == (400, [(field, reason)])


def test_page_sizes() -> None:
    """A page has 100 items by default, or as many as the settings say."""
    with client(seed_nodes=101) as api:
        assert len(api.get("/linode/instances")["data"]) == 100
    with client(seed_nodes=9, page_size=3, smallest_page=1, largest_page=4) as api:
        assert len(api.get("/linode/instances")["data"]) == 3
        assert api.get("/linode/instances?page_size=2")["pages"] == 5
        assert api.refused("GET", "/linode/instances?page_size=5") == (400, [("page_size", "Must be 1-4")])


# Filters


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"label": "seed-00002"}, 1),
        ({"label": {"+contains": "seed-0000"}}, 9),
        ({"label": {"+neq": "seed-00002"}}, 59),
        ({"label": "seed-00002", "region": "nowhere"}, 0),
        ({"tags": "seed"}, 60),
        ({"tags": {"+contains": "ee"}}, 60),
        ({"tags": {"+neq": "seed"}}, 0),
        ({"+or": [{"label": "seed-00002"}, {"label": "seed-00003"}]}, 2),
        ({"+and": [{"label": {"+contains": "0"}}, {"label": {"+contains": "9"}}]}, 6),
        ({"+or": [{"+and": [{"label": "seed-00001"}, {"tags": "seed"}]}, {"label": "seed-00060"}]}, 2),
        ({"id": {"+gt": 0, "+lt": 1}}, 0),
        ({"id": {"+gte": "a"}}, 0),
        ({}, 60),
    ],
)
def test_filters(api: Client, wanted: dict[str, Any], found: int) -> None:
    """A filter finds the items that it describes, and pages and results count only these."""
    response = api.get("/linode/instances?page_size=25", wanted)
    assert (response["results"], len(response["data"])) == (found, min(found, 25))


def test_orders(api: Client) -> None:
    """A list is ordered as the filter says, over all its pages."""
    wanted = {"+order_by": "label", "+order": "desc"}
    labels = [linode["label"] for linode in api.get("/linode/instances?page_size=25&page=3", wanted)["data"]]
    assert labels == [f"seed-{number:05}" for number in range(10, 0, -1)]
    kinds = api.get("/linode/types", {"+order_by": "memory", "gpus": 0})["data"]
    assert [kind["memory"] for kind in kinds] == sorted(kind["memory"] for kind in kinds)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("{", "Invalid JSON"),
        ("[]", "A filter must be an object"),
        ({"status": "running"}, "Cannot filter on status"),
        ({"+order_by": "status"}, "Cannot filter on status"),
        ({"+order_by": "label", "+order": "up"}, "+order must be asc or desc"),
        ({"label": {"+like": "x"}}, "Unknown operator +like"),
        ({"+or": {"label": "x"}}, "+or must be an array"),
        ({"+and": ["label"]}, "A filter must be an object"),
    ],
)
def test_filters_that_cannot_be(api: Client, wanted: object, reason: str) -> None:
    """An invalid filter, or one on a field that cannot be filtered on, is a 400."""
    response = api.send("GET", "/linode/instances", wanted=wanted)
    assert (response.status, response.json()["errors"]) == (400, [{"field": "X-Filter", "reason": reason}])


NUMBERS = st.integers(-3, 3)
ITEMS = st.lists(st.fixed_dictionaries({"n": st.none() | NUMBERS, "t": st.lists(st.sampled_from("abc"))}))


@given(ITEMS, NUMBERS, NUMBERS)
def test_joined_bounds(items: list[dict[str, Any]], low: int, high: int) -> None:
    """Bounds in one object, in `+and`, and the opposite of `+or` all mean the same."""
    expected = [item for item in items if item["n"] is not None and low <= item["n"] < high]
    for text in (
        f'{{"n": {{"+gte": {low}, "+lt": {high}}}}}',
        f'{{"+and": [{{"n": {{"+gte": {low}}}}}, {{"n": {{"+lt": {high}}}}}]}}',
    ):
        assert Filter(text, {"n"}).apply(items) == expected
    either = Filter(f'{{"+or": [{{"n": {{"+lt": {low}}}}}, {{"n": {{"+gte": {high}}}}}]}}', {"n"})
    outside = [item for item in items if item["n"] is not None and not low <= item["n"] < high]
    if low <= high:
        assert either.apply(items) == outside


@given(ITEMS, st.sampled_from("abcd"))
def test_equal_and_not_equal(items: list[dict[str, Any]], wanted: str) -> None:
    """Every item is either equal to a value or not, and a list is equal to each of its members."""
    equal = Filter(f'{{"t": "{wanted}"}}', {"t"}).apply(items)
    unequal = Filter(f'{{"t": {{"+neq": "{wanted}"}}}}', {"t"}).apply(items)
    assert equal == [item for item in items if wanted in item["t"]]
    assert len(equal) + len(unequal) == len(items)


@given(ITEMS)
def test_orders_keep_everything(items: list[dict[str, Any]]) -> None:
    """An order keeps all items, puts those without a value first, and descending is the reverse."""
    up = [item["n"] for item in Filter('{"+order_by": "n"}', {"n"}).apply(items)]
    down = [item["n"] for item in Filter('{"+order_by": "n", "+order": "desc"}', {"n"}).apply(items)]
    assert up == sorted((item["n"] for item in items), key=lambda n: (n is not None, n or 0))
    assert down == up[::-1]


@given(st.text(), st.sets(st.text()))
def test_any_header_is_a_filter_or_an_error(text: str, fields: set[str]) -> None:
    """Any header is either a filter that can be applied, or an InputError."""
    try:
        wanted = Filter(text, fields)
    except InputError:
        return
    wanted.apply([{"a": 1}])


# Limits


def left(*responses: Any) -> list[tuple[str, str]]:
    return [(one.headers["x-ratelimit-remaining"], one.headers["x-ratelimit-limit"]) for one in responses]


def test_rate_limit_headers() -> None:
    """Every response has the limit of its kind of request, the remaining ones, and the window's end."""
    with client(list_limit=200, request_limit=1600) as api:
        lists = [api.send("GET", path) for path in ("/linode/instances", "/volumes")]
        assert left(*lists, api.send("GET", "/account")) == [("199", "200"), ("198", "200"), ("1599", "1600")]
        assert 50 < int(lists[1].headers["x-ratelimit-reset"]) - time.time() < 70
        assert lists[1].headers["retry-after"] == "60"


def test_headers_without_limits(api: Client) -> None:
    """Without limits the headers never count down, so that clients do not wait for a window's end."""
    for _ in range(3):
        assert left(api.send("GET", "/volumes")) == [("200", "200")]


@pytest.mark.parametrize(
    ("setting", "method", "path", "seconds"),
    [
        ("list_limit", "GET", "/linode/instances", 60),
        ("request_limit", "GET", "/account", 60),
        ("create_limit", "POST", "/linode/instances", 15),
    ],
)
def test_limits(setting: str, method: str, path: str, seconds: int) -> None:
    """Too many requests of a kind are a 429 until the window ends; other kinds go on."""
    with client(**{setting: 2}) as api:
        api.send(method, path)
        api.later(5)
        assert api.send(method, path).headers["x-ratelimit-remaining"] == "0"
        response = api.send(method, path)
        assert (response.status, response.json()["errors"]) == (429, [{"reason": "Too many requests"}])
        assert response.headers["retry-after"] == str(seconds - 5)
        assert api.send("GET", "/regions" if path == "/account" else "/profile").status == 200
        api.later(seconds - 6)
        assert api.send(method, path).status == 429
        api.later(1)
        assert api.send(method, path).status != 429


# Faults and the rest of the sandbox


def test_faults(api: Client) -> None:
    """Faults hit Linode like every cloud, before or after it has acted."""
    api.cloud.fault(503, method="POST", path="/v4/tags")
    api.cloud.fault("reset after", method="POST", path="/v4/tags")
    assert api._pool.request("POST", f"{api.cloud.url}/v4/tags").status == 503
    with pytest.raises(ProtocolError):
        api.send("POST", "/tags", {"label": "made"})
    assert "made" in [tag["label"] for tag in api.get("/tags")["data"]]
    api.cloud.fault(Answer(500, {}, '{"errors": [{"reason": "Internal Server Error"}]}'))
    assert api._pool.request("GET", f"{api.cloud.url}/v4/tags").status == 500


def test_reset(api: Client) -> None:
    """A reset removes everything except the seeded Linodes, which are as at the start."""
    api.act("DELETE", f"/linode/instances/{api.get('/linode/instances')['data'][0]['id']}")
    api.act("POST", "/tags", label="abc")
    api.cloud.reset()
    assert api.get("/linode/instances")["results"] == len(api.cloud.servers) == 60
    assert [tag["label"] for tag in api.get("/tags")["data"]] == ["seed"]


def test_seeded_linodes(api: Client) -> None:
    """Seeded Linodes are running, tagged, of several types, with disks and a configuration each."""
    linodes = api.get("/linode/instances")["data"]
    assert {linode["status"] for linode in linodes} == {"running"}
    assert all(linode["tags"] == ["seed"] for linode in linodes)
    assert len({linode["type"] for linode in linodes}) > 3
    one = f"/linode/instances/{linodes[0]['id']}"
    assert [disk["status"] for disk in api.get(f"{one}/disks")["data"]] == ["ready", "ready"]
    assert api.get(f"{one}/configs")["results"] == 1


def test_many_linodes_have_different_addresses() -> None:
    """However many Linodes are seeded, no two share an address."""
    servers = Sandbox("linode", seed_nodes=3000).servers
    addresses = [ip for server in servers for ip in server["addresses"]]
    assert len(addresses) == len(set(addresses)) == 3000


def test_time_passes_by_itself() -> None:
    """Where nothing takes time, a Linode runs at the next request."""
    with client(build=0.0, boot=0.0) as api:
        linode = api.act("POST", "/linode/instances", **ORDER)
        assert linode["status"] == "running"
