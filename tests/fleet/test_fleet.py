from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, assert_type

import pytest

from polycloud.compute.base import NodeDriver
from polycloud.compute.deployment import Deployment
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node, NodeSize
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    InvalidCredsError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.fleet import Deploy, Fleet, Result
from polycloud.fleet import accounts as fleets
from polycloud.sandbox import Sandbox
from support.fleets import (
    NONE,
    TOKEN,
    at,
    empty,
    fleet_threads,
    gated,
    make_driver,
    sockets_to,
    wait_until,
)
from support.web import Answer, Seen, serve


def by_account(results: Any) -> dict[str, Result[Any]]:
    return {result.account: result for result in results}


def refuse(message: str) -> NodeDriver:
    raise RuntimeError(message)


def test_each_account_answers(prod: DigitalOceanNodeDriver, office: NephoscaleNodeDriver) -> None:
    """Every account has one result, whatever the order in which they are named."""
    for accounts in ({"prod": prod, "office": office}, {"office": office, "prod": prod}):
        found = by_account(Fleet(accounts).list_nodes())
        assert {name: len(result.get()) for name, result in found.items()} == {"prod": 3, "office": 0}


def test_types(prod: DigitalOceanNodeDriver) -> None:
    """Type checkers know what each method of a fleet yields."""
    fleet = Fleet({"prod": prod})
    assert_type(fleet.list_nodes(), Generator[Result[list[Node]], None, None])
    assert_type(fleet.list_sizes(), Generator[Result[list[NodeSize]], None, None])
    assert_type(fleet.wait_many({}), Generator[Result[list[tuple[Node, list[str]]]], None, None])
    assert_type(fleet.deploy_many([]), Generator[Result[Node], None, None])
    assert_type(next(fleet.each(count)).get(), int)
    with pytest.raises(TypeError):
        next(fleet.list_nodes("too much")).get()  # type: ignore[call-arg] # the checker refuses it too


def count(driver: NodeDriver) -> int:
    return len(driver.list_nodes())


def test_lists_take_arguments(prod: DigitalOceanNodeDriver, office: NephoscaleNodeDriver) -> None:
    """A list of a fleet takes what the driver's own takes."""
    location = prod.list_locations()[0]
    [result] = Fleet({"prod": prod}).list_sizes(location)
    assert [size.id for size in result.get()] == [size.id for size in prod.list_sizes(location)]
    assert {result.error for result in Fleet({"prod": prod, "office": office}).list_images()} == {None}


def test_a_quick_account_does_not_wait() -> None:
    """Results come as they arrive: a slow account never delays a quick one."""
    with gated() as (slow, gate), empty() as quick, at(slow) as first, at(quick) as second:
        results = Fleet({"slow": first, "quick": second}).list_nodes()
        assert next(results).account == "quick"
        gate.set()
        assert [result.account for result in results] == ["slow"]


def test_failures_stand_beside_results(prod: DigitalOceanNodeDriver, droplets: Sandbox) -> None:
    """A dead provider, wrong credentials, a factory that fails and a stalled server each have their error."""
    with empty() as gone:
        dead = at(gone)
    wrong = DigitalOceanNodeDriver(TOKEN, **droplets.options)
    with gated() as (stalled, _), at(stalled, timeout=0.2) as silent, wrong, dead:
        accounts: dict[str, Any] = {
            "prod": prod,
            "dead": dead,
            "wrong": wrong,
            "unmade": partial(refuse, "the vault is shut"),
            "odd": partial(dict),
            "silent": silent,
        }
        found = by_account(Fleet(accounts).list_nodes())
        assert found.keys() == accounts.keys()
        assert len(found["prod"].get()) == 3
        assert isinstance(found["dead"].error, ConnectError)
        assert isinstance(found["wrong"].error, InvalidCredsError)
        assert str(found["unmade"].error) == "the vault is shut"
        assert str(found["odd"].error) == "the function of the account 'odd' must return a driver, got dict"
        assert isinstance(found["silent"].error, PolycloudError)
        with pytest.raises(InvalidCredsError):
            found["wrong"].get()
        assert TOKEN not in repr(found)


def test_an_error_of_the_call_is_told_as_it_is(prod: DigitalOceanNodeDriver) -> None:
    """What a call raises is its result's error, even where it looks like one of pickling."""
    [result] = Fleet({"prod": prod}).each(lambda driver: driver.nonsense)  # type: ignore[attr-defined]
    assert isinstance(result.error, AttributeError)
    assert "nonsense" in str(result.error)


def test_what_a_driver_does_not_offer(office: NephoscaleNodeDriver) -> None:
    """An operation that a driver lacks is an error of its account."""
    [result] = Fleet({"office": office}).list_volumes()
    assert isinstance(result.error, UnsupportedOperationError)


@pytest.mark.parametrize("own_executor", [False, True])
def test_the_limit_holds(own_executor: bool) -> None:
    """No more calls than the limit are under way at a time, and as many as that are."""
    lock, both, most, now = threading.Lock(), threading.Barrier(2), 0, 0

    def respond(_: Seen) -> Answer:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        both.wait(20)
        with lock:
            now -= 1
        return Answer(body=NONE)

    with serve(respond) as web, ExitStack() as stack:
        accounts = {f"account {number}": stack.enter_context(at(web)) for number in range(8)}
        executor = stack.enter_context(ThreadPoolExecutor(8)) if own_executor else None
        results = list(Fleet(accounts, limit=2, executor=executor).list_nodes())
    assert [result.error for result in results] == [None] * 8
    assert most == 2


def test_a_deadline_ends_everything() -> None:
    """At the deadline what waits for a server ends by itself, the rest never begins; nothing stays."""
    with gated() as (stalled, _), empty() as quick:
        accounts = {
            name: partial(make_driver, "digitalocean", (TOKEN,), web.options)
            for name, web in (("quick", quick), ("stalled", stalled), ("last", stalled))
        }
        found = by_account(Fleet(accounts, limit=1, deadline=0.5).list_nodes())
        assert found["quick"].get() == []
        assert isinstance(found["stalled"].error, PolycloudError)
        assert isinstance(found["last"].error, OperationTimeoutError)
        assert "last to respond" in str(found["last"].error)
        assert len(stalled.seen) == 1
        wait_until(lambda: not fleet_threads())
        assert sockets_to(stalled.port, quick.port) == 0


def test_a_call_that_ignores_the_deadline(
    prod: DigitalOceanNodeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that does not end is given up after the grace, and what has ended meanwhile is told."""
    monkeypatch.setattr(fleets, "GRACE", 0.1)
    gate = threading.Event()
    calls: dict[str, Callable[[], object]] = {"deaf": gate.wait, "prod": prod.list_nodes}
    results = Fleet({name: partial(same, prod, name) for name in calls}, deadline=0.2).each(
        lambda driver: calls[names.pop()]()
    )
    names = ["deaf", "prod"]
    kinds = [type(result.error) for result in results]
    gate.set()
    assert kinds == [type(None), OperationTimeoutError]
    wait_until(lambda: not fleet_threads())


def same(driver: NodeDriver, name: str) -> NodeDriver:
    return driver


def test_a_slow_consumer_loses_nothing(prod: DigitalOceanNodeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended in time is told, however late it is asked for."""
    monkeypatch.setattr(fleets, "GRACE", 0.01)
    both = threading.Barrier(2)
    fleet = Fleet({"a": prod, "b": prod}, deadline=5)
    with ThreadPoolExecutor(2) as executor:
        fleet.executor = executor
        results = fleet.each(lambda _: both.wait(20))
        first = next(results)
        wait_until(lambda: both.n_waiting == 0)
        executor.shutdown()  # both have ended
        monkeypatch.setattr(fleets, "GRACE", -10.0)
        assert [first.error, *(result.error for result in results)] == [None, None]


def test_the_block_around_counts(prod: DigitalOceanNodeDriver) -> None:
    """The deadline of `call_options` around a round counts for its calls, on executors too."""
    with gated() as (stalled, _), at(stalled) as driver, ThreadPoolExecutor(1) as executor:
        for where in (None, executor):
            with call_options(deadline=0.3):
                [result] = Fleet({"stalled": driver}, executor=where).list_nodes()
            assert isinstance(result.error, PolycloudError)


def test_stopping_early() -> None:
    """A consumer that stops leaves what has not begun undone, and no thread behind."""
    with gated() as (stalled, gate), empty() as quick, at(quick) as driver, at(stalled) as slow:
        accounts = {"quick": driver, "slow": slow, "never": slow}
        for result in Fleet(accounts, limit=2).each(lambda driver: driver.list_nodes()):
            assert result.account == "quick"
            break
        gate.set()
        wait_until(lambda: not fleet_threads())
        assert len(stalled.seen) <= 1


def test_stopping_early_on_an_executor(prod: DigitalOceanNodeDriver) -> None:
    """A consumer that stops takes back what its executor has not begun, and leaves the executor open."""
    began: list[object] = []
    gate = threading.Event()

    def call(driver: NodeDriver) -> None:
        began.append(driver)
        gate.wait(0 if len(began) == 1 else 20)

    with ThreadPoolExecutor(1) as executor:
        with closing(Fleet({str(n): prod for n in range(8)}, executor=executor).each(call)) as results:
            assert next(results).error is None
        gate.set()
        assert executor.submit(len, ()).result() == 0
    assert len(began) <= 2


def test_what_a_function_made_is_closed(droplets: Sandbox) -> None:
    """A driver that was made for a call leaves no socket, and what came of the call can still be used."""
    account = partial(make_driver, "digitalocean", droplets.credentials, droplets.options)
    [result] = Fleet({"prod": account}).list_nodes()
    assert sockets_to(droplets.port) == 0
    node = result.get()[0]
    assert node.reboot()
    node.driver.close()


def test_limits_of_rate_stand_apart() -> None:
    """An account whose limit is used up waits for itself alone."""
    refusals = iter([Answer(429, headers={"Retry-After": "1"})])

    def refuse_once(_: Seen) -> Answer:
        return next(refusals, Answer(body=NONE))

    with serve(refuse_once) as poor, empty() as rich, at(poor) as few, at(rich) as many:
        results = Fleet({"few": few, "many": many}).each(lambda driver: [count(driver) for _ in range(5)])
        assert [(result.account, result.get()) for result in results] == [("many", [0] * 5), ("few", [0] * 5)]


def test_waiting_for_many(prod: DigitalOceanNodeDriver, droplets: Sandbox) -> None:
    """The nodes of several accounts are waited for side by side."""
    nodes = prod.list_nodes()
    fleet = Fleet({"a": prod, "b": prod})
    found = by_account(fleet.wait_many({"a": nodes[:1], "b": nodes[1:]}, wait_period=0.1))
    assert [len(found[name].get()) for name in "ab"] == [1, 2]


def test_wrong_arguments(prod: DigitalOceanNodeDriver) -> None:
    """Wrong accounts, limits, deadlines and executors are refused in words that show no credentials."""
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        ({}, {"limit": 0}, "limit must be an int above 0"),
        ({}, {"limit": 2.5}, r"an int above 0, got 2\.5"),
        ({}, {"limit": True}, "got True"),
        ({}, {"deadline": 0}, "deadline must be a number of seconds above 0"),
        ({}, {"deadline": "soon"}, "got 'soon'"),
        ({}, {"executor": "dask"}, "executor must be an Executor, got str"),
        ([prod], {}, "a mapping of drivers, got list"),
        ({"prod": TOKEN}, {}, "the account 'prod' must be a driver or a function, got str"),
    ]
    for accounts, options, words in wrong:
        with pytest.raises(InvalidArgumentError, match=words) as caught:
            Fleet(accounts, **options)
        assert TOKEN not in str(caught.value)


def test_unknown_accounts(prod: DigitalOceanNodeDriver) -> None:
    """An account that is not there is refused at once, with those that are."""
    with pytest.raises(InvalidArgumentError, match="no account is called 'prd'; there are: prod, b"):
        Fleet({"prod": prod, "b": prod}).wait_many({"prd": []})
    with pytest.raises(InvalidArgumentError, match="there are: none"):
        Fleet({}).deploy_many([Deploy("prod", Deployment())])


def test_no_accounts() -> None:
    """A fleet without accounts has no results."""
    assert list(Fleet({}).list_nodes()) == []
    assert list(Fleet({}, deadline=1).deploy_many([])) == []


def test_an_executor_that_is_shut(prod: DigitalOceanNodeDriver) -> None:
    """An executor that takes no work is an error of each account."""
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    results = list(Fleet({"a": prod, "b": prod}, executor=executor).list_nodes())
    assert ["shutdown" in str(result.error) for result in results] == [True, True]


def test_nothing_secret_is_shown(prod: DigitalOceanNodeDriver) -> None:
    """The repr of a deployment holds none of its arguments."""
    deploy = Deploy("prod", Deployment(), {"ssh_key": TOKEN})
    assert TOKEN not in repr(deploy)
