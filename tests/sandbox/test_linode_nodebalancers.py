"""Linode's NodeBalancers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.linode import Client, client

ALL = "/nodebalancers"
NODE: dict[str, Any] = {"label": "one", "address": "192.168.130.1:80"}
TLS = {"protocol": "https", "ssl_cert": "a certificate", "ssl_key": "a key"}


@pytest.fixture
def api() -> Iterator[Client]:
    """A Linode without NodeBalancers."""
    with client() as made:
        yield made


def create(api: Client, **config: Any) -> tuple[str, str]:
    """The paths of a new NodeBalancer and of its only config."""
    one = f"{ALL}/{api.act('POST', ALL, region='us-east', label='web')['id']}"
    return one, f"{one}/configs/{api.act('POST', f'{one}/configs', **{'port': 80, **config})['id']}"


def test_a_new_balancer(api: Client) -> None:
    """A NodeBalancer has an address and a host name at once, and its label is unique."""
    made = api.act("POST", ALL, region="us-east", label="web")
    assert made["hostname"] == f"{made['ipv4'].replace('.', '-')}.ip.linodeusercontent.com"
    assert (made["client_conn_throttle"], made["tags"]) == (0, [])
    assert api.refused("POST", ALL, region="us-east", label="web") == (
        400,
        [("label", "Label must be unique among your NodeBalancers")],
    )
    assert api.act("POST", ALL, region="us-east")["label"].startswith("balancer")


def test_a_balancer_with_its_configs(api: Client) -> None:
    """One create makes configs and nodes too; if one of them is refused, there is nothing."""
    good = {"port": 80, "nodes": [NODE]}
    for wrong, field in (
        ({"port": 80, "nodes": [NODE]}, "configs[1].port"),
        ({"port": 81}, "configs[1].nodes"),
        ({"port": 81, "nodes": [{**NODE, "address": "10.0.0.1:80"}]}, "address"),
    ):
        status, problems = api.refused("POST", ALL, region="us-east", label="web", configs=[good, wrong])
        assert (status, str(problems[0][0]).rpartition(".")[2]) == (400, field.rpartition(".")[2])
        assert api.get(ALL)["results"] == 0
    made = api.act("POST", ALL, region="us-east", label="web", configs=[good])
    (config,) = api.get(f"{ALL}/{made['id']}/configs")["data"]
    (node,) = api.get(f"{ALL}/{made['id']}/configs/{config['id']}/nodes")["data"]
    assert (node["address"], node["weight"], node["mode"]) == ("192.168.130.1:80", 100, "accept")


def test_configs(api: Client) -> None:
    """A config has the documented defaults, and a port of its own; certificates are not shown."""
    one, config = create(api)
    shown = api.get(config)
    defaults = {
        "algorithm": "roundrobin",
        "check": "none",
        "check_interval": 31,
        "check_timeout": 30,
        "check_attempts": 3,
        "protocol": "http",
        "proxy_protocol": "none",
        "stickiness": "none",
        "ssl_cert": None,
    }
    assert {name: shown[name] for name in defaults} == defaults
    assert api.refused("POST", f"{one}/configs", port=80)[0] == 400
    secured = api.act("PUT", config, **TLS)
    assert (secured["ssl_cert"], secured["ssl_key"]) == ("<REDACTED>", "<REDACTED>")
    again = api.act("PUT", config, ssl_cert="<REDACTED>", ssl_key="<REDACTED>", port=443)
    assert (again["port"], again["ssl_fingerprint"]) == (443, secured["ssl_fingerprint"])
    assert api.act("PUT", config, protocol="http")["ssl_cert"] is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"protocol": "https"}, "ssl_cert"),
        ({"proxy_protocol": "v1"}, "proxy_protocol"),
        ({"protocol": "tcp", "stickiness": "http_cookie"}, "stickiness"),
        ({"check_interval": 10}, "check_interval"),
        ({"check": "http_body"}, "check_body"),
        ({"check_attempts": 31}, "check_attempts"),
        ({"algorithm": "random"}, "algorithm"),
        ({"port": 0}, "port"),
    ],
)
def test_refused_configs(api: Client, wrong: dict[str, Any], field: str) -> None:
    """What the document does not allow is refused with the field that it concerns, and changes nothing."""
    one, config = create(api)
    before = api.get(config)
    for method, path in (("PUT", config), ("POST", f"{one}/configs")):
        status, problems = api.refused(method, path, **{"port": 81, **wrong})
        assert (status, [name for name, _ in problems]) == (400, [field])
    assert (api.get(config), api.get(f"{one}/configs")["results"]) == (before, 1)


def test_the_status_of_nodes(api: Client) -> None:
    """A node is UP if a running Linode of the region has its address, DOWN if not, and unknown before."""
    linode = api.built(label="behind", private_ip=True)
    private = next(ip for ip in linode["ipv4"] if ip.startswith("192.168."))
    _, config = create(api, check="connection")
    for label, address in (("here", private), ("nowhere", "192.168.255.1")):
        assert api.act("POST", f"{config}/nodes", label=label, address=f"{address}:80")["status"] == "unknown"
    api.later(1)
    assert [node["status"] for node in api.get(f"{config}/nodes")["data"]] == ["UP", "DOWN"]
    assert api.get(config)["nodes_status"] == {"up": 1, "down": 1}
    api.waited(linode["id"], "shutdown")
    assert [node["status"] for node in api.get(f"{config}/nodes")["data"]] == ["DOWN", "DOWN"]
    api.act("PUT", config, check="none")
    assert [node["status"] for node in api.get(f"{config}/nodes")["data"]] == ["unknown", "unknown"]


@pytest.mark.parametrize(
    "address", ["192.168.130.1", "192.168.130.1:0", "192.168.130.1:65536", "8.8.8.8:80", "1.2.3:80", "web:80"]
)
def test_refused_nodes(api: Client, address: str) -> None:
    """A node without a private address and a port is refused."""
    _, config = create(api)
    status, problems = api.refused("POST", f"{config}/nodes", label="one", address=address)
    assert (status, problems[0][0]) == (400, "address")


def test_events(api: Client) -> None:
    """Every change of a NodeBalancer, its configs and its nodes has an event of the NodeBalancer."""
    one, config = create(api)
    node = f"{config}/nodes/{api.act('POST', f'{config}/nodes', **NODE)['id']}"
    for path, change in ((node, {"mode": "reject"}), (config, {"port": 81}), (one, {"label": "other"})):
        api.act("PUT", path, **change)
    for path in (node, config, one):
        api.act("DELETE", path)
    seen = [event["action"] for event in reversed(api.get("/account/events")["data"])]
    kinds = ("", "_config", "_node")
    assert seen == [
        *(f"nodebalancer{kind}_create" for kind in kinds),
        *(f"nodebalancer{kind}_{verb}" for verb in ("update", "delete") for kind in reversed(kinds)),
    ]
