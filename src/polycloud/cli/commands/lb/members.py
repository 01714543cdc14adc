"""`polycloud lb members`, `attach`, `detach`, `drain`: the members of a balancer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import accounts, bundles, changing, completion, finding, listing, options, output
from polycloud.cli.commands.lb.balancers import MEMBER_HELP, Nodes, wait_until_healthy
from polycloud.cli.nouns import BALANCERS, MEMBERS
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.cli.members import Target
    from polycloud.loadbalancer.base import Driver
    from polycloud.loadbalancer.objects import Member

__all__ = ["AnyMembers", "Balancer", "announce_draining", "attach", "detach", "drain", "members"]


def _offers(driver: Any, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The members of the balancer that has been typed, each with its health."""
    members = finding.find(driver, BALANCERS, given["balancer"]).list_members()
    return [(MEMBERS.label(one), str(one.health)) for one in members]


OFFERED = completion.lookup(BALANCERS.service, _offers)
Balancer = Annotated[str, options.argument(BALANCERS)]
NewMembers = Annotated[list[str] | None, typer.Argument(metavar="[MEMBER]...", help=MEMBER_HELP)]
OneMember = Annotated[
    str | None,
    typer.Argument(
        metavar="[MEMBER]", help="Its address, with a port if needed, or its id.", autocompletion=OFFERED
    ),
]
AnyMembers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MEMBER]...", help="Addresses, with ports if needed, or ids.", autocompletion=OFFERED
    ),
]


@bundles.takes_view
def members(
    *,
    balancer: Balancer,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    view: listing.View,
    deadline: options.Deadline = None,
) -> None:
    """List the members of a balancer, with their health.

    Columns: account, address, port, health, weight, condition, id.
    """
    from polycloud.cli.members import noun_of

    asked = accounts.connect_all(BALANCERS.service, profile, provider)
    listing.show(asked, noun_of(balancer), view, deadline)


def attach(
    *,
    balancer: Balancer,
    texts: NewMembers = None,
    nodes: Nodes = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until they take connections.")] = False,
    timeout: options.Timeout = 300,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Attach members to a balancer. An address without a port gets that of the other members."""
    from polycloud.cli.members import attachable, hinting, resolved

    _require(texts, nodes)
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver, hinting(texts or ()):
        found = finding.find(driver, BALANCERS, balancer)
        targets = attachable(found, texts or (), resolved(nodes or (), profile, provider))
        attached: list[Member] = []

        def act(target: Target) -> None:
            attached.append(target.attach())

        where = f" to {BALANCERS.title(found)}"
        changing.each(_title, targets, act, ("attach", "attached"), dry_run=dry_run, where=where)
        if wait and not dry_run:
            wait_until_healthy(found, attached, timeout)


def _title(target: Target) -> str:
    return target.title


def _require(texts: list[str] | None, nodes: list[str] | None) -> None:
    if not texts and not nodes:
        raise InvalidArgumentError("give a MEMBER or --node")


def detach(
    *,
    balancer: Balancer,
    texts: AnyMembers = None,
    nodes: Nodes = None,
    drain: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="Let connections end first, for so long at most."),
    ] = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Detach members from a balancer, one after another; without --drain their connections may be cut."""
    from polycloud.cli.members import resolved, selected

    _require(texts, nodes)
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        found = finding.find(driver, BALANCERS, balancer)
        gone = selected(found, texts or (), resolved(nodes or (), profile, provider))

        announce_draining(driver, drain)

        def act(member: Member) -> object:
            return driver.balancer_detach_member(found, member, drain)

        where = f" from {BALANCERS.title(found)}"
        changing.each(MEMBERS.title, gone, act, ("detach", "detached"), dry_run=dry_run, where=where)


def announce_draining(driver: Driver, seconds: float | None) -> None:
    """Say that all the seconds of a wait pass if they do, before the first member is touched.

    Raises `UnsupportedOperationError` if members cannot drain.
    """
    from polycloud.loadbalancer.draining import require_draining
    from polycloud.loadbalancer.types import Draining

    require_draining(driver, seconds)
    if seconds and driver.draining is Draining.TIMED:
        output.note(
            f"{driver.name} does not say when connections have ended: each member drains for {seconds:g} s"
        )


def drain(
    *,
    balancer: Balancer,
    member: OneMember = None,
    node: Annotated[
        str | None, typer.Option("--node", metavar="NODE", help="The node that it is, as for attach.")
    ] = None,
    timeout: options.Timeout = 60,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Take a member out for a while, once its connections have ended; say how to put it back.

    --timeout is how long they may take. Providers that do not say when they have ended wait as long.
    """
    from polycloud.cli.members import resolved, selected

    if (member is None) is (node is None):
        raise InvalidArgumentError("give either a MEMBER or --node")
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        found = finding.find(driver, BALANCERS, balancer)
        nodes = resolved([node], profile, provider) if node else []
        chosen = selected(found, [member] if member else [], nodes)

        announce_draining(driver, timeout)

        def act(one: Member) -> object:
            return driver.balancer_suspend_member(found, one, timeout)

        where = f" of {BALANCERS.title(found)}"
        changing.each(MEMBERS.title, chosen, act, ("drain", "drained"), dry_run=dry_run, where=where)
    if not dry_run:
        texts = [_attachable(one) for one in chosen]
        account = accounts.flags(profile, provider)
        back = shlex.join(["polycloud", "lb", "attach", *account, found.id, *texts])
        output.note(f"to put it back: {back}")


def _attachable(member: Member) -> str:
    """Return a member as `attach` takes it."""
    weight = member.extra.get("weight")
    return MEMBERS.label(member) + (f",weight={weight}" if weight is not None else "")
