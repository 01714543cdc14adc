from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import asyncssh
import pytest
import urllib3

from polycloud.sandbox import Sandbox
from support.linode import ORDER, PASSWORD

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC = KEY.export_public_key().decode().strip()
SETTLED = {"running", "offline"}


class Account:
    """A client for Linodes that have machines."""

    def __init__(self, cloud: Sandbox, pool: urllib3.PoolManager) -> None:
        self._cloud, self._pool = cloud, pool
        self.port = cloud.ssh_port or 0

    def ask(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._cloud.credentials[0]}"}
        response = self._pool.request(method, f"{self._cloud.url}/v4{path}", json=body, headers=headers)
        assert response.status == 200, response.data
        return response.json()

    def create(self, **changes: Any) -> int:
        """The id of a Linode that has been built."""
        number: int = self.ask("POST", "/linode/instances", **{**ORDER, **changes})["id"]
        self._settle(number)
        return number

    def act(self, number: int, path: str, **body: Any) -> None:
        """Send a request and wait for the end of its event."""
        self.ask("POST", f"/linode/instances/{number}/{path}", **body)
        self._settle(number)

    def _settle(self, number: int) -> None:
        # The machine may still be booting when the status has changed.
        while (server := self.server(number))["locked"] or server["status"] not in SETTLED:
            threading.Event().wait(0.005)

    def server(self, number: int) -> dict[str, Any]:
        """The Linode in the sandbox's state."""
        return next(server for server in self._cloud.servers if server["id"] == number)

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
    """A Linode with machines that run commands; skips the test where none can run."""
    cloud = Sandbox("linode", build=0, boot=0, power=0, copy=0)
    if "namespaces" not in cloud.isolation.split(" ")[0]:
        pytest.skip(cloud.isolation)
    with cloud:
        yield Account(cloud, pool)


def patiently(attempt: Callable[[], str]) -> str:
    """The SSH server's first line."""
    while True:
        with contextlib.suppress(OSError, asyncssh.Error):
            return attempt()


def test_ssh_by_key(account: Account) -> None:
    """A Linode accepts a key that it was deployed with, and has its label as the host name."""
    number = account.create(label="box", authorized_keys=[PUBLIC])
    assert account.says(number, "hostname") == "box"


def test_ssh_by_a_key_of_the_user(account: Account) -> None:
    """A Linode accepts a key of a user that it was deployed with."""
    account.ask("POST", "/profile/sshkeys", label="k", ssh_key=PUBLIC)
    number = account.create(authorized_users=["sandbox"])
    assert account.says(number, "echo hi") == "hi"


def test_ssh_by_password(account: Account) -> None:
    """A Linode accepts the root password, and no other password or unknown key."""
    number = account.create()
    assert account.says(number, "echo hi", client_keys=None, password=PASSWORD) == "hi"
    with pytest.raises(asyncssh.PermissionDenied):
        account.says(number, "echo hi", client_keys=None, password="wrong")
    with pytest.raises(asyncssh.PermissionDenied):
        account.says(number, "echo hi")


def test_files_and_power(account: Account) -> None:
    """A Linode that is off accepts no SSH; on again it has its files, which a rebuild removes."""
    number = account.create(authorized_keys=[PUBLIC])
    account.says(number, "echo kept > /root/note")
    account.act(number, "shutdown")
    with pytest.raises((OSError, asyncssh.Error)):
        account.says(number, "true")
    account.act(number, "boot")
    assert account.says(number, "cat /root/note") == "kept"
    account.act(number, "reboot")
    assert account.says(number, "cat /root/note") == "kept"
    account.act(number, "rebuild", image="linode/arch", root_pass=PASSWORD, authorized_keys=[PUBLIC])
    assert patiently(lambda: account.says(number, "ls /root")) == ""


def test_a_new_password(account: Account) -> None:
    """After a reset, the new password is accepted, the old one is not, and keys and files stay."""
    number = account.create(authorized_keys=[PUBLIC])
    account.says(number, "echo kept > /root/note")
    account.act(number, "shutdown")
    account.act(number, "password", root_pass="another-Complex!Passw0rd")
    account.act(number, "boot")
    assert account.says(number, "cat /root/note") == "kept"
    login = {"client_keys": None, "password": "another-Complex!Passw0rd"}
    assert account.says(number, "echo hi", **login) == "hi"
    with pytest.raises(asyncssh.PermissionDenied):
        account.says(number, "true", client_keys=None, password=PASSWORD)


def test_another_disk(account: Account) -> None:
    """A configuration with another disk boots a machine with the files and the password of that disk."""
    number = account.create(type="g6-standard-1", authorized_keys=[PUBLIC])
    one = f"/linode/instances/{number}"
    account.says(number, "echo kept > /root/note")
    account.act(number, "shutdown")
    main = account.ask("GET", f"{one}/disks")["data"][0]["id"]
    account.act(number, f"disks/{main}/resize", size=10000)
    order = {"label": "second", "size": 3000, "image": "linode/arch", "root_pass": "another-Complex!Passw0rd"}
    disk = account.ask("POST", f"{one}/disks", **order)["id"]
    devices = {"sda": {"disk_id": disk}}
    config = account.ask("POST", f"{one}/configs", label="second", devices=devices)["id"]
    account.act(number, "boot", config_id=config)
    login = {"client_keys": None, "password": "another-Complex!Passw0rd"}
    assert patiently(lambda: account.says(number, "ls /root", **login)) == ""


def test_a_clone_and_a_migrated_linode(account: Account) -> None:
    """A clone accepts the same password at its own address, and a moved Linode at its new one."""
    number = account.create()
    before = account.server(number)["addresses"]
    made = account.ask("POST", f"/linode/instances/{number}/clone", region="us-east", type="g6-nanode-1")[
        "id"
    ]
    account.act(made, "boot")
    login = {"client_keys": None, "password": PASSWORD}
    assert account.says(made, "hostname", **login) == f"linode{made}"
    account.act(number, "migrate", region="eu-west")
    assert account.server(number)["addresses"] != before
    assert patiently(lambda: account.says(number, "hostname", **login)) == "web"


def test_a_linode_without_an_image_has_no_machine(account: Account) -> None:
    """A Linode without disks and a seeded one have no machine."""
    empty = account.ask("POST", "/linode/instances", region="us-east", type="g6-nanode-1")["id"]
    assert account.server(empty)["machine"] == "none"
    assert Sandbox("linode", seed_nodes=1).servers[0]["machine"] == "none"
