"""`BridgedDriver`, which the bridged drivers of all services share: a driver of Libcloud as one of ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from types import GeneratorType
from typing import Any, ClassVar

from polycloud.bridge import classes, errors
from polycloud.bridge.calling import BATCH, Call, Drivers, Running
from polycloud.bridge.connection import BridgedConnection
from polycloud.bridge.objects import ours, theirs
from polycloud.common.connection import ConnectionOptions
from polycloud.common.creation import is_refusal, note_named
from polycloud.common.operations import OperationsDriver
from polycloud.common.options import split_url
from polycloud.concurrency.calls import call_options, seconds
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    InvalidCredsError,
    PolycloudError,
    ProviderError,
    UnsupportedOperationError,
)

VIA = "apache-libcloud"
PLACE = ("host", "port", "secure")
HTTPS, HTTP = 443, 80


class BridgedDriver(OperationsDriver):
    """A driver of Libcloud as one of ours.

    The arguments are those of Libcloud's class, which is `libcloud`, and the options of our drivers
    (`ConnectionOptions`). `via` says where the driver comes from, `only` that all calls use one driver of
    Libcloud, one after another, since its state is in memory.
    """

    connectionCls = BridgedConnection
    connection: BridgedConnection
    key: Any
    via: ClassVar[str] = VIA
    libcloud: ClassVar[Any] = None
    only: ClassVar[bool] = False
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The operations that Libcloud's driver carries out, and its methods of which they need one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._given = args, dict(kwargs)
        options = {name: kwargs.pop(name) for name in list(kwargs) if self._is_ours(name)}
        place = {name: kwargs[name] for name in PLACE if kwargs.get(name) is not None}
        if url := options.pop("url", None):
            place |= _placed(url)
        own = {name: one for name, one in kwargs.items() if name not in PLACE or name in self._parameters()}
        given = self._arguments(args, own)
        self.key, self.secret, self.region = (given.get(name) for name in ("key", "secret", "region"))
        self.api_version = given.get("api_version")
        deadline = options.pop("deadline", None)
        self._deadline = None if deadline is None else seconds("deadline", deadline)
        own_place = {name: place[name] for name in PLACE if name in place}
        self.connection = BridgedConnection(**own_place, **options, hidden=classes.secrets_in(given))
        self.connection.driver = self
        make = partial(self._make, args, own, place)
        drivers = Drivers(make, self._first(make), only=self.only)
        self._running = Running(self.connection, drivers, partial(errors.understood, driver=self))
        there = getattr(drivers.first, "connection", None)
        self.connection.point_to(*(getattr(there, name, None) for name in PLACE))

    @classmethod
    def _parameters(cls) -> Mapping[str, inspect.Parameter]:
        return classes.parameters(cls.libcloud)

    @classmethod
    def _is_ours(cls, name: str) -> bool:
        """Return whether an option is one of our drivers, and no argument of Libcloud's class."""
        return name in ConnectionOptions.__annotations__ and name not in cls._parameters()

    def _arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the constructor by name; raise for those that Libcloud's class has not."""
        try:
            return classes.bound(self.libcloud, args, kwargs)
        except TypeError as error:
            if "missing" in str(error):
                raise InvalidCredsError(f"{self.name} needs more arguments: {error}", self) from None
            known = sorted({*ConnectionOptions.__annotations__, *PLACE, *self._parameters()})
            raise InvalidArgumentError(f"{self.name}: {error}; it has {', '.join(known)}") from None

    def _first(self, make: Callable[[], Any]) -> Any:
        call = Call(self.connection)
        try:
            return call.run(make)
        except BaseException as error:
            self.connection.close()
            if isinstance(error, PolycloudError) or not isinstance(error, Exception):
                raise
            raise errors.understood(error, call, self) from error

    def _make(self, args: tuple[Any, ...], kwargs: dict[str, Any], place: dict[str, Any]) -> Any:
        """Make a driver of Libcloud that connects to the place that was given."""
        driver = self.libcloud(*args, **kwargs)
        there = getattr(driver, "connection", None)
        if there is None:
            return driver
        for word in self.connection.user_agent_words:
            there.user_agent_append(word)
        if place.get("secure") is False and "port" not in place and there.port == HTTPS:
            place = {**place, "port": HTTP}
        changed = {name: value for name, value in place.items() if getattr(there, name, None) != value}
        for name, value in changed.items():
            setattr(there, name, value)
        if changed and getattr(there, "connection", None) is not None:
            there.connect()
        return driver

    # Calls

    def _call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return what a method of Libcloud's driver returns, as objects of ours."""

        def call(driver: Any) -> Any:
            return self._ours(self._bound(driver, method, args, kwargs)())

        with self._limited():
            return self._running.call(call)

    def _ours(self, result: Any) -> Any:
        """Return a result of Libcloud's driver as objects of ours."""
        return ours(list(result) if isinstance(result, GeneratorType) else result, self)

    def _iterate(self, method: str, /, *args: Any, batch: int = BATCH, **kwargs: Any) -> Iterator[Any]:
        """Yield what the iterator or list of a method of Libcloud's driver has, as objects of ours."""

        def items(driver: Any) -> Iterable[Any]:
            return (ours(item, self) for item in self._bound(driver, method, args, kwargs)())

        yield from self._running.iterate(items, self._limited, batch=batch)

    def _create(self, what: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return what a method creates, which is sent once.

        Raises `AmbiguousCreateError` if the response was lost: nothing marks what Libcloud creates, so nobody
        can tell whether it exists.
        """
        try:
            return self._call(method, *args, **kwargs)
        except PolycloudError as error:
            if is_refusal(error) or error.exchange is None:
                raise
            note_named()
            raise AmbiguousCreateError(
                f"the response to the create of {what} was lost ({error}); look for it before another create",
                self,
                what,
            ) from error

    def _act(self, method: str, /, *args: Any, **kwargs: Any) -> bool:
        """Carry out an action. Raises `ProviderError` if Libcloud's driver returns False."""
        if self._call(method, *args, **kwargs) is False:
            raise ProviderError(f"{self.name} did not carry out {method}, and does not say why", driver=self)
        return True

    def _bound(
        self, driver: Any, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Callable[[], Any]:
        """Return the call of a method of Libcloud's driver. Raises errors for what it does not take."""
        function = getattr(driver, method, None)
        if not callable(function) or classes.refuses(function):
            raise UnsupportedOperationError(f"{self.name} does not offer {method}", self)
        call = partial(function, *theirs(list(args), driver), **theirs(dict(kwargs), driver))
        try:
            inspect.signature(function).bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArgumentError(f"{method} of {self.name}: {error}") from None
        return call

    def _has(self, method: str) -> bool:
        """Return whether Libcloud's driver overrides a method."""
        return classes.overrides(type(self._running.drivers.first), method)

    def _either(self, preferred: str, other: str) -> str:
        """Return the one of two methods that Libcloud's driver overrides."""
        return preferred if self._has(preferred) else other

    def _takes(self, method: str, name: str) -> bool:
        """Return whether a method of Libcloud's driver takes an argument of this name."""
        found = inspect.signature(getattr(self._running.drivers.first, method)).parameters
        return name in found or any(one.kind is one.VAR_KEYWORD for one in found.values())

    def _limited(self) -> AbstractContextManager[None]:
        return call_options(deadline=self._deadline)

    def supports(self, name: str) -> bool:
        """Return whether this instance offers the operation `name`: its version of the API may lack some."""
        if name.startswith("ex_"):
            return callable(getattr(self._running.drivers.first, name, None)) and super().supports(name)
        needed = self.needs.get(name, ())
        lacks = name in vars(type(self)) and needed and not any(map(self._has, needed))
        return not lacks and super().supports(name)

    def clean_error(self, error: PolycloudError) -> None:
        """Remove from an error what no error may show."""
        from polycloud.tracing.cleaning import clean

        clean(error, self.connection.secrets_of())

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._running.drivers.clear()
        self.connection.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.libcloud, self.only, *self._given)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} via {VIA}, {self.connection!r}>"


def _placed(url: str) -> dict[str, Any]:
    """Return the place that the address of an API names."""
    parts = split_url(url)
    secure = parts.scheme == "https"
    place: dict[str, Any] = {"host": parts.hostname, "port": parts.port or (HTTPS if secure else HTTP)}
    path = parts.path.rstrip("/")
    return {**place, "secure": secure, **({"request_path": path} if path else {})}


def _restored(kind: Any, only: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BridgedDriver:
    # By name: the package comes above this module
    driver: BridgedDriver = import_module("polycloud.bridge").driver_class(kind, only=only)(*args, **kwargs)
    return driver
