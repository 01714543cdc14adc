"""Find and read the programs that are to be checked: files, directories, notebooks. They are text here."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

STDIN = "-"
SUFFIXES = {".py", ".pyw", ".ipynb"}
NOTEBOOK = ".ipynb"
WORD = b"libcloud"
LARGEST = 10_000_000
"""The most bytes of a program."""
LEFT_OUT = {"__pycache__", "node_modules"}
"""Directories that are not entered, beside hidden ones and virtual environments."""
MAGIC = re.compile(r"(\s*)[%!?]")
OTHER_CELL = re.compile(r"\s*%%(?!(?:capture|prun|time|timeit)\b)")
"""A cell in another language."""
PYTHON_2 = {
    "a print statement": r"^\s*print\s+[^\s(=.,\[]|^\s*print\s*>>|;\s*print\s+['\"\w]",
    "except with a comma": r"^\s*except\s+[\w.()\s,]+,\s*\w+\s*:",
    "raise with a comma": r"^\s*raise\s+[\w.]+\s*,",
    "an exec statement": r"^\s*exec\s+['\"\w]",
    "the operator <>": r"<>",
    "backticks": r"`",
    "an octal number such as 0644": r"(?<![\w.])0[0-7]+(?![\w.])",
    "a prefix ur": r"\b[uU][rR]['\"]",
    "a number such as 1L": r"(?<![\w.])\d+[lL]\b",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file was not checked; `line` is None unless one line is the reason."""

    path: str
    line: int | None
    reason: str

    @property
    def place(self) -> str:
        """The file, and the line if there is one."""
        return self.path if self.line is None else f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, parsed; None if the word "libcloud" is not in it. `cells` are the first lines of cells."""

    path: str
    tree: ast.Module | None
    lines: Sequence[str] = ()
    cells: Sequence[int] = ()

    def place(self, line: int, column: int) -> tuple[str, int, int]:
        """Return the file (and cell), line and column of what stands at a byte of a line."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        column = len(text.encode()[: column - 1].decode(errors="replace")) + 1
        cell = sum(first <= line for first in self.cells)
        return (
            (f"{self.path}:cell {cell}", line - self.cells[cell - 1] + 1, column)
            if cell
            else (self.path, line, column)
        )


def programs(paths: Sequence[str], stdin: IO[bytes]) -> Iterator[Program | Problem]:
    """Read the programs in `paths`: files, directories with all below them, and "-" for `stdin`.

    Raises:
        InvalidArgumentError: There is nothing at a path.
    """
    for path in paths:
        if path != STDIN and not os.path.lexists(path):
            raise InvalidArgumentError(f"there is no file or directory {shown(path)}")
    for path in paths:
        if path == STDIN:
            yield from _read("<stdin>", stdin)
            continue
        for file in _files(path):
            if isinstance(file, Problem):
                yield file
                continue
            try:
                with Path(file).open("rb") as stream:
                    yield from _read(file, stream)
            except OSError as error:
                yield Problem(file, None, f"cannot be read: {error.strerror or error}")


def _files(path: str) -> Iterator[str | Problem]:
    """Yield the files that are programs, in a stable order. Links to directories are not followed."""
    if not Path(path).is_dir():
        yield path
        return
    failed: list[Problem] = []

    def note(error: OSError) -> None:
        failed.append(Problem(str(error.filename), None, f"cannot be read: {error.strerror}"))

    for folder, folders, files in os.walk(path, onerror=note):
        folders[:] = sorted(one for one in folders if _is_entered(Path(folder, one)))
        for name in sorted(files):
            file = Path(folder, name)
            if not _is_stream(file) and (file.suffix in SUFFIXES or (not file.suffix and _is_script(file))):
                yield str(file)
        yield from failed
        failed.clear()
    yield from failed


def _is_entered(folder: Path) -> bool:
    is_hidden = folder.name.startswith(".") or folder.name in LEFT_OUT
    return not (is_hidden or (folder / "pyvenv.cfg").exists())


def _is_stream(file: Path) -> bool:
    """Return whether a file is a pipe, a socket or a device, of which a read may wait for ever."""
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except OSError:  # such as a link to nothing, which is a problem where it is read
        return False


def _is_script(file: Path) -> bool:
    """Return whether the first line of a file calls Python."""
    try:
        with file.open("rb") as stream:
            return re.match(rb"#!.*\bpython", stream.readline(200)) is not None
    except OSError:
        return False


def _read(path: str, stream: IO[bytes]) -> Iterator[Program | Problem]:
    data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        yield Problem(path, None, f"is larger than {LARGEST // 1_000_000} MB")
    elif WORD not in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield Program(path, None)
    elif path.endswith(NOTEBOOK):
        yield from _read_notebook(path, data)
    else:
        yield from _read_text(path, data)


def _read_text(path: str, data: bytes) -> Iterator[Program | Problem]:
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
        text = data.decode(encoding)
    except SyntaxError as error:  # of the line that declares an encoding
        yield Problem(path, None, f"is in no known encoding: {error.msg}")
        return
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield Problem(
            path, line, f"is not {error.encoding}: declare the encoding in the first line (PEP 263)"
        )
        return
    tree = _parsed(path, text)
    yield tree if isinstance(tree, Problem) else Program(path, tree, _lines(text))


def _lines(text: str) -> list[str]:
    """Split a text into lines as Python does, which knows fewer line ends than `str.splitlines`."""
    return re.split(r"\r\n|\r|\n", text)


def _parsed(path: str, text: str) -> ast.Module | Problem:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        return Problem(path, error.lineno, _reason(error, text))
    except (ValueError, RecursionError, MemoryError) as error:  # null characters; nesting
        return Problem(path, None, f"cannot be parsed: {str(error) or 'it is nested too deeply'}")


def _reason(error: SyntaxError, text: str) -> str:
    lines = _lines(text)
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    for what, pattern in PYTHON_2.items():
        if re.search(pattern, line):
            return f"is a program for Python 2 ({what}): convert it to Python 3 first, such as with 2to3"
    return f"has a syntax error: {error.msg}"


def _read_notebook(path: str, data: bytes) -> Iterator[Program | Problem]:
    """Read the cells of a notebook as one program, in which commands of the notebook are blank lines."""
    try:
        sources = [_source(cell) for cell in json.loads(data)["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield Problem(path, None, "is not a notebook: its JSON has no list of cells")
        return
    body: list[ast.stmt] = []
    lines: list[str] = []
    cells: list[int] = []
    for number, source in enumerate(sources, 1):
        cells.append(len(lines) + 1)
        own = _lines(source)
        if OTHER_CELL.match(source):
            own = [""]
        text = "\n".join(f"{match[1]}pass" if (match := MAGIC.match(line)) else line for line in own)
        tree = _parsed(f"{path}:cell {number}", text)
        if isinstance(tree, Problem):
            yield tree
        else:
            body += [ast.increment_lineno(node, len(lines)) for node in tree.body]
        lines += own
    yield Program(path, ast.Module(body, []), lines, cells)


def _source(cell: dict[str, Any]) -> str:
    """Return the code of a cell; "" of a text."""
    source = cell["source"] if cell["cell_type"] == "code" else ""
    return source if isinstance(source, str) else "".join(source)
