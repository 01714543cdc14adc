from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest

from polycloud.libcloud.differences import ASSIGNED, BRIDGE, DIFFERS, instead_of
from polycloud.libcloud.instead import INSTEAD, MEMBERS, PROVIDERS

TABLES = (INSTEAD, MEMBERS, PROVIDERS, ASSIGNED, DIFFERS)
CLAUSES = sorted({BRIDGE, *(clause for table in TABLES for clause in table.values())})
OURS = re.compile(r"\bpolycloud(?:\.\w+)+")


def found(dotted: str) -> Any:
    """Return the object of a dotted name; AttributeError or ImportError if there is none."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise AttributeError(dotted)


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_names_only_what_polycloud_has(clause: str) -> None:
    """What a clause says to use exists in polycloud."""
    for name in OURS.findall(clause):
        found(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("container", "client of Docker"),
        ("container.drivers.docker.DockerContainerDriver", "client of Docker"),
        ("compute.ssh.ShellOutSSHClient", "polycloud.compute.ssh.SSHClient"),
        ("compute.drivers.gce", "polycloud[libcloud]"),
        ("storage.drivers.oss.OSSStorageDriver", "polycloud[libcloud]"),
    ],
)
def test_what_libcloud_has_and_polycloud_lacks_has_a_clause(name: str, words: str) -> None:
    """For a module or name that only Libcloud has, a clause says what to use instead."""
    assert words in (instead_of(name) or "")


@pytest.mark.parametrize("name", ["", "compute", "compute.drivers", "compute.base.Nothing", "a.b"])
def test_what_libcloud_lacks_too_has_no_clause(name: str) -> None:
    """A name of which nothing is known has no clause."""
    assert instead_of(name) is None
