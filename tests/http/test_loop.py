"""What only the transport of event loops has to hold: the loop, its tasks, and who cancels them."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Self

import pytest

from polycloud.concurrency.bridge import bridged, iterate_bridged
from polycloud.errors import ConnectError, PolycloudError, ReadTimeoutError
from polycloud.http import looppool
from polycloud.http.loop import LoopTransport, LoopTransports
from polycloud.http.looppool import Pool
from polycloud.http.loopwire import LoopWire
from polycloud.http.messages import Request, TransportOptions
from support.certificates import Authority
from support.clock import ends_within
from support.loops import until
from support.web import Answer, serve

SLACK = 10
OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
Script = Callable[[socket.socket, threading.Event], None]


class Talks:
    """What became of the connections to a server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.begun = 0
        self.ended = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def talking(first: bytes, then: bytes = b"") -> Iterator[Talks]:
    """A server that reads once, sends `first`, reads once more and sends `then`, and waits for the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    talks = Talks(listener.getsockname()[1])
    threads = []

    def talk(connection: socket.socket) -> None:
        connection.settimeout(SLACK)
        with connection, suppress(OSError):
            for data in filter(None, (first, then)):
                if not connection.recv(65536):
                    break
                connection.sendall(data)
                talks.begun += 1
            while connection.recv(65536):
                talks.begun += not first
        talks.ended += 1

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=talk, args=(listener.accept()[0],)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield talks
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


@asynccontextmanager
async def transport_with(**options: Any) -> AsyncIterator[LoopTransport]:
    async with LoopTransports() as transports:
        yield transports(TransportOptions(**options))


class Ticks:
    """Counts the turns of a loop, and the longest time between two."""

    longest = 0.0
    count = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await asyncio.sleep(0)
        return self

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        before = clock()
        while True:
            await asyncio.sleep(0.001)
            self.longest, before = max(self.longest, clock() - before), clock()
            self.count += 1

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()


def test_an_upload_does_not_hold_the_loop() -> None:
    """While a body of 60 MB is sent to a server that reads all of it, other tasks have their turns."""

    async def main(url: str) -> float:
        async with transport_with() as transport, Ticks() as ticks:
            response = await transport.exchange(Request("PUT", url, body=b"x" * 60_000_000))
            assert response.body == b'{"size": 60000000}'
        return ticks.longest

    with serve(lambda seen: Answer(body={"size": len(seen.body)})) as web:
        assert asyncio.run(main(web.url)) < 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_body_that_decodes_to_nothing_does_not_hold_the_loop(stream: bool) -> None:
    """While a body in two codings makes gigabytes of nothing, other tasks have their turns."""
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(b"\x1f\x8b\x08\x08" + bytes(6)) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(b"x" * 2_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    body = first + piece * 8000
    head = OK + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def main(url: str) -> int:
        request = Request("GET", url, stream=stream, deadline=time.monotonic() + 1)
        async with LoopTransports() as transports, Ticks() as ticks:

            def use() -> None:
                response = transports(TransportOptions()).send(request)
                assert list(response.chunks or ()) == []

            with pytest.raises(ReadTimeoutError):
                await bridged(use, transports)
        return ticks.count

    with talking(head + body) as talks:
        assert asyncio.run(main(talks.url)) > 10


def test_a_body_that_blocks_does_not_hold_the_loop() -> None:
    """A body whose pieces take their time is read on a thread: other tasks have their turns meanwhile."""
    released = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"a"
        released.wait(SLACK)
        yield b"b"

    async def main(url: str) -> None:
        async with transport_with() as transport:
            call = asyncio.create_task(transport.exchange(Request("PUT", url, body=body())))
            await asyncio.sleep(0.2)
            released.set()
            assert (await call).body == b'{"body": "ab"}'

    with serve(lambda seen: Answer(body={"body": seen.body.decode()})) as web, ends_within(SLACK / 2):
        asyncio.run(main(web.url))


def test_a_body_that_never_ends_ends_at_the_deadline() -> None:
    """A body whose next piece does not come ends at the request's deadline."""
    released = threading.Event()

    def body() -> Iterator[bytes]:
        released.wait(SLACK)
        yield b"a"

    async def main(url: str) -> None:
        async with transport_with() as transport:
            deadline = asyncio.get_running_loop().time() + 0.3
            with pytest.raises(PolycloudError, match="deadline"):
                await transport.exchange(Request("PUT", url, body=body(), deadline=deadline))

    with serve() as web, ends_within(SLACK / 2):
        asyncio.run(main(web.url))
        released.set()


def test_a_download_is_uploaded() -> None:
    """The body of a streamed response may be the body of another request."""

    def copy(transport: LoopTransport, url: str) -> bytes:
        source = transport.send(Request("GET", url, stream=True))
        return transport.send(Request("PUT", url, body=source.chunks)).body

    async def main(url: str) -> bytes:
        async with LoopTransports() as transports:
            return await bridged(lambda: copy(transports(TransportOptions()), url), transports)

    with serve(
        lambda seen: Answer(200, b"x" * 500_000 if seen.method == "GET" else {"size": len(seen.body)})
    ) as web:
        assert asyncio.run(main(web.url)) == b'{"size": 500000}'


def test_iterators_that_are_dropped_cost_no_place() -> None:
    """Async generators that are dropped in the middle of a stream give their places in the pool back."""

    async def main(url: str) -> None:
        async with LoopTransports() as transports:
            transport = transports(TransportOptions(pool_size=2))
            request = Request("GET", url, stream=True, read_timeout=2)

            def chunks() -> Iterator[bytes]:
                return transport.send(request).chunks or iter(())

            for _ in range(40):
                pieces = iterate_bridged(chunks, transports)
                assert await anext(pieces) == b"a"
                del pieces

    with talking(ENDLESS) as server, ends_within(60):
        asyncio.run(main(server.url))
        gc.collect()


STAGES: dict[str, tuple[bytes, bytes, dict[str, Any]]] = {
    "reading headers": (OK, b"", {}),
    "reading a body": (ENDLESS, b"", {}),
    "sending": (b"", b"", {"method": "PUT", "body": [b"x" * 1_000_000] * 10_000}),
    "tunnelling": (OK, b"", {"url": "https://api.example/"}),
    "securing a tunnel": (OK + b"\r\n", b"\x16\x03\x03", {"url": "https://api.example/"}),
}


@pytest.mark.parametrize("stage", STAGES)
def test_cancelled_requests_leave_nothing(stage: str) -> None:
    """A request that is cancelled, wherever it is, closes its connection at once and gives its place back."""
    first, then, fields = STAGES[stage]

    async def main(server: Talks) -> None:
        proxy = {"proxy_url": server.url} if "url" in fields else {}
        async with transport_with(pool_size=1, **proxy) as transport:
            request = Request(**{"method": "GET", "url": server.url, **fields})
            for number in range(1, 4):
                call = asyncio.create_task(transport.exchange(request))
                await until(lambda number=number: server.begun >= number)  # type: ignore[misc]
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                await until(lambda number=number: server.ended >= number)  # type: ignore[misc]
                server.begun = number

    with talking(first, then) as server, ends_within(SLACK):
        asyncio.run(main(server))


async def leased(transport: LoopTransport, request: Request) -> tuple[Pool, LoopWire]:
    """Take a place of the transport's only pool."""
    await transport.exchange(request)
    (pool,) = transport._pools.values()
    return pool, await pool.lease(request)


def test_a_place_that_comes_with_a_cancellation() -> None:
    """A place in the pool that is given to a task in the same turn as its cancellation goes to the next."""

    async def main(url: str) -> None:
        async with transport_with(pool_size=1) as transport:
            request = Request("GET", url, read_timeout=2)
            pool, wire = await leased(transport, request)
            waiting = [asyncio.create_task(transport.exchange(request)) for _ in range(2)]
            await asyncio.sleep(0)
            pool.give_back(wire, reusable=False)
            waiting[0].cancel()
            assert (await waiting[1]).status == 200
            assert waiting[0].cancelled()

    with serve() as web, ends_within(SLACK):
        asyncio.run(main(web.url))


def test_a_wait_that_ends_with_a_cancellation() -> None:
    """A task whose time to wait for a place ends in the turn of its cancellation makes no further place."""

    async def main(url: str) -> None:
        async with transport_with(pool_size=1) as transport:
            request = Request("GET", url, read_timeout=0.1)
            pool, wire = await leased(transport, request)
            waiting = asyncio.create_task(transport.exchange(request))
            await asyncio.sleep(0)
            threading.Event().wait(0.2)
            pool._ring()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            with pytest.raises(ConnectError, match="pool_size"):
                await transport.exchange(request)
            pool.give_back(wire, reusable=False)
            assert (await transport.exchange(request)).status == 200

    with serve() as web, ends_within(SLACK):
        asyncio.run(main(web.url))


def test_another_loop() -> None:
    """A transport says on another loop than its own that it belongs elsewhere, and sends nothing."""
    transport = LoopTransport()

    async def send(url: str, *, close: bool = False) -> None:
        await transport.exchange(Request("GET", url))
        if close:
            await transport.aclose()

    with serve() as web, asyncio.Runner() as first:
        first.run(send(web.url))
        with asyncio.Runner() as second, pytest.raises(PolycloudError, match="another event loop"):
            second.run(send(web.url))
        first.run(send(web.url, close=True))
        assert [seen.connection for seen in web.seen] == [1, 1]


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that nobody uses is closed after some seconds, though the loop sends nothing more."""
    monkeypatch.setattr(looppool, "IDLE_LIMIT", 0.1)

    async def main(server: Talks) -> None:
        async with transport_with() as transport:
            await transport.exchange(Request("GET", server.url))
            await until(lambda: server.ended)

    with talking(OK + b"Content-Length: 0\r\n\r\n") as server, ends_within(SLACK):
        asyncio.run(main(server))


def test_closing_waits_for_nobody() -> None:
    """`aclose` ends requests that are in progress or wait for a place, with errors of our tree."""

    async def main(server: Talks) -> None:
        async with transport_with(pool_size=1) as transport:
            calls = [asyncio.create_task(transport.exchange(Request("GET", server.url))) for _ in range(3)]
            await until(lambda: server.begun)
            await transport.aclose()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(outcome, PolycloudError) for outcome in outcomes)
            await until(lambda: server.ended)

    with talking(ENDLESS) as server, ends_within(SLACK):
        asyncio.run(main(server))


def test_many_transports_take_little_memory() -> None:
    """A transport with an open connection takes less than 64 KB: a fleet has one for each account."""
    count = 40

    async def main(url: str) -> None:
        request = Request("GET", url)
        async with transport_with() as first:
            await first.exchange(request)
            tracemalloc.start()
            try:
                async with AsyncExitStack() as stack:
                    for _ in range(count):
                        transport = await stack.enter_async_context(transport_with())
                        await transport.exchange(request)
                    gc.collect()
                    assert tracemalloc.get_traced_memory()[0] < count * 65536
            finally:
                tracemalloc.stop()

    with serve() as web:
        asyncio.run(main(web.url))


def test_loops_on_several_threads() -> None:
    """Loops that read at the same time, each on a thread of its own, get what was sent to each of them."""
    failures: list[bytes] = []

    async def main(url: str, name: bytes) -> None:
        async with transport_with() as transport:
            for _ in range(20):
                request = Request("POST", url, body=name * 300_000)
                bodies = await asyncio.gather(*(transport.exchange(request) for _ in range(4)))
                failures.extend(name for response in bodies if response.body != request.body)

    with serve(lambda seen: Answer(200, seen.body)) as web:
        threads = [
            threading.Thread(target=lambda name=name: asyncio.run(main(web.url, name)))
            for name in (b"a", b"b", b"c")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


# Opening


@contextmanager
def mute() -> Iterator[int]:
    """The port of a server that accepts no more connections, and does not refuse them either."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # until the kernel takes no more
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield full.getsockname()[1]
        for each in waiting:
            each.close()


def test_every_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a host's addresses one that is mute and one that refuses do not keep from one that accepts."""
    with serve() as web, mute() as port, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ports = (port, nobody.getsockname()[1], web.port)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)

        async def main() -> int:
            async with transport_with() as transport:
                return (await transport.exchange(Request("GET", "http://api.example/"))).status

        with ends_within(SLACK / 2):
            assert asyncio.run(main()) == 200


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that need a name at the same time share one look-up; one that is cancelled stops none."""
    asked = []

    def slowly(*arguments: Any) -> Any:
        asked.append(arguments)
        threading.Event().wait(0.2)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", web.port))]

    async def main() -> None:
        async with transport_with() as transport:
            request = Request("GET", "http://api.example/")
            calls = [asyncio.create_task(transport.exchange(request)) for _ in range(10)]
            await asyncio.sleep(0.05)
            calls[0].cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [getattr(outcome, "status", None) for outcome in outcomes] == [None] + [200] * 9

    with serve() as web:
        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        asyncio.run(main())
    assert len(asked) == 1


def test_many_requests_in_tls(tmp_path: Any) -> None:
    """Requests at once in TLS come back unharmed, on as many connections as the pool has places."""
    certificate = Authority(tmp_path).issue()

    async def main(port: int) -> None:
        async with transport_with(pool_size=4, ca_cert=str(certificate.authority)) as transport:
            url = f"https://localhost:{port}/"
            bodies = [b"%d" % number * 20_000 for number in range(20)]
            calls = (transport.exchange(Request("POST", url, body=body)) for body in bodies)
            responses = await asyncio.gather(*calls)
            assert [response.body for response in responses] == bodies

    with serve(lambda seen: Answer(200, seen.body), certificate.server_context()) as web:
        asyncio.run(main(web.port))
        assert len({seen.connection for seen in web.seen}) <= 4
