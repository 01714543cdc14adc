"""The calls of a fleet as they go to a thread, an event loop or another machine."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from polycloud.common.driver import BaseDriver
from polycloud.compute.objects import Node
from polycloud.concurrency.calls import call_options, current_call
from polycloud.errors import InvalidArgumentError, OperationTimeoutError, UnsupportedOperationError
from polycloud.fleet.results import Result, dumps_function

if TYPE_CHECKING:
    from polycloud.compute.deployment import Deployment

__all__ = ["Account", "Deploy", "KeyedDeploy", "Method", "Task"]

R = TypeVar("R")
Account = BaseDriver | Callable[[], BaseDriver]
FOREVER = float("inf")
UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError)


@dataclass(frozen=True, slots=True)
class Deploy:
    """One node to deploy: on which account, by which step, and the arguments of `deploy_node`."""

    account: str
    step: Deployment
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Method:
    """A call of a driver's method, which can be pickled."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, driver: Any) -> Any:
        """Call the method. Raises `UnsupportedOperationError` if drivers of this service lack it."""
        method = getattr(driver, self.name, None)
        if method is None:
            service = f"a {driver.service} driver" if driver.service else "the driver"
            raise UnsupportedOperationError(f"{service} of {driver.name} has no {self.name}", driver)
        return method(*self.args, **self.kwargs)

    def parts(self) -> dict[str, Any]:
        """Return the arguments by the names that messages give them."""
        numbered = {f"argument {number} of {self.name}": arg for number, arg in enumerate(self.args, 1)}
        return numbered | {f"{name}= of {self.name}": value for name, value in self.kwargs.items()}


@dataclass(frozen=True, slots=True, repr=False)
class KeyedDeploy(Method):
    """A deployment that creates one node even if it is run twice, if the driver accepts a key."""

    key: str = field(default_factory=partial(secrets.token_hex, 16))

    def __call__(self, driver: Any) -> Node:
        """Deploy the node."""
        takes_keys = "idempotency_key" in signature(driver.create_node).parameters
        key = {"idempotency_key": self.key} if takes_keys else {}
        node: Node = driver.deploy_node(*self.args, **{**key, **self.kwargs})
        return node


@dataclass(frozen=True, slots=True, repr=False)
class Task(Generic[R]):
    """A call on an account, as it goes to a thread or another machine; its errors are part of its result.

    `limits` are the arguments of `call_options`. Every task has an `id` of its own, since some executors
    (Dask) take equal tasks for one.
    """

    name: str
    account: Account
    call: Callable[[Any], R]
    limits: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=partial(secrets.token_hex, 8))

    def __call__(self) -> Result[R]:
        """Run the call and return its outcome."""
        try:
            with call_options(**self.limits), self._driver() as driver:
                return Result(self.name, self.call(driver))
        except Exception as error:  # noqa: BLE001 - a failure on one account is reported beside the others
            return Result(self.name, error=error)

    def within(self, left: float) -> Task[R]:
        """Return the task with a deadline of `left` seconds and the limits that apply here."""
        here = current_call()
        deadline = None if left == FOREVER else left
        return replace(self, limits={"deadline": deadline, "timeout": here.timeout, "retry": here.retry})

    def make_driver(self) -> BaseDriver:
        """Return the account's driver, made now if the account is a function."""
        driver = self.account if isinstance(self.account, BaseDriver) else self.account()
        if not isinstance(driver, BaseDriver):
            raise InvalidArgumentError(
                f"the function of the account {self.name!r} must return a driver, got {type(driver).__name__}"
            )
        return driver

    @contextmanager
    def _driver(self) -> Iterator[BaseDriver]:
        driver = self.make_driver()
        try:
            yield driver
        finally:
            if driver is not self.account:
                driver.close()  # it was made for this call

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process it is a copy of the driver, which nobody else closes
        account = partial(_arrived, self.account) if isinstance(self.account, BaseDriver) else self.account
        return Task, (self.name, account, self.call, self.limits, self.id)

    def refused(self, error: Exception) -> Result[R]:
        """Return the result of a failure of the executor; name the argument that could not be pickled."""
        if isinstance(error, UNPICKLABLE) and (unpicklable := self._unpicklable()):
            error = InvalidArgumentError(unpicklable)
        return Result(self.name, error=error)

    def late(self, total: float, cause: BaseException | None = None) -> Result[R]:
        """Return the result of a call that did not end within `total` seconds."""
        error = OperationTimeoutError(f"{self.name} to respond", max(0.0, total))
        error.__cause__ = cause
        return Result(self.name, error=error)

    def _unpicklable(self) -> str | None:
        parts: dict[str, Any] = (
            self.call.parts() if isinstance(self.call, Method) else {"the call": self.call}
        )
        parts[f"the driver of {self.name}"] = self.account
        reasons = (
            f"{name} cannot be pickled for the executor: {reason}"
            for dumps in (dumps_function(), pickle.dumps)
            for name, part in parts.items()
            if (reason := _failure(dumps, part))
        )
        return next(reasons, None)

    def __repr__(self) -> str:
        own = self.call.name if isinstance(self.call, Method) else getattr(self.call, "__name__", "a call")
        return f"{own} of {self.name}"  # without arguments: Dask shows it


def _arrived(driver: BaseDriver) -> BaseDriver:
    return driver


def _failure(dumps: Callable[[Any], bytes], value: Any) -> Exception | None:
    try:
        dumps(value)
    except Exception as error:  # noqa: BLE001 - a __reduce__ may raise anything
        return error
    return None
