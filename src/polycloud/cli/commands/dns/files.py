"""`polycloud dns export`, `import`, `plan`, `apply` and `copy`: zones as files, and changes by plans."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, addresses, completion, finding, options, output, planning
from polycloud.cli.nouns import DNS, ZONES
from polycloud.cli.statuses import CHANGES
from polycloud.cli.zonefiles import FileFormat, ZoneFile, format_of, found, save, text_of
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.cli.serving import Wait
    from polycloud.cli.zoneplans import Limits, Rules, Task
    from polycloud.dns.plan import Plan

__all__ = ["apply", "copy", "export", "import_", "plan"]

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Files of zones, folders of such, or - for standard input."),
]
Format = Annotated[
    FileFormat | None,
    typer.Option(
        "--format",
        help="A zone file (bind), or octoDNS's YAML or the same in JSON; by default the file's name says it.",
        show_default=False,
    ),
]
OctoTarget = Annotated[
    str | None,
    typer.Option(
        "--octodns-target",
        metavar="NAME",
        help="The provider in octoDNS's configuration, for sets that are included or excluded for some.",
    ),
]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        "--zone",
        metavar="ZONE",
        help="Domain or id of the zone, if the file does not name it, or several have its domain.",
        autocompletion=completion.of(ZONES),
    ),
]
Create = Annotated[bool, typer.Option("--create", help="Also create zones that do not exist.")]


def export(
    *,
    zone: Annotated[
        str, typer.Argument(metavar="ZONE", help="Its domain or id.", autocompletion=completion.of(ZONES))
    ],
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="The file to write; else standard output.")
    ] = None,
    form: Format = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a file that exists.")] = False,
    profile: options.Profile = None,
    provider: options.Provider = None,
) -> None:
    """Write a zone as a file.

    What the provider has beyond DNS is not in it.
    """
    with accounts.connect_one(DNS, profile, provider) as driver:
        there = finding.find(driver, ZONES, zone)
        with output.asking(f"{driver.name} for the records of {there.domain}"):
            text = text_of(there, format_of(file, form))
    if file is None:
        sys.stdout.write(text)
    else:
        save(text, file, force=force)
        output.line(f"wrote {there.domain} to {file}")


@planning.takes_rules
def plan(
    *,
    files: Files,
    form: Format = None,
    target: OctoTarget = None,
    zone: ZoneOption = None,
    create: Create = False,
    rules: Rules,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"End with {CHANGES} if there are changes.")
    ] = False,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
) -> None:
    """Show what would make zones like their files; nothing is changed.

    The exit status is 0 with or without changes, unless --exit-code is given.
    """
    from polycloud.cli import zoneplans

    make = partial(zoneplans.plan_file, rules=rules, create=create)
    with _tasks(make, found(files, form, target), zone, (profile, provider)) as tasks:
        plans, failures = zoneplans.plan_all(tasks)
    if as_json:
        output.json([one.to_dict() for one in plans])
    else:
        zoneplans.show(plans)
    for one in plans:
        if not one.is_safe():
            output.note(f"{one.title}: apply makes so many changes only with --force")
    if failures:
        output.fail(failures[0], failures[1:])
    if exit_code and any(one.plan for one in plans):
        raise typer.Exit(CHANGES)


@planning.takes_execution
def apply(
    *,
    files: Files,
    form: Format = None,
    target: OctoTarget = None,
    zone: ZoneOption = None,
    create: Create = False,
    rules: Rules,
    limits: Limits,
    wait: Wait | None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
) -> None:
    """Make zones like their files: show the plan, ask, change the records.

    What a zone has and its file does not is deleted. A plan that deletes or updates more than 30 % of a zone
    with 10 records or more is refused without --force.
    """
    from polycloud.cli import zoneplans

    make = partial(zoneplans.plan_file, rules=rules, create=create)
    with _tasks(make, found(files, form, target), zone, (profile, provider)) as tasks:
        zoneplans.carry_out(tasks, limits, wait, yes=yes, dry_run=dry_run, as_json=as_json)


@planning.takes_import_rules
def import_(
    *,
    files: Files,
    form: Format = None,
    target: OctoTarget = None,
    zone: ZoneOption = None,
    create: Create = False,
    rules: Rules,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    as_json: options.Json = False,
) -> None:
    """Add the records of files to zones: show the plan, ask, create them.

    What a zone has stays as it is; values that it lacks are added, with the TTL of their siblings there.
    """
    from polycloud.cli import zoneplans

    make = partial(zoneplans.merge_file, rules=rules, create=create)
    with _tasks(make, found(files, form, target), zone, (profile, provider)) as tasks:
        zoneplans.carry_out(tasks, zoneplans.Limits(), None, yes=yes, dry_run=dry_run, as_json=as_json)


@contextmanager
def _tasks(
    make: Callable[..., Plan],
    files: Sequence[ZoneFile],
    zone: str | None,
    account: tuple[list[str] | None, str | None],
) -> Iterator[list[Task]]:
    """Connect the accounts; return the plans to make for them, one for each file and account."""
    from polycloud.cli.zoneplans import Task

    if zone is not None and len(files) > 1:
        raise InvalidArgumentError(f"--zone is for one file, got {len(files)}")
    with ExitStack() as stack:
        drivers = {
            name: stack.enter_context(one()) for name, one in accounts.connect_all(DNS, *account).items()
        }
        yield [
            Task(
                file.path,
                name if len(drivers) > 1 else "",
                driver,
                partial(make, driver, file, zone),
            )
            for name, driver in drivers.items()
            for file in files
        ]


Address = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="PROFILE:ZONE, such as prod:example.com.", autocompletion=completion.zones
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="PROFILE: or PROFILE:ZONE, where several zones have the domain.",
        autocompletion=completion.zones,
    ),
]


@planning.takes_execution
def copy(
    *,
    source: Address,
    target: Target,
    rules: Rules,
    limits: Limits,
    wait: Wait | None,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Make the zone of an account like that of another one, or create it: show the plan, ask, change it.

    What only the target has is deleted, as by `apply`.
    """
    from polycloud.cli import zoneplans

    here, there = _zone(source), _zone(target)
    if not here[1]:
        raise InvalidArgumentError(f"{source!r} must name a zone: profile:example.com")
    with addresses.connected(DNS) as drivers:
        zone = finding.find(drivers.named(here[0]), ZONES, here[1])
        driver = drivers.named(there[0])
        make = partial(zoneplans.plan_copy, zone, driver, there[1] or None, rules)
        task = zoneplans.Task(target, "", driver, make)
        zoneplans.carry_out([task], limits, wait, yes=yes, dry_run=dry_run, as_json=as_json)


def _zone(text: str) -> tuple[str, str]:
    """Return the account and the zone of an address; the zone may be ""."""
    account, colon, zone = text.partition(":")
    if not colon or not account:
        raise InvalidArgumentError(f"{text!r} must be profile:zone, such as prod:example.com")
    return account, zone
