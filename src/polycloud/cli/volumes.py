"""`polycloud volumes`: block volumes of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import accounts, changing, completion, finding, options, output, verbs
from polycloud.cli.resources import LOCATIONS, NODES, VOLUMES

if TYPE_CHECKING:
    from polycloud.compute.objects import StorageVolume

__all__ = ["app"]

app = options.group("Block volumes: list, create, attach, destroy them.")
verbs.add_list(app, VOLUMES)
verbs.add_show(app, VOLUMES)

VolumeName = Annotated[
    str, typer.Argument(metavar="VOLUME", help="Its id or name.", autocompletion=completion.volumes)
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

        def act(one: StorageVolume) -> object:
            return driver.attach_volume(node, one, device)

        words, where = ("attach", "attached"), f" to {NODES.title(node)}"
        changing.each(VOLUMES, [volume], act, words, dry_run=dry_run, where=where)


DETACH, DESTROY = "Detach volumes from their nodes.", "Delete volumes and what is on them."
verbs.add_change(app, VOLUMES, "detach_volume", ("detach", "detached"), DETACH)
verbs.add_destruction(app, VOLUMES, "destroy_volume", ("destroy", "destroyed"), DESTROY)
