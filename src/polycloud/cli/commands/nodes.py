"""`polycloud nodes`: list, create, deploy, change and destroy servers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, changing, finding, options, output, verbs
from polycloud.cli.nouns import NODES
from polycloud.cli.ordering import OrderCommand, takes_order
from polycloud.errors import AmbiguousCreateError, PolycloudError

if TYPE_CHECKING:
    from polycloud.cli.orders import Order
    from polycloud.compute.base import NodeDriver
    from polycloud.compute.objects import Node

__all__ = ["app"]

app = verbs.group(NODES)

WAIT_PERIOD = 2.0
"""The longest pause in seconds between two polls of a node."""


class Interface(StrEnum):
    """The addresses of a node."""

    PUBLIC = "public_ips"
    PRIVATE = "private_ips"


SSHInterface = Annotated[
    Interface | None,
    typer.Option(
        help="The addresses of the node that count; by default the public ones, or the private ones of a "
        "node that gets no public one.",
    ),
]


@app.command(cls=OrderCommand)
@takes_order
def create(
    *,
    order: Order,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it runs and has an address.")] = False,
    ssh_interface: SSHInterface = None,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a node, or several.

    Each is created exactly once, even if the provider's response is lost.
    """
    from polycloud.cli import orders

    with accounts.connect_one(NODES.service, profile, provider) as driver:
        arguments = order.arguments(driver)
        asked = [{**arguments, **one.own()} for one in order.several()]
        if dry_run:
            for one in asked:
                changing.would(f"create {orders.describe(driver, one)}")
            return
        nodes, failures = _create(driver, order.name, asked, accounts.flags(profile, provider))
        try:
            if wait and nodes:
                nodes = [node for node, _ in _wait(driver, nodes, timeout, ssh_interface)]
        except (PolycloudError, KeyboardInterrupt) as error:
            if as_json:
                _print(nodes, as_json=True, several=order.count > 1)
            error.add_note(_how_to_destroy(nodes, profile, provider))
            raise
        _print(nodes, as_json=as_json, several=order.count > 1)
        if failures:
            output.fail(failures[0], failures[1:])


def _create(
    driver: NodeDriver, name: str, asked: Sequence[dict[str, Any]], account: Sequence[str]
) -> tuple[list[Node], list[str]]:
    """Create these nodes side by side; return those that were created, and why others were not.

    The error of an only one is raised.
    """
    names = [arguments["name"] for arguments in asked]
    try:
        with output.working(f"creating the node{'s' * (len(asked) > 1)} {', '.join(names)}"):
            calls = [partial(driver.create_node, **arguments) for arguments in asked]
            made, failures = changing.side_by_side(driver, names, calls)
    except (AmbiguousCreateError, KeyboardInterrupt) as error:
        error.add_note(_how_to_look(name, account))
        raise
    # Some drivers return a list where an argument of their own asks for several
    return [node for one in made for node in (one if isinstance(one, list) else [one])], failures


def _how_to_look(name: str, account: Sequence[str]) -> str:
    """The command that shows whether a node of this name, or of one that begins with it, exists."""
    return f"to look: {shlex.join(['polycloud', 'nodes', 'list', *account, '--filter', f'name={name}*'])}"


def _print(nodes: Sequence[Node], *, as_json: bool, several: bool) -> None:
    """Print the records of nodes; in JSON a list if there may be several."""
    if as_json and (several or len(nodes) != 1):
        output.json([verbs.full_record(NODES, node) for node in nodes])
        return
    for node in nodes:
        verbs.print_record(NODES, node, as_json=as_json)


def _how_to_destroy(nodes: Sequence[Node], profile: str | None, provider: str | None) -> str:
    """That nodes exist, with the command that destroys them."""
    ids = [node.id for node in nodes]
    dashes = ["--"] if any(id_.startswith("-") for id_ in ids) else []
    words = ["polycloud", "nodes", "destroy", *accounts.flags(profile, provider), *dashes, *ids]
    exist, them = ("exists", "it") if len(nodes) == 1 else ("exist", "them")
    return f"{', '.join(map(NODES.title, nodes))} {exist}; to destroy {them}: {shlex.join(words)}"


@app.command(cls=OrderCommand)
@takes_order
def deploy(
    *,
    order: Order,
    script: Annotated[Path | None, typer.Option(metavar="FILE", help="A script to run on the node.")] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="SRC:DST", help="A file to copy to the node before; may be repeated."),
    ] = None,
    destroy_on_failure: Annotated[
        bool, typer.Option("--destroy-on-failure", help="Destroy the node if its deployment fails.")
    ] = False,
    ssh_user: Annotated[str, typer.Option(metavar="NAME", help="The user to log in as.")] = "root",
    ssh_port: Annotated[int, typer.Option(metavar="PORT", help="The port of SSH.")] = 22,
    ssh_interface: SSHInterface = None,
    ssh_jump: Annotated[
        str | None,
        typer.Option(
            metavar="[USER@]HOST[:PORT],...", help="Jump hosts (bastions) to connect through, as of ssh -J."
        ),
    ] = None,
    sudo: Annotated[
        bool, typer.Option("--sudo", help="Copy the files and run the script as root, by sudo.")
    ] = False,
    timeout: options.Timeout = 300,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a node, and run a script on it over SSH.

    Files are copied first. The output of the script is shown as it arrives. Without --key the first key of
    ~/.ssh is used. Several nodes are deployed side by side, and their names are before what they print.
    """
    from polycloud.cli import orders
    from polycloud.cli.deployments import Deployments

    order = replace(order, key=order.key or str(orders.login_key(None)))
    step = orders.steps(script, files or (), sudo=sudo)
    how = {
        "ssh_username": ssh_user,
        "ssh_port": ssh_port,
        "ssh_interface": _addresses(ssh_interface),
        "ssh_jump": ssh_jump,
        "ssh_key": order.private_key(),
        "timeout": timeout,
        "wait_period": WAIT_PERIOD,
        "ex_destroy_on_failure": destroy_on_failure,
    }
    with accounts.connect_one(NODES.service, profile, provider) as driver:
        arguments = order.arguments(driver)
        asked = [{**arguments, **one.own()} for one in order.several()]
        if dry_run:
            doing = orders.describe_steps(script, files or ())
            for one in asked:
                changing.would(f"create {orders.describe(driver, one)}, then {doing}")
            return
        deployments = Deployments(driver, step, how, to_stderr=as_json)
        try:
            nodes, failures = deployments.run(asked)
        except (AmbiguousCreateError, KeyboardInterrupt) as error:
            if len(asked) > 1 and deployments.created:
                error.add_note(_how_to_destroy(deployments.created, profile, provider))
            error.add_note(_how_to_look(order.name, accounts.flags(profile, provider)))
            raise
        _print(nodes, as_json=as_json, several=order.count > 1)
        if failures:
            output.fail(failures[0], failures[1:])


@app.command()
def wait(
    *,
    names: Annotated[list[str], options.arguments(NODES)],
    ssh_interface: SSHInterface = None,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
) -> None:
    """Wait until nodes run and have an address."""
    with accounts.connect_one(NODES.service, profile, provider) as driver:
        found = _wait(driver, finding.find_all(driver, NODES, names), timeout, ssh_interface)
        if as_json:
            output.json([NODES.record(node) for node, _ in found])
            return
        for node, addresses in found:
            output.line(f"{NODES.title(node)} is {node.state} at {', '.join(addresses)}")


def _wait(
    driver: NodeDriver, nodes: Sequence[Node], timeout: float, interface: Interface | None
) -> list[tuple[Node, list[str]]]:
    titles = ", ".join(map(NODES.title, nodes))
    with output.working(f"waiting for {titles} to run"):
        return driver.wait_until_running(nodes, WAIT_PERIOD, timeout, _addresses(interface))


def _addresses(interface: Interface | None) -> str:
    """The `ssh_interface` of a driver's methods."""
    from polycloud.compute.types import PUBLIC_BY_DEFAULT

    return PUBLIC_BY_DEFAULT if interface is None else interface.value


STOP = "Power nodes off. They keep their disks, and mostly their price."
SHUTDOWN = "Ask nodes to shut down. Stops them if the provider does not offer it."
verbs.add_change(app, NODES, "reboot_node", ("reboot", "reboot requested:"), "Restart nodes.")
verbs.add_change(app, NODES, "start_node", ("start", "start requested:"), "Start stopped nodes.")
verbs.add_change(app, NODES, "stop_node", ("stop", "stop requested:"), STOP)
verbs.add_change(app, NODES, "shutdown_node", ("shut down", "shutdown requested:"), SHUTDOWN)
verbs.add_destruction(app, NODES, "destroy_node", ("destroy", "destroyed"), "Delete nodes and their disks.")
