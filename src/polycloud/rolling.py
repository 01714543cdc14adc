"""Change the nodes behind a balancer one after another, without a request being lost.

    rolling(balancer, nodes, lambda node: deploy(node, "2.1"))

Each node is taken out of the balancer once its connections have ended, changed by a function, attached again
with the port, the weight and the other settings that it had, and waited for until the balancer has found that
it takes connections. The first failure ends the round: `RollingError` says which nodes are done, which
failed, and which were not touched. A node that failed stays out of the balancer.

It is plain code: on an event loop, `await cloud.run(rolling, balancer, nodes, do)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from inspect import isawaitable
from typing import Any, Generic, TypeVar

from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.loadbalancer.base import Addressed, Driver, LoadBalancer, Member, addresses_of
from polycloud.loadbalancer.checks import address_of, same_member, spelled
from polycloud.loadbalancer.draining import require_draining
from polycloud.loadbalancer.types import (
    BalancerError,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    MemberHealth,
)
from polycloud.utils.values import shown

__all__ = ["RollingError", "Step", "rolling"]

N = TypeVar("N", bound=Addressed | Member)
IDLE = frozenset({MemberHealth.DOWN, MemberHealth.STARTING, MemberHealth.DRAINING})
"""The health of members that get no connections."""


class Step(StrEnum):
    """What is being done with a node; `on_step` gets it when it begins."""

    TAKING_OUT = "taking out"
    CHANGING = "changing"
    PUTTING_BACK = "putting back"
    DONE = "done"


class RollingError(PolycloudError):
    """A node failed, and the round ended.

    `done` are the nodes that were changed and serve, `failed` those that failed, with `errors`, one for each,
    `left` those that were not touched.
    """

    def __init__(
        self,
        done: Sequence[Any] = (),
        failed: Sequence[Any] = (),
        left: Sequence[Any] = (),
        errors: Sequence[Exception] = (),
        driver: object = None,
    ) -> None:
        self.done, self.failed, self.left = list(done), list(failed), list(left)
        self.errors = list(errors)
        what = "; ".join(
            f"{_name(node)} failed: {error}" for node, error in zip(failed, errors, strict=False)
        )
        super().__init__(f"{what} (done: {_names(done)}; left as they were: {_names(left)})", driver)


def rolling(
    balancer: LoadBalancer,
    nodes: Sequence[N],
    do: Callable[[N], object] | Callable[[N], Awaitable[object]],
    *,
    at_once: int = 1,
    wait_drained: float | None = 60.0,
    timeout: float = 300.0,
    on_step: Callable[[N, Step], None] | None = None,
) -> list[Member]:
    """Take nodes out of a balancer one after another, run `do` with each, and put it back.

    Args:
        balancer: The balancer.
        nodes: Nodes that are its members, or members. A node that is a member at several ports leaves all.
        do: What is to be done with a node, such as a deployment. It returns when the node can serve again, or
            raises. It may be a coroutine function.
        at_once: How many nodes may be out at the same time. One that takes connections is always left: what
            would take out all of them is refused.
        wait_drained: Seconds in which the connections of a node may end: fewer where the provider says that
            there are none left, all of them where it does not. None cuts them, for a provider that cannot
            keep new ones from a node.
        timeout: Seconds in which a node that was put back must be found healthy. Where the provider does not
            look at its health, that is not waited for.
        on_step: Is called with the node and the `Step` that begins.

    Returns:
        The members as they are then.

    Raises:
        InvalidArgumentError: A node is not a member of the balancer, an argument is invalid, or so many nodes
            at once are all that take connections; nothing was done.
        UnsupportedOperationError: The provider does not list, detach or attach members, or cannot keep new
            connections from them and `wait_drained` is not None; nothing was done.
        RollingError: A node failed.
    """
    if not isinstance(balancer, LoadBalancer) or balancer.driver is None:
        raise InvalidArgumentError(f"balancer must be a LoadBalancer with a driver, got {shown(balancer)}")
    if isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1:
        raise InvalidArgumentError(f"at_once must be an int of at least 1, got {shown(at_once)}")
    if not callable(do):
        raise InvalidArgumentError(f"do must be a function, got {shown(do)}")
    if on_step is not None and not callable(on_step):
        raise InvalidArgumentError(f"on_step must be a function, got {shown(on_step)}")
    if isinstance(nodes, str) or not isinstance(nodes, Iterable):
        raise InvalidArgumentError(f"nodes must be a list of nodes or members, got {shown(nodes)}")
    waiting.require_times(timeout)
    if wait_drained is not None:
        waiting.require_times(wait_drained, name="wait_drained")
    require_draining(balancer.driver, wait_drained)
    return _Round(balancer, list(nodes), do, wait_drained, timeout, on_step).run(at_once)


@dataclass
class _Round(Generic[N]):
    """One round over the nodes of a balancer."""

    balancer: LoadBalancer
    nodes: list[N]
    do: Callable[[N], object]
    wait_drained: float | None
    timeout: float
    on_step: Callable[[N, Step], None] | None
    done: list[N] = field(default_factory=list)
    failed: list[N] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    out: list[Member] = field(default_factory=list)
    """Members that are out of the balancer, or about to be."""

    @property
    def driver(self) -> Driver:
        return self.balancer.driver

    def run(self, at_once: int) -> list[Member]:
        turns = [partial(self._turn, node, members) for node, members in self._members(at_once)]
        try:
            if at_once == 1:
                return [member for turn in turns for member in turn()]
            return [member for found in waiting.gather(turns, limit=at_once) for member in found]
        except Exception as error:
            if not self.failed:
                raise
            known = [*self.done, *self.failed]
            left = [node for node in self.nodes if not any(node is one for one in known)]
            raise RollingError(self.done, self.failed, left, self.errors, self.driver) from error
        except BaseException as interruption:
            if at_once > 1 and self.out:  # on threads, which are not interrupted, and end with the program
                names = _names(self.out)
                interruption.add_note(f"may be out of the balancer {self.balancer.name!r}, or drain: {names}")
            raise

    def _members(self, at_once: int) -> list[tuple[N, list[Member]]]:
        """Return each node with its members.

        Raises `InvalidArgumentError` for one that has none, and if so many nodes are all that serve.
        """
        there = self.driver.balancer_list_members(self.balancer)
        found = [(node, [one for one in there if _belongs(one, node)]) for node in self.nodes]
        strangers = [node for node, members in found if not members]
        if strangers:
            names = _names(strangers)
            raise InvalidArgumentError(f"not members of the balancer {self.balancer.name!r}: {names}")
        several = [one for one in there if sum(one in members for _, members in found) > 1]
        if several:
            raise InvalidArgumentError(f"more than one of the nodes is the member {_name(several[0])}")
        serving = [node for node, members in found if not all(map(_is_idle, members))]
        others = [one for one in there if not any(one in members for _, members in found)]
        if 1 < len(serving) <= at_once and all(map(_is_idle, others)):
            raise InvalidArgumentError(
                f"at_once={at_once} would take out {_names(serving)}, and no other member takes connections; "
                f"give at most {len(serving) - 1}"
            )
        return found

    def _turn(self, node: N, members: list[Member]) -> list[Member]:
        try:
            self._take_out(node, members)
            with self._noted(node, "is out of"):
                self._change(node)
                self._tell(node, Step.PUTTING_BACK)
            found = self._put_back(node, members)
        except Exception as error:
            self.failed.append(node)
            self.errors.append(error)
            raise
        self.out = [one for one in self.out if one not in members]
        self.done.append(node)
        self._tell(node, Step.DONE)
        return found

    def _take_out(self, node: N, members: list[Member]) -> None:
        self._tell(node, Step.TAKING_OUT)
        self.out += members
        there = self.driver.balancer_list_members(self.balancer)
        others = [one for one in there if not any(_belongs(one, own) for own in self.out)]
        if all(_is_idle(one) for one in others) and not all(
            _is_idle(one) for one in there if any(_belongs(one, own) for own in members)
        ):
            message = f"{_name(node)} stays in the balancer: no other member takes connections"
            raise BalancerError(message, self.driver, self.balancer.id)
        for number, one in enumerate(members):
            try:
                self.driver.balancer_suspend_member(self.balancer, one, self.wait_drained)
            except BaseException as error:
                if number:
                    error.add_note(f"out of the balancer {self.balancer.name!r}: {_names(members[:number])}")
                raise

    def _change(self, node: N) -> None:
        self._tell(node, Step.CHANGING)
        result = self.do(node)
        if isawaitable(result):
            waiting.run(lambda: result)

    def _put_back(self, node: N, members: list[Member]) -> list[Member]:
        try:
            with self._noted(node, "may be out of"):
                back = [self._attached(_enabled(one)) for one in members]
            watched = [new for old, new in zip(members, back, strict=True) if self._is_watched(old)]
            with self._noted(node, "is not known to be healthy, but back in"):
                if watched:
                    self.driver.wait_until_healthy(self.balancer, watched, timeout=self.timeout)
        except Exception as error:
            self._withdraw(members, error)
            raise
        return back

    def _attached(self, member: Member) -> Member:
        """Attach a member, unless somebody has done so meanwhile; return it."""
        try:
            return self.driver.balancer_attach_member(self.balancer, member)
        except MemberAlreadyExistsError:
            return same_member(self.driver.balancer_list_members(self.balancer), member) or member

    def _is_watched(self, member: Member) -> bool:
        """Return whether the balancer looks at the health of a member, which may get connections."""
        may_serve = _enabled(member).extra.get("condition") != MemberCondition.DISABLED and _weighs(member)
        return self.driver.reports_health and member.health != MemberHealth.UNKNOWN and may_serve

    def _withdraw(self, members: list[Member], error: Exception) -> None:
        """Take members out again that were put back, and are not healthy."""
        for one in members:
            try:
                self.driver.balancer_suspend_member(self.balancer, one)
            except MemberDoesNotExistError:
                continue
            except PolycloudError as refusal:
                error.add_note(f"{_name(one)} could not be taken out again: {refusal}")

    @contextmanager
    def _noted(self, node: N, where: str) -> Iterator[None]:
        """Note in an interruption (Ctrl-C, cancellation) where the node is, as far as the balancer goes."""
        try:
            yield
        except Exception:
            raise
        except BaseException as interruption:
            interruption.add_note(f"{_name(node)} {where} the balancer {self.balancer.name!r}")
            raise

    def _tell(self, node: N, step: Step) -> None:
        if self.on_step is not None:
            self.on_step(node, step)


def _belongs(member: Member, node: Addressed | Member) -> bool:
    """Return whether a listed member is this node, or this member."""
    if isinstance(node, Member):
        if node.ip is None or node.port is None:
            return member.id is not None and member.id == node.id
        return (spelled(member.ip), member.port) == (spelled(node.ip), node.port)
    if not isinstance(node, Addressed):
        raise InvalidArgumentError(f"nodes must be nodes or members, got {shown(node)}")
    addresses = addresses_of(node, private_first=True)
    return member.id == node.id if member.ip is None else spelled(member.ip) in map(spelled, addresses)


def _enabled(member: Member) -> Member:
    """Return a member as it is attached again: with all its settings, but not draining."""
    extra = dict(member.extra)
    if extra.get("condition") == MemberCondition.DRAINING:
        extra["condition"] = MemberCondition.ENABLED
    return Member(member.id, member.ip, member.port, extra=extra)


def _is_idle(member: Member) -> bool:
    condition = member.extra.get("condition", MemberCondition.ENABLED)
    return member.health in IDLE or condition != MemberCondition.ENABLED or not _weighs(member)


def _weighs(member: Member) -> bool:
    """Return whether a member has a share of the connections, which one of weight 0 does not."""
    return member.extra.get("weight") != 0


def _name(node: Any) -> str:
    if isinstance(node, Member):
        return address_of(node)
    return str(getattr(node, "name", None) or getattr(node, "id", node))


def _names(nodes: Sequence[Any]) -> str:
    return ", ".join(map(_name, nodes)) or "none"
