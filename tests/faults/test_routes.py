from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from faults.clouds import ROUTES, Cloud, cloud_of, driver_of, patient, routed
from polycloud import aio
from polycloud.errors import ConnectError, MalformedResponseError, PolycloudError, TLSError, TransportError
from polycloud.http.messages import Request
from polycloud.testing.faults import Fault, FaultList, FaultProxy, SeenRequest
from support.transports import WORLDS, World
from support.web import Answer, Web, serve

BEFORE = (Fault.RESET_BEFORE, Fault.CLOSE, Fault.STALL)
AFTER = (
    *(Fault.RESET_AFTER, Fault.CLOSE_AFTER, Fault.RESET_MIDWAY, Fault.TRUNCATE, Fault.STALL_AFTER),
    *(Fault.GARBAGE, Fault.TLS_GARBAGE, Fault.TLS_RECORD, Fault.TLS_ALERT),
)
"""What happens once the server has the request, and leaves no response."""
REFUSED = (*BEFORE, Fault.GARBAGE, Fault.BAD_GATEWAY, Fault.TOO_MANY, Fault.EDGE)
"""What a proxy may do to a CONNECT."""
TIMEOUT = 0.5


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    """Calls a function with a transport that has these options, in plain code or on an event loop."""
    world: World = request.param
    return world


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serve(lambda _: Answer(body=b"{}")) as web:
        yield web


def is_tunnel(request: SeenRequest) -> bool:
    return request.method == "CONNECT"


def is_no_tunnel(request: SeenRequest) -> bool:
    return request.method != "CONNECT"


def post_to(options: dict[str, Any], world: World) -> Any:
    """What a POST to a fault proxy with these options leads to."""
    scheme = "https" if options.pop("secure") else "http"
    url = f"{scheme}://{options.pop('host')}:{options.pop('port')}/nodes"
    request = Request("POST", url, body=b"{}", read_timeout=TIMEOUT, connect_timeout=TIMEOUT)
    try:
        return world(lambda transport: transport.send(request), **options)
    except PolycloudError as error:
        return error


@pytest.mark.parametrize("route", ROUTES)
def test_a_response_arrives(web: Web, world: World, route: str) -> None:
    """A POST and its response pass unchanged on every route, and the proxy sees the same path."""
    web.seen.clear()
    with routed(route, web.port, FaultList()) as (proxy, options):
        response = post_to(options, world)
    assert (response.status, response.body) == (200, b"{}")
    assert [(seen.method, seen.target, seen.body) for seen in web.seen] == [("POST", "/nodes", b"{}")]
    assert [seen.path for seen in proxy.requests if not is_tunnel(seen)] == ["/nodes"]
    assert any(map(is_tunnel, proxy.requests)) is (route == "tunnel")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_after_a_byte_was_sent(web: Web, world: World, route: str, fault: Fault) -> None:
    """Whatever breaks after the request was sent is an error that says that it may have been carried out."""
    with routed(route, web.port, FaultList(fault, spare=is_tunnel)) as (proxy, options):
        error = post_to(options, world)
    assert isinstance(error, TransportError | MalformedResponseError)
    assert not isinstance(error, ConnectError | TLSError)
    assert proxy.requests[-1].reached is fault.acts


@pytest.mark.parametrize("fault", REFUSED)
def test_before_a_byte_was_sent(web: Web, world: World, fault: Fault) -> None:
    """Whatever a proxy does to a CONNECT is an error that says that nothing was carried out."""
    with routed("tunnel", web.port, FaultList(fault, spare=is_no_tunnel)) as (proxy, options):
        error = post_to(options, world)
    assert isinstance(error, ConnectError | TLSError), repr(error)
    assert [(seen.method, seen.reached) for seen in proxy.requests] == [("CONNECT", False)]


# Creates


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with cloud_of("digitalocean") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def limiting_cloud() -> Iterator[Cloud]:
    """A cloud of its own: a 429 slows all further requests to it down for a while."""
    with cloud_of("digitalocean") as cloud:
        yield cloud


def plainly(driver: Any) -> Any:
    with driver:
        return driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])


def awaited(driver: Any) -> Any:
    async def main() -> Any:
        async with aio.wrap(driver) as cloud:
            return await cloud.create_node(
                "web", (await cloud.list_sizes())[0], (await cloud.list_images())[0]
            )

    return asyncio.run(main())


def is_no_create(request: SeenRequest) -> bool:
    return (request.method, request.path) != ("POST", "/v2/droplets")


def creates(proxy: FaultProxy) -> int:
    return sum(not is_no_create(seen) for seen in proxy.requests)


def require_one_node(cloud: Cloud, route: str, create: Callable[[Any], Any], fault: Fault) -> None:
    """Create a node whose response is lost by the fault: it must be returned, and be the only one."""
    before = {server["id"] for server in cloud.servers}
    with routed(route, cloud.port, FaultList(fault, spare=is_no_create), retry_after=0) as (proxy, options):
        node = create(driver_of(cloud, patient(cloud), **{**options, "timeout": TIMEOUT}))
    made = [server["id"] for server in cloud.servers if server["id"] not in before]
    assert (made, creates(proxy)) == ([int(node.id)], 1)


@pytest.mark.parametrize("route", ROUTES[1:])
@pytest.mark.parametrize("create", [plainly, awaited])
@pytest.mark.parametrize("fault", [*AFTER, Fault.EDGE_AFTER])
def test_a_create_on_every_route(
    cloud: Cloud, route: str, create: Callable[[Any], Any], fault: Fault
) -> None:
    """A create whose response is lost on its route returns its one node, and is sent once."""
    require_one_node(cloud, route, create, fault)


@pytest.mark.parametrize("route", ROUTES[1:])
@pytest.mark.parametrize("create", [plainly, awaited])
def test_a_limited_create_on_every_route(
    limiting_cloud: Cloud, route: str, create: Callable[[Any], Any]
) -> None:
    """A create that was carried out before a 429 returns its one node, and is sent once."""
    require_one_node(limiting_cloud, route, create, Fault.TOO_MANY_AFTER)
