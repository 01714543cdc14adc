from __future__ import annotations

import subprocess
import sys

import pytest

from polycloud.compute import keys
from polycloud.compute.ssh import SSHClient
from polycloud.compute.types import SSHAuthenticationError
from polycloud.testing import SSHServer


def test_authentication() -> None:
    """Users can log in with the server's keys and passwords; other users, keys and passwords are refused."""
    (private, public), (stranger, _) = keys.generate(), keys.generate()
    with SSHServer(public, passwords=["secret"], users=["admin"]) as server:
        for key, password in ((private, None), (None, "secret")):
            with SSHClient(server.host, server.port, "admin", password, key_material=key) as client:
                assert client.run("echo in").stdout == "in\n"
        for user, key, password in (
            ("root", private, None),
            ("root", None, "secret"),
            ("admin", stranger, None),
            ("admin", None, "guess"),
        ):
            with pytest.raises(SSHAuthenticationError):
                SSHClient(server.host, server.port, user, password, key_material=key).connect()


def test_home() -> None:
    """Commands run in the folder of the files, which is removed when the server ends."""
    with SSHServer(passwords=["secret"]) as server:
        with SSHClient(server.host, server.port, password="secret") as client:
            client.put("a/file", "text\n")
            assert client.run("cat a/file; pwd").stdout == f"text\n{server.home}\n"
        assert (server.home / "a" / "file").read_text() == "text\n"
    assert not server.home.exists()


def test_missing_extra() -> None:
    """Without asyncssh the import of the server names the extra to install."""
    code = (
        "import sys; sys.modules['asyncssh'] = None\n"
        "try:\n    from polycloud.testing import SSHServer\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SSHServer needs asyncssh: pip install 'polycloud[deploy]'" in done.stdout
