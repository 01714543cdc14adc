from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from polycloud.compute.drivers.ec2 import EC2NodeDriver
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.errors import PolycloudError
from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from support.clock import ends_within
from support.web import Answer, Seen, Web, serve

DEADLINE, MOST = 0.5, 1.6
MISSING = (
    b"<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code>"
    b"<Message>The instance ID 'i-0123456789abcdef0' does not exist</Message></Error></Errors></Response>"
)


@pytest.fixture
def hangs() -> Iterator[Web]:
    """A server whose responses take longer than anybody waits."""
    ends = Event()

    def respond(_: Seen) -> Answer:
        ends.wait(5)
        return Answer(500)

    with serve(respond) as web:
        yield web
        ends.set()


def test_credentials_that_hang(hangs: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A driver's deadline ends a call whose credentials come late, from metadata or from a program."""
    file = tmp_path / "config"
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(file))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{hangs.port}")
    for text in ("", "[default]\ncredential_process = sleep 5\n"):
        file.write_text(text)
        with EC2NodeDriver(None, region="us-east-1", deadline=DEADLINE) as driver:
            with ends_within(MOST), pytest.raises(PolycloudError):
                driver.list_nodes()


def test_servers_of_other_protocols() -> None:
    """A driver's deadline ends a call to a HAProxy, or to a name server, that does not respond."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": server.getsockname()[1], "deadline": DEADLINE}
        with HAProxyDriver(**options) as haproxy, ends_within(MOST), pytest.raises(PolycloudError):
            haproxy.list_balancers()
        with RFC2136Driver("key", "c2VjcmV0", zones=["example.org"], **options) as driver:
            with ends_within(MOST), pytest.raises(PolycloudError):
                driver.get_zone("example.org")


def test_a_login_that_hangs(hangs: Web) -> None:
    """A driver's deadline ends a call whose login gets no response."""
    options: dict[str, Any] = {
        "ex_force_auth_url": f"http://127.0.0.1:{hangs.port}/v3",
        "ex_tenant_name": "t",
        "ex_force_auth_version": "3.x_password",
    }
    with OpenStackNodeDriver("user", "password", deadline=DEADLINE, **options) as driver:
        with ends_within(MOST), pytest.raises(PolycloudError):
            driver.list_nodes()


def test_an_id_that_stays_unknown() -> None:
    """A driver's deadline ends a call that is repeated because an id is new."""
    with serve(lambda _: Answer(400, MISSING)) as web:
        options: dict[str, Any] = {"host": "127.0.0.1", "port": web.port, "secure": False}
        with EC2NodeDriver("key", "secret", region="us-east-1", deadline=DEADLINE, **options) as driver:
            driver.connection._fresh = {"i-0123456789abcdef0": time.monotonic() + 5}
            with ends_within(MOST), pytest.raises(PolycloudError):
                driver.get_node("i-0123456789abcdef0")
