from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from polycloud.libcloud import names
from polycloud.libcloud.modules import API_LEVEL

SCRIPT = Path(__file__).parents[2] / "bench/libcloudnames.py"
LOCAL = "storage.drivers.local"


def installed_version() -> str | None:
    try:
        return version("apache-libcloud")
    except PackageNotFoundError:
        return None


@pytest.mark.skipif(installed_version() != API_LEVEL, reason=f"needs apache-libcloud {API_LEVEL}")
def test_the_data_is_that_of_libcloud() -> None:
    """The names of Libcloud in the package are those that the installed Libcloud has."""
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    found, kept = json.loads(done.stdout), dict(names._data())
    is_left_out = find_spec("fasteners") is None  # which Libcloud's driver of local files needs
    for data in (found, kept) if is_left_out else ():
        for part, mark in (("modules", ""), ("classes", ":")):
            data[part] = {name: one for name, one in data[part].items() if not name.startswith(LOCAL + mark)}
    assert {part: _differing(found[part], kept[part]) for part in kept if found[part] != kept[part]} == {}


def _differing(found: Any, kept: Any) -> Any:
    """Return what is not the same in both, name by name."""
    if not (isinstance(found, dict) and isinstance(kept, dict)):
        return found, kept
    names = sorted(name for name in found.keys() | kept.keys() if found.get(name) != kept.get(name))
    return {name: _differing(found.get(name), kept.get(name)) for name in names}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("compute", True),
        ("compute.base.Node", True),
        ("compute.base.Node.reboot", True),
        ("compute.base.Node.nosuch", False),
        ("compute.base.NoSuch", False),
        ("nosuch", False),
        ("compute.drivers.openstack.OpenStackNodeDriver.ex_list_networks", True),
        ("storage.drivers.local.LocalStorageDriver.upload_object", True),
        ("compute.drivers.nephoscale", False),
    ],
)
def test_what_libcloud_has(path: str, expected: Any) -> None:
    """A module, a name in it and a member of a class, inherited ones too, is known by its path."""
    assert names.has(path) is expected
