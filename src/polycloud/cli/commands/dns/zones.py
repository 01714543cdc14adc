"""`polycloud dns zones`: list, create, change and delete zones."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, finding, options, output, verbs
from polycloud.cli.nouns import ZONES
from polycloud.cli.resources import Column
from polycloud.cli.settings import Settings, parsed
from polycloud.errors import AmbiguousCreateError, InvalidArgumentError, PolycloudError

if TYPE_CHECKING:
    from polycloud.dns.objects import Zone

__all__ = ["app"]

app = verbs.group(ZONES)

Domains = Annotated[list[str], typer.Argument(metavar="DOMAIN", help="Domains, such as example.com.")]
Type = Annotated[str, typer.Option(metavar="TYPE", help="master or slave.")]
Ttl = Annotated[
    int | None, typer.Option("--ttl", metavar="SECONDS", min=0, help="The TTL of records without one.")
]


@app.command()
def create(
    *,
    domains: Domains,
    type: Type = "master",
    ttl: Ttl = None,
    settings: Settings = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create zones, each exactly once, even if the provider's response is lost."""
    extra = parsed(settings or ())
    names = [ZONES.spelled(domain) for domain in domains]
    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        if dry_run:
            for name in names:
                changing.would(f"create the zone {name} at {driver.name}")
            return
        calls = [partial(driver.create_zone, name, type, ttl, dict(extra)) for name in names]
        try:
            with output.working(f"creating the zone{'s' * (len(names) > 1)} {', '.join(names)}"):
                made, failures = changing.side_by_side(driver, names, calls)
        except (AmbiguousCreateError, KeyboardInterrupt) as error:
            look = shlex.join(["polycloud", "dns", "zones", "list", *accounts.flags(profile, provider)])
            error.add_note(f"to look: {look}")
            raise
        if as_json and len(names) > 1:
            output.json([verbs.full_record(ZONES, zone) for zone in made])
        else:
            for zone in made:
                verbs.print_record(ZONES, zone, as_json=as_json)
        if failures:
            output.fail(failures[0], failures[1:])


@app.command()
def update(
    *,
    name: Annotated[str, options.argument(ZONES)],
    type: Annotated[str | None, typer.Option(metavar="TYPE", help="master or slave.")] = None,
    ttl: Ttl = None,
    settings: Settings = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Change a zone, where an option is given."""
    if type is None and ttl is None and not settings:
        raise InvalidArgumentError("nothing to change: give --type, --ttl or --set")
    extra = parsed(settings or ())
    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        zone = finding.find(driver, ZONES, name)
        if dry_run:
            changing.would(f"change {ZONES.title(zone)}")
            return
        with output.working(f"changing {ZONES.title(zone)}"):
            changed = driver.update_zone(zone, None, type, ttl, extra)
        verbs.print_record(ZONES, changed, as_json=as_json)


def _count(zone: Zone) -> int | None:
    """How many records a zone has, for the question whether to delete it; None if that cannot be known."""
    try:
        return len(zone.list_records())
    except PolycloudError:
        return None


COUNTED = replace(ZONES, columns=(ZONES.columns[0], Column("records", _count), *ZONES.columns[1:]))
DELETE = "Delete zones and all their records."
verbs.add_destruction(app, COUNTED, "delete_zone", ("delete", "deleted"), DELETE)
