from __future__ import annotations

import io
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from polycloud.compute import deployment
from polycloud.compute.deployment import (
    Deployment,
    FileDeployment,
    Login,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node, NodeAuthPassword, NodeAuthSSHKey
from polycloud.compute.ssh import BaseSSHClient, HostKeys
from polycloud.compute.types import (
    DeploymentError,
    DeploymentException,
    NodeState,
    SSHAuthenticationError,
    SSHCommandTimeoutError,
    SSHConnectError,
    SSHConnectionLostError,
    SSHFileError,
    SSHKeyError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, PolycloudError, UnsupportedOperationError
from polycloud.testing.sshd import SSHServer
from support.clock import ends_within
from support.nodes import LocalDriver

KEY = asyncssh.generate_private_key("ssh-ed25519")
PRIVATE = KEY.export_private_key().decode()
PUBLIC = KEY.export_public_key().decode().strip()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SSHServer]:
    home = tmp_path / "home"
    home.mkdir()
    with SSHServer(PUBLIC, passwords=["right-password"], home=home) as server:
        yield server


@pytest.fixture
def driver() -> LocalDriver:
    return LocalDriver("creds")


def deploy(driver: LocalDriver, server: SSHServer, step: Any, **options: Any) -> Node:
    how: dict[str, Any] = {
        "name": "web",
        "size": driver.list_sizes()[0],
        "image": driver.list_images()[0],
        "ssh_port": server.port,
        "wait_period": 0.05,
        "timeout": 10,
    }
    if not {"auth", "ssh_key"} & options.keys():
        how["ssh_key"] = PRIVATE
    return driver.deploy_node(deploy=step, **{**how, **options})


def names(driver: LocalDriver) -> list[str | None]:
    return [node.name for node in driver.list_nodes()]


# Steps


def test_scripts_keep_what_happened(driver: LocalDriver, server: SSHServer) -> None:
    """A script runs with its arguments unchanged, and keeps its output and exit status."""
    step = ScriptDeployment("#!/bin/sh\nprintf '%s|' \"$@\"; echo err >&2", args=["a b", "$HOME", "it's"])
    node = deploy(driver, server, step)
    assert (step.exit_status, step.stdout, step.stderr) == (0, "a b|$HOME|it's|", "err\n")
    assert (node.name, node.state) == ("web", NodeState.RUNNING)


@pytest.mark.parametrize("delete", [True, False])
def test_scripts_are_deleted_where_asked(driver: LocalDriver, server: SSHServer, delete: bool) -> None:
    """A script stays on the node, executable, under its name, unless it is to be deleted."""
    deploy(driver, server, ScriptDeployment("true", name="setup/it.sh", delete=delete))
    script = server.home / "setup/it.sh"
    assert script.exists() is not delete
    if not delete:
        assert script.stat().st_mode & 0o777 == 0o755


def test_script_files_of_any_interpreter(driver: LocalDriver, server: SSHServer, tmp_path: Path) -> None:
    """A script file runs with the interpreter that its first line names."""
    file = tmp_path / "setup.py"
    file.write_text("#!/usr/bin/env python3\nimport sys; print(sys.argv[1].upper())\n")
    step = ScriptFileDeployment(str(file), args=["x"], delete=True)
    deploy(driver, server, step)
    assert step.stdout == "X\n"


def test_files_keep_their_permissions(driver: LocalDriver, server: SSHServer, tmp_path: Path) -> None:
    """A file arrives completely, with its permissions, in folders that are made for it."""
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)))
    source.chmod(0o600)
    deploy(driver, server, FileDeployment(str(source), "etc/app/config"))
    target = server.home / "etc/app/config"
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [None, "ssh-rsa AAAA without-a-final-line-end"])
def test_keys_are_added(driver: LocalDriver, server: SSHServer, before: str | None) -> None:
    """A key is added on a line of its own to those that are there, in a file that only its user reads."""
    authorized = server.home / ".ssh/authorized_keys"
    if before:
        authorized.parent.mkdir(mode=0o700)
        authorized.write_text(before)
    deploy(driver, server, SSHKeyDeployment(io.StringIO(PUBLIC + "\n")))
    lines = [line for line in authorized.read_text().splitlines() if line]
    assert lines == [*([before] if before else []), PUBLIC]
    assert authorized.stat().st_mode & 0o777 == 0o600
    assert authorized.parent.stat().st_mode & 0o777 == 0o700


def test_steps_run_in_order_until_one_fails(driver: LocalDriver, server: SSHServer) -> None:
    """Steps run one after another, and the first that fails ends them."""
    last = ScriptDeployment("echo never")
    steps = MultiStepDeployment(ScriptDeployment("echo 1 >> log"))
    steps.add([ScriptDeployment("echo 2 >> log"), ScriptDeployment("exit 3"), last])
    with pytest.raises(DeploymentError):
        deploy(driver, server, steps)
    assert (server.home / "log").read_text() == "1\n2\n"
    assert last.exit_status is None


def test_a_step_of_ones_own(driver: LocalDriver, server: SSHServer) -> None:
    """Anything with `run(node, client)` is a step."""

    class Greeting(Deployment):
        def run(self, node: Node, client: BaseSSHClient) -> Node:
            node.greeting = client.run("echo hello").stdout  # type: ignore[attr-defined]
            return node

    assert deploy(driver, server, Greeting()).greeting == "hello\n"  # type: ignore[attr-defined]


def test_output_is_live(driver: LocalDriver, server: SSHServer) -> None:
    """What scripts print is handed on as it arrives."""
    pieces: list[tuple[str, str]] = []
    step = ScriptDeployment("echo out; echo err >&2")
    deploy(driver, server, step, ex_on_output=lambda stream, text: pieces.append((stream, text)))
    assert set(pieces) == {("stdout", "out\n"), ("stderr", "err\n")}


@pytest.mark.parametrize(
    "make",
    [
        lambda: FileDeployment("/no/such/file", "x"),
        lambda: ScriptFileDeployment("/no/such/file"),
        lambda: FileDeployment("/", "x"),
        lambda: SSHKeyDeployment("no key"),
        lambda: SSHKeyDeployment(PRIVATE),
        lambda: ScriptDeployment("#!/bin/sh\r\necho\r\n"),
        lambda: ScriptDeployment(b"#!/bin/sh\r\necho\r\n", name="setup.sh"),
        lambda: ScriptDeployment(b"\xff\xfe"),
        lambda: ScriptDeployment("a\0b"),
        lambda: ScriptDeployment(None),  # type: ignore[arg-type]
        lambda: SSHKeyDeployment(None),  # type: ignore[arg-type]
        lambda: FileDeployment(None, "x"),  # type: ignore[arg-type]
        lambda: ScriptDeployment("true", args="--all"),
        lambda: ScriptDeployment("true", timeout="5"),  # type: ignore[arg-type]
        lambda: MultiStepDeployment("true"),  # type: ignore[arg-type]
        lambda: MultiStepDeployment([None]),  # type: ignore[list-item]
    ],
)
def test_steps_that_cannot_work_are_refused_at_once(make: Any) -> None:
    """A step that cannot work (a missing file, an invalid key, CR LF) is refused when it is made."""
    with pytest.raises(InvalidArgumentError):
        make()


def test_a_script_that_deletes_itself(driver: LocalDriver, server: SSHServer) -> None:
    """A script that is to be deleted may have deleted itself."""
    step = ScriptDeployment('#!/bin/sh\nrm -- "$0"\n', delete=True)
    deploy(driver, server, step)
    assert step.exit_status == 0
    assert list(server.home.iterdir()) == []


def test_a_script_that_cannot_be_deleted(driver: LocalDriver, server: SSHServer) -> None:
    """A script that was to be deleted and stays is an error, and one that failed before that says both."""
    stay = "#!/bin/sh\nmkdir d; mv $0 d/x; mkdir $0"
    error = failing(driver, server, ScriptDeployment(stay, delete=True, name="s"))
    assert isinstance(error.value, SSHFileError)
    shutil.rmtree(server.home / "s")
    shutil.rmtree(server.home / "d")
    error = failing(driver, server, ScriptDeployment(f"{stay}\nexit 3", delete=True, name="s"))
    assert error.exit_status == 3
    assert any("./s may still be on the node" in note for note in error.__notes__)


def test_a_step_that_gives_back_nothing(driver: LocalDriver, server: SSHServer) -> None:
    """After a step that forgets to give back the node, the deployment goes on with the node."""

    class Forgetful(Deployment):
        def run(self, node: Node, client: BaseSSHClient) -> Node:
            client.run("true")
            return None  # type: ignore[return-value]

    assert deploy(driver, server, MultiStepDeployment([Forgetful(), ScriptDeployment("true")])).name == "web"
    assert deploy(driver, server, Forgetful()).name == "web"


# Logging in


def test_a_password(driver: LocalDriver, server: SSHServer) -> None:
    """A node that is created with a password is logged in to with it."""
    step = ScriptDeployment("echo in")
    node = deploy(driver, server, step, auth=NodeAuthPassword("right-password"))
    assert step.stdout == "in\n"
    assert node.extra["location"]


def test_a_generated_password(server: SSHServer) -> None:
    """A password that the provider made is found in the node's extra."""

    class Generating(LocalDriver):
        features = {"create_node": ["generates_password"]}  # noqa: RUF012

    driver = Generating("creds")
    step = ScriptDeployment("echo in")
    deploy(driver, server, step, ssh_key=[], password="right-password")
    assert step.stdout == "in\n"


def test_a_password_argument_of_the_driver(server: SSHServer) -> None:
    """A password that the driver takes by an argument of its own is used to log in."""

    class Own(LocalDriver):
        password_arguments = ("root_pass",)

    step = ScriptDeployment("echo in")
    deploy(Own("creds"), server, step, ssh_key=[], root_pass="right-password")
    assert step.stdout == "in\n"


@pytest.mark.parametrize("auth", [None, NodeAuthSSHKey(PUBLIC)])
def test_nothing_that_could_log_in_costs_no_node(
    driver: LocalDriver,
    server: SSHServer,
    auth: NodeAuthSSHKey | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a key or a password here, nothing is created; a key of `~/.ssh` is enough."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for agent in (None, str(tmp_path / "no-agent")):
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        if agent:
            monkeypatch.setenv("SSH_AUTH_SOCK", agent)
        with pytest.raises(InvalidArgumentError, match=r"nothing could log in to the node.*ssh_key="):
            deploy(driver, server, ScriptDeployment("true"), ssh_key=None, auth=auth)
    assert "web" not in names(driver)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_text(PRIVATE)
    assert deploy(driver, server, ScriptDeployment("true"), ssh_key=None, auth=auth).name == "web"


@pytest.mark.parametrize("jump", ["", "a b", "host:0", "host:x", "u@h:99999", "::1", "h,,h", "@h", "h\n", 5])
def test_odd_jump_hosts_cost_no_node(driver: LocalDriver, server: SSHServer, jump: Any) -> None:
    """Jump hosts that cannot be meant are refused before a node is created."""
    with pytest.raises(InvalidArgumentError, match="jump"):
        deploy(driver, server, ScriptDeployment("true"), ssh_jump=jump)
    assert "web" not in names(driver)


def test_alternate_user_names(driver: LocalDriver, server: SSHServer) -> None:
    """Where the first user name is refused, the others are tried."""
    server.users = ["ubuntu"]
    step = ScriptDeployment("echo in")
    deploy(driver, server, step, ssh_alternate_usernames=["admin", "ubuntu"])
    assert step.stdout == "in\n"


def test_a_key_that_comes_late(driver: LocalDriver, server: SSHServer) -> None:
    """A machine that refuses logins for a while, before it has its keys, is tried again."""
    server.public_keys = []
    threading.Timer(1.5, server.public_keys.append, [PUBLIC]).start()
    step = ScriptDeployment("echo in")
    deploy(driver, server, step)
    assert step.stdout == "in\n"


def test_ssh_that_comes_late(driver: LocalDriver, tmp_path: Path) -> None:
    """A machine whose SSH does not respond yet is tried again."""
    with SSHServer(PUBLIC, home=tmp_path) as first:
        port = first.port
    started = threading.Event()
    done = threading.Event()

    def later() -> None:
        done.wait(0.5)
        with SSHServer(PUBLIC, home=tmp_path, port=port):
            started.set()
            done.wait(20)

    thread = threading.Thread(target=later)
    thread.start()
    try:
        step = ScriptDeployment("echo in")
        deploy(driver, first, step)
        assert started.is_set()
    finally:
        done.set()
        thread.join()
    assert step.stdout == "in\n"


def test_what_the_provider_cannot_create_with(server: SSHServer) -> None:
    """An `auth` that is not among the driver's features is refused before a node is created."""

    class KeysOnly(LocalDriver):
        features = {"create_node": ["ssh_key"]}  # noqa: RUF012

    driver = KeysOnly("creds")
    with pytest.raises(UnsupportedOperationError, match="offers ssh_key"):
        deploy(driver, server, ScriptDeployment("true"), auth=NodeAuthPassword("pw"))
    assert "web" not in names(driver)
    deploy(driver, server, ScriptDeployment("true"), auth=NodeAuthSSHKey(PUBLIC), ssh_key=PRIVATE)


@pytest.mark.parametrize(
    "options",
    [
        {"ssh_username": "a\nb"},
        {"ssh_alternate_usernames": [""]},
        {"ssh_port": 0},
        {"max_tries": 0},
        {"max_tries": "3"},
        {"ex_known_hosts": "/no/such/folder/known_hosts"},
    ],
)
def test_odd_logins_cost_no_node(driver: LocalDriver, server: SSHServer, options: dict[str, Any]) -> None:
    """A user name, a port, a number of tries or a file that cannot be meant is refused before a create."""
    with pytest.raises(InvalidArgumentError):
        deploy(driver, server, ScriptDeployment("true"), **options)
    assert "web" not in names(driver)


def test_nodes_with_private_addresses_only(server: SSHServer) -> None:
    """A node that gets no public address is deployed over its private one, unless the public one is named."""

    class Private(LocalDriver):
        public_address_time = 0.2

        def create_node(self, name: str, *args: Any, **kwargs: Any) -> Node:
            node = super().create_node(name, *args, **kwargs)
            node.public_ips, node.private_ips = [], node.public_ips
            return node

    driver = Private("creds")
    script = ScriptDeployment("echo in")
    deploy(driver, server, script)
    assert script.stdout == "in\n"
    with pytest.raises(DeploymentError, match=r'ssh_interface="private_ips" takes 127\.0\.0\.1'):
        deploy(driver, server, ScriptDeployment("true"), ssh_interface="public_ips", timeout=0.5)


def test_logins_show_no_secrets() -> None:
    """The password, the keys and their passphrase are not in a login's repr."""
    login = Login(["root"], 22, "pa55word", [PRIVATE], "pa55phrase", 1, 1, 1, 1, HostKeys(), None)
    assert not any(secret in repr(login) for secret in ("pa55", "PRIVATE KEY"))


def test_keys_are_loaded_once(tmp_path: Path) -> None:
    """A login loads its keys once, for its clients at all addresses."""
    file = tmp_path / "key"
    file.write_text(PRIVATE)
    login = Login(["root"], 22, None, [str(file)], None, 1, 1, 1, 1, HostKeys(), None)
    login.client("192.0.2.1", "root", "one")
    file.unlink()
    login.client("192.0.2.2", "root", "two")


def test_in_memory_there_is_no_ssh() -> None:
    """The dummy driver says that it has no `deploy_node`, and refuses it."""
    driver = DummyNodeDriver("creds")
    assert not driver.supports("deploy_node")
    with pytest.raises(UnsupportedOperationError, match="deploy_node"):
        driver.deploy_node(deploy=ScriptDeployment("true"), name="x")


# Failures


def failing(driver: LocalDriver, server: SSHServer, step: Any, **options: Any) -> DeploymentError:
    with pytest.raises(DeploymentError) as caught:
        deploy(driver, server, step, **options)
    assert caught.value.node is not None
    assert caught.value.node.name == "web"
    assert f"id {caught.value.node.id}" in str(caught.value)
    return caught.value


def test_a_failing_script(driver: LocalDriver, server: SSHServer) -> None:
    """A script that fails raises with the node, the step, its exit status and its output."""
    step = ScriptDeployment("echo progress; echo 'disk full' >&2; exit 4", name="setup.sh")
    error = failing(driver, server, step)
    assert (error.step, error.exit_status, error.stdout, error.stderr) == (
        step,
        4,
        "progress\n",
        "disk full\n",
    )
    assert "'setup.sh'" in str(error)
    assert "exit status 4" in str(error)
    assert "disk full" in str(error)
    assert DeploymentException is DeploymentError
    assert "web" in names(driver)


def test_destroy_on_failure(driver: LocalDriver, server: SSHServer) -> None:
    """Where that was asked for, a node whose deployment fails is destroyed, and the error says so."""
    error = failing(driver, server, ScriptDeployment("exit 1"), ex_destroy_on_failure=True)
    assert "was destroyed" in error.__notes__[0]
    assert "web" not in names(driver)
    kept = failing(driver, server, ScriptDeployment("exit 1"))
    assert "ex_destroy_on_failure" in kept.__notes__[0]


def test_a_node_that_cannot_be_destroyed(server: SSHServer) -> None:
    """Where destroying the node fails too, the error has both failures."""

    class Stubborn(LocalDriver):
        def destroy_node(self, node: Node) -> bool:
            raise PolycloudError("not today")

    error = failing(Stubborn("creds"), server, ScriptDeployment("exit 1"), ex_destroy_on_failure=True)
    assert "destroying it failed: not today" in error.__notes__[0]


def test_a_script_that_never_ends(driver: LocalDriver, server: SSHServer) -> None:
    """A script that never ends is ended at its timeout, and its output so far is kept."""
    step = ScriptDeployment("echo begun; sleep 60", timeout=0.3, delete=True)
    with ends_within(30):
        error = failing(driver, server, step)
    assert isinstance(error.value, SSHCommandTimeoutError)
    assert error.stdout == "begun\n"
    assert list(server.home.iterdir()) == []


def test_a_node_that_reboots_in_the_middle(driver: LocalDriver, server: SSHServer) -> None:
    """A connection that is lost in the middle of a script says so."""

    def drop() -> None:
        begun = server.home / "begun"
        waiting.poll(lambda: begun.exists() or None, waiting_for="it", timeout=20, longest_pause=0.05)
        server.drop_connections()

    thread = threading.Thread(target=drop)
    thread.start()
    error = failing(driver, server, ScriptDeployment("touch begun; sleep 60", delete=True))
    thread.join()
    assert isinstance(error.value, SSHConnectionLostError)


def test_a_login_that_is_refused(
    driver: LocalDriver, server: SSHServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that is refused ends after `KEYS_TIME` and `max_tries`, long before the timeout."""
    monkeypatch.setattr(deployment, "KEYS_TIME", 0.3)
    wrong = NodeAuthPassword("wrong")
    began = time.monotonic()
    with ends_within(30):
        error = failing(driver, server, ScriptDeployment("true"), auth=wrong, timeout=60, max_tries=2)
    assert time.monotonic() - began > 0.3
    assert len(server.connections) >= 2
    assert isinstance(error.value, SSHAuthenticationError)
    assert "refuses 'root' with a password" in str(error)
    assert "did create_node pass on auth=" in str(error)
    error = failing(driver, server, ScriptDeployment("true"), ssh_username="nobody", timeout=60)
    assert isinstance(error.value, SSHAuthenticationError)
    assert "create_node" not in str(error)


def test_ssh_that_never_responds(driver: LocalDriver, tmp_path: Path) -> None:
    """A deployment whose SSH never responds ends with the last error of its logins."""
    with SSHServer(home=tmp_path) as gone:
        pass
    with ends_within(20):
        error = failing(driver, gone, ScriptDeployment("true"), timeout=0.3)
    assert isinstance(error.value, SSHConnectError)


@pytest.mark.parametrize("ssh_timeout", [0.2, 60])
def test_ssh_that_hangs(driver: LocalDriver, server: SSHServer, ssh_timeout: float) -> None:
    """A server that takes the connection and says nothing ends within the shorter of the timeouts."""
    import socket

    with ends_within(10), socket.create_server(("127.0.0.1", 0)) as silent:
        error = failing(
            driver,
            server,
            ScriptDeployment("true"),
            ssh_port=silent.getsockname()[1],
            ssh_timeout=ssh_timeout,
            timeout=0.5,
        )
    assert isinstance(error.value, SSHTimeoutError)


@pytest.mark.parametrize(("passphrase", "problem"), [(None, "is encrypted"), ("wrong", "be decrypted")])
def test_a_key_that_does_not_open_costs_no_node(
    driver: LocalDriver, server: SSHServer, passphrase: str | None, problem: str
) -> None:
    """A key that cannot be used is refused before a node is created."""
    key = KEY.export_private_key(passphrase="right", rounds=1, ignore_few_rounds=True).decode()
    with pytest.raises(SSHKeyError, match=problem):
        deploy(driver, server, ScriptDeployment("true"), ssh_key=key, ssh_key_password=passphrase)
    assert "web" not in names(driver)


def test_ctrl_c_names_the_node(driver: LocalDriver, server: SSHServer) -> None:
    """Ctrl-C ends a deployment at once, calls `at_exit_func` with the node, and names it."""
    exited: list[Node] = []
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with ends_within(30), pytest.raises(KeyboardInterrupt) as caught:
        deploy(driver, server, ScriptDeployment("sleep 60"), at_exit_func=exited.append)
    (node,) = exited
    assert any(f"web (id {node.id}, 127.0.0.1) exists" in note for note in caught.value.__notes__)


class Interrupted(LocalDriver):
    """A driver whose destruction of a node is interrupted."""

    def destroy_node(self, node: Node) -> bool:
        raise KeyboardInterrupt


def test_a_second_ctrl_c_names_the_node(server: SSHServer) -> None:
    """Ctrl-C while a node is destroyed, after a failure or another Ctrl-C, is raised with the node's name."""
    driver = Interrupted("creds")
    with pytest.raises(KeyboardInterrupt) as caught:
        deploy(driver, server, ScriptDeployment("exit 1"), ex_destroy_on_failure=True)
    (node,) = (node for node in driver.list_nodes() if node.name == "web")
    left = f"the node web (id {node.id}, 127.0.0.1) exists, and destroying it was interrupted"
    assert left in caught.value.__notes__


def test_ten_megabytes_of_output(driver: LocalDriver, server: SSHServer) -> None:
    """10 MB of output are kept completely."""
    step = ScriptDeployment("head -c 10000000 /dev/zero | tr '\\0' x")
    deploy(driver, server, step)
    assert len(step.stdout or "") == 10_000_000


@pytest.mark.parametrize("step", [None, "true", ScriptDeployment, 7])
def test_an_invalid_step_costs_no_node(driver: LocalDriver, server: SSHServer, step: Any) -> None:
    """An invalid step or SSH interface is refused before a node is created."""
    with pytest.raises(InvalidArgumentError, match="must be a deployment step"):
        deploy(driver, server, step)
    with pytest.raises(InvalidArgumentError, match="ssh_interface"):
        deploy(driver, server, ScriptDeployment("true"), ssh_interface="nope")
    assert "web" not in names(driver)


def test_one_alternate_name(driver: LocalDriver, server: SSHServer) -> None:
    """`ssh_alternate_usernames` may be a single name."""
    node = deploy(
        driver, server, ScriptDeployment("true"), ssh_username="nobody", ssh_alternate_usernames="root"
    )
    assert node.name == "web"


def test_output_in_a_message(driver: LocalDriver, server: SSHServer) -> None:
    """A failure's message shows the end of the output only, and nothing in it that commands a terminal."""
    step = ScriptDeployment("head -c 1000000 /dev/zero | tr '\\0' x; printf '\\033[2Jend'; exit 1")
    with pytest.raises(DeploymentError) as caught:
        deploy(driver, server, step)
    text = str(caught.value)
    assert len(text) < 4000
    assert text.endswith("\\x1b[2Jend")
    assert len(caught.value.stdout) > 1_000_000
