"""The SSH client and deployments against Debian's OpenSSH."""

from __future__ import annotations

import os
import re
import secrets
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from polycloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    SSHKeyDeployment,
)
from polycloud.compute.objects import Node
from polycloud.compute.ssh import BaseSSHClient, HostKeys, SSHClient
from polycloud.compute.types import (
    DeploymentError,
    SSHAuthenticationError,
    SSHCommandTimeoutError,
    SSHConnectError,
    SSHConnectionLostError,
    SSHFileError,
    SSHHostKeyError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from support.clock import ends_within
from support.nodes import LocalDriver
from support.opensshd import PASSWORD, OpenSSH, need_users, openssh

KEY = asyncssh.generate_private_key("ssh-ed25519")
PRIVATE = KEY.export_private_key().decode()
PUBLIC = KEY.export_public_key().decode().strip()
OTHER_USER = (
    r'command="echo \'Please login as the user \"ubuntu\" rather than the user \"root\".\';echo;sleep 10;'
    'exit 142" '
).replace("\\'", "'")
"""What cloud-init writes before the keys of root, in the images of Amazon and others."""


@pytest.fixture(scope="module")
def server() -> Iterator[OpenSSH]:
    with openssh(PUBLIC) as server:
        yield server


@pytest.fixture
def client(server: OpenSSH) -> Iterator[SSHClient]:
    with connect(server, server.username) as client:
        yield client


def connect(server: OpenSSH, user: str, **options: Any) -> SSHClient:
    login = {} if "password" in options else {"key_material": PRIVATE}
    return SSHClient(server.host, server.port, user, **{"timeout": 20, **login, **options})


def deploy(server: OpenSSH, step: Any, **options: Any) -> Node:
    driver = LocalDriver("creds")
    how: dict[str, Any] = {
        "name": "web",
        "size": driver.list_sizes()[0],
        "image": driver.list_images()[0],
        "ssh_username": server.username,
        "ssh_port": server.port,
        "ssh_key": PRIVATE,
        "wait_period": 0.05,
        "timeout": 20,
    }
    return driver.deploy_node(deploy=step, **{**how, **options})


def failing(server: OpenSSH, step: Any, **options: Any) -> DeploymentError:
    with pytest.raises(DeploymentError) as caught:
        deploy(server, step, **options)
    return caught.value


# Commands


def test_a_command_ends_with_its_exit_status(client: SSHClient) -> None:
    """A command ends when it exits, with all its output, even if a child holds that open."""
    with ends_within(8):
        result = client.run("echo before; sleep 30 & echo after; exit 3")
    assert (result.stdout, result.exit_status) == ("before\nafter\n", 3)
    with ends_within(8):
        result = client.run("(for i in $(seq 150); do echo tick; sleep 0.2; done) & echo begun")
    assert "begun\n" in result.stdout


def test_output_that_is_read_slowly(server: OpenSSH) -> None:
    """All of the output comes, even if the caller is slow and the command ended long before."""
    seen: list[str] = []

    def slow(stream: str, text: str) -> None:
        if not seen:
            waiting.sleep(3)
        seen.append(text)

    with connect(server, server.username, on_output=slow) as client:
        result = client.run("head -c 5000000 /dev/zero | tr '\\0' x")
    assert len(result.stdout) == len("".join(seen)) == 5_000_000


def test_a_command_has_nothing_to_read(client: SSHClient) -> None:
    """The input of a command is at its end."""
    with ends_within(8):
        assert client.run("read line; echo $?; cat").stdout == "1\n"


def is_running(seconds: float) -> bool:
    """Return whether a `sleep` of that many seconds runs on this machine."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True).stdout
    return f"sleep {seconds}" in found.splitlines()


def unique_sleep() -> float:
    return 60 + secrets.randbelow(10**6) / 10**6


def wait_for_the_end(seconds: float) -> None:
    waiting.poll(
        lambda: not is_running(seconds) or None, waiting_for="it to be killed", timeout=5, longest_pause=0.1
    )


def test_a_timeout_kills_on_the_machine(client: SSHClient) -> None:
    """A command that is ended at its timeout is ended on the machine, with its children."""
    seconds = unique_sleep()
    with pytest.raises(SSHCommandTimeoutError) as caught:
        client.run(f"echo begun; trap '' TERM HUP; sleep {seconds}; sleep {seconds}", timeout=1)
    assert caught.value.stdout == "begun\n"
    wait_for_the_end(seconds)


def test_a_timeout_kills_what_is_roots(server: OpenSSH) -> None:
    """A command that sudo made root's is killed at its timeout too, with and without a password."""
    need_users(server)

    def ended(user: str, cmd: str) -> None:
        seconds = unique_sleep()
        with connect(server, user, password=PASSWORD) as client:
            with pytest.raises(SSHCommandTimeoutError):
                client.run(cmd.format(seconds), timeout=1, sudo=True)
        wait_for_the_end(seconds)

    commands = ("sleep {0}", "trap '' TERM HUP; sleep {0}; sleep {0}")
    waiting.gather([partial(ended, user, cmd) for user in ("ubuntu", "admin") for cmd in commands])


def test_a_timeout_kills_the_sudo_in_a_script(server: OpenSSH) -> None:
    """At its timeout a script is killed with what it runs as root."""
    need_users(server)
    seconds = unique_sleep()
    script = ScriptDeployment(f"#!/bin/sh\nsudo sleep {seconds}\necho after\n", timeout=1)
    error = failing(server, script, ssh_username="ubuntu")
    assert isinstance(error.value, SSHCommandTimeoutError)
    wait_for_the_end(seconds)


# Root


@pytest.mark.parametrize("user", ["root", "ubuntu", "admin"])
def test_root(server: OpenSSH, user: str, tmp_path: Path) -> None:
    """With `sudo`, commands run and files are read, written and deleted as root, by password if asked."""
    need_users(server)
    tmp_path.chmod(0o700)
    path, content = str(tmp_path / "a b/-file"), os.urandom(300_000) + b"\n"
    with connect(server, user, password=PASSWORD, key_material=PRIVATE) as client:
        result = client.run("id -un; cat; echo problem >&2; exit 4", sudo=True)
        assert result.stdout == "root\n"
        assert result.stderr.endswith("problem\n")
        assert result.exit_status == 4
        assert client.put(path, content, 0o440, sudo=True) == path
        client.put(path, "more", mode="a", sudo=True)
        status = Path(path).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o440, 0)
        assert client.get(path, sudo=True) == content + b"more"
        client.delete(path, sudo=True)
        assert not Path(path).exists()
        with pytest.raises(SSHFileError, match="No such file"):
            client.get(path, sudo=True)


def test_steps_of_root(server: OpenSSH, tmp_path: Path) -> None:
    """Files and scripts are root's with `sudo=True`, for a user that may use sudo."""
    need_users(server)
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o700)
    source = tmp_path / "app.conf"
    source.write_text("workers = 4\n")
    script = ScriptDeployment(f'#!/bin/sh\nid -un; cat {folder}/app.conf; echo "$1"', ["a b"], sudo=True)
    steps = [FileDeployment(str(source), f"{folder}/app.conf", sudo=True), script]
    deploy(server, MultiStepDeployment(steps), ssh_username="ubuntu")
    assert script.stdout == "root\nworkers = 4\na b\n"
    assert (folder / "app.conf").stat().st_uid == 0


@pytest.mark.parametrize("password", [None, "wr0ng-password"])
def test_root_without_a_way(server: OpenSSH, password: str | None) -> None:
    """A sudo that refuses is an error with its words, not with the password, and no content is sent to it."""
    need_users(server)
    with connect(server, "admin") as client:
        client.password = client._shell.password = password
        with pytest.raises(
            SSHAuthenticationError, match=r"cannot run commands as root: .*password"
        ) as caught:
            client.put("/etc/polycloud-test", "content\n", sudo=True)
    assert "wr0ng" not in f"{caught.value}{caught.value!r}"
    assert not Path("/etc/polycloud-test").exists()


# Users that are let in and can do nothing


def test_another_user_is_named(server: OpenSSH) -> None:
    """The words of an image that wants another user are in the errors of files and deployments, at once."""
    server.authorize(server.username, OTHER_USER + PUBLIC)
    try:
        words = 'Please login as the user "ubuntu"'
        with ends_within(9), connect(server, server.username) as client:
            with pytest.raises(SSHFileError, match=words):
                client.put("polycloud-test", "x")
        with ends_within(9):
            error = failing(server, ScriptDeployment("true"))
        assert isinstance(error.value, SSHAuthenticationError)
        assert words in str(error)
    finally:
        server.authorize(server.username, PUBLIC)


def test_the_next_user_is_tried(server: OpenSSH) -> None:
    """Where the first user may do nothing, the alternate one is tried, which runs the step."""
    need_users(server)
    server.authorize("root", OTHER_USER + PUBLIC)
    try:
        for first in ("root", "nobody", "expired"):
            script = ScriptDeployment("id -un")
            deploy(server, script, ssh_username=first, ssh_alternate_usernames=["ubuntu"])
            assert script.stdout == "ubuntu\n"
    finally:
        server.authorize("root", PUBLIC)


@pytest.mark.parametrize(
    ("user", "login", "words"),
    [
        ("nobody", {}, "This account is currently not available"),
        ("expired", {}, "Your password has expired|required to change your password"),
        ("expired", {"password": PASSWORD}, "Your password has expired|required to change your password"),
    ],
)
def test_accounts_that_are_closed(server: OpenSSH, user: str, login: dict[str, str], words: str) -> None:
    """What the machine says of an account without a shell or with an expired password is in the error."""
    need_users(server)
    with pytest.raises(SSHAuthenticationError, match=words):
        with connect(server, user, **login) as client:
            client.require_session()


# Files without SFTP


def check_files(client: SSHClient, folder: str) -> None:
    content = bytes(range(256)) * 1000
    path = client.put(f"{folder}/a 'b'/file", content, 0o640)
    assert path.endswith("/a 'b'/file")
    assert client.get(path) == content
    client.put(path, "more\n", mode="a")
    assert client.get(path) == content + b"more\n"
    assert client.run(f"stat -c %a {folder}/*/file").stdout.endswith("640\n")
    client.delete(path)
    with pytest.raises(SSHFileError, match="No such file"):
        client.get(path)
    with pytest.raises(SSHFileError):
        client.put("/proc/none/file", "x")


def test_a_shell_that_prints(server: OpenSSH) -> None:
    """Where a `.bashrc` prints, so that SFTP fails, files are copied by the shell, without what it prints."""
    need_users(server)
    bashrc = server.home / "ubuntu/.bashrc"
    bashrc.write_text("echo Welcome to Ubuntu\necho and more >&2\n")
    try:
        with connect(server, "ubuntu") as client:
            assert client.run("true").stdout == "Welcome to Ubuntu\n"
            check_files(client, f"{server.home}/ubuntu/files")
        script = ScriptDeployment("echo run", delete=True)
        deploy(server, MultiStepDeployment([SSHKeyDeployment(PUBLIC), script]), ssh_username="ubuntu")
        assert script.stdout == "Welcome to Ubuntu\nrun\n"
        keys = server.home / "ubuntu/.ssh/authorized_keys"
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    finally:
        bashrc.unlink()


@pytest.mark.parametrize("config", [[], ["Subsystem sftp /no/such/sftp-server"]])
def test_no_sftp(config: list[str]) -> None:
    """Where the server has no SFTP, files and scripts are copied by the shell, with their permissions."""
    with openssh(PUBLIC, *config, subsystem=False) as server:
        with connect(server, server.username) as client:
            check_files(client, str(server.files / "new"))
        path = server.files / "script"
        script = ScriptDeployment("#!/bin/sh\necho run $1", ["here"], name=str(path), delete=True)
        deploy(server, script)
        assert script.stdout == "run here\n"
        assert not path.exists()


# Logging in


def test_too_many_keys(server: OpenSSH, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys in the agent than the server tries are a refused login; a given key needs no agent."""
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            waiting.poll(
                lambda: socket.exists() or None, waiting_for="the agent", timeout=10, longest_pause=0.05
            )
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            monkeypatch.setenv("HOME", str(tmp_path))
            for number in range(7):
                file = tmp_path / f"key{number}"
                asyncssh.generate_private_key("ssh-ed25519").write_private_key(file)
                file.chmod(0o600)
                subprocess.run(["ssh-add", "-q", file], check=True)
            with ends_within(60):
                error = failing(server, ScriptDeployment("true"), ssh_key=None, timeout=120, max_tries=2)
            assert isinstance(error.value, SSHAuthenticationError)
            assert "Too many authentication failures" in str(error)
            with connect(server, server.username) as client:
                assert client.run("echo in").stdout == "in\n"
        finally:
            agent.terminate()


@pytest.mark.parametrize("methods", ["keyboard-interactive", "password"])
def test_passwords(methods: str) -> None:
    """A password logs in by each method that OpenSSH asks it by, and a wrong one is refused."""
    with openssh(PUBLIC, f"AuthenticationMethods {methods}") as server:
        need_users(server)
        with connect(server, "ubuntu", password=PASSWORD) as client:
            assert client.run("id -un").stdout == "ubuntu\n"
        with pytest.raises(SSHAuthenticationError, match="refuses 'ubuntu' with a password") as caught:
            connect(server, "ubuntu", password="wr0ng-password").connect()
        assert "wr0ng" not in str(caught.value)


def test_a_banner_is_told(tmp_path: Path) -> None:
    """What the server's banner says is in the error of a refused login."""
    (tmp_path / "banner").write_text("System is booting up. Try later.\n")
    with openssh(PUBLIC, f"Banner {tmp_path}/banner") as server:
        server.authorize(server.username)
        with pytest.raises(SSHAuthenticationError, match=r"it says: System is booting up\. Try later\."):
            connect(server, server.username).connect()


def test_ipv6() -> None:
    """A node that has IPv6 addresses only is deployed to, and refused where IPv4 is asked for."""
    try:
        context = openssh(PUBLIC, host="::1")
        server = context.__enter__()
    except OSError as error:
        pytest.skip(f"there is no IPv6 here: {error}")
    try:

        class OnlyIPv6(LocalDriver):
            address = "::1"

        for force, expected in ((False, "in\n"), (True, None)):
            script = ScriptDeployment("echo in")
            driver = OnlyIPv6("creds")
            how: dict[str, Any] = {
                "name": "web",
                "size": driver.list_sizes()[0],
                "image": driver.list_images()[0],
                "ssh_username": server.username,
                "ssh_key": PRIVATE,
                "ssh_port": server.port,
                "timeout": 20 if not force else 0.2,
                "force_ipv4": force,
            }
            if force:
                with pytest.raises(DeploymentError, match="only IPv6 addresses"):
                    driver.deploy_node(script, **how)
            else:
                driver.deploy_node(script, **how)
            assert script.stdout == expected
    finally:
        context.__exit__(None, None, None)


# Jump hosts


def test_jump_hosts(server: OpenSSH) -> None:
    """A node is reached through several jump hosts, whose host keys are checked and remembered by address."""
    with openssh(PUBLIC) as second:
        user = server.username
        jump = f"{user}@{server.host}:{server.port},{user}@{second.host}:{second.port}"
        memory = HostKeys()
        script = ScriptDeployment("echo $SSH_CONNECTION")
        deploy(server, script, ssh_jump=jump)
        with connect(server, user, jump=jump, machine="node", host_keys=memory) as client:
            assert client.run("echo in").stdout == "in\n"
            client.put(f"{server.files}/jumped", "x")
        hosts = [f"[{one.host}]:{one.port}" for one in (server, second)]
        assert sorted(memory.seen) == sorted(["node", *hosts])
        for name in ("node", *hosts):
            known = HostKeys(seen={**memory.seen, name: ["ssh-ed25519 AAAA"]})
            with pytest.raises(SSHHostKeyError, match=re.escape(name)):
                connect(server, user, jump=jump, machine="node", host_keys=known).connect()


def test_jump_hosts_get_no_password(server: OpenSSH, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A jump host is offered the given keys and those of `~/.ssh`, but never the password of the node."""
    need_users(server)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    jump = f"ubuntu@{server.host}:{server.port}"
    client = connect(server, "ubuntu", password=PASSWORD, jump=jump)
    with pytest.raises(SSHAuthenticationError, match=r"the jump host .* refuses 'ubuntu' with the agent's"):
        client.connect()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_text(PRIVATE)
    with client:
        assert client.run("id -un").stdout == "ubuntu\n"
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with connect(server, "ubuntu", password=PASSWORD, jump=jump, key_material=stranger) as client:
        assert client.run("id -un").stdout == "ubuntu\n"


def test_a_failure_of_a_jump_host_names_it(server: OpenSSH) -> None:
    """A jump host that is silent, that cannot connect further, or that goes away, is named by the error."""
    user = server.username
    through: dict[str, Any] = {"jump": f"{user}@{server.host}:{server.port}", "key_material": PRIVATE}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections, and says nothing
        port = silent.getsockname()[1]
        far = connect(server, user, jump=f"{user}@127.0.0.1:{port}", timeout=1)
        with pytest.raises(SSHTimeoutError, match=rf"^the jump host 127.0.0.1:{port} did not complete"):
            far.connect()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as pool:
        port = silent.getsockname()[1]
        going = pool.submit(SSHClient("127.0.0.1", port, user, timeout=60, **through).connect)
        with silent.accept()[0]:
            server.drop_connections()
            with pytest.raises(SSHConnectError, match=rf"^the jump host .*:{server.port} cannot be reached"):
                going.result(60)
    with pytest.raises(
        SSHConnectError, match=rf"^the jump host .*:{server.port} cannot connect to 127.0.0.1:{port}: "
    ):
        SSHClient("127.0.0.1", port, user, timeout=20, **through).connect()


# Connections that break


@pytest.mark.parametrize("use", ["run", "put", "get", "delete"])
@pytest.mark.parametrize("sudo", [False, True])
def test_a_connection_that_broke(server: OpenSSH, use: str, sudo: bool) -> None:
    """Whatever uses a connection that broke says that it is lost."""
    with connect(server, server.username) as client:
        server.drop_connections()
        with pytest.raises(SSHConnectionLostError, match="rebooting"):
            getattr(client, use)("true", sudo=sudo)


def test_a_connection_that_breaks_in_a_command(server: OpenSSH, client: SSHClient) -> None:
    """A command whose connection breaks says that it is lost."""
    threading.Timer(0.5, server.drop_connections).start()
    with ends_within(10), pytest.raises(SSHConnectionLostError, match="rebooting"):
        client.run("sleep 60")


class Reboot(Deployment):
    """A step that ends well, and after which the connection is gone."""

    def __init__(self, server: OpenSSH) -> None:
        self.server = server

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        self.server.drop_connections()
        return node


def test_deployments_go_on_after_a_reboot(server: OpenSSH, tmp_path: Path) -> None:
    """After a reboot, files, keys and scripts that were not begun are deployed over a new connection."""
    source = tmp_path / "source"
    source.write_text("content")
    for step in (
        FileDeployment(str(source), f"{server.files}/target"),
        ScriptDeployment("echo run", name=f"{server.files}/script"),
    ):
        deploy(server, MultiStepDeployment([Reboot(server), step]))
    assert (server.files / "target").read_text() == "content"
    assert (server.files / "script").exists()


def test_a_script_is_repeated_where_asked(server: OpenSSH) -> None:
    """A script whose connection breaks is run again only if it is repeatable."""
    runs = server.files / "runs"
    for repeatable in (True, False):
        runs.unlink(missing_ok=True)
        breaking = f"#!/bin/sh\necho run >> {runs}\n[ $(wc -l < {runs}) -gt 1 ] || sleep 60\n"
        step = ScriptDeployment(breaking, name=f"{server.files}/repeated", repeatable=repeatable)

        def drop() -> None:
            waiting.poll(lambda: runs.exists() or None, waiting_for="a run", timeout=10, longest_pause=0.05)
            server.drop_connections()

        thread = threading.Thread(target=drop)
        thread.start()
        if repeatable:
            deploy(server, step)
            assert runs.read_text() == "run\nrun\n"
        else:
            assert isinstance(failing(server, step).value, SSHConnectionLostError)
            assert runs.read_text() == "run\n"
        thread.join()


def test_keys_are_added_once(server: OpenSSH) -> None:
    """A key that is authorized already is not added again."""
    need_users(server)
    step = SSHKeyDeployment(PUBLIC)
    deploy(server, MultiStepDeployment([step, step]), ssh_username="admin")
    text = (server.home / "admin/.ssh/authorized_keys").read_text()
    assert text.count(PUBLIC) == 1
