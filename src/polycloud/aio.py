"""Drivers on an event loop: the same classes, awaited (extra `aio`).

    async with aio.connect("nephoscale", "user", "password") as cloud:
        nodes = await cloud.list_nodes()

A driver's code runs as it is, in a greenlet whose waits are awaited on the running loop; its requests go
through aiohttp, its SSH through asyncssh on the same loop. Cancelling the awaiting task ends the driver's
request at once. What the facade does not name, `run` awaits: `await aio.run(cloud.driver.ex_list_tags)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from weakref import WeakValueDictionary

from polycloud.common.base import BaseDriver
from polycloud.common.operations import OperationsDriver
from polycloud.compute.base import NodeDriver
from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.http.messages import Transport, TransportOptions

try:
    from polycloud.concurrency.bridge import bridged, iterate_bridged
    from polycloud.http.aiohttp import AiohttpTransports
except ModuleNotFoundError as missing:
    raise ImportError(
        f"polycloud.aio needs {missing.name}: pip install 'polycloud[aio]'", name=missing.name
    ) from None

__all__ = ["AsyncDriver", "AsyncNodeDriver", "EventLoopError", "connect", "run", "wrap"]

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=BaseDriver)
N = TypeVar("N", bound=NodeDriver)


class EventLoopError(PolycloudError):
    """A driver of `polycloud.aio` was used on another event loop than its own, or after it was closed."""


class _Awaited(Generic[P, R]):
    """A driver's method as an attribute of its facade: the same arguments, and the result is awaited."""

    def __init__(self, method: Callable[Concatenate[Any, P], R]) -> None:
        self.name = method.__name__
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, cloud: None, _: type) -> Self: ...
    @overload
    def __get__(self, cloud: AsyncDriver[Any], _: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, cloud: AsyncDriver[Any] | None, _: type) -> Any:
        if cloud is None:
            return self
        method = getattr(cloud.driver, self.name)

        async def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await cloud.run(method, *args, **kwargs)

        return _named_as(method, call)


class _Iterated(Generic[P, R]):
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

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return cloud.iterate(method, *args, **kwargs)

        return _named_as(method, call)


def _named_as(method: Any, call: Any) -> Any:
    """`call` with the name, words and signature of `method`; wraps() would take 10 µs of every call."""
    call.__name__, call.__doc__, call.__wrapped__ = method.__name__, method.__doc__, method
    return call


class AsyncDriver(Generic[D]):
    """A driver, awaited. It belongs to the event loop on which it is first used; `close` it there.

    `driver` is the driver itself: called directly it works, and blocks the loop until it has its answer.
    """

    def __init__(self, driver: D) -> None:
        self.driver = driver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._transports = AiohttpTransports()
        _facades[id(driver), id(None)] = self

    async def run(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of `fn`, a method of the driver or any function that calls such.

        Raises what `fn` raises, and `EventLoopError` on another loop or after `close`.
        """
        self._require_loop()
        return await bridged(partial(fn, *args, **kwargs), self._transport)

    def iterate(
        self, fn: Callable[P, Iterator[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncGenerator[R]:
        """What the iterator that `fn` gives yields; it goes on only as items are asked for."""

        def items() -> Iterator[R]:
            self._require_loop()
            return fn(*args, **kwargs)

        return iterate_bridged(items, self._transport)

    def supports(self, name: str) -> bool:
        """Whether the driver offers the operation `name`."""
        return isinstance(self.driver, OperationsDriver) and self.driver.supports(name)

    async def close(self) -> None:
        """Close the connections, the driver's own too. Closing twice is no error; using it later is."""
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
        self._require_loop()  # a call that is under way may outlive close()
        return self._transports(options)

    def _require_loop(self) -> None:
        running = asyncio.get_running_loop()
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

    if not TYPE_CHECKING:  # type checkers shall go on telling names that are not there

        def __getattr__(self, name: str) -> Any:
            there = getattr(vars(self).get("driver"), name, None)
            hint = f"; the driver has it: await aio.run(cloud.driver.{name}, ...)" if callable(there) else ""
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")


class AsyncNodeDriver(AsyncDriver[N]):
    """A compute driver, awaited: see `polycloud.compute.base.NodeDriver` for each method."""

    list_nodes = _Awaited(NodeDriver.list_nodes)
    iterate_nodes = _Iterated(NodeDriver.iterate_nodes)
    get_node = _Awaited(NodeDriver.get_node)
    create_node = _Awaited(NodeDriver.create_node)
    deploy_node = _Awaited(NodeDriver.deploy_node)
    wait_until_running = _Awaited(NodeDriver.wait_until_running)
    reboot_node = _Awaited(NodeDriver.reboot_node)
    start_node = _Awaited(NodeDriver.start_node)
    stop_node = _Awaited(NodeDriver.stop_node)
    shutdown_node = _Awaited(NodeDriver.shutdown_node)
    destroy_node = _Awaited(NodeDriver.destroy_node)
    list_sizes = _Awaited(NodeDriver.list_sizes)
    list_images = _Awaited(NodeDriver.list_images)
    get_image = _Awaited(NodeDriver.get_image)
    create_image = _Awaited(NodeDriver.create_image)
    copy_image = _Awaited(NodeDriver.copy_image)
    delete_image = _Awaited(NodeDriver.delete_image)
    list_locations = _Awaited(NodeDriver.list_locations)
    list_key_pairs = _Awaited(NodeDriver.list_key_pairs)
    get_key_pair = _Awaited(NodeDriver.get_key_pair)
    create_key_pair = _Awaited(NodeDriver.create_key_pair)
    import_key_pair_from_string = _Awaited(NodeDriver.import_key_pair_from_string)
    import_key_pair_from_file = _Awaited(NodeDriver.import_key_pair_from_file)
    delete_key_pair = _Awaited(NodeDriver.delete_key_pair)
    list_volumes = _Awaited(NodeDriver.list_volumes)
    create_volume = _Awaited(NodeDriver.create_volume)
    attach_volume = _Awaited(NodeDriver.attach_volume)
    detach_volume = _Awaited(NodeDriver.detach_volume)
    destroy_volume = _Awaited(NodeDriver.destroy_volume)
    list_volume_snapshots = _Awaited(NodeDriver.list_volume_snapshots)
    create_volume_snapshot = _Awaited(NodeDriver.create_volume_snapshot)
    destroy_volume_snapshot = _Awaited(NodeDriver.destroy_volume_snapshot)


_facades: WeakValueDictionary[tuple[int, int], AsyncDriver[Any]] = WeakValueDictionary()
"""By the identities of driver and loop; of None while a facade has not been used yet."""


def connect(provider: str, *credentials: Any, **options: Any) -> AsyncNodeDriver[Any]:
    """A compute driver to await, as `polycloud.connect` makes it: `async with aio.connect(...) as cloud:`.

    Raises `UnknownProviderError` where there is no such provider.
    """
    from polycloud.compute.providers import get_driver

    return AsyncNodeDriver(get_driver(provider)(*credentials, **options))


def wrap(driver: N) -> AsyncNodeDriver[N]:
    """A driver that exists already, to await; type checkers go on knowing its class."""
    if not isinstance(driver, NodeDriver):
        raise InvalidArgumentError(f"{driver!r} is no compute driver")
    return AsyncNodeDriver(driver)


async def run(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """The awaited result of a method of a driver, or of a node: `await aio.run(cloud.driver.ex_list_tags)`.

    It shares the connections of the driver's facade on this loop; where there is none (or it is closed) it
    opens its own for this call.
    """
    owner = getattr(fn, "__self__", None)
    facade = _facade_of(getattr(owner, "driver", owner))
    if facade is not None:
        return await facade.run(fn, *args, **kwargs)
    async with AiohttpTransports() as transports:
        return await bridged(partial(fn, *args, **kwargs), transports)


def _facade_of(driver: object) -> AsyncDriver[Any] | None:
    for loop in (asyncio.get_running_loop(), None):
        facade = _facades.get((id(driver), id(loop)))
        if facade is not None and facade.driver is driver:
            return facade
    return None
