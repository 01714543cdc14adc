from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from polycloud.cli.app import COMMANDS, load
from polycloud.version import __version__

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]

FAILING = """
from polycloud.cli.app import app
from polycloud.errors import NotFoundError

@app.command("fail")
def fail() -> None:
    error = NotFoundError(404, "there is no\\nsuch node")
    error.add_note("look at list_nodes()")
    raise error

app(prog_name="polycloud")
"""
WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from polycloud.cli.main import run
run()
"""


def test_version(run: Run) -> None:
    """`--version` prints the name and the version of the package."""
    assert run("--version").stdout == f"polycloud {__version__}\n"


def test_help_names_every_command(run: Run) -> None:
    """`--help` lists the commands, each with a summary that is not cut off."""
    done = run("--help")
    assert done.returncode == 0
    summaries = dict(line.split(None, 1) for line in done.stdout.split("Commands:\n")[1].splitlines())
    assert summaries == COMMANDS
    assert "..." not in done.stdout.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("sandbox",), ("providers", "--service", "nonsense"), ("demo", "--speed", "warp")],
)
def test_a_wrong_call_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    """A wrong call is reported on stderr and exits with 2."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_an_error_of_ours_is_one_line(run: Run) -> None:
    """A PolycloudError is one line on stderr, with its notes below; NotFoundError exits with 3."""
    done = run("fail", program=FAILING)
    assert done.returncode == 3
    assert done.stderr == "NotFoundError: there is no such node\nlook at list_nodes()\n"


def test_debug_shows_the_traceback(run: Run) -> None:
    """With `--debug` the same error has a traceback, without values of local variables."""
    done = run("--debug", "fail", program=FAILING)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "NotFoundError" in done.stderr
    assert "locals" not in done.stderr


@pytest.mark.parametrize(
    ("module", "arguments", "extras"),
    [
        ("typer", ("providers",), "cli"),
        ("rich", ("providers",), "cli"),
        ("starlette", ("sandbox", "nephoscale"), "sandbox"),
        ("asyncssh", ("demo",), "cli,deploy,sandbox"),
    ],
)
def test_a_missing_extra_is_named(run: Run, module: str, arguments: tuple[str, ...], extras: str) -> None:
    """If a package is missing, one line says how to install it, and the exit status is 1."""
    done = run(module, *arguments, fresh=WITHOUT)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"pip install 'polycloud[{extras}]'" in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("providers",), ("providers", "--json"), ("demo",)])
def test_a_closed_pipe_ends_quietly(start: Start, arguments: tuple[str, ...]) -> None:
    """A reader that goes away ends the command without a message."""
    with start(*arguments, fresh=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1


@pytest.mark.parametrize("command", ["providers", "--help", "keys list"])
def test_a_full_disk_is_one_line(dummies: dict[str, str], command: str) -> None:
    """A result that cannot be written is one line on stderr, and the exit status is 1."""
    done = at_shell(f'"$@" {command} >/dev/full', **dummies)
    assert (done.returncode, done.stderr) == (1, "OSError: [Errno 28] No space left on device\n")


def test_closed_streams(dummies: dict[str, str]) -> None:
    """The output to a closed stream is discarded, and does not go to the other one."""
    assert at_shell('"$@" nodes list >&-', **dummies).stderr == ""
    wrong = at_shell('"$@" nodes list -p nobody 2>&-', **dummies)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def at_shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line of a shell, in which "$@" is the command."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "polycloud.cli.main"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **variables}
    )


def test_debug_counts_behind_the_command(run: Run) -> None:
    """`--debug` shows the traceback at the end of the line, too."""
    done = run("nodes", "list", "--provider", "nobody", "--debug")
    assert "Traceback (most recent call last)" in done.stderr
    assert "UnknownProviderError: no provider is called 'nobody'" in done.stderr


@pytest.mark.parametrize("group", ["nodes", "keys", "volumes", "profiles"])
def test_no_summary_is_cut_off(run: Run, group: str) -> None:
    """The help of a group has the summary of each of its commands, not cut off."""
    assert "..." not in run(group, "--help").stdout.replace("[ARGS]...", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_summaries(name: str) -> None:
    """The summary of a command is the first sentence of its own help."""
    assert load(name).get_short_help_str(200) == COMMANDS[name]
