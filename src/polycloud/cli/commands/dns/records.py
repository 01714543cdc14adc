"""`polycloud dns records`: list, create, change and delete the records of a zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import (
    accounts,
    bundles,
    changing,
    completion,
    finding,
    listing,
    options,
    output,
    serving,
    verbs,
)
from polycloud.cli import recordcompletion as complete
from polycloud.cli.command import Command
from polycloud.cli.nouns import RECORD_FIELDS, RECORDS, ZONES
from polycloud.cli.settings import Settings
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.cli.serving import Wait
    from polycloud.dns.changes import RecordChange

__all__ = ["app"]

app = options.group()

VALUE = "As zone files write it, such as 203.0.113.7 or '10 mail.example.com.'; a text of TXT as it is."


def _argument(name: str, text: str, offers: Any = None) -> Any:
    return typer.Argument(metavar=name, help=text, autocompletion=offers)


Domain = Annotated[str, _argument("ZONE", "Its domain or id.", completion.of(ZONES))]
NewName = Annotated[str, _argument("NAME", "Such as www; @ is the zone itself.", complete.names)]
NewType = Annotated[str, _argument("TYPE", "Such as A or MX.", complete.known_types)]
NewValues = Annotated[list[str], _argument("VALUE", VALUE)]
Name = Annotated[str, _argument("NAME", "A name or an id; @ is the zone itself.", complete.names)]
AnyName = Annotated[str | None, _argument("NAME", "Only of this name; @ is the zone itself.", complete.names)]
Type = Annotated[str | None, _argument("TYPE", "Only of this type.", complete.types)]
Value = Annotated[str | None, _argument("VALUE", "Only with this value.", complete.values)]


def _field_options(
    *,
    ttl: Annotated[int | None, typer.Option("--ttl", metavar="SECONDS", help="Its TTL.")] = None,
    priority: Annotated[int | None, typer.Option(metavar="NUMBER", help="Of MX, SRV, HTTPS, SVCB.")] = None,
    weight: Annotated[int | None, typer.Option(metavar="NUMBER", help="Of SRV.")] = None,
    port: Annotated[int | None, typer.Option(metavar="NUMBER", help="Of SRV.")] = None,
    flags: Annotated[int | None, typer.Option(metavar="NUMBER", help="Of CAA.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TEXT", help="Of CAA, such as issue.")] = None,
    settings: Settings = None,
) -> None:
    """Has the options for the fields of a record as its parameters."""


def _fields(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


takes_fields = bundles.takes(fields=(_field_options, _fields), wait=serving.GROUP)
takes_wait = bundles.takes(wait=serving.GROUP)


class RecordCommand(Command):
    """A command whose help lists what `--set` takes for the account's driver."""

    def more_help(self, given: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """The title and the lines of another section of the help; nothing without an account."""
        kind = accounts.driver_class(ZONES.service, given.get("profile"), given.get("provider"))
        return (
            (f"--set for {kind.name}", [(name, "") for name in sorted(kind.own_extra)]) if kind else ("", [])
        )


@app.command("list")
@bundles.takes_view
def list_(
    *,
    zone: Domain,
    name: AnyName = None,
    type: Type = None,
    profile: options.Profiles = None,
    provider: options.Provider = None,
    view: listing.View,
    deadline: options.Deadline = None,
) -> None:
    """List the records of a zone, or those of a name and type.

    Columns: account, name, type, ttl, value, id, data, priority, weight, port, flags, tag, and what the
    provider has beyond DNS. A table has those from id to tag only with --columns.
    """
    from polycloud.cli.records import Selection, noun_of

    chosen: Sequence[str | None] = profile or [None]
    kinds = [accounts.driver_class(ZONES.service, one, provider) for one in chosen]
    own = sorted({key for kind in kinds if kind for key in kind.own_extra})
    asked = accounts.connect_all(ZONES.service, profile, provider)
    listing.show(asked, noun_of(zone, Selection(name, type), own), view, deadline)


@app.command()
@bundles.takes_form
def show(
    *,
    zone: Domain,
    name: Name,
    type: Type = None,
    value: Value = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    view: listing.View,
) -> None:
    """Show one record; with --json also the provider's own fields."""
    from polycloud.cli.records import Selection

    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        found = finding.find(driver, ZONES, zone)
        verbs.show_one(RECORDS, view, lambda: Selection(name, type, value).only(found))


@app.command(cls=RecordCommand)
@takes_fields
def create(
    *,
    zone: Domain,
    name: NewName,
    type: NewType,
    values: NewValues,
    fields: dict[str, Any],
    wait: Wait | None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a record, or one for each of several values.

    They stand beside those that the name has already.
    """
    from polycloud.cli import recordchanges as changes

    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        given = changes.given_fields(driver, fields)
        found = finding.find(driver, ZONES, zone)
        made = [changes.creation(found, name, type, value, given) for value in values]
        if dry_run:
            changes.require_room_for(found, made)
            _would(made)
            return
        changes.make(found, made, accounts.flags(profile, provider), wait, as_json=as_json)


@app.command(cls=RecordCommand)
@takes_fields
def update(
    *,
    zone: Domain,
    name: Name,
    type: Type = None,
    value: Value = None,
    new_name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its new name.")] = None,
    new_type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Its new type.", autocompletion=complete.known_types),
    ] = None,
    new_value: Annotated[str | None, typer.Option("--value", metavar="VALUE", help="Its new value.")] = None,
    fields: dict[str, Any],
    wait: Wait | None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Change a record, where an option is given.

    All that are selected get what --ttl and --set say. SOA and NS of the zone itself only if TYPE names them.
    """
    from polycloud.cli import recordchanges as changes
    from polycloud.cli.records import Selection

    new = (new_name, new_type, new_value)
    if not fields and new == (None, None, None):
        raise InvalidArgumentError("nothing to change: give --value, --ttl, --name or another option")
    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        given = changes.given_fields(driver, fields)
        found = finding.find(driver, ZONES, zone)
        selection = Selection(name, type, value)
        is_single = any(one is not None for one in new) or bool({*RECORD_FIELDS} & given.keys())
        records = [selection.only(found)] if is_single else selection.changeable(found)
        made = [changes.update(record, *new, given) for record in records]
        if dry_run:
            _would(made)
            return
        changes.make(found, made, accounts.flags(profile, provider), wait, as_json=as_json)


@app.command()
@takes_wait
def delete(
    *,
    zone: Domain,
    name: Name,
    type: Type = None,
    value: Value = None,
    wait: Wait | None,
    yes: options.Yes = False,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Delete the records of a name. Asks first.

    With a type or a value too, those only. SOA and NS of the zone itself are deleted only if TYPE names them.
    """
    from polycloud.cli import recordchanges as changes
    from polycloud.cli.records import Selection

    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        found = finding.find(driver, ZONES, zone)
        records = Selection(name, type, value).changeable(found)
        gone = [changes.deletion(record) for record in records]
        if dry_run:
            _would(gone)
            return
        if not yes:
            where = f"{found.domain} of {accounts.name_of(profile, provider)}"
            changing.confirm(RECORDS, records, "delete", where)
        changes.make(found, gone, accounts.flags(profile, provider), wait)


@app.command("wait")
def wait_(
    *,
    zone: Domain,
    name: AnyName = None,
    type: Type = None,
    value: Value = None,
    gone: Annotated[bool, typer.Option("--gone", help="Wait until none of them serves it.")] = False,
    timeout: serving.Timeout = 120,
    nameservers: serving.NameServers = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
) -> None:
    """Wait until all name servers of the domain serve the records of a zone, or those that are named."""
    from polycloud.cli import recordchanges as changes
    from polycloud.cli.records import Selection, described

    wait = serving.wait_of(timeout, nameservers)
    with accounts.connect_one(ZONES.service, profile, provider) as driver:
        found = finding.find(driver, ZONES, zone)
        if not gone:
            records = Selection(name, type, value).required(found)
            records = [one for one in records if type or one.type != "SOA"]  # its serial number changes
            wait.served(found, records)
            output.line(f"{RECORDS.count(records)} of {found.domain}: served")
            return
        if name is None or type is None or value is None:
            raise InvalidArgumentError("--gone needs name, type and value: the zone has it no longer")
        content = changes.content_of(found, name, type, value, {})
        wait.gone(found, [content])
        output.line(f"record {described(content)}: gone")


def _would(changes: Sequence[RecordChange]) -> None:
    from polycloud.cli.recordchanges import doing

    for change in changes:
        changing.would(doing(change))
