from collections.abc import Iterator

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.base import StorageDriver
from polycloud.storage.drivers.google_storage import GoogleStorageDriver
from polycloud.testing import StorageConformance
from polycloud.testing.faults import SeenRequest


class TestGoogleStorage(StorageConformance):
    large = 9 * 1024 * 1024

    @pytest.fixture
    def driver(self) -> Iterator[GoogleStorageDriver]:
        with Sandbox("google_storage", largest_page=2) as cloud:
            with GoogleStorageDriver(*cloud.credentials, **cloud.options) as driver:
                yield driver

    def driver_with_wrong_credentials(self, driver: StorageDriver) -> StorageDriver:
        with Sandbox("google_storage") as other:
            email, key = other.credentials
        return self._another(driver, email, key)

    def is_no_download(self, request: SeenRequest) -> bool:
        return "alt=media" not in request.query
