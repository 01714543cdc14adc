from __future__ import annotations

import os
import re
from pathlib import Path

from support.forked import ANEW, Forker

ROOT = Path(__file__).parents[2]
DOCS, SOURCE = ROOT / "docs", ROOT / "src"
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIRECTIVE = re.compile(r"^```\{public-module\} (\S+)$", re.MULTILINE)


def test_every_public_module_has_its_place_in_the_reference() -> None:
    """Each public module that has an `__all__` is on one page of docs/reference, once."""
    public = sorted(
        ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for file in SOURCE.rglob("*.py")
        if _has_all(file) and not _is_private(file)
    )
    documented = sorted(
        name for page in (DOCS / "reference").glob("*.md") for name in DIRECTIVE.findall(_text(page))
    )
    assert documented == public, "docs/reference must have one {public-module} for each public module"


def test_every_page_is_in_a_table_of_contents() -> None:
    """Each page of the documentation is in a toctree, and each entry of a toctree is a page."""
    pages = {file for file in DOCS.rglob("*.md") if "_ext" not in file.parts}
    listed = {entry for page in pages for entry in _entries(page)}
    assert listed == pages - {DOCS / "index.md"}, "the toctrees must list each page, and nothing else"


def test_the_first_example(forker: Forker) -> None:
    """The example of the first page runs as it is."""
    block = re.search(r"^```python\n(.*?)^```$", _text(DOCS / "index.md"), re.MULTILINE | re.DOTALL)
    assert block
    done = forker.run([], os.environ, "", 60, f"{ANEW}{block[1]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"web running [\d.]+\n", done.stdout)


def _has_all(file: Path) -> bool:
    return re.search("^__all__ =", _text(file), re.MULTILINE) is not None


def _is_private(file: Path) -> bool:
    """Whether a name in its path begins with an underscore, or it is part of the command line."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return not {"cli", "scaffold"}.isdisjoint(parts) or any(
        part.startswith("_") and part != "__init__" for part in parts
    )


def _entries(page: Path) -> set[Path]:
    """Return the pages that a page's toctrees list."""
    lines = [line for tree in TOCTREE.findall(_text(page)) for line in tree.splitlines()]
    names = [line for line in lines if line and not line.startswith(":")]
    return {
        found
        for name in names
        for found in (page.parent.glob(f"{name}.md") if "*" in name else [page.parent / f"{name}.md"])
        if found != page
    }


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
