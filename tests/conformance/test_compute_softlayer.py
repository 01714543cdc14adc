from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance

LACKING = """create_image copy_image delete_image list_volumes create_volume attach_volume detach_volume
    destroy_volume list_volume_snapshots create_volume_snapshot destroy_volume_snapshot"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("softlayer", build=0.03, power=0.03, no_isolation=True) as cloud:
        yield cloud


class TestSoftLayer(ComputeConformance):
    not_offered = frozenset(LACKING.split())

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[SoftLayerNodeDriver]:
        with SoftLayerNodeDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
