"""`polycloud check-program`: the names of Libcloud in a program that polycloud lacks, or has otherwise."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from polycloud.cli import options, output
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polycloud.libcloud.checking import Finding, Report, Verdict

__all__ = ["app", "check_program"]

STYLES = {"missing": "bold red", "bridge": "red", "differs": "yellow"}
WORDS = {
    "same": ("the same", "the same"),
    "differs": ("differs", "differ"),
    "bridge": ("only over the bridge", "only over the bridge"),
    "missing": ("missing", "missing"),
}
"""The words for a verdict on one name, and on several."""


def check_program(
    *,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Programs, notebooks, and directories of them; - for standard input."
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Check programs that were written for Libcloud.

    Lists the names of Libcloud that a program uses and that polycloud lacks, or has otherwise, and says what
    to use instead. The program is read, not run. The exit status is 1 if a name is lacking or a file cannot
    be checked.
    """
    from polycloud.libcloud.checking import check_programs

    if paths.count("-") > 1:
        raise InvalidArgumentError("standard input can be read once: give - once")
    report = check_programs(paths)
    if as_json:
        _show_json(report)
    else:
        _show(report)
    if report.is_lacking or report.problems:
        raise typer.Exit(output.FAILED)


def _show_json(report: Report) -> None:
    output.json(
        {
            "files": report.files,
            "using_libcloud": report.users,
            "names": {verdict: report.count(verdict) for verdict in _verdicts()},
            "findings": list(map(asdict, report.findings)),
            "not_seen": list(map(asdict, report.unseen)),
            "not_checked": list(map(asdict, report.problems)),
        }
    )


def _verdicts() -> Sequence[Verdict]:
    from polycloud.libcloud.checking import Verdict

    return list(Verdict)


def _show(report: Report) -> None:
    if report.findings and output.at_terminal():
        _print_table(report.findings)
    else:
        for one in report.findings:
            output.line(f"{one.place}: {one.verdict}: {one.name}: {one.note}")
    for unseen in report.unseen:
        output.line(f"{unseen.place}: not seen: {unseen.note}", "dim")
    for problem in report.problems:
        output.note(f"{problem.place}: not checked: {problem.reason}")
    output.line(summary(report))


def _print_table(findings: Sequence[Finding]) -> None:
    from rich.box import ROUNDED
    from rich.table import Table
    from rich.text import Text

    table = Table(box=ROUNDED, header_style="bold", border_style="dim", show_lines=True)
    for header in ("place", "verdict", "name and what to do"):
        table.add_column(header, overflow="fold")
    for one in findings:
        what = Text(output.printable(one.name), "bold").append(f"\n{output.printable(one.note)}", "not bold")
        table.add_row(output.printable(one.place), Text(one.verdict, STYLES[one.verdict]), what)
    output.console().print(table)


def summary(report: Report) -> str:
    """Return one line: how many names of Libcloud are used, and what becomes of them."""
    used = len(report.names)
    if not used:
        read = "1 program was read" if report.files == 1 else f"{report.files} programs were read"
        return f"no names of Libcloud are used; {read}"
    counts = [
        f"{count} {WORDS[verdict][count > 1]}" for verdict in _verdicts() if (count := report.count(verdict))
    ]
    names = "1 name" if used == 1 else f"{used} names"
    return f"{names} of Libcloud used in {report.users} of {report.files} files: {', '.join(counts)}"


app = options.single(check_program)
