"""The examples of docs/cli.md and docs/profiles.md."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from polycloud import config

Run = Callable[..., subprocess.CompletedProcess[str]]

DOCS = Path(__file__).parents[2] / "docs"
CLI, PROFILES = ((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("cli", "profiles"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^\$ polycloud (.*)\n((?:[^$].*\n)*)", re.MULTILINE)


def blocks(page: str, kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page) if found == kind]


EXAMPLES = [found for text in blocks(CLI, "console") for found in EXAMPLE.findall(text)]
COMMANDS = [line for text in blocks(CLI, "sh") for line in text.splitlines() if line.startswith("polycloud ")]


@pytest.mark.parametrize(("command", "printed"), EXAMPLES)
def test_examples_print_what_they_promise(
    run: Run, configured: Callable[[str], Path], command: str, printed: str
) -> None:
    """Each example of docs/cli.md prints the output below it."""
    file = configured(blocks(CLI, "toml")[0])
    done = run(*shlex.split(command), POLYCLOUD_CONFIG=str(file))
    assert sorted((done.stdout + done.stderr).splitlines()) == sorted(printed.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_called_right(run: Run, command: str) -> None:
    """Each command of docs/cli.md that needs a provider exists, with its options."""
    _, *words = shlex.split(command, comments=True)
    done = run(*words[: 3 if words[:2] in (["dns", "zones"], ["dns", "records"]) else 2], "--help")
    assert done.returncode == 0
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if f"  {option} " not in done.stdout] == []


def test_the_configuration_is_one(configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The configurations of both pages are valid."""
    for text in (*blocks(CLI, "toml"), *blocks(PROFILES, "toml")):
        monkeypatch.setenv("POLYCLOUD_CONFIG", str(configured(text)))
        loaded = config.load()
        assert loaded.profiles.keys() == tomllib.loads(text)["profiles"].keys()
        assert loaded.default in loaded.profiles


def test_the_program_runs() -> None:
    """The program of docs/profiles.md runs."""
    (block,) = blocks(PROFILES, "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("['seed-1', 'seed-2']\n", "")
