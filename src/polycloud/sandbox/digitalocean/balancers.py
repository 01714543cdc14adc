"""Load balancers: forwarding rules, and the droplets that they lead to, by id or by tag.

They pass nothing on. A new one is active, with an address, after a while; until then, and for a while after
each change, it takes no other change. The algorithm of a request is ignored, as the provider's document says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.resources import REGIONS
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import with_tag
from polycloud.sandbox.rest.bodies import Body, between, one_of
from polycloud.sandbox.rest.collection import Change, Field, Item, ItemHandler, rendered, show
from polycloud.sandbox.rest.errors import ForbiddenError, InputError
from polycloud.sandbox.rest.replies import Call, Json, Routes

_ENTRIES = ("http", "https", "http2", "http3", "tcp", "udp")
_TARGETS = ("http", "https", "http2", "tcp", "udp")
_ENCRYPTED = {"https", "http2", "http3"}
_LAST_PORT = 65535
_BUSY = "Load Balancer can't be updated while it processes previous actions"


def _check(change: Change) -> None:
    state, balancer, body, values = change.state, change.item, change.body, change.values
    if balancer is None:
        _check_place(state, values)
        values.update(public_ip=state.unreached_addresses.take(), account=state)
    else:
        _check_free(balancer)
    if values["tag"] and values["droplet_ids"]:
        raise InputError("droplet_ids and tag are mutually exclusive.")
    values["droplet_ids"] = _droplet_ids(state, body, change.get("region"))
    values["forwarding_rules"] = _rules(body)
    values["health_check"] = _health_check(body.part("health_check"))
    values["sticky_sessions"] = _sticky_sessions(body.part("sticky_sessions"))
    protocols = {rule["entry_protocol"] for rule in values["forwarding_rules"]}
    if "udp" in protocols and "health_check" not in body:
        raise InputError("UDP forwarding rules need a health check with a port.")


def _check_place(state: State, values: Json) -> None:
    if values["region"] not in REGIONS:
        raise InputError("Region is not valid.")
    network = state.vpcs.get(values["vpc_uuid"] or state.default_vpc(values["region"]).id)
    if network is None or network.region != values["region"]:
        raise InputError("The VPC is not in the region of the load balancer.")
    values["vpc_uuid"] = network.id


def _check_free(balancer: Item) -> None:
    if not balancer.is_settled():
        raise ForbiddenError(_BUSY)


def _unsettle(state: State, balancer: Item, change: Change | None = None) -> None:
    """Let a balancer process a change."""
    is_new = change is not None and change.item is None
    balancer.is_settled = partial(
        state.is_past, state.now + (state.settings.balance if is_new else state.settings.attach)
    )
    if is_new:
        balancer.is_built = balancer.is_settled
        balancer.is_errored = state.fails("load_balancer")


def _droplet_ids(state: State, body: Body, region: str) -> tuple[int, ...]:
    ids = body.each("droplet_ids", int)
    for number in ids:
        if number not in state.droplets or state.droplets[number].region.slug != region:
            raise InputError(f"Droplet {number} does not exist in the region of the load balancer.")
    return tuple(dict.fromkeys(ids))


def _rules(body: Body) -> tuple[Json, ...]:
    rules = tuple(map(_rule, body.objects("forwarding_rules")))
    if not rules:
        raise InputError("At least one forwarding rule is required.")
    _check_entries(rules)
    return rules


def _check_entries(rules: tuple[Json, ...]) -> None:
    entries = [(rule["entry_protocol"] == "udp", rule["entry_port"]) for rule in rules]
    if len(set(entries)) < len(entries):
        raise InputError("Forwarding rules must have different entry ports.")


def _rule(body: Body) -> Json:
    rule: Json = {
        "entry_protocol": body.choice("entry_protocol", _ENTRIES, ""),
        "entry_port": body.number("entry_port", 1, _LAST_PORT),
        "target_protocol": body.choice("target_protocol", _TARGETS, ""),
        "target_port": body.number("target_port", 1, _LAST_PORT),
        "certificate_id": body.get("certificate_id", str) or "",
        "tls_passthrough": body.flag("tls_passthrough"),
    }
    entry = rule["entry_protocol"]
    if (entry == "udp") != (rule["target_protocol"] == "udp"):
        raise InputError("UDP is forwarded as UDP only.")
    if entry in _ENCRYPTED and not (rule["certificate_id"] or rule["tls_passthrough"]):
        raise InputError(f"{entry} needs certificate_id or tls_passthrough.")
    return rule


def _health_check(body: Body) -> Json:
    protocol = body.choice("protocol", ("http", "https", "tcp"), "http")
    return {
        "protocol": protocol,
        "port": body.number("port", 1, _LAST_PORT, 80),
        "path": "" if protocol == "tcp" else body.get("path", str) or "/",
        "check_interval_seconds": body.number("check_interval_seconds", 3, 300, 10),
        "response_timeout_seconds": body.number("response_timeout_seconds", 3, 300, 5),
        "unhealthy_threshold": body.number("unhealthy_threshold", 2, 10, 5),
        "healthy_threshold": body.number("healthy_threshold", 2, 10, 3),
    }


def _sticky_sessions(body: Body) -> Json:
    if body.choice("type", ("cookies", "none"), "none") == "none":
        return {"type": "none"}
    return {
        "type": "cookies",
        "cookie_name": body.need("cookie_name", str),
        "cookie_ttl_seconds": body.number("cookie_ttl_seconds", 1, 34650),
    }


def _change_droplets(state: State, balancer: Item, call: Call, *, add: bool) -> None:
    if balancer.tag:
        raise InputError("Droplets are assigned by tag; individual ones cannot be changed.")
    named = _droplet_ids(state, call.body, balancer.region)
    if not named:
        raise InputError("droplet_ids is required.")
    _check_free(balancer)
    kept = tuple(number for number in balancer.droplet_ids if number not in named)
    balancer.droplet_ids = kept + named if add else kept
    _unsettle(state, balancer)


def _change_rules(state: State, balancer: Item, call: Call, *, add: bool) -> None:
    named = _rules(call.body)
    _check_free(balancer)
    rules = tuple(rule for rule in balancer.forwarding_rules if add or rule not in named)
    rules = rules + named if add else rules
    if not rules:
        raise InputError("At least one forwarding rule is required.")
    _check_entries(rules)
    balancer.forwarding_rules = rules
    _unsettle(state, balancer)


def _shown_droplets(balancer: Item) -> list[int]:
    state: State = balancer.account
    if not balancer.tag:
        return [number for number in balancer.droplet_ids if number in state.droplets]
    tagged = with_tag(state, state.droplets.values(), balancer.tag)
    return [droplet.id for droplet in tagged if droplet.region.slug == balancer.region]


def _status(balancer: Item) -> str:
    if not balancer.is_built():
        return "new"
    return "errored" if balancer.is_errored else "active"


def _add_and_remove(change: Callable[..., None]) -> dict[str, ItemHandler]:
    return {"POST": partial(change, add=True), "DELETE": partial(change, add=False)}


def _free_address(state: State, balancer: Item, _: object) -> None:
    state.unreached_addresses.give(balancer.public_ip)


_FLAG = Field(kind=bool, default=False)
_FLAGS = ("redirect_http_to_https", "enable_proxy_protocol", "enable_backend_keepalive")

BALANCERS = Table(
    path="/load_balancers",
    view=show(
        "id name size_unit created_at forwarding_rules health_check sticky_sessions tag vpc_uuid "
        "http_idle_timeout_seconds disable_lets_encrypt_dns_records " + " ".join(_FLAGS),
        ip=lambda balancer: balancer.public_ip if _status(balancer) == "active" else "",
        status=_status,
        droplet_ids=_shown_droplets,
        region=lambda balancer: rendered(REGIONS[balancer.region]),
        algorithm="round_robin",
        ipv6="",
        size="lb-small",
        network="EXTERNAL",
        network_stack="IPV4",
        type="REGIONAL",
    ),
    created=202,
    put="replaces",
    fields={
        "name": Field(needed=True),
        "region": Field(needed=True, fixed=True),
        "vpc_uuid": Field(fixed=True),
        "droplet_ids": Field(each=int),
        "tag": Field(default=""),
        "size_unit": Field(kind=int, default=1, check=between(1, 100)),
        "http_idle_timeout_seconds": Field(kind=int, default=60, check=between(30, 600)),
        "algorithm": Field(check=one_of("round_robin", "least_connections")),
        "disable_lets_encrypt_dns_records": _FLAG,
        **dict.fromkeys(_FLAGS, _FLAG),
    },
    identity=State.identity,
    items="balancers",
    check=_check,
    changed=_unsettle,
    remove=_free_address,
    parts={
        "droplets": _add_and_remove(_change_droplets),
        "forwarding_rules": _add_and_remove(_change_rules),
    },
)

ROUTES: Routes = BALANCERS.routes()
