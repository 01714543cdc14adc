"""`polycloud storage`: containers and objects, by addresses such as `prod:photos/2026/a.jpg`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polycloud.cli import cells, changing, completion, listing, options, output, transfers
from polycloud.cli.addresses import Address, Drivers, connected, parse
from polycloud.errors import InvalidArgumentError, PolycloudError, UnsupportedOperationError

if TYPE_CHECKING:
    from polycloud.storage.base import Container, Object

__all__ = ["app"]

app = options.group()

ADDRESS = "PROFILE:CONTAINER/NAME, or a path of this machine."
At = Annotated[str, typer.Argument(metavar="ADDRESS", help=ADDRESS, autocompletion=completion.addresses)]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help=f"{ADDRESS} `-` is standard input.", autocompletion=completion.addresses
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", help=f"{ADDRESS} `-` is standard output.", autocompletion=completion.addresses
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="All objects whose names begin so.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that exist.")]
OBJECT = ("name", "size", "modified")
CONTAINER = ("container", "created")


@app.command("ls")
def list_(
    *,
    address: At,
    recursive: Recursive = False,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    safe_csv: options.SafeCsv = False,
    output_format: options.Output = None,
    no_header: options.NoHeader = False,
    limit: options.Limit = None,
) -> None:
    """List containers (`prod:`), or the objects and folders of a container (`prod:photos/2026/`)."""
    place = parse(address)
    form = listing.format_of(output_format, as_json=as_json, as_csv=as_csv, safe_csv=safe_csv)
    view = listing.View(form, not no_header, limit=limit)
    if place.is_local:
        raise InvalidArgumentError(f"{address!r} must begin with a profile: prod:photos/")
    with connected() as drivers:
        if not place.container:
            containers = drivers.of(place).list_containers()
            rows = [{"container": one.name, "created": one.extra.get("creation_date")} for one in containers]
            listing.print_rows(rows[:limit], CONTAINER, CONTAINER, view)
            return
        container = drivers.container(place)
        found = container.iterate_objects(place.name) if recursive else container.iterate_folder(place.name)
        rows = list(_limited(map(_row, found), limit))
    if view.is_table:
        rows = [{**row, "size": _human(row["size"])} for row in rows]
    listing.print_rows(rows, OBJECT, OBJECT, view)


def _row(one: Object | str) -> dict[str, Any]:
    """The row of an object, or of a folder."""
    if isinstance(one, str):
        return {"name": one, "size": None, "modified": None}
    return {"name": one.name, "size": one.size, "modified": _text(one.last_modified)}


def _human(size: Any) -> str:
    return "" if size is None else transfers.human(size)


def _text(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat() if hasattr(moment, "isoformat") else moment)


def _limited(rows: Iterable[Any], limit: int | None) -> Iterator[Any]:
    for number, row in enumerate(rows):
        if limit is not None and number >= limit:
            return
        yield row


@app.command("cp")
def copy(
    *,
    source: Source,
    target: Target,
    recursive: Recursive = False,
    content_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Such as text/html.")] = None,
    force: Force = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what has arrived: the same command sends the rest.")
    ] = False,
    dry_run: options.DryRun = False,
) -> None:
    """Copy an object or a file; with -r all of a folder, but what is the same already."""
    here, there = parse(source), parse(target)
    if recursive:
        if content_type:
            raise InvalidArgumentError(
                "--content-type is for one object; with -r it is guessed from each name"
            )
        _synchronize(here, there, dry_run=dry_run)
        return
    with connected() as drivers:
        there = _named(here, there)
        if dry_run:
            changing.would(f"copy {here} to {there}")
            return
        _copy_one(drivers, here, there, content_type, overwrite=force, resume=resume)
    if not there.is_standard:
        output.line(f"copied {here} to {there}")


def _named(here: Address, there: Address) -> Address:
    """The target's address with a name: that of the source, if it is a folder."""
    if there.is_local or not there.is_folder:
        return there
    last = here.path.name if here.is_local else here.name.rpartition("/")[2]
    if here.is_standard or not last:
        raise InvalidArgumentError(f"{there.text!r} must have the name of an object: profile:container/name")
    return there.below(last)


def _copy_one(
    drivers: Drivers,
    here: Address,
    there: Address,
    content_type: str | None,
    *,
    overwrite: bool,
    resume: bool = False,
) -> None:
    extra = {"content_type": content_type} if content_type else {}
    if here.is_local and there.is_local:
        raise InvalidArgumentError("one of the two must be an object: profile:container/name")
    if resume and (here.is_local is there.is_local or here.is_standard or there.is_standard):
        raise InvalidArgumentError("--resume is for copies of a file to an object, or of an object to a file")
    if here.is_local:
        _upload(drivers.container(there.require_object()), here, there, extra, resume=resume)
    elif there.is_local:
        _download(drivers.object(here), there, overwrite=overwrite, resume=resume)
    else:
        from polycloud.storage import copy

        with output.working(f"copying {here}"):
            copy(drivers.object(here), drivers.container(there.require_object()), there.name)


def _upload(
    container: Container, here: Address, there: Address, extra: dict[str, Any], *, resume: bool
) -> None:
    if here.is_standard:
        with transfers.progress("uploading", None) as bar:
            standard: Any = sys.stdin.buffer
            pieces = iter(lambda: standard.read1(1 << 18), b"")
            container.upload_object_via_stream(pieces, there.name, extra, progress=bar.add)
        return
    try:
        size = here.path.stat().st_size
    except OSError as error:
        raise InvalidArgumentError(f"{here.text} cannot be read: {error.strerror}") from error
    with transfers.progress(here.path.name, size) as bar:
        container.upload_object(str(here.path), there.name, extra, resume=resume, progress=bar.add)


def _download(obj: Object, there: Address, *, overwrite: bool = False, resume: bool = False) -> None:
    if there.is_standard:
        for piece in obj.as_stream():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with transfers.progress(obj.name, obj.size) as bar:
        obj.download(str(there.path), overwrite_existing=overwrite, resume=resume, progress=bar.add)


@app.command("mv")
def move(*, source: Source, target: Target, force: Force = False, dry_run: options.DryRun = False) -> None:
    """Move an object: copy it, and delete the source when the copy is verified."""
    here, there = parse(source), parse(target)
    if here.is_standard or there.is_standard:
        raise InvalidArgumentError("mv is for objects and files; cp also reads and writes pipes")
    with connected() as drivers:
        there = _named(here, there)
        if drivers.are_same(here, there):
            raise InvalidArgumentError(f"{here} and {there} are the same object")
        if dry_run:
            changing.would(f"move {here} to {there}")
            return
        found = _state(drivers, here)
        _copy_one(drivers, here, there, None, overwrite=force)
        if _state(drivers, here) != found:  # by another program, or it is the target by another name
            raise PolycloudError(f"{here} was changed while it was copied, so it was not deleted")
        if here.is_local:
            here.path.unlink()
        else:
            drivers.object(here).delete()
    output.line(f"moved {here} to {there}")


def _state(drivers: Drivers, address: Address) -> tuple[Any, ...]:
    """What changes with the content of an object or a file."""
    if not address.is_local:
        obj = drivers.object(address)
        return (obj.hash, obj.size, obj.last_modified, obj.version_id)
    try:
        found = address.path.lstat()
    except OSError as error:
        raise InvalidArgumentError(f"{address.text} cannot be read: {error.strerror}") from error
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@app.command("rm")
def remove(
    *, address: At, recursive: Recursive = False, yes: options.Yes = False, dry_run: options.DryRun = False
) -> None:
    """Delete an object; with -r all objects whose names begin so. Asks first for more than one."""
    place = parse(address)
    with connected() as drivers:
        container = drivers.container(place)
        names: Iterable[str] = (
            [drivers.object(place).name] if not recursive else _names(container, place.name)
        )
        if dry_run:
            for name in names:
                changing.would(f"delete {name}")
            return
        if recursive and not yes:
            names = list(names)  # what is confirmed is deleted, and nothing that comes later
            changing.ask(f"delete {len(names):,} objects of {place}", "nothing was deleted")
        with output.working("deleting"):
            count = container.delete_objects(names)
    output.line(f"deleted {count:,} object{'s' * (count != 1)}")


def _names(container: Container, prefix: str) -> Iterator[str]:
    return (obj.name for obj in container.iterate_objects(prefix or None))


@app.command("set")
def change(
    *,
    address: At,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Metadata; without a value it is removed."),
    ] = None,
    content_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Such as text/html.")] = None,
    cache_control: Annotated[str | None, typer.Option(metavar="TEXT", help="Such as max-age=60.")] = None,
) -> None:
    """Change metadata (`owner=ann`) and headers of an object, not its content; the rest of them stays."""
    given = [text.partition("=") for text in values or ()]
    for name, equals, _ in given:
        if not name or not equals:
            raise InvalidArgumentError(f"metadata must be NAME=VALUE, got {name!r}")
    headers = {"content_type": content_type, "cache_control": cache_control}
    extra: dict[str, Any] = {key: text or None for key, text in headers.items() if text is not None}
    if not given and not extra:
        raise InvalidArgumentError("give metadata as NAME=VALUE, --content-type or --cache-control")
    place = parse(address)
    with connected() as drivers:
        obj = drivers.object(place)
        if given:
            changed = obj.meta_data | {name.lower(): value for name, _, value in given}
            extra["meta_data"] = {name: value for name, value in changed.items() if value}
        obj.update(extra)
    output.line(f"changed {place}")


@app.command("cat")
def cat(*, address: At) -> None:
    """Print an object's content."""
    with connected() as drivers:
        _download(drivers.object(parse(address)), Address("-"))


@app.command("du")
def usage(*, address: At, as_json: options.Json = False) -> None:
    """Print the number and the size of the objects, for each folder and together."""
    place = parse(address)
    totals: dict[str, list[int]] = {}
    with connected() as drivers, output.asking(str(place)):
        for obj in drivers.container(place).iterate_objects(place.name or None):
            rest = obj.name[len(place.name) :]
            folder = rest.partition("/")[0] + "/" if "/" in rest else ""
            for key in (folder, "total"):
                count = totals.setdefault(key, [0, 0])
                count[0] += 1
                count[1] += obj.size
    whole = totals.pop("total", [0, 0])
    rows = [(key or ".", count, size) for key, (count, size) in [*totals.items(), ("total", whole)]]
    if as_json:
        output.json([{"folder": key, "objects": count, "bytes": size} for key, count, size in rows])
        return
    output.table(
        ["folder", "objects", "size"],
        [(key, f"{count:,}", transfers.human(size)) for key, count, size in rows],
    )


@app.command("info")
def info(*, address: At, as_json: options.Json = False) -> None:
    """Show what the provider says of an object."""
    place = parse(address)
    with connected() as drivers:
        obj = drivers.object(place)
    record = {"name": obj.name, "size": obj.size, "hash": obj.hash, **obj.extra, "meta_data": obj.meta_data}
    if as_json:
        output.json(record)
        return
    rows = [(key, cells.cell(value)) for key, value in record.items() if value not in (None, {}, "")]
    output.table(["object", str(place)], rows)


@app.command("presign")
def presign(
    *,
    address: At,
    method: Annotated[str, typer.Option(metavar="METHOD", help="GET or PUT.")] = "GET",
    expires: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long it works.")] = 3600,
) -> None:
    """Print a URL that reads (or writes) an object without credentials."""
    place = parse(address).require_object()
    with connected() as drivers:
        driver: Any = drivers.of(place)
        if not driver.supports("ex_presigned_url"):
            raise UnsupportedOperationError(f"{driver.name} does not offer presigned URLs", driver)
        output.line(
            driver.ex_presigned_url(
                drivers.container(place), place.name, method=method.upper(), expires=expires
            )
        )


@app.command("mb")
def make(*, address: At) -> None:
    """Create a container."""
    place = parse(address)
    if place.is_local or not place.container or place.name:
        raise InvalidArgumentError(f"{address!r} must be a container: profile:container")
    with connected() as drivers:
        made = drivers.of(place).create_container(place.container)
    output.line(f"created the container {made.name}")


@app.command("rb")
def unmake(*, address: At, yes: options.Yes = False) -> None:
    """Delete an empty container. Asks first."""
    place = parse(address)
    with connected() as drivers:
        container = drivers.container(place)
        if not yes:
            changing.ask(f"delete the container {place.container} of {place.account}", "nothing was deleted")
        container.delete()
    output.line(f"deleted the container {place.container}")


Include = Annotated[
    list[str] | None, typer.Option("--include", metavar="PATTERN", help="Only names such as '*.jpg'.")
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Leave names alone, on both sides.")
]


@app.command("sync")
def sync(
    *,
    source: Source,
    target: Target,
    delete: Annotated[bool, typer.Option("--delete", help="Delete what the source does not have.")] = False,
    most_deleted: Annotated[
        float, typer.Option(metavar="PART", min=0, max=1, help="The part of the target that may be deleted.")
    ] = 0.5,
    include: Include = None,
    exclude: Exclude = None,
    jobs: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="The most objects at once.")] = 8,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Make a target like a source; an interrupted sync goes on where it was.

    Objects are compared by checksum if both sides have one, else by size and time. The exit status is 1 if
    something failed.
    """
    _synchronize(
        parse(source),
        parse(target),
        delete=delete,
        most_deleted=most_deleted,
        include=include or (),
        exclude=exclude or (),
        limit=jobs,
        dry_run=dry_run,
        as_json=as_json,
    )


def _synchronize(
    here: Address, there: Address, *, dry_run: bool = False, as_json: bool = False, **settings: Any
) -> None:
    from polycloud.cli.syncs import run

    with connected() as drivers:
        run(drivers.location(here), drivers.location(there), dry_run=dry_run, as_json=as_json, **settings)
