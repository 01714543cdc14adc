"""Converts the docstrings of this project: Markdown's code, tables and terms, and trees drawn with lines."""  # noqa: INP001

import builtins
import re
from itertools import groupby

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

TREE = ("├", "│", "└")
INDENT = "    "
QUOTED = re.compile(r"(``.+?``|`[^`]+`)(?=(\w?))")
"""Quoted text and the character after it: reStructuredText needs a gap in `Node`s."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", to_rest, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", skip)
    app.connect("doctree-read", unlink_builtins)
    return {"parallel_read_safe": True}


def skip(_app: Sphinx, _what: str, name: str, obj: object, _skip: bool, _options: object) -> bool | None:
    """Leave out members without a docstring of their own, and the rules, which have pages of their own."""
    return True if name.startswith("test_") or (obj.__doc__ or "").startswith("Alias for field") else None


def unlink_builtins(_app: Sphinx, tree: nodes.document) -> None:
    """Remove links from builtins: the type `object` is not an attribute `object` of one of our classes."""
    for link in list(tree.findall(pending_xref)):
        if link["refdomain"] == "py" and link["reftarget"] in vars(builtins):
            link.replace_self(link.children)


def to_rest(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Convert a docstring to reStructuredText, a paragraph at a time."""
    out: list[str] = []
    in_code = False
    for filled, group in groupby(lines, key=lambda line: bool(line.strip())):
        paragraph = list(group)
        indented = all(line.startswith(INDENT) for line in paragraph)
        if not filled or (in_code and indented):
            out += paragraph
            continue
        in_code = indented and _is_plain(out)
        if in_code:
            out += [".. code-block:: python", "", *paragraph]
        elif any(line.startswith(TREE) for line in paragraph):
            out += [".. code-block:: text", "", *(INDENT + line for line in paragraph)]
        elif all(line.startswith("|") for line in paragraph):
            out += _table(paragraph)
        elif _are_terms(paragraph):
            out += [line if line.startswith(" ") else f"* {line}" for line in paragraph]
        else:
            out += [QUOTED.sub(_with_gap, line) for line in paragraph]
    lines[:] = out


def _with_gap(quoted: re.Match[str]) -> str:
    return f"{quoted[1]}\\ " if quoted[2] else quoted[1]


def _is_plain(above: list[str]) -> bool:
    """Return whether the last paragraph is text without an indented part."""
    last = next((line for line in reversed(above) if line.strip()), "")
    return not last.startswith((" ", "- ", "* ")) and not last.endswith("::")


def _are_terms(paragraph: list[str]) -> bool:
    """Return whether each unindented line explains a term, and some continue in indented ones."""
    starts = [line for line in paragraph if not line.startswith(" ")]
    return 1 < len(starts) < len(paragraph) and all(line.startswith("`") for line in starts)


def _table(rows: list[str]) -> list[str]:
    """Return a list-table; a row without a first cell continues the row above it."""
    cells = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in rows if not row.startswith("|--")
    ]
    complete: list[list[str]] = []
    for row in cells:
        if row[0] or not complete:
            complete.append(row)
        else:
            complete[-1] = [f"{old} {more}".strip() for old, more in zip(complete[-1], row, strict=True)]
    items = (f"{INDENT}{' ' if at else '*'} - {cell}" for row in complete for at, cell in enumerate(row))
    return [".. list-table::", f"{INDENT}:header-rows: 1", "", *items]
