from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.linode import LinodeNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance

LACKING = "copy_image create_volume_snapshot destroy_volume_snapshot list_volume_snapshots"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("linode", build=0, boot=0.02, power=0.02, copy=0.1, attach=0.1, no_isolation=True) as cloud:
        yield cloud


class TestLinode(ComputeConformance):
    not_offered = frozenset(LACKING.split())
    unique_names = True

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[LinodeNodeDriver]:
        with LinodeNodeDriver(cloud.credentials[0], region="us-east", **cloud.options) as driver:
            yield driver
