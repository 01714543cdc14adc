"""How `polycloud storage sync` runs: its plan is kept until it is done, so that a later run goes on."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from polycloud.cli import changing, output, transfers
from polycloud.errors import InvalidArgumentError, UnsafePlanError
from polycloud.storage import Location, Report, apply, plan
from polycloud.storage.syncplan import Plan, accounts_of

if TYPE_CHECKING:
    from polycloud.errors import PolycloudError
    from polycloud.storage.syncplan import Action

__all__ = ["run"]

MOST_SHOWN = 20
Place = Location | Path


def run(
    source: Place,
    target: Place,
    *,
    dry_run: bool,
    as_json: bool,
    delete: bool = False,
    include: Any = (),
    exclude: Any = (),
    most_deleted: float = 1.0,
    limit: int = 8,
) -> None:
    """Sync two places, or with `dry_run` print what a sync would do. Ends with 1 if something failed."""
    here = Location.of(source)
    chosen: dict[str, Any] = {"delete": delete, "include": tuple(include), "exclude": tuple(exclude)}
    if dry_run:
        _show(here, target, chosen, as_json=as_json)
        return
    there = Location.of(target, create=True)
    file = _state_file(here, there, chosen)
    planned = _earlier(file)
    if planned is None:
        with output.asking(f"{here} and {there} for their objects"):
            planned = plan(here, there, file, **chosen)
    else:
        output.note(f"going on with the sync of {planned.header.made_at:%Y-%m-%d %H:%M} UTC")
    assert planned.totals is not None
    with transfers.progress(f"{planned.totals.copies:,} objects", planned.totals.size) as bar:

        def count(action: Action, error: PolycloudError | None) -> None:
            bar.add(action.size if action.do == "copy" else 0)
            if error is not None:
                output.note(f"{action.do} {action.name}: {output.reason(error)}")

        try:
            report = apply(planned, here, there, most_deleted=most_deleted, limit=limit, progress=count)
        except UnsafePlanError:
            planned.remove()  # it would be refused again, whatever was mended since
            raise
    if not report.failed:
        planned.remove()
    _end(report, as_json=as_json)


def _end(report: Report, *, as_json: bool) -> None:
    if as_json:
        output.json(msgspec.to_builtins(report))
    else:
        output.line(report)
    if report.failed:
        shown = [f"{name}: {reason}" for name, reason in report.failed[:MOST_SHOWN]]
        output.fail(f"{len(report.failed):,} failed; run it again to go on", shown)


def _show(here: Location, target: Place, chosen: dict[str, Any], *, as_json: bool) -> None:
    """Print the actions of a plan, as they are."""
    with TemporaryDirectory(prefix="polycloud-sync-") as folder:
        missing = isinstance(target, Path) and not target.expanduser().exists()
        there = Location.of(Path(folder) / "new", create=True) if missing else Location.of(target)
        planned = plan(here, there, Path(folder, "plan"), **chosen)
        if as_json:
            output.json([msgspec.to_builtins(action) for action in planned])
            return
        for action in planned:
            size = f", {transfers.human(action.size)}" if action.do == "copy" else ""
            changing.would(f"{action.do} {action.name} ({action.why}{size})")
        totals = planned.totals
        assert totals is not None
        output.line(
            f"{totals.copies:,} to copy ({transfers.human(totals.size)}), {totals.deletes:,} to delete, "
            f"{totals.same:,} unchanged ({totals.by_checksum:,} compared by checksum, {totals.by_time:,} by "
            "size and time)"
        )


def _earlier(file: Path) -> Plan | None:
    """The plan of a sync that did not end; None if there is none that can be used."""
    try:
        return Plan.unfinished(file)
    except InvalidArgumentError:  # it was ended while it wrote the plan
        return None


def _state_file(here: Location, there: Location, chosen: dict[str, Any]) -> Path:
    """The file that a sync of these places with these settings keeps its plan in."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(home).expanduser() / "polycloud" / "sync"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        message = f"the folder {folder} of plans cannot be made ({error.strerror}); set XDG_STATE_HOME"
        raise InvalidArgumentError(message) from error
    return (
        folder
        / hashlib.sha256(
            repr((str(here), str(there), accounts_of(here, there), chosen)).encode()
        ).hexdigest()[:32]
    )
