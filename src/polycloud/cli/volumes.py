"""`polycloud volumes`: block volumes of the account."""

from __future__ import annotations

from typing import Annotated

import typer

from polycloud.cli import accounts, changing, completion, finding, options, output, verbs
from polycloud.cli.resources import LOCATIONS, NODES, VOLUMES

__all__ = ["app"]

app = options.group("Block volumes: list, create, attach, destroy them.")
verbs.add_list(app, VOLUMES)
verbs.add_show(app, VOLUMES, completion.volumes)

VolumeName = Annotated[
    str, typer.Argument(metavar="VOLUME", help="Its id or name.", autocompletion=completion.volumes)
]
VolumeNames = Annotated[
    list[str], typer.Argument(metavar="VOLUME...", help="Ids or names.", autocompletion=completion.volumes)
]


@app.command()
def create(
    *,
    name: options.NewName,
    size: Annotated[int, typer.Option(metavar="GB", min=1, help="How large it is to be.")],
    location: options.LocationName = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a volume."""
    with accounts.one(profile, provider) as driver:
        place = finding.choose(driver, LOCATIONS, location) if location else None
        if dry_run:
            there = f" in {LOCATIONS.title(place)}" if place else ""
            changing.would(f"create the volume {name} of {size} GB at {driver.name}{there}")
            return
        with output.working(f"creating the volume {name}"):
            volume = driver.create_volume(size, name, place)
        verbs.record(VOLUMES, volume, as_json=as_json)


@app.command()
def attach(
    *,
    name: VolumeName,
    node_name: options.NodeName,
    device: Annotated[
        str | None, typer.Option(metavar="PATH", help="Such as /dev/sdb, where one can choose.")
    ] = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Attach a volume to a node."""
    with accounts.one(profile, provider) as driver:
        volume, node = finding.find(driver, VOLUMES, name), finding.find(driver, NODES, node_name)
        words = (f"attach to {NODES.title(node)}", f"attached to {NODES.title(node)}:")
        changing.each(
            VOLUMES, [volume], lambda one: driver.attach_volume(node, one, device), words, dry_run=dry_run
        )


@app.command()
def detach(
    *,
    names: VolumeNames,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Detach volumes from their nodes."""
    with accounts.one(profile, provider) as driver:
        found = finding.find_all(driver, VOLUMES, names)
        changing.each(VOLUMES, found, driver.detach_volume, ("detach", "detached"), dry_run=dry_run)


@app.command()
def destroy(
    *,
    names: VolumeNames,
    yes: options.Yes = False,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Delete volumes and what is on them. Asks before."""
    with accounts.one(profile, provider) as driver:
        found = finding.find_all(driver, VOLUMES, names)
        account = accounts.name_of(profile, provider)
        changing.confirm(VOLUMES, found, "destroy", account, yes=yes or dry_run)
        changing.each(VOLUMES, found, driver.destroy_volume, ("destroy", "destroyed"), dry_run=dry_run)
