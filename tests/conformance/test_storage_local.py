import pytest

from polycloud.storage.drivers.local import LocalStorageDriver
from polycloud.testing import StorageConformance

VERSIONS = frozenset(
    {
        *("set_container_versioning", "get_container_versioning", "get_object_version"),
        *("iterate_object_versions", "list_object_versions"),
    }
)


class TestLocal(StorageConformance):
    not_offered = VERSIONS
    over_http = False
    large = 300_000

    @pytest.fixture
    def driver(self, tmp_path_factory: pytest.TempPathFactory) -> LocalStorageDriver:
        return LocalStorageDriver(str(tmp_path_factory.mktemp("storage")))
