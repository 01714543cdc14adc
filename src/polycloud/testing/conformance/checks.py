"""Rules that hold for every service, as methods that each suite calls under numbers of its own.

    @rule()
    def test_d02_supports(self, driver: DNSDriver) -> None:
        \"\"\"`supports` is true for every operation that the provider has, and false for all others.\"\"\"
        self.check_supports(driver)

The functions in `assertions` are for all suites, too.
"""

from __future__ import annotations

import pickle
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from polycloud.common.connection import Connection
from polycloud.common.providers import get_driver
from polycloud.common.resource import Resource
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    InvalidCredsError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.testing.conformance.assertions import error_of, require_no_secret, require_reached
from polycloud.testing.conformance.base import LISTS, NOT_REACHED, Conformance, D
from polycloud.testing.conformance.blocking import noted_blocks
from polycloud.testing.conformance.creates import FaultAt, Observer, UntilAllowed
from polycloud.testing.faults import FaultPlan
from polycloud.testing.replies import BROKEN, UNEXPECTED, SameReply, echo, http

__all__ = ["LOST", "Checks"]

PATIENCE = (0.2, 1.0)
"""Seconds for an operation whose every response is broken: at first, and where that was not long enough."""
WAITS = 3
"""An operation that has sent so many requests, all of whose responses were broken, waits for a better one."""
E = TypeVar("E", bound=PolycloudError)
K = TypeVar("K", bound=Hashable)
Read = Callable[[], Sequence[Any]]

LOST = ("reset after", "truncate", "502 after")
"""Faults that lose the response to a request that the server has carried out."""

THREADS = 8
PAUSE = 0.1
DEADLINE, GRACE = 0.3, 10.0


class Checks(Conformance[D]):
    """A suite's base with the rules that hold for every service."""

    # Registry and operations

    def check_registry(self, driver: D) -> None:
        """`get_driver` finds the driver's class, which names its provider and its connection."""
        kind = type(driver)
        base = self.base_driver
        assert isinstance(driver, base), f"{kind.__name__} is not a {base.__name__}"
        assert isinstance(kind.type, str), f"{kind.__name__}.type is {kind.type!r}, not a Provider or str"
        assert kind.name, f"{kind.__name__}.name is empty"
        assert issubclass(kind.connectionCls, Connection), f"{kind.connectionCls!r} is not a Connection"
        found = get_driver(driver.service, kind.type)
        message = f"get_driver({str(kind.type)!r}) returns {_path(found)}, not {_path(kind)}"
        assert found is kind, message

    def check_supports(self, driver: D) -> None:
        """`supports` is true for every operation but those of `not_offered`."""
        missing = {name for name in driver.operations() if not driver.supports(name)}
        more, less = sorted(missing - self.not_offered), sorted(self.not_offered - missing)
        assert not more, f"supports() is false for {more}, which not_offered does not name"
        assert not less, f"supports() is true for {less}, which not_offered names"

    def check_unsupported_operations(self, driver: D) -> None:
        """An operation that is not offered raises `UnsupportedOperationError` before anything is sent."""
        if self.over_http:
            with self.pointed_at(driver, lambda _: b"") as (pointed, server):
                self._require_refusals(pointed)
                assert not server.requests, f"{server.requests} requests were sent"
        else:
            self._require_refusals(driver)

    def _require_refusals(self, driver: D) -> None:
        for name, call in self.calls(driver).items():
            if not driver.supports(name):
                error = error_of(UnsupportedOperationError, name, call)
                assert isinstance(error, NotImplementedError), f"{error!r} is not a NotImplementedError"

    def check_refused_unsent(self, driver: D, kind: type[E], call: Callable[[D], object]) -> None:
        """The call raises an error of that kind before anything is sent."""
        if not self.over_http:
            error_of(kind, "the call", call, driver)
            return
        with self.pointed_at(driver, lambda _: b"") as (pointed, server):
            error_of(kind, "the call", call, pointed)
            assert not server.requests, f"{server.requests} requests were sent"

    def check_unknown_options(self, driver: D) -> None:
        """A driver refuses an option that it does not know, and names it."""
        make: Callable[..., object] = type(driver)
        credentials = (driver.key,) if driver.secret is None else (driver.key, driver.secret)
        error = error_of(
            InvalidArgumentError, "a driver with no_such_option=1", make, *credentials, no_such_option=1
        )
        assert "no_such_option" in str(error), f"{error!r} does not name the option"

    # Objects and lists

    def check_pickled_objects(self, objects: Sequence[Resource]) -> None:
        """Objects can be pickled, and all their attributes are the same afterwards."""
        for item in objects:
            copy = pickle.loads(pickle.dumps(item))  # noqa: S301 - we wrote it
            assert type(copy) is type(item), f"{item!r} came back as {copy!r}"
            for name in _attributes(item):
                before, after = (_plain(getattr(one, name)) for one in (item, copy))
                assert before == after, f"the {name} of {item!r} came back as {after!r}"

    def check_complete_list(self, made: Sequence[Resource], listed: Sequence[Resource]) -> None:
        """The list has every created resource, and no id twice."""
        ids = [item.id for item in listed]
        missing = [item.id for item in made if item.id not in ids]
        assert not missing, f"{missing} of {len(made)} are not listed"
        assert len(set(ids)) == len(ids), f"an id is listed twice: {ids}"

    def check_same_items(
        self, iterate: Callable[[], Iterable[Resource]], list_: Callable[[], Sequence[Resource]]
    ) -> None:
        """`iterate` returns the resources that `list_` returns, even while others come or go."""
        self._require_same(lambda: [item.id for item in iterate()], lambda: [item.id for item in list_()])

    def _require_same(self, read: Callable[[], list[K]], expected: Callable[[], list[K]]) -> None:
        """Assert that `read` finds what `expected` does, in an account that may change meanwhile.

        `expected` is called before and after. What it has both times must be found; what it has neither time
        must not. A change between two pages may also hide what is there, so a difference counts while nothing
        changes, or when patience ends.
        """
        ends_at = time.monotonic() + self.patience
        while True:
            before, found, after = (Counter(call()) for call in (expected, read, expected))
            if before & after <= found <= before | after:
                return
            message = f"it returns {[*found.elements()]}, the list has {[*after.elements()]}"
            assert before != after, message
            assert time.monotonic() < ends_at, message
            waiting.sleep(PAUSE)

    # Errors and secrets

    def check_wrong_credentials(self, driver: D, name: str) -> None:
        """The operation `name`, called with wrong credentials, raises `InvalidCredsError`."""
        if not self.over_http:
            pytest.skip("the driver does not speak HTTP")
        with self.driver_with_wrong_credentials(driver) as stranger:
            error_of(InvalidCredsError, name, self.calls(stranger)[name])

    def check_secrets_in_repr(self, driver: D, *objects: object) -> None:
        """The driver, its connection and the objects show no secret."""
        for value in (driver, driver.connection, *objects):
            require_no_secret(driver, value)

    def check_secrets_in_errors(self, driver: D, name: str) -> None:
        """The error of the operation `name` shows no secret, even if the provider's message does."""
        with self.logged_in(driver, echo) as (pointed, _):
            error = error_of(PolycloudError, name, self.calls(pointed)[name])
            require_no_secret(driver, error)

    def check_broken_responses(self, driver: D, broken: str) -> None:
        """Every operation raises a `PolycloudError` for a broken response (a key of `BROKEN`)."""
        with self.logged_in(driver, lambda _: BROKEN[broken]) as (pointed, server):
            for name, call in self.own_calls(pointed).items():
                before = server.requests
                try:
                    result = _result(call, server)
                except PolycloudError:
                    continue
                # a list or an address may be known without a request; any other result is a claim
                unasked = isinstance(result, list | str) and server.requests == before
                assert unasked, f"{name} returned {result!r} for {broken}: {BROKEN[broken]!r}"
            require_reached(server.requests, "no operation of the driver sends a request")

    def check_unexpected_responses(self, driver: D, unexpected: str) -> None:
        """Every list raises a `PolycloudError` for a body of another form (a key of `UNEXPECTED`)."""
        body = UNEXPECTED[unexpected]
        with self.logged_in(driver, lambda _: http("200 OK", body)) as (pointed, server):
            for name, call in self.own_calls(pointed).items():
                before = server.requests
                if name.startswith(LISTS):
                    with suppress(PolycloudError):
                        result = call()
                        assert server.requests == before, f"{name} made {result!r} of {body}"
            require_reached(server.requests, "no list of the driver sends a request")

    def check_error_location(self, driver: D, name: str) -> None:
        """The error of the operation `name` names the provider, the method, the path and the status."""
        with self.logged_in(driver, lambda _: BROKEN["error"]) as (pointed, server):
            error = error_of(PolycloudError, name, self.calls(pointed)[name])
            place = error.exchange
            assert place is not None, f"{error!r} names no request"
            assert place.provider == driver.name, f"{error!r} does not name {driver.name}"
            assert place.status == HTTPStatus.INTERNAL_SERVER_ERROR, f"{error!r} does not name the status 500"
            method, target = server.seen[-1]
            named, path = (text.partition("?")[0] for text in (place.path, target))
            assert (place.method, named) == (method, path), f"{error!r} does not name {method} {path}"

    # One driver for many

    def check_close(self, driver: D, read: Read) -> None:
        """A closed driver can be used again."""
        with driver:
            before = _seen(read)
        assert _seen(read) == before, "the list is another after close()"

    def check_threads(self, *reads: Read) -> None:
        """Threads that share a driver get the responses to their own calls."""

        def call(number: int) -> list[tuple[str, str]]:
            return _seen(reads[number % len(reads)])

        expected = [call(number) for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in range(4):
                assert list(pool.map(call, range(THREADS))) == expected, "a thread got another's response"

    def check_pickled_driver(self, driver: D, name: str, *args: Any) -> None:
        """A driver can be pickled, and the copy lists the same by the operation `name`."""
        with pickle.loads(pickle.dumps(driver)) as copy:  # noqa: S301 - we wrote it
            assert type(copy) is type(driver), f"{driver!r} came back as {copy!r}"
            reads = (partial(_seen, partial(getattr(one, name), *args)) for one in (copy, driver))
            self._require_same(*reads)

    def check_event_loop(self, driver: D, *reads: Read) -> None:
        """Calls on an event loop return what they return without one."""
        import asyncio

        from polycloud import aio

        async def call() -> list[Sequence[Any]]:
            async with aio.AsyncDriver(driver) as cloud:
                return list(await asyncio.gather(*map(cloud.run, reads)))

        expected = [_seen(read) for read in reads]
        found = [_identities(items) for items in asyncio.run(call())]
        assert found == expected, f"on an event loop the calls return {found}, not {expected}"

    def check_unblocked(self, driver: D, *steps: Callable[[], object]) -> None:
        """The steps, which use the driver one after another on an event loop, never block the loop."""
        import asyncio

        from polycloud import aio

        async def run() -> None:
            async with aio.AsyncDriver(driver) as cloud:
                for step in steps:
                    await cloud.run(step)

        def observed() -> list[str]:
            with noted_blocks() as found:
                asyncio.run(run())
            return found

        with ThreadPoolExecutor(1) as pool:
            found = list(dict.fromkeys(pool.submit(observed).result()))
        message = "wait by connection.sleep or waiting.poll, and send by connection.request"
        assert not found, f"on an event loop it blocks all other tasks: {', '.join(found)}; {message}"

    # Paths

    def check_quoted_paths(self, driver: D, slashed: Collection[str] = ()) -> None:
        """Ids and names are quoted where an operation puts them into the path of a request.

        Slashes may stay in the ids of the operations `slashed`.
        """
        left = f"left-{secrets.token_hex(4)}"
        hostile = f"{left}/right?a=b#c d%2Fe"
        paths: list[str] = []
        with self.logged_in(driver, lambda _: http("404 Not Found", "{}")) as (pointed, server):
            for name, call in self.own_calls(pointed, hostile).items():
                before, forms = server.requests, {quote(hostile, safe="")}
                if name in slashed:
                    forms.add(quote(hostile, safe="/"))
                with suppress(PolycloudError):
                    _result(call, server)
                found = [target.partition("?")[0] for _, target in server.seen[before:]]
                paths += [path for path in found if left in path]
                sent = [path for path in found if left in path]
                wrong = [path for path in sent if not any(form in path for form in forms)]
                assert not wrong, f"{name} sends {hostile!r} as {wrong[0]}: quote_segment() is missing"
        require_reached(paths, "no operation sends an id of text in a path")

    # Faults

    def check_lost_create(
        self,
        driver: D,
        fault: str,
        create: Callable[[D, str], Resource],
        existing: Callable[[str], Sequence[Any]],
        losses: tuple[type[PolycloudError], ...] = (AmbiguousCreateError,),
    ) -> None:
        """A create whose response is lost returns its resource or is ambiguous, and happens once.

        `create` makes a resource of a name by a driver; `existing` lists the resources that a create of this
        name, and nothing else, can have made; `losses` are the errors that it may raise.
        """
        observer = Observer(lambda: existing("observed"))
        with self.behind(driver, observer) as far:
            self.log_in(far)
            observer.expect()
            create(far, "observed")
        place = observer.creating()
        if place is None:
            pytest.skip(f"{NOT_REACHED}the create sends no request")
        plan = FaultAt(place, fault)
        made = None
        waits = call_options(retry=UntilAllowed(attempts=10, base=0.5))
        with self.behind(driver, plan) as far, waits, suppress(*losses):
            self.log_in(far)
            plan.expect()
            made = create(far, "lost")
        require_reached(plan.hit, "the request that creates was not sent a second time")
        with suppress(OperationTimeoutError):
            self.until(lambda: existing("lost"), "what was created to be listed")
        ids = [item.id for item in existing("lost")]
        assert len(ids) <= 1, f"one create made {len(ids)} resources: {ids}"
        assert made is None or made.id in ids, f"{made!r} is not listed"
        require_reached(ids, f"nothing was created by {place}, whose response was lost")

    def check_deadlines(self, driver: D) -> None:
        """A deadline ends every list whose response does not come, with an error."""
        stalls: list[str] = []

        def end(name: str, call: Callable[[], object]) -> None:
            began = time.monotonic()
            with call_options(deadline=DEADLINE):
                error_of(PolycloudError, name, call)
            passed = time.monotonic() - began
            assert passed < DEADLINE + GRACE, f"{name} took {passed:.1f} s, not {DEADLINE:g} s"

        with self.behind(driver, FaultPlan(0, 1, ["stall"], spare=lambda _: not stalls)) as far:
            self.log_in(far)
            calls = {name: call for name, call in self.own_calls(far).items() if name.startswith(LISTS)}
            stalls.extend(calls)
            waiting.gather(partial(end, name, call) for name, call in calls.items())
        require_reached(stalls, "the driver offers no list")


def _path(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _identities(items: Sequence[Any]) -> list[tuple[str, str]]:
    return [(item.id, repr(item)) for item in items]


def _result(call: Callable[[], object], server: SameReply) -> object:
    """Return the result of a call to a server whose responses are all the same; end it if it waits.

    Raises `OperationTimeoutError` for an operation that waits for another response.
    """
    first, longest = PATIENCE
    before = server.requests
    try:
        with call_options(deadline=first):
            return call()
    except OperationTimeoutError:
        if server.requests - before >= WAITS:
            raise
    with call_options(deadline=longest):  # on a slow machine, or a driver that waits for long
        return call()


def _seen(read: Read) -> list[tuple[str, str]]:
    return _identities(read())


def _attributes(item: Resource) -> list[str]:
    """Return the names of the public attributes of an object, without its driver."""
    slots = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())]
    return ["extra", *(name for name in slots if not name.startswith("_") and name != "driver")]


def _plain(value: Any) -> Any:
    """Return a value that can be compared: for a resource within another one, its class and id."""
    return (type(value), value.id) if isinstance(value, Resource) else value
