"""Measure polycloud, its peer and raw HTTP side by side and print one table; run by `make bench`.

    python bench/compare.py --core PYTHON --peer PYTHON --nephoscale PYTHON [--rows import,call] [--json FILE]

Each measurement is a process of its own. The sides are measured in turn, in pairs; the table has the median
and the spread of the ratios of these pairs. Absolute figures depend on the machine, ratios less so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import storm
from rows import ROWS, Row, Way

from polycloud.cli import output
from polycloud.version import __version__

HERE = Path(__file__).parent
HEADERS = ("row", "task", "unit", "polycloud", "beside", "", "less by", "spread", "limit", "", "of limit")
Figures = dict[str, float]
Pythons = dict[str, str]
Result = dict[str, Any]


class Failed(Exception):
    """A measurement that ended with an error."""


@contextlib.contextmanager
def serving(arguments: str) -> Iterator[tuple[list[str], list[str]]]:
    """A server in another process: the words that it printed, and after the block what it ended with."""
    command = [sys.executable, str(HERE / "servers.py"), *arguments.split()]
    ended: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split(), ended
        finally:
            ended.append(server.communicate()[0])


class Measuring:
    """Measures rows. Servers are started once a row; those that are counted in, once a measurement."""

    def __init__(self, pythons: Pythons) -> None:
        self.pythons = pythons

    def row(self, row: Row) -> list[Result]:
        """The results of a row, one for each of its figures."""
        sides = {name: way for name in ("ours", "peer", "limit") if (way := getattr(row, name)) is not None}
        rounds: list[dict[str, Figures]] = []
        with contextlib.ExitStack() as stack:
            servers = {
                server: stack.enter_context(serving(server))[0]
                for server in dict.fromkeys(way.server for way in sides.values())
                if server and not server.startswith("faults")
            }
            for at in range(row.pairs):
                order = (
                    list(sides) if at % 2 == 0 else list(reversed(sides))
                )  # whoever is first may pay for it
                found = {side: self.run(sides[side], servers) for side in order}
                rounds.append(found)
        return [_result(row, figure, unit, rounds) for figure, unit in row.figures.items()]

    def run(self, way: Way, servers: dict[str, list[str]]) -> Figures:
        """The figures of one measurement."""
        if way.server and way.server not in servers:
            with serving(way.server) as (where, ended):
                told = self._run(way, where)
            return storm.count(told, json.loads(ended[0]))
        figures: Figures = self._run(way, servers.get(way.server or "", []))
        return figures

    def _run(self, way: Way, where: Sequence[str]) -> Any:
        # Both sides run from compiled files, as installed programs do
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [self.pythons[way.python], str(HERE / way.program), *way.arguments.split(), *where],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        if done.returncode:
            raise Failed(done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}")
        return json.loads(done.stdout)


def _result(row: Row, figure: str, unit: str, rounds: list[dict[str, Figures]]) -> Result:
    """The medians of a figure, and the ratios of the pairs."""
    result: Result = {"row": row.name, "task": row.task, "unit": unit, "pairs": len(rounds)}
    if unit == "count":
        result["unit"] = figure
    values = {side: [each[side].get(figure) for each in rounds] for side in rounds[0]}
    for side, all_ in values.items():
        if None not in all_:
            result[side] = statistics.median(all_)  # type: ignore[type-var]
    if "peer" in result:
        result["beside"] = row.beside
    if "limit" in result:
        result["at"] = row.at
    for name, over, under in (("less_by", "peer", "ours"), ("of_limit", "ours", "limit")):
        if over in result and under in result and unit != "count":
            pairs = zip(values[over], values[under], strict=True)
            ratios = [above / below for above, below in pairs]  # type: ignore[operator]
            result[name] = [statistics.median(ratios), min(ratios), max(ratios)]
    return result


def cells(result: Result) -> list[str]:
    """A line of the table."""
    if "failed" in result:
        return [result["row"], result["task"], f"failed: {result['failed']}", *[""] * (len(HEADERS) - 3)]
    ratio, least, most = result.get("less_by", (None, None, None))
    limit = result.get("of_limit", (None,))[0]
    return [
        result["row"],
        result["task"],
        result["unit"],
        *(_number(result.get(side)) for side in ("ours", "peer")),
        result.get("beside", ""),
        "" if ratio is None else f"{ratio:.2f}x",
        "" if ratio is None or result["pairs"] == 1 else f"{least:.2f}-{most:.2f}",
        _number(result.get("limit")),
        result.get("at", ""),
        "" if limit is None else f"{limit:.2f}x",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status is 1 if a row failed."""
    known = list(dict.fromkeys(row.name for row in ROWS))
    parser = argparse.ArgumentParser(description="Measure polycloud beside apache-libcloud and raw HTTP.")
    parser.add_argument(
        "--rows", default="", help=f"only these, such as import,call; there are {', '.join(known)}"
    )
    parser.add_argument("--json", metavar="FILE", help="write the results to a file too; - for stdout, alone")
    for side in ("core", "peer", "nephoscale"):
        parser.add_argument(f"--{side}", default=sys.executable, metavar="PYTHON")
    given = parser.parse_args(arguments)
    wanted = [name for name in given.rows.split(",") if name] or known
    if unknown := set(wanted) - set(known):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    measuring = Measuring({**vars(given), "dev": sys.executable})
    results: list[Result] = []
    for row in ROWS:
        if row.name not in wanted:
            continue
        with output.working(f"measuring {row.name}: {row.task}"):
            try:
                results += measuring.row(row)
            except Failed as failure:
                results.append({"row": row.name, "task": row.task, "failed": str(failure)})
    _print(results, given.json)
    return int(any("failed" in result for result in results))


def _print(results: list[Result], file: str | None) -> None:
    about = {
        "polycloud": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": results,
    }
    if file == "-":
        output.json(about)
        return
    if file:
        Path(file).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    output.table(HEADERS, *_sections(results))


def _sections(results: list[Result]) -> list[list[list[str]]]:
    sections: dict[str, list[list[str]]] = {}
    for result in results:
        sections.setdefault(result["row"], []).append(cells(result))
    return list(sections.values())


if __name__ == "__main__":
    sys.exit(main())
