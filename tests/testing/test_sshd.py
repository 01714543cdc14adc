from __future__ import annotations

import subprocess
import sys

import pytest

from polycloud.compute import keys
from polycloud.compute.ssh import SSHClient
from polycloud.compute.types import SSHAuthenticationError
from polycloud.testing import SSHServer


def test_who_may_log_in() -> None:
    """Keys and passwords of the server's let its users in, and nobody else."""
    private, public = keys.generate()
    with SSHServer(public, passwords=["secret"], users=["admin"]) as server:
        for key, password in ((private, None), (None, "secret")):
            with SSHClient(server.host, server.port, "admin", password, key_material=key) as client:
                assert client.run("echo in").stdout == "in\n"
        for user, key, password in (("root", private, None), ("admin", None, "guess")):
            with pytest.raises(SSHAuthenticationError):
                SSHClient(server.host, server.port, user, password, key_material=key).connect()


def test_a_folder_of_its_own() -> None:
    """Commands and files are in one folder, which is gone when the server is."""
    with SSHServer(passwords=["secret"]) as server:
        with SSHClient(server.host, server.port, password="secret") as client:
            client.put("a/file", "text\n")
            assert client.run("cat a/file; pwd").stdout == f"text\n{server.home}\n"
        assert (server.home / "a" / "file").read_text() == "text\n"
    assert not server.home.exists()


def test_what_is_missing_is_said() -> None:
    """Without asyncssh the server's import names the extra that brings it."""
    code = (
        "import sys; sys.modules['asyncssh'] = None\n"
        "try:\n    from polycloud.testing import SSHServer\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SSHServer needs asyncssh: pip install 'polycloud[deploy]'" in done.stdout
