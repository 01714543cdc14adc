from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

LOADED = """
import os, sys
os.environ.update(item.split("=", 1) for item in sys.argv.pop(1).split(";") if item)
from polycloud.cli.main import run
try:
    run()
except SystemExit:
    heavy = ("rich.console", "rich.table", "msgspec", "urllib3", "asyncio", "starlette", "asyncssh",
             "pydantic", "polycloud.compute", "polycloud.dns", "polycloud.config", "polycloud.fleet")
    print("loaded:", *(name for name in heavy if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (("--version",), ""),
        (("--help",), ""),
        (("nodes", "--help"), ""),
        (("dns", "records", "--help"), ""),
        ((), "_POLYCLOUD_COMPLETE=complete_bash;COMP_WORDS=polycloud pro;COMP_CWORD=1"),
        ((), "_POLYCLOUD_COMPLETE=complete_bash;COMP_WORDS=polycloud nodes st;COMP_CWORD=2"),
    ],
)
def test_commands_without_a_cloud_import_little(run: Run, arguments: tuple[str, ...], variables: str) -> None:
    """The version, help, and completion of commands import neither drivers nor tables nor an HTTP client."""
    done = run(variables, *arguments, fresh=LOADED)
    assert done.stdout.splitlines()[-1] == "loaded:", done.stdout + done.stderr


def test_a_list_loads_one_driver(run: Run, dummies: dict[str, str]) -> None:
    """A list imports its driver, and neither another one, the sandbox, SSH nor Pydantic."""
    more = '"polycloud.sandbox", "polycloud.compute.drivers.digitalocean"'
    program = LOADED.replace('"rich.table"', more)
    done = run("", "nodes", "list", "-o", "table", "--sort", "name", fresh=program, **dummies)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "polycloud.fleet" in loaded
    assert "rich.console" not in loaded
    others = {"polycloud.compute.drivers.digitalocean", "polycloud.sandbox", "asyncssh", "pydantic"}
    assert not others & loaded
