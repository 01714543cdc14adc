"""What a program uses of Libcloud, and where."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from polycloud.libcloud import judging, names
from polycloud.libcloud.differences import ASSIGNED, HOOKS, ORDER, VALUES
from polycloud.libcloud.judging import Judgement, Verdict
from polycloud.libcloud.values import Class

RANKS = list(Verdict)


@dataclass(frozen=True, slots=True)
class Use:
    """Where a program uses a name: line and column count from 1."""

    line: int
    column: int
    judgement: Judgement


class Uses:
    """Collects the names that a program uses."""

    def __init__(self) -> None:
        self.found: list[Use] = []
        self.unseen: list[tuple[int, int, str]] = []
        """Line, column, and what of it depends on values that only running the program gives."""

    def name(self, node: ast.expr | ast.alias, paths: Iterable[str], *, is_guarded: bool = False) -> bool:
        """Note that a program uses the best of several names; return whether anything is known of one.

        A name that Libcloud lacks too is not reported where the program handles its absence.
        """
        judged = [one for path in paths if (one := judging.judge(path)) is not None]
        if not judged:
            return False
        best = min(judged, key=lambda one: RANKS.index(one.verdict))
        if not (is_guarded and best.verdict.is_lacking and not best.is_libclouds):
            self._add(node, best)
        return True

    def provider(self, node: ast.Call, service: str, provider: str) -> None:
        """Note that a program asks for the driver of a provider by a text."""
        name = f"{service}.providers.get_driver({provider!r})"
        self._add(node, judging.judge_provider(name, service, provider))

    def assignment(self, node: ast.Attribute, paths: Sequence[str], value: ast.expr | None) -> None:
        """Note that a program sets an attribute."""
        is_harmless = isinstance(value, ast.Constant) and value.value is True
        for path in paths:
            if path in ASSIGNED and not is_harmless:
                self._add(node, Judgement(path, Verdict.DIFFERS, ASSIGNED[path]))
                return
        self.name(node, paths)

    def call(self, node: ast.Call, paths: Sequence[str]) -> None:
        """Note the keyword arguments of a call that polycloud does not take, or takes in another sense."""
        if not paths:
            return
        if all(path in ORDER and len(node.args) > ORDER[path][0] for path in paths):
            order = f"its arguments have the order of all drivers: {ORDER[paths[0]][1]}"
            self._add(node.func, Judgement(paths[0], Verdict.DIFFERS, order))
        given = {one.arg: one for one in node.keywords if one.arg is not None}
        refused = [set(judging.unknown_keywords(path, given)) for path in paths]
        for name in set.intersection(*refused):
            self._add(given[name], judging.judge_keyword(paths[0], name))
        for name, keyword in given.items():
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            note = VALUES.get((name, value)) if value is False else None
            if note and all(map(judging.is_driver, paths)):
                self._add(keyword, Judgement(f"{paths[0]}({name}=False)", Verdict.DIFFERS, note))

    def overrides(self, node: ast.ClassDef, kind: Class) -> None:
        """Note the hooks of Libcloud's connections that a class of the program has; nothing calls them."""
        for path in (f"{base}.{one}" for base in kind.libclouds() for one in kind.attributes):
            if path.rpartition(".")[2] in HOOKS:
                judged = judging.judge(path)
                if judged is not None and judged.verdict.is_lacking:
                    self._add(_member(node, path.rpartition(".")[2]), judged)

    def cannot_see(self, node: ast.expr, what: str) -> None:
        """Note what a reader of the program must check."""
        self.unseen.append((node.lineno, node.col_offset + 1, what))

    def names_in(self, module: str) -> Iterable[str]:
        """Return the names of a module of Libcloud, for `import *`."""
        return names.names_of(module)

    def _add(self, node: ast.AST, judgement: Judgement) -> None:
        line, column = _place(node)
        self.found.append(Use(line, column, judgement))


def _member(node: ast.ClassDef, name: str) -> ast.AST:
    """Return where a class defines a member."""
    for one in node.body:
        targets = one.targets if isinstance(one, ast.Assign) else [one]
        if any(name in {getattr(target, "name", None), getattr(target, "id", None)} for target in targets):
            return one
    return node


def _place(node: ast.AST) -> tuple[int, int]:
    """Return the line and column of a name: of an attribute, those of its own name."""
    if isinstance(node, ast.Attribute):
        end = node.end_col_offset or 0
        return node.end_lineno or node.lineno, end - len(node.attr.encode()) + 1
    where: ast.expr = node  # type: ignore[assignment] # every node that is reported has a place
    return where.lineno, where.col_offset + 1
