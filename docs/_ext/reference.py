"""The directive `{public-module}`: the heading of a public module, its docstring and its public members."""  # noqa: INP001

import inspect
from importlib import import_module

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("public-module", Module)
    return {"parallel_read_safe": True}


class Module(SphinxDirective):
    """The names in the module's `__all__`; those that another module documents are links to it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the module's section."""
        (name,) = self.arguments
        module = import_module(name)
        homes = {each: _home(name, each, getattr(module, each)) for each in module.__all__}
        own = [each for each, home in homes.items() if home == name]
        links = ", ".join(f":py:obj:`{each} <{home}.{each}>`" for each, home in homes.items() if home != name)
        lines = [f"## `{name}`", "", "```{eval-rst}", f".. automodule:: {name}"]
        assembled = [each for each in own if _is_assembled(getattr(module, each))]
        simple = [each for each in own if each not in assembled]
        lines += [f"   :members: {', '.join(simple)}"] if simple else []
        for each in assembled:
            bases = ", ".join(_outer_bases(getattr(module, each)))
            lines += ["", f".. autoclass:: {name}.{each}", "   :members:", f"   :inherited-members: {bases}"]
        lines += ["", f"Also here: {links}."] if links else []
        return self.parse_text_to_nodes("\n".join([*lines, "```"]), allow_section_headings=True)


def _is_assembled(member: object) -> bool:
    """Return whether this is a class that a package puts together from its modules, such as a driver's."""
    return inspect.isclass(member) and any(
        base.__module__.startswith(f"{member.__module__}.") for base in member.__mro__
    )


def _outer_bases(cls: type) -> list[str]:
    """Return the names of the bases from outside the class's package; their members are documented there."""
    return [base.__name__ for base in cls.__mro__ if not base.__module__.startswith(cls.__module__)]


def _home(module: str, name: str, member: object) -> str:
    """Return the module that documents an object: its own, or the nearest public one above."""
    home = getattr(member, "__module__", None)
    if not (inspect.isclass(member) or inspect.isroutine(member)) or not home:
        return module
    while home.startswith("polycloud."):
        public = not any(part.startswith("_") for part in home.split("."))
        if public and name in getattr(import_module(home), "__all__", ()):
            return home
        home = home.rpartition(".")[0]
    return home if home != "polycloud" else module
