"""How `import libcloud...` finds polycloud: one module object under both names.

Python asks the finders in `sys.meta_path`, in their order, for each module that is not in `sys.modules`.
`Finder` comes first. For `libcloud.compute.base` it returns a spec whose loader hands out the module object
`polycloud.compute.base` itself, so that classes are the same under both names. If only
`sys.modules["libcloud"]` were set, Python would find `libcloud.compute` in the package's directory and run
every file a second time, as another module with other classes.

Nothing is imported by `find_spec`: Python holds the lock of the module that is looked for, and an import in
there would take the locks of others in another order than their own imports do. `create_module` imports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import polycloud
from polycloud import security
from polycloud.errors import LibcloudConflictError
from polycloud.libcloud.differences import instead_of
from polycloud.libcloud.hints import Root, adopted
from polycloud.libcloud.modules import MODULES

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    Loader = MetaPathFinder = (
        object  # Python asks for their methods only, and importlib.abc takes 9 ms to import
    )

ROOT = "libcloud"
_lock = Lock()


class AliasLoader(Loader):
    """Loads a module of polycloud under a name of Libcloud."""

    _specs: ClassVar[dict[str, ModuleSpec | None]] = {}
    """The modules' own specs, noted before an alias replaces one: two aliases may be imported at once."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module of polycloud, imported if that was not done yet."""
        module = import_module(self._target)
        self._specs.setdefault(self._target, module.__spec__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Undo what the import of an alias did to the module, which has been executed already."""
        module.__spec__ = self._specs[self._target]  # Python has set that of the alias
        adopted(module)


class RootLoader(Loader):
    """Loads the package `libcloud` itself, which has a version of its own."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the package, empty."""
        return Root(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Set what the package is asked for without an import."""
        module.__doc__ = polycloud.__doc__
        module.__file__ = polycloud.__file__


class Finder(MetaPathFinder):
    """Finds modules of Libcloud in polycloud."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of Libcloud; None if polycloud has nothing in its place.

        Raises:
            ModuleNotFoundError: There is something to say about a missing module that is being imported.
        """
        if fullname == ROOT:
            spec = ModuleSpec(ROOT, RootLoader(), origin=polycloud.__file__, is_package=True)
            spec.submodule_search_locations = list(polycloud.__path__)
            return spec
        parent, _, child = fullname.rpartition(".")
        if parent.partition(".")[0] != ROOT:
            return None
        name = MODULES.get(fullname.removeprefix(f"{ROOT}."), f"{_own_name(parent)}.{child}")
        if name in MODULES.values():
            return ModuleSpec(fullname, AliasLoader(name), origin=name)
        found = self._found(name, path)
        if found is None:
            _explain(fullname)
            return None
        is_package = found.submodule_search_locations is not None
        spec = ModuleSpec(fullname, AliasLoader(name), origin=found.origin, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def _found(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Ask the other finders, which import nothing for it."""
        loaded = sys.modules.get(name)
        if loaded is not None and loaded.__spec__ is not None:
            return loaded.__spec__
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        specs = (finder.find_spec(name, path) for finder in others)
        return next((spec for spec in specs if spec is not None), None)


def _own_name(package: str) -> str:
    """Return the name in polycloud of a package that was imported by its name in Libcloud."""
    return "polycloud" if package == ROOT else sys.modules[package].__name__


def _explain(fullname: str) -> None:
    """Raise `ModuleNotFoundError` with what to use instead of a module, if that is known.

    Only for an import: `importlib.util.find_spec` asks whether there is such a module, and gets None.
    """
    clause = instead_of(fullname.removeprefix(f"{ROOT}."))
    caller: Any = sys._getframe(3)  # noqa: SLF001 - of this, of find_spec, and of Python's loop over the finders
    if clause is not None and caller.f_code.co_name == "_find_and_load_unlocked":
        raise ModuleNotFoundError(f"polycloud has no module {fullname!r}: {clause}", name=fullname)


_finder = Finder()


def installed() -> bool:
    """Return whether `import libcloud` resolves to polycloud."""
    return _finder in sys.meta_path


def install() -> None:
    """Let `import libcloud...` resolve to polycloud; see `polycloud.install_as_libcloud`."""
    with _lock:
        if installed():
            return
        if loaded := sorted(name for name in sys.modules if _is_libcloud(name)):
            raise LibcloudConflictError(
                f"Libcloud itself is imported already ({', '.join(loaded[:3])}): call "
                f"polycloud.install_as_libcloud() before anything imports libcloud, and not in a program "
                f"that uses polycloud.bridge"
            )
        sys.meta_path.insert(0, _finder)
        security.WARN_LIKE_LIBCLOUD = True
    import_module(ROOT)


def remove() -> None:
    """Undo `install`, for tests: later imports of `libcloud` find what is installed under that name."""
    with _lock:
        if not installed():
            return
        sys.meta_path.remove(_finder)
        security.WARN_LIKE_LIBCLOUD = False
        for name in filter(_is_libcloud, list(sys.modules)):
            del sys.modules[name]


def _is_libcloud(name: str) -> bool:
    return name == ROOT or name.startswith(f"{ROOT}.")
