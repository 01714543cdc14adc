"""Check a program that was written for Libcloud: which of its names polycloud lacks, or has otherwise.

    report = check_programs(["app.py", "scripts"])
    for finding in report.findings:
        print(finding.place, finding.verdict, finding.name, finding.note)

The program is read, never run or imported. What depends on values that only running it gives is not seen;
`Report.unseen` has the places where that matters.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from polycloud.libcloud.flow import follow
from polycloud.libcloud.judging import Verdict
from polycloud.libcloud.programs import Problem, Program, programs

__all__ = ["Finding", "Problem", "Report", "Unseen", "Verdict", "check_programs"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A name of Libcloud that polycloud lacks, or has otherwise, at a place of a program.

    `path` is the file, of a notebook with the number of the cell; `line` and `column` count from 1. `name`
    begins with `libcloud.`; `note` says what to use instead, or what is different.
    """

    path: str
    line: int
    column: int
    name: str
    verdict: Verdict
    note: str

    @property
    def place(self) -> str:
        """The place as editors and compilers write it."""
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Unseen:
    """A place of which something is known only while the program runs; `note` says what."""

    path: str
    line: int
    column: int
    note: str

    @property
    def place(self) -> str:
        """The place as editors and compilers write it."""
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(slots=True)
class Report:
    """What programs use of Libcloud.

    `files` is how many were read, `users` how many of them name Libcloud, `names` the verdict of each name,
    `findings` those that are not the same here, `unseen` what a reader must check, `problems` the files that
    were not checked.
    """

    files: int = 0
    users: int = 0
    names: dict[str, Verdict] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_lacking(self) -> bool:
        """Whether polycloud lacks one of the names."""
        return any(verdict.is_lacking for verdict in self.names.values())

    def count(self, verdict: Verdict) -> int:
        """Return how many different names have a verdict."""
        return Counter(self.names.values())[verdict]

    def add(self, program: Program) -> None:
        """Add what a program uses."""
        if program.tree is None:
            return
        try:
            uses = follow(program.tree)
        except RecursionError:
            self.problems.append(Problem(program.path, None, "cannot be followed: it is nested too deeply"))
            return
        self.users += bool(uses.found)
        for use in uses.found:
            name = f"libcloud.{use.judgement.name}".rstrip(".")
            self.names[name] = use.judgement.verdict
            if use.judgement.verdict is not Verdict.SAME:
                place = program.place(use.line, use.column)
                self.findings.append(Finding(*place, name, use.judgement.verdict, use.judgement.note))
        self.unseen += [Unseen(*program.place(line, column), note) for line, column, note in uses.unseen]


def check_programs(paths: Sequence[str], stdin: IO[bytes] | None = None) -> Report:
    """Check programs.

    Args:
        paths: Files, directories (with all programs below them), and "-" for `stdin`.
        stdin: The stream that "-" stands for; by default that of the process.

    Raises:
        InvalidArgumentError: There is nothing at a path.
    """
    report = Report()
    for one in programs(paths, stdin or sys.stdin.buffer):
        report.files += 1
        if isinstance(one, Problem):
            report.problems.append(one)
        else:
            report.add(one)
    report.findings.sort(key=lambda one: (one.path, one.line, one.column))
    return report
