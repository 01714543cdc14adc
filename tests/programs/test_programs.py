"""Programs that nobody here wrote, which import libcloud, on polycloud and on apache-libcloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

WORKLOADS = Path(__file__).parent / "workloads"
ENVIRONMENT = Path(os.environ.get("POLYCLOUD_PROGRAMS", "")).absolute()
"""The folder of a virtual environment with polycloud and the programs; beside it one with apache-libcloud."""

pytestmark = pytest.mark.skipif("POLYCLOUD_PROGRAMS" not in os.environ, reason="needs `make interop`")


@dataclass(frozen=True)
class Run:
    """What a workload printed of its tests."""

    version: str
    files: list[str]
    outcomes: dict[str, str]

    @property
    def passed(self) -> set[str]:
        return {name for name, outcome in self.outcomes.items() if outcome == "passed"}


def run(environment: Path, workload: str, *arguments: str) -> Run:
    command: list[str | Path] = [environment / "bin/python", WORKLOADS / workload, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Run(**told)


def compared(capsys: pytest.CaptureFixture[str], workload: str, *arguments: str) -> None:
    """Require that what passes on apache-libcloud passes on polycloud too, and say how many do."""
    peer = run(ENVIRONMENT.with_name(f"{ENVIRONMENT.name}-peer"), workload, *arguments)
    ours = run(ENVIRONMENT, workload, *arguments)
    with capsys.disabled():
        figures = (
            f"{len(ours.passed)} pass on polycloud, {len(peer.passed)} on apache-libcloud {peer.version}"
        )
        sys.stdout.write(f"\n{workload} {arguments}: of {len(ours.outcomes)} tests {figures}\n")
    assert peer.passed
    assert peer.outcomes.keys() == ours.outcomes.keys()
    assert {name: ours.outcomes[name] for name in peer.passed - ours.passed} == {}
    foreign = [file for file in ours.files if "polycloud" not in Path(file).parts]
    assert (ours.files != [], foreign) == (True, [])


@contextmanager
def plain_moto() -> Iterator[str]:
    """Run moto as it is: the sandbox's refuses the old signatures of Libcloud's driver for MinIO."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def of_django() -> str:
    tests = ENVIRONMENT / "sources/tests"
    if not tests.is_dir():
        pytest.skip("there is no source of Django, which has its tests")
    return str(tests)


def test_django_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    """Django's own tests of files pass with django-storages on local disk as they do on apache-libcloud."""
    compared(capsys, "django_files.py", of_django(), "local")


def test_django_on_s3(capsys: pytest.CaptureFixture[str]) -> None:
    """Django's own tests of files pass with django-storages on S3 as they do on apache-libcloud."""
    with plain_moto() as url:
        compared(capsys, "django_files.py", of_django(), url)


def test_attachments_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    """Files of rows by sqlalchemy-file follow transactions on local disk as they do on apache-libcloud."""
    compared(capsys, "attachments.py", "local")


def test_attachments_on_s3(capsys: pytest.CaptureFixture[str]) -> None:
    """Files of rows by sqlalchemy-file follow transactions at an S3 store as they do on apache-libcloud."""
    with plain_moto() as url:
        compared(capsys, "attachments.py", url)


def test_flask_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    """Uploads by Flask-Cloudy are kept on local disk as they are on apache-libcloud."""
    compared(capsys, "flask_uploads.py", "local")


def test_flask_on_s3(capsys: pytest.CaptureFixture[str]) -> None:
    """Uploads by Flask-Cloudy are kept at an S3 store as they are on apache-libcloud."""
    with plain_moto() as url:
        compared(capsys, "flask_uploads.py", url)


def test_salt_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    """Salt's modules for servers, zones and objects on disk work as they do on apache-libcloud."""
    compared(capsys, "salt_modules.py", "local")


def test_salt_on_s3(capsys: pytest.CaptureFixture[str]) -> None:
    """Salt's modules for objects at an S3 store work as they do on apache-libcloud."""
    with plain_moto() as url:
        compared(capsys, "salt_modules.py", url)
