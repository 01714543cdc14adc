from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    Run = Callable[..., subprocess.CompletedProcess[str]]

BASH = """
source "$1"
COMP_WORDS=(polycloud nodes stop "") COMP_CWORD=3
_polycloud_completion polycloud
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(run: Run, line: str, **variables: str) -> list[str]:
    """The completions of the last word of a line."""
    done = run(
        _POLYCLOUD_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split(" ")) - 1),
        **variables,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands(run: Run) -> None:
    """Names of commands and of their subcommands are completed."""
    assert offered(run, "polycloud pro") == ["profiles", "providers"]
    assert offered(run, "polycloud nodes st") == ["start", "stop"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("polycloud nodes list -p ", ["home", "work"]),
        ("polycloud nodes list -p w", ["work"]),
        ("polycloud profiles check ", ["home", "work"]),
        ("polycloud nodes list --provider d", ["digitalocean", "dummy"]),
        ("polycloud nodes stop ", ["dummy-1", "dummy-2"]),
        ("polycloud nodes stop -p work dummy-1 ", ["dummy-1", "dummy-2"]),
        ("polycloud volumes attach disk ", ["dummy-1", "dummy-2"]),
        ("polycloud nodes create --size ", ["Small", "Medium", "Big"]),
        ("polycloud nodes create --image ", ["1", "2", "3"]),
        ("polycloud nodes create --location ", ["1", "2", "3"]),
        ("polycloud keys delete ", []),
    ],
)
def test_names(run: Run, dummies: dict[str, str], line: str, names: list[str]) -> None:
    """Names of profiles, providers and resources are completed; the id if a name has spaces."""
    assert offered(run, line, **dummies) == names


def test_a_cloud_that_does_not_respond(run: Run, configured: Callable[[str], Path]) -> None:
    """If the provider is late or nothing is configured, nothing is offered and nothing printed."""
    with Sandbox("nephoscale", ssh="off", latency=600.0) as cloud:
        file = configured(
            f'[profiles.a]\nprovider = "nephoscale"\nurl = "{cloud.url}"\nuser = "u"\npassword = "p"\n'
        )
        assert offered(run, "polycloud nodes stop ", POLYCLOUD_CONFIG=str(file)) == []
    file.write_text('[profiles.a]\nprovider = "dummy"\nkey = { command = "sleep 600" }\n')
    assert offered(run, "polycloud nodes stop ", POLYCLOUD_CONFIG=str(file)) == []
    file.write_text("[")
    assert offered(run, "polycloud nodes stop -p ", POLYCLOUD_CONFIG=str(file)) == []
    assert offered(run, "polycloud nodes stop ") == []


def test_bash_completes(run: Run, dummies: dict[str, str], tmp_path: Path) -> None:
    """`--install-completion` installs a script for bash that completes names."""
    home = tmp_path / "home"
    home.mkdir()
    command = tmp_path / "polycloud"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m polycloud.cli.main "$@"\n')
    command.chmod(0o755)
    variables = {**dummies, "HOME": str(home), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    installed = subprocess.run(
        ["bash", "-c", "polycloud --install-completion; true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=variables,
    )
    assert "bash completion installed" in installed.stdout, installed.stderr
    script = home / ".bash_completions" / "polycloud.sh"
    assert str(script) in (home / ".bashrc").read_text()
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=variables,
    )
    assert done.stdout.split() == ["dummy-1", "dummy-2"], done.stderr


def test_show_completion(dummies: dict[str, str], tmp_path: Path) -> None:
    """`--show-completion` prints the script for the shell that calls it."""
    shown = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m polycloud.cli.main --show-completion; true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "_polycloud_completion()" in shown.stdout, shown.stderr


@pytest.mark.parametrize(
    ("shell", "said"),
    [("bash", "complete -o"), ("zsh", "#compdef polycloud"), ("fish", "complete --command")],
)
def test_scripts_for_other_shells(run: Run, shell: str, said: str) -> None:
    """`_POLYCLOUD_COMPLETE` prints the script for a shell from any shell."""
    assert said in run(_POLYCLOUD_COMPLETE=f"source_{shell}").stdout
