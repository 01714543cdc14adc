"""Chooses the isolation of machines that this computer allows."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from polycloud.sandbox.machines import addresses
from polycloud.sandbox.machines.isolation import Isolation, Machine, MachineError, loopback_problem

CHOICES = ("auto", "namespaces", "user-namespaces", "folder", "off")
"""The names that `choose` accepts: "auto" is the first of the next three that works here."""


class NoMachines(Isolation):
    """No machines: servers and their addresses exist in the cloud's state only."""

    def __init__(self, title: str) -> None:
        super().__init__(title, None, tuple(addresses.public()))

    def machine(self, name: str, address: str) -> Machine:
        """Raise MachineError."""
        raise MachineError(self.title)


def choose(name: str, *, no_isolation: bool) -> Isolation:
    """Return the isolation of that name, or for "auto" the best that works here.

    Args:
        name: one of `CHOICES`.
        no_isolation: whether "folder" may run commands on this computer itself.

    Raises:
        MachineError: an isolation was named and does not work here.
    """
    if name == "off":
        return NoMachines("off")
    if importlib.util.find_spec("asyncssh") is None:
        return _give_up(name, "SSH needs asyncssh: pip install 'polycloud[deploy]'")
    from polycloud.sandbox.machines import folder, namespaces

    candidates: dict[str, tuple[Callable[[], str | None], Callable[[str], Isolation]]] = {
        "namespaces": (namespaces.problem_of_root, lambda _: namespaces.RootNamespaces()),
        "user-namespaces": (namespaces.problem_of_users, namespaces.UserNamespaces),
        "folder": (loopback_problem, lambda why: folder.Folders(why, no_isolation=no_isolation)),
    }
    problems: list[str] = []
    for candidate, (find_problem, create) in candidates.items():
        if name in {"auto", candidate}:
            problem = find_problem()
            if problem is None:
                return create("; ".join(problems))
            problems.append(f"{candidate}: {problem}")
    return _give_up(name, "; ".join(problems))


def _give_up(name: str, reason: str) -> Isolation:
    if name != "auto":
        raise MachineError(reason)
    return NoMachines(f"none ({reason})")
