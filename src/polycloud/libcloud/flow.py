"""Follow the names of Libcloud through a program's syntax tree; nothing of the program is run or imported.

The tree is walked several times. Each walk notes what every variable, attribute and result of a function may
stand for, wherever in the file it is set; what is set twice may stand for both. When a walk has found nothing
new, a last one reports what the program uses. Where an expression may stand for several things, a name is
lacking only if none of them has it: a false alarm is worse than a gap.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from polycloud.libcloud.calls import Calls
from polycloud.libcloud.uses import Uses
from polycloud.libcloud.values import (
    NOTHING,
    Class,
    Function,
    Instance,
    Name,
    Own,
    Scope,
    Value,
    Values,
    bound_names,
)

MOST_WALKS = 8
ROOT = "libcloud"
HANDLED = {"AttributeError", "ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
"""The errors of a missing name."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def follow(tree: ast.Module) -> Uses:
    """Return what a program uses of Libcloud."""
    walk = _Walk()
    for _ in range(MOST_WALKS):
        before = walk.facts
        walk.visit(tree)
        if walk.facts == before:
            break
    walk.uses = Uses()
    walk.visit(tree)
    return walk.uses


class _Walk(Calls):
    """Visits the statements of a program; `facts` counts what is known of its variables."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes: dict[ast.AST, Scope] = {}
        self.functions: dict[FunctionNode, Function] = {}
        self.classes: dict[ast.ClassDef, Class] = {}
        self.function: Function | None = None

    # Scopes

    def visit_Module(self, node: ast.Module) -> Values:
        """Visit a module."""
        self.scope = self.scopes.setdefault(node, Scope(bound_names(node)))
        return self._visit_all(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> Values:
        """Visit a class."""
        self._visit_all([*node.decorator_list, *(one.value for one in node.keywords)])
        kind = self.classes.setdefault(node, Class(node))
        for base in node.bases:
            found = self.visit(base)
            self.add(kind.bases, (one for one in found if isinstance(one, Name | Class)))
        self.bind(node.name, [kind])
        outer, self.owner = self.owner, kind
        with self.inside(self.scopes.setdefault(node, Scope(bound_names(node), self.scope, is_class=True))):
            self._visit_all(node.body)
            for name, values in self.scope.names.items():
                self.add(kind.attributes.setdefault(name, set()), values)
        self.owner = outer
        self.uses.overrides(node, kind)
        return NOTHING

    def visit_FunctionDef(self, node: FunctionNode) -> Values:
        """Visit a function."""
        decorators = {self._last_name(one) for one in node.decorator_list}
        hints = [one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg)]
        self._visit_all(
            [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, *hints, node.returns]
        )
        is_property = bool(decorators & {"property", "cached_property"})
        function = self.functions.setdefault(node, Function(node, is_property=is_property))
        self.add(function.returns, self._of_annotation(node.returns))
        self.bind(node.name, [function])
        in_class = self.scope.is_class
        scope = self.scopes.setdefault(node, Scope(bound_names(node), self.scope))
        outer, self.function = self.function, function
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        annotations = [self._of_annotation(one.annotation) for one in parameters]
        with self.inside(scope):
            for one, values in zip(parameters, annotations, strict=True):
                self.add(scope.names[one.arg], values)
            if in_class and self.owner is not None and parameters and "staticmethod" not in decorators:
                is_of_class = "classmethod" in decorators or node.name == "__new__"
                first = self.owner if is_of_class else Own(self.owner)
                self.add(scope.names[parameters[0].arg], [first])
            self._visit_all(node.body)
        self.function = outer
        return NOTHING

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> Values:
        """Visit a lambda."""
        self._visit_all([*node.args.defaults, *node.args.kw_defaults])
        with self.inside(self.scopes.setdefault(node, Scope(bound_names(node), self.scope))):
            self.visit(node.body)
        return NOTHING

    def visit_Return(self, node: ast.Return | ast.Yield | ast.YieldFrom) -> Values:
        """Note what a function returns, or yields: a context manager, a fixture."""
        values = self.visit(node.value) if node.value else NOTHING
        if self.function is not None:
            self.add(self.function.returns, values)
        return NOTHING

    visit_Yield = visit_YieldFrom = visit_Return

    # Imports

    def visit_Import(self, node: ast.Import) -> Values:
        """Visit `import libcloud.a.b as c`."""
        for one in node.names:
            root, _, path = one.name.partition(".")
            if root == ROOT:
                self.uses.name(one, [path], is_guarded=self.is_guarded)
                self.bind(one.asname or ROOT, [Name(path if one.asname else "")])
        return NOTHING

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Values:
        """Visit `from libcloud.a import b as c`."""
        root, _, module = (node.module or "").partition(".")
        if root != ROOT or node.level:
            return NOTHING
        for one in node.names:
            path = module if one.name == "*" else f"{module}.{one.name}".lstrip(".")
            self.uses.name(one, [path], is_guarded=self.is_guarded)
            if one.name == "*":
                for name in self.uses.names_in(module):
                    self.bind(name, [Name(f"{module}.{name}".lstrip("."))])
            else:
                self.bind(one.asname or one.name, [Name(path)])
        return NOTHING

    def visit_Try(self, node: ast.Try) -> Values:
        """Visit a block whose errors the program may handle: then it has names for several versions."""
        outer = self.is_guarded
        caught = {self._last_name(one) for handler in node.handlers for one in _types(handler)}
        self.is_guarded = outer or bool(caught & HANDLED)
        self._visit_all([*node.body, *node.handlers])
        self.is_guarded = outer
        return self._visit_all([*node.orelse, *node.finalbody])

    def visit_If(self, node: ast.If) -> Values:
        """Visit a branch; one that depends on the version of Libcloud has names for several versions."""
        outer = self.is_guarded
        self.is_guarded = outer or any(
            getattr(one, "attr", "") == "__version__" for one in ast.walk(node.test)
        )
        self._visit_all([node.test, *node.body, *node.orelse])
        self.is_guarded = outer
        return NOTHING

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Values:
        """Visit `except Error as error`."""
        found = self.visit(node.type) if node.type else NOTHING
        if node.name:
            self.bind(node.name, (Instance(one.path) for one in found if isinstance(one, Name)))
        return self._visit_all(node.body)

    # Assignments

    def visit_Assign(self, node: ast.Assign) -> Values:
        """Visit `target = value`."""
        values = self.visit(node.value)
        for target in node.targets:
            self._assign(target, values, node.value)
        return NOTHING

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Values:
        """Visit `target: annotation = value`."""
        self.visit(node.annotation)
        values = self.visit(node.value) if node.value else NOTHING
        self._assign(node.target, values | self._of_annotation(node.annotation), node.value)
        return NOTHING

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Values:
        """Visit `(target := value)`."""
        values: Values = self.visit(node.value)
        self._assign(node.target, values, node.value)
        return values

    def visit_With(self, node: ast.With | ast.AsyncWith) -> Values:
        """Visit `with value as target`; drivers, and most others, return themselves."""
        for item in node.items:
            values = self.visit(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, values, item.context_expr)
        return self._visit_all(node.body)

    visit_AsyncWith = visit_With

    def visit_For(self, node: ast.For | ast.AsyncFor) -> Values:
        """Visit a loop; of what it is over, only a display such as `(A, B)` is followed."""
        self._assign(node.target, self._elements(node.iter), None)
        return self._visit_all([*node.body, *node.orelse])

    visit_AsyncFor = visit_For

    def visit_comprehension(self, node: ast.comprehension) -> Values:
        """Visit the loop of a comprehension."""
        self._assign(node.target, self._elements(node.iter), None)
        return self._visit_all(node.ifs)

    def _elements(self, node: ast.expr) -> Values:
        if not isinstance(node, ast.Tuple | ast.List | ast.Set):
            self.visit(node)
            return NOTHING
        return frozenset(value for one in node.elts for value in self.visit(one))

    def _assign(self, target: ast.expr, values: Iterable[Value], value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.bind(target.id, values)
        elif isinstance(target, ast.Attribute):
            owners = self.visit(target.value)
            for owner in owners:
                if isinstance(owner, Own | Class):
                    kind = owner.kind if isinstance(owner, Own) else owner
                    self.add(kind.attributes.setdefault(target.attr, set()), values)
            self.uses.assignment(target, self.paths(owners, target.attr), value)
        elif isinstance(target, ast.Tuple | ast.List):
            parts: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(parts):
                parts = list(value.elts)
            for one, part in zip(target.elts, parts, strict=True):
                self._assign(one, self.visit(part) if part else NOTHING, part)
        else:
            self.visit(target)

    def _of_annotation(self, node: ast.expr | None) -> Values:
        """Return what is annotated: `Driver`, `"Driver"`, `Driver | None`, `Optional[Driver]`."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return self._of_annotation(ast.parse(node.value, mode="eval").body)
            except (SyntaxError, ValueError):
                return NOTHING
        if isinstance(node, ast.BinOp):
            return self._of_annotation(node.left) | self._of_annotation(node.right)
        if isinstance(node, ast.Subscript) and self._last_name(node.value) == "Optional":
            return self._of_annotation(node.slice)
        if not isinstance(node, ast.Name | ast.Attribute):
            return NOTHING
        return frozenset(self.made_by(self.quietly(node)))

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> Values:
        for node in nodes:
            if node is not None:
                self.visit(node)
        return NOTHING


def _types(handler: ast.ExceptHandler) -> list[ast.expr]:
    """Return the exceptions of a handler; one without any catches all."""
    if handler.type is None:
        return [ast.Name("BaseException", ast.Load())]
    return list(handler.type.elts) if isinstance(handler.type, ast.Tuple) else [handler.type]
