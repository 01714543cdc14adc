from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from polycloud.compute import keys
from polycloud.sandbox import Sandbox
from support.ec2 import SmallEC2, response
from support.keypairs import key_pair

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

PROD = ("-p", "prod")


def test_a_key_is_made(run: Run, both: dict[str, str], tmp_path: Path) -> None:
    """`create` writes the private key for its owner only, and the public one beside it."""
    file = tmp_path / "id"
    done = run("keys", "create", "laptop", "--to", str(file), *PROD, **both)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("created key laptop (id ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    private = asyncssh.import_private_key(file.read_text())
    public = (tmp_path / "id.pub").read_text().strip()
    assert private.export_public_key().decode().split()[1] == public.split()[1]
    assert (keys.fingerprint(public) or "no key") in run("keys", "list", *PROD, **both).stdout


def test_a_provider_that_keeps_the_public_half(
    run: Run, configured: Callable[[str], Path], tmp_path: Path
) -> None:
    """A public half that the provider does not send is derived; where it cannot be, no file has it."""
    private, public = keys.generate()
    material = "<keyName>laptop</keyName><keyMaterial>{}</keyMaterial>"
    with SmallEC2(CreateKeyPair=lambda _: response("CreateKeyPair", material.format(private))) as cloud:
        key, secret, _ = cloud.credentials
        account = configured(
            f'[profiles.a]\nprovider = "ec2"\nurl = "{cloud.url}"\nregion = "us-east-1"\n'
            f'key = "{key}"\nsecret = "{secret}"\n'
        )
        create = ("keys", "create", "laptop", "--to")
        done = run(*create, str(tmp_path / "id"), POLYCLOUD_CONFIG=str(account))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "id.pub").read_text().split()[:2] == public.split()[:2]
        program = "import sys; sys.modules['asyncssh'] = None\nfrom polycloud.cli.main import run; run()"
        done = run(*create, str(tmp_path / "no"), fresh=program, POLYCLOUD_CONFIG=str(account))
    assert (done.returncode, (tmp_path / "no.pub").exists()) == (0, False)
    assert (tmp_path / "no").read_text().strip() == private.strip()
    assert "pip install 'polycloud[deploy]'" in done.stderr


def test_no_file_is_overwritten(run: Run, prod: Sandbox, both: dict[str, str], tmp_path: Path) -> None:
    """An existing file is not changed, and nothing is sent."""
    file = tmp_path / "id"
    file.write_text("mine")
    done = run("keys", "create", "laptop", "--to", str(file), *PROD, **both)
    assert (done.returncode, file.read_text()) == (2, "mine")
    assert f"the file {file} cannot be created: File exists" in done.stderr
    assert all(request.method == "GET" for request in prod.requests)


def test_no_public_file_is_overwritten(run: Run, prod: Sandbox, both: dict[str, str], tmp_path: Path) -> None:
    """An existing file at the place of the public half is kept, no private half is left, nothing is sent."""
    file, public = tmp_path / "id", tmp_path / "id.pub"
    public.write_text("mine")
    done = run("keys", "create", "laptop", "--to", str(file), *PROD, **both)
    assert (done.returncode, public.read_text(), file.exists()) == (2, "mine", False)
    assert f"the file {public} cannot be created: File exists" in done.stderr
    assert all(request.method == "GET" for request in prod.requests)


def test_the_home_folder(run: Run, both: dict[str, str], tmp_path: Path) -> None:
    """A `~` that the shell does not expand, as in `--to=~/id`, is the home folder."""
    done = run("keys", "create", "laptop", "--to=~/id", *PROD, **both, HOME=str(tmp_path))
    assert (done.returncode, (tmp_path / "id.pub").is_file()) == (0, True), done.stderr


def test_no_file_is_left(run: Run, prod: Sandbox, configured: Callable[[str], Path], tmp_path: Path) -> None:
    """If the provider refuses, no file is left."""
    file = tmp_path / "id"
    wrong = configured(f'[profiles.a]\nprovider = "digitalocean"\nurl = "{prod.url}/v2"\ntoken = "wrong"\n')
    done = run("keys", "create", "laptop", "--to", str(file), POLYCLOUD_CONFIG=str(wrong))
    assert done.returncode == 1
    assert not file.exists()


def test_import_and_delete(run: Run, both: dict[str, str], tmp_path: Path) -> None:
    """A public key is imported from a file, and deleted by its name after confirmation."""
    public = tmp_path / "id.pub"
    public.write_text(key_pair()[1])
    assert run("keys", "import", "old", str(public), *PROD, **both).stdout.startswith("imported key old (id ")
    assert "old" in run("keys", "show", "old", *PROD, **both).stdout
    refused = run("keys", "delete", "old", *PROD, **both)
    assert refused.returncode == 2
    assert "delete 1 key of prod? There is no terminal" in refused.stderr
    assert run("keys", "delete", "old", "--dry-run", *PROD, **both).stdout.startswith("would delete key old")
    assert run("keys", "delete", "old", "--yes", *PROD, **both).stdout.startswith("deleted key old (id ")
    assert run("keys", "delete", "old", "--yes", *PROD, **both).returncode == 3


@pytest.mark.parametrize("text", ["", "ssh-rsa x\n", key_pair()[0]])
def test_invalid_public_keys(run: Run, both: dict[str, str], tmp_path: Path, text: str) -> None:
    """A file without a public key is refused before anything is sent."""
    file = tmp_path / "id"
    file.write_text(text)
    done = run("keys", "import", "k", str(file), *PROD, **both)
    assert done.returncode == 2
    assert "not a public key in OpenSSH's format" in done.stderr
