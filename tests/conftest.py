"""What holds for every test."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from polycloud.sandbox import Sandbox
from support.forked import Forker
from support.process import Process

# Whatever takes long on a busy machine is no failure; a test of a time has a bound of its own
settings.register_profile(
    "patient",
    deadline=None,
    max_examples=50,  # half of Hypothesis's own number
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")


REAL = {name: f"POLYCLOUD_{name.upper()}" for name in ("nameservers", "openstack", "stores")}
"""Folders of tests on servers of others, each run by `make` of its name, which sets this variable."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what is collected out of garbage collection.

    These are a million objects, which live as long as the process: to search them again and again takes
    a third of the collection, and 0.4 s of every test that calls `gc.collect`.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        if not gc.get_freeze_count():  # a session in a test ends with it
            gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the tests on servers of others: to collect and skip them takes long, too."""
    name = collection_path.name
    if collection_path.parent != Path(__file__).parent or name not in REAL or REAL[name] in os.environ:
        return None
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were left out."""
    for name in sorted(REAL):
        if REAL[name] not in os.environ:
            terminalreporter.write_line(f"LEFT OUT tests/{name}: servers of others; run `make {name}`")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt a test and the programs that it starts.

    A shell has its background jobs ignore SIGINT (`make test &`), and Python leaves an ignored signal alone,
    in itself and in every child.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    """Forks processes of the command `polycloud`, and of other Python programs."""
    with contextlib.closing(Forker()) as forker:
        yield forker


@pytest.fixture(scope="session")
def moto() -> Iterator[Sandbox]:
    """The sandbox's AWS with few instance types: moto, which takes a second of a processor to start."""
    with Sandbox("aws", types="t3,m5d") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def aws(moto: Sandbox) -> Sandbox:
    """An AWS for the tests of a module, empty at first."""
    moto.reset()
    return moto


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves the process changed for those after it, and undo the change."""
    before = Process()
    yield
    if changes := before.changes():
        before.restore()
        pytest.fail(f"the test leaves behind: {'; '.join(changes)}", pytrace=False)
