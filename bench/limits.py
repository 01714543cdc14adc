"""What raw HTTP costs for the same bytes: the limit of a library; prints one line of JSON.

    python bench/limits.py STEP HOST PORT ...

`transport`, `request` and `driver` are the layers of a driver's call; the others use nothing of polycloud.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree.ElementTree import XMLParser

from measure import CALLS, THREADS, connect, timed, timed_on_loop

PATH = "/v2/regions?page=1&per_page=200"
HEADERS = {"Authorization": "Bearer dop_v1_sandbox", "Accept-Encoding": "gzip, deflate"}
PAGE = 200
SIDE_BY_SIDE = 8
Call = Callable[[], object]


def repeated(call: Call) -> dict[str, float]:
    """One call after another."""
    for _ in range(20):
        call()
    return timed(lambda: [call() for _ in range(CALLS)], CALLS)


def bare(host: str, port: str) -> dict[str, float]:
    """A socket, and llhttp to read the response."""
    import httptools
    import msgspec

    decode = msgspec.json.Decoder().decode
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\n{lines}\r\n".encode()

    class Response:
        def __init__(self) -> None:
            self.headers: list[tuple[bytes, bytes]] = []
            self.body, self.complete = b"", False

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name, value))

        def on_body(self, body: bytes) -> None:
            self.body += body

        def on_message_complete(self) -> None:
            self.complete = True

    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def call() -> object:
            connection.sendall(request)
            response = Response()
            parser = httptools.HttpResponseParser(response)
            while not response.complete:
                parser.feed_data(connection.recv(65536))
            return decode(response.body)

        return repeated(call)


def http_client(host: str, port: str) -> dict[str, float]:
    """The standard library's client."""
    import msgspec

    connection = http.client.HTTPConnection(host, int(port))

    def call() -> object:
        connection.request("GET", PATH, headers=HEADERS)
        return msgspec.json.decode(connection.getresponse().read())

    return repeated(call)


def urllib3(host: str, port: str) -> dict[str, float]:
    """urllib3's pool."""
    get = _pool(host, port)
    return repeated(lambda: get(PATH))


def _pool(host: str, port: str) -> Callable[[str], Any]:
    import msgspec
    import urllib3 as library

    pool = library.HTTPConnectionPool(host, int(port), maxsize=SIDE_BY_SIDE, block=True)
    return lambda path: msgspec.json.decode(pool.request("GET", path, headers=HEADERS).data)


def aiohttp(number: str, host: str, port: str) -> dict[str, float]:
    """Many at once on an event loop."""
    import aiohttp as library
    import msgspec

    async def main() -> dict[str, float]:
        connector = library.TCPConnector(limit=THREADS)
        async with library.ClientSession(connector=connector, headers=HEADERS) as session:

            async def call() -> Any:
                async with session.get(f"http://{host}:{port}{PATH}") as response:
                    return msgspec.json.decode(await response.read())

            async def run(times: int) -> None:
                await asyncio.gather(*(call() for _ in range(times)))

            await run(THREADS)
            return await timed_on_loop(run, int(number))

    return asyncio.run(main())


def droplets(number: str, host: str, port: str) -> dict[str, float]:
    """All pages, eight at a time, decoded to plain objects."""
    get = _pool(host, port)

    def page(at: int) -> int:
        return len(get(f"/v2/droplets?page={at}&per_page={PAGE}")["droplets"])

    def run() -> None:
        last = -(-get(f"/v2/droplets?page=1&per_page={PAGE}")["meta"]["total"] // PAGE)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            assert PAGE + sum(threads.map(page, range(2, last + 1))) == int(number)

    get(PATH)
    return timed(run, int(number))


def servers(number: str, host: str, port: str) -> dict[str, float]:
    """The one page of NephoScale's servers, decoded to plain objects."""
    get = _pool(host, port)
    get("/datacenter/zone/")
    return timed(lambda: get("/server/cloud/"), int(number))


def instances(number: str, host: str, port: str) -> dict[str, float]:
    """Pages of 1,000 of EC2's instances, parsed to elements."""
    import urllib3 as library

    pool = library.HTTPConnectionPool(host, int(port))

    def run() -> None:
        for start in range(0, int(number), 1000):
            form = {"Action": "DescribeInstances", "MaxResults": "1000", "NextToken": str(start)}
            parser = XMLParser()  # noqa: S314 - from a server of ours
            parser.feed(pool.request_encode_body("POST", "/", form, encode_multipart=False).data)
            parser.close()

    return timed(run, int(number))


def record_sets(number: str, host: str, port: str) -> dict[str, float]:
    """Pages of 300 of Route 53's record sets, parsed to elements."""
    import urllib3 as library

    pool = library.HTTPConnectionPool(host, int(port))

    def run() -> None:
        for start in range(0, int(number), 300):
            parser = XMLParser()  # noqa: S314 - from a server of ours
            name = f"n{100_000_001 + start}.example.com."
            parser.feed(pool.request("GET", f"/2013-04-01/hostedzone/Z1/rrset?name={name}").data)
            parser.close()

    run()
    return timed(run, int(number))


# The layers of a driver's call


class Recorded:
    """A transport that keeps the last request."""

    def __init__(self, transport: Any) -> None:
        self.send_on, self.close = transport.send, transport.close

    def send(self, request: Any) -> Any:
        self.request = request
        return self.send_on(request)


def transport(host: str, port: str) -> dict[str, float]:
    """What sends one request."""
    from polycloud.http.messages import TransportOptions
    from polycloud.http.urllib3 import Urllib3Transport

    recorded = Recorded(Urllib3Transport(TransportOptions()))
    connect("digitalocean", host, port, transport=recorded).list_locations()
    return repeated(lambda: recorded.send_on(recorded.request).body)


def request(host: str, port: str) -> dict[str, float]:
    """The connection's request: URL, headers, retries, deadlines, rate limits, errors."""
    connection = connect("digitalocean", host, port).connection
    return repeated(lambda: connection.request("/v2/regions", {"page": 1, "per_page": 200}).object)


def driver(host: str, port: str) -> dict[str, float]:
    """The driver's call: pages and objects too."""
    return repeated(connect("digitalocean", host, port).list_locations)


STEPS: dict[str, Callable[..., dict[str, float]]] = {
    "bare": bare,
    "http.client": http_client,
    "urllib3": urllib3,
    "transport": transport,
    "request": request,
    "driver": driver,
    "aiohttp": aiohttp,
    "droplets": droplets,
    "servers": servers,
    "instances": instances,
    "record-sets": record_sets,
}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))  # noqa: T201
