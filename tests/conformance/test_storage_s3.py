from collections.abc import Iterator

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.testing import StorageConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("s3", largest_page=2) as cloud:
        yield cloud


class TestS3(StorageConformance):
    not_offered = frozenset({"enable_container_cdn", "enable_object_cdn"})

    conditions_of_parts = frozenset({"if_none_match"})

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[S3StorageDriver]:
        with S3StorageDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
