from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS, SOURCE = ROOT / "tests", ROOT / "src" / "polycloud"
SUITES = SOURCE / "testing" / "conformance"
SENTENCE_END = re.compile(r"[.!?] +[A-Z`]")
SHORTEST = 15
"""Characters of a sentence that says something."""
CONFORMANCE_LINES, DRIVER_LINES = 25, 400
INTERRUPTED = "concurrency/test_waiting.py::test_ctrl_c_ends_a_wait_and_names_it"

Test = ast.FunctionDef | ast.AsyncFunctionDef


def find_tests(file: Path) -> Iterator[Test]:
    """Yield the tests of a module and of its classes."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    for statement in module.body:
        members = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        for member in members:
            if isinstance(member, Test) and member.name.startswith("test_"):
                yield member


def problem_of(docstring: str | None) -> str | None:
    """Return what is wrong with the docstring of a test; None if it is one sentence."""
    if docstring is None:
        return "has no docstring"
    text = " ".join(docstring.split())
    if text[0].islower():
        return "has a docstring that begins in lower case"
    if not text.endswith("."):
        return "has a docstring without a period at its end"
    if "\n\n" in docstring or SENTENCE_END.search(text):
        return "has a docstring of more than one sentence"
    return "has a docstring that is too short" if len(text) < SHORTEST else None


def lines_of(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def test_docstrings_of_tests() -> None:
    """Every test has a docstring of one sentence, from an upper-case letter or a name to a period."""
    problems = [
        f"{file.relative_to(ROOT)}:{test.lineno}: {test.name} {problem}"
        for file in [*sorted(TESTS.rglob("test_*.py")), *sorted(SUITES.rglob("*.py"))]
        for test in find_tests(file)
        if (problem := problem_of(ast.get_docstring(test)))
    ]
    assert not problems, "state the rule that the test checks, in one sentence:\n" + "\n".join(problems)


@pytest.mark.parametrize(
    "docstring",
    [None, "lists nodes in order.", "Nodes are listed", "Nodes are listed. They are sorted.", "It works."],
)
def test_other_docstrings_are_found(docstring: str | None) -> None:
    """A missing docstring is a problem, and so is one that is not one sentence."""
    assert problem_of(docstring)


def test_sizes_of_conformance_files() -> None:
    """A conformance file is called test_<service>_<provider>.py and has at most 25 lines."""
    files = sorted((TESTS / "conformance").glob("*.py"))
    assert files, "there are no conformance files"
    for file in files:
        assert re.fullmatch(r"test_[a-z]+_[a-z0-9_]+\.py", file.name), f"{file.name} is not a valid name"
        assert lines_of(file) <= CONFORMANCE_LINES, f"{file.name} has {lines_of(file)} lines, not 25 or less"


def test_sizes_of_driver_modules() -> None:
    """A driver module has at most 400 lines; a longer one must become a package, one module for each noun."""
    lines = {str(file.relative_to(SOURCE)): lines_of(file) for file in SOURCE.glob("*/drivers/**/*.py")}
    assert lines, "there are no driver modules"
    long = {name: count for name, count in lines.items() if count > DRIVER_LINES}
    assert not long, f"split {long}"


def test_run_in_the_background() -> None:
    """A test that interrupts itself passes in a run that ignores SIGINT, as a shell's background jobs do."""
    run = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(TESTS / INTERRUPTED)]
    shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, *run]
    ended = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout
