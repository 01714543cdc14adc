from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polycloud.common.providers import get_driver
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.providers import DRIVERS, names

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    AtTerminal = Callable[..., str]
    Run = Callable[..., subprocess.CompletedProcess[str]]

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9)\d")
STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def other_package(tmp_path: Path) -> Path:
    """A directory with an installed package that has one good driver and one that cannot be imported."""
    (tmp_path / "other.py").write_text(
        "from polycloud.compute.base import NodeDriver\n"
        "class Acme(NodeDriver):\n"
        "    name = 'Acme'\n"
        "    def list_nodes(self): return []\n"
        "    def ex_wave(self): ...\n"
    )
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there\n")
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[polycloud.compute]\nacme = other:Acme\nbroken = broken:Broken\n"
        + "".join(f"acme_region_number_{number} = other:Acme\n" for number in range(6))
    )
    return tmp_path


def compute(run: Run, **variables: str) -> list[dict[str, Any]]:
    """The providers of compute, as JSON."""
    (shown,) = json.loads(run("providers", "--service", "compute", "--json", **variables).stdout)
    assert shown["service"] == "compute"
    providers: list[dict[str, Any]] = shown["providers"]
    return providers


def test_json(run: Run) -> None:
    """The JSON has every service and driver, and each operation of the driver with the result of `offers`."""
    shown = {one["service"]: one["providers"] for one in json.loads(run("providers", "--json").stdout)}
    assert {"compute", "dns", "loadbalancer", "storage"} <= shown.keys()
    assert shown["compute"] == compute(run)
    assert [provider["name"] for provider in shown["compute"]] == names()
    for service, provider in [(name, one) for name, known in shown.items() for one in known]:
        driver = get_driver(service, provider["name"])
        assert provider["title"] == driver.name
        assert provider["error"] is None
        assert provider["extensions"] == driver.extensions()
        assert provider["offers"] == {name: driver.offers(name) for name in driver.operations()}


def test_plain_lines_without_a_terminal(run: Run) -> None:
    """Without a terminal every operation is one line of plain words below the names of the drivers."""
    done = run("providers")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert done.stdout.split("\n")[0].split() == ["compute", *sorted(DRIVERS)]
    compute, *_ = done.stdout.split("\n\n")
    cells = {line.split()[0]: line.split()[1:] for line in compute.splitlines()}
    at = sorted(DRIVERS).index("nephoscale")
    for name in NodeDriver.operations():
        assert cells[name][at] == ("yes" if NephoscaleNodeDriver.offers(name) else "-")


def test_a_table_at_a_terminal(at_terminal: AtTerminal, other_package: Path) -> None:
    """At a terminal of 80 columns no line is longer or broken, however many drivers there are."""
    sent = at_terminal("providers", "--service", "compute", PYTHONPATH=str(other_package))
    lines = [STYLE.sub("", line) for line in sent.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "✓" in sent
    for number in range(6):
        assert sum(f"acme_region_number_{number}" in line for line in lines) == 1
    parts = sum(" compute " in line for line in lines)
    assert parts > 1
    for name in NodeDriver.operations():
        assert sum(f" {name} " in line for line in lines) == parts


def test_no_color(at_terminal: AtTerminal) -> None:
    """With NO_COLOR nothing is coloured."""
    assert COLOUR.search(at_terminal("sandbox", "--help", NO_COLOR="1")) is None
    assert COLOUR.search(at_terminal("providers", NO_COLOR="1")) is None


def test_drivers_of_other_packages(run: Run, other_package: Path) -> None:
    """A driver that another package registers is shown among the others."""
    shown = compute(run, PYTHONPATH=str(other_package))
    acme = next(provider for provider in shown if provider["name"] == "acme")
    assert acme["title"] == "Acme"
    assert acme["extensions"] == ["ex_wave"]
    assert acme["offers"]["get_node"] is True
    assert acme["offers"]["create_node"] is False


def test_a_driver_that_cannot_be_imported(run: Run, other_package: Path) -> None:
    """A driver that cannot be imported is named with the reason; the others are shown."""
    done = run("providers", PYTHONPATH=str(other_package))
    assert done.returncode == 0
    reason = "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"
    assert f"broken              {reason}" in done.stdout
    assert {"acme", "dummy", "nephoscale"} <= set(done.stdout.split("\n")[0].split())
    shown = compute(run, PYTHONPATH=str(other_package))
    assert {provider["name"]: provider["error"] for provider in shown}["broken"] == reason
