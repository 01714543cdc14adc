"""Faults of SSH.

| fault      | what the client gets                                     |
|------------|----------------------------------------------------------|
| `"hang"`   | a TCP connection, and then nothing                       |
| `"deny"`   | a server that rejects every login                        |
| `"refuse"` | connection refused, on every machine, until it is ended  |
"""

from __future__ import annotations

from typing import Literal, get_args

SSHFault = Literal["hang", "deny", "refuse"]


class Faults:
    """The current fault; one thread sets it, another applies it."""

    def __init__(self) -> None:
        self._fault: SSHFault | None = None
        self._left: int | None = None

    def set(self, fault: SSHFault | None, times: int | None) -> None:
        """See `Sandbox.ssh_fault`."""
        if fault is not None and fault not in get_args(SSHFault):
            raise ValueError(f"unknown fault {fault!r}: choose from {', '.join(get_args(SSHFault))}")
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, got {times!r}")
        if fault == "refuse" and times is not None:
            raise ValueError("refused connections cannot be counted: leave out times")
        self._fault, self._left = fault, times

    @property
    def refusing(self) -> bool:
        """Whether SSH ports must be closed."""
        return self._fault == "refuse"

    def take(self) -> SSHFault | None:
        """Return the fault that hits a new connection, and count it."""
        fault = self._fault
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self._fault = self._left = None
        return fault
