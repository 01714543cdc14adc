from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from polycloud import aio, config
from polycloud.aio.driver import Awaited, Iterated
from polycloud.common.base import JsonResponse
from polycloud.common.tokens import Token, TokenConnection
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options, current_call
from polycloud.errors import (
    InvalidArgumentError,
    NotFoundError,
    OperationTimeoutError,
    ProviderHTTPError,
    TransportError,
    UnknownProviderError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox
from support.clouds import KEY, READERS
from support.loops import Run, until
from support.plain import PlainDriver
from support.web import Answer, Seen, Web, serve

Call = Callable[..., Coroutine[Any, Any, Any]]
T = TypeVar("T")
setting: ContextVar[str] = ContextVar("setting", default="unset")

NO_OPERATIONS = {"custom_size"}
"""Public methods of the base that ask no provider."""


# What the facade has


def test_every_operation_is_there() -> None:
    """The facade has every public method of the base that sends requests, iterators as iterators."""
    methods = {name for name, fn in vars(NodeDriver).items() if inspect.isfunction(fn) and name[0] != "_"}
    for name in methods - NO_OPERATIONS:
        awaited = vars(aio.AsyncNodeDriver).get(name)
        iterates = inspect.signature(getattr(NodeDriver, name)).return_annotation.startswith("Iterator[")
        kind = Iterated if iterates else Awaited
        assert isinstance(awaited, kind), f"{name} = {kind.__name__}(NodeDriver.{name}) is missing"
        assert (awaited.name, awaited.__doc__) == (name, getattr(NodeDriver, name).__doc__)


def test_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`aio.connect` finds an account as `polycloud.connect` does: by profile and by variables."""
    file = tmp_path / "config.toml"
    file.write_text('[profiles.lab]\nprovider = "digitalocean"\ntoken = "from the file"\n')
    file.chmod(0o600)
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(file))
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "from the environment")
    for cloud, token in (
        (aio.connect(profile="lab"), "from the file"),
        (aio.connect(), "from the file"),
        (aio.connect("digitalocean"), "from the environment"),
        (aio.connect("digitalocean", "given"), "given"),
    ):
        assert isinstance(cloud, aio.AsyncNodeDriver)
        assert isinstance(cloud.driver, DigitalOceanNodeDriver)
        assert cloud.driver.key == token
    with pytest.raises(config.ConfigError, match=r"no profile is called 'lap'.*the nearest are lab"):
        aio.connect(profile="lap")


async def everything(call: Call, folder: Path) -> list[Any]:
    """Every operation but deploy_node once, on a cloud with nothing in it."""
    (folder / "key.pub").write_text(KEY.replace("IEZ0", "IEZ1"))
    results: list[Any] = []

    async def keep(name: str, /, *args: Any, **kwargs: Any) -> Any:
        results.append((name, await call(name, *args, **kwargs)))
        return results[-1][1]

    location = next(place for place in await keep("list_locations") if place.id == "nyc3")
    size = (await keep("list_sizes", location))[0]
    image = await keep("get_image", "ubuntu-24-04-x64")
    await keep("list_images", location=location)
    pair = await keep("import_key_pair_from_string", "first", KEY)
    await keep("import_key_pair_from_file", "second", str(folder / "key.pub"))
    await keep("create_key_pair", "third")
    await keep("list_key_pairs")
    await keep("get_key_pair", "second")
    await keep("delete_key_pair", pair)
    node = await keep("create_node", name="web", size=size, image=image, location=location)
    await keep("wait_until_running", [node], wait_period=0.05)
    await keep("list_nodes")
    await keep("iterate_nodes")
    await keep("get_node", node.id)
    for name, state in [
        ("stop_node", "stopped"),
        ("start_node", "running"),
        ("reboot_node", "running"),
        ("shutdown_node", "stopped"),
    ]:
        await keep(name, node)
        while (await call("get_node", node.id)).state != state:
            await call("list_nodes")
    picture = await keep("create_image", node, "picture")
    await keep("copy_image", "nyc3", picture, "copy")
    volume = await keep("create_volume", 1, "disk", location)
    await keep("attach_volume", node, volume)
    while not (await call("list_volumes"))[0].extra["droplet_ids"]:
        await call("list_nodes")
    await keep("detach_volume", volume)
    while (await call("list_volumes"))[0].extra["droplet_ids"]:
        await call("list_nodes")
    snapshot = await keep("create_volume_snapshot", volume, name="yesterday")
    await keep("list_volume_snapshots", volume)
    await keep("destroy_volume_snapshot", snapshot)
    await keep("destroy_volume", volume)
    await keep("list_volumes")
    await keep("delete_image", picture)
    await keep("destroy_node", node)
    return results


def outline(value: Any) -> Any:
    """What two clouds that saw the same calls have in common."""
    if isinstance(value, list | tuple):
        return [outline(item) for item in value]
    return value if isinstance(value, bool | str) else (type(value).__name__, value.name)


QUICK: dict[str, Any] = {"ssh": "off", "build": 0.05, "power": 0.02, "copy": 0.02, "attach": 0.02}


def test_every_operation_gives_what_the_driver_gives(run: Run, tmp_path: Path) -> None:
    """Each operation, awaited, takes the same arguments and gives the same as called plainly."""

    def options(cloud: Sandbox) -> dict[str, Any]:
        return {**cloud.options, "region": "sfo3"}

    def plainly() -> list[Any]:
        with Sandbox("digitalocean", **QUICK) as cloud:
            with DigitalOceanNodeDriver(*cloud.credentials, **options(cloud)) as driver:

                async def call(name: str, /, *args: Any, **kwargs: Any) -> Any:
                    result = getattr(driver, name)(*args, **kwargs)
                    return list(result) if isinstance(result, Iterator) else result

                return asyncio.run(everything(call, tmp_path))

    async def awaited() -> list[Any]:
        with Sandbox("digitalocean", **QUICK) as cloud:
            async with aio.connect("digitalocean", *cloud.credentials, **options(cloud)) as facade:

                async def call(name: str, /, *args: Any, **kwargs: Any) -> Any:
                    result = getattr(facade, name)(*args, **kwargs)
                    return await result if inspect.isawaitable(result) else [item async for item in result]

                return await everything(call, tmp_path)

    results = run(awaited)
    assert {name for name, _ in results} == set(NodeDriver.operations()) - {"deploy_node"}
    assert outline(results) == outline(plainly())


@pytest.mark.parametrize("provider", READERS)
def test_what_reads_gives_what_the_driver_gives(run: Run, provider: str) -> None:
    """Functions that call the driver, its own `ex_` methods too, give the same by `run` as plainly."""
    with Sandbox(provider, ssh="off") as cloud:

        async def main() -> None:
            async with aio.connect(provider, *cloud.credentials, **cloud.options) as facade:
                calls = READERS[provider].values()
                got = await asyncio.gather(*(facade.run(read, facade.driver) for read in calls))
                assert list(map(repr, got)) == [repr(read(facade.driver)) for read in calls]

        run(main)


def test_a_drivers_life_without_a_word_about_loops(run: Run) -> None:
    """A driver that knows only plain calls and plain dicts creates, waits, lists and destroys, awaited."""
    with Sandbox("nephoscale", appear=0.05, build=0.1, destroy=0.05, ssh="off") as cloud:

        async def main() -> None:
            async with aio.wrap(PlainDriver(*cloud.credentials, **cloud.options)) as facade:
                sizes, images, places = await asyncio.gather(
                    facade.list_sizes(), facade.list_images(), facade.list_locations()
                )
                assert [place.name for place in places][:2] == ["SJC-1", "RIC-1"]
                nodes = await asyncio.gather(
                    *(facade.create_node(f"web-{n}", sizes[0], images[0]) for n in range(3))
                )
                running = await facade.wait_until_running(nodes, wait_period=0.05)
                assert [node.name for node, _ in running] == ["web-0", "web-1", "web-2"]
                names = [name async for name in facade.iterate(facade.driver.ex_iterate_names)]
                assert sorted(filter(None, names)) == ["web-0", "web-1", "web-2"]
                assert await asyncio.gather(*(aio.run(node.destroy) for node in nodes)) == [True] * 3
                assert facade.supports("destroy_node")
                assert not facade.supports("create_volume")
                with pytest.raises(UnsupportedOperationError, match="does not offer create_volume"):
                    await facade.create_volume(1, "disk")

        run(main)


def test_help_shows_the_drivers_own_method() -> None:
    """A facade's method has name, documentation and signature of its driver's."""
    cloud = aio.connect("digitalocean", "token")
    assert cloud.list_nodes.__name__ == "list_nodes"
    assert cloud.list_nodes.__doc__ == DigitalOceanNodeDriver.list_nodes.__doc__
    assert "ex_tag" in inspect.signature(cloud.list_nodes).parameters
    assert inspect.iscoroutinefunction(cloud.list_nodes)
    assert inspect.signature(cloud.iterate_nodes) == inspect.signature(cloud.driver.iterate_nodes)


def test_names_that_are_not_there() -> None:
    """A missing attribute is an AttributeError, which says how to await it where the driver has it."""
    cloud: Any = aio.connect("digitalocean", "token")
    with pytest.raises(AttributeError, match=r"ex_list_tags.*await aio\.run\(cloud\.driver\.ex_list_tags"):
        _ = cloud.ex_list_tags
    with pytest.raises(AttributeError, match=r"no attribute 'list_nods'$"):
        _ = cloud.list_nods
    assert copy.copy(cloud).driver is cloud.driver
    assert repr(cloud).startswith("<AsyncNodeDriver of <DigitalOceanNodeDriver ")


def test_only_compute_drivers_are_wrapped() -> None:
    """`wrap` refuses any other object than a driver, and `connect` an unknown provider."""
    with pytest.raises(InvalidArgumentError, match="expected a driver"):
        aio.wrap("digitalocean")  # type: ignore[call-overload] # that is the point
    with pytest.raises(UnknownProviderError):
        aio.connect("digitalocaen")


# Errors, settings and what goes along


def test_errors_are_the_drivers(run: Run, droplets: Sandbox) -> None:
    """An error of the driver is raised unchanged, with its class and the request that failed."""

    async def main() -> None:
        async with aio.connect("digitalocean", *droplets.credentials, **droplets.options) as cloud:
            with pytest.raises(NotFoundError) as caught:
                await cloud.get_node("77")
            assert caught.value.exchange is not None
            assert caught.value.exchange.path == "/v2/droplets/77"
            with pytest.raises(InvalidArgumentError, match="must be a number"):
                await cloud.get_node("seventy")

    run(main)


def test_task_groups(run: Run, droplets: Sandbox) -> None:
    """In a TaskGroup one call's error cancels the others and comes out in an ExceptionGroup, alone."""

    async def main() -> None:
        droplets.fault("stall", path="/v2/sizes", times=None)
        async with aio.connect("digitalocean", *droplets.credentials, **droplets.options) as cloud:
            stalled: list[asyncio.Task[Any]] = []

            async def fail() -> None:
                async with asyncio.TaskGroup() as group:
                    stalled.extend(group.create_task(cloud.list_sizes()) for _ in range(5))
                    await until(lambda: droplets.requests)
                    group.create_task(cloud.get_node("77"))

            with pytest.raises(ExceptionGroup) as caught:
                await fail()
            assert [type(error) for error in caught.value.exceptions] == [NotFoundError]
            assert all(task.cancelled() for task in stalled)
            assert len(await cloud.list_nodes()) == 45

    run(main)


def test_context_variables_go_in_and_come_out(run: Run, plain: PlainDriver) -> None:
    """The driver's code sees its task's context variables, and what it sets, its caller sees: as plainly."""

    def work() -> str:
        before = setting.get()
        plain.connection.request("/")
        waiting.gather([partial(plain.connection.request, "/")] * 3)
        setting.set(before + " and set")
        return before

    async def one(cloud: aio.AsyncNodeDriver[PlainDriver], number: int) -> None:
        setting.set(f"task {number}")
        assert await cloud.run(work) == f"task {number}"
        assert setting.get() == f"task {number} and set"

    async def main() -> None:
        async with aio.wrap(plain) as cloud:
            await asyncio.gather(*(one(cloud, number) for number in range(20)))
        assert setting.get() == "unset"

    run(main)


def test_what_the_driver_sets_holds_side_by_side(run: Run, plain: PlainDriver) -> None:
    """Settings made inside the driver's code hold for what it runs side by side."""

    def work() -> list[Any]:
        with call_options(timeout=7):
            return waiting.gather([lambda: (current_call().timeout, setting.set("mine"))[0]] * 2)

    async def main() -> None:
        async with aio.wrap(plain) as cloud:
            assert await cloud.run(work) == [(7, 7)] * 2
            assert setting.get() == "unset"

    run(main)


def test_call_options(run: Run, droplets: Sandbox) -> None:
    """`call_options` around an await bounds that task's calls, and no other task's."""

    async def bounded(cloud: aio.AsyncNodeDriver[Any]) -> None:
        with call_options(deadline=0.2), pytest.raises((TransportError, OperationTimeoutError)):
            await cloud.list_sizes()

    async def main() -> None:
        droplets.fault("stall", path="/v2/sizes", times=1)
        async with aio.connect("digitalocean", *droplets.credentials, **droplets.options) as cloud:
            await bounded(cloud)
            free, _ = await asyncio.gather(cloud.list_nodes(), cloud.list_sizes())
            assert len(free) == 45

    run(main)


def test_many_at_once(run: Run, web: Web) -> None:
    """500 calls at the same time on one facade each get their own response, over at most 100 connections."""

    async def main() -> None:
        async with aio.wrap(PlainDriver("user", "secret", **web.options)) as cloud:
            request = cloud.driver.connection.request
            responses = await asyncio.gather(*(cloud.run(request, "/", {"n": n}) for n in range(500)))
            assert [response.object["target"] for response in responses] == [f"/?n={n}" for n in range(500)]

    run(main)
    assert len({seen.connection for seen in web.seen}) <= 100


class TokenedConnection(TokenConnection):
    responseCls = JsonResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": self.token}

    def authenticate(self) -> Token:
        url = f"http://{self.host}:{self.port}"
        return Token(PlainDriver("u", "s", url=url).connection.request("/login").object["token"])


class TokenedDriver(NodeDriver):
    connectionCls = TokenedConnection


def test_tasks_log_in_once(run: Run) -> None:
    """Tasks that need a token at the same time get it by one login, though the one that began it give up."""
    logins: list[Seen] = []

    def respond(seen: Seen) -> Answer:
        if seen.path == "/login":
            logins.append(seen)
        return Answer(body={"token": "t", "as": seen.headers["Authorization"]})

    async def main(web: Web) -> None:
        async with aio.wrap(TokenedDriver("key", **web.options)) as cloud:
            request = cloud.driver.connection.request
            tasks = [asyncio.create_task(cloud.run(request, "/")) for _ in range(20)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            responses = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(responses[0], asyncio.CancelledError)
            assert [response.object["as"] for response in responses[1:]] == ["t"] * 19  # type: ignore[union-attr]

    with serve(respond) as web:
        run(partial(main, web))
    assert len(logins) <= 2


# run


def test_run_takes_any_function(run: Run, web: Web) -> None:
    """`aio.run` awaits a driver's method, a node's, any plain function, with all kinds of arguments."""

    def work(fn: str, self: int = 0, *args: int, **kwargs: int) -> Any:
        return fn, self, args, kwargs

    async def main() -> None:
        assert await aio.run(work, "a", 1, 2, x=3) == ("a", 1, (2,), {"x": 3})
        assert await aio.run(work, fn="a", self=1) == ("a", 1, (), {})
        assert await aio.run(len, "four") == 4
        driver = PlainDriver("user", "secret", **web.options)
        async with aio.wrap(driver) as cloud:
            assert await cloud.run(work, fn="a", self=1) == ("a", 1, (), {})
            for _ in range(3):
                await aio.run(driver.connection.request, "/")
        assert {seen.connection for seen in web.seen} == {1}
        response = await aio.run(driver.connection.request, "/after")
        assert response.object["connection"] == 2

    run(main)


def test_a_driver_without_a_facade(run: Run, droplets: Sandbox) -> None:
    """`aio.run` serves a driver that was never wrapped, and its nodes, and leaves no connection open."""
    driver = DigitalOceanNodeDriver(*droplets.credentials, **droplets.options)

    async def main() -> None:
        nodes = await aio.run(driver.list_nodes, ex_tag="seed")
        assert len(nodes) == 45
        assert await aio.run(nodes[0].destroy)
        with pytest.raises(NotFoundError):
            await aio.run(driver.get_node, nodes[0].id)

    run(main)


def test_run_finds_the_facade_of_its_loop(run: Run, web: Web) -> None:
    """`aio.run` uses the driver's facade on the running loop, though there be others elsewhere."""
    driver = PlainDriver("user", "secret", **web.options)

    async def other() -> None:
        async with aio.wrap(driver) as cloud:
            await asyncio.to_thread(run, main)
            await aio.run(driver.connection.request, "/other")
            await cloud.run(driver.connection.request, "/other")

    async def main() -> None:
        await aio.run(driver.connection.request, "/alone")
        async with aio.wrap(driver) as cloud:
            await aio.run(driver.connection.request, "/main")
            await cloud.run(driver.connection.request, "/main")

    run(other)
    ways = {(seen.path, seen.connection) for seen in web.seen}
    assert ways == {("/alone", 1), ("/main", 2), ("/other", 3)}


# Iterators


@pytest.fixture
def paged(droplets: Sandbox) -> Callable[[], aio.AsyncNodeDriver[DigitalOceanNodeDriver]]:
    def make(**options: Any) -> aio.AsyncNodeDriver[DigitalOceanNodeDriver]:
        options = {**droplets.options, "ex_per_page": 10, **options}
        return aio.wrap(DigitalOceanNodeDriver(*droplets.credentials, **options))

    return make


def test_iterators_go_a_page_at_a_time(run: Run, droplets: Sandbox, paged: Any) -> None:
    """An iterator fetches a page when the items before it are consumed, and not sooner."""

    async def main() -> None:
        async with paged() as cloud:
            asked = [len(droplets.requests) async for _ in cloud.iterate_nodes()]
            assert asked == [1 + n // 10 for n in range(45)]

    run(main)


@pytest.mark.parametrize("items", [0, 1, 9, 10, 11])
def test_iterators_are_left_early(run: Run, droplets: Sandbox, paged: Any, items: int) -> None:
    """An iterator that is left early fetches nothing more and leaves its connection free."""

    async def main() -> None:
        async with paged(pool_size=1) as cloud:
            nodes = cloud.iterate_nodes()
            for _ in range(items):
                await anext(nodes)
            await nodes.aclose()
            assert len(droplets.requests) == -(-items // 10)
            await nodes.aclose()
            async for _ in cloud.iterate_nodes():
                break
            assert len(await cloud.list_nodes()) == 45

    run(main)


def test_iterators_wait_for_slow_consumers(run: Run, paged: Any) -> None:
    """A driver's deadline bounds its requests, not the time in which an iterator's items are used."""

    async def main() -> None:
        async with paged(deadline=1) as cloud:
            nodes = cloud.iterate_nodes()
            seen = [await anext(nodes) for _ in range(10)]
            await asyncio.sleep(1.2)
            seen += [node async for node in nodes]
            assert len(seen) == 45

    run(main)


def test_iterators_obey_the_block_that_asks(run: Run, droplets: Sandbox, paged: Any) -> None:
    """An iterator uses the `call_options` block in which its items are requested."""

    async def main() -> None:
        async with paged() as cloud:
            nodes = cloud.iterate_nodes()
            with call_options(timeout=30):
                await anext(nodes)
            droplets.fault("stall", times=None)
            with call_options(deadline=0.2), pytest.raises(TransportError):
                async for _ in nodes:
                    pass

    run(main)


def test_iterators_may_change_tasks(run: Run, paged: Any) -> None:
    """The items of an iterator may be requested by one task after another."""

    async def main() -> None:
        async with paged() as cloud:
            nodes = cloud.iterate_nodes()

            taken = [await asyncio.create_task(anext_of(nodes)) for _ in range(45)]
            assert len({node.id for node in taken}) == 45
            with pytest.raises(StopAsyncIteration):
                await asyncio.create_task(anext_of(nodes))

    run(main)


async def anext_of(items: AsyncGenerator[T]) -> T:
    return await anext(items)


def test_iterators_clean_up(run: Run, plain: PlainDriver, web: Web) -> None:
    """What a driver's iterator does at its end is awaited, though it be left early or cancelled."""

    def items() -> Iterator[int]:
        try:
            yield 1
            plain.connection.request("/two")
            waiting.sleep(60)
        finally:
            plain.connection.request("/tidied")

    async def main() -> None:
        async with aio.wrap(plain) as cloud:
            left = cloud.iterate(items)
            assert await anext(left) == 1
            await left.aclose()
            assert [seen.path for seen in web.seen] == ["/tidied"]
            cancelled = cloud.iterate(items)
            assert await anext(cancelled) == 1
            task = asyncio.create_task(anext_of(cancelled))
            await until(lambda: web.seen[-1].path == "/two")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [seen.path for seen in web.seen] == ["/tidied", "/two", "/tidied"]

    run(main)


def test_iterators_raise(run: Run, droplets: Sandbox, paged: Any) -> None:
    """An error on a later page is raised when it is reached, after the items before it."""

    async def main() -> None:
        async with paged() as cloud:
            nodes = cloud.iterate_nodes()
            await anext(nodes)
            droplets.fault(400, times=None)
            for _ in range(9):
                await anext(nodes)
            with pytest.raises(ProviderHTTPError):
                await anext(nodes)
            with pytest.raises(StopAsyncIteration):
                await anext(nodes)

    run(main)


def test_iterators_of_any_kind(run: Run, plain: PlainDriver) -> None:
    """`iterate` takes any iterator, an empty one too."""

    async def main() -> None:
        async with aio.wrap(plain) as cloud:
            assert [item async for item in cloud.iterate(map, str, [1, 2])] == ["1", "2"]
            assert [item async for item in cloud.iterate(lambda: iter([None, None]))] == [None, None]
            assert [item async for item in cloud.iterate(iter, list[int]())] == []

    run(main)
