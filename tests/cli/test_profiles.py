from __future__ import annotations

import json
import re
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
    told = json.loads(
        run("profiles", "list", "--json", POLYCLOUD_CONFIG=file, POLYCLOUD_PROFILE="ring").stdout
    )
    assert [one["profile"] for one in told if one["default"]] == ["ring"]


def test_list_of_none(run: Run) -> None:
    """Without a configuration `list` says where it would be."""
    done = run("profiles", "list")
    assert done.returncode == 0
    assert done.stderr == "there are no profiles in /nowhere/polycloud/config.toml\n"


def test_show_tells_no_secret(run: Run, configured: Callable[[str], Path]) -> None:
    """`show` tells the settings, and of what may be secret only where it comes from."""
    file = str(configured(TEXT))
    told = json.loads(run("profiles", "show", "--json", POLYCLOUD_CONFIG=file).stdout)
    assert told == {
        "profile": "lab",
        "provider": "nephoscale",
        "file": file,
        "user": "env MY_USER",
        "password": "set here",
        "url": "http://127.0.0.1:1",
        "proxy_url": "set here",
    }
    for name, source in (("vault", "command show"), ("ring", "keyring cloud me")):
        done = run("profiles", "show", name, POLYCLOUD_CONFIG=file)
        assert SECRET not in done.stdout
        assert source in done.stdout


def test_check(run: Run, both: dict[str, str]) -> None:
    """`check` connects, and says who answers; an account that fails is told beside the others."""
    done = run("profiles", "check", "office", **both)
    assert re.fullmatch(r"office: NephoScale answers at 127\.0\.0\.1:\d+ in \d+ ms\n", done.stdout)
    file = Path(both["POLYCLOUD_CONFIG"])
    file.write_text(file.read_text() + TEXT.partition("\n")[2])
    done = run("profiles", "check", "--all", "--json", **both, MY_USER="me")
    assert done.returncode == 1
    assert {row["account"] for row in json.loads(done.stdout)} == {"office", "prod"}
    failed = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert failed.keys() == {"lab", "vault", "ring"}
    assert "vault.token: the command 'show' cannot be run" in failed["vault"]
    assert SECRET not in done.stderr


def test_check_gives_up(terminal: Callable[..., Any], configured: Callable[[str], Path]) -> None:
    """At a terminal `check` says who is asked, and `--deadline` gives up who does not answer."""
    with Sandbox("nephoscale", ssh="off", latency=600) as cloud:
        file = configured(
            f'[profiles.slow]\nprovider = "nephoscale"\nurl = "{cloud.url}"\nuser = "u"\npassword = "p"\n'
        )
        screen = terminal("profiles", "check", "--deadline", "1", POLYCLOUD_CONFIG=str(file))
        screen.until("asking slow")
        assert screen.end() == 1
    assert "ReadTimeoutError: the call's deadline has passed" in screen.sent


def test_a_command_that_hangs(run: Run, configured: Callable[[str], Path]) -> None:
    """The deadline counts for the command of a secret; how long it had is told in few digits."""
    file = configured('[profiles.a]\nprovider = "dummy"\nkey = { command = "sleep 600" }\n')
    done = run("profiles", "check", "--deadline", "0.5", POLYCLOUD_CONFIG=str(file))
    assert re.search(r"the command 'sleep' did not end within 0\.\d{1,3} s\n$", done.stderr)


def test_wrong_calls(run: Run, configured: Callable[[str], Path]) -> None:
    """An unknown name gives the nearest, and names beside --all are refused."""
    file = str(configured(TEXT))
    done = run("profiles", "show", "valt", POLYCLOUD_CONFIG=file)
    assert (done.returncode, "the nearest are vault" in done.stderr) == (2, True)
    assert run("profiles", "check", "lab", "--all", POLYCLOUD_CONFIG=file).returncode == 2
