from collections.abc import Iterator

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver as Driver
from polycloud.testing import StorageConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack_swift") as cloud:
        yield cloud


class TestOpenStackSwift(StorageConformance):
    not_offered = frozenset({"enable_object_cdn"})
    conditions, driver_options = frozenset({"if_none_match"}), {"ex_temp_url_key": "key"}

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[Driver]:
        with Driver(*cloud.credentials, **cloud.options, ex_temp_url_key="key") as driver:
            driver.ex_set_account_metadata_temp_url_key("key")
            yield driver
