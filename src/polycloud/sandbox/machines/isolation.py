"""The machines behind the servers of a sandbox, as the other modules know them, whatever isolates them."""

from __future__ import annotations

import os
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from polycloud.sandbox.machines import addresses


class MachineError(Exception):
    """A machine, or the chosen isolation, does not work on this computer."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may log in to a machine.

    Attributes:
        username: the only user.
        public_keys: lines such as "ssh-ed25519 AAAA... comment".
        passwords: in plain text.
    """

    username: str = "root"
    public_keys: tuple[str, ...] = ()
    passwords: tuple[str, ...] = field(default=(), repr=False)


class Machine(ABC):
    """One machine. Its methods may block for up to a second, and are never called concurrently.

    Args:
        address: where it listens for SSH.
        port: on which port.

    Attributes:
        root: the path of its root directory for this process, while it runs.
        home: the home directory of its user, as a path on the machine.
        workplace: the directory for this process in which its commands start; None if any will do.
        environment: the environment variables of its commands, for every user.
        refusal: why it runs no commands; None if it runs them.
    """

    root: str
    home: str = "/root"
    workplace: str | None = None
    environment: dict[str, str]
    refusal: str | None = None

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port

    @abstractmethod
    def boot(self) -> None:
        """Start to run, with the files of the previous run. Raises MachineError."""

    @abstractmethod
    def halt(self) -> None:
        """End all its processes, keep its files."""

    @abstractmethod
    def remove(self) -> None:
        """Delete its files and release its address; it has been halted."""

    def listen(self) -> socket.socket:
        """Return a listening TCP socket at its address, for SSH. Raises OSError."""
        return listen(self._address, self._port)

    @abstractmethod
    def command(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """Return the command that this process must start to have the given command run in the machine.

        Start it in a session of its own; but with `terminal` in this process's session, with a terminal as
        standard input, which becomes the controlling terminal of the given command.
        """

    @abstractmethod
    def leader(self, process: int) -> int:
        """Return the process group of a command; `process` is what starting it has returned."""

    @abstractmethod
    def terminal(self) -> tuple[int, int]:
        """Return file descriptors of a new terminal of the machine: this process's end, the command's end."""


class Isolation(ABC):
    """A way to isolate machines, for one sandbox.

    Args:
        title: which one it is, and why no better one was chosen, as a text for people.
        ssh_port: the SSH port of every machine; None if there are no machines.
        networks: the /24 networks whose addresses machines may have.
    """

    def __init__(self, title: str, ssh_port: int | None, networks: Iterable[IPv4Network]) -> None:
        self.title, self.ssh_port, self._networks = title, ssh_port, networks

    def networks(self) -> Iterator[IPv4Network]:
        """Return the networks to choose addresses from, each time from the first one."""
        return iter(self._networks)

    @abstractmethod
    def machine(self, name: str, address: str) -> Machine:
        """Create a machine, which does not run yet. Raises MachineError."""


def listen(address: str, port: int) -> socket.socket:
    """Return a listening TCP socket that does not block. Raises OSError."""
    # asyncio sets TCP_NODELAY only if the protocol is named; without it each response waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would allow to take a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def loopback_problem() -> str | None:
    """Return why machines cannot have loopback addresses of their own; None if they can."""
    if sys.platform != "linux":
        return "needs Linux"
    try:
        with socket.socket() as probe:
            probe.bind((str(next(addresses.loopback())[1]), 0))
    except OSError:
        return "this system has no loopback addresses beside 127.0.0.1"
    return None
