"""The rules of object storage, as tests that a driver's author inherits.

    class TestMyStorage(StorageConformance):
        not_offered = frozenset({"enable_container_cdn"})

        @pytest.fixture
        def driver(self) -> Iterator[MyStorageDriver]:
            with MyStorageDriver("key", "secret", url="http://127.0.0.1:8080") as driver:
                yield driver

docs/rules/storage.md lists them. `drivers` has the rules that hold for the drivers of every service,
`containers`, `objects`, `uploads`, `downloads`, `copies`, `changes` and `versions` those of storage, `suite`
what all of them use.
"""

from polycloud.testing.conformance.storage.changes import ChangeRules
from polycloud.testing.conformance.storage.containers import ContainerRules
from polycloud.testing.conformance.storage.copies import CopyRules
from polycloud.testing.conformance.storage.downloads import DownloadRules
from polycloud.testing.conformance.storage.drivers import DriverRules
from polycloud.testing.conformance.storage.objects import ObjectRules
from polycloud.testing.conformance.storage.uploads import UploadRules
from polycloud.testing.conformance.storage.versions import VersionRules

__all__ = ["StorageConformance"]


class StorageConformance(
    DriverRules,
    ContainerRules,
    ObjectRules,
    UploadRules,
    DownloadRules,
    CopyRules,
    ChangeRules,
    VersionRules,
):
    """The rules of storage; a driver's test class gives a fixture `driver` and sets `not_offered`."""
