"""Facades and the event loops that they belong to."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from polycloud import aio
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options
from polycloud.errors import ConnectError, PolycloudError
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from support.loops import Run, until
from support.plain import PlainDriver
from support.web import Answer, Seen, Web, serve


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a program of its own does, in which every warning is an error."""
    command = [sys.executable, "-W", "error", "-c", text, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_before_and_after_its_block(run: Run, web: Web) -> None:
    """A facade works before its `async with` block and without one; after it, it says that it is closed."""

    async def main() -> None:
        cloud = aio.wrap(PlainDriver("user", "secret", **web.options))
        assert await cloud.run(cloud.driver.connection.request, "/before")
        async with cloud:
            assert await cloud.run(cloud.driver.connection.request, "/in")
        for use in (cloud.list_nodes, cloud.__aenter__, lambda: anext(cloud.iterate_nodes())):
            with pytest.raises(aio.EventLoopError, match="is closed; connect again"):
                await use()
        await cloud.close()
        await cloud.close()
        assert isinstance(aio.EventLoopError("x"), PolycloudError)

    run(main)
    run(aio.wrap(PlainDriver("user", "secret", **web.options)).close)


def test_on_another_loop(run: Run, plain: PlainDriver) -> None:
    """A facade says on every loop but its own that it belongs elsewhere, even to `close`."""
    cloud = aio.wrap(plain)

    async def use() -> None:
        await cloud.run(plain.connection.request, "/")

    async def elsewhere() -> None:
        for call in (use, cloud.close, cloud.__aenter__, lambda: anext(cloud.iterate_nodes())):
            with pytest.raises(aio.EventLoopError, match="belongs to another event loop"):
                await call()

    async def main() -> None:
        await use()
        await asyncio.to_thread(run, elsewhere)
        await cloud.close()

    run(main)
    run(cloud.close)


def test_loops_side_by_side(web: Web) -> None:
    """Facades of one driver on loops in several threads do not meet."""
    driver = PlainDriver("user", "secret", **web.options)
    together = threading.Barrier(4)

    async def main(name: str) -> list[str]:
        together.wait()
        async with aio.wrap(driver) as cloud:
            request = driver.connection.request
            responses = await asyncio.gather(
                *(cloud.run(request, f"/{name}") for _ in range(10)),
                *(aio.run(request, f"/{name}") for _ in range(10)),
            )
        return [response.object["target"] for response in responses]

    targets: dict[str, list[str]] = {}
    threads = [
        threading.Thread(target=lambda name=str(number): targets.update({name: asyncio.run(main(name))}))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert targets == {str(number): [f"/{number}"] * 20 for number in range(4)}


def test_closing_closes_everything(run: Run, web: Web) -> None:
    """`close` closes the driver's own connections too, which plain calls opened."""

    async def main() -> None:
        async with aio.wrap(PlainDriver("user", "secret", **web.options)) as cloud:
            request = cloud.driver.connection.request
            plainly = [request("/").object["connection"] for _ in range(2)]
            assert plainly == [1, 1]
            assert (await cloud.run(request, "/")).object["connection"] == 2
        assert request("/").object["connection"] == 3
        cloud.driver.close()

    run(main)


def test_a_plain_call_on_the_loop(run: Run, droplets: Sandbox) -> None:
    """A driver called plainly on the loop's thread works; the loop does nothing else meanwhile."""

    async def main() -> None:
        ticks: list[int] = []

        async def tick() -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0)

        async with aio.connect("digitalocean", *droplets.credentials, **droplets.options) as cloud:
            ticking = asyncio.create_task(tick())
            await asyncio.sleep(0)
            before = len(ticks)
            assert len(cloud.driver.list_nodes()) == 45
            assert len(ticks) == before
            assert len(await cloud.list_nodes()) == 45
            assert len(ticks) > before
            ticking.cancel()

    run(main)


def test_a_call_that_outlives_its_facade(run: Run) -> None:
    """A call under way when its facade is closed raises an EventLoopError, and sends nothing more."""
    over = threading.Event()

    def respond(seen: Seen) -> Answer:
        over.wait(30)
        return Answer(body={"data": []})

    async def main(web: Web) -> None:
        cloud = aio.wrap(PlainDriver("user", "secret", **web.options))
        call = asyncio.create_task(cloud.list_nodes())
        await until(lambda: web.seen)
        await cloud.close()
        with pytest.raises(aio.EventLoopError, match="is closed"):
            await call
        assert len(web.seen) == 1

    with serve(respond) as web:

        async def with_web() -> None:
            await main(web)

        run(with_web)
        over.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_a_fork(web: Web) -> None:
    """A forked process takes a new facade of the same driver; its parent's says that it belongs elsewhere."""
    done = script(
        """
import asyncio, os, sys, warnings
from polycloud import aio
from polycloud.compute.base import NodeDriver

driver = NodeDriver("key", url=sys.argv[1])
cloud = aio.wrap(driver)

async def use(cloud):
    return (await cloud.run(driver.connection.request, "/")).status

async def anew():
    async with aio.wrap(driver) as cloud:
        return await use(cloud)

async def close():
    await cloud.close()

runner = asyncio.Runner()
assert runner.run(use(cloud)) == 200
child = os.fork()
if child == 0:
    try:
        asyncio.run(use(cloud))
    except aio.EventLoopError:
        os._exit(0 if asyncio.run(anew()) == 200 else 2)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert runner.run(use(cloud)) == 200
runner.run(close())
runner.close()
""",
        web.url,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


UNCLOSED = """
import asyncio, sys
from polycloud import aio
from polycloud.compute.base import NodeDriver

async def main():
    cloud = aio.wrap(NodeDriver("key", url=sys.argv[1]))
    await cloud.run(cloud.driver.connection.request, "/")
    if sys.argv[2] == "pending":
        asyncio.create_task(cloud.run(cloud.driver.connection.sleep, 60))
        await asyncio.sleep(0)
    if sys.argv[2] == "iterating":
        async for _ in cloud.iterate(iter, [1, 2]):
            break
    if sys.argv[2] == "closed":
        await cloud.close()

if sys.argv[2] == "loop":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
else:
    asyncio.run(main())
print("ended")
"""


@pytest.mark.parametrize("how", ["left", "pending", "iterating", "loop"])
def test_a_facade_that_is_never_closed(web: Web, how: str) -> None:
    """A facade that is never closed costs a warning that connections were left open, and nothing more."""
    done = script(UNCLOSED, web.url, how)
    assert (done.returncode, done.stdout) == (0, "ended\n")
    assert "connections were left open: use `async with`" in done.stderr
    assert "greenlet" not in done.stderr


def test_a_facade_that_is_closed_is_quiet(web: Web) -> None:
    """A program that closes its facade ends without a word."""
    done = script(UNCLOSED, web.url, "closed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


PLAINLY = """
import sys
sys.modules["greenlet"] = None
from polycloud.compute import keys
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.providers import get_driver
from polycloud.compute.base import NodeAuthSSHKey
from polycloud.sandbox import Sandbox

private, public = keys.generate()
with Sandbox("nephoscale", build=0.05, appear=0.02, no_isolation=True) as cloud:
    with get_driver("nephoscale")(*cloud.credentials, **cloud.options) as driver:
        script = ScriptDeployment("echo deployed")
        node = driver.deploy_node(
            deploy=script, name="web", size=driver.list_sizes()[0], image=driver.list_images()[0],
            auth=NodeAuthSSHKey(public), ssh_key=private, ssh_port=cloud.ssh_port, wait_period=0.1,
        )
        print(script.stdout, end="")
"""


def test_plain_programs_need_no_greenlet() -> None:
    """Plain programs, deployments over SSH among them, do not import greenlet."""
    done = script(PLAINLY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "deployed\n", "")


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_on_uvloop(droplets: Sandbox) -> None:
    """Facades work on uvloop: calls, iterators, cancellation."""
    uvloop: Any = importlib.import_module("uvloop")

    async def main() -> None:
        driver = DigitalOceanNodeDriver(*droplets.credentials, **droplets.options, pool_size=1)
        async with aio.wrap(driver) as cloud:
            assert len([node async for node in cloud.iterate_nodes()]) == 45
            droplets.fault("stall", path="/v2/sizes")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await cloud.list_sizes()
            assert len(await cloud.list_nodes()) == 45

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_plain_call_beside_a_task_of_its_loop(run: Run) -> None:
    """Plain code on a loop's thread does not wait for that loop's flight: it runs the function, or raises."""
    flight = waiting.SingleFlight()

    def work() -> str:
        waiting.sleep(0.05)
        return "done"

    async def main() -> None:
        task = asyncio.create_task(aio.run(lambda: flight("key", work)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert flight("key", lambda: "itself") == "itself"
        with pytest.raises(PolycloudError, match="await it"):
            flight("key", lambda: "itself", alone=True)
        assert await task == "done"

    run(main)


def test_waiting_for_a_connection_ends(run: Run) -> None:
    """A call that gets no connection of the pool ends after its timeout."""

    async def main() -> None:
        with Sandbox("digitalocean", ssh="off", latency=30) as slow:
            async with aio.connect("digitalocean", *slow.credentials, **slow.options, pool_size=1) as cloud:
                first = asyncio.create_task(cloud.list_sizes())
                await asyncio.sleep(0.2)
                with call_options(timeout=0.3, retry=RetryPolicy(attempts=1)), pytest.raises(ConnectError):
                    await asyncio.wait_for(cloud.list_sizes(), 20)
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)

    run(main)
