"""Balancers from requests, with all that they shall have; all is checked before anything is kept."""

from __future__ import annotations

from typing import Any

from polycloud.sandbox.openstack.octavia import fields
from polycloud.sandbox.openstack.octavia.items import Balancer, Listener, Member, Part, Pool
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError
from polycloud.sandbox.rest.replies import Json

_VIPS = ("vip_port_id", "vip_network_id", "vip_subnet_id")
_WITH_PATH = frozenset({"HTTP", "HTTPS"})


def new_balancer(state: State, given: Any) -> Balancer:
    """Return a balancer, which is not kept yet. Raises the errors of a request."""
    values = fields.read(given, fields.BALANCER, "load_balancer.loadbalancer")
    listeners, pools = values.pop("listeners"), values.pop("pools")
    if not any(values[name] for name in _VIPS):
        raise fields.invalid("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
    used = sum(one.project_id == state.project_id for one in state.balancers.values())
    if used >= state.settings.balancer_limit:
        raise ForbiddenError("Quota has been met for resources: load_balancer")
    del values["project_id"]
    balancer = Balancer(state=state, project_id=state.project_id, fields=values)
    state.made_balancers += 1
    number = state.made_balancers
    values["vip_address"] = values["vip_address"] or f"198.18.{number // 250 % 250}.{number % 250 + 1}"
    values["provider"] = values["provider"] or "amphora"
    named: dict[str, Pool] = {}
    for one in pools:
        _add_pool(balancer, one, named)
    for one in listeners:
        _add_listener(balancer, one, named)
    balancer.fails = "create_balancer" in state.settings.errored.replace(" ", "").split(",")
    for part in balancer.parts():
        part.begin("CREATE")
    return balancer


def _add_listener(balancer: Balancer, given: Any, named: dict[str, Pool]) -> None:
    values = fields.read(given, fields.LISTENER, "listener")
    for other in balancer.listeners.values():
        if other.fields["protocol_port"] == values["protocol_port"]:
            raise ConflictError(
                "Another Listener on this Load Balancer is already using protocol "
                f"{values['protocol']} and protocol_port {values['protocol_port']}"
            )
    certified = values["default_tls_container_ref"] or values["sni_container_refs"]
    if values["protocol"] == "TERMINATED_HTTPS" and not certified:
        raise fields.invalid(
            "An SNI or default certificate container reference must be provided for TERMINATED_HTTPS "
            "protocol listeners."
        )
    if values["protocol"] != "TERMINATED_HTTPS" and certified:
        raise fields.invalid(
            f"Certificate container references are not allowed on {values['protocol']} protocol listeners."
        )
    chosen = values.pop("default_pool")
    listener = Listener(
        state=balancer.state, project_id=balancer.project_id, fields=values, balancer=balancer
    )
    if chosen is not None:
        listener.pool = _add_pool(balancer, chosen, named)
    balancer.listeners[listener.id] = listener


def _add_pool(balancer: Balancer, given: Any, named: dict[str, Pool]) -> Pool:
    """Return a new pool, or that of a name alone."""
    if isinstance(given, dict) and set(given) == {"name"}:
        if given["name"] not in named:
            raise fields.invalid(f"Pool '{given['name']}' was referenced but no full definition was found.")
        return named[given["name"]]
    values = fields.read(given, fields.POOL, "pool")
    if not values["protocol"] or not values["lb_algorithm"]:
        raise fields.invalid("'protocol' and 'lb_algorithm' must be specified for a pool.")
    members, monitor = values.pop("members"), values.pop("healthmonitor")
    if values["session_persistence"] is not None:
        sticky = fields.read(values["session_persistence"], fields.PERSISTENCE, "session_persistence")
        fields.check_persistence(sticky, values["protocol"])
        values["session_persistence"] = sticky
    pool = Pool(state=balancer.state, project_id=balancer.project_id, fields=values, balancer=balancer)
    if monitor is not None:
        pool.monitor = new_monitor(pool, monitor)
    for one in members:
        made = new_member(pool, one)
        pool.members[made.id] = made
    balancer.pools[pool.id] = named[values["name"] or pool.id] = pool
    return pool


def new_monitor(pool: Pool, given: Any) -> Part:
    """Return a health monitor. Raises InputError."""
    values: Json = fields.read(given, fields.MONITOR, "healthmonitor")
    if values["type"] in _WITH_PATH:
        usual = {"url_path": "/", "http_method": "GET", "expected_codes": "200"}
        values |= {name: values[name] or value for name, value in usual.items()}
    else:
        for name in ("url_path", "http_method", "expected_codes"):
            if values[name] is not None:
                kind = values["type"]
                raise InputError(f"{name} is not a valid option for health monitors of type {kind}")
    if (values["type"] == "UDP-CONNECT") is not (pool.fields["protocol"] == "UDP"):
        kind, protocol = values["type"], pool.fields["protocol"]
        if protocol == "UDP" and kind not in {"HTTP", "SCTP", "TCP"}:
            raise fields.invalid(f"The associated pool protocol is {protocol}, so {kind} is not supported")
        if kind == "UDP-CONNECT":
            raise fields.invalid(f"The {kind} type is only supported for pools of type UDP and SCTP.")
    return Part(state=pool.state, project_id=pool.project_id, fields=values)


def new_member(pool: Pool, given: Any) -> Member:
    """Return a member. Raises InputError, and ConflictError for one that the pool has."""
    values = fields.read(given, fields.MEMBER, "member")
    for other in pool.present():
        if all(other.fields[name] == values[name] for name in ("address", "protocol_port")):
            raise ConflictError(
                f"Another member on this pool is already using ip {values['address']} on protocol_port "
                f"{values['protocol_port']}"
            )
    return Member(state=pool.state, project_id=pool.project_id, fields=values, pool=pool)
