"""What a machine is, and which kind of machine this computer allows."""

from __future__ import annotations

import importlib.util
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network

from polycloud.sandbox.machines import addresses

CHOICES = ("auto", "namespaces", "user-namespaces", "folder", "off")
"""What `choose` takes: "auto" is the first of the next three that works here."""


class MachineError(Exception):
    """A machine, or the wanted kind of machines, does not work on this computer."""


class Machine(ABC):
    """One machine. Its calls may block for a moment; none is made while another runs.

    Attributes:
        root: where its files lie for this process, while it runs.
        home: the home directory of its user, as the machine sees it.
        workplace: the folder in which to start its commands, for this process; None does not matter.
        environment: what its commands find in their environment whoever logs in.
        refusal: why it runs no commands; None if it does.
    """

    root: str
    home: str = "/root"
    workplace: str | None = None
    environment: dict[str, str]
    refusal: str | None = None

    @abstractmethod
    def boot(self) -> None:
        """Begin to run, with the files of the last time. Raises MachineError."""

    @abstractmethod
    def halt(self) -> None:
        """End all its processes, keep its files."""

    @abstractmethod
    def remove(self) -> None:
        """Forget its files and give back its address; it has been halted."""

    @abstractmethod
    def listen(self) -> socket.socket:
        """A listening TCP socket at its address, for SSH. Raises OSError."""

    @abstractmethod
    def command(self, arguments: Sequence[str], *, terminal: bool) -> list[str]:
        """What this process must start, in a session of its own, to have that command run in the machine.

        With `terminal`, in no session of its own and with a terminal as input, which then is the command's.
        """

    @abstractmethod
    def leader(self, process: int) -> int:
        """The process group of a command whose start has given this process."""

    @abstractmethod
    def terminal(self) -> tuple[int, int]:
        """File descriptors of a new terminal of the machine: this process's side and the command's."""


class Isolation(ABC):
    """A kind of machines, for one sandbox.

    Attributes:
        title: what was chosen, and why nothing better, for people.
        ssh_port: the port of SSH on every machine; None if there are no machines.
    """

    title: str
    ssh_port: int | None

    @abstractmethod
    def networks(self) -> Iterator[IPv4Network]:
        """The /24 networks whose addresses machines may have, from the first one each time."""

    @abstractmethod
    def machine(self, name: str, address: str) -> Machine:
        """A new machine, which does not run yet. Raises MachineError."""


class NoMachines(Isolation):
    """No machines: servers are entries in lists, as their addresses are."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.ssh_port = None

    def networks(self) -> Iterator[IPv4Network]:
        """The networks to choose addresses from."""
        return addresses.public()

    def machine(self, name: str, address: str) -> Machine:
        """A new machine."""
        raise MachineError(self.title)


def choose(wanted: str, *, no_isolation: bool) -> Isolation:
    """The wanted kind, or for "auto" the best that works here.

    Args:
        wanted: one of `CHOICES`.
        no_isolation: whether the kind "folder" may run commands on this computer itself.

    Raises:
        MachineError: a kind was named and does not work here.
    """
    if wanted == "off":
        return NoMachines("off")
    if importlib.util.find_spec("asyncssh") is None:
        reason = "SSH needs asyncssh: pip install 'polycloud[deploy]'"
        return _give_up(wanted, reason)
    return _try_all(wanted, no_isolation=no_isolation)


def _try_all(wanted: str, *, no_isolation: bool) -> Isolation:
    from polycloud.sandbox.machines import folder, namespaces

    tries: dict[str, tuple[Callable[[], str | None], Callable[[str], Isolation]]] = {
        "namespaces": (namespaces.problem_of_root, lambda _: namespaces.RootNamespaces()),
        "user-namespaces": (namespaces.problem_of_users, namespaces.UserNamespaces),
        "folder": (folder.problem, lambda why: folder.Folders(why, no_isolation=no_isolation)),
    }
    problems: list[str] = []
    for name, (problem, kind) in tries.items():
        if wanted in {"auto", name}:
            reason = problem()
            if reason is None:
                return kind("; ".join(problems))
            problems.append(f"{name}: {reason}")
    return _give_up(wanted, "; ".join(problems))


def _give_up(wanted: str, reason: str) -> Isolation:
    if wanted != "auto":
        raise MachineError(reason)
    return NoMachines(f"none ({reason})")


def listen(address: str, port: int) -> socket.socket:
    """A listening TCP socket that does not block. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def loopback_problem() -> str | None:
    """Why machines cannot have loopback addresses of their own; None if they can."""
    if sys.platform != "linux":
        return "needs Linux"
    try:
        with socket.socket() as probe:
            probe.bind((str(next(addresses.loopback())[1]), 0))
    except OSError:
        return "this system has no loopback addresses beside 127.0.0.1"
    return None
