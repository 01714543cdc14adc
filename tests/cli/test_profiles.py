from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

SECRET = "hunter2-is-secret"
TEXT = f"""default = "lab"
[profiles.lab]
provider = "nephoscale"
user = {{ env = "MY_USER" }}
password = "{SECRET}"
url = "http://127.0.0.1:1"
proxy_url = "http://me:{SECRET}@proxy"
[profiles.vault]
provider = "digitalocean"
token = {{ command = "show --key {SECRET} token" }}
[profiles.ring]
provider = "digitalocean"
token = {{ keyring = ["cloud", "me"] }}
"""


def test_list(run: Run, configured: Callable[[str], Path]) -> None:
    """`list` names the profiles with their providers, and the default."""
    file = str(configured(TEXT))
    done = run("profiles", "list", POLYCLOUD_CONFIG=file)
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["lab", "nephoscale", "default"],
        ["vault", "digitalocean"],
        ["ring", "digitalocean"],
    ]
    shown = json.loads(
        run("profiles", "list", "--json", POLYCLOUD_CONFIG=file, POLYCLOUD_PROFILE="ring").stdout
    )
    assert [one["profile"] for one in shown if one["default"]] == ["ring"]


def test_an_empty_list(run: Run) -> None:
    """Without a configuration `list` names its place."""
    done = run("profiles", "list")
    assert done.returncode == 0
    assert done.stderr == "there are no profiles in /nowhere/polycloud/config.toml\n"


def test_show_prints_no_secret(run: Run, configured: Callable[[str], Path]) -> None:
    """`show` prints the settings, and of those that may be secret only the source."""
    file = str(configured(TEXT))
    shown = json.loads(run("profiles", "show", "--json", POLYCLOUD_CONFIG=file).stdout)
    assert shown == {
        "profile": "lab",
        "provider": "nephoscale",
        "file": file,
        "user": "env MY_USER",
        "password": "set here",
        "url": "http://127.0.0.1:1",
        "proxy_url": "set here",
    }
    for name, source in (("vault", "command"), ("ring", "keyring cloud me")):
        done = run("profiles", "show", name, POLYCLOUD_CONFIG=file)
        assert SECRET not in done.stdout
        assert source in done.stdout


def test_check(run: Run, both: dict[str, str]) -> None:
    """`check` connects and reports who responds; an account that fails is reported beside the others."""
    done = run("profiles", "check", "office", **both)
    assert re.fullmatch(r"office: NephoScale responds at 127\.0\.0\.1:\d+ in \d+ ms\n", done.stdout)
    file = Path(both["POLYCLOUD_CONFIG"])
    file.write_text(file.read_text() + TEXT.partition("\n")[2])
    done = run("profiles", "check", "--all", "--json", **both, MY_USER="me")
    assert done.returncode == 1
    assert {row["account"] for row in json.loads(done.stdout)} == {"office", "prod"}
    failed = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert failed.keys() == {"lab", "vault", "ring"}
    assert "vault.token: the command cannot be run" in failed["vault"]
    assert SECRET not in done.stderr


def test_check_gives_up(terminal: Callable[..., Any], configured: Callable[[str], Path]) -> None:
    """At a terminal `check` names the accounts, and `--deadline` gives up those that do not respond."""
    with Sandbox("nephoscale", ssh="off", latency=600) as cloud:
        file = configured(
            f'[profiles.slow]\nprovider = "nephoscale"\nurl = "{cloud.url}"\nuser = "u"\npassword = "p"\n'
        )
        screen = terminal("profiles", "check", "--deadline", "1", POLYCLOUD_CONFIG=str(file))
        screen.until("asking slow")
        assert screen.end() == 1
    assert "ReadTimeoutError\x1b[0m: the call's deadline has passed" in screen.sent


def test_a_command_that_hangs(run: Run, configured: Callable[[str], Path]) -> None:
    """The deadline limits the command of a secret; the message has the limit in few digits."""
    file = configured('[profiles.a]\nprovider = "dummy"\nkey = { command = "sleep 600" }\n')
    done = run("profiles", "check", "--deadline", "0.5", POLYCLOUD_CONFIG=str(file))
    assert re.search(r"the command 'sleep' did not end within 0\.\d{1,3} s\n$", done.stderr)


def test_wrong_calls(run: Run, configured: Callable[[str], Path]) -> None:
    """The error of an unknown name has the nearest one, and names beside --all are refused."""
    file = str(configured(TEXT))
    done = run("profiles", "show", "valt", POLYCLOUD_CONFIG=file)
    assert (done.returncode, "the nearest are vault" in done.stderr) == (2, True)
    assert run("profiles", "check", "lab", "--all", POLYCLOUD_CONFIG=file).returncode == 2


def test_add_asks_and_checks(
    terminal: Callable[..., Any], run: Run, prod: Sandbox, configured: Callable[[str], Path]
) -> None:
    """`profiles add` asks for the credentials without showing them, tries them, and writes the profile."""
    file = configured("# mine")
    where = ("profiles", "add", "shop", "--provider", "digitalocean", "--url", f"{prod.url}/v2")
    started = terminal(*where, POLYCLOUD_CONFIG=str(file))
    started.until("token (hidden, or env:NAME, or command:LINE): ")
    started.type(f"{prod.credentials[0]}\n")
    assert started.end() == 0
    assert prod.credentials[0] not in started.sent
    assert f"wrote the profile shop to {file}" in started.sent.replace("\r\n", "\n")
    assert file.read_text().startswith("# mine\n\n[profiles.shop]\n")
    assert run("nodes", "list", "-p", "shop", POLYCLOUD_CONFIG=str(file)).returncode == 0
    again = run(*where, POLYCLOUD_CONFIG=str(file))
    assert (again.returncode, "there is a profile shop" in again.stderr) == (2, True)


def test_add_writes_nothing_that_fails(run: Run, prod: Sandbox, tmp_path: Path) -> None:
    """Credentials that the provider refuses, and an unknown provider, are errors, and nothing is written."""
    file = tmp_path / "polycloud" / "config.toml"
    variables = {"XDG_CONFIG_HOME": str(tmp_path)}
    url = ("--url", f"{prod.url}/v2")
    for arguments, said in (
        (("shop", "--provider", "digitalocean", *url), "InvalidCredsError"),
        (("shop", "--provider", "digitalocaen"), "nearest"),
        (("a b", "--provider", "digitalocean"), "a profile's name must be letters"),
    ):
        done = run("profiles", "add", *arguments, input=f"{SECRET}\n", **variables)
        assert done.returncode != 0
        assert said in done.stderr
        assert SECRET not in done.stdout + done.stderr
    assert not file.exists()
    token = {"MY_TOKEN": prod.credentials[0]}
    add = ("profiles", "add", "shop", "--provider", "digitalocean", *url)
    done = run(*add, input="env:MY_TOKEN\n", **variables, **token)
    assert done.returncode == 0, done.stderr
    assert 'token = { env = "MY_TOKEN" }' in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_add_for_a_service(run: Run, tmp_path: Path) -> None:
    """A profile is for the only service of its provider, or for --service; --set gives other options."""
    file = tmp_path / "polycloud" / "config.toml"
    variables = {"XDG_CONFIG_HOME": str(tmp_path)}
    options = ("--set", "port=53", "--set", 'zones=["example.org"]', "--no-check")
    done = run(
        "profiles", "add", "names", "--provider", "rfc2136", *options, input="t\nc2VjcmV0\n", **variables
    )
    assert done.returncode == 0, done.stderr
    expected = {"provider": "rfc2136", "service": "dns", "port": 53, "zones": ["example.org"]}
    made = tomllib.loads(file.read_text())["profiles"]["names"]
    assert {key: made[key] for key in expected} == expected
    add = ("profiles", "add", "memory", "--provider", "dummy", "--service", "dns", "--no-check")
    assert run(*add, input="k\n", **variables).returncode == 0
    assert tomllib.loads(file.read_text())["profiles"]["memory"]["service"] == "dns"
    assert run("dns", "zones", "list", "-p", "memory", **variables).returncode == 0


def test_add_to_a_new_file(run: Run, tmp_path: Path) -> None:
    """`profiles add` makes the file that POLYCLOUD_CONFIG names; others say that it does not exist."""
    file = tmp_path / "own" / "new.toml"
    add = ("profiles", "add", "memory", "--provider", "dummy", "--service", "dns", "--no-check")
    missing = run("profiles", "show", "memory", POLYCLOUD_CONFIG=str(file))
    assert (missing.returncode, "which does not exist" in missing.stderr) == (2, True)
    assert run(*add, input="k\n", POLYCLOUD_CONFIG=str(file)).returncode == 0
    assert "memory" in tomllib.loads(file.read_text())["profiles"]
