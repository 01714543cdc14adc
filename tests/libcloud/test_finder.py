from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

import polycloud
from polycloud.errors import LibcloudConflictError, LibcloudError
from polycloud.libcloud import finder
from polycloud.libcloud.modules import MODULES
from support.alias import installed, program


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with installed():
        yield


def test_one_module_under_both_names() -> None:
    """Every module is the same object under both names, whichever is imported first, with its own spec."""
    for path in ("compute", "compute.base", "storage.drivers.s3", "utils.py3", "common.openstack"):
        theirs = importlib.import_module(f"libcloud.{path}")
        ours = importlib.import_module(f"polycloud.{path}")
        assert theirs is ours
        assert ours.__spec__ is not None
        assert ours.__spec__.name == ours.__name__ == f"polycloud.{path}"
        assert importlib.reload(importlib.import_module("libcloud.security")).__name__ == "polycloud.security"


def test_finders_of_old() -> None:
    """A finder of another program that has no `find_spec`, as before Python 3.4, does not disturb."""
    printed = program("""
        import sys, warnings
        warnings.simplefilter("ignore", ImportWarning)  # Python's own, of such finders
        class Old:
            def find_module(self, name, path=None):
                return None
        sys.meta_path.insert(0, Old())
        from libcloud.storage.drivers import local
        print(local.__name__)
    """)
    assert printed == "polycloud.storage.drivers.local"


def test_no_file_runs_twice() -> None:
    """After all modules of Libcloud's names are imported, each file of polycloud is one module."""
    printed = program("""
        import pkgutil, sys, libcloud, libcloud.compute, libcloud.storage, libcloud.dns, libcloud.loadbalancer
        for package in (libcloud.compute, libcloud.storage, libcloud.dns, libcloud.loadbalancer):
            for found in pkgutil.walk_packages(package.__path__, f"libcloud.{package.__name__[10:]}."):
                __import__(found.name)
        files = {}
        for module in {id(m): m for m in list(sys.modules.values())}.values():
            file = str(getattr(module, "__file__", ""))
            if file.startswith(libcloud.__path__[0]) and module is not libcloud:
                files.setdefault(file, set()).add(id(module))
        print(len(files) > 100, [file for file, modules in files.items() if len(modules) > 1])
    """)
    assert printed == "True []"


def test_the_package_itself() -> None:
    """`libcloud` has the version of Libcloud whose interface it has, its modules and polycloud's face."""
    libcloud: Any = importlib.import_module("libcloud")
    assert libcloud.__version__ == "3.9.1"
    assert libcloud is not polycloud
    assert libcloud.get_driver is polycloud.get_driver
    assert libcloud.DriverType.COMPUTE == "compute"
    assert libcloud.compute.base is importlib.import_module("polycloud.compute.base")
    assert libcloud.__path__ == polycloud.__path__
    assert {"compute", "dns", "storage"} <= {found.name for found in pkgutil.iter_modules(libcloud.__path__)}


def test_asking_imports_nothing() -> None:
    """`importlib.util.find_spec` says what there is, and imports no more than the packages above it."""
    printed = program("""
        import importlib.util, sys
        spec = importlib.util.find_spec("libcloud.storage.drivers.s3")
        print(spec.name, bool(spec.submodule_search_locations), "polycloud.storage.drivers.s3" in sys.modules)
        print(importlib.util.find_spec("libcloud.container"), importlib.util.find_spec("libcloud.dns.zork"))
    """)
    assert printed == "libcloud.storage.drivers.s3 True False\nNone None"


def test_many_threads() -> None:
    """Threads that import modules of both names at once all end, with the same modules."""
    printed = program("""
        import importlib, threading
        names = ["compute.base", "storage.base", "dns.base", "loadbalancer.base", "compute.drivers.ec2",
                 "storage.drivers.s3", "dns.drivers.route53", "loadbalancer.drivers.elb", "compute.ssh"]
        stores = ["minio", "rgw", "ovh", "scaleway", "backblaze_b2", "digitalocean_spaces"]
        found, ready = {}, threading.Barrier(24)
        def run(number):
            ready.wait()
            polycloud.install_as_libcloud()
            for name in names[number % 9:] + names[:number % 9]:
                first = ("libcloud", "polycloud")[number % 2]
                found.setdefault(name, set()).add(id(importlib.import_module(f"{first}.{name}")))
            importlib.import_module(f"libcloud.storage.drivers.{stores[number % 6]}")
        threads = [threading.Thread(target=run, args=(n,)) for n in range(24)]
        [one.start() for one in threads]
        [one.join(30) for one in threads]
        print(any(one.is_alive() for one in threads), {len(each) for each in found.values()}, len(found))
        print(importlib.import_module("polycloud.storage.drivers.s3.stores").__spec__.name)
    """)
    assert printed == "False {1} 9\npolycloud.storage.drivers.s3.stores"


def test_two_aliases_at_once() -> None:
    """A module that two threads import by two names, in turns, keeps its own spec."""
    first, second = (importlib.util.find_spec(f"libcloud.storage.drivers.{one}") for one in ("minio", "rgw"))
    assert first is not None
    assert second is not None
    assert first.loader is not None
    assert second.loader is not None
    module = first.loader.create_module(first)
    assert module is not None
    module.__spec__ = first
    assert second.loader.create_module(second) is module
    first.loader.exec_module(module)
    module.__spec__ = second
    second.loader.exec_module(module)
    assert module.__spec__.name == "polycloud.storage.drivers.s3.stores"


def test_installing_twice() -> None:
    """A second installation changes nothing."""
    before = list(sys.meta_path)
    polycloud.install_as_libcloud()
    assert sys.meta_path == before
    assert sum(isinstance(one, finder.Finder) for one in sys.meta_path) == 1


def test_beside_libcloud_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Libcloud itself is imported already, the installation is refused and changes nothing."""
    finder.remove()
    monkeypatch.setitem(sys.modules, "libcloud", types.ModuleType("libcloud"))
    before = list(sys.meta_path)
    with pytest.raises(LibcloudConflictError, match="before anything imports libcloud") as caught:
        polycloud.install_as_libcloud()
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, LibcloudError)
    assert sys.meta_path == before


@pytest.mark.skipif(importlib.util.find_spec("libcloud.compute") is None, reason="needs apache-libcloud")
def test_the_bridge_and_the_alias_exclude_each_other() -> None:
    """After the bridge's first use the alias is refused, and after the alias the bridge is, both in words."""
    printed = program(
        """
        import polycloud
        driver = polycloud.get_driver("compute", "rimuhosting")
        print(driver.__name__)
        try:
            polycloud.install_as_libcloud()
        except polycloud.PolycloudError as error:
            print(type(error).__name__, "bridge" in str(error))
        """,
        install=False,
    )
    assert printed.splitlines()[1:] == ["LibcloudConflictError True"]
    printed = program("""
        try:
            polycloud.get_driver("compute", "rimuhosting")
        except AttributeError as error:
            print("install_as_libcloud() has put polycloud in the place" in str(error))
    """)
    assert printed == "True"


def test_removed() -> None:
    """After `remove` there is no `libcloud` of polycloud any more."""
    importlib.import_module("libcloud.compute.base")
    finder.remove()
    assert not [name for name in sys.modules if name.partition(".")[0] == "libcloud"]
    assert not finder.installed()


def test_metadata_is_not_aliased() -> None:
    """Only imports are redirected: `importlib.metadata` knows apache-libcloud only if it is installed."""
    names = {each.metadata["Name"] for each in importlib.metadata.distributions()}
    if "apache-libcloud" not in names:
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("apache-libcloud")
    assert "libcloud" not in names


def test_modules_as_attributes() -> None:
    """Modules are there as attributes of their packages without an import, as in Libcloud."""
    printed = program("""
        import libcloud
        print(libcloud.compute.types.Provider.EC2, libcloud.storage.drivers.minio.MinIOStorageDriver.__name__)
        print(hasattr(libcloud.compute, "zork"), hasattr(libcloud, "zork"))
    """)
    assert printed == "ec2 MinIOStorageDriver\nFalse False"


@pytest.mark.parametrize("path", MODULES)
def test_modules_at_other_paths(path: str) -> None:
    """What stands at another path in polycloud is found by Libcloud's, and by `from` its package."""
    ours = importlib.import_module(MODULES[path])
    assert importlib.import_module(f"libcloud.{path}") is ours
    package, _, name = f"libcloud.{path}".rpartition(".")
    namespace: dict[str, object] = {}
    exec(f"from {package} import {name}", namespace)  # noqa: S102 - an import
    assert namespace[name] is ours
    assert importlib.util.find_spec(f"libcloud.{path}") is not None
