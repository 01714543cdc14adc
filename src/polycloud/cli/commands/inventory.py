"""`polycloud inventory`: the nodes as the inventory of another tool; for Ansible a dynamic inventory.

#!/bin/sh
exec polycloud inventory --ansible "$@"
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, listing, options, output
from polycloud.cli.nouns import NODES
from polycloud.cli.resources import Column
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.cli.listing import Record

__all__ = ["app"]

NOT_IN_GROUPS = re.compile(r"\W", re.ASCII)
NOT_IN_HOSTS = re.compile(r"[^\w.-]", re.ASCII)
HOSTS = replace(
    NODES,
    columns=(*NODES.columns, Column("provider", lambda node: node.driver.api_name or node.driver.name)),
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
    and tag_ with the name.
    """
    if not ansible:
        raise InvalidArgumentError("choose the kind of inventory: --ansible")
    if list_ and host is not None:
        raise InvalidArgumentError("give only one of --list and --host")
    asked = accounts.connect_all(HOSTS.service, profile, provider, every=not (profile or provider))
    quiet = listing.View(as_json=True)
    found = listing.collect(asked, HOSTS, quiet, deadline)
    hosts = dict(_hosts(found.rows(quiet)))
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


def _hosts(nodes: Sequence[Record]) -> Iterator[tuple[str, Record]]:
    """The nodes by name; those that share one, by name, account and id."""
    names = Counter(node["name"] for node in nodes)
    for node in nodes:
        alone = node["name"] and names[node["name"]] == 1
        name = node["name"] if alone else f"{node['name']}-{node['account']}-{node['id']}"
        yield NOT_IN_HOSTS.sub("_", name), node


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
    addresses = [*node["public_ips"], *node["private_ips"]]
    columns = {f"polycloud_{name}": _unsafe(node[name]) for name in VARIABLES}
    return ({"ansible_host": addresses[0]} if addresses else {}) | columns


def _unsafe(value: Any) -> Any:
    """Mark text that Ansible would execute as a template, since names may come from other people."""
    if isinstance(value, list):
        return [_unsafe(one) for one in value]
    return {"__ansible_unsafe": value} if isinstance(value, str) and "{" in value else value


app = options.single(inventory)
