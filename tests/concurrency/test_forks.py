from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.base import BaseDriver, ConnectionKey, JsonResponse
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.ssh import HostKeys, SSHClient
from polycloud.compute.types import SSHError
from polycloud.concurrency import loopthread, waiting
from polycloud.errors import InvalidCredsError
from polycloud.http import ratelimits
from polycloud.http.messages import RawResponse, Request
from polycloud.http.urllib3 import Urllib3Transport
from polycloud.sandbox import Sandbox
from polycloud.testing.sshd import SSHServer
from polycloud.utils.headers import Headers
from support.certificates import Authority
from support.web import serve

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

THREADS = 8
PATIENCE = 30
"""Seconds after which a child hangs; no test waits for them."""


class EchoConnection(ConnectionKey):
    responseCls = JsonResponse


class EchoDriver(BaseDriver):
    name = "Echo"
    connectionCls = EchoConnection


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked child, through JSON; a child that hangs or fails ends the test."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writes, json.dumps(work()).encode())
        except BaseException as error:  # noqa: BLE001 - the parent reports it
            os.write(writes, json.dumps(f"the child failed: {error!r}").encode())
        finally:
            os._exit(0)
    os.close(writes)
    with open(reads, "rb") as pipe:  # noqa: PTH123 - a descriptor
        ended = bool(select.select([pipe], [], [], PATIENCE)[0])
        if not ended:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert ended, "the child hangs"
        return json.loads(pipe.read())


@contextmanager
def held(lock: Any) -> Iterator[None]:
    """Another thread holds `lock` until the block ends."""
    holds, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holds.set()
            over.wait(PATIENCE * 2)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        thread.join()


def exercise(driver: EchoDriver) -> list[Any]:
    """Use everything that a driver shares between its calls; what came of it."""
    connection = driver.connection
    connection.retry_budget.spend()
    ratelimits.limiter_of("another account")
    responses = waiting.gather([lambda: connection.request("/x").object["target"]] * 3)
    driver.close()
    return [*responses, connection.request("/y").object["target"], waiting.run(nothing)]


async def nothing() -> None:
    """The least that a loop can do."""


EXERCISED = ["/x", "/x", "/x", "/y", None]


# Threads at work


def test_a_child_uses_the_driver_that_threads_use() -> None:
    """A child forked in the middle of others' calls uses the driver at once, on connections of its own."""
    parents: set[int] = set()
    children: set[int] = set()
    wrong: list[str] = []
    over = threading.Event()
    with serve() as web, EchoDriver("key", **web.options, pool_size=4) as driver:

        def ask(path: str) -> int:
            response = driver.connection.request(path).object
            if response["target"] != path:
                wrong.append(path)
            return int(response["connection"])

        def call(thread: int) -> None:
            for number in range(100_000):
                if over.is_set():
                    return
                parents.add(ask(f"/{thread}/{number}"))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            for fork in range(8):
                result = in_child(
                    lambda fork=fork: [[ask(f"/child/{fork}/{n}") for n in range(5)], wrong]  # type: ignore[misc]
                )
                assert result[1:] == [[]], result
                children.update(result[0])
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert wrong == []
    assert parents
    assert children
    assert not parents & children


def test_a_process_of_multiprocessing() -> None:
    """A process that multiprocessing forks uses the same driver, and ends by itself."""
    with serve() as web, EchoDriver("key", **web.options) as driver:
        assert exercise(driver) == EXERCISED
        context: Any = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        process = context.Process(target=lambda: there.send(exercise(driver)))
        process.start()
        assert here.poll(PATIENCE)
        assert here.recv() == EXERCISED
        process.join(PATIENCE)
        assert process.exitcode == 0
        assert exercise(driver) == EXERCISED


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes(method: str) -> None:
    """A driver's methods can be called in a pool of processes, however those begin; errors too."""
    with (
        Sandbox("nephoscale", ssh="off") as cloud,
        NephoscaleNodeDriver(*cloud.credentials, **cloud.options) as driver,
        NephoscaleNodeDriver("nobody", "wrong-password", **cloud.options) as stranger,
        ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool,
    ):
        own = [size.id for size in driver.list_sizes()]
        assert [size.id for size in pool.submit(driver.list_sizes).result(PATIENCE)] == own
        with pytest.raises(InvalidCredsError) as caught:
            pool.submit(stranger.list_nodes).result(PATIENCE)
    assert caught.value.exchange is not None
    assert caught.value.exchange.provider == "NephoScale"
    assert caught.value.driver is None
    assert "wrong-password" not in repr(caught.value.__cause__)


def test_a_child_does_not_end_its_parents_tls(tmp_path: Path) -> None:
    """What a child does with its copy of a TLS connection, its end too, leaves the parent's as it was."""
    certificate = Authority(tmp_path).issue()
    with serve(ssl_context=certificate.server_context()) as web:
        options: dict[str, Any] = {
            "host": "localhost",
            "port": web.port,
            "ca_cert": str(certificate.authority),
        }
        with EchoDriver("key", **options) as driver:
            first = driver.connection.request("/").object["connection"]
            assert in_child(lambda: driver.connection.request("/").object["connection"]) != first
            assert driver.connection.request("/").object["connection"] == first


# Locks


LOCKS: dict[str, Callable[[EchoDriver], Any]] = {
    "the transport": lambda driver: transport_of(driver)._lock,
    "single flight": lambda driver: driver.connection.single_flight._lock,
    "the rate limiter": lambda driver: driver.connection.rate_limiter._lock,
    "the limiters of all accounts": lambda _: ratelimits._limiters._lock,
    "the retry budget": lambda driver: driver.connection.retry_budget._lock,
    "the private loop": lambda driver: loopthread._loop_thread._lock,
}


def transport_of(driver: EchoDriver) -> Urllib3Transport:
    transport = driver.connection.transport()
    assert isinstance(transport, Urllib3Transport)
    return transport


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_of_the_parents_holds_a_child_up(name: str) -> None:
    """A lock that another thread holds during the fork does not block the child."""
    with serve() as web, EchoDriver("key", **web.options) as driver:
        assert exercise(driver) == EXERCISED
        with held(LOCKS[name](driver)):
            assert in_child(lambda: exercise(driver)) == EXERCISED
        assert exercise(driver) == EXERCISED


def test_host_keys_hold_no_child_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host keys that another thread is writing during the fork can be used in the child."""
    monkeypatch.setattr(sys.modules[__name__], "PATIENCE", 2)
    keys = HostKeys()
    with held(keys._lock):
        assert in_child(lambda: keys.accept("machine", "ssh-ed25519 AAAA"))


def test_a_response_read_by_another_thread_holds_no_child_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child reads its responses though another thread was reading one during the fork."""
    monkeypatch.setattr(sys.modules[__name__], "PATIENCE", 2)
    reads, over = threading.Event(), threading.Event()

    class Slow(JsonResponse):
        def parse_body(self) -> Any:
            if threading.current_thread() is not threading.main_thread():
                reads.set()
                over.wait(10)
            return "read"

    def read() -> Any:
        raw = RawResponse(200, "OK", Headers(), b"{}")
        driver = EchoDriver("key", host="127.0.0.1", secure=False)
        return Slow(raw, driver.connection, Request("GET", "http://h/")).object

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert reads.wait(PATIENCE)
        assert in_child(read) == "read"
    finally:
        over.set()
        thread.join()


def test_no_flight_of_the_parents_holds_a_child_up() -> None:
    """A flight under way in the parent is not waited for in the child, which starts its own."""
    flies, over = threading.Event(), threading.Event()
    flights = waiting.SingleFlight()

    def fly() -> str:
        flies.set()
        over.wait(PATIENCE * 2)
        return "the parent's"

    thread = threading.Thread(target=flights, args=("token", fly))
    thread.start()
    try:
        assert flies.wait(PATIENCE)
        assert in_child(lambda: flights("token", lambda: "the child's")) == "the child's"
    finally:
        over.set()
        thread.join()


SCRIPT = """
import os, sys, threading
from polycloud.common.base import Connection

connection = Connection(secure=False, host="127.0.0.1", port=int(sys.argv[1]))
connection.request("/")
(pool,) = connection.transport()._pools.values()
places, holds = pool.pool, threading.Event()

def hold(pool):
    while True:
        if places._places.empty():
            holds.set()
        places.get()  # the last one waits for ever, and holds the queue's own lock

threading.Thread(target=hold, args=(pool,), daemon=True).start()
holds.wait()
del pool
child = os.fork()
if child == 0:
    connection.request("/")
    sys.exit(7)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
os._exit(code)
"""


def test_a_child_ends() -> None:
    """A child ends by itself, though what cleans up at its end meets a lock that is held for ever."""
    with serve() as web:
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(web.port)]
        process = subprocess.Popen(command, start_new_session=True)
        try:
            assert process.wait(PATIENCE) == 7
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


# Loops


def test_the_private_loop_is_made_anew() -> None:
    """A child has a private loop of its own, though threads of the parent are waiting on theirs."""
    over: Future[None] = Future()

    async def wait() -> None:
        await asyncio.wrap_future(over)

    threads = [threading.Thread(target=waiting.run, args=(wait,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: waiting.run(nothing)) is None
            assert waiting.run(nothing) is None
    finally:
        over.set_result(None)
        for thread in threads:
            thread.join()


def test_ssh_after_a_fork(tmp_path: Path) -> None:
    """A child must connect again: the parent's connection raises an error there, and stays the parent's."""
    with SSHServer(passwords=["right-password"], home=tmp_path) as server:
        with SSHClient(server.host, server.port, password="right-password") as client:
            assert client.run("echo parent").stdout == "parent\n"

            def use_the_parents() -> str:
                try:
                    return client.run("echo child").stdout
                except SSHError as error:
                    return str(error)

            def connect_anew() -> str:
                client.connect()
                return client.run("echo child").stdout

            assert "another process" in in_child(use_the_parents)
            assert in_child(connect_anew) == "child\n"
            assert client.run("echo parent").stdout == "parent\n"
