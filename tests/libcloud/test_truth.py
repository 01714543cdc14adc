"""Verdicts on names beside what an import of them gives where polycloud is in the place of Libcloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polycloud.libcloud import names
from polycloud.libcloud.judging import judge
from support.alias import program

ASK = """\
    import json
    from importlib import import_module
    from polycloud.libcloud import names

    def members(module, name):
        home = names.home_of(module, name)
        return names.members_of(home) if home in names._data()["classes"] else []

    found = {}
    for path in names._data()["modules"]:
        try:
            module = import_module(f"libcloud.{path}".rstrip("."))
        except ImportError:
            found[path] = None
            continue
        found[path] = {
            name: [one for one in members(path, name) if hasattr(getattr(module, name), one)]
            for name in names.names_of(path) if hasattr(module, name)
        }
    print(json.dumps(found))
"""
OURS_ALONE = {"http"}
"""Modules of that name that have nothing of Libcloud's."""


@pytest.fixture(scope="module")
def python() -> dict[str, Any]:
    """What `import libcloud...` gives for each module: its names, and of classes their members."""
    found: dict[str, Any] = json.loads(program(ASK))
    return found


def test_modules(python: dict[str, Any]) -> None:
    """A module is lacking by its verdict if and only if its import fails."""
    judged = {path: judge(path) for path in python if path not in OURS_ALONE}
    lacking = {path: one is None or one.verdict.is_lacking for path, one in judged.items()}
    wrong = [path for path in judged if lacking[path] == (python[path] is not None)]
    assert len(judged) > 200
    assert wrong == []


def test_names(python: dict[str, Any]) -> None:
    """A name is lacking by its verdict if and only if its module has no attribute of that name."""
    wrong, count = [], 0
    for path, found in python.items():
        for name in names.names_of(path) if found is not None and path not in OURS_ALONE else ():
            one = judge(f"{path}.{name}".lstrip("."))
            count += 1
            if one is None or one.verdict.is_lacking == (name in found):
                wrong.append(f"{path}.{name}")
    assert count > 1000
    assert wrong == []


def test_no_member_that_a_class_has_is_lacking(python: dict[str, Any]) -> None:
    """A member that the class under Libcloud's name has is never lacking by its verdict."""
    wrong, count = [], 0
    for path, found in python.items():
        for name, has in (found or {}).items():
            for member in has if name != "Provider" else ():  # a provider's verdict is that of its driver
                one = judge(f"{path}.{name}.{member}".lstrip("."))
                count += 1
                if one is None or one.verdict.is_lacking:
                    wrong.append(f"{path}.{name}.{member}")
    assert count > 3000
    assert wrong == []
