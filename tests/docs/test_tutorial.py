from __future__ import annotations

import ast
import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PART = re.compile(r"^## (?=Part )", re.MULTILINE)
NAMED = re.compile(r"# (?P<file>[\w./]+\.\w+)(?:, (?P<where>at the end|at the top|replacing (?P<old>\w+)))?")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
PROMPT = f"""
import doctest, sys
names = {{"__name__": "__main__"}}
exec(compile(open("start.py").read(), "start.py", "exec"), names)
test = doctest.DocTestParser().get_doctest(sys.stdin.read(), names, "the prompt", None, 0)
sys.exit(doctest.DocTestRunner(optionflags={FLAGS & ~doctest.IGNORE_EXCEPTION_DETAIL}).run(test).failed)
"""
"""Runs the lines on stdin as `python -i start.py` would, and compares the output with that in the text."""


@dataclass(frozen=True)
class Block:
    """A block of the page: its language, its text and the line where it begins."""

    language: str
    text: str
    line: int


def parts() -> list[list[Block]]:
    """Return the blocks of each part; each part begins in an empty folder. Blocks of text are left out."""
    page = TUTORIAL.read_text(encoding="utf-8")
    starts = [match.start() for match in PART.finditer(page)]
    blocks = [
        Block(match[1], match[2], page.count("\n", 0, match.start()) + 1) for match in BLOCK.finditer(page)
    ]
    ends = [page.count("\n", 0, start) for start in [*starts[1:], len(page)]]
    return [
        [block for block in blocks if block.language != "text" and first <= block.line <= last]
        for first, last in zip([0, *ends], ends, strict=False)
    ]


class Reader:
    """Follows the page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = Path(sys.executable).parent
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PATH": f"{own}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "PIP_CONFIG_FILE": os.devnull,  # whatever pip installs, it fetches nothing
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def follow(self, block: Block) -> None:
        """Write the block's file, or type its commands and compare what they print."""
        match block.language:
            case "console":
                for command, printed in _typed(block.text):
                    self.run(command, printed)
            case "pycon":
                self.run("python -i start.py", block.text)
            case _:
                self.write(block.text)

    def write(self, text: str) -> None:
        """Change the named file as the first line says."""
        head, _, code = text.partition("\n")
        named = NAMED.fullmatch(head)
        assert named, f"{head!r} names no file"
        file = self.folder / named["file"]
        old = file.read_text(encoding="utf-8") if named["where"] else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        match named["where"]:
            case None:
                new = text
            case "at the end":
                new = f"{old}\n{code}"
            case "at the top":
                new = f"{code}\n{old}"
            case _:
                new = _replaced(old, named["old"], code)
        file.write_text(new, encoding="utf-8")
        if file.suffix == ".py":
            compile(new, file, "exec")

    def run(self, command: str, expected: str) -> None:
        """Run a command; input for the prompt runs as a doctest."""
        line = ["bash", "-c", command]
        at_prompt = command.endswith(" -i start.py")
        if at_prompt:
            line = [command.partition(" ")[0], "-c", PROMPT]
        done = subprocess.run(
            line,
            input=expected if at_prompt else "",
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=100,
        )
        if at_prompt:
            assert done.returncode == 0, done.stdout
            return
        difference = f"{command}\nprinted\n{done.stdout}\ninstead of\n{expected}"
        assert doctest.OutputChecker().check_output(expected, done.stdout, FLAGS), difference


def _typed(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, with the output below it."""
    for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = entry.partition("\n")
        yield command, printed


def _replaced(text: str, name: str, code: str) -> str:
    """Return the text with the statement that defines `name` replaced by `code`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and name in _names(node):
            lines = text.splitlines(keepends=True)
            return "".join([*lines[: node.lineno - 1], code, *lines[node.end_lineno :]])
    raise AssertionError(f"there is no {name} to replace")


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.ImportFrom():
            return [alias.name for alias in node.names]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


@pytest.mark.campaign
@pytest.mark.timeout(400)  # it runs the rules of compute
@pytest.mark.parametrize("blocks", parts(), ids=["nephoscale", "your-provider"])
def test_the_tutorial(blocks: list[Block], tmp_path: Path) -> None:
    """A reader who follows a part of the tutorial block by block gets the output that it shows."""
    reader = Reader(tmp_path)
    for block in blocks:
        try:
            reader.follow(block)
        except AssertionError as difference:
            raise AssertionError(f"{TUTORIAL.name}:{block.line}: {difference}") from None
