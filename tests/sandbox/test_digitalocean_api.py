from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from urllib3.exceptions import ProtocolError

from polycloud.sandbox import Answer, Sandbox
from support.digitalocean import ORDER, Client, client


@pytest.fixture
def do() -> Iterator[Client]:
    with client(seed_nodes=5) as made:
        yield made


# Tokens


def test_credentials(do: Client) -> None:
    """The credentials are the token only, and the options leave the API's version to the driver."""
    assert do.cloud.credentials == ("dop_v1_sandbox",)
    assert do.cloud.options == {"host": "127.0.0.1", "port": do.cloud.port, "secure": False}


@pytest.mark.parametrize("path", ["/account", "/nowhere"])
def test_an_expired_token(do: Client, path: str) -> None:
    """An unknown token, such as an expired one, is a 401 on every path."""
    response = do.send("GET", path, token="dop_v1_expired")
    assert response.status == 401
    assert (response.json()["id"], response.json()["message"]) == (
        "unauthorized",
        "Unable to authenticate you.",
    )


def test_a_token_that_may_only_look(do: Client) -> None:
    """The read-only token reads everything and changes nothing."""
    token = "dop_v1_sandbox_read_only"
    assert do.send("GET", "/droplets", token=token).status == 200
    response = do.send("POST", "/tags", {"name": "t"}, token=token)
    assert (response.status, response.json()["id"]) == (403, "forbidden")
    assert len(do.get("/tags")["tags"]) == 1


def test_request_ids(do: Client) -> None:
    """Every response has its own request id, which error bodies repeat."""
    fine, wrong = do.send("GET", "/droplets"), do.send("GET", "/droplets/1")
    assert UUID(fine.headers["x-request-id"]) != UUID(wrong.headers["x-request-id"])
    assert wrong.json()["request_id"] == wrong.headers["x-request-id"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"name"'])
def test_malformed_bodies(do: Client, body: bytes) -> None:
    """A body that is not a JSON object is a 400, with another error body for tags."""
    response = do.send("POST", "/firewalls", body)
    assert (response.status, response.json()["id"]) == (400, "bad_request")
    response = do.send("POST", "/tags", body)
    assert (response.status, response.json().keys()) == (400, {"error", "root_causes"})


def test_an_unknown_method(do: Client) -> None:
    """A path with an unsupported method is a 405."""
    assert do.refused("PATCH", "/droplets")[0] == 405


# Pages


def test_pages(do: Client) -> None:
    """The links of a page lead through all pages, keep the query, and omit pages that do not exist."""
    url = f"{do.cloud.url}/v2/droplets?tag_name=seed&per_page=2&page="
    first = do.get("/droplets?tag_name=seed&per_page=2")
    assert (first["meta"], len(first["droplets"])) == ({"total": 5}, 2)
    assert first["links"]["pages"] == {"next": f"{url}2", "last": f"{url}3"}
    second = do.get("/droplets?tag_name=seed&per_page=2&page=2")["links"]["pages"]
    assert second == {"first": f"{url}1", "prev": f"{url}1", "next": f"{url}3", "last": f"{url}3"}
    last = do.get("/droplets?tag_name=seed&per_page=2&page=3")
    assert (len(last["droplets"]), last["links"]["pages"].keys()) == (1, {"first", "prev"})
    beyond = do.get("/droplets?per_page=2&page=9")
    assert (beyond["droplets"], beyond["meta"]["total"]) == ([], 5)
    assert do.get("/droplets")["links"] == {}


def test_page_sizes() -> None:
    """A page has 20 items by default and 200 at most, or as many as the settings allow."""
    with client(seed_nodes=201) as do:
        assert len(do.get("/droplets")["droplets"]) == 20
        assert len(do.get("/droplets?per_page=500")["droplets"]) == 200
        assert do.refused("GET", "/droplets?per_page=many")[0] == 422
    with client(seed_nodes=9, page_size=3, largest_page=4) as do:
        assert len(do.get("/droplets")["droplets"]) == 3
        assert len(do.get("/droplets?per_page=200")["droplets"]) == 4


# Limits


def test_rate_limit_headers(do: Client) -> None:
    """Every response has headers for the limit, the remaining requests, and when the oldest expires."""
    first, second = do.send("GET", "/account"), do.send("GET", "/droplets/1")
    assert first.headers["ratelimit-limit"] == "5000"
    assert [response.headers["ratelimit-remaining"] for response in (first, second)] == ["4999", "4998"]
    assert 3590 < int(second.headers["ratelimit-reset"]) - time.time() < 3610


def test_the_burst_limit() -> None:
    """Too many requests in a minute are a 429 with Retry-After, after which requests succeed."""
    with client(burst_limit=2) as do:
        do.get("/account")
        do.later(20)
        do.get("/account")
        response = do.send("GET", "/account")
        assert (response.status, response.json()["id"]) == (429, "too_many_requests")
        assert (response.headers["retry-after"], response.headers["ratelimit-remaining"]) == ("40", "0")
        do.later(39)
        assert do.refused("GET", "/account")[0] == 429
        do.later(1)
        do.get("/account")


def test_the_hourly_limit() -> None:
    """Too many requests in an hour are a 429 whose end only ratelimit-reset names."""
    with client(hourly_limit=2) as do:
        assert [do.send("GET", "/account").headers["ratelimit-remaining"] for _ in range(2)] == ["1", "0"]
        response = do.send("POST", "/tags", {"name": "t"})
        assert (response.status, "retry-after" in response.headers) == (429, False)
        assert response.headers["ratelimit-limit"] == "2"
        do.later(3600)
        assert do.get("/tags")["tags"] == []


# Faults and the rest of the sandbox


def test_faults(do: Client) -> None:
    """Faults hit DigitalOcean like every cloud, before or after it has acted."""
    do.cloud.fault(503, method="POST", path="/v2/tags")
    do.cloud.fault("reset after", method="POST", path="/v2/tags")
    response = do._pool.request("POST", f"{do.cloud.url}/v2/tags")
    assert response.status == 503
    with pytest.raises(ProtocolError):
        do.send("POST", "/tags", {"name": "made"})
    assert "made" in [tag["name"] for tag in do.get("/tags")["tags"]]
    do.cloud.fault(Answer(500, {}, '{"id": "server_error", "message": "Unexpected server-side error"}'))
    assert do._pool.request("GET", f"{do.cloud.url}/v2/tags").status == 500


def test_reset(do: Client) -> None:
    """A reset removes everything except the seeded droplets, which are as at the start."""
    do.act("DELETE", "/droplets?tag_name=seed")
    do.act("POST", "/tags", name="t")
    do.cloud.reset()
    assert len(do.get("/droplets")["droplets"]) == len(do.cloud.servers) == 5
    assert [tag["name"] for tag in do.get("/tags")["tags"]] == ["seed"]


def test_seeded_droplets(do: Client) -> None:
    """Seeded droplets are active, tagged, of several sizes, and fit their size, image and region."""
    droplets = do.get("/droplets")["droplets"]
    assert {droplet["status"] for droplet in droplets} == {"active"}
    assert all(droplet["tags"] == ["seed"] for droplet in droplets)
    for droplet in droplets:
        assert droplet["region"]["slug"] in droplet["size"]["regions"]
        assert droplet["region"]["slug"] in droplet["image"]["regions"]
        assert droplet["disk"] >= droplet["image"]["min_disk_size"]


def test_many_droplets_have_different_addresses() -> None:
    """However many droplets are seeded, no two share an address."""
    addresses = [
        ip for server in Sandbox("digitalocean", seed_nodes=3000).servers for ip in server["addresses"]
    ]
    assert len(addresses) == len(set(addresses)) == 6000


def test_a_changed_droplet_is_shown_changed(do: Client) -> None:
    """A droplet that was listed before is shown in its present state."""
    before = do.get("/droplets?per_page=1")["droplets"][0]
    do.act("POST", "/tags", name="t")
    resources = [{"resource_id": str(before["id"]), "resource_type": "droplet"}]
    do.act("POST", "/tags/t/resources", resources=resources)
    assert do.get("/droplets?per_page=1")["droplets"][0] == {**before, "tags": ["seed", "t"]}


def test_time_passes_by_itself() -> None:
    """With the real clock a droplet is built without requests in between."""
    with client(build=0.0) as do:
        assert do.act("POST", "/droplets", **ORDER)["droplet"]["status"] == "active"
