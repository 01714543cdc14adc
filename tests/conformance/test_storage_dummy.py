import pytest

from polycloud.storage.drivers.dummy import DummyStorageDriver
from polycloud.testing import StorageConformance


class TestDummy(StorageConformance):
    over_http = False
    large = 300_000

    @pytest.fixture
    def driver(self) -> DummyStorageDriver:
        return DummyStorageDriver("correct horse battery staple")
