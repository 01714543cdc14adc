from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

import pytest

from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.errors import InvalidArgumentError, InvalidCredsError
from polycloud.fleet import Deploy, Fleet
from polycloud.sandbox import Sandbox
from support.fleets import (
    TOKEN,
    OddError,
    Pickling,
    a_lock,
    die,
    fail_oddly,
    greet,
    make_driver,
    pid,
    sockets_to,
    something_odd,
)


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if request.param == "processes":
        yield request.getfixturevalue("processes")
        return
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_any_executor(executor: Executor, prod: DigitalOceanNodeDriver, office: NephoscaleNodeDriver) -> None:
    """A round is the same on threads and processes that the caller gives; failures stand beside results."""
    wrong = DigitalOceanNodeDriver(TOKEN, host="127.0.0.1", port=prod.connection.port, secure=False)
    with wrong:
        accounts = {"prod": prod, "office": office, "wrong": wrong}
        found = {result.account: result for result in Fleet(accounts, executor=executor).list_nodes()}
        assert (len(found["prod"].get()), found["office"].get()) == (3, [])
        assert isinstance(found["wrong"].error, InvalidCredsError)
        nodes = {"prod": found["prod"].get()[:1]}
        [result] = Fleet(accounts, executor=executor).wait_many(nodes, wait_period=0.1)
        assert len(result.get()) == 1


def test_calls_run_elsewhere(processes: Executor, prod: DigitalOceanNodeDriver) -> None:
    """On processes a call runs in another one, and what comes back can be used as if it had not."""
    fleet = Fleet({"prod": prod}, executor=processes)
    assert next(fleet.each(pid)).get() != os.getpid()
    node = next(fleet.list_nodes()).get()[0]
    assert node.reboot()
    assert prod.get_node(node.id).uuid == node.uuid
    node.driver.close()


def test_what_cannot_be_pickled_is_named(processes: Executor, prod: DigitalOceanNodeDriver) -> None:
    """A task that cannot be pickled names its argument, its call or its driver."""
    lock: Any = threading.Lock()

    class Locked(DigitalOceanNodeDriver):
        pass

    fleet = Fleet({"prod": prod}, executor=processes)
    local = Fleet({"local": Locked(TOKEN)}, executor=processes)
    found: dict[str, Any] = {
        "argument 1 of list_sizes": fleet.list_sizes(lock),
        "location= of list_sizes": fleet.list_sizes(location=lock),
        "the call": fleet.each(lambda _: lock),
        "the driver of local": local.list_nodes(),
        "argument 1 of deploy_node": fleet.deploy_many([Deploy("prod", lock)]),
        "size= of deploy_node": fleet.deploy_many([Deploy("prod", object(), {"size": lock})]),  # type: ignore[arg-type]
    }
    for what, results in found.items():
        error = next(iter(results)).error
        assert isinstance(error, InvalidArgumentError)
        assert str(error).startswith(f"{what} cannot be pickled for the executor: ")
        assert TOKEN not in str(error)


def test_what_comes_back_odd(processes: Executor, prod: DigitalOceanNodeDriver) -> None:
    """An answer or an error that survives no pickle is told in words, and breaks the executor for nobody."""
    fleet = Fleet({"prod": prod}, executor=processes)
    [lock] = fleet.each(a_lock)
    assert "the result of prod cannot be pickled" in str(lock.error)
    [odd] = fleet.each(something_odd)
    assert "cannot be unpickled" in str(odd.error)
    [error] = fleet.each(fail_oddly)
    assert str(error.error) == "OddError: odd 17"
    assert "in fail_oddly" in error.error.__notes__[0]  # type: ignore[union-attr] # it has one
    [good] = fleet.list_nodes()
    assert len(good.get()) == 3


def test_an_error_in_this_process_stays_itself(prod: DigitalOceanNodeDriver) -> None:
    """On threads an error is the very one that was raised."""
    [result] = Fleet({"prod": prod}).each(fail_oddly)
    assert isinstance(result.error, OddError)


def test_a_process_that_dies(prod: DigitalOceanNodeDriver) -> None:
    """A process that ends in the middle is an error of its account."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        [result] = Fleet({"prod": prod}, executor=executor).each(die)
    assert isinstance(result.error, BrokenProcessPool)


def test_nothing_secret_travels_with_errors(droplets: Sandbox) -> None:
    """What comes back of a failed call holds its words and its traceback, and no credentials."""
    account = partial(make_driver, "digitalocean", (TOKEN,), droplets.options)
    with Pickling() as executor:
        [result] = Fleet({"prod": account}, executor=executor).list_nodes()
    _, answer = executor.seen
    assert isinstance(result.error, InvalidCredsError)
    assert "DigitalOcean: GET" in str(result.error)
    assert "in list_nodes" in result.error.__notes__[-1]
    assert TOKEN.encode() not in answer
    assert TOKEN not in "".join(result.error.__notes__)


def test_tasks_show_no_secrets_and_differ(prod: DigitalOceanNodeDriver) -> None:
    """What executors show of a task is its call and its account; no two look the same."""
    with Pickling() as executor:
        deploys = [Deploy("prod", object(), {"ssh_key": TOKEN})] * 2  # type: ignore[arg-type]
        list(Fleet({"prod": prod}, executor=executor).deploy_many(deploys))
        list(Fleet({"prod": prod}, executor=executor).each(partial(greet, TOKEN)))
    tasks = [seen for seen in executor.seen if b"Task" in seen]
    shown = [repr(pickle.loads(task).func) for task in tasks]
    assert sorted(shown) == ["a call of prod", "deploy_node of prod", "deploy_node of prod"]
    assert len(set(tasks)) == 3


def test_a_pickle_leaves_the_error_alone(prod: DigitalOceanNodeDriver) -> None:
    """A result can be pickled again and again: its error stays as it was, and each copy has one traceback."""
    [result] = Fleet({"prod": prod}).each(lambda driver: driver.nonsense)  # type: ignore[attr-defined]
    copies = [pickle.loads(pickle.dumps(result)) for _ in range(2)]
    again = pickle.loads(pickle.dumps(copies[0]))
    assert not hasattr(result.error, "__notes__")
    assert [len(each.error.__notes__) for each in (*copies, again)] == [1, 1, 1]


def test_copies_are_closed(prod: DigitalOceanNodeDriver, droplets: Sandbox) -> None:
    """The copy of a driver that arrived elsewhere leaves no socket there."""
    prod.close()
    with Pickling() as executor:
        [result] = Fleet({"prod": prod}, executor=executor).list_nodes()
    assert len(result.get()) == 3
    assert sockets_to(droplets.port) == 0
