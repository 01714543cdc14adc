from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from polycloud.libcloud.differences import ASSIGNED, BRIDGE, DIFFERS, DRIVERS, instead_of
from polycloud.libcloud.instead import INSTEAD, KEYWORDS, MEMBERS, PROVIDERS
from polycloud.libcloud.judging import Verdict, judge, judge_keyword, unknown_keywords
from polycloud.libcloud.names import own_modules

TABLES: tuple[Mapping[Any, str], ...] = (INSTEAD, MEMBERS, PROVIDERS, KEYWORDS, ASSIGNED, DIFFERS, DRIVERS)
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
        ("compute.drivers.ec2.EC2Connection", "polycloud has nothing in its place"),
        ("compute.drivers.ec2.EC2NodeDriver.ex_get_limits", "polycloud has nothing in its place"),
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


@pytest.mark.parametrize("name", DIFFERS)
def test_what_differs_is_there(name: str) -> None:
    """A name that differs is one that both have."""
    judged = judge(name)
    assert judged is not None
    assert judged.verdict == Verdict.DIFFERS


@pytest.mark.parametrize(
    "name", [*INSTEAD, *(f"{one.replace('.', '.types.Provider.')}" for one in PROVIDERS)]
)
def test_what_has_something_instead_is_missing(name: str) -> None:
    """A name for which something else is to be used is missing, or is a module that lacks other names."""
    judged = judge(name)
    assert judged is not None
    assert judged.verdict.is_lacking or name in own_modules()


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        ("common.base.Connection.request", "retry_failed"),
        ("compute.drivers.ovh.OvhNodeDriver", "ex_consumer_key"),
        ("compute.drivers.ovh.OvhNodeDriver", "ex_project_id"),
        ("storage.drivers.local.LocalStorageDriver", "ex_use_locking"),
    ],
)
def test_arguments_to_replace_are_refused(call: str, keyword: str) -> None:
    """An argument for which the table has something else is one that the call does not take."""
    assert unknown_keywords(call, [keyword]) == [keyword]
    assert KEYWORDS[keyword] in judge_keyword(call, keyword).note
