"""What HAProxy's driver does beyond the rules of balancers, on HAProxies of the tests' own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polycloud import aio, call_options
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.concurrency import waiting
from polycloud.errors import (
    ConnectError,
    InsecureConnectionError,
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    ProviderHTTPError,
    ReadTimeoutError,
    TLSError,
    TransportError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Algorithm, LoadBalancer, Member
from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.loadbalancer.providers import get_driver
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.loadbalancer.types import (
    BalancerDoesNotExistError,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    MemberHealth,
    State,
)
from polycloud.rolling import RollingError, rolling
from polycloud.sandbox.machines.addresses import free_port
from support.certificates import Authority
from support.haproxy import HAProxy, Site, haproxy, sites
from support.traffic import request

BACKENDS = """
backend web
  balance leastconn
  default-server inter 100ms rise 2 fall 1
  server one 127.0.0.1:{one} weight 30 check
  server two 127.0.0.1:{two}
backend fixed
  balance static-rr
  server spare 192.0.2.1:1 check inter 100ms rise 1 disabled
backend 3
  balance source
  mode tcp
listen whole
  bind 127.0.0.1:{{listen}}
  option socket-stats
  balance hdr(Host)
"""
DRAINS = "one is still attached, and draining: it gets no new connections; attach it to bring it back"
QUICK = HealthCheck(interval=1, healthy=1, unhealthy=1)


@pytest.fixture
def servers() -> Iterator[list[Site]]:
    with sites(3) as made:
        yield made


@pytest.fixture
def running(servers: list[Site]) -> Iterator[HAProxy]:
    with haproxy(BACKENDS.format(one=servers[0].port, two=servers[1].port)) as made:
        yield made


@pytest.fixture
def driver(running: HAProxy) -> Iterator[HAProxyDriver]:
    with running.driver() as made:
        yield made


@pytest.fixture
def web(driver: HAProxyDriver) -> LoadBalancer:
    return driver.get_balancer("web")


def at(site: Site, **extra: Any) -> Member:
    return Member(None, "127.0.0.1", site.port, extra=extra)


def test_backends(running: HAProxy) -> None:
    """Backends and `listen` sections are balancers, by TCP and by the UNIX socket, with what HAProxy says."""
    with get_driver("haproxy")(port=running.api) as far, running.driver() as near:
        for driver in (far, near):
            listed = {one.name: one for one in driver.list_balancers()}
            assert set(listed) == {"web", "fixed", "3", "whole"}
            assert {name: one.extra["algorithm"] for name, one in listed.items()} == {
                "web": Algorithm.LEAST_CONNECTIONS,
                "fixed": Algorithm.ROUND_ROBIN,
                "3": Algorithm.PERSISTENT_IP,
                "whole": None,
            }
            assert driver.get_balancer("3").extra["protocol"] == listed["3"].extra["protocol"] == "tcp"
            assert (listed["web"].port, listed["web"].state) == (None, State.RUNNING)
            assert listed["whole"].port
            assert driver.balancer_list_members(driver.get_balancer("3")) == []


def test_health_of_members(driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]) -> None:
    """A member's health is what its checks have found, unknown without checks, and can be waited for."""
    one, two = driver.wait_until_running(web).list_members()
    assert (one.id, one.port, one.extra["weight"]) == ("one", servers[0].port, 30)
    assert one.extra["condition"] == MemberCondition.ENABLED
    assert [found.id for found in driver.wait_until_healthy(web, [one])] == ["one"]
    assert two.health == MemberHealth.UNKNOWN
    for members in (None, [two]):
        with pytest.raises(UnsupportedOperationError, match="does not check the health of two"):
            driver.wait_until_healthy(web, members, timeout=60)
    servers[0].stop()
    ends_at = time.monotonic() + 10
    while web.list_members()[0].health != MemberHealth.DOWN:
        assert time.monotonic() < ends_at
    with pytest.raises(OperationTimeoutError) as caught:
        driver.wait_until_healthy(web, [one], timeout=0.3)
    assert caught.value.__notes__ == [f"not healthy: 127.0.0.1:{servers[0].port}"]


def test_new_members(running: HAProxy, driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]) -> None:
    """A new member has the weight that is asked for, gets nothing before it is healthy, and then serves."""
    silent = Member(None, "127.0.0.1", free_port(), extra={"weight": 7})
    down = driver.balancer_attach_member(web, silent, ex_health_check=QUICK)
    assert (down.health, down.extra["weight"]) == (MemberHealth.DOWN, 7)
    new = driver.balancer_attach_member(web, at(servers[2]), ex_health_check=QUICK)
    driver.wait_until_healthy(web, [new])
    for one in driver.balancer_list_members(web):
        if one.id in {"one", "two"}:
            driver.balancer_detach_member(web, one)
    assert {request(running.front) for _ in range(10)} == {"200"}
    assert servers[2].requests >= 10
    unchecked = driver.balancer_attach_member(web, Member(None, "::0001", 81), ex_health_check=None)
    assert (unchecked.id, unchecked.ip, unchecked.health) == ("::1:81", "::1", MemberHealth.UNKNOWN)
    with pytest.raises(MemberAlreadyExistsError, match="::1:81"):
        driver.balancer_attach_member(web, Member(None, "::1", 81))


def test_proxy_protocol(running: HAProxy, driver: HAProxyDriver, web: LoadBalancer) -> None:
    """A member that is attached with the proxy protocol is told the client's address before the request."""
    for one in driver.balancer_list_members(web):
        driver.balancer_detach_member(web, one)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        driver.balancer_attach_member(
            web, Member(None, "127.0.0.1", port), ex_health_check=None, ex_proxy_protocol=True
        )
        client = threading.Thread(target=request, args=(running.front,))
        client.start()
        connection, _ = server.accept()
        with connection:
            assert connection.recv(12) == b"\r\n\r\n\0\r\nQUIT\n"
        client.join(10)


def test_members_that_cannot_be(driver: HAProxyDriver, web: LoadBalancer) -> None:
    """A wrong weight, a name that could end a command, and what the backend decides are refused unsent."""
    with HAProxyDriver("/no/such/socket") as far:
        for weight in (-1, 257, "7", True, 1.5):
            with pytest.raises(InvalidArgumentError, match="weight"):
                far.balancer_attach_member(web, Member(None, "127.0.0.1", 80, extra={"weight": weight}))
        for name in ("web; show info", "web\nshow info", "web x", "", "w\u00e9b"):
            wrong = LoadBalancer(name, name, State.RUNNING, None, None, far)
            with pytest.raises(InvalidArgumentError, match="ASCII letters"):
                far.get_balancer(name)
            for call in (far.balancer_list_members, far.ex_list_servers):
                with pytest.raises(InvalidArgumentError, match="ASCII letters"):
                    call(wrong)
            with pytest.raises(InvalidArgumentError, match="ASCII letters"):
                far.balancer_attach_member(wrong, Member(None, "127.0.0.1", 80))
        for check in (
            HealthCheck(protocol="http", path="/"),
            HealthCheck(protocol="http"),
            HealthCheck(timeout=3),
        ):
            with pytest.raises(UnsupportedOperationError, match="those of the backend"):
                far.balancer_attach_member(web, Member(None, "127.0.0.1", 80), ex_health_check=check)
        for count in (0, "1s; shutdown"):
            check = HealthCheck(interval=count)  # type: ignore[arg-type]
            with pytest.raises(InvalidArgumentError, match="interval of a health check"):
                far.balancer_attach_member(web, Member(None, "127.0.0.1", 80), ex_health_check=check)
        for option in ({"wait_drained": -1}, {"wait_drained": "1"}):
            with pytest.raises(InvalidArgumentError, match="a number"):
                far.balancer_detach_member(web, Member(None, "127.0.0.1", 80), **option)


def test_servers_of_the_configuration(driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]) -> None:
    """One that is detached stays in maintenance, with its settings; its address sets it ready again."""
    one = web.list_members()[0]
    assert web.detach_member(one)
    assert [found.id for found in web.list_members()] == ["two"]
    assert {found.id: found.extra["status"] for found in driver.ex_list_servers(web)}["one"] == "MAINT"
    with pytest.raises(MemberDoesNotExistError):
        web.detach_member(one)
    back = driver.balancer_attach_member(web, at(servers[0], weight=9))
    assert (back.id, back.extra["weight"]) == ("one", 9)
    driver.wait_until_healthy(web, [back])


def test_servers_that_were_added(driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]) -> None:
    """One that was added is deleted when it is detached, and kept in maintenance when it is suspended."""
    new = driver.balancer_attach_member(web, at(servers[2], weight=9), ex_health_check=QUICK)
    kept = driver.balancer_suspend_member(web, new, wait_drained=5)
    assert kept.id in {one.id for one in driver.ex_list_servers(web)} - {one.id for one in web.list_members()}
    driver.wait_until_healthy(web, [driver.balancer_attach_member(web, kept)])
    assert driver.balancer_detach_member(web, kept, wait_drained=5)
    assert [one.id for one in driver.ex_list_servers(web)] == ["one", "two"]


def test_draining(running: HAProxy, driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]) -> None:
    """Draining waits for requests in progress; one that takes too long leaves the member attached."""
    driver.balancer_detach_member(web, web.list_members()[1])
    driver.wait_until_healthy(web)
    servers[0].delay = 1.5
    statuses: list[str] = []
    client = threading.Thread(target=lambda: statuses.append(request(running.front)))
    client.start()
    servers[0].wait_for_a_request()
    (one,) = web.list_members()
    with pytest.raises(OperationTimeoutError) as caught:
        driver.balancer_detach_member(web, one, wait_drained=0.2)
    assert caught.value.__notes__ == [DRAINS]
    (draining,) = web.list_members()
    assert draining.extra["condition"] == MemberCondition.DRAINING
    assert draining.health == MemberHealth.DRAINING
    assert (draining.extra["sessions"], statuses) == (1, [])
    assert driver.balancer_detach_member(web, draining, wait_drained=10)
    client.join(10)
    assert statuses == ["200"]
    assert web.list_members() == []


def test_draining_is_undone(
    running: HAProxy, driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]
) -> None:
    """To attach a member that still drains, as it was or as it is listed, sets it ready."""
    driver.balancer_detach_member(web, web.list_members()[1])
    driver.wait_until_healthy(web)
    servers[0].delay = 20
    client = threading.Thread(target=request, args=(running.front,))
    client.start()
    servers[0].wait_for_a_request()
    (one,) = web.list_members()
    for is_listed in (True, False):
        with pytest.raises(OperationTimeoutError):
            driver.balancer_suspend_member(web, one, wait_drained=0.1)
        driver.balancer_attach_member(web, web.list_members()[0] if is_listed else one)
        assert web.list_members()[0].extra["condition"] == MemberCondition.ENABLED
    driver.wait_until_healthy(web)
    servers[0].stop()
    client.join(10)


def test_rolling_again(
    running: HAProxy, driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]
) -> None:
    """A node that did not drain in time is left unchanged, draining; the next round changes it."""
    driver.wait_until_healthy(web, web.list_members()[:1])
    servers[0].delay = 1.0
    clients = [threading.Thread(target=request, args=(running.front,)) for _ in range(4)]
    for one in clients:
        one.start()
    servers[0].wait_for_a_request()
    (first, _) = web.list_members()
    with pytest.raises(RollingError, match=f"{servers[0].port} failed: gave up after 0.1 s") as caught:
        rolling(web, [first], lambda _: servers[0].restart(), wait_drained=0.1)
    assert (caught.value.failed, servers[0].version) == ([first], 1)
    assert [one.extra["condition"] for one in web.list_members()] == [
        MemberCondition.DRAINING,
        MemberCondition.ENABLED,
    ]
    servers[1].delay = 1.0
    client = threading.Thread(target=request, args=(running.front,))
    client.start()
    servers[1].wait_for_a_request()
    with pytest.raises(OperationTimeoutError):
        web.detach_member(web.list_members()[1], wait_drained=0.1)
    client.join(10)
    assert [one.health for one in web.list_members()] == [MemberHealth.DRAINING, MemberHealth.UNKNOWN]
    rolling(web, web.list_members()[1:], lambda _: None, wait_drained=10)
    (back,) = rolling(web, [first], lambda _: servers[0].restart(), wait_drained=10)
    assert (back.id, back.extra["weight"], back.extra["condition"]) == ("one", 30, MemberCondition.ENABLED)
    assert (servers[0].version, servers[0].cut) == (2, 0)
    for one in clients:
        one.join(10)


def test_a_server_without_an_address(servers: list[Site]) -> None:
    """A server that no address and port could put back is not taken out to be changed."""
    own = ["unix@/nowhere", "127.0.0.1", f"127.0.0.1:{servers[0].port}"]
    lines = [f"  server s{number} {where}" for number, where in enumerate(own)]
    with haproxy("\n".join(["backend web", *lines])) as running, running.driver() as driver:
        web = driver.get_balancer("web")
        for number in (0, 1):
            with pytest.raises(RollingError, match="the member's port"):
                rolling(web, [web.list_members()[number]], print)
        assert len(web.list_members()) == 3


def test_servers_of_one_address(servers: list[Site]) -> None:
    """Of servers with the same address, the listed one that is given is detached; a round takes out all."""
    where = f"127.0.0.1:{servers[0].port}"
    other = f"server s3 127.0.0.1:{servers[1].port}"
    with haproxy(f"backend web\n  server s1 {where}\n  server s2 {where}\n  {other}") as running:
        with running.driver() as driver:
            web = driver.get_balancer("web")
            assert web.detach_member(web.list_members()[1])
            assert [one.id for one in web.list_members()] == ["s1", "s3"]
            web.attach_member(Member("s2", "127.0.0.1", servers[0].port))
            there = list[int]()
            back = rolling(web, web.list_members()[:1], lambda _: there.append(len(web.list_members())))
            assert (there, [one.id for one in back]) == ([1], ["s1", "s2"])
            with pytest.raises(MemberAlreadyExistsError):
                web.attach_member(back[1])
            assert len(web.list_members()) == 3


def test_an_interrupted_drain(
    running: HAProxy, driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]
) -> None:
    """What is cancelled while it waits for connections says that the server drains, and it does."""
    driver.wait_until_healthy(web, web.list_members()[:1])
    servers[0].delay = 20
    clients = [threading.Thread(target=request, args=(running.front,)) for _ in range(4)]
    for one in clients:
        one.start()
    servers[0].wait_for_a_request()

    async def main() -> None:
        async with aio.connect("haproxy", running.path, service="loadbalancer") as cloud:
            await asyncio.wait_for(
                cloud.balancer_detach_member(web, web.list_members()[0], wait_drained=10), 0.2
            )

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(main())
    cancelled = caught.value.__cause__
    assert DRAINS in vars(cancelled)["__notes__"]
    assert web.list_members()[0].extra["condition"] == MemberCondition.DRAINING
    servers[0].stop()
    for one in clients:
        one.join(10)


def test_connections_are_cut(
    running: HAProxy, driver: HAProxyDriver, web: LoadBalancer, servers: list[Site]
) -> None:
    """Without `wait_drained`, a server that was added is deleted although it has connections."""
    for one in web.list_members():
        web.detach_member(one)
    servers[2].delay = 5
    new = driver.balancer_attach_member(web, at(servers[2]), ex_health_check=None)
    statuses: list[str] = []
    client = threading.Thread(target=lambda: statuses.append(request(running.front)))
    client.start()
    servers[2].wait_for_a_request()
    began = time.monotonic()
    assert web.detach_member(new)
    assert time.monotonic() - began < 4
    client.join(10)
    assert statuses != ["200"]
    assert new.id not in {one.id for one in driver.ex_list_servers(web)}


def test_backends_without_new_servers(driver: HAProxyDriver, servers: list[Site]) -> None:
    """Where no server can be added, one in reserve gets the address; without any, that is said."""
    fixed = driver.get_balancer("fixed")
    assert fixed.list_members() == []
    made = fixed.attach_member(at(servers[0]))
    assert (made.id, made.port) == ("spare", servers[0].port)
    driver.wait_until_healthy(fixed, [made])
    with pytest.raises(
        UnsupportedOperationError, match=r"'fixed' takes no new servers.*holds none in reserve"
    ):
        fixed.attach_member(at(servers[1]))
    assert fixed.detach_member(made)
    assert fixed.attach_member(at(servers[1])).id == "spare"


def test_nodes(driver: HAProxyDriver, web: LoadBalancer) -> None:
    """A node is attached at the port that all members have; without one, the port must be given."""
    node = Node("9", "web9", NodeState.RUNNING, [], ["127.0.0.1"], DummyNodeDriver("key"))
    with pytest.raises(InvalidArgumentError, match="the port of the backend '3' is not known"):
        driver.get_balancer("3").attach_compute_node(node)
    only, other = web.list_members()
    web.detach_member(other)
    with pytest.raises(MemberAlreadyExistsError, match=f"127.0.0.1:{only.port}"):
        web.attach_compute_node(node)


def test_rights(running: HAProxy) -> None:
    """A socket of the level operator shows, and refuses changes with what is needed."""
    with HAProxyDriver(str(running.folder / "operator")) as driver:
        web = driver.get_balancer("web")
        with pytest.raises(ProviderHTTPError, match=r"(?i)permission denied.*level admin") as caught:
            web.detach_member(web.list_members()[0])
    assert (caught.value.code, caught.value.changes) == (403, True)


def test_tls(tmp_path: Path) -> None:
    """Over TLS the certificate is verified, and the client's own is shown where it is asked for."""
    authority, port = Authority(tmp_path, "ours"), free_port()
    own = authority.issue()
    both = own.cert.with_suffix(".both")
    both.write_bytes(own.cert.read_bytes() + own.key.read_bytes())
    tls = f"ssl crt {both} ca-file {authority.cert} verify required"
    text = f"""
listen api
  mode tcp
  bind 127.0.0.1:{port} {tls}
  server socket unix@{{folder}}/socket
"""
    given: dict[str, Any] = {"host": "127.0.0.1", "port": port, "secure": True}
    client, ca = (str(own.cert), str(own.key)), str(authority.cert)
    with haproxy(f"backend web{text}"):
        with HAProxyDriver(**given, ca_cert=ca, client_cert=client) as driver:
            assert [one.name for one in driver.list_balancers()] == ["web", "api"]
        with (
            HAProxyDriver(**given, client_cert=client) as driver,
            pytest.raises(TLSError, match="verify failed"),
        ):
            driver.list_balancers()
        with HAProxyDriver(**given, ca_cert=ca) as driver, pytest.raises(TransportError):
            driver.list_balancers()


def test_the_socket_of_the_master(running: HAProxy, tmp_path: Path) -> None:
    """The master process of a HAProxy knows no backends: the error names the socket that does."""
    config, master = str(running.folder / "haproxy.cfg"), str(running.folder / "master")
    text = "defaults\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nbackend web\n"
    Path(config).write_text(text)
    command = [str(running.process.args[0]), "-W", "-S", master, "-q", "-f", config]  # type: ignore[index]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process, HAProxyDriver(master) as driver:
        try:
            with pytest.raises(
                ProviderHTTPError, match="give the stats socket, not that of the master process"
            ):
                waiting.poll(driver.list_balancers, waiting_for="the master", timeout=10)
        finally:
            process.terminate()


def test_stopped(running: HAProxy, driver: HAProxyDriver) -> None:
    """A HAProxy that has ended is an error that names the command."""
    driver.list_balancers()
    running.process.kill()
    running.process.wait(10)
    with pytest.raises(ConnectError, match=r"refused.*HAProxy: command show stat"):
        driver.list_balancers()


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is none, other hosts without TLS and what cannot be created are refused."""
    with pytest.raises(ConnectError, match="No such file"):
        HAProxyDriver("/no/such/socket").list_balancers()
    monkeypatch.setenv("POLYCLOUD_HAPROXY_PATH", "/run/some.sock")
    assert "/run/some.sock" in repr(HAProxyDriver())
    assert "tcp://localhost:1" in repr(HAProxyDriver(port=1))
    with pytest.raises(InsecureConnectionError):
        HAProxyDriver(host="192.0.2.1")
    assert "tls://192.0.2.1:9999" in repr(HAProxyDriver(host="192.0.2.1", secure=True))
    for name in ("create_balancer", "update_balancer", "destroy_balancer"):
        assert not HAProxyDriver().supports(name)
    with pytest.raises(InvalidArgumentError, match="path"):
        HAProxyDriver(7)  # type: ignore[arg-type]


class Old:
    """A server of the runtime API that plays an older HAProxy, and notes what it is asked."""

    def __init__(self, version: str) -> None:
        self.version, self.lines = version, list[str]()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                line = connection.recv(4096).decode().removeprefix("set severity-output number;").strip()
                self.lines.append(line)
                connection.sendall(b"\n" + self._answer(line).encode())

    def _answer(self, line: str) -> str:
        names = "be_name srv_name srv_addr srv_port srv_admin_state srv_check_state"
        if line == "show info":
            return f"Name: HAProxy\nVersion: {self.version}\n\n"
        if line.startswith("show servers state"):
            return f"1\n# {names}\nweb spare 192.0.2.9 1 5 0\n\n"
        if line.startswith("show stat"):
            head = "# pxname,svname,qcur,scur,status,weight,type,check_status,addr,mode"
            rows = ("web,BACKEND,0,0,UP,1,1,,,http", "web,x,0,0,UP,1,2,,192.0.2.1:80,http")
            return "\n".join([head, *rows]) + "\n\n"
        return "\n"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.3.1", ["set server web/spare addr 192.0.2.1 port 80", "set server web/spare state ready"]),
        (
            "2.4.0",
            [
                "experimental-mode on;add server web/192.0.2.1:80 192.0.2.1:80",
                "set server web/192.0.2.1:80 state ready",
            ],
        ),
        (
            "2.5.0",
            [
                "experimental-mode on;add server web/192.0.2.1:80 192.0.2.1:80 check",
                "enable health web/192.0.2.1:80",
                "set server web/192.0.2.1:80 state drain",
                "set server web/192.0.2.1:80 health down",
                "set server web/192.0.2.1:80 state ready",
            ],
        ),
    ],
)
def test_older_versions(version: str, expected: list[str]) -> None:
    """Before 2.4 a server in reserve is taken; 2.4 adds unchecked ones, and 2.4 and 2.5 are told to."""
    old = Old(version)
    with old.server, HAProxyDriver(port=old.port) as driver:
        web = LoadBalancer("web", "web", State.RUNNING, None, None, driver)
        driver.balancer_attach_member(web, Member(None, "192.0.2.1", 80))
    assert [line for line in old.lines if not line.startswith("show")] == expected


@pytest.mark.parametrize(
    ("version", "given"),
    [
        ("2.3.1", {"ex_proxy_protocol": True}),
        ("2.3.1", {"ex_health_check": HealthCheck(interval=5)}),
        ("2.4.0", {"ex_health_check": HealthCheck(interval=5)}),
    ],
)
def test_settings_of_older_versions(version: str, given: dict[str, Any]) -> None:
    """A health check or PROXY protocol that a server cannot have is refused, and nothing is changed."""
    old = Old(version)
    with old.server, HAProxyDriver(port=old.port) as driver:
        web = LoadBalancer("web", "web", State.RUNNING, None, None, driver)
        with pytest.raises(UnsupportedOperationError, match=f"leave out.* {next(iter(given))}"):
            driver.balancer_attach_member(web, Member(None, "192.0.2.1", 80), **given)
    assert [line for line in old.lines if not line.startswith("show")] == []


COLUMNS = b"# pxname,svname,qcur,scur,status,weight,type,check_status,addr,mode\n"


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"# pxname,svname",
        b"1\n2\n3\n",
        b"\xff\xfe\n",
        b"# pxname,svname\nweb,BACKEND\n\n",
        COLUMNS + b"web,BACKEND,many,0,UP,1,1,,,http\n\n",
        COLUMNS + b"web,BACKEND,0,\xc2\xb2,UP,1,1,,,http\n\n",
    ],
)
def test_broken_responses(response: bytes) -> None:
    """A response that ends early or is not what was asked for is an error of ours."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(response)

        thread = threading.Thread(target=respond)
        thread.start()
        with (
            HAProxyDriver(port=server.getsockname()[1]) as driver,
            pytest.raises((TransportError, MalformedResponseError)),
        ):
            driver.list_balancers()
        thread.join(10)


def test_silent_servers() -> None:
    """Timeouts and deadlines end a command that is not answered; on an event loop, others run meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        began = time.monotonic()
        with (
            HAProxyDriver(port=port, timeout=0.2) as driver,
            pytest.raises(ReadTimeoutError, match="show stat"),
        ):
            driver.list_balancers()
        with HAProxyDriver(port=port) as driver:
            with call_options(timeout=0.2), pytest.raises(ReadTimeoutError):
                driver.list_balancers()
            with call_options(deadline=0.2), pytest.raises(OperationTimeoutError):
                driver.list_balancers()
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        async def main() -> None:
            others = asyncio.create_task(tick())
            async with aio.connect("haproxy", service="loadbalancer", port=port) as cloud:
                with call_options(deadline=0.3), pytest.raises(OperationTimeoutError):
                    await cloud.list_balancers()
            others.cancel()

        asyncio.run(main())
    assert ticks > 3
    assert time.monotonic() - began < 10


def test_cancelling_at_any_moment() -> None:
    """A call that is cancelled ends as cancelled, even at the very moment in which its response arrives."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(COLUMNS + b"web,BACKEND,0,0,UP,1,1,,,http\n\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, aio.connect("haproxy", service="loadbalancer", port=port) as cloud:
            for rounds in range(60):
                call = asyncio.ensure_future(cloud.list_balancers())
                for _ in range(rounds):
                    await asyncio.sleep(0)
                was_running = call.cancel()
                await asyncio.wait([call])
                assert call.cancelled() == was_running, f"after {rounds} rounds of the loop"

    asyncio.run(main())


def test_backends_that_do_not_exist(driver: HAProxyDriver) -> None:
    """A backend that is not there is named by the error, also one whose name is a number or a frontend's."""
    for name in ("nobody", "4711", "f"):
        with pytest.raises(BalancerDoesNotExistError) as caught:
            driver.get_balancer(name)
        assert caught.value.balancer_id == name


def test_many_tasks_at_once(running: HAProxy) -> None:
    """Calls at the same time all succeed, if they are more than the queue of the socket has room for."""

    async def main() -> list[list[LoadBalancer]]:
        async with aio.connect("haproxy", running.path, service="loadbalancer") as cloud:
            return await asyncio.gather(*(cloud.list_balancers() for _ in range(100)))

    first, *others = asyncio.run(main())
    assert first
    assert all([one.id for one in found] == [one.id for one in first] for found in others)


def test_a_member_that_comes_back_before_it_is_deleted(running: HAProxy) -> None:
    """A member that somebody attaches while another one detaches it stays, and one deleted twice is gone."""
    wanted = Member(None, "127.0.0.1", 9)

    class Racing(HAProxyDriver):
        def _delete(self, balancer: LoadBalancer, name: str, *, cut: bool) -> None:
            if comes_back:
                self.balancer_attach_member(balancer, wanted)
            else:
                super()._delete(balancer, name, cut=cut)
            super()._delete(balancer, name, cut=cut)

    with Racing(running.path) as driver:
        balancer = driver.get_balancer("web")
        before = len(balancer.list_members())
        balancer.attach_member(wanted)
        for comes_back in (True, False):
            assert balancer.detach_member(wanted)
            assert len(balancer.list_members()) == before + comes_back
