from collections.abc import Iterator

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.google_storage import GoogleStorageDriver
from support.googlerules import GoogleRules


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("google_storage", largest_page=2) as cloud:
        yield cloud


class TestGoogleStorage(GoogleRules):
    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[GoogleStorageDriver]:
        with GoogleStorageDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
