from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"
NUMBER = "450"
SMALLER = """
import dataclasses, sys
sys.path.insert(0, sys.argv.pop(1))
import compare, rows
call = next(row for row in rows.ROWS if row.name == "call")
compare.ROWS = (dataclasses.replace(call, pairs=2, peer=call.ours), dataclasses.replace(call, name="broken",
    ours=rows.Way("measure.py", "nonsense", call.ours.server)))
sys.exit(compare.main())
"""


@pytest.fixture(scope="module")
def pages() -> Iterator[list[str]]:
    """The host and port of a server of recorded lists."""
    command = [sys.executable, str(BENCH / "servers.py"), "pages", NUMBER, "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()
        server.communicate()


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.campaign
@pytest.mark.parametrize("provider", ["digitalocean", "nephoscale", "ec2"])
def test_recorded_lists(pages: list[str], provider: str) -> None:
    """Recorded lists are complete lists to the drivers, and their CPU and memory are measured."""
    assert json.loads(run("measure.py", "list", provider, NUMBER, *pages).stdout)["cpu_us"] > 0
    assert json.loads(run("measure.py", "memory", provider, NUMBER, *pages).stdout)["bytes"] > 0
    assert "AssertionError" in run("measure.py", "list", provider, "451", *pages).stderr


@pytest.mark.campaign
def test_recorded_records(pages: list[str]) -> None:
    """The recorded list of a zone's records is complete, and its CPU and memory are measured."""
    assert json.loads(run("route53.py", "list", NUMBER, *pages).stdout)["cpu_us"] > 0
    assert json.loads(run("route53.py", "memory", NUMBER, *pages).stdout)["bytes"] > 0
    assert "AssertionError" in run("route53.py", "list", "451", *pages).stderr


STEPS = (
    *("bare", "http.client", "urllib3", "transport", "request", "driver"),
    *("droplets 450", "instances 450", "record-sets 450"),
)


@pytest.mark.campaign
@pytest.mark.parametrize("step", STEPS)
def test_limits(pages: list[str], step: str) -> None:
    """Each step of the ladder, and each list without a library, is measured."""
    done = run("limits.py", *step.split(), *pages)
    assert json.loads(done.stdout)["cpu_us"] > 0, done.stderr


@pytest.mark.campaign
@pytest.mark.parametrize("task", ["puts", "gets", "puts32", "gets32", "list", "up", "down"])
def test_objects(task: str) -> None:
    """Each task with objects is carried out by our driver, and measured."""
    command = [sys.executable, str(BENCH / "servers.py"), "objects"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        done = run("objects.py", "polycloud", task, *server.stdout.readline().split())
        server.communicate()
    assert min(json.loads(done.stdout).values()) > 0, done.stderr


@pytest.mark.campaign
def test_the_table() -> None:
    """The table has each side's median and their ratios; a row that fails says so, and the status is 1."""
    options = [f"--{side}={sys.executable}" for side in ("core", "peer", "nephoscale")]
    command = [sys.executable, "-c", SMALLER, str(BENCH), *options, "--json=-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    measured, broken = json.loads(done.stdout)["rows"]
    assert measured["pairs"] == 2
    assert min(measured["ours"], measured["peer"], measured["limit"]) > 0
    ratio, least, most = measured["less_by"]
    assert least <= ratio <= most
    assert broken["failed"] == "KeyError: 'nonsense'"
    assert done.returncode == 1


def test_an_unknown_row() -> None:
    """A row that does not exist is refused with the names of those that do."""
    done = run("compare.py", "--rows", "import,nonsense")
    assert done.returncode == 2
    assert "there is no row nonsense; there are import, call, at-once" in done.stderr
