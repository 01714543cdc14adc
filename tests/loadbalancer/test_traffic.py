"""Real requests through a real HAProxy while its members change: none is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from polycloud import aio
from polycloud.compute.base import NodeAuthSSHKey
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.objects import Node
from polycloud.compute.providers import get_driver
from polycloud.compute.ssh import SSHClient
from polycloud.compute.types import SSHError
from polycloud.concurrency import waiting
from polycloud.loadbalancer.base import Member
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.rolling import rolling
from polycloud.sandbox import Sandbox
from support.haproxy import Site, haproxy, sites
from support.keypairs import key_pair
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
        driver.wait_until_healthy(web, made, wait_period=0.1)
        with traffic(running.front, tell) as requests:
            while requests.sent < REQUESTS:
                for site in servers[:2]:
                    assert driver.balancer_detach_member(web, member(site), wait_drained=10)
                    site.restart()
                    new = driver.balancer_attach_member(web, member(site), ex_health_check=QUICK)
                    driver.wait_until_healthy(web, [new], wait_period=0.1)
        assert requests.lost == {}
        assert [one.cut for one in servers] == [0] * len(servers)
        assert all(one.version > 1 for one in servers[:2])


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


INSTALL = """#!/bin/sh
[ ! -f web.pid ] || kill -9 "$(cat web.pid)"
cat > web.py <<'END'
import http.server, sys, time
class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Length", str(len(sys.argv[2])))
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
time.sleep(0.3)
http.server.ThreadingHTTPServer((sys.argv[1], 8080), Web).serve_forever()
END
nohup python3 web.py "$1" "$2" > web.log 2>&1 &
echo $! > web.pid
"""
"""Installs a version of a service that starts some time after this has ended."""


@pytest.mark.skipif(os.getuid() != 0, reason="machines with addresses of their own need root")
def test_rolling_deployments_on_nodes(tell: Tell) -> None:
    """No request is lost while a new version is installed by SSH on the nodes of a cloud, one at a time."""
    private, public = key_pair()
    with Sandbox("digitalocean", build=0.2) as cloud, haproxy(BACKEND) as running, running.driver() as driver:
        web = driver.get_balancer("web")
        compute = get_driver("digitalocean")(*cloud.credentials, **cloud.options)
        nodes = [
            compute.create_node(
                f"web{number}",
                compute.list_sizes()[0],
                compute.list_images()[0],
                compute.list_locations()[0],
                auth=NodeAuthSSHKey(public),
            )
            for number in range(2)
        ]
        nodes = [node for node, _ in compute.wait_until_running(nodes, wait_period=0.2)]
        version = 1

        def install(node: Node) -> None:
            address = node.public_ips[0]
            login = SSHClient(address, cloud.ssh_port or 22, key_material=private, machine=node.uuid)
            waiting.poll(lambda: connected(login), waiting_for="SSH", timeout=30)
            with login:
                step = ScriptDeployment(INSTALL, args=[address, str(version)])
                step.run(node, login)
                assert step.exit_status == 0, step.stderr

        for node in nodes:
            install(node)
            made = Member(None, node.public_ips[0], 8080)
            driver.balancer_attach_member(web, made, ex_health_check=QUICK)
        driver.wait_until_healthy(web)
        with traffic(running.front, tell) as requests:
            while requests.sent < REQUESTS:
                version += 1
                rolling(web, nodes, install)
            requests.wait_for(50)
        assert requests.lost == {}
        assert set(requests.served) == {str(one) for one in range(1, version + 1)}


def connected(client: SSHClient) -> bool | None:
    """Connect; return None while a node that has just booted does not accept it."""
    try:
        return client.connect()
    except SSHError:
        return None


def test_requests_are_lost_otherwise(servers: list[Site], tell: Tell) -> None:
    """Where servers restart without leaving the balancer, requests are lost: the traffic would show it."""
    with haproxy(configured(servers)) as running, traffic(running.front, tell) as requests:
        requests.wait_for(50)
        for site in servers * 20:  # a busy machine may have nothing under way just then
            site.restart()
            requests.wait_for(20)
            if requests.lost:
                break
    assert sum(requests.lost.values()) > 0
