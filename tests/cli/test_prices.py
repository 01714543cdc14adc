from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]


def test_sizes_of_all_accounts_by_price(run: Run, both: dict[str, str]) -> None:
    """Sizes of all accounts with enough CPUs and RAM are listed, the cheapest first."""
    done = run("prices", "--cpu", "2", "--ram", "2048", "--json", **both)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {size["account"] for size in told} == {"office", "prod"}
    assert {size["provider"] for size in told} == {"NephoScale", "DigitalOcean"}
    assert all(size["cpus"] >= 2 and size["ram_mb"] >= 2048 for size in told)
    prices = [size["usd_hour"] for size in told if size["usd_hour"] is not None]
    assert prices == sorted(prices)
    for size in told:
        if size["usd_hour"] is not None:
            assert size["usd_month"] == round(size["usd_hour"] * 730, 2)


def test_a_selection(run: Run, both: dict[str, str]) -> None:
    """Profiles, filters and limits hold here as in every list."""
    done = run("prices", "-p", "prod", "--filter", "id=s-*", "--limit", "2", "--columns", "id", **both)
    assert [line[:2] for line in done.stdout.splitlines()[1:]] == ["s-", "s-"]


def test_the_date_of_prices(run: Run, both: dict[str, str]) -> None:
    """Date and source of prices that were shipped are told once, beside tables and plots, not beside JSON."""
    told = "NephoScale's prices are of 2013 to 2020: prices that users of the NephoScale API recorded"
    for options in ([], ["--plot", "-"]):
        done = run("prices", *options, **both)
        assert done.stderr.startswith(told)
        assert done.stderr.count("\n") == 1
    for options in (["--json"], ["--csv"], ["--profile", "prod"]):
        assert run("prices", *options, **both).stderr == ""


def test_a_plot_in_characters(run: Run, both: dict[str, str]) -> None:
    """`--plot -` draws price over RAM with a mark for each provider."""
    done = run("prices", "--plot", "-", **both, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "USD a month"
    assert sorted(lines[-1].split()) == ["DigitalOcean", "NephoScale", "o", "x"]
    assert max(map(len, lines)) <= 80
    field = "".join(lines[1:-4])
    assert "o" in field
    assert "x" in field


def test_a_plot_of_nothing(run: Run, both: dict[str, str]) -> None:
    """Where no size is left there is nothing to draw, and that is said."""
    done = run("prices", "--ram", "999999999", "--plot", "-", **both)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is nothing to draw" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_plot_in_a_file(run: Run, both: dict[str, str], tmp_path: Path) -> None:
    """`--plot FILE` draws a picture in the format that the name ends with; another one is refused."""
    done = run("prices", "--plot", str(tmp_path / "a.svg"), **both)
    assert done.returncode == 0, done.stderr
    assert "USD a month" in (tmp_path / "a.svg").read_text()
    done = run("prices", "--plot", str(tmp_path / "a.xyz"), **both)
    assert done.returncode == 2
    assert "cannot be drawn" in done.stderr
