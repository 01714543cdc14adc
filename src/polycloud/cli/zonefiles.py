"""Files of zones at a shell: which there are in a folder, whose they are, and their formats."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.dns.objects import Zone
    from polycloud.dns.wanted import WantedZone

__all__ = ["ZoneFile", "found", "save", "text_of"]

STANDARD = "-"
"""Standard input."""
NAMED = re.compile(r"db\.(?P<begin>.+)|(?P<end>.+)\.(?:zone|db|bind)", re.IGNORECASE)
"""Names of zone files: `db.example.com`, `example.com.zone`."""
SAYS_DOMAIN = re.compile(r"^\s*\$ORIGIN\s|\sSOA\s", re.IGNORECASE | re.MULTILINE)


class ZoneFile:
    """A file of a zone, or standard input."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._standard: str | None = None

    def read(self, domain: str | None = None) -> WantedZone:
        """Return the zone, of this domain or of that which the file or its name says.

        Raises `InvalidArgumentError`, with the line, for what is not valid, and if there is no record: the
        program that should have written it may have failed.
        """
        wanted = self._read(domain)
        if not wanted.records:
            raise InvalidArgumentError(f"{self.path} has no records; `dns zones delete` deletes a zone")
        return wanted

    def _read(self, domain: str | None) -> WantedZone:
        from polycloud.dns.lines import read_source
        from polycloud.dns.zonefile import from_bind

        if self.path == STANDARD:
            if self._standard is None:
                self._standard = sys.stdin.read() if sys.stdin else ""
            return from_bind(self._standard, domain)
        path = Path(self.path)
        text, _ = read_source(path)
        return from_bind(path, domain or (None if SAYS_DOMAIN.search(text) else _domain(path)))


def found(paths: Sequence[str]) -> list[ZoneFile]:
    """Return the files that are named, and those with the name of a zone file in a folder that is.

    Raises `InvalidArgumentError` for a folder without one.
    """
    return [ZoneFile(one) for path in paths for one in _files(path)]


def _files(path: str) -> Iterator[str]:
    if path == STANDARD or not Path(path).expanduser().is_dir():
        yield path
        return
    folder = Path(path).expanduser()
    names = sorted(one for one in folder.iterdir() if _domain(one) and one.is_file())
    if not names:
        raise InvalidArgumentError(
            f"the folder {path} has no zone files, such as example.com.zone or db.example.com"
        )
    yield from map(str, names)


def _domain(path: Path) -> str | None:
    """Return the domain in the name of a file; None if it has none."""
    match = NAMED.fullmatch(path.name)
    return match and (match["begin"] or match["end"])


def text_of(zone: Zone) -> str:
    """Return a zone as the text of a file."""
    return zone.export_to_bind_format()


def save(text: str, path: str, *, force: bool) -> None:
    """Write a file. Raises `InvalidArgumentError` if it exists, unless with `force`."""
    try:
        with Path(path).expanduser().open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidArgumentError(f"{path} exists; give --force to replace it") from None
    except OSError as error:
        raise InvalidArgumentError(f"{path} cannot be written: {error.strerror}") from error
