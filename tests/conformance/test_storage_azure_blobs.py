from collections.abc import Iterator

import pytest

from polycloud.sandbox import Sandbox
from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
from polycloud.testing import StorageConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("azure_blobs", versioning=True) as cloud:
        yield cloud


class TestAzureBlobs(StorageConformance):
    not_offered = frozenset({"enable_object_cdn", "set_container_versioning", "get_container_versioning"})
    metadata_name, presigned_headers = "Two_Words", (("x-ms-blob-type", "BlockBlob"),)
    wrong_secret = "d3Jvbmc="

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[AzureBlobsStorageDriver]:
        with AzureBlobsStorageDriver(*cloud.credentials, **cloud.options, ex_per_page=2) as driver:
            yield driver
