from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]


def test_sizes_of_all_accounts_by_price(run: Run, both: dict[str, str]) -> None:
    """Sizes of all accounts with enough CPUs and RAM are listed, the cheapest first."""
    done = run("prices", "--cpu", "2", "--ram", "2048", "--json", **both)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {size["account"] for size in found} == {"office", "prod"}
    assert {size["provider"] for size in found} == {"NephoScale", "DigitalOcean"}
    assert all(size["cpus"] >= 2 and size["ram_mb"] >= 2048 for size in found)
    prices = [size["usd_hour"] for size in found if size["usd_hour"] is not None]
    assert prices == sorted(prices)
    for size in found:
        if size["usd_hour"] is not None and size["account"] == "office":
            assert size["usd_month"] == round(size["usd_hour"] * 730, 2)


def test_the_price_of_a_month(run: Run, both: dict[str, str]) -> None:
    """The price of a month is the provider's own where it has one."""
    done = run(
        "sizes", "show", "s-1vcpu-1gb", "-p", "prod", "--columns", "usd_hour,usd_month", "--json", **both
    )
    assert json.loads(done.stdout) == {"usd_hour": 0.00893, "usd_month": 6}


def test_a_selection(run: Run, both: dict[str, str]) -> None:
    """Profiles, filters and limits select sizes as in every list."""
    done = run("prices", "-p", "prod", "--filter", "id=s-*", "--limit", "2", "--columns", "id", **both)
    assert [line[:2] for line in done.stdout.splitlines()[1:]] == ["s-", "s-"]


def test_the_date_of_prices(run: Run, both: dict[str, str]) -> None:
    """Date and source of polycloud's own prices are printed once with a table, and not with JSON or CSV."""
    found = "NephoScale's prices are of 2013 to 2020: prices that users of the NephoScale API recorded"
    done = run("prices", **both)
    assert done.stderr.startswith(found)
    assert done.stderr.count("\n") == 1
    for options in (["--json"], ["--csv"], ["--profile", "prod"]):
        assert run("prices", *options, **both).stderr == ""
