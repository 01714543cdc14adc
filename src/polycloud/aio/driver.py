"""`AsyncDriver`, the facade that awaits a driver's methods, and `run`, which awaits any function on one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import partial, wraps
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from weakref import WeakValueDictionary

from polycloud.common.driver import BaseDriver
from polycloud.common.operations import OperationsDriver
from polycloud.concurrency.bridge import begin, bridged, drive, iterate_bridged, take_result
from polycloud.errors import PolycloudError
from polycloud.http.loop import LoopTransports
from polycloud.http.messages import Transport, TransportOptions, Transports

__all__ = ["AsyncDriver", "Awaited", "EventLoopError", "Iterated", "run"]

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=BaseDriver)


class EventLoopError(PolycloudError):
    """A driver of `polycloud.aio` was used on another event loop than its own, or after it was closed."""


class Awaited(Generic[P, R]):
    """A driver's method as an attribute of its facade: same arguments, awaitable result."""

    def __init__(self, method: Callable[Concatenate[Any, P], R]) -> None:
        self.name = method.__name__
        self.__doc__ = method.__doc__
        self._calls: dict[type, Any] = {}

    @overload
    def __get__(self, cloud: None, _: type) -> Self: ...
    @overload
    def __get__(self, cloud: AsyncDriver[Any], _: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, cloud: AsyncDriver[Any] | None, _: type) -> Any:
        if cloud is None:
            return self
        kind = type(cloud.driver)
        call = self._calls.get(kind) or self._calls.setdefault(kind, _awaited(getattr(kind, self.name)))
        return MethodType(call, cloud)


class Iterated(Generic[P, R]):
    """A driver's iterator as an attribute of its facade: an async generator, a page at a time."""

    def __init__(self, method: Callable[Concatenate[Any, P], Iterator[R]]) -> None:
        self.name = method.__name__
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, cloud: None, _: type) -> Self: ...
    @overload
    def __get__(self, cloud: AsyncDriver[Any], _: type) -> Callable[P, AsyncGenerator[R]]: ...
    def __get__(self, cloud: AsyncDriver[Any] | None, _: type) -> Any:
        if cloud is None:
            return self
        method = getattr(cloud.driver, self.name)

        @wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return cloud.iterate(method, *args, **kwargs)

        return call


def _awaited(method: Any) -> Any:
    """Return the method of a facade that runs this one of its driver, whose name and signature it has."""

    @wraps(method)
    async def call(cloud: AsyncDriver[Any], *args: Any, **kwargs: Any) -> Any:
        # As `run` and `bridged` do, which would be two more coroutines
        cloud._require_loop()  # noqa: SLF001
        work = getattr(cloud.driver, method.__name__)
        if args or kwargs:
            work = partial(work, *args, **kwargs)
        current = begin(work, cloud._transport)  # noqa: SLF001
        await drive(current, current.switch())
        return take_result(current)

    return call


class AsyncDriver(Generic[D]):
    """A driver whose methods are awaited. It belongs to the event loop that first uses it; `close` it there.

    `driver` is the driver itself: a direct call works, and blocks the loop until it returns.

    `shared` are the transports of several facades, which their owner closes; a driver whose connections are
    counted (`pool_size=`) has its own.
    """

    def __init__(self, driver: D, shared: Transports | None = None) -> None:
        self.driver = driver
        self._shared = shared
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._transports = LoopTransports()
        _facades[id(driver), id(None)] = self

    async def run(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of `fn`, a method of the driver or a function that calls some.

        Raises what `fn` raises, and `EventLoopError` on another loop or after `close`.
        """
        self._require_loop()
        return await bridged(partial(fn, *args, **kwargs), self._transport)

    def iterate(
        self, fn: Callable[P, Iterator[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[R]:
        """Yield the items of the iterator that `fn` returns; it runs only while an item is requested."""

        def items() -> Iterator[R]:
            self._require_loop()
            return fn(*args, **kwargs)

        return iterate_bridged(items, self._transport)

    def supports(self, name: str) -> bool:
        """Return whether the driver offers the operation `name`."""
        return isinstance(self.driver, OperationsDriver) and self.driver.supports(name)

    async def close(self) -> None:
        """Close the connections, including the driver's own.

        Closing again does nothing; later use is an error.
        """
        if self._closed:
            return
        self._require_loop()
        self._closed = True
        _facades.pop((id(self.driver), id(self._loop)), None)
        try:
            await bridged(self.driver.close, self._transports)
        finally:
            await self._transports.aclose()

    async def __aenter__(self) -> Self:
        self._require_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _transport(self, options: TransportOptions) -> Transport:
        self._require_loop()  # a call in progress may outlive close()
        if self._shared is not None and options.pool_size is None:
            return self._shared(options)
        return self._transports(options)

    def _require_loop(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is running and not self._closed:
            return
        if self._closed:
            raise EventLoopError(f"{self!r} is closed; connect again", self.driver)
        if self._loop is None:
            self._loop = running
            _facades.pop((id(self.driver), id(None)), None)
            _facades[id(self.driver), id(running)] = self
        if self._loop is not running:
            raise EventLoopError(
                f"{self!r} belongs to another event loop; connect once on each loop", self.driver
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.driver!r}>"

    if not TYPE_CHECKING:  # so that type checkers still report unknown names

        def __getattr__(self, name: str) -> Any:
            there = getattr(vars(self).get("driver"), name, None)
            hint = f"; the driver has it: await aio.run(cloud.driver.{name}, ...)" if callable(there) else ""
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")


_facades: WeakValueDictionary[tuple[int, int], AsyncDriver[Any]] = WeakValueDictionary()
"""Facades by the identities of driver and loop (of None for a facade that has not been used yet)."""


async def run(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Await a method of a driver or of its objects: `await aio.run(cloud.driver.ex_list_tags)`.

    It shares the connections of the driver's facade on this loop; without one (or a closed one) it opens its
    own for this call.
    """
    owner = getattr(fn, "__self__", None)
    facade = _facade_of(getattr(owner, "driver", owner))
    if facade is not None:
        return await facade.run(fn, *args, **kwargs)
    async with LoopTransports() as transports:
        return await bridged(partial(fn, *args, **kwargs), transports)


def _facade_of(driver: object) -> AsyncDriver[Any] | None:
    for loop in (asyncio.get_running_loop(), None):
        facade = _facades.get((id(driver), id(loop)))
        if facade is not None and facade.driver is driver:
            return facade
    return None
