"""What fleets on threads and on an event loop have in common: accounts, and methods over all of them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from polycloud.common.driver import BaseDriver
from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node
from polycloud.concurrency.calls import remaining, seconds
from polycloud.dns.base import DNSDriver
from polycloud.errors import InvalidArgumentError
from polycloud.fleet.results import Result
from polycloud.fleet.tasks import FOREVER, Account, Deploy, Method, Task

if TYPE_CHECKING:
    from typing_extensions import TypeVar as WithDefault

    D = WithDefault("D", bound=BaseDriver, default=Any)
else:
    D = TypeVar("D", bound=BaseDriver)

__all__ = ["LIMIT", "AwaitedAccounts", "D", "PlainAccounts", "Running", "abandoned_at", "seconds_until"]

P = ParamSpec("P")
R = TypeVar("R")
Running = list[tuple[Node, list[str]]]
LIMIT = 32
"""The most calls at once, by default."""
GRACE = 2.0
"""Seconds after the deadline in which a call may end by itself before it is abandoned."""


class Each(Generic[P, R]):
    """A driver's method as a method of the fleet: same arguments, one result per account."""

    def __init__(self, method: Callable[Concatenate[Any, P], R]) -> None:
        self.name = method.__name__
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, fleet: None, _: type) -> Self: ...
    @overload
    def __get__(self, fleet: PlainAccounts[Any], _: type) -> Callable[P, Generator[Result[R]]]: ...
    @overload
    def __get__(self, fleet: AwaitedAccounts[Any], _: type) -> Callable[P, AsyncGenerator[Result[R]]]: ...
    def __get__(self, fleet: PlainAccounts[Any] | AwaitedAccounts[Any] | None, _: type) -> Any:
        return self if fleet is None else partial(self._call, fleet)

    def _call(self, fleet: PlainAccounts[Any] | AwaitedAccounts[Any], *args: Any, **kwargs: Any) -> Any:
        return fleet.each(Method(self.name, args, kwargs))


class Accounts(Generic[D]):
    """The accounts of a fleet and the calls on them; see `Fleet` for the arguments."""

    list_nodes = Each(NodeDriver.list_nodes)
    list_sizes = Each(NodeDriver.list_sizes)
    list_images = Each(NodeDriver.list_images)
    list_locations = Each(NodeDriver.list_locations)
    list_key_pairs = Each(NodeDriver.list_key_pairs)
    list_volumes = Each(NodeDriver.list_volumes)
    list_zones = Each(DNSDriver.list_zones)

    def __init__(
        self,
        accounts: Mapping[str, D | Callable[[], D]],
        *,
        limit: int = LIMIT,
        deadline: float | None = None,
    ) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InvalidArgumentError(f"limit must be an int above 0, got {limit!r}")
        if not isinstance(accounts, Mapping):
            raise InvalidArgumentError(
                f"accounts must be a mapping of drivers, got {type(accounts).__name__}"
            )
        for name, account in accounts.items():
            if not isinstance(account, BaseDriver) and not callable(account):
                # Only its type: it may be a key
                raise InvalidArgumentError(
                    f"the account {name!r} must be a driver or a function, got {type(account).__name__}"
                )
        self.accounts: dict[str, Account] = dict(accounts)
        self.limit = limit
        self.deadline = None if deadline is None else seconds("deadline", deadline)

    def task(self, name: str, call: Callable[[D], R]) -> Task[R]:
        """Return the task of a call on one account."""
        if name not in self.accounts:
            known = ", ".join(self.accounts) or "none"
            raise InvalidArgumentError(f"no account is called {name!r}; there are: {known}")
        return Task(name, self.accounts[name], call)

    def total_time(self) -> float:
        """Return the seconds for a round that begins now."""
        return min(FOREVER if self.deadline is None else self.deadline, remaining())

    def everywhere(self, call: Callable[[D], R]) -> list[Task[R]]:
        """Return the tasks of a call on every account."""
        return [self.task(name, call) for name in self.accounts]

    def deployments(self, deploys: Iterable[Deploy], method: Callable[..., Method]) -> list[Task[Node]]:
        """Return the tasks of deployments."""
        return [self.task(one.account, method("deploy_node", (one.step,), one.arguments)) for one in deploys]

    def waits(self, nodes: Mapping[str, Sequence[Node]], options: Mapping[str, Any]) -> list[Task[Running]]:
        """Return the tasks of waits for nodes to run."""
        return [
            self.task(name, Method("wait_until_running", (list(some),), options))
            for name, some in nodes.items()
        ]


class PlainAccounts(Accounts[D]):
    """Accounts whose methods are iterators."""

    def each(self, call: Callable[[D], R]) -> Generator[Result[R]]:
        """Yield the result of `call(driver)` for every account, as they arrive."""
        raise NotImplementedError


class AwaitedAccounts(Accounts[D]):
    """Accounts whose methods are async generators."""

    def each(self, call: Callable[[D], R]) -> AsyncGenerator[Result[R]]:
        """Yield the result of `call(driver)` for every account, as they arrive; `call` is plain code."""
        raise NotImplementedError


def abandoned_at(ends_at: float) -> float:
    """Return when calls with the deadline `ends_at` are abandoned: they get some time to end."""
    return ends_at + GRACE


def seconds_until(end: float) -> float | None:
    """Return the seconds until a time of `time.monotonic()`; None for an infinite one."""
    return None if end == FOREVER else max(0.0, end - time.monotonic())
