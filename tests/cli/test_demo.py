from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from polycloud.cli.commands.demo import STEPS, Session, amazon
from polycloud.errors import NotFoundError, PolycloudError
from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import contextlib
    import subprocess
    from collections.abc import Callable

    AtTerminal = Callable[..., str]
    Run = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., contextlib.AbstractContextManager[subprocess.Popen[str]]]

SHOWN = re.compile(r"^(?:>>>|\.\.\.) (.*)$", re.MULTILINE)
ACTIONS = (
    "list_locations",
    "list_sizes",
    "list_images",
    "create_key_pair",
    "ex_create_keypair",
    "create_node",
    "wait_until_running",
    "list_nodes",
    "reboot_node",
    "shutdown_node",
    "start_node",
    "rename_node",
    "delete_key_pair",
    "destroy",
)
FASTER = """
from polycloud.cli.commands import demo
from polycloud.cli.main import run
demo.SETTINGS[demo.Speed.FAST].update(appear=0.1, build=0.5, power=0.1, destroy=0.1)
demo.OTHERS.update(build=0.2, power=0.1)
run()
"""


@pytest.mark.campaign
def test_the_walk_without_a_terminal(run: Run) -> None:
    """The demo shows every step and error in plain lines of valid Python, and leaves nothing behind."""
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    for number, (title, _) in enumerate(STEPS, 1):
        assert f"\n{number}/{len(STEPS)}  {title}\n" in done.stdout
    for action in ACTIONS:
        assert f"{action}(" in "".join(SHOWN.findall(done.stdout))
    for error in ("InvalidCredsError", "NotFoundError", "UnsupportedOperationError"):
        assert f"\n{error}: " in done.stdout
    assert "'12345'" in done.stdout
    assert "until []\n[]\n" in done.stdout
    assert re.search("^Amazon EC2 .* web .* running ", done.stdout, re.MULTILINE)
    assert "\nNo deployment here: moto, which plays EC2, has no machines.\n" in done.stdout
    compile("\n".join(SHOWN.findall(done.stdout)), "demo", "exec")


def test_the_walk_at_a_terminal(at_terminal: AtTerminal) -> None:
    """At a terminal there are ruled tables, colours, and a bar for each node that builds."""
    sent = at_terminal("demo", program=FASTER)
    assert "╭" in sent
    assert "\x1b[1m" in sent
    assert "━━━" in sent
    assert "building" in sent
    assert "built" in sent


def test_without_moto(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without moto the demo names in one line what to install, and continues."""
    monkeypatch.setitem(sys.modules, "moto", None)
    with Sandbox("nephoscale") as cloud:
        amazon(Session(cloud, build=0.0))
    assert capsys.readouterr().out == (
        "Skipped: the sandbox's AWS needs moto: pip install 'polycloud[moto]'\n"
    )


def test_ctrl_c_names_the_nodes(start: Start) -> None:
    """Ctrl-C names the nodes that existed and exits with 130."""
    with start("demo") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "wait_until_running" in line:
                break
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
        assert "Nodes at that time: web (id 88001), web (id 88002)." in rest
        assert "nothing is left behind" in rest
        assert errors.splitlines()[0] == "interrupted"
        assert process.returncode == 130


def test_a_step_that_should_be_refused_and_is_not() -> None:
    """The demo fails if an expected error does not occur, or another one does."""
    with Sandbox("nephoscale") as cloud:
        session = Session(cloud, build=0.0)
        with pytest.raises(PolycloudError, match="must raise NotFoundError, got 2"):
            session.refused("1 + 1", "NotFoundError")
        session.names["NotFoundError"] = NotFoundError
        with pytest.raises(NotFoundError):
            session.refused("(_ for _ in ()).throw(NotFoundError(404, 'gone'))", "InvalidCredsError")
