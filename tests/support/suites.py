"""Runs a conformance suite on a faulty driver, and reads the document of its rules."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import httptools  # noqa: F401 - each run of pytester would import these two again, with other classes
import pytest

import polycloud.aio  # noqa: F401
from polycloud.testing.conformance.base import number_of

DOCUMENTS = Path(__file__).parents[2] / "docs" / "rules"


class Outcome(NamedTuple):
    """The failures of the rules that were broken, by number, and the errors of fixtures."""

    broken: dict[str, str]
    errors: list[str]


def judge(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    suite: type[Any],
    driver: type[Any],
    numbers: Collection[str] = (),
) -> Outcome:
    """Run the rules with these numbers, or all, of a suite of `file`, whose driver is named by SEEDED."""
    monkeypatch.setenv("SEEDED", driver.__name__)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take seconds to load
    ini = pytester.makeini(
        f"[pytest]\npython_classes = {suite.__name__}\npython_functions = {collected(numbers)}\n"
        "addopts = --import-mode=importlib --assert=plain --tb=native\nfilterwarnings = error\n"
    )
    record = pytester.inline_run("-c", ini, file)
    reports = record.getreports("pytest_runtest_logreport")
    assert reports, "nothing was run"
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
