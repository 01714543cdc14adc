"""fsspec's own tests of filesystems, on files of this machine and on S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fsspec.tests import abstract  # type: ignore[import-untyped]

from polycloud.filesystem import PolycloudFileSystem
from polycloud.sandbox import Sandbox
from polycloud.storage.base import StorageDriver
from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    @pytest.fixture
    def fs(self, driver: StorageDriver) -> PolycloudFileSystem:
        return PolycloudFileSystem(driver)

    @pytest.fixture
    def fs_path(self, fs: PolycloudFileSystem) -> Iterator[str]:
        fs.mkdir("bucket")
        yield "bucket"
        fs.rm("bucket", recursive=True)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class Suite(
    Fixtures,
    abstract.AbstractCopyTests,  # type: ignore[misc]
    abstract.AbstractGetTests,  # type: ignore[misc]
    abstract.AbstractOpenTests,  # type: ignore[misc]
    abstract.AbstractPipeTests,  # type: ignore[misc]
    abstract.AbstractPutTests,  # type: ignore[misc]
):
    pass


class TestLocal(Suite):
    @pytest.fixture
    def driver(self, tmp_path_factory: pytest.TempPathFactory) -> LocalStorageDriver:
        return LocalStorageDriver(str(tmp_path_factory.mktemp("storage")))


class TestS3(Suite):
    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[S3StorageDriver]:
        with S3StorageDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
