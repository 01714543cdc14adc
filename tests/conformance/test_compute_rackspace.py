from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.openstack.rackspace import RackspaceNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox(
        "rackspace", build=0.03, power=0.03, copy=0.03, attach=0.03, page_size=2, no_isolation=True
    ) as cloud:
        yield cloud


class TestRackspace(ComputeConformance):
    not_offered = frozenset({"copy_image"})
    volume_size = 75

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[RackspaceNodeDriver]:
        with RackspaceNodeDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
