from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncssh
import pytest
import urllib3

from polycloud.sandbox import MachineError, Sandbox
from polycloud.sandbox.machines import folder, namespaces
from polycloud.sandbox.machines.isolation import loopback_problem

PROBLEMS: dict[str, Callable[[], str | None]] = {
    "namespaces": namespaces.problem_of_root,
    "user-namespaces": namespaces.problem_of_users,
    "folder": loopback_problem,
}
KEY = asyncssh.generate_private_key("ssh-ed25519")
QUICK = {"appear": 0.0, "build": 0.0, "power": 0.0, "destroy": 0.0}


def start(kind: str, **settings: Any) -> Sandbox:
    """Create a sandbox with machines of that kind; skip the test if they do not work here."""
    problem = PROBLEMS[kind]()
    if problem:
        pytest.skip(f"{kind}: {problem}")
    return Sandbox("nephoscale", ssh=kind, **{**QUICK, **settings})


class Account:
    """Requests to a running sandbox, and SSH to its servers."""

    def __init__(self, cloud: Sandbox, pool: urllib3.PoolManager) -> None:
        self.cloud, self._pool = cloud, pool
        self._key: int | None = None

    def ask(self, method: str, path: str, **form: Any) -> Any:
        headers = urllib3.make_headers(basic_auth=":".join(self.cloud.credentials))
        url = self.cloud.url + path
        response = self._pool.request(method, url, body=urlencode(form), headers=headers).json()
        assert response["success"], response
        return response["data"]

    @property
    def key(self) -> int:
        """The id of `KEY` as a server key."""
        if self._key is None:
            public = KEY.export_public_key().decode()
            key = self.ask("POST", "/key/sshrsa/", name="k", public_key=public, key_group=1)
            self._key = int(key["id"])
        return self._key

    def order(self, name: str = "web", **form: Any) -> None:
        form = {"server_key": self.key, **form}
        form = {field: value for field, value in form.items() if value is not None}
        self.ask("POST", "/server/cloud/", name=name, service_type=3, image=49, **form)

    def create(self, name: str = "web", **form: Any) -> dict[str, Any]:
        """Create a server; return it when it is on."""
        self.order(name, **form)
        return self.settled("on")[-1]

    def settled(self, *powers: str) -> list[dict[str, Any]]:
        """Return the servers, as soon as all have one of these power states."""
        while True:
            servers: list[dict[str, Any]] = self.ask("GET", "/server/cloud/")
            if all(server["power_status"] in powers for server in servers):
                assert all(server["machine"] in {"on", "off"} for server in self.cloud.servers)
                return servers
            pause(0.02)

    def switch(self, server: dict[str, Any], verb: str, then: str) -> None:
        self.ask("POST", f"/server/cloud/{server['id']}/initiator/{verb}/")
        self.settled(then)

    def connect(self, server: dict[str, Any], **options: Any) -> Any:
        """Return an SSH connection, as a context manager."""
        options = {"username": "root", "client_keys": [KEY], "known_hosts": None, "config": [], **options}
        return asyncssh.connect(address(server), self.cloud.ssh_port or 0, agent_path=None, **options)

    def run(self, server: dict[str, Any], command: str | None, **options: Any) -> Any:
        """Run a command, or a shell, over a connection of its own."""
        done: list[Any] = []  # `asyncio.run` writes the repr of what its task returns, such as 10 MB

        async def work() -> None:
            async with self.connect(server) as connection:
                done.append(await connection.run(command, **options))

        asyncio.run(work())
        return done[0]

    def output(self, server: dict[str, Any], command: str) -> str:
        """Return the output of a command that must succeed."""
        done = self.run(server, command)
        assert (done.exit_status, done.stderr) == (0, "")
        return str(done.stdout).strip()


def pause(seconds: float = 0.005) -> None:
    """Let other threads work."""
    threading.Event().wait(seconds)


def address(server: dict[str, Any]) -> str:
    """Return the public address."""
    return str(server["ipaddresses"]).split(", ")[0]


def cable(server: dict[str, Any]) -> str:
    """Return the name of this computer's end of the server's network cable, if it has one."""
    return f"pc{bytes(map(int, address(server).split('.'))).hex()}"


def cables() -> list[str]:
    """Return the network devices of this computer."""
    return [name for _, name in socket.if_nameindex()]


def children() -> set[int]:
    """Return the processes that this one has started."""
    while True:
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread has ended meanwhile: try again
            lists = [(task / "children").read_text() for task in Path("/proc/self/task").iterdir()]
            return {int(number) for line in lists for number in line.split()}


@pytest.fixture(params=["namespaces", "user-namespaces", "folder"])
def account(request: pytest.FixtureRequest, pool: urllib3.PoolManager) -> Iterator[Account]:
    """A cloud with machines that run commands, of each kind that works here."""
    with start(request.param, no_isolation=True) as cloud:
        yield Account(cloud, pool)


@pytest.fixture(params=["namespaces", "user-namespaces"])
def isolated(request: pytest.FixtureRequest, pool: urllib3.PoolManager) -> Iterator[Account]:
    """A cloud whose machines are isolated, of each kind that works here."""
    with start(request.param) as cloud:
        yield Account(cloud, pool)


@pytest.fixture(scope="module")
def files() -> Iterator[tuple[Account, dict[str, Any]]]:
    """A cloud of folders that run no commands, with one server."""
    with start("folder") as cloud, urllib3.PoolManager() as pool:
        account = Account(cloud, pool)
        yield account, account.create()


# Commands


def test_a_command(account: Account) -> None:
    """The exit status, the output and the errors of a command are received separately."""
    done = account.run(account.create(), "echo out; echo err >&2; exit 3")
    assert (done.exit_status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_command_that_is_killed(account: Account) -> None:
    """If a signal ends a command, its name is received."""
    done = account.run(account.create(), "kill -9 $$")
    assert done.exit_signal
    assert done.exit_signal[0] == "KILL"


def test_input_and_environment(account: Account) -> None:
    """A command gets input and its end, an environment without the client's variables, and starts at home."""
    server = account.create()
    env = {"A": "b c", "LD_PRELOAD": "/nonexistent.so", "PATH": "/nonexistent", "BASH_ENV": "/nonexistent"}
    command = 'cat; echo "$USER $A$LD_PRELOAD$BASH_ENV"'
    done = account.run(server, command, input="hello\n", env=env)
    assert (done.stdout, done.stderr) == ("hello\nroot \n", "")
    assert account.output(server, 'cd /; cd; test "$PWD" = "$HOME" && test -d /usr && echo yes') == "yes"


def test_ten_megabytes(account: Account) -> None:
    """Large output and large input arrive completely."""
    server = account.create()
    done = account.run(server, "head -c 10000000 /dev/zero", encoding=None)
    assert done.stdout == bytes(10_000_000)
    assert account.run(server, "wc -c", input="x" * 3_000_000).stdout.strip() == "3000000"


def test_a_shell(account: Account) -> None:
    """Without a command a shell reads commands from the input, and its exit status is received."""
    done = account.run(account.create(), None, input="echo $((6 * 7))\nexit 5\n")
    assert done.exit_status == 5
    assert done.stdout.endswith("42\n")


def test_a_terminal(account: Account) -> None:
    """A terminal has a name, the client's type and size, and turns Ctrl-C into an interrupt."""
    server = account.create()

    async def work() -> tuple[str, Any]:
        async with account.connect(server) as connection:
            options = {"term_type": "xterm-mono", "term_size": (100, 40)}
            process = await connection.create_process("tty; stty size; echo $TERM; sleep 1000", **options)
            seen = await process.stdout.readuntil("mono")
            process.change_terminal_size(80, 24)
            ended = asyncio.ensure_future(process.wait())
            while not ended.done():  # a shell that is starting its next command ignores it
                process.stdin.write("\x03")
                await asyncio.wait([ended], timeout=1)
            return seen, await ended

    seen, done = asyncio.run(work())
    assert re.fullmatch(r"/dev/pts/\d+\s+40 100\s+xterm-mono", seen)
    assert done.returncode != 0


def test_a_terminal_that_leads_elsewhere(isolated: Account) -> None:
    """A machine whose terminals are links or other files gets no terminal, and its commands still run."""
    server = isolated.create()
    for device in ("ln -s /dev/tty /dev/pts/ptmx", "mkfifo /dev/pts/ptmx", "true"):
        isolated.output(server, f"mount -t tmpfs tmpfs /dev/pts; {device}")
        done = isolated.run(server, "echo ran", term_type="xterm")
        assert (done.exit_status, done.stdout) == (126, "")
    assert isolated.output(server, "echo up") == "up"


def test_signals(account: Account) -> None:
    """A signal from the client reaches the command, which may handle it."""
    server = account.create()

    async def work() -> Any:
        async with account.connect(server) as connection:
            process = await connection.create_process(
                "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"
            )
            await process.stdout.readline()
            process.terminate()
            return await process.wait()

    done = asyncio.run(work())
    assert (done.exit_status, done.stdout) == (7, "bye\n")


def test_a_lost_connection_kills_the_command(account: Account) -> None:
    """When the client disconnects, its command and the processes of its group end."""
    server = account.create()
    marker = new_marker()

    async def work() -> None:
        async with account.connect(server) as connection:
            process = await connection.create_process(f"sleep {marker}.5 & echo up; sleep {marker}.6")
            await process.stdout.readline()
            connection.abort()

    asyncio.run(work())
    while is_running(marker):
        pause()


def new_marker() -> str:
    """Return a number of seconds to sleep, by which a test finds its own process."""
    return f"{os.getpid()}{time.monotonic_ns() % 10**6}"


def is_running(text: str) -> bool:
    """Return whether this computer has a process with that text in its arguments."""
    listing = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True)
    return text in listing.stdout


def test_a_daemon_outlives_its_session(account: Account) -> None:
    """A process that a command leaves in the background runs on until the server stops, and no longer."""
    server = account.create()
    marker = new_marker()
    account.output(server, f"nohup sh -c 'sleep 0.1; echo late > note; sleep {marker}' > /dev/null 2>&1 &")
    while account.run(server, "cat note").stdout != "late\n":
        pass
    while not is_running(f"sleep {marker}\n"):
        pause()
    account.switch(server, "stop", "off")
    assert not is_running(marker)


def test_twenty_at_once(account: Account) -> None:
    """Twenty servers are created concurrently, each with its own address, host name and SSH."""
    for number in range(20):
        account.order(f"web-{number}")
    servers = account.settled("on")
    assert len({address(server) for server in servers}) == 20

    async def work() -> list[str]:
        async def one(server: dict[str, Any]) -> str:
            async with account.connect(server) as connection:
                return str((await connection.run("hostname")).stdout).strip()

        return await asyncio.gather(*map(one, servers))

    names = asyncio.run(work())
    if "folder" not in account.cloud.isolation:
        assert names == [f"web-{number}" for number in range(20)]


# Isolation


def test_a_machine_is_alone(isolated: Account) -> None:
    """A machine has its own host name, processes and network, and sees no home directory of this computer."""
    server = isolated.create("Web Ünit.example")
    assert isolated.output(server, "hostname; cat /etc/hostname").split() == ["web-nit.example"] * 2
    assert isolated.output(server, "ps ax -o pid=,comm= | grep -v ps | head -1").split() == ["1", "cat"]
    assert len(isolated.output(server, "ls -d /proc/[0-9]*").splitlines()) < 10
    assert isolated.output(server, "ls -A /root /home /tmp | grep -v :$ || true") == ""
    assert set(isolated.output(server, "ls /sys/class/net").split()) <= {"lo", "eth0"}


def test_a_root_machine_has_its_address(pool: urllib3.PoolManager) -> None:
    """With root a machine has its public address on its own network, and every port of it can be reached."""
    with start("namespaces") as cloud:
        account = Account(cloud, pool)
        server = account.create()
        assert address(server) in account.output(server, "ip -brief address")
        assert cloud.ssh_port == 22
        program = "import socket; s = socket.create_server(('', 80)); print('up', flush=True); s.accept()"

        async def work() -> None:
            async with account.connect(server) as connection:
                process = await connection.create_process(f'/usr/bin/env python3 -c "{program}"')
                if await process.stdout.readline():
                    socket.create_connection((address(server), 80), timeout=10).close()

        asyncio.run(work())


def test_files_stay_inside(isolated: Account) -> None:
    """A file written on one machine is neither on another nor on this computer."""
    one, two = isolated.create("one"), isolated.create("two")
    name = f"polycloud-{os.getpid()}-{time.monotonic_ns()}"
    for folder_ in ("/etc", "/usr", "/root", "/tmp", "/var"):  # noqa: S108 - the machine's
        isolated.output(one, f"echo x > {folder_}/{name}")
        assert not Path(folder_, name).exists()
    assert isolated.output(two, f"ls /*/{name} 2>/dev/null || echo none") == "none"


def test_a_machine_cannot_break_this_computer_by_accident(pool: urllib3.PoolManager) -> None:
    """The root of a machine can create no device files and change no settings but those of its network."""
    with start("namespaces") as cloud:
        account = Account(cloud, pool)
        server = account.create()
        assert account.run(server, "mknod /tmp/disk b 8 0").exit_status != 0
        assert account.run(server, "echo 1 > /proc/sys/vm/drop_caches").exit_status != 0
        assert (
            account.output(
                server, "echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward"
            )
            == "1"
        )


def test_two_sandboxes(pool: urllib3.PoolManager) -> None:
    """Two sandboxes on one computer give their servers different networks."""
    with start("namespaces") as one, start("namespaces") as two:
        servers = [Account(cloud, pool).create() for cloud in (one, two)]
        assert len({address(server).rpartition(".")[0] for server in servers}) == 2


# Files


async def _exchange(account: Account, server: dict[str, Any], folder_: Path) -> None:
    (folder_ / "here").write_bytes(b"x" * 100_000)
    (folder_ / "here").chmod(0o640)
    async with account.connect(server) as connection, connection.start_sftp_client() as sftp:
        assert await sftp.realpath(".") == "/root"
        await sftp.put(str(folder_ / "here"), "there", preserve=True)
        assert (await sftp.stat("/root/there")).permissions & 0o777 == 0o640
        await sftp.chmod("there", 0o700)
        await sftp.get("there", str(folder_ / "back"), preserve=True)
        assert (folder_ / "back").read_bytes() == b"x" * 100_000
        assert (folder_ / "back").stat().st_mode & 0o777 == 0o700
        await sftp.makedirs("a/b")
        await sftp.rename("there", "a/b/c")
        assert sorted(await sftp.listdir("a/b")) == [".", "..", "c"]
        await sftp.remove("a/b/c")
        assert not await sftp.exists("/root/a/b/c")


def test_sftp(account: Account, tmp_path: Path) -> None:
    """SFTP puts, gets, lists, renames and removes files, with their permissions, and starts at home."""
    asyncio.run(_exchange(account, account.create(), tmp_path))


def test_sftp_and_commands_see_the_same_files(account: Account) -> None:
    """A file put by SFTP can be run as a command, and SFTP can read the file that it writes."""
    server = account.create()

    async def work() -> str:
        async with account.connect(server) as connection, connection.start_sftp_client() as sftp:
            async with sftp.open("deploy.sh", "w") as script:
                await script.write("#!/bin/sh\necho done > result\n")
            await sftp.chmod("deploy.sh", 0o755)
            await connection.run("./deploy.sh", check=True)
            async with sftp.open("result") as result:
                return str(await result.read())

    assert asyncio.run(work()) == "done\n"


def test_only_regular_files_are_opened(account: Account) -> None:
    """Opening a pipe, a device or a link to one over SFTP is refused at once, and the server goes on."""
    server = account.create()
    account.output(server, "mkfifo pipe; ln -s pipe link; ln -s /dev/tty tty")

    async def work() -> None:
        async with account.connect(server) as connection, connection.start_sftp_client() as sftp:
            for name in ("pipe", "link", "tty"):
                for mode in ("r", "w", "a"):
                    with pytest.raises(asyncssh.SFTPError):
                        await asyncio.wait_for(sftp.open(name, mode), 10)
            assert await sftp.exists("pipe")

    asyncio.run(work())


def test_links_stay_inside(files: tuple[Account, dict[str, Any]], tmp_path: Path) -> None:
    """No symbolic link and no path, absolute or with dots, leads out of the machine's files."""
    account, server = files
    (tmp_path / "secret").write_text("secret")

    async def work() -> None:
        async with account.connect(server) as connection, connection.start_sftp_client() as sftp:
            for name, target in [
                ("absolute", str(tmp_path)),
                ("climbing", "../../../../../.." + str(tmp_path)),
            ]:
                await sftp.symlink(target, name)
                assert await sftp.readlink(name) == target
                assert not await sftp.exists(f"{name}/secret")
                assert await sftp.realpath(f"{name}/x") == f"{tmp_path}/x"
                await sftp.remove(name)
            await sftp.symlink("/root/loop", "loop")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.stat("loop/x")
            async with sftp.open("../../../../escape", "w") as file:
                await file.write("x")
            assert await sftp.exists("/escape")

    asyncio.run(work())
    assert not Path("/escape").exists()


def test_the_systems_own_clients(account: Account, tmp_path: Path) -> None:
    """OpenSSH's ssh, sftp and scp work, the latter in both directions and with both protocols."""
    if not all(map(shutil.which, ["ssh", "sftp", "scp"])):
        pytest.skip("needs OpenSSH's clients")
    server = account.create()
    KEY.write_private_key(str(tmp_path / "key"))
    (tmp_path / "key").chmod(0o600)
    port, where = account.cloud.ssh_port, f"root@{address(server)}"
    options = ["-F", "none", "-i", str(tmp_path / "key"), "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"]
    options += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path}/known"]

    def client(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **more)

    done = client("ssh", *options, "-p", str(port), where, "cat; exit 4", input="hello")
    assert (done.returncode, done.stdout, done.stderr) == (4, "hello", "")
    batch = f"mkdir d\nput {tmp_path}/known d/k\nls d\n"
    done = client("sftp", *options, "-P", str(port), "-b", "-", where, input=batch)
    assert done.returncode == 0, done.stderr
    assert "d/k" in done.stdout
    for protocol in ("-O", "-s"):
        done = client("scp", protocol, *options, "-P", str(port), f"{where}:d/k", f"{tmp_path}/k")
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "k").read_text() == (tmp_path / "known").read_text()
        (tmp_path / "k").unlink()
        done = client(
            "scp", protocol, *options, "-P", str(port), f"{tmp_path}/key", f"{where}:d/key{protocol}"
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert account.output(server, f"cat d/key{protocol}") == (tmp_path / "key").read_text().strip()


# Who may log in


def test_who_may_not_log_in(files: tuple[Account, dict[str, Any]]) -> None:
    """Another key, another user, and any password are rejected."""
    account, server = files
    other = asyncssh.generate_private_key("ssh-ed25519")
    wrong: list[dict[str, Any]] = [
        {"client_keys": [other]},
        {"username": "ubuntu"},
        {"client_keys": None, "password": "secret"},
    ]
    for options in wrong:
        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(_log_in(account, server, **options))


async def _log_in(account: Account, server: dict[str, Any], **options: Any) -> bytes:
    async with account.connect(server, **options) as connection:
        key: asyncssh.SSHKey = connection.get_server_host_key()
        return key.public_data


def test_passwords(pool: urllib3.PoolManager) -> None:
    """A server created with a password key accepts that password and no other."""
    with start("folder") as cloud:
        account = Account(cloud, pool)
        key = account.ask("POST", "/key/password/", name="p", password="right one", key_group=1)["id"]
        server = account.create(server_key=key)
        assert asyncio.run(_log_in(account, server, client_keys=None, password="right one"))
        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(_log_in(account, server, client_keys=None, password="wrong one"))


def test_a_server_without_a_key(pool: urllib3.PoolManager) -> None:
    """A server created without a key has SSH and rejects every login."""
    with start("folder") as cloud:
        account = Account(cloud, pool)
        server = account.create(server_key=None)
        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(_log_in(account, server))


def test_another_user_name(pool: urllib3.PoolManager) -> None:
    """The user who may log in can be set, and is then the only one."""
    with start("folder", ssh_username="admin") as cloud:
        account = Account(cloud, pool)
        server = account.create()
        assert asyncio.run(_log_in(account, server, username="admin"))
        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(_log_in(account, server))


# The life of a machine


def test_reboot(account: Account) -> None:
    """A restart ends processes, empties /tmp, and keeps all other files and the host key."""
    server = account.create()
    before = asyncio.run(_log_in(account, server))
    account.output(server, "echo kept > note; (sleep 4711 > /dev/null 2>&1 &)")
    system = "folder" not in account.cloud.isolation
    if system:
        account.output(server, "echo kept > /etc/note; echo lost > /tmp/note")
    account.switch(server, "restart", "on")
    assert account.output(server, "cat note") == "kept"
    assert account.output(server, "ps ax -o args | grep '[s]leep 4711' || echo none") == "none"
    assert asyncio.run(_log_in(account, server)) == before
    if system:
        assert account.output(server, "cat /etc/note; ls -A /tmp") == "kept"


def test_stop_and_start(account: Account) -> None:
    """A stop closes a server's connections and refuses others; started again, it has its files."""
    server = account.create()

    async def work() -> None:
        async with account.connect(server) as connection:
            process = await connection.create_process("echo kept > note; echo up; sleep 1000")
            await process.stdout.readline()
            await asyncio.to_thread(account.switch, server, "stop", "off")
            await process.wait()

    asyncio.run(work())
    with pytest.raises(ConnectionRefusedError):
        account.run(server, "true")
    account.switch(server, "start", "on")
    assert account.output(server, "cat note") == "kept"


def test_a_recycled_address(account: Account) -> None:
    """A new server at the address of a destroyed one has another host key and no files."""
    form = {"networks": "201"}
    server = account.create(**form)
    form["ips"] = address(server)
    before = asyncio.run(_log_in(account, server))
    account.output(server, "echo x > note")
    account.ask("DELETE", f"/server/cloud/{server['id']}/")
    while account.cloud.servers:
        pass
    server = account.create(**form)
    assert address(server) == form["ips"]
    assert asyncio.run(_log_in(account, server)) != before
    assert account.run(server, "cat note").exit_status == 1


def test_a_server_is_on_when_ssh_answers(account: Account) -> None:
    """A server is not on before SSH works, even if its time to be built has passed."""
    for name in ("one", "two", "three"):
        account.order(name)
    waiting = {1, 2, 3}
    while waiting:
        for number, server in enumerate(account.ask("GET", "/server/cloud/"), 1):
            if number in waiting and server["power_status"] == "on":
                assert account.output(server, "echo yes") == "yes"
                waiting.discard(number)


def test_reset_removes_machines(account: Account) -> None:
    """After a reset machines are gone."""
    server = account.create()
    wired = cable(server) in cables()
    account.cloud.reset()
    if wired:  # without the cable the address is one of the Internet
        assert cable(server) not in cables()
    else:
        with pytest.raises(ConnectionRefusedError):
            account.run(server, "true")


@pytest.mark.parametrize("kind", PROBLEMS)
def test_stop_leaves_nothing(
    kind: str, pool: urllib3.PoolManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop of the sandbox ends processes and threads and removes folders before it returns."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads, processes = threading.active_count(), children()
    with start(kind, no_isolation=True) as cloud:
        account = Account(cloud, pool)
        server = account.create()
        assert (cable(server) in cables()) == (kind == "namespaces")
        account.output(server, "nohup sleep 1000 > /dev/null 2>&1 &")
        where = [address(server), str(cloud.ssh_port), KEY.export_private_key().decode()]
        client = subprocess.Popen([sys.executable, "-c", _CLIENT, *where], stdout=subprocess.PIPE)
        assert client.stdout
        assert client.stdout.readline() == b"up\n"
        for number in range(5):
            account.order(f"still being built {number}")
    client.communicate(timeout=60)
    assert children() == processes
    assert list(tmp_path.iterdir()) == []
    assert cable(server) not in cables()
    assert threading.active_count() == threads


_CLIENT = """
import asyncio, asyncssh, sys
async def main():
    key = asyncssh.import_private_key(sys.argv[3])
    host, port = sys.argv[1], int(sys.argv[2])
    async with asyncssh.connect(host, port, username="root", client_keys=[key], known_hosts=None) as c:
        process = await c.create_process("echo up; sleep 1000")
        print((await process.stdout.readline()).strip(), flush=True)
        await process.wait()
try:
    asyncio.run(main())
except (OSError, asyncssh.Error):
    pass
"""


def test_a_stopped_sandbox_starts_again(account: Account) -> None:
    """After a stop and a start a server that was on is on again, with an empty disk."""
    server = account.create()
    account.output(server, "echo x > note")
    account.cloud.stop()
    account.cloud.start()
    while account.cloud.servers[0]["machine"] != "on":
        pause()
    while True:
        try:
            assert account.run(server, "cat note").exit_status == 1
        except ConnectionRefusedError:
            continue
        break


_VICTIM = """
import sys, threading
from polycloud.sandbox import Sandbox
with Sandbox("nephoscale", appear=0.0, build=0.0, ssh=sys.argv[1]) as cloud:
    print(cloud.port, flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize("kind", ["namespaces", "user-namespaces"])
def test_kill_9_leaves_nothing(kind: str, pool: urllib3.PoolManager) -> None:
    """When the sandbox is killed, the kernel removes processes, networks and files of its machines."""
    problem = PROBLEMS[kind]()
    if problem:
        pytest.skip(f"{kind}: {problem}")
    marker = new_marker()
    with subprocess.Popen([sys.executable, "-c", _VICTIM, kind], stdout=subprocess.PIPE) as victim:
        assert victim.stdout
        port = int(victim.stdout.readline())
        account = Account(_Elsewhere(port, 22 if kind == "namespaces" else 0), pool)  # type: ignore[arg-type]
        server = account.create()
        if kind == "namespaces":
            account.output(server, f"nohup sleep {marker} > /dev/null 2>&1 &")
            assert cable(server) in cables()
            assert is_running(marker)
        machines = _descendants(victim.pid)
        assert machines
        victim.send_signal(signal.SIGKILL)
    while any(Path(f"/proc/{number}/exe").exists() for number in machines) or is_running(marker):
        pause()
    while cable(server) in cables():
        pause()


class _Elsewhere:
    """A sandbox in another process."""

    credentials = ("user", "correct_password")
    servers: tuple[dict[str, Any], ...] = ()

    def __init__(self, port: int, ssh_port: int) -> None:
        self.url, self.ssh_port = f"http://127.0.0.1:{port}", ssh_port


def _descendants(process: int) -> list[int]:
    listing = subprocess.run(["ps", "ax", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    found, pairs = [process], [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
    for parent in found:
        found += [pid for pid, ppid in pairs if ppid == parent]
    return found[1:]


def test_folders_of_the_killed_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder whose sandbox was killed is removed when the next one is created; one in use is not."""
    if loopback_problem():
        pytest.skip("no loopback addresses")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "polycloud-sandbox-dead").mkdir()
    folder._sweep.cache_clear()
    kind = folder.Folders("", no_isolation=False)
    one = kind.machine("a", "127.96.0.2")
    assert [path.name for path in tmp_path.iterdir()] == [Path(one.root).name]
    folder._sweep.cache_clear()
    two = kind.machine("b", "127.96.0.3")
    assert len(list(tmp_path.iterdir())) == 2
    for machine in (one, two):
        machine.remove()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_go_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that another sandbox removes while folders are swept keeps no machine from being made."""
    if loopback_problem():
        pytest.skip("no loopback addresses")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "polycloud-sandbox-gone").symlink_to(tmp_path / "gone")  # it is listed, and is not there
    folder._sweep.cache_clear()
    machine = folder.Folders("", no_isolation=False).machine("a", "127.96.0.2")
    assert Path(machine.root).is_dir()
    machine.remove()


# Faults and choices


def test_refused_commands(files: tuple[Account, dict[str, Any]]) -> None:
    """A folder that may run no commands refuses them and says what to do."""
    account, server = files
    done = account.run(server, "echo hello > /etc/motd")
    assert (done.exit_status, done.stdout) == (126, "")
    assert "--no-isolation" in done.stderr
    assert "commands are refused" in account.cloud.isolation


def test_ssh_faults(pool: urllib3.PoolManager) -> None:
    """SSH hangs, denies or refuses on demand, for a number of connections or until the fault is ended."""
    with start("folder") as cloud:
        account = Account(cloud, pool)
        server = account.create()
        cloud.ssh_fault("deny", times=1)
        with pytest.raises(asyncssh.PermissionDenied):
            asyncio.run(_log_in(account, server))
        assert asyncio.run(_log_in(account, server))
        cloud.ssh_fault("hang")
        with socket.create_connection((address(server), cloud.ssh_port or 0), timeout=0.05) as silent:
            with pytest.raises(TimeoutError):
                silent.recv(1)
        cloud.ssh_fault("refuse")
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                asyncio.run(_log_in(account, server))
        other = account.create("born under it")
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(_log_in(account, other))
        cloud.ssh_fault(None)
        assert asyncio.run(_log_in(account, server)) != asyncio.run(_log_in(account, other))


def test_wrong_faults() -> None:
    """An invalid fault is a ValueError that says what is valid."""
    cloud = Sandbox("nephoscale")
    wrong: Any = "explode"
    with pytest.raises(ValueError, match="choose from hang, deny, refuse"):
        cloud.ssh_fault(wrong)
    with pytest.raises(ValueError, match="times must be 1 or more"):
        cloud.ssh_fault("hang", times=0)
    with pytest.raises(ValueError, match="leave out times"):
        cloud.ssh_fault("refuse", times=1)


def test_ssh_delay(pool: urllib3.PoolManager) -> None:
    """With a delay SSH is refused for that time after the server is on."""
    with start("folder", ssh_delay=0.3) as cloud:
        account = Account(cloud, pool)
        began = time.monotonic()
        server = account.create()
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(_log_in(account, server))
        while True:
            try:
                assert asyncio.run(_log_in(account, server))
            except ConnectionRefusedError:
                continue
            break
        assert time.monotonic() - began >= 0.3


def test_what_is_chosen() -> None:
    """By default the sandbox chooses the best isolation that works here, and says so; "off" is none."""
    works = [name for name, problem in PROBLEMS.items() if problem() is None]
    titles = {"namespaces": "namespaces (root)", "user-namespaces": "user namespaces", "folder": "folder"}
    cloud = Sandbox("nephoscale")
    assert cloud.isolation.startswith(titles[works[0]] if works else "none")
    assert (cloud.ssh_port is None) == (not works)
    assert Sandbox("nephoscale", ssh="off").isolation == "off"


def test_wrong_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown isolation is a ValueError; one that does not work here is a MachineError at the start."""
    with pytest.raises(ValueError, match="choose from auto, namespaces"):
        Sandbox("nephoscale", ssh="docker")
    monkeypatch.setattr(namespaces, "problem_of_root", lambda: "needs root")
    with pytest.raises(MachineError, match="namespaces: needs root"):
        Sandbox("nephoscale", ssh="namespaces").start()


def test_without_asyncssh(monkeypatch: pytest.MonkeyPatch, pool: urllib3.PoolManager) -> None:
    """Without asyncssh servers are created without SSH, and the sandbox says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with Sandbox("nephoscale", appear=0.0, build=0.0) as cloud:
        assert "pip install 'polycloud[deploy]'" in cloud.isolation
        assert cloud.ssh_port is None
        account = Account(cloud, pool)
        account.order()
        assert account.ask("GET", "/server/cloud/")[0]["power_status"] == "on"
        assert cloud.servers[0]["machine"] == "none"


_UNTIDY = """
from polycloud.compute.providers import get_driver
from polycloud.sandbox import Sandbox

cloud = Sandbox("digitalocean", build=0.05, no_isolation=True).start()
driver = get_driver("digitalocean")(*cloud.credentials, **cloud.options)
size, image = driver.list_sizes()[0], driver.list_images()[0]
nodes = [driver.create_node(f"web-{number}", size, image) for number in range(3)]
driver.wait_until_running(nodes, 0.1)
for node in nodes:
    driver.destroy_node(node)
"""


def test_a_script_may_end_while_machines_are_busy() -> None:
    """A script that ends without stopping its sandbox prints no traceback, though machines are removed."""
    for _ in range(2):  # what is under way differs
        done = subprocess.run(
            [sys.executable, "-c", _UNTIDY], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_started_early() -> None:
    """A sandbox without servers starts no thread and no process for machines."""
    threads, processes = threading.active_count(), children()
    with Sandbox("nephoscale"):
        assert threading.active_count() == threads + 1
        assert children() == processes


def test_no_machine_is_left_open(pool: urllib3.PoolManager) -> None:
    """Machines leave no open socket, file or process behind, which would be a ResourceWarning."""
    with start("folder", no_isolation=True) as cloud:
        account = Account(cloud, pool)
        server = account.create()
        socket.create_connection((address(server), cloud.ssh_port or 0)).close()
        with socket.create_connection((address(server), cloud.ssh_port or 0)) as half:
            half.sendall(b"SSH-2.0-x\r\n")
            account.output(server, "true")
            account.ask("DELETE", f"/server/cloud/{server['id']}/")
    gc.collect()
