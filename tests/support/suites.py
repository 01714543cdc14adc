"""Runs a conformance suite on a faulty driver, and reads the document of its rules."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.unraisableexception import gc_collect_iterations_key

from polycloud.testing.conformance.base import number_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "docs" / "rules"
UNUSED = "cacheprovider debugging doctest faulthandler junitxml legacypath logging pastebin stepwise"
"""Plugins of pytest that no rule uses; they take a third of a short session."""


class Outcome(NamedTuple):
    """The failures of the rules that were broken, by number, and the errors of fixtures."""

    broken: dict[str, str]
    errors: list[str]


class Reports:
    """A plugin that keeps the reports of a session."""

    def __init__(self) -> None:
        self.all: list[pytest.TestReport] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        """Leave garbage collection to the session around this one, as `pytester` does: it takes long."""
        config.stash[gc_collect_iterations_key] = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a report."""
        self.all.append(report)


def run(
    monkeypatch: pytest.MonkeyPatch, folder: Path, file: str | Path, classes: str, numbers: Collection[str]
) -> list[pytest.TestReport]:
    """Run the rules with these numbers, or all, of these classes of `file`; `folder` is for the session.

    `pytester` would import anew, for each run, all that a run is the first to import.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take seconds to load
    ini = folder / "pytest.ini"
    ini.write_text(
        f"[pytest]\npython_classes = {classes}\npython_functions = {collected(numbers)}\n"
        "addopts = --import-mode=importlib --assert=plain --tb=native --capture=no --noconftest\n"
        "filterwarnings = error\n"
    )
    # A file that pytest has imported from this root keeps its module
    places = [f"--rootdir={ROOT}", f"--confcutdir={Path(file).parent}", f"--basetemp={folder / 'session'}"]
    unused = [f"-pno:{name}" for name in UNUSED.split()]
    reports = Reports()
    pytest.main(["-c", str(ini), *places, *unused, str(file)], plugins=[reports])
    assert reports.all, "nothing was run"
    return reports.all


def judge(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    file: str,
    suite: type[Any],
    driver: type[Any],
    numbers: Collection[str] = (),
) -> Outcome:
    """Run the rules with these numbers, or all, of a suite of `file`, whose driver is named by SEEDED."""
    monkeypatch.setenv("SEEDED", driver.__name__)
    reports = run(monkeypatch, folder, file, suite.__name__, numbers)
    failed = [report for report in reports if report.failed]
    return Outcome(
        {
            number_of(report.nodeid.rpartition("::")[2]): report.longreprtext
            for report in failed
            if report.when == "call"
        },
        [report.longreprtext for report in failed if report.when != "call"],
    )


def collected(numbers: Collection[str]) -> str:
    """Return pytest's `python_functions` for the rules with these numbers, or all; no other is collected."""
    return " ".join(f"test_{number.lower()}_*" for number in sorted(numbers)) or "test_[a-z][0-9]*"


def stated_rules(document: str) -> list[tuple[str, str]]:
    """Return number and sentence of each rule that a document of docs/rules states."""
    text = (DOCUMENTS / document).read_text(encoding="utf-8")
    return re.findall(r"^- \*\*([A-Z]\d\d)\*\* (.+)$", text, re.MULTILINE)
