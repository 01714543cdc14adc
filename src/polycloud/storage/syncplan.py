"""The plan of a sync: what is to be copied and deleted, in a file that can be read, kept and applied later.

The idea: both lists are sorted, so one pass over the two, as in a merge, finds what differs, and holds one
entry of each. The actions go to a file as they are found, so a plan of a million is no larger in memory than
one of ten. A second file beside it, the journal, gets a line for each action that was carried out. Whoever
applies the plan again, in another process after a crash, leaves out what the journal has.

The files are lines of JSON: the plan's first line says between which places it is, its last one what it adds
up to; without that it is incomplete, and made anew.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

import msgspec

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.locations import Entry, Location

__all__ = ["Action", "Journal", "Plan", "Totals"]

FORMAT = "polycloud sync plan 1"
DONE = b" done"
"""How the lines of a journal end, so that one that was cut is not taken for another number."""


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object to copy or to delete; `why` is "new", "size", "content", "newer" or "gone"."""

    do: Literal["copy", "delete"]
    name: str
    why: str
    size: int = 0
    md5: str = ""
    modified: datetime | None = None


class Header(msgspec.Struct, frozen=True):
    """The first line of a plan."""

    format: str
    source: str
    target: str
    made_at: datetime


class Totals(msgspec.Struct):
    """What a plan adds up to: objects, and bytes of those to copy.

    `same` are left alone; `by_checksum` and `by_time` say how those on both sides were compared.
    """

    copies: int = 0
    size: int = 0
    deletes: int = 0
    same: int = 0
    by_checksum: int = 0
    by_time: int = 0
    at_target: int = 0

    def add(self, action: Action) -> None:
        """Count an action."""
        if action.do == "copy":
            self.copies += 1
            self.size += action.size
        else:
            self.deletes += 1


class Plan:
    """A plan in a file; iterate over it for its actions. `totals` is None if it is incomplete.

    Raises `InvalidArgumentError` if the file is no plan.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.file = Path(file)
        try:
            with self.file.open("rb") as lines:
                self.header = msgspec.json.decode(next(lines), type=Header)
                if self.header.format != FORMAT:
                    raise InvalidArgumentError(f"{self.file} must be a plan of this version ({FORMAT})")
                self.totals = _totals(lines)
        except OSError as error:
            raise InvalidArgumentError(f"the plan {self.file} cannot be read: {error.strerror}") from error
        except (StopIteration, msgspec.DecodeError) as error:
            raise InvalidArgumentError(f"{self.file} is not a plan: {error}") from error

    def __iter__(self) -> Iterator[Action]:
        for _, action in self.numbered():
            yield action

    def numbered(self) -> Iterator[tuple[int, Action]]:
        """Yield the actions with their numbers, from 0."""
        decode = msgspec.json.Decoder(Action).decode
        with self.file.open("rb") as lines:
            next(lines)
            for number, line in enumerate(lines):
                if line.startswith(b'{"copies"'):
                    return
                yield number, decode(line)

    @property
    def journal_file(self) -> Path:
        """The file that says what was carried out."""
        return self.file.with_name(f"{self.file.name}.done")

    def remove(self) -> None:
        """Delete the plan, its journal, and what remembers copies in parts."""
        for file in (self.file, self.journal_file, *self.file.parent.glob(f"{self.file.name}.*.upload")):
            file.unlink(missing_ok=True)

    @classmethod
    def unfinished(cls, file: Path) -> Plan | None:
        """Return the plan that an earlier sync left; None if there is none, or an incomplete one."""
        if not file.exists() or not file.stat().st_size:
            return None
        found = cls(file)
        return found if found.totals is not None else None

    @classmethod
    def make(
        cls,
        source: Location,
        target: Location,
        file: str | os.PathLike[str],
        *,
        delete: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> Plan:
        """Compare two locations and write the plan; see `polycloud.storage.syncing.plan`."""
        if source.overlaps(target):
            raise InvalidArgumentError(f"{source} and {target} must not be within each other")
        chosen = _Filter(include, exclude)
        totals = Totals()
        encode = msgspec.json.Encoder().encode
        try:
            with Path(file).open("wb") as lines:
                header = Header(FORMAT, str(source), str(target), datetime.now(UTC))
                lines.write(encode(header) + b"\n")
                for action in _differences(source, target, chosen, totals, delete=delete):
                    totals.add(action)
                    lines.write(encode(action) + b"\n")
                lines.write(encode(totals) + b"\n")
        except OSError as error:
            raise InvalidArgumentError(f"the plan {file} cannot be written: {error.strerror}") from error
        plan = cls(file)
        plan.journal_file.unlink(missing_ok=True)
        return plan


class Journal:
    """What was carried out of a plan: a line for each action, with its number.

    `number in journal` says whether an earlier run carried it out, `resumed` whether there was one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._done = bytearray()  # a byte for each action: a set of a million numbers takes 60 MB
        self.resumed = False
        file.seek(0)
        for line in file:
            self.resumed = True
            if line.endswith(DONE + b"\n"):
                number = int(line[: -len(DONE) - 1])
                self._done.extend(bytes(max(0, number + 1 - len(self._done))))
                self._done[number] = True
        file.write(b"\n")  # ends a line that a crash cut

    def __contains__(self, number: int) -> bool:
        return number < len(self._done) and bool(self._done[number])

    def add(self, number: int) -> None:
        """Record that an action was carried out."""
        line = b"%d%b\n" % (number, DONE)
        try:
            complete = self._file.write(line) == len(line)
        except OSError:
            complete = False
        if not complete:
            raise PolycloudError(f"the journal {self._file.name} cannot be written; is the disk full?")

    @classmethod
    @contextmanager
    def opened(cls, plan: Plan) -> Iterator[Journal]:
        """Open the journal of a plan. Raises `PolycloudError` if another process is applying the plan."""
        import fcntl

        with plan.journal_file.open("a+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise PolycloudError(f"another process is applying the plan {plan.file}") from None
            yield cls(file)


class _Filter:
    """Chooses the names that match a pattern of `include` (or all), and none of `exclude`."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include, self._exclude = tuple(include), tuple(exclude)

    def __call__(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        return filter(self._fits, entries) if self._include or self._exclude else iter(entries)

    def _fits(self, entry: Entry) -> bool:
        included = not self._include or any(fnmatch.fnmatchcase(entry.name, one) for one in self._include)
        return included and not any(fnmatch.fnmatchcase(entry.name, one) for one in self._exclude)


def _differences(
    source: Location, target: Location, chosen: _Filter, totals: Totals, *, delete: bool
) -> Iterator[Action]:
    """Yield the actions that make the target like the source, in the order of the names."""
    ours, theirs = chosen(source.entries()), chosen(target.entries())
    mine, other = next(ours, None), next(theirs, None)
    while mine or other:
        first, second = mine and mine.name.encode(), other and other.name.encode()
        if mine and (second is None or (first is not None and first < second)):
            yield _copy(mine, "new")
            mine = next(ours, None)
            continue
        assert other is not None
        totals.at_target += 1
        if mine is None or first != second:
            if delete:
                yield Action("delete", other.name, "gone", other.size)
        elif why := _difference(mine, other, totals):
            yield _copy(mine, why)
        else:
            totals.same += 1
        if first == second:
            mine = next(ours, None)
        other = next(theirs, None)


def _copy(entry: Entry, why: str) -> Action:
    return Action("copy", entry.name, why, entry.size, entry.md5, entry.modified)


def _difference(mine: Entry, other: Entry, totals: Totals) -> str:
    """Return why an object must be copied again; "" if both are the same."""
    if mine.md5 and other.md5:
        totals.by_checksum += 1
        return "content" if mine.md5 != other.md5 else ""
    totals.by_time += 1
    if mine.size != other.size:
        return "size"
    unknown = mine.modified is None or other.modified is None
    return "newer" if unknown or mine.modified > other.modified else ""  # type: ignore[operator] # known here


def _totals(lines: IO[bytes]) -> Totals | None:
    """Return the totals in the last line of a file; None if it has another last line."""
    lines.seek(0, os.SEEK_END)
    size = lines.tell()
    lines.seek(max(0, size - 4096))
    last = lines.read().rstrip(b"\n").rpartition(b"\n")[2]
    try:
        return msgspec.json.decode(last, type=Totals) if last.startswith(b'{"copies"') else None
    except msgspec.DecodeError:
        return None
