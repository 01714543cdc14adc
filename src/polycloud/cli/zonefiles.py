"""Files of zones at a shell: which there are in a folder, whose they are, and their formats."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from polycloud.cli.output import visible
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.dns.objects import Zone
    from polycloud.dns.wanted import WantedZone

__all__ = ["FileFormat", "ZoneFile", "format_of", "found", "save", "text_of"]

STANDARD = "-"
"""Standard input."""
NAMED = re.compile(r"db\.(?P<begin>.+)|(?P<end>.+)\.(?:zone|db|bind|ya?ml|json)", re.IGNORECASE)
"""Names of files of zones: `db.example.com`, `example.com.zone`, `example.com.yaml`."""
SAYS_DOMAIN = re.compile(r"^\s*\$ORIGIN\s|\sSOA\s", re.IGNORECASE | re.MULTILINE)


class FileFormat(StrEnum):
    """The format of a file of a zone: a zone file, octoDNS's YAML, or the same in JSON."""

    BIND = "bind"
    YAML = "yaml"
    JSON = "json"


SUFFIXES = {".yaml": FileFormat.YAML, ".yml": FileFormat.YAML, ".json": FileFormat.JSON}
"""The formats that the end of a name says; all others are zone files."""


def format_of(path: str | None, asked: FileFormat | None) -> FileFormat:
    """Return the format of a file: the one that was asked for, or that which its name says."""
    return asked or SUFFIXES.get(Path(path or "").suffix.lower(), FileFormat.BIND)


class ZoneFile:
    """A file of a zone, or standard input; `target` is the provider's name in octoDNS's configuration."""

    def __init__(self, path: str, asked: FileFormat | None = None, target: str | None = None) -> None:
        self.path, self._target = path, target
        self._format = format_of(path, asked)
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
        from polycloud.dns.octoyaml import from_octodns
        from polycloud.dns.zonefile import from_bind

        source: str | Path = Path(self.path)
        if self.path == STANDARD:
            if self._standard is None:
                self._standard = sys.stdin.read() if sys.stdin else ""
            source = self._standard
        if self._format is not FileFormat.BIND:
            return from_octodns(source, domain or _domain(self.path), target=self._target)
        text, _ = read_source(source)
        return from_bind(source, domain or (None if SAYS_DOMAIN.search(text) else _domain(self.path)))


def found(paths: Sequence[str], asked: FileFormat | None = None, target: str | None = None) -> list[ZoneFile]:
    """Return the files that are named, each once, and those with the name of a zone's file in a folder.

    Raises `InvalidArgumentError` for a folder without one.
    """
    names = dict.fromkeys(one for path in paths for one in _files(path))
    return [ZoneFile(one, asked, target) for one in names]


def _files(path: str) -> Iterator[str]:
    if path == STANDARD or not Path(path).expanduser().is_dir():
        yield path
        return
    folder = Path(path).expanduser()
    names = sorted(one for one in folder.iterdir() if "." in (_domain(one.name) or "") and one.is_file())
    if not names:
        raise InvalidArgumentError(
            f"the folder {path} has no files of zones, such as example.com.zone or example.com.yaml"
        )
    yield from map(str, names)


def _domain(path: str) -> str | None:
    """Return the domain in the name of a file; None if it has none."""
    match = NAMED.fullmatch(Path(path).name)
    return match and (match["begin"] or match["end"])


def text_of(zone: Zone, form: FileFormat) -> str:
    """Return a zone as the text of a file."""
    if form is FileFormat.BIND:
        return zone.export_to_bind_format()
    import yaml

    from polycloud.dns.octoyaml import to_octodns

    text = to_octodns(zone)
    if form is FileFormat.YAML:
        return text
    return visible(json.dumps(yaml.safe_load(text), ensure_ascii=False, indent=2)) + "\n"


def save(text: str, path: str, *, force: bool) -> None:
    """Write a file. Raises `InvalidArgumentError` if it exists, unless with `force`."""
    try:
        with Path(path).expanduser().open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidArgumentError(f"{path} exists; give --force to replace it") from None
    except OSError as error:
        raise InvalidArgumentError(f"{path} cannot be written: {error.strerror}") from error
