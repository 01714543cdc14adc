"""`polycloud lb`: list, create, change and destroy load balancers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import (
    accounts,
    bundles,
    changing,
    completion,
    extras,
    finding,
    listing,
    options,
    output,
    verbs,
)
from polycloud.cli.balancerorders import BalancerCreateCommand, BalancerUpdateCommand, takes_order
from polycloud.cli.nouns import BALANCERS, MEMBERS, NODES
from polycloud.cli.resources import Column
from polycloud.errors import AmbiguousCreateError, InvalidArgumentError, PolycloudError

if TYPE_CHECKING:
    from polycloud.cli.balancerorders import Order
    from polycloud.loadbalancer.base import Driver
    from polycloud.loadbalancer.objects import LoadBalancer, Member

__all__ = ["MEMBER_HELP", "WAIT_PERIOD", "Nodes", "app"]

app = options.group()
verbs.add_list(app, BALANCERS)

MAIN = 7
"""How many of the columns are not settings."""
WAIT_PERIOD = 2.0
"""The longest pause in seconds between two polls of a balancer."""
MEMBER_HELP = "ADDRESS:PORT, or the provider's id of a node; ,weight=5 after it is its weight."
NewPort = Annotated[
    int, typer.Option(metavar="PORT", min=1, max=65535, help="The port at which it takes connections.")
]
Members = Annotated[
    list[str] | None,
    typer.Option("--member", metavar="MEMBER", help=f"{MEMBER_HELP} May be repeated."),
]
Nodes = Annotated[
    list[str] | None,
    typer.Option(
        "--node",
        metavar="NODE",
        help="A node as a member, by its id or name; PROFILE:NAME for one of another account, NAME:PORT for "
        "another port than the balancer's. May be repeated.",
        autocompletion=completion.of(NODES),
    ),
]


@app.command()
@bundles.takes_form
def show(
    *,
    name: Annotated[str, options.argument(BALANCERS)],
    profile: options.Profile = None,
    provider: options.Provider = None,
    view: listing.View,
) -> None:
    """Show one balancer and its members; with --json also the provider's own fields."""
    from polycloud.cli.members import listed

    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        if view.columns is not None or view.format not in {listing.Format.TABLE, listing.Format.JSON}:
            verbs.show_one(BALANCERS, view, lambda: finding.choose(driver, BALANCERS, name))
            return
        found = finding.choose(driver, BALANCERS, name)
        _print(found, listed(found), as_json=view.format is listing.Format.JSON)


def _print(balancer: LoadBalancer, members: Sequence[Member], *, as_json: bool) -> None:
    """Print a balancer and its members: two tables, or in JSON one record."""
    if as_json:
        own = {"members": [verbs.full_record(MEMBERS, one) for one in members]}
        output.json(verbs.full_record(BALANCERS, balancer) | own)
        return
    verbs.print_record(BALANCERS, balancer, as_json=False)
    if members:
        records = [MEMBERS.record(one) for one in members]
        rare = {one.name for one in MEMBERS.columns if one.rare and not any(row[one.name] for row in records)}
        shown = [one.name for one in MEMBERS.columns if one.name not in rare]
        listing.print_rows(records, shown, shown, listing.View())


@app.command(cls=BalancerCreateCommand)
@takes_order
def create(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    port: NewPort,
    members: Members = None,
    nodes: Nodes = None,
    order: Order,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it runs and has an address.")] = False,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a balancer, with its members.

    It is created exactly once, even if the provider's response is lost; a create that fails leaves nothing
    behind.
    """
    account = accounts.flags(profile, provider)
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        arguments = order.arguments(driver, extras.CREATE_BALANCER)
        first = _members(driver, port, members or (), nodes or (), (profile, provider))
        if dry_run:
            changing.would(f"create {_described(driver, name, port, arguments, first)}")
            return
        balancer = _create(driver, name, port, arguments, first, account)
        try:
            if wait:
                balancer = _wait_until_running(driver, balancer, timeout)
        except (PolycloudError, KeyboardInterrupt) as error:
            if as_json:
                verbs.print_record(BALANCERS, balancer, as_json=True)
            words = ["polycloud", "lb", "destroy", *account, balancer.id]
            error.add_note(f"{BALANCERS.title(balancer)} exists; to destroy it: {shlex.join(words)}")
            raise
        verbs.print_record(BALANCERS, balancer, as_json=as_json)


def _members(
    driver: Driver,
    port: int,
    texts: Sequence[str],
    nodes: Sequence[str],
    account: tuple[str | None, str | None],
) -> list[Member]:
    """Return the members of a new balancer; those without a port get that of the first with one."""
    from polycloud.cli.members import resolved
    from polycloud.cli.membertexts import parsed

    found = [parsed(text) for text in texts]
    named = resolved(nodes, *account) if nodes else []
    ports = [port for port in (*(one.port for one in found), *(one.port for one in named)) if port]
    default = ports[0] if ports else port
    for one in found:
        one.port = one.port or (default if one.ip else None)
    return [*found, *(one.member(driver, default) for one in named)]


def _described(
    driver: Driver, name: str, port: int, arguments: dict[str, Any], members: Sequence[Member]
) -> str:
    from polycloud.cli.balancersettings import written

    shown = {key: "given" if _is_long(key, value) else written(value) for key, value in arguments.items()}
    settings = [f"{key.removeprefix('ex_')} {value}" for key, value in shown.items()]
    those = ", ".join(MEMBERS.label(one) for one in members) or "none"
    return f"the balancer {name} at {driver.name}: {', '.join([f'port {port}', *settings])}, members {those}"


def _is_long(name: str, value: object) -> bool:
    """Whether an argument is not shown: a key, or a certificate itself."""
    return name == "ex_private_key" or (name == "ex_certificate" and "\n" in str(value))


def _create(
    driver: Driver,
    name: str,
    port: int,
    arguments: dict[str, Any],
    members: Sequence[Member],
    account: Sequence[str],
) -> LoadBalancer:
    try:
        with output.working(f"creating the balancer {name}"):
            return driver.create_balancer(name, port, members=members, **arguments)
    except (AmbiguousCreateError, KeyboardInterrupt) as error:
        look = ["polycloud", "lb", "list", *account, "--filter", f"name={name}"]
        error.add_note(f"to look: {shlex.join(look)}")
        raise


def _wait_until_running(driver: Driver, balancer: LoadBalancer, timeout: float) -> LoadBalancer:
    with output.working(f"waiting for {BALANCERS.title(balancer)} to run"):
        return driver.wait_until_running(balancer, WAIT_PERIOD, timeout)


@app.command(cls=BalancerUpdateCommand)
@takes_order
def update(
    *,
    name: Annotated[str, options.argument(BALANCERS)],
    new_name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its new name.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", min=1, max=65535, help="Its new port.")] = None,
    order: Order,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Change a balancer, where an option is given."""
    if new_name is None and port is None and order.is_empty:
        raise InvalidArgumentError("nothing to change: give --name, --port, --algorithm or another option")
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        arguments = order.arguments(driver, extras.UPDATE_BALANCER)
        balancer = finding.find(driver, BALANCERS, name)
        if dry_run:
            changing.would(f"change {BALANCERS.title(balancer)}")
            return
        with output.working(f"changing {BALANCERS.title(balancer)}"):
            changed = driver.update_balancer(balancer, new_name, port, **arguments)
        verbs.print_record(BALANCERS, changed, as_json=as_json)


@app.command("wait")
def wait_(
    *,
    names: Annotated[list[str], options.arguments(BALANCERS)],
    healthy: Annotated[
        bool, typer.Option("--healthy", help="Wait until all members take connections, too.")
    ] = False,
    timeout: options.Timeout = 600,
    profile: options.Profile = None,
    provider: options.Provider = None,
) -> None:
    """Wait until balancers run and have an address."""
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        for one in finding.find_all(driver, BALANCERS, names):
            balancer = _wait_until_running(driver, one, timeout)
            output.line(f"{BALANCERS.title(balancer)} is {balancer.state} at {balancer.ip}")
            if healthy:
                wait_until_healthy(balancer, None, timeout)


def wait_until_healthy(balancer: LoadBalancer, members: Sequence[Member] | None, timeout: float) -> None:
    """Wait until these members of a balancer, or all, take connections; print that they do."""
    with output.working(f"waiting for members of {BALANCERS.title(balancer)} to take connections"):
        found = balancer.driver.wait_until_healthy(balancer, members, WAIT_PERIOD, timeout)
    for member in found:
        output.line(f"{MEMBERS.title(member)} of {BALANCERS.title(balancer)} is {member.health}")


def _count(balancer: LoadBalancer) -> int | None:
    """How many members a balancer has, for the question whether to destroy it; None if that is not known."""
    try:
        return len(balancer.list_members())
    except PolycloudError:
        return None


COUNTED = replace(
    BALANCERS, columns=(BALANCERS.columns[0], Column("members", _count), *BALANCERS.columns[1:MAIN])
)
DESTROY = "Destroy balancers. Their members stay what they are."
verbs.add_destruction(app, COUNTED, "destroy_balancer", ("destroy", "destroyed"), DESTROY)
