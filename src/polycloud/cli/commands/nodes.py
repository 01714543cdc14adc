"""`polycloud nodes`: list, create, deploy, change and destroy servers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, finding, options, output, verbs
from polycloud.cli.nouns import IMAGES, LOCATIONS, NODES, SIZES
from polycloud.errors import PolycloudError

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver
    from polycloud.compute.objects import Node

__all__ = ["app"]

app = verbs.group(NODES)

WAIT_PERIOD = 2.0
"""The longest pause in seconds between two polls of a node."""
Size = Annotated[str, options.choice(SIZES)]
Image = Annotated[str, options.choice(IMAGES)]
Location = Annotated[str | None, options.choice(LOCATIONS)]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The SSH key for logging in: a private key, or a public one."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="A command that is repeated with the same text creates one node only."),
]


class SSHInterface(StrEnum):
    """The addresses of a node."""

    PUBLIC = "public_ips"
    PRIVATE = "private_ips"


@app.command()
def create(
    *,
    name: options.NewName,
    size: Size,
    image: Image,
    location: Location = None,
    key: KeyFile = None,
    tags: Tags = None,
    idempotency_key: IdempotencyKey = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it runs and has an address.")] = False,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a node.

    It is created exactly once, even if the provider's response is lost.
    """
    from polycloud.cli import orders

    order = orders.Order(name, size, image, location, key, tags or (), idempotency_key)
    with accounts.connect_one(NODES.service, profile, provider) as driver:
        arguments = order.arguments(driver)
        if dry_run:
            changing.would(f"create {orders.describe(driver, arguments)}")
            return
        with output.working(f"creating the node {name}"):
            node = driver.create_node(**arguments)
        try:
            if wait:
                node = _wait(driver, [node], timeout)[0]
        except (PolycloudError, KeyboardInterrupt) as error:
            if as_json:
                verbs.print_record(NODES, node, as_json=True)
            error.add_note(_how_to_destroy(node, profile, provider))
            raise
        verbs.print_record(NODES, node, as_json=as_json)


def _how_to_destroy(node: Node, profile: str | None, provider: str | None) -> str:
    """That a node exists, with the command that destroys it."""
    account = accounts.flags(profile, provider)
    dashes = ["--"] if node.id.startswith("-") else []
    command = shlex.join(["polycloud", "nodes", "destroy", *account, *dashes, node.id])
    return f"{NODES.title(node)} exists; to destroy it: {command}"


@app.command()
def deploy(
    *,
    name: options.NewName,
    size: Size,
    image: Image,
    location: Location = None,
    key: KeyFile = None,
    tags: Tags = None,
    idempotency_key: IdempotencyKey = None,
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
    ssh_interface: Annotated[
        SSHInterface, typer.Option(help="The addresses of the node to connect to.")
    ] = SSHInterface.PUBLIC,
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
    ~/.ssh is used.
    """
    from polycloud.cli import orders

    order = orders.Order(name, size, image, location, orders.login_key(key), tags or (), idempotency_key)
    step = orders.steps(script, files or (), sudo=sudo)
    with accounts.connect_one(NODES.service, profile, provider) as driver:
        arguments = order.arguments(driver)
        if dry_run:
            doing = orders.describe_steps(script, files or ())
            changing.would(f"create {orders.describe(driver, arguments)}, then {doing}")
            return
        with orders.Progress(f"deploying the node {name}", to_stderr=as_json) as progress:
            node = driver.deploy_node(
                step,
                ssh_username=ssh_user,
                ssh_port=ssh_port,
                ssh_interface=ssh_interface.value,
                ssh_jump=ssh_jump,
                ssh_key=order.private_key(),
                timeout=timeout,
                wait_period=WAIT_PERIOD,
                ex_destroy_on_failure=destroy_on_failure,
                ex_on_output=progress.output,
                **arguments,
            )
        verbs.print_record(NODES, node, as_json=as_json)


@app.command()
def wait(
    *,
    names: Annotated[list[str], options.arguments(NODES)],
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
) -> None:
    """Wait until nodes run and have an address."""
    with accounts.connect_one(NODES.service, profile, provider) as driver:
        found = _wait(driver, finding.find_all(driver, NODES, names), timeout)
        if as_json:
            output.json([NODES.record(node) for node in found])
            return
        for node in found:
            output.line(f"{NODES.title(node)} is {node.state} at {', '.join(node.public_ips)}")


def _wait(driver: NodeDriver, nodes: Sequence[Node], timeout: float) -> list[Node]:
    titles = ", ".join(map(NODES.title, nodes))
    with output.working(f"waiting for {titles} to run"):
        return [node for node, _ in driver.wait_until_running(nodes, WAIT_PERIOD, timeout)]


STOP = "Power nodes off. They keep their disks, and mostly their price."
SHUTDOWN = "Ask nodes to shut down. Stops them if the provider does not offer it."
verbs.add_change(app, NODES, "reboot_node", ("reboot", "reboot requested:"), "Restart nodes.")
verbs.add_change(app, NODES, "start_node", ("start", "start requested:"), "Start stopped nodes.")
verbs.add_change(app, NODES, "stop_node", ("stop", "stop requested:"), STOP)
verbs.add_change(app, NODES, "shutdown_node", ("shut down", "shutdown requested:"), SHUTDOWN)
verbs.add_destruction(app, NODES, "destroy_node", ("destroy", "destroyed"), "Delete nodes and their disks.")
