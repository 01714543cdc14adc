"""Host keys of machines: trusted on first use, and remembered.

A key is remembered under the name that the caller gives to the machine, since addresses are recycled and
machines are not. Keys are kept in memory, and in a known_hosts file only if the caller names one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import InvalidArgumentError


@dataclass
class HostKeys:
    """The known host keys by machine, of which each may have several; `file` is a known_hosts file to keep.

    Raises `InvalidArgumentError` if the file cannot be read, or created.
    """

    file: str | None = None
    seen: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._renew()
        renew_after_fork(self)
        self._path = None if self.file is None else Path(self.file).expanduser()
        if self._path is not None and not self._path.exists():
            _append(self._path, "")  # fails now, before a machine is created for it
        elif self._path is not None:
            self.seen.update(_read_known_hosts(self._path))

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in the middle

    def allows(self, machine: str, key: str) -> bool:
        """Return whether `machine` may have `key`: one of its known keys, or any key if it has none."""
        return key in self.seen.get(machine, [key])

    def accept(self, machine: str, key: str) -> bool:
        """Return whether `machine` may have `key`; remember the key of a new machine.

        Raises `InvalidArgumentError` if it cannot be written to `file`.
        """
        with self._lock:
            if machine not in self.seen:
                if self._path is not None:
                    _append(self._path, _known_hosts_line(machine, key))
                self.seen[machine] = [key]
            return self.allows(machine, key)

    def forget(self, machine: str) -> None:
        """Trust the next key of `machine`. A line in `file` stays."""
        self.seen.pop(machine, None)


def _known_hosts_line(machine: str, key: str) -> str:
    if machine.split() != [machine] or "," in machine or machine[0] in "#@|":
        raise InvalidArgumentError(
            f"the name of a machine in a known_hosts file must not have spaces or commas, nor start with "
            f"#, @ or |; got {machine!r}"
        )
    return f"{machine} {key}\n"


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"the known_hosts file {path} cannot be written: {error}") from error


def _read_known_hosts(path: Path) -> dict[str, list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"the known_hosts file {path} cannot be read: {error}") from error
    known: dict[str, list[str]] = {}
    for line in lines:
        # Names, key type, key. Hashed names (|) and markers (@) are never written here
        match line.split():
            case [names, type_, key, *_] if names[0] not in "#@|":
                for name in names.split(","):
                    known.setdefault(name, []).append(f"{type_} {key}")
    return known
