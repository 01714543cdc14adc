"""Real requests through a real HAProxy while its members change: none is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from polycloud import aio
from polycloud.loadbalancer.base import Member
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.rolling import rolling
from support.haproxy import Site, haproxy, sites
from support.traffic import traffic

REQUESTS = 10_000 if os.environ.get("POLYCLOUD_TRAFFIC") == "long" else 400
"""How many requests each test sends at least; `make traffic` sends 10,000."""
QUICK = HealthCheck(interval=1, healthy=1, unhealthy=2)
BACKEND = """
backend web
  balance roundrobin
  default-server inter 100ms rise 2 fall 2
"""
Tell = Callable[[str], None]


@pytest.fixture
def tell(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Prints figures, also while pytest captures what is printed."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {text}")  # noqa: T201 - what the test measures

    return say


@pytest.fixture
def servers() -> Iterator[list[Site]]:
    with sites(4, delay=0.02, boot=0.1) as made:
        yield made


def configured(servers: list[Site]) -> str:
    lines = (f"  server web{number} 127.0.0.1:{one.port} check" for number, one in enumerate(servers))
    return BACKEND + "\n".join(lines)


def member(site: Site) -> Member:
    return Member(None, "127.0.0.1", site.port)


def test_members_that_come_and_go(servers: list[Site], tell: Tell) -> None:
    """No request is lost while members are attached, detached once they have drained, and restarted."""
    with haproxy(BACKEND) as running, running.driver() as driver:
        web = driver.get_balancer("web")
        made = [driver.balancer_attach_member(web, member(one), ex_health_check=QUICK) for one in servers]
        driver.wait_until_healthy(web, made)
        with traffic(running.front, tell) as requests:
            while requests.sent < REQUESTS:
                for site in servers:
                    assert driver.balancer_detach_member(web, member(site), wait_drained=10)
                    site.restart()
                    new = driver.balancer_attach_member(web, member(site), ex_health_check=QUICK)
                    driver.wait_until_healthy(web, [new])
        assert requests.lost == {}
        assert [one.cut for one in servers] == [0] * len(servers)
        assert all(one.version > 1 for one in servers)


@pytest.mark.parametrize("at_once", [1, 2])
def test_rolling_deployments(servers: list[Site], tell: Tell, at_once: int) -> None:
    """No request is lost while deployments restart all servers in turn, of which each cuts what it serves."""
    by_port = {one.port: one for one in servers}
    with haproxy(configured(servers)) as running, running.driver() as driver:
        web = driver.get_balancer("web")
        driver.wait_until_healthy(web)

        def restart(node: Member) -> None:
            by_port[node.port or 0].restart()

        with traffic(running.front, tell) as requests:
            while requests.sent < REQUESTS:
                members = driver.balancer_list_members(web)
                found = rolling(web, members, restart, at_once=at_once)
                assert [one.id for one in found] == [one.id for one in members]
            requests.wait_for(50)
        assert requests.lost == {}
        assert [one.cut for one in servers] == [0] * len(servers)
        assert all(one.version > 1 for one in servers)


def test_rolling_on_an_event_loop(servers: list[Site], tell: Tell) -> None:
    """The same holds on an event loop, where the deployment is a coroutine."""
    by_port = {one.port: one for one in servers}

    async def restart(node: Member) -> None:
        await asyncio.to_thread(by_port[node.port or 0].restart)

    async def main(path: str) -> None:
        async with aio.connect("haproxy", path, service="loadbalancer") as cloud:
            web = await cloud.get_balancer("web")
            await cloud.wait_until_healthy(web)
            await cloud.run(rolling, web, await cloud.balancer_list_members(web), restart, at_once=2)

    with haproxy(configured(servers)) as running, traffic(running.front, tell) as requests:
        requests.wait_for(50)
        asyncio.run(main(running.path))
        requests.wait_for(50)
    assert requests.lost == {}
    assert all(one.version == 2 for one in servers)


def test_requests_are_lost_otherwise(servers: list[Site], tell: Tell) -> None:
    """Where servers restart without leaving the balancer, requests are lost: the traffic would show it."""
    with haproxy(configured(servers)) as running, traffic(running.front, tell) as requests:
        requests.wait_for(50)
        for site in servers:
            site.restart()
        requests.wait_for(50)
    assert sum(requests.lost.values()) > 0
