"""Records that are read from a file: which line each comes from, and the error that names it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from polycloud.dns.content import DNSSEC, SINGLE, Content
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError

__all__ = ["LinedZone", "ZoneFileError", "read_source"]

FILE_NAME = re.compile(r"[^\s;$:{}\[\]]*[^\s;$:{}\[\].-][^\s;$:{}\[\]]*")
"""Text that is not a zone in any format, and may be meant as the name of a file."""


class ZoneFileError(InvalidArgumentError):
    """A file of a zone is not valid, at `line` (from 1, 0 if it is about the whole) of `path`.

    `path` is "" for text that is in no file.
    """

    def __init__(self, reason: object = "", path: str = "", line: int = 0) -> None:
        where = position(path, line)
        super().__init__(f"{where}: {reason}" if where else reason)
        self.path = path
        self.line = line


class LinedZone:
    """The zone that a file wants: `add` takes one record of it after another, with its line.

    Unlike `WantedZone`, it refuses what cannot be beside another record: a file has no more than DNS, in
    which a name has each value once. A CNAME may be beside other data if one of both is lenient, as some
    providers allow it.
    """

    def __init__(self, domain: str, path: str, ttl: int | None = None) -> None:
        self.wanted = WantedZone(domain, ttl)
        self._path = path
        self._lines: dict[str, dict[str, dict[str, int]]] = {}
        self._lenient: set[tuple[str, str]] = set()

    def add(
        self,
        line: int,
        name: str,
        type_: RecordType | str,
        data: str,
        extra: dict[str, Any] | None = None,
        *,
        lenient: bool = False,
    ) -> None:
        """Add a record. Raises `ZoneFileError` for what no zone can have."""
        where = position(self._path, line)
        try:
            self.wanted.add(name, type_, data, extra, lenient=lenient, where=where)
        except InvalidArgumentError as error:
            raise ZoneFileError(error.__cause__, self._path, line) from error
        content = self.wanted.records[-1].content
        if lenient:
            self._lenient.add((content.name, content.type))
        reason = self._conflict(content)
        if reason:
            raise ZoneFileError(reason, self._path, line)
        self._lines[content.name].setdefault(content.type, {})[content.rdata] = line

    def _conflict(self, content: Content) -> str:
        """Return why a record cannot be beside those that its name has; "" if it can."""
        name, beside = content.name or "@", self._lines.setdefault(content.name, {})
        own = beside.get(content.type, {})
        if content.type == RecordType.SOA and content.name:
            return f"the SOA record must be that of the zone itself, got one of {name!r}"
        if content.rdata in own:
            return f"{name!r} has this {content.type} record already, on line {own[content.rdata]}"
        if content.type in SINGLE and own:
            line = max(own.values())
            return f"{name!r} has a record of type {content.type} on line {line}, and can have one only"
        for other, lines in beside.items():
            both = {other, content.type}
            is_lenient = any((content.name, one) in self._lenient for one in both)
            if other != content.type and RecordType.CNAME in both and not both & DNSSEC and not is_lenient:
                return (
                    f"{name!r} has a record of type {other} on line {max(lines.values())}, beside which no "
                    f"{content.type} record can stand: a CNAME must be alone"
                )
        return ""


def position(path: str, line: int) -> str:
    """Return how messages name a line of a file, or of text that is in no file."""
    parts = [path] if path else []
    if line:
        parts.append(str(line) if path else f"line {line}")
    return ":".join(parts)


def read_source(source: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the text of a file and its path; a str is the text itself, and "" its path.

    Raises `InvalidArgumentError` if the file cannot be read.
    """
    if isinstance(source, str):
        if FILE_NAME.fullmatch(source):
            raise ZoneFileError(f"this is no zone; write Path({source!r}) if it is a file", "", 1)
        try:
            source.encode()
        except UnicodeEncodeError as error:
            line = source.count("\n", 0, error.start) + 1
            raise ZoneFileError(f"the text must be UTF-8: {error.reason}", "", line) from error
        return source.removeprefix("\ufeff"), ""
    if not isinstance(source, os.PathLike):
        raise InvalidArgumentError(f"source must be the text of a zone or the Path of a file, got {source!r}")
    path = Path(source).expanduser()
    try:
        return path.read_text(encoding="utf-8-sig"), str(source)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ZoneFileError(f"the file must be UTF-8: {error.reason}", str(source), line) from error
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"the zone file {source} cannot be read: {error}") from error
