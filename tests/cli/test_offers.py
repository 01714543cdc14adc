from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polycloud.sandbox import Sandbox
from polycloud.version import __version__

if TYPE_CHECKING:
    Run = Callable[..., subprocess.CompletedProcess[str]]

PROGRAM = """
import os, sys
from polycloud.cli.main import run
try:
    run()
except SystemExit:
    heavy = ("typer", "rich", "msgspec", "polycloud.config", "polycloud.errors", "polycloud.cli.output")
    print("loaded:", *(name for name in heavy if name in sys.modules))
"""


@pytest.fixture
def user(dummies: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a user with two accounts in memory, and a cache."""
    return {**dummies, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def press_tab(run: Run, line: str, **variables: str) -> list[str]:
    """What is offered at the end of a line in bash, and behind "loaded:" what was imported for it."""
    words = line.split(" ")
    question = {"_POLYCLOUD_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = run(fresh=PROGRAM, **question, **variables)
    assert done.stderr == ""
    return done.stdout.split()


def names_file(user: dict[str, str]) -> Path:
    return Path(user["XDG_CACHE_HOME"], "polycloud", "names.json")


def test_the_version_imports_nothing(run: Run) -> None:
    """`--version` imports neither Typer nor Rich nor anything of polycloud that needs an import."""
    assert run("--version", fresh=PROGRAM).stdout == f"polycloud {__version__}\nloaded:\n"


@pytest.mark.parametrize(
    ("first", "second", "offered"),
    [
        ("polycloud ", "polycloud pro", ["profiles", "providers"]),
        ("polycloud nodes s", "polycloud nodes st", ["start", "stop"]),
        ("polycloud nodes list --", "polycloud nodes list --rev", ["--reverse"]),
        ("polycloud nodes list -p ", "polycloud nodes list -p w", ["work"]),
        ("polycloud nodes stop x", "polycloud nodes stop ", ["dummy-1", "dummy-2"]),
    ],
)
def test_a_second_tab(run: Run, user: dict[str, str], first: str, second: str, offered: list[str]) -> None:
    """A second TAB at a place, after any beginning of the word, imports neither Typer nor a driver."""
    assert "typer" in press_tab(run, first, **user)
    assert press_tab(run, second, **user) == [*offered, "loaded:"]


def test_the_provider_is_asked_once(run: Run, prod: Sandbox, both: dict[str, str], tmp_path: Path) -> None:
    """Names of resources that were offered lately are offered again without a request."""
    user = {**both, "XDG_CACHE_HOME": str(tmp_path)}
    offered = press_tab(run, "polycloud nodes show -p prod ", **user)
    prod.stop()
    assert press_tab(run, "polycloud nodes show -p prod ", **user)[:-1] == offered[: offered.index("loaded:")]


def test_when_names_are_dropped(run: Run, user: dict[str, str]) -> None:
    """Names are looked up again after any command, when the configuration was changed, and after a minute."""

    def is_kept() -> bool:
        return press_tab(run, "polycloud nodes stop ", **user)[-1] == "loaded:"

    assert (is_kept(), is_kept()) == (False, True)
    run("nodes", "list", **user)
    assert (is_kept(), is_kept()) == (False, True)
    os.utime(user["POLYCLOUD_CONFIG"], (1, 1))
    assert (is_kept(), is_kept()) == (False, True)
    kept = json.loads(names_file(user).read_text())
    for place in kept.values():
        place["at"] -= 61
    names_file(user).write_text(json.dumps(kept))
    assert (is_kept(), is_kept()) == (False, True)


def test_another_account(run: Run, user: dict[str, str]) -> None:
    """Names of one account are not offered for another."""
    assert press_tab(run, "polycloud nodes stop ", **user)[-1] != "loaded:"
    assert press_tab(run, "polycloud nodes stop ", **user, POLYCLOUD_PROFILE="work")[-1] != "loaded:"
    assert press_tab(run, "polycloud nodes stop -p work ", **user)[-1] != "loaded:"


def test_failures_are_not_kept(run: Run, user: dict[str, str]) -> None:
    """Where nothing could be offered, the next TAB asks again."""
    config = Path(user["POLYCLOUD_CONFIG"])
    working = config.read_text()
    config.write_text("[")
    assert press_tab(run, "polycloud nodes stop ", **user)[0] == "loaded:"
    config.write_text(working)
    assert press_tab(run, "polycloud nodes stop ", **user)[:2] == ["dummy-1", "dummy-2"]


def test_only_the_user_can_read_the_names(run: Run, user: dict[str, str]) -> None:
    """The file of the names is for its owner only, and no word of the line is in it."""
    press_tab(run, "polycloud nodes stop my-secret ", **user)
    file = names_file(user)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "dummy-1" in file.read_text()
    assert "my-secret" not in file.read_text()


@pytest.mark.parametrize("content", ["", "[", "[]", '{"x": 1}', "\ud800"])
def test_a_broken_file(run: Run, user: dict[str, str], content: str) -> None:
    """A file of names that cannot be read is replaced."""
    names_file(user).parent.mkdir(parents=True)
    names_file(user).write_bytes(content.encode("utf-8", "surrogatepass"))
    assert press_tab(run, "polycloud nodes stop ", **user)[:2] == ["dummy-1", "dummy-2"]
    assert press_tab(run, "polycloud nodes stop ", **user) == ["dummy-1", "dummy-2", "loaded:"]


@pytest.mark.parametrize(
    ("shell", "line", "answer"),
    [
        (
            "zsh",
            "polycloud nodes sto",
            "local -a offers; offers=('stop:Power nodes off.'); _describe argument offers\n",
        ),
        ("zsh", "polycloud nodes x", "_files\n"),
        ("fish", "polycloud nodes sto", "stop\tPower nodes off.\n"),
        ("powershell", "polycloud nodes sto", "stop:::Power nodes off.\n"),
    ],
)
def test_other_shells(run: Run, user: dict[str, str], shell: str, line: str, answer: str) -> None:
    """Each shell gets what fits in its own form, with descriptions, at the first TAB as at the second."""
    question = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_WORD_TO_COMPLETE": line.rpartition(" ")[2]}
    for _ in range(2):
        assert run(_POLYCLOUD_COMPLETE=f"complete_{shell}", **question, **user).stdout == answer


def test_an_unknown_shell(run: Run) -> None:
    """A question of an unknown shell is an error that names it."""
    done = run(_POLYCLOUD_COMPLETE="complete_tcsh")
    assert (done.returncode, done.stderr) == (1, "Shell tcsh not supported.\n")
