import pytest

from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.testing import StorageConformance


class TestLocal(StorageConformance):
    not_offered = StorageConformance.versioning
    over_http = False
    large = 300_000

    @pytest.fixture
    def driver(self, tmp_path_factory: pytest.TempPathFactory) -> LocalStorageDriver:
        return LocalStorageDriver(str(tmp_path_factory.mktemp("storage")))
