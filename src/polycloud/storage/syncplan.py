"""The plan of a sync: what is to be copied and deleted, in a file that can be read, kept and applied later.

The idea: both lists are sorted, so one pass over the two, as in a merge, finds what differs, and holds one
entry of each. The actions go to a file as they are found, so a plan of a million is no larger in memory than
one of ten. A second file beside it, the journal, gets a line for each action that was carried out. Whoever
applies the plan again, in another process after a crash, leaves out what the journal has.

The files are lines of JSON: the plan's first line says between which places it is, its last one what it adds
up to; without that it is incomplete, and made anew. A journal whose last line says so has come to its end:
what failed is then compared anew, since it may have changed or be gone.
"""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from polycloud.common.arguments import require_bool
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.locations import Entry, Location
from polycloud.storage.resuming import opened_alone, require_path
from polycloud.utils.values import shown

__all__ = ["Action", "Journal", "Plan", "Totals", "accounts_of"]

FORMAT = "polycloud sync plan 2"
DONE = b" done"
"""How the lines of a journal end, so that one that was cut is not taken for another number."""
ENDED = b"ended\n"
"""The last line of a journal when every action was tried."""
DIGITS = 18


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object to copy or to delete; `why` is "new", "size", "content", "newer" or "gone"."""

    do: Literal["copy", "delete"]
    name: str
    why: str
    size: int = 0
    md5: str = ""
    modified: datetime | None = None


class Header(msgspec.Struct, frozen=True):
    """The first line of a plan: its places, a digest of their accounts, and the choices of who made it."""

    format: str
    source: str
    target: str
    accounts: str
    made_at: datetime
    delete: bool
    include: list[str]
    exclude: list[str]

    def has_choices(self, delete: bool, include: Sequence[str], exclude: Sequence[str]) -> bool:
        """Return whether the plan was made with these."""
        return (self.delete, self.include, self.exclude) == (delete, list(include), list(exclude))


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

    @property
    def actions(self) -> int:
        """How many actions the plan has."""
        return self.copies + self.deletes

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
        found = 0
        try:
            with self.file.open("rb") as lines:
                next(lines)
                for number, line in enumerate(lines):
                    if line.startswith(b'{"copies"'):
                        break
                    yield number, decode(line)
                    found = number + 1
        except (OSError, StopIteration, msgspec.DecodeError) as error:
            raise InvalidArgumentError(f"the plan {self.file} cannot be read, delete it: {error}") from error
        if self.totals is not None and found != self.totals.actions:
            raise InvalidArgumentError(f"the plan {self.file} lacks some of its actions; delete it")

    @property
    def journal_file(self) -> Path:
        """The file that says what was carried out."""
        return _journal_of(self.file)

    @property
    def has_ended(self) -> bool:
        """Whether every action was tried: those that failed may need to be other ones by now."""
        try:
            with self.journal_file.open("rb") as lines:
                lines.seek(-min(len(ENDED), lines.seek(0, os.SEEK_END)), os.SEEK_END)
                return lines.read() == ENDED
        except OSError:  # there is none, or it cannot be read: whoever applies the plan says so
            return False

    def remove(self) -> None:
        """Delete the plan, its journal, and what remembers copies in parts."""
        parts = self.file.parent.glob(f"{glob.escape(self.file.name)}.*.upload")
        for file in (self.file, self.journal_file, *parts):
            file.unlink(missing_ok=True)

    @classmethod
    def unfinished(cls, file: Path) -> Plan | None:
        """Return the plan that an earlier sync left; None if there is none that can be gone on with."""
        if not file.exists() or not file.stat().st_size:
            return None
        found = cls(file)
        return None if found.totals is None or found.has_ended else found

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
        path = require_path(file, "file")
        if path is None:
            raise InvalidArgumentError("file must be the path of a file, got None")
        header = Header(
            FORMAT,
            str(source),
            str(target),
            accounts_of(source, target),
            datetime.now(UTC),
            require_bool("delete", delete),
            _patterns("include", include),
            _patterns("exclude", exclude),
        )
        unfinished = path.with_name(f"{path.name}.new")
        with _alone(path) as journal:
            try:
                with unfinished.open("wb") as lines:
                    _write(lines, header, source, target, path)
                path.unlink(missing_ok=True)  # before its journal is emptied, which belongs to it
                journal.truncate(0)
                unfinished.replace(path)
            except OSError as error:
                raise InvalidArgumentError(f"the plan {file} cannot be written: {error.strerror}") from error
            finally:
                unfinished.unlink(missing_ok=True)
                if not path.exists():  # it was not made
                    _journal_of(path).unlink(missing_ok=True)
        return cls(path)


class Journal:
    """What was carried out of a plan: a line for each action, with its number.

    `number in journal` says whether an earlier run carried it out, `resumed` whether there was one.
    """

    def __init__(self, file: IO[bytes], actions: int) -> None:
        self._file = file
        self._done = bytearray(actions)  # a byte for each action: a set of a million numbers takes 60 MB
        self.resumed = False
        file.seek(0)
        for line in file:
            self.resumed = True
            number = line.removesuffix(DONE + b"\n")
            if number != line and number.isdigit() and len(number) <= DIGITS and int(number) < actions:
                self._done[int(number)] = True
        self._append(b"\n")  # ends a line that a crash cut

    def __contains__(self, number: int) -> bool:
        return bool(self._done[number])

    def add(self, number: int) -> None:
        """Record that an action was carried out."""
        self._append(b"%d%b\n" % (number, DONE))

    def end(self) -> None:
        """Record that every action was tried."""
        self._append(ENDED)

    def _append(self, line: bytes) -> None:
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
        assert plan.totals is not None
        with _alone(plan.file) as file:
            yield cls(file, plan.totals.actions)


def _journal_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.done")


@contextmanager
def _alone(file: Path) -> Iterator[IO[bytes]]:
    """Open the journal of a plan, and keep other processes from making or applying the plan meanwhile."""
    try:
        journal = opened_alone(_journal_of(file))
    except OSError as error:
        message = f"the plan {file} cannot be written: {error.strerror}"
        raise InvalidArgumentError(message) from error
    if journal is None:
        raise PolycloudError(f"another process is applying the plan {file}")
    with journal:
        yield journal


def accounts_of(source: Location, target: Location) -> str:
    """Return a digest of the accounts of two places: stores may have places of one name in several."""
    drivers = [one.container.driver for one in (source, target)]
    found = [(str(one.type), repr(one.connection.account())) for one in drivers]
    return hashlib.sha256(msgspec.json.encode(found)).hexdigest()


def _patterns(argument: str, given: Any) -> list[str]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{argument} must be a list of patterns, got {shown(given)}")
    patterns = list(given)
    for one in patterns:
        if not isinstance(one, str):
            raise InvalidArgumentError(f"the patterns of {argument} must be texts, got {shown(one)}")
    return patterns


def _write(lines: IO[bytes], header: Header, source: Location, target: Location, file: Path) -> None:
    """Write a plan; what it and its journal are kept in is no part of the places."""
    totals = Totals()
    encode = msgspec.json.Encoder().encode
    lines.write(encode(header) + b"\n")
    ours, theirs = (_Filter(header, one, file)(one.entries()) for one in (source, target))
    for action in _differences(ours, theirs, totals, delete=header.delete):
        totals.add(action)
        lines.write(encode(action) + b"\n")
    lines.write(encode(totals) + b"\n")


class _Filter:
    """Chooses the names that match a pattern of `include` (or all), and none of `exclude`."""

    def __init__(self, header: Header, place: Location, file: Path) -> None:
        self._include, self._exclude = header.include, header.exclude
        self._file = place.name_of(file)

    def __call__(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        chooses = self._include or self._exclude or self._file
        return filter(self._fits, entries) if chooses else iter(entries)

    def _fits(self, entry: Entry) -> bool:
        if self._file and entry.name.startswith(self._file):
            rest = entry.name.removeprefix(self._file)
            if rest in {"", ".new", ".done"} or rest.endswith(".upload"):
                return False
        included = not self._include or any(fnmatch.fnmatchcase(entry.name, one) for one in self._include)
        return included and not any(fnmatch.fnmatchcase(entry.name, one) for one in self._exclude)


def _differences(
    ours: Iterator[Entry], theirs: Iterator[Entry], totals: Totals, *, delete: bool
) -> Iterator[Action]:
    """Yield the actions that make the target like the source, in the order of the names."""
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
