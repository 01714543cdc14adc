"""What the expressions of a program stand for: names, attributes, calls."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from polycloud.libcloud import judging
from polycloud.libcloud.uses import Uses
from polycloud.libcloud.values import (
    NOTHING,
    Class,
    Function,
    Instance,
    Name,
    Own,
    Scope,
    Text,
    Value,
    Values,
)

ROOT = "libcloud"
MODULES = {"import_module", "__import__", "importorskip"}
"""Functions that import the module that they are given by its name."""
STRINGS = {*MODULES, "delattr", "find_spec", "import_string", "patch", "setattr"}
"""Functions whose first argument may be the dotted name of something in Libcloud."""
FACTORIES = {"get_driver", "base.get_driver", "common.providers.get_driver"}
"""Functions that take a service and a provider."""
DRIVERS = {
    "compute": "compute.base.NodeDriver",
    "dns": "dns.base.DNSDriver",
    "loadbalancer": "loadbalancer.base.Driver",
    "storage": "storage.base.StorageDriver",
}
"""What is known of a driver whose provider is not: the class of its service."""
CONNECTION = Instance("common.base.Connection", is_exact=False)


class Calls(ast.NodeVisitor):
    """Visits the expressions of a program. Each visit returns what the expression may stand for."""

    def __init__(self) -> None:
        self.uses = Uses()
        self.facts = 0
        self.is_guarded = False
        self.asked: set[str] = set()
        """The attributes that the program asks for before it uses them, by `hasattr` or `getattr`."""
        self._is_vague = False
        self.scope = Scope(set())
        self.owner: Class | None = None

    def generic_visit(self, node: ast.AST) -> Values:
        """Visit the parts of what stands for nothing known."""
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        return NOTHING

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[None]:
        """Make `scope` the current one in the block."""
        outer, self.scope = self.scope, scope
        yield
        self.scope = outer

    def add(self, known: set[Value], values: Iterable[Value]) -> None:
        """Add to what is known of a variable."""
        before = len(known)
        known.update(values)
        self.facts += len(known) - before

    def bind(self, name: str, values: Iterable[Value]) -> None:
        """Add to what is known of a variable of the current scope."""
        known = self.scope.look_up(name)
        if known is None:  # a global that the module does not set itself
            known = self.scope.outermost().names.setdefault(name, set())
        self.add(known, values)

    def quietly(self, node: ast.expr) -> Values:
        """Return what an expression stands for, without reporting its names."""
        uses, self.uses = self.uses, Uses()
        found: Values = self.visit(node)
        self.uses = uses
        return found

    # Names and attributes

    def visit_Name(self, node: ast.Name) -> Values:
        """Return what a variable may stand for."""
        return frozenset(self.scope.look_up(node.id) or ())

    def visit_Constant(self, node: ast.Constant) -> Values:
        """Return a text; other constants are of no interest."""
        return frozenset([Text(node.value)]) if isinstance(node.value, str) else NOTHING

    def visit_IfExp(self, node: ast.IfExp) -> Values:
        """Return what either branch may stand for."""
        self.visit(node.test)
        return frozenset({*self.visit(node.body), *self.visit(node.orelse)})

    def visit_BoolOp(self, node: ast.BoolOp) -> Values:
        """Return what any operand of `a or b` may stand for."""
        return frozenset(value for one in node.values for value in self.visit(one))

    def visit_Await(self, node: ast.Await) -> Values:
        """Return what is awaited."""
        found: Values = self.visit(node.value)
        return found

    def visit_Attribute(self, node: ast.Attribute) -> Values:
        """Return what an attribute may stand for, and report the chain that it ends as one name."""
        chain: list[ast.Attribute] = [node]
        while isinstance(chain[-1].value, ast.Attribute):
            chain.append(chain[-1].value)
        owners: Values = self.visit(chain[-1].value)
        steps: list[tuple[ast.Attribute, list[str], bool]] = []
        for one in reversed(chain):
            is_own = any(
                isinstance(owner, Own | Class) for owner in owners
            )  # other files may add to the class
            steps.append((one, [] if one.attr in self.asked else self.paths(owners, one.attr), is_own))
            owners = frozenset(value for owner in owners for value in self.attribute(owner, one.attr))
        for one, paths, is_own in reversed(steps):
            if paths and self.uses.name(one, paths, is_guarded=self.is_guarded or is_own):
                break
        return owners

    def paths(self, owners: Iterable[Value], attribute: str) -> list[str]:
        """Return the names in Libcloud of an attribute; none if it may be one that the program has itself."""
        known = list(owners)
        if any(self._is_own(owner, attribute) for owner in known):
            return []
        return [path for owner in known for path in self._paths(owner, attribute)]

    def _is_own(self, owner: Value, attribute: str) -> bool:
        kind = owner.kind if isinstance(owner, Own) else owner
        return isinstance(kind, Class) and any(attribute in one.attributes for one in kind.lineage())

    def _paths(self, owner: Value, attribute: str) -> list[str]:
        if isinstance(owner, Name | Instance):
            is_vague = not owner.is_exact and attribute.startswith("ex_")
            return [] if is_vague else [f"{owner.path}.{attribute}".lstrip(".")]
        if isinstance(owner, Own | Class):
            kind = owner.kind if isinstance(owner, Own) else owner
            return [f"{path}.{attribute}" for path in kind.libclouds()]
        return []

    def attribute(self, owner: Value, name: str) -> set[Value]:
        """Return what an attribute of a value may stand for."""
        if isinstance(owner, Own | Class):
            kind = owner.kind if isinstance(owner, Own) else owner
            found = {value for one in kind.lineage() for value in one.attributes.get(name, ())}
            if self._is_own(kind, name):
                return {part for value in found for part in _read(value)}
            return {value for path in kind.libclouds() for value in self.attribute(Instance(path), name)}
        if isinstance(owner, Instance) and name == "connection":
            return {CONNECTION}
        is_exact = isinstance(owner, Name | Instance) and owner.is_exact
        return {Name(path, is_exact) for path in self._paths(owner, name)}

    # Calls

    def visit_Call(self, node: ast.Call) -> Values:
        """Return what a call may return, and report its keyword arguments."""
        last = self._last_name(node.func)
        functions: Values = self.visit(node.func)
        arguments = [self.visit(one) for one in node.args]
        named = {one.arg: self.visit(one.value) for one in node.keywords}
        if isinstance(node.func, ast.Name) and last == "super" and not node.args:
            return self._bases()
        if last in {"getattr", "object"} and len(node.args) == 2:  # noqa: PLR2004 - getattr(x, "y"), patch.object
            return self._named_attribute(node, arguments[0])
        if last == "hasattr" or (last == "getattr" and len(node.args) > 2):  # noqa: PLR2004 - with a default
            self.asked.update(str(one.value) for one in node.args[1:2] if isinstance(one, ast.Constant))
        if last in STRINGS and node.args:
            self._string(node.args[0])
        if last in MODULES and node.args:
            return self._module(node.args[0])
        exact = [one.path for one in functions if isinstance(one, Name) and one.is_exact]
        self.uses.call(node, exact if len(exact) == len(functions) else [])
        found: set[Value] = set()
        self._is_vague = len(functions) > 1
        for function in functions:
            found |= self._result(node, function, arguments, named)
        return frozenset(found)

    def _result(
        self, node: ast.Call, function: Value, arguments: list[Values], named: dict[str | None, Values]
    ) -> set[Value]:
        if isinstance(function, Function):
            return function.returns
        if isinstance(function, Class):
            return {Own(function)}
        if not isinstance(function, Name):
            return set()
        service = function.path.removesuffix(".providers.get_driver")
        if service in DRIVERS:
            given = named.get("provider") or (arguments[0] if arguments else NOTHING)
            return self._drivers(node, service, given)
        if function.path in FACTORIES:
            kind = named.get("type") or (arguments[0] if arguments else NOTHING)
            given = named.get("provider") or (arguments[1] if len(arguments) > 1 else NOTHING)
            services = [one for value in kind if (one := judging.service_of(_text(value))) is not None]
            return {one for service in services for one in self._drivers(node, service, given)}
        return self.made_by([function])

    def _drivers(self, node: ast.Call, service: str, given: Values) -> set[Value]:
        """Return the driver classes for the providers that are given to `get_driver`."""
        texts = [text for value in given if (text := _text(value)) is not None]
        if not texts:
            self.uses.cannot_see(node, "the provider of this driver; only what all drivers have is checked")
            return {Name(DRIVERS[service], is_exact=False)}
        found: set[Value] = set()
        for text in texts:
            provider = judging.provider_of(text) or text.lower()
            if "." not in text and not self._is_vague and not judging.knows_provider(service, provider):
                self.uses.cannot_see(
                    node, "this driver, which the program must have registered by set_driver"
                )
            elif "." not in text and not self._is_vague:  # a constant is reported where it is named
                self.uses.provider(node, service, provider)
            path = judging.driver_path(service, provider)
            if path is not None:
                found.add(Name(path))
        return found

    def made_by(self, values: Iterable[Value]) -> set[Value]:
        """Return what classes make when they are called."""
        found: set[Value] = {Own(one) for one in values if isinstance(one, Class)}
        return found | {
            Instance(one.path, is_exact=one.is_exact)
            for one in values
            if isinstance(one, Name) and judging.is_class(one.path)
        }

    def _bases(self) -> Values:
        """Return what `super()` is."""
        if self.owner is None:
            return NOTHING
        return frozenset(self.made_by(self.owner.bases))

    def _named_attribute(self, node: ast.Call, owners: Values) -> Values:
        name = node.args[1]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            if any(isinstance(one, Name | Instance) for one in owners):
                self.uses.cannot_see(node, "the name of this attribute")
            return NOTHING
        if paths := self.paths(owners, name.value):
            self.uses.name(name, paths, is_guarded=self.is_guarded)
        return frozenset(value for owner in owners for value in self.attribute(owner, name.value))

    def _string(self, node: ast.expr) -> None:
        """Report the dotted name in a text such as that for `mock.patch`."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            root, _, path = node.value.partition(".")
            if root == ROOT and path.replace(".", "").isidentifier():
                self.uses.name(node, [path], is_guarded=self.is_guarded)
        elif isinstance(node, ast.JoinedStr | ast.BinOp):
            first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
            while isinstance(first, ast.BinOp):
                first = first.left
            if isinstance(first, ast.Constant) and str(first.value).startswith(f"{ROOT}."):
                self.uses.cannot_see(node, "which name of Libcloud this text is")

    def _module(self, node: ast.expr) -> Values:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            root, _, path = node.value.partition(".")
            return frozenset([Name(path)]) if root == ROOT else NOTHING
        return NOTHING

    def _last_name(self, node: ast.expr) -> str:
        """Return the last part of a dotted name, "" for any other expression."""
        if isinstance(node, ast.Call):
            return self._last_name(node.func)
        return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _read(value: Value) -> set[Value]:
    """Return what reading an attribute gives: of a property, what its function returns."""
    return value.returns if isinstance(value, Function) and value.is_property else {value}


def _text(value: Value) -> str | None:
    """Return a text, or the dotted name of a constant; None for anything else."""
    if isinstance(value, Text):
        return value.text
    return value.path if isinstance(value, Name) else None
