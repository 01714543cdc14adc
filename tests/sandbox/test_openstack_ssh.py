from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import asyncssh
import pytest
import urllib3

from polycloud.sandbox import Sandbox
from support.openstack import IMAGE, ORDER, Client, roots_of

KEY = asyncssh.generate_private_key("ssh-ed25519")


class Account(Client):
    """A client for servers that have machines."""

    port: int
    cloud: Sandbox

    def built(self, **changes: Any) -> dict[str, Any]:
        """A server that is active, as the sandbox knows it."""
        made = self.ask("POST", "compute/servers", {"server": {**ORDER, **changes}})["server"]
        self.idle(made["id"])
        return self.known(made["id"])

    def idle(self, number: str) -> None:
        """Wait until a server does nothing."""
        path = f"compute/servers/{number}"
        while self.ask("GET", path)["server"]["OS-EXT-STS:task_state"] is not None:
            threading.Event().wait(0.02)

    def known(self, number: str) -> dict[str, Any]:
        """The server in the sandbox's state."""
        return next(server for server in self.cloud.servers if server["id"] == number)

    def act(self, number: str, **action: Any) -> None:
        """Carry out an action and wait for its end."""
        self.ask("POST", f"compute/servers/{number}/action", action)
        self.idle(number)

    def says(self, server: dict[str, Any], command: str, **login: Any) -> str:
        """The output of a command over SSH, by default with the key."""
        options = {"client_keys": [KEY], **login}

        async def talk() -> str:
            async with asyncssh.connect(
                server["addresses"][-1],
                port=self.port,
                username="root",
                known_hosts=None,
                config=None,
                **options,
            ) as connection:
                result = await connection.run(command, check=True)
                return str(result.stdout).strip()

        return asyncio.run(talk())


@pytest.fixture
def account() -> Iterator[Account]:
    """An OpenStack with machines, where everything is quick, and a key pair "k"."""
    with (
        Sandbox("openstack", build=0.1, power=0.05, copy=0.05) as cloud,
        urllib3.PoolManager(retries=False, timeout=10) as pool,
    ):
        if cloud.ssh_port is None:
            pytest.skip(f"there are no machines here: {cloud.isolation}")
        made = Account(roots_of(cloud.url), pool)
        made.cloud, made.port = cloud, cloud.ssh_port
        made.log_in("demo", "openstack_sandbox", "demo")
        public = KEY.export_public_key("openssh").decode().strip()
        made.ask("POST", "compute/os-keypairs", {"keypair": {"name": "k", "public_key": public}})
        yield made


def test_key_and_password(account: Account) -> None:
    """A server accepts the key pair that it was made with, and its password."""
    server = account.built(key_name="k")
    assert account.says(server, "hostname") == "web"
    assert account.says(server, "id -un", client_keys=None, password=server["password"]) == "root"


def test_files_and_power(account: Account) -> None:
    """Files outlive a stop, not a rebuild; a server that is stopped has no SSH."""
    server = account.built(key_name="k")
    account.says(server, "echo kept > note")
    account.act(server["id"], **{"os-stop": None})
    with pytest.raises(ConnectionRefusedError):
        account.says(server, "true")
    account.act(server["id"], **{"os-start": None})
    assert account.says(server, "cat note") == "kept"
    account.act(server["id"], rebuild={"imageRef": IMAGE})
    assert account.says(server, "cat note || echo gone") == "gone"


def test_floating_ip(account: Account) -> None:
    """A server on a network of the project is reached at its floating IP."""
    network = account.ask("POST", "network/networks", {"network": {"name": "mine"}})["network"]["id"]
    order = {"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/24"}
    subnet = account.ask("POST", "network/subnets", {"subnet": order})["subnet"]["id"]
    server = account.built(key_name="k", networks=[{"uuid": network}])
    assert server["machine"] == "none"
    [public] = account.ask("GET", "network/networks?router:external=true")["networks"]
    gateway = {"external_gateway_info": {"network_id": public["id"]}}
    router = account.ask("POST", "network/routers", {"router": gateway})["router"]["id"]
    account.ask("PUT", f"network/routers/{router}/add_router_interface", {"subnet_id": subnet})
    [port] = account.ask("GET", f"network/ports?device_id={server['id']}")["ports"]
    wanted = {"floating_network_id": public["id"], "port_id": port["id"]}
    account.ask("POST", "network/floatingips", {"floatingip": wanted})
    while (known := account.known(server["id"]))["machine"] != "on":
        threading.Event().wait(0.02)
    assert account.says(known, "hostname") == "web"
