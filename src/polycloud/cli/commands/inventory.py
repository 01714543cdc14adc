"""`polycloud inventory`: the nodes as the inventory of another tool; for Ansible a dynamic inventory.

#!/bin/sh
exec polycloud inventory --ansible "$@"
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, listing, options, output
from polycloud.cli.nouns import NODES
from polycloud.cli.resources import Column
from polycloud.errors import InvalidArgumentError
from polycloud.http.messages import is_loopback

if TYPE_CHECKING:
    from polycloud.cli.listing import Record
    from polycloud.compute.objects import Node

__all__ = ["app"]

NOT_IN_GROUPS = re.compile(r"\W", re.ASCII)
NOT_IN_HOSTS = re.compile(r"^[^\w]|[^\w.-]", re.ASCII)
"""Patterns, separators, and at the beginning what makes an option for a program or a hidden folder."""
LONGEST = 200
"""The most characters of a host's name, which becomes the name of a file in places."""
RESERVED = re.compile(r"all|ungrouped|_meta|localhost.*|ip6-.*|127\..*", re.IGNORECASE)
"""Names that mean something else to Ansible: all hosts, and the machine that it runs on."""
HOST_NAME = re.compile(
    r"(?!.{254})([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
"""A name in DNS; what begins its last part with a digit may be another notation of an address."""
NOWHERE = "no-address.invalid"
"""Where a node without an address is: Ansible would connect to the host of its name, whose ever that is."""
PLAIN = re.compile(r"[\w .:/@+,=-]*")
"""A text without anything that a template may begin with."""


def _address(node: Node) -> str:
    """The node's first address that is one; that of this machine is one for a sandbox only."""
    is_local = is_loopback(node.driver.connection.host)
    addresses = (*node.public_ips, *node.private_ips)
    return next((text for text in addresses if _is_address(text, is_local=is_local)), NOWHERE)


def _is_address(text: str, *, is_local: bool) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return bool(HOST_NAME.fullmatch(text)) and not RESERVED.fullmatch(text)
    real = getattr(address, "ipv4_mapped", None) or address
    if "%" in text or real.is_unspecified or real.is_multicast:  # a zone, behind %, may be any text
        return False
    return is_local or not real.is_loopback


HOSTS = replace(
    NODES,
    columns=(
        *NODES.columns,
        Column("provider", lambda node: node.driver.api_name or node.driver.name),
        Column("address", _address),
        Column("gone", NODES.is_gone),
    ),
)
GROUPED = ("account", "provider", "state", "location")
VARIABLES = (*GROUPED, "id", "name", "size", "image", "public_ips", "private_ips", "tags")
"""The columns that Ansible gets as variables `polycloud_NAME`."""


def inventory(
    *,
    ansible: Annotated[bool, typer.Option("--ansible", help="As Ansible's dynamic inventory.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="All hosts; this is the default.")] = False,
    host: Annotated[str | None, typer.Option(metavar="NAME", help="The variables of one host.")] = None,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    deadline: options.Deadline = None,
) -> None:
    """Print the nodes as an inventory for other tools.

    Without --profile or --provider all accounts are listed. Groups are account_, provider_, state_, location_
    and tag_ with the name. Terminated nodes are left out.
    """
    if not ansible:
        raise InvalidArgumentError("choose the kind of inventory: --ansible")
    if list_ and host is not None:
        raise InvalidArgumentError("give only one of --list and --host")
    asked = accounts.connect_all(HOSTS.service, profile, provider, every=not (profile or provider))
    quiet = listing.View(listing.Format.JSON)
    found = listing.collect(asked, HOSTS, quiet, deadline)
    hosts = _hosts([node for node in found.rows(quiet) if not node["gone"]])
    output.json(_variables(hosts[host]) if host in hosts else {} if host is not None else _inventory(hosts))
    listing.end(found)


def _inventory(hosts: dict[str, Record]) -> dict[str, Any]:
    """All hosts with their variables, and the groups that they are in."""
    groups: dict[str, list[str]] = {}
    for name, node in hosts.items():
        for group in _groups(node):
            groups.setdefault(group, []).append(name)
    return {
        "_meta": {"hostvars": {name: _variables(node) for name, node in hosts.items()}},
        "all": {"children": ["ungrouped", *groups]},
        **{group: {"hosts": members} for group, members in groups.items()},
    }


def _hosts(nodes: Sequence[Record]) -> dict[str, Record]:
    """The nodes by name; by name, account and id, those whose name several have or means something else."""
    names = [_host(node["name"]) for node in nodes]
    count = Counter(names)
    groups = {group for node in nodes for group in _groups(node)}
    hosts = {
        name: node
        for name, node in zip(names, nodes, strict=True)
        if name and count[name] == 1 and name not in groups and not RESERVED.fullmatch(name)
    }
    for node in nodes:
        if hosts.get(_host(node["name"])) is not node:
            hosts[_free(_host(f"{node['name'][: LONGEST // 2]}-{node['account']}-{node['id']}"), hosts)] = (
                node
            )
    return hosts


def _host(name: str) -> str:
    """A name that Ansible accepts for a host."""
    return NOT_IN_HOSTS.sub("_", name)[:LONGEST]


def _free(name: str, taken: Container[str]) -> str:
    """This name, or where it is taken, with underscores behind it."""
    while name in taken:
        name += "_"
    return name


def _groups(node: Record) -> Iterator[str]:
    for kind in GROUPED:
        if node[kind]:
            yield _group(kind, node[kind])
    for tag in node["tags"]:
        yield _group("tag", tag)


def _group(kind: str, name: str) -> str:
    """A name that Ansible accepts for a group."""
    return f"{kind}_{NOT_IN_GROUPS.sub('_', name)}"


def _variables(node: Record) -> dict[str, Any]:
    return {"ansible_host": node["address"]} | {
        f"polycloud_{name}": _unsafe(node[name]) for name in VARIABLES
    }


def _unsafe(value: Any) -> Any:
    """Mark text that Ansible might execute as a template, since names may come from other people."""
    if isinstance(value, list):
        return [_unsafe(one) for one in value]
    return value if not isinstance(value, str) or PLAIN.fullmatch(value) else {"__ansible_unsafe": value}


app = options.single(inventory)
