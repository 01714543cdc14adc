"""Neutron: security groups and their rules."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from polycloud.sandbox.openstack.errors import NeutronConflictError, NeutronInputError, NeutronNotFoundError
from polycloud.sandbox.openstack.networks import (
    PREFIX,
    TEXT,
    NetworkTable,
    check_owner,
    owned,
    quota,
)
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Routes

_WITH_PORTS = {"tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132"}
_RULE_FIELDS = (
    "security_group_id", "ethertype", "direction", "protocol", "port_range_min", "port_range_max",
    "remote_ip_prefix", "remote_group_id",
)  # fmt: skip
_DEFAULT_EXISTS = "Default security group already exists."


def show_rule(rule: Item) -> Json:
    """Render a rule."""
    shown = owned(rule)
    del shown["tags"]
    return {
        **shown,
        **{name: getattr(rule, name) for name in _RULE_FIELDS},
        "normalized_cidr": rule.remote_ip_prefix,
        "remote_address_group_id": None,
        "belongs_to_default_sg": rule.state.security_groups[rule.security_group_id].name == "default",
    }


def show_group(group: Item) -> Json:
    """Render a security group with its rules."""
    state: State = group.state
    return {
        **owned(group),
        "name": group.name,
        "stateful": group.stateful,
        "shared": False,
        "security_group_rules": [
            {**show_rule(rule), "tags": [], "standard_attr_id": rule.number}
            for rule in state.security_group_rules.values()
            if rule.security_group_id == group.id
        ],
    }


def _wanted_groups(state: State, _: object, __: Call) -> list[Item]:
    state.default_group(state.project_id)
    return list(state.security_groups.values())


def _check_group(change: Change) -> None:
    state: State = change.state
    name = change.values.get("name")
    if change.item is None:
        state.default_group(state.project_id)
        if name == "default":
            raise NeutronConflictError("SecurityGroupDefaultAlreadyExists", _DEFAULT_EXISTS)
        quota(state, state.security_groups.values(), "security_group", state.settings.security_group_limit)
    elif name is not None and change.item.name == "default" and name != "default":
        raise NeutronConflictError(
            "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed."
        )


def _remove_group(state: State, group: Item, _: object) -> None:
    check_owner(state, group, "security_group")
    if group.name == "default":
        raise NeutronConflictError(
            "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group."
        )
    if any(group.id in port.security_groups for port in state.ports.values()):
        raise NeutronConflictError("SecurityGroupInUse", f"Security Group {group.id} in use.")
    for rule in [one for one in state.security_group_rules.values() if one.security_group_id == group.id]:
        del state.security_group_rules[rule.id]


class _Groups(NetworkTable):
    """Security groups, which have rules from the beginning."""

    def make(self, state: Any, values: Json) -> Any:
        """Return a new group with the rules that every new one has."""
        group = state.add_security_group(values["name"], values["description"], state.project_id)
        group.stateful = values["stateful"]
        return group


_GROUPS = _Groups(
    path="/security-groups",
    many="security_groups",
    view=show_group,
    wanted=_wanted_groups,
    missing="Security group {id} does not exist",
    missing_kind="SecurityGroupNotFound",
    fields={
        "name": TEXT,
        "description": TEXT,
        "stateful": Field(kind=bool, default=True),
    },
    check=_check_group,
    remove=_remove_group,
)

# Rules


def _create_rule(state: State, _: object, call: Call) -> Item:
    given = _RULES.read_fields(state, call.body)
    group = _own_group(state, given["security_group_id"])
    if given["remote_group_id"] is not None:
        _own_group(state, given["remote_group_id"])
    _check_rule(given)
    for rule in state.security_group_rules.values():
        if all(getattr(rule, name) == given[name] for name in _RULE_FIELDS):
            raise NeutronConflictError(
                "SecurityGroupRuleExists", f"Security group rule already exists. Rule id is {rule.id}."
            )
    quota(state, state.security_group_rules.values(), "security_group_rule", 100)
    fields = {name: given[name] for name in _RULE_FIELDS if name != "security_group_id"}
    return state.add_rule(group, **fields, description=given["description"])


def _own_group(state: State, id: object) -> Item:
    group = state.security_groups.get(str(id))
    if group is None or not state.sees(group):
        raise NeutronNotFoundError("SecurityGroupNotFound", f"Security group {id} does not exist")
    return group


def _check_rule(given: Json) -> None:
    if given["direction"] not in {"ingress", "egress"}:
        raise InputError(f"Invalid input for direction. Reason: {given['direction']} is not in valid_values.")
    if given["ethertype"] not in {"IPv4", "IPv6"}:
        raise InputError(f"Invalid input for ethertype. Reason: {given['ethertype']} is not in valid_values.")
    low, high, protocol = given["port_range_min"], given["port_range_max"], given["protocol"]
    if (low is not None or high is not None) and protocol is None:
        raise NeutronInputError(
            "SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given."
        )
    if protocol in _WITH_PORTS and (low is None) != (high is None):
        raise NeutronInputError(
            "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max"
        )
    if protocol in _WITH_PORTS and low is not None and low > high:
        raise NeutronInputError(
            "SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max"
        )
    if given["remote_ip_prefix"] is not None:
        if given["remote_group_id"] is not None:
            raise NeutronInputError(
                "SecurityGroupMultipleRemoteEntites",
                "Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be provided.",
            )
        _check_prefix(given)


def _check_prefix(given: Json) -> None:
    prefix = given["remote_ip_prefix"]
    try:
        network = ip_network(prefix, strict=False)
    except ValueError:
        raise InputError(
            f"Invalid input for remote_ip_prefix. Reason: '{prefix}' is not a valid CIDR."
        ) from None
    if f"IPv{network.version}" != given["ethertype"]:
        raise NeutronInputError(
            "SecurityGroupRuleParameterConflict",
            f"Conflicting value ethertype {given['ethertype']} for CIDR {prefix}",
        )


def _remove_rule(state: State, rule: Item, _: object) -> None:
    check_owner(state, rule, "security_group_rule")


_RULES = NetworkTable(
    path="/security-group-rules",
    many="security_group_rules",
    key="rule",
    view=show_rule,
    verbs="GET POST/GET DELETE",
    missing="Security group rule {id} does not exist",
    missing_kind="SecurityGroupRuleNotFound",
    fields={
        "security_group_id": Field(needed=True),
        "direction": Field(needed=True),
        "ethertype": Field(default="IPv4"),
        "protocol": Field(),
        "port_range_min": Field(kind=int),
        "port_range_max": Field(kind=int),
        "remote_ip_prefix": Field(),
        "remote_group_id": Field(),
        "description": TEXT,
    },
    create=_create_rule,
    remove=_remove_rule,
)

ROUTES: Routes = {f"{PREFIX}{path}": verbs for path, verbs in routes_of(_GROUPS, _RULES).items()}
"""The paths of security groups, with their methods and handlers."""
