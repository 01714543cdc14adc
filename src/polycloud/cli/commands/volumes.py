"""`polycloud volumes`: list, create, attach and destroy block volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, finding, options, output, verbs
from polycloud.cli.nouns import LOCATIONS, NODES, VOLUMES

if TYPE_CHECKING:
    from polycloud.compute.objects import StorageVolume

__all__ = ["app"]

app = verbs.group(VOLUMES)


@app.command()
def create(
    *,
    name: options.NewName,
    size: Annotated[int, typer.Option(metavar="GB", min=1, help="Its size.")],
    location: Annotated[str | None, options.choice(LOCATIONS)] = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Create a volume."""
    with accounts.connect_one(VOLUMES.service, profile, provider) as driver:
        place = finding.choose(driver, LOCATIONS, location) if location else None
        if dry_run:
            there = f" in {LOCATIONS.title(place)}" if place else ""
            changing.would(f"create the volume {name} of {size} GB at {driver.name}{there}")
            return
        with output.working(f"creating the volume {name}"):
            volume = driver.create_volume(size, name, place)
        verbs.print_record(VOLUMES, volume, as_json=as_json)


@app.command()
def attach(
    *,
    name: Annotated[str, options.argument(VOLUMES)],
    node_name: Annotated[str, options.argument(NODES)],
    device: Annotated[
        str | None, typer.Option(metavar="PATH", help="Such as /dev/sdb, if the provider allows a choice.")
    ] = None,
    profile: options.Profile = None,
    provider: options.Provider = None,
    dry_run: options.DryRun = False,
) -> None:
    """Attach a volume to a node."""
    with accounts.connect_one(VOLUMES.service, profile, provider) as driver:
        volume, node = finding.find(driver, VOLUMES, name), finding.find(driver, NODES, node_name)

        def act(volume: StorageVolume) -> object:
            return driver.attach_volume(node, volume, device)

        words, where = ("attach", "attached"), f" to {NODES.title(node)}"
        changing.each(VOLUMES.title, [volume], act, words, dry_run=dry_run, where=where)


DETACH, DESTROY = "Detach volumes from their nodes.", "Delete volumes and their data."
verbs.add_change(app, VOLUMES, "detach_volume", ("detach", "detached"), DETACH)
verbs.add_destruction(app, VOLUMES, "destroy_volume", ("destroy", "destroyed"), DESTROY)
