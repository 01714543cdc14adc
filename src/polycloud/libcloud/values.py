"""What an expression of a program may stand for, as far as it can be seen, and the scopes of its names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Name:
    """A name of Libcloud: a module, class, function or constant, dotted and without `libcloud.`."""

    path: str
    is_exact: bool = True
    """Whether it is a driver class of a known provider, or no driver class."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of Libcloud's class `path`; of a driver of a provider that is not known if not `is_exact`."""

    path: str
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """A text."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of the program; `returns` is what its calls may return."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    returns: set[Value] = field(default_factory=set)
    is_property: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """A class of the program, its bases, and what its attributes and those of its objects may be."""

    node: ast.ClassDef
    bases: set[Value] = field(default_factory=set)
    attributes: dict[str, set[Value]] = field(default_factory=dict)

    def lineage(self) -> Iterator[Class]:
        """Yield the class and those of its bases that are in the program."""
        seen: set[int] = set()
        waiting: list[Class] = [self]
        while waiting:
            one = waiting.pop(0)
            if id(one) not in seen:
                seen.add(id(one))
                yield one
                waiting += [base for base in one.bases if isinstance(base, Class)]

    def libclouds(self) -> list[str]:
        """Return the classes of Libcloud among its bases."""
        return [base.path for one in self.lineage() for base in one.bases if isinstance(base, Name)]


@dataclass(frozen=True, slots=True)
class Own:
    """An object of a class of the program."""

    kind: Class


Value = Name | Instance | Text | Function | Class | Own
Values = frozenset[Value]
NOTHING: Values = frozenset()


class Scope:
    """The names of a module, class or function, and what each may stand for."""

    def __init__(self, bound: set[str], parent: Scope | None = None, *, is_class: bool = False) -> None:
        self.names: dict[str, set[Value]] = {name: set() for name in bound}
        self.parent = parent
        self.is_class = is_class

    def look_up(self, name: str) -> set[Value] | None:
        """Return what a name may stand for here; None for a name of nobody. A class hides its own names."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names and (scope is self or not scope.is_class):
                return scope.names[name]
            scope = scope.parent
        return None

    def outermost(self) -> Scope:
        """Return the scope of the module."""
        return self if self.parent is None else self.parent.outermost()


def bound_names(node: ast.AST) -> set[str]:
    """Return the names that a module, class or function binds itself, without those that it calls global."""
    found: set[str] = set()
    elsewhere: set[str] = set()
    arguments = getattr(node, "args", None)
    if isinstance(arguments, ast.arguments):
        found |= {one.arg for one in ast.walk(arguments) if isinstance(one, ast.arg)}
    body = getattr(node, "body", [])
    waiting = list(body) if isinstance(body, list) else [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store | ast.Del):
            found.add(one.id)
        elif isinstance(one, ast.alias):
            found.add(one.asname or one.name.partition(".")[0])
        elif isinstance(one, ast.Global | ast.Nonlocal):
            elsewhere |= set(one.names)
        elif isinstance(one, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and one.name:
            found.add(one.name)
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(one.name)
            waiting += one.decorator_list
        elif not isinstance(one, ast.Lambda):
            waiting += ast.iter_child_nodes(one)
    return found - elsewhere
