from collections.abc import Iterator

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.swift.cloudfiles import CloudFilesStorageDriver as Driver
from polycloud.testing import StorageConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("cloudfiles") as cloud:
        yield cloud


class TestCloudFiles(StorageConformance):
    not_offered = StorageConformance.versioning | {"enable_object_cdn"}
    conditions = frozenset({"if_none_match"})
    driver_options = {"ex_temp_url_key": "key"}  # noqa: RUF012

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[Driver]:
        with Driver(*cloud.credentials, **cloud.options, ex_temp_url_key="key") as driver:
            driver.ex_set_account_metadata_temp_url_key("key")
            yield driver
