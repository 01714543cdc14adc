"""`polycloud lb rolling`: change the members of a balancer one after another."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, finding, options, output
from polycloud.cli.commands.lb.balancers import Nodes
from polycloud.cli.commands.lb.members import AnyMembers, Balancer, announce_draining
from polycloud.cli.nouns import BALANCERS

if TYPE_CHECKING:
    from polycloud.cli.rollouts import Part
    from polycloud.rolling import Step

__all__ = ["rolling"]


def rolling(
    *,
    balancer: Balancer,
    texts: AnyMembers = None,
    nodes: Nodes = None,
    command: Annotated[
        str,
        typer.Option(
            "--run",
            metavar="COMMAND",
            help="What to run for each, such as 'ssh {address} ./deploy.sh'; {name}, {id} and {port} too. No "
            "shell reads it.",
        ),
    ],
    at_once: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="So many at the same time, never all that serve.")
    ] = 1,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long connections may take to end.")
    ] = 60,
    cut: Annotated[
        bool, typer.Option("--cut", help="Cut connections, where the provider cannot let them end.")
    ] = False,
    timeout: options.Timeout = 300,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Take members out one after another, run a command for each, and put them back.

    All members by default. The next one follows when the balancer has found that the last one takes
    connections; --timeout is how long that may take. The first failure ends it: that member stays out.
    """
    from polycloud.cli.members import resolved
    from polycloud.cli.rollouts import Program, chosen, title
    from polycloud.rolling import RollingError, Step
    from polycloud.rolling import rolling as roll

    program = Program.of(command)
    with accounts.connect_one(BALANCERS.service, profile, provider) as driver:
        found = finding.find(driver, BALANCERS, balancer)
        wait = None if cut else drain
        announce_draining(driver, wait)
        parts = chosen(found, texts or (), resolved(nodes or (), profile, provider))
        for part in parts:
            words = shlex.join(program.words_for(part))
            if dry_run:
                changing.would(
                    f"take {title(part)} out of {BALANCERS.title(found)}, run {words}, put it back"
                )
        if dry_run:
            return

        def tell(part: Part, step: Step) -> None:
            if step is Step.DONE:
                output.line(f"{title(part)} is changed")
            else:
                output.note(f"{title(part)}: {step} ...")

        try:
            roll(
                found,
                parts,
                program.run,
                at_once=at_once,
                wait_drained=wait,
                timeout=timeout,
                on_step=tell,
            )
        except (RollingError, KeyboardInterrupt) as error:
            look = ["polycloud", "lb", "members", *accounts.flags(profile, provider), found.id]
            error.add_note(f"to look: {shlex.join(look)}")
            raise
