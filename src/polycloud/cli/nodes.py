"""`polycloud nodes`: servers, from their creation to their end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, finding, options, output, verbs
from polycloud.cli.resources import NODES

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver
    from polycloud.compute.objects import Node

__all__ = ["app"]

app = options.group("Servers: list, create, deploy, stop, destroy them.")
verbs.add_list(app, NODES)
verbs.add_show(app, NODES)

WAIT_PERIOD = 2.0
"""The longest pause in seconds between two looks at a node that is on its way."""


@app.command()
def create(
    *,
    name: options.NewName,
    size: options.SizeName,
    image: options.ImageName,
    location: options.LocationName = None,
    key: options.KeyFile = None,
    tags: options.Tags = None,
    idempotency_key: options.IdempotencyKey = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it runs and has an address.")] = False,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a node.

    It is created once, even where the provider's answer is lost.
    """
    from polycloud.cli import orders

    asked = orders.Order(name, size, image, location, key, tags or (), idempotency_key)
    with accounts.one(profile, provider) as driver:
        arguments = asked.arguments(driver)
        if dry_run:
            changing.would(f"create {orders.told(driver, arguments)}")
            return
        with output.working(f"creating the node {name}"):
            node = driver.create_node(**arguments)
        if wait:
            node = _awaited(driver, [node], timeout)[0]
        verbs.record(NODES, node, as_json=as_json)


@app.command()
def deploy(
    *,
    name: options.NewName,
    size: options.SizeName,
    image: options.ImageName,
    location: options.LocationName = None,
    key: options.KeyFile = None,
    tags: options.Tags = None,
    idempotency_key: options.IdempotencyKey = None,
    script: Annotated[Path | None, typer.Option(metavar="FILE", help="A script to run on it.")] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="SRC:DST", help="A file to put there before; may be given again."),
    ] = None,
    destroy_on_failure: Annotated[
        bool, typer.Option("--destroy-on-failure", help="Destroy the node where its deployment fails.")
    ] = False,
    ssh_user: Annotated[str, typer.Option(metavar="NAME", help="Who logs in.")] = "root",
    ssh_port: Annotated[int, typer.Option(metavar="PORT", help="Where SSH answers.")] = 22,
    timeout: options.Timeout = 300,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a node, and run a script on it over SSH.

    Files are put there first. What the script prints is shown as it comes. Without --key the first key of
    ~/.ssh is let in.
    """
    from polycloud.cli import orders

    asked = orders.Order(name, size, image, location, orders.login_key(key), tags or (), idempotency_key)
    step = orders.steps(script, files or ())
    with accounts.one(profile, provider) as driver:
        arguments = asked.arguments(driver)
        if dry_run:
            doing = orders.steps_told(script, files or ())
            changing.would(f"create {orders.told(driver, arguments)}, then {doing}")
            return
        with orders.Progress(f"deploying the node {name}", aside=as_json) as progress:
            node = driver.deploy_node(
                step,
                ssh_username=ssh_user,
                ssh_port=ssh_port,
                ssh_key=asked.private_key(),
                timeout=timeout,
                wait_period=WAIT_PERIOD,
                ex_destroy_on_failure=destroy_on_failure,
                ex_on_output=progress.output,
                **arguments,
            )
        verbs.record(NODES, node, as_json=as_json)


@app.command()
def wait(
    *,
    names: options.NodeNames,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
) -> None:
    """Wait until nodes run and have an address."""
    with accounts.one(profile, provider) as driver:
        found = _awaited(driver, finding.find_all(driver, NODES, names), timeout)
        if as_json:
            output.json([NODES.record(node) for node in found])
            return
        for node in found:
            output.line(f"{NODES.title(node)} is {node.state} at {', '.join(node.public_ips)}")


def _awaited(driver: NodeDriver, nodes: Sequence[Node], timeout: float) -> list[Node]:
    titles = ", ".join(map(NODES.title, nodes))
    with output.working(f"waiting for {titles} to run"):
        return [node for node, _ in driver.wait_until_running(nodes, WAIT_PERIOD, timeout)]


STOP = "Stop nodes at once. They keep their disks, and mostly their price."
SHUTDOWN = "Let nodes shut themselves down. Where the provider cannot, as stop."
verbs.add_change(app, NODES, "reboot_node", ("reboot", "told to reboot:"), "Restart nodes.")
verbs.add_change(app, NODES, "start_node", ("start", "told to start:"), "Start stopped nodes.")
verbs.add_change(app, NODES, "stop_node", ("stop", "told to stop:"), STOP)
verbs.add_change(app, NODES, "shutdown_node", ("shut down", "told to shut down:"), SHUTDOWN)
verbs.add_destruction(app, NODES, "destroy_node", ("destroy", "destroyed"), "Delete nodes with their disks.")
