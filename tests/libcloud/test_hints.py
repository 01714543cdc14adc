from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from support.alias import installed


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with installed():
        yield


def run(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # noqa: S102 - an import
    return namespace


@pytest.mark.parametrize(
    "source", ["import libcloud.container", "from libcloud.container.types import Provider"]
)
def test_missing_modules(source: str) -> None:
    """The import of a module that polycloud lacks says what to use instead, and `name` is the module's."""
    with pytest.raises(ModuleNotFoundError, match=r"no module 'libcloud.container'.*Kubernetes") as caught:
        run(source)
    assert caught.value.name == "libcloud.container"
    assert importlib.util.find_spec("libcloud.container") is None


def test_missing_modules_of_a_package() -> None:
    """`from package import module` says the same, and so does the attribute of the package."""
    with pytest.raises(ImportError, match=r"'container' from 'libcloud'.*Kubernetes") as caught:
        run("from libcloud import container")
    assert caught.value.name == "libcloud"
    with pytest.raises(AttributeError, match=r"'libcloud' has no attribute 'container'.*Kubernetes"):
        run("import libcloud; libcloud.container")


def test_drivers_of_the_bridge() -> None:
    """A driver that only the bridge reaches is a module that is missing, and the message names the bridge."""
    with pytest.raises(ModuleNotFoundError, match=r"libcloud.compute.drivers.gce.*bridge"):
        run("import libcloud.compute.drivers.gce")
    with pytest.raises(ImportError, match=r"'gce' from 'libcloud.compute.drivers'.*bridge"):
        run("from libcloud.compute.drivers import gce")


def test_missing_names() -> None:
    """A missing name: ImportError for `from ... import`, AttributeError else, both with advice."""
    with pytest.raises(ImportError, match=r"'MockSSHClient' from 'libcloud.compute.ssh'.*Sandbox") as caught:
        run("from libcloud.compute.ssh import MockSSHClient")
    assert caught.value.name == "libcloud.compute.ssh"
    assert (caught.value.path or "").endswith("ssh.py")
    with pytest.raises(AttributeError, match=r"'libcloud.compute.ssh' has no attribute 'MockSSH.*Sandbox"):
        run("import libcloud.compute.ssh; libcloud.compute.ssh.MockSSHClient")


def test_questions_about_missing_names() -> None:
    """`hasattr` and `getattr` with a default get no error, in a loop that the interpreter specialises too."""
    module = importlib.import_module("libcloud.compute.ssh")
    statement = compile("from libcloud.compute.ssh import MockSSHClient", "<program>", "exec")
    for _ in range(100):
        assert not hasattr(module, "MockSSHClient")
        assert getattr(module, "MockSSHClient", None) is None
        with pytest.raises(AttributeError):
            _ = module.MockSSHClient
        with pytest.raises(ImportError, match=r"Sandbox"):
            exec(statement)  # noqa: S102 - an import, of the same code object each time


def test_an_import_behind_many_names() -> None:
    """The advice is given in a program of so many names that its instructions need wider arguments."""
    names = "\n".join(f"name_{number} = {number}" for number in range(400))
    with pytest.raises(ImportError, match=r"Sandbox"):
        run(f"{names}\nfrom libcloud.compute.ssh import MockSSHClient")


def test_unknown_names() -> None:
    """Names that Libcloud lacks, too, get Python's own errors."""
    with pytest.raises(ImportError, match=r"cannot import name 'Zork' from 'polycloud.compute.base'"):
        run("from libcloud.compute.base import Zork")
    with pytest.raises(AttributeError, match=r"module 'polycloud.compute.base' has no attribute 'Zork'"):
        run("import libcloud.compute.base; libcloud.compute.base.Zork")
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'libcloud.zork'"):
        run("import libcloud.zork")
    with pytest.raises(AttributeError, match=r"module 'libcloud' has no attribute 'zork'"):
        run("import libcloud; libcloud.zork")


def test_errors_of_imports_pass() -> None:
    """An optional import of what is missing works as programs write it."""
    found = run("try:\n  from libcloud.container import base\nexcept ImportError:\n  base = None")
    assert found["base"] is None
