from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import asyncssh
import pytest
import urllib3

from polycloud.sandbox import Sandbox
from support.digitalocean import ORDER

KEY = asyncssh.generate_private_key("ssh-ed25519")


class Account:
    """A client for droplets that have machines."""

    def __init__(self, cloud: Sandbox, pool: urllib3.PoolManager) -> None:
        self._cloud, self._pool = cloud, pool
        self.port = cloud.ssh_port or 0

    def ask(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._cloud.credentials[0]}"}
        response = self._pool.request(method, f"{self._cloud.url}/v2{path}", json=body, headers=headers)
        assert response.status < 300, response.data
        return response.json() if response.data else None

    def create(self, **changes: Any) -> int:
        """The id of a droplet that has been built."""
        number: int = self.ask("POST", "/droplets", **{**ORDER, **changes})["droplet"]["id"]
        self._settle(number)
        return number

    def act(self, number: int, type: str, **body: Any) -> None:
        """Post an action and wait for its end."""
        self.ask("POST", f"/droplets/{number}/actions", type=type, **body)
        self._settle(number)

    def _settle(self, number: int) -> None:
        while self.ask("GET", f"/droplets/{number}")["droplet"]["locked"]:
            threading.Event().wait(0.005)

    def server(self, number: int) -> dict[str, Any]:
        """The droplet in the sandbox's state."""
        return next(server for server in self._cloud.servers if server["id"] == number)

    def machine(self, number: int) -> Any:
        """The droplet's machine."""
        cloud: Any = self._cloud._cloud
        return cloud._state.droplets[number].machine

    def await_machine(self, number: int) -> None:
        """Wait until the droplet's machine has changed as it was asked to."""
        while self.machine(number).busy:
            threading.Event().wait(0.005)

    def says(self, number: int, command: str, **login: Any) -> str:
        """The output of a command over SSH, by default with the key."""
        options = {"client_keys": [KEY], **login}
        address = self.server(number)["addresses"][0]

        async def work() -> str:
            async with asyncssh.connect(
                address,
                self.port,
                username="root",
                known_hosts=None,
                config=[],
                agent_path=None,
                connect_timeout=5,
                **options,
            ) as connection:
                return str((await connection.run(command)).stdout).strip()

        return asyncio.run(work())


@pytest.fixture
def account(pool: urllib3.PoolManager) -> Iterator[Account]:
    """A DigitalOcean with machines that run commands; skips the test where none can run."""
    cloud = Sandbox("digitalocean", build=0, power=0, copy=0)
    if "namespaces" not in cloud.isolation.split(" ")[0]:
        pytest.skip(cloud.isolation)
    with cloud:
        yield Account(cloud, pool)


def patiently(attempt: Callable[[], str]) -> str:
    """The SSH server's first line."""
    while True:
        with contextlib.suppress(OSError, asyncssh.Error):
            return attempt()


def keyed(account: Account) -> dict[str, Any]:
    """The field of a create that adds `KEY`."""
    public = KEY.export_public_key().decode().strip()
    return {"ssh_keys": [account.ask("POST", "/account/keys", name="k", public_key=public)["ssh_key"]["id"]]}


def test_ssh_by_key(account: Account) -> None:
    """A droplet accepts the key that it was created with, and has its name as the host name."""
    number = account.create(name="box", **keyed(account))
    assert account.says(number, "hostname") == "box"
    assert account.server(number)["password"] is None


def test_ssh_by_password(account: Account) -> None:
    """A droplet without keys accepts the mailed password and no other."""
    number = account.create()
    password = account.server(number)["password"]
    assert account.says(number, "echo hi", client_keys=None, password=password) == "hi"
    with pytest.raises(asyncssh.PermissionDenied):
        account.says(number, "echo hi", client_keys=None, password="wrong")


def test_files_and_power(account: Account) -> None:
    """A droplet that is off accepts no SSH; on again it has its files, which a rebuild removes."""
    number = account.create(**keyed(account))
    account.says(number, "echo kept > /root/note")
    account.act(number, "power_off")
    with pytest.raises((OSError, asyncssh.Error)):
        account.says(number, "true")
    account.act(number, "power_on")
    assert account.says(number, "cat /root/note") == "kept"
    account.act(number, "reboot")
    assert account.says(number, "cat /root/note") == "kept"
    account.act(number, "rebuild", image="debian-12-x64")
    account.await_machine(number)  # before, a connection takes three seconds to fail
    assert patiently(lambda: account.says(number, "ls /root")) == ""


def test_a_deleted_droplet_takes_no_ssh(account: Account) -> None:
    """When the machine of a deleted droplet is gone, its address accepts no connections."""
    number = account.create(**keyed(account))
    address, machine = account.server(number)["addresses"][0], account.machine(number)
    account.ask("DELETE", f"/droplets/{number}")
    while machine.busy:
        threading.Event().wait(0.005)
    with pytest.raises(OSError, match=r"refused|unreachable|timed out|No route"):
        socket.create_connection((address, account.port), timeout=1)


def test_seeded_droplets_have_no_machines(account: Account) -> None:
    """A seeded droplet has no machine."""
    assert Sandbox("digitalocean", seed_nodes=1).servers[0]["machine"] == "none"
