"""The rules of storage on stores that nobody here wrote: most of them speak S3, Azurite speaks Azure's API.

All of them verify signatures and checksums. Run them by `make stores`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
from polycloud.storage.drivers.s3 import S3StorageDriver
from polycloud.testing import StorageConformance
from polycloud.testing.conformance.storage.suite import ODD_NAMES
from support.stores import store

LONGEST_FILE = 255
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
NOT_OFFERED = frozenset({"enable_container_cdn", "enable_object_cdn"})
SETTINGS = frozenset({"set_container_versioning", "get_container_versioning"})


class TestMiniStack(StorageConformance):
    """A fake of Amazon's services, by other authors than the sandbox's, with pages of 1,000 objects."""

    not_offered = NOT_OFFERED
    several = 1001

    @pytest.fixture
    def driver(self) -> Iterator[S3StorageDriver]:
        key, secret = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        with S3StorageDriver(key, secret, url=store("ministack")) as driver:
            yield driver


class TestSwift(StorageConformance):
    """OpenStack's Swift, which is real, by its S3 API: it has no conditions but `if_none_match`."""

    not_offered = NOT_OFFERED
    conditions = frozenset({"if_none_match"})

    @pytest.fixture
    def driver(self) -> Iterator[S3StorageDriver]:
        with S3StorageDriver("test:tester", "testing", url=store("swift")) as driver:
            yield driver

    @pytest.fixture(autouse=True)
    def left_out(self, request: pytest.FixtureRequest) -> None:
        """Skip what it does otherwise."""
        if request.node.name == "test_s93_impossible_versions":
            pytest.skip("its S3 API does not say of a version that it does not exist, but only 400")


class TestSeaweedFS(StorageConformance):
    """SeaweedFS, which is real, and keeps objects as files: names are paths, and sorted folder by folder."""

    not_offered = NOT_OFFERED
    odd_names = tuple(
        name
        for name in ODD_NAMES
        if not {"", ".", ".."} & {*name.split("/")} and "\\" not in name and len(name) <= LONGEST_FILE
    )
    sorted_lists = False

    @pytest.fixture(autouse=True)
    def _broken(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ == "test_s79_impossible_copies":
            pytest.skip("it responds 500 to a copy into a container that does not exist")

    @pytest.fixture
    def driver(self) -> Iterator[S3StorageDriver]:
        key, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
        with S3StorageDriver(key, secret, url=store("seaweedfs")) as driver:
            yield driver


class TestAzurite(StorageConformance):
    """Microsoft's emulator of Azure Storage, which verifies shared keys, SAS tokens and MD5s."""

    not_offered = frozenset({"enable_object_cdn", *SETTINGS})
    keeps_versions = False
    metadata_name, presigned_headers = "Two_Words", (("x-ms-blob-type", "BlockBlob"),)
    wrong_secret = "d3Jvbmc="
    large = 11 * 1024 * 1024

    @pytest.fixture
    def driver(self) -> Iterator[AzureBlobsStorageDriver]:
        with AzureBlobsStorageDriver(ACCOUNT, KEY, url=store("azurite"), ex_per_page=2) as driver:
            yield driver
