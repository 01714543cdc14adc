"""Members of a balancer as commands name them: by address and port, by id, or by the name of a node."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from polycloud.cli import accounts, finding, output
from polycloud.cli.membertexts import FORM, address, parsed
from polycloud.cli.nouns import BALANCERS, MEMBERS, NODES
from polycloud.cli.resources import Noun
from polycloud.errors import InvalidArgumentError, NotFoundError
from polycloud.loadbalancer.base import addresses_of
from polycloud.loadbalancer.checks import check_port
from polycloud.loadbalancer.objects import LoadBalancer, Member

if TYPE_CHECKING:
    from polycloud.compute.objects import Node
    from polycloud.loadbalancer.base import Driver

__all__ = [
    "Named",
    "Target",
    "attachable",
    "hinting",
    "listed",
    "noun_of",
    "resolved",
    "selected",
]

PORT = re.compile(r"(?P<name>.+):(?P<port>\d+)", re.DOTALL)


# Nodes


class Named(NamedTuple):
    """A node as `--node` names it, and its port."""

    node: Node
    port: int | None

    def member(self, driver: Driver, default: int | None) -> Member:
        """Return the member that it becomes in a new balancer, at its port or the `default` one."""
        addresses = addresses_of(self.node, private_first=driver.prefers_private)
        return Member(self.node.id, addresses[0] if addresses else None, self.port or default)


def resolved(texts: Sequence[str], profile: str | None, provider: str | None) -> list[Named]:
    """Return the nodes that `--node` names, `[PROFILE:]NAME[:PORT]`, by default those of the same account."""
    wanted: dict[str | None, list[tuple[str, int | None]]] = {}
    for text in texts:
        account, name, port = _parts(text)
        wanted.setdefault(account, []).append((name, port))
    found: list[Named] = []
    for account, named in wanted.items():
        chosen = (account, None) if account else (profile, provider)
        with _compute(*chosen) as driver:
            for name, port in named:
                (node,) = finding.find_all(driver, NODES, [name])
                found.append(Named(node, port))
    return found


def _parts(text: str) -> tuple[str | None, str, int | None]:
    """Return the profile, the name and the port of a text."""
    match = PORT.fullmatch(text)
    rest, port = (match["name"], int(match["port"])) if match else (text, None)
    if port is not None:
        check_port(port, f"the port of {text!r}")
    account, colon, name = rest.partition(":")
    if colon and name and account in accounts.configuration().profiles:
        return account, name, port
    return None, rest, port


@contextmanager
def _compute(profile: str | None, provider: str | None) -> Iterator[Any]:
    """Connect to the account's nodes; a note says how to name those of another account."""
    from polycloud.config import ConfigError
    from polycloud.errors import UnknownProviderError

    try:
        with accounts.connect_one(NODES.service, profile, provider) as driver:
            yield driver
    except (ConfigError, UnknownProviderError) as error:
        error.add_note("the nodes of another account are --node PROFILE:NAME")
        raise


# Members of a balancer


@dataclass(frozen=True, slots=True)
class Members(Noun):
    """The noun of the members of one balancer."""

    balancer: str = ""

    def fetch(self, driver: Any, *_: Any) -> list[Member]:
        """Return these members."""
        return listed(finding.find(driver, BALANCERS, self.balancer))


def noun_of(balancer: str) -> Members:
    """Return the noun of the members of a balancer."""
    common = {one.name: getattr(MEMBERS, one.name) for one in fields(MEMBERS)}
    common["lister"] = shlex.join([*MEMBERS.lister.split(), balancer])
    return Members(**common, balancer=balancer)


def listed(balancer: LoadBalancer) -> list[Member]:
    """Return the members of a balancer."""
    with output.asking(f"{balancer.driver.name} for the members of {BALANCERS.title(balancer)}"):
        return balancer.list_members()


def selected(balancer: LoadBalancer, texts: Sequence[str], nodes: Sequence[Named] = ()) -> list[Member]:
    """Return the members with these addresses or ids, and those that these nodes are.

    Raises `NotFoundError` unless it is a member, and `InvalidArgumentError` for an address of several
    members without a port.
    """
    there = listed(balancer)
    whose = BALANCERS.title(balancer)
    found = finding.among(noun_of(balancer.name), there, texts, whose)
    for named in nodes:
        own = [one for one in there if _is_node(one, named) and not any(one is other for other in found)]
        if not own and not any(_is_node(one, named) for one in there):
            raise NotFoundError(404, f"{NODES.title(named.node)} is no member of {whose}")
        found += own
    return found


def _is_node(member: Member, named: Named) -> bool:
    addresses = {address(one) for one in addresses_of(named.node, private_first=True)}
    is_same = address(member.ip) in addresses if member.ip else member.id == named.node.id
    return is_same and named.port in {None, member.port}


class Target(NamedTuple):
    """What is to be attached: its title in messages, and the function that attaches it."""

    title: str
    attach: Callable[[], Member]


def attachable(balancer: LoadBalancer, texts: Sequence[str], nodes: Sequence[Named]) -> list[Target]:
    """Return what these texts and nodes are to a balancer; an address without a port gets the usual one."""
    members = [parsed(text) for text in texts]
    if any(one.ip and one.port is None for one in members):
        port = _usual_port(balancer)
        for one in members:
            one.port = one.port or (port if one.ip else None)
    found = [_target(balancer, MEMBERS.title(one), one) for one in members]
    for named in nodes:
        title = NODES.title(named.node)
        if named.port is None:
            found.append(Target(title, lambda node=named.node: balancer.attach_compute_node(node)))  # type: ignore[misc]
        else:
            found.append(_target(balancer, title, named.member(balancer.driver, None)))
    return found


def _target(balancer: LoadBalancer, title: str, member: Member) -> Target:
    return Target(title, lambda: balancer.attach_member(member))


def _usual_port(balancer: LoadBalancer) -> int | None:
    """Return the port of all members, else that for which the first listener is, else the balancer's."""
    ports = {one.port for one in listed(balancer)}
    if len(ports) == 1 and (port := ports.pop()):
        return port
    listeners = balancer.extra.get("listeners")
    return (listeners[0].member_port or listeners[0].port) if listeners else balancer.port


@contextmanager
def hinting(texts: Sequence[str]) -> Iterator[None]:
    """Let an error about a member that is not an address say how members are named."""
    try:
        yield
    except InvalidArgumentError as error:
        if any(parsed(text).ip is None for text in texts):
            error.add_note(f"MEMBER must be {FORM}; --node NAME is a node by its name")
        raise
