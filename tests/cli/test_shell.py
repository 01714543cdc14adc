from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytest.importorskip("readline")


def test_conn_and_fleet(run: Run, dummies: dict[str, str]) -> None:
    """The prompt has `conn` for one account, and `fleet` for all selected accounts."""
    done = run("shell", input="print(len(conn.list_nodes()), [*fleet.accounts])\n", **dummies)
    assert done.returncode == 0
    assert "2 ['home']" in done.stdout
    done = run(
        "shell",
        "--all",
        input="print([result.account for result in fleet.list_nodes()], 'conn' in dir())\n",
        **dummies,
    )
    assert "['home', 'work'] False" in done.stdout or "['work', 'home'] False" in done.stdout


def test_tab_completes(terminal: Callable[..., Any], dummies: dict[str, str]) -> None:
    """At a terminal the tab key completes the names of a driver's methods."""
    screen = terminal("shell", **dummies)
    screen.until(">>> ")
    screen.type("conn.list_loc\t\r")
    screen.until("Island Datacenter")
    screen.type("exit()\r")
    assert screen.end() == 0
