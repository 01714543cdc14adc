"""What the suites of all services share: rules, settings, fixtures and the servers behind them.

A suite is a subclass of `Conformance` for one service. Each of its tests is a rule, decorated with `rule`:
its name begins with the rule's number, its docstring is the rule's sentence, its failure begins with both:

    class ImageRules(Checks[NodeDriver]):
        @rule("list_images")
        def test_c07_images(self, driver: NodeDriver) -> None:
            \"\"\"There are images, with ids and names.\"\"\"
            ...

`checks.Checks` has the rules that hold for every service, which a suite calls under numbers of its own. For
these a suite describes its service: `base_driver`, `arguments`, `created` and `gone`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from email.message import Message
from functools import partial, wraps
from http import HTTPStatus
from pathlib import Path
from traceback import walk_tb
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

import pytest

from polycloud.common.busy import when_free
from polycloud.common.operations import OperationsDriver
from polycloud.common.tokens import TokenConnection
from polycloud.concurrency import waiting
from polycloud.errors import NotFoundError, PolycloudError
from polycloud.http.retry import RetryPolicy
from polycloud.testing.cleanup import LEFT_OVER, RUN, Kind, remove
from polycloud.testing.faults import FaultPlan, FaultProxy
from polycloud.testing.loopback import Failure, noted_failures
from polycloud.testing.replies import SameReply, serve

__all__ = ["LISTS", "NOT_REACHED", "Conformance", "number_of", "place_of", "rule", "rules"]

P = ParamSpec("P")
D = TypeVar("D", bound=OperationsDriver)
S = TypeVar("S", bound="Conformance[Any]")
T = TypeVar("T")

NUMBER = re.compile(r"test_([a-z]\d+)_")
BUSY = frozenset({HTTPStatus.CONFLICT, HTTPStatus.LOCKED})
LISTS = ("list_", "iterate_")
"""What the names of operations that list something begin with."""
NOT_REACHED = "not reached: "
"""What the reason begins with where a rule could not test what it is about."""


def rule(
    *needs: str,
) -> Callable[[Callable[Concatenate[S, P], None]], Callable[Concatenate[S, P], None]]:
    """Mark a test as a rule: it is skipped unless the driver offers the operations in `needs`.

    Its failure begins with the rule. Any exception but an AssertionError is a failure too, and so is an
    exception in a fake server (`LoopbackServer`), whatever the driver made of it.
    """

    def decorate(test: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
        text = f"{number_of(test.__name__)} {(test.__doc__ or '').rstrip('.')}"

        @wraps(test)
        def checked(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            self.need(*needs)
            with noted_failures() as failures:
                try:
                    test(self, *args, **kwargs)
                except AssertionError as error:
                    error.args = (f"{text}: {_blame(failures)}{error}",)
                    raise
                except Exception as error:
                    place = place_of(error, kwargs.get("driver"))
                    raise AssertionError(f"{text}: {_blame(failures)}raised {error!r}{place}") from error
                except pytest.skip.Exception as skipped:
                    if failures:
                        raise AssertionError(f"{text}: {_blame(failures)}{skipped}") from skipped
                    raise
            assert not failures, f"{text}: {failures[0]}"

        return checked

    return decorate


def _blame(failures: Sequence[Failure]) -> str:
    """Return what went wrong first in a fake server, since the rest follows from it; "" if nothing did."""
    return f"{failures[0]}; " if failures else ""


def number_of(test: str) -> str:
    """Return the number of the rule ("C01") that a test with this name checks; "" if it is not a rule."""
    match = NUMBER.match(test)
    return match[1].upper() if match else ""


def rules(suite: type[Conformance[Any]]) -> dict[str, str]:
    """Return the sentence of every rule of a suite by number, in order."""
    members = {name: test for kind in reversed(suite.__mro__) for name, test in vars(kind).items()}
    found = {number_of(name): " ".join((test.__doc__ or "").split()) for name, test in members.items()}
    return dict(sorted((number, sentence) for number, sentence in found.items() if number))


def place_of(error: BaseException, driver: object) -> str:
    """Return where in the driver's package a foreign error was raised, as " (FILE:LINE)".

    Returns "" for a `PolycloudError`.
    """
    if isinstance(error, PolycloudError) or driver is None:
        return ""
    module = type(driver).__module__
    home = module.rpartition(".")[0] or module
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
        if f"{frame.f_globals.get('__name__')}.".startswith(f"{home}.")
    ]
    return f" ({Path(frames[-1][0]).name}:{frames[-1][1]})" if frames else ""


class Conformance(Generic[D]):
    """The base of suites; a driver's test class gives a fixture `driver` and sets `not_offered`.

    The fixture may be a method of the class, or a function of the module with any scope; it returns a driver
    for a test server of the provider, or for the provider. Everything that a test creates is removed at its
    end, even if it fails; what cannot be removed is reported.
    """

    # What a driver's test class may set

    not_offered: ClassVar[frozenset[str]] = frozenset()
    """The operations that the driver does not offer; they must raise `UnsupportedOperationError`."""

    over_http: ClassVar[bool] = True
    """Whether the driver speaks HTTP; False skips wrong credentials and broken responses."""

    patience: ClassVar[float] = 60.0
    """Seconds to wait until the effect of a request is visible."""

    several: ClassVar[int] = 3
    """How many resources are more than one page of the provider's list."""

    unknown_id: ClassVar[str] = "999999999"
    """An id of the provider's form that no resource has."""

    wrong_secret: ClassVar[str] = "wrong"  # noqa: S105 - invented
    """A secret of the provider's form that is not the driver's."""

    # What a suite defines for its service

    base_driver: ClassVar[type[OperationsDriver]]
    """The base class of the service's drivers."""

    gone: ClassVar[tuple[type[PolycloudError], ...]] = (NotFoundError,)
    """The errors that say that a resource does not exist."""

    def arguments(self, driver: D, id_: str = "") -> dict[str, tuple[Any, ...]]:
        """Return arguments of the operations that need some, by name.

        `id_` is the id, or the name, of the resources in them; "" for one of the provider's form.
        """
        raise NotImplementedError

    @classmethod
    def created(cls, driver: D) -> Kind[Any]:
        """Return the kind of resource that tests create under names of the run, such as the nodes."""
        raise NotImplementedError

    # What a driver's test class may override

    driver_options: ClassVar[dict[str, Any]] = {}
    """Further keyword arguments that the driver of the fixture has, for the tests that make another one."""

    def driver_with_wrong_credentials(self, driver: D) -> D:
        """Return a driver for the same server, with wrong credentials."""
        connection = driver.connection
        wrong = (self.wrong_secret,) if driver.secret is None else (driver.key, self.wrong_secret)
        scheme = "https" if connection.secure else "http"
        url = f"{scheme}://{connection.host}:{connection.port}{connection.request_path}/"
        return self._another(driver, *wrong, url=url)

    def broken_driver(self, driver: D, url: str) -> D:
        """Return the same driver for the server at `url`, whose responses are broken; it must not retry.

        What is repeated all the same, such as the parts of an upload, is to pause for a moment only.
        """
        right = (driver.key,) if driver.secret is None else (driver.key, driver.secret)
        return self._another(driver, *right, url=url, retry=RetryPolicy(attempts=1, base=0.05), timeout=5.0)

    def _another(self, driver: D, *credentials: str, **options: Any) -> D:
        kind: Callable[..., D] = type(driver)
        return kind(*credentials, region=driver.region, **{**self.driver_options, **options})

    # For the tests: operations

    def need(self, *operations: str) -> None:
        """Skip the test unless the driver offers all these operations."""
        missing = [name for name in operations if name in self.not_offered]
        if missing:
            pytest.skip(f"the driver does not offer {', '.join(missing)}")

    def calls(self, driver: D, id_: str = "") -> dict[str, Callable[[], object]]:
        """Return all operations of the service by name, ready to be called with these `arguments`."""
        arguments = self.arguments(driver, id_)
        return {
            name: partial(_exhaust, getattr(driver, name), *arguments.get(name, ()))
            for name in driver.operations()
        }

    def own_calls(self, driver: D, id_: str = "") -> dict[str, Callable[[], object]]:
        """Return the `calls` that the driver implements itself; templates of the base call these."""
        return {
            name: call
            for name, call in self.calls(driver, id_).items()
            if driver.supports(name) and not hasattr(getattr(type(driver), name), "needs")
        }

    # For the tests: servers

    @contextmanager
    def pointed_at(self, driver: D, reply: Callable[[Message], bytes]) -> Iterator[tuple[D, SameReply]]:
        """Return the same driver for a server that sends the same response to every request."""
        if not self.over_http:
            pytest.skip("the driver does not speak HTTP")
        with serve(reply) as server, self.broken_driver(driver, server.url) as broken:
            yield broken, server

    @contextmanager
    def logged_in(self, driver: D, reply: Callable[[Message], bytes]) -> Iterator[tuple[D, SameReply]]:
        """Return the same driver for a server that sends the same response to every request after a login.

        The driver lists something first, for which its requests are passed on: a login that breaks would hide
        what the driver makes of all other responses. The test is skipped at its end if the driver needs a
        login, and nothing could be listed.
        """
        if not self.over_http:
            pytest.skip("the driver does not speak HTTP")
        line = driver.connection
        upstream = None if line.secure else (line.host, line.port)
        with (
            serve(reply, upstream) as server,
            self.broken_driver(driver, f"{server.url}{line.request_path}/") as broken,
        ):
            reached = upstream is not None and self.log_in(broken)
            server.passes = False
            yield broken, server
        if not reached and isinstance(line, TokenConnection):
            pytest.skip(f"{NOT_REACHED}the driver could not log in before the responses broke")

    def log_in(self, driver: D) -> bool:
        """Have the driver list something, so that it has logged in; return whether it could."""
        for name, call in self.own_calls(driver).items():
            if name.startswith(LISTS):
                with suppress(PolycloudError):
                    call()
                    return True
        return False

    @contextmanager
    def behind(self, driver: D, plan: FaultPlan) -> Iterator[D]:
        """Return the same driver, whose requests pass a proxy that injects faults by plan."""
        connection = driver.connection
        if not self.over_http or connection.secure:
            pytest.skip("the fault proxy speaks plain HTTP only")
        with (
            FaultProxy(connection.host, connection.port, plan) as proxy,
            self.broken_driver(driver, f"{proxy.url}{connection.request_path}/") as far,
        ):
            yield far

    # For the tests: waiting and removing

    def while_busy(self, action: Callable[[], T]) -> T:
        """Return the result of an action, repeated as long as the provider refuses it since it is busy.

        A provider may report an action as done while its resource is still locked (409, 423). How long a
        driver waits for that is its own choice, so the last refusal is raised when patience ends.
        """
        return when_free(action, timeout=self.patience, is_busy=lambda refusal: refusal.http_code in BUSY)

    def until(self, check: Callable[[], T | None], waiting_for: str) -> T:
        """Return the first true result of `check`; raise `OperationTimeoutError` when patience ends."""
        return waiting.poll(lambda: check() or None, waiting_for=waiting_for, timeout=self.patience)

    @pytest.fixture
    def cleanup(self) -> Iterator[ExitStack]:
        """Takes callbacks that are called at the end of the test."""
        with ExitStack() as stack:
            yield stack

    @contextmanager
    def clearing(self, driver: D) -> Iterator[list[Any]]:
        """Return a list for what the test creates; all of it is removed at the end of the block.

        A resource that existed before, which a faulty driver took for the created one, is left alone.
        """
        kind = self.created(driver)
        foreign = {item.id for item in kind.list()}
        made: list[Any] = []
        try:
            yield made
        finally:
            ours = [item for item in made if item.id and item.id not in foreign]
            require_gone(RUN.clear(kind, ours, self.patience))

    def remove(self, remove_one: Callable[[Any], object], items: Sequence[Any]) -> None:
        """Remove what a test created, with retries while patience lasts; report what cannot be removed."""
        require_gone(remove(remove_one, items, self.patience, self.gone))

    @classmethod
    def leftovers(cls, driver: D, patience: float) -> list[str]:
        """Wait until nothing that the run has created is listed any more; return what stays, with reasons."""
        return RUN.leftovers(cls.created(driver), patience)


def require_gone(left: Sequence[str]) -> None:
    """Fail the test if something is left over."""
    if left:
        pytest.fail(f"{LEFT_OVER}{'; '.join(left)}", pytrace=False)


def _exhaust(operation: Callable[..., object], *args: Any) -> object:
    """Call an operation; return a list of what it yields if it returns an iterator."""
    result = operation(*args)
    return list(result) if isinstance(result, Iterator) else result
