"""DigitalOcean's load balancers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.digitalocean import Client, client

RULE = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8080}
ORDER: dict[str, Any] = {"name": "lb", "region": "nyc3", "forwarding_rules": [RULE]}
BUSY = (403, "Load Balancer can't be updated while it processes previous actions")


@pytest.fixture
def do() -> Iterator[Client]:
    """A DigitalOcean without balancers."""
    with client() as made:
        yield made


def create(do: Client, **changes: Any) -> str:
    """The path of a new balancer that is active."""
    made = do.act("POST", "/load_balancers", **{**ORDER, **changes})["load_balancer"]
    do.later(2)
    return f"/load_balancers/{made['id']}"


def show(do: Client, path: str) -> Any:
    return do.get(path)["load_balancer"]


def test_a_new_balancer(do: Client) -> None:
    """A new balancer has no address and no changes until it is active, and has the documented defaults."""
    made = do.act("POST", "/load_balancers", **ORDER)["load_balancer"]
    one = f"/load_balancers/{made['id']}"
    assert (made["status"], made["ip"], made["algorithm"], made["size_unit"]) == ("new", "", "round_robin", 1)
    assert made["health_check"] == {
        "protocol": "http",
        "port": 80,
        "path": "/",
        "check_interval_seconds": 10,
        "response_timeout_seconds": 5,
        "unhealthy_threshold": 5,
        "healthy_threshold": 3,
    }
    assert do.refused("PUT", one, **ORDER) == BUSY
    do.later(2)
    assert (show(do, one)["status"], bool(show(do, one)["ip"])) == ("active", True)


def test_a_failed_balancer() -> None:
    """A balancer whose building fails is errored, and has no address."""
    with client(errored="load_balancer") as do:
        made = show(do, create(do))
        assert (made["status"], made["ip"]) == ("errored", "")


def test_droplets(do: Client) -> None:
    """Droplets of the region come and go by id; the balancer is busy after that, and forgets deleted ones."""
    first, second = (do.built(name=name)["id"] for name in ("one", "two"))
    elsewhere = do.built(name="three", region="ams3")["id"]
    one = create(do, droplet_ids=[first])
    do.act("POST", f"{one}/droplets", droplet_ids=[second, first])
    assert show(do, one)["droplet_ids"] == [second, first]
    assert do.refused("POST", f"{one}/droplets", droplet_ids=[first]) == BUSY
    do.later(1)
    for wrong in (elsewhere, 1):
        status, message = do.refused("POST", f"{one}/droplets", droplet_ids=[wrong])
        assert (status, str(wrong) in message) == (422, True)
    do.act("DELETE", f"{one}/droplets", droplet_ids=[second])
    do.act("DELETE", f"/droplets/{first}")
    assert show(do, one)["droplet_ids"] == []


def test_droplets_by_tag(do: Client) -> None:
    """A balancer with a tag has the region's droplets of that tag, and takes no individual ones."""
    number = do.built(name="one", tags=["web"])["id"]
    do.built(name="two", region="ams3", tags=["web"])
    one = create(do, tag="web")
    assert show(do, one)["droplet_ids"] == [number]
    assert do.refused("POST", f"{one}/droplets", droplet_ids=[number])[0] == 422
    assert do.refused("POST", "/load_balancers", **ORDER, tag="web", droplet_ids=[number])[0] == 422


def test_forwarding_rules(do: Client) -> None:
    """Rules are added and removed, each for an entry port of its own; the last one stays."""
    one = create(do)
    other = {**RULE, "entry_port": 81}
    do.act("POST", f"{one}/forwarding_rules", forwarding_rules=[other])
    assert [rule["entry_port"] for rule in show(do, one)["forwarding_rules"]] == [80, 81]
    do.later(1)
    assert do.refused("POST", f"{one}/forwarding_rules", forwarding_rules=[other])[0] == 422
    do.act("DELETE", f"{one}/forwarding_rules", forwarding_rules=[RULE])
    do.later(1)
    assert do.refused("DELETE", f"{one}/forwarding_rules", forwarding_rules=[other])[0] == 422
    assert [rule["entry_port"] for rule in show(do, one)["forwarding_rules"]] == [81]


def test_a_put_replaces_everything(do: Client) -> None:
    """A PUT resets what it leaves out to its default, but not the region and the network."""
    sticky = {"type": "cookies", "cookie_name": "srv", "cookie_ttl_seconds": 300}
    one = create(do, sticky_sessions=sticky, size_unit=2, enable_proxy_protocol=True)
    before = show(do, one)
    assert before["sticky_sessions"] == sticky
    after = do.act("PUT", one, **{**ORDER, "name": "other"})["load_balancer"]
    assert (after["name"], after["size_unit"], after["sticky_sessions"]) == ("other", 1, {"type": "none"})
    assert not after["enable_proxy_protocol"]
    assert (after["region"], after["vpc_uuid"]) == (before["region"], before["vpc_uuid"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "nowhere"},
        {"name": ""},
        {"vpc_uuid": "none"},
        {"forwarding_rules": []},
        {"forwarding_rules": [RULE, RULE]},
        {"forwarding_rules": [{**RULE, "entry_protocol": "https"}]},
        {"forwarding_rules": [{**RULE, "entry_protocol": "udp"}]},
        {"forwarding_rules": [{**RULE, "entry_protocol": "udp", "target_protocol": "udp"}]},
        {"forwarding_rules": [{**RULE, "target_port": 0}]},
        {"health_check": {"protocol": "udp"}},
        {"sticky_sessions": {"type": "cookies"}},
        {"size_unit": 101},
    ],
)
def test_refused_creates(do: Client, wrong: dict[str, Any]) -> None:
    """What the document does not allow is a 422, and leaves no balancer."""
    assert do.refused("POST", "/load_balancers", **{**ORDER, **wrong})[0] == 422
    assert do.get("/load_balancers")["load_balancers"] == []
