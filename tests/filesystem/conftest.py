"""Filesystems on files of this machine and on S3, and what is slow on the latter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polycloud.filesystem import PolycloudFileSystem
from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of fsspec's patterns on S3 to `make campaigns`: all run on files of this machine."""
    for item in items:
        if "TestS3::" in item.nodeid and "glob_edge_cases" in item.nodeid:
            item.add_marker(pytest.mark.campaign)


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Sandbox:
    return aws


@pytest.fixture
def s3(cloud: Sandbox) -> Iterator[S3StorageDriver]:
    cloud.reset()
    with S3StorageDriver(*cloud.credentials, **cloud.options) as driver:
        driver.create_container("bucket")
        yield driver


@pytest.fixture
def local(tmp_path: Path) -> LocalStorageDriver:
    (tmp_path / "base").mkdir()
    driver = LocalStorageDriver(str(tmp_path / "base"))
    driver.create_container("bucket")
    return driver


@pytest.fixture
def fs(local: LocalStorageDriver) -> PolycloudFileSystem:
    return PolycloudFileSystem(local)


@pytest.fixture
def s3fs(s3: S3StorageDriver) -> PolycloudFileSystem:
    return PolycloudFileSystem(s3)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the base folder of the profile `disk`."""
    base = tmp_path / "disk"
    (base / "photos").mkdir(parents=True)
    config = tmp_path / "config.toml"
    config.write_text(f'[profiles.disk]\nprovider = "local"\npath = "{base}"\n')
    config.chmod(0o600)
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(config))
    monkeypatch.delenv("POLYCLOUD_PROFILE", raising=False)
    yield base
    PolycloudFileSystem.clear_instance_cache()
