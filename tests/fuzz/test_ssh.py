from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.compute.deployment import ScriptDeployment, run_step
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.ssh import HostKeys, SSHClient
from polycloud.compute.types import DeploymentError, SSHError
from polycloud.errors import InvalidArgumentError
from polycloud.testing.sshd import SSHServer
from support.fuzz import outcome, scrambled
from support.web import raw_answers

PUBLIC = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip()
KNOWN = (
    f"web {PUBLIC} comment\n[10.0.0.1]:22,db {PUBLIC}\n".encode(),
    f"# comment\n@revoked * {PUBLIC}\n|1|salt|hash {PUBLIC}\n\nodd\n".encode(),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    with SSHServer(passwords=["password"], home=tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: SSHServer) -> Iterator[SSHClient]:
    with SSHClient(server.host, server.port, password="password") as connected:
        yield connected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("known")


@given(data=scrambled(*KNOWN) | st.binary(max_size=40))
def test_known_hosts(folder: Path, data: bytes) -> None:
    """A known_hosts file is names and their keys, or an `InvalidArgumentError`."""
    file = folder / "read"
    file.write_bytes(data)
    read = outcome(lambda: HostKeys(str(file)))
    assert isinstance(read, InvalidArgumentError | HostKeys)
    if isinstance(read, HostKeys):
        assert all(len(key.split()) == 2 for keys in read.seen.values() for key in keys)


@given(
    machine=st.text(max_size=10)
    | st.sampled_from(["web", "[::1]:22", "caf\u00e9", "a,b", "#a", "\ud800", "a\x85b"])
)
def test_remembering(folder: Path, machine: str) -> None:
    """A machine that was accepted is in the file, and is not accepted with another key."""
    file = folder / "written"
    file.unlink(missing_ok=True)
    if outcome(lambda: HostKeys(str(file)).accept(machine, PUBLIC)) is True:
        assert HostKeys(str(file)).seen == {machine: [PUBLIC]}
        assert not HostKeys(str(file)).accept(machine, f"{PUBLIC[:-4]}AAAA")


def test_a_file_that_cannot_be_written(server: SSHServer, tmp_path: Path) -> None:
    """A known_hosts file that cannot be written ends the connection with an error of our tree."""
    file = str(tmp_path / "no folder" / "known_hosts")

    def connect() -> bool:
        login = SSHClient(server.host, server.port, password="password", host_keys=HostKeys(file), timeout=10)
        return login.connect()

    assert isinstance(outcome(lambda: HostKeys(file).accept("web", PUBLIC)), InvalidArgumentError)
    assert isinstance(outcome(connect), SSHError | InvalidArgumentError)


@given(
    scrambled(
        b"SSH-2.0-OpenSSH_9.6\r\n", b"welcome\r\nSSH-1.5-old\r\n", b"SSH-2.0-a\r\n" + b"\0\0\1\x14\n\x14" * 9
    )
)
def test_greeting(greeting: bytes) -> None:
    """Whatever an SSH server's greeting is, a login ends with an `SSHError`."""
    with raw_answers(greeting) as web:
        assert isinstance(outcome(SSHClient(web.host, web.port, password="p", timeout=5).connect), SSHError)


@given(output=st.binary(max_size=60) | st.text(max_size=20).map(lambda text: text.encode("utf-16")))
def test_output(server: SSHServer, client: SSHClient, output: bytes) -> None:
    """Whatever a command prints is decoded; a failed step keeps it, and its message can be encoded."""
    (server.home / "output").write_bytes(output)
    step = ScriptDeployment("cat output; cat output >&2; exit 1", delete=True)
    node = DummyNodeDriver("key").list_nodes()[0]
    failed = outcome(lambda: run_step(step, node, client))
    assert isinstance(failed, DeploymentError)
    assert failed.stdout == failed.stderr == output.decode(errors="replace")
    assert str(failed).encode()
